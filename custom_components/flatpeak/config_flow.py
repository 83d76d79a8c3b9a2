"""The flows of a home, where Home Assistant looks for them."""

from typing import override

from homeassistant.config_entries import ConfigEntry, ConfigSubentryFlow, OptionsFlow
from homeassistant.core import callback

from .const import DOMAIN, SUBENTRY_TYPE_METER
from .flows.meter import MeterSubentryFlow
from .flows.options import FlatpeakOptionsFlow
from .flows.reauth import ReauthSteps
from .flows.set_up import SetUpSteps


class FlatpeakConfigFlow(SetUpSteps, ReauthSteps, domain=DOMAIN):
    """Sets up a home, or gives it a new key."""

    VERSION = 1
    MINOR_VERSION = 1

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
