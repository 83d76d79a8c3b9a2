"""From reported days to hours that add up: prices, borders, rests, clock changes."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import cycle, islice, pairwise
from math import fsum, isclose
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.api import CostRow, PriceSlot
from custom_components.flatpeak.costs import apportion, lost
from custom_components.flatpeak.intervals import (
    HOUR,
    EnergyInterval,
    EnergyRow,
    floor_hour,
    to_intervals,
)

START = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
QUARTER = timedelta(minutes=15)


def at(hours: float) -> datetime:
    """Return an instant, counted in hours from the beginning."""
    return START + hours * HOUR


def row(start: datetime, end: datetime, cost: float) -> CostRow:
    """Return the row of a report; its energy and confidence play no part."""
    return CostRow(start=start, end=end, energy_wh=-1.0, cost=cost, confidence=0.5)


def day(cost: float) -> CostRow:
    """Return the row of the first day."""
    return row(at(0), at(24), cost)


def used(start: datetime, *energies_wh: float) -> list[EnergyInterval]:
    """Return intervals of an hour each."""
    return [
        EnergyInterval(
            start=start + number * HOUR,
            end=start + (number + 1) * HOUR,
            energy_wh=energy_wh,
        )
        for number, energy_wh in enumerate(energies_wh)
    ]


def priced(
    start: datetime, *prices: float | None, length: timedelta = HOUR
) -> list[PriceSlot]:
    """Return adjacent price slots of a length; None leaves one out."""
    return [
        PriceSlot(
            start=start + number * length,
            end=start + (number + 1) * length,
            price=price,
            confidence=1.0,
        )
        for number, price in enumerate(prices)
        if price is not None
    ]


def spread(
    rows: Iterable[CostRow],
    intervals: Sequence[EnergyInterval] = (),
    prices: Iterable[PriceSlot] = (),
    *,
    until: datetime = at(1000),
) -> dict[int, float]:
    """Return the cost of each hour, which is counted from the beginning."""
    return {
        (start - START) // HOUR: cost
        for start, cost in apportion(rows, intervals, prices, until=until).items()
    }


def approx(costs: dict[int, float]) -> object:
    """Return hourly costs, to be compared as exactly as money is."""
    return pytest.approx(costs, rel=1e-9, abs=1e-9)


def test_energy_costs_its_price() -> None:
    """Where the report says the same as the prices, nothing is left to spread."""
    costs = spread(
        [day(0.2 + 0.6)], used(at(3), 1000, 2000), priced(at(0), *[0.2] * 4, 0.3)
    )

    assert costs == approx({3: 0.2, 4: 0.6})


def test_what_prices_leave_over_is_spread_by_energy() -> None:
    """A settlement of 0.4 for 4 kWh is another 0.1 per kWh, for free energy too."""
    costs = spread(
        [day(0.3 + 0.4)], used(at(0), 1000, 0, 3000), priced(at(0), 0.3, 9.9, 0.0)
    )

    assert costs == approx({0: 0.4, 1: 0.0, 2: 0.3})


def test_rounding_goes_to_the_last_hour() -> None:
    """What Flatpeak may have rounded changes no hour but the last, so the others stay."""
    energy, prices = used(at(0), 1003, 0, 3001, 7), priced(at(0), *[0.123457] * 4)
    exact = [each.energy_wh / 1000 * 0.123457 for each in energy]

    costs = spread([day(round(fsum(exact), 5))], energy, prices)

    assert [costs[hour] for hour in range(3)] == exact[:3]
    assert isclose(fsum(costs.values()), round(fsum(exact), 5), rel_tol=1e-12)
    assert costs[3] != exact[3]


def test_more_than_rounding_is_spread() -> None:
    """A difference that rounding does not explain is everybody's."""
    costs = spread(
        [day(0.1 + 0.1 + 2e-5)], used(at(0), 500, 500), priced(at(0), 0.2, 0.2)
    )

    assert costs == approx({0: 0.1 + 1e-5, 1: 0.1 + 1e-5})


def test_a_cost_without_energy_is_spread_evenly() -> None:
    """Hours without energy share a standing charge, whatever the prices."""
    costs = spread([day(0.6)], used(at(0), 0, 0, 0), priced(at(0), 0.2, 0.9, -0.4))

    assert costs == approx({0: 0.2, 1: 0.2, 2: 0.2})


