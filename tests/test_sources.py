"""Sources that move: renamed, removed, cleared, left out, changed, running backwards."""

from collections.abc import Callable
from datetime import timedelta
from math import fsum, isclose
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.sources import SourceProblem, async_change_source
from custom_components.flatpeak.statistics import async_written
from homeassistant.components.recorder import get_instance
from homeassistant.components.recorder.models import StatisticData
from homeassistant.components.recorder.statistics import (
    async_update_statistics_metadata,
)
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.setup import async_setup_component

from .home import CAR, EXPORT, HOUR, IMPORT, SOLAR, Home
from .priced import NOW, PricedHome, profile
from .simulator import Direction, Fault

HOURS = 40
FIRST = NOW.replace(minute=0) - HOURS * HOUR
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("polite")


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home with some energy, in a Home Assistant that can repair."""
    assert await async_setup_component(home.hass, "repairs", {})
    priced = PricedHome(home, freezer)
    await priced.async_begin(hours=HOURS)
    return priced


def problems(priced: PricedHome) -> dict[str, dict[str, str]]:
    """Return what the user is told of sources."""
    return {
        issue.translation_key: issue.translation_placeholders or {}
        for (domain, _), issue in ir.async_get(priced.hass).issues.items()
        if domain == DOMAIN and issue.translation_key in set(SourceProblem)
    }


def counted(priced: PricedHome, direction: Direction = Direction.IMPORT) -> list[float]:
    """Return the energy of a meter's records, in order of time."""
    device_id = priced.meter(direction).device_id
    truth = priced.simulator.truth(device_id, direction)
    return [record.energy for record in truth.records()]


async def async_begin_repair(
    priced: PricedHome, problem: SourceProblem
) -> dict[str, Any]:
    """Open the repair of the grid import's source."""
    return await async_open(priced, problem, priced.meter().subentry_id)


async def async_open(
    priced: PricedHome, problem: SourceProblem, subentry_id: str
) -> dict[str, Any]:
    """Open the repair of a meter's source."""
    manager = repairs_flow_manager(priced.hass)
    assert manager is not None
    return dict(
        await manager.async_init(
            DOMAIN,
            context={"issue_id": f"{problem}_{subentry_id}_{priced.entry.entry_id}"},
        )
    )


async def async_answer(
    priced: PricedHome, flow: dict[str, Any], **answers: str
) -> dict[str, Any]:
    """Answer a step of a repair."""
    manager = repairs_flow_manager(priced.hass)
    assert manager is not None
    result = dict(await manager.async_configure(flow["flow_id"], answers))
    await priced.home.async_settle()
    return result


async def async_choose(
    priced: PricedHome, problem: SourceProblem, statistic_id: str
) -> None:
    """Let the grid import go on with another statistic."""
    flow = await async_begin_repair(priced, problem)
    flow = await async_answer(priced, flow, next_step_id="choose_source")
    assert flow["step_id"] == "choose_source"
    flow = await async_answer(priced, flow, statistic_id=statistic_id)
    assert flow["type"] == "create_entry", flow


async def test_a_renamed_entity(priced: PricedHome) -> None:
    """Cursor, meter and costs follow, and nobody is told."""
    meter, costs = priced.meter(), await priced.async_costs()
    await priced.home.async_rename_sensor(IMPORT, "sensor.main_meter")
    await priced.home.async_record(
        "sensor.main_meter", NOW.replace(minute=0), [500.0, 600.0]
    )
    priced.tick(2 * HOUR)

    await priced.async_cycle()

    assert counted(priced) == pytest.approx([*profile(HOURS), 500.0, 600.0])
    assert priced.meter() == meter
    after = await priced.async_costs()
    assert len(after) == HOURS + 2
    assert {hour: after[hour] for hour in costs} == pytest.approx(costs, abs=1e-5)
    assert await priced.async_is_true()
    assert problems(priced) == {}


async def test_a_device_that_is_off(priced: PricedHome) -> None:
    """A source without new energy is nothing to tell of."""
    for _ in range(3):
        priced.tick(20 * DAY)
        await priced.async_cycle()
    assert priced.entry.runtime_data.last_update_success
    assert problems(priced) == {}


