"""Tariffs and their price slots."""

from datetime import UTC, datetime, time
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from tests.simulator import Change, Dynamic, Flat, TwoRate
from tests.simulator.clock import HOUR, MINUTE, Span, to_instant, to_text
from tests.simulator.tariffs import (
    Connection,
    ConnectionType,
    PriceSlot,
    Tariff,
    published_until,
)

from .service import NOON

LONDON = ZoneInfo("Europe/London")
BERLIN = ZoneInfo("Europe/Berlin")
LOW, HIGH = Decimal("0.09"), Decimal("0.29")
YEAR = to_instant(datetime(2026, 1, 1, tzinfo=UTC))
SPANS = st.builds(
    lambda start, length: Span(YEAR + start * MINUTE, YEAR + (start + length) * MINUTE),
    st.integers(0, 365 * 24 * 60),
    st.integers(1, 4 * 24 * 60),
)
TARIFFS = [
    Flat(price=HIGH),
    TwoRate(low=LOW, high=HIGH),
    TwoRate(low=LOW, high=HIGH, low_from=time(22), low_to=time(6)),
    Dynamic(seed=3),
    Dynamic(seed=3, minutes=15),
]


def instant(text: str, zone: ZoneInfo = LONDON) -> int:
    """Return the instant of a local time."""
    return to_instant(datetime.fromisoformat(text).replace(tzinfo=zone))


def connection(tariff: Tariff) -> Connection:
    """Return a connection to a tariff."""
    return Connection(
        id="trf_1",
        provider_id="prv_1",
        tariff=tariff,
        connection_type=ConnectionType.DIRECT,
        name="Tariff",
        provider="Provider",
    )


def price_at(slots: list[PriceSlot], at: int) -> Decimal:
    """Return the price at an instant."""
    (slot,) = [slot for slot in slots if slot.start <= at < slot.end]
    return slot.price


@pytest.mark.parametrize("zone", ["Europe/London", "Australia/Lord_Howe"])
@pytest.mark.parametrize("tariff", TARIFFS)
@given(span=SPANS, settled=SPANS)
def test_slots_fill_any_span(
    tariff: Tariff, zone: str, span: Span, settled: Span
) -> None:
    """Slots begin and end with the span and follow one another, settled or not."""
    tariff_connection = connection(tariff)
    for settlement in ((), (settled,)):
        for start, end in settlement:
            change = Change(multiply=Decimal(2))
            tariff_connection.settle(
                datetime.fromtimestamp(start / 1e6, UTC),
                datetime.fromtimestamp(end / 1e6, UTC),
                change,
            )
        slots = list(tariff_connection.slots(span, ZoneInfo(zone), NOON))

        assert (slots[0].start, slots[-1].end) == span
        assert all(slot.start < slot.end for slot in slots)
        assert all(before.end == after.start for before, after in pairwise(slots))
        assert all(slot.price == round(slot.price, 5) for slot in slots)


@given(SPANS, st.data())
def test_a_price_does_not_depend_on_the_span(span: Span, data: st.DataObject) -> None:
    """The price at an instant is the same in whatever span it is asked for."""
    part = Span(data.draw(st.integers(span.start, span.end - 1)), span.end)
    for tariff in TARIFFS:
        whole = list(tariff.slots(span, BERLIN, NOON))
        for slot in tariff.slots(part, BERLIN, NOON):
            assert price_at(whole, slot.start) == slot.price


def test_two_rates_follow_the_wall_clock() -> None:
    """The low price begins at its local time in winter and in summer."""
    tariff = TwoRate(low=LOW, high=HIGH)
    window = Span(instant("2026-03-28T12:00"), instant("2026-03-30T12:00"))

    slots = [
        (to_text(slot.start, LONDON), slot.price)
        for slot in tariff.slots(window, LONDON, NOON)
    ]

    assert slots == [
        ("2026-03-28T12:00:00Z", HIGH),
        ("2026-03-29T00:30:00Z", LOW),
        ("2026-03-29T07:30:00+01:00", HIGH),
        ("2026-03-30T00:30:00+01:00", LOW),
        ("2026-03-30T07:30:00+01:00", HIGH),
    ]


