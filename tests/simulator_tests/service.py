"""A clock that is set by hand, and a plain client of the simulator."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from aiohttp import ClientSession, TCPConnector, encode_basic_auth

from tests.simulator import Simulator
from tests.simulator.clock import utc_now

NOON: Final = datetime(2026, 6, 15, 12, tzinfo=UTC)
LONDON: Final = {"city": "London", "country_code": "GB"}
HOUR: Final = timedelta(hours=1)


class Clock:
    """A clock that stands still until it is told otherwise."""

    def __init__(self, now: datetime = NOON) -> None:
        """Set the clock."""
        self.now = now

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def advance(self, **duration: float) -> None:
        """Let time pass."""
        self.now += timedelta(**duration)


class Reply(NamedTuple):
    """What came back: status, body (JSON where it is that) and headers."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def code(self) -> str | None:
        """Return the machine code of a refusal."""
        code: str | None = self.body.get("code")
        return code


class Api:
    """Sends requests as any client could."""

    def __init__(self, simulator: Simulator, session: ClientSession) -> None:
        """Take a simulator and a session that knows its address."""
        self.simulator = simulator
        self._session = session
        self.token = ""

    async def request(
        self, method: str, path: str, body: Any = None, **options: Any
    ) -> Reply:
        """Send a request with the token and return the reply."""
        headers = {"Authorization": f"Bearer {self.token}"}
        headers |= options.pop("headers", {})
        async with self._session.request(
            method, path, json=body, headers=headers, **options
        ) as response:
            is_json = response.content_type == "application/json"
            content = await (response.json() if is_json else response.text())
            return Reply(response.status, content, dict(response.headers))

    async def get(self, path: str, **options: Any) -> Reply:
        """Send a GET."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Reply:
        """Send a POST."""
        return await self.request("POST", path, body, **options)

    async def log_in(
        self, account_id: str | None = None, api_key: str | None = None, **headers: str
    ) -> Reply:
        """Log in; the token is kept for the requests that follow."""
        credentials = encode_basic_auth(
            account_id or self.simulator.account_id, api_key or self.simulator.api_key
        )
        reply = await self.get(
            "/login", headers={"Authorization": credentials, **headers}
        )
        if reply.status == 200:
            self.token = reply.body["bearer_token"]
        return reply

    async def make_location(self, **address: str) -> str:
        """Make a location and return its id; it is in London unless told otherwise."""
        body = {"postal_address": address or LONDON}
        location_id: str = (await self.post("/locations", body)).body["id"]
        return location_id

    async def make_device(self, reference: str = "meter") -> str:
        """Make a device and return its id."""
        reply = await self.post("/devices", {"reference_id": reference})
        device_id: str = reply.body["id"]
        return device_id

    async def submit(self, *records: dict[str, Any]) -> Reply:
        """Submit records."""
        return await self.request("PUT", "/meters/interval", list(records))

    async def report(
        self,
        object_id: str,
        start: str,
        end: str,
        aggregation: str | None = "DAY",
        direction: str = "IMPORT",
    ) -> Reply:
        """Ask for a cost report."""
        body = {"start_time": start, "end_time": end, "tariff_direction": direction}
        params = {"aggregation": aggregation} if aggregation else {}
        return await self.post(f"/costs/interval/{object_id}", body, params=params)


@asynccontextmanager
async def running(
    clock: Callable[[], datetime] = utc_now, **options: Any
) -> AsyncGenerator[Api]:
    """Run a simulator and log in; every request has a connection of its own."""
    async with (
        Simulator(clock=clock, **options) as simulator,
        ClientSession(
            simulator.url, connector=TCPConnector(force_close=True)
        ) as session,
    ):
        api = Api(simulator, session)
        await api.log_in()
        yield api


def record(
    location_id: str,
    device_id: str | None = None,
    start: datetime = NOON - 12 * HOUR,
    *,
    length: timedelta = HOUR,
    **fields: Any,
) -> dict[str, Any]:
    """Return a record of 1 kWh over an hour unless told otherwise."""
    device = {"device_id": device_id} if device_id else {}
    return {
        "location_id": location_id,
        "tariff_direction": "IMPORT",
        "energy_flow_direction": "INBOUND",
        "units": "WH",
        "value": 1000,
        "start_time": start.isoformat(),
        "end_time": (start + length).isoformat(),
        **device,
        **fields,
    }