def test_a_cost_without_any_interval_is_spread_evenly() -> None:
    """A standing charge of a day that the recorder knows nothing of."""
    costs = spread([day(0.48)], until=at(24))

    assert costs == approx(dict.fromkeys(range(24), 0.02))


def test_a_cost_without_any_interval_ends_with_the_last_complete_hour() -> None:
    """What is reported for a whole day does not reach into the future."""
    assert spread([day(0.6)], until=at(3)) == approx(dict.fromkeys(range(3), 0.2))
    assert spread([day(0.6)], until=at(0)) == {}


def test_without_cost_and_energy_there_is_no_hour() -> None:
    """A day of nothing at all says nothing of its hours."""
    assert spread([day(0.0)], until=at(24)) == {}


def test_free_energy_costs_nothing() -> None:
    """Zero is an answer where there was energy."""
    assert spread([day(0.0)], used(at(0), 1000, 0)) == {0: 0.0, 1: 0.0}


def test_a_row_that_counts_nothing_prices_no_energy() -> None:
    """A service may say nothing, or zero, as long as it has not priced a day."""
    empty = replace(day(0.0), energy_wh=0.0)
    prices = priced(at(0), 0.3, 0.3)
    assert spread([empty], used(at(0), 1000, 0), prices) == {}
    assert spread([empty], used(at(0), 0, 0), prices) == {0: 0.0, 1: 0.0}
    charged = replace(day(0.6), energy_wh=0.0)
    assert spread([charged], used(at(0), 1000, 1000), prices) == approx(
        {0: 0.3, 1: 0.3}
    )


def test_days_that_are_not_reported_are_absent() -> None:
    """An hour that is not priced is absent, never zero."""
    rows = [row(at(0), at(24), 1.0), row(at(48), at(72), 2.0)]
    costs = spread(rows, used(at(0), *[100.0] * 96), priced(at(0), *[0.3] * 96))

    assert costs.keys() == {*range(24), *range(48, 72)}
    assert spread([], used(at(0), 1.0), priced(at(0), 0.3)) == {}


def test_hours_without_an_interval_are_absent() -> None:
    """What the meter has not told yet is not priced as nothing."""
    intervals = [*used(at(0), 1000), *used(at(5), 1000)]

    assert spread([day(0.5)], intervals) == approx({0: 0.25, 5: 0.25})


def test_negative_prices_keep_their_hours() -> None:
    """Costs of opposite signs that cancel out are not lost, nor blown up."""
    costs = spread(
        [day(1e-5)], used(at(0), 2000, 3000), priced(at(0), 0.3, -0.2, length=HOUR)
    )

    assert costs == approx({0: 0.6 + 0.4e-5, 1: -0.6 + 0.6e-5})


@pytest.mark.parametrize("minutes", [15, 30])
def test_prices_that_change_within_the_hour(minutes: int) -> None:
    """An hour's energy meets each price of the hour for as long as it lasts."""
    slots = 60 // minutes
    prices = [0.1 * number for number in range(2 * slots)]
    hours = [fsum(prices[:slots]) / slots, fsum(prices[slots:]) / slots]
    costs = spread(
        [day(fsum(hours))],
        used(at(0), 1000, 1000),
        priced(at(0), *prices, length=timedelta(minutes=minutes)),
    )

    assert costs == approx({0: hours[0], 1: hours[1]})


def test_prices_of_uneven_slots() -> None:
    """Slots begin and end when they like, the last of them inside the hour."""
    prices = [
        *priced(at(0), 0.1, length=timedelta(minutes=70)),
        *priced(at(70 / 60), 0.7, length=timedelta(minutes=20)),
    ]
    costs = spread([day(0.1 + 0.6)], used(at(0), 1000, 1000), prices)

    # The half hour without a price takes what the known prices leave over.
    assert costs == approx({0: 0.1, 1: 0.6})


def test_energy_without_a_price_takes_what_the_others_leave_over() -> None:
    """Hours whose price is known keep it."""
    costs = spread(
        [day(0.3 + 0.6 + 0.9 + 1.2)],
        used(at(0), 1000, 2000, 3000, 4000),
        priced(at(0), 0.3, None, 0.3, None),
    )

    assert costs == approx({0: 0.3, 1: 0.6, 2: 0.9, 3: 1.2})


