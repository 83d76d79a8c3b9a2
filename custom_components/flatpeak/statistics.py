"""Talk to the recorder: read energy, write cost statistics."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import isclose
from typing import Final, Literal

from homeassistant.components.recorder.db_schema import Statistics
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
from homeassistant.components.recorder.util import session_scope
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from homeassistant.util.unit_conversion import EnergyConverter

from .const import DOMAIN
from .days import DAY
from .intervals import HOUR, SHORT, EnergyRow, ShortChanges, floor_hour, short_changes

# Money with up to five decimals is spread over hours as floats. A difference far
# below the smallest reported decimal is not a change.
SAME_COST: Final = 1e-9
# What the last bits of a sum make of the change between two of them.
SAME_SUM: Final = 1e-12

# So many rows take as long to write as a statement that moves all later sums: what
# is no further apart is written in one go (docs/performance.md).
ROWS_BETWEEN: Final = 24

# How far beyond the given hours is looked for the next one that is stored.
LOOKED_BEYOND: Final = timedelta(days=7)

BEGINNING: Final = dt_util.utc_from_timestamp(0)


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
    rows = _read_changes(
        hass, start, end, energy, period, {"sum"}, {EnergyConverter.UNIT_CLASS: "Wh"}
    )
    return {
        statistic_id: _energy_rows(hass, statistic_id, rows.get(statistic_id, []))
        for statistic_id in statistic_ids
    }


def _read_changes(
    hass: HomeAssistant,
    start: datetime,
    end: datetime | None,
    statistic_ids: set[str],
    period: Literal["5minute", "hour"],
    types: set[Literal["state", "sum"]],
    units: dict[str, str] | None = None,
) -> dict[str, list[StatisticsRow]]:
    """Read rows of a window with their changes.

    The change of the first row follows from the row just before the window, which is
    read along. Only of statistics that have none there the recorder has to look for
    an older one, which takes it another query.
    """
    before = start - (HOUR if period == "hour" else SHORT)
    found = statistics_during_period(
        hass, before, end, statistic_ids, period, units, {*types}
    )
    read = {
        statistic_id: _with_changes(rows)
        for statistic_id, rows in found.items()
        if rows[0]["start"] == before.timestamp() and rows[0]["sum"] is not None
    }
    if others := found.keys() - read.keys():
        read |= statistics_during_period(
            hass, start, end, others, period, units, {"change", *types}
        )
    return read


def _with_changes(rows: Sequence[StatisticsRow]) -> list[StatisticsRow]:
    """Return all rows but the first, each with its change since the one before."""
    last = rows[0]["sum"] or 0.0
    for row in rows:
        if (total := row["sum"]) is None:
            row["change"] = None
        else:
            row["change"] = total - last
            last = total
    return list(rows[1:])


def _energy_rows(
    hass: HomeAssistant, statistic_id: str, rows: Iterable[StatisticsRow]
) -> list[EnergyRow]:
    """Return consecutive rows of a statistic, without those that have no sum."""
    counted = [(row, change) for row in rows if (change := row["change"]) is not None]
    return [
        EnergyRow(
            start=_start(row["start"]),
            change_wh=change,
            is_first=number == 0 and _is_first(hass, statistic_id, row),
        )
        for number, (row, change) in enumerate(counted)
    ]


# Statistics share their hours: one object for each takes less time and memory.
@lru_cache(maxsize=2048)
def _start(stamp: float) -> datetime:
    """Return when a row starts."""
    return dt_util.utc_from_timestamp(stamp)


def _is_first(hass: HomeAssistant, statistic_id: str, row: StatisticsRow) -> bool:
    """Return whether a statistic has no row before one.

    The recorder counts its first row from zero (`_augment_result_with_change`), so the
    change of that one is the whole sum. So is that of the first rise after zeros.
    """
    if row["change"] != row["sum"]:
        return False
    if not row["sum"]:
        return True  # Where no energy is, it does not matter since when.
    start = dt_util.utc_from_timestamp(row["start"])
    return _first_start(hass, statistic_id, BEGINNING, start) is None


async def async_first_start(
    hass: HomeAssistant, statistic_id: str, start: datetime, end: datetime
) -> datetime | None:
    """Return when the first hour of an energy statistic within a window begins."""
    return await get_instance(hass).async_add_executor_job(
        _first_start, hass, statistic_id, start, end
    )


def _first_start(
    hass: HomeAssistant, statistic_id: str, start: datetime, end: datetime
) -> datetime | None:
    """Find the first hour of a statistic: the recorder has no function for one row."""
    known = get_metadata(hass, statistic_ids={statistic_id}).get(statistic_id)
    if known is None or not is_energy(known[1]):
        return None
    with session_scope(hass=hass, read_only=True) as session:
        stamp = (
            session.query(Statistics.start_ts)
            .filter(
                Statistics.metadata_id == known[0],
                Statistics.start_ts >= start.timestamp(),
                Statistics.start_ts < end.timestamp(),
                Statistics.sum.is_not(None),
            )
            .order_by(Statistics.start_ts)
            .limit(1)
            .scalar()
        )
    return None if stamp is None else dt_util.utc_from_timestamp(stamp)


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


async def async_other_currencies(
    hass: HomeAssistant, statistics: Collection[CostStatistic]
) -> dict[CostStatistic, str]:
    """Return the currency of cost statistics whose hours are in another one."""
    return await get_instance(hass).async_add_executor_job(
        _other_currencies, hass, statistics
    )


def _other_currencies(
    hass: HomeAssistant, statistics: Collection[CostStatistic]
) -> dict[CostStatistic, str]:
    """Read the currency of cost statistics."""
    ids = {statistic.statistic_id for statistic in statistics}
    known = get_metadata(hass, statistic_ids=ids)
    return {
        statistic: currency
        for statistic in statistics
        if statistic.statistic_id in known
        and (currency := known[statistic.statistic_id][1]["unit_of_measurement"])
        and currency != statistic.currency
        and get_last_statistics(hass, 1, statistic.statistic_id, False, {"sum"})
    }


async def async_write_costs(
    hass: HomeAssistant, costs: Mapping[CostStatistic, Mapping[datetime, float]]
) -> int:
    """Bring stored hours in line with the given ones, return the rows written.

    Hours that differ are written, and those between them where they are few; the sums
    of all later ones are moved by the database in one statement. Nothing is written
    when nothing differs. The sum goes on from the row before, however old that is.

    After a crash between writing and moving, a sum does not follow from the one before
    it. That counts as a difference, and is mended the next time.
    """
    edits = await get_instance(hass).async_add_executor_job(_edits, hass, costs)
    for edit in edits:
        async_add_external_statistics(hass, edit.statistic.metadata, edit.rows)
        if edit.moved:
            get_instance(hass).async_adjust_statistics(
                edit.statistic.statistic_id,
                edit.end,
                edit.moved,
                edit.statistic.currency,
            )
    if edits:
        await async_written(hass)
    return sum(len(edit.rows) for edit in edits)


@dataclass(frozen=True, kw_only=True, slots=True)
class _StoredCost:
    """One hour of a cost statistic as the recorder has it."""

    cost: float
    sum: float
    change: float

    def is_like(self, cost: float) -> bool:
        """Return whether the hour has a cost, and its sum follows from the one before."""
        return isclose(
            self.cost, cost, rel_tol=SAME_COST, abs_tol=SAME_COST
        ) and isclose(
            self.change,
            cost,
            rel_tol=SAME_COST,
            abs_tol=max(SAME_COST, abs(self.sum) * SAME_SUM),
        )


type _Stored = Mapping[datetime, _StoredCost]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Edit:
    """Rows to write, and by how much all sums after them move."""

    statistic: CostStatistic
    rows: list[StatisticData]
    end: datetime
    moved: float


def _edits(
    hass: HomeAssistant, costs: Mapping[CostStatistic, Mapping[datetime, float]]
) -> list[_Edit]:
    """Return what to write so that the stored hours are the given ones."""
    given = {statistic: hours for statistic, hours in costs.items() if hours}
    if not given:
        return []
    return [
        edit
        for statistic, stored in _read_costs(hass, given).items()
        for edit in _edits_of(hass, statistic, stored, given[statistic])
    ]


def _edits_of(
    hass: HomeAssistant,
    statistic: CostStatistic,
    stored: _Stored,
    costs: Mapping[datetime, float],
) -> Iterator[_Edit]:
    """Yield what to write into one statistic, oldest first."""
    wanted = {hour: row.cost for hour, row in stored.items()} | dict(costs)
    hours = sorted(wanted)
    moved = 0.0
    for first, last in _stretches(
        number
        for number, hour in enumerate(hours)
        if hour not in stored or not stored[hour].is_like(wanted[hour])
    ):
        before = (
            stored[hours[first - 1]].sum
            if first
            else _sum_before(hass, statistic.statistic_id, stored)
        )
        stretch = hours[first : last + 1]
        rows = _rows(stretch, before + moved, wanted)
        old = [stored[hour].sum for hour in stretch if hour in stored]
        more = rows[-1]["sum"] - (old[-1] if old else before) - moved
        if last + 1 == len(hours) or abs(more) < SAME_COST:
            more = 0.0
        moved += more
        yield _Edit(statistic=statistic, rows=rows, end=hours[last] + HOUR, moved=more)


def _stretches(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of numbers that are not far apart."""
    first = last = None
    for number in numbers:
        if first is None or last is None:
            first = number
        elif number - last > ROWS_BETWEEN:
            yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


