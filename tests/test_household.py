"""Tests of the demo's household: what its meters count."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import fsum
from pathlib import Path

import pytest

from .e2e.custom_components.household.profile import (
    QUARTER,
    ROWS,
    WEEK,
    ZONE,
    Household,
    Meter,
    Row,
    ev_charger_wh,
    heat_pump_wh,
    load_rows,
)

DATA = Path(__file__).parent / "data" / "household-2016.csv.gz"
INSTALLED = datetime(2025, 11, 24, 23, tzinfo=UTC)
YEAR = 52 * WEEK


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    """Return the recorded year."""
    return load_rows(DATA)


@pytest.fixture(scope="module")
def household(rows: list[Row]) -> Household:
    """Return the home."""
    return Household(rows, INSTALLED)


def quarters(start: datetime, length: timedelta) -> Iterator[datetime]:
    """Yield the beginnings of quarters of an hour."""
    for number in range(length // QUARTER):
        yield start + number * QUARTER


def test_recorded_year(rows: list[Row]) -> None:
    """The data are those that the notice describes."""
    assert len(rows) == 366 * 96
    assert fsum(row.house_wh for row in rows) == pytest.approx(3_666_423, abs=1_000)
    assert fsum(row.solar_wh for row in rows) == pytest.approx(5_446_402, abs=1_000)


def test_registers_begin_at_zero(household: Household) -> None:
    """New meters show nothing."""
    assert [household.reading(meter, INSTALLED) for meter in Meter] == [0] * 5


@pytest.mark.parametrize("meter", Meter)
def test_registers_only_grow(household: Household, meter: Meter) -> None:
    """A register never runs backwards, whenever it is read."""
    readings = [
        household.reading(meter, INSTALLED + number * timedelta(minutes=97, seconds=3))
        for number in range(5_400)
    ]
    assert all(before <= after for before, after in pairwise(readings))
    assert readings[-1] > 2_000


def test_registers_are_the_sum_of_the_energy(household: Household) -> None:
    """A register shows the energy of all quarters of an hour, beyond the end of the recorded year."""
    length = YEAR + 8 * WEEK
    energies = [household.energy_wh(start) for start in quarters(INSTALLED, length)]
    for meter in Meter:
        energy = fsum(each[meter] for each in energies)
        assert household.reading(meter, INSTALLED + length) == pytest.approx(
            energy / 1000, rel=1e-12
        )


def test_reading_within_a_quarter(household: Household) -> None:
    """Within a quarter of an hour a register grows evenly, to a tenth of a watt-hour."""
    start = INSTALLED + timedelta(hours=20)
    before = household.reading(Meter.GRID_IMPORT, start)
    after = household.reading(Meter.GRID_IMPORT, start + QUARTER)
    third = household.reading(Meter.GRID_IMPORT, start + QUARTER / 3)
    assert after > before
    assert third == pytest.approx(before + (after - before) / 3, abs=0.000_051)
    assert third == round(third, 4)


def test_energy_is_conserved(household: Household, rows: list[Row]) -> None:
    """What comes in and is produced is used or goes out; nothing comes in and goes out at once."""
    house = 0.0
    for start in quarters(INSTALLED, YEAR):
        energy = household.energy_wh(start)
        assert min(energy.values()) >= 0
        assert 0 in {energy[Meter.GRID_IMPORT], energy[Meter.GRID_EXPORT]}
        house += (
            energy[Meter.GRID_IMPORT]
            + energy[Meter.SOLAR_PRODUCTION]
            - energy[Meter.GRID_EXPORT]
            - energy[Meter.EV_CHARGER]
            - energy[Meter.HEAT_PUMP]
        )
    assert house == pytest.approx(fsum(row.house_wh for row in rows[:ROWS]))


def test_weeks_stay_weeks(household: Household, rows: list[Row]) -> None:
    """The recorded year is moved by whole weeks, and begins anew after 52 of them."""
    friday = datetime(2026, 1, 1, 23, tzinfo=UTC)
    solar = [
        household.energy_wh(start)[Meter.SOLAR_PRODUCTION]
        for start in quarters(friday, WEEK)
    ]
    assert friday.astimezone(ZONE).weekday() == 4  # as on 1 January 2016
    assert solar == [row.solar_wh for row in rows[: len(solar)]]
    assert solar == [
        household.energy_wh(start)[Meter.SOLAR_PRODUCTION]
        for start in quarters(friday + YEAR, WEEK)
    ]


@pytest.mark.parametrize("month", [1, 7])
def test_sun_shines_in_summer(rows: list[Row], month: int) -> None:
    """Solar production keeps its season, whenever the meters are installed."""
    household = Household(rows, datetime(2026, month, 1, tzinfo=UTC))
    june, december = (
        fsum(
            household.energy_wh(start)[Meter.SOLAR_PRODUCTION]
            for start in quarters(begin, 2 * WEEK)
        )
        for begin in (
            datetime(2027, 6, 1, tzinfo=UTC),
            datetime(2026, 12, 1, tzinfo=UTC),
        )
    )
    assert june > 3 * december


def test_ev_charges_four_times_a_week() -> None:
    """The car charges one to three hours at a time, at 7.4 kW."""
    monday = datetime(2026, 11, 23, tzinfo=ZONE).astimezone(UTC)
    charged = [start for start in quarters(monday, WEEK) if ev_charger_wh(start)]
    days = [start.astimezone(ZONE).date() for start in charged]
    assert {day.weekday() for day in days} == {0, 2, 5, 6}
    assert all(4 <= days.count(day) <= 12 for day in days)
    assert {ev_charger_wh(start) for start in charged} == {1850}


def test_heat_pump_follows_the_season() -> None:
    """In winter it heats, most of all in the morning; in summer there is hot water at noon alone."""

    def power(month: int, hour: int) -> float:
        return heat_pump_wh(datetime(2026, month, 15, hour, tzinfo=ZONE)) * 4

    assert power(1, 7) > power(1, 11) > power(1, 2) > 0
    assert power(7, 7) == 0
    assert power(7, 13) == 1500
