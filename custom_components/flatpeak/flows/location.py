"""Which location of the account a home is, or how it becomes a new one."""

from collections.abc import Iterable
from typing import Final

import voluptuous as vol

from homeassistant.core import HomeAssistant
from homeassistant.helpers import instance_id
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)

from ..api import FlatpeakClient, FlatpeakConflictError, Location, PostalAddress
from ..const import CONF_LOCATION_ID

NEW_LOCATION: Final = "new"


def location_schema(locations: Iterable[Location]) -> vol.Schema:
    """Return the form that offers the account's locations."""
    options = [
        SelectOptionDict(value=each.location_id, label=_location_label(each))
        for each in locations
    ]
    return vol.Schema(
        {
            vol.Required(CONF_LOCATION_ID, default=NEW_LOCATION): SelectSelector(
                SelectSelectorConfig(
                    options=[*options, SelectOptionDict(value=NEW_LOCATION, label="")],
                    mode=SelectSelectorMode.LIST,
                    translation_key=CONF_LOCATION_ID,
                )
            )
        }
    )


def _location_label(location: Location) -> str:
    """Return what a user knows a location by."""
    address = location.address or PostalAddress()
    lines = (address.address_line1, address.post_code, address.city)
    return ", ".join(filter(None, lines)) or location.location_id


async def async_register(
    hass: HomeAssistant, client: FlatpeakClient, address: PostalAddress
) -> Location:
    """Return this home's location, and make it only where there is none yet."""
    reference_id = await instance_id.async_get(hass)
    if location := await _async_registered(client, reference_id, address):
        return location
    try:
        return await client.create_location(reference_id, address)
    except FlatpeakConflictError:
        # Another flow was faster.
        if location := await _async_registered(client, reference_id, address):
            return location
        raise


async def _async_registered(
    client: FlatpeakClient, reference_id: str, address: PostalAddress
) -> Location | None:
    """Return the location that an earlier flow made, now at this address."""
    locations = await client.list_locations(reference_id)
    if not locations or locations[0].address == address:
        return next(iter(locations), None)
    return await client.update_location(locations[0], address)
