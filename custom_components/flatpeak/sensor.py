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
from homeassistant.helpers.typing import StateType
from homeassistant.util import dt as dt_util

from .api import TariffDirection
from .coordinator import FlatpeakConfigEntry, FlatpeakCoordinator, MeterCosts
from .costs import WH_PER_KWH
from .days import days_later
from .entity import FlatpeakHomeEntity, FlatpeakMeterEntity
from .meter import Flow, Meter
from .sessions import PricedSession
from .tariff import Prices, TariffStatus

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


@dataclass(frozen=True, kw_only=True)
class FlatpeakPriceDescription(SensorEntityDescription):
    """Describes a sensor of the current price of energy."""

    direction: TariffDirection


@dataclass(frozen=True, kw_only=True)
class FlatpeakSessionSensorDescription(SensorEntityDescription):
    """Describes a sensor of the last session of a meter that has its cost."""

    value_fn: Callable[[PricedSession], float | datetime | None]
    unit_fn: Callable[[str], str | None] = lambda _: None
    """Says the unit in a currency."""


@dataclass(frozen=True, kw_only=True)
class FlatpeakHomeSensorDescription(SensorEntityDescription):
    """Describes a sensor of the home that shows something as it is."""

    value_fn: Callable[[FlatpeakCoordinator], StateType | datetime]
    known_fn: Callable[[FlatpeakCoordinator], bool] = lambda _: False
    """Says whether the value is known although Flatpeak does not answer."""


def _price_unit(currency: str) -> str:
    """Return the unit of a price, as the energy dashboard wants it."""
    return f"{currency}/{UnitOfEnergy.KILO_WATT_HOUR}"


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

AVERAGE_PRICE: Final = SensorEntityDescription(
    key="average_price_today",
    translation_key="average_price_today",
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=4,
)

PRICES: Final = (
    FlatpeakPriceDescription(
        key="import_price",
        translation_key="import_price",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=4,
        direction=TariffDirection.IMPORT,
    ),
    FlatpeakPriceDescription(
        key="export_price",
        translation_key="export_price",
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=4,
        direction=TariffDirection.EXPORT,
    ),
)

HOME_SENSORS: Final = (
    FlatpeakHomeSensorDescription(
        key="next_cheap_window",
        translation_key="next_cheap_window",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda coordinator: min(
            (
                window.start
                for window in coordinator.cheap_windows()
                if window.start > dt_util.utcnow()
            ),
            default=None,
        ),
    ),
    FlatpeakHomeSensorDescription(
        key="tariff_name",
        translation_key="tariff_name",
        value_fn=lambda coordinator: coordinator.data.tariff.name,
    ),
    FlatpeakHomeSensorDescription(
        key="provider",
        translation_key="provider",
        value_fn=lambda coordinator: coordinator.data.tariff.provider,
    ),
    FlatpeakHomeSensorDescription(
        key="contract_end",
        translation_key="contract_end",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_registry_enabled_default=False,
        value_fn=lambda coordinator: coordinator.data.tariff.contract_end,
    ),
    FlatpeakHomeSensorDescription(
        key="tariff_status",
        translation_key="tariff_status",
        device_class=SensorDeviceClass.ENUM,
        options=list(TariffStatus),
        value_fn=lambda coordinator: (
            TariffStatus.ACCOUNT_DISABLED
            if coordinator.is_account_disabled
            else coordinator.data.tariff.status
        ),
        known_fn=lambda coordinator: coordinator.is_account_disabled,
    ),
    FlatpeakHomeSensorDescription(
        key="last_upload",
        translation_key="last_upload",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: coordinator.journal.last_upload,
        known_fn=lambda _: True,
    ),
    FlatpeakHomeSensorDescription(
        key="records_waiting",
        translation_key="records_waiting",
        state_class=SensorStateClass.MEASUREMENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: coordinator.records_waiting,
        known_fn=lambda _: True,
    ),
    FlatpeakHomeSensorDescription(
        key="last_priced_hour",
        translation_key="last_priced_hour",
        device_class=SensorDeviceClass.TIMESTAMP,
        entity_category=EntityCategory.DIAGNOSTIC,
        value_fn=lambda coordinator: coordinator.data.last_priced_hour,
    ),
)

