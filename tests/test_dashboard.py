"""The energy dashboard: what it shows is found, and what that costs is linked."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.flatpeak.const import CONF_LINK_DASHBOARD
from custom_components.flatpeak.dashboard import (
    DashboardSource,
    async_lacks_cost,
    async_link,
    async_sources,
    async_unlink,
)
from custom_components.flatpeak.meter import Flow, Meter, async_source_of
from homeassistant.components.energy.data import async_get_manager
from homeassistant.config_entries import ConfigEntry
from homeassistant.util import dt as dt_util

from .home import CAR, EXPORT, GRID_SOURCE, HOUR, IMPORT, SOLAR, SOLAR_SOURCE, Home

type Source = dict[str, Any]

IMPORT_COST: Final = "flatpeak:dev_import_cost"
EXPORT_COST: Final = "flatpeak:dev_export_compensation"

NIGHT: Final = "sensor.night_import"
BATTERY_SOURCE: Final = {
    "type": "battery",
    "stat_energy_from": "sensor.battery_discharge",
    "stat_energy_to": "sensor.battery_charge",
}
BARE_GRID: Final = {
    "type": "grid",
    "stat_energy_from": IMPORT,
    "stat_energy_to": EXPORT,
    "cost_adjustment_day": 0.0,
}
# What a grid source may hold that is not ours.
STRANGE_GRID: Final = BARE_GRID | {
    "name": "Main meter",
    "stat_rate": "sensor.grid_power",
    "power_config": {"stat_rate": "sensor.grid_power"},
    "cost_adjustment_day": 1.5,
    "unheard_of": ["kept"],
}


def _meter(home: Home, flow: Flow, statistic_id: str) -> Meter:
    """Return a meter whose device is called after its flow."""
    return Meter(
        subentry_id="subentry",
        location_id="loc_1",
        device_id=f"dev_{flow.removeprefix('grid_')}",
        name="Meter",
        flow=flow,
        source=async_source_of(home.hass, statistic_id),
        history_start=None,
    )


@pytest.fixture
def meters(home: Home) -> list[Meter]:
    """Return a meter of each flow."""
    for sensor in (IMPORT, EXPORT, SOLAR, CAR):
        home.add_sensor(sensor)
    return [
        _meter(home, Flow.GRID_IMPORT, IMPORT),
        _meter(home, Flow.GRID_EXPORT, EXPORT),
        _meter(home, Flow.LOCAL_GENERATION, SOLAR),
        _meter(home, Flow.CONSUMPTION, CAR),
    ]


async def _count_updates(home: Home) -> Callable[[], int]:
    """Return a function that tells how often the dashboard has changed since."""
    updates = []

    async def count() -> None:
        """Count a change."""
        updates.append(1)

    (await async_get_manager(home.hass)).async_listen_updates(count)
    return lambda: len(updates)


async def test_no_dashboard(home: Home, meters: list[Meter]) -> None:
    """A dashboard that was never set up shows nothing, and is not begun by us."""
    await async_link(home.hass, meters)
    await async_unlink(home.hass, [IMPORT_COST])

    assert await async_sources(home.hass) == []
    assert (await async_get_manager(home.hass)).data is None


async def test_sources(home: Home) -> None:
    """Every statistic of energy is found with its flow, in the dashboard's order."""
    await home.async_show(
        GRID_SOURCE | {"name": "Main meter"},
        SOLAR_SOURCE,
        BATTERY_SOURCE | {"name": "Battery"},
        {"type": "grid", "stat_energy_to": "sensor.barn_export"},
        GRID_SOURCE | {"stat_energy_from": NIGHT, "stat_energy_to": None},
        {"type": "gas", "stat_energy_from": "sensor.gas"},
        {"type": "water", "stat_energy_from": "sensor.water"},
        {"type": "home", "stat_energy_to": "sensor.home"},
        devices=[CAR, "utility:boiler"],
    )

    found = await async_sources(home.hass)

    assert [(each.flow, each.statistic_id, each.name) for each in found] == [
        ("grid_import", IMPORT, "Main meter"),
        ("grid_export", EXPORT, "Main meter"),
        ("local_generation", SOLAR, None),
        ("consumption", "sensor.battery_charge", "Battery"),
        ("grid_export", "sensor.barn_export", None),
        ("grid_import", NIGHT, None),
        ("consumption", CAR, None),
        ("consumption", "utility:boiler", None),
    ]


