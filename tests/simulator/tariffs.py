"""What energy costs: kinds of tariffs, their price slots, and settlements that change them later.

A price is money per kWh in the currency's major unit, with five decimals.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple, override
from zlib import crc32

from .clock import HOUR, MINUTE, Instant, Span, local_date, local_instant, to_instant
from .errors import refused

MONEY: Final = Decimal("0.00001")
PUBLICATION_HOUR: Final = 13
CERTAIN: Final = Decimal(1)
FORECAST: Final = Decimal("0.7")

# Day-ahead markets in small: cheap nights and noons, dear evenings, in 0.00001 per kWh by UTC hour.
# fmt: off
_CURVE: Final = (
    11000, 9500, 8500, 8000, 8500, 11000, 17000, 22000, 21000, 17000, 12000, 9000,
    7500, 7000, 8500, 13000, 22000, 30000, 32000, 28000, 22000, 18000, 15000, 12500,
)
# fmt: on
_SPREAD: Final = 16000


class Direction(StrEnum):
    """Which price a record is for."""

    IMPORT = "IMPORT"
    EXPORT = "EXPORT"
    LOCAL = "LOCAL"


class Structure(StrEnum):
    """How a tariff is built, as the location status names it."""

    FIXED = "FIXED"
    TIME_OF_DAY = "TIME_OF_DAY"
    MARKET = "MARKET"
    DYNAMIC = "DYNAMIC"


class ConnectionType(StrEnum):
    """Where the prices of a location come from."""

    DIRECT = "DIRECT"
    MARKET = "MARKET"
    MANUAL = "MANUAL"


class PriceSlot(NamedTuple):
    """One price over one stretch of time."""

    start: Instant
    end: Instant
    price: Decimal
    confidence: Decimal


def money(value: Decimal) -> Decimal:
    """Round an amount or a price to five decimals, halves to the even neighbour."""
    return value.quantize(MONEY, ROUND_HALF_EVEN)


class Tariff(ABC):
    """Prices without a gap, for any time."""

    structure: Structure

    @abstractmethod
    def slots(self, span: Span, zone: tzinfo, now: datetime) -> Iterator[PriceSlot]:
        """Yield the price slots that fill a span, cut at its ends."""


@dataclass(frozen=True, kw_only=True)
class Flat(Tariff):
    """One price for ever."""

    price: Decimal
    structure = Structure.FIXED

    @override
    def slots(self, span: Span, zone: tzinfo, now: datetime) -> Iterator[PriceSlot]:
        """Yield the one slot."""
        yield PriceSlot(*span, self.price, CERTAIN)


@dataclass(frozen=True, kw_only=True)
class TwoRate(Tariff):
    """A low price between two times of the local wall clock, a high price else."""

    low: Decimal
    high: Decimal
    low_from: time = time(0, 30)
    low_to: time = time(7, 30)
    structure = Structure.TIME_OF_DAY

    @override
    def slots(self, span: Span, zone: tzinfo, now: datetime) -> Iterator[PriceSlot]:
        """Yield a slot from each change of the price to the next."""
        switches = sorted(self._switches(span, zone))
        starts = [start for start, _ in switches]
        at = span.start
        while at < span.end:
            current = bisect_right(starts, at)
            end = min(starts[current], span.end)
            yield PriceSlot(at, end, switches[current - 1][1], CERTAIN)
            at = end

    def _switches(self, span: Span, zone: tzinfo) -> Iterator[tuple[Instant, Decimal]]:
        """Yield the changes of the price from the day before a span to the day after it."""
        day = local_date(span.start, zone) - timedelta(days=1)
        last = local_date(span.end, zone) + timedelta(days=1)
        while day <= last:
            yield local_instant(day, self.low_from, zone), self.low
            yield local_instant(day, self.low_to, zone), self.high
            day += timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Dynamic(Tariff):
    """A price for every step, drawn from a seed; negative now and then.

    Prices are published day by day: at 13:00 local time those of tomorrow. What lies beyond is a forecast.
    """

    seed: int = 0
    minutes: int = 30
    level: Decimal = Decimal(1)
    structure = Structure.DYNAMIC

    @override
    def slots(self, span: Span, zone: tzinfo, now: datetime) -> Iterator[PriceSlot]:
        """Yield a slot for each step."""
        step = self.minutes * MINUTE
        published = published_until(now, zone)
        for start in range(span.start - span.start % step, span.end, step):
            cut = max(start, span.start), min(start + step, span.end)
            if start < published:
                yield PriceSlot(*cut, _drawn(self.seed, self.level, start), CERTAIN)
            else:
                yield PriceSlot(*cut, _usual(self.level, start), FORECAST)


@lru_cache(maxsize=1 << 16)
def _drawn(seed: int, level: Decimal, start: Instant) -> Decimal:
    """Return the published price of the step that begins at an instant."""
    noise = crc32(f"{seed}:{start}".encode()) % _SPREAD - _SPREAD // 2
    return money((_CURVE[start // HOUR % 24] + noise) * level * MONEY)


def _usual(level: Decimal, start: Instant) -> Decimal:
    """Return the price expected as long as none is published."""
    return money(_CURVE[start // HOUR % 24] * level * MONEY)


def published_until(now: datetime, zone: tzinfo) -> Instant:
    """Return the end of the last local day whose market prices are known."""
    local = now.astimezone(zone)
    days = 2 if local.hour >= PUBLICATION_HOUR else 1
    return local_instant(local.date() + timedelta(days=days), time.min, zone)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a settlement makes of a price; multiply by 0 to set a new one."""

    multiply: Decimal = Decimal(1)
    add: Decimal = Decimal(0)

    def apply(self, price: Decimal) -> Decimal:
        """Return the settled price."""
        return money(price * self.multiply + self.add)


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """New prices for a stretch of the past."""

    span: Span
    change: Change

    def apply(self, slots: Iterable[PriceSlot]) -> Iterator[PriceSlot]:
        """Yield the slots with the settled prices, cut at the borders of the settlement."""
        for slot in slots:
            for start, end in _cut(slot, self.span):
                if self.span.start <= start < self.span.end:
                    settled = self.change.apply(slot.price)
                    yield PriceSlot(start, end, settled, CERTAIN)
                else:
                    yield slot._replace(start=start, end=end)


