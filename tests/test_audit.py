"""What Flatpeak counts against what it was told."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.flatpeak.api import CostRow
from custom_components.flatpeak.audit import Discrepancy, audit, is_counted, is_rounded
from custom_components.flatpeak.intervals import HOUR, EnergyInterval

DAY = datetime(2026, 3, 29, tzinfo=UTC)


def row(energy_wh: float, *, day: int = 0) -> CostRow:
    """Return a day of a report."""
    start = DAY + timedelta(days=day)
    return CostRow(
        start=start,
        end=start + timedelta(days=1),
        energy_wh=energy_wh,
        cost=0.0,
        confidence=1.0,
    )


def interval(hour: float, energy_wh: float, *, hours: float = 1) -> EnergyInterval:
    """Return an interval, by the hour of the first day."""
    start = DAY + hour * HOUR
    return EnergyInterval(start=start, end=start + hours * HOUR, energy_wh=energy_wh)


def test_days_that_agree() -> None:
    """A watt-hour a record may be lost by rounding."""
    intervals = [interval(1, 10.4), interval(2, 20.4), interval(25, 0.3)]

    assert not list(audit([row(30.8), row(0.3, day=1), row(0, day=2)], intervals))
    assert not list(audit([row(29.0), row(0.0, day=1), row(1, day=2)], intervals))


def test_days_that_differ() -> None:
    """Each is named with both figures."""
    intervals = [interval(1, 10.0), interval(2, 20.0), interval(25, 5.0)]

    found = list(audit([row(60.0), row(0.0, day=1), row(7.0, day=2)], intervals))

    assert [(each.day, each.reported_wh, each.submitted_wh) for each in found] == [
        (DAY, 60.0, 30.0),
        (DAY + timedelta(days=1), 0.0, 5.0),
        (DAY + timedelta(days=2), 7.0, 0.0),
    ]
    assert [each.size for each in found] == [30.0, 5.0, 7.0]


def test_a_record_over_midnight_belongs_to_both_days() -> None:
    """By its share of the time, as Flatpeak spreads it."""
    intervals = [interval(22, 400.0, hours=4), interval(23.5, 100.0)]

    assert not list(audit([row(250.0), row(250.0, day=1)], intervals))
    assert list(audit([row(500.0)], intervals)) == [
        Discrepancy(day=DAY, reported_wh=500.0, submitted_wh=250.0)
    ]


@pytest.mark.parametrize(
    ("counted_wh", "energies_wh", "expected"),
    [
        (30.6, [10.4, 20.2], True),
        (0.1 + 0.2, [0.3], True),
        (30.0, [10.4, 20.2], True),  # Each record rounded.
        (31.0, [10.4, 20.2], True),  # Their sum rounded.
        (32.0, [10.4, 20.2], False),
        (30.5, [10.4, 20.2], False),
        (10.0, [10.9], True),
        (11.0, [10.1], True),
        (12.0, [10.9], False),
        (0.0, [0.0, 0.0], True),
        (0.0, [10.0], False),
    ],
)
def test_what_is_counted(
    counted_wh: float, energies_wh: list[float], *, expected: bool
) -> None:
    """Records are there as they are, or rounded as a service may round."""
    assert is_counted(counted_wh, energies_wh) is expected


@pytest.mark.parametrize(
    ("counted_wh", "expected"),
    [(4.0, True), (1.0, True), (5.0, False), (0.0, False), (2.5, False)],
)
def test_records_that_are_each_rounded(counted_wh: float, *, expected: bool) -> None:
    """Whole watt-hours may be up to one a record away."""
    assert is_rounded(counted_wh, [1.0, 0.7, 0.8]) is expected
