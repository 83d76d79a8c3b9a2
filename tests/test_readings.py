"""Readings tell all energy, however they are cut and whichever are refused."""

from datetime import UTC, datetime
from itertools import pairwise
from math import fsum, isclose
from typing import Final

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.intervals import (
    HOUR,
    EnergyInterval,
    EnergyRow,
    to_intervals,
)
from custom_components.flatpeak.readings import (
    FIRST_WH,
    Mark,
    Register,
    begin,
    marks,
    tell,
)

START: Final = datetime(2026, 10, 24, tzinfo=UTC)

type Series = list[EnergyInterval]


def interval(start: int, energy_wh: float, hours: int = 1) -> EnergyInterval:
    """Return the energy of some hours."""
    begin = START + start * HOUR
    return EnergyInterval(start=begin, end=begin + hours * HOUR, energy_wh=energy_wh)


def shown(found: list[Mark]) -> list[tuple[int, float]]:
    """Return readings with the hours that they are taken at."""
    return [((mark.time - START) // HOUR, mark.register_wh) for mark in found]


@st.composite
def series(draw: st.DrawFn) -> Series:
    """Draw energy in order of time, with gaps and records over several hours."""
    energies = st.floats(0, 1e5) | st.just(0.0)
    found, start = [], 0
    for _ in range(draw(st.integers(1, 12))):
        start += draw(st.sampled_from([0, 0, 0, 3]))
        hours = draw(st.sampled_from([1, 1, 5]))
        found.append(interval(start, draw(energies), hours))
        start += hours
    return found


def counted(taken: list[Mark]) -> list[tuple[datetime, datetime, float]]:
    """Return what a service counts from one reading to the next."""
    return [
        (one.time, other.time, other.register_wh - one.register_wh)
        for one, other in pairwise(taken)
    ]


@given(series(), st.data())
def test_every_watt_hour_once(intervals: Series, data: st.DataObject) -> None:
    """Whatever is cut and refused: a service counts what is told, the rest is untold."""
    register = begin(START, None)
    taken: list[Mark] = []
    records: Series = []
    lost: Series = []
    untold: Series = []
    rest = intervals
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        part, rest = [*untold, *rest[:cut]], rest[cut:]
        found = marks(part, register)
        refused = data.draw(st.sets(st.integers(0, len(found) - 1)))
        taken += [mark for n, mark in enumerate(found) if n not in refused]
        told = tell(part, register, dict.fromkeys(refused, "no"))
        records += told.records
        untold = list(told.untold)
        if told.register is None:
            lost, untold = lost + untold, []
            register = begin(part[-1].end, None)
            continue
        lost += [each for each in untold if each.end <= told.register.end]
        untold = [each for each in untold if each.end > told.register.end]
        register = told.register

    service = {(start, end): energy for start, end, energy in counted(taken) if energy}
    for record in records:
        energy = service.pop((record.start, record.end), 0.0)
        assert isclose(energy, record.energy_wh, rel_tol=1e-9, abs_tol=1e-6)
    assert not service
    energies = (each.energy_wh for each in (*records, *lost, *untold))
    assert isclose(
        fsum(energies), fsum(each.energy_wh for each in intervals), abs_tol=1e-6
    )
    assert all(one.end <= other.start for one, other in pairwise(records))


@given(series(), st.data())
def test_the_same_readings_however_cut(intervals: Series, data: st.DataObject) -> None:
    """A series in two parts gives the readings of the whole, to the last bit."""
    cut = data.draw(st.integers(1, len(intervals)))
    whole = marks(intervals, begin(START, None))

    after = tell(intervals[:cut], begin(START, None), {}).register
    assert after is not None
    parts = [
        *marks(intervals[:cut], begin(START, None)),
        *marks(intervals[cut:], after),
    ]

    assert parts == whole
    assert all(one.register_wh <= other.register_wh for one, other in pairwise(whole))


@given(st.lists(st.floats(-1e4, 1e5), min_size=2, max_size=20), st.data())
def test_the_register_shows_what_the_recorder_counts(
    changes: list[float], data: st.DataObject
) -> None:
    """It does but for what ran backwards last, and never goes back itself."""
    rows = [
        EnergyRow(start=START + number * HOUR, change_wh=change, is_first=False)
        for number, change in enumerate(changes)
    ]
    cut = data.draw(st.integers(1, len(rows) - 1))
    one = to_intervals(rows[:cut], position=START)
    other = to_intervals(rows[cut:], position=one.position, carry_wh=one.carry_wh)
    register = begin(START, None)
    found: list[float] = []
    for run in (one, other):
        found += [mark.register_wh for mark in marks(run.intervals, register)]
        after = tell(run.intervals, register, {}).register
        assert after is not None
        register = after

    assert found == sorted(found)
    assert isclose(found[-1] - found[0] + other.carry_wh, fsum(changes), abs_tol=1e-6)


def test_first_reading() -> None:
    """A register begins with a reading, and goes on with the ends of hours."""
    first = begin(START, None)
    assert shown(marks([interval(0, 5), interval(1, 7)], first)) == [
        (0, FIRST_WH),
        (1, FIRST_WH + 5),
        (2, FIRST_WH + 12),
    ]

    after = tell([interval(0, 5)], first, {}).register
    assert after == Register(
        start=START, end=START + HOUR, register_wh=FIRST_WH + 5, is_begun=True
    )
    assert shown(marks([interval(1, 7)], after)) == [(2, FIRST_WH + 12)]


def test_gap() -> None:
    """An hour that begins after a gap has a reading of its own."""
    register = Register(start=START, end=START + HOUR, register_wh=100.0, is_begun=True)

    assert shown(marks([interval(5, 9)], register)) == [(5, 100.0), (6, 109.0)]
    assert tell([interval(5, 9)], register, {}).records == (interval(5, 9),)


def test_register_that_begins_anew() -> None:
    """It shows less than any reading before, and never less than nothing."""
    shows = FIRST_WH
    for number in range(40):
        before = Register(
            start=START, end=START + number * HOUR, register_wh=shows, is_begun=True
        )
        anew = begin(START + 50 * HOUR, before)
        assert 0 < anew.register_wh < shows
        assert not anew.is_begun
        shows = anew.register_wh


@pytest.mark.parametrize(
    ("refused", "records", "untold"),
    [
        ({1}, [interval(0, 12, 2), interval(2, 9)], []),
        ({1, 2}, [interval(0, 21, 3)], []),
        ({3}, [interval(0, 5), interval(1, 7)], [interval(2, 9)]),
        ({0}, [interval(1, 7), interval(2, 9)], [interval(0, 5)]),
        ({0, 3}, [interval(1, 7)], [interval(0, 5), interval(2, 9)]),
        ({0, 1, 2}, [], [interval(0, 5), interval(1, 7), interval(2, 9)]),
    ],
)
def test_refused_readings(
    refused: set[int], records: list[EnergyInterval], untold: list[EnergyInterval]
) -> None:
    """The next reading tells of it too; only the ends of a register know no next one."""
    hours = [interval(0, 5), interval(1, 7), interval(2, 9)]

    told = tell(hours, begin(START, None), {n: f"no {n}" for n in refused})

    assert list(told.records) == records
    assert list(told.untold) == untold
    assert set(told.untold.values()) <= {f"no {n}" for n in refused}


def test_register_of_which_nothing_is_taken() -> None:
    """It has not begun; one that has stays where it was."""
    refused = {0: "no", 1: "never"}
    told = tell([interval(0, 5)], begin(START, None), refused)
    assert told.register is None
    assert told.untold == {interval(0, 5): "never"}

    begun = Register(start=START, end=START + HOUR, register_wh=100.0, is_begun=True)
    told = tell([interval(1, 7)], begun, {0: "no"})
    assert told.register == begun
    assert told.untold == {interval(1, 7): "no"}


def test_register_that_has_only_begun() -> None:
    """It goes on from its first reading."""
    told = tell([interval(0, 5)], begin(START, None), {1: "no"})
    assert told.untold == {interval(0, 5): "no"}

    assert told.register is not None
    assert told.register.end == START
    assert shown(marks([interval(0, 5)], told.register)) == [(1, FIRST_WH + 5)]
