"""A home for tests: energy in the recorder, an energy dashboard, the integration."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import accumulate, islice
from math import isclose, nan
from typing import Any, Final

from custom_components.flatpeak.const import DEFAULT_CONNECT_URL, DOMAIN
from custom_components.flatpeak.intervals import floor_hour
from custom_components.flatpeak.meter import async_source_of, async_statistic_id
from custom_components.flatpeak.statistics import async_written
from homeassistant.components.energy.data import async_get_manager
from homeassistant.components.recorder.db_schema import StatisticsShortTerm
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import (
    async_add_external_statistics,
    async_import_statistics,
    statistics_during_period,
)
from homeassistant.components.recorder.util import session_scope
from homeassistant.config_entries import SOURCE_USER, ConfigEntry
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .simulator import Direction, Simulator

ZONE: Final = "Europe/Berlin"
HOUR: Final = timedelta(hours=1)
SHORT: Final = timedelta(minutes=5)

IMPORT: Final = "sensor.grid_import"
EXPORT: Final = "sensor.grid_export"
SOLAR: Final = "sensor.solar_production"
CAR: Final = "sensor.ev_charger"

ADDRESS: Final = {
    "address_line1": "Lindenstraße 7",
    "city": "Berlin",
    "post_code": "10969",
    "country_code": "DE",
}

GRID_SOURCE: Final = {
    "type": "grid",
    "stat_energy_from": IMPORT,
    "stat_energy_to": EXPORT,
    "stat_cost": None,
    "entity_energy_price": None,
    "number_energy_price": None,
    "stat_compensation": None,
    "entity_energy_price_export": None,
    "number_energy_price_export": None,
    "cost_adjustment_day": 0.0,
}
SOLAR_SOURCE: Final = {
    "type": "solar",
    "stat_energy_from": SOLAR,
    "config_entry_solar_forecast": None,
}

type Flow = Any
"""A step of a flow. Core's types do not tell which of its fields a step has."""


