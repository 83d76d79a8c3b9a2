"""Sensors of prices, of the tariff and of how far uploading and pricing have come."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import isclose

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.flatpeak.sensor import FlatpeakPriceSensor
from homeassistant.components.energy.validate import async_validate
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util

from .home import GRID_SOURCE, HOUR, IMPORT, Home
from .priced import NOW, PricedHome, profile
from .simulator.tariffs import Direction, Flat

PRICES = "POST /prices/{id}"


@pytest.fixture
def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home that is not set up yet."""
    freezer.move_to(NOW)
    return PricedHome(home, freezer)


async def async_fire(priced: PricedHome, instant: datetime) -> None:
    """Let the clock reach an instant."""
    priced.move_to(instant)
    async_fire_time_changed(priced.hass, instant)
    await priced.hass.async_block_till_done()


async def test_prices_change_at_the_border_of_their_slot(priced: PricedHome) -> None:
    """The price is there to the second, and Flatpeak is not asked for it again."""
    await priced.async_begin(hours=3)
    state = priced.hass.states.get(priced.entity_id("import_price"))
    assert state is not None
    assert state.attributes["unit_of_measurement"] == "EUR/kWh"
    assert state.attributes["state_class"] == "measurement"
    assert "device_class" not in state.attributes
    slots = state.attributes["today"] + state.attributes["tomorrow"]
    assert len(state.attributes["today"]) == len(state.attributes["tomorrow"]) == 48
    assert slots[0]["start"] == "2026-11-24T00:00:00+01:00"
    assert slots[-1]["end"] == "2026-11-26T00:00:00+01:00"
    assert state.attributes.keys() & {"today", "tomorrow"} == (
        FlatpeakPriceSensor._unrecorded_attributes  # noqa: SLF001  # what the recorder reads
    )
    asked = priced.simulator.requests.count(PRICES)

    number = 27  # The slot from half past one on.
    assert float(state.state) == slots[number]["price"]
    for later in (28, 29, 30):
        start = datetime.fromisoformat(slots[later]["start"]).astimezone(UTC)
        await async_fire(priced, start - timedelta(seconds=1))
        assert float(priced.state("import_price")) == slots[later - 1]["price"]
        await async_fire(priced, start)
        assert float(priced.state("import_price")) == slots[later]["price"]
    assert priced.simulator.requests.count(PRICES) == asked
    assert float(priced.state("export_price")) != float(priced.state("import_price"))


async def test_one_request_for_prices_in_a_cycle(priced: PricedHome) -> None:
    """What apportions the costs also tells the current price."""
    await priced.async_begin(hours=3)
    asked = priced.simulator.requests.count(PRICES)
    await priced.async_cycle()
    assert priced.simulator.requests.count(PRICES) == asked + 2


async def test_the_dashboard_takes_the_price(priced: PricedHome) -> None:
    """Who rather multiplies by the current price may."""
    await priced.async_begin(hours=3, link_dashboard=False)
    price = priced.entity_id("import_price")
    await priced.home.async_show(
        GRID_SOURCE | {"entity_energy_price": price, "stat_energy_to": None}
    )
    assert (await async_validate(priced.hass)).as_dict() == {
        "energy_sources": [[]],
        "device_consumption": [],
        "device_consumption_water": [],
    }


async def test_prices_that_are_not_known(priced: PricedHome) -> None:
    """Nobody pays for what is sold: that is unknown, and is no reason to ask."""
    priced.home.add_sensor(IMPORT)
    first = NOW.replace(minute=0) - 3 * HOUR
    await priced.home.async_record(IMPORT, first, profile(3))
    await priced.home.async_show(GRID_SOURCE | {"stat_energy_to": None})
    priced.entry = await priced.home.async_set_up()
    assert priced.state("export_price") == "unknown"
    assert priced.simulator.requests.count(PRICES, 422) == 0

    priced.simulator.account().connect(
        priced.location_id, Direction.EXPORT, Flat(price=Decimal("0.08"))
    )
    await priced.async_cycle()
    assert priced.state("export_price") == "0.08"


async def test_average_price(priced: PricedHome) -> None:
    """It is what the energy of today cost, per kilowatt-hour, once there is energy."""
    await priced.async_begin(hours=30)
    cost = float(priced.state("cost_today", Direction.IMPORT))
    energy = float(priced.state("energy_today", Direction.IMPORT))
    state = priced.hass.states.get(
        priced.entity_id("average_price_today", Direction.IMPORT)
    )
    assert state is not None
    assert isclose(float(state.state), cost / energy)
    assert state.attributes["unit_of_measurement"] == "EUR/kWh"

    priced.move_to(datetime(2026, 11, 24, 23, 0, tzinfo=UTC))
    await priced.home.async_record(
        IMPORT, datetime(2026, 11, 24, 23, tzinfo=UTC), [0.0]
    )
    priced.tick()
    await priced.async_cycle()
    assert float(priced.state("energy_today", Direction.IMPORT)) == 0
    assert priced.state("average_price_today", Direction.IMPORT) == "unknown"


async def test_a_new_day_and_a_new_month(priced: PricedHome) -> None:
    """At local midnight, to the minute, today and this month begin anew."""
    await priced.async_begin(now=datetime(2026, 11, 30, 22, 30, tzinfo=UTC), hours=30)
    keys = ("cost_today", "cost_this_month", "average_price_today")
    for key in keys:
        assert priced.state(key, Direction.IMPORT) != "unknown"

    midnight = datetime(2026, 11, 30, 23, tzinfo=UTC)
    await async_fire(priced, midnight)

    for key in keys:
        assert priced.state(key, Direction.IMPORT) == "unknown"
    assert priced.state("net_cost_this_month") == "unknown"
    await priced.async_use()
    await priced.async_cycle()
    for key in ("cost_today", "cost_this_month"):
        state = priced.hass.states.get(priced.entity_id(key, Direction.IMPORT))
        assert state is not None
        assert datetime.fromisoformat(state.attributes["last_reset"]) == midnight
        assert state.state != "unknown"


async def test_how_far_it_has_come(priced: PricedHome) -> None:
    """Who waits for costs sees where they are."""
    await priced.async_begin(hours=3)
    hour = NOW.replace(minute=0)
    assert priced.state("last_upload") == NOW.isoformat(timespec="seconds")
    assert priced.state("last_priced_hour") == (hour - HOUR).isoformat()
    assert priced.state("records_waiting") == "0"
    assert priced.state("tariff_name") == "Market prices"
    assert priced.state("provider") == "Day-ahead market"
    entry = er.async_get(priced.hass).async_get(priced.entity_id("contract_end"))
    assert entry is not None
    assert entry.disabled_by is er.RegistryEntryDisabler.INTEGRATION

    await priced.async_use()
    await async_fire(priced, dt_util.utcnow())
    assert priced.state("last_priced_hour") == (hour - HOUR).isoformat()
    await priced.async_cycle()
    assert priced.state("last_priced_hour") == hour.isoformat()
    assert priced.state("last_upload") == dt_util.utcnow().isoformat(timespec="seconds")
