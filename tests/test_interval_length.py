"""Records are as long as prices do not change, and never over the same instant."""

from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from math import fsum
from typing import Any, Final
from unittest.mock import patch
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.corrections import submitted_intervals
from custom_components.flatpeak.intervals import EnergyInterval, EnergyRow, floor_hour
from custom_components.flatpeak.journal import MeterJournal, Refusal, Split, Stretch
from homeassistant.components.recorder import statistics as recorder_statistics
from homeassistant.config_entries import ConfigEntry
from homeassistant.helpers.recorder import get_instance

from .home import CAR, HOUR, Home
from .simulator import Direction, Fault
from .simulator.tariffs import Dynamic, Flat, Tariff
from .simulator.truth import Energy
from .test_upload import dropping, limited

pytestmark = pytest.mark.usefixtures("polite")

NOW: Final = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
HALF_HOUR: Final = timedelta(minutes=30)
QUARTER: Final = timedelta(minutes=15)
DAY: Final = timedelta(days=1)
FLAT: Final = Flat(price=Decimal("0.3"))

PERIODS: Final = "custom_components.flatpeak.statistics.statistics_during_period"


def used(hours: int) -> list[float]:
    """Return energy of five minutes each that repeats in no simple way."""
    return [float(number * 7919 % 83) for number in range(12 * hours)]


class Car:
    """A home with an electric car whose energy is recorded every five minutes."""

    entry: ConfigEntry[Any]

    def __init__(self, home: Home, freezer: FrozenDateTimeFactory) -> None:
        """Take the home and its clock."""
        self.home = home
        self.simulator = home.simulator
        self._freezer = freezer

    async def async_begin(
        self,
        tariff: Tariff | None,
        *,
        hours: int = 30,
        hourly: int = 0,
        now: datetime = NOW,
    ) -> None:
        """Set the home up after so many hours of energy, the first ones without slots."""
        self._freezer.move_to(now)
        self.simulator.account().first_tariff = tariff
        self.home.add_sensor(CAR)
        first = floor_hour(now) - hours * HOUR
        await self.home.async_record(CAR, first - hourly * HOUR, [500.0] * hourly)
        await self.home.async_record_short(CAR, first, used(hours))
        await self.home.async_show(devices=[CAR])
        self.entry = await self.home.async_set_up(
            history="30_days", tariff="market" if tariff else "later"
        )

    async def async_use(self, hours: int = 1) -> None:
        """Let hours pass in which the car is charged, and run a cycle."""
        begin = floor_hour(datetime.now(UTC))
        self._freezer.tick(hours * HOUR)
        await self.home.async_record_short(CAR, begin, used(hours))
        await self.async_cycle()

    async def async_cycle(self, *, later: timedelta = timedelta()) -> None:
        """Run a cycle."""
        self._freezer.tick(later)
        await self.entry.runtime_data.async_refresh()
        await self.home.async_settle()

    def connect(self, tariff: Tariff) -> None:
        """Give the home another tariff."""
        location_id = self.entry.runtime_data.location_id
        self.simulator.account().connect(location_id, Direction.IMPORT, tariff)

    async def async_choose(self, interval_length: str) -> None:
        """Choose how long records are."""
        options = self.home.hass.config_entries.options
        flow: Any = await options.async_init(self.entry.entry_id)
        await options.async_configure(
            flow["flow_id"],
            {"link_dashboard": False, "interval_length": interval_length},
        )
        await self.home.async_settle()

    async def async_adjust(self, start: datetime, kwh: float) -> None:
        """Add energy to the first five minutes of an hour, as a user can."""
        get_instance(self.home.hass).async_adjust_statistics(CAR, start, kwh, "kWh")
        await self.home.async_settle()

    @property
    def records(self) -> list[Energy]:
        """Return what Flatpeak has, in order of time."""
        [meter] = self.entry.runtime_data.meters
        return self.simulator.truth(meter.device_id).records()

    @property
    def submissions(self) -> int:
        """Return how often records were submitted."""
        return self.simulator.requests.count("PUT /meters/interval")

    def lengths(self, start: datetime | None = None) -> set[timedelta]:
        """Return how long the records from an instant on are."""
        return {
            record.end - record.start
            for record in self.records
            if start is None or record.start >= start
        }

    async def async_check(self) -> None:
        """Check that each hour counts once, and what it costs."""
        assert self.entry.runtime_data.last_update_success
        assert await self.home.async_miscounted(self.entry) == []
        assert all(one.end <= other.start for one, other in pairwise(self.records))
        [meter] = self.entry.runtime_data.meters
        days = self.simulator.truth(meter.device_id).days()
        rows = await self.home.async_rows(meter.cost_statistic_id)
        assert fsum(row["change"] for row in rows) == pytest.approx(
            fsum(float(day.reported_cost) for day in days), rel=1e-9
        )


