"""The recorder, on a file: energy is read from it, costs are written into it."""

import asyncio
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import fsum, isclose
from random import Random
import re
import threading
from typing import Any, Final, override
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from sqlalchemy import event

from custom_components.flatpeak.intervals import EnergyRow
from custom_components.flatpeak.statistics import (
    CostStatistic,
    async_clear_costs,
    async_create_costs,
    async_energy_statistics,
    async_first_start,
    async_other_currencies,
    async_read_energy,
    async_read_short,
    async_short_start,
    async_write_costs,
    async_written,
)
from homeassistant.components.recorder import Recorder
from homeassistant.components.recorder.models import StatisticData
from homeassistant.components.recorder.statistics import (
    async_list_statistic_ids,
    get_metadata,
)
from homeassistant.components.recorder.tasks import RecorderTask
from homeassistant.helpers.recorder import get_instance

from .home import HOUR, IMPORT, Home

START: Final = datetime(2026, 3, 1, tzinfo=UTC)
EXTERNAL: Final = "utility:grid"
COST: Final = CostStatistic(
    statistic_id="flatpeak:dev_1_cost", name="Grid cost", currency="EUR"
)


def hour(number: int) -> datetime:
    """Return the start of an hour, counted from the beginning."""
    return START + number * HOUR


def costs(first: int, *values: float) -> dict[datetime, float]:
    """Return costs of consecutive hours."""
    return {hour(first + number): value for number, value in enumerate(values)}


async def stored(home: Home) -> dict[int, tuple[float, float]]:
    """Return cost and sum of the stored hours, by their number."""
    return {
        round((row["start"] - START.timestamp()) / 3600): (row["state"], row["sum"])
        for row in await home.async_rows(COST.statistic_id)
    }


class Writes:
    """Counts the rows of hourly statistics that are written into the database."""

    def __init__(self) -> None:
        """Begin with none."""
        self.rows = 0

    def note(
        self, conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any
    ) -> None:
        """Count what a statement writes, whether it is for one row or for many."""
        if re.match(r"(INSERT INTO|UPDATE) statistics\b", statement):
            self.rows += len(parameters) if isinstance(parameters, list) else 1


@pytest.fixture
def writes(home: Home) -> Generator[Writes]:
    """Return what is written from now on."""
    engine = get_instance(home.hass).engine
    assert engine is not None
    writes = Writes()
    event.listen(engine, "before_cursor_execute", writes.note)
    yield writes
    event.remove(engine, "before_cursor_execute", writes.note)


@pytest.mark.parametrize("statistic_id", [IMPORT, EXTERNAL])
@pytest.mark.parametrize(
    ("unit", "wh_per_unit"),
    [("Wh", 1), ("kWh", 1e3), ("MWh", 1e6), ("GJ", 1e9 / 3600)],
)
async def test_energy_is_read_in_wh(
    home: Home, statistic_id: str, unit: str, wh_per_unit: float
) -> None:
    """Energy of entities and others is read in Wh, whatever unit it is recorded in."""
    energy = [250.0, 0.0, 1234.5, 7.25]
    await home.async_record(
        statistic_id, START, energy, unit=unit, wh_per_unit=wh_per_unit
    )

    rows = await async_read_energy(home.hass, [statistic_id], hour(0), hour(4))

    assert list(rows) == [statistic_id]
    assert [row.start for row in rows[statistic_id]] == [hour(n) for n in range(4)]
    for row, wanted in zip(rows[statistic_id], energy, strict=True):
        assert isclose(row.change_wh, wanted, abs_tol=1e-6)


async def test_unit_that_the_entity_shows_does_not_matter(home: Home) -> None:
    """Energy is read in Wh also when the entity's unit has changed since."""
    home.add_sensor(IMPORT)
    await home.async_record(IMPORT, START, [1500.0])
    attributes = home.hass.states.get(IMPORT).attributes  # type: ignore[union-attr]  # it was just added
    home.hass.states.async_set(
        IMPORT, "0", {**attributes, "unit_of_measurement": "MWh"}
    )

    rows = await async_read_energy(home.hass, [IMPORT], hour(0), hour(1))

    assert rows[IMPORT] == [EnergyRow(start=hour(0), change_wh=1500.0, is_first=True)]


