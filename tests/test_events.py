"""What Flatpeak says of a home's tariffs becomes repairs, which go by themselves."""

from datetime import UTC, datetime, timedelta

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.api import (
    ConnectionStatus,
    Event,
    LocationStatus,
    TariffLeg,
)
from custom_components.flatpeak.events import Notice, OpenNotice, open_notices
from custom_components.flatpeak.issues import async_issues
from homeassistant.util import dt as dt_util

from .home import HOUR, Home
from .priced import PricedHome
from .simulator import Direction, Fault

DAY = timedelta(days=1)
TOLD = datetime(2026, 11, 20, tzinfo=UTC)
EVENTS = "GET /events"


def _status(
    *, contract_end: datetime | None = None, name: str | None = "Night saver"
) -> LocationStatus:
    """Return how a location stands that has one tariff."""
    legs = {
        "commodity_import": TariffLeg(
            status=ConnectionStatus.CONNECTED,
            connection_type="DIRECT",
            provider_name="Example Energy",
            tariff_id="trf_1",
            tariff_name=name,
            structure_type=None,
            contract_end=contract_end,
        ),
        "commodity_export": TariffLeg(
            status=ConnectionStatus.NOT_CONNECTED,
            connection_type=None,
            provider_name=None,
            tariff_id=None,
            tariff_name=None,
            structure_type=None,
            contract_end=None,
        ),
    }
    return LocationStatus(location_id="loc_1", legs=legs)


def _events(*types: str, tariff_id: str | None = "trf_1") -> list[Event]:
    """Return events from the oldest to the newest, a day apart."""
    return [
        Event(
            event_id=f"evt_{number}",
            event_type=event_type,
            time_created=TOLD + number * DAY,
            tariff_id=tariff_id,
        )
        for number, event_type in enumerate(types)
    ]


@pytest.mark.parametrize(
    ("types", "notices"),
    [
        ((), set()),
        (("tariff.expiring",), {Notice.EXPIRING}),
        (("tariff.expired",), {Notice.EXPIRED}),
        (("tariff.expiring", "tariff.expired"), {Notice.EXPIRED}),
        (("tariff.fetch.failed",), {Notice.FETCH_FAILED}),
        (("tariff.fetch.failed", "tariff.fetch.failed"), {Notice.FETCH_FAILED}),
        (("tariff.fetch.failed", "location.update"), set()),
        (("tariff.fetch.failed", "locaiton.update"), set()),
        (("location.update", "tariff.fetch.failed"), {Notice.FETCH_FAILED}),
        (("tariff.fetch.failed", "connect_session.complete"), set()),
        (("tariff.connection.upgrade",), {Notice.UPGRADE}),
        (("tariff.connection.upgrade", "connect_session.complete"), set()),
        (("tariff.expired", "location.update"), {Notice.EXPIRED}),
        (("moon.rose", "tariff.moved"), set()),
        (
            ("tariff.fetch.failed", "tariff.expiring"),
            {Notice.FETCH_FAILED, Notice.EXPIRING},
        ),
    ],
)
def test_notices(types: tuple[str, ...], notices: set[Notice]) -> None:
    """The newest word on a matter counts; what is new to us is left alone."""
    assert open_notices(_events(*types), _status()) == {
        OpenNotice(notice=each, tariff_id="trf_1", tariff_name="Night saver")
        for each in notices
    }


@pytest.mark.parametrize("tariff_id", [None, "trf_0"])
def test_another_tariff(tariff_id: str | None) -> None:
    """What happened to a tariff that the home no longer has is over."""
    events = _events("tariff.expired", "tariff.fetch.failed", tariff_id=tariff_id)

    assert open_notices(events, _status()) == set()


@pytest.mark.parametrize(
    ("event_type", "days", "holds"),
    [
        ("tariff.expiring", 30, True),
        ("tariff.expiring", 91, False),
        ("tariff.expired", 0, True),
        ("tariff.expired", 1, False),
        ("tariff.fetch.failed", 365, True),
    ],
)
def test_contract_that_goes_on(event_type: str, days: int, *, holds: bool) -> None:
    """A contract that ends much later was renewed."""
    status = _status(contract_end=TOLD + timedelta(days=days))

    assert bool(open_notices(_events(event_type), status)) is holds


