"""From statistics rows to intervals: gaps, debts, cuts, clock changes."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import fsum, isclose
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.intervals import (
    HOUR,
    SHORT,
    EnergyInterval,
    EnergyRow,
    Run,
    floor_hour,
    grid,
    in_hours,
    recut,
    short_changes,
    slots_of,
    split,
    spread,
    to_intervals,
)

START = datetime(2026, 3, 1, tzinfo=UTC)


def hour(number: int) -> datetime:
    """Return the start of an hour, counted from the beginning."""
    return START + number * HOUR


def row(number: int, change_wh: float, *, is_first: bool = False) -> EnergyRow:
    """Return the row of an hour."""
    return EnergyRow(start=hour(number), change_wh=change_wh, is_first=is_first)


def interval(start: int, end: int, energy_wh: float) -> EnergyInterval:
    """Return an interval from one hour's start to another's."""
    return EnergyInterval(start=hour(start), end=hour(end), energy_wh=energy_wh)


def run(end: int, *intervals: EnergyInterval, carry_wh: float = 0.0) -> Run:
    """Return a run that ends where an hour starts."""
    return Run(intervals=intervals, position=hour(end), carry_wh=carry_wh)


@pytest.mark.parametrize(
    ("instant", "expected"),
    [
        (hour(5), hour(5)),
        (hour(5) + timedelta(microseconds=1), hour(5)),
        (hour(6) - timedelta(microseconds=1), hour(5)),
    ],
)
def test_the_hour_of_an_instant(instant: datetime, expected: datetime) -> None:
    """An instant lies in the hour that began last."""
    assert floor_hour(instant) == expected


def test_an_interval_knows_its_length() -> None:
    """The length is the time between the borders."""
    assert interval(2, 5, 1.0).length == timedelta(hours=3)


def test_each_row_becomes_an_interval() -> None:
    """Rows of adjacent hours become intervals of these hours, unchanged."""
    rows = [row(0, 100.0), row(1, 0.0), row(2, 0.1)]

    assert to_intervals(rows, position=hour(0)) == run(
        3, interval(0, 1, 100.0), interval(1, 2, 0.0), interval(2, 3, 0.1)
    )


def test_without_rows_nothing_moves() -> None:
    """Position and debt stay where they are."""
    assert to_intervals([], position=hour(4), carry_wh=-5.0) == run(4, carry_wh=-5.0)


def test_rows_come_in_any_order() -> None:
    """Rows are put in order before they are joined."""
    rows = [row(2, 3.0), row(0, 1.0), row(1, 2.0)]

    assert to_intervals(rows, position=hour(0)) == run(
        3, interval(0, 1, 1.0), interval(1, 2, 2.0), interval(2, 3, 3.0)
    )


def test_of_repeated_rows_the_last_counts() -> None:
    """A row that was read again replaces the one before."""
    rows = [row(0, 1.0), row(1, 2.0), row(0, 5.0)]

    assert to_intervals(rows, position=hour(0)) == run(
        2, interval(0, 1, 5.0), interval(1, 2, 2.0)
    )


def test_rows_before_the_position_are_done() -> None:
    """The row that ends at the position is done, the one that begins there is not."""
    rows = [row(0, 1.0), row(1, 2.0), row(2, 3.0)]

    assert to_intervals(rows, position=hour(2)) == run(3, interval(2, 3, 3.0))


def test_the_change_after_a_gap_spans_the_gap() -> None:
    """The energy of hours without rows is spread over them."""
    rows = [row(0, 1.0), row(5, 60.0), row(6, 2.0)]

    assert to_intervals(rows, position=hour(0)) == run(
        7, interval(0, 1, 1.0), interval(1, 6, 60.0), interval(6, 7, 2.0)
    )


def test_a_gap_at_the_position_is_spanned() -> None:
    """A gap between two runs is no different from one inside a run."""
    assert to_intervals([row(5, 60.0)], position=hour(1)) == run(
        6, interval(1, 6, 60.0)
    )


def test_the_first_row_of_a_statistic_spans_no_gap() -> None:
    """Before its first row a statistic counted nothing."""
    rows = [row(5, 60.0, is_first=True), row(6, 2.0)]

    assert to_intervals(rows, position=hour(0)) == run(
        7, interval(5, 6, 60.0), interval(6, 7, 2.0)
    )


def test_the_first_row_of_a_statistic_can_carry_a_debt() -> None:
    """A statistic may begin with a negative change, as any row may."""
    rows = [row(5, -60.0, is_first=True), row(6, 100.0)]

    assert to_intervals(rows, position=hour(0)) == run(
        7, interval(5, 6, 0.0), interval(6, 7, 40.0)
    )


def test_a_negative_change_is_carried_until_it_is_made_up_for() -> None:
    """A debt lowers as many of the following intervals as it takes."""
    rows = [row(0, 10.0), row(1, -25.0), row(2, 10.0), row(3, 10.0), row(4, 10.0)]

    assert to_intervals(rows, position=hour(0)) == run(
        5,
        interval(0, 1, 10.0),
        interval(1, 2, 0.0),
        interval(2, 3, 0.0),
        interval(3, 4, 0.0),
        interval(4, 5, 5.0),
    )


def test_a_debt_that_is_left_goes_on() -> None:
    """What is not made up for is handed to the next run, which goes on with it."""
    first = to_intervals([row(0, -25.0)], position=hour(0), carry_wh=-5.0)
    assert first == run(1, interval(0, 1, 0.0), carry_wh=-30.0)

    second = to_intervals(
        [row(1, 40.0)], position=first.position, carry_wh=first.carry_wh
    )
    assert second == run(2, interval(1, 2, 10.0))


def test_a_debt_after_a_gap_is_carried_too() -> None:
    """The interval over a gap at whose end the meter was lower holds nothing."""
    rows = [row(0, 10.0), row(9, -7.0), row(10, 10.0)]

    assert to_intervals(rows, position=hour(0)) == run(
        11, interval(0, 1, 10.0), interval(1, 10, 0.0), interval(10, 11, 3.0)
    )


CHANGES = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False)


@st.composite
def series(draw: st.DrawFn) -> list[EnergyRow]:
    """Draw the rows of a statistic: with gaps, resets and negative steps, in order."""
    steps = draw(
        st.lists(st.tuples(st.integers(1, 1000) | st.just(1), CHANGES), max_size=30)
    )
    begins = draw(st.booleans())
    rows: list[EnergyRow] = []
    number = draw(st.integers(0, 3)) - 1
    for step, change_wh in steps:
        number += step
        rows.append(row(number, change_wh, is_first=begins and not rows))
    return rows


DEBTS = st.floats(min_value=-1e6, max_value=0.0)


@given(series(), DEBTS)
def test_every_watt_hour_counts_once(rows: list[EnergyRow], carry_wh: float) -> None:
    """The energy of all intervals and the debt left are the sum of all changes."""
    result = to_intervals(rows, position=START, carry_wh=carry_wh)

    found = fsum([*(each.energy_wh for each in result.intervals), result.carry_wh])
    changes = fsum([carry_wh, *(each.change_wh for each in rows)])
    # A small difference of large changes is as exact as these.
    largest = max((abs(each.change_wh) for each in rows), default=1.0)
    assert isclose(found, changes, rel_tol=1e-9, abs_tol=1e-9 * max(largest, 1.0))
    assert result.carry_wh <= 0


@given(series(), DEBTS)
def test_intervals_are_adjacent(rows: list[EnergyRow], carry_wh: float) -> None:
    """Intervals are not negative, do not overlap, span gaps and end with their row."""
    result = to_intervals(rows, position=START, carry_wh=carry_wh)

    assert all(each.energy_wh >= 0 for each in result.intervals)
    assert [each.end for each in result.intervals] == [
        each.start + HOUR for each in rows
    ]
    for before, after in pairwise(result.intervals):
        assert after.start == before.end
    if rows:
        first = rows[0].start if rows[0].is_first else START
        assert result.intervals[0].start == first
        assert result.position == result.intervals[-1].end


@given(st.data(), series(), DEBTS)
def test_a_series_may_be_cut_anywhere(
    data: st.DataObject, rows: list[EnergyRow], carry_wh: float
) -> None:
    """Runs that go on from each other's position and debt are the same as one run.

    Each later run reads everything again, as after a restart.
    """
    whole = to_intervals(rows, position=START, carry_wh=carry_wh)
    cuts = data.draw(st.lists(st.integers(0, len(rows)), max_size=5).map(sorted))

    intervals: list[EnergyInterval] = []
    position = START
    for cut in [*cuts, len(rows)]:
        part = to_intervals(rows[:cut], position=position, carry_wh=carry_wh)
        intervals += part.intervals
        position, carry_wh = part.position, part.carry_wh

    assert Run(intervals=tuple(intervals), position=position, carry_wh=carry_wh) == (
        whole
    )


@given(st.data(), series(), DEBTS)
def test_disorder_changes_nothing(
    data: st.DataObject, rows: list[EnergyRow], carry_wh: float
) -> None:
    """Rows out of order and rows that come twice give the same intervals."""
    repeated = data.draw(st.lists(st.sampled_from(rows)) if rows else st.just([]))
    muddle = data.draw(st.permutations([*rows, *repeated]))

    assert to_intervals(muddle, position=START, carry_wh=carry_wh) == to_intervals(
        rows, position=START, carry_wh=carry_wh
    )


DAYS = [
    pytest.param("Europe/London", date(2026, 3, 29), 23, id="London, spring"),
    pytest.param("Europe/London", date(2026, 10, 25), 25, id="London, autumn"),
    pytest.param("Europe/Berlin", date(2026, 3, 29), 23, id="Berlin, spring"),
    pytest.param("Europe/Berlin", date(2026, 10, 25), 25, id="Berlin, autumn"),
    # Half an hour is left out or comes twice: the day's border moves inside the hour.
    pytest.param("Australia/Lord_Howe", date(2026, 10, 4), 24, id="Lord Howe, spring"),
    pytest.param("Australia/Lord_Howe", date(2026, 4, 5), 25, id="Lord Howe, autumn"),
    pytest.param("Asia/Kolkata", date(2026, 3, 29), 25, id="Kolkata"),
]


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
def test_days_of_any_length(zone: str, day: date, hours: int) -> None:
    """Each UTC hour that a local day touches has an interval of one hour."""
    start, end = (
        datetime.combine(each, time(), ZoneInfo(zone)).astimezone(UTC)
        for each in (day, day + timedelta(days=1))
    )
    position = floor_hour(start)
    rows: list[EnergyRow] = []
    while (now := position + len(rows) * HOUR) < end:
        rows.append(EnergyRow(start=now, change_wh=len(rows) + 1.0, is_first=False))

    result = to_intervals(rows, position=position)

    assert [each.energy_wh for each in result.intervals] == list(range(1, hours + 1))
    assert {each.length for each in result.intervals} == {HOUR}
    assert {each.start.tzinfo for each in result.intervals} == {UTC}
    assert (result.intervals[0].start, result.position) == (
        position,
        position + hours * HOUR,
    )
    assert result.position - HOUR < end <= result.position


def test_a_gap_over_a_clock_change_is_spanned() -> None:
    """The hours that Berlin's clock skipped are no energy of their own."""
    berlin = ZoneInfo("Europe/Berlin")
    before = datetime(2026, 3, 29, 1, tzinfo=berlin).astimezone(UTC)
    after = datetime(2026, 3, 29, 3, tzinfo=berlin).astimezone(UTC)
    rows = [EnergyRow(start=after, change_wh=8.0, is_first=False)]

    assert to_intervals(rows, position=before).intervals == (
        EnergyInterval(start=before, end=before + 2 * HOUR, energy_wh=8.0),
    )


