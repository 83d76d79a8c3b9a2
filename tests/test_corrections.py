"""What changes after it was submitted is corrected, and each day is audited."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.coordinator import FlatpeakCoordinator
from custom_components.flatpeak.journal import Overdue
from custom_components.flatpeak.statistics import async_written
from homeassistant.components.recorder.models import StatisticData
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .home import CAR, HOUR, Home
from .simulator import Direction, Duplicates, Fault

NOW = datetime(2026, 4, 15, 9, 20, tzinfo=UTC)
HOURS = 24 * 8
START = datetime(2026, 4, 7, 9, tzinfo=UTC)


@pytest.fixture
async def coordinator(
    home: Home, freezer: FrozenDateTimeFactory
) -> FlatpeakCoordinator:
    """Return a home with eight days of a car's energy, all of it submitted."""
    freezer.move_to(NOW)
    home.add_sensor(CAR)
    await home.async_record(CAR, START, [1000.0 + hour for hour in range(HOURS)])
    await home.async_show(devices=[CAR])
    entry: ConfigEntry[Any] = await home.async_set_up(history="30_days")
    coordinator: FlatpeakCoordinator = entry.runtime_data
    await coordinator.async_refresh()
    assert counted(home)[START] == 1000.0
    return coordinator


def counted(home: Home) -> dict[datetime, float]:
    """Return what Flatpeak has, by the start of its records."""
    [device] = home.simulator.account().devices
    return {
        record.start: record.energy
        for record in home.simulator.truth(device.id).records()
    }


def submissions(home: Home) -> int:
    """Return how often records were submitted."""
    return home.simulator.requests.count("PUT /meters/interval")


def issues(hass: HomeAssistant) -> dict[str | None, dict[str, str] | None]:
    """Return the repairs that the user sees."""
    return {
        issue.translation_key: issue.translation_placeholders
        for (domain, _), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue.active
    }


async def async_adjust(home: Home, hours: dict[int, float]) -> None:
    """Change the energy of some hours, counted from the start, by so many Wh."""
    total, rows = 0.0, []
    for hour in range(HOURS):
        total += (1000.0 + hour + hours.get(hour, 0.0)) / 1000
        rows.append(StatisticData(start=START + hour * HOUR, state=total, sum=total))
    home.import_rows(CAR, rows)
    await async_written(home.hass)


async def test_nothing_has_changed(
    home: Home, coordinator: FlatpeakCoordinator
) -> None:
    """Then nothing is submitted, nothing asked for, and nobody told."""
    before = submissions(home)
    reports = home.simulator.requests.count("POST /costs/interval/{id}")

    await coordinator.async_refresh()

    assert coordinator.last_update_success
    assert submissions(home) == before
    assert home.simulator.requests.count("POST /costs/interval/{id}") == reports + 1
    assert "energy_differs" not in issues(home.hass)


async def test_energy_that_moves_between_hours(
    home: Home, coordinator: FlatpeakCoordinator
) -> None:
    """It is found, though the day has as much as before."""
    before, records = submissions(home), counted(home)
    await async_adjust(home, {HOURS - 5: 250.0, HOURS - 7: -250.0})

    await coordinator.async_refresh()
    await coordinator.async_refresh()

    records[START + (HOURS - 5) * HOUR] += 250.0
    records[START + (HOURS - 7) * HOUR] -= 250.0
    assert counted(home) == pytest.approx(records)
    assert submissions(home) == before + 1
    assert "corrections_stopped" not in issues(home.hass)


async def test_changed_hours_are_submitted_again(
    home: Home, coordinator: FlatpeakCoordinator
) -> None:
    """Only they are, with their borders; every other hour stays as it was."""
    before, records = submissions(home), counted(home)
    await async_adjust(home, {HOURS - 5: 250.0, HOURS - 30: -400.0})

    await coordinator.async_refresh()

    assert coordinator.last_update_success
    records[START + (HOURS - 5) * HOUR] += 250.0
    records[START + (HOURS - 30) * HOUR] -= 400.0
    assert counted(home) == pytest.approx(records)
    assert submissions(home) == before + 1
    repeated = home.simulator.account().meters.counts["repeated"]
    assert repeated == 2

    await coordinator.async_refresh()
    assert submissions(home) == before + 1
    assert "corrections_stopped" not in issues(home.hass)
    assert "energy_differs" not in issues(home.hass)


async def test_corrections_wait_while_a_batch_is_overdue(
    home: Home, coordinator: FlatpeakCoordinator
) -> None:
    """What Flatpeak may yet process is not sent again."""
    before = submissions(home)
    coordinator.journal.overdue = Overdue(sent=START, since=NOW)
    await async_adjust(home, {HOURS - 5: 250.0})
    await coordinator.async_refresh()
    assert submissions(home) == before

    coordinator.journal.overdue = None
    await coordinator.async_refresh()

    assert submissions(home) == before + 1


async def test_old_days_are_searched_once_a_day(
    home: Home, coordinator: FlatpeakCoordinator, freezer: FrozenDateTimeFactory
) -> None:
    """What changed a week ago is found on the next day, not in every cycle."""
    records = counted(home)
    await async_adjust(home, {3: 77.0})
    await coordinator.async_refresh()
    assert counted(home) == records

    freezer.move_to(NOW + timedelta(days=1))
    await coordinator.async_refresh()

    assert counted(home)[START + 3 * HOUR] == pytest.approx(1080.0)


