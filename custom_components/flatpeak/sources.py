"""Follow the sources of the meters: what is wrong with them, and what they hold."""

import asyncio
from bisect import bisect_left
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from operator import attrgetter
from typing import Final

from homeassistant.components.recorder import is_entity_recorded
from homeassistant.components.recorder.models import StatisticMetaData
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from .const import CONF_SOURCE, DOMAIN
from .intervals import HOUR, EnergyRow, ShortChanges
from .journal import Journal, MeterJournal, Source
from .meter import Meter, async_source_of, async_statistic_id, meters_of
from .statistics import (
    async_energy_statistics,
    async_metadata,
    async_read_energy,
    async_read_short,
    is_energy,
)

# How long energy that ran backwards may be carried on before the user is told.
DEBT_TOLERANCE: Final = timedelta(days=1)

# How far before the first row of another source the row before it is looked for.
LOOK_BACK: Final = timedelta(days=7)


class SourceProblem(StrEnum):
    """Why the energy of a meter does not go on: the key of its repair."""

    REMOVED = "source_removed"
    GONE = "source_gone"
    NOT_ENERGY = "source_not_energy"
    NOT_RECORDED = "source_not_recorded"
    BACKWARDS = "source_backwards"


async def async_source_problems(
    hass: HomeAssistant, meters: Iterable[Meter], journal: Journal
) -> dict[str, SourceProblem]:
    """Return what is wrong with the sources of meters, by device id.

    A source without new energy is none of it: a device may be off.
    """
    statistic_ids = {
        meter.device_id: async_statistic_id(hass, meter.source) for meter in meters
    }
    found = await async_metadata(hass, list(filter(None, statistic_ids.values())))
    problems = {
        device_id: _async_problem(hass, statistic_id, found, journal.meters[device_id])
        for device_id, statistic_id in statistic_ids.items()
    }
    return {each: problem for each, problem in problems.items() if problem is not None}


@callback
def _async_problem(
    hass: HomeAssistant,
    statistic_id: str | None,
    found: Mapping[str, StatisticMetaData],
    known: MeterJournal,
) -> SourceProblem | None:
    """Return what is wrong with the source of a meter."""
    if statistic_id is None:
        return SourceProblem.REMOVED
    if not _async_is_recorded(hass, statistic_id):
        return SourceProblem.NOT_RECORDED
    if statistic_id not in found:
        return SourceProblem.GONE
    if not is_energy(found[statistic_id]):
        return SourceProblem.NOT_ENERGY
    since = known.debt_since
    if since is not None and known.fresh.position - since >= DEBT_TOLERANCE:
        return SourceProblem.BACKWARDS
    return None


@callback
def _async_is_recorded(hass: HomeAssistant, statistic_id: str) -> bool:
    """Return whether a statistic is not that of an entity that is left out."""
    if ":" in statistic_id:
        return True
    entity = er.async_get(hass).async_get(statistic_id)
    return not (entity and entity.disabled) and is_entity_recorded(hass, statistic_id)


async def async_source_error(
    hass: HomeAssistant, entry: ConfigEntry, statistic_id: str
) -> str | None:
    """Return the key of why no meter of a home can go on with a statistic, if so."""
    source = async_source_of(hass, statistic_id)
    if any(meter.source == source for meter in meters_of(entry)):
        return "source_in_use"
    if not await async_energy_statistics(hass, [statistic_id]):
        return "not_energy"
    return None


@callback
def async_change_source(
    hass: HomeAssistant, entry: ConfigEntry, subentry_id: str, statistic_id: str
) -> None:
    """Let a meter go on with another statistic, from its cursor on.

    It stays the same meter, at Flatpeak too. What was submitted is never read from
    the new source: the journal notes where that begins as soon as the home is set
    up again, which this leads to.
    """
    subentry = entry.subentries[subentry_id]
    hass.config_entries.async_update_subentry(
        entry,
        subentry,
        data={**subentry.data, CONF_SOURCE: async_source_of(hass, statistic_id)},
    )


type _Question = tuple[tuple[str, ...], datetime, datetime]
"""Of which meters energy is read, from when and until when."""

type _Energy = dict[str, list[EnergyRow]]


