"""Follow the entities that tell of the sessions of meters.

What an entity did while nobody followed it, the recorder knows.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from homeassistant.components.recorder.history import state_changes_during_period
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import (
    CALLBACK_TYPE,
    Event,
    EventStateChangedData,
    HomeAssistant,
    State,
    callback,
)
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import (
    async_track_entity_registry_updated_event,
    async_track_state_change_event,
)
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util

from .journal import Journal, MeterJournal
from .meter import Meter, SessionSource, async_statistic_id
from .sessions import BRIDGED, Change, Watch, advance, raised, settle

# The recorder tells neither of what changed at the very instant that it is asked from.
MOMENT: Final = timedelta(milliseconds=1)

_UNKNOWN: Final = (STATE_UNAVAILABLE, STATE_UNKNOWN)


class SessionProblem(StrEnum):
    """Why no sessions are told of: the key of its repair."""

    REMOVED = "session_entity_removed"
    UNAVAILABLE = "session_entity_unavailable"


class SessionWatch:
    """Follows the entities that tell of sessions, and keeps these in the journal."""

    def __init__(
        self,
        hass: HomeAssistant,
        journal: Journal,
        meters: Iterable[Meter],
        await_end: Callable[[str, datetime | None], None],
        note: Callable[[], None],
    ) -> None:
        """Take whom to tell when a session will be over, None while it goes on.

        And whom to tell that there is something new to note on disk.
        """
        self._hass = hass
        self._journal = journal
        self._meters = list(meters)
        self._await_end = await_end
        self._note = note
        self._stops: dict[str, list[CALLBACK_TYPE]] = {}
        self._unknown_since: dict[str, datetime] = {}

    async def async_catch_up(self) -> None:
        """Know all sessions up to now; from then on they are followed."""
        for meter in self._meters:
            known = self._journal.meters[meter.device_id]
            self._see_entity(meter, known)
            if meter.session is None:
                continue
            if meter.device_id not in self._stops:
                await self._async_begin(meter, meter.session)
            self._advance(meter.device_id, meter.session, [])

    def _see_entity(self, meter: Meter, known: MeterJournal) -> None:
        """End what an entity has told that is not followed any more."""
        source = None if meter.session is None else meter.session.source
        if known.watched == source:
            return
        now = dt_util.utcnow()
        seen = self._journal.sent_until(meter.device_id)
        if known.watch is not None and (session := known.watch.session) is not None:
            known.begin_session(session.start, seen)
            known.end_session(session.end or now)
        if known.watched is not None:
            seen = max(seen, now)
        known.watched = source
        known.watch = None if source is None else Watch(seen=seen)

    def _watch(self, device_id: str) -> Watch:
        """Return how far sessions are known: those of a new meter from its cursor on."""
        known = self._journal.meters[device_id].watch
        return known or Watch(seen=self._journal.sent_until(device_id))

    async def _async_begin(self, meter: Meter, session: SessionSource) -> None:
        """Learn what an entity did since it was followed last, and follow it."""
        entity_id = async_statistic_id(self._hass, session.source)
        if entity_id is None:
            self._advance(meter.device_id, session, [self._unknown(meter.device_id)])
            return
        seen = self._watch(meter.device_id).seen
        states = await get_instance(self._hass).async_add_executor_job(
            _read_states, self._hass, entity_id, seen - MOMENT
        )
        changes = [self._change(meter.device_id, session, each) for each in states]
        self._advance(
            meter.device_id,
            session,
            [replace(each, instant=max(each.instant, seen)) for each in changes],
        )
        self._async_follow(meter.device_id, session, entity_id)

    @callback
    def _async_follow(
        self, device_id: str, session: SessionSource, entity_id: str
    ) -> None:
        """Follow an entity from its present state on."""

        @callback
        def changed(event: Event[EventStateChangedData]) -> None:
            """See what the entity does."""
            self._async_see(device_id, session, event.data["new_state"])

        @callback
        def registered(event: Event[er.EventEntityRegistryUpdatedData]) -> None:
            """Go on with the entity under another name, or without it."""
            self._stop(device_id)
            if event.data["action"] == "update":
                self._async_follow(device_id, session, event.data["entity_id"])
            else:
                self._async_see(device_id, session, None)

        self._stops[device_id] = [
            async_track_state_change_event(self._hass, entity_id, changed),
            async_track_entity_registry_updated_event(
                self._hass, entity_id, registered
            ),
        ]
        self._async_see(device_id, session, self._hass.states.get(entity_id))

    @callback
    def _async_see(
        self, device_id: str, session: SessionSource, state: State | None
    ) -> None:
        """Take in a state."""
        change = (
            self._unknown(device_id)
            if state is None
            else self._change(device_id, session, state)
        )
        self._advance(device_id, session, [change])

    def _change(self, device_id: str, session: SessionSource, state: State) -> Change:
        """Return what a state tells."""
        if state.state in _UNKNOWN:
            self._unknown_since.setdefault(device_id, state.last_changed)
            return Change(instant=state.last_changed, in_session=None)
        self._unknown_since.pop(device_id, None)
        return Change(
            instant=state.last_changed, in_session=state.state in session.states
        )

    def _unknown(self, device_id: str) -> Change:
        """Return that nobody knows now whether a meter is in session."""
        now = dt_util.utcnow()
        self._unknown_since.setdefault(device_id, now)
        return Change(instant=now, in_session=None)

    def _advance(
        self, device_id: str, session: SessionSource, changes: Sequence[Change]
    ) -> None:
        """Keep in the journal what some changes tell, and what time has brought."""
        known, before = self._journal.meters[device_id], self._watch(device_id)
        watch, ended = advance(before, changes, session.pause)
        known.watch, over = settle(watch, dt_util.utcnow(), session.pause)
        is_new = bool(ended or over) or watch.session != before.session
        sent_until = self._journal.sent_until(device_id)
        for each in [*ended, *over]:
            known.begin_session(each.start, sent_until)
            known.end_session(each.end)
            self._await_end(device_id, raised(each.end))
        if (goes_on := known.watch.session) is not None:
            known.begin_session(goes_on.start, sent_until)
            deadline = goes_on.deadline(session.pause)
            self._await_end(device_id, None if deadline is None else raised(deadline))
        if is_new:
            self._note()

    @callback
    def async_problem(self, meter: Meter, now: datetime) -> SessionProblem | None:
        """Return why nothing tells of the sessions of a meter."""
        if meter.session is None:
            return None
        if async_statistic_id(self._hass, meter.session.source) is None:
            return SessionProblem.REMOVED
        since = self._unknown_since.get(meter.device_id)
        if since is not None and now - since >= BRIDGED:
            return SessionProblem.UNAVAILABLE
        return None

    def _stop(self, device_id: str) -> None:
        """Follow the entity of a device no more."""
        for stop in self._stops.pop(device_id, ()):
            stop()

    @callback
    def async_stop(self) -> None:
        """Follow nothing any more."""
        for device_id in tuple(self._stops):
            self._stop(device_id)


def _read_states(hass: HomeAssistant, entity_id: str, start: datetime) -> list[State]:
    """Return the states of an entity since an instant, that of then included."""
    found = state_changes_during_period(
        hass, start, entity_id=entity_id, no_attributes=True
    )
    return found.get(entity_id, [])
