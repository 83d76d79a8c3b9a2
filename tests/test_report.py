"""Reports: what Flatpeak is asked for costs, and what becomes of the answers."""

from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import fsum, isclose
from typing import Any, Final
from unittest.mock import patch
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak import follow, statistics
from custom_components.flatpeak.api import FlatpeakClient, TariffDirection
from homeassistant.components.recorder.models import StatisticData

from .home import EXPORT, GRID_SOURCE, HOUR, IMPORT, Home
from .priced import PricedHome, profile
from .simulator import Change, Direction, Fault, TwoRate

pytestmark = pytest.mark.usefixtures("polite")

# Three weeks after the clocks went forward in Berlin.
SPRING: Final = datetime(2026, 4, 20, 10, 30, tzinfo=UTC)
DAY: Final = timedelta(days=1)
PRICES: Final = "POST /prices/{id}"
TWO_RATES: Final = TwoRate(low=Decimal("0.1"), high=Decimal("0.3"))


@dataclass(frozen=True, kw_only=True)
class Question:
    """What Flatpeak was asked for."""

    about: str
    start: datetime
    end: datetime
    direction: TariffDirection


@pytest.fixture
def questions() -> Generator[dict[str, list[Question]]]:
    """Return what Flatpeak is asked for from now on, by what the answer holds."""
    asked: dict[str, list[Question]] = {"costs": [], "prices": []}
    methods: dict[str, Any] = {
        "costs": FlatpeakClient.get_interval_costs,
        "prices": FlatpeakClient.get_prices,
    }

    def noting(kind: str) -> Any:
        """Return a method that notes the question and asks it."""

        async def ask(
            client: FlatpeakClient,
            about: str,
            start: datetime,
            end: datetime,
            direction: TariffDirection,
            *rest: Any,
        ) -> Any:
            """Note a question, and ask it."""
            question = Question(about=about, start=start, end=end, direction=direction)
            asked[kind].append(question)
            return await methods[kind](client, about, start, end, direction, *rest)

        return ask

    with patch.multiple(
        FlatpeakClient, get_interval_costs=noting("costs"), get_prices=noting("prices")
    ):
        yield asked


@pytest.fixture
def writes() -> Generator[list[int]]:
    """Return how many rows of costs are written from now on."""
    written: list[int] = []

    async def note(*args: Any) -> int:
        """Note how many rows are written."""
        written.append(await statistics.async_write_costs(*args))
        return written[-1]

    with patch.object(follow, "async_write_costs", note):
        yield written


