"""A home that is priced at a fixed time, for tests of what comes after."""

from datetime import UTC, datetime, timedelta
from math import fsum, isclose
from typing import Any, Final

from freezegun.api import FrozenDateTimeFactory

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.meter import Meter
from homeassistant.config_entries import ConfigEntry
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util

from .home import EXPORT, GRID_SOURCE, HOUR, IMPORT, Home
from .simulator.clock import Span, to_instant
from .simulator.tariffs import Direction

# A Tuesday, half past one in Berlin in the afternoon.
NOW: Final = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
QUARTER: Final = timedelta(minutes=15)


def profile(hours: int, seed: int = 0) -> list[float]:
    """Return hourly energy in Wh that repeats in no simple way."""
    return [float((hour * 7919 + seed * 104729) % 1500) for hour in range(hours)]


class PricedHome:
    """A home with grid import and export whose clock is in the hands of the test."""

    entry: ConfigEntry[Any]

    def __init__(self, home: Home, freezer: FrozenDateTimeFactory) -> None:
        """Take the home and its clock."""
        self.home = home
        self.hass = home.hass
        self.simulator = home.simulator
        self._freezer = freezer

    async def async_begin(
        self,
        *,
        now: datetime = NOW,
        hours: int = 72,
        sells: bool = True,
        **options: Any,
    ) -> None:
        """Set the home up with so many hours of energy before now."""
        self.move_to(now)
        first = now.replace(minute=0) - hours * HOUR
        for seed, sensor in enumerate((IMPORT, EXPORT) if sells else (IMPORT,)):
            self.home.add_sensor(sensor)
            await self.home.async_record(sensor, first, profile(hours, seed))
        await self.home.async_show(
            GRID_SOURCE if sells else GRID_SOURCE | {"stat_energy_to": None}
        )
        self.entry = await self.home.async_set_up(**options)

    def move_to(self, instant: datetime) -> None:
        """Set the clock."""
        self._freezer.move_to(instant)

    def tick(self, delta: timedelta = HOUR) -> None:
        """Let time pass."""
        self._freezer.tick(delta)

    def spoil(
        self,
        start: datetime,
        energy: float | None,
        direction: Direction = Direction.IMPORT,
    ) -> None:
        """Let Flatpeak count other energy for an hour, or none at all."""
        device_id = self.meter(direction).device_id
        [register] = self.simulator.account().meters.registers(device_id, direction)
        span = Span(to_instant(start), to_instant(start + HOUR))
        if energy is None:
            register.discard(span)
        else:
            register.put(span, energy)

    async def async_use(self, hours: int = 1) -> None:
        """Let hours pass in which energy is used."""
        last = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
        for sensor in (IMPORT, EXPORT):
            await self.home.async_record(sensor, last, profile(hours))
        self.tick(hours * HOUR)

    async def async_cycle(self) -> None:
        """Run a cycle."""
        await self.entry.runtime_data.async_refresh()
        await self.home.async_settle()

    def meter(self, direction: Direction = Direction.IMPORT) -> Meter:
        """Return the meter of a direction."""
        meters: list[Meter] = self.entry.runtime_data.meters
        return next(
            each
            for each in meters
            if Direction(each.flow.tariff_direction) is direction
        )

    @property
    def location_id(self) -> str:
        """Return the id of the location."""
        location_id: str = self.entry.runtime_data.location_id
        return location_id

    async def async_costs(
        self, direction: Direction = Direction.IMPORT
    ) -> dict[datetime, float]:
        """Return the hourly costs that the recorder has."""
        rows = await self.home.async_rows(self.meter(direction).cost_statistic_id)
        return {dt_util.utc_from_timestamp(row["start"]): row["change"] for row in rows}

    async def async_is_true(self, direction: Direction = Direction.IMPORT) -> bool:
        """Return whether the stored hours of every day add up to the simulator's truth."""
        truth = self.simulator.truth(self.meter(direction).device_id, direction)
        costs = await self.async_costs(direction)
        days = truth.days()
        # Hours that lie in two days are left to the sum of all.
        by_day = [
            fsum(cost for hour, cost in costs.items() if day.start <= hour < day.end)
            for day in days
        ]
        is_whole = all(day.start.minute == 0 for day in days)
        return isclose(
            fsum(costs.values()),
            fsum(float(day.reported_cost) for day in days),
            rel_tol=1e-9,
            abs_tol=1e-9,
        ) and (
            not is_whole
            or all(
                isclose(stored, float(day.reported_cost), rel_tol=1e-9, abs_tol=1e-9)
                for stored, day in zip(by_day, days, strict=True)
            )
        )

    def device_id(self, object_id: str) -> str:
        """Return the device in Home Assistant of the home, or of a meter."""
        found = dr.async_get_device_id_by_identifier(
            self.hass, (DOMAIN, object_id), config_entry_id=self.entry.entry_id
        )
        assert found is not None
        return found

    async def async_ask(self, action: str, **data: Any) -> dict[str, Any]:
        """Return what an action answers, of the home where nothing else is said."""
        if "device_id" not in data:
            data["device_id"] = self.device_id(self.location_id)
        answer = await self.hass.services.async_call(
            DOMAIN, action, data, blocking=True, return_response=True
        )
        assert isinstance(answer, dict)
        return answer

    def state(self, key: str, direction: Direction | None = None) -> str:
        """Return the state of a sensor of the home, or of a meter."""
        state = self.hass.states.get(self.entity_id(key, direction))
        assert state is not None, key
        return state.state

    def entity_id(
        self, key: str, direction: Direction | None = None, domain: str = "sensor"
    ) -> str:
        """Return the id of a sensor of the home, or of a meter; or of another entity."""
        owner = (
            self.location_id if direction is None else self.meter(direction).device_id
        )
        entity_id = er.async_get(self.hass).async_get_entity_id(
            domain, DOMAIN, f"{owner}_{key}"
        )
        assert entity_id is not None, key
        return entity_id
