"""What a cycle takes, in counts that do not depend on the machine (docs/performance.md)."""

from decimal import Decimal
import gc

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.api import Interval
from custom_components.flatpeak.intervals import EnergyInterval, EnergyRow

from .bench.counting import counted_traffic
from .bench.energy import Size, async_record, last_hour, statistic_ids
from .home import Home
from .priced import PricedHome
from .simulator import Direction, Fault, Flat
from .simulator.faults import Process

pytestmark = pytest.mark.usefixtures("polite")

METERS = 2

SUBMISSION = "PUT /meters/interval"
BATCH = "GET /meters/batch"
REPORT = "POST /costs/interval/{id}"
PRICES = "POST /prices/{id}"
LOGIN = "GET /login"
STATUS = "GET /locations/{id}/status"

RECORD_BYTES = 350
QUESTION_BYTES = 120


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home with some days behind it, whose energy has one price all day."""
    flat = Flat(price=Decimal("0.3"))
    home.simulator.account().first_tariff = flat
    priced = PricedHome(home, freezer)
    await priced.async_begin(hours=10 * 24)
    home.simulator.account().connect(priced.location_id, Direction.EXPORT, flat)
    await _async_pass_hour(priced)
    await _async_pass_hour(priced)
    return priced


async def _async_pass_hour(priced: PricedHome) -> None:
    """Let an hour pass, and forget what was asked for it."""
    await priced.async_use()
    await priced.async_cycle()
    priced.simulator.requests.clear()


async def test_quiet_hour(priced: PricedHome) -> None:
    """An hour more takes one look at energy, one at costs, and one submission."""
    await priced.async_use()

    with counted_traffic(priced.hass) as database:
        await priced.async_cycle()

    assert database.queries == 2
    assert database.rows_written == METERS
    assert database.rows_moved == 0
    # The days that are compared with what was submitted, and today's costs.
    assert database.rows_read <= METERS * (5 + 1 + 1) * 24
    log = priced.simulator.requests
    assert log.counts == {
        (SUBMISSION, 200): 1,
        (BATCH, 200): 1,
        (REPORT, 200): METERS,
        (PRICES, 200): METERS,
        (STATUS, 200): 1,
        # A token lasts for less than the hour.
        (LOGIN, 200): 1,
    }
    assert log.body_bytes[SUBMISSION] <= METERS * RECORD_BYTES
    assert log.body_bytes[REPORT] <= METERS * QUESTION_BYTES
    assert log.body_bytes[PRICES] <= METERS * QUESTION_BYTES


async def test_nothing_new(priced: PricedHome) -> None:
    """When nothing has changed, energy is looked at once and nothing is written."""
    with counted_traffic(priced.hass) as database:
        await priced.async_cycle()

    assert database.queries == 1
    assert database.rows_written == database.rows_moved == 0
    assert priced.simulator.requests.counts == {
        (REPORT, 200): METERS,
        (PRICES, 200): METERS,
        (STATUS, 200): 1,
    }


async def test_history_is_not_held_in_memory(home: Home) -> None:
    """While a month of history is on its way, at most the next one is there too."""
    month = Size(meters=METERS, hours=31 * 24)
    months = 5
    await async_record(
        home.hass, Size(meters=METERS, hours=months * month.hours), last_hour()
    )
    await home.async_show(devices=statistic_ids(METERS))
    alive = []

    async def async_count(request: web.Request, process: Process) -> web.StreamResponse:
        """Count what is alive while Flatpeak is busy."""
        kinds = (EnergyRow, EnergyInterval, Interval)
        alive.append(sum(isinstance(each, kinds) for each in gc.get_objects()))
        return await process(request)

    counting = Fault("COUNTED", async_count, SUBMISSION)
    home.simulator.faults.random(0, {counting: 1.0})
    await home.async_set_up(tariff="later")

    assert len(alive) >= months
    # Of each record of the month its energy, and the rows that are read ahead. What is
    # sent is made a few records at a time.
    assert max(alive) <= 2 * month.records