SESSION_SENSORS: Final = (
    FlatpeakSessionSensorDescription(
        key="last_session_cost",
        device_class=SensorDeviceClass.MONETARY,
        suggested_display_precision=2,
        value_fn=lambda session: session.cost.cost,
        unit_fn=lambda currency: currency,
    ),
    FlatpeakSessionSensorDescription(
        key="last_session_energy",
        device_class=SensorDeviceClass.ENERGY,
        suggested_display_precision=2,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        value_fn=lambda session: session.cost.energy_wh,
        unit_fn=lambda _: UnitOfEnergy.WATT_HOUR,
    ),
    FlatpeakSessionSensorDescription(
        key="last_session_average_price",
        suggested_display_precision=4,
        value_fn=lambda session: session.cost.average_price,
        unit_fn=_price_unit,
    ),
    FlatpeakSessionSensorDescription(
        key="last_session_start",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda session: session.start,
    ),
    FlatpeakSessionSensorDescription(
        key="last_session_end",
        device_class=SensorDeviceClass.TIMESTAMP,
        value_fn=lambda session: session.end,
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


def _translation_key(meter: Meter, key: str) -> str:
    """Return the translation key of a sensor: it names what money means to the home."""
    return key.replace("cost", _MONEY_NAMES.get(meter.flow, "cost"))


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
            *(FlatpeakPriceSensor(coordinator, each) for each in PRICES),
            *(FlatpeakHomeSensor(coordinator, each) for each in HOME_SENSORS),
            FlatpeakHistorySensor(coordinator, HISTORY_PROGRESS),
        ]
    )
    for meter in coordinator.meters:
        async_add_entities(
            [
                *(
                    FlatpeakMeterSensor(coordinator, meter, each)
                    for each in METER_SENSORS
                ),
                FlatpeakAveragePriceSensor(coordinator, meter, AVERAGE_PRICE),
                *(
                    FlatpeakSessionSensor(coordinator, meter, each)
                    for each in SESSION_SENSORS
                    if meter.session is not None
                ),
            ],
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
        self._attr_translation_key = _translation_key(meter, description.key)

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


class FlatpeakSessionSensor(FlatpeakMeterEntity, SensorEntity):
    """The last session of a meter that has its cost."""

    entity_description: FlatpeakSessionSensorDescription

    def __init__(
        self,
        coordinator: FlatpeakCoordinator,
        meter: Meter,
        description: FlatpeakSessionSensorDescription,
    ) -> None:
        """Name the sensor after what its money means to the home."""
        super().__init__(coordinator, meter, description)
        self._attr_translation_key = _translation_key(meter, description.key)

    @property
    def _session(self) -> PricedSession | None:
        """Return the session, None as long as there is none."""
        sessions = self.coordinator.priced_sessions(self._meter.device_id)
        return sessions[-1] if sessions else None

    @property
    @override
    def available(self) -> bool:
        """Return that the session is known, although Flatpeak does not answer."""
        return True

    @property
    @override
    def native_unit_of_measurement(self) -> str | None:
        """Return the unit, money in the currency in which the session was priced."""
        session = self._session
        return self.entity_description.unit_fn(
            self.coordinator.currency if session is None else session.cost.currency
        )

    @property
    @override
    def native_value(self) -> float | datetime | None:
        """Return the value, None as long as there was no session."""
        session = self._session
        return None if session is None else self.entity_description.value_fn(session)


class FlatpeakAveragePriceSensor(FlatpeakMeterEntity, SensorEntity):
    """What a kilowatt-hour of a meter cost today."""

    @property
    @override
    def native_unit_of_measurement(self) -> str:
        """Return the currency per kilowatt-hour."""
        return _price_unit(self.coordinator.currency)

    @property
    @override
    def native_value(self) -> float | None:
        """Return the price, None as long as there is no energy."""
        costs = self.coordinator.data.meters.get(self._meter.device_id)
        if costs is None:
            return None
        today = self.coordinator.day_start(dt_util.utcnow())
        cost, energy_wh = costs.cost_since(today), costs.energy_since(today)
        return (
            cost / (energy_wh / WH_PER_KWH) if cost is not None and energy_wh else None
        )


class FlatpeakPriceSensor(FlatpeakHomeEntity, SensorEntity):
    """What a kilowatt-hour costs now."""

    # The recorder keeps what the price was, and need not know what was expected.
    _unrecorded_attributes = frozenset({"today", "tomorrow"})

    entity_description: FlatpeakPriceDescription

    @property
    def _prices(self) -> Prices | None:
        """Return the prices of today and tomorrow, None where there are none."""
        return self.coordinator.data.prices.get(self.entity_description.direction)

    @property
    @override
    def native_unit_of_measurement(self) -> str:
        """Return the currency per kilowatt-hour."""
        prices = self._prices
        return _price_unit(
            self.coordinator.currency if prices is None else prices.currency
        )

    @property
    @override
    def native_value(self) -> float | None:
        """Return the price, None where none is known."""
        prices = self._prices
        return None if prices is None else prices.at(dt_util.utcnow())

    @property
    @override
    def extra_state_attributes(self) -> Mapping[str, Any]:
        """Return the prices of today and tomorrow."""
        today = self.coordinator.day_start(dt_util.utcnow())
        tomorrow = days_later(today, 1)
        return {
            "today": self._slots(today, tomorrow),
            "tomorrow": self._slots(tomorrow, days_later(tomorrow, 1)),
        }

    def _slots(self, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """Return the prices of a day in local time."""
        if (prices := self._prices) is None:
            return []
        return [
            {
                "start": slot.start.astimezone(start.tzinfo).isoformat(),
                "end": slot.end.astimezone(start.tzinfo).isoformat(),
                "price": slot.price,
            }
            for slot in prices.between(start, end)
        ]


class FlatpeakHomeSensor(FlatpeakHomeEntity, SensorEntity):
    """Something of the home that is shown as it is."""

    entity_description: FlatpeakHomeSensorDescription

    @property
    @override
    def available(self) -> bool:
        """Return whether the value is known."""
        return super().available or self.entity_description.known_fn(self.coordinator)

    @property
    @override
    def native_value(self) -> StateType | datetime:
        """Return the value."""
        return self.entity_description.value_fn(self.coordinator)


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