async def test_window_of_energy(home: Home) -> None:
    """The start belongs to the window, the end does not; changes do not depend on it."""
    await home.async_record(
        IMPORT, START, [100.0, 200.0, 300.0, 400.0], unit="Wh", wh_per_unit=1
    )

    rows = await async_read_energy(home.hass, [IMPORT], hour(1), hour(3))

    assert rows[IMPORT] == [
        EnergyRow(start=hour(1), change_wh=200.0, is_first=False),
        EnergyRow(start=hour(2), change_wh=300.0, is_first=False),
    ]


async def test_energy_of_five_minutes(
    home: Home, freezer: FrozenDateTimeFactory
) -> None:
    """It is read by whole hours, in Wh, of entities only and no longer than it is kept."""
    freezer.move_to(hour(30))
    await home.async_record_short(IMPORT, hour(0), [float(n) for n in range(36)])
    await home.async_record(EXTERNAL, hour(0), [1.0])
    both = [IMPORT, EXTERNAL]

    found = await async_read_short(home.hass, both, hour(0), hour(3))
    assert found.keys() == {IMPORT}
    assert {start: pytest.approx(each) for start, each in found[IMPORT].items()} == {
        hour(n): [12.0 * n + m for m in range(12)] for n in range(3)
    }
    found = await async_read_short(home.hass, both, hour(1), hour(2))
    assert list(found[IMPORT]) == [hour(1)]
    assert await async_read_short(home.hass, [EXTERNAL], hour(0), hour(3)) == {}

    freezer.move_to(hour(2 + 11 * 24) + timedelta(minutes=20))
    assert async_short_start(home.hass) == hour(2)
    found = await async_read_short(home.hass, both, hour(0), hour(3))
    assert list(found[IMPORT]) == [hour(2)]
    assert await async_read_short(home.hass, both, hour(0), hour(2)) == {}


async def test_energy_after_a_gap(home: Home) -> None:
    """The change of a row holds the whole gap, also when the gap began before."""
    energy = [100.0, None, None, 900.0]
    await home.async_record(IMPORT, START, energy, unit="Wh", wh_per_unit=1)
    await home.async_record(IMPORT, hour(1000), [50.0], unit="Wh", wh_per_unit=1)

    rows = await async_read_energy(home.hass, [IMPORT], hour(2), hour(2000))

    assert [(row.start, row.change_wh) for row in rows[IMPORT]] == [
        (hour(3), 900.0),
        (hour(1000), 50.0),
    ]


async def test_first_row_counts_from_zero(home: Home) -> None:
    """Only the first row of a statistic is flagged, not one after a sum of zero."""
    await home.async_record(IMPORT, START, [0.0, 0.0, 500.0, 0.0])

    rows = await async_read_energy(home.hass, [IMPORT], hour(0), hour(4))

    assert [row.is_first for row in rows[IMPORT]] == [True, False, False, False]


async def test_first_rise_after_zeros_is_no_first_row(home: Home) -> None:
    """Its energy may have come at any time since the row before."""
    await home.async_record(IMPORT, START, [0.0, 0.0, None, None, 500.0])

    rows = await async_read_energy(home.hass, [IMPORT], hour(2), hour(5))

    assert rows[IMPORT] == [EnergyRow(start=hour(4), change_wh=500.0, is_first=False)]


async def test_rows_without_a_sum(home: Home) -> None:
    """An hour without a sum is no row; its energy is in the next one."""
    home.import_rows(
        IMPORT,
        [
            StatisticData(start=hour(0), state=1.0, sum=1.0),
            StatisticData(start=hour(1), state=1.5),
            StatisticData(start=hour(2), state=2.0, sum=2.0),
        ],
    )
    await async_written(home.hass)

    rows = await async_read_energy(home.hass, [IMPORT], hour(0), hour(3))

    assert rows[IMPORT] == [
        EnergyRow(start=hour(0), change_wh=1000.0, is_first=True),
        EnergyRow(start=hour(2), change_wh=1000.0, is_first=False),
    ]