class Home:
    """A home in Home Assistant, and its account at a simulated Flatpeak."""

    def __init__(self, hass: HomeAssistant, simulator: Simulator) -> None:
        """Take the parts that the home is made of."""
        self.hass = hass
        self.simulator = simulator
        self._sums: dict[str, float] = {}

    async def async_prepare(self) -> None:
        """Settle the home in Berlin, with an energy dashboard that is empty."""
        await self.hass.config.async_set_time_zone(ZONE)
        self.hass.config.country = "DE"
        self.hass.config.currency = "EUR"
        assert await async_setup_component(self.hass, "energy", {})
        await self.hass.async_block_till_done()

    async def async_close(self) -> None:
        """Stop what the integration left running, once it is not being set up."""
        await self.hass.async_block_till_done()
        for entry in self.hass.config_entries.async_loaded_entries(DOMAIN):
            await self.hass.config_entries.async_unload(entry.entry_id)

    def add_sensor(self, entity_id: str, *, unique_id: str | None = None) -> None:
        """Add an energy sensor, registered under a unique id."""
        name = entity_id.partition(".")[2]
        er.async_get(self.hass).async_get_or_create(
            "sensor", "household", unique_id or name, suggested_object_id=name
        )
        self.hass.states.async_set(
            entity_id,
            "0",
            {
                "device_class": "energy",
                "state_class": "total_increasing",
                "unit_of_measurement": "kWh",
                "friendly_name": name.replace("_", " ").capitalize(),
            },
        )

    async def async_rename_sensor(self, entity_id: str, new_entity_id: str) -> None:
        """Give a sensor another entity id; the recorder takes its statistic along."""
        er.async_get(self.hass).async_update_entity(
            entity_id, new_entity_id=new_entity_id
        )
        self._sums[new_entity_id] = self._sums.pop(entity_id)
        await self.hass.async_block_till_done()
        await async_written(self.hass)

    async def async_clear(self, statistic_id: str) -> None:
        """Delete a statistic, as a user can; it begins anew at zero."""
        get_instance(self.hass).async_clear_statistics([statistic_id])
        self._sums.pop(statistic_id)
        await async_written(self.hass)

    def remove_sensor(self, entity_id: str) -> None:
        """Remove a sensor; what it recorded stays."""
        er.async_get(self.hass).async_remove(entity_id)
        self.hass.states.async_remove(entity_id)

    async def async_record(
        self,
        statistic_id: str,
        start: datetime,
        changes_wh: Iterable[float | None],
        *,
        unit: str = "kWh",
        wh_per_unit: float = 1000,
    ) -> None:
        """Record hourly energy from a full hour on; None leaves an hour out."""
        total = self._sums.get(statistic_id, 0.0)
        rows = []
        for number, change in enumerate(changes_wh):
            if change is None:
                continue
            total += change / wh_per_unit
            rows.append(
                StatisticData(start=start + number * HOUR, state=total, sum=total)
            )
        self._sums[statistic_id] = total
        self.import_rows(statistic_id, rows, unit=unit)
        await async_written(self.hass)

    async def async_record_short(
        self, statistic_id: str, start: datetime, changes_wh: Iterable[float]
    ) -> None:
        """Record energy of five minutes each, and that of the hours that are over."""
        sums = accumulate(
            (change / 1000 for change in changes_wh),
            initial=self._sums.get(statistic_id, 0.0),
        )
        rows = [
            StatisticData(start=start + number * SHORT, state=total, sum=total)
            for number, total in enumerate(islice(sums, 1, None))
        ]
        self._sums[statistic_id] = rows[-1]["sum"] or 0.0
        hours = [
            StatisticData(
                start=floor_hour(row["start"]), state=row["sum"], sum=row["sum"]
            )
            for row in rows
            if row["start"].minute == 55
        ]
        get_instance(self.hass).async_import_statistics(
            self._metadata(statistic_id), rows, StatisticsShortTerm
        )
        # As the recorder does it: no hour is there before all of its five minutes.
        self.import_rows(statistic_id, hours)
        await async_written(self.hass)

    async def async_change_short(
        self, statistic_id: str, start: datetime, total: float
    ) -> None:
        """Change the sum, in kWh, that a row of five minutes has."""
        get_instance(self.hass).async_import_statistics(
            self._metadata(statistic_id),
            [StatisticData(start=start, state=total, sum=total)],
            StatisticsShortTerm,
        )
        await async_written(self.hass)

    async def async_forget_short(self, before: datetime) -> None:
        """Purge the rows of five minutes, as the recorder does after some days."""
        await get_instance(self.hass).async_add_executor_job(self._forget_short, before)

    def _forget_short(self, before: datetime) -> None:
        """Delete rows of five minutes."""
        with session_scope(hass=self.hass) as session:
            session.query(StatisticsShortTerm).filter(
                StatisticsShortTerm.start_ts < before.timestamp()
            ).delete()

    @staticmethod
    def rows_of(start: datetime, changes_wh: Iterable[float]) -> list[StatisticData]:
        """Return the hourly rows of a whole history, in kWh."""
        sums = accumulate(change / 1000 for change in changes_wh)
        return [
            StatisticData(start=start + number * HOUR, state=total, sum=total)
            for number, total in enumerate(sums)
        ]

    def import_rows(
        self, statistic_id: str, rows: list[StatisticData], *, unit: str = "kWh"
    ) -> None:
        """Import rows of an entity's or an external statistic."""
        metadata = self._metadata(statistic_id, unit)
        if "." in statistic_id:
            async_import_statistics(self.hass, metadata, rows)
        else:
            async_add_external_statistics(self.hass, metadata, rows)

    @staticmethod
    def _metadata(statistic_id: str, unit: str = "kWh") -> StatisticMetaData:
        """Return how the recorder describes a statistic."""
        is_entity = "." in statistic_id
        return StatisticMetaData(
            has_sum=True,
            mean_type=StatisticMeanType.NONE,
            name=None if is_entity else "Meter",
            source="recorder" if is_entity else statistic_id.partition(":")[0],
            statistic_id=statistic_id,
            unit_class="energy",
            unit_of_measurement=unit,
        )

    async def async_show(
        self,
        *sources: Mapping[str, Any],
        devices: Sequence[str] = (),
    ) -> None:
        """Put sources and devices on the energy dashboard."""
        manager = await async_get_manager(self.hass)
        await manager.async_update(
            {
                "energy_sources": [dict(source) for source in sources],  # type: ignore[misc]  # the keys are those of the dashboard's own types
                "device_consumption": [
                    {"stat_consumption": statistic_id} for statistic_id in devices
                ],
            }
        )

    async def async_dashboard(self) -> list[dict[str, Any]]:
        """Return the sources of the energy dashboard."""
        data = (await async_get_manager(self.hass)).data
        return [] if data is None else [dict(each) for each in data["energy_sources"]]

    async def async_begin_flow(self, **account: str) -> Flow:
        """Begin to set the home up, and return what comes after the first step."""
        flow = await self.hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_USER}
        )
        return await self.async_answer(flow, **self.account_input(**account))

    def account_input(self, **account: str) -> dict[str, Any]:
        """Return what the first step wants to know."""
        answers = {
            "account_id": self.simulator.account_id,
            CONF_API_KEY: self.simulator.api_key,
            "api_url": self.simulator.url,
            "connect_url": DEFAULT_CONNECT_URL,
        } | account
        return {
            "account_id": answers["account_id"],
            CONF_API_KEY: answers[CONF_API_KEY],
            "server": {key: answers[key] for key in ("api_url", "connect_url")},
        }

    async def async_answer(self, flow: Flow, **answers: Any) -> Flow:
        """Answer a step of a flow, and return the next one."""
        return await self.hass.config_entries.flow.async_configure(
            flow["flow_id"], answers
        )

    async def async_set_up(
        self,
        *,
        history: str = "1_year",
        link_dashboard: bool = True,
        tariff: str = "market",
    ) -> ConfigEntry[Any]:
        """Set the home up with all that the dashboard has, and wait for its history."""
        flow = await self.async_begin_flow()
        flow = await self.async_answer(flow, location_id="new")
        flow = await self.async_answer(flow, **ADDRESS)
        if flow["step_id"] == "tariff":
            flow = await self.async_answer(flow, tariff=tariff)
        assert flow["step_id"] == "meters", flow
        meters = flow["data_schema"]({"history": history, "link_dashboard": True})
        flow = await self.async_answer(
            flow,
            meters=meters["meters"],
            history=history,
            link_dashboard=link_dashboard,
        )
        assert flow["type"] == "create_entry", flow
        await self.async_settle()
        entry: ConfigEntry[Any] = flow["result"]
        return entry

    async def async_follow_sessions(
        self,
        entry: ConfigEntry[Any],
        entity_id: str,
        *names: str,
        states: Sequence[str] = ("on",),
        pause: int = 5,
    ) -> None:
        """Let an entity tell of the sessions of some meters."""
        for subentry in tuple(entry.subentries.values()):
            if subentry.title in names:
                self.hass.config_entries.async_update_subentry(
                    entry,
                    subentry,
                    data={
                        **subentry.data,
                        "session_entity": async_source_of(self.hass, entity_id),
                        "session_states": list(states),
                        "session_pause": pause,
                    },
                )
                await self.async_settle()

    async def async_settle(self) -> None:
        """Wait until nothing is left to upload or to price."""
        await self.hass.async_block_till_done(wait_background_tasks=True)
        await async_written(self.hass)

    async def async_rows(
        self, statistic_id: str, start: datetime | None = None
    ) -> list[dict[str, Any]]:
        """Return the hourly rows of a statistic, energy in Wh."""
        rows = await get_instance(self.hass).async_add_executor_job(
            statistics_during_period,
            self.hass,
            start or dt_util.utc_from_timestamp(0),
            None,
            {statistic_id},
            "hour",
            {"energy": "Wh"},
            {"change", "state", "sum"},
        )
        return [dict(row) for row in rows.get(statistic_id, [])]

    async def async_miscounted(
        self, entry: ConfigEntry[Any]
    ) -> list[tuple[str, datetime, float | None, float | None]]:
        """Return where Flatpeak does not count what the recorder has.

        Each is a meter, an hour's end, and the energy in Wh that either has.
        """
        found = []
        for meter in entry.runtime_data.meters:
            statistic_id = async_statistic_id(self.hass, meter.source)
            recorded = {
                dt_util.utc_from_timestamp(row["end"]): row["change"]
                for row in await self.async_rows(statistic_id or "")
            }
            direction = Direction(meter.flow.tariff_direction)
            counted: dict[datetime, float] = defaultdict(float)
            for record in self.simulator.truth(meter.device_id, direction).records():
                last = record.end - timedelta.resolution
                counted[floor_hour(last) + HOUR] += record.energy
            found += [
                (meter.name, end, recorded.get(end), counted.get(end))
                for end in sorted(recorded.keys() | counted.keys())
                if not isclose(
                    recorded.get(end, nan), counted.get(end, nan), abs_tol=1e-6
                )
            ]
        return found
