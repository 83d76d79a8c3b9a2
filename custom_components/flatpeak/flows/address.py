"""The address of a home, by which Flatpeak finds the prices."""

from collections.abc import Mapping
from typing import Final

import voluptuous as vol

from homeassistant.helpers.selector import CountrySelector, TextSelector

from ..api import PostalAddress
from .forms import FormFailure

CONF_ADDRESS_LINE1: Final = "address_line1"
CONF_ADDRESS_LINE2: Final = "address_line2"
CONF_CITY: Final = "city"
CONF_STATE: Final = "state"
CONF_POST_CODE: Final = "post_code"
CONF_COUNTRY_CODE: Final = "country_code"

# The frontend does not send a form that lacks a required field, nor does it say which
# one. Whether a city is there is checked by the step, which also says why it is needed.
ADDRESS_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_ADDRESS_LINE1): TextSelector(),
        vol.Optional(CONF_ADDRESS_LINE2): TextSelector(),
        vol.Optional(CONF_CITY): TextSelector(),
        vol.Optional(CONF_STATE): TextSelector(),
        vol.Optional(CONF_POST_CODE): TextSelector(),
        vol.Required(CONF_COUNTRY_CODE): CountrySelector(),
    }
)


def address_of(user_input: Mapping[str, str]) -> PostalAddress:
    """Return the address that was entered."""
    return PostalAddress(
        **{key: value.strip() or None for key, value in user_input.items()}
    )


def check_kept(known: PostalAddress | None, wanted: PostalAddress) -> FormFailure:
    """Return which lines Flatpeak has kept, that were to be empty."""
    kept = () if known is None else known.as_dict().keys() - wanted.as_dict().keys()
    return FormFailure(errors=dict.fromkeys(kept, "line_kept"))


def check_address(address: PostalAddress) -> FormFailure:
    """Return what an address lacks for a price (flatpeak-api.md, section 6)."""
    errors = {}
    if address.city is None:
        errors[CONF_CITY] = "city_missing"
    if address.country_code == "US" and address.state is None:
        errors[CONF_STATE] = "state_missing"
    return FormFailure(errors=errors)
