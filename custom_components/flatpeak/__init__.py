"""The Flatpeak integration: what the energy of a home really cost."""

import asyncio
from collections.abc import Collection
from typing import Final

from homeassistant.const import CONF_API_KEY, Platform
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .api import FlatpeakClient
from .const import (
    CONF_ACCOUNT_ID,
    CONF_API_URL,
    CONF_CONNECT_URL,
    CONF_LINK_DASHBOARD,
    CONF_LOCATION_ID,
    DEFAULT_CONNECT_URL,
    DOMAIN,
    TOKENS,
)
from .coordinator import FlatpeakConfigEntry, FlatpeakCoordinator
from .dashboard import async_unlink
from .entity import async_create_home_device, async_remove_stale_devices, is_device_of
from .issues import async_withdraw_issues
from .journal import Journal
from .meter import cost_statistic_ids, object_ids
from .removal import async_offer_to_clear, async_withdraw_offers
from .services import async_setup_services

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)

PLATFORMS: Final = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.EVENT,
    Platform.SENSOR,
)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Set up the actions, which homes that are not set up now have too."""
    async_setup_services(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> bool:
    """Set up a home."""
    client = _client(hass, entry)
    coordinator = entry.runtime_data = FlatpeakCoordinator(hass, entry, client)
    # What changes while the home is being set up must not be missed.
    entry.async_on_unload(entry.add_update_listener(_async_update))
    await coordinator.async_config_entry_first_refresh()
    async_create_home_device(coordinator)
    async_remove_stale_devices(hass, entry)
    async_withdraw_offers(hass, object_ids(entry))
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    coordinator.async_start()
    return True


@callback
def _client(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> FlatpeakClient:
    """Return the client of a home, with the token of the last login where one is left."""
    account_id = entry.data[CONF_ACCOUNT_ID]
    tokens = hass.data.setdefault(TOKENS, {})
    client = FlatpeakClient(
        async_get_clientsession(hass),
        account_id,
        entry.data[CONF_API_KEY],
        base_url=entry.data[CONF_API_URL],
        token=tokens.pop(account_id, None),
    )

    @callback
    def leave_token() -> None:
        """Leave the token to the next set-up, unless a flow has a newer one."""
        if client.token is not None:
            tokens.setdefault(account_id, client.token)

    entry.async_on_unload(leave_token)
    return client


async def async_migrate_entry(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> bool:
    """Give a home of an earlier version what it lacks."""
    if entry.minor_version < 2:
        hass.config_entries.async_update_entry(
            entry,
            data={**entry.data, CONF_CONNECT_URL: DEFAULT_CONNECT_URL},
            minor_version=2,
        )
    return True


async def async_unload_entry(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> bool:
    """Unload a home; what is left to do is done when it is set up again."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> None:
    """Take the costs of a removed home out of the energy dashboard.

    The journal stays: records cannot be read back from Flatpeak, and a home that
    is added again goes on where it stopped.
    """
    async_withdraw_issues(hass, entry)
    location_id = entry.data[CONF_LOCATION_ID]
    if device_ids := await _async_unlink(hass, entry):
        async_offer_to_clear(
            hass,
            location_id,
            entry.title,
            location_id=location_id,
            device_ids=device_ids,
        )


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: FlatpeakConfigEntry, device: DeviceEntry
) -> bool:
    """Return whether the user may delete a device: not the home, nor any of its meters."""
    return not is_device_of(entry, device)


async def _async_update(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> None:
    """Set the home up anew after a change of the entry or its meters."""
    coordinator = entry.runtime_data
    _async_see_removed_meters(hass, entry)
    if coordinator.links_dashboard and not entry.options[CONF_LINK_DASHBOARD]:
        await _async_unlink(hass, entry)
    if not coordinator.is_outdated:
        coordinator.is_outdated = True
        await asyncio.sleep(0)  # What changes together needs no more than one set-up.
        await hass.config_entries.async_reload(entry.entry_id)


@callback
def _async_see_removed_meters(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> None:
    """Withdraw the repairs of meters that were removed, and offer to clear their costs."""
    location_id = entry.data[CONF_LOCATION_ID]
    kept = object_ids(entry)
    for meter in entry.runtime_data.meters:
        if meter.device_id in kept:
            continue
        async_withdraw_issues(hass, entry, about=meter.subentry_id)
        async_offer_to_clear(
            hass,
            meter.device_id,
            meter.name,
            location_id=location_id,
            device_ids=[meter.device_id],
        )


async def _async_unlink(
    hass: HomeAssistant, entry: FlatpeakConfigEntry
) -> Collection[str]:
    """Take the costs of all meters that a home ever had out of the dashboard.

    Returns their device ids.
    """
    journal = Journal(hass, entry.data[CONF_LOCATION_ID])
    await journal.async_load()
    await async_unlink(hass, cost_statistic_ids(journal.meters))
    return journal.meters
