"""Where the prices of a home come from."""

from abc import abstractmethod
from datetime import timedelta
from typing import Any, Final

import voluptuous as vol

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.util import dt as dt_util

from ..api import (
    FlatpeakError,
    FlatpeakInvalidRequestError,
    FlatpeakTariffError,
    Tariff,
    TariffDirection,
)
from ..const import LOGGER
from ..dashboard import async_sources
from ..meter import Flow
from .forms import CONF_TARIFF, FormFailure
from .home import HomeFlow

MARKET: Final = "market"
LATER: Final = "later"

# Market prices are to price all history that Flatpeak knows prices of, and to
# go on until the user connects a supplier.
MARKET_CONTRACT_PAST: Final = timedelta(days=5 * 365)
MARKET_CONTRACT_FUTURE: Final = timedelta(days=10 * 365)


def tariff_selector(*options: str) -> SelectSelector:
    """Return the field that offers where the prices come from."""
    return SelectSelector(
        SelectSelectorConfig(
            options=list(options),
            mode=SelectSelectorMode.LIST,
            translation_key=CONF_TARIFF,
        )
    )


_TARIFF_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_TARIFF, default=MARKET): tariff_selector(MARKET, LATER)}
)


class TariffSteps(HomeFlow):
    """Connects a tariff to the location."""

    def __init__(self) -> None:
        """Begin without any tariff made."""
        self._markets: dict[TariffDirection, Tariff] = {}

    @abstractmethod
    async def _async_after_tariff(self) -> ConfigFlowResult:
        """Go on once it is settled where the prices come from."""

    async def async_step_tariff(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the prices come from."""
        failure = FormFailure()
        if user_input is not None:
            if user_input[CONF_TARIFF] == LATER:
                return await self._async_after_tariff()
            try:
                failure = await self._async_connect_markets()
            except FlatpeakError as err:
                failure = FormFailure.of(err)
            if not failure:
                return await self._async_after_tariff()
        return self.async_show_form(
            step_id="tariff",
            data_schema=self.add_suggested_values_to_schema(_TARIFF_SCHEMA, user_input),
            **failure.as_form(),
        )

    async def _async_connect_markets(self) -> FormFailure:
        """Price what the home buys, and sells, with the market prices of its address."""
        # The answer to an earlier try may have been lost.
        location = await self._client.get_location(self._location_id)
        failure = FormFailure()
        if not location.has_import_tariff:
            failure = await self._async_connect_market(TariffDirection.IMPORT)
        if not (failure or location.has_export_tariff) and await self._async_exports():
            await self._async_try_export_market()
        return failure

    async def _async_connect_market(self, direction: TariffDirection) -> FormFailure:
        """Connect the market of the address once, and return whether there is none."""
        if direction not in self._markets:
            now = dt_util.utcnow()
            self._markets[direction] = await self._client.create_market_tariff(
                self._location_id,
                direction,
                now - MARKET_CONTRACT_PAST,
                now + MARKET_CONTRACT_FUTURE,
            )
        if self._markets[direction].market_rate_source_id is None:
            return FormFailure(errors={CONF_TARIFF: "no_market"})
        return FormFailure()

    async def _async_try_export_market(self) -> None:
        """Price what the home sells, in markets that pay for it."""
        try:
            await self._async_connect_market(TariffDirection.EXPORT)
        except FlatpeakInvalidRequestError, FlatpeakTariffError:
            # What the home buys is priced all the same.
            LOGGER.info(
                "Flatpeak has no market prices for exported energy at this address; "
                "it is priced once a tariff is connected at Flatpeak"
            )

    async def _async_exports(self) -> bool:
        """Return whether the home sells energy."""
        sources = await async_sources(self.hass)
        return any(source.flow is Flow.GRID_EXPORT for source in sources)