async def test_names_of_devices(home: Home) -> None:
    """A device has the name that it has on the dashboard."""
    manager = await async_get_manager(home.hass)
    await manager.async_update(
        {
            "energy_sources": [],
            "device_consumption": [{"stat_consumption": CAR, "name": "My car"}],
        }
    )

    assert await async_sources(home.hass) == [
        DashboardSource(flow=Flow.CONSUMPTION, statistic_id=CAR, name="My car")
    ]


async def test_a_statistic_is_one_source(home: Home) -> None:
    """What is also listed as a device stays what it is first, at its place."""
    await home.async_show(GRID_SOURCE, SOLAR_SOURCE, devices=[IMPORT, CAR, SOLAR, CAR])

    found = await async_sources(home.hass)

    assert [(each.flow, each.statistic_id) for each in found] == [
        ("grid_import", IMPORT),
        ("grid_export", EXPORT),
        ("local_generation", SOLAR),
        ("consumption", CAR),
    ]


async def test_link(home: Home, meters: list[Meter]) -> None:
    """Costs are shown at the grid sources of their energy alone."""
    sources: list[Source] = [
        GRID_SOURCE | {"stat_energy_from": NIGHT, "stat_energy_to": "sensor.barn"},
        SOLAR_SOURCE,
        GRID_SOURCE | {"stat_energy_to": None},
        {"type": "gas", "stat_energy_from": IMPORT, "stat_cost": None},
        GRID_SOURCE | {"stat_energy_from": None},
    ]
    await home.async_show(*sources, devices=[CAR])

    await async_link(home.hass, meters)

    sources[2] |= {"stat_cost": IMPORT_COST}
    sources[4] |= {"stat_compensation": EXPORT_COST}
    assert await home.async_dashboard() == sources
    manager = await async_get_manager(home.hass)
    assert manager.data is not None
    assert manager.data["device_consumption"] == [{"stat_consumption": CAR}]


@pytest.mark.parametrize("source", [GRID_SOURCE, BARE_GRID, STRANGE_GRID])
async def test_link_and_unlink_both_sides(
    home: Home, meters: list[Meter], source: Source
) -> None:
    """Both sides of a source are linked once; all its other keys stay as they are."""
    await home.async_show(source)
    updates = await _count_updates(home)

    await async_link(home.hass, meters)
    linked = source | {"stat_cost": IMPORT_COST, "stat_compensation": EXPORT_COST}
    assert await home.async_dashboard() == [linked]
    assert updates() == 1
    await async_link(home.hass, meters)
    await async_unlink(home.hass, ["flatpeak:dev_other_cost"])
    assert await home.async_dashboard() == [linked]
    assert updates() == 1

    await async_unlink(home.hass, [IMPORT_COST])
    assert await home.async_dashboard() == [linked | {"stat_cost": None}]
    await async_unlink(home.hass, [IMPORT_COST, EXPORT_COST])
    assert await home.async_dashboard() == [
        source | {"stat_cost": None, "stat_compensation": None}
    ]
    assert updates() == 3


@pytest.mark.parametrize(
    ("mine", "linked"),
    [
        ({"stat_cost": "sensor.my_cost"}, {"stat_compensation": EXPORT_COST}),
        ({"entity_energy_price": "sensor.price"}, {"stat_compensation": EXPORT_COST}),
        ({"number_energy_price": 0.31}, {"stat_compensation": EXPORT_COST}),
        ({"number_energy_price": 0.0}, {"stat_compensation": EXPORT_COST}),
        ({"stat_compensation": "utility:earned"}, {"stat_cost": IMPORT_COST}),
        ({"entity_energy_price_export": "sensor.price"}, {"stat_cost": IMPORT_COST}),
        ({"number_energy_price_export": 0.08}, {"stat_cost": IMPORT_COST}),
        ({"number_energy_price_export": 0.0}, {"stat_cost": IMPORT_COST}),
        ({"stat_cost": "utility:cost", "number_energy_price_export": 0.08}, {}),
    ],
)
async def test_what_the_user_has_set_stays(
    home: Home, meters: list[Meter], mine: Source, linked: Source
) -> None:
    """A cost or a price of the user is neither replaced nor taken out."""
    await home.async_show(GRID_SOURCE | mine)

    await async_link(home.hass, meters)
    assert await home.async_dashboard() == [GRID_SOURCE | mine | linked]

    await async_unlink(home.hass, [IMPORT_COST, EXPORT_COST])
    assert await home.async_dashboard() == [GRID_SOURCE | mine]


