"""What actions tell of prices, of what a use would cost, and of when it costs least."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from math import fsum, isclose
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
import pytest
import voluptuous as vol

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.util import dt as dt_util

from .home import HOUR, Home
from .priced import NOW, PricedHome
from .simulator import Fault
from .simulator.clock import Span, to_datetime, to_instant
from .simulator.tariffs import Change, Direction, Flat, TwoRate

BERLIN: Final = ZoneInfo("Europe/Berlin")
EVENING: Final = datetime(2026, 11, 24, 20, tzinfo=BERLIN)
MORNING: Final = datetime(2026, 11, 25, 7, tzinfo=BERLIN)

NIGHT: Final = {"start": "2026-11-24 20:00:00", "end": "2026-11-25 07:00:00"}
ACTIONS: Final[dict[str, dict[str, Any]]] = {
    "estimate_cost": {**NIGHT, "energy": 5},
    "find_cheapest_window": {**NIGHT, "duration": "02:00:00"},
    "find_price_windows": {**NIGHT, "relative": 25},
    "get_prices": NIGHT,
    "plan_charging": {
        "start": NIGHT["start"],
        "ready_by": NIGHT["end"],
        "energy": 10,
        "power": 4,
    },
}
ROUTES: Final = {
    "estimate_cost": "POST /costs/instant",
    "find_cheapest_window": "POST /schedules/duration/{id}",
    "find_price_windows": "POST /schedules/limit/{id}",
    "get_prices": "POST /prices/{id}",
    "plan_charging": "POST /schedules/amount/{id}",
}


class Slot(NamedTuple):
    """A stretch of time with its price per kWh."""

    start: datetime
    end: datetime
    price: float


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home with a few hours of energy, of whose set-up Flatpeak knows nothing more."""
    priced = PricedHome(home, freezer)
    await priced.async_begin(hours=3)
    priced.simulator.requests.clear()
    return priced


def true_prices(
    priced: PricedHome,
    start: datetime,
    end: datetime,
    direction: Direction = Direction.IMPORT,
) -> list[Slot]:
    """Return the prices that Flatpeak has."""
    account = priced.simulator.account()
    slots = account.slots(
        account.locations[priced.location_id],
        direction,
        Span(to_instant(start), to_instant(end)),
        dt_util.utcnow(),
    )
    return [
        Slot(to_datetime(slot.start), to_datetime(slot.end), float(slot.price))
        for slot in slots
    ]


def cost(slots: Iterable[Slot], start: datetime, end: datetime) -> float:
    """Return what a constant power of 1 kW costs over a stretch of time."""
    return fsum(
        slot.price * ((min(slot.end, end) - max(slot.start, start)) / HOUR)
        for slot in slots
        if slot.start < end and start < slot.end
    )


