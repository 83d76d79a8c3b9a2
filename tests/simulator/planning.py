"""When energy is best used: prices are constant in a slot, so the best time is that of the best slots.

Times chosen may lie apart.
"""

from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Final

from .clock import HOUR, Instant
from .reports import WATT_HOURS
from .tariffs import MONEY, PriceSlot, money

# The lowest price of a window is said to be at this level, the highest one at 1.
LOWEST_LEVEL: Final = Decimal("0.01")


def best(slots: Sequence[PriceSlot], wanted: Instant, *, dear: bool) -> list[PriceSlot]:
    """Return the cheapest or dearest time of some length, the earlier where prices are equal."""
    ranked = sorted(slots, key=lambda slot: -slot.price if dear else slot.price)
    chosen: list[PriceSlot] = []
    for slot in ranked:
        length = min(slot.end - slot.start, wanted)
        chosen.append(_part(slot, length, chosen))
        wanted -= length
        if not wanted:
            break
    return sorted(chosen)


def first(slots: Sequence[PriceSlot], wanted: Instant) -> list[PriceSlot]:
    """Return the beginning of some slots in order."""
    end = slots[0].start + wanted
    return [slot._replace(end=min(slot.end, end)) for slot in slots if slot.start < end]


def beyond(
    slots: Iterable[PriceSlot], limit: Decimal, *, dear: bool
) -> list[PriceSlot]:
    """Return the slots at a price or below it, or at it or above."""
    return [
        slot for slot in slots if (slot.price >= limit if dear else slot.price <= limit)
    ]


def price_at(level: Decimal, slots: Iterable[PriceSlot]) -> Decimal:
    """Return the price at a level between the lowest and the highest one."""
    prices = [slot.price for slot in slots]
    share = (level - LOWEST_LEVEL) / (1 - LOWEST_LEVEL)
    return min(prices) + share * (max(prices) - min(prices))


def merged(slots: Iterable[PriceSlot]) -> list[PriceSlot]:
    """Return neighbours as one slot, with their average price and confidence."""
    runs: list[list[PriceSlot]] = []
    for slot in slots:
        if runs and runs[-1][-1].end == slot.start:
            runs[-1].append(slot)
        else:
            runs.append([slot])
    return [
        PriceSlot(
            run[0].start,
            run[-1].end,
            money(average(run, [slot.price for slot in run])),
            confidence(run),
        )
        for run in runs
    ]


def confidence(slots: Sequence[PriceSlot]) -> Decimal:
    """Return how far the prices of some time may be relied on."""
    trust = average(slots, [slot.confidence for slot in slots])
    return trust.quantize(MONEY, ROUND_DOWN)


def average(slots: Sequence[PriceSlot], values: Sequence[Decimal]) -> Decimal:
    """Return the average of one value a slot, by time."""
    lengths = [slot.end - slot.start for slot in slots]
    weighed = zip(values, lengths, strict=True)
    return sum((value * length for value, length in weighed), start=Decimal(0)) / sum(
        lengths
    )


def cost(slots: Iterable[PriceSlot], watts: Decimal) -> Decimal:
    """Return what a constant power costs over some time."""
    return sum(
        (
            slot.price * watts * (slot.end - slot.start) / HOUR / WATT_HOURS
            for slot in slots
        ),
        start=Decimal(0),
    )


def _part(slot: PriceSlot, length: Instant, chosen: Iterable[PriceSlot]) -> PriceSlot:
    """Return a part of a slot, next to what is chosen already if that follows."""
    if any(each.start == slot.end for each in chosen):
        return slot._replace(start=slot.end - length)
    return slot._replace(end=slot.start + length)
