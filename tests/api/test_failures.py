"""Every failure becomes one exception, and none of them tells a secret."""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
import gzip
import logging
import traceback

import aiohttp
from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.api import (
    FlatpeakAccountDisabledError,
    FlatpeakAuthenticationError,
    FlatpeakBusyError,
    FlatpeakClient,
    FlatpeakConflictError,
    FlatpeakConnectionError,
    FlatpeakDirectionNotSupportedError,
    FlatpeakError,
    FlatpeakForbiddenError,
    FlatpeakInvalidRequestError,
    FlatpeakNoPriceDataError,
    FlatpeakNoTariffError,
    FlatpeakNotFoundError,
    FlatpeakRateLimitError,
    FlatpeakResponseError,
    FlatpeakServerError,
    FlatpeakTariffError,
    FlatpeakTariffPendingError,
    FlatpeakVersionError,
    Location,
    PostalAddress,
    TariffDirection,
    Token,
    client as client_module,
)

from .conftest import ACCOUNT_ID, API_KEY
from .service import Answer, Service, raw_service
from .test_client import intervals, submit_readings
from .test_models import BATCH, DEVICE, LOCATION

ADDRESS = PostalAddress(
    address_line1="17 Quince Lane",
    city="Wimbleford",
    post_code="QZ9 8XY",
    country_code="GB",
)
REFERENCE_ID = "home-of-mine"
DEVICE_ID = "dev_0a1b2c3d4e5f"
DEVICE_PATH = f"/devices/{DEVICE_ID}"
CREDENTIALS = (ACCOUNT_ID, API_KEY, "token-1")
SECRETS = (*CREDENTIALS, DEVICE_ID, REFERENCE_ID, "Quince", "Wimbleford", "QZ9")

type Call = Callable[[FlatpeakClient], Awaitable[object]]


def error(code: str, message: str = "Something") -> dict[str, object]:
    """Return the body of the errors guide."""
    return {
        "object": "error",
        "live_mode": False,
        "context": "api",
        "type": "invalid_request",
        "code": code,
        "message": message,
        "time_created": "2022-01-24T14:15:22.003",
    }


HTML = b"<!doctype html><title>Bad gateway</title>"
FAILURES = [
    pytest.param(400, error("odd"), FlatpeakInvalidRequestError, id="400"),
    pytest.param(401, {"message": "No"}, FlatpeakForbiddenError, id="401"),
    pytest.param(403, {"message": "No"}, FlatpeakForbiddenError, id="403"),
    pytest.param(403, b"", FlatpeakForbiddenError, id="403-empty"),
    pytest.param(404, {"message": "Not Found"}, FlatpeakNotFoundError, id="404"),
    pytest.param(404, HTML, FlatpeakNotFoundError, id="404-html"),
    pytest.param(408, b"", FlatpeakConnectionError, id="408"),
    pytest.param(409, {"message": "Conflict"}, FlatpeakConflictError, id="409"),
    pytest.param(413, HTML, FlatpeakInvalidRequestError, id="413-html"),
    pytest.param(422, {"message": "Odd"}, FlatpeakInvalidRequestError, id="422"),
    pytest.param(429, error("slow"), FlatpeakRateLimitError, id="429"),
    pytest.param(429, b"", FlatpeakRateLimitError, id="429-empty"),
    pytest.param(500, {"message": "Oh"}, FlatpeakServerError, id="500"),
    pytest.param(502, HTML, FlatpeakServerError, id="502-html"),
    pytest.param(503, b"", FlatpeakServerError, id="503-empty"),
    pytest.param(599, b"", FlatpeakServerError, id="599"),
    *(
        pytest.param(status, error(code), kind, id=f"{status}-{code.strip()}")
        for status, code, kind in (
            (403, "account_disabled", FlatpeakAccountDisabledError),
            (422, "account_disabled", FlatpeakAccountDisabledError),
            (422, "api_version_not_supported", FlatpeakVersionError),
            (422, "pending_connect ", FlatpeakTariffPendingError),
            (422, "no_tariff_connected", FlatpeakNoTariffError),
            (422, "no_price_data", FlatpeakNoPriceDataError),
            (
                422,
                "tariff_direction_not_supported",
                FlatpeakDirectionNotSupportedError,
            ),
            (422, "country_code_missing", FlatpeakInvalidRequestError),
        )
    ),
    pytest.param(
        422,
        {"message": "Connect is processing link to tariff source. "},
        FlatpeakTariffPendingError,
        id="422-pending-in-words",
    ),
    pytest.param(200, b"", FlatpeakResponseError, id="200-empty"),
    pytest.param(204, b"", FlatpeakResponseError, id="204"),
    pytest.param(200, HTML, FlatpeakResponseError, id="200-html"),
    pytest.param(200, b'{"id": "dev_1", "re', FlatpeakResponseError, id="200-cut"),
    pytest.param(200, b"\xff\xfe\xfd", FlatpeakResponseError, id="200-bytes"),
    pytest.param(200, b"[" * 200_000, FlatpeakResponseError, id="200-deep"),
    pytest.param(200, [DEVICE], FlatpeakResponseError, id="200-list"),
    pytest.param(200, None, FlatpeakResponseError, id="200-null"),
    pytest.param(200, {"id": "dev_1"}, FlatpeakResponseError, id="200-missing"),
    pytest.param(200, error("odd"), FlatpeakInvalidRequestError, id="200-error"),
]


