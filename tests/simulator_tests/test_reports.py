"""Energy met with prices: split by time, summed in rows, rounded once."""

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, settings, strategies as st
import pytest

from tests.simulator.clock import MINUTE, Span, to_instant
from tests.simulator.registers import Note, Register
from tests.simulator.reports import Aggregation, Row, merge, periods, price
from tests.simulator.tariffs import CERTAIN, PriceSlot, money

ZERO = to_instant(datetime(2026, 3, 28, tzinfo=UTC))
LENGTH = 72 * 60
MINUTES = st.integers(0, LENGTH)
ENERGIES = st.integers(0, 10**7).map(lambda value: value / 1000)
PRICES = st.integers(-50_000, 100_000).map(lambda value: Decimal(value).scaleb(-5))


def at(minute: int) -> int:
    """Return the instant some minutes after the beginning."""
    return ZERO + minute * MINUTE


@st.composite
def borders(draw: st.DrawFn) -> list[Span]:
    """Draw adjoining spans over three days."""
    cuts = draw(st.sets(st.integers(1, LENGTH - 1), max_size=12))
    points = [0, *sorted(cuts), LENGTH]
    return [Span(at(start), at(end)) for start, end in pairwise(points)]


@st.composite
def registers(draw: st.DrawFn) -> Register:
    """Draw a register whose readings may overlap, be empty or reach beyond the three days."""
    register = Register()
    for _ in range(draw(st.integers(0, 15))):
        start = draw(st.integers(-600, LENGTH + 600))
        length = draw(st.sampled_from([0, 5, 15, 30, 60, 90, 1440, 3000]))
        register.put(Span(at(start), at(start + length)), draw(ENERGIES))
    return register


@st.composite
def slots(draw: st.DrawFn) -> list[PriceSlot]:
    """Draw prices over three days."""
    return [PriceSlot(*span, draw(PRICES), CERTAIN) for span in draw(borders())]


def share(span: Span, window: Span) -> Fraction:
    """Return which part of a span lies in a window."""
    if span.start == span.end:
        return Fraction(window.start <= span.start < window.end)
    shared = min(span.end, window.end) - max(span.start, window.start)
    return Fraction(max(shared, 0), span.end - span.start)


def expected(
    register: Register, span: Span, prices: list[PriceSlot]
) -> tuple[Fraction, Fraction]:
    """Return energy and cost in a span, with fractions and without any cleverness."""
    energy = cost = Fraction(0)
    for slot in prices:
        if slot.start < span.end and slot.end > span.start:
            part = Span(max(slot.start, span.start), min(slot.end, span.end))
            for reading, value in register.between(Span(at(-9000), at(9000))):
                used = Fraction(str(value)) * share(reading, part)
                energy += used
                cost += used * Fraction(slot.price) / 1000
    return energy, cost


@settings(deadline=None)
@given(registers(), borders(), slots())
def test_rows_are_exact(
    register: Register, spans: list[Span], prices: list[PriceSlot]
) -> None:
    """Every row has the energy and the cost that exact arithmetic gives."""
    for row in price([register], spans, prices):
        energy, cost = expected(register, row.span, prices)
        assert float(row.energy) == pytest.approx(float(energy), rel=1e-15)
        assert float(row.cost) == pytest.approx(float(cost), rel=1e-12, abs=1e-18)


@settings(deadline=None)
@given(registers(), registers(), borders(), slots())
def test_any_split_sums_to_the_whole(
    first: Register, second: Register, spans: list[Span], prices: list[PriceSlot]
) -> None:
    """However a window is cut into rows, they sum to the one row over it all."""
    both = [first, second]
    rows = price(both, spans, prices)
    (whole,) = price(both, [Span(at(0), at(LENGTH))], prices)
    (merged,) = merge(rows, [whole.span])

    for total in (merged, _sum(rows)):
        assert float(total.energy) == pytest.approx(float(whole.energy), rel=1e-15)
        assert float(total.cost) == pytest.approx(
            float(whole.cost), rel=1e-12, abs=1e-18
        )
        assert total.has_readings is whole.has_readings


