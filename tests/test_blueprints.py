"""The blueprints: each is imported as it is, and does what it says."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest.mock import PropertyMock, patch
from urllib.parse import quote

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
    async_mock_service,
)

from homeassistant.components.automation.helpers import async_get_blueprints
from homeassistant.components.blueprint import Blueprint
from homeassistant.components.blueprint.models import DomainBlueprints
from homeassistant.const import EVENT_HOMEASSISTANT_STARTED
from homeassistant.core import CoreState, HomeAssistant, ServiceCall
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util

from .home import Home
from .pages import ROOT
from .priced import NOW, PricedHome
from .simulator import Fault

FOLDER: Final = ROOT / "blueprints" / "automation"
PATHS: Final = sorted(path.relative_to(FOLDER) for path in FOLDER.rglob("*.yaml"))
SOURCE: Final = "https://github.com/flatpeak-homeassistant/flatpeak/blob/main/"
IMPORT: Final = "https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url="

SESSION: Final = "event.ev_charger_session"
WAITING: Final = "input_boolean.dishwasher_waits"
MINUTE: Final = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def blueprints() -> Generator[None]:
    """Let Home Assistant find the project's blueprints where it keeps its own."""
    with patch.object(
        DomainBlueprints, "blueprint_folder", PropertyMock(return_value=FOLDER)
    ):
        yield


async def async_automate(hass: HomeAssistant, name: str, **inputs: Any) -> None:
    """Set up an automation of a blueprint."""
    use = {"path": f"flatpeak/{name}.yaml", "input": inputs}
    assert await async_setup_component(
        hass, "automation", {"automation": {"alias": name, "use_blueprint": use}}
    )
    await hass.async_block_till_done()
    state = hass.states.get(f"automation.{name}")
    assert state is not None
    assert state.state == "on"


@pytest.fixture
def told(hass: HomeAssistant) -> list[ServiceCall]:
    """Return what the user was told."""
    return async_mock_service(hass, "persistent_notification", "create")


@pytest.fixture
def started(hass: HomeAssistant) -> list[ServiceCall]:
    """Return how often the appliance was started."""
    return async_mock_service(hass, "switch", "turn_on")


