"""When energy is best used: pure, prices per kWh, times in UTC."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import accumulate
from math import fsum, isclose
from typing import Final

from .api import PriceSlot
from .days import days_later, midnight

# Prices that differ by less are the same: averages are only so exact.
SAME_PRICE: Final = 1e-9


def joined(slots: Iterable[PriceSlot]) -> list[PriceSlot]:
    """Return neighbours as one slot, with their average price and confidence.

    Slots are in order of time; averages are by time.
    """
    return [
        PriceSlot(
            start=run[0].start,
            end=run[-1].end,
            price=_average([(slot.price, _seconds(slot)) for slot in run]),
            confidence=_average([(slot.confidence, _seconds(slot)) for slot in run]),
        )
        for run in _runs(slots)
    ]


def cut(
    slots: Iterable[PriceSlot], start: datetime, end: datetime
) -> Iterator[PriceSlot]:
    """Yield what of some slots lies in a stretch of time."""
    for slot in slots:
        if slot.start < end and start < slot.end:
            yield replace(slot, start=max(slot.start, start), end=min(slot.end, end))


def best_window(
    slots: Sequence[PriceSlot], length: timedelta, *, is_dear: bool = False
) -> PriceSlot | None:
    """Return the time of some length, in one piece, that is cheapest or dearest.

    The price is its average. Of equal ones it is the earliest. None where the slots
    leave no piece that is long enough.
    """
    prices = {
        start: price for run in _runs(slots) for start, price in _averages(run, length)
    }
    if not prices:
        return None
    best = (max if is_dear else min)(prices.values())
    start = min(start for start, price in prices.items() if _is_same(price, best))
    [window] = joined(cut(slots, start, start + length))
    return window


def cheap_windows(
    slots: Iterable[PriceSlot], share: float, zone: tzinfo
) -> list[PriceSlot]:
    """Return when the price is cheap for its local day.

    That is no more than a share, from 0 to 1, of the way from the day's lowest price
    to its highest. A day with one price is cheap throughout: to wait gains nothing.
    """
    days: dict[datetime, list[PriceSlot]] = defaultdict(list)
    for slot in slots:
        for day, part in _by_day(slot, zone):
            days[day].append(part)
    return joined(part for parts in days.values() for part in _cheap(parts, share))


def _cheap(slots: Sequence[PriceSlot], share: float) -> Iterator[PriceSlot]:
    """Yield the cheap slots of a day."""
    prices = [slot.price for slot in slots]
    limit = min(prices) + share * (max(prices) - min(prices))
    for slot in slots:
        if slot.price <= limit or _is_same(slot.price, limit):
            yield slot


def _by_day(slot: PriceSlot, zone: tzinfo) -> Iterator[tuple[datetime, PriceSlot]]:
    """Yield a slot cut at local midnights, each part with the beginning of its day."""
    start = slot.start
    while start < slot.end:
        day = midnight(start, zone)
        end = days_later(day, 1).astimezone(UTC)
        yield day, replace(slot, start=start, end=min(end, slot.end))
        start = end


def _runs(slots: Iterable[PriceSlot]) -> list[list[PriceSlot]]:
    """Return slots that follow one another together."""
    runs: list[list[PriceSlot]] = []
    for slot in slots:
        if runs and runs[-1][-1].end == slot.start:
            runs[-1].append(slot)
        else:
            runs.append([slot])
    return runs


def _averages(
    run: Sequence[PriceSlot], length: timedelta
) -> Iterator[tuple[datetime, float]]:
    """Yield the average price of a length of time by its start.

    Prices are constant in a slot, so only times that begin or end with one can be best.
    """
    starts = [slot.start for slot in run]
    sums = list(accumulate((slot.price * _seconds(slot) for slot in run), initial=0.0))

    def paid(until: datetime) -> float:
        """Return the prices of all seconds of the run until an instant."""
        number = bisect_right(starts, until) - 1
        seconds = (until - starts[number]).total_seconds()
        return sums[number] + run[number].price * seconds

    for start in {*starts, *(slot.end - length for slot in run)}:
        if starts[0] <= start and start + length <= run[-1].end:
            yield start, (paid(start + length) - paid(start)) / length.total_seconds()


def _average(weighed: Sequence[tuple[float, float]]) -> float:
    """Return the average of values, each with its weight."""
    return fsum(value * weight for value, weight in weighed) / fsum(
        weight for _, weight in weighed
    )


def _seconds(slot: PriceSlot) -> float:
    """Return how long a slot is."""
    return (slot.end - slot.start).total_seconds()


def _is_same(price: float, other: float) -> bool:
    """Return whether two prices are the same."""
    return isclose(price, other, rel_tol=SAME_PRICE, abs_tol=SAME_PRICE)
