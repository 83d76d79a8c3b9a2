"""History follows the truth: when the past is priced again, and what is written then."""

from collections.abc import Generator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
import logging
from math import isclose
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak import follow, report, statistics
from custom_components.flatpeak.coordinator import MONTHLY_DAYS, NIGHTLY_DAYS
from homeassistant.core import HomeAssistant

from .home import HOUR, Home
from .priced import NOW, PricedHome
from .simulator import Change, Fault
from .simulator.tariffs import Direction

DAY = timedelta(days=1)
REPORT = "POST /costs/interval/{id}"
NIGHT = datetime(2026, 11, 25, 1, 5, tzinfo=UTC)  # Five past two in Berlin.


@pytest.fixture
def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home that is not set up yet."""
    freezer.move_to(NOW)
    return PricedHome(home, freezer)


@pytest.fixture
def written() -> Generator[list[int]]:
    """Return how many rows each writing of costs needed."""
    counts: list[int] = []

    async def async_write_costs(
        hass: HomeAssistant,
        costs: Mapping[statistics.CostStatistic, Mapping[datetime, float]],
    ) -> int:
        """Count what is written."""
        counts.append(await statistics.async_write_costs(hass, costs))
        return counts[-1]

    with patch.object(follow, "async_write_costs", async_write_costs):
        yield counts


def settle(
    priced: PricedHome, start: datetime, end: datetime, direction: Direction
) -> None:
    """Let Flatpeak settle the prices of a time a tenth higher."""
    priced.simulator.account().settle(
        priced.location_id, direction, start, end, Change(multiply=Decimal("1.1"))
    )


async def test_a_cycle_without_change_writes_nothing(
    priced: PricedHome, written: list[int]
) -> None:
    """Only what is new is written: one row for a new hour, none without one."""
    await priced.async_begin()
    assert await priced.async_is_true()
    assert await priced.async_is_true(Direction.EXPORT)

    written.clear()
    await priced.async_cycle()
    assert written == []

    await priced.async_use()
    await priced.async_cycle()
    assert written == [2]
    assert await priced.async_is_true()


async def test_late_settlement_of_the_last_weeks(
    priced: PricedHome, written: list[int]
) -> None:
    """The night's pass finds it, writes the hours of its day, and only once."""
    await priced.async_begin(hours=24 * 30)
    first = (NOW - 20 * DAY).replace(minute=0)
    # The month is looked at in every cycle, what lies before it at night.
    early = datetime(2026, 10, 28, 10, tzinfo=UTC)
    before = await priced.async_costs()
    settle(priced, early, early + 5 * HOUR, Direction.IMPORT)
    written.clear()
    await priced.async_cycle()
    assert sum(written) == 0

    priced.move_to(NIGHT - 10 * timedelta(minutes=1))
    await priced.async_cycle()
    assert sum(written) == 0
    priced.move_to(NIGHT)
    await priced.async_cycle()
    day = datetime(2026, 10, 27, 23, tzinfo=UTC)
    assert 5 <= sum(written) <= DAY / HOUR
    assert await priced.async_is_true()
    after = await priced.async_costs()
    assert {hour for hour in after if after[hour] != before[hour]} >= {early}
    for hour in before:
        if not day <= hour < day + DAY:
            assert isclose(after[hour], before[hour], abs_tol=1e-9)

    settle(priced, first, first + HOUR, Direction.EXPORT)
    written.clear()
    await priced.async_cycle()
    assert sum(written) > 0
    assert await priced.async_is_true(Direction.EXPORT)
    written.clear()
    await priced.async_cycle()
    assert sum(written) == 0


