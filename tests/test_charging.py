"""Charges of a car are sessions: they have their own records, and their own cost."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
import logging
from math import fsum, isclose
from typing import Any, Final
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    async_capture_events,
    async_fire_time_changed,
    async_mock_service,
)

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.intervals import floor_hour
from custom_components.flatpeak.journal import Journal, JournalError, MeterJournal
from custom_components.flatpeak.sessions import Session, floored
from custom_components.flatpeak.statistics import async_written
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.core import State
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.helpers.recorder import get_instance
from homeassistant.setup import async_setup_component

from .home import CAR, HOUR, Home
from .simulator import Change, Direction, Fault
from .simulator.tariffs import Dynamic, Flat, Tariff
from .simulator.truth import Cost, Energy
from .test_upload import dropping, limited

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
        self.entity_id = CHARGING
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
        """Let time pass in which energy is used, and the sensor come to a state.

        Nothing may be under way meanwhile: minutes without an answer are too long.
        """
        await self.home.async_settle()
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
        self.hass.states.async_set(self.entity_id, state)

    async def async_reload(self, *steps: tuple[float, str]) -> None:
        """Set the home up anew, after states that the integration did not see."""
        entries = self.hass.config_entries
        await entries.async_unload(self.entry.entry_id)
        await self.async_charge(*steps)
        await entries.async_setup(self.entry.entry_id)
        await self.home.async_settle()

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

    @property
    def issues(self) -> list[str]:
        """Return what the user is told about the session entity."""
        return [
            issue.translation_key or ""
            for issue in ir.async_get(self.hass).issues.values()
            if "session" in issue.issue_id
        ]

    async def async_ask(self, **data: Any) -> dict[str, Any]:
        """Call the action that tells what sessions cost."""
        device_id = dr.async_get_device_id_by_identifier(
            self.hass, (DOMAIN, self.device_id), config_entry_id=self.entry.entry_id
        )
        answer = await self.hass.services.async_call(
            DOMAIN,
            "get_session_cost",
            {"device_id": device_id, **data},
            blocking=True,
            return_response=True,
        )
        assert isinstance(answer, dict)
        return answer

    def report(self) -> dict[str, Any]:
        """Return a report of a session of which nothing is processed."""
        return {
            "object_id": self.device_id,
            "tariff_direction": "IMPORT",
            "currency_code": "EUR",
            "energy_units": "WH",
            "data": [],
        }

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
    lines = async_capture_events(charger.hass, "logbook_entry")
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
    cost = session.cost.cost
    assert [line.data for line in lines] == [
        {
            "name": "Ev charger",
            "message": f"session cost {cost:.2f} EUR for {energy:.2f} kWh",
            "domain": "flatpeak",
            "entity_id": event.entity_id,
        }
    ]


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


@pytest.mark.parametrize(
    ("before", "meanwhile", "after"),
    [
        ([], [(12, "on"), (20, "on")], [(38, "off")]),
        ([(12, "on")], [(38, "off"), (41, "off")], []),
        ([], [(12, "on"), (38, "off"), (41, "off")], []),
        ([(12, "on")], [(20, "on")], [(38, "off")]),
        ([(12, "on")], [(20, "unavailable"), (21, "on")], [(38, "off")]),
        ([(12, "on")], [(20, "off"), (22, "on")], [(38, "off")]),
        ([(12, "on"), (38, "off")], [(40, "off")], []),
    ],
)
async def test_while_nobody_looks(
    charger: Charger,
    before: list[tuple[float, str]],
    meanwhile: list[tuple[float, str]],
    after: list[tuple[float, str]],
) -> None:
    """What began or ended while the home was not set up, the recorder knows."""
    await charger.async_begin()
    await charger.async_charge(*before)
    await charger.async_reload(*meanwhile)
    await charger.async_charge(*after)

    await charger.async_cycle(NOON + 46 * MINUTE)

    await charger.async_check((12, 38), hours=False)


@pytest.mark.parametrize(
    "fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.TRUNCATED]
)
async def test_an_answer_that_is_lost(charger: Charger, fault: Fault) -> None:
    """The session keeps its id and its borders over a restart; nothing counts twice."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (38, "off"))
    charger.simulator.faults.next("PUT /meters/interval", fault)
    await charger.async_cycle(NOON + 46 * MINUTE)
    assert charger.entry.runtime_data.journal.doubt is not None
    await charger.async_reload()

    await charger.async_cycle(NOON + 65 * MINUTE)

    await charger.async_check((12, 38))
    assert [each.end for each in charger.records[-3:]] == [
        NOON + 10 * MINUTE,
        NOON + 40 * MINUTE,
        NOON + HOUR,
    ]


