"""The action that runs a cycle now, and looks further back."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import voluptuous as vol

from homeassistant.const import ATTR_CONFIG_ENTRY_ID
from homeassistant.core import HomeAssistant, ServiceCall, callback
from homeassistant.helpers import config_validation as cv, service
from homeassistant.util import dt as dt_util

from ..const import DOMAIN
from ..coordinator import NIGHTLY_DAYS, FlatpeakConfigEntry
from .subject import mistake

SERVICE_SYNC: Final = "sync"

ATTR_SINCE: Final = "since"

_SYNC_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(ATTR_CONFIG_ENTRY_ID): cv.string,
        vol.Optional(ATTR_SINCE): cv.datetime,
    }
)


@callback
def async_setup(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(DOMAIN, SERVICE_SYNC, _async_sync, schema=_SYNC_SCHEMA)


async def _async_sync(call: ServiceCall) -> None:
    """Upload what is new, and compare and price the past again.

    What keeps one home from ending well does not concern the others.
    """
    entries, since = _async_entries(call), _since(call)
    results = await asyncio.gather(
        *(entry.runtime_data.async_sync(since) for entry in entries),
        return_exceptions=True,
    )
    for error in filter(None, results):
        raise error


@callback
def _async_entries(call: ServiceCall) -> list[FlatpeakConfigEntry]:
    """Return the home that an action names, or all that are set up."""
    if entry_id := call.data.get(ATTR_CONFIG_ENTRY_ID):
        return [service.async_get_config_entry(call.hass, DOMAIN, entry_id)]
    entries = call.hass.config_entries.async_loaded_entries(DOMAIN)
    if not entries:
        raise mistake("no_home_loaded")
    return entries


def _since(call: ServiceCall) -> datetime:
    """Return from when on the past is looked at again."""
    now = dt_util.utcnow()
    if ATTR_SINCE not in call.data:
        return now - timedelta(days=NIGHTLY_DAYS)
    since = dt_util.as_utc(call.data[ATTR_SINCE])
    if since > now:
        raise mistake("start_in_future")
    return since
