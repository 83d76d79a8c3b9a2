"""Whether energy is cheap now, and when it is cheap next."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from homeassistant.util import dt as dt_util

from .home import GRID_SOURCE, HOUR, IMPORT, Home
from .priced import NOW, PricedHome, profile
from .simulator.tariffs import Change, Direction, Dynamic, Flat, Tariff, TwoRate

BERLIN = ZoneInfo("Europe/Berlin")
SECOND = timedelta(seconds=1)
PRICES = "POST /prices/{id}"
# Cheap from half past midnight until half past seven.
NIGHT = TwoRate(low=Decimal("0.1"), high=Decimal("0.3"))

type Begin = Callable[..., Coroutine[Any, Any, PricedHome]]


@pytest.fixture
def begin(home: Home, freezer: FrozenDateTimeFactory) -> Begin:
    """Return how a home is set up that buys at a tariff."""

    async def async_begin(tariff: Tariff, now: datetime = NOW) -> PricedHome:
        """Set the home up."""
        priced = PricedHome(home, freezer)
        await priced.async_begin(now=now, hours=3, sells=False)
        priced.simulator.account().connect(priced.location_id, Direction.IMPORT, tariff)
        await priced.async_cycle()
        return priced

    return async_begin


async def async_fire(priced: PricedHome, instant: datetime) -> None:
    """Let the clock reach an instant."""
    priced.move_to(instant)
    async_fire_time_changed(priced.hass, instant)
    await priced.hass.async_block_till_done()


def is_cheap(priced: PricedHome) -> str:
    """Return the state of the binary sensor."""
    state = priced.hass.states.get(priced.entity_id("cheap_now", None, "binary_sensor"))
    assert state is not None
    return state.state


def next_start(priced: PricedHome) -> datetime | None:
    """Return when energy is cheap next."""
    state = priced.state("next_cheap_window")
    return None if state == "unknown" else datetime.fromisoformat(state)


async def test_borders_are_met_to_the_second(begin: Begin) -> None:
    """Without a question to Flatpeak, over midnight, until the prices end."""
    priced = await begin(NIGHT)
    asked = priced.simulator.requests.count(PRICES)
    start = datetime(2026, 11, 25, 0, 30, tzinfo=BERLIN)
    end = datetime(2026, 11, 25, 7, 30, tzinfo=BERLIN)
    assert (is_cheap(priced), next_start(priced)) == ("off", start)

    for instant, cheap, following in (
        (start - SECOND, "off", start),
        (start, "on", None),
        (end - SECOND, "on", None),
        (end, "off", None),
        (datetime(2026, 11, 26, tzinfo=BERLIN) - SECOND, "off", None),
        (datetime(2026, 11, 26, tzinfo=BERLIN), "unknown", None),
    ):
        await async_fire(priced, instant.astimezone(UTC))
        assert (is_cheap(priced), next_start(priced)) == (cheap, following), instant
    assert priced.simulator.requests.count(PRICES) == asked


async def test_dynamic_prices(begin: Begin) -> None:
    """Cheap is what lies in the lowest quarter of the day's range, at every slot."""
    priced = await begin(Dynamic(seed=3))
    state = priced.hass.states.get(priced.entity_id("import_price"))
    assert state is not None
    cheap: dict[datetime, bool] = {}
    for name in ("today", "tomorrow"):
        slots = state.attributes[name]
        prices = [slot["price"] for slot in slots]
        limit = min(prices) + 0.25 * (max(prices) - min(prices))
        for slot in slots:
            cheap[datetime.fromisoformat(slot["start"])] = slot["price"] <= limit
    starts = [
        next(iter(group))[0]
        for is_low, group in groupby(cheap.items(), key=lambda each: each[1])
        if is_low
    ]
    assert len(starts) > 2

    for instant, is_low in cheap.items():
        if instant <= NOW:
            continue
        await async_fire(priced, instant.astimezone(UTC))
        assert is_cheap(priced) == ("on" if is_low else "off")
        assert next_start(priced) == min(
            (each for each in starts if each > instant), default=None
        )