def test_two_rates_over_midnight() -> None:
    """The low hours may span midnight."""
    tariff = TwoRate(low=LOW, high=HIGH, low_from=time(22), low_to=time(6))
    window = Span(instant("2026-06-15T21:00"), instant("2026-06-16T07:00"))

    slots = tariff.slots(window, LONDON, NOON)

    assert [(slot.end - slot.start) // HOUR for slot in slots] == [1, 8, 1]


@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_dynamic_prices_change_at_every_step(minutes: int) -> None:
    """Every step has a price of its own, and the same in every run."""
    window = Span(YEAR, YEAR + 24 * HOUR)
    slots = list(Dynamic(seed=1, minutes=minutes).slots(window, LONDON, NOON))

    assert len(slots) == 24 * 60 // minutes
    assert len({slot.price for slot in slots}) > len(slots) / 2
    assert slots == list(Dynamic(seed=1, minutes=minutes).slots(window, LONDON, NOON))
    assert slots != list(Dynamic(seed=2, minutes=minutes).slots(window, LONDON, NOON))


def test_dynamic_prices_are_negative_at_times() -> None:
    """Some hours of a month have a negative price, most do not."""
    window = Span(YEAR, YEAR + 30 * 24 * HOUR)
    prices = [slot.price for slot in Dynamic().slots(window, LONDON, NOON)]

    assert 0 < sum(price < 0 for price in prices) < len(prices) / 10


def test_level_scales_dynamic_prices() -> None:
    """Export is paid at a share of the market price."""
    step = Span(YEAR, YEAR + 30 * MINUTE)

    (whole,) = Dynamic().slots(step, LONDON, NOON)
    (half,) = Dynamic(level=Decimal("0.5")).slots(step, LONDON, NOON)

    assert half.price == round(whole.price / 2, 5)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-06-15T12:59", "2026-06-16T00:00"),
        ("2026-06-15T13:00", "2026-06-17T00:00"),
        ("2026-10-24T13:00", "2026-10-26T00:00"),
    ],
)
def test_prices_are_published_at_one(now: str, until: str) -> None:
    """At 13:00 local time tomorrow's prices are known, to its last hour."""
    moment = datetime.fromisoformat(now).replace(tzinfo=BERLIN).astimezone(UTC)

    assert published_until(moment, BERLIN) == instant(until, BERLIN)


def test_forecast_gives_way_to_prices() -> None:
    """Beyond what is published prices are a forecast, later they are certain and others."""
    tomorrow = Span(instant("2026-06-16T00:00"), instant("2026-06-17T00:00"))
    before = datetime(2026, 6, 15, 11, 59, tzinfo=UTC)
    after = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)

    forecast = list(Dynamic().slots(tomorrow, LONDON, before))
    published = list(Dynamic().slots(tomorrow, LONDON, after))

    assert {slot.confidence for slot in forecast} == {Decimal("0.7")}
    assert {slot.confidence for slot in published} == {Decimal(1)}
    assert [slot.price for slot in forecast] != [slot.price for slot in published]


def test_settlement_changes_its_range_only() -> None:
    """Prices within the range change, cut at its borders; a later settlement builds on it."""
    tariff = connection(Flat(price=Decimal("0.2")))
    window = Span(instant("2026-06-01T00:00"), instant("2026-06-02T00:00"))
    start = datetime(2026, 6, 1, 6, 10, tzinfo=LONDON)
    end = datetime(2026, 6, 1, 12, 10, tzinfo=LONDON)
    tariff.settle(start, end, Change(multiply=Decimal("1.5"), add=Decimal("0.01")))
    tariff.settle(start, end, Change(multiply=Decimal(-1), add=Decimal("0.01")))

    slots = list(tariff.slots(window, LONDON, NOON))

    assert [slot.price for slot in slots] == [
        Decimal("0.2"),
        Decimal("-0.3"),
        Decimal("0.2"),
    ]
    assert (slots[1].start, slots[1].end) == (to_instant(start), to_instant(end))


@pytest.mark.parametrize(
    ("price", "settled"),
    [
        ("0.1", "0.11"),
        ("0.000005", "0.00001"),
        ("0.00005", "0.00006"),
        ("-0.1", "-0.11"),
    ],
)
def test_settled_prices_have_five_decimals(price: str, settled: str) -> None:
    """A settled price is rounded, halves to the even neighbour."""
    change = Change(multiply=Decimal("1.1"))

    assert change.apply(Decimal(price)) == Decimal(settled)


def test_settlement_makes_a_forecast_certain() -> None:
    """A settled price is no forecast any more."""
    window = Span(instant("2026-07-01T00:00"), instant("2026-07-01T01:00"))
    tariff = connection(Dynamic())
    start, end = (datetime(2026, month, 1, tzinfo=UTC) for month in (6, 8))
    tariff.settle(start, end, Change())

    assert {slot.confidence for slot in tariff.slots(window, LONDON, NOON)} == {1}
