"""A real Home Assistant, put together by the core's own functions, without any of its tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
from pathlib import Path
from typing import Final

from homeassistant import loader
from homeassistant.auth import auth_manager_from_config
from homeassistant.bootstrap import async_load_base_functionality
from homeassistant.config_entries import ConfigEntries
from homeassistant.core import HomeAssistant
from homeassistant.core_config import async_process_ha_core_config
from homeassistant.helpers.recorder import async_initialize_recorder
from homeassistant.setup import async_setup_component
from tests.database import free_port
from tests.e2e.process import LOOPBACK

CORE: Final = {
    "name": "Home",
    "latitude": 52.5,
    "longitude": 13.4,
    "elevation": 34,
    "time_zone": "Europe/Berlin",
    "country": "DE",
    "currency": "EUR",
    "unit_system": "metric",
}


@asynccontextmanager
async def running_home_assistant(
    directory: Path, db_url: str, *, is_started: bool = True
) -> AsyncIterator[HomeAssistant]:
    """Run a Home Assistant with a recorder, an energy dashboard and nothing else."""
    _bind_to_loopback(directory)
    hass = HomeAssistant(str(directory))
    hass.config.skip_pip = True
    hass.config_entries = ConfigEntries(hass, {})
    loader.async_setup(hass)
    await loader.async_get_custom_components(hass)
    await async_load_base_functionality(hass)
    hass.auth = await auth_manager_from_config(hass, [], [])
    await async_process_ha_core_config(hass, dict(CORE))
    async_initialize_recorder(hass)
    config = {"recorder": {"db_url": db_url}}
    for domain in ("recorder", "energy"):
        if not await async_setup_component(hass, domain, config):
            raise RuntimeError(f"{domain} is not set up")
    if is_started:
        await hass.async_start()
        await hass.async_block_till_done()
    try:
        yield hass
    finally:
        await hass.async_stop(force=True)


def _bind_to_loopback(directory: Path) -> None:
    """Keep Home Assistant's own server on a free port of loopback."""
    storage = directory / ".storage"
    storage.mkdir(exist_ok=True)
    data = {"server_host": [LOOPBACK], "server_port": free_port()}
    content = {"version": 1, "minor_version": 1, "key": "http", "data": data}
    (storage / "http").write_text(json.dumps(content), encoding="utf-8")


def sqlite_url(directory: Path) -> str:
    """Return the URL of a database in a file."""
    return f"sqlite:///{directory / 'home-assistant_v2.db'}"
