"""Names that are shared by the rooms of the Flatpeak integration."""

import logging
from typing import Final

from homeassistant.util.hass_dict import HassKey

from .api import Token

DOMAIN: Final = "flatpeak"
LOGGER: Final = logging.getLogger(__package__)

SUBENTRY_TYPE_METER: Final = "meter"

CONF_ACCOUNT_ID: Final = "account_id"
CONF_API_URL: Final = "api_url"
CONF_CONNECT_URL: Final = "connect_url"
CONF_LOCATION_ID: Final = "location_id"

CONF_DEVICE_ID: Final = "device_id"
CONF_FLOW: Final = "flow"
CONF_HISTORY: Final = "history"
CONF_HISTORY_START: Final = "history_start"
CONF_SESSION_ENTITY: Final = "session_entity"
CONF_SESSION_PAUSE: Final = "session_pause"
CONF_SESSION_STATES: Final = "session_states"
CONF_SOURCE: Final = "source"
CONF_STATISTIC_ID: Final = "statistic_id"
CONF_SUBMIT: Final = "submit"

DEFAULT_CONNECT_URL: Final = "https://connect-web.flatpeak.com"

CONF_CHEAP_LIMIT: Final = "cheap_limit"
CONF_INTERVAL_LENGTH: Final = "interval_length"
CONF_LINK_DASHBOARD: Final = "link_dashboard"

# In percent of the way from the lowest price of a day to its highest.
DEFAULT_CHEAP_LIMIT: Final = 25

# Records are as long as the prices want it, else so many minutes.
INTERVAL_LENGTH_AUTO: Final = "auto"

# Tokens that a flow has fetched, by account id: setting up the entry takes them over.
TOKENS: Final[HassKey[dict[str, Token]]] = HassKey(f"{DOMAIN}_tokens")
