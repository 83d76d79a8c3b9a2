"""Control over HTTP: what a program in another process can ask and tell."""

from typing import Any

import pytest

from tests.simulator import Fault, Violation

from .conftest import Home
from .service import HOUR, NOON, Api, record

DAY = ("2026-06-14T23:00:00Z", "2026-06-15T23:00:00Z")


async def control(
    api: Api, method: str, path: str, body: Any = None, **query: str
) -> Any:
    """Send a control request, without a token, and return what it answers."""
    reply = await api.request(
        method,
        f"/_simulator/{path}",
        body,
        params=query,
        headers={"Authorization": ""},
    )
    assert reply.status == 200, reply.body
    return reply.body


async def cost(api: Api, home: Home) -> float:
    """Return the reported cost of the day."""
    report = await api.report(home.device_id, *DAY)
    assert report.status == 200, report.body
    value: float = report.body["data"][0]["cost"]["value"]
    return value


async def test_prices(api: Api, home: Home) -> None:
    """The prices of a location can be asked for, cut to the window."""
    tariff = {"kind": "two_rate", "low": 0.1, "high": 0.3}
    await control(api, "PUT", f"tariffs/{home.location_id}/IMPORT", tariff)

    window = {"start": "2026-06-15T06:00:00Z", "end": "2026-06-15T08:00:00Z"}
    prices = await control(api, "GET", f"prices/{home.location_id}/IMPORT", **window)

    border = "2026-06-15T06:30:00+00:00"
    low = {"end": border, "price": 0.1}
    high = {"start": border, "price": 0.3}
    start, end = "2026-06-15T06:00:00+00:00", "2026-06-15T08:00:00+00:00"
    assert prices == [
        {"start": start, "confidence": 1, **low},
        {"end": end, "confidence": 1, **high},
    ]


@pytest.mark.parametrize(
    ("tariff", "expected"),
    [
        ({"kind": "flat", "price": 0.25}, 0.25),
        ({"kind": "two_rate", "low": 0.1, "high": 0.3}, 0.1),
        (
            {
                "kind": "two_rate",
                "low": 0.1,
                "high": 0.3,
                "low_from": "02:00",
                "low_to": "05:00",
            },
            0.3,
        ),
        ({"kind": "dynamic", "seed": 1, "minutes": 15, "level": 0}, 0),
    ],
)
async def test_tariffs(
    api: Api, home: Home, tariff: dict[str, Any], expected: float
) -> None:
    """A tariff of any kind can be connected, and taken away."""
    path = f"tariffs/{home.location_id}/IMPORT"
    answer = await control(api, "PUT", path, tariff)
    await api.submit(record(*home))

    assert answer["id"].startswith("trf_")
    assert await cost(api, home) == expected
    await control(api, "DELETE", path)
    assert (await api.report(home.device_id, *DAY)).code == "no_tariff_connected"


async def test_states_of_a_tariff(api: Api, home: Home) -> None:
    """Prices can be pending, or not to be had."""
    path = f"tariffs/{home.location_id}/IMPORT"
    await control(api, "PUT", path, {"kind": "flat", "price": 0.25})
    await api.submit(record(*home))

    later = (NOON + HOUR).isoformat()
    await control(api, "PATCH", path, {"pending_until": later})
    assert (await api.report(home.device_id, *DAY)).code == "pending_connect"
    now = {"pending_until": NOON.isoformat(), "has_price_data": False}
    await control(api, "PATCH", path, now)
    assert (await api.report(home.device_id, *DAY)).code == "no_price_data"
    await control(api, "PATCH", path, {"has_price_data": True})
    assert await cost(api, home) == 0.25


async def test_settlement_and_standing_charge(api: Api, home: Home) -> None:
    """Prices can be settled, and a charge be borne."""
    path = f"tariffs/{home.location_id}/IMPORT"
    await control(api, "PUT", path, {"kind": "flat", "price": 0.25})
    await api.submit(record(*home))

    window = dict(zip(("start", "end"), DAY, strict=True))
    settlement = window | {"multiply": 2, "add": 0.1}
    await control(api, "POST", f"settlements/{home.location_id}/IMPORT", settlement)
    assert await cost(api, home) == 0.6
    charge = {"per_day": 0.5}
    await control(api, "PUT", f"standing_charges/{home.device_id}", charge)
    assert await cost(api, home) == 1.1


async def test_truth(api: Api, home: Home) -> None:
    """Records, hours and days of a device are told."""
    path = f"tariffs/{home.location_id}/IMPORT"
    await control(api, "PUT", path, {"kind": "flat", "price": 0.33333})
    await api.submit(record(*home, value=0.1), record(*home, NOON, value=1))
    truth = f"truth/{home.device_id}/IMPORT"

    records = await control(api, "GET", f"{truth}/records")
    assert records[0] == {
        "start": "2026-06-15T00:00:00+00:00",
        "end": "2026-06-15T01:00:00+00:00",
        "energy": 0.1,
    }
    hours = await control(api, "GET", f"{truth}/hours", end=NOON.isoformat())
    assert hours == [
        records[0] | {"cost": "0.000033333", "reported_cost": 3e-05, "confidence": 1}
    ]
    days = await control(api, "GET", f"{truth}/days")
    assert [(day["start"], day["energy"]) for day in days] == [
        ("2026-06-14T23:00:00+00:00", 1.1)
    ]


