"""How the options are changed."""

from typing import Any

import pytest

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.data_entry_flow import FlowResultType, InvalidData

from ..home import Flow, Home


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
    assert entry.options == {"link_dashboard": True, "interval_length": "30"}

    flow = await options.async_init(entry.entry_id)
    shown = {str(key): key.description for key in flow["data_schema"].schema}
    assert shown["interval_length"] == {"suggested_value": "30"}
