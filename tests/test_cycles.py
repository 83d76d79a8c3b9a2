"""When cycles begin, wait, go on and end, in trouble and without."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import threading
from typing import override

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.flatpeak.const import DOMAIN
from homeassistant.components.recorder import Recorder
from homeassistant.components.recorder.tasks import RecorderTask
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import (
    EVENT_HOMEASSISTANT_STARTED,
    EVENT_RECORDER_HOURLY_STATISTICS_GENERATED,
)
from homeassistant.core import CoreState
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util

from .home import HOUR, Home
from .priced import NOW, PricedHome
from .simulator import Direction, Fault, Flat
from .simulator.faults import Process

pytestmark = pytest.mark.usefixtures("polite")

COSTS = "POST /costs/interval/{id}"
LOCATION = "GET /locations/{id}"
SUBMISSION = "PUT /meters/interval"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home that is not set up yet."""
    freezer.move_to(NOW)
    return PricedHome(home, freezer)


class Held:
    """A fault that holds back the answer to a request that is processed."""

    def __init__(self) -> None:
        """Hold it until it is released."""
        self.is_processed = asyncio.Event()
        self.is_released = asyncio.Event()
        self.fault = Fault("HELD", self._async_act)

    async def _async_act(
        self, request: web.Request, process: Process
    ) -> web.StreamResponse:
        """Process, and answer when it is time."""
        response = await process(request)
        self.is_processed.set()
        await self.is_released.wait()
        return response


def asked(priced: PricedHome) -> int:
    """Return how many requests there were."""
    return sum(priced.simulator.requests.counts.values())


def entry_state(priced: PricedHome) -> ConfigEntryState:
    """Return whether the home is set up."""
    return priced.entry.state


def interval(priced: PricedHome) -> timedelta:
    """Return how soon the next cycle comes by itself."""
    interval: timedelta | None = priced.entry.runtime_data.update_interval
    return interval or timedelta()


async def test_retries_come_later_and_later(priced: PricedHome) -> None:
    """A minute at first, an hour at last, and a minute again after a success."""
    await priced.async_begin(hours=3)
    priced.simulator.faults.random(0, {Fault.SERVER_ERROR: 1.0})
    intervals = []
    for _ in range(60):
        await priced.entry.runtime_data.async_refresh()
        intervals.append(interval(priced))

    for number, found in enumerate(intervals):
        wanted = min(MINUTE * 2 ** min(number, 10), HOUR)
        assert wanted <= found <= 1.5 * wanted
    assert len(set(intervals[10:])) > 1

    priced.simulator.faults.clear()
    await priced.async_cycle()
    assert interval(priced) == timedelta()
    priced.simulator.faults.next(COSTS, Fault.BAD_GATEWAY)
    await priced.async_cycle()
    assert MINUTE <= interval(priced) <= 1.5 * MINUTE


async def test_costs_are_shown_while_flatpeak_is_slow(
    priced: PricedHome, virtual_sleep: None
) -> None:
    """What is known holds until the new hour is processed, but not without Flatpeak."""
    await priced.async_begin(hours=3)
    before = priced.state("net_cost_today")
    priced.simulator.settings.processing_delay = None
    await priced.async_use(2)
    await priced.async_cycle()
    assert not priced.entry.runtime_data.last_update_success
    assert priced.state("net_cost_today") == before
    assert priced.state("cost_today", Direction.IMPORT) != "unavailable"

    priced.simulator.settings.processing_delay = 0
    priced.simulator.faults.next(COSTS, Fault.SERVER_ERROR)
    await priced.async_cycle()
    priced.entry.runtime_data.async_update_listeners()
    assert priced.state("net_cost_today") == "unavailable"

    await priced.async_cycle()
    assert await priced.async_is_true()
    assert priced.state("net_cost_today") not in (before, "unavailable")


