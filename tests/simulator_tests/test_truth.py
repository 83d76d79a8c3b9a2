"""The truth: what records hold and cost, whatever reports say of it."""

from datetime import timedelta
from decimal import Decimal
import math
from zoneinfo import ZoneInfo

import pytest

from tests.simulator import Direction, Dynamic, Flat
from tests.simulator.errors import ApiError

from .conftest import Home
from .service import HOUR, NOON, Api, Clock, record, running

THIRD = Decimal("0.33333")


async def test_hours_are_exact(api: Api, home: Home) -> None:
    """An hour has its part of every record, and a cost that nobody rounded."""
    account = api.simulator.account()
    account.connect(home.location_id, Direction.IMPORT, Flat(price=THIRD))
    await api.submit(
        record(*home, NOON, length=HOUR / 2, value=0.1),
        record(*home, NOON + HOUR / 2, length=HOUR, value=0.2),
    )

    first, second = api.simulator.truth(home.device_id).hours()

    assert (first.start, first.end) == (NOON, NOON + HOUR)
    assert (first.energy, second.energy) == (0.2, 0.1)
    assert first.cost == Decimal("0.000066666")
    assert first.reported_cost == Decimal("0.00007")
    assert first.confidence == 1


async def test_hours_of_a_window(api: Api, home: Home) -> None:
    """A window may be open on either side; hours without records are left out."""
    account = api.simulator.account()
    account.connect(home.location_id, Direction.IMPORT, Flat(price=THIRD))
    await api.submit(*(record(*home, NOON + hour * HOUR) for hour in (0, 1, 4)))
    truth = api.simulator.truth(home.device_id)

    def starts(**window: object) -> list[float]:
        """Return the hours after noon."""
        return [(hour.start - NOON) / HOUR for hour in truth.hours(**window)]  # type: ignore[arg-type]  # start, end

    assert starts() == [0, 1, 4]
    assert starts(start=NOON + HOUR) == [1, 4]
    assert starts(end=NOON + 2 * HOUR) == [0, 1]
    assert starts(start=NOON + 9 * HOUR) == []


async def test_days_equal_reports(socket_enabled: None, clock: Clock) -> None:
    """Days are those of a report, to the last digit, standing charge included; hours make up the rest."""
    berlin = ZoneInfo("Europe/Berlin")
    async with running(
        clock, time_zone=berlin, currency="EUR", first_tariff=Dynamic(seed=5)
    ) as api:
        home = Home(await api.make_location(), await api.make_device())
        api.simulator.account().standing_charges[home.device_id] = Decimal("0.4")
        start = NOON.replace(month=3, day=20)
        await api.submit(
            *(
                record(*home, start + hour * HOUR, value=700 + 0.1 * hour)
                for hour in range(20 * 24)
            )
        )
        truth = api.simulator.truth(home.device_id)
        report = await api.report(
            home.device_id, "2026-03-19T23:00:00Z", "2026-04-09T22:00:00Z"
        )

    days = truth.days()
    assert [
        (row["energy"]["value"], row["cost"]["value"]) for row in report.body["data"]
    ] == [(day.energy, float(day.reported_cost)) for day in days]
    assert [day.start.astimezone(berlin).hour for day in days] == [0] * 21
    hours = sum((hour.cost for hour in truth.hours()), Decimal(0))
    assert math.isclose(
        hours + 21 * Decimal("0.4"), sum(day.cost for day in days), rel_tol=1e-12
    )


async def test_records_need_no_tariff(api: Api, home: Home) -> None:
    """Energy is known without prices; cost is not."""
    await api.submit(record(*home, value=5), record(*home, NOON - 24 * HOUR, value=6))
    truth = api.simulator.truth(home.device_id)

    assert [(item.start, item.energy) for item in truth.records()] == [
        (NOON - 24 * HOUR, 6),
        (NOON - 12 * HOUR, 5),
    ]
    with pytest.raises(ApiError, match="No tariff"):
        truth.hours()


async def test_truth_of_nothing(api: Api, home: Home) -> None:
    """Without records there is nothing; without an object there is no truth."""
    truth = api.simulator.truth(home.device_id)

    assert truth.records() == truth.hours() == truth.days() == []
    with pytest.raises(ApiError, match="Not Found"):
        api.simulator.truth("dev_x")


async def test_truth_sees_what_is_processed(api: Api, home: Home, clock: Clock) -> None:
    """The truth goes with the clock, without any request."""
    api.simulator.settings.processing_delay = 60
    await api.submit(record(*home))
    assert api.simulator.truth(home.device_id).records() == []

    clock.now += timedelta(seconds=60)
    assert len(api.simulator.truth(home.device_id).records()) == 1


async def test_reset(api: Api, home: Home) -> None:
    """A reset leaves the login and nothing else."""
    api.simulator.account().standing_charges[home.device_id] = Decimal(1)
    await api.submit(record(*home, units="MWH"), record(*home))
    api.simulator.violations.counts["overlap"] = 1  # type: ignore[index]  # any kind will do
    api.simulator.reset()

    account = api.simulator.account()
    assert not list(account.locations)
    assert account.standing_charges == {}
    assert account.meters.counts == {}
    assert api.simulator.violations.total == 0
    assert api.simulator.requests.counts == {}
    assert (await api.get("/devices")).body["data"] == []
