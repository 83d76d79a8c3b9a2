"""Repairs that mend something once the user has agreed."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.const import CONF_LINK_DASHBOARD, DOMAIN
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component

from .home import Home
from .priced import QUARTER, PricedHome
from .simulator import Direction


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home that is not set up yet, in a Home Assistant that can repair."""
    assert await async_setup_component(home.hass, "repairs", {})
    return PricedHome(home, freezer)


async def async_repair(priced: PricedHome, key: str) -> dict[str, Any]:
    """Go through the fix flow of an issue, and return how it ended."""
    manager = repairs_flow_manager(priced.hass)
    assert manager is not None
    flow = await manager.async_init(
        DOMAIN, context={"issue_id": f"{key}_{priced.entry.entry_id}"}
    )
    assert flow["type"] == "form"
    assert flow["step_id"] == "confirm"
    placeholders = flow["description_placeholders"]
    assert placeholders is not None
    assert placeholders["home"] == priced.entry.title
    result = await manager.async_configure(flow["flow_id"], {})
    await priced.home.async_settle()
    return dict(result)


def has_issue(priced: PricedHome, key: str) -> bool:
    """Return whether a repair waits for the user."""
    issue_id = f"{key}_{priced.entry.entry_id}"
    return ir.async_get(priced.hass).async_get_issue(DOMAIN, issue_id) is not None


async def test_costs_that_are_not_on_the_dashboard(priced: PricedHome) -> None:
    """Who agrees has the costs there, and keeps them."""
    await priced.async_begin(hours=3, link_dashboard=False)
    assert (await priced.home.async_dashboard())[0]["stat_cost"] is None
    assert has_issue(priced, "dashboard_without_cost")

    assert (await async_repair(priced, "dashboard_without_cost"))["type"] == (
        "create_entry"
    )

    (grid,) = await priced.home.async_dashboard()
    assert grid["stat_cost"] == priced.meter().cost_statistic_id
    assert grid["stat_compensation"] is not None
    assert priced.entry.options[CONF_LINK_DASHBOARD]
    assert not has_issue(priced, "dashboard_without_cost")
    await priced.async_cycle()
    assert not has_issue(priced, "dashboard_without_cost")


async def test_a_link_that_was_lost(priced: PricedHome) -> None:
    """A source that was added anew has no cost: it is offered, not taken."""
    await priced.async_begin(hours=3)
    assert not has_issue(priced, "dashboard_without_cost")
    (grid,) = await priced.home.async_dashboard()
    await priced.home.async_show(grid | {"stat_cost": None})

    await priced.async_cycle()

    assert has_issue(priced, "dashboard_without_cost")
    await async_repair(priced, "dashboard_without_cost")
    assert (await priced.home.async_dashboard())[0] == grid

    await priced.home.async_show(grid | {"stat_cost": None, "number_energy_price": 0.3})
    await priced.async_cycle()
    assert not has_issue(priced, "dashboard_without_cost")


async def test_a_new_currency(priced: PricedHome) -> None:
    """All costs are fetched anew, so that none is left in the old currency."""
    await priced.async_begin(hours=24 * 40)
    priced.simulator.account().currency = "BGN"
    await priced.async_cycle()
    assert has_issue(priced, "currency_changed")

    await async_repair(priced, "currency_changed")

    assert not has_issue(priced, "currency_changed")
    assert len(await priced.async_costs()) == 24 * 40
    assert await priced.async_is_true()
    await priced.async_use()
    await priced.async_cycle()
    assert not has_issue(priced, "currency_changed")
    assert len(await priced.async_costs()) == 24 * 40 + 1


async def test_a_home_that_is_not_set_up(priced: PricedHome) -> None:
    """Without Flatpeak nothing can be mended, and the repair stays."""
    await priced.async_begin(hours=3, link_dashboard=False)
    await priced.hass.config_entries.async_unload(priced.entry.entry_id)

    result = await async_repair(priced, "dashboard_without_cost")

    assert result["type"] == "abort"
    assert result["reason"] == "entry_not_loaded"
    assert has_issue(priced, "dashboard_without_cost")


@pytest.mark.parametrize("key", ["no_tariff", "no_price_data"])
async def test_prices_that_are_missing(priced: PricedHome, key: str) -> None:
    """The repair leads to the choice of a tariff, and goes once there are prices."""
    await priced.async_begin(hours=3)
    account, location_id = priced.simulator.account(), priced.location_id
    if key == "no_tariff":
        account.disconnect(location_id, Direction.IMPORT)
    else:
        connections = account.locations[location_id].connections
        connections[Direction.IMPORT].has_price_data = False
    await priced.async_use()
    await priced.async_cycle()
    assert has_issue(priced, key)

    result = await async_repair(priced, key)

    assert result["type"] == "abort"
    assert result["reason"] == "choose_tariff"
    kind, flow_id = result["next_flow"]
    assert kind == "config_flow"
    assert has_issue(priced, key)
    flow = priced.hass.config_entries.flow.async_get(flow_id)
    assert flow["step_id"] == "new_tariff"
    priced.tick(QUARTER)
    done = await priced.home.async_answer(flow, direction="import", tariff="market")
    assert done["reason"] == "reconfigure_successful"
    await priced.home.async_settle()
    assert not has_issue(priced, key)
    assert await priced.async_is_true()
