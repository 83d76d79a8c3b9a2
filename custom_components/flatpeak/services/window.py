"""The time that an action is about, as it is given and as it is told."""

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from math import isfinite
from typing import Any

import voluptuous as vol

from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType

from ..api import PriceSlot
from .subject import ATTR_END, ATTR_START, Subject, mistake

type Window = tuple[datetime, datetime]
"""When something begins and ends, in the time of the home."""


def read_window(
    subject: Subject, data: Mapping[str, Any], longest: timedelta | None = None
) -> Window:
    """Return the time of an action, which begins now where it names no start.

    Raise ServiceValidationError where it ends before it starts, or is too long.
    """
    start = data.get(ATTR_START, dt_util.utcnow())
    return _checked(subject, start, data[ATTR_END], longest)


def read_coming_window(
    subject: Subject,
    data: Mapping[str, Any],
    longest: timedelta,
    *,
    until: str = ATTR_END,
) -> Window:
    """Return the time of an action that looks ahead, without what has passed of it.

    Raise ServiceValidationError where all has passed, and as for any other window.
    """
    now, end = dt_util.utcnow(), dt_util.as_utc(data[until])
    if end <= now:
        raise mistake("window_in_past")
    start = max(dt_util.as_utc(data.get(ATTR_START, now)), now)
    return _checked(subject, start, end, longest)


def _checked(
    subject: Subject, start: datetime, end: datetime, longest: timedelta | None
) -> Window:
    """Return a window in the time of the home, raise where it makes no sense."""
    start, end = dt_util.as_utc(start), dt_util.as_utc(end)
    if end <= start:
        raise mistake("end_before_start")
    if longest is not None and end - start > longest:
        raise mistake("time_too_long", days=str(longest.days))
    zone = subject.coordinator.zone
    return start.astimezone(zone), end.astimezone(zone)


def length_of(window: Window) -> timedelta:
    """Return how long a window is; by its wall clocks it may seem longer or shorter."""
    start, end = window
    return dt_util.as_utc(end) - dt_util.as_utc(start)


def number(value: Any) -> float:
    """Return the finite number that a field holds, raise Invalid for anything else."""
    amount: float = vol.Coerce(float)(value)
    if not isfinite(amount):
        raise vol.Invalid("not a finite number")
    return amount


def positive(amount: float) -> float:
    """Return an amount that is above zero, raise ServiceValidationError for any other."""
    if amount <= 0:
        raise mistake("not_positive")
    return amount


def times(start: datetime, end: datetime, zone: tzinfo) -> JsonObjectType:
    """Return a stretch of time as an answer tells it."""
    return {
        "start": start.astimezone(zone).isoformat(),
        "end": end.astimezone(zone).isoformat(),
    }


def priced(slot: PriceSlot, zone: tzinfo) -> JsonObjectType:
    """Return a slot with its price as an answer tells it."""
    return {
        **times(slot.start, slot.end, zone),
        "price": slot.price,
        "confidence": slot.confidence,
    }