async def test_one_price_is_cheap(begin: Begin) -> None:
    """To wait gains nothing, so nothing is waited for."""
    priced = await begin(Flat(price=Decimal("-0.02")))
    assert (is_cheap(priced), next_start(priced)) == ("on", None)


@pytest.mark.parametrize("day", [datetime(2026, 3, 29), datetime(2026, 10, 25)])
async def test_clock_changes(begin: Begin, day: datetime) -> None:
    """The tariff follows the local clock, and so do the borders."""
    evening = day.replace(tzinfo=BERLIN) - 2 * HOUR
    priced = await begin(
        TwoRate(
            low=Decimal("0.1"),
            high=Decimal("0.3"),
            low_from=time(0, 30),
            low_to=time(3, 30),
        ),
        evening.astimezone(UTC),
    )
    start = day.replace(hour=0, minute=30, tzinfo=BERLIN)
    end = day.replace(hour=3, minute=30, tzinfo=BERLIN)
    assert (is_cheap(priced), next_start(priced)) == ("off", start)
    assert end.astimezone(UTC) - start.astimezone(UTC) != 3 * HOUR
    for instant, cheap in (
        (start, "on"),
        (end.astimezone(UTC) - SECOND, "on"),
        (end, "off"),
    ):
        await async_fire(priced, instant.astimezone(UTC))
        assert is_cheap(priced) == cheap


async def test_a_zone_beside_the_hour(
    home: Home, freezer: FrozenDateTimeFactory
) -> None:
    """A local day has its own limit from its midnight on, where no price changes."""
    kolkata = ZoneInfo("Asia/Kolkata")
    account = home.simulator.account()
    account.time_zone = kolkata
    priced = PricedHome(home, freezer)
    await priced.async_begin(now=NOW, hours=3, sells=False)
    midnight = datetime(2026, 11, 25, tzinfo=kolkata)
    account.connect(priced.location_id, Direction.IMPORT, Flat(price=Decimal("0.2")))
    account.settle(
        priced.location_id,
        Direction.IMPORT,
        midnight - 18 * HOUR,
        midnight - 17 * HOUR,
        Change(add=Decimal("-0.1")),
    )
    await priced.async_cycle()
    assert (is_cheap(priced), next_start(priced)) == ("off", midnight)
    for instant, cheap in ((midnight - SECOND, "off"), (midnight, "on")):
        await async_fire(priced, instant.astimezone(UTC))
        assert is_cheap(priced) == cheap
    assert next_start(priced) is None


async def test_no_prices(home: Home, freezer: FrozenDateTimeFactory) -> None:
    """Without a tariff nothing is known."""
    freezer.move_to(NOW)
    home.add_sensor(IMPORT)
    first = NOW.replace(minute=0) - 3 * HOUR
    await home.async_record(IMPORT, first, profile(3))
    await home.async_show(GRID_SOURCE | {"stat_energy_to": None})
    priced = PricedHome(home, freezer)
    priced.entry = await home.async_set_up(tariff="later")
    assert (is_cheap(priced), next_start(priced)) == ("unknown", None)


async def test_another_limit_applies_at_once(begin: Begin) -> None:
    """The option decides what is cheap; everything is, where it is 100 %."""
    priced = await begin(NIGHT)
    options = priced.hass.config_entries.options
    for limit, cheap in ((100, "on"), (99, "off"), (0, "off")):
        flow: Any = await options.async_init(priced.entry.entry_id)
        await options.async_configure(
            flow["flow_id"], {"link_dashboard": True, "cheap_limit": limit}
        )
        await priced.home.async_settle()
        assert is_cheap(priced) == cheap
    assert next_start(priced) == datetime(2026, 11, 25, 0, 30, tzinfo=BERLIN)
    assert dt_util.utcnow() == NOW
