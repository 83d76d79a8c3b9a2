"""The meters of the home as sensors."""

from datetime import timedelta
from typing import Final

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorStateClass,
)
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import UnitOfEnergy
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .profile import Household, Meter

SCAN_INTERVAL: Final = timedelta(seconds=30)

NAMES: Final = {
    Meter.GRID_IMPORT: "Grid import",
    Meter.GRID_EXPORT: "Grid export",
    Meter.SOLAR_PRODUCTION: "Solar production",
    Meter.EV_CHARGER: "EV charger",
    Meter.HEAT_PUMP: "Heat pump",
}


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ConfigEntry[Household],
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add a sensor for each meter."""
    async_add_entities(
        (HouseholdSensor(entry.runtime_data, meter) for meter in Meter),
        update_before_add=True,
    )


class HouseholdSensor(SensorEntity):
    """The register of a meter."""

    _attr_device_class = SensorDeviceClass.ENERGY
    _attr_native_unit_of_measurement = UnitOfEnergy.KILO_WATT_HOUR
    _attr_state_class = SensorStateClass.TOTAL_INCREASING
    _attr_suggested_display_precision = 1

    def __init__(self, household: Household, meter: Meter) -> None:
        """Begin without a reading."""
        self._household = household
        self._meter = meter
        self._attr_unique_id = meter
        self._attr_name = NAMES[meter]

    async def async_update(self) -> None:
        """Read the register."""
        self._attr_native_value = self._household.reading(self._meter, dt_util.utcnow())