def test_records_that_exist_keep_their_borders() -> None:
    """Rows that have come or gone since change only the energy within them."""
    odd = [(hour(3), hour(6))]

    assert recut([], odd) == []
    assert recut([interval(2, 3, 1.0), interval(3, 6, 9.0)], odd) == [
        interval(2, 3, 1.0),
        interval(3, 6, 9.0),
    ]
    late = [interval(number, number + 1, float(number)) for number in range(2, 8)]
    assert recut(late, odd) == [
        interval(2, 3, 2.0),
        interval(3, 6, 12.0),
        interval(6, 7, 6.0),
        interval(7, 8, 7.0),
    ]
    assert recut([interval(6, 8, 5.0)], odd) == [
        interval(6, 7, 2.5),
        interval(7, 8, 2.5),
    ]


@given(series(), series())
def test_other_borders_hold_the_same_energy(
    rows: list[EnergyRow], submitted: list[EnergyRow]
) -> None:
    """Whatever was submitted, no energy is lost or found, and no borders overlap."""
    now = to_intervals(rows, position=hour(0)).intervals
    once = to_intervals(submitted, position=hour(0)).intervals
    odd = [(each.start, each.end) for each in once if each.length != HOUR]

    cut = recut(now, odd)

    assert isclose(
        fsum(each.energy_wh for each in cut),
        fsum(each.energy_wh for each in now),
        rel_tol=1e-9,
        abs_tol=1e-9,
    )
    assert all(one.end <= other.start for one, other in pairwise(cut))
    assert {(each.start, each.end) for each in cut if each.length != HOUR} <= set(odd)