async def test_a_retry_comes_by_itself(
    priced: PricedHome, caplog: pytest.LogCaptureFixture
) -> None:
    """Trouble passes without anybody, and is told once when it comes and goes."""
    await priced.async_begin(hours=3)
    priced.simulator.faults.next(COSTS, Fault.RESET_BEFORE, Fault.SERVER_ERROR)
    await priced.async_use()
    await priced.async_cycle()
    assert priced.state("net_cost_today") == "unavailable"

    for _ in range(2):
        priced.tick(4 * MINUTE)
        async_fire_time_changed(priced.hass, dt_util.utcnow())
        await priced.home.async_settle()

    assert await priced.async_is_true()
    assert caplog.text.count("Error fetching flatpeak data") == 1
    assert caplog.text.count("Fetching flatpeak data recovered") == 1
    assert interval(priced) == timedelta()


async def test_flatpeak_wants_to_rest(priced: PricedHome) -> None:
    """Whoever asks, nothing is sent before the time; then it goes on by itself."""
    await priced.async_begin(hours=3)
    await priced.async_use()
    priced.simulator.faults.next(COSTS, Fault.rate_limit(600))
    await priced.async_cycle()
    before = asked(priced)

    priced.hass.bus.async_fire(EVENT_RECORDER_HOURLY_STATISTICS_GENERATED)
    await priced.hass.async_block_till_done()
    priced.tick(9 * MINUTE)
    async_fire_time_changed(priced.hass, dt_util.utcnow())
    await priced.async_cycle()
    assert asked(priced) == before
    assert priced.entry.runtime_data.last_exception.translation_key == "rate_limited"
    await priced.hass.config_entries.async_reload(priced.entry.entry_id)
    assert entry_state(priced) is ConfigEntryState.SETUP_RETRY
    assert asked(priced) == before

    priced.tick(MINUTE)
    await priced.hass.config_entries.async_reload(priced.entry.entry_id)
    await priced.home.async_settle()
    assert entry_state(priced) is ConfigEntryState.LOADED
    assert await priced.async_is_true()


async def test_a_rest_is_scheduled(priced: PricedHome) -> None:
    """A cycle comes as soon as Flatpeak has rested."""
    await priced.async_begin(hours=3)
    await priced.async_use()
    priced.simulator.faults.next(COSTS, Fault.rate_limit(600))
    await priced.async_cycle()

    priced.tick(11 * MINUTE)
    async_fire_time_changed(priced.hass, dt_util.utcnow())
    await priced.home.async_settle()

    assert priced.entry.runtime_data.last_update_success
    assert await priced.async_is_true()


async def test_the_day_and_the_month_begin(priced: PricedHome) -> None:
    """At the very minute a new period has begun, and nothing is known of it yet."""
    new_year = datetime(2026, 12, 31, 23, tzinfo=UTC)
    # A price that changes then would be noticed anyway.
    priced.simulator.account().first_tariff = Flat(price=Decimal("0.3"))
    await priced.async_begin(
        now=new_year - timedelta(minutes=10), hours=30, sells=False
    )
    keys = ("cost_today", "cost_this_month", "energy_today")

    async def states() -> dict[str, tuple[str, str]]:
        """Return states and when their periods began, at this minute."""
        async_fire_time_changed(priced.hass, dt_util.utcnow())
        await priced.hass.async_block_till_done()
        found = {}
        for key in keys:
            state = priced.hass.states.get(priced.entity_id(key, Direction.IMPORT))
            assert state is not None
            found[key] = (state.state, state.attributes["last_reset"])
        return found

    priced.move_to(new_year - timedelta(seconds=1))
    before = await states()
    assert {reset for _, reset in before.values()} == {
        "2026-12-31T00:00:00+01:00",
        "2026-12-01T00:00:00+01:00",
    }
    assert "unknown" not in {state for state, _ in before.values()}

    priced.move_to(new_year)
    assert await states() == dict.fromkeys(
        keys, ("unknown", "2027-01-01T00:00:00+01:00")
    )


