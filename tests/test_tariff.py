"""How a home stands with its tariff, and what energy costs at an instant."""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.flatpeak.api import (
    ConnectionStatus,
    FlatpeakDirectionNotSupportedError,
    FlatpeakNoPriceDataError,
    FlatpeakNoTariffError,
    FlatpeakTariffError,
    FlatpeakTariffPendingError,
    PriceSlot,
    TariffLeg,
)
from custom_components.flatpeak.tariff import (
    HomeTariff,
    Prices,
    TariffStatus,
    slot_length,
)

START = datetime(2026, 11, 24, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def leg(status: ConnectionStatus = ConnectionStatus.CONNECTED) -> TariffLeg:
    """Return a tariff of a location."""
    return TariffLeg(
        status=status,
        connection_type="DIRECT",
        provider_name="Example Energy",
        tariff_id="trf_1",
        tariff_name="Night saver",
        structure_type="TIME_OF_DAY",
        contract_end=START,
    )


def test_a_tariff_is_what_the_connection_says() -> None:
    """Names and the end of the contract are those of the connection."""
    assert HomeTariff.of(leg(), None) == HomeTariff(
        status=TariffStatus.CONNECTED,
        name="Night saver",
        provider="Example Energy",
        contract_end=START,
    )


@pytest.mark.parametrize(
    ("connection", "status"),
    [
        (ConnectionStatus.CONNECTED, TariffStatus.CONNECTED),
        (ConnectionStatus.NOT_CONNECTED, TariffStatus.NOT_CONNECTED),
        (ConnectionStatus.ERROR, TariffStatus.ERROR),
        (ConnectionStatus.NOT_SUPPORTED, TariffStatus.NOT_SUPPORTED),
        (ConnectionStatus.UNKNOWN, None),
    ],
)
def test_every_connection_has_a_status(
    connection: ConnectionStatus, status: TariffStatus | None
) -> None:
    """What Flatpeak may invent later is unknown, not wrong."""
    assert HomeTariff.of(leg(connection), None).status is status


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (FlatpeakTariffPendingError(), TariffStatus.PENDING),
        (FlatpeakNoTariffError(), TariffStatus.NOT_CONNECTED),
        (FlatpeakNoPriceDataError(), TariffStatus.NO_PRICE_DATA),
        (FlatpeakDirectionNotSupportedError(), TariffStatus.NOT_SUPPORTED),
    ],
)
def test_a_refusal_says_more_than_the_connection(
    refusal: FlatpeakTariffError, status: TariffStatus
) -> None:
    """A tariff that is connected may have no prices all the same."""
    assert HomeTariff.of(leg(), refusal).status is status
    assert HomeTariff.of(leg(), refusal).name == "Night saver"
    assert HomeTariff.of(None, refusal) == HomeTariff(status=status)


def test_nothing_is_known_of_no_tariff() -> None:
    """Without a leg and without a refusal there is nothing to tell."""
    assert HomeTariff.of(None, None) == HomeTariff(status=None)


def slot(number: int, price: float) -> PriceSlot:
    """Return the price of a half hour."""
    start = START + number * HALF_HOUR
    return PriceSlot(start=start, end=start + HALF_HOUR, price=price, confidence=1)


PRICES = Prices(currency="EUR", slots=(slot(0, 0.3), slot(1, -0.1), slot(3, 0.2)))


@pytest.mark.parametrize(
    ("minutes", "price", "border"),
    [
        (-1, None, 0),
        (0, 0.3, 30),
        (29, 0.3, 30),
        (30, -0.1, 60),
        (60, None, 90),
        (119, 0.2, 120),
        (120, None, None),
    ],
)
def test_the_price_at_an_instant(
    minutes: int, price: float | None, border: int | None
) -> None:
    """A slot holds from its start until before its end; between slots nothing is known."""
    instant = START + timedelta(minutes=minutes)
    assert PRICES.at(instant) == price
    assert PRICES.next_border(instant) == (
        None if border is None else START + timedelta(minutes=border)
    )


def test_prices_of_a_stretch_of_time() -> None:
    """Slots belong to the stretch that they begin in."""
    assert PRICES.between(START + HALF_HOUR, START + 3 * HALF_HOUR) == [slot(1, -0.1)]


def every(minutes: int, *prices: float, begin: int = 0) -> Prices:
    """Return prices for so many minutes each."""
    step, first = timedelta(minutes=minutes), START + timedelta(minutes=begin)
    return Prices(
        currency="EUR",
        slots=tuple(
            PriceSlot(
                start=first + number * step,
                end=first + (number + 1) * step,
                price=price,
                confidence=1.0,
            )
            for number, price in enumerate(prices)
        ),
    )


@pytest.mark.parametrize(
    ("prices", "minutes"),
    [
        ([], 60),
        ([every(60, 0.1, 0.2)], 60),
        ([every(30, 0.1, 0.2)], 30),
        ([every(15, 0.1, 0.2)], 15),
        ([every(15, 0.1, 0.1, 0.2)], 30),
        ([every(30, 0.1, 0.1, 0.2, 0.2)], 60),
        ([every(60, 0.1, 0.2, begin=30)], 30),  # Hours of Asia/Kolkata.
        ([every(60, 0.1, 0.2, begin=15)], 15),  # Hours of Asia/Kathmandu.
        ([every(20, 0.1, 0.2)], 15),
        ([every(60, 0.1, 0.2), every(30, 0.1, 0.2)], 30),
    ],
)
def test_records_are_as_long_as_a_price(prices: list[Prices], minutes: int) -> None:
    """They are shorter than an hour where a price of the home changes within one."""
    assert slot_length(prices) == timedelta(minutes=minutes)
