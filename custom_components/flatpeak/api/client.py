"""Flatpeak's endpoints, the life of the token, and what every failure means."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
import io
from ipaddress import ip_address
from itertools import batched
import json
import logging
import math
import time
from typing import Any, Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from .errors import (
    FlatpeakAccountDisabledError,
    FlatpeakAuthenticationError,
    FlatpeakConflictError,
    FlatpeakConnectionError,
    FlatpeakDirectionNotSupportedError,
    FlatpeakError,
    FlatpeakForbiddenError,
    FlatpeakInsecureUrlError,
    FlatpeakInvalidRequestError,
    FlatpeakNoPriceDataError,
    FlatpeakNoTariffError,
    FlatpeakNotFoundError,
    FlatpeakRateLimitError,
    FlatpeakResponseError,
    FlatpeakServerError,
    FlatpeakTariffPendingError,
    FlatpeakVersionError,
)
from .models import (
    Aggregation,
    Batch,
    ChargingPlan,
    ConnectOutcome,
    CostReport,
    Device,
    EnergyFlowDirection,
    Event,
    Interval,
    Json,
    Location,
    LocationStatus,
    Page,
    PostalAddress,
    PriceReport,
    Reading,
    RecordCost,
    Schedule,
    Segment,
    Tariff,
    TariffDirection,
    Token,
    read_connect_token,
)
from .privacy import mask

_LOGGER = logging.getLogger(__name__)

DEFAULT_BASE_URL: Final = "https://api.flatpeak.com"
API_VERSION: Final = "2025-09-14.anode"

MAX_BATCH_RECORDS: Final = 10_000
MAX_PRICE_WINDOW: Final = timedelta(days=90)
MAX_SCHEDULE_WINDOW: Final = timedelta(days=3)
PAGE_SIZE: Final = 100

REQUEST_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
# 10,000 records are 3 MB, which a slow uplink may take a minute to send.
SUBMIT_TIMEOUT: Final = aiohttp.ClientTimeout(total=180, connect=10)
# The longest legitimate answer, 10,000 refused records, is well below it.
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
# Python's garbage collector stops everything the longer, the more there is at a time.
RECORDS_AT_ONCE: Final = 100
# Up to here it takes less than a millisecond to read one.
LONG_ANSWER_BYTES: Final = 16 * 1024

ERROR_BY_CODE: Final[Mapping[str, type[FlatpeakError]]] = {
    "account_disabled": FlatpeakAccountDisabledError,
    "api_version_not_supported": FlatpeakVersionError,
    "no_price_data": FlatpeakNoPriceDataError,
    "no_tariff_connected": FlatpeakNoTariffError,
    "pending_connect": FlatpeakTariffPendingError,
    "tariff_direction_not_supported": FlatpeakDirectionNotSupportedError,
}
# The body without a code says it in words only.
ERROR_BY_MESSAGE: Final[Mapping[str, type[FlatpeakError]]] = {
    "Connect is processing link to tariff source.": FlatpeakTariffPendingError,
}
ERROR_BY_STATUS: Final[Mapping[int, type[FlatpeakError]]] = {
    HTTPStatus.UNAUTHORIZED: FlatpeakForbiddenError,
    HTTPStatus.FORBIDDEN: FlatpeakForbiddenError,
    HTTPStatus.NOT_FOUND: FlatpeakNotFoundError,
    HTTPStatus.REQUEST_TIMEOUT: FlatpeakConnectionError,
    HTTPStatus.CONFLICT: FlatpeakConflictError,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """What to send; `path` is a template, so that it can be logged as it is."""

    method: str
    path: str
    object_id: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: aiohttp.ClientTimeout
    private: tuple[str, ...] = ()

    def url(self, base_url: str) -> URL:
        """Return the address, with the id as one opaque segment."""
        object_id = quote(self.object_id or "", safe="")
        return URL(base_url + self.path.format(id=object_id), encoded=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What came back."""

    status: int
    retry_after: str | None
    body: bytes