@pytest.mark.parametrize(("status", "body", "kind"), FAILURES)
async def test_failure(
    client: FlatpeakClient,
    service: Service,
    status: int,
    body: object,
    kind: type[FlatpeakError],
) -> None:
    """Status, code and words each have their exception, and exactly that."""
    service.answer(DEVICE_PATH, Answer(status=status, body=body))

    with pytest.raises(FlatpeakError) as caught:
        await client.get_device(DEVICE_ID)

    assert type(caught.value) is kind
    assert caught.value.message


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"message": "Bad credentials"}, FlatpeakAuthenticationError),
        (403, {"message": "Bad credentials"}, FlatpeakAuthenticationError),
        (403, HTML, FlatpeakAuthenticationError),
        (403, error("account_disabled"), FlatpeakAccountDisabledError),
        (404, HTML, FlatpeakResponseError),
        (422, error("api_version_not_supported"), FlatpeakVersionError),
        (429, b"", FlatpeakRateLimitError),
        (500, {"message": "Internal Server Error"}, FlatpeakServerError),
        (200, {"token": "token-1"}, FlatpeakResponseError),
        (200, HTML, FlatpeakResponseError),
    ],
)
@pytest.mark.parametrize(
    "call", [FlatpeakClient.login, lambda client: client.get_device(DEVICE_ID)]
)
async def test_failed_login(
    client: FlatpeakClient,
    service: Service,
    *,
    status: int,
    body: object,
    kind: type[FlatpeakError],
    call: Call,
) -> None:
    """A login fails alike whether it was asked for or needed."""
    service.answer("/login", Answer(status=status, body=body))

    with pytest.raises(FlatpeakError) as caught:
        await call(client)

    assert type(caught.value) is kind
    assert len(service.received) == 1
    assert client.token is None


@pytest.mark.parametrize(
    "kind",
    [
        FlatpeakTariffPendingError,
        FlatpeakNoTariffError,
        FlatpeakNoPriceDataError,
        FlatpeakDirectionNotSupportedError,
    ],
)
def test_tariff_errors(kind: type[FlatpeakError]) -> None:
    """What is wrong with a tariff can be caught as one."""
    assert issubclass(kind, FlatpeakTariffError)


async def test_invalid_request_has_the_words_of_the_service(
    client: FlatpeakClient, service: Service
) -> None:
    """A refusal says why, in both shapes of body."""
    service.answer(
        DEVICE_PATH,
        Answer(status=422, body=error("country_code_missing", "Country is missing ")),
        Answer(status=422, body={"message": "Country is missing"}),
        Answer(status=418, body={"message": None, "code": 7}),
    )

    refusals = []
    for _ in range(3):
        with pytest.raises(FlatpeakInvalidRequestError) as caught:
            await client.get_device(DEVICE_ID)
        refusals.append((caught.value.message, str(caught.value), caught.value.code))

    assert refusals == [
        ("Country is missing", "Country is missing", "country_code_missing"),
        ("Country is missing", "Country is missing", None),
        *[(text := "Flatpeak refused the request (status 418)", text, "7")],
    ]