@pytest.mark.parametrize(
    ("sources", "lacks"),
    [
        ([GRID_SOURCE], True),
        ([GRID_SOURCE | {"stat_cost": IMPORT_COST}], True),
        (
            [GRID_SOURCE | {"stat_cost": "utility:cost", "stat_energy_to": None}],
            False,
        ),
        ([GRID_SOURCE | {"number_energy_price": 0.0, "stat_energy_to": None}], False),
        ([GRID_SOURCE | {"stat_energy_from": NIGHT, "stat_energy_to": None}], False),
        ([SOLAR_SOURCE, {"type": "gas", "stat_energy_from": IMPORT}], False),
        ([], False),
    ],
)
async def test_lacks_cost(
    home: Home, meters: list[Meter], sources: list[Source], lacks: bool
) -> None:
    """Only energy that we could price, and that nobody has, lacks a cost."""
    assert not await async_lacks_cost(home.hass, meters)
    await home.async_show(*sources)

    assert await async_lacks_cost(home.hass, meters) is lacks

    await async_link(home.hass, meters)
    assert not await async_lacks_cost(home.hass, meters)


async def test_link_of_an_entity_that_is_gone(home: Home, meters: list[Meter]) -> None:
    """A meter whose entity was removed has no energy to stand beside."""
    await home.async_show(GRID_SOURCE)
    home.remove_sensor(IMPORT)

    await async_link(home.hass, meters)

    assert await home.async_dashboard() == [
        GRID_SOURCE | {"stat_compensation": EXPORT_COST}
    ]


async def test_link_of_an_external_statistic(home: Home) -> None:
    """Energy that comes from no entity is linked as well."""
    source = GRID_SOURCE | {"stat_energy_from": "utility:grid"}
    await home.async_show(source)

    await async_link(home.hass, [_meter(home, Flow.GRID_IMPORT, "utility:grid")])

    assert await home.async_dashboard() == [source | {"stat_cost": IMPORT_COST}]


@pytest.fixture
async def entry(home: Home) -> ConfigEntry[Any]:
    """Return a home that is set up with two grid sources, one with a price, and solar."""
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0) - 3 * HOUR
    for sensor in (IMPORT, EXPORT, NIGHT, SOLAR):
        home.add_sensor(sensor)
        await home.async_record(sensor, start, [100, 200, 300])
    await home.async_show(
        GRID_SOURCE,
        GRID_SOURCE
        | {
            "stat_energy_from": NIGHT,
            "stat_energy_to": None,
            "number_energy_price": 0.2,
        },
        SOLAR_SOURCE,
    )
    return await home.async_set_up(history="30_days")


async def _money(home: Home) -> list[str | None]:
    """Return the costs and compensations of the grid sources of the dashboard."""
    main, night, _ = await home.async_dashboard()
    return [main["stat_cost"], main["stat_compensation"], night["stat_cost"]]


def _costs(entry: ConfigEntry[Any], *flows: Flow) -> list[str]:
    """Return the cost statistics of the first meters with some flows."""
    meters = entry.runtime_data.meters
    return [
        next(meter for meter in meters if meter.flow is flow).cost_statistic_id
        for flow in flows
    ]


def _complaints(result: Iterable[Iterable[Any]]) -> list[str]:
    """Return what a validation complains about."""
    return [issue["type"] for issues in result for issue in issues]