def test_without_prices_costs_are_spread_by_energy() -> None:
    """Energy alone has to do."""
    assert spread([day(0.9)], used(at(0), 1000, 0, 2000)) == approx(
        {0: 0.3, 1: 0.0, 2: 0.6}
    )


def test_hours_without_energy_need_no_price() -> None:
    """A missing price is no reason to spread anything to an hour without energy."""
    costs = spread([day(0.6)], used(at(0), 1000, 0), priced(at(0), 0.5, None))

    assert costs == approx({0: 0.6, 1: 0.0})


def test_an_interval_over_a_gap_meets_the_price_of_each_hour() -> None:
    """The energy of a gap is spread over its hours by time, then priced."""
    gap = EnergyInterval(start=at(1), end=at(4), energy_wh=3000)
    costs = spread([day(0.6)], [gap], priced(at(0), 9.9, 0.1, 0.2, 0.3, 9.9))

    assert costs == approx({1: 0.1, 2: 0.2, 3: 0.3})


def test_an_interval_over_days_belongs_to_each_of_them() -> None:
    """Each day's row gets its part of the energy, and nothing beyond its borders."""
    gap = EnergyInterval(start=at(22), end=at(50), energy_wh=2800)
    rows = [row(at(24 * each), at(24 * each + 24), each + 1.0) for each in range(3)]
    costs = spread(rows, [gap], until=at(72))

    assert costs == approx(
        {22: 0.5, 23: 0.5} | dict.fromkeys(range(24, 48), 2 / 24) | {48: 1.5, 49: 1.5}
    )


def test_energy_beyond_the_rows_is_left_out() -> None:
    """Only the part of an interval inside a row is priced by it."""
    costs = spread([row(at(1), at(2), 0.5)], used(at(0), 100, 200, 300))

    assert costs == {1: 0.5}


def test_repeated_rows_count_once() -> None:
    """Windows that overlap report a day twice; another day may cost the same."""
    other = row(at(24), at(48), 0.6)
    costs = spread([day(0.6), other, day(0.6)], used(at(0), *[1000.0] * 48))

    assert costs == approx(dict.fromkeys(range(48), 0.025))


def test_an_hour_of_two_days_has_costs_of_both() -> None:
    """Where midnight lies inside a UTC hour, the hour is split at the border."""
    rows = [row(at(0.25), at(24.25), 2.4), row(at(24.25), at(48.25), 9.6)]
    costs = spread(rows, used(at(0), *[1000.0] * 49))

    assert costs == approx(
        {0: 0.075}
        | dict.fromkeys(range(1, 24), 0.1)
        | {24: 0.025 + 0.3}
        | dict.fromkeys(range(25, 48), 0.4)
        | {48: 0.1}
    )


def test_a_standing_charge_of_a_split_hour() -> None:
    """A part of an hour gets a part of what a whole hour gets."""
    costs = spread([row(at(0.25), at(3), 1.1)], until=at(2))

    assert costs == approx({0: 1.1 * 3 / 7, 1: 1.1 * 4 / 7})


@pytest.mark.parametrize("cost", [0.0, 1e-5, -1e-5, 0.36417, 1e9, -1e9])
@pytest.mark.parametrize(
    "energies_wh",
    [
        pytest.param([5e-324, 0.0, 5e-324], id="the smallest that there is"),
        pytest.param([1e-300, 2e-300, 3e-310], id="far too small"),
        pytest.param([1e-12, 1e7, 0.0], id="tiny beside huge"),
        pytest.param([1e12, 1e12, 1e12], id="far too large"),
        pytest.param([0.1, 0.2, 0.3], id="fractions"),
        pytest.param([0.0, 0.0, 0.0], id="none"),
    ],
)
@pytest.mark.parametrize("prices", [[], [0.3, -0.2, 0.1], [None, 0.3, None]])
def test_sums_are_sound(
    cost: float, energies_wh: list[float], prices: list[float | None]
) -> None:
    """Hours sum to the report's cost however small or large the figures are."""
    costs = spread([day(cost)], used(at(0), *energies_wh), priced(at(0), *prices))

    gross = abs(cost) + fsum(energies_wh) / 1000
    assert abs(fsum(costs.values()) - cost) <= 1e-9 * max(1.0, gross)
    assert len(costs) == 3


