"""How a home that is set up is changed: its key and servers, its address, its tariff."""

from decimal import Decimal
from typing import Any

import pytest

from custom_components.flatpeak.const import DOMAIN
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
)
from homeassistant.data_entry_flow import FlowResultType

from ..home import ADDRESS, Flow, Home
from ..simulator import Direction, Fault, Flat, Simulator
from ..simulator.tariffs import ConnectionType
from .steps import NEW_KEY, locations_of, suggested


async def _choose(home: Home, entry: ConfigEntry[Any], step: str) -> Flow:
    """Begin to change the home, and go to a step."""
    flow: Flow = await home.hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    assert flow["type"] is FlowResultType.MENU
    flow = await home.async_answer(flow, next_step_id=step)
    assert flow["step_id"] == step
    return flow


async def _check_done(home: Home, entry: ConfigEntry[Any], flow: Flow) -> None:
    """Check that the change is made, and the home is back with it."""
    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "reconfigure_successful"
    await home.async_settle()
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.last_update_success


def _servers(home: Home, **servers: str) -> dict[str, Any]:
    """Return the answer that names the servers."""
    return {"server": home.account_input()["server"] | servers}


async def test_new_key(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """A key is tried, kept, and used by the home at once, with one login."""
    home, before = furnished, dict(entry.data)
    home.simulator.account().api_keys = frozenset({NEW_KEY})
    flow = await _choose(home, entry, "account")
    fields = flow["data_schema"].schema
    assert [str(name) for name in fields] == ["api_key", "server"]
    servers = {
        str(name): name.description["suggested_value"]
        for name in fields["server"].schema.schema
    }
    assert servers == _servers(home)["server"]
    logins = home.simulator.requests.count("GET /login")

    flow = await home.async_answer(flow, api_key=f" {NEW_KEY} ", **_servers(home))

    await _check_done(home, entry, flow)
    assert entry.data == before | {"api_key": NEW_KEY}
    assert home.simulator.requests.count("GET /login") == logins + 1


async def test_new_servers(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """Without a new key the home keeps the one it has."""
    before = dict(entry.data)
    servers = _servers(
        furnished,
        api_url=f"{furnished.simulator.url}/",
        connect_url=" https://connect.example ",
    )

    flow = await _choose(furnished, entry, "account")
    flow = await furnished.async_answer(flow, **servers)

    await _check_done(furnished, entry, flow)
    assert entry.data == before | {
        "api_url": f"{furnished.simulator.url}/",
        "connect_url": "https://connect.example",
    }


async def test_nothing_new(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """Who changes nothing has the home tried and set up again."""
    before = dict(entry.data)
    flow = await _choose(furnished, entry, "account")

    flow = await furnished.async_answer(flow, **_servers(furnished))

    await _check_done(furnished, entry, flow)
    assert entry.data == before


async def test_home_that_is_not_set_up(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A home that cannot be set up is changed until it can."""
    await furnished.hass.config_entries.async_unload(entry.entry_id)
    hass = furnished.hass
    hass.config_entries.async_update_entry(
        entry, data={**entry.data, "api_url": "https://127.0.0.1:1"}
    )
    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY

    flow = await _choose(furnished, entry, "account")
    flow = await furnished.async_answer(flow, **_servers(furnished))

    await _check_done(furnished, entry, flow)


async def test_account_trouble(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """What is wrong shows at its field, nothing is saved, and the next answer may do."""
    before = dict(entry.data)
    flow = await _choose(furnished, entry, "account")

    flow = await furnished.async_answer(flow, api_key="wrong", **_servers(furnished))
    assert flow["errors"] == {"api_key": "invalid_auth"}
    for name in ("api_url", "connect_url"):
        servers = _servers(furnished, **{name: "http://flatpeak.example"})
        flow = await furnished.async_answer(flow, **servers)
        assert flow["errors"] == {"server": "insecure_url"}
    furnished.simulator.faults.next("GET /locations/{id}", Fault.SERVER_ERROR)
    flow = await furnished.async_answer(flow, **_servers(furnished))
    assert flow["errors"] == {"base": "server_error"}
    async with Simulator() as other:
        flow = await furnished.async_answer(
            flow, **_servers(furnished, api_url=other.url)
        )
        assert flow["errors"] == {"base": "home_unknown"}
    assert entry.data == before
    assert entry.state is ConfigEntryState.LOADED

    flow = await furnished.async_answer(flow, **_servers(furnished))
    await _check_done(furnished, entry, flow)


async def test_new_address(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """The address is changed at Flatpeak, and the home takes over what follows from it."""
    flow = await _choose(furnished, entry, "new_address")
    assert suggested(flow) == ADDRESS
    moved = {"city": "London", "country_code": "GB", "address_line2": "Flat 2"}

    flow = await furnished.async_answer(flow, **moved)

    await _check_done(furnished, entry, flow)
    [location] = locations_of(furnished)
    assert {line: text for line, text in location.address.items() if text} == moved
    assert str(entry.runtime_data.zone) == "Europe/London"


async def test_address_trouble(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """An address that is not known, says too little or is not saved can be mended."""
    furnished.simulator.faults.next("GET /locations/{id}", Fault.SERVER_ERROR)
    flow = await _choose(furnished, entry, "new_address")
    assert flow["errors"] == {"base": "server_error"}
    assert suggested(flow) == {}

    flow = await furnished.async_answer(flow, country_code="US")
    assert flow["errors"] == {"city": "city_missing", "state": "state_missing"}
    furnished.simulator.faults.next("PATCH /locations/{id}", Fault.rate_limit())
    flow = await furnished.async_answer(flow, **ADDRESS)
    assert flow["errors"] == {"base": "rate_limited"}
    assert suggested(flow) == ADDRESS

    flow = await furnished.async_answer(flow, **ADDRESS)
    await _check_done(furnished, entry, flow)


async def test_address_line_that_stays(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """The user is told of a line that Flatpeak does not let go."""
    [location] = locations_of(furnished)
    kept = {"id": location.id, "object": "location", "postal_address": ADDRESS}
    furnished.simulator.faults.next("PATCH /locations/{id}", Fault.answer(200, kept))
    shorter = {"city": "Berlin", "country_code": "DE", "post_code": "10969"}
    flow = await _choose(furnished, entry, "new_address")

    flow = await furnished.async_answer(flow, **shorter)
    assert flow["errors"] == {"address_line1": "line_kept"}

    flow = await furnished.async_answer(flow, **shorter, address_line1="-")
    await _check_done(furnished, entry, flow)


@pytest.mark.parametrize("direction", [Direction.IMPORT, Direction.EXPORT])
async def test_market_in_place_of_a_supplier(
    furnished: Home, entry: ConfigEntry[Any], direction: Direction
) -> None:
    """Market prices take the place of the tariff of one direction, and of no other."""
    account = furnished.simulator.account()
    [location] = locations_of(furnished)
    for each in (Direction.IMPORT, Direction.EXPORT):
        account.connect(location.id, each, Flat(price=Decimal("0.5")))
    flow = await _choose(furnished, entry, "new_tariff")

    flow = await furnished.async_answer(
        flow, direction=direction.lower(), tariff="market"
    )

    await _check_done(furnished, entry, flow)
    markets = {
        each
        for each, connection in location.connections.items()
        if connection.connection_type is ConnectionType.MARKET
    }
    assert markets == {direction}


async def test_tariff_trouble(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """Where there is no market, or Flatpeak fails, the choice is asked again."""
    nothing = {"id": "trf_1", "location_id": "loc_1", "object": "tariff"}
    furnished.simulator.faults.next(
        "POST /tariffs", Fault.SERVER_ERROR, Fault.answer(200, nothing)
    )
    flow = await _choose(furnished, entry, "new_tariff")

    answers = {"direction": "export", "tariff": "market"}
    flow = await furnished.async_answer(flow, **answers)
    assert flow["errors"] == {"base": "server_error"}
    assert suggested(flow) == answers
    flow = await furnished.async_answer(flow, **answers)
    assert flow["errors"] == {"tariff": "no_market"}
    flow = await furnished.async_answer(flow, **answers | {"direction": "import"})
    await _check_done(furnished, entry, flow)