async def test_a_record_that_is_lost(charger: Charger) -> None:
    """Only it is sent again, with its id."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (38, "off"))
    [meter] = charger.entry.runtime_data.meters
    charger.simulator.faults.next(
        "PUT /meters/interval",
        dropping(charger.home, meter, NOON + 10 * MINUTE, length=30 * MINUTE),
    )
    await charger.async_cycle(NOON + 46 * MINUTE)
    assert charger.entry.runtime_data.journal.doubt is not None

    await charger.async_cycle(NOON + 125 * MINUTE)

    await charger.async_check((12, 38))


async def test_it_runs_over_midnight(charger: Charger) -> None:
    """While it runs its energy is submitted hourly, with its id."""
    start = NOON + 10 * HOUR
    await charger.async_begin(Dynamic(seed=2, minutes=60), start=start)
    await charger.async_go_to(start + 12 * MINUTE, "on")
    for hour in (1, 2, 3):
        await charger.async_cycle(start + hour * HOUR + 2 * MINUTE)
        [session] = charger.sessions
        assert charger.truth(session)[-1].end == start + hour * HOUR
    assert charger.state("last_session_cost").state == "unknown"
    await charger.async_go_to(start + 3 * HOUR + 8 * MINUTE, "off")

    await charger.async_cycle(start + 3 * HOUR + 16 * MINUTE)

    await charger.async_check((612, 788), hours=False)
    assert len(charger.truth(charger.sessions[0])) == 4


@pytest.mark.parametrize(
    "start",
    [datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)],
)
async def test_it_runs_over_a_clock_change(charger: Charger, start: datetime) -> None:
    """It has each of its minutes once."""
    await charger.async_begin(Dynamic(seed=2, minutes=30), start=start)
    await charger.async_go_to(start + 12 * MINUTE, "on")
    await charger.async_cycles(start + HOUR, start + 5 * HOUR)
    await charger.async_go_to(start + 5 * HOUR + 8 * MINUTE, "off")
    await charger.async_cycles(start + 6 * HOUR, start + 6 * HOUR)

    [session] = charger.sessions
    minutes, end = _minutes(session)
    assert end is not None
    await charger.async_check((minutes, end))
    assert session.border == start + 5 * HOUR + 10 * MINUTE


async def test_an_entity_that_is_renamed(charger: Charger) -> None:
    """It is followed on, and so it is after a restart."""
    await charger.async_begin()
    await charger.async_charge((12, "on"))
    registry = er.async_get(charger.hass)
    registry.async_update_entity(CHARGING, new_entity_id="binary_sensor.wallbox")
    charger.hass.states.async_remove(CHARGING)
    charger.entity_id = "binary_sensor.wallbox"
    await charger.async_charge((13, "on"), (20, "on"))
    await charger.async_reload((22, "on"))
    await charger.async_charge((38, "off"))

    await charger.async_cycle(NOON + 46 * MINUTE)

    await charger.async_check((12, 38), hours=False)


async def test_an_entity_that_is_unavailable_for_hours(charger: Charger) -> None:
    """The session ended with it, the energy goes on, and the user is told."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (28, "unavailable"))
    await charger.async_cycle(NOON + 62 * MINUTE)
    assert _minutes(charger.sessions[0]) == (12, None)
    assert charger.issues == []

    await charger.async_cycle(NOON + 122 * MINUTE)

    await charger.async_check((12, 28))
    assert charger.issues == ["session_entity_unavailable"]
    await charger.async_go_to(NOON + 130 * MINUTE, "off")
    await charger.async_cycle(NOON + 182 * MINUTE)
    await charger.async_check((12, 28))
    assert charger.issues == []


