"""Find what has changed since it was submitted, and submit it again."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import batched, chain, groupby
from math import fsum
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .api import MAX_BATCH_RECORDS, CostReport, FlatpeakTariffError
from .audit import Difference, Discrepancy, audit
from .const import LOGGER
from .days import DAY
from .intervals import (
    HOUR,
    EnergyInterval,
    EnergyRow,
    ShortChanges,
    floor_hour,
    recut,
    slots_of,
    spread,
    to_intervals,
)
from .journal import Day, Journal, MeterJournal, Refusal, day_of
from .meter import Meter
from .sources import EnergyReader, async_read_short_of_meters
from .upload import MONTH, Uploader

# How far back the recorder is compared with what was submitted: every time, and
# once a day.
WINDOW: Final = timedelta(hours=72)
LONG_WINDOW: Final = timedelta(days=35)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What the recorder has now of what was submitted, by UTC day."""

    days: Mapping[date, Sequence[EnergyInterval]]
    changed: Sequence[date]
    """The days that are not as they were submitted."""
    unknown: Sequence[date]
    """The days from before there was a note of what was submitted."""

    def intervals_of(self, days: Iterable[date]) -> list[EnergyInterval]:
        """Return the intervals of some days."""
        return [interval for day in days for interval in self.days[day]]

    def remembered(self, days: Iterable[date]) -> dict[date, Day]:
        """Return what is to be remembered of some days."""
        return {day: Day.of(self.days[day]) for day in days}


@dataclass(frozen=True, kw_only=True, slots=True)
class Resubmission:
    """What differed of a meter, and what became of it."""

    meter: Meter
    differences: Sequence[Difference]
    sent: int
    """How many records were submitted again."""


