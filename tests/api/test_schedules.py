"""When energy is best used: what is asked for, and what is read of the answers."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.flatpeak.api import (
    ChargingPlan,
    FlatpeakClient,
    FlatpeakResponseError,
    PowerSlot,
    PriceSlot,
    Schedule,
    Segment,
    TariffDirection,
)

from .service import Answer, Service
from .test_models import PLAN, SCHEDULE

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2025, 3, 29, tzinfo=BERLIN)
# The clocks go forward in between: 71 hours.
END = datetime(2025, 4, 1, tzinfo=BERLIN)
WINDOW = {
    "start_time": "2025-03-29T00:00:00+01:00",
    "end_time": "2025-04-01T00:00:00+02:00",
}

type Ask = Callable[
    [FlatpeakClient, datetime, datetime], Coroutine[Any, Any, Schedule | ChargingPlan]
]


def by_duration(
    client: FlatpeakClient, start: datetime, end: datetime
) -> Coroutine[Any, Any, Schedule]:
    """Ask for the cheapest 90 minutes."""
    return client.find_windows_by_duration(
        "loc_1",
        start,
        end,
        TariffDirection.IMPORT,
        segment=Segment.LOW,
        duration=timedelta(minutes=90),
    )


def by_limit(
    client: FlatpeakClient, start: datetime, end: datetime
) -> Coroutine[Any, Any, Schedule]:
    """Ask for the dear times."""
    return client.find_windows_by_limit(
        "loc_1",
        start,
        end,
        TariffDirection.EXPORT,
        segment=Segment.HIGH,
        absolute=0.2,
    )


def by_amount(
    client: FlatpeakClient, start: datetime, end: datetime
) -> Coroutine[Any, Any, ChargingPlan]:
    """Ask when to charge 10 kWh."""
    return client.plan_amount(
        "loc_1",
        "dev_1",
        start,
        end,
        TariffDirection.IMPORT,
        energy_wh=10_000,
        max_power_w=3700,
    )


ASK: dict[str, tuple[Ask, str, dict[str, Any]]] = {
    "duration": (by_duration, "/schedules/duration/loc_1", SCHEDULE),
    "limit": (by_limit, "/schedules/limit/loc_1", SCHEDULE),
    "amount": (by_amount, "/schedules/amount/loc_1", PLAN),
}


async def test_find_windows_by_duration(
    client: FlatpeakClient, service: Service
) -> None:
    """A duration is asked for in minutes; the times found are read in their order."""
    service.answer("/schedules/duration/loc_1", Answer(body=SCHEDULE))

    schedule = await by_duration(client, START, END)

    request = service.received[-1]
    assert (request.method, request.query) == ("POST", {})
    assert request.json == {
        **WINDOW,
        "segment": "LOW",
        "duration": 90,
        "tariff_direction": "IMPORT",
    }
    assert schedule == Schedule(
        location_id="loc_1",
        currency="EUR",
        slots=(
            PriceSlot(
                start=datetime(2025, 3, 29, 1, tzinfo=UTC),
                end=datetime(2025, 3, 29, 1, 30, tzinfo=UTC),
                price=0.2,
                confidence=1,
            ),
            PriceSlot(
                start=datetime(2025, 3, 30, 2, tzinfo=UTC),
                end=datetime(2025, 3, 30, 3, 30, tzinfo=UTC),
                price=0.21,
                confidence=0.9,
            ),
        ),
    )


@pytest.mark.parametrize(
    "limit", [{"absolute": 0.0}, {"relative": 0.25}, {"absolute": -0.1, "relative": 1}]
)
async def test_find_windows_by_limit(
    client: FlatpeakClient, service: Service, limit: dict[str, float]
) -> None:
    """A limit is a price, or a level between the lowest and the highest one."""
    service.answer("/schedules/limit/loc_1", Answer(body=SCHEDULE))

    schedule = await client.find_windows_by_limit(
        "loc_1", START, END, TariffDirection.EXPORT, segment=Segment.HIGH, **limit
    )

    assert service.received[-1].json == {
        **WINDOW,
        "segment": "HIGH",
        "tariff_direction": "EXPORT",
        **limit,
    }
    assert [slot.price for slot in schedule.slots] == [0.2, 0.21]


async def test_plan_amount(client: FlatpeakClient, service: Service) -> None:
    """A plan is made for one device; what it says of others is left alone."""
    service.answer("/schedules/amount/loc_1", Answer(body=PLAN))

    plan = await by_amount(client, START, END)

    assert service.received[-1].json == {
        "max_power": {"units": "W", "value": 3700},
        "data": [
            {
                **WINDOW,
                "device_id": "dev_1",
                "tariff_direction": "IMPORT",
                "max_power": {"units": "W", "value": 3700},
                "energy": {"units": "WH", "value": 10_000},
            }
        ],
    }
    assert plan == ChargingPlan(
        location_id="loc_1",
        currency="EUR",
        cost=2.5,
        confidence=0.8,
        saving=0.5,
        saving_percentage=16.7,
        slots=(
            PowerSlot(
                start=datetime(2025, 3, 29, 1, tzinfo=UTC),
                end=datetime(2025, 3, 29, 2, tzinfo=UTC),
                power_w=3700,
            ),
            PowerSlot(
                start=datetime(2025, 3, 30, 2, tzinfo=UTC),
                end=datetime(2025, 3, 30, 3, tzinfo=UTC),
                power_w=11_000,
            ),
        ),
    )


@pytest.mark.parametrize("kind", ASK)
async def test_schedule_of_another_location(
    client: FlatpeakClient, service: Service, kind: str
) -> None:
    """A schedule of another location is not taken for the one asked for."""
    ask, path, body = ASK[kind]
    service.answer(path, Answer(body=body | {"location_id": "loc_2"}))

    with pytest.raises(FlatpeakResponseError):
        await ask(client, START, END)


@pytest.mark.parametrize("kind", ASK)
@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START, END.astimezone(UTC) + timedelta(hours=1, seconds=1)),
        (END, START),
        (START, START),
        (START, END.replace(tzinfo=None)),
    ],
)
async def test_schedule_window(
    client: FlatpeakClient, service: Service, kind: str, start: datetime, end: datetime
) -> None:
    """A window that Flatpeak does not allow is not asked for."""
    ask, _, _ = ASK[kind]

    with pytest.raises(ValueError, match="window"):
        await ask(client, start, end)

    assert service.received == []


@pytest.mark.parametrize("kind", ASK)
async def test_longest_schedule_window(
    client: FlatpeakClient, service: Service, kind: str
) -> None:
    """3 days of 24 hours are allowed."""
    ask, path, body = ASK[kind]
    service.answer(path, Answer(body=body))

    await ask(client, START, END.astimezone(UTC) + timedelta(hours=1))

    assert len(service.asked(path)) == 1
