"""The demo: a home with a year of energy, set up with Flatpeak through its own config flow."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final

from aiohttp import ClientSession

from .configuration import COUNTRY
from .home_assistant import HomeAssistant, running_home_assistant
from .process import DemoError, require_port
from .simulator import ACCOUNT_ID, API_KEY, SimulatorClient, running_simulator

HOUR: Final = timedelta(hours=1)
YEAR: Final = timedelta(days=365)


@dataclass(frozen=True, kw_only=True)
class Meter:
    """A meter of the home, and what it is to Flatpeak."""

    name: str
    statistic_id: str
    flow: str
    tariff_direction: str
    money: str = "cost"


GRID_IMPORT: Final = Meter(
    name="Grid import",
    statistic_id="sensor.grid_import",
    flow="grid_import",
    tariff_direction="IMPORT",
)
GRID_EXPORT: Final = Meter(
    name="Grid export",
    statistic_id="sensor.grid_export",
    flow="grid_export",
    tariff_direction="EXPORT",
    money="compensation",
)
SOLAR: Final = Meter(
    name="Solar production",
    statistic_id="sensor.solar_production",
    flow="local_generation",
    tariff_direction="LOCAL",
)
EV_CHARGER: Final = Meter(
    name="EV charger",
    statistic_id="sensor.ev_charger",
    flow="consumption",
    tariff_direction="IMPORT",
)
HEAT_PUMP: Final = Meter(
    name="Heat pump",
    statistic_id="sensor.heat_pump",
    flow="consumption",
    tariff_direction="IMPORT",
)
METERS: Final = (GRID_IMPORT, GRID_EXPORT, SOLAR, EV_CHARGER, HEAT_PUMP)

ENERGY_PREFERENCES: Final[dict[str, Any]] = {
    "energy_sources": [
        {
            "type": "grid",
            "stat_energy_from": GRID_IMPORT.statistic_id,
            "stat_energy_to": GRID_EXPORT.statistic_id,
            "stat_cost": None,
            "entity_energy_price": None,
            "number_energy_price": None,
            "stat_compensation": None,
            "entity_energy_price_export": None,
            "number_energy_price_export": None,
            "cost_adjustment_day": 0,
        },
        {
            "type": "solar",
            "stat_energy_from": SOLAR.statistic_id,
            "config_entry_solar_forecast": None,
        },
    ],
    "device_consumption": [
        {"stat_consumption": meter.statistic_id, "name": meter.name}
        for meter in (EV_CHARGER, HEAT_PUMP)
    ],
    "device_consumption_water": [],
}


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A demo that runs."""

    home_assistant: HomeAssistant
    simulator: SimulatorClient
    entry_id: str
    set_up_at: datetime


class Progress:
    """Says what goes on, with the time since the beginning."""

    def __init__(self) -> None:
        """Begin now."""
        self._began = monotonic()
        self._last = ""

    def __call__(self, message: str) -> None:
        """Print a message that is not a repetition."""
        if message == self._last:
            return
        self._last = message
        print(f"[{monotonic() - self._began:6.1f} s] {message}", flush=True)


@asynccontextmanager
async def running_demo(
    directory: Path, port: int, say: Progress
) -> AsyncIterator[Demo]:
    """Run Home Assistant on a port and the simulated Flatpeak on the next one."""
    directory.mkdir(parents=True, exist_ok=True)
    for each in (port, port + 1):
        require_port(each)
    async with (
        ClientSession() as session,
        running_simulator(session, port + 1, directory / "simulator.log") as simulator,
        running_home_assistant(session, directory, port) as home_assistant,
    ):
        say("Home Assistant and the simulated Flatpeak have started.")
        await move_in(home_assistant)
        say("A year of the home's energy is in the recorder.")
        set_up_at = datetime.now(UTC)
        entry_id = await set_up_flatpeak(
            home_assistant,
            simulator,
            [f"{meter.flow}:{meter.statistic_id}" for meter in METERS],
        )
        say("Flatpeak is set up; it uploads and prices the year.")
        yield Demo(
            home_assistant=home_assistant,
            simulator=simulator,
            entry_id=entry_id,
            set_up_at=set_up_at,
        )


async def move_in(home_assistant: HomeAssistant) -> None:
    """Bring a household with its history and its energy dashboard, unless it is there."""
    if await home_assistant.entries("household"):
        return
    await home_assistant.config_flow("household")
    await require_history(home_assistant)
    await home_assistant.call("energy/save_prefs", **ENERGY_PREFERENCES)


async def require_history(home_assistant: HomeAssistant) -> None:
    """Make sure that the recorder gives back every hour of the year before anybody reads it."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [now - YEAR + number * HOUR for number in range(YEAR // HOUR)]
    changes = await home_assistant.hourly_change(
        [meter.statistic_id for meter in METERS], hours[0], {}
    )
    for meter in METERS:
        missing = set(hours) - set(changes.get(meter.statistic_id, ()))
        if missing:
            raise DemoError(f"The recorder lacks {len(missing)} hours of {meter.name}.")


async def set_up_flatpeak(
    home_assistant: HomeAssistant,
    simulator: SimulatorClient,
    meters: Sequence[str],
    history: str = "1_year",
) -> str:
    """Walk through Flatpeak's config flow, return the id of the entry."""
    for entry in await home_assistant.entries("flatpeak"):
        path = f"/api/config/config_entries/entry/{entry['entry_id']}"
        await home_assistant.delete(path)
    servers = {"api_url": simulator.url, "connect_url": simulator.connect_url}
    account = {"account_id": ACCOUNT_ID, "api_key": API_KEY}
    address = {
        "address_line1": "Rathausplatz 1",
        "city": "Freiburg",
        "post_code": "79098",
        "country_code": COUNTRY,
    }
    await home_assistant.config_flow(
        "flatpeak",
        ("user", account | {"server": servers}),
        ("location", {"location_id": "new"}),
        ("address", address),
        ("tariff", {"tariff": "market"}),
        ("meters", {"meters": meters, "history": history, "link_dashboard": True}),
    )
    [entry] = await home_assistant.entries("flatpeak")
    if entry["state"] != "loaded":
        raise DemoError(f"Flatpeak is not set up: {entry['state']}, {entry['reason']}")
    return str(entry["entry_id"])
