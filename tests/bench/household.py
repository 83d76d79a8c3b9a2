"""A household in a real Home Assistant, beside a simulated Flatpeak in a process of its own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.statistics import async_written
from homeassistant.components.energy.data import async_get_manager
from homeassistant.config_entries import SOURCE_USER, ConfigEntry
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from tests.database import free_port
from tests.e2e.simulator import ACCOUNT_ID, API_KEY, SimulatorClient, running_simulator
from tests.home import ADDRESS, Flow

from .energy import statistic_ids
from .home_assistant import running_home_assistant, sqlite_url


@dataclass(frozen=True, kw_only=True)
class Household:
    """A household and its account at Flatpeak."""

    hass: HomeAssistant
    simulator: SimulatorClient

    async def async_set_up(
        self, meters: int, *, history: str, tariff: str
    ) -> ConfigEntry[Any]:
        """Set Flatpeak up as a person would, and wait until there is nothing left to do."""
        await self._async_show(meters)
        flow = await self._async_begin()
        for answers in ({"location_id": "new"}, ADDRESS, {"tariff": tariff}):
            flow = await self._async_answer(flow, answers)
        chosen = flow["data_schema"]({})["meters"]
        flow = await self._async_answer(
            flow, {"meters": chosen, "history": history, "link_dashboard": False}
        )
        if flow["type"] != "create_entry":
            raise RuntimeError(f"Flatpeak is not set up: {flow}")
        await self.async_settle()
        entry: ConfigEntry[Any] = flow["result"]
        return entry

    async def async_settle(self) -> None:
        """Wait until nothing is left to upload or to price."""
        await self.hass.async_block_till_done(wait_background_tasks=True)
        await async_written(self.hass)

    async def async_remove(self, entry: ConfigEntry[Any]) -> None:
        """Remove Flatpeak with everything that it wrote, and let it forget the home."""
        await self.hass.config_entries.async_remove(entry.entry_id)
        await self.simulator.reset()

    async def _async_show(self, meters: int) -> None:
        """Put the meters on the energy dashboard."""
        manager = await async_get_manager(self.hass)
        devices = [{"stat_consumption": each} for each in statistic_ids(meters)]
        await manager.async_update({"device_consumption": devices})  # type: ignore[typeddict-item]  # the keys are those of the dashboard's own types

    async def _async_begin(self) -> Flow:
        """Begin to set Flatpeak up."""
        flow = await self.hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_USER}
        )
        return await self._async_answer(
            flow,
            {
                "account_id": ACCOUNT_ID,
                CONF_API_KEY: API_KEY,
                "server": {"api_url": self.simulator.url},
            },
        )

    async def _async_answer(self, flow: Flow, answers: dict[str, Any]) -> Flow:
        """Answer a step of the flow, and return the next one."""
        return await self.hass.config_entries.flow.async_configure(
            flow["flow_id"], answers
        )


@asynccontextmanager
async def running_household(db_url: str | None = None) -> AsyncIterator[Household]:
    """Run a household, on a database of its own where none is given."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="flatpeak-")))
        hass = await stack.enter_async_context(
            running_home_assistant(directory, db_url or sqlite_url(directory))
        )
        simulator = await stack.enter_async_context(
            running_simulator(
                async_get_clientsession(hass), free_port(), directory / "simulator.log"
            )
        )
        yield Household(hass=hass, simulator=simulator)
