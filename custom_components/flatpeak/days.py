"""Local days of a home: pure. A day may have 23 to 25 hours."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from typing import Final

DAY: Final = timedelta(days=1)


def midnight(instant: datetime, zone: tzinfo) -> datetime:
    """Return when the local day of an instant began."""
    local = instant.astimezone(zone)
    return datetime.combine(local.date(), time(), zone)


def days_later(start: datetime, days: int) -> datetime:
    """Return the local midnight a number of days after a local midnight."""
    return datetime.combine(start.date() + days * DAY, time(), start.tzinfo)


def windows(
    start: datetime, end: datetime, days: int
) -> Iterator[tuple[datetime, datetime]]:
    """Yield windows of so many days from a local midnight on, the last one cut short.

    All instants have the zone of the start. They are compared in UTC: local times that
    come twice do not tell which is the earlier one.
    """
    end = end.astimezone(start.tzinfo)
    while _in_utc(start) < _in_utc(end):
        following = days_later(start, days)
        yield start, min(following, end, key=_in_utc)
        start = following


def _in_utc(instant: datetime) -> datetime:
    """Return an instant in UTC."""
    return instant.astimezone(UTC)


def with_offset_of(other: datetime, instant: datetime) -> datetime:
    """Return an instant with the UTC offset of another one.

    Flatpeak asks not to mix offsets (flatpeak-api.md, section 1), which a window
    over a clock change would do.
    """
    return instant.astimezone(timezone(other.utcoffset() or timedelta()))
