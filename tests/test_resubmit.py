"""Energy is compared over any time, and uploaded again where it differs."""

from datetime import datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.api import CostRow
from custom_components.flatpeak.audit import suspects
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.intervals import EnergyInterval
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr, issue_registry as ir

from .home import HOUR, IMPORT, Home
from .priced import NOW, PricedHome, profile
from .simulator import Direction, Duplicates, Fault
from .simulator.violations import Violation

SUBMIT = "PUT /meters/interval"
REPORT = "POST /costs/interval/{id}"
HOURS = 72
LAST = NOW.replace(minute=0)
FIRST = LAST - HOURS * HOUR
DAY = timedelta(days=1)


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home with three days of energy."""
    priced = PricedHome(home, freezer)
    await priced.async_begin(hours=HOURS)
    priced.simulator.requests.clear()
    return priced


def device_id(priced: PricedHome, object_id: str | None = None) -> str:
    """Return the device of the home or a meter, of grid import if none is named."""
    found = dr.async_get_device_id_by_identifier(
        priced.hass,
        (DOMAIN, object_id or priced.meter().device_id),
        config_entry_id=priced.entry.entry_id,
    )
    assert found is not None
    return found


async def async_resubmit(priced: PricedHome, **data: Any) -> dict[str, Any]:
    """Call the action, for all energy of grid import where nothing else is said."""
    if "device_id" not in data:
        data["device_id"] = device_id(priced)
    answer = await priced.hass.services.async_call(
        DOMAIN,
        "resubmit",
        {"start": FIRST.isoformat()} | data,
        blocking=True,
        return_response=True,
    )
    await priced.home.async_settle()
    assert isinstance(answer, dict)
    return answer


def submissions(priced: PricedHome) -> int:
    """Return how often records were submitted."""
    return priced.simulator.requests.count(SUBMIT)


def counted(priced: PricedHome, direction: Direction = Direction.IMPORT) -> list[float]:
    """Return the energy of a meter's records, in order of time."""
    device_id = priced.meter(direction).device_id
    truth = priced.simulator.truth(device_id, direction)
    return [record.energy for record in truth.records()]


def differing(start: datetime, recorder: float, flatpeak: float) -> dict[str, Any]:
    """Return how the answer tells of an hour."""
    return {
        "start": start.isoformat(),
        "end": (start + HOUR).isoformat(),
        "recorder_wh": pytest.approx(recorder),
        "flatpeak_wh": flatpeak,
    }


@pytest.mark.usefixtures("polite")
async def test_nothing_differs(priced: PricedHome) -> None:
    """Then the days' reports are enough, and nothing is sent."""
    for dry_run in (True, False):
        assert await async_resubmit(priced, dry_run=dry_run) == {
            "dry_run": dry_run,
            "corrections_stopped": False,
            "meters": [{"name": "Grid import", "differing": [], "sent": 0}],
        }
    assert submissions(priced) == 0
    assert priced.simulator.requests.count(REPORT) == 2


async def test_what_differs_is_shown_first(priced: PricedHome) -> None:
    """A dry run tells and sends nothing; then just that is sent, and priced."""
    lost, changed, kept = FIRST + 5 * HOUR, FIRST + 40 * HOUR, FIRST + 41 * HOUR
    energy = profile(HOURS)
    priced.spoil(lost, None)
    priced.spoil(changed, 5000.0)
    priced.spoil(kept, energy[41] + 300.0)
    expected = [differing(lost, energy[5], 0.0), differing(changed, energy[40], 5000.0)]
    window = {"end": kept.isoformat()}

    answer = await async_resubmit(priced, **window)
    assert answer["dry_run"]
    assert answer["meters"] == [
        {"name": "Grid import", "differing": expected, "sent": 0}
    ]
    assert submissions(priced) == 0

    answer = await async_resubmit(priced, dry_run=False, **window)
    assert answer["meters"] == [
        {"name": "Grid import", "differing": expected, "sent": 2}
    ]
    assert submissions(priced) == 1
    assert not answer["corrections_stopped"]
    energy[41] += 300.0
    assert counted(priced) == pytest.approx(energy)
    assert await priced.async_is_true()


