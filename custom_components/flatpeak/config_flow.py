"""The flows of a home, where Home Assistant looks for them."""

from typing import override

from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlowResult,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.core import callback

from .const import DOMAIN, SUBENTRY_TYPE_METER
from .flows.meter import MeterSubentryFlow
from .flows.options import FlatpeakOptionsFlow
from .flows.reauth import ReauthSteps
from .flows.reconfigure import ReconfigureSteps
from .flows.set_up import SetUpSteps


class FlatpeakConfigFlow(SetUpSteps, ReconfigureSteps, ReauthSteps, domain=DOMAIN):
    """Sets up a home, changes it, or gives it a new key."""

    VERSION = 1
    MINOR_VERSION = 2

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return what can be added to a home."""
        return {SUBENTRY_TYPE_METER: MeterSubentryFlow}

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Return the flow that changes how a home is shown."""
        return FlatpeakOptionsFlow()

    @override
    async def _async_after_tariff(self) -> ConfigFlowResult:
        """Go on with the meters of a new home; a known one has all it needs."""
        if self.source == SOURCE_RECONFIGURE:
            return self._async_finish(self._get_reconfigure_entry(), {})
        return await self.async_step_meters()