# What follows holds for every home: for any zone, energy, prices and report.

ZONES = [
    "Europe/London",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Asia/Kathmandu",
]
# The days before these zones change their clocks.
CLOCK_CHANGES = [
    date(2026, 3, 28),
    date(2026, 4, 4),
    date(2026, 10, 3),
    date(2026, 10, 24),
]
ENERGIES = st.none() | st.just(0.0) | st.floats(min_value=0, max_value=20_000)
PRICES = st.none() | st.floats(min_value=-1, max_value=2)
COSTS = st.none() | st.just(0.0) | st.floats(min_value=-100, max_value=100)


@dataclass(frozen=True, kw_only=True)
class Home:
    """The days, energy and prices of a home; all that is missing is left out."""

    days: list[tuple[datetime, datetime]]
    intervals: list[EnergyInterval]
    prices: list[PriceSlot]
    costs: list[float | None]

    @property
    def rows(self) -> list[CostRow]:
        """Return the rows of the report."""
        return [
            row(start, end, cost)
            for (start, end), cost in zip(self.days, self.costs, strict=True)
            if cost is not None
        ]

    @property
    def until(self) -> datetime:
        """Return the end of the last hour."""
        return floor_hour(self.days[-1][1])

    def apportioned(
        self, rows: Iterable[CostRow] | None = None
    ) -> dict[datetime, float]:
        """Return the hourly costs of the report, or of other rows."""
        return apportion(
            self.rows if rows is None else rows,
            self.intervals,
            self.prices,
            until=self.until,
        )