async def test_an_entity_that_is_removed(charger: Charger) -> None:
    """The session ends, the energy goes on, and the user is told, until it is mended."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (28, "on"))
    er.async_get(charger.hass).async_remove(CHARGING)
    charger.hass.states.async_remove(CHARGING)
    await charger.async_cycle(NOON + 62 * MINUTE)
    assert charger.issues == ["session_entity_removed"]
    await charger.async_reload()
    await charger.async_cycle(NOON + 122 * MINUTE)
    await charger.async_check((12, 28))

    await charger.home.async_follow_sessions(
        charger.entry, "switch.other", "Ev charger"
    )

    assert charger.issues == []


async def test_another_entity(charger: Charger) -> None:
    """What the one before has told ends with it; so it does where none is named."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (28, "on"))
    charger.hass.states.async_set("switch.other", "on")
    await charger.home.async_follow_sessions(
        charger.entry, "switch.other", "Ev charger"
    )
    assert [_minutes(each) for each in charger.sessions] == [(12, 28), (28, None)]
    await charger.async_go_to(NOON + 41 * MINUTE)
    [meter] = charger.entry.runtime_data.meters
    subentry = charger.entry.subentries[meter.subentry_id]
    kept = {key: subentry.data[key] for key in subentry.data if "session" not in key}
    charger.hass.config_entries.async_update_subentry(
        charger.entry, subentry, data=kept
    )
    await charger.home.async_settle()

    await charger.async_cycle(NOON + 62 * MINUTE)

    await charger.async_check((12, 28), (28, 41))
    assert charger.known.watch is None


async def test_an_hour_that_has_less_than_was_submitted(charger: Charger) -> None:
    """The debt is carried, and the hours are corrected: each is as the recorder has it."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (38, "off"))
    await charger.async_cycle(NOON + 46 * MINUTE)
    total = fsum(used(NOON - 3 * HOUR, NOON + 40 * MINUTE))
    for hour, change in enumerate((-150, 350)):
        rows = charger.home.rows_of(NOON + hour * HOUR, [total + change])
        charger.home.import_rows(CAR, rows)
    charger.freezer.move_to(NOON + 122 * MINUTE)
    await async_written(charger.hass)

    for _ in range(2):
        await charger.async_cycle()

    assert await charger.home.async_miscounted(charger.entry) == []
    records = [each.energy for each in charger.records if each.start >= NOON]
    assert len(records) == 4
    assert records[3] == pytest.approx(500)
    [session] = charger.sessions
    assert session.cost is not None
    assert session.cost.energy_wh == pytest.approx(records[1])
    charger.simulator.violations.clear()  # A changed duplicate is what a correction is.


async def test_rows_that_are_missing(charger: Charger) -> None:
    """The energy is spread over the hour, and the session says so."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (38, "off"))
    await charger.home.async_forget_short(NOON + 30 * MINUTE)

    await charger.async_cycle(NOON + 62 * MINUTE)

    [session] = charger.sessions
    assert session.is_estimated
    hour = fsum(used(NOON, NOON + HOUR))
    assert [each.energy for each in charger.records[-3:]] == pytest.approx(
        [hour / 6, hour / 2, hour / 3]
    )
    assert session.cost is not None
    assert session.cost.energy_wh == pytest.approx(hour / 2)
    assert charger.state("session", "event").attributes["is_estimated"]
    assert await charger.home.async_miscounted(charger.entry) == []


