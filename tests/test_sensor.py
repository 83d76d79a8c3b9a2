"""Sensors of what meters and the home cost, today and this month."""

from datetime import UTC, datetime
from decimal import Decimal
from math import fsum, isclose

from freezegun.api import FrozenDateTimeFactory
import pytest

from homeassistant.const import STATE_UNKNOWN
from homeassistant.helpers import entity_registry as er

from .home import CAR, EXPORT, GRID_SOURCE, HOUR, IMPORT, SOLAR, SOLAR_SOURCE, Home
from .priced import NOW, PricedHome, profile
from .simulator.tariffs import Direction, Flat

# Local midnights in Berlin.
TODAY = datetime(2026, 11, 23, 23, tzinfo=UTC)
THIS_MONTH = datetime(2026, 10, 31, 23, tzinfo=UTC)

pytestmark = pytest.mark.usefixtures("polite")


@pytest.fixture
def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home that is not set up yet."""
    freezer.move_to(NOW)
    return PricedHome(home, freezer)


def cost_since(priced: PricedHome, direction: Direction, start: datetime) -> float:
    """Return what Flatpeak reports of a meter from a local midnight on."""
    days = priced.simulator.truth(priced.meter(direction).device_id, direction).days(
        start
    )
    return fsum(float(day.reported_cost) for day in days)


async def test_costs_of_a_meter(priced: PricedHome) -> None:
    """Cost and energy are those that Flatpeak reports, since the local midnight."""
    await priced.async_begin(hours=24 * 26)
    for direction in (Direction.IMPORT, Direction.EXPORT):
        for key, start in (("cost_today", TODAY), ("cost_this_month", THIS_MONTH)):
            state = priced.hass.states.get(priced.entity_id(key, direction))
            assert state is not None
            truth = cost_since(priced, direction, start)
            assert isclose(float(state.state), truth, rel_tol=1e-9)
            assert (
                state.attributes["last_reset"]
                == start.astimezone(priced.entry.runtime_data.zone).isoformat()
            )
            assert state.attributes["unit_of_measurement"] == "EUR"
            assert state.attributes["device_class"] == "monetary"
            assert state.attributes["state_class"] == "total"
    energy = priced.simulator.truth(priced.meter().device_id).days(TODAY)
    assert isclose(
        float(priced.state("energy_today", Direction.IMPORT)) * 1000,
        fsum(day.energy for day in energy),
        rel_tol=1e-9,
    )


async def test_net_cost_of_the_home(priced: PricedHome) -> None:
    """What is earned is taken off what is paid."""
    await priced.async_begin(hours=24 * 26)
    for key, start in (("net_cost_today", TODAY), ("net_cost_this_month", THIS_MONTH)):
        paid, earned = (
            cost_since(priced, each, start)
            for each in (Direction.IMPORT, Direction.EXPORT)
        )
        assert earned != 0
        assert isclose(float(priced.state(key)), paid - earned, rel_tol=1e-9)


async def test_what_money_is_called(home: Home, freezer: FrozenDateTimeFactory) -> None:
    """Export earns, own generation has a value, everything else costs."""
    freezer.move_to(NOW)
    for seed, sensor in enumerate((IMPORT, EXPORT, SOLAR, CAR)):
        home.add_sensor(sensor)
        await home.async_record(
            sensor, NOW.replace(minute=0) - 3 * HOUR, profile(3, seed)
        )
    await home.async_show(GRID_SOURCE, SOLAR_SOURCE, devices=[CAR])
    entry = await home.async_set_up()
    registry = er.async_get(home.hass)
    names = {
        entity.original_name: entity.unique_id.partition("_cost")[0]
        for entity in er.async_entries_for_config_entry(registry, entry.entry_id)
        if entity.unique_id.endswith("cost_today")
        and not entity.unique_id.endswith("net_cost_today")
    }
    assert names.keys() == {"Cost today", "Earnings today", "Value today"}
    flows = {meter.device_id: meter.flow for meter in entry.runtime_data.meters}
    assert flows[names["Earnings today"]] == "grid_export"
    assert flows[names["Value today"]] == "local_generation"


async def test_unknown_and_not_zero_before_it_is_priced(priced: PricedHome) -> None:
    """A home without a tariff does not claim that its energy was free."""
    await priced.async_begin(hours=3, sells=False)
    account = priced.simulator.account()
    account.disconnect(priced.location_id, Direction.IMPORT)
    await priced.async_use()
    await priced.async_cycle()
    assert priced.state("cost_today", Direction.IMPORT) == STATE_UNKNOWN
    assert priced.state("net_cost_today") == STATE_UNKNOWN

    account.connect(priced.location_id, Direction.IMPORT, Flat(price=Decimal("0.25")))
    priced.tick(HOUR)
    await priced.async_cycle()
    truth = cost_since(priced, Direction.IMPORT, TODAY)
    assert truth > 0
    assert isclose(
        float(priced.state("cost_today", Direction.IMPORT)), truth, rel_tol=1e-9
    )


async def test_history_that_is_uploaded(priced: PricedHome) -> None:
    """Once nothing is left to do, all of it is done."""
    await priced.async_begin(hours=24 * 40)
    state = priced.hass.states.get(priced.entity_id("history_progress"))
    assert state is not None
    assert float(state.state) == 100
    assert state.attributes["days_done"] == state.attributes["days_wanted"] == 0