class FlatpeakClient:
    """One account at Flatpeak.

    Every method raises a `FlatpeakError`. After `FlatpeakConnectionError`,
    `FlatpeakServerError` and `FlatpeakResponseError` it is open whether Flatpeak
    acted on the request.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account_id: str,
        api_key: str,
        *,
        base_url: str = DEFAULT_BASE_URL,
        token: Token | None = None,
    ) -> None:
        """Take the credentials, and the token of a login just made with them."""
        self._session = session
        self._account_id = account_id
        self._api_key = api_key
        self._base_url = validate_base_url(base_url)
        self._token = token
        self._login_lock = asyncio.Lock()
        self._logins_ended = 0
        self._login_error: FlatpeakError | None = None

    @property
    def token(self) -> Token | None:
        """Return the token in hand, which may be worn out."""
        return self._token

    async def login(self) -> Token:
        """Fetch a new token."""
        async with self._login_lock:
            return await self._login()

    async def list_devices(self, reference_id: str) -> list[Device]:
        """Return the devices with exactly this reference, oldest first."""
        devices = await self._list(
            "/devices", Device.from_dict, {"reference_id": reference_id}
        )
        return [device for device in devices if device.reference_id == reference_id]

    async def create_device(self, reference_id: str) -> Device:
        """Create a device; Flatpeak does not keep anyone from creating it twice."""
        request = _write(
            "POST", "/devices", {"reference_id": reference_id}, private=(reference_id,)
        )
        return await self._request(request, Device.from_dict)

    async def get_device(self, device_id: str) -> Device:
        """Return a device."""
        return await self._request(_get("/devices/{id}", device_id), Device.from_dict)

    async def list_locations(self, reference_id: str | None = None) -> list[Location]:
        """Return all locations, or those with exactly this reference, oldest first."""
        filters = {} if reference_id is None else {"reference_id": reference_id}
        locations = await self._list("/locations", Location.from_dict, filters)
        return [
            location
            for location in locations
            if reference_id in (None, location.reference_id)
        ]

    async def create_location(
        self, reference_id: str, address: PostalAddress
    ) -> Location:
        """Create a location."""
        lines = address.as_dict()
        body = {"reference_id": reference_id, "postal_address": lines}
        request = _write(
            "POST", "/locations", body, private=(reference_id, *lines.values())
        )
        return await self._request(request, Location.from_dict)

    async def update_location(
        self, location: Location, address: PostalAddress
    ) -> Location:
        """Give a location another address.

        Flatpeak keeps what is not named, so lines that are no more are sent empty. No
        source says whether it then drops them: the answer has the address as it is.
        """
        known = {} if location.address is None else location.address.as_dict()
        lines = dict.fromkeys(known, "") | address.as_dict()
        request = _write(
            "PATCH",
            "/locations/{id}",
            {"postal_address": lines},
            object_id=location.location_id,
            private=(*known.values(), *lines.values()),
        )
        return await self._request(request, Location.from_dict)

    async def get_location(self, location_id: str) -> Location:
        """Return a location."""
        return await self._request(
            _get("/locations/{id}", location_id), Location.from_dict
        )

    async def get_location_status(self, location_id: str) -> LocationStatus:
        """Return the tariffs of a location."""
        request = _get("/locations/{id}/status", location_id)
        return await self._request(request, LocationStatus.from_dict)

    async def submit_intervals(
        self,
        intervals: Iterable[Interval],
        *,
        when_ready: Callable[[], None] | None = None,
    ) -> Batch:
        """Submit 1 to 10,000 records, of which some may be refused: `failed_records`.

        They are taken beside the event loop, and when they are ready to be sent that is
        told: what else there is to do need not wait for the answer. The records are
        sent once. When the answer is lost, it is for the caller to find out whether
        they have arrived.
        """
        request = _Request(
            method="PUT",
            path="/meters/interval",
            body=await self._encode(intervals),
            timeout=SUBMIT_TIMEOUT,
        )
        if when_ready is not None:
            when_ready()
        return await self._request(request, Batch.from_dict)

    async def submit_cumulative(
        self,
        location_id: str,
        device_id: str,
        energy_flow_direction: EnergyFlowDirection,
        tariff_direction: TariffDirection,
        readings: Iterable[Reading],
    ) -> Batch:
        """Submit 1 to 10,000 readings of a device's register, in Wh.

        What the register counts from one reading to the next is energy, across
        submissions too. The readings are sent once, as those of `submit_intervals`.
        """
        meter = {
            "location_id": location_id,
            "device_id": device_id,
            "energy_flow_direction": energy_flow_direction,
            "tariff_direction": tariff_direction,
            "units": "WH",
        }
        head = f'{json.dumps(meter)[:-1]}, "data": '.encode()
        request = _Request(
            method="PUT",
            path="/meters/cumulative/epoch",
            body=head + await self._encode(readings) + b"}",
            timeout=SUBMIT_TIMEOUT,
        )
        return await self._request(request, Batch.from_dict)

    async def get_batch(self, batch_id: str) -> Batch:
        """Return how far Flatpeak is with a submission."""
        request = _get("/meters/batch", params={"batch_id": batch_id})
        return await self._request(request, Batch.from_dict)

    async def get_interval_costs(
        self,
        object_id: str,
        start: datetime,
        end: datetime,
        tariff_direction: TariffDirection,
        aggregation: Aggregation | None = None,
    ) -> CostReport:
        """Return what the energy of a device or location cost.

        The sources disagree whether the direction belongs in the body or in the
        query: it is sent in both, and the answer must name it (flatpeak-api.md,
        section 8).
        """
        params: dict[str, str] = {"tariff_direction": tariff_direction}
        if aggregation is not None:
            params["aggregation"] = aggregation
        request = _write(
            "POST",
            "/costs/interval/{id}",
            _window(start, end) | {"tariff_direction": tariff_direction},
            object_id=object_id,
            params=params,
        )
        report = await self._request(request, CostReport.from_dict)
        _check_echo(report.object_id, object_id)
        _check_echo(report.tariff_direction, tariff_direction)
        return report

    async def get_session_costs(
        self, session_reference_id: str, tariff_direction: TariffDirection
    ) -> CostReport:
        """Return what each record of a session cost, as far as they are processed.

        The id is our own. Raises `FlatpeakNotFoundError` where Flatpeak knows nothing
        of the session, which it may do before a record of it is processed.
        """
        request = _Request(
            method="POST",
            path="/costs/session/{id}",
            object_id=session_reference_id,
            params={"tariff_direction": tariff_direction},
            timeout=REQUEST_TIMEOUT,
            private=(session_reference_id,),
        )
        report = await self._request(request, CostReport.from_dict)
        _check_echo(report.tariff_direction, tariff_direction)
        return report

    async def submit_instant(self, interval: Interval) -> RecordCost:
        """Submit one record and return what it cost.

        It counts like a record of `submit_intervals`, to which it must not be given as
        well: nothing says that Flatpeak would count it once (flatpeak-api.md, section
        8). It is sent once; when the answer is lost, it is for the caller to find out
        whether it has arrived.
        """
        request = _write("POST", "/costs/instant", interval.as_dict())
        return await self._request(request, RecordCost.from_dict)

    async def estimate_cost(
        self,
        location_id: str,
        start: datetime,
        end: datetime,
        energy_wh: float,
        energy_flow_direction: EnergyFlowDirection,
        tariff_direction: TariffDirection,
    ) -> RecordCost:
        """Return what energy in Wh, spread evenly, would cost; nothing is stored."""
        body = _window(start, end) | {
            "location_id": location_id,
            "energy_flow_direction": energy_flow_direction,
            "tariff_direction": tariff_direction,
            "units": "WH",
            "value": energy_wh,
        }
        params = {"non_persistent": "true"}
        request = _write("POST", "/costs/instant", body, params=params)
        answer = await self._request(request, RecordCost.from_dict)
        _check_echo(answer.tariff_direction, tariff_direction)
        return answer

    async def get_prices(
        self,
        location_id: str,
        start: datetime,
        end: datetime,
        tariff_direction: TariffDirection,
    ) -> PriceReport:
        """Return the prices of a location over at most 90 days of 24 hours."""
        body = _window(start, end) | {"tariff_direction": tariff_direction}
        if end.astimezone(UTC) - start.astimezone(UTC) > MAX_PRICE_WINDOW:
            raise ValueError("Prices are returned for at most 90 days")
        request = _write("POST", "/prices/{id}", body, object_id=location_id)
        report = await self._request(request, PriceReport.from_dict)
        _check_echo(report.location_id, location_id)
        _check_echo(report.tariff_direction, tariff_direction)
        return report

    async def find_windows_by_duration(
        self,
        location_id: str,
        start: datetime,
        end: datetime,
        tariff_direction: TariffDirection,
        *,
        segment: Segment,
        duration: timedelta,
    ) -> Schedule:
        """Return the cheapest or dearest times of some length in all.

        They lie within at most 3 days of 24 hours, and need not follow one another.
        """
        wish = {"segment": segment, "duration": duration / timedelta(minutes=1)}
        return await self._find_windows(
            "/schedules/duration/{id}", location_id, start, end, tariff_direction, wish
        )

    async def find_windows_by_limit(
        self,
        location_id: str,
        start: datetime,
        end: datetime,
        tariff_direction: TariffDirection,
        *,
        segment: Segment,
        absolute: float | None = None,
        relative: float | None = None,
    ) -> Schedule:
        """Return the times at a price and below it, or at it and above.

        They lie within at most 3 days of 24 hours. The price is `absolute`, per kWh, or
        else `relative`: from 0.01, the lowest of the window, to 1, the highest.
        """
        limits = {"absolute": absolute, "relative": relative}
        wish = {name: value for name, value in limits.items() if value is not None}
        return await self._find_windows(
            "/schedules/limit/{id}",
            location_id,
            start,
            end,
            tariff_direction,
            {"segment": segment, **wish},
        )

    async def _find_windows(
        self,
        path: str,
        location_id: str,
        start: datetime,
        end: datetime,
        tariff_direction: TariffDirection,
        wish: Json,
    ) -> Schedule:
        """Return the times of a location that come up to a wish."""
        body = {
            **_schedule_window(start, end),
            "tariff_direction": tariff_direction,
            **wish,
        }
        request = _write("POST", path, body, object_id=location_id)
        schedule = await self._request(request, Schedule.from_dict)
        _check_echo(schedule.location_id, location_id)
        return schedule

    async def plan_amount(
        self,
        location_id: str,
        device_id: str,
        start: datetime,
        end: datetime,
        tariff_direction: TariffDirection,
        *,
        energy_wh: float,
        max_power_w: float,
    ) -> ChargingPlan:
        """Return how to move energy at least cost, within at most 3 days of 24 hours."""
        power = {"units": "W", "value": max_power_w}
        wish = {
            **_schedule_window(start, end),
            "device_id": device_id,
            "tariff_direction": tariff_direction,
            "max_power": power,
            "energy": {"units": "WH", "value": energy_wh},
        }
        request = _write(
            "POST",
            "/schedules/amount/{id}",
            {"max_power": power, "data": [wish]},
            object_id=location_id,
        )
        plan = await self._request(
            request, partial(ChargingPlan.from_dict, device_id=device_id)
        )
        _check_echo(plan.location_id, location_id)
        return plan

    async def create_market_tariff(
        self,
        location_id: str,
        tariff_direction: TariffDirection,
        start: datetime,
        end: datetime,
    ) -> Tariff:
        """Give a location the market prices of its address."""
        window = _window(start, end)
        body = {
            "location_id": location_id,
            "direction": tariff_direction,
            "type": "COMMODITY",
            "contract_start_date": window["start_time"],
            "contract_end_date": window["end_time"],
            "market_rates": True,
        }
        return await self._request(_write("POST", "/tariffs", body), Tariff.from_dict)

    async def create_connect_token(
        self,
        location_id: str,
        tariff_direction: TariffDirection,
        *,
        connect_url: str,
        callback_url: str,
    ) -> str:
        """Open a session of Connect, in which the user connects a tariff in his browser.

        Returns its token. The supplier's login leads back to `connect_url`, the end of
        the session to `callback_url`.
        """
        body = {
            "connect_url": connect_url,
            "callback_url": callback_url,
            "location_id": location_id,
            "tariff_direction": tariff_direction,
            "tariff_type": "COMMODITY",
        }
        request = _write("POST", "/connect/token", body, private=(callback_url,))
        return await self._request(request, read_connect_token)

    async def get_connect_outcome(self, connect_token: str) -> ConnectOutcome:
        """Return how a session of Connect stands."""
        request = _get(
            "/connect/token",
            params={"connect_token": connect_token},
            private=(connect_token,),
        )
        return await self._request(request, ConnectOutcome.from_dict)

    async def get_events(self, location_id: str) -> list[Event]:
        """Return what has happened to a location in the last 90 days, oldest first."""
        return await self._list("/events", Event.from_dict, {"object_id": location_id})

    async def _list[T](
        self,
        path: str,
        read_item: Callable[[Json], T],
        filters: Mapping[str, str] | None = None,
    ) -> list[T]:
        """Return the items of all pages, oldest first."""
        params = {"limit": str(PAGE_SIZE), **(filters or {})}
        items: list[T] = []
        cursors: set[str] = set()
        while True:
            page = await self._page(path, read_item, params)
            items.extend(page.items)
            if page.next_cursor is None:
                return items[::-1]
            if page.next_cursor in cursors:
                raise FlatpeakResponseError("Flatpeak's list has no end")
            cursors.add(page.next_cursor)
            params["starting_after"] = page.next_cursor

    async def _page[T](
        self, path: str, read_item: Callable[[Json], T], params: Mapping[str, str]
    ) -> Page[T]:
        """Return one page; a list that is not found is empty."""
        request = _get(path, params=params, private=(params.get("reference_id", ""),))
        try:
            return await self._request(
                request, partial(Page.from_dict, read_item=read_item)
            )
        except FlatpeakNotFoundError:
            if "starting_after" in params:
                raise
            return Page(items=(), next_cursor=None)

    async def _encode(self, records: Iterable[Interval | Reading]) -> bytes:
        """Return the records as JSON; ten thousand are too many for the event loop.

        The session may have a faster serialiser than Python's own.
        """
        return await asyncio.to_thread(_as_json, records, self._session.json_serialize)

    async def _request[T](self, request: _Request, read: Callable[[Json], T]) -> T:
        """Send a request, once more with a fresh token where the token is refused."""
        token = await self._usable_token()
        try:
            return await self._send(request, f"Bearer {token.bearer}", read)
        except FlatpeakForbiddenError:
            token = await self._usable_token(refused=token)
        return await self._send(request, f"Bearer {token.bearer}", read)

    async def _usable_token(self, refused: Token | None = None) -> Token:
        """Return the token in hand or a new one; all who wait share one login."""
        logins_ended = self._logins_ended
        async with self._login_lock:
            if self._login_error is not None and self._logins_ended != logins_ended:
                raise self._login_error
            token = self._token
            if token is None or token is refused or token.renew_at <= datetime.now(UTC):
                token = await self._login()
            return token

    async def _login(self) -> Token:
        """Fetch a new token and remember how that went; the lock must be held."""
        self._token = self._login_error = None
        try:
            self._token = await self._fetch_token()
        except FlatpeakError as err:
            self._login_error = err
            raise
        finally:
            self._logins_ended += 1
        return self._token

    async def _fetch_token(self) -> Token:
        """Exchange the credentials for a token."""
        credentials = b64encode(f"{self._account_id}:{self._api_key}".encode()).decode()
        read = partial(Token.from_dict, now=datetime.now(UTC))
        try:
            return await self._send(_get("/login"), f"Basic {credentials}", read)
        except FlatpeakForbiddenError:
            raise FlatpeakAuthenticationError from None
        except FlatpeakNotFoundError:
            raise FlatpeakResponseError(
                "There is no Flatpeak at this address"
            ) from None

    async def _send[T](
        self, request: _Request, authorization: str, read: Callable[[Json], T]
    ) -> T:
        """Send a request and read the answer, a long one off the event loop."""
        answer = await self._exchange(request, authorization)
        secrets = (self._account_id, self._api_key, authorization.partition(" ")[2])
        private = (*request.private, *secrets)
        if len(answer.body) < LONG_ANSWER_BYTES:
            return _read_answer(answer, read, private)
        return await asyncio.to_thread(_read_answer, answer, read, private)

    async def _exchange(self, request: _Request, authorization: str) -> _Answer:
        """Do one exchange."""
        started = time.monotonic()
        with _own_errors():
            async with self._session.request(
                request.method,
                request.url(self._base_url),
                params=request.params,
                data=None if request.body is None else io.BytesIO(request.body),
                headers=_headers(request, authorization),
                timeout=request.timeout,
                allow_redirects=False,
                middlewares=None if request.method == "GET" else (_send_once,),
            ) as response:
                answer = await _receive(response)
        duration = time.monotonic() - started
        _LOGGER.debug(
            "%s %s: %s in %.3f s", request.method, request.path, answer.status, duration
        )
        return answer


def validate_base_url(url: str) -> str:
    """Return the address of a server without a trailing slash.

    Raises `FlatpeakInsecureUrlError` unless it is https, or http to this machine,
    with nothing but host, port and path.
    """
    try:
        parts = URL(url.strip())
    except ValueError:
        raise FlatpeakInsecureUrlError from None
    if parts.scheme not in ("http", "https") or not parts.host:
        raise FlatpeakInsecureUrlError
    if parts.user is not None or parts.password is not None or "?" in url or "#" in url:
        raise FlatpeakInsecureUrlError
    if parts.scheme == "http" and not _is_loopback(parts.host):
        raise FlatpeakInsecureUrlError("Flatpeak's address must start with https://")
    return str(parts).rstrip("/")


def _is_loopback(host: str) -> bool:
    """Return whether the host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _get(
    path: str,
    object_id: str | None = None,
    *,
    params: Mapping[str, str] | None = None,
    private: tuple[str, ...] = (),
) -> _Request:
    """Return a request that reads; no `private` word of it is ever shown."""
    return _Request(
        method="GET",
        path=path,
        object_id=object_id,
        params=params or {},
        timeout=REQUEST_TIMEOUT,
        private=private,
    )