HALF_HOUR = timedelta(minutes=30)
QUARTER = timedelta(minutes=15)


def short_rows(number: int, *changes_wh: float) -> list[EnergyRow]:
    """Return rows of five minutes from an hour on."""
    return [
        EnergyRow(start=hour(number) + n * SHORT, change_wh=change, is_first=False)
        for n, change in enumerate(changes_wh)
    ]


def slots(number: int, *energies_wh: float) -> list[EnergyInterval]:
    """Return slots that fill an hour."""
    return [
        EnergyInterval(start=start, end=end, energy_wh=energy_wh)
        for (start, end), energy_wh in zip(
            slots_of(
                hour(number),
                hour(number + 1),
                grid(hour(number), HOUR / len(energies_wh)),
            ),
            energies_wh,
            strict=True,
        )
    ]


def minutes(number: int, low: int, high: int, energy_wh: float) -> EnergyInterval:
    """Return a record between two minutes of an hour."""
    start, end = (hour(number) + timedelta(minutes=each) for each in (low, high))
    return EnergyInterval(start=start, end=end, energy_wh=energy_wh)


TWELVE = tuple(float(number) for number in range(12))


@pytest.mark.parametrize(
    ("length", "energies_wh"),
    [
        (HOUR, [66.0]),
        (HALF_HOUR, [15.0, 51.0]),
        (QUARTER, [3.0, 12.0, 21.0, 30.0]),
    ],
)
def test_an_hour_in_slots(length: timedelta, energies_wh: list[float]) -> None:
    """Each slot has the energy of its rows of five minutes."""
    short = short_changes(short_rows(2, *TWELVE))

    assert split(interval(2, 3, 66.0), length, [], short) == slots(2, *energies_wh)