RETRY_NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 1.5 ", 1.5),
        ("0", 0.0),
        (format_datetime(RETRY_NOW + timedelta(minutes=5), usegmt=True), 300.0),
        (format_datetime(RETRY_NOW - timedelta(minutes=5), usegmt=True), 0.0),
        ("Sat, 01 Mar 2025 12:05:00 -0000", 300.0),
        ("Sat, 01 Mar 2025 13:05:00 +0100", 300.0),
        ("-5", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after(
    client: FlatpeakClient,
    service: Service,
    freezer: FrozenDateTimeFactory,
    *,
    status: int,
    header: str | None,
    seconds: float | None,
) -> None:
    """The delay comes in seconds or as a date, or not at all."""
    freezer.move_to(RETRY_NOW)
    headers = {} if header is None else {"Retry-After": header}
    service.answer(DEVICE_PATH, Answer(status=status, body=b"", headers=headers))

    with pytest.raises(FlatpeakBusyError) as caught:
        await client.get_device(DEVICE_ID)

    assert caught.value.retry_after == seconds


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect(client: FlatpeakClient, service: Service, status: int) -> None:
    """The token is not carried elsewhere."""
    headers = {"Location": f"{service.url}elsewhere"}
    service.answer(DEVICE_PATH, Answer(status=status, body=b"", headers=headers))

    with pytest.raises(FlatpeakResponseError, match="redirect"):
        await client.get_device(DEVICE_ID)

    assert service.asked("/elsewhere") == []


async def test_slow_answer(
    client: FlatpeakClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who does not answer in time does not answer."""
    await client.login()
    service.answer(DEVICE_PATH, Answer(delay=1))
    tiny = aiohttp.ClientTimeout(total=0.05)
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", tiny)

    with pytest.raises(FlatpeakConnectionError, match="Timeout"):
        await client.get_device(DEVICE_ID)


async def test_submission_may_take_longer(
    client: FlatpeakClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten thousand records have a time-out of their own."""
    await client.login()
    service.answer("/meters/interval", Answer(delay=0.2, body=BATCH))
    tiny = aiohttp.ClientTimeout(total=0.05)
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", tiny)

    await client.submit_intervals(intervals(1))

    monkeypatch.setattr(client_module, "SUBMIT_TIMEOUT", tiny)
    with pytest.raises(FlatpeakConnectionError, match="Timeout"):
        await client.submit_intervals(intervals(1))


async def test_no_server(session: aiohttp.ClientSession) -> None:
    """A closed port is no connection."""
    async with raw_service(b"") as url:
        pass
    client = FlatpeakClient(session, ACCOUNT_ID, API_KEY, base_url=url)

    with pytest.raises(FlatpeakConnectionError, match="ClientConnectorError"):
        await client.login()


@pytest.mark.parametrize(
    ("answer", "reset", "kind"),
    [
        (b"", False, FlatpeakConnectionError),
        (b"", True, FlatpeakConnectionError),
        (b"HTTP/1.1 200 OK\r\nContent-L", False, FlatpeakConnectionError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", False, None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", True, None),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}",
            False,
            FlatpeakConnectionError,
        ),
        (b"220 mail.example ESMTP\r\n\r\n", False, FlatpeakResponseError),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000, False, FlatpeakResponseError),
    ],
)
async def test_broken_answer(
    session: aiohttp.ClientSession,
    answer: bytes,
    reset: bool,
    kind: type[FlatpeakError] | None,
) -> None:
    """An answer that breaks off was lost; one that is not HTTP is unreadable."""
    async with raw_service(answer, reset=reset) as url:
        client = FlatpeakClient(session, ACCOUNT_ID, API_KEY, base_url=url)
        with pytest.raises(FlatpeakError) as caught:
            await client.login()

    assert type(caught.value) is (kind or FlatpeakConnectionError)


@pytest.mark.parametrize("compressed", [False, True])
async def test_endless_answer(
    client: FlatpeakClient,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    compressed: bool,
) -> None:
    """No answer fills the memory, however small it was packed."""
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 100_000)
    body, headers = b" " * 100_001, {}
    if compressed:
        body, headers = gzip.compress(body), {"Content-Encoding": "gzip"}
    service.answer(DEVICE_PATH, Answer(body=body, headers=headers))

    with pytest.raises(FlatpeakResponseError, match="too long"):
        await client.get_device(DEVICE_ID)


@pytest.mark.parametrize(
    ("submit", "method"),
    [
        (lambda client: client.submit_intervals(intervals(1)), b"PUT"),
        (lambda client: submit_readings(client, 1), b"PUT"),
        (lambda client: client.submit_instant(intervals(1)[0]), b"POST"),
    ],
    ids=["intervals", "readings", "instant"],
)
async def test_submission_is_never_repeated_by_itself(
    session: aiohttp.ClientSession,
    submit: Call,
    method: bytes,
) -> None:
    """Records whose answer was lost are not sent twice behind the caller's back."""
    heads: list[bytes] = []
    async with raw_service(b"", heads=heads) as url:
        client = FlatpeakClient(
            session, ACCOUNT_ID, API_KEY, base_url=url, token=fresh_token()
        )
        with pytest.raises(FlatpeakConnectionError):
            await submit(client)

    assert [head.split(b" ")[0] for head in heads] == [method]


def fresh_token() -> Token:
    """Return a token that needs no login for a while."""
    now = datetime.now(UTC)
    return Token(
        bearer="token-1",
        expires_at=now + timedelta(hours=1),
        renew_at=now + timedelta(minutes=54),
        live_mode=False,
    )


