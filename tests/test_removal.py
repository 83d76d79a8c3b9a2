"""What is left of homes and meters that are removed, and what becomes of it."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak import async_remove_config_entry_device
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.issues import async_issues, async_raise_issue
from custom_components.flatpeak.meter import Meter
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.setup import async_setup_component

from .home import Home
from .priced import PricedHome
from .simulator import Direction


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home with costs, in a Home Assistant that can repair."""
    assert await async_setup_component(home.hass, "repairs", {})
    priced = PricedHome(home, freezer)
    await priced.async_begin()
    return priced


def _offers(priced: PricedHome) -> dict[str, ir.IssueEntry]:
    """Return the offers to clear costs, by whose costs they are."""
    return {
        str((issue.data or {})["name"]): issue
        for issue in ir.async_get(priced.hass).issues.values()
        if issue.translation_key == "costs_remain"
    }


def _raised(priced: PricedHome) -> list[ir.IssueEntry]:
    """Return the repairs that tell of a lacking tariff."""
    return [
        issue
        for issue in async_issues(priced.hass, priced.entry)
        if issue.translation_key == "no_tariff"
    ]


async def _accept(priced: PricedHome, name: str) -> None:
    """Accept an offer to clear costs."""
    manager = repairs_flow_manager(priced.hass)
    assert manager is not None
    context: Any = {"issue_id": _offers(priced)[name].issue_id}
    flow = await manager.async_init(DOMAIN, context=context)
    assert flow["step_id"] == "confirm"
    assert flow["description_placeholders"] == {"name": name}
    result = await manager.async_configure(flow["flow_id"], {})
    assert result["type"] == "create_entry"
    await priced.home.async_settle()


async def _remove_meter(priced: PricedHome, meter: Meter) -> None:
    """Remove a meter."""
    config_entries = priced.hass.config_entries
    assert config_entries.async_remove_subentry(priced.entry, meter.subentry_id)
    await priced.home.async_settle()


async def test_costs_of_a_removed_home_are_cleared(priced: PricedHome) -> None:
    """Who agrees has no costs left; a home that is added again has them all anew."""
    ids = [meter.cost_statistic_id for meter in priced.entry.runtime_data.meters]
    costs = await priced.async_costs()
    await priced.hass.config_entries.async_remove(priced.entry.entry_id)
    await priced.home.async_settle()
    for statistic_id in ids:
        assert await priced.home.async_rows(statistic_id)

    await _accept(priced, "test home")

    assert not _offers(priced)
    for statistic_id in ids:
        assert not await priced.home.async_rows(statistic_id)
    priced.entry = await priced.home.async_set_up()
    # Sums that grow anew are rounded elsewhere.
    assert await priced.async_costs() == pytest.approx(costs, abs=1e-9)
    assert await priced.async_is_true(Direction.EXPORT)


async def test_a_home_that_is_added_again_keeps_its_costs(priced: PricedHome) -> None:
    """There is nothing to clear any more once the home is back."""
    costs = await priced.async_costs()
    await priced.hass.config_entries.async_remove(priced.entry.entry_id)
    assert list(_offers(priced)) == ["test home"]

    priced.entry = await priced.home.async_set_up()

    assert not _offers(priced)
    assert await priced.async_costs() == costs


async def test_costs_of_a_removed_meter_are_cleared(priced: PricedHome) -> None:
    """Only its own costs go, and the home goes on with the others."""
    export = priced.meter(Direction.EXPORT)
    await _remove_meter(priced, export)
    assert await priced.home.async_rows(export.cost_statistic_id)

    await _accept(priced, "Grid export")

    assert not _offers(priced)
    assert not await priced.home.async_rows(export.cost_statistic_id)
    await priced.async_use()
    await priced.async_cycle()
    assert await priced.async_is_true()
    journal = priced.entry.runtime_data.journal
    assert journal.meters[export.device_id].unpriced is not None


async def test_home_that_never_had_a_meter(home: Home) -> None:
    """Without costs there is nothing to clear."""
    entry = await home.async_set_up()
    assert not entry.subentries

    await home.hass.config_entries.async_remove(entry.entry_id)
    await home.async_settle()

    assert not ir.async_get(home.hass).issues


async def test_repairs_of_a_removed_meter_go(priced: PricedHome) -> None:
    """What was to be mended of it is no more; of the others it is."""
    for each in priced.entry.runtime_data.meters:
        async_raise_issue(
            priced.hass, priced.entry, "no_tariff", about=each.subentry_id
        )
    kept = priced.meter()

    await _remove_meter(priced, priced.meter(Direction.EXPORT))

    about = [(issue.data or {})["about"] for issue in _raised(priced)]
    assert about == [kept.subentry_id]


async def test_devices(priced: PricedHome) -> None:
    """The home and its meters stay; what else there is goes at the next start."""
    hass, entry = priced.hass, priced.entry
    registry = dr.async_get(hass)
    stale = registry.async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(DOMAIN, "dev_gone")}
    )
    devices = dr.async_entries_for_config_entry(registry, entry.entry_id)
    assert len(devices) == 4
    for device in devices:
        is_removable = await async_remove_config_entry_device(hass, entry, device)
        assert is_removable is (device.id == stale.id)

    await hass.config_entries.async_reload(entry.entry_id)

    left = dr.async_entries_for_config_entry(registry, entry.entry_id)
    assert {device.id for device in left} == {device.id for device in devices} - {
        stale.id
    }
