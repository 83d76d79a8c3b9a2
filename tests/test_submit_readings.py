"""A meter may tell its energy by readings: every watt-hour counts once all the same."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import fsum
from typing import Any, Final

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.intervals import floor_hour
from custom_components.flatpeak.statistics import async_written
from homeassistant.config_entries import SOURCE_USER, ConfigEntry
from homeassistant.helpers import issue_registry as ir

from .flows.steps import async_finish, async_to_meters
from .home import CAR, HOUR, Home
from .simulator import Direction, Fault, Flat
from .simulator.tariffs import Dynamic
from .simulator.truth import Energy

pytestmark = pytest.mark.usefixtures("polite")

HEATER: Final = "sensor.heater"
NOW: Final = datetime(2026, 3, 10, 12, 20, tzinfo=UTC)
UNTIL: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY: Final = timedelta(days=1)

READINGS: Final = "PUT /meters/cumulative/epoch"
INTERVALS: Final = "PUT /meters/interval"

type Change = float | None


class Car:
    """A home with the meter of a car whose hours are in the hands of the test."""

    entry: ConfigEntry[Any]

    def __init__(self, home: Home, freezer: FrozenDateTimeFactory) -> None:
        """Take the home and its clock."""
        self.home = home
        self.simulator = home.simulator
        self._freezer = freezer

    async def async_begin(
        self, hours: int = 3, *, submit: str = "readings", flow: str = "consumption"
    ) -> None:
        """Set the home up, and add the meter after so many hours of energy."""
        self._freezer.move_to(NOW)
        self.home.add_sensor(CAR)
        self._energy = [100.0 + hour % 7 / 8 for hour in range(hours)]
        await self.home.async_record(CAR, UNTIL - hours * HOUR, self._energy)
        shown = await async_to_meters(self.home)
        self.entry = await async_finish(self.home, shown, [])
        await self.async_add(CAR, flow, submit)

    async def async_add(self, statistic_id: str, flow: str, submit: str) -> None:
        """Add a meter."""
        subentries = self.home.hass.config_entries.subentries
        added = await subentries.async_init(
            (self.entry.entry_id, "meter"), context={"source": SOURCE_USER}
        )
        answers = {"statistic_id": statistic_id, "flow": flow, "history": "30_days"}
        added = await subentries.async_configure(
            added["flow_id"], answers | {"submit": submit}
        )
        assert added["type"] == "create_entry"
        await self.home.async_settle()

    async def async_submit_as(self, submit: str) -> None:
        """Choose as what the energy is submitted from now on."""
        [meter] = self.entry.subentries.values()
        self.home.hass.config_entries.async_update_subentry(
            self.entry, meter, data={**meter.data, "submit": submit}
        )
        await self.home.async_settle()

    async def async_use(self, *energy: Change) -> bool:
        """Let hours pass in which the car is charged, and run a cycle."""
        begin = floor_hour(datetime.now(UTC))
        self._freezer.tick(len(energy) * HOUR)
        await self.home.async_record(CAR, begin, energy)
        return await self.async_cycle()

    async def async_adjust(self, hours: Mapping[int, float]) -> None:
        """Change the energy of some of the first hours by so many Wh."""
        rows = [
            change + hours.get(number, 0.0)
            for number, change in enumerate(self._energy)
        ]
        start = UNTIL - len(rows) * HOUR
        self.home.import_rows(CAR, self.home.rows_of(start, rows))
        await async_written(self.home.hass)

    async def async_cycle(self, *, later: timedelta = timedelta()) -> bool:
        """Run a cycle, return whether it went well."""
        self._freezer.tick(later)
        await self.entry.runtime_data.async_refresh()
        await self.home.async_settle()
        success: bool = self.entry.runtime_data.last_update_success
        return success

    @property
    def journal(self) -> Any:
        """Return what is known of the meter."""
        [journal] = self.entry.runtime_data.journal.meters.values()
        return journal

    @property
    def records(self) -> list[Energy]:
        """Return what Flatpeak has, in order of time."""
        [meter] = self.entry.runtime_data.meters
        return self.simulator.truth(meter.device_id).records()

    @property
    def lengths(self) -> list[int]:
        """Return of how many hours the records are."""
        return [(record.end - record.start) // HOUR for record in self.records]

    @property
    def submissions(self) -> tuple[int, int]:
        """Return how often intervals and readings were submitted."""
        count = self.simulator.requests.count
        return count(INTERVALS), count(READINGS)

    @property
    def repairs(self) -> dict[str, dict[str, str]]:
        """Return what the user is told."""
        return {
            issue.translation_key or "": dict(issue.translation_placeholders or {})
            for (domain, _), issue in ir.async_get(self.home.hass).issues.items()
            if domain == DOMAIN and issue.active
        }

    async def async_check(self) -> None:
        """Check that all energy counts once, and what it costs."""
        recorded = await self.home.async_rows(CAR)
        assert fsum(each.energy for each in self.records) == pytest.approx(
            fsum(row["change"] for row in recorded), rel=1e-9
        )
        await self.async_check_costs()

    async def async_check_costs(self) -> None:
        """Check that no instant counts twice, and what all energy costs."""
        assert all(one.end <= other.start for one, other in pairwise(self.records))
        [meter] = self.entry.runtime_data.meters
        days = self.simulator.truth(meter.device_id).days()
        costs = await self.home.async_rows(meter.cost_statistic_id)
        assert fsum(row["change"] for row in costs) == pytest.approx(
            fsum(float(day.reported_cost) for day in days), rel=1e-9
        )
        assert not self.repairs.keys() & {"energy_differs", "readings_differ"}

    async def async_check_hours(self) -> None:
        """Check that each hour counts once."""
        await self.async_check()
        assert await self.home.async_miscounted(self.entry) == []


@pytest.fixture
def car(home: Home, freezer: FrozenDateTimeFactory) -> Car:
    """Return a home that is not set up yet."""
    return Car(home, freezer)


async def test_readings(car: Car) -> None:
    """Fresh hours are told by readings, one by one; the cost follows as ever."""
    await car.async_begin()
    assert car.submissions == (0, 1)
    assert car.lengths == [1, 1, 1]

    assert await car.async_use(250.5)
    assert await car.async_use(0.0)
    assert await car.async_use(1 / 3, 7.0)
    assert await car.async_cycle()

    assert car.submissions == (0, 4)
    assert car.lengths == [1] * 7
    await car.async_check_hours()
    [meter] = car.entry.runtime_data.meters
    costs = car.entry.runtime_data.data.meters[meter.device_id]
    assert costs.energy_since(UNTIL + HOUR) is None
    assert costs.energy_since(UNTIL - DAY) == pytest.approx(
        fsum(each.energy for each in car.records)
    )


@pytest.mark.parametrize(
    ("flow", "direction"),
    [("grid_export", Direction.EXPORT), ("local_generation", Direction.LOCAL)],
)
async def test_readings_of_other_energy(
    car: Car, flow: str, direction: Direction
) -> None:
    """They say which way the energy goes, and what price it has."""
    await car.async_begin(flow=flow)

    [meter] = car.entry.runtime_data.meters
    assert len(car.simulator.truth(meter.device_id, direction).records()) == 3
    assert car.records == []
    assert await car.home.async_miscounted(car.entry) == []


async def test_history(car: Car) -> None:
    """What is older than the first reading is told by intervals."""
    await car.async_begin(24 * 40)

    assert car.submissions == (1, 1)
    assert car.lengths == [1] * 24 * 30
    await car.async_check_costs()
    recorded = await car.home.async_rows(CAR, UNTIL - 30 * DAY)
    assert fsum(each.energy for each in car.records) == pytest.approx(
        fsum(row["change"] for row in recorded), rel=1e-9
    )


async def test_prices_that_change_inside_the_hour(car: Car) -> None:
    """Readings are taken at full hours all the same."""
    await car.async_begin()
    car.simulator.account().connect(
        car.entry.runtime_data.location_id, Direction.IMPORT, Dynamic(minutes=30)
    )
    assert await car.async_cycle()
    assert car.entry.runtime_data.journal.slot_minutes == 30
    await car.home.async_record_short(CAR, UNTIL, map(float, range(24)))

    assert await car.async_cycle(later=2 * HOUR)

    assert car.submissions == (0, 2)
    assert car.lengths == [1] * 5
    await car.async_check_hours()


async def test_switching(car: Car) -> None:
    """However often it is switched, nothing is lost and nothing counts twice."""
    await car.async_begin(submit="intervals")
    for number, submit in enumerate(
        ["readings", "intervals", "readings", "readings", "intervals", "readings"]
    ):
        await car.async_submit_as(submit)
        assert await car.async_use(*[0.0] * (number == 2), 10.0 * number, 0.5)
        await car.async_check_hours()

    assert set(car.lengths) == {1}
    assert len(car.journal.registers) == 3
    assert all(
        one.register_wh > other.register_wh
        for one, other in pairwise(car.journal.registers)
    )


async def test_switching_before_there_is_energy(car: Car) -> None:
    """A register that has told nothing begins anew below what it showed."""
    await car.async_begin()
    for submit in ("intervals", "readings", "intervals", "readings"):
        assert await car.async_use(0.0)
        await car.async_submit_as(submit)

    assert await car.async_use(5.0)
    await car.async_check_hours()


async def test_gap(car: Car) -> None:
    """The reading after a gap tells the energy of the gap."""
    await car.async_begin()

    assert await car.async_use(None, None, 90.0, 7.0)

    assert car.lengths == [1, 1, 1, 3, 1]
    await car.async_check()


async def test_energy_that_runs_backwards(car: Car) -> None:
    """The register waits until as much is used again: it never goes back."""
    await car.async_begin()

    assert await car.async_use(50.0, -80.0, 20.0, 40.0, 5.0)
    assert await car.async_use(21.0)

    assert [each.energy for each in car.records][3:] == pytest.approx(
        [50.0, 0.0, 0.0, 0.0, 0.0, 6.0]
    )
    await car.async_check()


async def test_statistic_that_begins_anew(car: Car) -> None:
    """The register goes on, whatever the recorder counts from."""
    await car.async_begin()
    await car.home.async_clear(CAR)

    assert await car.async_use(None, 8.0, 9.0)

    assert [each.energy for each in car.records][3:] == pytest.approx([0.0, 8.0, 9.0])
    assert car.lengths[3:] == [1, 1, 1]


async def test_refused_reading(car: Car) -> None:
    """It is told again in the next cycle."""
    await car.async_begin()
    car.simulator.faults.next(READINGS, Fault.partly_failed(1))

    assert await car.async_use(50.0)
    assert [each.interval.energy_wh for each in car.journal.refusals] == [50.0]
    assert car.journal.refusals[0].reason == "This record cannot be taken now."
    assert await car.async_cycle()

    assert car.journal.refusals == []
    assert car.submissions == (0, 3)
    await car.async_check_hours()


async def test_reading_that_is_refused_for_long(car: Car) -> None:
    """The next one that is taken tells all of it; until then the user is told."""
    await car.async_begin()
    car.simulator.faults.next(READINGS, *[Fault.partly_failed(1)] * 7)
    for _ in range(3):
        assert await car.async_use(50.0)
    assert car.entry.runtime_data.records_waiting == 2
    assert await car.async_cycle(later=DAY)
    assert (
        car.repairs["records_refused"]["reason"] == "This record cannot be taken now."
    )

    assert await car.async_use(*[None] * 25, 4.0)

    assert "records_refused" not in car.repairs
    assert car.journal.refusals == []
    await car.async_check()


@pytest.mark.parametrize("refused", [2, 3, 4])
async def test_readings_of_which_some_are_refused(car: Car, refused: int) -> None:
    """The next one tells their energy; what no reading tells is told by intervals."""
    car.simulator.faults.next(READINGS, *[Fault.partly_failed(refused)] * 2)
    await car.async_begin(8)
    assert car.journal.refusals

    assert await car.async_use(3.0, 2.0, 1.0)
    assert await car.async_cycle()

    assert car.journal.refusals == []
    await car.async_check()


async def test_refused_reading_and_a_switch(car: Car) -> None:
    """What was refused is told in the other way."""
    await car.async_begin()
    car.simulator.faults.next(READINGS, Fault.partly_failed(1))
    assert await car.async_use(50.0)

    await car.async_submit_as("intervals")
    assert car.journal.refusals == []
    await car.async_check_hours()

    car.simulator.faults.next(INTERVALS, Fault.partly_failed(1))
    assert await car.async_use(60.0)
    await car.async_submit_as("readings")
    assert await car.async_use(70.0)
    await car.async_check_hours()


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
@pytest.mark.parametrize("energy", [[40.0, 0.0], [0.0, 0.0], [0.0, 40.0]])
@pytest.mark.parametrize("is_switched", [False, True])
async def test_answer_that_is_lost(
    car: Car, fault: Fault, energy: list[float], *, is_switched: bool
) -> None:
    """The same readings are sent again where they are not there, whatever is chosen now."""
    await car.async_begin(submit="intervals")
    await car.async_submit_as("readings")
    car.simulator.faults.next(READINGS, fault)

    assert not await car.async_use(*energy)
    if is_switched:
        await car.async_submit_as("intervals")
    assert await car.async_cycle(later=timedelta(minutes=16))

    assert await car.async_use(70.0)
    await car.async_check_hours()


async def test_readings_hold_up_no_other_meter(car: Car) -> None:
    """Energy in intervals is there, whatever becomes of readings."""
    await car.async_begin()
    car.home.add_sensor(HEATER)
    await car.home.async_record(HEATER, UNTIL - HOUR, [10.0])
    await car.async_add(HEATER, "consumption", "intervals")
    intervals, readings = car.submissions
    await car.home.async_record(HEATER, UNTIL, [20.0])
    car.simulator.faults.next(READINGS, Fault.SERVER_ERROR)

    assert not await car.async_use(40.0)

    assert car.submissions == (intervals + 1, readings + 1)


async def test_answers_that_are_lost_without_a_tariff(car: Car) -> None:
    """Where no report can tell they are sent again, and count nothing twice."""
    await car.async_begin()
    location_id = car.entry.runtime_data.location_id
    account = car.simulator.account()
    car.simulator.faults.next(READINGS, Fault.RESET_AFTER)
    assert not await car.async_use(40.0)

    account.disconnect(location_id, Direction.IMPORT)
    await car.async_cycle(later=timedelta(minutes=16))
    assert car.submissions == (0, 3)
    account.connect(location_id, Direction.IMPORT, Flat(price=Decimal("0.3")))
    assert await car.async_cycle(later=timedelta(minutes=16))

    await car.async_check_hours()


async def test_change_of_the_past(car: Car) -> None:
    """It is not sent, but told: another reading would move all energy after it too."""
    await car.async_begin(24 * 5)
    records = [each.energy for each in car.records]
    before = car.submissions
    await car.async_adjust({24 * 5 - 10: 5000.0})

    assert await car.async_cycle()
    assert await car.async_cycle()

    assert car.submissions == before
    assert [each.energy for each in car.records] == records
    told = car.repairs["readings_differ"]
    assert told["day"] == "2026-03-10"
    assert float(told["submitted"]) == pytest.approx(float(told["reported"]) + 5)
    assert "corrections_stopped" not in car.repairs

    [meter] = car.entry.runtime_data.meters
    [resubmission] = await car.entry.runtime_data.async_resubmit(
        [meter], UNTIL - DAY, UNTIL, dry_run=False
    )
    assert len(resubmission.differences) == 1
    assert resubmission.sent == 0
    assert car.submissions == before


async def test_change_that_is_undone(car: Car) -> None:
    """Then there is nothing to tell any more."""
    await car.async_begin(24 * 5)
    for hours, is_told in (({24 * 5 - 10: 5000.0}, True), ({}, False)):
        await car.async_adjust(hours)
        assert await car.async_cycle()
        assert await car.async_cycle()
        assert ("readings_differ" in car.repairs) is is_told


async def test_change_before_the_first_reading(car: Car) -> None:
    """What was told by intervals is corrected."""
    await car.async_begin(24 * 5)
    before = car.submissions
    await car.async_adjust({24 * 5 - 60: 500.0})

    assert await car.async_cycle()

    assert car.submissions == (before[0] + 1, before[1])
    assert await car.async_cycle()
    await car.async_check_hours()
    car.simulator.violations.clear()  # A correction is a changed duplicate.