@pytest.fixture
def car(home: Home, freezer: FrozenDateTimeFactory) -> Car:
    """Return a home that is not set up yet."""
    return Car(home, freezer)


@pytest.fixture
def periods() -> Generator[list[str]]:
    """Return what kinds of rows are read from the recorder."""
    found = []
    read = recorder_statistics.statistics_during_period

    def note(*args: Any) -> Any:
        """Note the kind, and read."""
        found.append(args[4])
        return read(*args)

    with patch(PERIODS, note):
        yield found


@pytest.mark.parametrize("minutes", [30, 15])
async def test_prices_that_change_inside_the_hour(car: Car, minutes: int) -> None:
    """From the first record on, each lies under one price, and costs it exactly."""
    await car.async_begin(Dynamic(minutes=minutes))

    length = timedelta(minutes=minutes)
    assert car.lengths() == {length}
    assert [record.energy for record in car.records] == pytest.approx(
        [
            fsum(used(30)[number : number + minutes // 5])
            for number in range(0, 12 * 30, minutes // 5)
        ]
    )
    await car.async_check()

    await car.async_use(2)
    assert car.lengths() == {length}
    await car.async_check()


async def test_prices_of_hours(car: Car, periods: list[str]) -> None:
    """Records are hours then, and nothing finer is read."""
    await car.async_begin(Dynamic(minutes=60))

    assert car.lengths() == {HOUR}
    assert "hour" in periods
    assert "5minute" not in periods
    await car.async_check()


async def test_without_prices(car: Car) -> None:
    """Records are hours, and are not held up."""
    await car.async_begin(None)

    assert car.lengths() == {HOUR}
    assert len(car.records) == 30
    assert car.entry.runtime_data.journal.slot_minutes is None


async def test_prices_that_are_not_to_be_had_now(car: Car) -> None:
    """What was known of them before still holds, also after a restart."""
    await car.async_begin(Dynamic())
    location_id = car.entry.runtime_data.location_id
    car.simulator.account().disconnect(location_id, Direction.IMPORT)
    hass = car.home.hass
    await hass.config_entries.async_reload(car.entry.entry_id)
    await car.home.async_settle()

    await car.async_use(2)

    assert car.lengths() == {HALF_HOUR}
    assert len(car.records) == 64


async def test_a_tariff_that_changes(car: Car) -> None:
    """Records follow it, hour by hour: no two lie over the same instant."""
    await car.async_begin(Dynamic())
    for tariff, length in (
        (FLAT, HOUR),
        (Dynamic(minutes=15), QUARTER),
        (Dynamic(minutes=30), HALF_HOUR),
    ):
        car.connect(tariff)
        await car.async_use()
        before = floor_hour(datetime.now(UTC))
        await car.async_use(3)
        assert car.lengths(before) == {length}
    await car.async_check()


async def test_a_length_that_is_chosen(car: Car) -> None:
    """It applies at once to what is uploaded from then on, whatever the tariff is."""
    await car.async_begin(FLAT)
    assert car.lengths() == {HOUR}
    for choice, length in (("15", QUARTER), ("60", HOUR), ("auto", HOUR)):
        await car.async_choose(choice)
        assert car.entry.options["interval_length"] == choice
        before = floor_hour(datetime.now(UTC))
        await car.async_use(2)
        assert car.lengths(before) == {length}
    await car.async_check()


async def test_history_has_slots_where_the_recorder_has(
    car: Car, periods: list[str]
) -> None:
    """What is older is hours. Each submission holds what it may, of all slots too."""
    with limited(MAX_BATCH_RECORDS=100):
        await car.async_begin(Dynamic(minutes=15), hours=4 * 24, hourly=10 * 24)

    border = floor_hour(NOW) - 4 * DAY
    # The energy of the very first five minutes is that since a row that is not there.
    assert car.lengths(border + HOUR) == {QUARTER}
    assert {r.end - r.start for r in car.records if r.start <= border} == {HOUR}
    assert len(car.records) == 4 * (4 * 24 - 1) + 10 * 24 + 1
    assert periods.count("5minute") <= 24
    await car.async_check()


async def test_an_hour_that_stays_whole(car: Car) -> None:
    """The recorder lacks some of its rows, as after a restart."""
    await car.async_begin(Dynamic())
    begin = floor_hour(datetime.now(UTC))
    await car.home.async_record(CAR, begin, [321.0])
    await car.async_cycle(later=HOUR)
    await car.async_use(2)

    # So does the next one: its first row holds the energy since the last one.
    assert [r.end - r.start for r in car.records if r.start >= begin] == [
        HOUR,
        HOUR,
        HALF_HOUR,
        HALF_HOUR,
    ]
    await car.async_check()


async def test_a_statistic_without_an_entity(
    home: Home, freezer: FrozenDateTimeFactory, periods: list[str]
) -> None:
    """It has only hours."""
    freezer.move_to(NOW)
    home.simulator.account().first_tariff = Dynamic()
    await home.async_record("meter:car", floor_hour(NOW) - 5 * HOUR, [10.0] * 5)
    await home.async_show(devices=["meter:car"])
    entry = await home.async_set_up(history="30_days")

    assert await home.async_miscounted(entry) == []
    assert "5minute" not in periods


async def test_a_slot_that_was_lost(car: Car) -> None:
    """Only it is sent again, and its hour keeps its borders when it is corrected."""
    await car.async_begin(Dynamic())
    begin = floor_hour(datetime.now(UTC))
    [meter] = car.entry.runtime_data.meters
    car.simulator.faults.next(
        "PUT /meters/interval",
        dropping(car.home, meter, begin + HALF_HOUR, length=HALF_HOUR),
    )
    await car.async_use(3)
    before = car.submissions
    await car.async_cycle(later=2 * HOUR)
    assert car.submissions == before + 1
    assert car.lengths(begin) == {HALF_HOUR}

    await car.async_adjust(begin, 0.12)
    await car.async_adjust(begin + 2 * HOUR, 0.36)
    await car.async_cycle()
    await car.async_cycle()

    assert car.lengths() == {HALF_HOUR}
    car.simulator.violations.clear()
    await car.async_check()


async def test_a_change_while_slots_are_known(car: Car) -> None:
    """The slot that has changed is submitted again in its place, with its hour."""
    await car.async_begin(Dynamic(minutes=15))
    start = floor_hour(NOW) - 20 * HOUR
    energy = {record.start: record.energy for record in car.records}
    before = car.submissions
    await car.async_adjust(start, 0.25)

    await car.async_cycle()

    energy[start] += 250.0
    assert {r.start: r.energy for r in car.records} == pytest.approx(energy)
    assert car.submissions == before + 1
    car.simulator.violations.clear()  # A changed duplicate is what a correction is.

    await car.async_cycle()
    await car.async_check()
    assert car.submissions == before + 1


async def test_slots_that_are_purged(car: Car) -> None:
    """That is no change. An hour that does change keeps its borders, spread evenly."""
    await car.async_begin(Dynamic(minutes=15))
    before = car.submissions
    await car.home.async_forget_short(NOW)
    await car.async_cycle(later=12 * DAY)
    assert car.submissions == before

    start = floor_hour(NOW) - 20 * HOUR
    whole = fsum(r.energy for r in car.records if start <= r.start < start + HOUR)
    await car.async_adjust(start, 0.25)
    await car.async_cycle(later=DAY)

    assert [r.energy for r in car.records if start <= r.start < start + HOUR] == (
        pytest.approx([(whole + 250.0) / 4] * 4)
    )
    assert car.lengths() == {QUARTER}
    assert car.submissions == before + 1
    car.simulator.violations.clear()
    await car.async_cycle(later=DAY)
    await car.async_check()
    assert car.submissions == before + 1


async def test_split_hours_that_are_changed_long_after(car: Car) -> None:
    """What is not remembered by day any more has the borders that it had."""
    await car.async_begin(Dynamic(minutes=15))
    await car.home.async_forget_short(NOW)
    start = floor_hour(NOW) - 20 * HOUR
    await car.async_adjust(start, 0.25)
    await car.async_cycle(later=60 * DAY)
    before = car.submissions

    await car.home.hass.services.async_call(
        "flatpeak", "sync", {"since": (NOW - 3 * DAY).isoformat()}, blocking=True
    )
    await car.home.async_settle()

    assert car.submissions == before + 1
    assert car.lengths() == {QUARTER}
    car.simulator.violations.clear()
    assert await car.home.async_miscounted(car.entry) == []


async def test_slots_that_flatpeak_rounds(car: Car) -> None:
    """Rounded slots are no difference, though their energy is not known any more."""
    car.simulator.settings.whole_watt_hours = True
    await car.async_begin(Dynamic(minutes=15))
    await car.async_choose("15")
    begin = floor_hour(datetime.now(UTC))
    await car.home.async_record_short(CAR, begin, [0.46] * 12 * 24)
    await car.async_cycle(later=DAY)
    await car.home.async_forget_short(begin + 2 * DAY)
    before = car.submissions
    await car.async_adjust(begin + HOUR, 0.5)

    await car.async_cycle(later=HOUR)

    assert car.submissions == before + 1
    counted = [r.energy for r in car.records if r.start >= begin + HOUR][:8]
    assert counted == [126.0] * 4 + [1.0] * 4
    car.simulator.violations.clear()


async def test_other_slots_within_an_hour(car: Car) -> None:
    """Only the energy of hours is compared: how it lay within was submitted once."""
    await car.async_begin(Dynamic(minutes=15))
    before, start = car.submissions, floor_hour(NOW) - 20 * HOUR
    energy = {record.start: record.energy for record in car.records}
    moved = start + 3 * HOUR + HALF_HOUR
    await car.home.async_change_short(CAR, moved, fsum(used(30)[: 12 * 13 + 6]) / 1000)
    await car.async_cycle()
    assert car.submissions == before

    await car.async_adjust(start, 0.1)
    await car.async_cycle()

    energy[start] += 100.0
    assert car.submissions == before + 1
    assert {r.start: r.energy for r in car.records} == pytest.approx(energy)
    car.simulator.violations.clear()


async def test_a_lost_correction_of_a_split_hour(car: Car) -> None:
    """It is found again."""
    await car.async_begin(Dynamic())
    await car.async_adjust(floor_hour(NOW) - 20 * HOUR, 0.25)
    car.simulator.faults.next("PUT /meters/interval", Fault.RESET_BEFORE)
    for _ in range(3):
        await car.async_cycle(later=HOUR)

    assert car.lengths() == {HALF_HOUR}
    car.simulator.violations.clear()
    await car.async_check()


@pytest.mark.parametrize(
    ("zone", "now", "minutes"),
    [
        ("Europe/London", datetime(2026, 3, 30, 12, 30, tzinfo=UTC), 30),
        ("Europe/Berlin", datetime(2026, 10, 26, 12, 30, tzinfo=UTC), 15),
        ("Australia/Lord_Howe", datetime(2026, 4, 6, 4, 30, tzinfo=UTC), 30),
        ("Australia/Lord_Howe", datetime(2026, 10, 5, 4, 30, tzinfo=UTC), 15),
        ("Asia/Kolkata", NOW, 30),
    ],
)
async def test_days_of_every_length(
    car: Car, zone: str, now: datetime, minutes: int
) -> None:
    """Every slot counts once on the days on which clocks change, and off the hour."""
    car.simulator.account().time_zone = ZoneInfo(zone)
    await car.async_begin(Dynamic(minutes=minutes), hours=44, now=now)

    assert car.lengths() == {timedelta(minutes=minutes)}
    assert len(car.records) == 44 * 60 // minutes
    await car.async_check()
    await car.async_use()
    await car.async_check()


def test_an_hour_of_which_a_part_is_refused() -> None:
    """The rest of it counts; when all of it is refused, nothing does."""
    start = floor_hour(NOW)
    quarters = [
        EnergyInterval(start=begin, end=begin + QUARTER, energy_wh=25.0)
        for begin in (start + HOUR + number * QUARTER for number in range(4))
    ]
    known = MeterJournal(
        wanted=start,
        fresh=Stretch(start=start, position=start + 3 * HOUR),
        splits=[Split(start=start + HOUR, end=start + 2 * HOUR, minutes=(15, 30, 45))],
    )
    rows = [
        EnergyRow(start=start + number * HOUR, change_wh=100.0, is_first=False)
        for number in range(3)
    ]

    for refused, expected in (
        (quarters[:0], [100.0, 100.0, 100.0]),
        (quarters[:1], [100.0, 75.0, 100.0]),
        (quarters, [100.0, 100.0]),
    ):
        known.refusals = [
            Refusal(interval=each, reason="no", since=NOW) for each in refused
        ]
        found = submitted_intervals(known, rows, start)
        assert [each.energy_wh for each in found] == expected