CUTS = [hour(2) + timedelta(minutes=10), hour(2) + timedelta(minutes=45)]


@pytest.mark.parametrize(
    ("whole", "length", "rows", "expected"),
    [
        pytest.param(
            interval(2, 3, 66.0),
            HOUR,
            short_rows(2, *TWELVE),
            [(0, 10, 1.0), (10, 45, 35.0), (45, 60, 30.0)],
            id="told",
        ),
        pytest.param(
            interval(2, 3, 66.0),
            HALF_HOUR,
            short_rows(2, *TWELVE),
            [(0, 10, 1.0), (10, 30, 14.0), (30, 45, 21.0), (45, 60, 30.0)],
            id="slots",
        ),
        pytest.param(
            interval(2, 3, 60.0),
            QUARTER,
            short_rows(2, *TWELVE),
            [(0, 10, 10.0), (10, 45, 35.0), (45, 60, 15.0)],
            id="evenly",
        ),
        pytest.param(
            minutes(2, 10, 60, 65.0),
            HOUR,
            short_rows(2, *TWELVE),
            [(10, 45, 35.0), (45, 60, 30.0)],
            id="what is left",
        ),
        pytest.param(
            interval(2, 4, 66.0),
            HOUR,
            short_rows(2, *TWELVE),
            [(0, 120, 66.0)],
            id="gap",
        ),
    ],
)
def test_an_hour_that_is_cut(
    whole: EnergyInterval,
    length: timedelta,
    rows: list[EnergyRow],
    expected: list[tuple[int, int, float]],
) -> None:
    """A session begins and ends in it: the energy of either side is told apart."""
    found = split(whole, length, CUTS, short_changes(rows))

    assert found == [minutes(2, *each) for each in expected]


