"""When energy is best used: in one piece, in any time zone, at any prices."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import fsum, isclose
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.api import PriceSlot
from custom_components.flatpeak.schedule import best_window, cheap_windows, cut, joined

BERLIN = ZoneInfo("Europe/Berlin")
# Half an hour beside everybody else's, without clock changes.
KOLKATA = ZoneInfo("Asia/Kolkata")
HAVANA = ZoneInfo("America/Havana")
START = datetime(2026, 11, 24, tzinfo=UTC)
HOUR = timedelta(hours=1)
HALF = timedelta(minutes=30)


def slots_of(
    prices: Iterable[float], start: datetime = START, length: timedelta = HOUR
) -> list[PriceSlot]:
    """Return slots that follow one another."""
    return [
        PriceSlot(
            start=start + number * length,
            end=start + (number + 1) * length,
            price=price,
            confidence=1,
        )
        for number, price in enumerate(prices)
    ]


def spans(slots: Iterable[PriceSlot]) -> list[tuple[datetime, datetime]]:
    """Return when slots begin and end."""
    return [(slot.start, slot.end) for slot in slots]


def hours(*numbers: float, start: datetime = START) -> list[tuple[datetime, datetime]]:
    """Return the spans between numbers of hours after a start."""
    instants = [start + number * HOUR for number in numbers]
    return list(zip(instants[::2], instants[1::2], strict=True))


def test_neighbours_are_joined() -> None:
    """Their price and confidence are averages by time; a gap keeps them apart."""
    slots = [
        PriceSlot(start=START, end=START + HOUR, price=0.1, confidence=1),
        PriceSlot(start=START + HOUR, end=START + 4 * HOUR, price=0.5, confidence=0.6),
        PriceSlot(
            start=START + 5 * HOUR, end=START + 6 * HOUR, price=-0.1, confidence=0.7
        ),
    ]
    first, second = joined(slots)
    assert spans([first, second]) == hours(0, 4, 5, 6)
    assert isclose(first.price, 0.4)
    assert isclose(first.confidence, 0.7)
    assert second == slots[2]
    assert joined([]) == []


def test_slots_are_cut() -> None:
    """What lies outside is left out, and what reaches out is cut."""
    slots = slots_of([1, 2, 3, 4])
    inside = list(cut(slots, START + HALF, START + 2 * HOUR))
    assert spans(inside) == hours(0.5, 1, 1, 2)
    assert [slot.price for slot in inside] == [1, 2]


def test_best_window_in_one_piece() -> None:
    """It may begin or end with a slot, or inside one."""
    slots = slots_of([5, 3, 1, 2, 9, 0])
    for length, begins, ends, price in (
        (HOUR, 5, 6, 0),
        (2 * HOUR, 2, 4, 1.5),
        (HALF, 5, 5.5, 0),
        (1.5 * HOUR, 2, 3.5, 4 / 3),
        (6 * HOUR, 0, 6, 20 / 6),
    ):
        window = best_window(slots, length)
        assert window is not None
        assert spans([window]) == hours(begins, ends)
        assert isclose(window.price, price, abs_tol=1e-12)
    dear = best_window(slots, 90 * timedelta(minutes=1), is_dear=True)
    assert dear is not None
    assert spans([dear]) == hours(3.5, 5)
    assert isclose(dear.price, (2 * 0.5 + 9) / 1.5)


def test_equal_windows() -> None:
    """Of equal windows it is the earliest, however the sums are rounded."""
    for price in (0.1, 0.3, -0.2, 0.0):
        for is_dear in (False, True):
            window = best_window(
                slots_of([price] * 144, length=HALF), 5 * HALF, is_dear=is_dear
            )
            assert window is not None
            assert window.start == START
            assert isclose(window.price, price, abs_tol=1e-12)


def test_prices_with_a_gap() -> None:
    """What has no price is not offered, however cheap it might be."""
    slots = [*slots_of([1, 2]), *slots_of([3, 4, 5], START + 3 * HOUR)]
    window = best_window(slots, 3 * HOUR)
    assert window is not None
    assert spans([window]) == hours(3, 6)
    assert best_window(slots, 4 * HOUR) is None
    assert best_window([], HOUR) is None


@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=20),
    st.integers(1, 80),
    st.booleans(),
)
def test_no_window_is_better(prices: list[int], quarters: int, is_dear: bool) -> None:
    """No other start, by steps of five minutes, gives a better average."""
    slots = slots_of([price / 100 for price in prices])
    length = quarters * HALF / 2
    window = best_window(slots, length, is_dear=is_dear)
    end = slots[-1].end
    starts = range((end - START - length) // timedelta(minutes=5) + 1)
    averages = [
        average(slots, START + number * timedelta(minutes=5), length)
        for number in starts
    ]
    if window is None:
        assert not averages
        return
    best = (max if is_dear else min)(averages)
    assert isclose(window.price, best, rel_tol=1e-9, abs_tol=1e-9)
    assert window.end - window.start == length
    assert isclose(average(slots, window.start, length), best, abs_tol=1e-9)


def average(slots: list[PriceSlot], start: datetime, length: timedelta) -> float:
    """Return the average price of a stretch of time."""
    parts = cut(slots, start, start + length)
    return fsum(part.price * ((part.end - part.start) / length) for part in parts)


def test_cheap_times_of_a_day() -> None:
    """The limit lies between the lowest and the highest price of the local day."""
    slots = slots_of([0.1, 0.2, 0.3, 0.5, 0.2, *[0.5] * 19])
    for share, expected in (
        (0, hours(0, 1)),
        (0.25, hours(0, 2, 4, 5)),
        (0.5, hours(0, 3, 4, 5)),
        (1, hours(0, 24)),
    ):
        assert spans(cheap_windows(slots, share, UTC)) == expected
    [first, second] = cheap_windows(slots, 0.25, UTC)
    assert isclose(first.price, 0.15)
    assert isclose(second.price, 0.2)


def test_negative_prices_are_cheap() -> None:
    """A limit may lie below zero."""
    slots = slots_of([-0.4, -0.3, -0.1, 0.0, *[-0.05] * 20])
    assert spans(cheap_windows(slots, 0.25, UTC)) == hours(0, 2)


def test_a_day_with_one_price_is_cheap() -> None:
    """Nothing is gained by waiting."""
    slots = slots_of([0.3] * 24)
    assert spans(cheap_windows(slots, 0.25, UTC)) == hours(0, 24)


def test_each_day_has_its_own_limit() -> None:
    """A night that is cheap on both days goes on over midnight, one that is not ends there."""
    today = slots_of([*[0.5] * 22, 0.2, 0.2])
    for tomorrow, expected in (
        ([0.2, *[0.5] * 23], hours(22, 25)),
        ([0.2, *[0.05] * 23], hours(22, 24, 25, 48)),
    ):
        slots = [*today, *slots_of(tomorrow, START + 24 * HOUR)]
        assert spans(cheap_windows(slots, 0.25, UTC)) == expected


def test_a_slot_over_midnight() -> None:
    """It counts in both days, and is cut where only one finds it cheap."""
    slots = [
        PriceSlot(start=START, end=START + 22 * HOUR, price=0.5, confidence=1),
        PriceSlot(
            start=START + 22 * HOUR, end=START + 30 * HOUR, price=0.2, confidence=1
        ),
        PriceSlot(
            start=START + 30 * HOUR, end=START + 48 * HOUR, price=0.1, confidence=1
        ),
    ]
    assert spans(cheap_windows(slots, 0.25, UTC)) == hours(22, 24, 30, 48)


def test_local_midnight_inside_an_hour() -> None:
    """In a zone beside the hour a day begins at half past."""
    midnight = datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
    slots = slots_of([*[0.5] * 18, 0.2, *[0.1] * 5, 0.3])
    assert cheap_windows(slots, 0, KOLKATA)[0].end == midnight
    assert spans(cheap_windows(slots, 0, KOLKATA)) == hours(18, 18.5, 19, 24)


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        (BERLIN, datetime(2026, 3, 29, tzinfo=BERLIN), 23),
        (BERLIN, datetime(2026, 10, 25, tzinfo=BERLIN), 25),
        # The clocks go forward at midnight, which there is none of on that day.
        (HAVANA, datetime(2026, 3, 8, 1, tzinfo=HAVANA), 23),
        (HAVANA, datetime(2026, 11, 1, tzinfo=HAVANA), 25),
    ],
)
def test_days_with_a_clock_change(zone: ZoneInfo, day: datetime, length: int) -> None:
    """A day is as long as its clock says: what is cheapest then is not cheap next day."""
    start = day.astimezone(UTC)
    slots = [
        *slots_of([*[0.5] * (length - 1), 0.2], start),
        *slots_of([*[0.2] * 12, *[0.1] * 12], start + length * HOUR),
    ]
    assert spans(cheap_windows(slots, 0, zone)) == hours(
        length - 1, length, length + 12, length + 24, start=start
    )


@given(
    st.lists(st.integers(-30, 30), max_size=96),
    st.floats(0, 1),
    st.sampled_from([UTC, BERLIN, KOLKATA, HAVANA]),
)
def test_cheap_times_are_apart(prices: list[int], share: float, zone: ZoneInfo) -> None:
    """They are in order, apart, and hold the cheapest slot of all."""
    slots = slots_of([price / 100 for price in prices], length=HALF)
    windows = cheap_windows(slots, share, zone)
    assert all(before.end < after.start for before, after in pairwise(windows))
    if slots:
        cheapest = min(slots, key=lambda slot: slot.price)
        assert any(
            window.start <= cheapest.start and cheapest.end <= window.end
            for window in windows
        )