async def test_how_far_back_prices_are_looked_at(
    priced: PricedHome, written: list[int]
) -> None:
    """Every cycle this month, once a night five weeks, once a month thirteen months."""
    await priced.async_begin()
    coordinator = priced.entry.runtime_data
    assert coordinator.journal.repriced_on == date(2026, 11, 24)

    async def days_back(now: datetime) -> int:
        """Return how far back a cycle goes, in days."""
        priced.move_to(now)
        with patch.object(
            report.Reporter,
            "async_price",
            autospec=True,
            side_effect=report.Reporter.async_price,
        ) as price:
            await priced.async_cycle()
        (call,) = price.call_args_list
        start: datetime = call.args[1]
        today: datetime = coordinator.day_start(now)
        return (today.date() - start.date()).days

    assert await days_back(NOW) == 23
    assert await days_back(datetime(2026, 11, 25, 0, 59, tzinfo=UTC)) == 24
    assert await days_back(NIGHT) == NIGHTLY_DAYS
    assert await days_back(NIGHT + HOUR) == 24
    assert await days_back(datetime(2026, 12, 1, 0, 5, tzinfo=UTC)) == 3
    assert await days_back(datetime(2026, 12, 1, 9, 5, tzinfo=UTC)) == MONTHLY_DAYS
    assert await days_back(datetime(2026, 12, 1, 10, 5, tzinfo=UTC)) == 3
    assert await days_back(datetime(2026, 12, 2, 9, 5, tzinfo=UTC)) == NIGHTLY_DAYS

    await priced.hass.config_entries.async_reload(priced.entry.entry_id)
    await priced.home.async_settle()
    coordinator = priced.entry.runtime_data
    assert coordinator.journal.repriced_on == date(2026, 12, 2)
    assert await days_back(datetime(2026, 12, 2, 10, 5, tzinfo=UTC)) == 3


@pytest.fixture
def no_debug_log() -> Generator[None]:
    """Leave out of the log what would take longer than all the rest."""
    logging.disable(logging.DEBUG)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(400)
async def test_late_settlement_of_the_last_year(
    priced: PricedHome, written: list[int], no_debug_log: None
) -> None:
    """The month's pass reaches back thirteen months, to the very first hour of them."""
    await priced.async_begin(hours=24 * 400, sells=False, history="everything")
    assert await priced.async_is_true()
    # The pass of December begins at the local midnight of the thirty-first of October.
    oldest = datetime(2025, 10, 30, 23, tzinfo=UTC)
    settle(priced, oldest, oldest + HOUR, Direction.IMPORT)
    eleven_months = datetime(2026, 1, 7, 23, tzinfo=UTC)
    settle(priced, eleven_months, eleven_months + DAY, Direction.IMPORT)
    priced.move_to(datetime(2026, 12, 1, 1, 5, tzinfo=UTC))
    written.clear()
    await priced.async_cycle()
    assert 0 < sum(written) <= 2 * DAY / HOUR
    assert await priced.async_is_true()
    written.clear()

    before = await priced.async_costs()
    settle(priced, oldest - HOUR, oldest, Direction.IMPORT)
    priced.entry.runtime_data.journal.repriced_on = date(2026, 11, 30)
    await priced.async_cycle()
    assert sum(written) == 0
    assert await priced.async_costs() == before


async def test_gap_of_three_weeks(priced: PricedHome) -> None:
    """The energy of a gap is priced over the gap, and sums go on."""
    await priced.async_begin()
    before = await priced.home.async_rows(priced.meter().cost_statistic_id)
    priced.tick(21 * DAY)
    await priced.async_cycle()
    await priced.async_use(3)
    await priced.async_cycle()

    rows = await priced.home.async_rows(priced.meter().cost_statistic_id)
    assert rows[: len(before) - 1] == before[:-1]
    assert await priced.async_is_true()
    total = 0.0
    for row in rows:
        total += row["state"]
        assert isclose(row["sum"], total, rel_tol=1e-9, abs_tol=1e-9)


async def test_flatpeak_away_for_three_weeks(priced: PricedHome) -> None:
    """What was used meanwhile is priced as soon as it is uploaded, however old."""
    await priced.async_begin()
    priced.simulator.faults.random(1, {Fault.SERVER_ERROR: 1.0})
    for _ in range(7):
        await priced.async_use(72)
        await priced.async_cycle()
    assert priced.state("tariff_status") == "unavailable"
    assert int(priced.state("records_waiting")) == 2 * 21 * 24

    priced.simulator.faults.clear()
    await priced.async_cycle()

    assert priced.state("records_waiting") == "0"
    assert await priced.async_is_true()
    assert await priced.async_is_true(Direction.EXPORT)
    assert len(await priced.async_costs()) == 72 + 21 * 24