async def test_settings(api: Api) -> None:
    """Settings are told and changed."""
    before = await control(api, "GET", "settings")
    changed = {"duplicates": "add", "processing_delay": None, "empty_rows": "zero"}
    after = await control(api, "PATCH", "settings", changed)

    assert before["duplicates"] == "overwrite"
    assert after == before | changed
    assert api.simulator.settings.to_json() == after


async def test_account(api: Api) -> None:
    """An account can be disabled and enabled, and be given other keys."""
    path = f"accounts/{api.simulator.account_id}"
    body = {"disabled": True, "local_enabled": False}

    assert await control(api, "PATCH", path, body) == body
    assert (await api.get("/devices")).code == "account_disabled"
    await control(api, "PATCH", path, {"disabled": False})
    assert (await api.get("/devices")).status == 200
    await control(api, "PATCH", path, {"api_keys": ["sk_test_other"]})
    assert api.simulator.account().api_keys == {"sk_test_other"}


async def test_counters(api: Api, home: Home) -> None:
    """Violations, requests, records and faults are told; a reset forgets them."""
    await api.submit(record(*home), record(*home, length=HOUR / 2))
    api.simulator.faults.next("GET /devices", Fault.SERVER_ERROR)
    await api.get("/devices")

    violations = await control(api, "GET", "violations")
    assert violations["counts"] == {"overlap": 1}
    assert violations["latest"][0]["kind"] == "overlap"
    requests = await control(api, "GET", "requests")
    assert {"route": "GET /devices", "status": 500, "count": 1} in requests["requests"]
    assert requests["records"] == {"acc_simulator": {"accepted": 2}}
    assert requests["faults"] == {"SERVER_ERROR": 1}

    await control(api, "POST", "reset")
    assert (await control(api, "GET", "requests"))["records"] == {"acc_simulator": {}}


@pytest.mark.parametrize(
    ("plan", "status"),
    [
        ({"kind": "SERVER_ERROR"}, 500),
        ({"kind": "BAD_GATEWAY"}, 502),
        ({"kind": "RATE_LIMIT", "retry_after": 5}, 429),
        ({"kind": "ANSWER", "status": 418, "body": {"message": "teapot"}}, 418),
        ({"kind": "SLOW", "seconds": 0}, 200),
        ({"kind": "EXPIRE_TOKEN"}, 403),
    ],
)
async def test_faults(api: Api, plan: dict[str, Any], status: int) -> None:
    """A fault can be planned for a route."""
    await control(api, "POST", "faults", {"route": "GET /devices"} | plan)

    assert (await api.get("/devices")).status == status


async def test_mixed_faults(api: Api) -> None:
    """Faults can be mixed at random, and stopped."""
    mix = [{"kind": "RATE_LIMIT", "retry_after": 0, "rate": 1.0}]
    await control(api, "PUT", "faults", {"seed": 1, "mix": mix})
    assert (await api.get("/devices")).status == 429

    await control(api, "DELETE", "faults")
    assert (await api.get("/devices")).status == 200


async def test_control_is_no_part_of_the_service(api: Api) -> None:
    """Control requests are neither counted nor hit by faults."""
    before = api.simulator.requests.counts.copy()
    api.simulator.faults.random(1, {Fault.SERVER_ERROR: 1})

    assert (await api.get("/_simulator/settings")).status == 200
    assert api.simulator.requests.counts == before


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "settings", {"patience": 1}),
        ("PATCH", "settings", {"processing_delay": "long"}),
        ("PATCH", "settings", {"duplicates": "both"}),
        ("PATCH", "accounts/acc_x", {}),
        ("PUT", "tariffs/{location}/IMPORT", {"kind": "free"}),
        ("PUT", "tariffs/{location}/IMPORT", {"kind": "flat"}),
        ("PUT", "tariffs/{location}/IMPORT", {"kind": "flat", "price": "much"}),
        ("PUT", "tariffs/{location}/BOTH", {"kind": "flat", "price": 1}),
        ("POST", "settlements/{location}/IMPORT", {"start": "soon"}),
        ("POST", "faults", {"route": "GET /devices", "kind": "FLOOD"}),
        ("GET", "truth/{location}/BOTH/hours", None),
    ],
)
async def test_mistakes_are_explained(
    api: Api, home: Home, method: str, path: str, body: Any
) -> None:
    """A control request that makes no sense is answered with the reason."""
    url = f"/_simulator/{path.format(location=home.location_id)}"

    reply = await api.request(method, url, body)

    assert reply.status == 400
    assert reply.body["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "truth/dev_x/IMPORT/hours"),
        ("GET", "truth/{location}/IMPORT/years"),
        ("PUT", "tariffs/loc_x/IMPORT"),
        ("GET", "nothing"),
    ],
)
async def test_what_is_not_there(api: Api, home: Home, method: str, path: str) -> None:
    """What does not exist is not found."""
    url = f"/_simulator/{path.format(location=home.location_id)}"

    assert (await api.request(method, url, {})).status == 404


async def test_violations_have_a_time(api: Api) -> None:
    """An incident tells when it was."""
    await api.log_in()

    latest = (await control(api, "GET", "violations"))["latest"]
    assert latest[0]["time"] == "2026-06-15T12:00:00+00:00"
    assert latest[0]["kind"] == Violation.EARLY_LOGIN
