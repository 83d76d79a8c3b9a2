"""Base entities: of the home, and of a meter."""

from typing import Final

from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import DOMAIN
from .coordinator import FlatpeakCoordinator
from .meter import Meter

MANUFACTURER: Final = "Flatpeak"


@callback
def async_create_home_device(coordinator: FlatpeakCoordinator) -> None:
    """Register the home, which the devices of its meters refer to."""
    entry = coordinator.config_entry
    dr.async_get(coordinator.hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, coordinator.location_id)},
        entry_type=DeviceEntryType.SERVICE,
        manufacturer=MANUFACTURER,
        name=entry.title,
    )


class FlatpeakEntity(CoordinatorEntity[FlatpeakCoordinator]):
    """An entity of a home."""

    _attr_has_entity_name = True

    def __init__(
        self,
        coordinator: FlatpeakCoordinator,
        object_id: str,
        description: EntityDescription,
    ) -> None:
        """Name the entity after the Flatpeak object that it tells of."""
        super().__init__(coordinator)
        self.entity_description = description
        self._attr_unique_id = f"{object_id}_{description.key}"


class FlatpeakHomeEntity(FlatpeakEntity):
    """An entity of the home as a whole."""

    def __init__(
        self, coordinator: FlatpeakCoordinator, description: EntityDescription
    ) -> None:
        """Put the entity on the home's device."""
        super().__init__(coordinator, coordinator.location_id, description)
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, coordinator.location_id)}
        )


class FlatpeakMeterEntity(FlatpeakEntity):
    """An entity of one meter."""

    def __init__(
        self,
        coordinator: FlatpeakCoordinator,
        meter: Meter,
        description: EntityDescription,
    ) -> None:
        """Put the entity on the meter's device."""
        super().__init__(coordinator, meter.device_id, description)
        self._meter = meter
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, meter.device_id)},
            entry_type=DeviceEntryType.SERVICE,
            manufacturer=MANUFACTURER,
            model=meter.flow.replace("_", " ").capitalize(),
            name=meter.name,
            via_device_id=dr.async_get_device_id_by_identifier(
                coordinator.hass,
                (DOMAIN, coordinator.location_id),
                config_entry_id=coordinator.config_entry.entry_id,
            ),
        )