async def test_all_meters_of_a_home(priced: PricedHome) -> None:
    """The home stands for all its meters."""
    priced.spoil(FIRST, None, Direction.EXPORT)
    home = device_id(priced, priced.location_id)
    answer = await async_resubmit(priced, device_id=home, dry_run=False)
    assert [(each["name"], each["sent"]) for each in answer["meters"]] == [
        ("Grid import", 0),
        ("Grid export", 1),
    ]
    assert counted(priced, Direction.EXPORT) == pytest.approx(profile(HOURS, 1))


async def test_long_ago(home: Home, freezer: FrozenDateTimeFactory) -> None:
    """What is not remembered any more is compared too, gaps within their borders."""
    hours = 24 * 45
    priced = PricedHome(home, freezer)
    priced.move_to(NOW)
    first = LAST - hours * HOUR
    home.add_sensor(IMPORT)
    energy: list[float | None] = [*profile(hours)]
    energy[30:50] = [None] * 20
    await home.async_record(IMPORT, first, energy)
    await home.async_show(
        {"type": "grid", "stat_energy_from": IMPORT, "cost_adjustment_day": 0.0}
    )
    priced.entry = await home.async_set_up()
    before = counted(priced)
    assert len(before) == hours - 20
    for hour in (3, 24 * 33 + 1, hours - 1):
        priced.spoil(first + hour * HOUR, 12_345.0)
    priced.simulator.requests.clear()

    answer = await async_resubmit(priced, start=first.isoformat(), dry_run=False)

    assert answer["meters"][0]["sent"] == 3
    assert counted(priced) == pytest.approx(before)
    assert await priced.async_is_true()
    assert not priced.simulator.violations.counts[Violation.OVERLAP]


async def test_records_that_are_not_replaced(priced: PricedHome) -> None:
    """Where Flatpeak adds up, it is done once and never again; the answer says so."""
    priced.simulator.settings.duplicates = Duplicates.ADD
    for hour in (5, 6):
        priced.spoil(FIRST + hour * HOUR, 5000.0)

    answer = await async_resubmit(priced, dry_run=False)

    assert answer["corrections_stopped"]
    assert answer["meters"][0]["sent"] == 2
    assert submissions(priced) == 1
    issue_id = f"corrections_stopped_{priced.entry.entry_id}"
    assert ir.async_get(priced.hass).async_get_issue(DOMAIN, issue_id) is not None

    with pytest.raises(ServiceValidationError) as error:
        await async_resubmit(priced, dry_run=False)
    assert error.value.translation_key == "corrections_stopped"
    answer = await async_resubmit(priced)
    assert answer["corrections_stopped"]
    assert len(answer["meters"][0]["differing"]) == 2
    assert submissions(priced) == 1


async def test_a_lost_record_where_flatpeak_adds_up(priced: PricedHome) -> None:
    """There is nothing that it could be added to."""
    priced.simulator.settings.duplicates = Duplicates.ADD
    priced.spoil(FIRST + 5 * HOUR, None)
    answer = await async_resubmit(priced, dry_run=False)
    assert not answer["corrections_stopped"]
    assert counted(priced) == pytest.approx(profile(HOURS))


async def async_lose_the_answer(priced: PricedHome) -> None:
    """Let an upload stay in doubt."""
    await priced.async_use()
    priced.simulator.faults.next(SUBMIT, Fault.RESET_AFTER)
    await priced.async_cycle()


async def async_leave_unprocessed(priced: PricedHome) -> None:
    """Let an upload stay unprocessed for a day."""
    priced.simulator.settings.processing_delay = 2.0 * 24 * 3600
    await priced.async_use()
    await priced.async_cycle()


@pytest.mark.usefixtures("virtual_sleep")
@pytest.mark.parametrize("leave_open", [async_lose_the_answer, async_leave_unprocessed])
@pytest.mark.parametrize("dry_run", [True, False])
async def test_what_flatpeak_has_is_open(
    priced: PricedHome, leave_open: Any, dry_run: bool
) -> None:
    """What it is still working on must not be sent a second time."""
    await leave_open(priced)
    before = submissions(priced)
    with pytest.raises(HomeAssistantError) as error:
        await async_resubmit(priced, dry_run=dry_run)
    assert error.value.translation_key == "not_processed"
    assert submissions(priced) == before


