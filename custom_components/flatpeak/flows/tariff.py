"""Where the prices of a home come from."""

from abc import abstractmethod
import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, override

import voluptuous as vol

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import callback
from homeassistant.helpers.network import NoURLAvailableError
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
from ..connect import Visit, VisitOutcome
from ..const import DOMAIN, LOGGER
from ..dashboard import async_sources
from ..meter import Flow
from .forms import CONF_TARIFF, FormFailure
from .home import HomeFlow

MARKET: Final = "market"
CONNECT: Final = "connect"
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
    {vol.Required(CONF_TARIFF, default=MARKET): tariff_selector(MARKET, CONNECT, LATER)}
)


class TariffSteps(HomeFlow):
    """Connects a tariff to the location."""

    _back_to: str
    _watcher: asyncio.Task[None]

    def __init__(self) -> None:
        """Begin without any tariff made, and nobody sent to Connect."""
        self._markets: dict[TariffDirection, Tariff] = {}
        self._visit: Visit | None = None
        self._connect_failure = FormFailure()

    @abstractmethod
    async def _async_after_tariff(self) -> ConfigFlowResult:
        """Go on once it is settled where the prices come from."""

    async def async_step_tariff(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the prices come from."""
        return await self._async_ask_tariff(
            "tariff",
            _TARIFF_SCHEMA,
            user_input,
            TariffDirection.IMPORT,
            self._async_connect_markets,
        )

    async def _async_ask_tariff(
        self,
        step_id: str,
        schema: vol.Schema,
        user_input: dict[str, Any] | None,
        direction: TariffDirection,
        connect_market: Callable[[], Awaitable[FormFailure]],
    ) -> ConfigFlowResult:
        """Ask in a step where the prices come from, and go on with the answer."""
        failure = self._take_connect_failure()
        if user_input is not None:
            try:
                if user_input[CONF_TARIFF] == CONNECT:
                    return await self._async_visit_connect(direction, step_id)
                if user_input[CONF_TARIFF] == MARKET:
                    failure = await connect_market()
            except NoURLAvailableError:
                failure = FormFailure(errors={CONF_TARIFF: "no_own_url"})
            except FlatpeakError as err:
                failure = FormFailure.of(err)
            if not failure:
                return await self._async_after_tariff()
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, user_input),
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

    async def _async_visit_connect(
        self, direction: TariffDirection, back_to: str
    ) -> ConfigFlowResult:
        """Send the user to Connect; what does not end well there leads back to a step."""
        self._end_visit()
        self._visit = await Visit.async_begin(
            self.hass, self._client, self._location_id, direction, self._connect_url
        )
        self._back_to = back_to
        self._watcher = self.hass.async_create_background_task(
            self._async_watch(self._visit), f"{DOMAIN} connect"
        )
        return await self.async_step_connect()

    async def _async_watch(self, visit: Visit) -> None:
        """Let the flow go on once the visit has ended."""
        try:
            outcome = await visit.async_outcome()
        except FlatpeakError as err:
            self._connect_failure = FormFailure.of(err)
        else:
            if outcome is not VisitOutcome.CONNECTED:
                self._connect_failure = FormFailure(errors={CONF_TARIFF: outcome})
        await self.hass.config_entries.flow.async_configure(self.flow_id, {})

    async def async_step_connect(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Wait for the user to come back from Connect."""
        if user_input is None:
            assert self._visit is not None
            return self.async_external_step(step_id="connect", url=self._visit.url)
        return self.async_external_step_done(
            next_step_id=self._back_to if self._connect_failure else "connected"
        )

    async def async_step_connected(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Go on with the tariff that the user has connected."""
        return await self._async_after_tariff()

    def _take_connect_failure(self) -> FormFailure:
        """Return why a visit to Connect has led to nothing, which is told once."""
        failure, self._connect_failure = self._connect_failure, FormFailure()
        return failure

    @callback
    @override
    def async_remove(self) -> None:
        """Wait for nobody once the flow is over."""
        self._end_visit()

    @callback
    def _end_visit(self) -> None:
        """Expect nobody back any more."""
        if self._visit is not None:
            self._visit.async_end()
            self._watcher.cancel()
            self._visit = None
