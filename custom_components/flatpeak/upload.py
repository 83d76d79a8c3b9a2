"""Submit the recorder's energy to Flatpeak, so that every watt-hour counts once.

The recorder is the queue: energy is read from the cursor on, and the cursor
moves only over records that Flatpeak has accepted.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from itertools import chain, groupby
from math import floor, fsum
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util

from .api import (
    MAX_BATCH_RECORDS,
    Aggregation,
    Batch,
    CostRow,
    FlatpeakClient,
    FlatpeakConnectionError,
    FlatpeakError,
    FlatpeakNotFoundError,
    FlatpeakResponseError,
    FlatpeakServerError,
    FlatpeakTariffError,
    Interval,
)
from .audit import Difference, is_counted, is_rounded, suspects
from .const import LOGGER
from .intervals import (
    HOUR,
    SHORT,
    EnergyInterval,
    EnergyRow,
    ShortChanges,
    between,
    floor_hour,
    grid,
    is_told,
    slots_of,
    split,
    to_intervals,
)
from .journal import (
    AHEAD,
    CORRECTION,
    FRESH,
    HISTORY,
    Journal,
    MeterJournal,
    OpenBatch,
    Overdue,
    Part,
    Refusal,
    Stretch,
    Submission,
)
from .meter import Meter, Submit, async_statistic_id
from .patience import Patience
from .readings import Register, marks
from .sessions import cuts_of, session_at
from .sources import EnergyReader, async_read_short_of_meters, async_sources
from .statistics import async_first_start, async_short_start

# What is this close to now is uploaded at once; older history follows.
FRESH_HOURS: Final = timedelta(hours=48)

MONTH: Final = timedelta(days=31)

# Long-term statistics came with Home Assistant 2021.8; imported ones may be older.
OLDEST_HISTORY: Final = datetime(2000, 1, 1, tzinfo=dt_util.UTC)

# Flatpeak processes a batch after it has answered. A submission without an answer
# that does not show up in a report for so long is lost; the rest of one of which
# a part has shown up, so that it is being processed, only after longer.
LOST_AFTER: Final = timedelta(minutes=15)
REST_LOST_AFTER: Final = timedelta(hours=1)

# Seconds before each question whether a batch just sent is processed: ten minutes in
# all. From then on every cycle asks once, for a day.
PROCESSING_WAITS: Final = (0, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 180, 180)
PROCESSING_PATIENCE: Final = timedelta(days=1)

# The user is told of a batch that was not processed until one that was sent so long
# after is.
OVERDUE_TOLD: Final = timedelta(days=1)

# The longest window of one report (flatpeak-api.md, section 8).
MAX_REPORT: Final = timedelta(days=90)

# Refused records are tried again in every cycle for so long, then once a day.
INSISTENCE: Final = timedelta(days=1)

# What a report may differ by without a record missing.
ROUNDING_WH: Final = 0.5

# After these nobody knows whether the submission was processed.
DOUBTFUL_ERRORS: Final = (
    FlatpeakConnectionError,
    FlatpeakResponseError,
    FlatpeakServerError,
)


class FlatpeakNotProcessedError(FlatpeakError):
    """Raised when Flatpeak has not finished with what was submitted."""

    default_message = "Flatpeak has not processed all that was submitted"


class Uploader:
    """Submits the energy of a home's meters."""

    def __init__(
        self,
        hass: HomeAssistant,
        client: FlatpeakClient,
        journal: Journal,
        energy: EnergyReader,
        meters: Sequence[Meter],
        patience: Patience,
    ) -> None:
        """Keep what the upload needs."""
        self._hass = hass
        self._client = client
        self._journal = journal
        self._energy = energy
        self._meters = {meter.device_id: meter for meter in meters}
        self._patience = patience
        self._all_retried_on: date | None = None
        self._told: dict[tuple[str, datetime, datetime], float] = {}
        self.slot_length = HOUR
        """How long records are where the recorder tells more than hours."""

    async def async_begin(self, now: datetime) -> None:
        """Begin the journal of meters that are new, or whose history got longer."""
        for meter in self._meters.values():
            start = _fresh_start(meter, now)
            known = self._journal.meters.setdefault(
                meter.device_id,
                MeterJournal(wanted=start, fresh=Stretch.beginning(start)),
            )
            known.flow = known.flow or meter.flow
            if statistic_id := async_statistic_id(self._hass, meter.source):
                border = self._journal.sent_until(meter.device_id)
                known.follow(meter.source, statistic_id, border)
            if known.history is None:
                await self._async_begin_history(meter, known)
        await self._journal.async_save()

    async def _async_begin_history(self, meter: Meter, known: MeterJournal) -> None:
        """Begin the history of a meter where more is wanted than ever before."""
        wanted = meter.history_start or OLDEST_HISTORY
        if wanted >= known.wanted or not known.sources:
            return
        statistic_id = async_sources(self._hass, known)[0].statistic_id
        end = known.fresh.start
        first = await async_first_start(self._hass, statistic_id, wanted, end)
        if first is not None:
            known.history = Stretch.beginning(first, end)
        known.wanted = wanted

    async def async_upload_fresh(self, until: datetime) -> None:
        """Submit the complete hours before an instant that are not submitted yet.

        They do not wait for the processing of what was sent before. Who prices must:
        a report that is asked for earlier would price the past at nothing. So
        FlatpeakNotProcessedError is raised when they are submitted.
        """
        await self._async_settle_last()
        await self._async_retry_refused()
        while await self._async_upload_window(FRESH, until):
            pass
        if parts := await self._async_parts_ahead(until):
            await self._async_submit(parts)
        self._require_processed()

    @property
    def history(self) -> tuple[datetime, datetime] | None:
        """Return how far the history is accepted, None when it is not to be filled."""
        stretches = self._stretches(HISTORY).values()
        if not stretches:
            return None
        return (
            min(stretch.start for stretch in stretches),
            max(stretch.position for stretch in stretches),
        )

    async def async_upload_history(self) -> bool:
        """Submit the next month of history, return whether there was one."""
        await self._async_settle_last()
        self._require_processed()
        stretches = self._stretches(HISTORY).values()
        ends = [stretch.end for stretch in stretches if stretch.end is not None]
        is_submitted = bool(ends) and await self._async_upload_window(
            HISTORY, max(ends)
        )
        self._require_processed()
        return is_submitted

    async def async_finish_history(self, now: datetime) -> None:
        """Close the history that is filled in; a longer one may be wanted by now."""
        await self._journal.async_finish_history(self._stretches(HISTORY))
        await self.async_begin(now)

    async def _async_upload_window(self, kind: str, until: datetime) -> bool:
        """Submit the next window of time with energy, return whether there was one.

        Each window fits into one submission.
        """
        stretches = self._stretches(kind)
        low = min((stretch.position for stretch in stretches.values()), default=until)
        while low < until:
            high = self._window_end(low, until)
            if parts := await self._async_parts(kind, low, high):
                await self._async_submit_all(
                    parts, partial(self._async_read_ahead, kind, high, until)
                )
                return True
            low = high
        return False

    @callback
    def _async_read_ahead(self, kind: str, low: datetime, until: datetime) -> None:
        """Begin to read the next window, while Flatpeak is busy with this one."""
        if low < until:
            high = self._window_end(low, until)
            self._energy.async_read_ahead(self._stretches(kind), low, high)

    def _window_end(self, low: datetime, until: datetime) -> datetime:
        """Return until when the records of all meters fit into one submission.

        Those from before the recorder has rows of five minutes are hours.
        """
        room = MAX_BATCH_RECORDS // len(self._meters) - self._most_cuts(low)
        hours = min(room, max((async_short_start(self._hass) - low) // HOUR, 0))
        high = low + hours * HOUR + (room - hours) * self.slot_length
        return min(low + MONTH, max(floor_hour(high), low + HOUR), until)

    def _most_cuts(self, start: datetime) -> int:
        """Return how many more records sessions make of a meter's hours from then on."""
        return max(
            sum(start < cut for cut in cuts_of(known.sessions))
            for known in self._journal.of(self._meters).values()
        )

    def _stretches(self, kind: str) -> dict[str, Stretch]:
        """Return the stretches of one kind that can move on, by device id.

        A meter whose source is gone waits for it, and holds up no other.
        """
        return {
            device_id: stretch
            for device_id, meter in self._meters.items()
            if async_statistic_id(self._hass, meter.source) is not None
            and (stretch := self._journal.meters[device_id].stretch(kind)) is not None
        }

    async def _async_parts(
        self, kind: str, low: datetime, high: datetime
    ) -> list[Part]:
        """Read what the meters have in a window and have not submitted."""
        stretches = {
            device_id: stretch
            for device_id, stretch in self._stretches(kind).items()
            if stretch.position < high
        }
        journals = self._journal.of(stretches)
        rows = await self._energy.async_read(stretches, low, high)
        short: Mapping[str, ShortChanges] = {}
        if finer := self._finer(journals, low, high):
            short = await async_read_short_of_meters(self._hass, finer, low, high)
        parts = await self._hass.async_add_executor_job(
            _parts, kind, journals, rows, dt_util.utcnow()
        )
        whole = [part for part in parts if not self._is_read(part)]
        cut = await self._hass.async_add_executor_job(
            _cut, whole, journals, self.slot_length, short
        )
        for part in parts:
            self._see_estimates(part, short.get(part.device_id, {}))
        return [*cut, *map(self._by_register, filter(self._is_read, parts))]

    def _finer(
        self, journals: Mapping[str, MeterJournal], low: datetime, high: datetime
    ) -> dict[str, MeterJournal]:
        """Return the meters of which hours are cut in a window, by device id."""
        return {
            device_id: known
            for device_id, known in journals.items()
            if self.slot_length < HOUR
            or any(low < cut < high for cut in cuts_of(known.sessions))
        }

    def _see_estimates(self, part: Part, short: ShortChanges) -> None:
        """Note sessions with a border at which energy could only be spread evenly."""
        for session in self._journal.meters[part.device_id].sessions:
            for cut in cuts_of([session]):
                if (interval := _cut_by(part.intervals, cut)) is not None:
                    session.is_estimated |= not is_told(interval, short)

    async def _async_parts_ahead(self, hour: datetime) -> list[Part]:
        """Return what to submit of an hour that is not complete: the ends of sessions.

        That waits for the hour where the recorder does not tell yet what came in it.
        """
        borders = {
            device_id: border
            for device_id, stretch in self._stretches(FRESH).items()
            if stretch.position == hour and not stretch.carry_wh
            if (border := self._journal.meters[device_id].ended_ahead()) is not None
        }
        if not borders:
            return []
        journals = self._journal.of(borders)
        short = await async_read_short_of_meters(
            self._hass, journals, hour, hour + HOUR
        )
        parts = [
            _part_ahead(
                device_id,
                journals[device_id],
                border,
                self.slot_length,
                short[device_id].get(hour, ()),
            )
            for device_id, border in borders.items()
        ]
        return [part for part in parts if part.intervals]

    def _is_read(self, part: Part) -> bool:
        """Return whether the energy of a part is told by readings.

        Only that of fresh hours can be: readings must come in order of time. An hour of
        which a session's end was submitted stays intervals.
        """
        return (
            part.stretch == FRESH
            and self._has_readings(part.device_id)
            and not self._journal.meters[part.device_id].ahead
        )

    def _by_register(self, part: Part) -> Part:
        """Return a part with the register that tells it, after what that still has to."""
        register, untold = self._journal.meters[part.device_id].next_register()
        return replace(
            part, intervals=(*_joined(untold), *part.intervals), register=register
        )

    def _has_readings(self, device_id: str) -> bool:
        """Return whether the energy of a meter is submitted as readings."""
        return self._meters[device_id].submit is Submit.READINGS

    async def _async_submit_all(
        self, parts: Sequence[Part], when_ready: Callable[[], None] | None = None
    ) -> None:
        """Submit parts: together, but for readings, which are of one meter each."""
        if together := [part for part in parts if part.register is None]:
            await self._async_submit(together, when_ready)
        for part in parts:
            if part.register is not None:
                await self._async_submit([part])

    async def _async_submit(
        self, parts: Iterable[Part], when_ready: Callable[[], None] | None = None
    ) -> bool:
        """Submit parts, return whether Flatpeak has taken all of them.

        From here until the answer they are in doubt. When they are ready to be sent
        that is told.
        """
        submission = Submission(sent=dt_util.utcnow(), parts=tuple(parts))
        before = self._journal.doubt
        self._told.clear()
        await self._journal.async_doubt(submission)
        try:
            batch = await self._async_send(submission, when_ready)
        except DOUBTFUL_ERRORS:
            raise
        except FlatpeakError:
            await self._journal.async_drop_doubt(before)
            raise
        known, refusals = _answered(submission, _reasons(submission, batch))
        LOGGER.debug("Flatpeak has taken %d records", batch.records_accepted)
        await self._journal.async_accept(known, batch.batch_id, refusals)
        # Whoever is behind with an earlier one is not waited for.
        if len(self._journal.batches) == 1:
            await self._async_follow_batches(PROCESSING_WAITS)
        return not refusals

    async def _async_send(
        self, submission: Submission, when_ready: Callable[[], None] | None
    ) -> Batch:
        """Send a submission to Flatpeak: readings, or intervals."""
        part = submission.parts[0]
        if part.register is None:
            return await self._client.submit_intervals(
                self._records(submission), when_ready=when_ready
            )
        meter = self._meters[part.device_id]
        return await self._client.submit_cumulative(
            meter.location_id,
            meter.device_id,
            meter.flow.energy_flow_direction,
            meter.flow.tariff_direction,
            map(meter.as_reading, marks(part.intervals, part.register)),
        )

    async def _async_accept(self, parts: Iterable[Part], sent: datetime) -> None:
        """Note that Flatpeak has all of some parts."""
        submission = Submission(sent=sent, parts=tuple(parts))
        known, _ = _answered(submission, {})
        await self._journal.async_accept(known, None, {})

    def _records(self, submission: Submission) -> Iterator[Interval]:
        """Yield the meter records of a submission, in its order."""
        for part in submission.parts:
            for interval in part.intervals:
                yield self._meters[part.device_id].as_record(
                    interval, self._session_id(part.device_id, interval)
                )

    def _session_id(self, device_id: str, record: EnergyInterval) -> str | None:
        """Return the id of the session that a record belongs to, if any."""
        session = session_at(self._journal.meters[device_id].sessions, record.start)
        return None if session is None else session.session_id(device_id)

    def _require_processed(self) -> None:
        """Raise FlatpeakNotProcessedError while Flatpeak is behind."""
        if self._journal.batches:
            raise FlatpeakNotProcessedError

    async def _async_follow_batches(self, waits: Iterable[float] = (0,)) -> None:
        """Ask for the open batches, up to the first that may still be processed."""
        for batch in tuple(self._journal.batches):
            overdue = self._journal.overdue
            now = dt_util.utcnow()
            if await self._async_is_processed(batch, waits):
                if overdue and batch.sent - overdue.since >= OVERDUE_TOLD:
                    overdue = None
            elif now - batch.sent < PROCESSING_PATIENCE:
                return
            elif overdue is None:
                LOGGER.warning(
                    "Flatpeak has not processed for a day what was uploaded to it; "
                    "until it does, that energy has no cost"
                )
                overdue = Overdue(sent=batch.sent, since=now)
            await self._journal.async_close_batch(batch, overdue)

    async def _async_is_processed(
        self, batch: OpenBatch, waits: Iterable[float]
    ) -> bool:
        """Ask until Flatpeak has processed a batch, or the time is over.

        One that Flatpeak does not know any more has been processed long ago.
        """
        found = None
        for wait in waits:
            await asyncio.sleep(wait)
            found = await self._async_batch(batch.batch_id)
            if found is not None and found.is_processed:
                return True
        return found is None

    async def _async_batch(self, batch_id: str) -> Batch | None:
        """Return how far Flatpeak is with a batch, None where it knows none."""
        try:
            return await self._client.get_batch(batch_id)
        except FlatpeakNotFoundError:
            return None

    async def _async_retry_refused(self) -> None:
        """Try refused records once more.

        One that Flatpeak counts by now was refused because it was there already.
        """
        now = dt_util.utcnow()
        parts = self._refused_parts(now)
        missing = [await self._async_missing(part) or part for part in parts]
        there = [
            _without(part, lost) for part, lost in zip(parts, missing, strict=True)
        ]
        if any(part.intervals for part in there):
            await self._async_accept(there, dt_util.utcnow())
        await self._async_submit_all([part for part in missing if part.intervals])
        self._all_retried_on = now.date()

    async def async_correct(
        self, device_id: str, intervals: Iterable[EnergyInterval]
    ) -> bool:
        """Submit records that exist with other energy, return whether they are taken."""
        known = self._journal.meters[device_id].fresh
        part = Part(
            device_id=device_id,
            intervals=tuple(intervals),
            stretch=CORRECTION,
            position=known.position,
            carry_wh=known.carry_wh,
        )
        is_taken = await self._async_submit([part])
        self._require_processed()
        return is_taken

    async def async_differing(
        self, device_id: str, records: Iterable[EnergyInterval]
    ) -> list[EnergyInterval]:
        """Return the records of hours of which Flatpeak counts other energy.

        How the energy of an hour lies within may not be known any more: only the
        whole of it is compared. Raise FlatpeakTariffError where no report can tell.
        """
        meter = self._meters[device_id]
        found = [await self._async_differing(meter, run) for run in _runs(records)]
        return [record for run in found for record in run]

    async def _async_differing(
        self, meter: Meter, records: Sequence[EnergyInterval]
    ) -> Sequence[EnergyInterval]:
        """Return which of adjacent hours differ; where any does, halves are asked."""
        counted = await self._async_counted(meter, records[0].start, records[-1].end)
        energies = [record.energy_wh for record in records]
        if is_counted(counted, energies):
            return []
        starts = [record.start for record in records]
        cuts = [n for n, start in enumerate(starts) if n and start == floor_hour(start)]
        if not cuts:
            return [] if is_rounded(counted, energies) else records
        middle = cuts[len(cuts) // 2]
        return [
            *await self._async_differing(meter, records[:middle]),
            *await self._async_differing(meter, records[middle:]),
        ]

    async def async_require_settled(self) -> None:
        """Raise FlatpeakNotProcessedError while it is open what Flatpeak has."""
        await self._async_follow_batches()
        self._require_processed()
        if self._journal.doubt is not None or self._journal.overdue is not None:
            raise FlatpeakNotProcessedError

    async def async_compare(
        self, device_id: str, records: Sequence[EnergyInterval]
    ) -> list[Difference]:
        """Return the hours of which Flatpeak counts other energy, and how much.

        The reports of days tell where each hour is asked for: energy that lies in
        another hour of the same day is not found. Raise FlatpeakTariffError where no
        report can tell.
        """
        meter = self._meters[device_id]
        found = []
        for run in _runs(records):
            rows = await self._async_rows(
                meter, run[0].start, run[-1].end, Aggregation.DAY
            )
            wrong = await self._hass.async_add_executor_job(suspects, rows, run)
            suspected = set(map(_hour_of, wrong))
            for hour, group in groupby(run, key=_hour_of):
                if hour in suspected:
                    found += await self._async_differences(meter, tuple(group))
        return found

    async def _async_differences(
        self, meter: Meter, records: tuple[EnergyInterval, ...]
    ) -> list[Difference]:
        """Return that the records of an hour differ, nothing where they do not."""
        counted = await self._async_counted(meter, records[0].start, records[-1].end)
        energies = [record.energy_wh for record in records]
        if is_counted(counted, energies) or is_rounded(counted, energies):
            return []
        return [Difference(records=records, counted_wh=counted)]

    def _refused_parts(self, now: datetime) -> list[Part]:
        """Return refused records that are due, as many as fit into one submission."""
        parts = []
        room = MAX_BATCH_RECORDS
        for device_id in self._meters:
            register, untold = self._untold(device_id)
            if untold:
                most = untold[:MAX_BATCH_RECORDS]
                parts.append(self._again(device_id, most, register))
            told = set(untold)
            due = [each for each in self._due(device_id, now) if each not in told]
            if due := due[:room]:
                parts.append(self._again(device_id, due))
            room -= len(due)
        return parts

    def _untold(self, device_id: str) -> tuple[Register | None, list[EnergyInterval]]:
        """Return what the register of a meter is still to tell: its refused readings."""
        if not self._has_readings(device_id):
            return None, []
        return self._journal.meters[device_id].next_register()

    def _due(self, device_id: str, now: datetime) -> list[EnergyInterval]:
        """Return the refused records of a meter that are due."""
        are_all_due = self._all_retried_on != now.date()
        return [
            refusal.interval
            for refusal in self._journal.meters[device_id].refusals
            if are_all_due or now - refusal.since < INSISTENCE
        ]

    def _again(
        self,
        device_id: str,
        intervals: Iterable[EnergyInterval],
        register: Register | None = None,
    ) -> Part:
        """Return a part of what was sent before, with which no cursor moves."""
        fresh = self._journal.meters[device_id].fresh
        return Part(
            device_id=device_id,
            intervals=tuple(intervals),
            stretch=None,
            position=fresh.position,
            carry_wh=fresh.carry_wh,
            register=register,
        )

    async def _async_settle_last(self) -> None:
        """Know what became of the last submission before there is another."""
        await self._async_resolve_doubt()
        await self._async_follow_batches()

    async def _async_resolve_doubt(self) -> None:
        """Find out what became of a submission whose answer was lost.

        What has arrived is accepted. What has not is sent again, identically,
        once it had the time to show up. The cursor of a meter that was removed
        stays where it was: nobody can tell any more. A correction is forgotten: what
        is still to be corrected is found again.
        """
        if (doubt := self._journal.doubt) is None:
            return
        if dt_util.utcnow() - doubt.sent < REST_LOST_AFTER:
            self._told.clear()
        parts = [
            part
            for part in doubt.parts
            if part.device_id in self._meters and part.stretch != CORRECTION
        ]
        missing = await self._async_missing_parts(parts)
        if not any(part.intervals for part in missing):
            LOGGER.debug("Nothing of the submission in doubt is missing at Flatpeak")
            await self._async_accept(parts, doubt.sent)
            return
        has_arrived = _energy(missing) < _energy(parts)
        lost_after = REST_LOST_AFTER if has_arrived else LOST_AFTER
        if dt_util.utcnow() - doubt.sent < lost_after:
            raise FlatpeakNotProcessedError("The last submission is still in doubt")
        LOGGER.debug("What is missing of the last submission is sent again")
        for part, lost in zip(parts, missing, strict=True):
            self._journal.meters[part.device_id].remember_arrived(
                part, _without(part, lost).intervals
            )
        await self._async_submit(missing)

    async def _async_missing_parts(self, parts: Sequence[Part]) -> list[Part]:
        """Return what Flatpeak does not have of parts that were sent together.

        A part that no report can tell of arrived if any other did. Where that is
        not known either it is missing: the references of its records let Flatpeak
        recognise what it has.
        """
        found = [await self._async_missing(part) for part in parts]
        has_arrived = any(
            missing is not None and _energy([missing]) < _energy([part])
            for part, missing in zip(parts, found, strict=True)
        )
        return [
            missing or (replace(part, intervals=()) if has_arrived else part)
            for part, missing in zip(parts, found, strict=True)
        ]

    async def _async_missing(self, part: Part) -> Part | None:
        """Return what Flatpeak does not have of a part, None if no report can tell."""
        meter = self._meters[part.device_id]
        try:
            found = [
                await self._async_not_counted(meter, run)
                for run in _runs(part.intervals)
            ]
        except FlatpeakTariffError:
            return None
        lost = tuple(chain.from_iterable(found))
        # Readings that are sent again count nothing twice. Where they tell no energy,
        # no report tells that they are there.
        if part.register and (lost or not _energy([part])):
            return part
        return replace(part, intervals=lost)

    async def _async_not_counted(
        self, meter: Meter, intervals: Sequence[EnergyInterval]
    ) -> Sequence[EnergyInterval]:
        """Return which of adjacent intervals a report does not count.

        Halves are asked for where a report has part of the energy. What was told is
        kept, so that a service that fails now and then is not asked all of it again.
        """
        start, end = intervals[0].start, intervals[-1].end
        span = meter.device_id, start, end
        if span not in self._told:
            self._told[span] = await self._async_counted(meter, start, end)
        counted = self._told[span]
        if _counts_all(counted, [interval.energy_wh for interval in intervals]):
            return []
        if not counted or len(intervals) == 1:
            return intervals
        middle = len(intervals) // 2
        return [
            *await self._async_not_counted(meter, intervals[:middle]),
            *await self._async_not_counted(meter, intervals[middle:]),
        ]

    async def _async_counted(
        self, meter: Meter, start: datetime, end: datetime
    ) -> float:
        """Return the energy in Wh that Flatpeak counts for a meter."""
        rows = await self._async_rows(meter, start, end)
        return fsum(row.energy_wh for row in rows)

    async def _async_rows(
        self,
        meter: Meter,
        start: datetime,
        end: datetime,
        aggregation: Aggregation | None = None,
    ) -> list[CostRow]:
        """Return what Flatpeak reports of a meter, in windows that it answers."""
        rows: list[CostRow] = []
        direction = meter.flow.tariff_direction
        while start < end:
            border = min(start + MAX_REPORT, end)
            with self._patience.question((meter.device_id, direction)):
                report = await self._client.get_interval_costs(
                    meter.device_id, start, border, direction, aggregation
                )
            rows += report.rows
            start = border
        return rows


def _parts(
    kind: str,
    journals: Mapping[str, MeterJournal],
    rows: Mapping[str, Iterable[EnergyRow]],
    now: datetime,
) -> list[Part]:
    """Return what meters have to submit of some rows, by device id."""
    parts = [
        _part(kind, device_id, known, rows[device_id], now)
        for device_id, known in journals.items()
    ]
    return [part for part in parts if part.intervals]


def _cut(
    parts: Iterable[Part],
    journals: Mapping[str, MeterJournal],
    slot_length: timedelta,
    short: Mapping[str, ShortChanges],
) -> list[Part]:
    """Return parts with their hours in slots, and cut where sessions begin or end."""
    cut = []
    for part in parts:
        cuts = cuts_of(journals[part.device_id].sessions)
        changes = short.get(part.device_id, {})
        if not cuts and not changes:
            cut.append(part)
            continue
        records = (split(each, slot_length, cuts, changes) for each in part.intervals)
        cut.append(replace(part, intervals=tuple(chain.from_iterable(records))))
    return cut


def _part(
    kind: str,
    device_id: str,
    known: MeterJournal,
    rows: Iterable[EnergyRow],
    now: datetime,
) -> Part:
    """Return what a meter has to submit of some rows.

    What was submitted ahead of the first hour is taken off it, as a debt is.
    """
    stretch = known.history if kind == HISTORY and known.history else known.fresh
    ahead = known.ahead if kind == FRESH else []
    sure = known.sure_until(now)
    run = to_intervals(
        [
            row
            for row in rows
            if (stretch.end is None or row.start < stretch.end)
            and row.start + HOUR <= sure
        ],
        position=stretch.position,
        carry_wh=stretch.carry_wh - fsum(each.energy_wh for each in ahead),
    )
    intervals = run.intervals
    if intervals and ahead:
        first = replace(intervals[0], start=ahead[-1].end)
        intervals = (first, *intervals[1:])
    return Part(
        device_id=device_id,
        intervals=intervals,
        stretch=kind,
        position=run.position,
        carry_wh=run.carry_wh,
    )


def _cut_by(
    intervals: Sequence[EnergyInterval], cut: datetime
) -> EnergyInterval | None:
    """Return that one of some consecutive intervals which is cut at an instant."""
    number = bisect_left(intervals, cut, key=_end)
    if number == len(intervals):
        return None
    interval = intervals[number]
    return interval if interval.start < cut < interval.end else None


def _end(interval: EnergyInterval) -> datetime:
    """Return where an interval ends."""
    return interval.end


def _part_ahead(
    device_id: str,
    known: MeterJournal,
    border: datetime,
    slot_length: timedelta,
    changes: Sequence[float],
) -> Part:
    """Return what to submit of the hour at the cursor, up to the end of a session.

    It is empty where the recorder does not tell all of it.
    """
    hour = known.fresh.position
    start = known.ahead[-1].end if known.ahead else hour
    told = between(changes, start, border)
    records: list[EnergyInterval] = []
    if len(told) == (border - start) // SHORT and min(told) >= 0:
        cuts = {*grid(hour, slot_length), *cuts_of(known.sessions)}
        records = [
            EnergyInterval(
                start=low, end=high, energy_wh=fsum(between(changes, low, high))
            )
            for low, high in slots_of(start, border, cuts)
        ]
    return Part(
        device_id=device_id,
        intervals=tuple(records),
        stretch=AHEAD,
        position=hour,
        carry_wh=0.0,
    )


def _fresh_start(meter: Meter, now: datetime) -> datetime:
    """Return where the fresh hours of a new meter begin."""
    fresh = floor_hour(now) - FRESH_HOURS
    return fresh if meter.history_start is None else max(fresh, meter.history_start)


def _energy(parts: Iterable[Part]) -> float:
    """Return the energy of parts in Wh."""
    return fsum(interval.energy_wh for part in parts for interval in part.intervals)


def _without(part: Part, other: Part) -> Part:
    """Return a part without the intervals of another one."""
    gone = set(other.intervals)
    return replace(
        part, intervals=tuple(each for each in part.intervals if each not in gone)
    )


def _hour_of(record: EnergyInterval) -> datetime:
    """Return the hour that a record begins in."""
    return floor_hour(record.start)


def _runs(intervals: Iterable[EnergyInterval]) -> list[list[EnergyInterval]]:
    """Return intervals in order of time, in groups that have no gap inside."""
    runs: list[list[EnergyInterval]] = []
    for interval in sorted(intervals, key=lambda interval: interval.start):
        if runs and runs[-1][-1].end == interval.start:
            runs[-1].append(interval)
        else:
            runs.append([interval])
    return runs


def _counts_all(counted: float, energies: Sequence[float]) -> bool:
    """Return whether a report that counts so much energy counts all of some records.

    Flatpeak may round records, or what it reports, to whole watt-hours
    (flatpeak-api.md, section 7). Of some energy that it counts as none nobody
    knows: it has not arrived then.
    """
    expected = fsum(energies)
    if not counted:
        return not expected
    if counted.is_integer():
        expected = min(floor(expected), sum(map(round, energies)))
    return counted >= expected - ROUNDING_WH


def _joined(intervals: Sequence[EnergyInterval]) -> list[EnergyInterval]:
    """Return adjoining intervals as one, of none none."""
    if not intervals:
        return []
    return [
        EnergyInterval(
            start=intervals[0].start,
            end=intervals[-1].end,
            energy_wh=fsum(each.energy_wh for each in intervals),
        )
    ]


def _size(part: Part) -> int:
    """Return how many records a part consists of, as they are sent."""
    if part.register is None:
        return len(part.intervals)
    return len(marks(part.intervals, part.register))


def _reasons(submission: Submission, batch: Batch) -> dict[int, str]:
    """Return the numbers of the records that Flatpeak refused, with the reasons.

    Raise FlatpeakResponseError when it is not known which those are: then a
    report has to tell which records are missing.
    """
    sent = sum(map(_size, submission.parts))
    refused = {record.record_number: record.error for record in batch.failed_records}
    if batch.records_accepted + len(refused) < sent or not refused.keys() <= set(
        range(sent)
    ):
        raise FlatpeakResponseError("Flatpeak does not say which records it refused")
    if refused and any(part.stretch for part in submission.parts):
        LOGGER.warning(
            "Flatpeak refused %d of %d records of energy; they are tried again by themselves",
            len(refused),
            sent,
        )
    return refused


def _answered(
    submission: Submission, refused: Mapping[int, str]
) -> tuple[Submission, Mapping[str, list[Refusal]]]:
    """Return what Flatpeak has made of a submission, and what it knows nothing of.

    Given are the numbers of what it refused; the second is by device id.
    """
    first = 0
    parts = []
    refusals: dict[str, list[Refusal]] = {}
    for part in submission.parts:
        own = range(first, first := first + _size(part))
        numbers = {
            number - own.start: refused[number] for number in own if number in refused
        }
        known, untold = part.answered(numbers, submission.sent)
        parts.append(known)
        if untold:
            refusals[part.device_id] = untold
    return replace(submission, parts=tuple(parts)), refusals