async def test_row_without_a_sum_after_a_window_began(home: Home) -> None:
    """So it is where the change of the first row is told by the row before it."""
    home.import_rows(
        IMPORT,
        [
            StatisticData(start=hour(0), state=1.0, sum=1.0),
            StatisticData(start=hour(1), state=1.5, sum=1.5),
            StatisticData(start=hour(2), state=2.0),
            StatisticData(start=hour(3), state=3.0, sum=3.0),
        ],
    )
    await async_written(home.hass)

    rows = await async_read_energy(home.hass, [IMPORT], hour(1), hour(4))

    assert rows[IMPORT] == [
        EnergyRow(start=hour(1), change_wh=500.0, is_first=False),
        EnergyRow(start=hour(3), change_wh=1500.0, is_first=False),
    ]


async def test_first_start_of_no_energy(home: Home) -> None:
    """A statistic that does not exist, or counts no energy, begins nowhere."""
    await async_create_costs(home.hass, [COST])
    for statistic_id in ("sensor.unknown", COST.statistic_id):
        assert (
            await async_first_start(home.hass, statistic_id, hour(0), hour(9)) is None
        )


async def test_energy_of_nothing(home: Home) -> None:
    """A statistic that does not exist has no rows; none at all have none either."""
    await home.async_record(IMPORT, START, [100.0])

    assert await async_read_energy(home.hass, ["sensor.unknown"], hour(0), hour(1)) == {
        "sensor.unknown": []
    }
    assert await async_read_energy(home.hass, [], hour(0), hour(1)) == {}


@pytest.mark.parametrize(
    ("recorded", "first", "until", "found"),
    [
        (0, 0, 24, 0),  # the very beginning of the window
        (5, 0, 24, 5),
        (5, 6, 24, None),  # before the window
        (5, 0, 5, None),  # at the end of the window, which is not part of it
        (5, 0, 6, 5),
        (3 * 366 * 24, 0, 4 * 366 * 24, 3 * 366 * 24),  # years later
        (366 * 24, 0, 2 * 366 * 24, 366 * 24),  # on the border of two years
    ],
)
async def test_first_start(
    home: Home, recorded: int, first: int, until: int, found: int | None
) -> None:
    """The first hour of a window with energy is found, however far away it is."""
    await home.async_record(IMPORT, hour(recorded), [100.0])

    start = await async_first_start(home.hass, IMPORT, hour(first), hour(until))

    assert start == (None if found is None else hour(found))


async def test_energy_statistics(home: Home) -> None:
    """Statistics that count energy are told from the others, with their names."""
    home.add_sensor(IMPORT)
    for statistic_id in (IMPORT, "sensor.without_state", EXTERNAL):
        await home.async_record(statistic_id, START, [100.0])
    await async_create_costs(home.hass, [COST])

    names = await async_energy_statistics(
        home.hass,
        [
            IMPORT,
            "sensor.without_state",
            EXTERNAL,
            COST.statistic_id,
            "sensor.unknown",
        ],
    )

    assert names == {
        IMPORT: "Grid import",
        "sensor.without_state": "sensor.without_state",
        EXTERNAL: "Meter",
    }


async def test_create_costs(home: Home) -> None:
    """A cost statistic is known before it has an hour, and is created once."""
    other = CostStatistic(
        statistic_id="flatpeak:dev_2_compensation", name="Export", currency="GBP"
    )
    await async_create_costs(home.hass, [COST])
    await async_create_costs(home.hass, [COST, other])

    found = await async_list_statistic_ids(
        home.hass, {COST.statistic_id, other.statistic_id}
    )
    assert {
        each["statistic_id"]: (each["name"], each["statistics_unit_of_measurement"])
        for each in found
    } == {
        COST.statistic_id: ("Grid cost", "EUR"),
        other.statistic_id: ("Export", "GBP"),
    }
    assert all(each["has_sum"] and each["unit_class"] is None for each in found)
    assert await stored(home) == {}


