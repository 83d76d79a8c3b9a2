"""How a home is given a new key."""

from typing import Any

from custom_components.flatpeak.const import DOMAIN
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import CONF_API_KEY
from homeassistant.data_entry_flow import FlowResultType

from ..home import Flow, Home
from ..simulator import Fault
from .steps import NEW_KEY


async def _to_reauth(home: Home) -> Flow:
    """Let Flatpeak take a new key only, and return the flow that asks for it."""
    account = home.simulator.account()
    account.api_keys = frozenset({NEW_KEY})
    home.simulator.expire_tokens()
    for entry in home.hass.config_entries.async_entries(DOMAIN):
        if entry.state is ConfigEntryState.LOADED:
            await entry.runtime_data.async_refresh()
    await home.async_settle()
    [flow] = home.hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["step_id"] == "reauth_confirm"
    return flow


async def _answer_reauth(home: Home, flow: Flow) -> None:
    """Answer with the new key, and check that the home is back."""
    logins = home.simulator.requests.count("GET /login")
    flow = await home.async_answer(flow, api_key=f" {NEW_KEY} ")
    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "reauth_successful"
    await home.async_settle()

    [entry] = home.hass.config_entries.async_entries(DOMAIN)
    assert entry.state is ConfigEntryState.LOADED
    assert entry.data[CONF_API_KEY] == NEW_KEY
    assert entry.runtime_data.last_update_success
    assert home.simulator.requests.count("GET /login") == logins + 1
    assert not home.hass.config_entries.flow.async_progress_by_handler(DOMAIN)


async def test_reauth_of_a_loaded_home(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A home whose key is refused goes on with a new one."""
    before = dict(entry.data)

    await _answer_reauth(furnished, await _to_reauth(furnished))

    assert entry.data == before | {"api_key": NEW_KEY}
    assert furnished.simulator.violations.total == 0


async def test_reauth_of_a_home_that_is_not_set_up(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A home that does not come up with its key does so with a new one."""
    await furnished.hass.config_entries.async_unload(entry.entry_id)
    furnished.simulator.account().api_keys = frozenset({NEW_KEY})
    furnished.simulator.expire_tokens()
    await furnished.hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR

    await _answer_reauth(furnished, await _to_reauth(furnished))


async def test_reauth_with_the_same_key(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A key that is taken again after all brings the home back, too."""
    flow = await _to_reauth(furnished)
    key = furnished.simulator.api_key
    furnished.simulator.account().api_keys = frozenset({key})

    flow = await furnished.async_answer(flow, api_key=key)

    assert flow["reason"] == "reauth_successful"
    await furnished.async_settle()
    assert entry.state is ConfigEntryState.LOADED
    assert entry.runtime_data.last_update_success


async def test_reauth_trouble(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """What is wrong is shown, and the next answer may be right."""
    flow = await _to_reauth(furnished)

    flow = await furnished.async_answer(flow, api_key="sk_test_wrong")
    assert flow["step_id"] == "reauth_confirm"
    assert flow["errors"] == {"api_key": "invalid_auth"}
    furnished.simulator.faults.next("GET /login", Fault.SERVER_ERROR)
    flow = await furnished.async_answer(flow, api_key=NEW_KEY)
    assert flow["errors"] == {"base": "server_error"}
    assert entry.data[CONF_API_KEY] == furnished.simulator.api_key

    await _answer_reauth(furnished, flow)
