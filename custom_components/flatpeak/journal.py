"""Remember what must survive a crash: cursors and the submission in doubt.

The journal is kept per location and outlives the config entry, since records
cannot be read back from Flatpeak.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from hashlib import blake2b
from itertools import pairwise
from math import fsum
from typing import Any, Final, Self, override

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .api import FlatpeakError
from .const import DOMAIN
from .intervals import HOUR, EnergyInterval, floor_hour, in_hours
from .readings import Register, begin, tell
from .sessions import (
    OpenSession,
    Session,
    SessionCost,
    SessionStatus,
    Watch,
    floored,
    session_at,
)

STORAGE_VERSION: Final = 1
STORAGE_MINOR_VERSION: Final = 8

FRESH: Final = "fresh"
HISTORY: Final = "history"
CORRECTION: Final = "correction"
AHEAD: Final = "ahead"

# The source that a meter began with has no border before it.
BEGINNING: Final = dt_util.utc_from_timestamp(0)

# Less debt than that, in Wh, is not worth a word.
SLIGHT_DEBT: Final = 1.0

# Digests are kept in 64 bits.
DIGESTS: Final = 2**64

# How long it is remembered what was submitted: the window of corrections and a day.
KEPT_DAYS: Final = timedelta(days=36)


@dataclass(kw_only=True)
class Stretch:
    """A stretch of a meter's time, and how far it is accepted by Flatpeak."""

    start: datetime
    position: datetime
    """The cursor: everything in the stretch before it is accepted."""
    end: datetime | None = None
    """None when the stretch goes on with time."""
    carry_wh: float = 0.0

    @classmethod
    def beginning(cls, start: datetime, end: datetime | None = None) -> Self:
        """Return a stretch of which nothing is accepted yet."""
        return cls(start=start, position=start, end=end)

    def as_dict(self) -> dict[str, Any]:
        """Return the stretch as it is stored."""
        return {
            "start": _stamp(self.start),
            "position": _stamp(self.position),
            "end": None if self.end is None else _stamp(self.end),
            "carry_wh": self.carry_wh,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored stretch."""
        return cls(
            start=dt_util.utc_from_timestamp(data["start"]),
            position=dt_util.utc_from_timestamp(data["position"]),
            end=None
            if data["end"] is None
            else dt_util.utc_from_timestamp(data["end"]),
            carry_wh=data["carry_wh"],
        )


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A record that Flatpeak did not take, with its reason."""

    interval: EnergyInterval
    reason: str
    since: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return the refusal as it is stored."""
        return {
            "interval": _interval_as_row(self.interval),
            "reason": self.reason,
            "since": _stamp(self.since),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored refusal."""
        return cls(
            interval=_interval_from_row(data["interval"]),
            reason=data["reason"],
            since=dt_util.utc_from_timestamp(data["since"]),
        )


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of time."""

    start: datetime
    end: datetime

    def as_list(self) -> list[float]:
        """Return the span as it is stored."""
        return [_stamp(self.start), _stamp(self.end)]

    @classmethod
    def from_list(cls, data: list[float]) -> Self:
        """Return a stored span."""
        start, end = map(dt_util.utc_from_timestamp, data)
        return cls(start=start, end=end)


@dataclass(frozen=True, kw_only=True)
class Day:
    """What was submitted of one UTC day: enough to see that it changed, no more."""

    energy_wh: float
    digest: int
    """The sum of the digests of the hours, in whatever order they came."""
    odd: tuple[Span, ...]
    """The records that span more than their hour."""

    @classmethod
    def of(cls, intervals: Iterable[EnergyInterval]) -> Self:
        """Return what is remembered of records.

        What is shorter than an hour cannot be read again for long: of that only the
        energy of the hour is told apart.
        """
        hours = in_hours(intervals)
        return cls(
            energy_wh=fsum(hour.energy_wh for hour in hours),
            digest=sum(map(_digest, hours)) % DIGESTS,
            odd=tuple(
                Span(start=hour.start, end=hour.end)
                for hour in hours
                if hour.length != HOUR
            ),
        )

    def joined(self, other: Day) -> Day:
        """Return what is remembered of the records of both."""
        return Day(
            energy_wh=self.energy_wh + other.energy_wh,
            digest=(self.digest + other.digest) % DIGESTS,
            odd=self.odd + other.odd,
        )

    def as_list(self) -> list[Any]:
        """Return the day as it is stored."""
        return [self.energy_wh, self.digest, [span.as_list() for span in self.odd]]

    @classmethod
    def from_list(cls, data: list[Any]) -> Self:
        """Return a stored day."""
        energy_wh, digest, odd = data
        return cls(
            energy_wh=energy_wh, digest=digest, odd=tuple(map(Span.from_list, odd))
        )


type Days = dict[date, Day]
"""What was submitted by UTC day; a record belongs to the day in which it ends."""


def days_of(intervals: Iterable[EnergyInterval]) -> Days:
    """Return what is remembered of records, by day."""
    by_day: dict[date, list[EnergyInterval]] = defaultdict(list)
    for interval in intervals:
        by_day[day_of(interval)].append(interval)
    return {day: Day.of(group) for day, group in by_day.items()}


def day_of(interval: EnergyInterval) -> date:
    """Return the UTC day that a record belongs to."""
    return (interval.end - timedelta.resolution).date()


def _digest(interval: EnergyInterval) -> int:
    """Return the digest of an hour, or of a longer record.

    Energy is compared to a thousandth of a Wh: another unit of the statistic makes
    differences far below. Where the record begins makes no difference: it cannot
    be read again when it spans a gap.
    """
    text = f"{interval.end.timestamp():.0f} {interval.energy_wh:.3f}"
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest())


@dataclass(frozen=True, kw_only=True)
class Split:
    """A stretch of time each hour of which is cut into records in the same way."""

    start: datetime
    end: datetime
    minutes: tuple[int, ...]
    """The minutes past the hour at which one record ends and the next one begins."""

    def as_list(self) -> list[Any]:
        """Return the stretch as it is stored."""
        return [_stamp(self.start), _stamp(self.end), list(self.minutes)]

    @classmethod
    def from_list(cls, data: list[Any]) -> Self:
        """Return a stored stretch."""
        start, end, minutes = data
        return cls(
            start=dt_util.utc_from_timestamp(start),
            end=dt_util.utc_from_timestamp(end),
            minutes=tuple(minutes),
        )


def splits_of(records: Iterable[EnergyInterval]) -> list[Split]:
    """Return how each hour is cut whose records are shorter than it."""
    minutes: dict[datetime, set[int]] = defaultdict(set)
    for record in records:
        if record.length < HOUR:
            hour = floor_hour(record.start)
            minutes[hour] |= {record.start.minute, record.end.minute}
    return [
        Split(start=hour, end=hour + HOUR, minutes=tuple(sorted(found - {0})))
        for hour, found in minutes.items()
    ]


def _joined(splits: Iterable[Split]) -> list[Split]:
    """Return stretches in order, those that go on from each other as one."""
    joined: list[Split] = []
    for split in sorted(splits, key=_start):
        last = joined[-1] if joined else None
        if last and split.start <= last.end and split.minutes == last.minutes:
            joined[-1] = replace(last, end=max(last.end, split.end))
        else:
            joined.append(split)
    return joined


def _start(split: Split) -> datetime:
    """Return when a stretch begins."""
    return split.start


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the energy of a meter comes from, from an instant on."""

    source: str
    """As the meter has it, which outlives a rename."""
    statistic_id: str
    """As it was last known."""
    start: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return the source as it is stored."""
        return {
            "source": self.source,
            "statistic_id": self.statistic_id,
            "start": _stamp(self.start),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored source."""
        return cls(
            source=data["source"],
            statistic_id=data["statistic_id"],
            start=dt_util.utc_from_timestamp(data["start"]),
        )


@dataclass(kw_only=True)
class MeterJournal:
    """What is known of the records of one meter.

    The fresh hours go on with time. The history is the stretch before them that
    is still being filled in; it is gone when it is done.
    """

    wanted: datetime
    """The oldest beginning of history that was ever asked for."""
    fresh: Stretch
    flow: str | None = None
    """Which flow its records have; None where that was not noted."""
    splits: list[Split] = field(default_factory=list)
    """How hours are cut into records: when corrected these keep their borders."""
    sources: list[Source] = field(default_factory=list)
    """Where the energy came from, oldest first."""
    debt_since: datetime | None = None
    """Since when energy that ran backwards is carried on in the fresh hours."""
    registers: list[Register] = field(default_factory=list)
    """The stretches of time that were told by readings, oldest first."""
    history: Stretch | None = None
    refusals: list[Refusal] = field(default_factory=list)
    unpriced: Span | None = None
    """The time in which energy was accepted whose cost is still to be asked for."""
    days: Days = field(default_factory=dict)
    """What was submitted of the last days."""
    ahead: list[EnergyInterval] = field(default_factory=list)
    """What was submitted of the hour that is not complete: the end of a session."""
    watch: Watch | None = None
    """How far its sessions are known, None when nothing tells of any."""
    watched: str | None = None
    """The entity that tells of its sessions."""
    sessions: list[Session] = field(default_factory=list)
    """The sessions of the last months, oldest first."""

    def follow(self, source: str, statistic_id: str, border: datetime) -> None:
        """Note where the energy comes from: from another source only after a border."""
        if self.sources and self.sources[-1].source == source:
            self.sources[-1] = replace(self.sources[-1], statistic_id=statistic_id)
            return
        start = border if self.sources else BEGINNING
        self.begin_anew(Source(source=source, statistic_id=statistic_id, start=start))

    def begin_anew(self, source: Source) -> None:
        """Let a source begin without the debt of what was before it."""
        if self.sources:
            self.fresh.carry_wh = 0.0
            self.debt_since = None
        self.sources.append(source)

    def accepted(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield the windows of time that Flatpeak has accepted, of one source each."""
        if self.history is not None:
            yield from self._of_one_source(self.history)
        yield from self._of_one_source(self.fresh)

    def _of_one_source(self, stretch: Stretch) -> Iterator[tuple[datetime, datetime]]:
        """Yield what is accepted of a stretch, cut where another source begins."""
        start, end = stretch.start, stretch.position
        borders = [each.start for each in self.sources if start < each.start < end]
        yield from pairwise([start, *borders, end])

    def stretch(self, kind: str | None) -> Stretch | None:
        """Return the stretch of a kind, None when the meter has none."""
        return {FRESH: self.fresh, HISTORY: self.history}.get(kind or "")

    def accept(self, part: Part, refused: Iterable[Refusal]) -> None:
        """Move the cursor over an answered part.

        Refused records do not hold up the others: they are kept apart. One that
        is refused again keeps the time of its first refusal. A refused correction is
        not kept: Flatpeak has a record of that time.
        """
        if part.stretch == CORRECTION:
            refused = ()
        sent = self._sent_by(part) if self.refusals else set()
        since = {refusal.interval.start: refusal.since for refusal in self.refusals}
        self.refusals = [
            *(kept for kept in self.refusals if kept.interval.start not in sent),
            *(
                replace(new, since=since.get(new.interval.start, new.since))
                for new in refused
            ),
        ]
        if (stretch := self.stretch(part.stretch)) is not None:
            carry_wh = self._carry_after(part)
            if stretch is self.fresh:
                self._see_debt(carry_wh)
                self.ahead = [
                    each for each in self.ahead if each.start >= part.position
                ]
            stretch.position = part.position
            stretch.carry_wh = carry_wh
        if part.register is not None:
            self._read(part.register)
        if part.stretch == AHEAD:
            self.remember_ahead(part.intervals)
        elif part.intervals:
            self.owe_costs(part.intervals[0].start, part.intervals[-1].end)

    def _sent_by(self, part: Part) -> set[datetime]:
        """Return when the records of a part begin, and what its readings tell too."""
        sent = {interval.start for interval in part.intervals}
        if part.register is not None and part.intervals:
            start, end = part.intervals[0].start, part.intervals[-1].end
            refused = (refusal.interval.start for refusal in self.refusals)
            sent.update(each for each in refused if start <= each < end)
        return sent

    def _read(self, register: Register) -> None:
        """Note how far readings have told the energy."""
        if self.registers and self.registers[-1].start == register.start:
            self.registers.pop()
        self.registers.append(register)

    def next_register(self) -> tuple[Register, list[EnergyInterval]]:
        """Return the register that tells what comes, and what it is still to tell.

        It goes on where nothing but refused records lies between its last reading
        and the cursor, else one begins at the cursor.
        """
        last = self.registers[-1] if self.registers else None
        if last is not None:
            untold = self._refused_from(last.end)
            if (untold[-1].end if untold else last.end) == self.fresh.position:
                return last, untold
        return begin(self.fresh.position, last), []

    def _refused_from(self, start: datetime) -> list[EnergyInterval]:
        """Return the refused records that go on from an instant, and from each other."""
        by_start = {each.interval.start: each.interval for each in self.refusals}
        found = []
        while start in by_start:
            found.append(by_start[start])
            start = by_start[start].end
        return found

    def has_readings(self, start: datetime, end: datetime) -> bool:
        """Return whether energy of a window was told by readings."""
        return any(each.start < end and start < each.end for each in self.registers)

    def _carry_after(self, part: Part) -> float:
        """Return the debt that goes on after a part: none where a source begins."""
        begins = any(source.start == part.position for source in self.sources)
        return 0.0 if begins else part.carry_wh

    def _see_debt(self, carry_wh: float) -> None:
        """Note since when energy that ran backwards is carried on."""
        if carry_wh > -SLIGHT_DEBT:
            self.debt_since = None
        elif self.debt_since is None:
            self.debt_since = self.fresh.position

    def cuts(self, hour: datetime) -> list[datetime]:
        """Return where the records that were submitted of an hour are cut."""
        number = bisect_right(self.splits, hour, key=_start)
        split = self.splits[number - 1] if number else None
        if split is None or hour >= split.end:
            return []
        return [hour + timedelta(minutes=each) for each in split.minutes]

    def has_split(self, start: datetime, end: datetime) -> bool:
        """Return whether a window has hours with shorter records."""
        return any(each.start < end and start < each.end for each in self.splits)

    def remember_splits(self, splits: Iterable[Split]) -> None:
        """Remember how hours are cut into records, for as long as these exist.

        When a part of them is sent once more, they stay cut as they were.
        """
        new = [each for each in splits if not self.cuts(each.start)]
        self.splits = _joined([*self.splits, *new])

    def remember_more(self, days: Days) -> None:
        """Remember further records of some days."""
        self.remember(
            {
                day: known.joined(more) if (known := self.days.get(day)) else more
                for day, more in days.items()
            }
        )

    def remember(self, days: Days) -> None:
        """Remember what was submitted of some days, and forget what is long ago."""
        oldest = self.oldest_day
        self.days = {
            day: what for day, what in (self.days | days).items() if day >= oldest
        }

    @property
    def oldest_day(self) -> date:
        """Return the first day of which it is remembered what was submitted."""
        return (self.fresh.position - KEPT_DAYS).date()

    def completed_by(self, part: Part) -> list[EnergyInterval]:
        """Return what was submitted before of the hours that a part completes."""
        if part.stretch != FRESH:
            return []
        return [each for each in self.ahead if each.start < part.position]

    def remember_ahead(self, records: Iterable[EnergyInterval]) -> None:
        """Remember what is submitted of the hour that is not complete."""
        ahead = {each.start: each for each in (*self.ahead, *records)}
        self.ahead = [ahead[start] for start in sorted(ahead)]

    def remember_arrived(self, part: Part, records: Sequence[EnergyInterval]) -> None:
        """Remember those records of a part in doubt that have arrived.

        They have their borders, whatever becomes of the rest.
        """
        self.remember_energy(records)
        if part.stretch == AHEAD:
            self.remember_ahead(records)
            return
        self.remember_more(days_of(records))
        hours = [*self.completed_by(part), *part.intervals]
        self.remember_splits(splits_of(hours) if part.stretch else ())

    def remember_energy(self, records: Iterable[EnergyInterval]) -> None:
        """Remember what of its energy each session has at Flatpeak."""
        if not self.sessions:
            return
        for record in records:
            session = session_at(self.sessions, record.start)
            if session is not None and not session.is_long_ago:
                session.records[record.start] = record.energy_wh

    def sure_until(self, now: datetime) -> datetime:
        """Return up to where it is known which time belongs to a session."""
        return now if self.watch is None else self.watch.sure_until(now)

    def ended_ahead(self) -> datetime | None:
        """Return where the last session ended within the hour at the cursor.

        None where none did, or all up to there is submitted.
        """
        position = self.fresh.position
        sent = self.ahead[-1].end if self.ahead else position
        borders = [
            border
            for each in self.sessions
            if (border := each.border) is not None and sent < border < position + HOUR
        ]
        return max(borders, default=None)

    def begin_session(self, start: datetime, sent_until: datetime) -> None:
        """Begin a session, unless it is known.

        Its records begin where none was submitted yet.
        """
        if self.sessions and (
            self.sessions[-1].end is None or self.sessions[-1].start >= start
        ):
            return
        ends = [each.border for each in self.sessions if each.border is not None]
        begin = max([floored(start), sent_until, *ends[-1:]])
        self.sessions.append(Session(start=start, begin=begin))

    def end_session(self, end: datetime) -> None:
        """End the session that goes on; one without any time of its own is none."""
        session = self.sessions[-1]
        session.end = end
        if session.border == session.begin:
            del self.sessions[-1]

    def is_submitted(self, session: Session) -> bool:
        """Return whether all records of a session are submitted."""
        sent = self.ahead[-1].end if self.ahead else self.fresh.position
        return session.border is not None and session.border <= sent

    def status(self, session: Session) -> SessionStatus:
        """Return how far a session is."""
        if session.end is None:
            return SessionStatus.RUNNING
        if session.cost is not None:
            return SessionStatus.PRICED
        if self.is_submitted(session):
            return SessionStatus.SUBMITTED
        return SessionStatus.ENDED

    def forget_sessions(self, before: datetime) -> None:
        """Forget sessions that ended long ago, and of others what is not needed now."""
        self.sessions = [
            each for each in self.sessions if each.end is None or each.end >= before
        ]
        for session in self.sessions:
            if (
                session.end is not None
                and session.end < self.fresh.position - KEPT_DAYS
            ):
                session.records.clear()

    def owe_costs(self, start: datetime, end: datetime) -> None:
        """Remember that the costs of a time are to be asked for."""
        if (owed := self.unpriced) is not None:
            start, end = min(start, owed.start), max(end, owed.end)
        self.unpriced = Span(start=start, end=end)

    def owe_all_costs(self) -> None:
        """Remember that the costs of all accepted energy are to be asked for."""
        for start, end in self.accepted():
            if start < end:
                self.owe_costs(start, end)

    def settle_costs(self, start: datetime, end: datetime) -> None:
        """Note that the costs of a time are known."""
        owed = self.unpriced
        if owed is None or not start <= owed.start < end:
            return
        self.unpriced = Span(start=end, end=owed.end) if end < owed.end else None

    def history_progress(self) -> tuple[timedelta, timedelta]:
        """Return how much of the history is accepted, and how much is wanted."""
        if self.history is None or self.history.end is None:
            return timedelta(), timedelta()
        start = self.history.start
        return self.history.position - start, self.history.end - start

    def records_waiting(self, until: datetime) -> int:
        """Return how many hours before an instant are not accepted, or were refused."""
        waiting = until - self.fresh.position
        if self.history is not None and self.history.end is not None:
            waiting += self.history.end - self.history.position
        return max(waiting // HOUR, 0) + len(self.refusals)

    def finish_history(self) -> None:
        """Join the history, all of it submitted, to the fresh hours."""
        if self.history is not None:
            self.fresh.start = self.history.start
            self.fresh.carry_wh += self.history.carry_wh
            self.history = None

    def as_dict(self) -> dict[str, Any]:
        """Return the meter's journal as it is stored."""
        return {
            "wanted": _stamp(self.wanted),
            "fresh": self.fresh.as_dict(),
            "flow": self.flow,
            "splits": [split.as_list() for split in self.splits],
            "sources": [source.as_dict() for source in self.sources],
            "debt_since": None if self.debt_since is None else _stamp(self.debt_since),
            "registers": list(map(_register_as_list, self.registers)),
            "history": None if self.history is None else self.history.as_dict(),
            "refusals": [refusal.as_dict() for refusal in self.refusals],
            "unpriced": None if self.unpriced is None else self.unpriced.as_list(),
            "days": {
                day.isoformat(): what.as_list() for day, what in self.days.items()
            },
            "ahead": [_interval_as_row(each) for each in self.ahead],
            "watch": None if self.watch is None else _watch_as_dict(self.watch),
            "watched": self.watched,
            "sessions": [_session_as_dict(each) for each in self.sessions],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored meter's journal."""
        history = data["history"]
        return cls(
            wanted=dt_util.utc_from_timestamp(data["wanted"]),
            fresh=Stretch.from_dict(data["fresh"]),
            flow=data["flow"],
            splits=list(map(Split.from_list, data["splits"])),
            sources=list(map(Source.from_dict, data["sources"])),
            debt_since=None
            if data["debt_since"] is None
            else dt_util.utc_from_timestamp(data["debt_since"]),
            registers=list(map(_register_from_list, data["registers"])),
            history=None if history is None else Stretch.from_dict(history),
            refusals=[Refusal.from_dict(refusal) for refusal in data["refusals"]],
            unpriced=None
            if data["unpriced"] is None
            else Span.from_list(data["unpriced"]),
            days={
                date.fromisoformat(day): Day.from_list(what)
                for day, what in data["days"].items()
            },
            ahead=list(map(_interval_from_row, data["ahead"])),
            watch=None if data["watch"] is None else _watch_from_dict(data["watch"]),
            watched=data["watched"],
            sessions=list(map(_session_from_dict, data["sessions"])),
        )


@dataclass(frozen=True, kw_only=True)
class Part:
    """The part of a submission that belongs to one meter."""

    device_id: str
    intervals: tuple[EnergyInterval, ...]
    stretch: str | None
    """The stretch that moves on with it.

    None when refused records are tried again, CORRECTION when the recorder has other
    energy now, AHEAD when their hour is not complete.
    """
    position: datetime
    carry_wh: float
    register: Register | None = None
    """What tells the energy, as it was read last; None for a part of intervals."""

    def answered(
        self, refused: Mapping[int, str], since: datetime
    ) -> tuple[Part, list[Refusal]]:
        """Return what Flatpeak has made of the part, and what it knows nothing of.

        Given are the numbers of what it refused of the part, with the reasons.
        """
        part = self
        untold: Mapping[EnergyInterval, str]
        if self.register is None:
            untold = {self.intervals[n]: reason for n, reason in refused.items()}
        else:
            told = tell(self.intervals, self.register, refused)
            known = sorted([*told.records, *told.untold], key=lambda each: each.start)
            part = replace(self, intervals=tuple(known), register=told.register)
            untold = told.untold
        return part, [
            Refusal(interval=interval, reason=reason, since=since)
            for interval, reason in untold.items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the part as it is stored."""
        return {
            "device_id": self.device_id,
            "intervals": [_interval_as_row(interval) for interval in self.intervals],
            "stretch": self.stretch,
            "position": _stamp(self.position),
            "carry_wh": self.carry_wh,
            "register": None
            if self.register is None
            else _register_as_list(self.register),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored part."""
        register = data["register"]
        return cls(
            device_id=data["device_id"],
            intervals=tuple(map(_interval_from_row, data["intervals"])),
            stretch=data["stretch"],
            position=dt_util.utc_from_timestamp(data["position"]),
            carry_wh=data["carry_wh"],
            register=None if register is None else _register_from_list(register),
        )


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Records that are sent together, in doubt until Flatpeak has answered."""

    sent: datetime
    parts: tuple[Part, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the submission as it is stored."""
        return {
            "sent": _stamp(self.sent),
            "parts": [part.as_dict() for part in self.parts],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored submission."""
        return cls(
            sent=dt_util.utc_from_timestamp(data["sent"]),
            parts=tuple(map(Part.from_dict, data["parts"])),
        )


@dataclass(frozen=True, kw_only=True)
class OpenBatch:
    """An accepted submission of which it is not known whether Flatpeak has processed it."""

    batch_id: str
    sent: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return the batch as it is stored."""
        return {"batch_id": self.batch_id, "sent": _stamp(self.sent)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored batch."""
        return cls(
            batch_id=data["batch_id"], sent=dt_util.utc_from_timestamp(data["sent"])
        )


@dataclass(frozen=True, kw_only=True)
class Overdue:
    """That Flatpeak was too late with a batch, which is not asked for any more."""

    sent: datetime
    since: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {"sent": _stamp(self.sent), "since": _stamp(self.since)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return what was stored."""
        return cls(
            sent=dt_util.utc_from_timestamp(data["sent"]),
            since=dt_util.utc_from_timestamp(data["since"]),
        )


type Refusals = Mapping[str, Iterable[Refusal]]
"""Refused records by device id."""


class JournalError(FlatpeakError):
    """Report that the journal is not on disk: nothing may be sent then."""

    default_message = "What is sent to Flatpeak cannot be noted on disk"


# What a meter's journal of an earlier version does not have.
_NEW_TO_METERS: Final[dict[str, Any]] = {
    "unpriced": None,
    "days": {},
    "flow": None,
    "splits": [],
    "sources": [],
    "debt_since": None,
    "registers": [],
    "ahead": [],
    "watch": None,
    "watched": None,
    "sessions": [],
}


# What a part of an earlier version does not have.
_NEW_TO_PARTS: Final[dict[str, Any]] = {"register": None}


class _JournalStore(Store[dict[str, Any]]):
    """A store that has written when it says so.

    Home Assistant's own only logs that it could not write, and waits with the
    writing when Home Assistant is about to stop.
    """

    _is_written = False

    @override
    async def _async_migrate_func(
        self,
        old_major_version: int,
        old_minor_version: int,
        old_data: dict[str, Any],
    ) -> dict[str, Any]:
        """Add what a journal of version 0.1.0 does not have.

        It knows one batch, and not when that was sent.
        """
        sent = old_data.get("last_upload") or _stamp(dt_util.utcnow())
        batch_id = old_data.pop("batch_id", None)
        data: dict[str, Any] = {
            "batches": [{"batch_id": batch_id, "sent": sent}] if batch_id else [],
            "corrections_stopped": False,
            "last_upload": None,
            "overdue": None,
            "repriced_on": None,
            "slot_minutes": None,
        }
        meters = {
            device_id: _NEW_TO_METERS | meter
            for device_id, meter in old_data["meters"].items()
        }
        if doubt := old_data["doubt"]:
            doubt["parts"] = [_NEW_TO_PARTS | part for part in doubt["parts"]]
        return data | old_data | {"meters": meters}

    @override
    async def async_save(self, data: dict[str, Any]) -> None:
        """Write to disk now, raise JournalError when that fails."""
        self._is_written = False
        await super().async_save(data)
        # Does nothing unless the writing waits for the end of Home Assistant.
        await self._async_handle_write_data()  # type: ignore[no-untyped-call]  # not annotated there
        if not self._is_written:
            raise JournalError

    @override
    async def _async_write_data(self, data: dict[str, Any]) -> None:
        """Write to disk, and remember that it went well."""
        await super()._async_write_data(data)
        self._is_written = True


class Journal:
    """The journal of one location, kept on disk."""

    def __init__(self, hass: HomeAssistant, location_id: str) -> None:
        """Name the file; nothing is read yet."""
        self._hass = hass
        self.meters: dict[str, MeterJournal] = {}
        self.doubt: Submission | None = None
        self.batches: list[OpenBatch] = []
        """The accepted batches that Flatpeak may still be processing, oldest first."""
        self.overdue: Overdue | None = None
        """A batch that Flatpeak was too late with, until it is on time again."""
        self.last_upload: datetime | None = None
        """When the newest records that Flatpeak has accepted were sent."""
        self.repriced_on: date | None = None
        """The last local day on which the past was priced again."""
        self.slot_minutes: int | None = None
        """How long records are that suit the prices, None before any is known."""
        self.corrections_stopped = False
        """Whether Flatpeak did not take a correction as a replacement."""
        self._store = _JournalStore(
            hass,
            STORAGE_VERSION,
            f"{DOMAIN}.{location_id}",
            minor_version=STORAGE_MINOR_VERSION,
            private=True,
            atomic_writes=True,
            serialize_in_event_loop=False,
        )

    async def async_load(self) -> None:
        """Read what is on disk."""
        if (data := await self._store.async_load()) is None:
            return
        self.meters = {
            device_id: MeterJournal.from_dict(meter)
            for device_id, meter in data["meters"].items()
        }
        if data["doubt"] is not None:
            self.doubt = await self._hass.async_add_executor_job(
                Submission.from_dict, data["doubt"]
            )
        self.batches = list(map(OpenBatch.from_dict, data["batches"]))
        if data["overdue"] is not None:
            self.overdue = Overdue.from_dict(data["overdue"])
        if data["last_upload"] is not None:
            self.last_upload = dt_util.utc_from_timestamp(data["last_upload"])
        if data["repriced_on"] is not None:
            self.repriced_on = date.fromisoformat(data["repriced_on"])
        self.slot_minutes = data["slot_minutes"]
        self.corrections_stopped = data["corrections_stopped"]

    async def async_save(self) -> None:
        """Write to disk now, and wait until it is there.

        A submission can hold ten thousand records: too many for the event loop.
        """
        await self._store.async_save(
            await self._hass.async_add_executor_job(self._as_dict)
        )

    def _as_dict(self) -> dict[str, Any]:
        """Return the journal as it is stored."""
        return {
            "meters": {
                device_id: meter.as_dict() for device_id, meter in self.meters.items()
            },
            "doubt": None if self.doubt is None else self.doubt.as_dict(),
            "batches": [batch.as_dict() for batch in self.batches],
            "overdue": None if self.overdue is None else self.overdue.as_dict(),
            "last_upload": None
            if self.last_upload is None
            else _stamp(self.last_upload),
            "repriced_on": None
            if self.repriced_on is None
            else self.repriced_on.isoformat(),
            "slot_minutes": self.slot_minutes,
            "corrections_stopped": self.corrections_stopped,
        }

    def of(self, device_ids: Iterable[str]) -> dict[str, MeterJournal]:
        """Return what is known of some meters, by device id."""
        return {device_id: self.meters[device_id] for device_id in device_ids}

    def sent_until(self, device_id: str) -> datetime:
        """Return up to where fresh hours of a meter are accepted, or in doubt."""
        doubtful = () if self.doubt is None else self.doubt.parts
        return max(
            [
                self.meters[device_id].fresh.position,
                *(
                    part.position
                    for part in doubtful
                    if part.device_id == device_id and part.stretch == FRESH
                ),
            ]
        )

    async def async_doubt(self, submission: Submission) -> None:
        """Put a submission in doubt, before it is sent."""
        self.doubt = submission
        await self.async_save()

    async def async_accept(
        self, submission: Submission, batch_id: str | None, refusals: Refusals
    ) -> None:
        """Move the cursors to the end of an answered submission: no more doubt."""
        known = await self._hass.async_add_executor_job(
            _accepted, submission, refusals, self.of(_devices(submission))
        )
        for part, accepted in zip(submission.parts, known, strict=True):
            meter = self.meters[part.device_id]
            meter.accept(part, refusals.get(part.device_id, ()))
            meter.remember_energy(accepted.records)
            meter.remember_more(accepted.days)
            meter.remember_splits(accepted.splits)
        self.doubt = None
        if batch_id is not None:
            self.batches.append(OpenBatch(batch_id=batch_id, sent=submission.sent))
        self.last_upload = submission.sent
        await self.async_save()

    async def async_drop_doubt(self, before: Submission | None = None) -> None:
        """Forget a submission that Flatpeak has surely not processed.

        What was in doubt before it, and of which it was the rest, still is.
        """
        self.doubt = before
        await self.async_save()

    async def async_finish_history(self, device_ids: Iterable[str]) -> None:
        """Remember that all history of some meters is submitted."""
        for device_id in device_ids:
            self.meters[device_id].finish_history()
        await self.async_save()

    async def async_close_batch(
        self, batch: OpenBatch, overdue: Overdue | None
    ) -> None:
        """Remember that a batch needs no more attention, and whether any is overdue."""
        self.batches.remove(batch)
        self.overdue = overdue
        await self.async_save()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Accepted:
    """What is to be remembered of a part that Flatpeak has accepted."""

    records: Sequence[EnergyInterval]
    days: Days
    splits: Sequence[Split]


def _devices(submission: Submission) -> set[str]:
    """Return whose records a submission has."""
    return {part.device_id for part in submission.parts}


def _accepted(
    submission: Submission, refusals: Refusals, meters: Mapping[str, MeterJournal]
) -> list[_Accepted]:
    """Return what is to be remembered of each part of an answered submission.

    What a corrected day has now is only known once it is read again, and what lies
    ahead belongs to an hour that is not complete. A refused record keeps its borders
    too. What ended before the oldest day that is remembered would be forgotten at once.
    """
    known = []
    for part in submission.parts:
        meter = meters[part.device_id]
        since = datetime.combine(meter.oldest_day, time(), dt_util.UTC)
        records = _without(part.intervals, refusals.get(part.device_id, ()))
        ahead = meter.completed_by(part)
        counted = [
            each
            for each in (*_without(ahead, meter.refusals), *records)
            if each.end > since
        ]
        known.append(
            _Accepted(
                # Readings are of no session.
                records=records if part.register is None else [],
                days={} if part.stretch in (CORRECTION, AHEAD) else days_of(counted),
                splits=splits_of([*ahead, *part.intervals])
                if part.stretch in (FRESH, HISTORY)
                else [],
            )
        )
    return known


def _without(
    records: Sequence[EnergyInterval], refusals: Iterable[Refusal]
) -> Sequence[EnergyInterval]:
    """Return those records that are not refused."""
    refused = {each.interval for each in refusals}
    return [each for each in records if each not in refused] if refused else records


def _stamp(instant: datetime) -> float:
    """Return an instant as it is stored."""
    return instant.timestamp()


def _interval_as_row(interval: EnergyInterval) -> tuple[float, float, float]:
    """Return an interval as it is stored."""
    return _stamp(interval.start), _stamp(interval.end), interval.energy_wh


def _watch_as_dict(watch: Watch) -> dict[str, Any]:
    """Return as it is stored how far sessions are known."""
    session = watch.session
    return {
        "seen": _stamp(watch.seen),
        "start": None if session is None else _stamp(session.start),
        "end": None if session is None or session.end is None else _stamp(session.end),
        "is_lost": session is not None and session.is_lost,
    }


def _watch_from_dict(data: dict[str, Any]) -> Watch:
    """Return how far sessions are known, as stored."""
    session = None
    if data["start"] is not None:
        session = OpenSession(
            start=dt_util.utc_from_timestamp(data["start"]),
            end=None
            if data["end"] is None
            else dt_util.utc_from_timestamp(data["end"]),
            is_lost=data["is_lost"],
        )
    return Watch(seen=dt_util.utc_from_timestamp(data["seen"]), session=session)


def _session_as_dict(session: Session) -> dict[str, Any]:
    """Return a session as it is stored."""
    cost = session.cost
    return {
        "start": _stamp(session.start),
        "begin": _stamp(session.begin),
        "end": None if session.end is None else _stamp(session.end),
        "records": [
            [_stamp(start), energy_wh] for start, energy_wh in session.records.items()
        ],
        "is_estimated": session.is_estimated,
        "cost": None if cost is None else [cost.energy_wh, cost.cost, cost.currency],
    }


def _session_from_dict(data: dict[str, Any]) -> Session:
    """Return a stored session."""
    cost = None
    if data["cost"] is not None:
        energy_wh, money, currency = data["cost"]
        cost = SessionCost(energy_wh=energy_wh, cost=money, currency=currency)
    return Session(
        start=dt_util.utc_from_timestamp(data["start"]),
        begin=dt_util.utc_from_timestamp(data["begin"]),
        end=None if data["end"] is None else dt_util.utc_from_timestamp(data["end"]),
        records={
            dt_util.utc_from_timestamp(start): energy_wh
            for start, energy_wh in data["records"]
        },
        is_estimated=data["is_estimated"],
        cost=cost,
    )


def _interval_from_row(data: Iterable[float]) -> EnergyInterval:
    """Return a stored interval."""
    start, end, energy_wh = data
    return EnergyInterval(
        start=dt_util.utc_from_timestamp(start),
        end=dt_util.utc_from_timestamp(end),
        energy_wh=energy_wh,
    )


def _register_as_list(register: Register) -> list[Any]:
    """Return a register as it is stored."""
    start, end = _stamp(register.start), _stamp(register.end)
    return [start, end, register.register_wh, register.is_begun]


def _register_from_list(data: list[Any]) -> Register:
    """Return a stored register."""
    start, end, register_wh, is_begun = data
    return Register(
        start=dt_util.utc_from_timestamp(start),
        end=dt_util.utc_from_timestamp(end),
        register_wh=register_wh,
        is_begun=is_begun,
    )
