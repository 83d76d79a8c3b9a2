"""Charges of a car are sessions: they have their own records, and their own cost."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import fsum, isclose
from typing import Any, Final

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.intervals import floor_hour
from custom_components.flatpeak.journal import MeterJournal
from custom_components.flatpeak.sessions import Session, floored
from custom_components.flatpeak.statistics import async_written
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import State
from homeassistant.helpers import entity_registry as er

from .home import CAR, HOUR, Home
from .simulator.tariffs import Dynamic, Flat, Tariff
from .simulator.truth import Cost, Energy

pytestmark = pytest.mark.usefixtures("polite")

NOON: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
FLAT: Final = Flat(price=Decimal("0.3"))
CHARGING: Final = "binary_sensor.car_charging"


def used(start: datetime, end: datetime) -> list[float]:
    """Return the energy of five minutes each, which repeats in no simple way."""
    first, last = (int(each.timestamp()) // 300 for each in (start, end))
    return [float(number * 7919 % 83) for number in range(first, last)]


class Charger:
    """A home with a car, whose charges a binary sensor tells of."""

    entry: ConfigEntry[Any]

    def __init__(self, home: Home, freezer: FrozenDateTimeFactory) -> None:
        """Take the home and its clock."""
        self.home = home
        self.hass = home.hass
        self.simulator = home.simulator
        self.freezer = freezer
        self._recorded = NOON

    async def async_begin(
        self,
        tariff: Tariff = FLAT,
        *,
        start: datetime = NOON,
        hours: int = 3,
        **session: Any,
    ) -> None:
        """Set the home up at the start, after some hours with energy."""
        self.freezer.move_to(start + MINUTE)
        self.simulator.account().first_tariff = tariff
        self.home.add_sensor(CAR)
        er.async_get(self.hass).async_get_or_create(
            "binary_sensor", "household", "charging", suggested_object_id="car_charging"
        )
        self.see("off")
        self._recorded = start - hours * HOUR
        await self._async_record(start)
        await self.home.async_show(devices=[CAR])
        self.entry = await self.home.async_set_up(history="30_days")
        [meter] = self.entry.runtime_data.meters
        await self.home.async_follow_sessions(
            self.entry, CHARGING, meter.name, **session
        )

    async def _async_record(self, until: datetime) -> None:
        """Let the recorder have the energy up to an instant."""
        until = floored(until)
        if self._recorded < until:
            await self.home.async_record_short(
                CAR, self._recorded, used(self._recorded, until)
            )
            self._recorded = until

    async def async_go_to(self, instant: datetime, state: str | None = None) -> None:
        """Let time pass in which energy is used, and the sensor come to a state."""
        self.freezer.move_to(instant)
        await self._async_record(instant)
        if state is not None:
            self.see(state)
            await self.hass.async_block_till_done()
            await async_written(self.hass)

    async def async_charge(self, *steps: tuple[float, str]) -> None:
        """Let the sensor come to states, in minutes after noon."""
        for minutes, state in steps:
            await self.async_go_to(NOON + minutes * MINUTE, state)

    def see(self, state: str) -> None:
        """Let the sensor have a state now."""
        self.hass.states.async_set(CHARGING, state)

    async def async_cycle(self, at: datetime | None = None) -> None:
        """Run a cycle, at an instant."""
        if at is not None:
            await self.async_go_to(at)
        await self.entry.runtime_data.async_refresh()
        await self.home.async_settle()

    async def async_cycles(self, start: datetime, end: datetime) -> None:
        """Run the cycle of every hour up to an instant."""
        while start <= end:
            await self.async_cycle(start + 2 * MINUTE)
            start += HOUR

    @property
    def now(self) -> datetime:
        """Return the time."""
        return datetime.now(UTC)

    @property
    def device_id(self) -> str:
        """Return the id of the car's device at Flatpeak."""
        [meter] = self.entry.runtime_data.meters
        device_id: str = meter.device_id
        return device_id

    @property
    def known(self) -> MeterJournal:
        """Return what is noted of the car's meter."""
        known: MeterJournal = self.entry.runtime_data.journal.meters[self.device_id]
        return known

    @property
    def sessions(self) -> Sequence[Session]:
        """Return the sessions that are known."""
        return self.known.sessions

    def truth(self, session: Session) -> list[Cost]:
        """Return what Flatpeak has of a session."""
        return self.simulator.session(session.session_id(self.device_id))

    @property
    def records(self) -> list[Energy]:
        """Return what Flatpeak has of the meter, in order of time."""
        return self.simulator.truth(self.device_id).records()

    def state(self, key: str, domain: str = "sensor") -> State:
        """Return the state of an entity of the meter."""
        entity_id = er.async_get(self.hass).async_get_entity_id(
            domain, DOMAIN, f"{self.device_id}_{key}"
        )
        assert entity_id is not None
        state = self.hass.states.get(entity_id)
        assert state is not None
        return state

    async def async_check(
        self, *sessions: tuple[float, float], hours: bool = True
    ) -> None:
        """Check which sessions there are, in minutes after noon: what each has and cost."""
        assert self.entry.runtime_data.last_update_success
        assert [_minutes(each) for each in self.sessions] == list(sessions)
        for each in self.sessions:
            self._check(each)
        assert all(one.end <= other.start for one, other in pairwise(self.records))
        if hours:
            assert await self.home.async_miscounted(self.entry) == []

    def _check(self, session: Session) -> None:
        """Check that a session has the energy of its time, and the cost of it."""
        records = self.truth(session)
        assert session.border is not None
        assert records[0].start == session.begin
        assert records[-1].end == session.border
        assert all(one.end == other.start for one, other in pairwise(records))
        energy_wh = fsum(used(session.begin, session.border))
        assert isclose(fsum(each.energy for each in records), energy_wh, rel_tol=1e-9)
        assert session.cost is not None
        assert isclose(session.cost.energy_wh, energy_wh, rel_tol=1e-9)
        assert isclose(
            session.cost.cost,
            fsum(float(each.reported_cost) for each in records),
            rel_tol=1e-9,
        )
        assert not session.is_estimated


