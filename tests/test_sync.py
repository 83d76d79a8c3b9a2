"""A cycle on demand: what is new, and the past as far back as one likes."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.const import DOMAIN
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .home import HOUR, IMPORT, Home
from .priced import NOW, PricedHome, profile
from .simulator import Change, Direction, Duplicates, Fault

SUBMIT = "PUT /meters/interval"
HOURS = 24 * 45
LAST = NOW.replace(minute=0)
FIRST = LAST - HOURS * HOUR
DAY = timedelta(days=1)


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home with three days of energy."""
    priced = PricedHome(home, freezer)
    await priced.async_begin(hours=72)
    return priced


@pytest.fixture
async def old(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home with energy of more than a month, whose past was just looked at."""
    priced = PricedHome(home, freezer)
    await priced.async_begin(hours=HOURS, sells=False)
    await priced.async_cycle()
    return priced


async def async_sync(priced: PricedHome, **data: Any) -> None:
    """Call the action."""
    await priced.hass.services.async_call(DOMAIN, "sync", data, blocking=True)


def settle(priced: PricedHome, start: datetime) -> None:
    """Let Flatpeak settle the prices of a day a tenth higher."""
    priced.simulator.account().settle(
        priced.location_id,
        Direction.IMPORT,
        start,
        start + DAY,
        Change(multiply=Decimal("1.1")),
    )


def counted(priced: PricedHome) -> list[float]:
    """Return the energy of the grid import's records, in order of time."""
    truth = priced.simulator.truth(priced.meter().device_id)
    return [record.energy for record in truth.records()]


@pytest.mark.usefixtures("polite")
async def test_what_is_new(priced: PricedHome) -> None:
    """It is uploaded and priced when the action has ended."""
    await priced.async_use()
    await async_sync(priced, config_entry_id=priced.entry.entry_id)
    assert counted(priced) == pytest.approx([*profile(72), *profile(1)])
    assert len(await priced.async_costs()) == 73
    assert await priced.async_is_true()


async def test_the_last_weeks(old: PricedHome) -> None:
    """Energy and prices of 35 days are looked at again, what is older is not."""
    settle(old, NOW - 30 * DAY)
    settle(old, FIRST + DAY)
    rows = await old.home.async_rows(IMPORT)
    energy = [row["change"] for row in rows]
    energy[HOURS - 24 * 20] += 250.0
    old.home.import_rows(IMPORT, old.home.rows_of(FIRST, energy))
    await old.async_cycle()
    assert counted(old) == pytest.approx(profile(HOURS))
    before = await old.async_costs()

    await async_sync(old)

    assert counted(old) == pytest.approx(energy)
    after = await old.async_costs()
    changed = {hour for hour, cost in before.items() if abs(after[hour] - cost) > 1e-4}
    assert min(changed) >= NOW - 31 * DAY
    assert LAST - 24 * 20 * HOUR in changed
    assert not await old.async_is_true()

    await async_sync(old, since=FIRST.isoformat())
    assert await old.async_is_true()


async def test_long_ago(old: PricedHome) -> None:
    """What nobody remembers is compared with Flatpeak's reports, and put right."""
    old.spoil(FIRST + 30 * HOUR, 9000.0)
    old.spoil(FIRST + 31 * HOUR, None)
    await async_sync(old)
    assert counted(old) != pytest.approx(profile(HOURS))
    old.simulator.requests.clear()

    await async_sync(old, since=(FIRST + DAY).isoformat())

    assert counted(old) == pytest.approx(profile(HOURS))
    assert old.simulator.requests.count(SUBMIT) == 1
    assert await old.async_is_true()


async def test_long_ago_where_flatpeak_adds_up(old: PricedHome) -> None:
    """It is tried once, and never again."""
    old.simulator.settings.duplicates = Duplicates.ADD
    old.spoil(FIRST + 30 * HOUR, 9000.0)
    old.simulator.requests.clear()
    for _ in range(2):
        await async_sync(old, since=FIRST.isoformat())
    assert old.simulator.requests.count(SUBMIT) == 1
    assert old.entry.runtime_data.journal.corrections_stopped


async def test_long_ago_without_a_tariff(old: PricedHome) -> None:
    """No report can tell what differs: nothing is sent."""
    old.spoil(FIRST + 30 * HOUR, 9000.0)
    old.simulator.account().disconnect(old.location_id, Direction.IMPORT)
    old.simulator.requests.clear()
    await async_sync(old, since=FIRST.isoformat())
    assert old.simulator.requests.count(SUBMIT) == 0


async def test_nonsense(priced: PricedHome) -> None:
    """What makes no sense is said to be a mistake, before Flatpeak is asked."""
    priced.simulator.requests.clear()
    for data, key in (
        ({"since": (NOW + HOUR).isoformat()}, "start_in_future"),
        ({"config_entry_id": "nobody"}, "service_config_entry_not_found"),
    ):
        with pytest.raises(ServiceValidationError) as error:
            await async_sync(priced, **data)
        assert error.value.translation_key == key
    await priced.hass.config_entries.async_unload(priced.entry.entry_id)
    with pytest.raises(ServiceValidationError) as error:
        await async_sync(priced)
    assert error.value.translation_key == "no_home_loaded"
    assert priced.simulator.requests.count(SUBMIT) == 0
    await priced.hass.config_entries.async_setup(priced.entry.entry_id)


async def test_flatpeak_is_away(priced: PricedHome) -> None:
    """The action says what is wrong, and does not leave the look back to the next cycle."""
    priced.simulator.faults.next("POST /costs/interval/{id}", Fault.SERVER_ERROR)
    with pytest.raises(HomeAssistantError) as error:
        await async_sync(priced)
    assert error.value.translation_key == "server_error"
    await async_sync(priced)


async def test_a_refusal_is_not_asked_again(priced: PricedHome) -> None:
    """Not within fifteen minutes, however often the action is called."""
    priced.simulator.account().disabled = True
    priced.simulator.requests.clear()
    for _ in range(3):
        with pytest.raises(HomeAssistantError) as error:
            await async_sync(priced)
        assert error.value.translation_key == "account_disabled"
    assert priced.simulator.violations.total == 0
    priced.simulator.account().disabled = False
    priced.tick(timedelta(minutes=16))
    await async_sync(priced)
