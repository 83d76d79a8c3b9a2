"""Sessions: their records are told apart, priced one by one, and known to the truth."""

from datetime import UTC, timedelta
from decimal import Decimal

import pytest

from tests.simulator import Change, Direction, Dynamic, Flat
from tests.simulator.clock import Span, to_instant

from .conftest import Home
from .service import HOUR, NOON, Api, Clock, record

PRICE = Decimal("0.25")
MINUTES = timedelta(minutes=1)


@pytest.fixture
def priced(api: Api, home: Home) -> Home:
    """Return a home that pays 0.25 per kWh."""
    account = api.simulator.account()
    account.connect(home.location_id, Direction.IMPORT, Flat(price=PRICE))
    return home


async def charge(api: Api, home: Home, session: str = "charge") -> None:
    """Submit a session of two records, and energy before and after it."""
    await api.submit(
        record(*home, NOON, length=10 * MINUTES, value=100),
        record(
            *home,
            NOON + 40 * MINUTES,
            length=20 * MINUTES,
            value=3000,
            session_reference_id=session,
        ),
        record(
            *home,
            NOON + 10 * MINUTES,
            length=30 * MINUTES,
            value=2000,
            session_reference_id=session,
            record_reference_id="first",
        ),
        record(*home, NOON + HOUR, value=500),
    )


async def test_report(api: Api, priced: Home) -> None:
    """The report of a session has a row for each of its records, in order."""
    await charge(api, priced, "wall box/1")

    reply = await api.post("/costs/session/wall%20box%2F1")

    assert reply.status == 200
    assert reply.body == {
        "id": reply.body["id"],
        "object": "energy_cost",
        "object_id": priced.device_id,
        "live_mode": False,
        "tariff_direction": "IMPORT",
        "location_timezone": "Europe/London",
        "currency_code": "GBP",
        "energy_units": "WH",
        "data": [
            {
                "start_time": "2026-06-15T12:10:00Z",
                "end_time": "2026-06-15T12:40:00Z",
                "energy": {"value": 2000},
                "cost": {"value": 0.5, "confidence": 1},
                "session_reference_id": "wall box/1",
                "record_reference_id": "first",
            },
            {
                "start_time": "2026-06-15T12:40:00Z",
                "end_time": "2026-06-15T13:00:00Z",
                "energy": {"value": 3000},
                "cost": {"value": 0.75, "confidence": 1},
                "session_reference_id": "wall box/1",
            },
        ],
        "account_id": "acc_simulator",
    }


async def test_session_is_a_part_of_the_day(api: Api, priced: Home) -> None:
    """What a session holds counts in the report of its device, once."""
    await charge(api, priced)

    (day,) = api.simulator.truth(priced.device_id).days()

    assert day.energy == 5600
    assert sum(record.energy for record in api.simulator.session("charge")) == 5000


async def test_truth(api: Api, home: Home) -> None:
    """The truth of a session is exact, over changing prices and after a settlement."""
    account = api.simulator.account()
    tariff = Dynamic(seed=3, minutes=15)
    account.connect(home.location_id, Direction.IMPORT, tariff)
    await charge(api, home)
    first, second = api.simulator.session("charge")
    slots = tariff.slots(Span(to_instant(NOON), to_instant(NOON + HOUR)), UTC, NOON)
    prices = [slot.price for slot in slots]

    assert (first.start, second.end) == (NOON + 10 * MINUTES, NOON + HOUR)
    # 2 kWh over 30 minutes: 5 in the first quarter, 15 in the second, 10 in the third.
    assert first.cost == 2 * (5 * prices[0] + 15 * prices[1] + 10 * prices[2]) / 30
    assert second.cost == 3 * (5 * prices[2] + 15 * prices[3]) / 20
    reply = await api.post("/costs/session/charge")
    assert [row["cost"]["value"] for row in reply.body["data"]] == [
        float(first.reported_cost),
        float(second.reported_cost),
    ]

    account.settle(
        home.location_id,
        Direction.IMPORT,
        NOON,
        NOON + HOUR,
        Change(multiply=Decimal(0), add=PRICE),
    )
    assert [record.cost for record in api.simulator.session("charge")] == [
        2 * PRICE,
        3 * PRICE,
    ]


async def test_over_http(api: Api, priced: Home) -> None:
    """The truth of a session can be asked for from outside."""
    await charge(api, priced)

    first, _ = (await api.get("/_simulator/sessions/charge/IMPORT")).body
    none = (await api.get("/_simulator/sessions/charge/EXPORT")).body

    assert first == {
        "start": "2026-06-15T12:10:00+00:00",
        "end": "2026-06-15T12:40:00+00:00",
        "energy": 2000,
        "cost": "0.500000",
        "reported_cost": 0.5,
        "confidence": 1,
    }
    assert none == []


async def test_unprocessed_session(api: Api, priced: Home, clock: Clock) -> None:
    """A session is not known until a record of it is processed; then it grows."""
    api.simulator.settings.change(processing_delay=8)
    await charge(api, priced)

    counts = []
    for _ in range(4):
        reply = await api.post("/costs/session/charge")
        counts.append((reply.status, len(reply.body.get("data", []))))
        clock.advance(seconds=3)

    assert counts == [(404, 0), (404, 0), (200, 2), (200, 2)]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/costs/session/other", 404),
        ("/costs/session/charge?tariff_direction=EXPORT", 404),
        ("/costs/session/charge?tariff_direction=BOTH", 422),
    ],
)
async def test_unknown_session(api: Api, priced: Home, path: str, status: int) -> None:
    """A session is known by its id and its prices."""
    await charge(api, priced)

    assert (await api.post(path)).status == status


async def test_session_without_tariff(api: Api, home: Home) -> None:
    """A session has no cost where the home has no prices."""
    await charge(api, home)

    assert (await api.post("/costs/session/charge")).code == "no_tariff_connected"
