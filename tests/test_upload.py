"""Upload: every watt-hour counts once, whatever happens on the way."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final
from unittest.mock import patch

from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.api import FlatpeakClient, Interval
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.intervals import floor_hour
from custom_components.flatpeak.meter import Meter
from custom_components.flatpeak.upload import Uploader
from homeassistant.components.recorder.models import StatisticData
from homeassistant.config_entries import ConfigEntry
from homeassistant.helpers import entity_registry as er, issue_registry as ir
from homeassistant.util import dt as dt_util

from .home import EXPORT, GRID_SOURCE, HOUR, IMPORT, SOLAR, SOLAR_SOURCE, Home
from .simulator import Direction, Duplicates, Fault
from .simulator.clock import Span, to_instant
from .simulator.faults import Process

pytestmark = pytest.mark.usefixtures("polite")

NOW: Final = datetime(2026, 3, 10, 12, 20, tzinfo=UTC)
UNTIL: Final = datetime(2026, 3, 10, 12, tzinfo=UTC)

PUT: Final = "PUT /meters/interval"
BATCH: Final = "GET /meters/batch"
COSTS: Final = "POST /costs/interval/{id}"

INVALID: Final = {"object": "error", "code": "invalid", "message": "Not like this."}

type Submissions = list[list[Interval]]


@pytest.fixture(autouse=True)
def now(freezer: FrozenDateTimeFactory) -> None:
    """Begin at a known time."""
    freezer.move_to(NOW)


@pytest.fixture
async def submissions() -> AsyncGenerator[Submissions]:
    """Return the records of each submission."""
    submitted: Submissions = []
    submit = FlatpeakClient.submit_intervals

    async def note(
        client: FlatpeakClient, intervals: Iterable[Interval], **kwargs: Any
    ) -> Any:
        """Note the records, and submit them."""
        submitted.append(list(intervals))
        return await submit(client, submitted[-1], **kwargs)

    with patch.object(FlatpeakClient, "submit_intervals", note):
        yield submitted


@pytest.fixture
async def furnished(home: Home, submissions: Submissions) -> Home:
    """Return a home with an import and an export meter that have recorded three hours."""
    await furnish(home, IMPORT, EXPORT)
    return home


@pytest.fixture
async def entry(furnished: Home, submissions: Submissions) -> ConfigEntry[Any]:
    """Return a home that is set up, and of which everything is submitted."""
    entry = await furnished.async_set_up(history="30_days")
    assert await furnished.async_miscounted(entry) == []
    submissions.clear()
    return entry


async def furnish(home: Home, *sensors: str, hours: int = 3) -> None:
    """Furnish a home with meters that have recorded some hours until now."""
    for number, sensor in enumerate(sensors):
        home.add_sensor(sensor)
        energy = [100.0 * number + hour % 24 + 0.25 for hour in range(1, hours + 1)]
        await home.async_record(sensor, UNTIL - hours * HOUR, energy)
    await home.async_show(
        GRID_SOURCE
        | {
            "stat_energy_from": IMPORT if IMPORT in sensors else None,
            "stat_energy_to": EXPORT if EXPORT in sensors else None,
        },
        *([SOLAR_SOURCE] if SOLAR in sensors else []),
    )


async def live(
    home: Home,
    freezer: FrozenDateTimeFactory,
    *energy: float | None,
    sensors: Sequence[str] = (IMPORT, EXPORT),
) -> None:
    """Let hours pass in which meters record energy."""
    begin = floor_hour(datetime.now(UTC))
    freezer.tick(len(energy) * HOUR)
    for sensor in sensors:
        await home.async_record(sensor, begin, energy)


async def cycle(entry: ConfigEntry[Any]) -> bool:
    """Run a cycle, return whether it went well."""
    await entry.runtime_data.async_refresh()
    success: bool = entry.runtime_data.last_update_success
    return success


def failure(entry: ConfigEntry[Any]) -> str:
    """Return what kept the last cycle from going well."""
    key: str = entry.runtime_data.last_exception.translation_key
    return key


def meter_of(entry: ConfigEntry[Any], name: str) -> Meter:
    """Return a meter by its name."""
    meters: list[Meter] = entry.runtime_data.meters
    return next(meter for meter in meters if meter.name == name)


def told(home: Home) -> dict[str, dict[str, str]]:
    """Return the words that the repairs are filled with, by translation key."""
    return {
        issue.translation_key or "": dict(issue.translation_placeholders or {})
        for (domain, _), issue in ir.async_get(home.hass).issues.items()
        if domain == DOMAIN and issue.active
    }


async def priced_hours(home: Home, entry: ConfigEntry[Any]) -> list[datetime]:
    """Return the hours of import that have a cost."""
    rows = await home.async_rows(meter_of(entry, "Grid import").cost_statistic_id)
    return [dt_util.utc_from_timestamp(row["start"]) for row in rows]


def count(submissions: Submissions) -> list[int]:
    """Return how many records each submission has."""
    return [len(submission) for submission in submissions]


def starts(submission: Sequence[Interval]) -> set[datetime]:
    """Return when the records of a submission begin."""
    return {record.start for record in submission}


async def cut(request: web.Request) -> web.StreamResponse:
    """Cut the connection."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response(status=499)