def quarters(start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the quarters of an hour between two instants, where all borders lie."""
    while start < end:
        yield start
        start += QUARTER


@st.composite
def homes(
    draw: st.DrawFn,
    *,
    energies: st.SearchStrategy[float | None] = ENERGIES,
    prices: st.SearchStrategy[float | None] = PRICES,
) -> Home:
    """Draw a day or two of a home; its energy and prices recur."""
    zone = ZoneInfo(draw(st.sampled_from(ZONES)))
    first = draw(
        st.sampled_from(CLOCK_CHANGES)
        | st.dates(min_value=date(2026, 1, 1), max_value=date(2026, 12, 28))
    )
    count = draw(st.integers(1, 2))
    borders = [
        datetime.combine(first + number * DAY, time(), zone).astimezone(UTC)
        for number in range(count + 1)
    ]
    begin = floor_hour(borders[0])
    pattern = draw(st.lists(energies, min_size=1, max_size=7))
    rows = [
        EnergyRow(start=begin + number * HOUR, change_wh=change_wh, is_first=False)
        for number, change_wh in enumerate(
            islice(cycle(pattern), (borders[-1] - begin) // HOUR)
        )
        if change_wh is not None
    ]
    length = timedelta(minutes=draw(st.sampled_from([15, 30, 60])))
    steps = cycle(draw(st.lists(prices, min_size=1, max_size=11)))
    return Home(
        days=list(pairwise(borders)),
        intervals=list(to_intervals(rows, position=begin).intervals),
        prices=priced(
            begin, *islice(steps, (borders[-1] - begin) // length + 1), length=length
        ),
        costs=draw(st.lists(COSTS, min_size=count, max_size=count)),
    )


def energy_of(home: Home) -> dict[datetime, float]:
    """Return the energy of each quarter of an hour that has any interval."""
    return {
        quarter: interval.energy_wh * (QUARTER / interval.length)
        for interval in home.intervals
        for quarter in quarters(interval.start, interval.end)
    }


def cost_of(home: Home) -> dict[datetime, float]:
    """Return the cost of each quarter of an hour by energy times price."""
    prices = {
        quarter: slot.price
        for slot in home.prices
        for quarter in quarters(slot.start, slot.end)
    }
    return {
        quarter: energy_wh / 1000 * prices[quarter]
        for quarter, energy_wh in energy_of(home).items()
    }


def hours_of(costs: dict[datetime, float]) -> dict[datetime, float]:
    """Return the sum of each hour."""
    hours: dict[datetime, list[float]] = defaultdict(list)
    for quarter, cost in costs.items():
        hours[floor_hour(quarter)].append(cost)
    return {hour: fsum(each) for hour, each in hours.items()}


@given(homes())
def test_hours_add_up(home: Home) -> None:
    """The hours of each day sum to its cost, and those of all days to all of it."""
    for each in home.rows:
        hours = home.apportioned([each])
        assert isclose(fsum(hours.values()), each.cost, rel_tol=1e-9, abs_tol=1e-9)

    found = fsum(home.apportioned().values())
    reported = fsum(each.cost for each in home.rows)
    assert isclose(found, reported, rel_tol=1e-9, abs_tol=1e-9)


@given(homes())
def test_whole_hours_add_up_in_place(home: Home) -> None:
    """Where no hour is split, the hours between a day's borders sum to its cost."""
    hours = home.apportioned()
    for each in home.rows:
        if each.start == floor_hour(each.start) and each.end == floor_hour(each.end):
            found = fsum(
                cost for hour, cost in hours.items() if each.start <= hour < each.end
            )
            assert isclose(found, each.cost, rel_tol=1e-9, abs_tol=1e-9)


@given(homes())
def test_the_hours_that_are_priced(home: Home) -> None:
    """Hours of a row that have energy are there; without any, all that have passed."""
    energy = energy_of(home)
    expected = set()
    for each in home.rows:
        covered = [at for at in quarters(each.start, each.end) if at in energy]
        if not covered and each.cost:
            covered = list(quarters(each.start, min(each.end, home.until)))
        expected |= {floor_hour(quarter) for quarter in covered}

    assert home.apportioned().keys() == expected


@given(
    homes(
        energies=st.none() | st.floats(min_value=0, max_value=20_000),
        prices=st.floats(min_value=-1, max_value=2),
    )
)
def test_hours_cost_what_their_energy_does(home: Home) -> None:
    """A report that agrees with the prices gives each hour just its own cost."""
    costs = cost_of(home)
    rows = [
        row(start, end, fsum(costs.get(at, 0.0) for at in quarters(start, end)))
        for start, end in home.days
    ]
    inside = {
        at: cost
        for at, cost in costs.items()
        if home.days[0][0] <= at < home.days[-1][1]
    }

    found = home.apportioned(rows)

    assert found.keys() == hours_of(inside).keys()
    for hour, cost in hours_of(inside).items():
        assert isclose(found[hour], cost, rel_tol=1e-9, abs_tol=1e-9)


@given(homes(prices=st.none()))
def test_without_prices_each_watt_hour_of_a_day_costs_the_same(home: Home) -> None:
    """Energy alone spreads a day's cost where there was energy."""
    energy = energy_of(home)
    for each in home.rows:
        inside = {
            at: energy[at] for at in quarters(each.start, each.end) if at in energy
        }
        if not (total := fsum(inside.values())):
            continue
        found = home.apportioned([each])
        for hour, energy_wh in hours_of(inside).items():
            expected = each.cost * (energy_wh / total)
            assert isclose(found[hour], expected, rel_tol=1e-9, abs_tol=1e-9)


@given(st.data(), homes())
def test_disorder_changes_nothing(data: st.DataObject, home: Home) -> None:
    """Rows, intervals and prices may come in any order, and rows more than once."""
    rows = data.draw(st.permutations(home.rows * 2))
    muddle = replace(
        home,
        intervals=data.draw(st.permutations(home.intervals)),
        prices=data.draw(st.permutations(home.prices)),
    )

    assert muddle.apportioned(rows) == home.apportioned()


@given(st.data(), homes())
def test_a_changed_day_changes_no_other(data: st.DataObject, home: Home) -> None:
    """Hours wholly outside a day stay as they are when its report changes."""
    number = data.draw(st.integers(0, len(home.days) - 1))
    start, end = home.days[number]
    changed = replace(
        home,
        costs=[
            data.draw(COSTS) if each == number else cost
            for each, cost in enumerate(home.costs)
        ],
    )

    before, after = (
        {
            hour: cost
            for hour, cost in each.apportioned().items()
            if hour + HOUR <= start or hour >= end
        }
        for each in (home, changed)
    )

    assert before == after


@pytest.mark.parametrize(
    ("zone", "changing", "hours"),
    [
        ("Europe/London", date(2026, 3, 29), 23),
        ("Europe/London", date(2026, 10, 25), 25),
        ("Europe/Berlin", date(2026, 3, 29), 23),
        ("Europe/Berlin", date(2026, 10, 25), 25),
    ],
)
def test_days_of_23_and_25_hours(zone: str, changing: date, hours: int) -> None:
    """A row is as long as the report says, and so are its hours."""
    start, end = (
        datetime.combine(each, time(), ZoneInfo(zone)).astimezone(UTC)
        for each in (changing, changing + DAY)
    )
    rows = [row(start, end, 5.0)]

    with_energy = apportion(rows, used(start - DAY, *[500.0] * 72), [], until=end)
    without = apportion(rows, [], [], until=end)

    assert with_energy.keys() == {start + number * HOUR for number in range(hours)}
    assert without == with_energy
    assert fsum(with_energy.values()) == pytest.approx(5.0, rel=1e-9)


def test_energy_whose_hours_are_gone() -> None:
    """It is spread over what was accepted and is in no interval, of days in part known."""

    def energy(start: float, end: float, energy_wh: float) -> EnergyInterval:
        """Return an interval."""
        return EnergyInterval(start=at(start), end=at(end), energy_wh=energy_wh)

    def days(*energies_wh: float) -> list[CostRow]:
        """Return the reports of consecutive days."""
        return [
            replace(
                row(START + number * DAY, START + (number + 1) * DAY, 1.0),
                energy_wh=energy_wh,
            )
            for number, energy_wh in enumerate(energies_wh)
        ]

    kept = [energy(4, 6, 50.0), energy(10, 11, 100.0), energy(23, 25, 40.0)]
    accepted = [(at(2), at(8)), (at(8), at(30))]

    # Of the first day 720 Wh in 18 hours, of the next one 100 Wh, of the last nothing.
    assert lost(days(890.0, 120.0, 500.0), kept, accepted) == [
        energy(2, 4, 80.0),
        energy(6, 8, 80.0),
        energy(8, 10, 80.0),
        energy(11, 23, 480.0),
        energy(25, 30, 100.0),
    ]
    assert lost(days(171.0, 20.5), kept, accepted) == []
    assert lost(days(870.0), kept, [(at(4), at(6))]) == []


@pytest.mark.parametrize("minutes", [30, 15])
@pytest.mark.parametrize(
    ("zone", "changing"),
    [
        ("Europe/London", date(2026, 3, 29)),
        ("Europe/Berlin", date(2026, 10, 25)),
        ("Australia/Lord_Howe", date(2026, 4, 5)),
        ("Australia/Lord_Howe", date(2026, 10, 4)),
        ("Asia/Kolkata", date(2026, 3, 29)),
    ],
)
def test_an_hour_costs_the_mean_of_its_prices(
    zone: str, changing: date, minutes: int
) -> None:
    """Whatever its records were: their energy within the hour is not known for long.

    What Flatpeak counts otherwise, since it knows the slots, is spread over the day.
    """
    start, end = (
        datetime.combine(each, time(), ZoneInfo(zone)).astimezone(UTC)
        for each in (changing, changing + DAY)
    )
    hours = [floor_hour(start) + number * HOUR for number in range(26)]
    step = timedelta(minutes=minutes)
    prices = priced(
        hours[0], *islice(cycle([0.1, 0.4, -0.2]), 26 * 60 // minutes), length=step
    )
    intervals = used(hours[0], *[1000.0] * 26)
    inside = [slot for slot in prices if start <= slot.start < end]
    cost = fsum(slot.price for slot in inside) / (HOUR / step)

    exact = apportion([row(start, end, cost)], intervals, prices, until=end)
    other = apportion([row(start, end, cost + 2.0)], intervals, prices, until=end)

    for hour in hours:
        if start <= hour and hour + HOUR <= end:
            mean = fsum(
                slot.price for slot in prices if hour <= slot.start < hour + HOUR
            ) / (HOUR / step)
            assert exact[hour] == pytest.approx(mean, rel=1e-9, abs=1e-9)
    assert fsum(exact.values()) == pytest.approx(cost, rel=1e-9)
    assert fsum(other.values()) == pytest.approx(cost + 2.0, rel=1e-9)
