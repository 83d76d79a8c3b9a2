"""What the page of the system's health tells."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
from pytest_homeassistant_custom_component.common import get_system_health_info

from custom_components.flatpeak.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

from .home import Home
from .priced import NOW, PricedHome
from .simulator import Fault


async def async_info(hass: HomeAssistant) -> dict[str, Any]:
    """Return what the page tells, once Flatpeak was asked."""
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    info: dict[str, Any] = await get_system_health_info(hass, DOMAIN)
    info["can_reach_server"] = await info["can_reach_server"]
    return info


async def test_home(home: Home, freezer: FrozenDateTimeFactory) -> None:
    """It tells of the service, the homes and what is still to be uploaded."""
    priced = PricedHome(home, freezer)
    await priced.async_begin()
    assert await async_info(home.hass) == {
        "can_reach_server": "ok",
        "last_contact": NOW,
        "homes": 1,
        "meters": 2,
        "records_waiting": 0,
    }

    home.simulator.faults.next("PUT /meters/interval", Fault.SERVER_ERROR)
    await priced.async_use(hours=3)
    await priced.async_cycle()
    info = await async_info(home.hass)
    assert info["last_contact"] == NOW
    assert info["records_waiting"] == 6

    priced.tick(timedelta(hours=1))
    await priced.async_cycle()
    info = await async_info(home.hass)
    assert info["last_contact"] == NOW + timedelta(hours=4)


async def test_home_that_is_not_set_up(
    home: Home, freezer: FrozenDateTimeFactory, deaf_url: str
) -> None:
    """It tells of a home that is not set up, and of a server that does not answer."""
    priced = PricedHome(home, freezer)
    await priced.async_begin()
    entries = home.hass.config_entries
    await entries.async_unload(priced.entry.entry_id)
    info = await async_info(home.hass)
    assert info["can_reach_server"] == "ok"
    assert info["last_contact"] is None
    assert (info["homes"], info["meters"], info["records_waiting"]) == (1, 2, 0)

    entries.async_update_entry(
        priced.entry, data={**priced.entry.data, "api_url": deaf_url}
    )
    info = await async_info(home.hass)
    assert info["can_reach_server"] == {"type": "failed", "error": "unreachable"}


async def test_no_home(home: Home, freezer: FrozenDateTimeFactory) -> None:
    """Once the last home is removed, Flatpeak's own server is looked for."""
    priced = PricedHome(home, freezer)
    await priced.async_begin()
    await home.hass.config_entries.async_remove(priced.entry.entry_id)

    with patch(
        "custom_components.flatpeak.system_health.async_check_can_reach_url",
        return_value="ok",
    ) as check:
        info = await async_info(home.hass)

    assert info["homes"] == 0
    check.assert_called_once_with(home.hass, "https://api.flatpeak.com")
