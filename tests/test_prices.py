"""Prices are asked for once, by the month, and may not be there."""

from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from custom_components.flatpeak.api import (
    FlatpeakClient,
    FlatpeakNoTariffError,
    PostalAddress,
    TariffDirection,
)
from custom_components.flatpeak.patience import Patience
from custom_components.flatpeak.prices import PriceBook

from .home import ADDRESS
from .simulator import Simulator
from .simulator.tariffs import Direction, Flat

BERLIN = ZoneInfo("Europe/Berlin")
PRICES = "POST /prices/{id}"
START = datetime(2026, 10, 1, tzinfo=BERLIN)
END = datetime(2026, 12, 1, tzinfo=BERLIN)
IMPORT = TariffDirection.IMPORT


@pytest.fixture
async def client(simulator: Simulator) -> AsyncGenerator[FlatpeakClient]:
    """Return a client of the simulator."""
    async with aiohttp.ClientSession() as session:
        yield FlatpeakClient(
            session,
            simulator.account_id,
            simulator.api_key,
            base_url=simulator.url,
        )


@pytest.fixture
async def location_id(simulator: Simulator, client: FlatpeakClient) -> str:
    """Return a location in Berlin with a flat import tariff."""
    location = await client.create_location("home", PostalAddress(**ADDRESS))
    simulator.account().connect(
        location.location_id, Direction.IMPORT, Flat(price=Decimal("0.3"))
    )
    return location.location_id


def open_book(client: FlatpeakClient, location_id: str) -> PriceBook:
    """Return a book of two months."""
    return PriceBook(client, Patience(), location_id, START, END)


async def test_a_month_at_a_time(
    simulator: Simulator, client: FlatpeakClient, location_id: str
) -> None:
    """Each window is asked for when it is needed, and never again."""
    book = open_book(client, location_id)
    assert simulator.requests.count(PRICES) == 0

    day = START + timedelta(days=3)
    slots = await book.async_slots(IMPORT, day, day + timedelta(days=1))
    assert simulator.requests.count(PRICES) == 1
    assert [slot.price for slot in slots] == [0.3]
    assert slots[0].start == START
    assert slots[0].end == datetime(2026, 11, 1, tzinfo=BERLIN)

    prices = await book.async_prices(IMPORT, START, END)
    assert simulator.requests.count(PRICES) == 2
    assert prices is not None
    assert prices.currency == "EUR"
    assert [slot.end for slot in prices.slots] == [slots[0].end, END]
    await book.async_prices(IMPORT, START, END)
    assert simulator.requests.count(PRICES) == 2
    assert book.refusals == {}


async def test_a_direction_without_prices(
    simulator: Simulator, client: FlatpeakClient, location_id: str
) -> None:
    """It is asked for once, and its refusal is kept; other directions have theirs."""
    book = open_book(client, location_id)
    assert await book.async_prices(TariffDirection.EXPORT, START, END) is None
    assert await book.async_slots(TariffDirection.EXPORT, START, END) == ()
    assert simulator.requests.count(PRICES) == 1
    assert [type(err) for err in book.refusals.values()] == [FlatpeakNoTariffError]
    assert book.refusals.keys() == {TariffDirection.EXPORT}
    assert len(await book.async_slots(IMPORT, START, END)) == 2


async def test_a_location_that_flatpeak_does_not_know(client: FlatpeakClient) -> None:
    """Without a location there are no prices; costs are then spread by energy."""
    book = open_book(client, "loc_unknown")
    assert await book.async_prices(IMPORT, START, END) is None
    assert book.refusals == {}