@pytest.mark.parametrize("path", PATHS, ids=str)
async def test_import(hass: HomeAssistant, path: Path) -> None:
    """Home Assistant takes it, it says where it comes from, and the first page leads there."""
    blueprint = await async_get_blueprints(hass).async_get_blueprint(path.as_posix())
    assert isinstance(blueprint, Blueprint)
    assert blueprint.validate() is None
    source = SOURCE + (FOLDER / path).relative_to(ROOT).as_posix()
    assert blueprint.metadata["source_url"] == source
    assert blueprint.metadata["description"]
    for each in blueprint.inputs.values():
        assert each["name"]
        assert each["description"]
        assert each["selector"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert IMPORT + quote(source, safe="") in readme


async def async_tell_session(hass: HomeAssistant, event_type: str = "priced") -> None:
    """Let the event entity of a meter tell of a session that is priced."""
    hass.states.async_set(
        SESSION,
        dt_util.utcnow().isoformat(timespec="milliseconds"),
        {
            "event_type": event_type,
            "session_id": "dev_1-session-1",
            "energy": 21.46,
            "cost": 4.2049,
            "currency": "EUR",
            "average_price": 0.195941,
            "start": "2026-11-24T01:30:00+01:00",
            "end": "2026-11-24T05:05:00+01:00",
        },
    )
    await hass.async_block_till_done()


async def test_what_a_charge_cost(
    hass: HomeAssistant, told: list[ServiceCall], freezer: FrozenDateTimeFactory
) -> None:
    """Each session is told of once, and what is restored after a restart is not."""
    hass.states.async_set(SESSION, "unknown")
    await async_automate(hass, "charge_cost", session=SESSION)
    await async_tell_session(hass)
    [call] = told
    assert call.data["message"] == "21.5 kWh from 01:30 to 05:05 cost 4.20 EUR."

    hass.states.async_set(SESSION, "unavailable")
    await async_tell_session(hass)
    assert len(told) == 1
    freezer.tick(MINUTE)
    await async_tell_session(hass, "begun")
    assert len(told) == 1
    freezer.tick(MINUTE)
    await async_tell_session(hass)
    assert len(told) == 2


async def test_how_it_is_told(hass: HomeAssistant, told: list[ServiceCall]) -> None:
    """The user may say it in his own words, to whom he likes."""
    said = async_mock_service(hass, "notify", "phone")
    hass.states.async_set(SESSION, "unknown")
    notification = [
        {
            "action": "notify.phone",
            "data": {
                "message": "{{ cost }} {{ currency }} {{ energy }} {{ average_price }} {{ start }} {{ end }}"
            },
        }
    ]
    await async_automate(
        hass, "charge_cost", session=SESSION, notification=notification
    )
    await async_tell_session(hass)
    assert [call.data["message"] for call in said] == [
        "4.2049 EUR 21.46 0.195941 2026-11-24T01:30:00+01:00 2026-11-24T05:05:00+01:00"
    ]
    assert not told


async def test_a_limit_is_passed(
    hass: HomeAssistant, told: list[ServiceCall], freezer: FrozenDateTimeFactory
) -> None:
    """It is told once a day, however often the cost comes back."""
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to(NOW)
    cost = "sensor.home_net_cost_today"
    unit = {"unit_of_measurement": "EUR"}

    async def async_cost(value: str) -> None:
        hass.states.async_set(cost, value, unit)
        await hass.async_block_till_done()

    await async_cost("4.9")
    await async_automate(hass, "cost_limit", cost=cost, limit=5)
    await async_cost("4.99")
    assert not told
    await async_cost("5.126")
    [call] = told
    assert (
        call.data["message"]
        == "The energy of today costs 5.13 EUR by now, which is more than 5.00 EUR."
    )

    for value in ("unavailable", "5.2", "4.9", "5.3"):
        await async_cost(value)
    assert len(told) == 1

    # Midnight in Berlin.
    freezer.move_to(datetime(2026, 11, 24, 23, tzinfo=UTC))
    for value in ("unknown", "0.1", "5.5"):
        await async_cost(value)
    assert len(told) == 2


@pytest.fixture
async def priced(
    home: Home, freezer: FrozenDateTimeFactory
) -> AsyncGenerator[PricedHome]:
    """Return a home with an appliance that is not loaded yet."""
    priced = PricedHome(home, freezer)
    await priced.async_begin(hours=3)
    assert await async_setup_component(
        home.hass, "input_boolean", {"input_boolean": {"dishwasher_waits": None}}
    )
    yield priced
    # What still waits would keep Home Assistant from stopping.
    await priced.hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


async def async_plan(priced: PricedHome) -> None:
    """Let an automation start the appliance."""
    turn_on = {"action": "switch.turn_on", "target": {"entity_id": "switch.dishwasher"}}
    await async_automate(
        priced.hass,
        "cheapest_window",
        home=priced.device_id(priced.location_id),
        waiting=WAITING,
        start=[turn_on],
    )


async def async_load(priced: PricedHome, service: str = "turn_on") -> None:
    """Say that the appliance is loaded and waits, or not."""
    await priced.hass.services.async_call(
        "input_boolean", service, {"entity_id": WAITING}, blocking=True
    )


async def async_until_planned(caplog: pytest.LogCaptureFixture) -> None:
    """Let the automation go on until it waits; as long as it does, all is not done."""
    while "Executing step delay" not in caplog.text:
        await asyncio.sleep(0)


async def async_reach(
    priced: PricedHome, freezer: FrozenDateTimeFactory, instant: datetime
) -> None:
    """Let the clock reach an instant, and what waits for it go on."""
    freezer.move_to(instant)
    async_fire_time_changed(priced.hass, instant)
    for _ in range(100):
        await asyncio.sleep(0)


async def async_best_start(priced: PricedHome) -> datetime:
    """Return when the cheapest two hours until the morning begin."""
    answer = await priced.async_ask(
        "find_cheapest_window", duration="02:00:00", end="2026-11-25 07:00:00"
    )
    return datetime.fromisoformat(answer["window"]["start"]).astimezone(UTC)


async def test_the_cheapest_window(
    priced: PricedHome,
    started: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The appliance starts with the window, once; the helper goes off."""
    begin = await async_best_start(priced)
    assert begin > NOW
    await async_plan(priced)
    await async_load(priced)
    await async_until_planned(caplog)
    await async_reach(priced, freezer, begin - MINUTE)
    assert not started
    await async_reach(priced, freezer, begin)
    [call] = started
    assert call.data["entity_id"] == ["switch.dishwasher"]
    assert priced.hass.states.is_state(WAITING, "off")


async def test_the_appliance_is_not_loaded_after_all(
    priced: PricedHome,
    started: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Who turns the helper off stops the start."""
    begin = await async_best_start(priced)
    await async_plan(priced)
    await async_load(priced)
    await async_until_planned(caplog)
    await async_load(priced, "turn_off")
    await async_reach(priced, freezer, begin)
    assert not started
    state = priced.hass.states.get("automation.cheapest_window")
    assert state is not None
    assert state.attributes["current"] == 0


async def test_a_restart(
    priced: PricedHome,
    started: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What waits is planned anew once Home Assistant has started."""
    begin = await async_best_start(priced)
    await async_load(priced)
    priced.hass.set_state(CoreState.starting)
    await async_plan(priced)
    priced.hass.set_state(CoreState.running)
    priced.hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await async_until_planned(caplog)
    await async_reach(priced, freezer, begin)
    assert len(started) == 1


async def test_flatpeak_does_not_answer(
    priced: PricedHome,
    started: list[ServiceCall],
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The appliance is done just in time."""
    route = "POST /schedules/duration/{id}"
    priced.simulator.faults.next(route, Fault.SERVER_ERROR)
    await async_plan(priced)
    await async_load(priced)
    await async_until_planned(caplog)
    assert priced.simulator.requests.count(route, 500) == 1
    latest = datetime(2026, 11, 25, 4, tzinfo=UTC)
    await async_reach(priced, freezer, latest - MINUTE)
    assert not started
    await async_reach(priced, freezer, latest)
    assert len(started) == 1