async def async_remove(priced: PricedHome) -> None:
    """Remove the sensor."""
    priced.home.remove_sensor(IMPORT)


async def async_clear(priced: PricedHome) -> None:
    """Delete the statistic."""
    await priced.home.async_clear(IMPORT)


async def async_disable(priced: PricedHome) -> None:
    """Disable the sensor."""
    er.async_get(priced.hass).async_update_entity(
        IMPORT, disabled_by=er.RegistryEntryDisabler.USER
    )


async def async_exclude(priced: PricedHome) -> None:
    """Exclude the sensor from the recorder."""
    get_instance(priced.hass).entity_filter = lambda entity_id: entity_id != IMPORT


async def async_measure_volume(priced: PricedHome) -> None:
    """Give the statistic a unit that is not one of energy."""
    await async_set_unit(priced, "volume", "m³")


async def async_set_unit(priced: PricedHome, unit_class: str, unit: str) -> None:
    """Set the unit of the statistic right, as a user can."""
    async_update_statistics_metadata(
        priced.hass, IMPORT, new_unit_class=unit_class, new_unit_of_measurement=unit
    )
    await async_written(priced.hass)


async def async_add_again(priced: PricedHome) -> None:
    """Let the sensor come back."""
    priced.home.add_sensor(IMPORT)


async def async_record_again(priced: PricedHome) -> None:
    """Let the statistic come back."""
    await priced.async_use()


async def async_enable(priced: PricedHome) -> None:
    """Enable the sensor."""
    er.async_get(priced.hass).async_update_entity(IMPORT, disabled_by=None)


async def async_include(priced: PricedHome) -> None:
    """Include the sensor in the recorder."""
    get_instance(priced.hass).entity_filter = None


async def async_measure_energy(priced: PricedHome) -> None:
    """Give the statistic its unit again."""
    await async_set_unit(priced, "energy", "kWh")


@pytest.mark.parametrize(
    ("break_it", "problem", "mend_it"),
    [
        (async_remove, SourceProblem.REMOVED, async_add_again),
        (async_clear, SourceProblem.GONE, async_record_again),
        (async_disable, SourceProblem.NOT_RECORDED, async_enable),
        (async_exclude, SourceProblem.NOT_RECORDED, async_include),
        (async_measure_volume, SourceProblem.NOT_ENERGY, async_measure_energy),
    ],
)
async def test_what_is_wrong(
    priced: PricedHome,
    break_it: Callable[[PricedHome], Any],
    problem: SourceProblem,
    mend_it: Callable[[PricedHome], Any],
) -> None:
    """The user is told while it lasts; nothing is sent or changed that would be wrong."""
    costs = await priced.async_costs()
    await break_it(priced)
    priced.simulator.requests.clear()

    await priced.async_cycle()

    assert problems(priced) == {
        problem: {"home": "test home", "meter": "Grid import", "source": IMPORT}
    }
    assert priced.simulator.requests.count("PUT /meters/interval") == 0
    assert await priced.async_costs() == costs

    await mend_it(priced)
    await priced.async_cycle()
    assert problems(priced) == {}
    assert counted(priced)[:HOURS] == pytest.approx(profile(HOURS))


async def test_figures_of_another_unit_are_not_sent(priced: PricedHome) -> None:
    """Cubic metres are no watt-hours; what is energy again is uploaded then."""
    await priced.async_use()
    await async_measure_volume(priced)
    await priced.async_cycle()
    assert len(counted(priced)) == HOURS
    assert len(counted(priced, Direction.EXPORT)) == HOURS + 1

    await async_measure_energy(priced)
    await priced.async_cycle()
    assert counted(priced) == pytest.approx([*profile(HOURS), *profile(1)])


async def test_another_unit_of_energy(priced: PricedHome) -> None:
    """Energy is energy, whatever it is counted in."""
    get_instance(priced.hass).async_change_statistics_unit(
        IMPORT,
        new_unit_of_measurement="MWh",
        old_unit_of_measurement="kWh",
    )
    await async_written(priced.hass)
    await priced.async_cycle()
    assert counted(priced) == pytest.approx(profile(HOURS))
    assert problems(priced) == {}


