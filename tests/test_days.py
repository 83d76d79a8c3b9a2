"""Local days: where they begin, and windows of them."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import example, given, strategies as st
import pytest

from custom_components.flatpeak.days import (
    days_later,
    midnight,
    windows,
    with_offset_of,
)

BERLIN = ZoneInfo("Europe/Berlin")
# The clock is turned back at one: midnight comes twice.
HAVANA = ZoneInfo("America/Havana")
ZONES = st.sampled_from(
    [
        BERLIN,
        ZoneInfo("Europe/London"),
        ZoneInfo("Australia/Lord_Howe"),
        ZoneInfo("Asia/Kolkata"),
        ZoneInfo("Asia/Kathmandu"),
        ZoneInfo("America/St_Johns"),
        HAVANA,
    ]
)
INSTANTS = st.datetimes(
    datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)
)


@given(zone=ZONES, instant=INSTANTS)
def test_a_day_begins_at_its_midnight(zone: ZoneInfo, instant: datetime) -> None:
    """Its midnight is the last one before an instant, less than 25 hours and a bit ago."""
    day = midnight(instant, zone)
    assert (day.hour, day.minute, day.second, day.microsecond) == (0, 0, 0, 0)
    assert day.date() == instant.astimezone(zone).date()
    assert day.astimezone(UTC) <= instant < days_later(day, 1).astimezone(UTC)


@pytest.mark.parametrize(
    ("day", "hours"),
    [
        (datetime(2026, 3, 29, tzinfo=BERLIN), 23),
        (datetime(2026, 3, 30, tzinfo=BERLIN), 24),
        (datetime(2026, 10, 25, tzinfo=BERLIN), 25),
        (datetime(2026, 10, 4, tzinfo=ZoneInfo("Australia/Lord_Howe")), 23.5),
    ],
)
def test_days_have_23_to_25_hours(day: datetime, hours: float) -> None:
    """The next day begins at midnight, however long that takes."""
    following = days_later(day, 1)
    assert following.astimezone(UTC) - day.astimezone(UTC) == timedelta(hours=hours)
    assert days_later(following, -1) == day


@example(
    zone=HAVANA,
    instant=datetime(2026, 11, 1, 4, tzinfo=UTC),
    length=timedelta(hours=1),
    days=1,
)
@given(
    zone=ZONES,
    instant=INSTANTS,
    length=st.timedeltas(timedelta(0), timedelta(days=800)),
    days=st.integers(1, 400),
)
def test_windows_follow_each_other(
    zone: ZoneInfo, instant: datetime, length: timedelta, days: int
) -> None:
    """They fill the time from end to end, none is too long, none begins within a day."""
    start, end = midnight(instant, zone), instant + length
    found = list(windows(start, end, days))
    if end <= start:
        assert found == []
        return
    assert found[0][0] == start
    # An hour that comes twice never equals the same instant of another zone.
    assert found[-1][1].astimezone(UTC) == end
    assert all(before[1] == after[0] for before, after in pairwise(found))
    for low, high in found:
        assert midnight(low, zone) == low
        assert low.astimezone(UTC) < high.astimezone(UTC)
        assert high.astimezone(UTC) <= days_later(low, days).astimezone(UTC)


def test_one_offset_for_both_ends() -> None:
    """The instant is the same, told in the offset of the other one."""
    summer = datetime(2026, 10, 24, tzinfo=BERLIN)
    winter = datetime(2026, 10, 27, tzinfo=BERLIN)
    assert with_offset_of(winter, summer) == summer
    assert with_offset_of(winter, summer).isoformat() == "2026-10-23T23:00:00+01:00"
