"""Import what the meters have counted into the recorder."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from homeassistant.components.recorder import DOMAIN as RECORDER_DOMAIN, get_instance
from homeassistant.components.recorder.db_schema import Statistics, StatisticsShortTerm
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import get_last_short_term_statistics
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import UnitOfEnergy
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import EnergyConverter

from .const import DOMAIN
from .profile import Household, Meter

SHORT_TERM_DAYS: Final = timedelta(days=10)
FIVE_MINUTES: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)

# The recorder compiles ten seconds after every five minutes. A history that came in
# just before would stand in the way of the rows of the same time.
COMPILED_SECONDS: Final = 12


async def async_import_history(
    hass: HomeAssistant, entry: ConfigEntry[Household]
) -> None:
    """Import the statistics of all meters, unless they are there, and wait until they are committed."""
    statistic_ids = {meter: _async_entity_id(hass, entry, meter) for meter in Meter}
    if await _async_is_imported(hass, statistic_ids[Meter.HEAT_PUMP]):
        return
    now = await _async_quiet_moment()
    for meter, statistic_id in statistic_ids.items():
        hours, slots = await hass.async_add_executor_job(
            _counted, entry.runtime_data, meter, now
        )
        _async_import(hass, statistic_id, hours, Statistics)
        _async_import(hass, statistic_id, slots, StatisticsShortTerm)
    await _async_committed(hass)


@callback
def _async_entity_id(
    hass: HomeAssistant, entry: ConfigEntry[Household], meter: Meter
) -> str:
    """Return the id of a meter's sensor, which is registered before the sensor exists."""
    return (
        er.async_get(hass)
        .async_get_or_create(
            "sensor", DOMAIN, meter, object_id_base=meter, config_entry=entry
        )
        .entity_id
    )


async def _async_is_imported(hass: HomeAssistant, statistic_id: str) -> bool:
    """Return whether the meter that is imported last has its statistics."""
    return bool(
        await get_instance(hass).async_add_executor_job(
            get_last_short_term_statistics, hass, 1, statistic_id, False, {"sum"}
        )
    )


async def _async_quiet_moment() -> datetime:
    """Return the time, as soon as the recorder is done with the last five minutes."""
    now = dt_util.utcnow()
    seconds = (now - _floor(now, FIVE_MINUTES)).total_seconds()
    await asyncio.sleep(max(COMPILED_SECONDS - seconds, 0))
    return dt_util.utcnow()


def _counted(
    household: Household, meter: Meter, now: datetime
) -> tuple[list[StatisticData], list[StatisticData]]:
    """Return the hours of the whole history, and the five minutes that the recorder would have kept."""
    hours = _rows(household, meter, household.installed, _floor(now, HOUR), HOUR)
    slots_end = _floor(now, FIVE_MINUTES)
    slots = _rows(
        household, meter, slots_end - SHORT_TERM_DAYS, slots_end, FIVE_MINUTES
    )
    return hours, slots


def _rows(
    household: Household, meter: Meter, start: datetime, end: datetime, step: timedelta
) -> list[StatisticData]:
    """Return a row for each step: what the register showed at its end."""
    rows = []
    while start < end:
        reading = household.reading(meter, start + step)
        rows.append(StatisticData(start=start, state=reading, sum=reading))
        start += step
    return rows


def _floor(instant: datetime, step: timedelta) -> datetime:
    """Return the last full step of the clock."""
    return instant - (instant - dt_util.utc_from_timestamp(0)) % step


@callback
def _async_import(
    hass: HomeAssistant,
    statistic_id: str,
    rows: list[StatisticData],
    table: type[Statistics | StatisticsShortTerm],
) -> None:
    """Queue rows for one of the recorder's two tables of statistics."""
    metadata = StatisticMetaData(
        mean_type=StatisticMeanType.NONE,
        has_sum=True,
        name=None,
        source=RECORDER_DOMAIN,
        statistic_id=statistic_id,
        unit_class=EnergyConverter.UNIT_CLASS,
        unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
    )
    get_instance(hass).async_import_statistics(metadata, rows, table)


async def _async_committed(hass: HomeAssistant) -> None:
    """Wait until the recorder has done everything queued so far."""
    done = asyncio.Event()

    def on_done() -> None:
        """Pass it on from the recorder's thread."""
        hass.loop.call_soon_threadsafe(done.set)

    get_instance(hass).async_clear_statistics([], on_done=on_done)
    await done.wait()
