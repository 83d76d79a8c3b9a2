"""Sensors: what the energy of a meter and of the home cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import fsum
from typing import Any, Final, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import PERCENTAGE, EntityCategory, UnitOfEnergy
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .coordinator import FlatpeakConfigEntry, FlatpeakCoordinator, MeterCosts
from .entity import FlatpeakHomeEntity, FlatpeakMeterEntity
from .meter import Flow, Meter

# The coordinator brings the data of all entities.
PARALLEL_UPDATES = 0

type Period = Callable[[FlatpeakCoordinator, datetime], datetime]
"""Says when the period that a sensor counts has begun."""


@dataclass(frozen=True, kw_only=True)
class FlatpeakMeterSensorDescription(SensorEntityDescription):
    """Describes a sensor of a meter."""

    period: Period
    value_fn: Callable[[MeterCosts, datetime], float | None]


@dataclass(frozen=True, kw_only=True)
class FlatpeakNetCostDescription(SensorEntityDescription):
    """Describes a sensor of what the home paid less what it earned."""

    period: Period


METER_SENSORS: Final = (
    FlatpeakMeterSensorDescription(
        key="cost_today",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        period=FlatpeakCoordinator.day_start,
        value_fn=MeterCosts.cost_since,
    ),
    FlatpeakMeterSensorDescription(
        key="cost_this_month",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        period=FlatpeakCoordinator.month_start,
        value_fn=MeterCosts.cost_since,
    ),
    FlatpeakMeterSensorDescription(
        key="energy_today",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        period=FlatpeakCoordinator.day_start,
        value_fn=MeterCosts.energy_since,
    ),
)

NET_COSTS: Final = (
    FlatpeakNetCostDescription(
        key="net_cost_today",
        translation_key="net_cost_today",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        period=FlatpeakCoordinator.day_start,
    ),
    FlatpeakNetCostDescription(
        key="net_cost_this_month",
        translation_key="net_cost_this_month",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        period=FlatpeakCoordinator.month_start,
    ),
)

HISTORY_PROGRESS: Final = SensorEntityDescription(
    key="history_progress",
    translation_key="history_progress",
    entity_category=EntityCategory.DIAGNOSTIC,
    native_unit_of_measurement=PERCENTAGE,
    suggested_display_precision=0,
)

# What a cost is called depends on which way the energy flows.
_MONEY_NAMES: Final = {
    Flow.GRID_EXPORT: "earnings",
    Flow.LOCAL_GENERATION: "value",
}


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FlatpeakConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensors of the home and of its meters."""
    coordinator = entry.runtime_data
    async_add_entities(
        [
            *(FlatpeakNetCostSensor(coordinator, each) for each in NET_COSTS),
            FlatpeakHistorySensor(coordinator, HISTORY_PROGRESS),
        ]
    )
    for meter in coordinator.meters:
        async_add_entities(
            (FlatpeakMeterSensor(coordinator, meter, each) for each in METER_SENSORS),
            config_subentry_id=meter.subentry_id,
        )


class FlatpeakMeterSensor(FlatpeakMeterEntity, SensorEntity):
    """What a meter counted or cost in a period."""

    entity_description: FlatpeakMeterSensorDescription

    def __init__(
        self,
        coordinator: FlatpeakCoordinator,
        meter: Meter,
        description: FlatpeakMeterSensorDescription,
    ) -> None:
        """Name the sensor after what its money means to the home."""
        super().__init__(coordinator, meter, description)
        money = _MONEY_NAMES.get(meter.flow, "cost")
        self._attr_translation_key = description.key.replace("cost", money)

    @property
    @override
    def native_unit_of_measurement(self) -> str | None:
        """Return the currency of money, of anything else the unit it always has."""
        if self.entity_description.device_class is SensorDeviceClass.MONETARY:
            return self.coordinator.currency
        return self.entity_description.native_unit_of_measurement

    @property
    @override
    def native_value(self) -> float | None:
        """Return the value, None as long as nothing of the period is priced."""
        costs = self.coordinator.data.meters.get(self._meter.device_id)
        if costs is None:
            return None
        return self.entity_description.value_fn(costs, self.last_reset)

    @property
    @override
    def last_reset(self) -> datetime:
        """Return when the period began."""
        return self.entity_description.period(self.coordinator, dt_util.utcnow())


class FlatpeakNetCostSensor(FlatpeakHomeEntity, SensorEntity):
    """What the home paid for energy from the grid, less what it earned."""

    entity_description: FlatpeakNetCostDescription

    @property
    @override
    def native_unit_of_measurement(self) -> str:
        """Return the currency of the location."""
        return self.coordinator.currency

    @property
    @override
    def native_value(self) -> float | None:
        """Return the net cost, None as long as no import is priced."""
        paid = self._costs(Flow.GRID_IMPORT)
        earned = self._costs(Flow.GRID_EXPORT)
        return fsum([*paid, *(-each for each in earned)]) if paid else None

    def _costs(self, flow: Flow) -> list[float]:
        """Return the costs of the meters with a flow."""
        costs = self.coordinator.data.meters
        return [
            cost
            for meter in self.coordinator.meters
            if meter.flow is flow and meter.device_id in costs
            if (cost := costs[meter.device_id].cost_since(self.last_reset)) is not None
        ]

    @property
    @override
    def last_reset(self) -> datetime:
        """Return when the period began."""
        return self.entity_description.period(self.coordinator, dt_util.utcnow())


class FlatpeakHistorySensor(FlatpeakHomeEntity, SensorEntity):
    """How much of the wanted history is submitted."""

    @property
    @override
    def native_value(self) -> float:
        """Return the share in percent."""
        done, wanted = self.coordinator.history_days
        return 100 * done / wanted if wanted else 100

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """Return the days behind the share, of all meters together."""
        done, wanted = self.coordinator.history_days
        return {"days_done": round(done, 2), "days_wanted": round(wanted, 2)}