def test_event_without_time() -> None:
    """An event that does not tell its time is not taken for renewed."""
    [event] = _events("tariff.expired")
    event = Event(
        event_id=event.event_id,
        event_type=event.event_type,
        time_created=None,
        tariff_id=event.tariff_id,
    )

    assert open_notices([event], _status(contract_end=TOLD + DAY))


def test_tariff_without_name() -> None:
    """A tariff that has no name is called as its supplier."""
    [notice] = open_notices(_events("tariff.expired"), _status(name=None))

    assert notice.tariff_name == "Example Energy"


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home that is priced."""
    priced = PricedHome(home, freezer)
    await priced.async_begin(hours=3)
    return priced


def _tell(priced: PricedHome, event_type: str) -> None:
    """Let something happen to the import tariff of the home."""
    account = priced.simulator.account()
    connection = account.locations[priced.location_id].connections[Direction.IMPORT]
    account.tell(
        event_type, priced.location_id, dt_util.utcnow(), tariff_id=connection.id
    )


def _told(priced: PricedHome) -> dict[str | None, dict[str, str] | None]:
    """Return what the user is told of the tariffs."""
    return {
        issue.translation_key: issue.translation_placeholders
        for issue in async_issues(priced.hass, priced.entry)
        if issue.translation_key in Notice
    }


async def _day(priced: PricedHome) -> None:
    """Let a day pass, in which a cycle runs."""
    priced.tick(DAY)
    await priced.async_cycle()


async def test_asked_once_a_day(priced: PricedHome) -> None:
    """Cycles of the same day ask for no events."""
    requests = priced.simulator.requests
    assert requests.count(EVENTS) == 1
    for _ in range(3):
        priced.tick(HOUR)
        await priced.async_cycle()
    assert requests.count(EVENTS) == 1

    await _day(priced)

    assert requests.count(EVENTS) == 2


async def test_repair_comes_and_goes(priced: PricedHome) -> None:
    """The user is told of a tariff by its name, until it is replaced."""
    account = priced.simulator.account()
    connection = account.locations[priced.location_id].connections[Direction.IMPORT]
    connection.contract_end = dt_util.utcnow() + DAY
    _tell(priced, "tariff.expiring")
    await _day(priced)
    assert _told(priced) == {
        "tariff_expiring": {"home": "test home", "tariff": "Market prices"}
    }

    _tell(priced, "tariff.expired")
    await _day(priced)
    assert set(_told(priced)) == {"tariff_expired"}

    account.connect(priced.location_id, Direction.IMPORT, connection.tariff)
    priced.tick(HOUR)
    await priced.async_cycle()
    assert _told(priced) == {}


async def test_prices_that_come_again(priced: PricedHome) -> None:
    """A repair goes with the news that it is over."""
    _tell(priced, "tariff.fetch.failed")
    await _day(priced)
    assert set(_told(priced)) == {"tariff_fetch_failed"}

    _tell(priced, "location.update")
    await _day(priced)

    assert _told(priced) == {}


async def test_events_that_cannot_be_asked_for(priced: PricedHome) -> None:
    """The cycle goes on without them, what was told stays, and they are asked for later."""
    _tell(priced, "tariff.fetch.failed")
    await _day(priced)
    priced.simulator.faults.next(EVENTS, Fault.SERVER_ERROR)

    await _day(priced)

    assert priced.entry.runtime_data.last_update_success
    assert set(_told(priced)) == {"tariff_fetch_failed"}
    asked = priced.simulator.requests.count(EVENTS)
    priced.tick(HOUR)
    await priced.async_cycle()
    assert priced.simulator.requests.count(EVENTS) == asked + 1


async def test_location_that_does_not_tell(priced: PricedHome) -> None:
    """Where it is not known which tariff the home has, what was told stays."""
    _tell(priced, "tariff.fetch.failed")
    await _day(priced)
    refusal = {"object": "error", "code": "pending_connect", "message": "Wait."}
    priced.simulator.faults.next(
        "GET /locations/{id}/status", Fault.answer(422, refusal)
    )

    await _day(priced)

    assert set(_told(priced)) == {"tariff_fetch_failed"}
