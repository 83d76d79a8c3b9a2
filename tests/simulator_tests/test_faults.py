"""Faults: each does what its name says, to the requests that were planned."""

import asyncio
from time import perf_counter

from aiohttp import ClientError
import pytest

from tests.simulator import Fault, Violation

from .conftest import Home
from .service import HOUR, NOON, Api, Clock, record

SUBMIT = "PUT /meters/interval"


def count(api: Api, home: Home) -> int:
    """Return how many records count."""
    return len(api.simulator.truth(home.device_id).records())


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (Fault.SERVER_ERROR, 500, "Internal Server Error"),
        (Fault.BAD_GATEWAY, 502, "<html>"),
        (Fault.HTML, 200, "<html>"),
        (Fault.rate_limit(), 429, "rate_limit"),
        (Fault.answer(422, {"message": "odd"}), 422, "odd"),
    ],
)
async def test_answer_instead_of_processing(
    api: Api, home: Home, fault: Fault, status: int, body: str
) -> None:
    """The answer is another one and nothing was processed; the next request is served."""
    api.simulator.faults.next(SUBMIT, fault)

    reply = await api.submit(record(*home))

    assert reply.status == status
    assert body in str(reply.body)
    assert count(api, home) == 0
    assert (await api.submit(record(*home))).status == 200
    assert count(api, home) == 1
    assert api.simulator.faults.injected == {fault.name: 1}


@pytest.mark.parametrize(
    ("fault", "records"), [(Fault.RESET_BEFORE, 0), (Fault.RESET_AFTER, 1)]
)
async def test_reset(api: Api, home: Home, fault: Fault, records: int) -> None:
    """The connection is cut before or after the request is processed."""
    # aiohttp repeats a PUT by itself, once.
    api.simulator.faults.next(SUBMIT, fault, fault)

    with pytest.raises(ClientError):
        await api.submit(record(*home))

    assert count(api, home) == records
    assert api.simulator.requests.count(SUBMIT, 499) == 2
    assert (await api.submit(record(*home))).status == 200


async def test_truncated(api: Api, home: Home) -> None:
    """Half of the answer's JSON arrives, of a request that was processed."""
    api.simulator.faults.next(SUBMIT, Fault.TRUNCATED)

    with pytest.raises(ValueError, match=r"JSON|Unterminated|delimiter"):
        await api.submit(record(*home))

    assert count(api, home) == 1


async def test_slow(api: Api, home: Home) -> None:
    """The request is processed at once and answered late."""
    api.simulator.faults.next(SUBMIT, Fault.slow(0.3))

    began = perf_counter()
    reply = await api.submit(record(*home))

    assert perf_counter() - began >= 0.3
    assert reply.body["records_accepted"] == 1


async def test_partly_failed(api: Api, home: Home) -> None:
    """Every second record is refused, and taken when it is repeated."""
    records = [record(*home, NOON - (10 - hour) * HOUR) for hour in range(5)]
    api.simulator.faults.next(SUBMIT, Fault.partly_failed())

    batch = (await api.submit(*records)).body

    assert batch["records_accepted"] == 2
    assert [failed["record_num"] for failed in batch["failed_records"]] == [0, 2, 4]
    assert count(api, home) == 2
    assert (await api.submit(*records[::2])).body["records_accepted"] == 3
    assert count(api, home) == 5
    assert api.simulator.violations.total == 0


@pytest.mark.parametrize("delay", [0, 100])
async def test_unprocessed(api: Api, home: Home, clock: Clock, delay: int) -> None:
    """A submission is not processed for some time, or for ever; others are."""
    api.simulator.settings.processing_delay = delay
    for number, seconds in enumerate((5000, None)):
        api.simulator.faults.next(SUBMIT, Fault.unprocessed(seconds))
        start = NOON - (10 - number) * HOUR
        assert (await api.submit(record(*home, start))).body["records_accepted"] == 1
    await api.submit(record(*home))

    clock.advance(seconds=4999)
    assert count(api, home) == 1
    clock.advance(seconds=1)
    assert count(api, home) == 2
    clock.advance(days=100)
    assert count(api, home) == 2
    waiting = api.simulator.account().meters.waiting(home.device_id)
    assert waiting == {NOON - 8 * HOUR}