async def test_a_correction_that_is_added_is_the_last(
    home: Home, coordinator: FlatpeakCoordinator
) -> None:
    """A service that adds it up would count twice for ever: the user is told."""
    home.simulator.settings.duplicates = Duplicates.ADD
    before = submissions(home)
    await async_adjust(home, {HOURS - 5: 250.0})

    for _ in range(3):
        await coordinator.async_refresh()
        assert coordinator.last_update_success

    assert submissions(home) == before + 1
    assert issues(home.hass)["corrections_stopped"] == {"home": "test home"}
    await home.hass.config_entries.async_reload(coordinator.config_entry.entry_id)
    await home.async_settle()
    assert submissions(home) == before + 1
    assert "corrections_stopped" in issues(home.hass)


async def test_a_correction_that_is_refused_is_the_last(
    home: Home, coordinator: FlatpeakCoordinator
) -> None:
    """It is no record that waits: Flatpeak has one of that time."""
    home.simulator.settings.duplicates = Duplicates.REFUSE
    before = submissions(home)
    await async_adjust(home, {HOURS - 5: 250.0})

    for _ in range(3):
        await coordinator.async_refresh()

    assert submissions(home) == before + 1
    [known] = coordinator.journal.meters.values()
    assert known.refusals == []
    assert "corrections_stopped" in issues(home.hass)


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
async def test_a_correction_whose_answer_is_lost(
    home: Home, coordinator: FlatpeakCoordinator, fault: Fault
) -> None:
    """Whether it has arrived shows when it is looked for again."""
    before = submissions(home)
    await async_adjust(home, {HOURS - 5: 250.0})
    home.simulator.faults.next("PUT /meters/interval", fault)
    await coordinator.async_refresh()
    was_answered = coordinator.last_update_success
    assert not was_answered

    await coordinator.async_refresh()

    assert coordinator.last_update_success
    assert counted(home)[START + (HOURS - 5) * HOUR] == pytest.approx(1437.0)
    again = 1 if fault is Fault.RESET_BEFORE else 0
    assert submissions(home) == before + 1 + again


async def test_without_a_tariff_nothing_can_be_found(
    home: Home, coordinator: FlatpeakCoordinator, freezer: FrozenDateTimeFactory
) -> None:
    """The correction waits until a report can tell what is to be corrected."""
    before = submissions(home)
    await async_adjust(home, {HOURS - 5: 250.0})
    account = home.simulator.account()
    [location] = account.locations
    connections = dict(location.connections)
    location.connections.clear()
    await coordinator.async_refresh()
    assert coordinator.last_update_success
    assert submissions(home) == before

    location.connections.update(connections)
    freezer.tick(timedelta(minutes=16))
    await coordinator.async_refresh()

    assert submissions(home) == before + 1


async def test_late_rows_of_a_gap(home: Home, freezer: FrozenDateTimeFactory) -> None:
    """The record that spans the gap stays one: no two cover the same instant."""
    freezer.move_to(NOW)
    home.add_sensor(CAR)
    await home.async_record(CAR, START, [1000.0] * 100 + [None] * 5 + [6000.0] * 3)
    await home.async_show(devices=[CAR])
    entry = await home.async_set_up(history="30_days")
    gap = START + 100 * HOUR
    assert counted(home)[gap] == pytest.approx(6000.0)
    rows = [
        StatisticData(start=gap + hour * HOUR, state=total, sum=total)
        for hour in range(6)
        if (total := 101.0 + hour)
    ]
    rows[-1]["state"] = rows[-1]["sum"] = 106.5
    rows += [
        StatisticData(start=gap + hour * HOUR, state=total, sum=total)
        for hour in (6, 7)
        if (total := 106.5 + 6 * (hour - 5))
    ]
    home.import_rows(CAR, rows)
    await async_written(home.hass)

    freezer.move_to(NOW + timedelta(days=1))
    await entry.runtime_data.async_refresh()

    assert counted(home)[gap] == pytest.approx(6500.0)
    assert home.simulator.violations.counts.keys() <= {"changed_duplicate"}


async def test_a_day_that_flatpeak_counts_otherwise(
    home: Home, coordinator: FlatpeakCoordinator, freezer: FrozenDateTimeFactory
) -> None:
    """The user is told the day and both figures, until they agree again."""
    [device] = home.simulator.account().devices
    meters = home.simulator.account().meters
    [register] = meters.registers(device.id, Direction.IMPORT)
    extent = register.extent()
    assert extent is not None
    lost = next(
        reading
        for reading in register.between(extent)
        if reading.energy == 1000.0 + HOURS - 20
    )
    register.discard(lost.span)

    await coordinator.async_refresh()

    told = issues(home.hass)["energy_differs"]
    assert told is not None
    assert told["day"] == "2026-04-14"
    assert float(told["submitted"]) - float(told["reported"]) == pytest.approx(1.172)
    assert told["meter"] == "Ev charger"

    register.put(lost.span, lost.energy)
    await coordinator.async_refresh()
    assert "energy_differs" not in issues(home.hass)


async def test_days_from_before_there_was_a_note(
    home: Home, coordinator: FlatpeakCoordinator, freezer: FrozenDateTimeFactory
) -> None:
    """They are taken as they are, and compared from then on."""
    [known] = coordinator.journal.meters.values()
    days = dict(known.days)
    for day in list(known.days)[:-1]:
        del known.days[day]
    before = submissions(home)
    freezer.move_to(NOW + timedelta(days=1))

    await coordinator.async_refresh()

    assert submissions(home) == before
    assert known.days.keys() == days.keys()
    assert known.days[date(2026, 4, 9)].digest == days[date(2026, 4, 9)].digest