async def test_a_reset(priced: PricedHome) -> None:
    """A meter that starts again from zero loses and doubles nothing."""
    total = fsum(profile(HOURS)) / 1000
    last = NOW.replace(minute=0)
    priced.home.import_rows(
        IMPORT,
        [
            StatisticData(start=last, state=0.2, sum=total + 0.2),
            StatisticData(start=last + HOUR, state=0.5, sum=total + 0.5),
        ],
    )
    await async_written(priced.hass)
    priced.tick(2 * HOUR)

    await priced.async_cycle()

    assert counted(priced) == pytest.approx([*profile(HOURS), 200.0, 300.0])
    assert await priced.async_is_true()


async def test_a_cleared_statistic_begins_anew(priced: PricedHome) -> None:
    """What was uploaded stays; nothing is lost or counts twice from then on."""
    costs = await priced.async_costs()
    await priced.home.async_clear(IMPORT)
    priced.tick(DAY)
    await priced.home.async_record(IMPORT, NOW.replace(minute=0) + 23 * HOUR, [400.0])

    for _ in range(2):
        await priced.async_cycle()
        priced.tick(DAY)

    assert counted(priced) == pytest.approx([*profile(HOURS), 400.0])
    after = await priced.async_costs()
    assert {hour: after[hour] for hour in costs} == costs
    assert await priced.async_is_true()
    assert problems(priced) == {}


async def test_a_statistic_that_is_cleared_during_the_day(priced: PricedHome) -> None:
    """The hours of the day that are gone keep their share of its cost."""
    await priced.home.async_clear(IMPORT)
    await priced.home.async_record(IMPORT, NOW.replace(minute=0), [400.0, 500.0])
    priced.tick(2 * HOUR)

    await priced.async_cycle()

    assert counted(priced) == pytest.approx([*profile(HOURS), 400.0, 500.0])
    assert len(await priced.async_costs()) == HOURS + 2
    assert await priced.async_is_true()


async def test_rows_that_were_uploaded_and_are_lost(priced: PricedHome) -> None:
    """A recorder that was set back goes on from there: the sum is right again."""
    rows = await priced.home.async_rows(IMPORT)
    await priced.home.async_clear(IMPORT)
    kept = rows[: HOURS - 5]
    await priced.home.async_record(IMPORT, FIRST, [row["change"] for row in kept])
    await priced.home.async_record(IMPORT, NOW.replace(minute=0), [9000.0])
    priced.tick(HOUR)
    for _ in range(2):
        await priced.async_cycle()

    assert isclose(
        fsum(counted(priced)), fsum(profile(HOURS - 5)) + 9000.0, rel_tol=1e-9
    )
    priced.simulator.violations.clear()


async def async_replace(priced: PricedHome) -> None:
    """Replace the sensor: the new one has a past of its own."""
    priced.home.add_sensor(SOLAR)
    await priced.home.async_record(
        SOLAR, FIRST - DAY, [77.0] * (HOURS + 24) + [700.0, 800.0]
    )
    priced.home.remove_sensor(IMPORT)
    await priced.async_cycle()


async def test_another_statistic(priced: PricedHome) -> None:
    """The meter goes on from its cursor; its past is not touched by the new one's."""
    meter, costs = priced.meter(), await priced.async_costs()
    await async_replace(priced)
    priced.tick(2 * HOUR)

    await async_choose(priced, SourceProblem.REMOVED, SOLAR)

    assert problems(priced) == {}
    assert priced.meter().device_id == meter.device_id
    assert priced.meter().subentry_id == meter.subentry_id
    assert counted(priced) == pytest.approx([*profile(HOURS), 700.0, 800.0])
    after = await priced.async_costs()
    assert {hour: after[hour] for hour in costs} == pytest.approx(costs, abs=1e-5)
    assert await priced.async_is_true()

    # The night's pass looks at all that was submitted, of both sources.
    submissions = priced.simulator.requests.count("PUT /meters/interval")
    priced.move_to(NOW + DAY)
    await priced.async_cycle()
    assert priced.simulator.requests.count("PUT /meters/interval") == submissions
    assert counted(priced) == pytest.approx([*profile(HOURS), 700.0, 800.0])
    assert await priced.async_is_true()


