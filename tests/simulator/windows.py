"""The window and the direction that reports and price requests ask for."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from .call import Call
from .clock import Span, to_instant
from .errors import refused
from .tariffs import Direction


class Window(NamedTuple):
    """A stretch of time and the offset that the answer's stamps are written in."""

    span: Span
    offset: tzinfo


def parse_time(text: str) -> datetime:
    """Read an RFC 3339 time; refuse the few that pass its grammar and are none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise refused("invalid_request", f"{text} is not a time.") from error


def read_window(call: Call, longest: timedelta) -> Window:
    """Return the window of a body; without a start it begins now."""
    return read_times(call.body, call.now, longest)


def read_times(raw: dict[str, Any], now: datetime, longest: timedelta) -> Window:
    """Return the window that an object names; without a start it begins now."""
    end = parse_time(raw["end_time"])
    start = parse_time(raw["start_time"]) if "start_time" in raw else now
    if end <= start:
        raise refused("end_time_invalid", "end_time must be after start_time.")
    if end - start > longest:
        raise refused(
            "end_time_invalid", f"The window must not exceed {longest.days} days."
        )
    return Window(Span(to_instant(start), to_instant(end)), end.tzinfo or UTC)


def read_direction(call: Call) -> Direction:
    """Return the direction of body or query; refuse when they disagree."""
    asked = {
        source["tariff_direction"]
        for source in (call.body, call.query)
        if "tariff_direction" in source
    }
    if len(asked) > 1:
        raise refused(
            "tariff_direction_invalid", "Body and query name different directions."
        )
    return Direction(asked.pop() if asked else Direction.IMPORT)
