"""How a home is set up, unloaded and removed."""

import asyncio

import pytest

from custom_components.flatpeak.const import DOMAIN
from homeassistant.config_entries import SOURCE_REAUTH, ConfigEntryState
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.util import dt as dt_util

from .home import EXPORT, GRID_SOURCE, HOUR, IMPORT, Home
from .priced import profile
from .simulator import Fault
from .simulator.violations import Violation
from .words import read_words

pytestmark = pytest.mark.usefixtures("polite")

LOCATION = "GET /locations/{id}"
LOGIN = "GET /login"


@pytest.fixture
async def home_with_grid(home: Home) -> Home:
    """Return a home with a day of energy from and to the grid."""
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0) - 24 * HOUR
    for seed, sensor in enumerate((IMPORT, EXPORT)):
        home.add_sensor(sensor)
        await home.async_record(sensor, start, profile(24, seed))
    await home.async_show(GRID_SOURCE)
    return home


async def test_devices(home_with_grid: Home) -> None:
    """The home is a device, each meter one that is connected via the home."""
    entry = await home_with_grid.async_set_up()
    registry = dr.async_get(home_with_grid.hass)
    location_id = entry.runtime_data.location_id
    home = registry.async_get_device_by_identifier(
        (DOMAIN, location_id), entry.entry_id
    )
    assert home is not None
    assert home.name == "test home"
    assert entry.unique_id == location_id
    kinds = read_words()["selector"]["flow"]["options"]
    for meter in entry.runtime_data.meters:
        device = registry.async_get_device_by_identifier(
            (DOMAIN, meter.device_id), entry.entry_id
        )
        assert device is not None
        assert device.via_device_id == home.id
        assert device.manufacturer == "Flatpeak"
        assert device.model == kinds[meter.flow]
        assert device.entry_type is dr.DeviceEntryType.SERVICE
    names = {meter.name for meter in entry.runtime_data.meters}
    assert names == {"Grid import", "Grid export"}


async def test_unique_ids(home_with_grid: Home) -> None:
    """Unique ids are those that other people's automations may hold on to."""
    entry = await home_with_grid.async_set_up()
    entities = er.async_entries_for_config_entry(
        er.async_get(home_with_grid.hass), entry.entry_id
    )
    keys = {
        "net_cost_today",
        "net_cost_this_month",
        "import_price",
        "export_price",
        "cheap_now",
        "next_cheap_window",
        "tariff_name",
        "tariff_status",
        "provider",
        "contract_end",
        "last_upload",
        "records_waiting",
        "history_progress",
        "last_priced_hour",
        "sync",
    }
    meter_keys = {
        "cost_today",
        "cost_this_month",
        "energy_today",
        "average_price_today",
    }
    assert {entity.unique_id for entity in entities} == {
        *(f"{entry.unique_id}_{key}" for key in keys),
        *(
            f"{meter.device_id}_{key}"
            for meter in entry.runtime_data.meters
            for key in meter_keys
        ),
    }


async def test_unload_and_set_up_again(home_with_grid: Home) -> None:
    """A home that is set up again goes on, with the login that it has."""
    hass = home_with_grid.hass
    entry = await home_with_grid.async_set_up()
    records = home_with_grid.simulator.requests.count("PUT /meters/interval")

    assert await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    state = hass.states.get("button.test_home_sync_now")
    assert state is not None
    assert state.state == STATE_UNAVAILABLE

    assert await hass.config_entries.async_setup(entry.entry_id)
    await home_with_grid.async_settle()
    requests = home_with_grid.simulator.requests
    assert requests.count("PUT /meters/interval") == records
    assert requests.count(LOGIN) == 1


async def test_removal_leaves_what_cannot_be_had_again(home_with_grid: Home) -> None:
    """The dashboard's links go; the costs stay, and a new home goes on from there."""
    hass = home_with_grid.hass
    entry = await home_with_grid.async_set_up()
    meters = entry.runtime_data.meters
    costs = {
        meter.device_id: await home_with_grid.async_rows(meter.cost_statistic_id)
        for meter in meters
    }
    records = home_with_grid.simulator.requests.count("PUT /meters/interval")
    assert (await home_with_grid.async_dashboard())[0]["stat_cost"] is not None

    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    grid = (await home_with_grid.async_dashboard())[0]
    assert grid["stat_cost"] is None
    assert grid["stat_compensation"] is None

    again = await home_with_grid.async_set_up()
    # Whoever adds a home enters the key anew, and only a login tells whether it is right.
    violations = home_with_grid.simulator.violations
    assert violations.counts == {Violation.EARLY_LOGIN: 1}
    violations.clear()
    assert again.unique_id == entry.unique_id
    assert {meter.device_id for meter in again.runtime_data.meters} == costs.keys()
    assert home_with_grid.simulator.requests.count("PUT /meters/interval") == records
    for meter in meters:
        stored = await home_with_grid.async_rows(meter.cost_statistic_id)
        assert stored == costs[meter.device_id]
        assert len(stored) == 24


async def test_a_meter_that_is_removed(home_with_grid: Home) -> None:
    """Its device and link go, the other meter stays as it is."""
    hass = home_with_grid.hass
    entry = await home_with_grid.async_set_up()
    export = next(
        meter for meter in entry.runtime_data.meters if meter.name == "Grid export"
    )
    subentry = entry.subentries[export.subentry_id]
    assert hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    await home_with_grid.async_settle()

    grid = (await home_with_grid.async_dashboard())[0]
    assert grid["stat_cost"] is not None
    assert grid["stat_compensation"] is None
    registry = dr.async_get(hass)
    assert (
        registry.async_get_device_by_identifier(
            (DOMAIN, export.device_id), entry.entry_id
        )
        is None
    )
    assert [meter.name for meter in entry.runtime_data.meters] == ["Grid import"]


async def test_a_change_while_it_is_set_up(home_with_grid: Home) -> None:
    """What changes before the home is set up is taken over right after."""
    hass = home_with_grid.hass
    entry = await home_with_grid.async_set_up()
    home_with_grid.simulator.faults.next(LOCATION, Fault.slow(0.2))
    hass.config_entries.async_schedule_reload(entry.entry_id)
    while entry.state is not ConfigEntryState.SETUP_IN_PROGRESS:
        await asyncio.sleep(0)
    meter = next(iter(entry.subentries.values()))
    hass.config_entries.async_update_subentry(entry, meter, title="Renamed")

    await home_with_grid.async_settle()

    assert hass.config_entries.async_loaded_entries(DOMAIN) == [entry]
    assert "Renamed" in [each.name for each in entry.runtime_data.meters]


async def test_flatpeak_is_away_at_start(home_with_grid: Home) -> None:
    """A home whose service is away is tried again later."""
    hass = home_with_grid.hass
    entry = await home_with_grid.async_set_up()
    await hass.config_entries.async_unload(entry.entry_id)
    home_with_grid.simulator.faults.next(LOCATION, Fault.SERVER_ERROR)

    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "server_error"


async def test_the_key_is_refused_at_start(home_with_grid: Home) -> None:
    """A home whose key is refused asks the user for another one."""
    hass = home_with_grid.hass
    entry = await home_with_grid.async_set_up()
    await hass.config_entries.async_unload(entry.entry_id)
    account = home_with_grid.simulator.account()
    keys, account.api_keys = account.api_keys, frozenset()
    home_with_grid.simulator.expire_tokens()

    await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    flows = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert [flow["context"]["source"] for flow in flows] == [SOURCE_REAUTH]
    account.api_keys = keys