def leaky_answers() -> list[Answer]:
    """Return answers that repeat all that we have sent."""
    words = " ".join((*SECRETS, *ADDRESS.as_dict().values()))
    return [
        Answer(status=status, body=body)
        for status in (200, 307, 400, 404, 409, 422, 429, 500)
        for body in (
            words.encode(),
            {"message": words},
            error("odd", words),
            error("account_disabled", words),
            {"id": words, "reference_id": [words], "tariff_status": words},
        )
    ]


CALLS: dict[str, tuple[Call, tuple[str, ...]]] = {
    "GET /login": (FlatpeakClient.login, (ACCOUNT_ID, API_KEY, DEVICE_ID)),
    "GET /devices/{id}": (
        lambda client: client.get_device(DEVICE_ID),
        (*CREDENTIALS, DEVICE_ID),
    ),
    "GET /devices": (
        lambda client: client.list_devices(REFERENCE_ID),
        (*CREDENTIALS, DEVICE_ID, REFERENCE_ID),
    ),
    "POST /devices": (
        lambda client: client.create_device(REFERENCE_ID),
        (*CREDENTIALS, DEVICE_ID, REFERENCE_ID),
    ),
    "POST /connect/token": (
        lambda client: client.create_connect_token(
            DEVICE_ID,
            TariffDirection.IMPORT,
            connect_url="https://connect.example",
            callback_url="https://wimbleford.example/quince",
        ),
        (*CREDENTIALS, DEVICE_ID, "Quince", "Wimbleford"),
    ),
    "GET /connect/token": (
        lambda client: client.get_connect_outcome(DEVICE_ID),
        (*CREDENTIALS, DEVICE_ID),
    ),
    "GET /events": (
        lambda client: client.get_events(DEVICE_ID),
        (*CREDENTIALS, DEVICE_ID),
    ),
    "POST /locations": (
        lambda client: client.create_location(REFERENCE_ID, ADDRESS),
        SECRETS,
    ),
    "PATCH /locations/{id}": (
        lambda client: client.update_location(
            Location.from_dict(LOCATION | {"id": DEVICE_ID}), ADDRESS
        ),
        (*CREDENTIALS, DEVICE_ID, "Quince", "Wimbleford", "QZ9"),
    ),
}


@pytest.mark.parametrize("endpoint", CALLS)
async def test_no_secret_in_texts_and_logs(
    client: FlatpeakClient,
    service: Service,
    caplog: pytest.LogCaptureFixture,
    endpoint: str,
) -> None:
    """What was sent and is repeated is in no text, log, repr or traceback."""
    call, secrets = CALLS[endpoint]
    caplog.set_level(logging.DEBUG)
    shown = [repr(client), str(client)]
    for answer in leaky_answers():
        service.answer(endpoint.split(" ")[1].format(id=DEVICE_ID), answer)
        try:
            await call(client)
        except FlatpeakError as err:
            shown += [str(err), repr(err), *traceback.format_exception(err)]
    logged = [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("custom_components")
    ]
    shown += logged

    assert len(shown) > 100
    assert any(line.startswith(f"{endpoint}: ") for line in logged)
    assert [secret for secret in secrets if secret in "\n".join(shown)] == []


async def test_no_secret_when_the_connection_fails(
    session: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What aiohttp says holds the whole address; what we say does not."""
    token = fresh_token()
    tiny = aiohttp.ClientTimeout(total=0.05)
    monkeypatch.setattr(client_module, "REQUEST_TIMEOUT", tiny)
    texts = []
    async with AsyncExitStack() as stack:
        for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"?\r\n"):
            url = await stack.enter_async_context(raw_service(answer))
            client = FlatpeakClient(
                session, ACCOUNT_ID, API_KEY, base_url=url, token=token
            )
            with pytest.raises(FlatpeakError) as caught:
                await client.list_devices(REFERENCE_ID)
            texts += traceback.format_exception(caught.value)

    assert [secret for secret in SECRETS if secret in "".join(texts)] == []


async def test_log(
    client: FlatpeakClient, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """The log tells what was asked and how that went, at debug only."""
    caplog.set_level(logging.DEBUG, "custom_components.flatpeak")
    service.answer(DEVICE_PATH, Answer(status=404))

    with pytest.raises(FlatpeakNotFoundError):
        await client.get_device(DEVICE_ID)

    records = [r for r in caplog.records if r.name.startswith("custom_components")]
    assert {record.levelno for record in records} == {logging.DEBUG}
    assert [record.getMessage().split(" in ")[0] for record in records] == [
        "GET /login: 200",
        "GET /devices/{id}: 404",
    ]