async def test_create_costs_leaves_what_is_there(home: Home) -> None:
    """A cost statistic that exists keeps its hours and its description."""
    await async_write_costs(home.hass, {COST: costs(0, 1.0)})
    renamed = CostStatistic(
        statistic_id=COST.statistic_id, name="Other", currency="GBP"
    )

    await async_create_costs(home.hass, [renamed])

    assert await stored(home) == {0: (1.0, 1.0)}
    metadata = await get_instance(home.hass).async_add_executor_job(
        lambda: get_metadata(home.hass, statistic_ids={COST.statistic_id})
    )
    _, description = metadata[COST.statistic_id]
    assert description["unit_of_measurement"] == "EUR"


async def test_first_costs(home: Home) -> None:
    """The sum of a statistic begins at zero."""
    assert await async_write_costs(home.hass, {COST: costs(3, 0.5, -0.25, 1.0)}) == 3

    assert await stored(home) == {3: (0.5, 0.5), 4: (-0.25, 0.25), 5: (1.0, 1.25)}


async def test_another_currency_counts_once_there_are_hours(home: Home) -> None:
    """What is known without any hour may still become another currency."""
    other = replace(COST, currency="BGN")
    assert await async_other_currencies(home.hass, [other]) == {}
    await async_create_costs(home.hass, [COST])
    assert await async_other_currencies(home.hass, [other]) == {}

    await async_write_costs(home.hass, {COST: costs(0, 0.5)})

    assert await async_other_currencies(home.hass, [other]) == {other: "EUR"}
    assert await async_other_currencies(home.hass, [COST]) == {}


async def test_costs_begin_anew_in_another_currency(home: Home) -> None:
    """Nothing of the old currency is left, in hours or in sums."""
    other = replace(COST, currency="BGN")
    await async_write_costs(home.hass, {COST: costs(0, 0.5, 0.25)})

    await async_clear_costs(home.hass, [other])

    assert await stored(home) == {}
    found = await async_list_statistic_ids(home.hass, {COST.statistic_id})
    assert [each["statistics_unit_of_measurement"] for each in found] == ["BGN"]
    await async_write_costs(home.hass, {other: costs(1, 2.0)})
    assert await stored(home) == {1: (2.0, 2.0)}
    assert await async_other_currencies(home.hass, [other]) == {}


async def test_costs_without_change_are_not_written(home: Home, writes: Writes) -> None:
    """Nothing reaches the database when nothing differs."""
    values = costs(0, *(number / 7 for number in range(48)))
    await async_write_costs(home.hass, {COST: values})
    assert writes.rows == 48

    assert await async_write_costs(home.hass, {COST: values}) == 0
    assert await async_write_costs(home.hass, {COST: costs(5, 5 / 7 + 1e-12)}) == 0
    assert await async_write_costs(home.hass, {COST: {}}) == 0

    assert writes.rows == 48


async def test_small_change_is_written(home: Home) -> None:
    """The smallest difference that Flatpeak reports is one."""
    await async_write_costs(home.hass, {COST: costs(0, 0.00001)})

    assert await async_write_costs(home.hass, {COST: costs(0, 0.00002)}) == 1


async def test_change_moves_all_later_sums(home: Home, writes: Writes) -> None:
    """An hour that differs is written, and one statement moves the sums after it."""
    await async_write_costs(home.hass, {COST: costs(0, *[1.0] * 10)})
    assert writes.rows == 10

    assert await async_write_costs(home.hass, {COST: costs(2, 1.0, 3.0, 1.0)}) == 1

    assert writes.rows == 10 + 2
    assert await stored(home) == {
        number: (
            3.0 if number == 3 else 1.0,
            number + 1.0 + (2.0 if number >= 3 else 0.0),
        )
        for number in range(10)
    }


async def test_cost_that_moves_within_a_day_moves_no_later_sum(
    home: Home, writes: Writes
) -> None:
    """What one hour costs more and another less is theirs alone."""
    await async_write_costs(home.hass, {COST: costs(0, *[1.0] * 10)})
    writes.rows = 0

    assert await async_write_costs(home.hass, {COST: costs(3, 1.5, 0.5)}) == 2

    assert writes.rows == 2
    found = await stored(home)
    assert [found[number] for number in (2, 3, 4, 5)] == [
        (1.0, 3.0),
        (1.5, 4.5),
        (0.5, 5.0),
        (1.0, 6.0),
    ]


