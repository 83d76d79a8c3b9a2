"""Events: what has happened to a location, for those who ask."""

from typing import Any

from .call import Answer, Call
from .directory import list_objects
from .objects import Event


def list_events(call: Call) -> Answer:
    """List the events of the last 90 days, newest first."""
    return list_objects(call, "/events", call.account.events, _event)


def _event(call: Call, event: Event) -> dict[str, Any]:
    """Return an event as JSON."""
    return {
        "id": event.id,
        "object": "event",
        "type": event.event_type,
        "time_created": event.time_created,
        "data": event.data,
    }
