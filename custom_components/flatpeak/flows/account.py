"""The account that a flow speaks for."""

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol

from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import section
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import (
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)

from ..api import DEFAULT_BASE_URL, FlatpeakClient, Token
from ..const import CONF_ACCOUNT_ID, CONF_API_URL, TOKENS
from .forms import CONF_SERVER, PASSWORD_SELECTOR

_URL: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))

SERVER_SECTION: Final = section(
    vol.Schema({vol.Required(CONF_API_URL, default=DEFAULT_BASE_URL): _URL}),
    {"collapsed": True},
)
ACCOUNT_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ACCOUNT_ID): TextSelector(),
        vol.Required(CONF_API_KEY): PASSWORD_SELECTOR,
        vol.Required(CONF_SERVER, default={}): SERVER_SECTION,
    }
)
KEY_SCHEMA: Final = vol.Schema({vol.Required(CONF_API_KEY): PASSWORD_SELECTOR})


def credentials_of(user_input: Mapping[str, Any]) -> dict[str, str]:
    """Return what was entered in the account's form, without blanks around it."""
    fields = {**user_input, **user_input[CONF_SERVER]}
    return {
        name: fields[name].strip()
        for name in (CONF_ACCOUNT_ID, CONF_API_KEY, CONF_API_URL)
    }


def client_of(hass: HomeAssistant, credentials: Mapping[str, str]) -> FlatpeakClient:
    """Return a client for an account."""
    return FlatpeakClient(
        async_get_clientsession(hass),
        credentials[CONF_ACCOUNT_ID],
        credentials[CONF_API_KEY],
        base_url=credentials[CONF_API_URL],
    )


@callback
def hand_over(
    hass: HomeAssistant, credentials: Mapping[str, str], token: Token
) -> None:
    """Let the home be set up with the token of this flow's login."""
    hass.data.setdefault(TOKENS, {})[credentials[CONF_ACCOUNT_ID]] = token
