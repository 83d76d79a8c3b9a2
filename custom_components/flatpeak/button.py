"""Button: run a cycle now."""

from typing import Final, override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
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
        await self.coordinator.async_refresh()
        if not self.coordinator.last_update_success:
            raise _failure(self.coordinator.last_exception)


def _failure(err: BaseException | None) -> HomeAssistantError:
    """Return what kept a cycle from ending well, as the user is told."""
    if isinstance(err, HomeAssistantError):
        return err
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="unknown",
        translation_placeholders={"message": type(err).__name__},
    )
