"""Find what has changed since it was submitted, and submit it again."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .api import CostReport, FlatpeakTariffError
from .audit import Discrepancy, audit
from .const import LOGGER
from .intervals import HOUR, EnergyInterval, EnergyRow, recut, to_intervals
from .journal import Day, Journal, MeterJournal, day_of
from .meter import Meter
from .sources import async_read_meters
from .upload import Uploader

# How far back the recorder is compared with what was submitted: every time, and
# once a day.
WINDOW: Final = timedelta(hours=72)
LONG_WINDOW: Final = timedelta(days=35)

DAY: Final = timedelta(days=1)


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


class Corrector:
    """Keeps what Flatpeak has in line with the recorder, and watches that it is."""

    def __init__(
        self,
        hass: HomeAssistant,
        uploader: Uploader,
        journal: Journal,
        meters: Sequence[Meter],
    ) -> None:
        """Keep what the comparison needs."""
        self._hass = hass
        self._uploader = uploader
        self._journal = journal
        self._meters = {meter.device_id: meter for meter in meters}
        self._searched_on: date | None = None
        self._differing: dict[str, list[Discrepancy]] = {}

    async def async_check(
        self, now: datetime, reports: Mapping[str, Iterable[CostReport]]
    ) -> dict[str, Discrepancy]:
        """Submit again what has changed, and audit the days that have not.

        The reports are what Flatpeak counted before. Return the worst day of each
        meter whose energy is not what was submitted, by device id.
        """
        is_searched = self._searched_on == now.date()
        if not is_searched:
            self._differing.clear()
        window = WINDOW if is_searched else LONG_WINDOW
        begin = datetime.combine((now - window).date(), time(), dt_util.UTC)
        for device_id, reading in (await self._async_read(begin, now)).items():
            found = _audit(reports.get(device_id, ()), reading, begin)
            earlier = [
                each for each in self._differing.get(device_id, []) if each.day < begin
            ]
            self._differing[device_id] = [*earlier, *found]
            await self._async_correct(device_id, reading)
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
        rows = await async_read_meters(self._hass, journals, first, end)
        return await self._hass.async_add_executor_job(_readings, journals, rows, first)

    async def _async_correct(self, device_id: str, reading: Reading) -> None:
        """Submit again what differs in the days of a meter that have changed.

        Where Flatpeak has it already, there is only to remember it.
        """
        known = self._journal.meters[device_id]
        known.remember(reading.remembered(reading.unknown))
        if not reading.changed or self._journal.corrections_stopped:
            return
        if self._journal.overdue is not None:
            return  # What Flatpeak lacks now it may yet process.
        intervals = reading.intervals_of(reading.changed)
        try:
            is_right = await self._async_is_replaced(device_id, intervals)
        except FlatpeakTariffError:
            return  # No report can tell now what is to be corrected.
        if is_right:
            known.remember(reading.remembered(reading.changed))
        else:
            LOGGER.warning(
                "Flatpeak does not take changed energy in place of what it has; "
                "changes of energy that is already uploaded are not sent any more"
            )
            self._journal.corrections_stopped = True
        await self._journal.async_save()

    async def _async_is_replaced(
        self, device_id: str, intervals: Sequence[EnergyInterval]
    ) -> bool:
        """Submit what differs again, return whether Flatpeak has the new energy then."""
        differing = await self._uploader.async_differing(device_id, intervals)
        if not differing:
            return True
        LOGGER.info(
            "The energy of %d records has changed in Home Assistant since it was "
            "uploaded; they are uploaded again",
            len(differing),
        )
        if not await self._uploader.async_correct(device_id, differing):
            return False
        return not await self._uploader.async_differing(device_id, differing)


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
        if day_of(interval) > first.date():
            days[day_of(interval)].append(interval)
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
    """Return the energy of rows in the borders of the records that Flatpeak has."""
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
            if refusal.interval.length != HOUR
        ),
    ]
    # A gap before the first fresh hour is read as a whole, but was submitted from
    # that hour on.
    start_of = {end: start for start, end in odd}
    intervals = [
        replace(each, start=start_of.get(each.end, each.start)) for each in intervals
    ]
    refused = {refusal.interval.start for refusal in known.refusals}
    return [each for each in recut(intervals, odd) if each.start not in refused]


def _audit(
    reports: Iterable[CostReport], reading: Reading, begin: datetime
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
    return list(audit(rows.values(), reading.intervals_of(reading.days)))
