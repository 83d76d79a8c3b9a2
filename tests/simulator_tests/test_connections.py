"""Tariffs of a location over HTTP: connecting, state, prices."""

from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.simulator import Change, Direction, Dynamic, Flat, TwoRate
from tests.simulator.tariffs import Tariff

from .conftest import Home
from .service import HOUR, NOON, Api, Clock, Reply, record, running

DAY = {"start_time": "2026-06-14T23:00:00Z", "end_time": "2026-06-15T23:00:00Z"}
MARKET = {
    "direction": "IMPORT",
    "type": "COMMODITY",
    "market_rates": True,
    "contract_start_date": "2026-01-01T00:00:00Z",
    "contract_end_date": "2027-01-01T00:00:00Z",
}


async def connect_market(api: Api, home_id: str, **fields: object) -> Reply:
    """Ask for the market prices of a location's address."""
    return await api.post("/tariffs", {**MARKET, "location_id": home_id, **fields})


async def leg(api: Api, location_id: str, name: str) -> dict[str, object]:
    """Return the state of one of a location's tariffs."""
    reply = await api.get(f"/locations/{location_id}/status")
    assert (reply.status, reply.body["object"]) == (200, "location_status")
    state: dict[str, object] = reply.body["tariff_status"][name]
    return state


async def test_market_of_the_address(api: Api, home: Home) -> None:
    """The market is connected at once, for each direction by itself."""
    reply = await connect_market(api, home.location_id)
    location = await api.get(f"/locations/{home.location_id}")

    assert reply.status == 200
    assert reply.body["market_rate_source_id"].startswith("mrs_")
    assert location.body["tariff_elements"] == [reply.body["id"]]
    assert location.body["tariff_status"]["commodity_import"] == "CONNECTED"
    assert location.body["tariff_status"]["commodity_export"] == "NOT_CONNECTED"

    await connect_market(api, home.location_id, direction="EXPORT")
    prices = [
        await api.post(f"/prices/{home.location_id}", DAY | {"tariff_direction": way})
        for way in ("IMPORT", "EXPORT")
    ]
    assert [len(reply.body["data"]) for reply in prices] == [48, 48]
    assert prices[0].body["data"] != prices[1].body["data"]


async def test_state_of_a_market_tariff(api: Api, home: Home) -> None:
    """The state names provider and tariff, with the blank that the documents show."""
    tariff = await connect_market(api, home.location_id)

    state = await leg(api, home.location_id, "commodity_import")

    assert state["status"] == "CONNECTED "
    assert state["connection_type"] == "MARKET"
    assert state["tariff"] == {
        "id": tariff.body["id"],
        "display_name": "Market prices",
        "structure_type": "MARKET",
        "contract_end_date": "2027-01-01T00:00:00+00:00",
    }


@pytest.mark.parametrize(
    ("tariff", "structure"),
    [
        (Flat(price=Decimal("0.2")), "FIXED"),
        (TwoRate(low=Decimal("0.1"), high=Decimal("0.3")), "TIME_OF_DAY"),
        (Dynamic(), "DYNAMIC"),
    ],
)
async def test_structures(api: Api, home: Home, tariff: Tariff, structure: str) -> None:
    """A tariff that a provider gave is named by how it is built."""
    api.simulator.account().connect(
        home.location_id, Direction.EXPORT, tariff, name="Outgoing", provider="Volt"
    )

    state = await leg(api, home.location_id, "commodity_export")

    assert state["connection_type"] == "DIRECT"
    assert state["provider"]["display_name"] == "Volt"  # type: ignore[index]  # a JSON object
    assert state["tariff"]["display_name"] == "Outgoing"  # type: ignore[index]  # a JSON object
    assert state["tariff"]["structure_type"] == structure  # type: ignore[index]  # a JSON object


async def test_states_of_the_local_leg(api: Api, home: Home) -> None:
    """LOCAL is not connected, connected, or not for this account."""
    account = api.simulator.account()
    assert (await leg(api, home.location_id, "local"))["status"] == "NOT_CONNECTED"
    account.connect(home.location_id, Direction.LOCAL, Flat(price=Decimal(0)))
    assert (await leg(api, home.location_id, "local"))["status"] == "CONNECTED "
    account.local_enabled = False
    assert (await leg(api, home.location_id, "local"))["status"] == "NOT_SUPPORTED"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ({"city": "London"}, "country_code_missing"),
        ({"country_code": "GB"}, "city_missing"),
        ({"city": "Austin", "country_code": "US"}, "state_missing"),
        ({"city": "Atlantis", "country_code": "XX"}, "country_not_supported"),
    ],
)
async def test_address_without_a_market(
    api: Api, address: dict[str, str], code: str
) -> None:
    """Where the address says too little there is no market to connect."""
    location_id = await api.make_location(**address)

    reply = await connect_market(api, location_id)

    assert (reply.status, reply.code) == (422, code)


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"market_rates": False}, 422, "tariff_type_invalid"),
        ({"type": "NON_COMMODITY"}, 422, "tariff_type_invalid"),
        ({"direction": "LOCAL"}, 422, "invalid_request"),
        ({"contract_end_date": "soon"}, 422, "invalid_request"),
        ({"location_id": "loc_x"}, 404, None),
    ],
)
async def test_refused_tariffs(
    api: Api, home: Home, fields: dict[str, object], status: int, code: str | None
) -> None:
    """Only the market of a location that exists can be asked for."""
    reply = await connect_market(api, home.location_id, **fields)

    assert (reply.status, reply.code) == (status, code)


