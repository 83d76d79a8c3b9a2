"""The request log and the watch over pauses."""

from decimal import Decimal

import pytest

from tests.simulator import Direction, Fault, Flat, Violation

from .conftest import Home
from .service import Api, Clock, record

DAY = {"start_time": "2026-06-14T23:00:00Z", "end_time": "2026-06-15T23:00:00Z"}
NEXT = {"start_time": "2026-06-15T23:00:00Z", "end_time": "2026-06-16T23:00:00Z"}


async def test_requests_are_counted(api: Api, home: Home) -> None:
    """Every request counts by route and status, an unknown one too."""
    await api.get(f"/devices/{home.device_id}")
    await api.get("/devices/dev_x")
    await api.get("/nowhere")
    await api.request("DELETE", "/login")
    requests = api.simulator.requests

    assert requests.count("GET /login") == 1
    assert requests.count("GET /devices/{id}") == 2
    assert requests.count("GET /devices/{id}", 404) == 1
    assert requests.count("GET (unknown)", 404) == 1
    assert requests.count("DELETE (unknown)", 405) == 1
    assert requests.latest[-1].status == 405


async def test_bodies_are_measured(api: Api, home: Home) -> None:
    """It is known how much a route was sent."""
    assert api.simulator.requests.body_bytes["GET /devices/{id}"] == 0
    before = api.simulator.requests.body_bytes["POST /devices"]
    await api.post("/devices", {"name": "washing machine"})

    sent = api.simulator.requests.body_bytes["POST /devices"] - before
    assert sent == api.simulator.requests.latest[-1].body_bytes
    assert len("washing machine") < sent < 100


async def test_unknown_path(api: Api) -> None:
    """What does not exist is not found, in the service's words."""
    reply = await api.get("/nowhere")

    assert (reply.status, reply.body) == (404, {"message": "Not Found"})


@pytest.mark.parametrize(("seconds", "early"), [(0, 1), (899, 1), (900, 0)])
async def test_patience_after_a_refusal(
    api: Api, home: Home, clock: Clock, seconds: float, early: int
) -> None:
    """A report is not asked for again within 15 minutes of a 422, whatever its window."""
    path = f"/prices/{home.location_id}"
    await api.post(path, DAY)
    clock.advance(seconds=seconds)
    await api.post(path, NEXT)

    assert api.simulator.violations.counts[Violation.EARLY_REPEAT] == early


async def test_other_requests_need_no_patience(api: Api, home: Home) -> None:
    """Another direction, another object or another body is another request."""
    path = f"/prices/{home.location_id}"
    await api.post(path, DAY | {"tariff_direction": "IMPORT"})
    await api.post(path, DAY | {"tariff_direction": "EXPORT"})
    await api.report(home.device_id, *DAY.values())
    await api.report(home.location_id, *DAY.values())
    await api.post("/devices", {"name": "one"})
    await api.post("/devices", {"name": "two"})

    assert api.simulator.violations.total == 0


async def test_patience_ends_with_success(api: Api, home: Home, clock: Clock) -> None:
    """Once the request is served it may be repeated at will."""
    path = f"/prices/{home.location_id}"
    await api.post(path, DAY)
    clock.advance(minutes=15)
    tariff = Flat(price=Decimal(1))
    api.simulator.account().connect(home.location_id, Direction.IMPORT, tariff)
    for _ in range(3):
        assert (await api.post(path, DAY)).status == 200

    assert api.simulator.violations.total == 0


@pytest.mark.parametrize(("seconds", "ignored"), [(6, 1), (7, 0)])
async def test_retry_after_is_watched(
    api: Api, clock: Clock, seconds: float, ignored: int
) -> None:
    """The seconds of a rate limit are to be waited."""
    api.simulator.faults.next("GET /devices", Fault.rate_limit(7))
    await api.get("/devices")
    clock.advance(seconds=seconds)
    await api.get("/devices")

    counts = api.simulator.violations.counts
    assert counts[Violation.RETRY_AFTER_IGNORED] == ignored


async def test_planned_refusal_is_watched_too(api: Api, home: Home) -> None:
    """A 422 that a fault made calls for the same patience."""
    api.simulator.faults.next(
        "PUT /meters/interval", Fault.answer(422, {"message": "Connect is processing"})
    )
    await api.submit(record(*home))
    await api.submit(record(*home))

    assert api.simulator.violations.counts == {Violation.EARLY_REPEAT: 1}
    assert "0:15:00" in api.simulator.violations.latest[-1].detail
