"""When Flatpeak has no prices, another currency, or no account for us any more."""

from datetime import timedelta
from decimal import Decimal

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er, issue_registry as ir

from .home import HOUR, Home
from .priced import NOW, QUARTER, PricedHome
from .simulator.tariffs import Direction, Flat, TwoRate

MINUTE = timedelta(minutes=1)


@pytest.fixture
def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home that is not set up yet."""
    freezer.move_to(NOW)
    return PricedHome(home, freezer)


def issues(hass: HomeAssistant) -> dict[str, dict[str, str]]:
    """Return the words that the repairs are filled with, by translation key."""
    return {
        issue.translation_key or "": dict(issue.translation_placeholders or {})
        for (domain, _), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue.active
    }


async def async_press(priced: PricedHome) -> None:
    """Press the button."""
    entity_id = er.async_get(priced.hass).async_get_entity_id(
        "button", DOMAIN, f"{priced.location_id}_sync"
    )
    await priced.hass.services.async_call(
        "button", "press", {"entity_id": entity_id}, blocking=True
    )
    await priced.home.async_settle()


async def test_prices_that_come_late(priced: PricedHome) -> None:
    """Without a tariff all is unknown; once there is one, all that is past is priced."""
    await priced.async_begin(hours=24 * 40, tariff="later")
    assert await priced.async_costs() == {}
    assert priced.state("cost_today", Direction.IMPORT) == "unknown"
    assert priced.state("net_cost_today") == "unknown"
    assert priced.state("import_price") == "unknown"
    assert priced.state("tariff_status") == "not_connected"
    assert priced.state("tariff_name") == "unknown"
    assert issues(priced.hass)["no_tariff"] == {
        "home": priced.entry.title,
        "meters": "Grid import, Grid export",
    }

    account = priced.simulator.account()
    account.connect(
        priced.location_id,
        Direction.IMPORT,
        TwoRate(low=Decimal("0.1"), high=Decimal("0.3")),
    )
    priced.tick(14 * MINUTE)
    await async_press(priced)
    assert await priced.async_costs() == {}
    assert priced.simulator.violations.total == 0

    priced.tick(MINUTE)
    await async_press(priced)
    assert len(await priced.async_costs()) == 24 * 40
    assert await priced.async_is_true()
    assert priced.state("tariff_status") == "connected"
    assert priced.state("tariff_name") == "Time of day tariff"
    assert priced.state("provider") == "Example Energy"
    assert issues(priced.hass)["no_tariff"]["meters"] == "Grid export"

    account.connect(priced.location_id, Direction.EXPORT, Flat(price=Decimal("0.08")))
    priced.tick(QUARTER)
    await async_press(priced)
    assert await priced.async_is_true(Direction.EXPORT)
    assert "no_tariff" not in issues(priced.hass)
    assert priced.simulator.violations.total == 0


async def test_prices_that_are_pending(priced: PricedHome) -> None:
    """While Flatpeak fetches the first prices there is nothing for the user to do."""
    await priced.async_begin(hours=24)
    account = priced.simulator.account()
    connection = account.connect(
        priced.location_id,
        Direction.IMPORT,
        Flat(price=Decimal("0.3")),
        pending_until=NOW + 2 * HOUR,
    )
    await priced.async_use()
    await priced.async_cycle()
    assert priced.state("tariff_status") == "pending"
    assert priced.state("cost_today", Direction.IMPORT) == "unknown"
    assert issues(priced.hass) == {}

    connection.pending_until = None
    connection.has_price_data = False
    priced.tick(QUARTER)
    await priced.async_cycle()
    assert priced.state("tariff_status") == "no_price_data"
    assert issues(priced.hass) == {
        "no_price_data": {"home": priced.entry.title, "meters": "Grid import"}
    }

    connection.has_price_data = True
    priced.tick(QUARTER)
    await priced.async_cycle()
    assert priced.state("tariff_status") == "connected"
    assert issues(priced.hass) == {}
    assert await priced.async_is_true()


async def test_a_disabled_account(priced: PricedHome) -> None:
    """All stops but the tariff's state, and the user is told; then it goes on."""
    await priced.async_begin(hours=24)
    account = priced.simulator.account()
    account.disabled = True
    await priced.async_use()
    await priced.async_cycle()
    assert priced.state("tariff_status") == "account_disabled"
    assert priced.state("cost_today", Direction.IMPORT) == "unavailable"
    assert priced.state("records_waiting") == "2"
    assert set(issues(priced.hass)) == {"account_disabled"}
    asked = sum(priced.simulator.requests.counts.values())
    with pytest.raises(HomeAssistantError) as error:
        await async_press(priced)
    assert error.value.translation_key == "account_disabled"
    assert sum(priced.simulator.requests.counts.values()) == asked

    account.disabled = False
    priced.tick(QUARTER)
    await async_press(priced)
    assert priced.state("tariff_status") == "connected"
    assert issues(priced.hass) == {}
    assert await priced.async_is_true()


async def test_a_home_whose_account_is_disabled_at_start(priced: PricedHome) -> None:
    """A home that cannot be set up says why; nothing is left when it is removed."""
    await priced.async_begin(hours=3)
    priced.simulator.account().disabled = True
    await priced.hass.config_entries.async_reload(priced.entry.entry_id)
    assert set(issues(priced.hass)) == {"account_disabled"}

    await priced.hass.config_entries.async_remove(priced.entry.entry_id)
    assert set(issues(priced.hass)) == {"costs_remain"}


async def test_another_currency(priced: PricedHome) -> None:
    """Costs of two currencies are not added up, and the sensors have the new one."""
    await priced.async_begin(hours=48)
    before = await priced.async_costs()
    account = priced.simulator.account()
    account.currency = "BGN"
    await priced.async_use()
    await priced.async_cycle()

    assert await priced.async_costs() == before
    found = issues(priced.hass)
    assert found["currency_changed"] == {
        "home": priced.entry.title,
        "old_currency": "EUR",
        "new_currency": "BGN",
    }
    assert found["currency_differs"]["tariff_currency"] == "BGN"
    state = priced.hass.states.get(priced.entity_id("import_price"))
    assert state is not None
    assert state.attributes["unit_of_measurement"] == "BGN/kWh"

    account.currency = None
    await priced.async_use()
    await priced.async_cycle()
    assert issues(priced.hass) == {}
    assert len(await priced.async_costs()) == len(before) + 2
    assert await priced.async_is_true()