async def test_energy_dashboard_accepts_the_link(
    home: Home, entry: ConfigEntry[Any], hass_ws_client: WebSocketGenerator
) -> None:
    """The dashboard finds no fault with what we linked, and can be saved with it."""
    cost, compensation = _costs(entry, Flow.GRID_IMPORT, Flow.GRID_EXPORT)
    assert await _money(home) == [cost, compensation, None]
    client = await hass_ws_client(home.hass)

    await client.send_json_auto_id({"type": "energy/validate"})
    answer = await client.receive_json()
    assert answer["success"]
    assert _complaints(answer["result"]["energy_sources"]) == []

    await client.send_json_auto_id({"type": "energy/get_prefs"})
    preferences = (await client.receive_json())["result"]
    await client.send_json_auto_id({"type": "energy/save_prefs", **preferences})
    answer = await client.receive_json()
    assert answer["success"]
    assert answer["result"]["energy_sources"] == preferences["energy_sources"]
    assert await _money(home) == [cost, compensation, None]


async def test_validation_would_complain(
    home: Home, meters: list[Meter], hass_ws_client: WebSocketGenerator
) -> None:
    """A cost statistic that does not exist is what the dashboard complains about."""
    await home.async_show(GRID_SOURCE)
    await async_link(home.hass, meters)
    client = await hass_ws_client(home.hass)

    await client.send_json_auto_id({"type": "energy/validate"})

    answer = await client.receive_json()
    complaints = _complaints(answer["result"]["energy_sources"])
    assert "statistics_not_defined" in complaints


async def test_lost_link_is_made_again(home: Home, entry: ConfigEntry[Any]) -> None:
    """A link that was not saved in time is made again at the next start."""
    linked = await home.async_dashboard()
    [main, *others] = linked
    await home.async_show(
        main | {"stat_cost": None, "stat_compensation": None}, *others
    )

    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.async_settle()

    assert await home.async_dashboard() == linked


async def test_removed_meter_is_unlinked(home: Home, entry: ConfigEntry[Any]) -> None:
    """The costs of a meter go with it, those of the others stay."""
    [compensation] = _costs(entry, Flow.GRID_EXPORT)
    meter = entry.runtime_data.meters[0]
    assert meter.flow is Flow.GRID_IMPORT

    home.hass.config_entries.async_remove_subentry(entry, meter.subentry_id)
    await home.async_settle()

    assert await _money(home) == [None, compensation, None]


async def test_option_links_and_unlinks(home: Home, entry: ConfigEntry[Any]) -> None:
    """The option of the home takes the costs out, and brings them back."""
    linked = await _money(home)
    assert None not in linked[:2]

    for link, money in ((False, [None, None, None]), (True, linked)):
        home.hass.config_entries.async_update_entry(
            entry, options={CONF_LINK_DASHBOARD: link}
        )
        await home.async_settle()
        assert await _money(home) == money


async def test_nothing_is_linked_unasked(home: Home) -> None:
    """A home whose user did not want the link leaves the dashboard alone."""
    home.add_sensor(IMPORT)
    await home.async_record(IMPORT, dt_util.utcnow().replace(minute=0, second=0), [])
    source = GRID_SOURCE | {"stat_energy_to": None}
    await home.async_show(source)
    updates = await _count_updates(home)

    await home.async_set_up(history="none", link_dashboard=False)

    assert await home.async_dashboard() == [source]
    assert updates() == 0


async def test_removed_home_is_unlinked(home: Home, entry: ConfigEntry[Any]) -> None:
    """The costs of a home go with it, a price of the user stays."""
    await home.hass.config_entries.async_remove(entry.entry_id)
    await home.hass.async_block_till_done()

    assert await _money(home) == [None, None, None]
    night = (await home.async_dashboard())[1]
    assert night["number_energy_price"] == 0.2


async def test_removed_home_that_was_not_set_up_is_unlinked(
    home: Home, entry: ConfigEntry[Any]
) -> None:
    """The dashboard is tidied up although Flatpeak is out of reach."""
    await home.hass.config_entries.async_unload(entry.entry_id)
    home.simulator.account().disabled = True
    await home.hass.config_entries.async_setup(entry.entry_id)

    await home.hass.config_entries.async_remove(entry.entry_id)
    await home.hass.async_block_till_done()

    assert await _money(home) == [None, None, None]