async def test_cycles_run_one_after_the_other(priced: PricedHome) -> None:
    """Many who ask at once do not get in each other's way."""
    await priced.async_begin(hours=3)
    await priced.async_use()
    submissions = priced.simulator.requests.count(SUBMISSION)

    await asyncio.gather(*(priced.entry.runtime_data.async_refresh() for _ in range(3)))

    assert priced.simulator.requests.count(SUBMISSION) == submissions + 1
    assert await priced.home.async_miscounted(priced.entry) == []


async def test_history_goes_on_beside_everything_else(priced: PricedHome) -> None:
    """The set-up does not wait for it, it can be followed, and ends with the entry."""
    held = Held()
    begin = priced.simulator.requests.count(SUBMISSION)
    assert begin == 0
    # The fresh hours go first.
    priced.simulator.faults.next(SUBMISSION, Fault.slow(0), held.fault)
    setting_up = asyncio.create_task(priced.async_begin(hours=60))
    await held.is_processed.wait()
    [priced.entry] = priced.hass.config_entries.async_entries(DOMAIN)
    assert entry_state(priced) is ConfigEntryState.LOADED
    assert float(priced.state("cost_today", Direction.IMPORT)) > 0
    assert priced.state("history_progress") == "0.0"

    # Meanwhile nothing else is uploaded or priced.
    before = asked(priced)
    refreshing = asyncio.create_task(priced.entry.runtime_data.async_refresh())
    for _ in range(20):
        await priced.hass.async_add_executor_job(lambda: None)
    assert asked(priced) == before

    await priced.hass.config_entries.async_unload(priced.entry.entry_id)
    held.is_released.set()
    await setting_up
    await refreshing
    assert entry_state(priced) is ConfigEntryState.NOT_LOADED
    before = asked(priced)
    await priced.home.async_settle()
    assert asked(priced) == before

    await priced.hass.config_entries.async_setup(priced.entry.entry_id)
    await priced.home.async_settle()
    assert priced.state("history_progress") == "100"
    assert await priced.home.async_miscounted(priced.entry) == []
    assert await priced.async_is_true()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.SERVER_ERROR, id="error"),
        pytest.param(Fault.RESET_AFTER, id="cut"),
        pytest.param(Fault.rate_limit(100), id="busy"),
    ],
)
@pytest.mark.parametrize("route", [SUBMISSION, COSTS])
async def test_history_waits_and_goes_on(
    priced: PricedHome, virtual_sleep: None, fault: Fault, route: str
) -> None:
    """Trouble does not end the history, and leaves no hole in the costs."""
    number = {SUBMISSION: 1, COSTS: 2}[route]
    priced.simulator.faults.next(route, *[Fault.slow(0)] * number, fault)

    await priced.async_begin(hours=60)

    assert priced.simulator.faults.injected[fault.name] == 1
    assert priced.state("history_progress") == "100"
    assert await priced.home.async_miscounted(priced.entry) == []
    assert await priced.async_is_true()


async def test_history_with_a_key_that_is_refused(
    priced: PricedHome, virtual_sleep: None
) -> None:
    """History does not go on without a key, and does so with one."""
    account = priced.simulator.account()
    keys = account.api_keys

    async def action(request: web.Request, process: Process) -> web.StreamResponse:
        """Forget the account's keys and tokens."""
        account.api_keys = frozenset()
        priced.simulator.expire_tokens()
        return await process(request)

    priced.simulator.faults.next(SUBMISSION, Fault.slow(0), Fault("KEYLESS", action))
    await priced.async_begin(hours=60)
    assert priced.state("history_progress") == "0.0"
    await priced.async_cycle()
    assert priced.hass.config_entries.flow.async_progress_by_handler(DOMAIN)

    account.api_keys = keys
    await priced.hass.config_entries.async_reload(priced.entry.entry_id)
    await priced.home.async_settle()
    assert priced.state("history_progress") == "100"
    assert await priced.home.async_miscounted(priced.entry) == []