async def test_changes_far_apart_are_written_apart(home: Home, writes: Writes) -> None:
    """What lies between them is only moved; hours close together are written in one go."""
    await async_write_costs(home.hass, {COST: costs(0, *[1.0] * 300)})
    writes.rows = 0
    changes = {10: 2.0, 20: 3.0, 150: 0.5, 299: 4.0}

    written = await async_write_costs(
        home.hass, {COST: {hour(number): cost for number, cost in changes.items()}}
    )

    assert written == 11 + 1 + 1
    assert writes.rows == written + 2
    total = 0.0
    for number, (cost, stored_sum) in (await stored(home)).items():
        total += cost
        assert cost == changes.get(number, 1.0)
        assert isclose(stored_sum, total, rel_tol=1e-12), number


async def test_several_statistics_at_once(home: Home) -> None:
    """Each has its own hours, and sums of its own."""
    other = replace(COST, statistic_id="flatpeak:dev_2_cost")
    await async_write_costs(
        home.hass, {COST: costs(0, 1.0, 1.0, 1.0), other: costs(5, 2.0, 2.0)}
    )

    written = await async_write_costs(
        home.hass, {COST: costs(1, 4.0), other: costs(5, 2.0, 3.0)}
    )

    assert written == 2
    assert await stored(home) == {0: (1, 1), 1: (4, 5), 2: (1, 6)}
    rows = await home.async_rows(other.statistic_id)
    assert [(row["state"], row["sum"]) for row in rows] == [(2, 2), (3, 5)]


@pytest.mark.parametrize("later", [3, 60 * 24])
async def test_crash_before_later_sums_are_moved(home: Home, later: int) -> None:
    """Sums are mended by whoever writes the same costs again, and only once."""
    await async_write_costs(
        home.hass, {COST: costs(0, 1.0, 1.0, 1.0) | costs(later, 1.0, 1.0)}
    )
    settled = {COST: costs(0, 1.0, 5.0, 1.0)}
    with patch.object(Recorder, "async_adjust_statistics"):
        await async_write_costs(home.hass, settled)
    assert (await stored(home))[later] == (1, 4)

    assert await async_write_costs(home.hass, settled) == 1
    assert await stored(home) == {
        0: (1, 1),
        1: (5, 6),
        2: (1, 7),
        later: (1, 8),
        later + 1: (1, 9),
    }
    assert await async_write_costs(home.hass, settled) == 0


async def test_great_sums_are_not_mended(home: Home) -> None:
    """The last bits of a great sum are no difference."""
    values = costs(0, 3e11, *(number / 7 for number in range(50)))
    await async_write_costs(home.hass, {COST: values})
    await async_write_costs(home.hass, {COST: costs(0, 3e11 + 0.1)})

    assert await async_write_costs(home.hass, {COST: costs(1, 0.0, 1 / 7)}) == 0


@pytest.mark.parametrize("seed", range(3))
async def test_sums_follow_whatever_is_written(home: Home, seed: int) -> None:
    """However often and wherever costs change, each sum follows from the one before."""
    random = Random(seed)
    known: dict[datetime, float] = {}
    for _ in range(12):
        changes = {
            hour(random.randrange(2000)): random.uniform(-1, 3)
            for _ in range(random.randrange(1, 20))
        }
        known |= changes
        await async_write_costs(home.hass, {COST: changes})

    total = 0.0
    found = await stored(home)
    assert len(found) == len(known)
    for number, (cost, stored_sum) in found.items():
        total += known[hour(number)]
        assert cost == known[hour(number)]
        assert isclose(stored_sum, total, rel_tol=1e-9, abs_tol=1e-9), number