def refusing(
    home: Home, meter: Meter, *, then: Callable[[], None] = lambda: None, lost: bool
) -> Fault:
    """Return a fault that refuses the records of a meter; the answer may get lost."""
    devices = home.simulator.account().devices

    async def action(request: web.Request, process: Process) -> web.StreamResponse:
        """Process while the device is not known."""
        device = devices[meter.device_id]
        devices.remove(device.id)
        try:
            response = await process(request)
        finally:
            devices.add(device)
        then()
        return await cut(request) if lost else response

    return Fault("REFUSING", action)


def dropping(
    home: Home, meter: Meter, *dropped: datetime, length: timedelta = HOUR
) -> Fault:
    """Return a fault that loses the answer and some records of a length."""
    direction = Direction(meter.flow.tariff_direction)

    async def action(request: web.Request, process: Process) -> web.StreamResponse:
        """Process, and forget some of it again."""
        await process(request)
        for register in home.simulator.account().meters.registers(
            meter.device_id, direction
        ):
            for start in dropped:
                register.discard(Span(to_instant(start), to_instant(start + length)))
        return await cut(request)

    return Fault("DROPPING", action)


async def _answered(request: web.Request, process: Process) -> web.StreamResponse:
    """Answer as ever."""
    return await process(request)


ANSWERED: Final = Fault("ANSWERED", _answered)


@contextmanager
def limited(**limits: Any) -> Generator[None]:
    """Lower limits of the upload."""
    with patch.multiple("custom_components.flatpeak.upload", **limits):
        yield


@pytest.fixture
def no_retries() -> Generator[None]:
    """Leave the next cycle to the test."""
    with patch.multiple(
        "custom_components.flatpeak.coordinator",
        FIRST_RETRY=timedelta(days=30),
        LAST_RETRY=timedelta(days=30),
    ):
        yield


async def test_fresh_hours_go_first(home: Home, submissions: Submissions) -> None:
    """The last two days are submitted at once, then the history from its beginning."""
    await furnish(home, IMPORT, hours=100)

    with limited(MONTH=timedelta(days=1)):
        entry = await home.async_set_up(history="30_days")

    fresh = UNTIL - 48 * HOUR
    begin = UNTIL - 100 * HOUR
    assert [submission[0].start for submission in submissions] == [
        fresh,
        fresh + 24 * HOUR,
        begin,
        begin + 24 * HOUR,
        begin + 48 * HOUR,
    ]
    assert count(submissions) == [24, 24, 24, 24, 4]
    assert await home.async_miscounted(entry) == []


@pytest.mark.parametrize(
    ("history", "records"), [("none", 0), ("30_days", 3), ("everything", 5)]
)
async def test_history_reaches_as_far_as_wanted(
    home: Home, submissions: Submissions, history: str, records: int
) -> None:
    """Only what the user wants is submitted."""
    await furnish(home, IMPORT, hours=1)
    home.import_rows(
        IMPORT,
        [
            StatisticData(start=UNTIL - days * 24 * HOUR, state=0.0, sum=-days)
            for days in (1000, 31, 30, 10)
        ],
    )

    await home.async_set_up(history=history)

    submitted = [record for submission in submissions for record in submission]
    assert len(submitted) == records


async def test_batches_are_limited(home: Home, submissions: Submissions) -> None:
    """However many meters there are, a submission has no more records than it may."""
    await furnish(home, IMPORT, EXPORT, SOLAR, hours=60)

    with limited(MAX_BATCH_RECORDS=50):
        entry = await home.async_set_up(history="30_days")

    # There is room for the half hours that the prices ask for.
    assert max(count(submissions)) == 24
    assert sum(count(submissions)) == 3 * 60
    assert await home.async_miscounted(entry) == []


async def test_batches_of_slots_are_limited(
    home: Home, submissions: Submissions
) -> None:
    """Records of half an hour are twice as many; they are cut at full hours."""
    await furnish(home, IMPORT, hours=0)
    energy = [float(number) for number in range(12 * 12)]
    await home.async_record_short(IMPORT, UNTIL - 12 * HOUR, energy)

    with limited(MAX_BATCH_RECORDS=11):
        entry = await home.async_set_up(history="30_days")

    assert count(submissions) == [8, 10, 6]
    assert await home.async_miscounted(entry) == []


async def test_record(entry: ConfigEntry[Any], furnished: Home) -> None:
    """A record tells whose energy it is, which way it goes and what price it has."""
    account = furnished.simulator.account()
    imported, exported = (
        meter_of(entry, name) for name in ("Grid import", "Grid export")
    )
    for meter, direction in (
        (imported, Direction.IMPORT),
        (exported, Direction.EXPORT),
    ):
        (register,) = account.meters.registers(meter.device_id, direction)
        assert len(register) == 3


