"""Ask Flatpeak for prices: each stretch of time once for each direction."""

from datetime import datetime
from typing import Final

from .api import (
    FlatpeakClient,
    FlatpeakNotFoundError,
    FlatpeakTariffError,
    PriceReport,
    PriceSlot,
    TariffDirection,
)
from .days import windows, with_offset_of
from .patience import Patience
from .tariff import Prices

# Flatpeak answers for up to 90 days, but to read the half hours of more than a
# month at a time would keep everything else in Home Assistant waiting.
MAX_PRICE_DAYS: Final = 31


class PriceBook:
    """The prices of a location from a local midnight to an end."""

    def __init__(
        self,
        client: FlatpeakClient,
        patience: Patience,
        location_id: str,
        start: datetime,
        end: datetime,
    ) -> None:
        """Take what prices are asked with; nothing is asked yet."""
        self._client = client
        self._patience = patience
        self._location_id = location_id
        self._windows = list(windows(start, end, MAX_PRICE_DAYS))
        self._reports: dict[tuple[TariffDirection, datetime], PriceReport | None] = {}
        self.refusals: dict[TariffDirection, FlatpeakTariffError] = {}
        """Why a direction has no prices."""

    async def async_prices(
        self, direction: TariffDirection, start: datetime, end: datetime
    ) -> Prices | None:
        """Return the prices of a window, None where Flatpeak has none now."""
        reports = [
            report
            for low, high in self._windows
            if low < end and start < high
            if (report := await self._async_report(direction, low, high)) is not None
        ]
        if not reports:
            return None
        return Prices(
            currency=reports[-1].currency,
            slots=tuple(slot for report in reports for slot in report.slots),
        )

    async def async_slots(
        self, direction: TariffDirection, start: datetime, end: datetime
    ) -> tuple[PriceSlot, ...]:
        """Return the slots of a window, none where Flatpeak has none now."""
        prices = await self.async_prices(direction, start, end)
        return () if prices is None else prices.slots

    async def _async_report(
        self, direction: TariffDirection, start: datetime, end: datetime
    ) -> PriceReport | None:
        """Return the prices of one of the book's windows."""
        key = (direction, start)
        if key not in self._reports:
            self._reports[key] = await self._async_ask(direction, start, end)
        return self._reports[key]

    async def _async_ask(
        self, direction: TariffDirection, start: datetime, end: datetime
    ) -> PriceReport | None:
        """Ask Flatpeak for prices."""
        try:
            with self._patience.question(direction):
                return await self._client.get_prices(
                    self._location_id, with_offset_of(end, start), end, direction
                )
        except FlatpeakTariffError as err:
            self.refusals[direction] = err
        except FlatpeakNotFoundError:
            pass
        return None
