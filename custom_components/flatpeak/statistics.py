"""Talk to the recorder: read energy, write cost statistics."""

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isclose
from typing import Final, Literal

from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import (
    StatisticsRow,
    async_add_external_statistics,
    async_list_statistic_ids,
    get_last_statistics,
    get_metadata,
    statistics_during_period,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import EnergyConverter

from .const import DOMAIN
from .intervals import EnergyRow, ShortChanges, floor_hour, short_changes

# Money with up to five decimals is spread over hours as floats. A difference far
# below the smallest reported decimal is not a change.
SAME_COST: Final = 1e-9

DAY: Final = timedelta(days=1)
YEAR: Final = timedelta(days=366)


@dataclass(frozen=True, kw_only=True, slots=True)
class CostStatistic:
    """The statistic that holds the hourly costs of one meter."""

    statistic_id: str
    name: str
    currency: str

    @property
    def metadata(self) -> StatisticMetaData:
        """Return how the recorder describes the statistic."""
        return StatisticMetaData(
            has_sum=True,
            mean_type=StatisticMeanType.NONE,
            name=self.name,
            source=DOMAIN,
            statistic_id=self.statistic_id,
            unit_class=None,
            unit_of_measurement=self.currency,
        )


async def async_energy_statistics(
    hass: HomeAssistant, statistic_ids: Collection[str]
) -> dict[str, str]:
    """Return the names of those statistics that count energy, by their id."""
    found = await async_list_statistic_ids(hass, set(statistic_ids))
    return {
        statistic["statistic_id"]: statistic["name"]
        or _entity_name(hass, statistic["statistic_id"])
        for statistic in found
        if statistic["has_sum"]
        and statistic["unit_class"] == EnergyConverter.UNIT_CLASS
    }


def _entity_name(hass: HomeAssistant, entity_id: str) -> str:
    """Return the name of an entity, its id when it has no state now."""
    state = hass.states.get(entity_id)
    return entity_id if state is None else state.name


async def async_metadata(
    hass: HomeAssistant, statistic_ids: Collection[str]
) -> dict[str, StatisticMetaData]:
    """Return how the recorder describes those statistics that it has, by their id."""
    return await get_instance(hass).async_add_executor_job(
        _metadata, hass, set(statistic_ids)
    )


def _metadata(
    hass: HomeAssistant, statistic_ids: set[str]
) -> dict[str, StatisticMetaData]:
    """Read how the recorder describes statistics, in one query."""
    found = get_metadata(hass, statistic_ids=statistic_ids)
    return {statistic_id: metadata for statistic_id, (_, metadata) in found.items()}


def is_energy(metadata: StatisticMetaData) -> bool:
    """Return whether a statistic adds up energy."""
    return metadata["has_sum"] and metadata["unit_class"] == EnergyConverter.UNIT_CLASS


async def async_read_energy(
    hass: HomeAssistant,
    statistic_ids: Collection[str],
    start: datetime,
    end: datetime,
) -> dict[str, list[EnergyRow]]:
    """Return the hourly energy of statistics from start until before end."""
    return await get_instance(hass).async_add_executor_job(
        _read_energy, hass, set(statistic_ids), start, end, "hour"
    )


@callback
def async_short_start(hass: HomeAssistant) -> datetime:
    """Return the hour before which the recorder keeps no rows of five minutes."""
    kept = (get_instance(hass).keep_days + 1) * DAY  # It purges once a night.
    return floor_hour(dt_util.utcnow() - kept)


async def async_read_short(
    hass: HomeAssistant,
    statistic_ids: Collection[str],
    start: datetime,
    end: datetime,
) -> dict[str, ShortChanges]:
    """Return the energy of five minutes each of statistics within a window.

    The recorder has it only of entities, and only of the last days.
    """
    start = max(start, async_short_start(hass))
    entities = {each for each in statistic_ids if ":" not in each}
    if not entities or start >= end:
        return {}
    return await get_instance(hass).async_add_executor_job(
        _read_short, hass, entities, start, end
    )


def _read_short(
    hass: HomeAssistant, statistic_ids: set[str], start: datetime, end: datetime
) -> dict[str, ShortChanges]:
    """Read the energy of five minutes each of statistics."""
    rows = _read_energy(hass, statistic_ids, start, end, "5minute")
    return {each: short_changes(rows[each]) for each in statistic_ids}


def _read_energy(
    hass: HomeAssistant,
    statistic_ids: set[str],
    start: datetime,
    end: datetime,
    period: Literal["5minute", "hour"],
) -> dict[str, list[EnergyRow]]:
    """Read the energy of statistics."""
    # Rows of a statistic that counts something else by now would not be converted.
    energy = {
        statistic_id
        for statistic_id, metadata in _metadata(hass, statistic_ids).items()
        if is_energy(metadata)
    }
    rows = statistics_during_period(
        hass,
        start,
        end,
        energy,
        period,
        {EnergyConverter.UNIT_CLASS: "Wh"},
        {"change", "sum"},
    )
    return {
        statistic_id: _energy_rows(rows.get(statistic_id, []))
        for statistic_id in statistic_ids
    }


def _energy_rows(rows: Iterable[StatisticsRow]) -> list[EnergyRow]:
    """Return consecutive rows of a statistic, without those that have no sum."""
    counted = [(row, change) for row in rows if (change := row["change"]) is not None]
    return [
        EnergyRow(
            start=dt_util.utc_from_timestamp(row["start"]),
            change_wh=change,
            # The recorder counts the first row of a statistic from zero
            # (`_augment_result_with_change`), so its change is the whole sum.
            is_first=number == 0 and change == row["sum"],
        )
        for number, (row, change) in enumerate(counted)
    ]


async def async_first_start(
    hass: HomeAssistant, statistic_id: str, start: datetime, end: datetime
) -> datetime | None:
    """Return when the first hour of a statistic within a window begins."""
    while start < end:
        # A year at a time: empty years cost nothing, full ones fit into memory.
        border = min(start + YEAR, end)
        rows = await async_read_energy(hass, [statistic_id], start, border)
        if found := rows[statistic_id]:
            return found[0].start
        start = border
    return None


async def async_create_costs(
    hass: HomeAssistant, statistics: Collection[CostStatistic]
) -> None:
    """Make cost statistics known to the recorder, without any hour yet."""
    ids = {statistic.statistic_id for statistic in statistics}
    known = {each["statistic_id"] for each in await async_list_statistic_ids(hass, ids)}
    for statistic in statistics:
        if statistic.statistic_id not in known:
            async_add_external_statistics(hass, statistic.metadata, [])
    await async_written(hass)


async def async_clear_costs(
    hass: HomeAssistant, statistics: Collection[CostStatistic]
) -> None:
    """Forget all hours of cost statistics, of which the currency may be a new one."""
    ids = [statistic.statistic_id for statistic in statistics]
    get_instance(hass).async_clear_statistics(ids)
    for statistic in statistics:
        async_add_external_statistics(hass, statistic.metadata, [])
    await async_written(hass)


async def async_currency(hass: HomeAssistant, statistic_id: str) -> str | None:
    """Return the currency of a cost statistic, None as long as it has no hours."""
    return await get_instance(hass).async_add_executor_job(
        _currency, hass, statistic_id
    )


def _currency(hass: HomeAssistant, statistic_id: str) -> str | None:
    """Read the currency of a cost statistic."""
    if not get_last_statistics(hass, 1, statistic_id, False, {"sum"}):
        return None
    _, metadata = get_metadata(hass, statistic_ids={statistic_id})[statistic_id]
    return metadata["unit_of_measurement"]


async def async_write_costs(
    hass: HomeAssistant, statistic: CostStatistic, costs: Mapping[datetime, float]
) -> int:
    """Bring stored hours in line with the given ones, return the rows written.

    Rows are written from the first hour that differs to the last one stored, so
    that all later sums move too; nothing is written when nothing differs. The
    sum goes on from the row before, however old that is.
    """
    if not costs:
        return 0
    rows = await get_instance(hass).async_add_executor_job(
        _changed_rows, hass, statistic.statistic_id, costs
    )
    if rows:
        async_add_external_statistics(hass, statistic.metadata, rows)
        await async_written(hass)
    return len(rows)


@dataclass(frozen=True, kw_only=True, slots=True)
class _StoredCost:
    """One hour of a cost statistic as the recorder has it."""

    cost: float
    sum: float
    change: float


def _changed_rows(
    hass: HomeAssistant, statistic_id: str, costs: Mapping[datetime, float]
) -> list[StatisticData]:
    """Return the rows to write so that the stored hours are the given ones."""
    stored = _read_costs(hass, statistic_id, min(costs))
    changed = [hour for hour, cost in costs.items() if _differs(stored.get(hour), cost)]
    if not changed:
        return []
    first = min(changed)
    total = _sum_before(hass, statistic_id, stored, first)
    return _rows_from(
        first, total, {hour: row.cost for hour, row in stored.items()} | dict(costs)
    )


def _read_costs(
    hass: HomeAssistant, statistic_id: str, start: datetime
) -> dict[datetime, _StoredCost]:
    """Return the stored hours of a cost statistic from an instant on."""
    rows = statistics_during_period(
        hass, start, None, {statistic_id}, "hour", None, {"change", "state", "sum"}
    )
    return {
        dt_util.utc_from_timestamp(row["start"]): _StoredCost(
            cost=row["state"] or 0.0,
            sum=row["sum"] or 0.0,
            change=row["change"] or 0.0,
        )
        for row in rows.get(statistic_id, ())
    }


def _differs(stored: _StoredCost | None, cost: float) -> bool:
    """Return whether an hour must be written."""
    return stored is None or not isclose(
        stored.cost, cost, rel_tol=SAME_COST, abs_tol=SAME_COST
    )


def _sum_before(
    hass: HomeAssistant,
    statistic_id: str,
    stored: Mapping[datetime, _StoredCost],
    first: datetime,
) -> float:
    """Return the sum that the hours from the first one on continue."""
    if earlier := [hour for hour in stored if hour < first]:
        return stored[max(earlier)].sum
    if stored:
        oldest = stored[min(stored)]
        return oldest.sum - oldest.change
    last = get_last_statistics(hass, 1, statistic_id, False, {"sum"})
    return (last[statistic_id][0]["sum"] or 0.0) if statistic_id in last else 0.0


def _rows_from(
    first: datetime, total: float, costs: Mapping[datetime, float]
) -> list[StatisticData]:
    """Return the rows of the hours from the first one on, continuing a sum."""
    rows = []
    for hour in sorted(hour for hour in costs if hour >= first):
        total += costs[hour]
        rows.append(StatisticData(start=hour, state=costs[hour], sum=total))
    return rows


async def async_written(hass: HomeAssistant) -> None:
    """Wait until everything that was queued for the recorder is committed.

    `async_block_till_done` does not wait for the job that the recorder has just
    taken, a job queued behind it does.
    """
    done = asyncio.Event()

    def on_done() -> None:
        """Tell the event loop, from the recorder's thread."""
        hass.loop.call_soon_threadsafe(done.set)

    get_instance(hass).async_clear_statistics([], on_done=on_done)
    await done.wait()
