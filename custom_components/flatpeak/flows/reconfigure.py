"""The steps that change a home: its account's servers and key, its address, its tariff."""

from functools import partial
from typing import Any, Final

import voluptuous as vol

from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.const import CONF_API_KEY
from homeassistant.helpers.selector import SelectSelector, SelectSelectorConfig

from ..api import (
    FlatpeakError,
    FlatpeakNotFoundError,
    Location,
    PostalAddress,
    TariffDirection,
)
from ..const import CONF_API_URL, CONF_CONNECT_URL, CONF_LOCATION_ID
from .account import CHANGED_ACCOUNT_SCHEMA, client_of, credentials_of, hand_over
from .address import ADDRESS_SCHEMA, address_of, check_address, check_kept
from .forms import CONF_DIRECTION, CONF_SERVER, CONF_TARIFF, FormFailure
from .tariff import CONNECT, MARKET, TariffSteps, tariff_selector

_TARIFF_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_DIRECTION, default="import"): SelectSelector(
            SelectSelectorConfig(
                options=["import", "export"], translation_key=CONF_DIRECTION
            )
        ),
        vol.Required(CONF_TARIFF, default=MARKET): tariff_selector(MARKET, CONNECT),
    }
)


class ReconfigureSteps(TariffSteps):
    """Changes a home."""

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what is to be changed."""
        entry = self._get_reconfigure_entry()
        self._location_id = entry.data[CONF_LOCATION_ID]
        self._connect_url = entry.data[CONF_CONNECT_URL]
        if entry.state is ConfigEntryState.LOADED:
            self._client = entry.runtime_data.client
        else:
            self._client = client_of(self.hass, entry.data)
        return self.async_show_menu(
            step_id="reconfigure", menu_options=["account", "new_address", "new_tariff"]
        )

    async def async_step_account(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for another key or other servers of the same account."""
        failure = FormFailure()
        if user_input is None:
            entry = self._get_reconfigure_entry()
            servers = {key: entry.data[key] for key in (CONF_API_URL, CONF_CONNECT_URL)}
            user_input = {CONF_SERVER: servers}
        else:
            changes = credentials_of({CONF_API_KEY: "", **user_input})
            failure = await self._async_check_account(changes)
            if not failure:
                return self._async_finish(self._get_reconfigure_entry(), changes)
        return self.async_show_form(
            step_id="account",
            data_schema=self.add_suggested_values_to_schema(
                CHANGED_ACCOUNT_SCHEMA, user_input
            ),
            **failure.as_form(),
        )

    async def _async_check_account(self, changes: dict[str, str]) -> FormFailure:
        """Return why the home is not to be had with another key or server."""
        entry = self._get_reconfigure_entry()
        changes[CONF_API_KEY] = changes[CONF_API_KEY] or entry.data[CONF_API_KEY]
        try:
            client = client_of(self.hass, {**entry.data, **changes})
            token = await client.login()
            await client.get_location(self._location_id)
        except FlatpeakNotFoundError:
            return FormFailure(errors={"base": "home_unknown"})
        except FlatpeakError as err:
            return FormFailure.of(err, CONF_API_KEY, CONF_SERVER)
        hand_over(self.hass, entry.data, token)
        return FormFailure()

    async def async_step_new_address(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where the home is now."""
        failure = FormFailure()
        try:
            location = await self._client.get_location(self._location_id)
            if user_input is None:
                user_input = {**(location.address or PostalAddress()).as_dict()}
            elif not (failure := await self._async_move(location, user_input)):
                return self._async_finish(self._get_reconfigure_entry(), {})
        except FlatpeakError as err:
            failure = FormFailure.of(err)
        return self.async_show_form(
            step_id="new_address",
            data_schema=self.add_suggested_values_to_schema(ADDRESS_SCHEMA, user_input),
            **failure.as_form(),
        )

    async def _async_move(
        self, location: Location, user_input: dict[str, Any]
    ) -> FormFailure:
        """Give the location another address, and return what it does not take over."""
        address = address_of(user_input)
        if failure := check_address(address):
            return failure
        moved = await self._client.update_location(location, address)
        return check_kept(moved.address, address)

    async def async_step_new_tariff(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask where prices are to come from."""
        name = (user_input or {}).get(CONF_DIRECTION, TariffDirection.IMPORT)
        direction = TariffDirection(name.upper())
        return await self._async_ask_tariff(
            "new_tariff",
            _TARIFF_SCHEMA,
            user_input,
            direction,
            partial(self._async_connect_market, direction),
        )
