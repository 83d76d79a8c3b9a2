"""How the options are changed."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.meter import Meter
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.data_entry_flow import FlowResultType, InvalidData

from ..home import Flow, Home
from ..priced import PricedHome
from .steps import suggested


async def test_options(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """Unticking takes the costs out of the dashboard, ticking puts them there again."""
    options = furnished.hass.config_entries.options
    for is_linked in (False, True):
        flow: Flow = await options.async_init(entry.entry_id)
        assert flow["step_id"] == "init"
        shown = next(iter(flow["data_schema"].schema))
        assert shown.description == {"suggested_value": not is_linked}

        flow = await options.async_configure(
            flow["flow_id"], {"link_dashboard": is_linked}
        )
        assert flow["type"] is FlowResultType.CREATE_ENTRY
        await furnished.async_settle()
        grid = (await furnished.async_dashboard())[0]
        assert (grid["stat_cost"] is not None) is is_linked
        assert (grid["stat_compensation"] is not None) is is_linked
        assert entry.state is ConfigEntryState.LOADED
        assert entry.options["interval_length"] == "auto"


async def test_the_length_of_intervals(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A home follows its prices until the user fixes the length; nothing else is taken."""
    options = furnished.hass.config_entries.options
    assert "interval_length" not in entry.options
    flow: Flow = await options.async_init(entry.entry_id)
    with pytest.raises(InvalidData):
        await options.async_configure(
            flow["flow_id"], {"link_dashboard": True, "interval_length": "20"}
        )
    await options.async_configure(
        flow["flow_id"], {"link_dashboard": True, "interval_length": "30"}
    )
    await furnished.async_settle()
    assert entry.options == {
        "cheap_limit": 25,
        "interval_length": "30",
        "link_dashboard": True,
    }

    flow = await options.async_init(entry.entry_id)
    shown = {str(key): key.description for key in flow["data_schema"].schema}
    assert shown["interval_length"] == {"suggested_value": "30"}


async def _choose(home: Home, entry: ConfigEntry[Any], **answers: str) -> list[Meter]:
    """Choose options, and return the meters that the home has then."""
    options = home.hass.config_entries.options
    flow: Flow = await options.async_init(entry.entry_id)
    flow = await options.async_configure(
        flow["flow_id"], {"link_dashboard": True, **answers}
    )
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await home.async_settle()
    meters: list[Meter] = entry.runtime_data.meters
    return meters


async def test_longer_history(home: Home, freezer: FrozenDateTimeFactory) -> None:
    """What is older is filled in for all meters, after one set-up; what is there stays."""
    priced = PricedHome(home, freezer)
    await priced.async_begin(hours=24 * 32, history="30_days")
    entry = priced.entry
    flow: Flow = await priced.hass.config_entries.options.async_init(entry.entry_id)
    assert suggested(flow) == {"link_dashboard": True, "history": "30_days"}
    assert len(await home.async_miscounted(entry)) == 2 * 24 * 2
    set_ups = priced.simulator.requests.count("GET /locations/{id}")

    await _choose(home, entry, history="1_year")

    assert entry.options["history"] == "1_year"
    assert priced.simulator.requests.count("GET /locations/{id}") == set_ups + 1
    assert not await home.async_miscounted(entry)
    assert len(await priced.async_costs()) == 24 * 32
    assert await priced.async_is_true()


async def test_everything(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """Everything is more than any time, and no time is more than everything."""
    for history in ("everything", "1_year"):
        meters = await _choose(furnished, entry, history=history)
        assert {each.history_start for each in meters} == {None}


@pytest.mark.parametrize("answers", [{}, {"history": "none"}, {"history": "30_days"}])
async def test_no_more_history(
    furnished: Home, entry: ConfigEntry[Any], answers: dict[str, str]
) -> None:
    """A shorter history, the same one or none at all changes nothing of the meters."""
    meters = entry.runtime_data.meters

    assert await _choose(furnished, entry, **answers) == meters


@pytest.mark.parametrize("limit", [-1, 101, "much"])
async def test_what_counts_as_cheap(
    furnished: Home, entry: ConfigEntry[Any], limit: Any
) -> None:
    """It is a share in percent, and nothing else is taken."""
    options = furnished.hass.config_entries.options
    flow: Flow = await options.async_init(entry.entry_id)
    with pytest.raises(InvalidData):
        await options.async_configure(
            flow["flow_id"], {"link_dashboard": True, "cheap_limit": limit}
        )
    await options.async_configure(flow["flow_id"], {"link_dashboard": True})
    await furnished.async_settle()
    assert entry.options["cheap_limit"] == 25