def _write(
    method: str,
    path: str,
    body: Json,
    *,
    object_id: str | None = None,
    params: Mapping[str, str] | None = None,
    private: tuple[str, ...] = (),
) -> _Request:
    """Return a request with a body; no `private` word of it is ever shown."""
    return _Request(
        method=method,
        path=path,
        object_id=object_id,
        params=params or {},
        body=json.dumps(body, allow_nan=False).encode(),
        timeout=REQUEST_TIMEOUT,
        private=private,
    )


def _headers(request: _Request, authorization: str) -> dict[str, str]:
    """Return the headers of a request."""
    headers = {
        "Accept": "application/json",
        "Authorization": authorization,
        "Flatpeak-Version": API_VERSION,
    }
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    return headers


def _as_json(
    records: Iterable[Interval | Reading], serialize: Callable[[Any], str]
) -> bytes:
    """Return the records of a batch as JSON, made and dropped a few at a time."""
    count = 0
    body = io.BytesIO()
    for few in batched(records, RECORDS_AT_ONCE, strict=False):
        body.write(b"," if count else b"[")
        count += len(few)
        body.write(serialize([record.as_dict() for record in few])[1:-1].encode())
    if not 1 <= count <= MAX_BATCH_RECORDS:
        raise ValueError(f"A batch holds 1 to {MAX_BATCH_RECORDS} records")
    body.write(b"]")
    return body.getvalue()