async def test_energy_that_changes(charger: Charger) -> None:
    """The records of a session keep their borders and their id, and its cost follows."""
    await charger.async_begin(Dynamic(seed=2, minutes=15))
    await charger.async_charge((12, "on"), (38, "off"))
    await charger.async_cycle(NOON + 62 * MINUTE)
    await charger.async_check((12, 38))
    [session] = charger.sessions
    assert session.cost is not None
    before = session.cost
    get_instance(charger.hass).async_adjust_statistics(
        CAR, NOON + 15 * MINUTE, 0.5, "kWh"
    )
    await async_written(charger.hass)

    for _ in range(2):
        await charger.async_cycle()

    assert session.cost.energy_wh == pytest.approx(before.energy_wh + 500)
    assert fsum(each.energy for each in charger.truth(session)) == pytest.approx(
        before.energy_wh + 500
    )
    charger.simulator.violations.clear()  # A changed duplicate is what a correction is.


async def test_prices_that_are_settled_late(charger: Charger) -> None:
    """At night the sessions of the last weeks are asked for again."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (38, "off"))
    await charger.async_cycle(NOON + 62 * MINUTE)
    [session] = charger.sessions
    event = charger.state("session", "event").state
    charger.simulator.account().settle(
        charger.entry.runtime_data.location_id,
        Direction.IMPORT,
        NOON,
        NOON + HOUR,
        Change(add=Decimal("0.1")),
    )
    await charger.async_cycle(NOON + 122 * MINUTE)
    before = session.cost

    await charger.async_cycle(NOON + 15 * HOUR)

    assert session.cost is not None
    assert before is not None
    assert session.cost.cost == pytest.approx(before.cost / 3 * 4)
    assert charger.state("session", "event").state == event


async def test_a_service_that_takes_its_time(
    charger: Charger, virtual_sleep: None
) -> None:
    """A session has its cost once all of it is there, and is asked for until then."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (38, "off"))
    for fault in (
        Fault.answer(404, {}),
        Fault.answer(200, charger.report()),
        Fault.SERVER_ERROR,
    ):
        charger.simulator.faults.next("POST /costs/session/{id}", fault)
    await charger.async_cycle(NOON + 46 * MINUTE)
    assert charger.state("last_session_cost").state == "unknown"

    for minutes in (48, 51):
        charger.freezer.move_to(NOON + minutes * MINUTE)
        async_fire_time_changed(charger.hass)
        await charger.home.async_settle()
    assert charger.sessions[0].cost is None
    assert charger.entry.runtime_data.last_update_success
    await charger.async_cycle(NOON + 62 * MINUTE)

    await charger.async_check((12, 38))
    assert charger.simulator.requests.count("POST /costs/session/{id}") == 4