async def test_another_statistic_with_a_gap_over_the_border(
    priced: PricedHome,
) -> None:
    """Of the energy of the gap only the share of the time after the border counts."""
    priced.home.add_sensor(SOLAR)
    await priced.home.async_record(
        SOLAR, FIRST, [77.0] * (HOURS - 2) + [None] * 3 + [4000.0, 500.0]
    )
    priced.home.remove_sensor(IMPORT)
    priced.tick(3 * HOUR)
    await priced.async_cycle()

    await async_choose(priced, SourceProblem.REMOVED, SOLAR)

    # Two of the four hours of the gap are after the border.
    expected = [*profile(HOURS), 2000.0, 500.0]
    assert counted(priced) == pytest.approx(expected)
    priced.move_to(NOW + DAY)
    await priced.async_cycle()
    assert counted(priced) == pytest.approx(expected)


async def test_another_statistic_that_is_no_good(priced: PricedHome) -> None:
    """It must count energy, and be no other meter's: the form says so."""
    await async_replace(priced)
    flow = await async_begin_repair(priced, SourceProblem.REMOVED)
    assert flow["menu_options"] == ["choose_source", "stop_meter"]
    assert flow["description_placeholders"]["meter"] == "Grid import"
    flow = await async_answer(priced, flow, next_step_id="choose_source")
    for statistic_id, error in ((EXPORT, "source_in_use"), (CAR, "not_energy")):
        flow = await async_answer(priced, flow, statistic_id=statistic_id)
        assert flow["errors"] == {"statistic_id": error}
    assert SourceProblem.REMOVED in problems(priced)

    await priced.home.async_record("utility:meter", NOW.replace(minute=0), [900.0])
    priced.tick()
    flow = await async_answer(priced, flow, statistic_id="utility:meter")
    assert flow["type"] == "create_entry"
    assert problems(priced) == {}
    assert counted(priced) == pytest.approx([*profile(HOURS), 900.0])


async def test_stop_a_meter(priced: PricedHome) -> None:
    """The meter goes with its sensors; its costs stay."""
    statistic_id = priced.meter().cost_statistic_id
    await async_replace(priced)
    flow = await async_begin_repair(priced, SourceProblem.REMOVED)
    flow = await async_answer(priced, flow, next_step_id="stop_meter")
    assert flow["step_id"] == "stop_meter"
    assert len(priced.entry.subentries) == 2

    flow = await async_answer(priced, flow)

    assert flow["type"] == "create_entry"
    assert [meter.name for meter in priced.entry.runtime_data.meters] == ["Grid export"]
    assert len(await priced.home.async_rows(statistic_id)) == HOURS
    assert problems(priced) == {}


async def test_a_meter_that_was_stopped_elsewhere(priced: PricedHome) -> None:
    """There is nothing left to mend."""
    await async_replace(priced)
    subentry_id = priced.meter().subentry_id
    await priced.hass.config_entries.async_unload(priced.entry.entry_id)
    priced.hass.config_entries.async_remove_subentry(priced.entry, subentry_id)
    flow = await async_open(priced, SourceProblem.REMOVED, subentry_id)
    assert (flow["type"], flow["reason"]) == ("abort", "meter_removed")


async def async_run_backwards(priced: PricedHome, days: int) -> None:
    """Let the import run backwards once, and then too slowly to catch up."""
    last = NOW.replace(minute=0)
    await priced.home.async_record(
        IMPORT, last, [-50_000.0] + [100.0] * (24 * days - 1)
    )
    priced.tick(days * DAY)
    await async_cycles(priced)


async def async_cycles(priced: PricedHome) -> None:
    """Run a cycle, and one that sees what the first has uploaded."""
    for _ in range(2):
        await priced.async_cycle()


