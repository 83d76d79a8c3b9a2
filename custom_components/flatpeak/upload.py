"""Submit the recorder's energy to Flatpeak, so that every watt-hour counts once.

The recorder is the queue: energy is read from the cursor on, and the cursor
moves only over records that Flatpeak has accepted.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import fsum
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .api import (
    MAX_BATCH_RECORDS,
    Batch,
    FlatpeakClient,
    FlatpeakConnectionError,
    FlatpeakError,
    FlatpeakResponseError,
    FlatpeakServerError,
    FlatpeakTariffError,
    Interval,
)
from .const import LOGGER
from .intervals import HOUR, EnergyInterval, EnergyRow, floor_hour, to_intervals
from .journal import (
    FRESH,
    HISTORY,
    Journal,
    MeterJournal,
    Part,
    Refusal,
    Stretch,
    Submission,
)
from .meter import Meter, async_statistic_id
from .statistics import async_first_start, async_read_energy

# What is this close to now is uploaded at once; older history follows.
FRESH_HOURS: Final = timedelta(hours=48)

MONTH: Final = timedelta(days=31)

# Long-term statistics came with Home Assistant 2021.8; imported ones may be older.
OLDEST_HISTORY: Final = datetime(2000, 1, 1, tzinfo=dt_util.UTC)

# Flatpeak processes a batch after it has answered. A submission that was lost
# on the way is given this long to show up in a report before it is sent again.
PATIENCE: Final = timedelta(minutes=15)

# Seconds between the questions whether a batch is processed: ten minutes in all.
PROCESSING_WAITS: Final = (0.5, 1, 2, 4, 8, 15, 30, 60, 60, 120, 300)

# Flatpeak may count whole watt-hours per record (flatpeak-api.md, section 7).
ROUNDING_WH: Final = 0.5

# After these nobody knows whether the submission was processed.
DOUBTFUL_ERRORS: Final = (
    FlatpeakConnectionError,
    FlatpeakResponseError,
    FlatpeakServerError,
)


class FlatpeakNotProcessedError(FlatpeakError):
    """Raised when Flatpeak has not finished with what was submitted."""


class Uploader:
    """Submits the energy of a home's meters."""

    def __init__(
        self,
        hass: HomeAssistant,
        client: FlatpeakClient,
        journal: Journal,
        meters: Sequence[Meter],
    ) -> None:
        """Keep what the upload needs."""
        self._hass = hass
        self._client = client
        self._journal = journal
        self._meters = {meter.device_id: meter for meter in meters}

    async def async_begin(self, now: datetime) -> None:
        """Begin the journal of meters that are new, or whose history got longer."""
        for meter in self._meters.values():
            start = _fresh_start(meter, now)
            known = self._journal.meters.setdefault(
                meter.device_id,
                MeterJournal(wanted=start, fresh=Stretch.beginning(start)),
            )
            wanted = meter.history_start or OLDEST_HISTORY
            if known.history is None and wanted < known.wanted:
                known.history = await self._async_history(
                    meter, wanted, known.fresh.start
                )
                known.wanted = wanted
        await self._journal.async_save()

    async def _async_history(
        self, meter: Meter, start: datetime, end: datetime
    ) -> Stretch | None:
        """Return the stretch of recorded history in a window, if there is any."""
        if (statistic_id := self._statistic_id(meter.device_id)) is None:
            return None
        first = await async_first_start(self._hass, statistic_id, start, end)
        return None if first is None else Stretch.beginning(first, end)

    async def async_upload_fresh(self, until: datetime) -> None:
        """Submit the complete hours before an instant that are not submitted yet."""
        await self._async_settle_last()
        await self._async_retry_refused()
        while await self._async_upload_window(FRESH, until):
            pass

    async def async_upload_history(self) -> tuple[datetime, datetime] | None:
        """Submit the next month of history, return its borders, None at the end."""
        stretches = self._stretches(HISTORY).values()
        if not stretches:
            return None
        await self._async_settle_last()
        until = max(stretch.end for stretch in stretches if stretch.end)
        if span := await self._async_upload_window(HISTORY, until):
            return span
        await self._journal.async_finish_history(self._meters)
        return None

    async def _async_upload_window(
        self, kind: str, until: datetime
    ) -> tuple[datetime, datetime] | None:
        """Submit the next window of time that has energy, return its borders.

        Each window fits into one submission. None when no energy is left.
        """
        stretches = self._stretches(kind)
        low = min((stretch.position for stretch in stretches.values()), default=until)
        while low < until:
            high = min(low + self._window, until)
            if parts := await self._async_parts(kind, low, high):
                await self._async_submit(parts)
                return _borders(parts)
            low = high
        return None

    @property
    def _window(self) -> timedelta:
        """Return how much time of all meters fits into one submission."""
        return min(MONTH, MAX_BATCH_RECORDS // len(self._meters) * HOUR)

    def _stretches(self, kind: str) -> dict[str, Stretch]:
        """Return the stretches of one kind that the meters have, by device id."""
        journals = {device: self._journal.meters[device] for device in self._meters}
        return {
            device: stretch
            for device, journal in journals.items()
            if (stretch := journal.stretch(kind)) is not None
        }

    async def _async_parts(
        self, kind: str, low: datetime, high: datetime
    ) -> list[Part]:
        """Read what the meters have in a window and have not submitted."""
        statistic_ids = {
            device: statistic_id
            for device, stretch in self._stretches(kind).items()
            if stretch.position < high
            and (statistic_id := self._statistic_id(device)) is not None
        }
        rows = await async_read_energy(
            self._hass, set(statistic_ids.values()), low, high
        )
        parts = [
            self._part(kind, device, rows[statistic_id])
            for device, statistic_id in statistic_ids.items()
        ]
        return [part for part in parts if part.intervals]

    def _statistic_id(self, device_id: str) -> str | None:
        """Return the statistic id that a meter has now."""
        return async_statistic_id(self._hass, self._meters[device_id].source)

    def _part(self, kind: str, device_id: str, rows: Iterable[EnergyRow]) -> Part:
        """Return what a meter has to submit of some rows."""
        stretch = self._stretches(kind)[device_id]
        run = to_intervals(
            [row for row in rows if stretch.end is None or row.start < stretch.end],
            position=stretch.position,
            carry_wh=stretch.carry_wh,
        )
        return Part(
            device_id=device_id,
            intervals=run.intervals,
            stretch=kind,
            position=run.position,
            carry_wh=run.carry_wh,
        )

    async def _async_submit(self, parts: Sequence[Part]) -> None:
        """Submit parts; from here until the answer they are in doubt."""
        submission = Submission(sent=dt_util.utcnow(), parts=tuple(parts))
        await self._journal.async_doubt(submission)
        try:
            batch = await self._client.submit_intervals(self._records(submission))
        except DOUBTFUL_ERRORS:
            raise
        except FlatpeakError:
            await self._journal.async_drop_doubt()
            raise
        refusals = _refusals(submission, batch)
        await self._journal.async_accept(submission, batch.batch_id, refusals)
        await self._async_wait_processed()

    def _records(self, submission: Submission) -> list[Interval]:
        """Return the meter records of a submission, in its order."""
        return [
            self._meters[part.device_id].as_record(interval)
            for part in submission.parts
            for interval in part.intervals
        ]

    async def _async_wait_processed(self) -> None:
        """Wait until Flatpeak has processed the last batch.

        A report that is asked for earlier would price the past at nothing.
        """
        if (batch_id := self._journal.batch_id) is None:
            return
        for wait in PROCESSING_WAITS:
            batch = await self._client.get_batch(batch_id)
            if batch.is_processed:
                await self._journal.async_processed()
                return
            await asyncio.sleep(wait)
        raise FlatpeakNotProcessedError("Flatpeak is still processing the last batch")

    async def _async_retry_refused(self) -> None:
        """Try refused records once more."""
        parts = [
            Part(
                device_id=device_id,
                intervals=tuple(refusal.interval for refusal in journal.refusals),
                stretch=None,
                position=journal.fresh.position,
                carry_wh=journal.fresh.carry_wh,
            )
            for device_id in self._meters
            if (journal := self._journal.meters[device_id]).refusals
        ]
        if parts:
            await self._async_submit(parts)

    async def _async_settle_last(self) -> None:
        """Know what became of the last submission before there is another."""
        await self._async_resolve_doubt()
        await self._async_wait_processed()

    async def _async_resolve_doubt(self) -> None:
        """Find out what became of a submission whose answer was lost.

        What has arrived is accepted. What has not is sent again, identically,
        once it had the time to show up.
        """
        if (doubt := self._journal.doubt) is None:
            return
        missing = [
            replace(part, intervals=tuple(await self._async_missing(part)))
            for part in doubt.parts
            if part.device_id in self._meters
        ]
        if not any(part.intervals for part in missing):
            await self._journal.async_accept(doubt, None, {})
        elif dt_util.utcnow() - doubt.sent < PATIENCE:
            raise FlatpeakNotProcessedError("The last submission is still in doubt")
        else:
            await self._async_submit(missing)

    async def _async_missing(self, part: Part) -> Sequence[EnergyInterval]:
        """Return the intervals of a part that Flatpeak does not have."""
        if part.stretch is None:
            # Between refused records lie accepted ones: each is asked for alone.
            groups = [[interval] for interval in part.intervals]
        else:
            groups = [list(part.intervals)] if part.intervals else []
        meter = self._meters[part.device_id]
        try:
            found = [await self._async_not_counted(meter, group) for group in groups]
        except FlatpeakTariffError:
            # Without a tariff there is no report that could tell. The record
            # references let Flatpeak recognise what it has.
            return part.intervals
        return [interval for group in found for interval in group]

    async def _async_not_counted(
        self, meter: Meter, intervals: Sequence[EnergyInterval]
    ) -> Sequence[EnergyInterval]:
        """Return which of adjacent intervals a report does not count.

        Halves are asked for where a report has part of the energy.
        """
        report = await self._client.get_interval_costs(
            meter.device_id,
            intervals[0].start,
            intervals[-1].end,
            meter.flow.tariff_direction,
        )
        counted = fsum(row.energy_wh for row in report.rows)
        expected = fsum(interval.energy_wh for interval in intervals)
        if expected and not counted:
            return intervals
        if abs(counted - expected) <= ROUNDING_WH * len(intervals):
            return []
        if len(intervals) == 1:
            return [] if counted > expected / 2 else intervals
        middle = len(intervals) // 2
        return [
            *await self._async_not_counted(meter, intervals[:middle]),
            *await self._async_not_counted(meter, intervals[middle:]),
        ]


def _fresh_start(meter: Meter, now: datetime) -> datetime:
    """Return where the fresh hours of a new meter begin."""
    fresh = floor_hour(now) - FRESH_HOURS
    return fresh if meter.history_start is None else max(fresh, meter.history_start)


def _borders(parts: Iterable[Part]) -> tuple[datetime, datetime]:
    """Return the first start and the last end of the intervals of parts."""
    return (
        min(part.intervals[0].start for part in parts),
        max(part.intervals[-1].end for part in parts),
    )


def _refusals(submission: Submission, batch: Batch) -> dict[str, list[Refusal]]:
    """Return the records of a submission that Flatpeak refused, by device id.

    Raise FlatpeakResponseError when it is not known which those are: then a
    report has to tell which records are missing.
    """
    sent = [
        (part.device_id, interval)
        for part in submission.parts
        for interval in part.intervals
    ]
    failed = {record.record_number: record for record in batch.failed_records}
    if batch.records_accepted + len(failed) < len(sent) or not failed.keys() <= set(
        range(len(sent))
    ):
        raise FlatpeakResponseError("Flatpeak does not say which records it refused")
    refusals: dict[str, list[Refusal]] = defaultdict(list)
    for number, record in failed.items():
        device_id, interval = sent[number]
        refusals[device_id].append(
            Refusal(interval=interval, reason=record.error, since=submission.sent)
        )
    if failed:
        LOGGER.warning(
            "Flatpeak refused %d of %d records; they will be tried again",
            len(failed),
            len(sent),
        )
    return refusals