async def test_without_a_tariff(priced: PricedHome) -> None:
    """No report can tell what differs; it is not asked again too soon."""
    priced.simulator.account().disconnect(priced.location_id, Direction.IMPORT)
    for _ in range(2):
        with pytest.raises(HomeAssistantError) as error:
            await async_resubmit(priced, dry_run=False)
        assert error.value.translation_key == "no_tariff"
    assert priced.simulator.requests.count(REPORT) == 1
    assert submissions(priced) == 0
    assert priced.simulator.violations.total == 0


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"device_id": "nobody"}, "service_device_not_found"),
        ({"end": FIRST.isoformat()}, "end_before_start"),
        ({"end": (FIRST - DAY).isoformat()}, "end_before_start"),
        ({"start": (NOW + HOUR).isoformat()}, "start_in_future"),
    ],
)
async def test_nonsense(priced: PricedHome, data: dict[str, str], key: str) -> None:
    """What makes no sense is said to be a mistake, before Flatpeak is asked."""
    with pytest.raises(ServiceValidationError) as error:
        await async_resubmit(priced, dry_run=False, **data)
    assert error.value.translation_key == key
    assert priced.simulator.requests.count(REPORT) == 0


async def test_a_meter_without_a_source(priced: PricedHome) -> None:
    """There is nothing to compare with; a home with such a meter is told which."""
    priced.home.remove_sensor(IMPORT)
    for object_id in (None, priced.location_id):
        with pytest.raises(ServiceValidationError) as error:
            await async_resubmit(priced, device_id=device_id(priced, object_id))
        assert error.value.translation_key == "meter_without_source"
        assert error.value.translation_placeholders == {"meter": "Grid import"}
    export = device_id(priced, priced.meter(Direction.EXPORT).device_id)
    assert (await async_resubmit(priced, device_id=export))["meters"][0]["sent"] == 0
    assert submissions(priced) == 0


async def test_a_home_that_is_not_set_up(priced: PricedHome) -> None:
    """The action is there, and says so."""
    meter = device_id(priced)
    await priced.hass.config_entries.async_unload(priced.entry.entry_id)
    with pytest.raises(ServiceValidationError) as error:
        await async_resubmit(priced, device_id=meter)
    assert error.value.translation_key == "service_config_entry_not_loaded"
    await priced.hass.config_entries.async_setup(priced.entry.entry_id)


def record(start: int, energy_wh: float, hours: int = 1) -> EnergyInterval:
    """Return a record that begins at an hour after the first."""
    return EnergyInterval(
        start=FIRST + start * HOUR,
        end=FIRST + (start + hours) * HOUR,
        energy_wh=energy_wh,
    )


def row(start: int, energy_wh: float) -> CostRow:
    """Return the report of a day of two hours."""
    return CostRow(
        start=FIRST + start * HOUR,
        end=FIRST + (start + 2) * HOUR,
        energy_wh=energy_wh,
        cost=1.0,
        confidence=1.0,
    )


def test_suspects() -> None:
    """A day is looked into that counts other energy, or of which nothing is told."""
    records = [record(number, 100.4) for number in range(6)]
    assert suspects([row(0, 200.8), row(2, 200.8), row(4, 200.8)], records) == []
    assert (
        suspects([row(0, 200.0), row(2, 201.0), row(4, 198.0)], records)
        == (records[4:])
    )
    assert suspects([row(2, 200.8)], records) == [*records[:2], *records[4:]]
    assert suspects([], [record(0, 0.0)]) == []


def test_a_record_in_two_days() -> None:
    """Of each day it may be rounded; a difference beyond that puts it in question."""
    records = [record(0, 100.0), record(1, 200.0, hours=2), record(3, 50.0)]
    assert suspects([row(0, 200.6), row(2, 150.0)], records) == []
    assert suspects([row(0, 203.0), row(2, 150.0)], records) == records[:2]
