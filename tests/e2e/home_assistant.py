"""A real Home Assistant as a process of its own, and a client of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
import sys
from typing import Any, Final

from aiohttp import ClientConnectionError, ClientSession

from .configuration import prepare
from .process import LOOPBACK, POLL_SECONDS, DemoError, Program

USER: Final = "demo"
PASSWORD: Final = "demo"
LOAD_SECONDS: Final = 60


class HomeAssistant:
    """Home Assistant in a configuration directory, and who uses it: REST and websocket."""

    def __init__(self, session: ClientSession, directory: Path, port: int) -> None:
        """Prepare it."""
        self._session = session
        self._headers: dict[str, str] = {}
        self.url = f"http://{LOOPBACK}:{port}"
        self.log = directory / "home-assistant.log"
        self.console = directory / "console.log"
        self.storage = directory / ".storage"
        self.token: dict[str, Any] = {}
        # Isolated, or custom_components of the project would be found in place of the installed ones.
        # Python keeps deprecations to itself unless it is asked; Home Assistant logs them.
        warnings = ["-W", "default::DeprecationWarning"]
        hass = [sys.executable, "-I", *warnings, "-m", "homeassistant"]
        self.program = Program(
            "Home Assistant",
            [*hass, "--config", directory, "--skip-pip", "--log-no-color"],
            self.console,
            self._is_ready,
        )

    async def _is_ready(self) -> bool:
        """Return whether it serves its frontend."""
        try:
            async with self._session.get(f"{self.url}/manifest.json") as response:
                return response.ok
        except ClientConnectionError:
            return False

    async def create_user(self) -> None:
        """Create the first user, which ends the onboarding."""
        user = {"name": "Demo", "username": USER, "password": PASSWORD}
        client = {"language": "en", "client_id": self.client_id}
        await self.post("/api/onboarding/users", user | client)

    @property
    def client_id(self) -> str:
        """Return what the frontend calls itself."""
        return f"{self.url}/"

    async def log_in(self) -> None:
        """Log in as the frontend does."""
        client = {"client_id": self.client_id}
        handler = {"handler": ["homeassistant", None], "redirect_uri": self.client_id}
        flow = await self.post("/auth/login_flow", client | handler)
        credentials = {"username": USER, "password": PASSWORD}
        login = await self.post(
            f"/auth/login_flow/{flow['flow_id']}", client | credentials
        )
        grant = {"grant_type": "authorization_code", "code": login["result"]}
        async with self._session.post(
            f"{self.url}/auth/token", data=client | grant
        ) as response:
            response.raise_for_status()
            self.token = await response.json()
        self._headers = {"Authorization": f"Bearer {self.token['access_token']}"}

    @property
    def last_log(self) -> Path:
        """Return the log of the time before the last start."""
        return self.log.with_name(f"{self.log.name}.1")

    async def restart(self, meanwhile: Callable[[], None]) -> None:
        """Stop it in good order, do something, and start it on the same configuration."""
        await self.program.stop()
        meanwhile()
        await self.program.start()
        await self.log_in()
        await self.until_running()

    async def until_running(self) -> None:
        """Wait until Home Assistant has started."""
        while (await self.call("get_config"))["state"] != "RUNNING":
            await asyncio.sleep(POLL_SECONDS)

    async def call(self, command: str, **arguments: Any) -> Any:
        """Send a command over a websocket, return its result."""
        token = self.token["access_token"]
        async with self._session.ws_connect(
            f"{self.url}/api/websocket", max_msg_size=0
        ) as socket:
            await socket.receive_json()
            await socket.send_json({"type": "auth", "access_token": token})
            if (answer := await socket.receive_json())["type"] != "auth_ok":
                raise DemoError(f"Home Assistant refuses the login: {answer}")
            await socket.send_json({"id": 1, "type": command, **arguments})
            answer = await socket.receive_json()
        if not answer["success"]:
            raise DemoError(f"Home Assistant refuses {command}: {answer['error']}")
        return answer["result"]

    async def act(
        self, domain: str, action: str, data: dict[str, Any]
    ) -> dict[str, Any]:
        """Call an action, return what it answers; nothing where it never does."""
        known = (await self.call("get_services"))[domain][action]
        result = await self.call(
            "call_service",
            domain=domain,
            service=action,
            service_data=data,
            return_response="response" in known,
        )
        answer: dict[str, Any] = result.get("response", {})
        return answer

    async def device_id(self, flatpeak_id: str) -> str:
        """Return the device of a home or a meter at Flatpeak."""
        registry = await self.call("config/device_registry/list")
        return next(
            str(each["id"])
            for each in registry
            if ["flatpeak", flatpeak_id] in each["identifiers"]
        )

    async def state(self, entity_id: str) -> str:
        """Return the state of an entity."""
        return str((await self._request("GET", f"/api/states/{entity_id}"))["state"])

    async def until_state(self, entity_id: str, state: str) -> None:
        """Wait until an entity has a state, which it has within a minute."""
        async with asyncio.timeout(LOAD_SECONDS):
            while await self.state(entity_id) != state:
                await asyncio.sleep(POLL_SECONDS)

    async def entity_ids(self, platform: str) -> dict[str, str]:
        """Return the entities of an integration, by their unique id."""
        return {
            entity["unique_id"]: entity["entity_id"]
            for entity in await self.call("config/entity_registry/list")
            if entity["platform"] == platform
        }

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """Post to the REST API, return the answer."""
        return await self._request("POST", path, json=body)

    async def delete(self, path: str) -> Any:
        """Delete through the REST API, return the answer."""
        return await self._request("DELETE", path)

    async def _request(self, method: str, path: str, **options: Any) -> Any:
        """Ask the REST API."""
        async with self._session.request(
            method, f"{self.url}{path}", headers=self._headers, **options
        ) as response:
            if not response.ok:
                raise DemoError(
                    f"Home Assistant refuses {path} with status {response.status}:"
                    f" {await response.text()}"
                )
            return await response.json()

    async def config_flow(self, domain: str, *steps: tuple[str, dict[str, Any]]) -> Any:
        """Walk through the steps of an integration's config flow, return the last answer."""
        path = "/api/config/config_entries/flow"
        answer = await self.post(path, {"handler": domain})
        for step_id, user_input in steps:
            if answer.get("step_id") != step_id or answer.get("errors"):
                break
            answer = await self.post(f"{path}/{answer['flow_id']}", user_input)
        if answer["type"] != "create_entry":
            raise DemoError(f"The set-up of {domain} stops: {answer}")
        return answer

    async def entries(self, domain: str) -> list[dict[str, Any]]:
        """Return the config entries of an integration."""
        entries: list[dict[str, Any]] = await self.call(
            "config_entries/get", domain=domain
        )
        return entries

    async def until_loaded(self, domain: str) -> None:
        """Wait until all homes of an integration are set up, which they are within a minute."""
        async with asyncio.timeout(LOAD_SECONDS):
            while {each["state"] for each in await self.entries(domain)} != {"loaded"}:
                await asyncio.sleep(POLL_SECONDS)

    async def hourly_change(
        self, statistic_ids: list[str], start: datetime, units: dict[str, str]
    ) -> dict[str, dict[datetime, float]]:
        """Return the change of each hour that has one, by statistic id."""
        result = await self.call(
            "recorder/statistics_during_period",
            start_time=start.isoformat(),
            statistic_ids=statistic_ids,
            period="hour",
            units=units,
            types=["change"],
        )
        return {
            statistic_id: {
                datetime.fromtimestamp(row["start"] / 1000, start.tzinfo): row["change"]
                for row in rows
            }
            for statistic_id, rows in result.items()
        }


@asynccontextmanager
async def running_home_assistant(
    session: ClientSession, directory: Path, port: int
) -> AsyncIterator[HomeAssistant]:
    """Run Home Assistant in a configuration directory, with the demo's user logged in."""
    is_new = prepare(directory, port)
    home_assistant = HomeAssistant(session, directory, port)
    async with home_assistant.program:
        if is_new:
            await home_assistant.create_user()
        await home_assistant.log_in()
        await home_assistant.until_running()
        yield home_assistant
