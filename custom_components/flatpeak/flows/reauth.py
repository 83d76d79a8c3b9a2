"""The steps that give a home a new key."""

from collections.abc import Mapping
from typing import Any

from homeassistant.config_entries import ConfigFlowResult
from homeassistant.const import CONF_API_KEY

from ..api import FlatpeakError
from .account import KEY_SCHEMA, client_of, hand_over
from .forms import FormFailure
from .home import HomeFlow


class ReauthSteps(HomeFlow):
    """Gives a home a new key."""

    async def async_step_reauth(
        self, entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Flatpeak does not take the key any more."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a new key."""
        failure = FormFailure()
        if user_input is not None:
            entry = self._get_reauth_entry()
            key = {CONF_API_KEY: user_input[CONF_API_KEY].strip()}
            try:
                token = await client_of(self.hass, {**entry.data, **key}).login()
            except FlatpeakError as err:
                failure = FormFailure.of(err, CONF_API_KEY)
            else:
                hand_over(self.hass, entry.data, token)
                return self._async_finish(entry, key)
        return self.async_show_form(
            step_id="reauth_confirm", data_schema=KEY_SCHEMA, **failure.as_form()
        )
