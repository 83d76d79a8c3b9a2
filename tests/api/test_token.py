"""The life of the token."""

import asyncio
from datetime import UTC, datetime, timedelta

import aiohttp
from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.api import (
    FlatpeakAuthenticationError,
    FlatpeakClient,
    FlatpeakForbiddenError,
    FlatpeakServerError,
)

from .conftest import ACCOUNT_ID, API_KEY
from .service import Answer, Service, token
from .test_failures import fresh_token
from .test_models import DEVICE

PATH = "/devices/dev_1"
REFUSED = Answer(status=403, body={"message": "Bad credentials"})
FOUND = Answer(body=DEVICE)


def bearers(service: Service) -> list[str]:
    """Return the tokens that came with the requests, in order."""
    return [request.headers["Authorization"] for request in service.asked(PATH)]


async def test_login(client: FlatpeakClient, service: Service) -> None:
    """A login returns the token and keeps it."""
    token = await client.login()

    assert client.token is token
    assert (token.bearer, token.live_mode) == ("token-1", False)
    assert token.expires_at - datetime.now(UTC) <= timedelta(hours=1)


async def test_no_token_before_login(client: FlatpeakClient) -> None:
    """A client does nothing by itself."""
    assert client.token is None


async def test_token_is_used_again(client: FlatpeakClient, service: Service) -> None:
    """One login serves many requests."""
    service.answer(PATH, FOUND)

    for _ in range(3):
        await client.get_device("dev_1")

    assert len(service.asked("/login")) == 1


async def test_token_is_handed_over(
    session: aiohttp.ClientSession, service: Service
) -> None:
    """Who has just logged in elsewhere need not log in here."""
    service.answer(PATH, FOUND)
    given = fresh_token()
    client = FlatpeakClient(
        session, ACCOUNT_ID, API_KEY, base_url=service.url, token=given
    )

    await client.get_device("dev_1")

    assert client.token is given
    assert service.asked("/login") == []


async def test_token_is_renewed_before_it_expires(
    client: FlatpeakClient, service: Service, freezer: FrozenDateTimeFactory
) -> None:
    """At nine tenths of its life a token is replaced."""
    service.answer(PATH, FOUND)

    await client.get_device("dev_1")
    freezer.tick(3239)
    await client.get_device("dev_1")
    freezer.tick(1)
    await client.get_device("dev_1")

    assert bearers(service) == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_token_is_replaced(
    client: FlatpeakClient, service: Service, status: int
) -> None:
    """A token that is refused early costs one login, not the request."""
    service.answer(PATH, Answer(status=status), FOUND)

    device = await client.get_device("dev_1")

    assert device.device_id == "dev_1"
    assert bearers(service) == ["Bearer token-1", "Bearer token-2"]


async def test_refused_twice(client: FlatpeakClient, service: Service) -> None:
    """What a fresh token is refused, too, is forbidden; the credentials are fine."""
    service.answer(PATH, REFUSED)

    with pytest.raises(FlatpeakForbiddenError):
        await client.get_device("dev_1")

    assert len(service.asked(PATH)) == 2
    assert len(service.asked("/login")) == 2


async def test_refused_credentials(client: FlatpeakClient, service: Service) -> None:
    """Only a refused login says that the credentials are wrong."""
    service.answer(PATH, REFUSED)
    service.answer("/login", token("token-1"), REFUSED)

    with pytest.raises(FlatpeakAuthenticationError):
        await client.get_device("dev_1")

    assert len(service.asked(PATH)) == 1
    assert client.token is None


async def test_body_is_sent_again_with_the_new_token(
    client: FlatpeakClient, service: Service
) -> None:
    """The second try is the same request."""
    service.answer("/devices", REFUSED, Answer(status=201, body=DEVICE))

    await client.create_device("meter")

    first, second = service.asked("/devices")
    assert first.json == second.json == {"reference_id": "meter"}


async def test_callers_share_a_login(client: FlatpeakClient, service: Service) -> None:
    """Ten at once log in once."""
    service.answer(PATH, FOUND)

    await asyncio.gather(*(client.get_device("dev_1") for _ in range(10)))

    assert len(service.asked("/login")) == 1


async def test_callers_share_a_second_login(
    client: FlatpeakClient, service: Service
) -> None:
    """A token that is refused ten times is replaced once."""
    await client.login()
    gate = asyncio.Event()
    refused = Answer(status=403, gate=gate)
    service.answer(PATH, *[refused] * 10, FOUND)
    calls = [asyncio.create_task(client.get_device("dev_1")) for _ in range(10)]
    while len(service.asked(PATH)) < 10:
        await asyncio.sleep(0.001)

    gate.set()
    await asyncio.gather(*calls)

    assert len(service.asked("/login")) == 2
    assert bearers(service) == ["Bearer token-1"] * 10 + ["Bearer token-2"] * 10


async def test_callers_share_a_failed_login(
    client: FlatpeakClient, service: Service
) -> None:
    """Who waits for a login that fails does not try again; who comes later does."""
    service.answer(PATH, FOUND)
    service.answer("/login", Answer(status=500, delay=0.05), token("token-1"))

    failures = await asyncio.gather(
        *(client.get_device("dev_1") for _ in range(10)), return_exceptions=True
    )

    assert [type(failure) for failure in failures] == [FlatpeakServerError] * 10
    assert len(service.asked("/login")) == 1
    assert (await client.get_device("dev_1")).device_id == "dev_1"


async def test_cancelled_login_is_taken_over(
    client: FlatpeakClient, service: Service
) -> None:
    """When the caller who logs in is cancelled, the next one logs in."""
    service.answer(PATH, FOUND)
    gate = asyncio.Event()
    slow = Answer(body=token("token-1").body, gate=gate)
    service.answer("/login", slow, token("token-2"))
    first = asyncio.create_task(client.get_device("dev_1"))
    while not service.asked("/login"):
        await asyncio.sleep(0.001)
    second = asyncio.create_task(client.get_device("dev_1"))
    await asyncio.sleep(0)

    first.cancel()

    assert (await second).device_id == "dev_1"
    assert bearers(service) == ["Bearer token-2"]
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_login_replaces_the_token(
    client: FlatpeakClient, service: Service
) -> None:
    """A login that is asked for is made, whatever is in hand."""
    await client.login()

    assert (await client.login()).bearer == "token-2"
    assert client.token is not None
    assert client.token.bearer == "token-2"
