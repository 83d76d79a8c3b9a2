"""A home with meters that have counted for a year, and go on counting."""

from pathlib import Path
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .const import CONF_INSTALLED, DATA_FILE
from .history import async_import_history
from .profile import Household, load_rows

type HouseholdConfigEntry = ConfigEntry[Household]

PLATFORMS: Final = [Platform.SENSOR]


async def async_setup_entry(hass: HomeAssistant, entry: HouseholdConfigEntry) -> bool:
    """Import what the meters have counted so far, then let them count on.

    The recorder compiles nothing of a sensor that has no state yet, so it
    finds the whole history before its first row, and continues it.
    """
    rows = await hass.async_add_executor_job(
        load_rows, Path(__file__).with_name(DATA_FILE)
    )
    installed = dt_util.parse_datetime(entry.data[CONF_INSTALLED], raise_on_error=True)
    entry.runtime_data = Household(rows, dt_util.as_utc(installed))
    await async_import_history(hass, entry)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True