async def test_cursor(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """What is accepted is not submitted again, and an hour is once it is over."""
    assert await cycle(entry)
    assert submissions == []

    await live(furnished, freezer, 500.0)
    assert await cycle(entry)
    assert await cycle(entry)

    assert [starts(submission) for submission in submissions] == [{UNTIL}]
    assert count(submissions) == [2]
    assert await furnished.async_miscounted(entry) == []


async def test_hour_that_is_not_over_waits(
    entry: ConfigEntry[Any], furnished: Home, submissions: Submissions
) -> None:
    """An hour that can still change is left alone."""
    await furnished.async_record(IMPORT, UNTIL, [500.0])

    assert await cycle(entry)

    assert submissions == []


async def test_gap_is_spanned(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """The energy after a gap belongs to all of the gap."""
    await live(furnished, freezer, None, None, None, None, 500.0, 7.0)

    assert await cycle(entry)

    [records] = submissions
    assert [(each.start, each.end) for each in records[:2]] == [
        (UNTIL, UNTIL + 5 * HOUR),
        (UNTIL + 5 * HOUR, UNTIL + 6 * HOUR),
    ]
    assert await furnished.async_miscounted(entry) == []


async def test_meter_that_lags_holds_up_nobody(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A meter without rows for long is passed by, and catches up when it has some."""
    with limited(MONTH=timedelta(hours=10)):
        await live(furnished, freezer, *[3.0] * 48, sensors=[IMPORT])
        assert await cycle(entry)
        assert sum(count(submissions)) == 48

        await furnished.async_record(EXPORT, UNTIL + 47 * HOUR, [999.0])
        assert await cycle(entry)

    assert count(submissions)[-1] == 1
    assert submissions[-1][0].start == UNTIL
    assert await furnished.async_miscounted(entry) == []


async def test_refused_records(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Refused records hold up nobody, are kept, and are tried again every cycle."""
    exported = meter_of(entry, "Grid export")
    journal = entry.runtime_data.journal.meters[exported.device_id]
    furnished.simulator.faults.next(
        PUT, *[refusing(furnished, exported, lost=False)] * 3
    )
    await live(furnished, freezer, 500.0)
    assert await cycle(entry)

    assert [each.interval.start for each in journal.refusals] == [UNTIL]
    assert journal.refusals[0].reason == "device_id is unknown."
    assert journal.fresh.position == UNTIL + HOUR
    since = journal.refusals[0].since
    assert caplog.text.count("Flatpeak refused 1 of 2 records") == 1

    await live(furnished, freezer, 600.0)
    assert await cycle(entry)
    assert {each.interval.start for each in journal.refusals} == {UNTIL, UNTIL + HOUR}
    assert journal.refusals[0].since == since
    miscounted = await furnished.async_miscounted(entry)
    assert {name for name, *_ in miscounted} == {"Grid export"}

    submissions.clear()
    assert await cycle(entry)
    assert [starts(submission) for submission in submissions] == [{UNTIL, UNTIL + HOUR}]
    assert journal.refusals == []
    assert await furnished.async_miscounted(entry) == []


async def test_refused_hour_has_no_cost(
    entry: ConfigEntry[Any], furnished: Home, freezer: FrozenDateTimeFactory
) -> None:
    """An hour that Flatpeak has refused is not priced, the hours beside it are."""
    imported = meter_of(entry, "Grid import")
    furnished.simulator.faults.next(PUT, refusing(furnished, imported, lost=False))
    await live(furnished, freezer, 500.0)
    assert await cycle(entry)
    furnished.simulator.faults.next(PUT, refusing(furnished, imported, lost=False))
    await live(furnished, freezer, 600.0)
    assert await cycle(entry)

    rows = await furnished.async_rows(imported.cost_statistic_id, UNTIL - HOUR)

    assert [row["start"] for row in rows] == [
        start.timestamp() for start in (UNTIL - HOUR, UNTIL + HOUR)
    ]


async def test_more_refusals_than_fit(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """No more refused records are tried at a time than a submission may have."""
    exported = meter_of(entry, "Grid export")
    furnished.simulator.faults.next(PUT, refusing(furnished, exported, lost=False))
    await live(furnished, freezer, *[5.0] * 10)
    assert await cycle(entry)
    submissions.clear()

    with limited(MAX_BATCH_RECORDS=4):
        furnished.simulator.faults.next(PUT, refusing(furnished, exported, lost=False))
        assert await cycle(entry)
        assert count(submissions) == [4]
        for _ in range(3):
            assert await cycle(entry)

    assert count(submissions) == [4, 4, 4, 2]
    assert await furnished.async_miscounted(entry) == []


async def test_refused_gap(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A gap that was refused is neither priced nor corrected until it is taken."""
    imported = meter_of(entry, "Grid import")
    fault = refusing(furnished, imported, lost=False)
    furnished.simulator.faults.next(PUT, *[fault] * 2)
    await live(furnished, freezer, *[None] * 30, 500.0)
    assert await cycle(entry)
    await live(furnished, freezer, 7.0)
    assert await cycle(entry)
    rows = await furnished.async_rows(imported.cost_statistic_id, UNTIL)
    assert [row["start"] for row in rows] == [(UNTIL + 31 * HOUR).timestamp()]

    assert await cycle(entry)

    assert count(submissions) == [2, 1, 2, 1]
    assert await furnished.async_miscounted(entry) == []
    rows = await furnished.async_rows(imported.cost_statistic_id, UNTIL)
    assert len(rows) == 32


async def test_costs_of_records_that_were_refused_for_long(
    entry: ConfigEntry[Any], furnished: Home, freezer: FrozenDateTimeFactory
) -> None:
    """Records that are taken after weeks are priced, all of them."""
    imported = meter_of(entry, "Grid import")
    fault = refusing(furnished, imported, lost=False)
    furnished.simulator.faults.next(PUT, *[fault] * 2)
    await live(furnished, freezer, *(float(hour) for hour in range(26)))
    assert await cycle(entry)
    # Those that are tried come behind those that are not.
    with limited(MAX_BATCH_RECORDS=24):
        assert await cycle(entry)
    assert await furnished.async_rows(imported.cost_statistic_id, UNTIL) == []

    # In a new month, but before a night's pass that looks at more than that.
    freezer.move_to(datetime(2026, 4, 20, 22, 30, tzinfo=UTC))
    assert await cycle(entry)

    rows = await furnished.async_rows(imported.cost_statistic_id, UNTIL)
    assert len(rows) == 26
    assert await furnished.async_miscounted(entry) == []


async def test_batch_is_waited_for(
    furnished: Home, submissions: Submissions, virtual_sleep: None
) -> None:
    """Costs are asked for only once all records count."""
    furnished.simulator.settings.processing_delay = 100

    entry = await furnished.async_set_up(history="30_days")

    imported = meter_of(entry, "Grid import")
    truth = furnished.simulator.truth(imported.device_id)
    rows = await furnished.async_rows(imported.cost_statistic_id)
    assert [row["change"] for row in rows] == pytest.approx(
        [float(hour.cost) for hour in truth.hours()], abs=1e-5
    )
    assert furnished.simulator.requests.count(BATCH) > 3


async def test_batch_that_is_late(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
    virtual_sleep: None,
    no_retries: None,
) -> None:
    """It is not priced meanwhile, and asked for once a cycle; fresh hours are submitted."""
    furnished.simulator.settings.processing_delay = None
    await live(furnished, freezer, 500.0)
    asked = furnished.simulator.requests.count(COSTS)
    assert not await cycle(entry)
    assert failure(entry) == "not_processed"
    assert furnished.simulator.requests.count(BATCH) > 10

    for energy in (600.0, 700.0):
        await live(furnished, freezer, energy)
        before = furnished.simulator.requests.count(BATCH)
        assert not await cycle(entry)
        assert furnished.simulator.requests.count(BATCH) == before + 1
    await furnished.hass.config_entries.async_reload(entry.entry_id)
    await furnished.async_settle()

    assert failure(entry) == "not_processed"
    assert furnished.simulator.requests.count(BATCH) == before + 2
    assert count(submissions) == [2, 2, 2]
    assert furnished.simulator.requests.count(COSTS) == asked
    assert "batch_not_processed" not in told(furnished)
    furnished.simulator.settings.processing_delay = 0
    assert await cycle(entry)
    assert entry.runtime_data.journal.batches == []
    assert await furnished.async_miscounted(entry) == []
    assert (await priced_hours(furnished, entry))[-1] == UNTIL + 2 * HOUR


async def test_batch_that_stays_unprocessed(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
    virtual_sleep: None,
    no_retries: None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After a day the user is told, once; then everything goes on without it."""
    await live(furnished, freezer, 500.0)
    furnished.simulator.faults.next(PUT, Fault.unprocessed())
    assert not await cycle(entry)
    for hours in (22, 1):
        await live(furnished, freezer, *[600.0] * hours)
        assert not await cycle(entry)
        assert "batch_not_processed" not in told(furnished)

    asked = furnished.simulator.requests.count(BATCH)
    await live(furnished, freezer, 600.0)
    assert await cycle(entry)

    # The last question about it, one about each that came after it.
    assert furnished.simulator.requests.count(BATCH) == asked + 1 + 3
    assert told(furnished)["batch_not_processed"]["sent"] == "2026-03-10 14:20"
    assert count(submissions) == [2, 44, 2, 2]
    assert "energy_differs" in told(furnished)
    await furnished.hass.config_entries.async_reload(entry.entry_id)
    await furnished.async_settle()
    assert "batch_not_processed" in told(furnished)
    asked = furnished.simulator.requests.count(BATCH)
    assert await cycle(entry)
    assert furnished.simulator.requests.count(BATCH) == asked
    assert caplog.text.count("has not processed for a day what was uploaded") == 1

    for hours in (23, 1):
        assert "batch_not_processed" in told(furnished)
        await live(furnished, freezer, *[600.0] * hours)
        assert await cycle(entry)
    assert "batch_not_processed" not in told(furnished)


async def test_history_waits_for_its_batches(
    home: Home, submissions: Submissions, virtual_sleep: None
) -> None:
    """A month that is not processed holds up the next one, for a day at most."""
    await furnish(home, IMPORT, hours=24 * 40)
    requests = home.simulator.requests
    sent: list[datetime] = []

    async def held(request: web.Request, process: Process) -> web.StreamResponse:
        """Note the time, and process nothing."""
        sent.append(datetime.now(UTC))
        return await Fault.unprocessed().action(request, process)

    home.simulator.faults.next(PUT, *[Fault("HELD", held)] * 3)

    entry = await home.async_set_up(history="1_year")
    await cycle(entry)

    assert count(submissions) == [48, 31 * 24, 7 * 24]
    assert [
        later - before >= timedelta(days=1) for before, later in pairwise(sent)
    ] == [
        True,
        True,
    ]
    assert requests.count(BATCH) < 24 * len(sent) * 2 + 3 * 12
    assert "batch_not_processed" in told(home)


async def test_batch_that_is_forgotten(
    entry: ConfigEntry[Any],
    furnished: Home,
    freezer: FrozenDateTimeFactory,
    virtual_sleep: None,
) -> None:
    """A batch that Flatpeak does not know any more is not waited for for ever."""
    await live(furnished, freezer, 500.0)
    unknown = Fault.answer(404, {"message": "Not Found"})
    with limited(PROCESSING_WAITS=(0, 60, 60)):
        furnished.simulator.faults.next(BATCH, *[unknown] * 3)
        assert await cycle(entry)

    assert entry.runtime_data.journal.batches == []
    assert furnished.simulator.requests.count(BATCH, 404) == 3


# A batch of two records, of which nobody knows which one was taken.
_HALF: Final = {
    "id": "bat_1",
    "records_submitted": 2,
    "records_accepted": 1,
    "records_processed": 1,
}
_WRONG: Final = [{"record_num": 7, "error": "There is no such record."}]


@pytest.mark.parametrize("duplicates", Duplicates)
@pytest.mark.parametrize(
    ("fault", "key", "sent"),
    [
        pytest.param(fault, key, sent, id=name)
        for name, fault, key, sent in (
            ("reset before", Fault.RESET_BEFORE, "cannot_connect", 2),
            ("reset after", Fault.RESET_AFTER, "cannot_connect", 1),
            ("error", Fault.SERVER_ERROR, "server_error", 2),
            ("proxy", Fault.BAD_GATEWAY, "server_error", 2),
            ("page", Fault.HTML, "unreadable_answer", 2),
            ("truncated", Fault.TRUNCATED, "unreadable_answer", 1),
            ("no batch", Fault.answer(200, {}), "unreadable_answer", 2),
            ("unnamed", Fault.answer(200, _HALF), "unreadable_answer", 2),
            (
                "misnamed",
                Fault.answer(200, _HALF | {"failed_records": _WRONG}),
                "unreadable_answer",
                2,
            ),
        )
    ],
)
async def test_answer_is_lost(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
    duplicates: Duplicates,
    fault: Fault,
    key: str,
    sent: int,
) -> None:
    """A submission without an answer is looked for, and sent again only if not there."""
    furnished.simulator.settings.duplicates = duplicates
    await live(furnished, freezer, 500.0)
    furnished.simulator.faults.next(PUT, fault)
    assert not await cycle(entry)
    assert failure(entry) == key
    assert entry.runtime_data.journal.doubt is not None

    freezer.tick(60)
    if sent == 2:
        # It may still be on its way.
        assert not await cycle(entry)
        assert failure(entry) == "not_processed"
        freezer.tick(timedelta(minutes=15))
    assert await cycle(entry)

    assert entry.runtime_data.journal.doubt is None
    assert count(submissions) == [2] * sent
    assert submissions[-1] == submissions[0]
    assert await furnished.async_miscounted(entry) == []


@pytest.mark.parametrize(
    ("fault", "key", "rest"),
    [
        pytest.param(Fault.rate_limit(), "rate_limited", 0, id="busy"),
        pytest.param(Fault.rate_limit(600), "rate_limited", 600, id="rest"),
        pytest.param(Fault.answer(422, INVALID), "invalid_request", 900, id="invalid"),
    ],
)
async def test_submission_is_refused(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
    fault: Fault,
    key: str,
    rest: int,
) -> None:
    """A submission that was not taken is not in doubt, and not repeated too soon."""
    await live(furnished, freezer, 500.0)
    furnished.simulator.faults.next(PUT, fault)
    assert not await cycle(entry)
    assert failure(entry) == key
    assert entry.runtime_data.journal.doubt is None

    if rest:
        freezer.tick(rest - 5)
        assert not await cycle(entry)
        assert failure(entry) == key
        assert count(submissions) == [2]
        freezer.tick(5)
    assert await cycle(entry)

    assert count(submissions) == [2, 2]
    assert await furnished.async_miscounted(entry) == []


async def test_doubt_survives_a_restart(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A home that is stopped with a submission under way finds out what became of it."""
    furnished.simulator.settings.duplicates = Duplicates.ADD
    is_processed, may_answer = asyncio.Event(), asyncio.Event()

    async def action(request: web.Request, process: Process) -> web.StreamResponse:
        """Process, and answer when it is time."""
        response = await process(request)
        is_processed.set()
        await may_answer.wait()
        return response

    await live(furnished, freezer, 500.0)
    furnished.simulator.faults.next(PUT, Fault("HELD", action))
    pressed = asyncio.create_task(entry.runtime_data.async_refresh())
    await is_processed.wait()

    await furnished.hass.config_entries.async_reload(entry.entry_id)
    may_answer.set()
    await pressed
    await furnished.async_settle()

    assert count(submissions) == [2]
    assert entry.runtime_data.journal.doubt is None
    assert await furnished.async_miscounted(entry) == []


@pytest.mark.parametrize("duplicates", Duplicates)
async def test_slow_processing_is_not_taken_for_a_loss(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
    duplicates: Duplicates,
) -> None:
    """What has arrived in part is being processed: the rest is given more time."""
    furnished.simulator.settings.duplicates = duplicates
    furnished.simulator.settings.processing_delay = 40 * 60
    await live(furnished, freezer, *[500.0] * 10)
    furnished.simulator.faults.next(PUT, Fault.RESET_AFTER)
    assert not await cycle(entry)

    for _ in range(3):
        freezer.tick(timedelta(minutes=10))
        assert not await cycle(entry)
        assert failure(entry) == "not_processed"
    freezer.tick(timedelta(minutes=10))
    assert await cycle(entry)

    assert count(submissions) == [20]
    assert await furnished.async_miscounted(entry) == []


@pytest.mark.parametrize("duplicates", Duplicates)
async def test_half_of_a_batch_has_arrived(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
    duplicates: Duplicates,
) -> None:
    """Of a submission that was taken in part, only the rest is sent again."""
    furnished.simulator.settings.duplicates = duplicates
    await live(furnished, freezer, *[500.0] * 4)
    exported = meter_of(entry, "Grid export")
    furnished.simulator.faults.next(PUT, refusing(furnished, exported, lost=True))
    assert not await cycle(entry)

    freezer.tick(timedelta(minutes=30))
    assert not await cycle(entry)
    assert failure(entry) == "not_processed"
    freezer.tick(timedelta(minutes=31))
    assert await cycle(entry)

    assert count(submissions) == [8, 4]
    assert {record.device_id for record in submissions[1]} == {exported.device_id}
    assert await furnished.async_miscounted(entry) == []


@pytest.mark.parametrize("whole_watt_hours", [False, True])
async def test_single_records_are_missing(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
    whole_watt_hours: bool,
) -> None:
    """Records are found to be missing one by one, also where the service rounds."""
    furnished.simulator.settings.duplicates = Duplicates.ADD
    furnished.simulator.settings.whole_watt_hours = whole_watt_hours
    await live(furnished, freezer, *(3.25 + hour for hour in range(20)))
    imported = meter_of(entry, "Grid import")
    dropped = UNTIL, UNTIL + 7 * HOUR, UNTIL + 8 * HOUR
    furnished.simulator.faults.next(PUT, dropping(furnished, imported, *dropped))
    assert not await cycle(entry)

    freezer.tick(timedelta(hours=1))
    assert await cycle(entry)

    assert count(submissions) == [40, 3]
    assert starts(submissions[1]) == set(dropped)


async def test_questions_that_fail_now_and_then(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """What became of a submission is found out little by little."""
    furnished.simulator.settings.duplicates = Duplicates.ADD
    await live(furnished, freezer, *(3.25 + hour for hour in range(20)))
    imported = meter_of(entry, "Grid import")
    dropped = [UNTIL + hour * HOUR for hour in range(0, 20, 4)]
    furnished.simulator.faults.next(PUT, dropping(furnished, imported, *dropped))
    assert not await cycle(entry)
    freezer.tick(timedelta(hours=1))

    furnished.simulator.faults.next(COSTS, *[*[ANSWERED] * 4, Fault.SERVER_ERROR] * 9)
    cycles = 1
    while not await cycle(entry):
        assert failure(entry) == "server_error"
        freezer.tick(timedelta(hours=1))
        cycles += 1

    assert 5 < cycles < 10
    assert count(submissions) == [40, 5]
    assert starts(submissions[1]) == set(dropped)


async def test_rounded_energy_is_no_loss(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """What the service rounds off is not taken for missing, over many hours either."""
    furnished.simulator.settings.whole_watt_hours = True
    await live(furnished, freezer, *(10.45 + hour for hour in range(60)))
    furnished.simulator.faults.next(PUT, Fault.RESET_AFTER)
    assert not await cycle(entry)
    asked = furnished.simulator.requests.count(COSTS)

    assert await cycle(entry)

    assert count(submissions) == [120]
    # One question for each meter, and later one for its costs.
    assert furnished.simulator.requests.count(COSTS) == asked + 2 * 2


async def test_doubt_over_a_long_gap(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A record that is longer than a report may be is looked for in several."""
    furnished.simulator.settings.duplicates = Duplicates.ADD
    sensors = [IMPORT]
    await live(furnished, freezer, *[None] * (24 * 95), 54321.5, sensors=sensors)
    furnished.simulator.faults.next(PUT, Fault.RESET_AFTER)
    assert not await cycle(entry)

    assert await cycle(entry)

    assert count(submissions) == [1]
    assert await furnished.async_miscounted(entry) == []


async def test_doubt_of_hours_without_energy(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Of hours without energy nothing can be lost."""
    await live(furnished, freezer, 0.0)
    furnished.simulator.faults.next(PUT, Fault.RESET_BEFORE)
    assert not await cycle(entry)

    assert await cycle(entry)

    assert count(submissions) == [2]


async def test_lost_retry_of_refused_records(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Refused records that are in doubt are looked for one by one."""
    furnished.simulator.settings.duplicates = Duplicates.ADD
    exported = meter_of(entry, "Grid export")
    for _ in range(2):
        furnished.simulator.faults.next(PUT, refusing(furnished, exported, lost=False))
        await live(furnished, freezer, 500.0)
        assert await cycle(entry)
        await live(furnished, freezer, 600.0, sensors=[IMPORT])
    journal = entry.runtime_data.journal
    assert journal.meters[exported.device_id].refusals
    furnished.simulator.faults.next(PUT, Fault.RESET_AFTER)
    assert not await cycle(entry)
    assert journal.doubt is not None

    assert await cycle(entry)

    assert journal.meters[exported.device_id].refusals == []
    assert await furnished.async_miscounted(entry) == []


async def test_refused_since_it_was_there(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Records that were refused as duplicates are recognised once they count."""
    settings = furnished.simulator.settings
    settings.duplicates = Duplicates.REFUSE
    settings.processing_delay = None
    await live(furnished, freezer, 500.0, 600.0)
    furnished.simulator.faults.next(PUT, Fault.RESET_AFTER)
    assert not await cycle(entry)
    freezer.tick(timedelta(minutes=16))
    assert await cycle(entry)
    journals = entry.runtime_data.journal.meters.values()
    assert [len(journal.refusals) for journal in journals] == [2, 2]
    sent = len(submissions)

    settings.processing_delay = 0
    assert await cycle(entry)

    assert [len(journal.refusals) for journal in journals] == [0, 0]
    assert len(submissions) == sent
    assert await furnished.async_miscounted(entry) == []


async def test_doubt_without_a_tariff(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Where no report can tell, the same records are sent again, after a while."""
    account = furnished.simulator.account()
    for direction in (Direction.IMPORT, Direction.EXPORT):
        account.disconnect(entry.runtime_data.location_id, direction)
    await live(furnished, freezer, 500.0)
    furnished.simulator.faults.next(PUT, Fault.RESET_BEFORE)
    assert not await cycle(entry)

    freezer.tick(60)
    assert not await cycle(entry)
    assert failure(entry) == "not_processed"
    freezer.tick(timedelta(minutes=15))
    assert await cycle(entry)

    assert count(submissions) == [2, 2]
    assert await furnished.async_miscounted(entry) == []


@pytest.mark.parametrize(
    ("fault", "sent"),
    [
        pytest.param(Fault.RESET_BEFORE, [2, 2], id="lost"),
        pytest.param(Fault.RESET_AFTER, [2], id="arrived"),
    ],
)
async def test_doubt_with_one_tariff(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
    fault: Fault,
    sent: list[int],
) -> None:
    """Records that no report can tell of share the fate of the others."""
    furnished.simulator.settings.duplicates = Duplicates.ADD
    account = furnished.simulator.account()
    account.disconnect(entry.runtime_data.location_id, Direction.EXPORT)
    await live(furnished, freezer, 500.0)
    furnished.simulator.faults.next(PUT, fault)
    assert not await cycle(entry)

    freezer.tick(timedelta(minutes=16))
    assert await cycle(entry)

    assert count(submissions) == sent
    assert await furnished.async_miscounted(entry) == []


async def test_restart_continues_at_the_cursor(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """What was recorded meanwhile is submitted once, and what was before is not."""
    await furnished.hass.config_entries.async_unload(entry.entry_id)
    await live(furnished, freezer, *[500.0] * 5)

    await furnished.hass.config_entries.async_setup(entry.entry_id)
    await furnished.async_settle()

    assert count(submissions) == [10]
    assert await furnished.async_miscounted(entry) == []
    assert furnished.simulator.requests.count("GET /login") < 4


async def test_meter_that_is_gone_holds_up_nobody(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A meter whose entity was removed waits for it to come back."""
    furnished.remove_sensor(EXPORT)
    await live(furnished, freezer, 500.0)
    assert await cycle(entry)
    assert count(submissions) == [1]

    furnished.add_sensor(EXPORT)
    assert await cycle(entry)

    assert count(submissions) == [1, 1]
    assert await furnished.async_miscounted(entry) == []


async def test_meters_that_are_all_gone(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A home without any statistic has nothing to submit."""
    furnished.remove_sensor(IMPORT)
    furnished.remove_sensor(EXPORT)
    await live(furnished, freezer, 500.0)

    assert await cycle(entry)

    assert submissions == []


@contextmanager
def history_held_up() -> Generator[None]:
    """Let homes that are set up leave their history alone."""
    with patch.object(Uploader, "history", None):
        yield


async def test_history_of_a_meter_that_is_gone_waits(
    home: Home, submissions: Submissions
) -> None:
    """The history of a removed entity is not taken for submitted."""
    await furnish(home, IMPORT, EXPORT, hours=60)
    with history_held_up():
        entry = await home.async_set_up(history="30_days")
    assert sum(count(submissions)) == 2 * 48

    home.remove_sensor(EXPORT)
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.async_settle()
    assert sum(count(submissions)) == 2 * 48 + 12
    exported = meter_of(entry, "Grid export")
    assert entry.runtime_data.journal.meters[exported.device_id].history is not None

    home.add_sensor(EXPORT)
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.async_settle()
    assert sum(count(submissions)) == 2 * 60
    assert await home.async_miscounted(entry) == []


async def test_history_of_a_meter_that_was_gone_at_first(
    home: Home, submissions: Submissions
) -> None:
    """History that could not be looked for is looked for again."""
    await furnish(home, IMPORT, EXPORT, hours=60)
    entry = await home.async_set_up(history="none")
    exported = meter_of(entry, "Grid export")
    home.remove_sensor(EXPORT)
    home.hass.config_entries.async_update_subentry(
        entry,
        entry.subentries[exported.subentry_id],
        data={
            **entry.subentries[exported.subentry_id].data,
            "history_start": (UNTIL - 100 * HOUR).isoformat(),
        },
    )
    await home.async_settle()
    assert submissions == []

    home.add_sensor(EXPORT)
    await home.hass.config_entries.async_reload(entry.entry_id)
    await home.async_settle()

    assert sum(count(submissions)) == 60


async def test_renamed_entity(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A meter follows its entity when that gets another name."""
    er.async_get(furnished.hass).async_update_entity(
        EXPORT, new_entity_id="sensor.sold"
    )
    await furnished.async_settle()
    await live(furnished, freezer, 500.0, sensors=[IMPORT])
    await furnished.async_record(
        "sensor.sold", UNTIL - 3 * HOUR, [101.25, 102.25, 103.25, 500.0]
    )

    assert await cycle(entry)

    assert count(submissions) == [2]
    assert await furnished.async_miscounted(entry) == []


async def remove_and_add(
    home: Home, entry: ConfigEntry[Any], history: str
) -> ConfigEntry[Any]:
    """Remove a home, and set it up again."""
    await home.hass.config_entries.async_remove(entry.entry_id)
    entry = await home.async_set_up(history=history)
    home.simulator.violations.clear()  # Each flow logs in.
    return entry


async def test_removed_and_added_again(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A home that is added again goes on where it stopped."""
    devices = [meter.device_id for meter in entry.runtime_data.meters]
    await live(furnished, freezer, 500.0)

    again = await remove_and_add(furnished, entry, "none")

    assert [meter.device_id for meter in again.runtime_data.meters] == devices
    assert count(submissions) == [2]
    assert await furnished.async_miscounted(again) == []


async def test_longer_history_fills_in_what_is_older(
    home: Home, submissions: Submissions
) -> None:
    """Asking for more history than before submits what is older, and nothing twice."""
    await furnish(home, IMPORT, hours=5 * 24)
    entry = await home.async_set_up(history="none")
    assert submissions == []

    entry = await remove_and_add(home, entry, "30_days")
    assert sum(count(submissions)) == 5 * 24
    assert await home.async_miscounted(entry) == []

    submissions.clear()
    entry = await remove_and_add(home, entry, "1_year")
    entry = await remove_and_add(home, entry, "none")
    assert submissions == []
    assert await home.async_miscounted(entry) == []


async def test_longer_history_while_a_shorter_one_is_under_way(
    home: Home, submissions: Submissions
) -> None:
    """A longer history that is asked for meanwhile follows the shorter one."""
    await furnish(home, IMPORT, hours=31 * 24)
    with history_held_up():
        entry = await home.async_set_up(history="30_days")
    assert sum(count(submissions)) == 48

    entry = await remove_and_add(home, entry, "everything")

    assert sum(count(submissions)) == 31 * 24
    assert await home.async_miscounted(entry) == []


async def test_removed_meter_is_not_accepted_unseen(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """What was in doubt of a meter that is removed is not taken for arrived."""
    exported = meter_of(entry, "Grid export")
    await live(furnished, freezer, 500.0)
    furnished.simulator.faults.next(PUT, Fault.RESET_BEFORE)
    assert not await cycle(entry)
    position = entry.runtime_data.journal.meters[exported.device_id].fresh.position

    furnished.hass.config_entries.async_remove_subentry(entry, exported.subentry_id)
    await furnished.async_settle()
    freezer.tick(timedelta(minutes=16))
    assert await cycle(entry)

    journal = entry.runtime_data.journal
    assert journal.doubt is None
    assert journal.meters[exported.device_id].fresh.position == position
    assert await furnished.async_miscounted(entry) == []
    assert count(submissions) == [2, 1]


async def test_removed_meter_alone_in_doubt(
    entry: ConfigEntry[Any],
    furnished: Home,
    submissions: Submissions,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A doubt of removed meters alone ends, and holds up nobody."""
    exported = meter_of(entry, "Grid export")
    await live(furnished, freezer, 500.0, sensors=[EXPORT])
    furnished.simulator.faults.next(PUT, Fault.RESET_BEFORE)
    assert not await cycle(entry)

    furnished.hass.config_entries.async_remove_subentry(entry, exported.subentry_id)
    await furnished.async_settle()

    assert entry.runtime_data.last_update_success
    assert entry.runtime_data.journal.doubt is None
