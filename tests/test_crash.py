"""A crash at any instant leaves a submission in doubt, and nothing worse."""

import asyncio
from collections.abc import Coroutine, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, Final

from freezegun import freeze_time
from freezegun.api import TickingDateTimeFactory
import pytest

from custom_components.flatpeak.api import FlatpeakClient, FlatpeakError, PostalAddress
from custom_components.flatpeak.journal import Journal
from custom_components.flatpeak.meter import Flow, Meter, Submit
from custom_components.flatpeak.patience import Patience
from custom_components.flatpeak.sources import EnergyReader
from custom_components.flatpeak.upload import Uploader
from homeassistant.const import CONF_API_KEY
from homeassistant.helpers.aiohttp_client import async_get_clientsession

from .home import ADDRESS, HOUR, Home
from .simulator import Direction, Duplicates, Flat, Violation

NOW: Final = datetime(2026, 4, 15, 9, 20, tzinfo=UTC)
UNTIL: Final = datetime(2026, 4, 15, 9, tzinfo=UTC)
ENERGY: Final = [100.0, 0.0, 733.1, 250.0, 1.5]
SOURCE: Final = "household:meter"


@dataclass
class Cut:
    """Work that is cut off at its n-th await: before or after what it waits for."""

    work: Coroutine[Any, Any, object]
    number: int
    is_early: bool

    def __await__(self) -> Generator[Any, Any, bool]:
        """Do the work up to the cut, return whether it was finished before that."""
        steps = self.work.__await__()
        for number in range(self.number):
            try:
                future = steps.send(None)
            except StopIteration:
                return True
            if number == self.number - 1 and self.is_early:
                _give_up(future)
            else:
                with suppress(FlatpeakError):  # The work itself asks for the result.
                    yield future
        yield from _drop(steps)
        return False


def _give_up(future: asyncio.Future[object] | None) -> None:
    """Take back what is not done yet; a bare yield waits for nothing."""
    if future is not None:
        future.cancel()


def _drop(steps: Generator[Any, Any, object]) -> Generator[Any, Any]:
    """Let the work know nothing more; the HTTP client closes its connection."""
    try:
        future = steps.throw(asyncio.CancelledError())
        while True:
            yield future
            future = steps.send(None)
    except asyncio.CancelledError, StopIteration:
        return


class Place:
    """A location at Flatpeak, whose meters are submitted one after the other."""

    def __init__(self, home: Home, client: FlatpeakClient, location_id: str) -> None:
        """Take what the uploads need."""
        self.home = home
        self._client = client
        self._location_id = location_id

    async def async_meter(self, name: str, submit: Submit) -> Meter:
        """Return a meter of which nothing is submitted."""
        device = await self._client.create_device(name)
        return Meter(
            subentry_id=name,
            location_id=self._location_id,
            device_id=device.device_id,
            name=name,
            flow=Flow.CONSUMPTION,
            source=SOURCE,
            history_start=UNTIL - len(ENERGY) * HOUR,
            submit=submit,
        )

    async def async_start(self, meter: Meter) -> Uploader:
        """Start anew with what is on disk."""
        hass = self.home.hass
        journal = Journal(hass, meter.name)
        await journal.async_load()
        energy = EnergyReader(hass, journal, [meter])
        uploader = Uploader(hass, self._client, journal, energy, [meter], Patience())
        await uploader.async_begin(NOW)
        return uploader


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give each test a directory of its own."""
    return hass_tmp_config_dir


@pytest.fixture
def hass_storage() -> dict[str, Any]:
    """Leave the files to the disk."""
    return {}


@pytest.fixture
def clock() -> Iterator[TickingDateTimeFactory]:
    """Let time pass by itself, and on demand."""
    with freeze_time(NOW, tick=True) as clock:
        assert isinstance(clock, TickingDateTimeFactory)
        yield clock


@pytest.fixture
async def place(home: Home, clock: TickingDateTimeFactory) -> Place:
    """Return a location with a tariff, and five hours of energy."""
    account = home.account_input()
    client = FlatpeakClient(
        async_get_clientsession(home.hass),
        account["account_id"],
        account[CONF_API_KEY],
        base_url=home.simulator.url,
    )
    location = await client.create_location("home", PostalAddress(**ADDRESS))
    home.simulator.account().connect(
        location.location_id, Direction.IMPORT, Flat(price=Decimal("0.3"))
    )
    await home.async_record(SOURCE, UNTIL - len(ENERGY) * HOUR, ENERGY)
    return Place(home, client, location.location_id)


async def _async_recover(
    place: Place, meter: Meter, clock: TickingDateTimeFactory
) -> None:
    """Start again and try until all is submitted, as the cycle does."""
    uploader = await place.async_start(meter)
    for _ in range(6):
        try:
            await uploader.async_upload_fresh(UNTIL)
        except FlatpeakError:
            clock.tick(timedelta(minutes=16))
        else:
            return
    pytest.fail("the upload does not recover")


@pytest.mark.parametrize(
    ("submit", "duplicates"),
    [
        *((Submit.INTERVALS, each) for each in Duplicates),
        (Submit.READINGS, Duplicates.OVERWRITE),
    ],
)
@pytest.mark.parametrize("is_early", [True, False], ids=["early", "late"])
async def test_a_crash_at_every_await(
    place: Place,
    clock: TickingDateTimeFactory,
    submit: Submit,
    duplicates: Duplicates,
    *,
    is_early: bool,
) -> None:
    """Wherever the first upload and the one after it are cut, each hour counts once."""
    simulator = place.home.simulator
    simulator.settings.duplicates = duplicates
    for number in count(1):
        meter = await place.async_meter(f"meter {number}", submit)
        uploader = await place.async_start(meter)
        is_done = await Cut(uploader.async_upload_fresh(UNTIL), number, is_early)
        if not is_done:
            uploader = await place.async_start(meter)
            clock.tick(timedelta(minutes=16))
            with suppress(FlatpeakError):  # It may still be in doubt.
                await Cut(uploader.async_upload_fresh(UNTIL), number, is_early)
        await _async_recover(place, meter, clock)

        records = simulator.truth(meter.device_id).records()
        assert [record.energy for record in records] == pytest.approx(ENERGY), number
        if is_done:
            break
    assert number > 5  # Fewer awaits wait where threads are quick.
    # A process that died does not know its token, nor what it was refused.
    assert not simulator.violations.counts.keys() & {
        Violation.OVERLAP,
        Violation.CHANGED_DUPLICATE,
    }
