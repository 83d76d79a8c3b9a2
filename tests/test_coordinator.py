"""When cycles run, and what they do when Flatpeak is in trouble."""

from datetime import timedelta
from decimal import Decimal
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.flatpeak.api import FlatpeakAuthenticationError
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.upload import Uploader
from homeassistant.config_entries import SOURCE_REAUTH
from homeassistant.const import EVENT_RECORDER_HOURLY_STATISTICS_GENERATED
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.util import dt as dt_util

from .home import IMPORT, Home
from .priced import NOW, PricedHome
from .simulator import Fault
from .simulator.tariffs import Change, Direction

SUBMISSION = "PUT /meters/interval"
STATUS = "GET /locations/{id}/status"
PENDING = {
    "object": "error",
    "context": "api",
    "type": "invalid_request",
    "code": "pending_connect",
    "message": "Connect is processing link to tariff source.",
}


@pytest.fixture
def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home that is not set up yet."""
    freezer.move_to(NOW)
    return PricedHome(home, freezer)


async def test_a_cycle_follows_the_hour(priced: PricedHome) -> None:
    """A minute after the recorder's hour, and once however often it says so."""
    await priced.async_begin(hours=3)
    await priced.async_use()
    submissions = priced.simulator.requests.count(SUBMISSION)
    for _ in range(2):
        priced.hass.bus.async_fire(EVENT_RECORDER_HOURLY_STATISTICS_GENERATED)
    await priced.hass.async_block_till_done()
    assert priced.simulator.requests.count(SUBMISSION) == submissions

    priced.tick(timedelta(seconds=61))
    async_fire_time_changed(priced.hass, dt_util.utcnow())
    await priced.home.async_settle()

    assert priced.simulator.requests.count(SUBMISSION) == submissions + 1
    assert await priced.async_is_true()


async def test_an_hour_that_comes_too_late(priced: PricedHome) -> None:
    """A cycle that is due does not run once the home is not there any more."""
    await priced.async_begin(hours=3)
    priced.hass.bus.async_fire(EVENT_RECORDER_HOURLY_STATISTICS_GENERATED)
    await priced.hass.async_block_till_done()
    await priced.hass.config_entries.async_unload(priced.entry.entry_id)
    asked = sum(priced.simulator.requests.counts.values())

    priced.tick(timedelta(seconds=61))
    async_fire_time_changed(priced.hass, dt_util.utcnow())
    await priced.home.async_settle()

    assert sum(priced.simulator.requests.counts.values()) == asked


async def test_a_key_that_is_refused(priced: PricedHome) -> None:
    """Only the user can go on then, and is asked for a key."""
    await priced.async_begin(hours=3)
    priced.simulator.account().api_keys = frozenset()
    priced.simulator.expire_tokens()
    await priced.async_use()
    await priced.async_cycle()

    flows = priced.hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert [flow["context"]["source"] for flow in flows] == [SOURCE_REAUTH]
    assert priced.entry.runtime_data.update_interval is None


async def test_a_status_that_flatpeak_does_not_tell(priced: PricedHome) -> None:
    """What is known from the prices is shown, and nothing else is held up."""
    await priced.async_begin(hours=3)
    priced.simulator.faults.next(STATUS, Fault.answer(422, PENDING))
    await priced.async_use()
    await priced.async_cycle()
    assert priced.state("tariff_status") == "unknown"
    assert priced.state("import_price") != "unknown"
    assert len(await priced.async_costs()) == 4


async def test_a_meter_whose_entity_is_gone(priced: PricedHome) -> None:
    """What was uploaded is reported still; what is stored stays as it is."""
    await priced.async_begin(hours=3)
    before = await priced.async_costs()
    er.async_get(priced.hass).async_remove(IMPORT)
    await priced.async_cycle()
    assert await priced.async_costs() == before
    assert priced.state("energy_today", Direction.IMPORT) != "unknown"


async def test_repairs_of_others_stay(priced: PricedHome) -> None:
    """A home that is removed takes only its own repairs with it, and offers one."""
    await priced.async_begin(hours=3, link_dashboard=False)
    ir.async_create_issue(
        priced.hass,
        DOMAIN,
        "other",
        is_fixable=False,
        severity=ir.IssueSeverity.WARNING,
        translation_key="no_tariff",
        translation_placeholders={"home": "Other", "meters": "Grid"},
    )
    registry = ir.async_get(priced.hass)
    assert len(registry.issues) == 2
    await priced.hass.config_entries.async_remove(priced.entry.entry_id)
    offer = f"costs_remain_{priced.entry.unique_id}"
    assert list(registry.issues) == [(DOMAIN, "other"), (DOMAIN, offer)]


async def test_flatpeak_wants_to_rest(priced: PricedHome) -> None:
    """As long as it asked for it is asked nothing, whoever wants to know."""
    await priced.async_begin(hours=3)
    await priced.async_use()
    priced.simulator.faults.next(SUBMISSION, Fault.rate_limit(600))
    await priced.async_cycle()
    asked = sum(priced.simulator.requests.counts.values())

    priced.tick(timedelta(seconds=500))
    await priced.async_cycle()
    assert sum(priced.simulator.requests.counts.values()) == asked
    assert not priced.entry.runtime_data.last_update_success

    priced.tick(timedelta(seconds=101))
    await priced.async_cycle()
    assert priced.entry.runtime_data.last_update_success
    assert await priced.async_is_true()


async def test_a_key_that_is_refused_in_the_history(priced: PricedHome) -> None:
    """The history waits for the new key, with which the home is set up anew."""
    with patch.object(
        Uploader, "async_upload_history", side_effect=FlatpeakAuthenticationError
    ) as upload:
        await priced.async_begin(hours=24 * 10)
    assert upload.call_count == 1
    assert len(await priced.async_costs()) == 48

    assert await priced.hass.config_entries.async_reload(priced.entry.entry_id)
    await priced.home.async_settle()
    assert len(await priced.async_costs()) == 240
    assert await priced.async_is_true()


async def test_only_one_meter_owes_costs(priced: PricedHome) -> None:
    """Each meter is priced from where it has to be, however far back that is."""
    with patch("custom_components.flatpeak.report.PASS_DAYS", 3):
        await priced.async_begin(hours=24 * 30, now=NOW.replace(day=2))
        coordinator = priced.entry.runtime_data
        journals = coordinator.journal.meters
        journals[priced.meter().device_id].owe_all_costs()
        start, end = NOW.replace(month=10, day=20), NOW.replace(month=10, day=31)
        for direction in (Direction.IMPORT, Direction.EXPORT):
            priced.simulator.account().settle(
                priced.location_id,
                direction,
                start,
                end,
                Change(multiply=Decimal(2)),
            )
        await priced.async_use()
        await priced.async_cycle()
    assert await priced.async_is_true()
    assert not await priced.async_is_true(Direction.EXPORT)