async def test_a_cycle_does_not_outlive_its_entry(priced: PricedHome) -> None:
    """Whoever waits for a cycle is told that it has ended with its entry."""
    await priced.async_begin(hours=3)
    await priced.async_use()
    held = Held()
    priced.simulator.faults.next(COSTS, held.fault)
    button = er.async_get(priced.hass).async_get_entity_id(
        "button", DOMAIN, f"{priced.location_id}_sync"
    )
    pressed = asyncio.create_task(
        priced.hass.services.async_call(
            "button", "press", {"entity_id": button}, blocking=True
        )
    )
    await held.is_processed.wait()

    await priced.hass.config_entries.async_unload(priced.entry.entry_id)
    with pytest.raises(HomeAssistantError) as error:
        await pressed
    assert error.value.translation_key == "unknown"
    before = asked(priced)
    held.is_released.set()
    await priced.home.async_settle()

    # Nothing follows what was under way.
    assert asked(priced) == before + 1


async def test_unload_does_not_wait_for_the_recorder(priced: PricedHome) -> None:
    """A recorder that is busy for long does not hold up the end of a home."""
    await priced.async_begin(hours=3)
    await priced.async_use()
    begun, released = threading.Event(), threading.Event()

    class Busy(RecorderTask):
        """Keeps the recorder busy."""

        @override
        def run(self, instance: Recorder) -> None:
            """Wait to be released."""
            begun.set()
            assert released.wait(60)

    get_instance(priced.hass).queue_task(Busy())
    refreshing = asyncio.create_task(priced.entry.runtime_data.async_refresh())
    costs = priced.simulator.requests.count(COSTS)
    while priced.simulator.requests.count(COSTS) == costs:
        await asyncio.sleep(0)

    assert await priced.hass.config_entries.async_unload(priced.entry.entry_id)
    await refreshing
    assert begun.is_set()
    released.set()

    await priced.hass.config_entries.async_setup(priced.entry.entry_id)
    await priced.home.async_settle()
    assert await priced.async_is_true()


async def test_the_first_cycle_waits_for_the_start(priced: PricedHome) -> None:
    """While Home Assistant starts there is more important work."""
    priced.hass.set_state(CoreState.starting)
    await priced.async_begin(hours=3)
    assert priced.simulator.requests.count(SUBMISSION) == 0
    assert priced.state("cost_today", Direction.IMPORT) == "unknown"

    priced.hass.set_state(CoreState.running)
    priced.hass.bus.async_fire(EVENT_HOMEASSISTANT_STARTED)
    await priced.home.async_settle()

    assert priced.simulator.requests.count(SUBMISSION) == 1
    assert await priced.async_is_true()


async def test_a_location_that_says_little(priced: PricedHome) -> None:
    """Where Flatpeak does not know time zone and currency, Home Assistant's count."""
    await priced.async_begin(hours=3)
    answer = Fault.answer(200, {"id": priced.location_id, "timezone": "Nowhere"})
    priced.simulator.faults.next(LOCATION, answer)

    await priced.hass.config_entries.async_reload(priced.entry.entry_id)
    coordinator = priced.entry.runtime_data

    assert str(coordinator.zone) == "Europe/Berlin"
    assert coordinator.currency == "EUR"
    await priced.home.async_settle()
    assert await priced.async_is_true()


async def test_home_assistant_stops(
    priced: PricedHome, caplog: pytest.LogCaptureFixture
) -> None:
    """A cycle under way does not hold up the end, and goes on after the start."""
    await priced.async_begin(hours=3)
    await priced.async_use()
    held = Held()
    priced.simulator.faults.next(SUBMISSION, held.fault)
    priced.hass.bus.async_fire(EVENT_RECORDER_HOURLY_STATISTICS_GENERATED)
    await priced.hass.async_block_till_done()
    priced.tick(timedelta(seconds=61))
    async_fire_time_changed(priced.hass, dt_util.utcnow())
    await held.is_processed.wait()

    await priced.hass.async_stop()
    held.is_released.set()

    assert priced.hass.state is CoreState.stopped
    assert "Timed out" not in caplog.text
    assert "still running" not in caplog.text
    assert priced.entry.runtime_data.journal.doubt is not None