async def test_the_end_is_noticed(charger: Charger) -> None:
    """A cycle is run as soon as the recorder has all of a session, and no sooner."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (38, "off"))
    for minutes in (40, 45.5, 46.1):
        await charger.async_go_to(NOON + minutes * MINUTE)
        async_fire_time_changed(charger.hass)
        await charger.home.async_settle()
        assert (charger.sessions[0].cost is not None) == (minutes > 46)

    await charger.async_check((12, 38), hours=False)


async def test_a_session_that_is_not_noted(
    charger: Charger, caplog: pytest.LogCaptureFixture
) -> None:
    """What the disk does not take, the recorder knows after a restart."""
    await charger.async_begin()
    with (
        patch.object(Journal, "async_save", side_effect=JournalError),
        caplog.at_level(logging.DEBUG, "custom_components.flatpeak"),
    ):
        await charger.async_charge((12, "on"), (38, "off"))
        await charger.home.async_settle()
    assert "What is new of sessions is not noted" in caplog.text

    await charger.async_reload()
    assert charger.entry.state is ConfigEntryState.LOADED
    await charger.async_cycle(NOON + 62 * MINUTE)

    await charger.async_check((12, 38))


async def test_register_readings_have_no_sessions(charger: Charger) -> None:
    """With them an hour of which a part was submitted ends as intervals."""
    await charger.async_begin()
    await charger.async_charge((12, "on"), (38, "off"))
    await charger.async_cycle(NOON + 46 * MINUTE)
    [meter] = charger.entry.runtime_data.meters
    subentry = charger.entry.subentries[meter.subentry_id]
    charger.hass.config_entries.async_update_subentry(
        charger.entry, subentry, data={**subentry.data, "submit": "readings"}
    )
    await charger.home.async_settle()
    await charger.async_charge((50, "on"))
    await charger.async_cycles(NOON + HOUR, NOON + 3 * HOUR)

    await charger.async_check((12, 38))


async def test_get_session_cost(charger: Charger) -> None:
    """The action answers by id, or with the last ones; nothing is sent for it."""
    await charger.async_begin()
    await charger.async_charge((5, "on"), (17, "off"), (24, "on"), (31, "off"))
    await charger.async_cycle(NOON + 46 * MINUTE)
    await charger.async_charge((50, "on"))
    before = len(charger.simulator.requests.latest)

    last = await charger.async_ask()
    three = await charger.async_ask(last=3)
    first = await charger.async_ask(session_id=three["sessions"][0]["session_id"])
    with pytest.raises(ServiceValidationError, match="No session with this ID"):
        await charger.async_ask(session_id="session")

    assert len(charger.simulator.requests.latest) == before
    assert [each["status"] for each in three["sessions"]] == [
        "priced", "priced", "running",
    ]  # fmt: skip
    assert last["sessions"] == three["sessions"][2:]
    assert first["sessions"] == three["sessions"][:1]
    assert (await charger.async_ask(last=0))["sessions"] == []
    session = charger.sessions[0]
    assert session.cost is not None
    assert first == {
        "time_zone": "Europe/Berlin",
        "sessions": [
            {
                "session_id": session.session_id(charger.device_id),
                "name": "Ev charger",
                "start": "2026-11-24T13:05:00+01:00",
                "end": "2026-11-24T13:17:00+01:00",
                "status": "priced",
                "energy": session.cost.energy_wh / 1000,
                "cost": session.cost.cost,
                "average_price": session.cost.average_price,
                "currency": "EUR",
                "is_estimated": False,
            }
        ],
    }
    assert last["sessions"][0]["end"] is None
    assert last["sessions"][0]["cost"] is None


async def test_a_trigger_of_automations(charger: Charger) -> None:
    """An automation on the device of the meter is run when a session is priced."""
    await charger.async_begin()
    device_id = dr.async_get_device_id_by_identifier(
        charger.hass,
        (DOMAIN, charger.device_id),
        config_entry_id=charger.entry.entry_id,
    )
    notified = async_mock_service(charger.hass, "notify", "phone")
    assert await async_setup_component(
        charger.hass,
        "automation",
        {
            "automation": {
                "triggers": {
                    "trigger": "event.received",
                    "target": {"device_id": device_id},
                    "options": {"event_type": ["priced"]},
                },
                "actions": {
                    "action": "notify.phone",
                    "data": {"message": "{{ trigger.to_state.attributes.cost }}"},
                },
            }
        },
    )
    await charger.async_charge((12, "on"), (38, "off"))

    await charger.async_cycle(NOON + 46 * MINUTE)

    [call] = notified
    [session] = charger.sessions
    assert session.cost is not None
    assert float(call.data["message"]) == pytest.approx(session.cost.cost)


async def test_more_sessions_than_fit_into_a_submission(charger: Charger) -> None:
    """After a long time without the home an hour is submitted at a time."""
    await charger.async_begin(pause=0)
    steps = [(n, "on" if n % 20 else "off") for n in range(10, 130, 10)]

    with limited(MAX_BATCH_RECORDS=5):
        await charger.async_reload(*steps, (122, "off"))
        await charger.async_cycle()

    await charger.async_check(*((n, n + 10.0) for n in range(10, 120, 20)))