def _read_costs(
    hass: HomeAssistant, costs: Mapping[CostStatistic, Mapping[datetime, float]]
) -> dict[CostStatistic, _Stored]:
    """Return the stored hours from the first given one until some time after the last.

    Where there is nothing so soon after, the next hour may be further away, or none:
    all hours are returned then.
    """
    first = min(map(min, costs.values()))
    last = max(map(max, costs.values()))
    border = last + LOOKED_BEYOND
    stored = _stored_costs(hass, costs, first, border)
    if border < dt_util.utcnow() and (
        ending := [
            each for each, rows in stored.items() if max(rows, default=last) <= last
        ]
    ):
        stored |= _stored_costs(hass, ending, first, None)
    return stored


def _stored_costs(
    hass: HomeAssistant,
    statistics: Iterable[CostStatistic],
    start: datetime,
    end: datetime | None,
) -> dict[CostStatistic, _Stored]:
    """Return the stored hours of cost statistics in a window."""
    of = {statistic.statistic_id: statistic for statistic in statistics}
    rows = _read_changes(hass, start, end, set(of), "hour", {"state", "sum"})
    return {
        statistic: {
            dt_util.utc_from_timestamp(row["start"]): _StoredCost(
                cost=row["state"] or 0.0,
                sum=row["sum"] or 0.0,
                change=row["change"] or 0.0,
            )
            for row in rows.get(statistic_id, ())
        }
        for statistic_id, statistic in of.items()
    }


def _sum_before(hass: HomeAssistant, statistic_id: str, stored: _Stored) -> float:
    """Return the sum that the first of some hours continues, stored or new."""
    if stored:
        oldest = stored[min(stored)]
        return oldest.sum - oldest.change
    last = get_last_statistics(hass, 1, statistic_id, False, {"sum"})
    return (last[statistic_id][0]["sum"] or 0.0) if statistic_id in last else 0.0


def _rows(
    hours: Iterable[datetime], total: float, costs: Mapping[datetime, float]
) -> list[StatisticData]:
    """Return the rows of consecutive hours, continuing a sum."""
    rows = []
    for hour in hours:
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
