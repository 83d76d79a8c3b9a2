"""Instants and the local calendar."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from tests.simulator.clock import (
    HOUR,
    MINUTE,
    Span,
    clip,
    local_days,
    local_months,
    to_datetime,
    to_instant,
    to_text,
)

ZONES = [
    "Europe/London",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/New_York",
    # Its clocks change at midnight: a day may begin at 01:00 or have midnight twice.
    "America/Havana",
    "UTC",
]


def span_of(start: str, end: str, zone: str) -> Span:
    """Return the span between two local times."""
    return Span(
        *(
            to_instant(datetime.fromisoformat(time).replace(tzinfo=ZoneInfo(zone)))
            for time in (start, end)
        )
    )


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1900, 1, 1)))
def test_instants_are_exact(moment: datetime) -> None:
    """No microsecond is lost between a datetime and an instant."""
    assert to_datetime(to_instant(moment)) == moment


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (UTC, "2026-06-15T12:00:00Z"),
        (timezone(timedelta(0)), "2026-06-15T12:00:00Z"),
        (timezone(timedelta(hours=5, minutes=30)), "2026-06-15T17:30:00+05:30"),
        (ZoneInfo("Europe/Berlin"), "2026-06-15T14:00:00+02:00"),
    ],
)
def test_stamps_have_the_offset_asked_for(zone: timezone, text: str) -> None:
    """UTC is written as Z."""
    assert to_text(to_instant(datetime(2026, 6, 15, 12, tzinfo=UTC)), zone) == text


@pytest.mark.parametrize(
    ("zone", "day", "minutes"),
    [
        ("Europe/London", "2026-03-29", 23 * 60),
        ("Europe/London", "2026-10-25", 25 * 60),
        ("Europe/Berlin", "2026-03-29", 23 * 60),
        ("Europe/Berlin", "2026-10-25", 25 * 60),
        ("Australia/Lord_Howe", "2026-10-04", 23 * 60 + 30),
        ("Australia/Lord_Howe", "2026-04-05", 24 * 60 + 30),
        ("Asia/Kolkata", "2026-03-29", 24 * 60),
        ("America/Havana", "2026-03-08", 23 * 60),
        ("America/Havana", "2026-11-01", 25 * 60),
    ],
)
def test_length_of_a_day(zone: str, day: str, minutes: int) -> None:
    """A day on which the clocks change is shorter or longer."""
    noon = span_of(f"{day}T12:00", f"{day}T12:01", zone)

    (whole,) = local_days(noon, ZoneInfo(zone))

    assert whole.end - whole.start == minutes * MINUTE
    assert to_datetime(whole.start, ZoneInfo(zone)).date().isoformat() == day


@given(
    st.sampled_from(ZONES),
    st.integers(0, 800 * 24 * 4).map(lambda quarter: quarter * 15 * MINUTE),
    st.integers(1, 200 * 24 * 4).map(lambda quarter: quarter * 15 * MINUTE),
)
def test_days_and_months_follow_one_another(
    name: str, offset: int, length: int
) -> None:
    """Local days and months cover a span without a gap and begin at local midnights."""
    zone = ZoneInfo(name)
    start = to_instant(datetime(2025, 1, 1, tzinfo=UTC)) + offset
    window = Span(start, start + length)

    for periods in (list(local_days(window, zone)), list(local_months(window, zone))):
        assert periods[0].start <= window.start < periods[0].end
        assert periods[-1].start < window.end <= periods[-1].end
        for before, after in pairwise(periods):
            assert before.end == after.start
            assert before.end - before.start >= 22 * HOUR
        for period in periods:
            last = to_datetime(period.start - 1, zone)
            assert to_datetime(period.start, zone).date() > last.date()


def test_months() -> None:
    """A month's end is the next one's start, also at the turn of the year."""
    window = span_of("2025-12-15T00:00", "2026-02-01T00:00", "Europe/Berlin")

    assert list(local_months(window, ZoneInfo("Europe/Berlin"))) == [
        span_of("2025-12-01T00:00", "2026-01-01T00:00", "Europe/Berlin"),
        span_of("2026-01-01T00:00", "2026-02-01T00:00", "Europe/Berlin"),
    ]


def test_clip() -> None:
    """A span is cut at both ends of a window."""
    assert clip(Span(0, 10), Span(2, 5)) == (2, 5)
    assert clip(Span(3, 4), Span(2, 5)) == (3, 4)