async def test_market_may_be_pending(api: Api, home: Home, clock: Clock) -> None:
    """The first fetch of prices may take its time."""
    api.simulator.settings.connect_delay = 1800
    await connect_market(api, home.location_id)
    await api.submit(record(*home))

    for reply in (
        await api.post(f"/prices/{home.location_id}", DAY),
        await api.report(home.device_id, *DAY.values()),
    ):
        assert (reply.status, reply.code) == (422, "pending_connect")
    clock.advance(seconds=1800)
    assert (await api.post(f"/prices/{home.location_id}", DAY)).status == 200
    assert (await api.report(home.device_id, *DAY.values())).status == 200


async def test_no_tariff(api: Api, home: Home) -> None:
    """A location without a tariff has no price; it may lose the one it had."""
    await connect_market(api, home.location_id)
    api.simulator.account().disconnect(home.location_id, Direction.IMPORT)

    for direction in ("IMPORT", "EXPORT"):
        body = DAY | {"tariff_direction": direction}
        reply = await api.post(f"/prices/{home.location_id}", body)
        assert (reply.status, reply.code) == (422, "no_tariff_connected")


async def test_no_price_data(api: Api, home: Home) -> None:
    """Prices may not be had for long; the state says so."""
    tariff = Flat(price=Decimal("0.2"))
    account = api.simulator.account()
    connection = account.connect(home.location_id, Direction.IMPORT, tariff)
    connection.has_price_data = False

    reply = await api.post(f"/prices/{home.location_id}", DAY)

    assert (reply.status, reply.code) == (422, "no_price_data")
    assert (await leg(api, home.location_id, "commodity_import"))["status"] == "ERROR"


async def test_prices(api: Api, home: Home) -> None:
    """Prices say where and what they are for, and follow one another."""
    tariff = TwoRate(low=Decimal("0.1"), high=Decimal("0.3"))
    api.simulator.account().connect(home.location_id, Direction.IMPORT, tariff)

    reply = await api.post(
        f"/prices/{home.location_id}",
        {
            "start_time": "2026-06-15T00:00:00+01:00",
            "end_time": "2026-06-15T12:00:00+01:00",
        },
    )

    assert reply.status == 200
    assert reply.body["location_id"] == home.location_id
    assert reply.body["location_timezone"] == "Europe/London"
    assert reply.body["currency_code"] == "GBP"
    assert reply.body["tariff_direction"] == "IMPORT"
    assert [
        (slot["valid_from"], slot["valid_to"], slot["price"])
        for slot in reply.body["data"]
    ] == [
        (
            f"2026-06-15T{start}:00+01:00",
            f"2026-06-15T{end}:00+01:00",
            {"value": value, "confidence": 1},
        )
        for start, end, value in (
            ("00:00", "00:30", 0.3),
            ("00:30", "07:30", 0.1),
            ("07:30", "12:00", 0.3),
        )
    ]


@pytest.mark.parametrize("minutes", [15, 30])
async def test_dynamic_prices(api: Api, home: Home, minutes: int) -> None:
    """Dynamic prices come in their steps, as forecast beyond tomorrow."""
    tariff = Dynamic(minutes=minutes)
    api.simulator.account().connect(home.location_id, Direction.IMPORT, tariff)

    reply = await api.post(
        f"/prices/{home.location_id}", {"end_time": (NOON + 72 * HOUR).isoformat()}
    )

    data = reply.body["data"]
    assert len(data) == 72 * 60 / minutes
    assert all(one["valid_to"] == two["valid_from"] for one, two in pairwise(data))
    # At noon UTC it is 13:00 in London: tomorrow is known until 23:00 UTC.
    known = [slot for slot in data if slot["price"]["confidence"] == 1]
    assert datetime.fromisoformat(known[-1]["valid_to"]) == NOON + 35 * HOUR


async def test_settled_prices(api: Api, home: Home) -> None:
    """Prices after a settlement are the new ones."""
    account = api.simulator.account()
    account.connect(home.location_id, Direction.IMPORT, Flat(price=Decimal("0.2")))
    change = Change(add=Decimal("0.05"))
    account.settle(
        home.location_id, Direction.IMPORT, NOON, NOON + timedelta(hours=1), change
    )

    reply = await api.post(f"/prices/{home.location_id}", DAY)

    values = [slot["price"]["value"] for slot in reply.body["data"]]
    assert values == [0.2, 0.25, 0.2]


@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        ("2026-03-01T00:00:00Z", "2026-05-30T00:00:00Z", 200),
        ("2026-03-01T00:00:00Z", "2026-05-30T00:00:01Z", 422),
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", 422),
    ],
)
async def test_price_windows(
    socket_enabled: None, clock: Clock, start: str, end: str, status: int
) -> None:
    """A window ends after its start, at most 90 days later."""
    async with running(clock, first_tariff=Flat(price=Decimal("0.2"))) as api:
        location_id = await api.make_location()
        body = {"start_time": start, "end_time": end}
        assert (await api.post(f"/prices/{location_id}", body)).status == status


async def test_unknown_location(api: Api) -> None:
    """A location that does not exist has neither state nor prices."""
    assert (await api.get("/locations/loc_x/status")).status == 404
    assert (await api.post("/prices/loc_x", DAY)).status == 404