@pytest.fixture
def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home that is not set up yet."""
    freezer.move_to(SPRING)
    return PricedHome(home, freezer)


async def test_questions(
    priced: PricedHome, questions: dict[str, list[Question]]
) -> None:
    """A long time is asked for in parts that are not too long, in one offset each."""
    await priced.async_begin(now=SPRING, hours=24 * 100, sells=False, tariff="later")
    priced.simulator.account().connect(priced.location_id, Direction.IMPORT, TWO_RATES)
    for asked in questions.values():
        asked.clear()
    priced.tick(timedelta(minutes=15))
    await priced.async_cycle()

    assert await priced.async_is_true()
    for asked in questions.values():
        assert len(asked) > 1
        for question in asked:
            assert question.end - question.start <= 90 * DAY
            assert question.start.utcoffset() == question.end.utcoffset()
            local = question.start.astimezone(priced.entry.runtime_data.zone)
            assert (local.hour, local.minute) == (0, 0)
        for one, other in pairwise(sorted(asked, key=lambda each: each.start)):
            assert one.start < other.start <= one.end
    # A window over the clock change has the offset of its end.
    spring = datetime(2026, 3, 29, 1, tzinfo=UTC)
    over = [each for each in questions["costs"] if each.start < spring < each.end]
    assert over
    assert {each.start.utcoffset() for each in over} == {2 * HOUR}


async def test_each_question_once(
    priced: PricedHome, questions: dict[str, list[Question]]
) -> None:
    """A cycle asks for one report per meter, and for prices once per direction."""
    await priced.async_begin(now=SPRING, hours=30)
    for asked in questions.values():
        asked.clear()

    await priced.async_use()
    await priced.async_cycle()

    costs, prices = (
        [(each.about, each.direction) for each in questions[kind]]
        for kind in ("costs", "prices")
    )
    assert len(costs) == len(set(costs)) == 2
    assert len(prices) == len(set(prices)) == 2


async def test_meter_without_any_record_is_not_asked_for(
    priced: PricedHome, questions: dict[str, list[Question]]
) -> None:
    """Where nothing was accepted there is no cost to ask for."""
    priced.home.add_sensor(IMPORT)
    priced.home.add_sensor(EXPORT)
    await priced.home.async_record(IMPORT, SPRING.replace(minute=0) - HOUR, [5.0])
    priced.home.import_rows(EXPORT, [])
    await priced.home.async_show(GRID_SOURCE)

    priced.entry = await priced.home.async_set_up()

    assert {each.direction for each in questions["costs"]} == {TariffDirection.IMPORT}


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Fault.answer(404, {"message": "Not Found"}), id="unknown"),
        pytest.param(
            Fault.answer(422, {"object": "error", "code": "no_price_data"}), id="none"
        ),
    ],
)
async def test_costs_without_prices(priced: PricedHome, answer: Fault) -> None:
    """Without prices the cost of a day is spread by energy alone."""
    priced.simulator.faults.next(PRICES, *[answer] * 20)
    await priced.async_begin(now=SPRING, hours=24 * 3)

    assert await priced.async_is_true()
    costs = await priced.async_costs()
    zone = priced.entry.runtime_data.zone
    truth = priced.simulator.truth(priced.meter().device_id)
    for hour in truth.hours():
        [day] = truth.days(hour.start, hour.start + HOUR)
        share = hour.energy / day.energy
        assert isclose(
            costs[hour.start], float(day.reported_cost) * share, abs_tol=1e-9
        ), hour.start.astimezone(zone)
    assert priced.simulator.faults.injected["ANSWER"] < 20


async def test_costs_at_prices(priced: PricedHome) -> None:
    """With prices each hour costs what its own energy cost, but for the rounding."""
    await priced.async_begin(now=SPRING, hours=24 * 3)

    costs = await priced.async_costs()
    for hour in priced.simulator.truth(priced.meter().device_id).hours():
        assert isclose(costs[hour.start], float(hour.cost), abs_tol=1e-5)


async def test_standing_charge(priced: PricedHome) -> None:
    """What a day costs beside its energy is in its hours, too."""
    await priced.async_begin(now=SPRING, hours=24 * 3)
    charges = priced.simulator.account().standing_charges
    charges[priced.meter().device_id] = Decimal("0.75")

    await priced.async_use()
    await priced.async_cycle()

    truth = priced.simulator.truth(priced.meter().device_id)
    costs = await priced.async_costs()
    for day in truth.days()[:-1]:
        hours = [cost for hour, cost in costs.items() if day.start <= hour < day.end]
        assert isclose(fsum(hours), float(day.reported_cost), abs_tol=1e-9)
        energy = truth.hours(day.start, day.end)
        assert day.cost - sum(hour.cost for hour in energy) == Decimal("0.75")


async def test_hour_that_lies_in_two_days(priced: PricedHome) -> None:
    """The hour at the beginning of what is priced again keeps its other day's part."""
    priced.simulator.account().time_zone = ZoneInfo("Asia/Kolkata")
    now = datetime(2026, 4, 2, 10, 30, tzinfo=UTC)
    await priced.async_begin(now=now, hours=24 * 7)
    assert await priced.async_is_true()
    before = await priced.async_costs()

    # Three days before today: what a cycle looks at begins inside an hour.
    begin = datetime(2026, 3, 29, 18, 30, tzinfo=UTC)
    priced.simulator.account().settle(
        priced.location_id,
        Direction.IMPORT,
        begin,
        begin + DAY,
        Change(multiply=Decimal(2)),
    )
    await priced.async_cycle()

    assert await priced.async_is_true()
    after = await priced.async_costs()
    middle = begin - HOUR / 2
    assert {
        hour for hour in before if not isclose(after[hour], before[hour], abs_tol=1e-9)
    } == {hour for hour in before if middle <= hour < begin + DAY}


async def test_gap_from_before_the_window(
    priced: PricedHome, writes: list[int]
) -> None:
    """However far back is looked, the hours of a gap cost the same."""
    begin = datetime(2026, 3, 20, tzinfo=UTC)
    hours = [(begin + number * HOUR, 300.0) for number in range(24)]
    hours.append((datetime(2026, 4, 1, 12, tzinfo=UTC), 99_000.0))
    hours += [
        (datetime(2026, 4, 1, 13, tzinfo=UTC) + number * HOUR, energy)
        for number, energy in enumerate(profile(30))
    ]
    rows, total = [], 0.0
    for start, energy in hours:
        total += energy / 1000
        rows.append(StatisticData(start=start, state=total, sum=total))
    priced.home.add_sensor(IMPORT)
    priced.home.import_rows(IMPORT, rows)
    await statistics.async_written(priced.hass)
    await priced.home.async_show(GRID_SOURCE | {"stat_energy_to": None})
    # Everything is history then, so that the gap is in it.
    priced.move_to(datetime(2026, 4, 7, 19, 30, tzinfo=UTC))
    priced.entry = await priced.home.async_set_up()
    assert await priced.async_is_true()
    before = await priced.async_costs()
    assert len(before) == len(hours) + 12 * 24 - 12

    # The days around the beginning of the month, then five weeks, then again.
    for now in (
        datetime(2026, 4, 7, 20, 30, tzinfo=UTC),
        datetime(2026, 4, 8, 2, 30, tzinfo=UTC),
        datetime(2026, 4, 8, 3, 30, tzinfo=UTC),
    ):
        priced.move_to(now)
        writes.clear()
        await priced.async_cycle()
        assert sum(writes) == 0, now
    assert await priced.async_costs() == before
