"""What energy costs over time: readings met with prices, summed in rows.

A reading that lies in several price slots or rows is split by time. Sums are kept in decimals and rounded once, in
the row that is reported: money to five decimals, halves to the even neighbour. The confidence of a row is that of
its prices and readings, averaged by energy and rounded down, so that 1 always means settled.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from .clock import Instant, Span, clip, local_days, local_months
from .registers import Register
from .tariffs import CERTAIN, MONEY, PriceSlot

WATT_HOURS: Final = 1000


class Aggregation(StrEnum):
    """The rows of a report."""

    DAY = "DAY"
    MONTH = "MONTH"


@dataclass(slots=True, kw_only=True)
class Row:
    """Energy in Wh and its cost over a stretch of time, not rounded."""

    span: Span
    energy: Decimal = Decimal(0)
    cost: Decimal = Decimal(0)
    trust: Decimal = Decimal(0)
    has_readings: bool = False

    @property
    def confidence(self) -> Decimal:
        """Return how far the cost may be relied on."""
        if not self.energy:
            return CERTAIN
        return (self.trust / self.energy).quantize(MONEY, ROUND_DOWN)

    def add(self, energy: Decimal, price: Decimal, confidence: Decimal) -> None:
        """Count energy at a price per Wh."""
        self.energy += energy
        self.cost += energy * price
        self.trust += energy * confidence
        self.has_readings = True

    def absorb(self, other: Row) -> None:
        """Count what another row counts."""
        self.energy += other.energy
        self.cost += other.cost
        self.trust += other.trust
        self.has_readings |= other.has_readings


class _Piece(NamedTuple):
    """A stretch that has one price per Wh and lies in one row."""

    start: Instant
    end: Instant
    price: Decimal
    confidence: Decimal
    row: Row


def periods(window: Span, zone: tzinfo, aggregation: Aggregation | None) -> list[Span]:
    """Return the local days or months of a window, or the window itself; cut at its ends."""
    match aggregation:
        case Aggregation.DAY:
            return [clip(day, window) for day in local_days(window, zone)]
        case Aggregation.MONTH:
            return [clip(month, window) for month in local_months(window, zone)]
        case None:
            return [window]


def price(
    registers: Iterable[Register], spans: Sequence[Span], slots: Iterable[PriceSlot]
) -> list[Row]:
    """Return a row for each of some adjoining spans; the slots fill them."""
    rows = [Row(span=span) for span in spans]
    pieces = list(_pieces(rows, slots))
    starts = [piece.start for piece in pieces]
    window = Span(spans[0].start, spans[-1].end)
    for register in registers:
        for span, energy in register.between(window):
            first = max(0, bisect_right(starts, span.start) - 1)
            trust = Decimal(repr(register.note(span).confidence))
            _spread(span, Decimal(repr(energy)), trust, pieces, first)
    return rows


def merge(rows: Sequence[Row], spans: Sequence[Span]) -> list[Row]:
    """Return a row for each of some longer spans, summed from rows that fill them."""
    merged = [Row(span=span) for span in spans]
    starts = [span.start for span in spans]
    for row in rows:
        merged[bisect_right(starts, row.span.start) - 1].absorb(row)
    return merged


def _pieces(rows: Sequence[Row], slots: Iterable[PriceSlot]) -> Iterator[_Piece]:
    """Yield the slots, cut where a row ends."""
    remaining = iter(rows)
    row = next(remaining)
    for slot in slots:
        per_watt_hour = slot.price / WATT_HOURS
        start = slot.start
        while start < slot.end:
            if start == row.span.end:
                row = next(remaining)
            end = min(slot.end, row.span.end)
            yield _Piece(start, end, per_watt_hour, slot.confidence, row)
            start = end


def _spread(
    span: Span, energy: Decimal, trust: Decimal, pieces: Sequence[_Piece], first: int
) -> None:
    """Count the energy of a span in the pieces it lies in, by time."""
    duration = span.end - span.start
    for at in range(first, len(pieces)):
        piece = pieces[at]
        overlap = min(piece.end, span.end) - max(piece.start, span.start)
        share = energy if overlap == duration else energy * overlap / duration
        piece.row.add(share, piece.price, piece.confidence * trust)
        if piece.end >= span.end:
            break
