"""Schedules: whatever is looked for, nothing better is to be had."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
import math
from typing import Any

from hypothesis import given, strategies as st
import pytest

from tests.simulator import Direction, Dynamic, Flat, TwoRate
from tests.simulator.clock import MINUTE
from tests.simulator.planning import best, beyond, merged, price_at
from tests.simulator.tariffs import CERTAIN, PriceSlot

from .conftest import Home
from .service import HOUR, NOON, Api, Reply

DAYS = timedelta(days=1)
# When the cheap night begins, 00:30 by the clock of London; it ends at 07:30.
CHEAP_FROM = datetime.fromisoformat("2026-06-15T23:30:00Z")


def as_slots(prices: list[tuple[int, int]]) -> list[PriceSlot]:
    """Return adjoining slots of some minutes, each with its price."""
    slots: list[PriceSlot] = []
    start = 0
    for minutes, price in prices:
        end = start + minutes * MINUTE
        slots.append(PriceSlot(start, end, Decimal(price), CERTAIN))
        start = end
    return slots


def minutes(slots: list[PriceSlot]) -> Iterator[tuple[int, Decimal]]:
    """Yield every minute with its price."""
    for slot in slots:
        for at in range(slot.start // MINUTE, slot.end // MINUTE):
            yield at, slot.price


SLOTS = st.lists(
    st.tuples(st.sampled_from([5, 15, 30, 60]), st.integers(-3, 9)), min_size=1
).map(as_slots)


@given(slots=SLOTS, share=st.floats(0, 1), dear=st.booleans())
def test_no_minutes_are_better(
    slots: list[PriceSlot], share: float, *, dear: bool
) -> None:
    """The time chosen is as long as wanted, at its own prices, and costs what the best minutes cost."""
    prices = dict(minutes(slots))
    wanted = max(1, round(len(prices) * share))
    ranked = sorted(prices.values(), reverse=dear)

    chosen = dict(minutes(best(slots, wanted * MINUTE, dear=dear)))

    assert len(chosen) == wanted
    assert chosen.items() <= prices.items()
    assert sum(chosen.values()) == sum(ranked[:wanted])


@given(slots=SLOTS, limit=st.integers(-4, 10), dear=st.booleans())
def test_everything_beyond_a_limit(
    slots: list[PriceSlot], limit: int, *, dear: bool
) -> None:
    """All time at the limit or beyond it is found, and no other."""
    found = dict(minutes(beyond(slots, Decimal(limit), dear=dear)))

    assert found == {
        at: price
        for at, price in minutes(slots)
        if (price >= limit if dear else price <= limit)
    }


@given(slots=SLOTS, share=st.floats(0, 1))
def test_neighbours_are_one(slots: list[PriceSlot], share: float) -> None:
    """Time chosen is told in as few pieces as there are, at the average of its prices."""
    chosen = best(slots, max(1, round(share * 5)) * MINUTE, dear=False)

    runs = merged(chosen)

    assert all(run.end < other.start for run, other in pairwise(runs))
    for run in runs:
        inside = [
            price for at, price in minutes(chosen) if run.start <= at * MINUTE < run.end
        ]
        assert len(inside) * MINUTE == run.end - run.start
        assert math.isclose(run.price, sum(inside) / len(inside), abs_tol=0.00001)


def test_rest_is_taken_next_to_the_others() -> None:
    """What does not need a whole slot is not torn away from what follows."""
    slots = as_slots([(60, 5), (60, 2), (60, 1)])

    (run,) = merged(best(slots, 90 * MINUTE, dear=False))

    assert (run.start, run.end) == (90 * MINUTE, 180 * MINUTE)


@pytest.mark.parametrize(("level", "price"), [("0.01", -2), ("0.505", 3), ("1", 8)])
def test_relative_price(level: str, price: int) -> None:
    """A level of 0.01 is the lowest price, 1 the highest one."""
    slots = as_slots([(60, 8), (60, -2), (60, 3)])

    assert price_at(Decimal(level), slots) == price


@pytest.fixture
def priced(api: Api, home: Home) -> Home:
    """Return a home that pays 0.1 per kWh at night and 0.3 by day."""
    account = api.simulator.account()
    tariff = TwoRate(low=Decimal("0.1"), high=Decimal("0.3"))
    account.connect(home.location_id, Direction.IMPORT, tariff)
    return home


async def ask(api: Api, home: Home, kind: str, **fields: Any) -> Reply:
    """Ask for a schedule over a day from noon on."""
    body = {
        "start_time": NOON.isoformat(),
        "end_time": (NOON + DAYS).isoformat(),
        **fields,
    }
    return await api.post(f"/schedules/{kind}/{home.location_id}", body)


def rows(reply: Reply) -> list[tuple[float, float, float]]:
    """Return the hours from and to which a price is valid."""
    return [
        (
            (datetime.fromisoformat(row["start_time"]) - NOON) / HOUR,
            (datetime.fromisoformat(row["end_time"]) - NOON) / HOUR,
            row["price"]["value"],
        )
        for row in reply.body["data"]
    ]


@pytest.mark.parametrize(
    ("segment", "duration", "expected"),
    [
        ("LOW", 90, [(11.5, 13, 0.1)]),
        ("LOW", 480, [(10.5, 18.5, 0.125)]),
        ("HIGH", 60.5, [(0, 60.5 / 60, 0.3)]),
        ("LOW", 1440, [(0, 24, 0.24167)]),
    ],
)
async def test_duration(
    api: Api,
    priced: Home,
    segment: str,
    duration: float,
    expected: list[tuple[float, float, float]],
) -> None:
    """The cheapest or dearest minutes are found, be they apart or not."""
    reply = await ask(api, priced, "duration", segment=segment, duration=duration)

    assert reply.status == 200
    assert rows(reply) == expected


async def test_schedule(api: Api, priced: Home) -> None:
    """A schedule says what it is about, in the offset of the end asked for."""
    fields = {"end_time": "2026-06-16T13:00:00+01:00", "segment": "LOW"}
    reply = await ask(api, priced, "duration", **fields, duration=420)

    assert reply.body == {
        "id": reply.body["id"],
        "object": "schedule_duration",
        "live_mode": False,
        "time_created": "2026-06-15T12:00:00Z",
        "account_id": "acc_simulator",
        "location_id": priced.location_id,
        "location_timezone": "Europe/London",
        "currency_code": "GBP",
        "tariff_direction": "IMPORT",
        "request": {
            "start_time": NOON.isoformat(),
            "segment": "LOW",
            "duration": 420,
            "end_time": "2026-06-16T13:00:00+01:00",
        },
        "data": [
            {
                "start_time": "2026-06-16T00:30:00+01:00",
                "end_time": "2026-06-16T07:30:00+01:00",
                "price": {"value": 0.1, "confidence": 1},
            }
        ],
    }


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"segment": "LOW", "absolute": 0.1}, [(11.5, 18.5, 0.1)]),
        ({"segment": "LOW", "absolute": 0.09}, []),
        ({"segment": "LOW", "relative": 0.5}, [(11.5, 18.5, 0.1)]),
        ({"segment": "LOW", "relative": 1}, [(0, 24, 0.24167)]),
        ({"segment": "LOW", "relative": 1, "absolute": 0.2}, [(11.5, 18.5, 0.1)]),
        ({"segment": "HIGH", "relative": 0.5}, [(0, 11.5, 0.3), (18.5, 24, 0.3)]),
    ],
)
async def test_limit(
    api: Api,
    priced: Home,
    fields: dict[str, Any],
    expected: list[tuple[float, float, float]],
) -> None:
    """A limit is a price or a level; the price wins."""
    reply = await ask(api, priced, "limit", **fields)

    assert rows(reply) == expected
    length = sum(end - start for start, end, _ in expected)
    assert reply.body["duration"] == 60 * length


async def plan(api: Api, home: Home, kwh: float, **fields: Any) -> Reply:
    """Ask when to use some energy at 2 kW within a day from noon on."""
    wish = {
        "device_id": home.device_id,
        "tariff_direction": "IMPORT",
        "start_time": NOON.isoformat(),
        "end_time": (NOON + DAYS).isoformat(),
        "energy": {"units": "KWH", "value": kwh},
        **fields.pop("wish", {}),
    }
    body = {"max_power": {"units": "KW", "value": 2}, "data": [wish], **fields}
    return await api.post(f"/schedules/amount/{home.location_id}", body)


def powers(reply: Reply) -> list[tuple[float, float, float]]:
    """Return the hours from and to which a power is planned."""
    (device,) = reply.body["data"]
    return [
        (
            (datetime.fromisoformat(row["start_time"]) - NOON) / HOUR,
            (datetime.fromisoformat(row["end_time"]) - NOON) / HOUR,
            row["power"]["value"],
        )
        for row in device["schedule"]
    ]


async def test_amount(api: Api, priced: Home) -> None:
    """Energy goes where it costs least; the saving is that over starting at once."""
    reply = await plan(api, priced, 7)

    assert reply.status == 200
    assert powers(reply) == [(11.5, 15, 2000)]
    assert reply.body["cost"] == {"value": 0.7, "confidence": 1}
    assert reply.body["savings"] == {"value": 1.4, "percentage": 66.66667}
    assert reply.body["data"][0]["device_id"] == priced.device_id


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"wish": {"max_power": {"units": "W", "value": "1000"}}},
            [(11.5, 18.5, 1000)],
        ),
        ({"wish": {"max_power": {"units": "KW", "value": 9}}}, [(11.5, 15, 2000)]),
        ({"shaving_threshold": {"absolute": 0.2}}, [(11.5, 15, 2000)]),
    ],
)
async def test_power_of_a_plan(
    api: Api,
    priced: Home,
    fields: dict[str, Any],
    expected: list[tuple[float, float, float]],
) -> None:
    """A device draws no more than it can, nor than the home allows, nor at other prices."""
    assert powers(await plan(api, priced, 7, **fields)) == expected


async def test_plan_of_a_sale(api: Api, home: Home) -> None:
    """Energy that is sold goes where it brings most."""
    tariff = TwoRate(low=Decimal("0.1"), high=Decimal("0.3"))
    api.simulator.account().connect(home.location_id, Direction.EXPORT, tariff)
    wish = {"tariff_direction": "EXPORT", "start_time": CHEAP_FROM.isoformat()}

    reply = await plan(api, home, 2, wish=wish)

    assert powers(reply) == [(18.5, 19.5, 2000)]
    assert reply.body["savings"] == {"value": 0.4, "percentage": 200}


async def test_plan_at_forecast_prices(api: Api, home: Home) -> None:
    """A plan is as sure as its prices; a price of nothing saves no share."""
    account = api.simulator.account()
    account.connect(home.location_id, Direction.IMPORT, Dynamic(seed=2))
    late = {
        "start_time": (NOON + 2 * DAYS).isoformat(),
        "end_time": (NOON + 3 * DAYS).isoformat(),
    }
    assert (await plan(api, home, 1, wish=late)).body["cost"]["confidence"] == 0.7

    account.connect(home.location_id, Direction.IMPORT, Flat(price=Decimal(0)))
    reply = await plan(api, home, 1)
    assert reply.body["savings"] == {"value": 0, "percentage": 0}


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("duration", {"segment": "LOW", "duration": 0}, "duration_invalid"),
        ("duration", {"segment": "LOW", "duration": 1441}, "duration_invalid"),
        ("duration", {"segment": "LOW"}, "invalid_request"),
        ("duration", {"segment": "MID", "duration": 1}, "invalid_request"),
        ("limit", {"segment": "LOW"}, "invalid_request"),
        ("limit", {"segment": "LOW", "relative": 1.1}, "invalid_request"),
        (
            "limit",
            {"segment": "LOW", "relative": 1, "end_time": "2026-06-18T12:00:01Z"},
            "end_time_invalid",
        ),
        (
            "duration",
            {"segment": "LOW", "duration": 1, "end_time": "2026-06-15T12:00:00Z"},
            "end_time_invalid",
        ),
        (
            "limit",
            {"segment": "LOW", "relative": 1, "tariff_direction": "EXPORT"},
            "no_tariff_connected",
        ),
    ],
)
async def test_schedule_that_is_refused(
    api: Api, priced: Home, kind: str, fields: dict[str, Any], code: str
) -> None:
    """What cannot be is refused."""
    reply = await ask(api, priced, kind, **fields)

    assert (reply.status, reply.code) == (422, code)


@pytest.mark.parametrize(
    ("kwh", "fields", "status"),
    [
        (48.1, {}, 422),
        (0, {}, 422),
        (15, {"shaving_threshold": {"relative": 0.5}}, 422),
        (1, {"max_power": {"units": "W", "value": 0}}, 422),
        (1, {"wish": {"device_id": "dev_x"}}, 404),
        (1, {"wish": {"end_time": "2026-06-18T12:00:01Z"}}, 422),
    ],
)
async def test_plan_that_is_refused(
    api: Api, priced: Home, kwh: float, fields: dict[str, Any], status: int
) -> None:
    """What cannot be planned is refused."""
    assert (await plan(api, priced, kwh, **fields)).status == status


async def test_plan_of_two_devices(api: Api, priced: Home) -> None:
    """The plans of several devices are not made here."""
    first = await plan(api, priced, 1)
    wish = {
        name: value
        for name, value in first.body["data"][0].items()
        if name not in ("cost", "savings", "schedule")
    }

    reply = await plan(api, priced, 1, data=[wish, wish])

    assert (reply.status, reply.code) == (422, "data_invalid")


async def test_unknown_location(api: Api, priced: Home) -> None:
    """A schedule needs a location."""
    other = Home("loc_x", priced.device_id)

    assert (await ask(api, other, "limit", segment="LOW", relative=1)).status == 404
    assert (await plan(api, other, 1)).status == 404
