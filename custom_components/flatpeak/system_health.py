"""What the page of the system's health tells of Flatpeak."""

from typing import Any

from homeassistant.components.system_health import (
    SystemHealthRegistration,
    async_check_can_reach_url,
)
from homeassistant.core import HomeAssistant, callback

from .api import DEFAULT_BASE_URL
from .const import CONF_API_URL, DOMAIN, SUBENTRY_TYPE_METER
from .coordinator import FlatpeakConfigEntry


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:
    """Register what is told."""
    register.async_register_info(_async_info)


async def _async_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return whether Flatpeak can be reached, and how the homes stand with it."""
    entries: list[FlatpeakConfigEntry] = hass.config_entries.async_entries(
        DOMAIN, include_disabled=False
    )
    loaded: list[FlatpeakConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    coordinators = [entry.runtime_data for entry in loaded]
    contacts = [each.last_update_success_time for each in coordinators]
    servers = [entry.data[CONF_API_URL] for entry in entries] or [DEFAULT_BASE_URL]
    return {
        "can_reach_server": async_check_can_reach_url(hass, servers[0]),
        "last_contact": max(filter(None, contacts), default=None),
        "homes": len(entries),
        "meters": sum(
            len(list(entry.get_subentries_of_type(SUBENTRY_TYPE_METER)))
            for entry in entries
        ),
        "records_waiting": sum(each.records_waiting for each in coordinators),
    }