class Corrector:
    """Keeps what Flatpeak has in line with the recorder, and watches that it is."""

    def __init__(
        self,
        hass: HomeAssistant,
        uploader: Uploader,
        journal: Journal,
        energy: EnergyReader,
        meters: Sequence[Meter],
    ) -> None:
        """Keep what the comparison needs."""
        self._hass = hass
        self._uploader = uploader
        self._journal = journal
        self._energy = energy
        self._meters = {meter.device_id: meter for meter in meters}
        self._searched_on: date | None = None
        self._differing: dict[str, list[Discrepancy]] = {}

    async def async_check(
        self,
        now: datetime,
        reports: Mapping[str, Iterable[CostReport]],
        since: datetime | None = None,
    ) -> dict[str, Discrepancy]:
        """Submit again what has changed, and audit the days that have not.

        The reports are what Flatpeak counted before. All from `since` on is searched
        where that is given. Return the worst day of each meter whose energy is not
        what was submitted, by device id.
        """
        is_searched = self._searched_on == now.date() and since is None
        if not is_searched:
            self._differing.clear()
        window = WINDOW if is_searched else LONG_WINDOW
        begin = datetime.combine((now - window).date(), time(), dt_util.UTC)
        readings = await self._async_read(begin, now)
        short = await self._async_short(readings)
        found = await self._hass.async_add_executor_job(
            _audits, self._journal.of(readings), readings, reports, begin
        )
        for device_id, reading in readings.items():
            earlier = [
                each for each in self._differing.get(device_id, []) if each.day < begin
            ]
            self._differing[device_id] = [*earlier, *found[device_id]]
            await self._async_correct(device_id, reading, short.get(device_id, {}))
        if since is not None and since < begin:
            await self._async_correct_old(since, begin)
        self._searched_on = now.date()
        return {
            device_id: max(found, key=lambda each: (each.size, each.day))
            for device_id, found in self._differing.items()
            if found
        }

    async def _async_read(self, begin: datetime, end: datetime) -> dict[str, Reading]:
        """Read what the recorder has of what was submitted, by device id."""
        journals = self._journal.of(self._meters)
        # A debt or a gap may come from the day before.
        first = begin - DAY
        rows = await self._energy.async_read(journals, first, end)
        return await self._hass.async_add_executor_job(_readings, journals, rows, first)

    async def _async_short(
        self, readings: Mapping[str, Reading]
    ) -> dict[str, ShortChanges]:
        """Return what tells of the slots of changed days, by device id.

        A day is read at a time, of all meters: there are many rows of five minutes.
        """
        short: dict[str, dict[datetime, Sequence[float]]] = defaultdict(dict)
        if self._is_correcting:
            for start, device_ids in self._split_days(readings).items():
                found = await async_read_short_of_meters(
                    self._hass, self._journal.of(device_ids), start, start + DAY
                )
                for device_id, changes in found.items():
                    short[device_id].update(changes)
        return dict(short)

    def _split_days(self, readings: Mapping[str, Reading]) -> dict[datetime, list[str]]:
        """Return the meters of which split hours have changed, by the start of days."""
        device_ids: dict[datetime, list[str]] = defaultdict(list)
        for device_id, reading in readings.items():
            for day in reading.changed:
                start = datetime.combine(day, time(), dt_util.UTC)
                if self._journal.meters[device_id].has_split(start, start + DAY):
                    device_ids[start].append(device_id)
        return device_ids

    async def _async_correct(
        self, device_id: str, reading: Reading, short: ShortChanges
    ) -> None:
        """Submit again what differs in the days of a meter that have changed.

        Where Flatpeak has it already, there is only to remember it.
        """
        known = self._journal.meters[device_id]
        known.remember(reading.remembered(reading.unknown))
        if not reading.changed or not self._is_correcting:
            return
        records = _settled(known, reading.intervals_of(reading.changed), short)
        try:
            differing = await self._async_differing(device_id, records)
            await self.async_replace(device_id, differing)
        except FlatpeakTariffError:
            return  # No report can tell now what is to be corrected.
        if not self._journal.corrections_stopped:
            known.remember(reading.remembered(reading.changed))
        await self._journal.async_save()

    async def _async_differing(
        self, device_id: str, records: Iterable[EnergyInterval]
    ) -> list[EnergyInterval]:
        """Return the records of hours of which Flatpeak counts other energy.

        Each hour is asked for: energy may just have moved from one to another.
        """
        found: list[EnergyInterval] = []
        for _, hour in groupby(records, key=lambda each: floor_hour(each.start)):
            found += await self._uploader.async_differing(device_id, list(hour))
        return found

    @property
    def _is_correcting(self) -> bool:
        """Return whether changes are submitted again.

        What Flatpeak lacks while a batch is overdue it may yet process.
        """
        return not self._journal.corrections_stopped and self._journal.overdue is None

    async def _async_correct_old(self, begin: datetime, end: datetime) -> None:
        """Submit again what differs in days that are not remembered any more."""
        for device_id in self._meters:
            try:
                async for found in self.async_compare(device_id, begin, end):
                    if self._is_correcting:
                        await self.async_replace(device_id, _records_of(found))
            except FlatpeakTariffError:
                continue  # No report can tell now what is to be corrected.

    async def async_compare(
        self, device_id: str, begin: datetime, end: datetime
    ) -> AsyncIterator[list[Difference]]:
        """Yield what differs of the records of a meter in a window, by month.

        Raise FlatpeakTariffError where no report can tell.
        """
        known = self._journal.of([device_id])
        while begin < end:
            border = min(begin + MONTH, end)
            # A record that begins before that spans a gap, and is left as it is.
            first = begin - MONTH
            rows = await self._energy.async_read(known, first, border)
            intervals = await self._hass.async_add_executor_job(
                submitted_intervals, known[device_id], rows[device_id], first
            )
            short: Mapping[str, ShortChanges] = {}
            if known[device_id].has_split(begin, border):
                short = await async_read_short_of_meters(
                    self._hass, known, floor_hour(begin), border
                )
            inside = [
                each
                for each in intervals
                if first < each.start and begin < each.end <= border
            ]
            yield await self._uploader.async_compare(
                device_id,
                _settled(known[device_id], inside, short.get(device_id, {})),
            )
            begin = border

    async def async_resubmit(
        self, meter: Meter, begin: datetime, end: datetime, *, dry_run: bool
    ) -> Resubmission:
        """Compare the records of a meter in a window, and submit again what differs."""
        differences: list[Difference] = []
        sent = 0
        async for found in self.async_compare(meter.device_id, begin, end):
            differences += found
            if not dry_run and self._is_correcting:
                sent += await self.async_replace(meter.device_id, _records_of(found))
        return Resubmission(meter=meter, differences=differences, sent=sent)

    async def async_replace(
        self, device_id: str, records: Sequence[EnergyInterval]
    ) -> int:
        """Submit records again, return how many were sent.

        Where Flatpeak does not have them then in place of what it had, corrections
        stop. What was told by readings stays as it is: another reading would move all
        energy after it too.
        """
        sent = 0
        known = self._journal.meters[device_id]
        can_change = (e for e in records if not known.has_readings(e.start, e.end))
        for batch in batched(can_change, MAX_BATCH_RECORDS, strict=False):
            LOGGER.info(
                "The energy of %d records has changed in Home Assistant since it was "
                "uploaded; they are uploaded again",
                len(batch),
            )
            sent += len(batch)
            is_taken = await self._uploader.async_correct(device_id, batch)
            if not is_taken or await self._uploader.async_differing(device_id, batch):
                await self._async_stop()
                break
        return sent

    async def _async_stop(self) -> None:
        """Correct nothing any more: it would only make things worse."""
        LOGGER.warning(
            "Flatpeak does not take changed energy in place of what it has; "
            "changes of energy that is already uploaded are not sent any more"
        )
        self._journal.corrections_stopped = True
        await self._journal.async_save()


def _records_of(differences: Iterable[Difference]) -> list[EnergyInterval]:
    """Return the records that differ."""
    return list(chain.from_iterable(each.records for each in differences))