def test_changes_of_an_hour_that_is_not_over() -> None:
    """They are known up to the first that is missing."""
    rows = [*short_rows(2, 1.0, 2.0, 3.0, 4.0), *short_rows(3, 5.0, 6.0)]

    assert short_changes([*rows[:2], rows[3], *rows[4:]]) == {
        hour(2): [1.0, 2.0],
        hour(3): [5.0, 6.0],
    }
    assert short_changes(rows[1:2]) == {hour(2): []}


@pytest.mark.parametrize(
    ("rows", "whole"),
    [
        pytest.param(
            short_rows(2, *TWELVE[:11]), interval(2, 3, 55.0), id="a row less"
        ),
        pytest.param(short_rows(3, *TWELVE), interval(2, 3, 66.0), id="other hour"),
        pytest.param(short_rows(2, *TWELVE), interval(2, 3, 66.1), id="other sum"),
        pytest.param(
            short_rows(2, -1.0, 1.0, *[6.6] * 10), interval(2, 3, 66.0), id="negative"
        ),
        pytest.param(short_rows(2, *TWELVE), interval(2, 4, 66.0), id="gap"),
    ],
)
def test_an_hour_that_stays_whole(rows: list[EnergyRow], whole: EnergyInterval) -> None:
    """Without all rows, or where they say something else, nothing is made up."""
    assert split(whole, QUARTER, [], short_changes(rows)) == [whole]


def test_an_hour_without_energy_in_slots() -> None:
    """Nothing was used in each of them."""
    short = short_changes(short_rows(0, *[0.0] * 12))
    assert split(interval(0, 1, 0.0), HALF_HOUR, [], short) == slots(0, 0.0, 0.0)


def test_energy_of_an_hour_whose_slots_are_not_known() -> None:
    """It is spread evenly within the borders that exist."""
    found = spread(
        interval(2, 3, 80.0), slots_of(hour(2), hour(3), grid(hour(2), QUARTER)), {}
    )
    assert found == slots(2, 20.0, 20.0, 20.0, 20.0)


def test_slots_put_together() -> None:
    """They are their hour again; what is an hour or longer stays."""
    records = [*slots(2, 1.0, 2.0), interval(3, 4, 5.0), interval(4, 9, 6.0)]
    assert sorted(in_hours([*records, *slots(9, *[0.25] * 4)[:3]]), key=_start) == [
        interval(2, 3, 3.0),
        interval(3, 4, 5.0),
        interval(4, 9, 6.0),
        interval(9, 10, 0.75),
    ]


