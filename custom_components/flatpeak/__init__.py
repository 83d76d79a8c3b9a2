"""The Flatpeak integration: what the energy of a home really cost."""

from typing import Final

from homeassistant.const import CONF_API_KEY, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .api import FlatpeakClient
from .const import CONF_ACCOUNT_ID, CONF_API_URL, CONF_LOCATION_ID, DOMAIN, TOKENS
from .coordinator import FlatpeakConfigEntry, FlatpeakCoordinator
from .dashboard import async_unlink
from .entity import home_device_info
from .journal import Journal
from .meter import cost_statistic_ids

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

PLATFORMS: Final = (Platform.BUTTON, Platform.SENSOR)


async def async_setup_entry(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> bool:
    """Set up a home."""
    client = FlatpeakClient(
        async_get_clientsession(hass),
        entry.data[CONF_ACCOUNT_ID],
        entry.data[CONF_API_KEY],
        base_url=entry.data[CONF_API_URL],
        token=hass.data.get(TOKENS, {}).pop(entry.data[CONF_ACCOUNT_ID], None),
    )
    coordinator = FlatpeakCoordinator(hass, entry, client)
    await coordinator.async_config_entry_first_refresh()
    entry.runtime_data = coordinator
    # The devices of the meters refer to the one of the home.
    dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        **home_device_info(entry, coordinator.location_id),
    )
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    entry.async_on_unload(entry.add_update_listener(_async_reload))
    coordinator.async_start()
    return True


async def async_unload_entry(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> bool:
    """Unload a home; what is left to do is done when it is set up again."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> None:
    """Take the costs of a removed home out of the energy dashboard.

    The journal stays: records cannot be read back from Flatpeak, and a home that
    is added again goes on where it stopped.
    """
    journal = Journal(hass, entry.data[CONF_LOCATION_ID])
    await journal.async_load()
    await async_unlink(hass, cost_statistic_ids(journal.meters))


async def _async_reload(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> None:
    """Set the home up anew after a change of the entry or its meters."""
    await hass.config_entries.async_reload(entry.entry_id)