class EnergyReader:
    """Reads the energy of a home's meters."""

    def __init__(
        self, hass: HomeAssistant, journal: Journal, meters: Iterable[Meter]
    ) -> None:
        """Take the meters; nothing is read yet."""
        self._hass = hass
        self._journal = journal
        self._device_ids = [meter.device_id for meter in meters]
        self._recent: Mapping[str, Sequence[EnergyRow]] = {}
        self._recent_from: datetime | None = None
        self._ahead: tuple[_Question, asyncio.Task[_Energy]] | None = None

    @asynccontextmanager
    async def async_keeping(self, length: timedelta) -> AsyncGenerator[None]:
        """Read the last days of all meters once, for everyone who asks meanwhile.

        A UTC day counts as a whole.
        """
        now = dt_util.utcnow()
        start = datetime.combine((now - length).date(), time(), dt_util.UTC)
        self._recent = await self.async_read(self._device_ids, start, now)
        self._recent_from = start
        try:
            yield
        finally:
            self._recent, self._recent_from = {}, None

    @callback
    def async_read_ahead(
        self, device_ids: Iterable[str], start: datetime, end: datetime
    ) -> None:
        """Begin to read what will be asked for next, while Flatpeak is busy."""
        asked = (tuple(device_ids), start, end)
        work = self._async_read(*asked)
        self._ahead = (
            asked,
            self._hass.async_create_background_task(work, f"{DOMAIN} energy"),
        )

    async def async_read(
        self, device_ids: Iterable[str], start: datetime, end: datetime
    ) -> _Energy:
        """Return the hourly energy of meters from start until before end, by device id.

        Each hour is read from the source that the meter had then.
        """
        asked = (tuple(device_ids), start, end)
        if self._ahead is not None and self._ahead[0] == asked:
            _, read = self._ahead
            self._ahead = None
            return await read
        if self._recent_from is None or start < self._recent_from:
            return await self._async_read(*asked)
        return {
            device_id: _between(self._recent[device_id], start, end)
            for device_id in asked[0]
        }

    async def _async_read(
        self, device_ids: Iterable[str], start: datetime, end: datetime
    ) -> _Energy:
        """Read the hourly energy of meters from the recorder."""
        known = self._journal.of(device_ids)
        return await _async_read_meters(self._hass, known, start, end)


async def _async_read_meters(
    hass: HomeAssistant,
    journals: Mapping[str, MeterJournal],
    start: datetime,
    end: datetime,
) -> dict[str, list[EnergyRow]]:
    """Read the hourly energy of meters from start until before end, by device id."""
    sources = {
        device_id: async_sources(hass, known) for device_id, known in journals.items()
    }
    borders = [
        each.start
        for found in sources.values()
        for each in found
        if start <= each.start < end
    ]
    rows = await async_read_energy(
        hass,
        {each.statistic_id for found in sources.values() for each in found},
        min([start, *(border - LOOK_BACK for border in borders)]),
        end,
    )
    return {
        device_id: _joined(found, rows, start, end)
        for device_id, found in sources.items()
    }


async def async_read_short_of_meters(
    hass: HomeAssistant,
    journals: Mapping[str, MeterJournal],
    start: datetime,
    end: datetime,
) -> dict[str, ShortChanges]:
    """Return the energy of five minutes each of meters in a window, by device id.

    Each hour is read from the source that the meter had then.
    """
    sources = {
        device_id: async_sources(hass, known) for device_id, known in journals.items()
    }
    short = await async_read_short(
        hass,
        {each.statistic_id for found in sources.values() for each in found},
        start,
        end,
    )
    return {
        device_id: {
            hour: changes
            for source, low, high in _terms(found, end)
            for hour, changes in short.get(source.statistic_id, {}).items()
            if low <= hour < high
        }
        for device_id, found in sources.items()
    }


@callback
def async_sources(hass: HomeAssistant, known: MeterJournal) -> list[Source]:
    """Return the sources of a meter, oldest first, as they are called now."""
    return [
        replace(
            each,
            statistic_id=async_statistic_id(hass, each.source) or each.statistic_id,
        )
        for each in known.sources
    ]


def _joined(
    sources: Sequence[Source],
    rows: Mapping[str, Sequence[EnergyRow]],
    start: datetime,
    end: datetime,
) -> list[EnergyRow]:
    """Return the rows of a window, those of each source up to the next one."""
    joined: list[EnergyRow] = []
    for source, low, high in _terms(sources, end):
        begun = _begun(rows[source.statistic_id], low, start)
        joined += _between(begun, max(low, start), min(high, end))
    return joined


def _between(
    rows: Sequence[EnergyRow], start: datetime, end: datetime
) -> list[EnergyRow]:
    """Return those of some rows in order that lie in a window."""
    first = bisect_left(rows, start, key=attrgetter("start"))
    return list(rows[first : bisect_left(rows, end, lo=first, key=attrgetter("start"))])


def _terms(
    sources: Sequence[Source], end: datetime
) -> Iterator[tuple[Source, datetime, datetime]]:
    """Yield the sources of a meter with the time of each, up to the end of a window."""
    borders = [*(each.start for each in sources), end]
    for source, (low, high) in zip(sources, pairwise(borders), strict=True):
        yield source, low, high


def _begun(
    rows: Sequence[EnergyRow], border: datetime, start: datetime
) -> Sequence[EnergyRow]:
    """Return rows of which none from a border on holds energy from before it.

    Where a source has a gap over the border, the next row holds the energy of the
    gap: only the share of the time after the border counts.
    """
    if border < start:
        return rows
    number = next((n for n, row in enumerate(rows) if row.start >= border), None)
    if number is None or rows[number].is_first:
        return rows
    row = rows[number]
    begin = rows[number - 1].start + HOUR if number else border - LOOK_BACK
    end = row.start + HOUR
    share = (end - max(begin, border)) / (end - begin)
    begun = replace(row, change_wh=row.change_wh * share)
    return [*rows[:number], begun, *rows[number + 1 :]]