def _window(start: datetime, end: datetime) -> dict[str, str]:
    """Return the borders of a window, each with the offset it carries."""
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("A window needs a time zone")
    if end.astimezone(UTC) <= start.astimezone(UTC):
        raise ValueError("A window ends after its start")
    return {"start_time": start.isoformat(), "end_time": end.isoformat()}


def _schedule_window(start: datetime, end: datetime) -> dict[str, str]:
    """Return the borders of a window that Flatpeak makes schedules for."""
    if end.astimezone(UTC) - start.astimezone(UTC) > MAX_SCHEDULE_WINDOW:
        raise ValueError("A window of schedules has at most 3 days")
    return _window(start, end)


def _check_echo(answered: str, asked: str) -> None:
    """Make sure that the answer is about what was asked."""
    if answered != asked:
        raise FlatpeakResponseError(
            "Flatpeak answered for something else than was asked"
        )


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from quietly repeating a PUT whose connection broke.

    It does so for every method that it takes to be idempotent, but nothing says that
    Flatpeak counts the same records only once.
    """
    with _own_errors():
        return await handler(request)


@contextmanager
def _own_errors() -> Iterator[None]:
    """Name the kind of trouble only: aiohttp's texts hold the address with its ids."""
    try:
        yield
    except (
        TimeoutError,
        aiohttp.ClientConnectionError,
        aiohttp.ClientPayloadError,
    ) as err:
        text = f"Flatpeak cannot be reached ({type(err).__name__})"
        raise FlatpeakConnectionError(text) from None
    except aiohttp.ClientError as err:
        text = f"Flatpeak's answer cannot be read ({type(err).__name__})"
        raise FlatpeakResponseError(text) from None


