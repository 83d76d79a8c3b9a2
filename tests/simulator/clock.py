"""Time as the simulator counts it: whole microseconds since 1970, in UTC."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, NamedTuple

type Clock = Callable[[], datetime]
type Instant = int

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Span(NamedTuple):
    """A stretch of time, the end not included."""

    start: Instant
    end: Instant


def utc_now() -> datetime:
    """Return the machine's time; read at every call, so that it can be frozen."""
    return datetime.now(UTC)


def to_instant(moment: datetime) -> Instant:
    """Turn an aware datetime into an instant."""
    return (moment - _EPOCH) // _MICROSECOND


def to_datetime(instant: Instant, zone: tzinfo = UTC) -> datetime:
    """Turn an instant into a datetime of a zone."""
    return (_EPOCH + timedelta(microseconds=instant)).astimezone(zone)


def to_text(instant: Instant, zone: tzinfo = UTC) -> str:
    """Write an instant in RFC 3339; UTC is written as Z."""
    return to_datetime(instant, zone).isoformat().replace("+00:00", "Z")


def local_instant(day: date, at: time, zone: tzinfo) -> Instant:
    """Return the instant of a wall clock time; the first one where there are two."""
    return to_instant(datetime.combine(day, at, zone))


def local_date(instant: Instant, zone: tzinfo) -> date:
    """Return the local day an instant lies in."""
    return to_datetime(instant, zone).date()


def local_days(span: Span, zone: tzinfo) -> Iterator[Span]:
    """Yield the whole local days that a span touches; they last 23 to 25 hours."""
    day = local_date(span.start, zone)
    start = local_instant(day, time.min, zone)
    while start < span.end:
        day += timedelta(days=1)
        end = local_instant(day, time.min, zone)
        yield Span(start, end)
        start = end


def local_months(span: Span, zone: tzinfo) -> Iterator[Span]:
    """Yield the whole local months that a span touches."""
    first = local_date(span.start, zone).replace(day=1)
    start = local_instant(first, time.min, zone)
    while start < span.end:
        first = (first + timedelta(days=31)).replace(day=1)
        end = local_instant(first, time.min, zone)
        yield Span(start, end)
        start = end


def clip(span: Span, window: Span) -> Span:
    """Cut a span to a window that it touches."""
    return Span(max(span.start, window.start), min(span.end, window.end))