async def test_retry_after(api: Api) -> None:
    """A rate limit may name the seconds to wait."""
    api.simulator.faults.next("GET /devices", Fault.rate_limit(7), Fault.rate_limit())

    assert (await api.get("/devices")).headers["Retry-After"] == "7"
    assert "Retry-After" not in (await api.get("/devices")).headers


async def test_expired_token(api: Api, home: Home) -> None:
    """The token dies just before the request, which is refused."""
    api.simulator.faults.next(SUBMIT, Fault.EXPIRE_TOKEN)

    assert (await api.submit(record(*home))).status == 403
    await api.log_in()
    assert (await api.submit(record(*home))).status == 200
    assert api.simulator.violations.total == 0


@pytest.mark.parametrize("fault", [Fault.RESET_AFTER, Fault.TRUNCATED])
async def test_lost_login_may_be_repeated(api: Api, fault: Fault) -> None:
    """A login whose answer was lost is no reason to complain about the next one."""
    api.simulator.expire_tokens()
    api.simulator.faults.next("GET /login", fault)
    try:
        await api.log_in()
    except ClientError, ValueError:
        await api.log_in()

    assert (await api.get("/devices")).status == 200
    assert api.simulator.violations.counts[Violation.EARLY_LOGIN] == 0


async def test_login_that_came_too_late_may_be_repeated(api: Api) -> None:
    """Nor is a login whose answer was so slow that its client had left."""
    api.simulator.expire_tokens()
    api.simulator.faults.next("GET /login", Fault.slow(0.2))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await api.log_in()
    await asyncio.sleep(0.2)
    await api.log_in()

    assert api.simulator.violations.total == 0


async def test_faults_wait_for_their_route(api: Api, home: Home) -> None:
    """A planned fault hits its route only, in order."""
    api.simulator.faults.next(SUBMIT, Fault.SERVER_ERROR, Fault.BAD_GATEWAY)

    assert (await api.get("/devices")).status == 200
    statuses = [(await api.submit(record(*home))).status for _ in range(3)]
    assert statuses == [500, 502, 200]


async def test_planned_for_a_path_with_an_id(api: Api, home: Home) -> None:
    """A route is written as in the document."""
    api.simulator.faults.next("GET /devices/{id}", Fault.SERVER_ERROR)

    assert (await api.get(f"/devices/{home.device_id}")).status == 500


async def test_random_mix_is_the_same_for_a_seed(api: Api) -> None:
    """A seed gives the same faults in the same order, each in its share."""
    rates = {Fault.SERVER_ERROR: 0.2, Fault.rate_limit(): 0.1}

    async def statuses() -> list[int]:
        """Return the statuses of some requests."""
        api.simulator.faults.random(7, rates)
        return [(await api.get("/devices")).status for _ in range(100)]

    first = await statuses()

    assert first == await statuses()
    assert 8 <= first.count(500) <= 35
    assert 2 <= first.count(429) <= 22
    assert first.count(500) + first.count(429) + first.count(200) == 100
    api.simulator.faults.clear()
    assert (await api.get("/devices")).status == 200


async def test_random_trouble_is_for_submissions(api: Api, home: Home) -> None:
    """What only a submission can meet is drawn for nothing else."""
    api.simulator.faults.random(7, {Fault.partly_failed(1): 1})

    assert (await api.get("/devices")).status == 200
    assert api.simulator.faults.injected == {}
    assert (await api.submit(record(*home))).body["records_accepted"] == 0
    assert api.simulator.faults.injected == {"PARTLY_FAILED": 1}