def span(row: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return when something in an answer begins and ends."""
    start, end = (datetime.fromisoformat(row[name]) for name in ("start", "end"))
    assert start.utcoffset() == start.astimezone(BERLIN).utcoffset()
    return start, end


async def async_ask(priced: PricedHome, action: str, **data: Any) -> dict[str, Any]:
    """Call an action about a night, with what is said otherwise; None leaves out."""
    given = {
        name: value
        for name, value in (ACTIONS[action] | data).items()
        if value is not None
    }
    if action == "plan_charging" and "device_id" not in given:
        given["device_id"] = priced.device_id(priced.meter().device_id)
    return await priced.async_ask(action, **given)


def is_told_about(answer: dict[str, Any], direction: str = "import") -> bool:
    """Return whether an answer says in which money and time it is."""
    return {name: answer[name] for name in ("currency", "time_zone", "direction")} == {
        "currency": "EUR",
        "time_zone": "Europe/Berlin",
        "direction": direction,
    }


async def test_prices(priced: PricedHome) -> None:
    """They are Flatpeak's, in local time."""
    answer = await async_ask(priced, "get_prices")
    assert is_told_about(answer)
    truth = true_prices(priced, EVENING, MORNING)
    assert [(*span(row), row["price"]) for row in answer["prices"]] == truth
    assert answer["prices"][0]["start"] == "2026-11-24T20:00:00+01:00"
    assert {row["confidence"] for row in answer["prices"]} == {1}


async def test_prices_from_now_on(priced: PricedHome) -> None:
    """Without a start they begin now; what is not published yet is a forecast."""
    answer = await async_ask(
        priced, "get_prices", start=None, end="2026-11-27 00:00:00"
    )
    assert answer["prices"][0]["start"] == NOW.astimezone(BERLIN).isoformat()
    assert answer["prices"][-1]["confidence"] < 1


@pytest.mark.parametrize("action", ["get_prices", "find_price_windows"])
async def test_prices_of_export(priced: PricedHome, action: str) -> None:
    """A meter has the prices of its flow, unless others are asked for."""
    export = priced.device_id(priced.meter(Direction.EXPORT).device_id)
    for data, direction in (
        ({"device_id": export}, Direction.EXPORT),
        ({"device_id": export, "direction": "import"}, Direction.IMPORT),
        ({"direction": "export"}, Direction.EXPORT),
    ):
        answer = await async_ask(priced, action, **data)
        assert is_told_about(answer, direction.lower())
        prices = {
            each.price for each in true_prices(priced, EVENING, MORNING, direction)
        }
        rows = answer["prices"] if action == "get_prices" else answer["windows"]
        assert min(prices) <= rows[0]["price"] <= max(prices)


async def test_the_longest_prices_span_a_clock_change(priced: PricedHome) -> None:
    """90 days are 90 times 24 hours, whatever the clocks say."""
    answer = await async_ask(
        priced, "get_prices", start="2026-10-01 00:00:00", end="2026-12-29 23:00:00"
    )
    assert span(answer["prices"][0])[0] == datetime(2026, 10, 1, tzinfo=BERLIN)
    assert answer["prices"][0]["start"].endswith("+02:00")
    assert answer["prices"][-1]["end"].endswith("+01:00")
    assert priced.simulator.requests.count(ROUTES["get_prices"], 200) == 1


async def test_an_estimate(priced: PricedHome) -> None:
    """Energy and a constant power are priced alike, and nothing of it is stored."""
    before = dict(priced.simulator.account().meters.counts)
    truth = cost(true_prices(priced, EVENING, MORNING), EVENING, MORNING)
    for use in ({"energy": 5}, {"energy": None, "power": 5 / 11}):
        answer = await async_ask(priced, "estimate_cost", **use)
        assert is_told_about(answer)
        assert span(answer) == (EVENING, MORNING)
        assert answer["energy"] == 5
        assert isclose(answer["cost"], truth * 5 / 11, abs_tol=5e-6)
        assert answer["average_price"] == answer["cost"] / 5
        assert answer["confidence"] == 1
    assert dict(priced.simulator.account().meters.counts) == before
    for direction in (Direction.IMPORT, Direction.EXPORT):
        meter = priced.meter(direction)
        truths = priced.simulator.truth(meter.device_id, direction).records()
        assert len(truths) == 3
    assert priced.simulator.truth(priced.location_id).records() == []


async def test_an_estimate_of_what_has_been(priced: PricedHome) -> None:
    """What would have cost what can be asked, too; power counts for true hours."""
    start = datetime(2026, 10, 25, tzinfo=BERLIN)
    answer = await async_ask(
        priced,
        "estimate_cost",
        start="2026-10-25 00:00:00",
        end="2026-10-26 00:00:00",
        energy=None,
        power=1,
    )
    assert answer["energy"] == 25
    end = start + timedelta(days=1)
    assert isclose(
        answer["cost"], cost(true_prices(priced, start, end), start, end), abs_tol=5e-6
    )


async def test_an_estimate_of_each_kind_of_energy(priced: PricedHome) -> None:
    """What is sold earns the export price, and what is generated costs nothing."""
    export = cost(
        true_prices(priced, EVENING, MORNING, Direction.EXPORT), EVENING, MORNING
    )
    imported = cost(true_prices(priced, EVENING, MORNING), EVENING, MORNING)
    meter = priced.device_id(priced.meter(Direction.EXPORT).device_id)
    for data, direction, expected in (
        ({"flow": "grid_export"}, "export", export),
        ({"device_id": meter}, "export", export),
        ({"device_id": meter, "flow": "consumption"}, "import", imported),
        ({"flow": "local_generation"}, "local", 0),
    ):
        answer = await async_ask(priced, "estimate_cost", **data)
        assert is_told_about(answer, direction)
        assert isclose(answer["cost"], expected * 5 / 11, abs_tol=5e-6)


async def test_an_estimate_of_next_to_nothing(priced: PricedHome) -> None:
    """Flatpeak may count whole watt-hours: then there is no average price."""
    body = {
        "object": "meter_record",
        "tariff_direction": "IMPORT",
        "currency_code": "EUR",
        "energy_units": "WH",
        "data": {
            "start_time": EVENING.isoformat(),
            "end_time": MORNING.isoformat(),
            "energy": {"value": 0},
            "cost": {"value": 0, "confidence": 1},
        },
    }
    priced.simulator.faults.next(ROUTES["estimate_cost"], Fault.answer(200, body))
    answer = await async_ask(priced, "estimate_cost", energy=0.0001)
    assert answer["energy"] == 0
    assert answer["average_price"] is None


@pytest.mark.parametrize("segment", ["cheapest", "dearest"])
async def test_the_best_window(priced: PricedHome, segment: str) -> None:
    """There is none in one piece that is better, and Flatpeak's pieces are no worse."""
    answer = await async_ask(priced, "find_cheapest_window", segment=segment)
    assert is_told_about(answer)
    truth = true_prices(priced, EVENING, MORNING)
    length = 2 * HOUR
    starts = [EVENING + number * timedelta(minutes=5) for number in range(9 * 12 + 1)]
    averages = [cost(truth, start, start + length) / 2 for start in starts]
    best = (min if segment == "cheapest" else max)(averages)
    start, end = span(answer["window"])
    assert end - start == length
    assert isclose(answer["window"]["price"], best, abs_tol=1e-9)
    assert isclose(cost(truth, start, end) / 2, best, abs_tol=1e-9)

    pieces = [span(slot) for slot in answer["slots"]]
    assert sum((end - start for start, end in pieces), timedelta()) == length
    price = fsum(cost(truth, *piece) for piece in pieces) / 2
    assert (price <= best) if segment == "cheapest" else (price >= best)
    assert answer["is_contiguous"] is (len(pieces) == 1)
    assert answer["is_contiguous"] is (segment == "dearest")


async def test_a_window_that_is_in_one_piece_anyway(priced: PricedHome) -> None:
    """Where Flatpeak's pieces follow one another, nothing else is asked."""
    low = TwoRate(low=Decimal("0.1"), high=Decimal("0.3"))
    priced.simulator.account().connect(priced.location_id, Direction.IMPORT, low)
    answer = await async_ask(priced, "find_cheapest_window", duration={"hours": 3})
    start = datetime(2026, 11, 25, 0, 30, tzinfo=BERLIN)
    assert answer["is_contiguous"] is True
    assert answer["slots"] == [answer["window"]]
    assert span(answer["window"]) == (start, start + 3 * HOUR)
    assert answer["window"]["price"] == 0.1
    assert priced.simulator.requests.count(ROUTES["get_prices"]) == 0


async def test_a_window_begins_now(priced: PricedHome) -> None:
    """What has passed is not offered."""
    flat = Flat(price=Decimal("0.25"))
    priced.simulator.account().connect(priced.location_id, Direction.IMPORT, flat)
    for start in ("2026-11-20 00:00:00", None):
        answer = await async_ask(priced, "find_cheapest_window", start=start)
        assert span(answer["window"]) == (NOW, NOW + 2 * HOUR)


async def test_prices_that_do_not_hold_a_window(priced: PricedHome) -> None:
    """Where prices are known for no such time, there is no window, and no error."""
    body = {
        "object": "price",
        "location_id": priced.location_id,
        "tariff_direction": "IMPORT",
        "currency_code": "EUR",
        "data": [],
    }
    priced.simulator.faults.next(ROUTES["get_prices"], Fault.answer(200, body))
    answer = await async_ask(priced, "find_cheapest_window")
    assert answer["window"] is None
    assert answer["slots"]


@pytest.mark.parametrize("side", ["below", "above"])
@pytest.mark.parametrize("limit", [{"absolute": 0.2}, {"relative": 50}])
async def test_windows_beyond_a_limit(
    priced: PricedHome, side: str, limit: dict[str, float]
) -> None:
    """They hold every slot that is beyond it, and no other."""
    data = {"relative": None, "side": side} | limit
    answer = await async_ask(priced, "find_price_windows", **data)
    assert is_told_about(answer)
    truth = true_prices(priced, EVENING, MORNING)
    prices = [slot.price for slot in truth]
    # The simulator's lowest price is at 1 %.
    level = min(prices) + 49 / 99 * (max(prices) - min(prices))
    price = limit.get("absolute", level)
    windows = [span(row) for row in answer["windows"]]
    beyond = [
        slot
        for slot in truth
        if (slot.price <= price if side == "below" else slot.price >= price)
    ]
    inside = [
        slot
        for slot in truth
        if any(start <= slot.start and slot.end <= end for start, end in windows)
    ]
    assert beyond == inside
    assert 0 < len(beyond) < len(truth)
    assert answer["hours"] == len(beyond) / 2
    for row, (start, end) in zip(answer["windows"], windows, strict=True):
        average = cost(truth, start, end) / ((end - start) / HOUR)
        assert isclose(row["price"], average, abs_tol=1e-5)


async def test_no_window_beyond_a_limit(priced: PricedHome) -> None:
    """There may be none."""
    answer = await async_ask(priced, "find_price_windows", relative=None, absolute=-100)
    assert answer["windows"] == []
    assert answer["hours"] == 0


async def test_a_plan(priced: PricedHome) -> None:
    """It charges all of the energy in time, at the least cost, and says what that saves."""
    answer = await async_ask(priced, "plan_charging")
    assert answer["currency"] == "EUR"
    assert answer["time_zone"] == "Europe/Berlin"
    assert answer["confidence"] == 1
    truth = true_prices(priced, EVENING, MORNING)
    spans = [span(slot) for slot in answer["slots"]]
    assert spans[0][0] >= EVENING
    assert spans[-1][1] <= MORNING
    assert {slot["power"] for slot in answer["slots"]} == {4}
    assert isclose(fsum(slot["energy"] for slot in answer["slots"]), 10)
    for slot, (start, end) in zip(answer["slots"], spans, strict=True):
        assert isclose(slot["energy"], 4 * ((end - start) / HOUR))
    cheapest = sorted(slot.price for slot in truth)[:5]
    assert isclose(answer["cost"], 2 * fsum(cheapest), abs_tol=5e-6)
    assert isclose(fsum(4 * cost(truth, *each) for each in spans), answer["cost"])
    at_once = 4 * cost(truth, EVENING, EVENING + 2.5 * HOUR)
    assert isclose(answer["saving"], at_once - answer["cost"], abs_tol=1e-5)
    assert isclose(
        answer["saving_percentage"], 100 * answer["saving"] / at_once, abs_tol=1e-3
    )


async def test_a_plan_that_just_fits(priced: PricedHome) -> None:
    """A device may need all of the time."""
    answer = await async_ask(
        priced, "plan_charging", start=None, ready_by="2026-11-24 15:30:00", energy=8
    )
    assert [span(slot) for slot in answer["slots"]] == [(NOW, NOW + 2 * HOUR)]
    assert answer["saving"] == 0


AHEAD: Final = (
    ({"end": "2026-11-27 20:00:01"}, "time_too_long"),
    ({"end": "2026-11-24 13:30:00"}, "window_in_past"),
    ({"start": None, "end": "2026-11-20 00:00:00"}, "window_in_past"),
)
NONSENSE: Final[dict[str, tuple[tuple[dict[str, Any], str], ...]]] = {
    "estimate_cost": (
        ({"energy": -1}, "not_positive"),
        ({"energy": 0}, "not_positive"),
        ({"energy": None, "power": -1}, "not_positive"),
        ({"power": 1}, "energy_or_power"),
        ({"energy": None}, "energy_or_power"),
    ),
    "find_cheapest_window": (
        *AHEAD,
        ({"duration": "-01:00:00"}, "not_positive"),
        ({"duration": 0}, "not_positive"),
        ({"duration": "11:00:01"}, "duration_too_long"),
    ),
    "find_price_windows": (
        *AHEAD,
        ({"absolute": 0.1}, "one_limit"),
        ({"relative": None}, "one_limit"),
        ({"relative": 0}, "relative_out_of_range"),
        ({"relative": 101}, "relative_out_of_range"),
    ),
    "get_prices": (
        ({"end": "2027-02-22 20:00:01"}, "time_too_long"),
        ({"start": None, "end": "2026-11-01 00:00:00"}, "end_before_start"),
    ),
    "plan_charging": (
        *AHEAD,
        ({"energy": -1}, "not_positive"),
        ({"power": 0}, "not_positive"),
        ({"energy": 44.1}, "energy_does_not_fit"),
    ),
}
ALWAYS: Final = (
    ({"device_id": "nobody"}, "service_device_not_found"),
    ({"end": NIGHT["start"]}, "end_before_start"),
)


@pytest.mark.parametrize("action", ACTIONS)
async def test_nonsense(priced: PricedHome, action: str) -> None:
    """It is said to be a mistake, and Flatpeak is asked nothing."""
    for data, key in (*ALWAYS, *NONSENSE[action]):
        if action == "plan_charging" and "end" in data:
            data = data | {"ready_by": data["end"], "end": None}
        with pytest.raises(ServiceValidationError) as error:
            await async_ask(priced, action, **data)
        assert error.value.translation_key == key, data
    assert not priced.simulator.requests.counts


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("estimate_cost", {"energy": "nan"}),
        ("estimate_cost", {"energy": "much"}),
        ("find_price_windows", {"relative": None, "absolute": "inf"}),
    ],
)
async def test_no_number(priced: PricedHome, action: str, data: dict[str, Any]) -> None:
    """What is no number is refused like any other field that is malformed."""
    with pytest.raises(vol.Invalid):
        await async_ask(priced, action, **data)
    assert not priced.simulator.requests.counts


