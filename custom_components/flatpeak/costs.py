"""Apportion reported costs to the hours of the energy: pure, all times in UTC.

Energy is in Wh, prices are per kWh, money is in the currency of the report.
Nothing is rounded.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import fsum
from typing import Final

from .api import CostRow, PriceSlot
from .audit import ROUNDING_WH
from .intervals import HOUR, EnergyInterval, floor_hour

WH_PER_KWH: Final = 1000

# What Flatpeak may round the cost of a row by: money has up to five decimals
# (flatpeak-api.md, section 1).
ROUNDING: Final = 0.5e-5 * (1 + 1e-6)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Piece:
    """Part of an interval that lies in one hour and under one price."""

    start: datetime
    end: datetime
    energy_wh: float
    price: float | None
    """None where no price is known."""

    @property
    def cost(self) -> float:
        """Return what the energy costs at its price, nothing yet without one."""
        return 0.0 if self.price is None else self.energy_wh / WH_PER_KWH * self.price

    @property
    def hour(self) -> datetime:
        """Return the statistics hour that the piece lies in."""
        return floor_hour(self.start)

    @property
    def seconds(self) -> float:
        """Return how long the piece lasts."""
        return (self.end - self.start).total_seconds()


def apportion(
    rows: Iterable[CostRow],
    intervals: Sequence[EnergyInterval],
    prices: Iterable[PriceSlot],
    *,
    until: datetime,
) -> dict[datetime, float]:
    """Return the cost of each UTC hour, in the currency of the report rows.

    The borders are those of the report's rows, never of the calendar; rows may
    come in any order and a repeated row counts once. Each piece of energy first
    gets its energy times its price, then what is left of the row's cost is spread
    over the row: by the energy whose price is not known, else by all energy, or by
    time where there was none (design, "Costs"). What is no more than rounding goes to
    the last energy alone, or each hour of a day would change with the next one. So the
    pieces of a row sum to its cost even when prices are negative. A row with a cost and no interval (a
    standing charge) is spread by time up to `until`, the end of the last complete
    hour. An hour that no row covers is absent, and so are those of a row that counts
    nothing where there was energy: it is not priced yet.
    """
    pieces_of_hours: dict[datetime, list[float]] = defaultdict(list)
    energy = _Timeline(intervals)
    slots = _Timeline(list(prices))
    for row in dict.fromkeys(rows):
        pieces = list(_pieces(row, energy, slots)) or list(_blank(row, until))
        if _is_empty(row) and any(piece.energy_wh for piece in pieces):
            continue
        for piece, rest in zip(pieces, _rest(row, pieces), strict=True):
            pieces_of_hours[piece.hour].append(piece.cost + rest)
    return {hour: fsum(costs) for hour, costs in pieces_of_hours.items()}


def lost(
    rows: Iterable[CostRow],
    intervals: Sequence[EnergyInterval],
    accepted: Iterable[tuple[datetime, datetime]],
) -> list[EnergyInterval]:
    """Return the energy of report rows that is in no interval any more.

    Where rows of a statistic were deleted, it is only known how much energy the
    others leave of a reported day. It is spread by time over what was accepted and
    has no interval. A day without any interval is left out: nothing is known of it.
    """
    windows = list(accepted)
    energy = _Timeline(intervals)
    found = []
    for row in rows:
        inside = energy.overlapping(row.start, row.end)
        missing = row.energy_wh - fsum(_energy_within(each, row) for each in inside)
        gaps = [
            gap
            for start, end in windows
            for gap in _gaps(inside, max(start, row.start), min(end, row.end))
        ]
        length = sum((end - start for start, end in gaps), timedelta())
        if inside and length and missing > ROUNDING_WH * len(inside):
            found += [
                EnergyInterval(
                    start=start,
                    end=end,
                    energy_wh=missing * ((end - start) / length),
                )
                for start, end in gaps
            ]
    return found


def _energy_within(interval: EnergyInterval, row: CostRow) -> float:
    """Return the energy of an interval that lies within a row."""
    overlap = min(interval.end, row.end) - max(interval.start, row.start)
    return interval.energy_wh * (overlap / interval.length)


def _gaps(
    intervals: Iterable[EnergyInterval], start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the parts of a window that no interval covers, which are in order."""
    for interval in intervals:
        if start < min(interval.start, end):
            yield start, min(interval.start, end)
        start = max(start, interval.end)
    if start < end:
        yield start, end


