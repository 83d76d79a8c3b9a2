"""The simulated Flatpeak as a process of its own, and what it is asked beside the API."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
import sys
from typing import Any, Final, Self

from aiohttp import ClientConnectionError, ClientSession

from .process import LOOPBACK, Program

ACCOUNT_ID: Final = "acc_demo"
API_KEY: Final = "sk_test_demo"
NAME: Final = "The simulated Flatpeak"


@dataclass(frozen=True, kw_only=True)
class Record:
    """What Flatpeak holds for a meter over some time; the cost is None where that was not asked."""

    start: datetime
    end: datetime
    energy_wh: float
    cost: float | None

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Self:
        """Read a record, an hour or a day."""
        return cls(
            start=datetime.fromisoformat(raw["start"]),
            end=datetime.fromisoformat(raw["end"]),
            energy_wh=raw["energy"],
            cost=raw.get("reported_cost"),
        )


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a kWh costs over some time."""

    start: datetime
    end: datetime
    price: float


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What Flatpeak was asked since it forgot everything."""

    requests: Counter[str]
    """By route."""
    body_bytes: Counter[str]
    """What each route was sent."""
    records: int
    """How many records it has accepted."""

    def since(self, before: Traffic) -> Traffic:
        """Return what came after an earlier moment."""
        return Traffic(
            requests=self.requests - before.requests,
            body_bytes=self.body_bytes - before.body_bytes,
            records=self.records - before.records,
        )


class SimulatorClient:
    """The control side of a simulator."""

    def __init__(self, session: ClientSession, url: str) -> None:
        """Keep where it is."""
        self._session = session
        self.url = url

    async def is_ready(self) -> bool:
        """Return whether it answers."""
        try:
            await self._get("settings")
        except ClientConnectionError:
            return False
        return True

    async def records(self, device_id: str, direction: str) -> list[Record]:
        """Return the records that count for a device."""
        return await self._truth(device_id, direction, "records")

    async def days(self, device_id: str, direction: str) -> list[Record]:
        """Return the local days of a device as Flatpeak reports them."""
        return await self._truth(device_id, direction, "days")

    async def session(self, session_id: str, direction: str) -> list[Record]:
        """Return the records of a session."""
        rows = await self._get(f"sessions/{session_id}/{direction}")
        return [Record.from_json(row) for row in rows]

    async def _truth(self, device_id: str, direction: str, kind: str) -> list[Record]:
        """Return what the simulator knows of a device."""
        rows = await self._get(f"truth/{device_id}/{direction}/{kind}")
        return [Record.from_json(row) for row in rows]

    async def prices(
        self, location_id: str, direction: str, start: datetime, end: datetime
    ) -> list[Price]:
        """Return the prices of a home between two times."""
        rows = await self._get(
            f"prices/{location_id}/{direction}",
            start=start.isoformat(),
            end=end.isoformat(),
        )
        return [
            Price(
                start=datetime.fromisoformat(row["start"]),
                end=datetime.fromisoformat(row["end"]),
                price=row["price"],
            )
            for row in rows
        ]

    async def settle(
        self,
        location_id: str,
        direction: str,
        start: datetime,
        end: datetime,
        **change: float,
    ) -> None:
        """Let the prices between two times be others than was said."""
        await self._send(
            "POST",
            f"settlements/{location_id}/{direction}",
            {"start": start.isoformat(), "end": end.isoformat(), **change},
        )

    async def change(self, **settings: Any) -> None:
        """Change how it behaves."""
        await self._send("PATCH", "settings", settings)

    @property
    def connect_url(self) -> str:
        """Return where its web app of Connect is."""
        return f"{self.url}/_simulator/connect"

    async def disconnect(self, location_id: str, direction: str) -> None:
        """Let a location have no tariff for a direction any more."""
        await self._send("DELETE", f"tariffs/{location_id}/{direction}")

    async def take_keys(self, *keys: str) -> None:
        """Take these keys for the account and no others, and no token of before."""
        await self._send("PATCH", f"accounts/{ACCOUNT_ID}", {"api_keys": keys})
        expire = {"route": "GET /locations/{id}", "kind": "EXPIRE_TOKEN"}
        await self._send("POST", "faults", expire)

    async def slow_down(self, seconds: float) -> None:
        """Let it process every request at once, and answer late."""
        slow = {"kind": "SLOW", "seconds": seconds, "rate": 1}
        await self._send("PUT", "faults", {"seed": 0, "mix": [slow]})

    async def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        await self._send("DELETE", "faults")

    async def reset(self) -> None:
        """Let it forget all homes."""
        await self._send("POST", "reset", {})

    async def violations(self) -> dict[str, int]:
        """Return what a client did wrong, and how often."""
        counts: dict[str, int] = (await self._get("violations"))["counts"]
        return counts

    async def traffic(self) -> Traffic:
        """Return what it has answered."""
        answer = await self._get("requests")
        requests: Counter[str] = Counter()
        for each in answer["requests"]:
            requests[each["route"]] += each["count"]
        return Traffic(
            requests=requests,
            body_bytes=Counter(answer["body_bytes"]),
            records=sum(each.get("accepted", 0) for each in answer["records"].values()),
        )

    async def request_count(self) -> int:
        """Return how many requests it has answered."""
        return sum((await self.traffic()).requests.values())

    async def accepted_count(self) -> int:
        """Return how many records it has taken, repeated ones too."""
        return (await self.traffic()).records

    async def _get(self, path: str, **query: str) -> Any:
        """Ask the simulator itself."""
        async with self._session.get(
            f"{self.url}/_simulator/{path}", params=query
        ) as response:
            response.raise_for_status()
            return await response.json()

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None = None
    ) -> None:
        """Tell the simulator itself."""
        async with self._session.request(
            method, f"{self.url}/_simulator/{path}", json=body
        ) as response:
            response.raise_for_status()


@asynccontextmanager
async def running_simulator(
    session: ClientSession, port: int, log: Path
) -> AsyncIterator[SimulatorClient]:
    """Run a Flatpeak with one account."""
    command = [sys.executable, "-m", "tests.simulator", "--port", str(port)]
    account = ["--account-id", ACCOUNT_ID, "--api-key", API_KEY]
    client = SimulatorClient(session, f"http://{LOOPBACK}:{port}")
    async with Program(NAME, command + account, log, client.is_ready):
        yield client
