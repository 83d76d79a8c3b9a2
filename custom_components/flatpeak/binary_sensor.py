"""Binary sensor: whether energy is cheap now."""

from typing import Final, override

from homeassistant.components.binary_sensor import (
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .api import TariffDirection
from .coordinator import FlatpeakConfigEntry
from .entity import FlatpeakHomeEntity

# The coordinator brings the data of all entities.
PARALLEL_UPDATES = 0

CHEAP_NOW: Final = BinarySensorEntityDescription(
    key="cheap_now", translation_key="cheap_now"
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FlatpeakConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the binary sensor of the home."""
    async_add_entities([FlatpeakCheapSensor(entry.runtime_data, CHEAP_NOW)])


class FlatpeakCheapSensor(FlatpeakHomeEntity, BinarySensorEntity):
    """Whether the price is low for the day."""

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether energy is cheap now, None where its price is not known."""
        now = dt_util.utcnow()
        prices = self.coordinator.data.prices.get(TariffDirection.IMPORT)
        if prices is None or prices.at(now) is None:
            return None
        return any(
            window.start <= now < window.end
            for window in self.coordinator.cheap_windows()
        )