def _sum(rows: list[Row]) -> Row:
    """Sum rows by hand."""
    return Row(
        span=Span(rows[0].span.start, rows[-1].span.end),
        energy=sum((row.energy for row in rows), Decimal(0)),
        cost=sum((row.cost for row in rows), Decimal(0)),
        has_readings=any(row.has_readings for row in rows),
    )


@pytest.mark.parametrize("aggregation", list(Aggregation))
@pytest.mark.parametrize(
    "zone",
    ["Europe/London", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"],
)
@given(cuts=st.tuples(MINUTES, MINUTES).filter(lambda cuts: cuts[0] != cuts[1]))
def test_periods_fill_the_window(
    zone: str, aggregation: Aggregation, cuts: tuple[int, int]
) -> None:
    """Days and months are cut at the ends of the window and leave nothing out."""
    window = Span(at(min(cuts)), at(max(cuts)))

    spans = periods(window, ZoneInfo(zone), aggregation)

    assert (spans[0].start, spans[-1].end) == window
    assert sum(span.end - span.start for span in spans) == window.end - window.start


def test_without_aggregation_there_is_one_period() -> None:
    """The one period is the window itself."""
    window = Span(at(1), at(LENGTH))

    assert periods(window, ZoneInfo("Europe/London"), None) == [window]


def test_confidence_is_averaged_by_energy_and_never_rounded_up() -> None:
    """One Wh of forecast among a million of settled prices still shows."""
    register = Register()
    register.put(Span(at(0), at(60)), 999_999)
    register.put(Span(at(60), at(120)), 1)
    prices = [
        PriceSlot(at(0), at(60), Decimal("0.1"), CERTAIN),
        PriceSlot(at(60), at(120), Decimal("0.1"), Decimal("0.7")),
    ]

    (row,) = price([register], [Span(at(0), at(120))], prices)

    assert row.confidence == Decimal("0.99999")


def test_forecast_reading_lowers_the_confidence() -> None:
    """A reading that is itself a forecast is as uncertain as it says."""
    register = Register()
    register.put(Span(at(0), at(60)), 1000, Note(None, 0.25))
    prices = [PriceSlot(at(0), at(60), Decimal("0.1"), Decimal("0.8"))]

    (row,) = price([register], [Span(at(0), at(60))], prices)

    assert row.confidence == Decimal("0.2")


def test_row_without_energy_is_certain() -> None:
    """There is nothing uncertain about nothing."""
    prices = [PriceSlot(at(0), at(60), Decimal("0.1"), Decimal("0.7"))]

    (row,) = price([Register()], [Span(at(0), at(60))], prices)

    assert row.energy == row.cost == 0
    assert row.confidence == 1
    assert not row.has_readings


@pytest.mark.parametrize(
    ("exact", "rounded"),
    [
        ("0.000005", "0"),
        ("0.000015", "0.00002"),
        ("0.000025", "0.00002"),
        ("-0.000015", "-0.00002"),
        ("0.0000150000001", "0.00002"),
    ],
)
def test_money_is_rounded_half_to_even(exact: str, rounded: str) -> None:
    """Money has five decimals."""
    assert money(Decimal(exact)) == Decimal(rounded)


def test_half_a_step_is_not_lost_in_binary() -> None:
    """0.5 Wh at 0.03 is exactly half a step: it goes to the even neighbour, not by chance."""
    register = Register()
    register.put(Span(at(0), at(60)), 0.5)
    prices = [PriceSlot(at(0), at(60), Decimal("0.03"), CERTAIN)]

    (row,) = price([register], [Span(at(0), at(60))], prices)

    assert row.cost == Decimal("0.000015")
    assert money(row.cost) == Decimal("0.00002")