async def _receive(response: aiohttp.ClientResponse) -> _Answer:
    """Receive an answer, up to a size that no honest one has."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise FlatpeakResponseError("Flatpeak's answer is too long")
    retry_after = response.headers.get("Retry-After")
    return _Answer(status=response.status, retry_after=retry_after, body=bytes(body))


def _read_answer[T](
    answer: _Answer, read: Callable[[Json], T], private: tuple[str, ...]
) -> T:
    """Read the answer, or raise what it means."""
    data = _decode(answer.body)
    if not 200 <= answer.status < 300 or data.get("object") == "error":
        raise _error(answer, data, private)
    return read(data)


def _decode(body: bytes) -> dict[str, Any]:
    """Decode a JSON object; of anything else nothing can be read."""
    try:
        data = json.loads(body)
    except ValueError, RecursionError:
        return {}
    return data if isinstance(data, dict) else {}


def _error(answer: _Answer, data: Json, private: tuple[str, ...]) -> FlatpeakError:
    """Return what a refusal means, in either shape (flatpeak-api.md, section 3)."""
    status = answer.status
    code, message = (str(data.get(name) or "").strip() for name in ("code", "message"))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return FlatpeakRateLimitError(retry_after=_seconds(answer.retry_after))
    if kind := ERROR_BY_CODE.get(code) or ERROR_BY_MESSAGE.get(message):
        return kind()
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        text = f"Flatpeak has a problem of its own (status {status})"
        return FlatpeakServerError(text, retry_after=_seconds(answer.retry_after))
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return FlatpeakResponseError("Flatpeak's address redirects elsewhere")
    if kind := ERROR_BY_STATUS.get(status):
        return kind()
    text = mask(message, private) or f"Flatpeak refused the request (status {status})"
    return FlatpeakInvalidRequestError(text, code=code or None)


def _seconds(retry_after: str | None) -> float | None:
    """Return the seconds of a Retry-After, which holds seconds or a date."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        return _seconds_until(retry_after)
    return seconds if 0 <= seconds < math.inf else None


def _seconds_until(date: str) -> float | None:
    """Return the seconds until an HTTP date, none of them for one in the past."""
    try:
        moment = parsedate_to_datetime(date)
    except ValueError, OverflowError:
        return None
    moment = moment.replace(tzinfo=moment.tzinfo or UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