def _start(each: EnergyInterval) -> datetime:
    """Return where an interval begins."""
    return each.start


LENGTHS = st.sampled_from([HOUR, HALF_HOUR, QUARTER])
BORDERS = st.sets(st.integers(0, 12 * 24).map(lambda number: START + number * SHORT))


@st.composite
def fine_series(draw: st.DrawFn) -> tuple[list[EnergyRow], list[EnergyRow]]:
    """Draw the rows of a statistic, and of five minutes for some of its hours.

    These add up to their hour, but where a row is gone or one of them was changed.
    """
    rows, fine = draw(series()), []
    parts = st.lists(st.floats(0, 1), min_size=12, max_size=12)
    for each in rows:
        shares = draw(st.none() | parts)
        if shares is None or not any(shares):
            continue
        changes = [each.change_wh * share / fsum(shares) for share in shares]
        number = (each.start - START) // HOUR
        flaw = draw(st.sampled_from([None, None, "gone", "changed"]))
        if flaw == "changed":
            changes[0] += 1.0
        fine += short_rows(number, *changes)[1 if flaw == "gone" else 0 :]
    return rows, fine


@given(fine_series(), DEBTS, LENGTHS, BORDERS, st.data())
def test_slots_of_any_length(
    found: tuple[list[EnergyRow], list[EnergyRow]],
    carry_wh: float,
    length: timedelta,
    cuts: set[datetime],
    data: st.DataObject,
) -> None:
    """No energy is lost or found; slots meet, are not negative, and come again alike."""
    rows, fine = found
    whole = to_intervals(rows, position=START, carry_wh=carry_wh)
    short = short_changes(fine)

    records = [
        each for one in whole.intervals for each in split(one, length, cuts, short)
    ]

    for hourly in whole.intervals:
        inside = [e for e in records if hourly.start <= e.start < hourly.end]
        assert isclose(
            fsum(each.energy_wh for each in inside), hourly.energy_wh, rel_tol=1e-9
        )
        borders = {each.start for each in inside[1:]}
        if hourly.length == HOUR:
            within = {cut for cut in cuts if hourly.start < cut < hourly.end}
            slots = set(grid(hourly.start, length)[1:])
            assert borders in (within, within | slots)
        else:
            assert not borders
        assert (inside[0].start, inside[-1].end) == (hourly.start, hourly.end)
    assert all(each.energy_wh >= 0 for each in records)
    assert all(one.end == other.start for one, other in pairwise(records))
    assert {each.start for each in in_hours(records)} == {
        each.start for each in whole.intervals
    }

    cut = data.draw(st.integers(0, len(rows)))
    first = to_intervals(rows[:cut], position=START, carry_wh=carry_wh)
    second = to_intervals(rows, position=first.position, carry_wh=first.carry_wh)
    again = [
        each
        for part in (first, second)
        for one in part.intervals
        for each in split(
            one,
            length,
            cuts,
            short_changes([e for e in fine if one.start <= e.start < one.end]),
        )
    ]
    assert again == records


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
def test_days_of_any_length_in_slots(zone: str, day: date, hours: int) -> None:
    """Each quarter of each hour that a local day touches is there just once."""
    start = floor_hour(datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC))
    number = (start - START) // HOUR
    fine = short_rows(number, *(float(n) for n in range(12 * hours)))

    records = [
        each
        for n in range(number, number + hours)
        for each in split(
            interval(
                n,
                n + 1,
                fsum(row.change_wh for row in fine if floor_hour(row.start) == hour(n)),
            ),
            QUARTER,
            [],
            short_changes(fine),
        )
    ]

    assert [each.start for each in records] == [
        start + n * QUARTER for n in range(4 * hours)
    ]
    assert [each.energy_wh for each in records] == [
        9.0 * n + 3.0 for n in range(4 * hours)
    ]
