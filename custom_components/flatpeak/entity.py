"""Base entities: of the home, and of a meter."""

from typing import Final, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import EntityDescription
from homeassistant.helpers.translation import async_get_cached_translations
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import CONF_FLOW, DOMAIN
from .coordinator import FlatpeakConfigEntry, FlatpeakCoordinator
from .meter import Flow, Meter, object_ids

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


@callback
def async_remove_stale_devices(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> None:
    """Remove the devices of what a home no longer has, with their entities."""
    registry = dr.async_get(hass)
    for device in dr.async_entries_for_config_entry(registry, entry.entry_id):
        if not is_device_of(entry, device):
            registry.async_remove_device(device.id)


def is_device_of(entry: FlatpeakConfigEntry, device: dr.DeviceEntry) -> bool:
    """Return whether a device is the home, or one of its meters."""
    return any((DOMAIN, each) in device.identifiers for each in object_ids(entry))


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

    @property
    @override
    def available(self) -> bool:
        """Return whether what Flatpeak said last still holds."""
        return super().available or self.coordinator.awaits_processing


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
            model=_kind_of_energy(coordinator.hass, meter.flow),
            name=meter.name,
            via_device_id=dr.async_get_device_id_by_identifier(
                coordinator.hass,
                (DOMAIN, coordinator.location_id),
                config_entry_id=coordinator.config_entry.entry_id,
            ),
        )


@callback
def _kind_of_energy(hass: HomeAssistant, flow: Flow) -> str:
    """Return what the flows of a meter call its kind of energy.

    Home Assistant translates no models of devices.
    """
    texts = async_get_cached_translations(
        hass, hass.config.language, "selector", DOMAIN
    )
    return texts[f"component.{DOMAIN}.selector.{CONF_FLOW}.options.{flow}"]