def _settled(
    known: MeterJournal, intervals: Iterable[EnergyInterval], short: ShortChanges
) -> list[EnergyInterval]:
    """Return the records of hours to compare: none of which a part is still refused."""
    refused = _refused(known.refusals)
    return _records(known, (e for e in intervals if e.start not in refused), short)


def _records(
    known: MeterJournal, intervals: Iterable[EnergyInterval], short: ShortChanges
) -> list[EnergyInterval]:
    """Return the energy of hours in the borders of the records that Flatpeak has."""
    records: list[EnergyInterval] = []
    for interval in intervals:
        cuts = known.cuts(interval.start)
        if cuts and interval.length == HOUR:
            slots = slots_of(interval.start, interval.end, cuts)
            records += spread(interval, slots, short)
        else:
            records.append(interval)
    return records


def _readings(
    journals: Mapping[str, MeterJournal],
    rows: Mapping[str, Sequence[EnergyRow]],
    first: datetime,
) -> dict[str, Reading]:
    """Return what some rows hold of what was submitted, by device id."""
    return {
        device_id: _reading(journals[device_id], rows[device_id], first)
        for device_id in rows
    }


def _reading(
    known: MeterJournal, rows: Sequence[EnergyRow], first: datetime
) -> Reading:
    """Return what the rows of a meter hold of what was submitted."""
    days: dict[date, list[EnergyInterval]] = defaultdict(list)
    for interval in submitted_intervals(known, rows, first):
        if (day := day_of(interval)) > first.date():
            days[day].append(interval)
    oldest = min(known.days, default=date.max)
    return Reading(
        days=days,
        changed=[
            day
            for day, intervals in days.items()
            if day >= oldest and not _is_as_submitted(known.days.get(day), intervals)
        ],
        unknown=[day for day in days if day < oldest],
    )


def _is_as_submitted(known: Day | None, intervals: Iterable[EnergyInterval]) -> bool:
    """Return whether a day has the energy that was submitted."""
    return known is not None and known.digest == Day.of(intervals).digest


def submitted_intervals(
    known: MeterJournal, rows: Sequence[EnergyRow], first: datetime
) -> list[EnergyInterval]:
    """Return the energy that Flatpeak has of rows, in hours and in longer records.

    The records of a split hour are one interval.
    """
    intervals = [
        interval
        for low, high in known.accepted()
        for interval in to_intervals(
            [row for row in rows if low <= row.start < high], position=max(low, first)
        ).intervals
    ]
    odd = [
        *((span.start, span.end) for day in known.days.values() for span in day.odd),
        *(
            (refusal.interval.start, refusal.interval.end)
            for refusal in known.refusals
            if refusal.interval.length > HOUR
        ),
    ]
    # A gap before the first fresh hour is read as a whole, but was submitted from
    # that hour on.
    start_of = {end: start for start, end in odd}
    intervals = [
        replace(each, start=start_of[each.end]) if each.end in start_of else each
        for each in intervals
    ]
    refused = _refused(known.refusals)
    accepted = (
        _without(each, refused[each.start]) if each.start in refused else each
        for each in recut(intervals, odd)
    )
    return [each for each in accepted if each is not None]


def _refused(refusals: Iterable[Refusal]) -> dict[datetime, list[EnergyInterval]]:
    """Return refused records by the hour in which they begin."""
    by_hour: dict[datetime, list[EnergyInterval]] = defaultdict(list)
    for refusal in refusals:
        by_hour[floor_hour(refusal.interval.start)].append(refusal.interval)
    return by_hour


def _without(
    interval: EnergyInterval, refused: Sequence[EnergyInterval]
) -> EnergyInterval | None:
    """Return an interval without what was refused of it, None if that is all."""
    if sum((each.length for each in refused), timedelta()) >= HOUR:
        return None
    lost = fsum(each.energy_wh for each in refused)
    return replace(interval, energy_wh=max(interval.energy_wh - lost, 0.0))


def _audits(
    journals: Mapping[str, MeterJournal],
    readings: Mapping[str, Reading],
    reports: Mapping[str, Iterable[CostReport]],
    begin: datetime,
) -> dict[str, list[Discrepancy]]:
    """Return the reported days that differ from what was submitted, by device id."""
    return {
        device_id: _audit(
            reports.get(device_id, ()), reading, journals[device_id], begin
        )
        for device_id, reading in readings.items()
    }


def _audit(
    reports: Iterable[CostReport],
    reading: Reading,
    known: MeterJournal,
    begin: datetime,
) -> list[Discrepancy]:
    """Return the reported days that differ from what was submitted.

    Days that have changed since are corrected first.
    """
    changed = set(reading.changed)
    rows = {
        row.start: row
        for report in reports
        for row in report.rows
        if begin <= row.start
        and dt_util.as_utc(row.start).date() not in changed
        and dt_util.as_utc(row.end - timedelta.resolution).date() not in changed
    }
    intervals = reading.intervals_of(reading.days)
    records = [*_records(known, intervals, {}), *known.ahead]
    return list(audit(rows.values(), records))