def _cut(slot: PriceSlot, span: Span) -> Iterator[Span]:
    """Yield the parts of a slot before, in and after a span."""
    inner = [border for border in span if slot.start < border < slot.end]
    borders = [slot.start, *inner, slot.end]
    for start, end in pairwise(borders):
        yield Span(start, end)


@dataclass(kw_only=True)
class Connection:
    """The tariff of a location in one direction, and what is known of its prices."""

    id: str
    provider_id: str
    tariff: Tariff
    connection_type: ConnectionType
    name: str
    provider: str
    contract_end: datetime | None = None
    pending_until: datetime | None = None
    has_price_data: bool = True
    settlements: list[Settlement] = field(default_factory=list)

    def settle(self, start: datetime, end: datetime, change: Change) -> None:
        """Change the prices between two times from now on."""
        span = Span(to_instant(start), to_instant(end))
        self.settlements.append(Settlement(span=span, change=change))

    def is_pending(self, now: datetime) -> bool:
        """Return whether the prices are still being fetched."""
        return self.pending_until is not None and now < self.pending_until

    def check(self, now: datetime) -> None:
        """Refuse when there are no prices yet, or none any more."""
        if self.is_pending(now):
            raise refused(
                "pending_connect", "Connect is processing link to tariff source."
            )
        if not self.has_price_data:
            raise refused(
                "no_price_data", "Prices could not be fetched for an extended time."
            )

    def slots(self, span: Span, zone: tzinfo, now: datetime) -> Iterator[PriceSlot]:
        """Yield the price slots that fill a span as they are known now."""
        slots: Iterator[PriceSlot] = self.tariff.slots(span, zone, now)
        for settlement in self.settlements:
            slots = settlement.apply(slots)
        return slots