class _Timeline[T: (EnergyInterval, PriceSlot)]:
    """Stretches of time in order, to be asked which of them overlap a window."""

    def __init__(self, stretches: Iterable[T]) -> None:
        """Put the stretches in order."""
        self._stretches: list[T] = sorted(stretches, key=_start)
        self._starts = [stretch.start for stretch in self._stretches]
        self._ends = [stretch.end for stretch in self._stretches]

    def overlapping(self, start: datetime, end: datetime) -> list[T]:
        """Return the stretches that share time with the window."""
        return self._stretches[
            bisect_right(self._ends, start) : bisect_left(self._starts, end)
        ]


def _is_empty(row: CostRow) -> bool:
    """Return whether a row counts neither energy nor cost."""
    return row.energy_wh == 0 and row.cost == 0


def _start(stretch: EnergyInterval | PriceSlot) -> datetime:
    """Return where a stretch of time begins."""
    return stretch.start


def _pieces(
    row: CostRow, energy: _Timeline[EnergyInterval], slots: _Timeline[PriceSlot]
) -> Iterator[_Piece]:
    """Yield the pieces of energy in a row, each at the price of its time."""
    for interval in energy.overlapping(row.start, row.end):
        start, end = max(interval.start, row.start), min(interval.end, row.end)
        for begin, finish in _hours(start, end):
            yield from _priced(
                interval, slots.overlapping(begin, finish), begin, finish
            )


def _hours(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the parts of a window that lie in one UTC hour each."""
    while start < end:
        border = min(floor_hour(start) + HOUR, end)
        yield start, border
        start = border


def _priced(
    interval: EnergyInterval,
    slots: Sequence[PriceSlot],
    start: datetime,
    end: datetime,
) -> Iterator[_Piece]:
    """Yield a part of an interval, cut where the price changes."""
    borders = sorted(
        {start, end}
        | {slot.start for slot in slots if start < slot.start < end}
        | {slot.end for slot in slots if start < slot.end < end}
    )
    for begin, finish in pairwise(borders):
        yield _Piece(
            start=begin,
            end=finish,
            energy_wh=interval.energy_wh * ((finish - begin) / interval.length),
            price=_price_at(slots, begin),
        )


def _price_at(slots: Sequence[PriceSlot], instant: datetime) -> float | None:
    """Return the price of the slot that the instant lies in, None without one."""
    for slot in slots:
        if slot.start <= instant < slot.end:
            return slot.price
    return None


def _blank(row: CostRow, until: datetime) -> Iterator[_Piece]:
    """Yield the hours of a row that has no energy, but a cost."""
    if row.cost == 0:
        return
    for start, end in _hours(row.start, min(row.end, until)):
        yield _Piece(start=start, end=end, energy_wh=0.0, price=None)


def _rest(row: CostRow, pieces: Sequence[_Piece]) -> list[float]:
    """Return what each piece gets of the cost that energy times price left over."""
    rest = fsum([row.cost, *(-piece.cost for piece in pieces)])
    weights = _weights(pieces, rest)
    total = fsum(weights)
    return [rest * (weight / total) for weight in weights]


def _weights(pieces: Sequence[_Piece], rest: float) -> list[float]:
    """Return by what a rest is spread over the pieces of a row.

    What known prices leave over is the cost of the energy without a price. Only
    where all energy has a price, or there is none, does it concern the whole row.
    """
    unpriced = [piece.energy_wh if piece.price is None else 0.0 for piece in pieces]
    if any(unpriced):
        return unpriced
    energy = [piece.energy_wh for piece in pieces]
    if not any(energy):
        return [piece.seconds for piece in pieces]
    if abs(rest) <= ROUNDING:
        last = max(number for number, energy_wh in enumerate(energy) if energy_wh)
        return [float(number == last) for number in range(len(pieces))]
    return energy
