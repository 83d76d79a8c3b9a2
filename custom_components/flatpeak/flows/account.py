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

from ..api import DEFAULT_BASE_URL, FlatpeakClient, Token, validate_base_url
from ..const import (
    CONF_ACCOUNT_ID,
    CONF_API_URL,
    CONF_CONNECT_URL,
    DEFAULT_CONNECT_URL,
    TOKENS,
)
from .forms import CONF_SERVER

_KEY: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD))
_URL: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))
_SERVERS: Final = section(
    vol.Schema(
        {
            vol.Required(CONF_API_URL, default=DEFAULT_BASE_URL): _URL,
            vol.Required(CONF_CONNECT_URL, default=DEFAULT_CONNECT_URL): _URL,
        }
    ),
    {"collapsed": True},
)

ACCOUNT_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_ACCOUNT_ID): TextSelector(),
        vol.Required(CONF_API_KEY): _KEY,
        vol.Required(CONF_SERVER, default={}): _SERVERS,
    }
)
KEY_SCHEMA: Final = vol.Schema({vol.Required(CONF_API_KEY): _KEY})
CHANGED_ACCOUNT_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_API_KEY): _KEY,
        vol.Required(CONF_SERVER): _SERVERS,
    }
)


def credentials_of(user_input: Mapping[str, Any]) -> dict[str, str]:
    """Return what was entered in a form of the account, without blanks around it."""
    fields = {**user_input, **user_input[CONF_SERVER]}
    del fields[CONF_SERVER]
    return {name: value.strip() for name, value in fields.items()}


def client_of(hass: HomeAssistant, credentials: Mapping[str, str]) -> FlatpeakClient:
    """Return a client for an account, none where an address of a server is unsafe."""
    validate_base_url(credentials[CONF_CONNECT_URL])
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