def _minutes(session: Session) -> tuple[float, float | None]:
    """Return when a session began and ended, in minutes after noon."""
    end = None if session.end is None else (session.end - NOON) / MINUTE
    return (session.start - NOON) / MINUTE, end


@pytest.fixture
def charger(home: Home, freezer: FrozenDateTimeFactory) -> Charger:
    """Return a home that is not set up yet."""
    return Charger(home, freezer)


async def test_a_charge_within_an_hour(charger: Charger) -> None:
    """It is submitted and priced at once; the rest of the hour follows exactly."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (38, "off"))

    await charger.async_cycle(NOON + 46 * MINUTE)

    await charger.async_check((12, 38), hours=False)
    assert [(each.start, each.end) for each in charger.records[-2:]] == [
        (NOON, NOON + 10 * MINUTE),
        (NOON + 10 * MINUTE, NOON + 40 * MINUTE),
    ]
    await charger.async_cycle(NOON + 62 * MINUTE)
    await charger.async_check((12, 38))
    assert charger.records[-1].start == NOON + 40 * MINUTE
    assert charger.known.ahead == []
    before = charger.simulator.requests.count("PUT /meters/interval")
    await charger.async_cycles(NOON + 2 * HOUR, NOON + 3 * HOUR)
    await charger.async_check((12, 38))
    assert charger.simulator.requests.count("PUT /meters/interval") == before + 2


async def test_what_is_told(charger: Charger) -> None:
    """Sensors and the event tell of the last session; before there was one, nothing."""
    await charger.async_begin(Dynamic(seed=5, minutes=15))
    assert charger.state("last_session_cost").state == "unknown"
    assert charger.state("session", "event").state == "unknown"
    await charger.async_charge((12, "on"), (38, "off"))
    await charger.async_cycle(NOON + 46 * MINUTE)

    await charger.async_check((12, 38), hours=False)
    [session] = charger.sessions
    assert session.cost is not None
    energy = session.cost.energy_wh / 1000
    assert {
        key: float(charger.state(f"last_session_{key}").state)
        for key in ("cost", "energy", "average_price")
    } == pytest.approx(
        {
            "cost": session.cost.cost,
            "energy": energy,
            "average_price": session.cost.cost / energy,
        }
    )
    assert charger.state("last_session_cost").attributes["unit_of_measurement"] == "EUR"
    assert charger.state("last_session_start").state == "2026-11-24T12:12:00+00:00"
    assert charger.state("last_session_end").state == "2026-11-24T12:38:00+00:00"
    event = charger.state("session", "event")
    told = {key: event.attributes[key] for key in (
        "event_type", "session_id", "currency", "start", "end", "is_estimated",
    )}  # fmt: skip
    assert told == {
        "event_type": "priced",
        "session_id": session.session_id(charger.device_id),
        "currency": "EUR",
        "start": "2026-11-24T13:12:00+01:00",
        "end": "2026-11-24T13:38:00+01:00",
        "is_estimated": False,
    }
    assert event.attributes["energy"] == pytest.approx(energy)
    assert event.attributes["cost"] == pytest.approx(session.cost.cost)

    # It is told of once.
    await charger.async_cycle(NOON + 62 * MINUTE)
    assert charger.state("session", "event").state == event.state


@pytest.mark.parametrize(
    ("steps", "sessions"),
    [
        pytest.param([(12, "on"), (13, "off")], [(12, 13)], id="shorter than a slot"),
        pytest.param(
            [(5, "on"), (17, "off"), (31, "on"), (44, "off")],
            [(5, 17), (31, 44)],
            id="two in an hour",
        ),
        pytest.param(
            [(5, "on"), (12, "off"), (19, "on"), (24, "off")],
            [(5, 12), (19, 24)],
            id="that would share five minutes",
        ),
        pytest.param(
            [(5, "on"), (17, "off"), (20, "on"), (44, "off")],
            [(5, 44)],
            id="a break",
        ),
        pytest.param(
            [(n, "on" if n % 2 else "off") for n in range(5, 19)],
            [(5, 18)],
            id="flapping",
        ),
        pytest.param(
            [(5, "on"), (11, "unavailable"), (44, "on"), (46, "off")],
            [(5, 46)],
            id="out of sight",
        ),
        pytest.param([(40, "on"), (75, "off")], [(40, 75)], id="over the hour"),
        pytest.param([(40, "on"), (60, "off")], [(40, 60)], id="to the hour"),
        pytest.param([(40, "on"), (57, "off")], [(40, 57)], id="to the last slot"),
        pytest.param([(60, "on"), (120, "off")], [(60, 120)], id="a whole hour"),
    ],
)
async def test_charges(
    charger: Charger,
    steps: list[tuple[float, str]],
    sessions: list[tuple[float, float]],
) -> None:
    """Each has its energy and its cost, and every hour is exact."""
    await charger.async_begin(Dynamic(seed=2, minutes=15))
    for minutes, state in steps:
        for hour in range(1, 4):
            if charger.now < NOON + hour * HOUR < NOON + minutes * MINUTE:
                await charger.async_cycle(NOON + hour * HOUR + MINUTE)
        await charger.async_go_to(NOON + minutes * MINUTE, state)

    await charger.async_cycle(charger.now + 10 * MINUTE)

    await charger.async_check(*sessions, hours=False)
    await charger.async_cycles(floor_hour(charger.now) + HOUR, NOON + 4 * HOUR)
    await charger.async_check(*sessions)


async def test_flapping_without_pause(charger: Charger) -> None:
    """Each is a session, but for those that have no time of their own."""
    await charger.async_begin(pause=0)
    await charger.async_charge(
        *((n, "on" if n % 2 else "off") for n in range(5, 20)), (20, "off")
    )

    await charger.async_cycle(NOON + 26 * MINUTE)

    await charger.async_check((5, 6), (11, 12), (15, 16), hours=False)
    await charger.async_cycles(NOON + HOUR, NOON + 2 * HOUR)
    await charger.async_check((5, 6), (11, 12), (15, 16))