async def test_a_meter_that_runs_backwards(priced: PricedHome) -> None:
    """The user is told after a day, as long as it has not caught up."""
    last = NOW.replace(minute=0)
    await priced.home.async_record(IMPORT, last, [-500.0] + [0.0] * 22)
    priced.tick(23 * HOUR)
    await async_cycles(priced)
    assert problems(priced) == {}

    await priced.home.async_record(IMPORT, last + 23 * HOUR, [0.0])
    priced.tick()
    await async_cycles(priced)
    assert set(problems(priced)) == {SourceProblem.BACKWARDS}

    await priced.home.async_record(IMPORT, last + DAY, [520.0])
    priced.tick()
    await async_cycles(priced)
    assert problems(priced) == {}
    assert counted(priced) == pytest.approx([*profile(HOURS), *[0.0] * 24, 20.0])


async def test_go_on_without_what_ran_backwards(priced: PricedHome) -> None:
    """From then on energy counts as it is, and no night's pass takes that back."""
    await async_run_backwards(priced, 2)
    flow = await async_begin_repair(priced, SourceProblem.BACKWARDS)
    assert flow["menu_options"] == ["forgive_debt", "choose_source", "stop_meter"]

    flow = await async_answer(priced, flow, next_step_id="forgive_debt")

    assert flow["type"] == "create_entry"
    assert problems(priced) == {}
    await priced.home.async_record(
        IMPORT, NOW.replace(minute=0) + 2 * DAY, [300.0] * 24
    )
    priced.tick(DAY)
    for _ in range(2):
        await priced.async_cycle()
        assert counted(priced) == pytest.approx(
            [*profile(HOURS), *[0.0] * 48, *[300.0] * 24]
        )
        priced.tick(DAY)
    assert problems(priced) == {}


async def test_another_statistic_has_no_debt(priced: PricedHome) -> None:
    """What the old one ran backwards is not taken from the new one."""
    await async_run_backwards(priced, 2)
    priced.home.add_sensor(SOLAR)
    await priced.home.async_record(
        SOLAR, NOW.replace(minute=0) + 2 * DAY, [300.0, 400.0]
    )
    priced.tick(2 * HOUR)

    await async_choose(priced, SourceProblem.BACKWARDS, SOLAR)

    expected = [*profile(HOURS), *[0.0] * 48, 300.0, 400.0]
    assert counted(priced) == pytest.approx(expected)
    priced.tick(DAY)
    await priced.async_cycle()
    assert counted(priced) == pytest.approx(expected)


async def test_a_debt_of_a_home_that_is_not_set_up(priced: PricedHome) -> None:
    """Without its journal it cannot be forgiven, and the repair stays."""
    await async_run_backwards(priced, 2)
    subentry_id = priced.meter().subentry_id
    await priced.hass.config_entries.async_unload(priced.entry.entry_id)
    flow = await async_open(priced, SourceProblem.BACKWARDS, subentry_id)
    flow = await async_answer(priced, flow, next_step_id="forgive_debt")
    assert (flow["type"], flow["reason"]) == ("abort", "entry_not_loaded")
    assert SourceProblem.BACKWARDS in problems(priced)
    await priced.hass.config_entries.async_setup(priced.entry.entry_id)


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
async def test_another_statistic_while_an_upload_is_in_doubt(
    priced: PricedHome, fault: Fault
) -> None:
    """What was sent is of the old one: the new one begins after it."""
    await priced.async_use(2)
    priced.simulator.faults.next("PUT /meters/interval", fault)
    await priced.async_cycle()
    assert priced.entry.runtime_data.journal.doubt is not None
    priced.home.add_sensor(SOLAR)
    await priced.home.async_record(SOLAR, FIRST, [77.0] * (HOURS + 4))
    priced.tick(2 * HOUR)
    async_change_source(priced.hass, priced.entry, priced.meter().subentry_id, SOLAR)
    await priced.home.async_settle()

    expected = [*profile(HOURS), *profile(2), 77.0, 77.0]
    assert counted(priced) == pytest.approx(expected)
    priced.tick(DAY)
    await priced.async_cycle()
    assert counted(priced) == pytest.approx(expected)
