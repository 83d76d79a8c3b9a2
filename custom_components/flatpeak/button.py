"""Button: run a cycle now."""

from typing import Final, override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import FlatpeakConfigEntry
from .entity import FlatpeakHomeEntity

# Cycles of one home do not run beside each other.
PARALLEL_UPDATES = 1

SYNC: Final = ButtonEntityDescription(key="sync", translation_key="sync")


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FlatpeakConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the button of the home."""
    async_add_entities([FlatpeakSyncButton(entry.runtime_data, SYNC)])


class FlatpeakSyncButton(FlatpeakHomeEntity, ButtonEntity):
    """Uploads and prices what is new, without waiting for the hour."""

    @property
    @override
    def available(self) -> bool:
        """Return True: pressing it is how to find out whether Flatpeak is back."""
        return True

    @override
    async def async_press(self) -> None:
        """Run a cycle, and say what kept it from ending well."""
        await self.coordinator.async_sync()