async def test_oldest_hour_is_corrected(home: Home) -> None:
    """The hour at the border of what is given is corrected like any other."""
    await async_write_costs(home.hass, {COST: costs(0, 1.0, 1.0, 1.0, 1.0)})

    await async_write_costs(home.hass, {COST: costs(2, 5.0, 1.0)})
    assert await stored(home) == {0: (1, 1), 1: (1, 2), 2: (5, 7), 3: (1, 8)}

    await async_write_costs(home.hass, {COST: costs(0, 0.0, 1.0, 5.0, 1.0)})
    assert await stored(home) == {0: (0, 0), 1: (1, 1), 2: (5, 6), 3: (1, 7)}


@pytest.mark.parametrize("weeks", [1, 3, 60])
async def test_sum_goes_on_across_a_gap(home: Home, weeks: int) -> None:
    """After weeks without a cost the sum goes on from the last one."""
    await async_write_costs(home.hass, {COST: costs(0, 2.0, 3.0)})
    later = weeks * 7 * 24

    await async_write_costs(home.hass, {COST: costs(later, 1.0, 1.0)})
    assert await stored(home) == {
        0: (2, 2),
        1: (3, 5),
        later: (1, 6),
        later + 1: (1, 7),
    }

    # The first row of what is read now has the gap before it.
    await async_write_costs(home.hass, {COST: costs(later, 4.0, 1.0)})
    assert await stored(home) == {
        0: (2, 2),
        1: (3, 5),
        later: (4, 9),
        later + 1: (1, 10),
    }


async def test_earlier_hours_shift_the_later_ones(home: Home) -> None:
    """History that is priced last moves the sums of all that was priced before."""
    await async_write_costs(home.hass, {COST: costs(100, 1.0, 2.0)})

    assert await async_write_costs(home.hass, {COST: costs(0, 10.0, 20.0)}) == 2
    assert await async_write_costs(home.hass, {COST: costs(50, 5.0)}) == 1

    assert await stored(home) == {
        0: (10, 10),
        1: (20, 30),
        50: (5, 35),
        100: (1, 36),
        101: (2, 38),
    }


async def test_hours_between_that_are_not_given_stay(home: Home) -> None:
    """What is not given is not forgotten, its sum moves with the rest."""
    await async_write_costs(home.hass, {COST: costs(0, 1.0, 2.0, 4.0)})

    await async_write_costs(home.hass, {COST: {hour(0): 8.0, hour(2): 4.0}})

    assert await stored(home) == {0: (8, 8), 1: (2, 10), 2: (4, 14)}


async def test_costs_keep_every_digit(home: Home) -> None:
    """Nothing is rounded on the way, and hours add up to their sum."""
    values = [number**0.5 / 1000 for number in range(1, 200)]
    await async_write_costs(home.hass, {COST: costs(0, *values)})

    found = await stored(home)

    assert [cost for cost, _ in found.values()] == values
    assert isclose(found[198][1], fsum(values), rel_tol=1e-12)


async def test_written_waits_for_the_commit(home: Home) -> None:
    """Nothing that was queued before is left when the wait is over."""
    release = threading.Event()

    class Slow(RecorderTask):
        """Holds up the recorder."""

        @override
        def run(self, instance: Recorder) -> None:
            """Wait to be released."""
            assert release.wait(10)

    for number in range(20):
        release.clear()
        get_instance(home.hass).queue_task(Slow())
        home.import_rows(
            IMPORT, [StatisticData(start=hour(number), state=1.0, sum=1.0 + number)]
        )
        waiting = asyncio.create_task(async_written(home.hass))
        await asyncio.sleep(0)
        assert not waiting.done()
        release.set()
        await waiting
        assert len(await home.async_rows(IMPORT)) == number + 1


async def test_waiting_can_be_given_up(home: Home) -> None:
    """Whoever waits for a recorder that does not answer can still be stopped."""
    release = threading.Event()

    class Stuck(RecorderTask):
        """Holds up the recorder."""

        @override
        def run(self, instance: Recorder) -> None:
            """Wait to be released."""
            assert release.wait(10)

    get_instance(home.hass).queue_task(Stuck())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await async_written(home.hass)
    release.set()
    await async_written(home.hass)