async def test_a_day_that_is_priced_late(priced: PricedHome) -> None:
    """Hours that Flatpeak has not priced are absent, not zero, and follow later."""
    await priced.async_begin(hours=1, history="none")
    meter = priced.meter()
    await priced.async_use(12)
    unpriced: dict[str, Any] = {
        "object": "energy_cost",
        "id": "ecs_1",
        "object_id": meter.device_id,
        "tariff_direction": "IMPORT",
        "location_timezone": "Europe/Berlin",
        "currency_code": "EUR",
        "energy_units": "WH",
        "data": [],
    }
    priced.simulator.faults.next(REPORT, Fault.answer(200, unpriced))
    await priced.async_cycle()
    assert await priced.async_costs() == {}
    assert priced.state("cost_today", Direction.IMPORT) == "unknown"

    await priced.async_cycle()
    assert len(await priced.async_costs()) == 12
    assert await priced.async_is_true()


@pytest.mark.parametrize(
    ("zone", "now"),
    [
        ("Europe/Berlin", datetime(2026, 3, 30, 12, 30, tzinfo=UTC)),
        ("Europe/Berlin", datetime(2026, 10, 26, 12, 30, tzinfo=UTC)),
        ("Europe/London", datetime(2026, 3, 30, 12, 30, tzinfo=UTC)),
        ("Europe/London", datetime(2026, 10, 26, 12, 30, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 4, 6, 4, 30, tzinfo=UTC)),
        ("Australia/Lord_Howe", datetime(2026, 10, 5, 4, 30, tzinfo=UTC)),
        ("Asia/Kolkata", datetime(2026, 11, 24, 12, 30, tzinfo=UTC)),
    ],
)
async def test_days_of_every_length(
    priced: PricedHome, zone: str, now: datetime
) -> None:
    """Days of 23 to 25 hours add up, also where midnight lies inside an hour."""
    priced.simulator.account().time_zone = ZoneInfo(zone)
    await priced.async_begin(now=now, hours=60)
    assert await priced.async_is_true()
    assert await priced.async_is_true(Direction.EXPORT)

    start = now.replace(minute=0) - 30 * HOUR
    settle(priced, start, start + 7 * HOUR, Direction.IMPORT)
    await priced.async_use(2)
    await priced.async_cycle()
    assert await priced.async_is_true()
    assert len(await priced.async_costs()) == 62
    assert priced.simulator.violations.total == 0


async def test_an_hour_in_two_days_is_split(priced: PricedHome) -> None:
    """Each day's share of the hour around midnight is that day's own cost."""
    account = priced.simulator.account()
    account.time_zone = ZoneInfo("Asia/Kolkata")
    await priced.async_begin(hours=60)
    meter = priced.meter()
    truth = priced.simulator.truth(meter.device_id)
    costs = await priced.async_costs()
    # Midnight in India is at half past six in the evening, UTC.
    border = datetime(2026, 11, 23, 18, 30, tzinfo=UTC)
    middle = border - timedelta(minutes=30)
    today = [day for day in truth.days() if day.start == border]
    assert len(today) == 1
    after = sum(cost for hour, cost in costs.items() if hour > middle)
    both = after + costs[middle]
    exact = float(today[0].reported_cost)
    assert after < exact < both or both < exact < after
    assert len(costs) == 60


async def test_a_whole_week(priced: PricedHome, snapshot: Any) -> None:
    """A week of hours, with the clock change, is the same as ever."""
    await priced.async_begin(
        now=datetime(2026, 10, 28, 12, 30, tzinfo=UTC), hours=7 * 24
    )
    for direction in (Direction.IMPORT, Direction.EXPORT):
        rows = await priced.home.async_rows(priced.meter(direction).cost_statistic_id)
        assert [
            (
                datetime.fromtimestamp(row["start"], UTC).isoformat(),
                round(row["state"], 9),
                round(row["sum"], 9),
            )
            for row in rows
        ] == snapshot(name=direction)


async def test_a_pass_that_was_cut_off(priced: PricedHome) -> None:
    """Energy that is accepted is priced after a crash, also what is older."""
    await priced.async_begin()
    coordinator = priced.entry.runtime_data
    await priced.async_use(24 * 8)
    priced.move_to(datetime(2026, 12, 9, 12, 30, tzinfo=UTC))
    with patch.object(report.Reporter, "async_price", side_effect=RuntimeError):
        await coordinator.async_refresh()
    await priced.hass.config_entries.async_reload(priced.entry.entry_id)
    await priced.home.async_settle()

    assert await priced.async_is_true()
    assert len(await priced.async_costs()) == 72 + 24 * 8
