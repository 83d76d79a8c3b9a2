"""The cost of a single record, which may be kept or not."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.simulator import Direction, Duplicates, Flat, TwoRate

from .conftest import Home
from .service import HOUR, NOON, Api, record

LOW, HIGH = Decimal("0.1"), Decimal("0.3")


@pytest.fixture
def priced(api: Api, home: Home) -> Home:
    """Return a home that pays less until 06:30 UTC."""
    account = api.simulator.account()
    tariff = TwoRate(low=LOW, high=HIGH)
    account.connect(home.location_id, Direction.IMPORT, tariff)
    return home


async def test_estimate(api: Api, priced: Home) -> None:
    """An estimate is priced, and leaves nothing behind."""
    body = record(*priced, NOON - 6 * HOUR, record_reference_id="x")
    reply = await api.post("/costs/instant", body, params={"non_persistent": "true"})

    assert reply.status == 200
    assert reply.body == {
        "id": reply.body["id"],
        "object": "meter_record",
        "live_mode": False,
        "time_created": "2026-06-15T12:00:00Z",
        "account_id": "acc_simulator",
        "energy_flow_direction": "INBOUND",
        "tariff_direction": "IMPORT",
        "currency_code": "GBP",
        "energy_units": "WH",
        "request": body | {"non_persistent": True},
        "data": {
            "start_time": "2026-06-15T06:00:00Z",
            "end_time": "2026-06-15T07:00:00Z",
            "energy": {"value": 1000},
            "cost": {"value": 0.2, "confidence": 1},
        },
    }
    assert api.simulator.truth(priced.device_id).records() == []
    assert api.simulator.account().meters.counts["accepted"] == 0


@pytest.mark.parametrize("params", [{}, {"non_persistent": "false"}])
async def test_record_is_kept(api: Api, priced: Home, params: dict[str, str]) -> None:
    """A record counts as if it had been submitted."""
    body = record(*priced, units="KW", value=2, length=HOUR / 2)
    reply = await api.post("/costs/instant", body, params=params)

    (kept,) = api.simulator.truth(priced.device_id).records()
    assert (kept.start, kept.energy) == (NOON - 12 * HOUR, 1000)
    assert reply.body["request"]["non_persistent"] is False
    assert reply.body["data"]["cost"]["value"] == 0.1


async def test_second_submission_is_a_duplicate(api: Api, priced: Home) -> None:
    """A record that is kept must not be submitted again."""
    api.simulator.settings.change(duplicates=Duplicates.ADD)
    await api.post("/costs/instant", record(*priced))
    await api.submit(record(*priced))

    (kept,) = api.simulator.truth(priced.device_id).records()
    assert kept.energy == 2000

    api.simulator.settings.change(duplicates=Duplicates.REFUSE)
    refused = await api.post("/costs/instant", record(*priced))
    assert (refused.status, refused.code) == (422, "invalid_request")


async def test_record_of_a_home_and_of_export(api: Api, priced: Home) -> None:
    """A record needs no device; the price is that of its direction."""
    account = api.simulator.account()
    account.connect(priced.location_id, Direction.EXPORT, Flat(price=LOW))
    body = record(
        priced.location_id,
        tariff_direction="EXPORT",
        energy_flow_direction="OUTBOUND",
    )

    reply = await api.post("/costs/instant", body)

    assert reply.body["data"]["cost"]["value"] == 0.1
    assert reply.body["energy_flow_direction"] == "OUTBOUND"
    assert len(api.simulator.truth(priced.location_id, Direction.EXPORT).records()) == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"value": -1}, "invalid_request"),
        ({"units": "MWH"}, "invalid_request"),
        ({"device_id": "dev_x"}, "invalid_request"),
        ({"location_id": "loc_x"}, "invalid_request"),
        ({"end_time": "2026-06-15T00:00:00Z"}, "invalid_request"),
        ({"end_time": "2026-06-14T00:00:00Z"}, "invalid_request"),
        ({"tariff_direction": "EXPORT"}, "no_tariff_connected"),
    ],
)
async def test_bad_record(
    api: Api, priced: Home, fields: dict[str, Any], code: str
) -> None:
    """A record that is not sound, or has no price, is refused and not kept."""
    reply = await api.post("/costs/instant", record(*priced) | fields)

    assert (reply.status, reply.code) == (422, code)
    assert api.simulator.account().meters.counts["accepted"] == 0


async def test_flag_that_is_none(api: Api, priced: Home) -> None:
    """Anything but true and false is refused, not taken for one of them."""
    reply = await api.post(
        "/costs/instant", record(*priced), params={"non_persistent": "yes"}
    )

    assert reply.status == 422
    assert api.simulator.truth(priced.device_id).records() == []


async def test_estimate_of_tomorrow(api: Api, priced: Home) -> None:
    """What is not used yet can be priced."""
    body = record(*priced, NOON + timedelta(days=1))
    reply = await api.post("/costs/instant", body, params={"non_persistent": "true"})

    assert reply.body["data"]["cost"]["value"] == 0.3
