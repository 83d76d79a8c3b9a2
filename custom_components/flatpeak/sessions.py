"""Tell the sessions of a meter from the states of an entity: pure, all times in UTC.

A session is a bounded event on one meter, as the charge of a car.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import fsum
from typing import Final

from .audit import is_counted
from .costs import WH_PER_KWH
from .intervals import SHORT

# The last state that is known holds for so long, while nobody knows the present one.
BRIDGED: Final = timedelta(hours=1)

EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """That an entity came to be in session, or not."""

    instant: datetime
    in_session: bool | None
    """None where nobody knows: the entity is unavailable."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """When a session that is over began and ended."""

    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenSession:
    """A session that goes on, or may yet go on."""

    start: datetime
    end: datetime | None = None
    """When it ended, unless the entity is in session again soon enough."""
    is_lost: bool = False
    """Whether it is only not known any more if it goes on."""

    def deadline(self, pause: timedelta) -> datetime | None:
        """Return when it is over for sure, None while the entity is in session."""
        return None if self.end is None else self.end + self._grace(pause)

    def over(self, now: datetime, pause: timedelta) -> Ended | None:
        """Return when it began and ended if it is over by now, else None."""
        if self.end is None or now < self.end + self._grace(pause):
            return None
        return Ended(start=self.start, end=self.end)

    def _grace(self, pause: timedelta) -> timedelta:
        """Return how long after its end it may yet go on."""
        return BRIDGED if self.is_lost else pause


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """How far the sessions of an entity are known: all of them before `seen`."""

    seen: datetime
    session: OpenSession | None = None

    def sure_until(self, now: datetime) -> datetime:
        """Return up to where it is known which time belongs to a session."""
        if self.session is None or self.session.end is None:
            return now
        return self.session.end


def advance(
    watch: Watch, changes: Iterable[Change], pause: timedelta
) -> tuple[Watch, list[Ended]]:
    """Return how far sessions are known after some changes, and those that are over.

    Changes come in order of time; what was seen before makes no difference. The
    sessions are the same however the changes are cut into calls. A break shorter than
    `pause` joins two sessions. While an entity is unavailable its last known state
    holds: after an hour, when it may have ended long ago, a session ended with it.
    """
    ended = []
    for change in changes:
        if change.instant < watch.seen:
            continue
        watch, over = settle(watch, change.instant, pause)
        ended += over
        watch = replace(watch, session=_next(watch.session, change))
    return watch, ended


def settle(watch: Watch, now: datetime, pause: timedelta) -> tuple[Watch, list[Ended]]:
    """Return how far sessions are known by now, and the one that is over with it."""
    seen, session = max(watch.seen, now), watch.session
    over = None if session is None else session.over(seen, pause)
    if over is None:
        return Watch(seen=seen, session=session), []
    return Watch(seen=seen), [over]


def _next(session: OpenSession | None, change: Change) -> OpenSession | None:
    """Return the session that goes on after a change."""
    if session is None:
        return OpenSession(start=change.instant) if change.in_session else None
    if change.in_session:
        return OpenSession(start=session.start)
    is_lost = change.in_session is None
    # A break goes on while the entity is unavailable. What was out of sight ended when
    # it is seen to have ended.
    if session.end is None or (session.is_lost and not is_lost):
        return replace(session, end=change.instant, is_lost=is_lost)
    return session


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionCost:
    """What Flatpeak says of a session."""

    energy_wh: float
    cost: float
    currency: str

    @property
    def average_price(self) -> float | None:
        """Return the price of a kilowatt-hour, None without energy."""
        return self.cost / (self.energy_wh / WH_PER_KWH) if self.energy_wh else None


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedSession:
    """A session that is over, with what it cost."""

    session_id: str
    start: datetime
    end: datetime
    cost: SessionCost
    is_estimated: bool


class SessionStatus(StrEnum):
    """How far a session is."""

    RUNNING = "running"
    ENDED = "ended"
    SUBMITTED = "submitted"
    PRICED = "priced"


@dataclass(kw_only=True)
class Session:
    """A session, and the records that it has at Flatpeak.

    Records begin and end on five minutes, as the recorder's rows do. The energy of
    those five minutes in which a session begins or ends is its own: there is hardly
    any energy beside it, and what is left out would be missing in its cost.
    """

    start: datetime
    begin: datetime
    """Where its first record begins."""
    end: datetime | None = None
    """None while it goes on."""
    records: dict[datetime, float] = field(default_factory=dict)
    """The energy in Wh that was submitted, by the start of the record."""
    is_estimated: bool = False
    """Whether the recorder does not tell what energy lies beyond its borders."""
    cost: SessionCost | None = None
    """None as long as Flatpeak has not priced all of it."""

    @property
    def border(self) -> datetime | None:
        """Return where its last record ends, None while it goes on."""
        return None if self.end is None else max(raised(self.end), self.begin)

    @property
    def is_long_ago(self) -> bool:
        """Return whether its records are not remembered any more."""
        return self.cost is not None and not self.records

    @property
    def submitted_wh(self) -> float:
        """Return the energy that was submitted, as far as that is remembered."""
        return fsum(self.records.values())

    @property
    def is_complete(self) -> bool:
        """Return whether it has its cost, and that of the energy it has now."""
        energies = list(self.records.values())
        return self.cost is not None and (
            not energies or is_counted(self.cost.energy_wh, energies)
        )

    def session_id(self, device_id: str) -> str:
        """Return the id that Flatpeak knows it by: no other session has the same."""
        return f"{device_id}-session-{self.start.timestamp():.0f}"

    def priced(self, device_id: str) -> PricedSession | None:
        """Return the session with its cost, None as long as it has none."""
        if self.end is None or self.cost is None:
            return None
        return PricedSession(
            session_id=self.session_id(device_id),
            start=self.start,
            end=self.end,
            cost=self.cost,
            is_estimated=self.is_estimated,
        )

    def has(self, start: datetime) -> bool:
        """Return whether a record that begins then is a part of it."""
        border = self.border
        return self.begin <= start and (border is None or start < border)


def session_at(sessions: Sequence[Session], start: datetime) -> Session | None:
    """Return which of some sessions in order has a record that begins then.

    Records are cut where sessions begin and end, but for one that spans a gap: that
    goes on what was when the gap began.
    """
    number = bisect_right(sessions, start, key=_begin)
    session = sessions[number - 1] if number else None
    return session if session is not None and session.has(start) else None


def _begin(session: Session) -> datetime:
    """Return where the first record of a session begins."""
    return session.begin


def cuts_of(sessions: Iterable[Session]) -> set[datetime]:
    """Return where records are cut because a session begins or ends."""
    borders = {each.border for each in sessions} | {each.begin for each in sessions}
    return {border for border in borders if border is not None}


def floored(instant: datetime) -> datetime:
    """Return the beginning of the five minutes that an instant lies in."""
    return instant - (instant - EPOCH) % SHORT


def raised(instant: datetime) -> datetime:
    """Return the first end of five minutes at or after an instant."""
    return -((EPOCH - instant) // SHORT) * SHORT + EPOCH