async def test_a_plan_for_no_meter(priced: PricedHome) -> None:
    """A home takes no energy by itself."""
    home = priced.device_id(priced.location_id)
    with pytest.raises(ServiceValidationError) as error:
        await async_ask(priced, "plan_charging", device_id=home)
    assert error.value.translation_key == "meter_needed"
    assert not priced.simulator.requests.counts


@pytest.mark.parametrize("action", ACTIONS)
async def test_trouble(priced: PricedHome, action: str, polite: None) -> None:
    """It is explained, and what Flatpeak refuses is not asked again too soon."""
    priced.simulator.faults.next(ROUTES[action], Fault.SERVER_ERROR)
    with pytest.raises(HomeAssistantError) as error:
        await async_ask(priced, action)
    assert error.value.translation_key == "server_error"

    priced.simulator.account().disconnect(priced.location_id, Direction.IMPORT)
    priced.simulator.requests.clear()
    for end in ("2026-11-25 07:00:00", "2026-11-25 08:00:00"):
        name = "ready_by" if action == "plan_charging" else "end"
        with pytest.raises(HomeAssistantError) as error:
            await async_ask(priced, action, **{name: end})
        assert error.value.translation_key == "no_tariff"
    assert priced.simulator.requests.count(ROUTES[action]) == 1


async def test_a_refusal_is_about_one_request(priced: PricedHome, polite: None) -> None:
    """Whoever mends what Flatpeak refused need not wait; the same is not asked again."""
    body = {"object": "error", "code": "strange", "message": "Not like this."}
    route = ROUTES["find_price_windows"]
    priced.simulator.faults.next(route, Fault.answer(422, body))
    for _ in range(2):
        with pytest.raises(HomeAssistantError) as error:
            await async_ask(priced, "find_price_windows")
        assert error.value.translation_key == "invalid_request"
    assert priced.simulator.requests.count(route) == 1
    assert await async_ask(priced, "find_price_windows", relative=30)
    await priced.async_cycle()
    assert priced.state("import_price") != "unknown"


async def test_prices_that_were_settled(priced: PricedHome) -> None:
    """Actions tell what Flatpeak says now, not what was known before."""
    start, end = NOW - 3 * HOUR, NOW
    priced.simulator.account().settle(
        priced.location_id,
        Direction.IMPORT,
        start,
        end,
        Change(multiply=Decimal(0), add=Decimal("0.5")),
    )
    answer = await async_ask(
        priced, "get_prices", start=start.isoformat(), end=end.isoformat()
    )
    assert {row["price"] for row in answer["prices"]} == {0.5}
