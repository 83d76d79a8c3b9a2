"""How a home stands with its tariff, and what energy costs now: pure, times in UTC."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final, Self

from .api import (
    ConnectionStatus,
    FlatpeakDirectionNotSupportedError,
    FlatpeakNoPriceDataError,
    FlatpeakNoTariffError,
    FlatpeakTariffError,
    FlatpeakTariffPendingError,
    PriceSlot,
    TariffLeg,
)
from .intervals import HOUR

HALF_HOUR: Final = timedelta(minutes=30)
QUARTER_HOUR: Final = timedelta(minutes=15)


class TariffStatus(StrEnum):
    """How a home stands with its import tariff."""

    CONNECTED = "connected"
    PENDING = "pending"
    NOT_CONNECTED = "not_connected"
    ERROR = "error"
    NO_PRICE_DATA = "no_price_data"
    NOT_SUPPORTED = "not_supported"
    ACCOUNT_DISABLED = "account_disabled"


# What a refused question tells is newer and says more than the connection.
_STATUS_OF_REFUSAL: Final[dict[type[FlatpeakTariffError], TariffStatus]] = {
    FlatpeakDirectionNotSupportedError: TariffStatus.NOT_SUPPORTED,
    FlatpeakNoPriceDataError: TariffStatus.NO_PRICE_DATA,
    FlatpeakNoTariffError: TariffStatus.NOT_CONNECTED,
    FlatpeakTariffPendingError: TariffStatus.PENDING,
}
_STATUS_OF_CONNECTION: Final = {
    ConnectionStatus.CONNECTED: TariffStatus.CONNECTED,
    ConnectionStatus.NOT_CONNECTED: TariffStatus.NOT_CONNECTED,
    ConnectionStatus.ERROR: TariffStatus.ERROR,
    ConnectionStatus.NOT_SUPPORTED: TariffStatus.NOT_SUPPORTED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeTariff:
    """What is known of the tariff that prices the energy a home buys."""

    status: TariffStatus | None
    """None where Flatpeak says something that is new to us."""
    name: str | None = None
    provider: str | None = None
    contract_end: datetime | None = None

    @classmethod
    def of(cls, leg: TariffLeg | None, refusal: FlatpeakTariffError | None) -> Self:
        """Return what the connection, and a refusal to name prices, say."""
        status = None if leg is None else _STATUS_OF_CONNECTION.get(leg.status)
        if refusal is not None:
            status = _STATUS_OF_REFUSAL.get(type(refusal))
        if leg is None:
            return cls(status=status)
        return cls(
            status=status,
            name=leg.tariff_name,
            provider=leg.provider_name,
            contract_end=leg.contract_end,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """What energy costs around now, per kWh."""

    currency: str
    slots: tuple[PriceSlot, ...]

    def at(self, instant: datetime) -> float | None:
        """Return the price at an instant, None where it is not known."""
        return next((slot.price for slot in self.slots if _holds(slot, instant)), None)

    def next_border(self, instant: datetime) -> datetime | None:
        """Return when the price changes after an instant, None if that is not known."""
        borders = {slot.start for slot in self.slots} | {
            slot.end for slot in self.slots
        }
        return min((border for border in borders if border > instant), default=None)

    def between(self, start: datetime, end: datetime) -> list[PriceSlot]:
        """Return the slots that begin in a stretch of time."""
        return [slot for slot in self.slots if start <= slot.start < end]


def slot_length(prices: Iterable[Prices]) -> timedelta:
    """Return how long records may be so that prices change at their borders.

    That is an hour, half an hour or a quarter of an hour. Slots that follow each
    other at the same price are one.
    """
    minutes = {
        after.start.minute
        for each in prices
        for before, after in pairwise(each.slots)
        if before.price != after.price
    }
    if minutes <= {0}:
        return HOUR
    return HALF_HOUR if minutes <= {0, 30} else QUARTER_HOUR


def _holds(slot: PriceSlot, instant: datetime) -> bool:
    """Return whether an instant lies in a slot."""
    return slot.start <= instant < slot.end
