"""Customers, devices and locations."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from .conftest import Home
from .service import LONDON, Api, Clock, running

NOT_FOUND = (404, {"message": "Not Found"})
ACCEPTED = (202, {"message": "Accepted"})


async def references(api: Api, path: str, **query: Any) -> tuple[list[str], bool]:
    """Return the references on a page and whether there are more."""
    reply = await api.get(path, params=query)
    assert (reply.status, reply.body["object"]) == (200, "list")
    return [item["reference_id"] for item in reply.body["data"]], reply.body["has_more"]


async def test_device_is_kept(api: Api) -> None:
    """A device is made, read, renamed and deleted."""
    made = await api.post("/devices", {"reference_id": "meter"})
    path = f"/devices/{made.body['id']}"

    assert made.status == 201
    assert made.body == {
        "id": made.body["id"],
        "object": "device",
        "live_mode": False,
        "time_created": "2026-06-15T12:00:00Z",
        "account_id": "acc_simulator",
        "reference_id": "meter",
    }
    assert (await api.get(path)).body == made.body
    renamed = await api.request("PATCH", path, {"reference_id": "other"})
    assert (renamed.status, renamed.body["reference_id"]) == (200, "other")
    assert (await api.request("PATCH", path, {})).body == renamed.body
    assert (await api.request("DELETE", path))[:2] == ACCEPTED
    assert (await api.get(path))[:2] == NOT_FOUND


async def test_device_needs_a_reference(api: Api) -> None:
    """A device without a reference could not be answered."""
    reply = await api.post("/devices", {})

    assert (reply.status, reply.code) == (422, "reference_id_missing")


async def test_device_reference_may_repeat(api: Api) -> None:
    """Two devices with one reference are two devices."""
    assert await api.make_device() != await api.make_device()
    assert await references(api, "/devices", reference_id="meter") == (
        ["meter", "meter"],
        False,
    )


async def test_device_at_a_location(api: Api, home: Home) -> None:
    """A device may name a location that exists."""
    body = {"reference_id": "pv", "pv_system": {"rated_power_kw": 5, "tilt": 30}}

    assert (
        await api.post("/devices", body | {"location_id": home.location_id})
    ).status == 201
    assert (await api.post("/devices", body | {"location_id": "loc_x"})).status == 404


async def test_unknown_fields_are_refused(api: Api) -> None:
    """A strict service takes no field, and no parameter, that it does not know."""
    body = await api.post("/devices", {"reference_id": "meter", "name": "Meter"})
    query = await api.get("/devices", params={"name": "Meter"})

    assert (body.status, body.code) == (422, "invalid_request")
    assert (query.status, query.code) == (422, "invalid_request")


async def test_lenient_service(api: Api) -> None:
    """A lenient service leaves aside what it does not know."""
    api.simulator.settings.strict = False

    reply = await api.post("/devices", {"reference_id": "meter", "name": "Meter"})

    assert reply.status == 201
    assert await references(api, "/devices", name="x") == (["meter"], False)


@pytest.mark.parametrize("body", [[], "text", None, {"reference_id": ""}])
async def test_misshapen_bodies_are_refused(api: Api, body: Any) -> None:
    """A body that is no device is refused."""
    reply = await api.request("POST", "/devices", body)

    assert (reply.status, reply.body["type"]) == (422, "invalid_request")


async def test_pages_go_from_newest_to_oldest(api: Api) -> None:
    """Pages follow one another by the last id in hand."""
    ids = {name: await api.make_device(name) for name in "abcde"}

    assert await references(api, "/devices", limit=2) == (["e", "d"], True)
    assert await references(api, "/devices", limit=2, starting_after=ids["d"]) == (
        ["c", "b"],
        True,
    )
    assert await references(api, "/devices", limit=2, starting_after=ids["b"]) == (
        ["a"],
        False,
    )


async def test_pages_go_back(api: Api) -> None:
    """The page before an id ends right before it."""
    ids = {name: await api.make_device(name) for name in "abcde"}

    assert await references(api, "/devices", limit=2, ending_before=ids["a"]) == (
        ["c", "b"],
        True,
    )
    assert await references(api, "/devices", limit=2, ending_before=ids["c"]) == (
        ["e", "d"],
        False,
    )
    assert await references(api, "/devices", ending_before=ids["e"]) == ([], False)


async def test_pages_hold_thirty(api: Api) -> None:
    """Without a limit a page holds 30, with one at most 100."""
    for number in range(31):
        await api.make_device(str(number))

    page, has_more = await references(api, "/devices")
    assert (len(page), has_more) == (30, True)
    page, has_more = await references(api, "/devices", limit=100)
    assert (len(page), has_more) == (31, False)


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many", "1.5"])
async def test_limit_is_checked(api: Api, limit: str) -> None:
    """A limit is a number from 1 to 100."""
    assert (await api.get("/devices", params={"limit": limit})).status == 422


async def test_cursors_are_checked(api: Api) -> None:
    """A cursor is an id in the list, and there is only one."""
    device_id = await api.make_device()
    both = {"starting_after": device_id, "ending_before": device_id}

    unknown = await api.get("/devices", params={"starting_after": "dev_x"})
    assert unknown[:2] == NOT_FOUND
    assert (await api.get("/devices", params=both)).status == 422


async def test_location_is_placed_by_its_address(api: Api) -> None:
    """Zone and currency come with city and country; they move with the address."""
    made = await api.post(
        "/locations",
        {
            "reference_id": "home",
            "postal_address": {"city": "Berlin", "country_code": "de"},
        },
    )
    path = f"/locations/{made.body['id']}"

    assert made.status == 201
    assert made.body["timezone"] == "Europe/Berlin"
    assert made.body["currency_code"] == "EUR"
    assert set(made.body["tariff_status"].values()) == {"NOT_CONNECTED"}
    moved = await api.request("PATCH", path, {"postal_address": LONDON})
    assert moved.status == 200
    assert moved.body["reference_id"] == "home"
    assert moved.body["timezone"] == "Europe/London"
    assert (await api.get(path)).body == moved.body
    assert (await api.request("DELETE", path))[:2] == ACCEPTED
    assert (await api.get(path))[:2] == NOT_FOUND


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ({"country_code": "GB"}, None),
        ({"city": "London"}, None),
        ({"city": "Atlantis", "country_code": "XX"}, None),
        ({"city": "Austin", "country_code": "US"}, None),
        ({"city": "Austin", "country_code": "US", "state": "TX"}, "America/Chicago"),
        ({"city": "Delhi", "country_code": "IN"}, "Asia/Kolkata"),
    ],
)
async def test_address_may_say_too_little(
    api: Api, address: dict[str, str], zone: str | None
) -> None:
    """A location is made all the same; its zone is not known."""
    reply = await api.post("/locations", {"postal_address": address})

    assert reply.status == 201
    assert reply.body.get("timezone") == zone
    assert ("currency_code" in reply.body) is (zone is not None)


async def test_location_reference_is_used_once(api: Api) -> None:
    """A second location with the same reference is a conflict, renamed or new."""
    conflict = (409, {"message": "Conflict"})
    await api.post("/locations", {"reference_id": "home"})
    other = await api.post("/locations", {"reference_id": "other"})
    path = f"/locations/{other.body['id']}"

    assert (await api.post("/locations", {"reference_id": "home"}))[:2] == conflict
    assert (await api.request("PATCH", path, {"reference_id": "home"}))[:2] == conflict
    assert (await api.request("PATCH", path, {"reference_id": "other"})).status == 200


async def test_locations_of_two_accounts_are_apart(api: Api) -> None:
    """Another account sees nothing of the first and may use the same references."""
    location = await api.post("/locations", {"reference_id": "home"})
    api.simulator.add_account("acc_2", "sk_test_2")
    await api.log_in("acc_2", "sk_test_2")

    assert (await api.get(f"/locations/{location.body['id']}")).status == 404
    assert (await api.post("/locations", {"reference_id": "home"})).status == 201


async def test_customer_has_locations(api: Api) -> None:
    """A customer names its locations and takes them along when it is deleted."""
    made = await api.post("/customers", {"reference_id": "someone"})
    customer_id = made.body["id"]
    path = f"/customers/{customer_id}"
    location = await api.post("/locations", {"customer_id": customer_id})
    await api.post("/locations", {"reference_id": "stays"})

    assert made.status == 201
    assert (await api.get(path)).body["locations"] == [location.body["id"]]
    mine = await api.get("/locations", params={"customer_id": customer_id})
    assert [item["id"] for item in mine.body["data"]] == [location.body["id"]]
    assert (await api.request("PATCH", path, {"reference_id": "new"}))[:2] == ACCEPTED
    assert await references(api, "/customers", reference_id="new") == (["new"], False)
    assert (await api.request("DELETE", path))[:2] == ACCEPTED
    assert await references(api, "/locations") == (["stays"], False)
    assert (await api.get(path))[:2] == NOT_FOUND


async def test_location_needs_a_customer_that_exists(api: Api) -> None:
    """A location of nobody is refused."""
    assert (await api.post("/locations", {"customer_id": "cus_x"})).status == 404


async def test_zone_of_the_account(socket_enabled: None, clock: Clock) -> None:
    """An account may set zone and currency for all its locations."""
    zone = ZoneInfo("Australia/Lord_Howe")
    async with running(clock, time_zone=zone, currency="AUD") as api:
        reply = await api.post("/locations", {})
        assert reply.body["timezone"] == "Australia/Lord_Howe"
        assert reply.body["currency_code"] == "AUD"
