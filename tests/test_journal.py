"""What survives a crash: cursors, refusals and the submission in doubt, on disk."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
import json
import os
from pathlib import Path
import threading
from typing import Any
from unittest.mock import patch

import pytest

from custom_components.flatpeak.intervals import HOUR, EnergyInterval
from custom_components.flatpeak.journal import (
    BEGINNING,
    CORRECTION,
    FRESH,
    HISTORY,
    KEPT_DAYS,
    Day,
    Journal,
    JournalError,
    MeterJournal,
    OpenBatch,
    Overdue,
    Part,
    Refusal,
    Source,
    Span,
    Split,
    Stretch,
    Submission,
    days_of,
    splits_of,
)
from custom_components.flatpeak.readings import Register, begin
from custom_components.flatpeak.sessions import OpenSession, Session, SessionCost, Watch
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.exceptions import HomeAssistantError, UnsupportedStorageVersionError
from homeassistant.helpers import json as json_helper

START = datetime(2026, 10, 24, tzinfo=UTC)
SENT = datetime(2026, 10, 26, 7, 30, 15, 123456, tzinfo=UTC)
BATCH = OpenBatch(batch_id="bat_1", sent=SENT)


@pytest.fixture
def hass_config_dir(hass_tmp_config_dir: str) -> str:
    """Give each test a directory of its own."""
    return hass_tmp_config_dir


@pytest.fixture
def hass_storage() -> dict[str, Any]:
    """Leave the files to the disk."""
    return {}


@pytest.fixture
def file(hass: HomeAssistant) -> Path:
    """Return the journal's file."""
    return Path(hass.config.path(".storage/flatpeak.loc_1"))


def hour(number: int) -> datetime:
    """Return the start of an hour, counted from the beginning."""
    return START + number * HOUR


def interval(start: int, energy_wh: float = 0.1, *, hours: int = 1) -> EnergyInterval:
    """Return an interval."""
    return EnergyInterval(
        start=hour(start), end=hour(start + hours), energy_wh=energy_wh
    )


def slots(start: int, minutes: int, *, hours: int = 1) -> list[EnergyInterval]:
    """Return the records of split hours."""
    length = timedelta(minutes=minutes)
    begins = [hour(start) + n * length for n in range(hours * HOUR // length)]
    return [
        EnergyInterval(start=begin, end=begin + length, energy_wh=0.5)
        for begin in begins
    ]


def part(
    *intervals: EnergyInterval,
    stretch: str | None = FRESH,
    device_id: str = "dev_1",
    position: int = 50,
    carry_wh: float = 0.0,
) -> Part:
    """Return what a meter has in a submission."""
    return Part(
        device_id=device_id,
        intervals=intervals,
        stretch=stretch,
        position=hour(position),
        carry_wh=carry_wh,
    )


def refusal(start: int, reason: str = "no", *, since: datetime = SENT) -> Refusal:
    """Return a refused record."""
    return Refusal(interval=interval(start), reason=reason, since=since)


def meter(history: Stretch | None = None) -> MeterJournal:
    """Return the journal of a meter whose fresh hours are the last two days."""
    return MeterJournal(
        wanted=hour(0), fresh=Stretch.beginning(hour(48)), history=history
    )


def submission(*parts: Part) -> Submission:
    """Return a submission."""
    return Submission(sent=SENT, parts=parts)


async def async_loaded(hass: HomeAssistant) -> Journal:
    """Return the journal as it is after a crash: all that is left is the file."""
    journal = Journal(hass, "loc_1")
    await journal.async_load()
    return journal


def begun() -> dict[str, MeterJournal]:
    """Return two meters of which nothing is accepted yet."""
    return {"dev_1": meter(Stretch.beginning(hour(0), hour(48))), "dev_2": meter()}


async def async_begun(hass: HomeAssistant) -> Journal:
    """Return the journal of two meters that is on disk."""
    journal = Journal(hass, "loc_1")
    journal.meters = begun()
    await journal.async_save()
    return journal


def content(journal: Journal) -> object:
    """Return all that a journal knows."""
    return (
        journal.meters,
        journal.doubt,
        journal.batches,
        journal.overdue,
        journal.last_upload,
        journal.repriced_on,
        journal.slot_minutes,
        journal.corrections_stopped,
    )


def test_a_stretch_begins_with_nothing_accepted() -> None:
    """The cursor is where the stretch begins."""
    assert Stretch.beginning(hour(1), hour(2)) == Stretch(
        start=hour(1), position=hour(1), end=hour(2), carry_wh=0.0
    )
    assert Stretch.beginning(hour(1)).end is None


def test_the_stretches_of_a_meter() -> None:
    """A meter has fresh hours always, history sometimes, and nothing else."""
    history = Stretch.beginning(hour(0), hour(48))
    with_history, without = meter(history), meter()

    assert with_history.stretch(FRESH) is with_history.fresh
    assert with_history.stretch(HISTORY) is history
    assert with_history.stretch(None) is None
    assert without.stretch(FRESH) is without.fresh
    assert without.stretch(HISTORY) is None


@pytest.mark.parametrize(
    ("stretch", "fresh", "history"),
    [
        (FRESH, (hour(60), -3.0), (hour(0), 0.0)),
        (HISTORY, (hour(48), 0.0), (hour(60), -3.0)),
        (None, (hour(48), 0.0), (hour(0), 0.0)),
    ],
)
def test_an_answered_part_moves_its_own_cursor(
    stretch: str | None,
    fresh: tuple[datetime, float],
    history: tuple[datetime, float],
) -> None:
    """Position and debt of its stretch go on; retried records belong to none."""
    journal = meter(Stretch.beginning(hour(0), hour(48)))

    journal.accept(
        part(interval(3), stretch=stretch, position=60, carry_wh=-3.0), refused=()
    )

    assert journal.history is not None
    assert (journal.fresh.position, journal.fresh.carry_wh) == fresh
    assert (journal.history.position, journal.history.carry_wh) == history
    assert journal.fresh.start == hour(48)
    assert journal.refusals == []


def test_a_part_of_a_history_that_is_done_moves_nothing() -> None:
    """What was in doubt may belong to a stretch that is gone."""
    journal = meter()

    journal.accept(part(interval(3), stretch=HISTORY, position=60), refused=())

    journal.unpriced = None
    assert journal == meter()


def test_refused_records_do_not_hold_up_the_others() -> None:
    """The cursor moves over them; they are kept, with those of before."""
    journal = meter()
    journal.refusals = [refusal(7)]

    journal.accept(part(interval(48), interval(49)), [refusal(49)])

    assert journal.fresh.position == hour(50)
    assert journal.refusals == [refusal(7), refusal(49)]


def test_a_refused_record_that_is_taken_is_forgotten() -> None:
    """Only what was sent is answered: the others stay."""
    journal = meter()
    journal.refusals = [refusal(7), refusal(8), refusal(9)]

    journal.accept(part(interval(7), interval(9), stretch=None), refused=())

    assert journal.refusals == [refusal(8)]


def test_a_record_that_is_refused_again_keeps_its_first_time() -> None:
    """The day after which the user is told begins with the first refusal."""
    journal = meter()
    journal.refusals = [refusal(7, "too old", since=SENT), refusal(9, "odd")]
    later = SENT + HOUR

    journal.accept(
        part(interval(7), interval(8), interval(9), stretch=None),
        [refusal(7, "far too old", since=later), refusal(8, "new", since=later)],
    )

    assert journal.refusals == [
        refusal(7, "far too old", since=SENT),
        refusal(8, "new", since=later),
    ]


def test_the_windows_that_are_accepted() -> None:
    """Between the history's cursor and the fresh hours nothing is accepted yet."""
    journal = meter(Stretch.beginning(hour(0), hour(48)))
    assert list(journal.accepted()) == [(hour(0), hour(0)), (hour(48), hour(48))]

    journal.accept(part(stretch=HISTORY, position=20), refused=())
    journal.accept(part(stretch=FRESH, position=50), refused=())
    assert list(journal.accepted()) == [(hour(0), hour(20)), (hour(48), hour(50))]

    journal.finish_history()
    assert list(journal.accepted()) == [(hour(0), hour(50))]


def test_the_progress_of_the_history() -> None:
    """It is how far the cursor has come, and how far it has to go."""
    journal = meter(Stretch.beginning(hour(8), hour(48)))
    assert journal.history_progress() == (timedelta(), 40 * HOUR)

    journal.accept(part(stretch=HISTORY, position=20), refused=())
    assert journal.history_progress() == (12 * HOUR, 40 * HOUR)

    journal.finish_history()
    assert journal.history_progress() == (timedelta(), timedelta())


def test_a_history_without_an_end_has_no_progress() -> None:
    """A stretch that goes on with time is never done."""
    journal = meter(Stretch.beginning(hour(0)))

    assert journal.history_progress() == (timedelta(), timedelta())


def test_a_debt_of_the_history_goes_on_in_the_fresh_hours() -> None:
    """Energy that ran backwards is not forgotten when the history is done."""
    journal = meter(Stretch.beginning(hour(0), hour(48)))
    journal.accept(part(stretch=HISTORY, position=48, carry_wh=-30.0), refused=())
    journal.accept(part(stretch=FRESH, position=60, carry_wh=-4.0), refused=())

    journal.finish_history()

    assert journal == MeterJournal(
        wanted=hour(0),
        fresh=Stretch(start=hour(0), position=hour(60), carry_wh=-34.0),
        debt_since=hour(48),
    )
    journal.finish_history()
    assert journal.fresh.carry_wh == -34.0


def test_costs_are_owed_for_what_is_accepted() -> None:
    """The costs of accepted energy are owed until they are known, from end to end."""
    journal = meter(Stretch.beginning(hour(0), hour(48)))
    assert meter().unpriced is None

    journal.accept(part(interval(10), interval(11)), refused=())
    assert journal.unpriced == Span(start=hour(10), end=hour(12))
    journal.accept(part(interval(5), stretch=None), refused=())
    assert journal.unpriced == Span(start=hour(5), end=hour(12))
    journal.accept(part(), refused=())
    assert journal.unpriced == Span(start=hour(5), end=hour(12))

    journal.settle_costs(hour(6), hour(12))
    journal.settle_costs(hour(0), hour(5))
    assert journal.unpriced == Span(start=hour(5), end=hour(12))
    journal.settle_costs(hour(5), hour(11))
    assert journal.unpriced == Span(start=hour(11), end=hour(12))
    for _ in range(2):
        journal.settle_costs(hour(0), hour(12))
    assert journal.unpriced is None


def test_all_costs_are_owed_for_all_that_is_accepted() -> None:
    """That reaches from the oldest to the newest energy; without any, none are."""
    nothing = meter(Stretch.beginning(hour(8), hour(48)))
    nothing.owe_all_costs()
    assert nothing.unpriced is None

    journal = meter(Stretch.beginning(hour(8), hour(48)))
    journal.fresh.position = hour(50)
    journal.owe_all_costs()
    assert journal.unpriced == Span(start=hour(48), end=hour(50))

    assert journal.history is not None
    journal.history.position = hour(20)
    journal.owe_all_costs()
    assert journal.unpriced == Span(start=hour(8), end=hour(50))


def test_the_records_that_wait() -> None:
    """Whole hours that are to be submitted, fresh or old, and refused records."""
    journal = meter()
    assert journal.records_waiting(hour(40)) == 0
    assert journal.records_waiting(hour(48) + HOUR / 2) == 0
    assert journal.records_waiting(hour(51)) == 3

    journal.refusals = [refusal(7), refusal(9)]
    journal.history = Stretch(start=hour(0), position=hour(20), end=hour(48))
    assert journal.records_waiting(hour(51)) == 3 + 28 + 2
    journal.history.end = None
    assert journal.records_waiting(hour(51)) == 3 + 2


def test_a_day_is_remembered_in_whatever_order_it_came() -> None:
    """Its records are not kept, but a change of one shows."""
    whole = Day.of([interval(3, 1.5), interval(4, 2.0), interval(5, 0.25)])

    assert Day.of([interval(5, 0.25), interval(3, 1.5)]).joined(
        Day.of([interval(4, 2.0)])
    ) == Day(energy_wh=3.75, digest=whole.digest, odd=())
    assert whole.digest != Day.of([interval(3, 1.5), interval(4, 2.25)]).digest
    assert (
        Day.of([interval(3, 1.5), interval(4, 2.0), interval(6, 0.25)]).digest
        != whole.digest
    )
    assert Day.of([interval(3, 1.500001)]).digest == Day.of([interval(3, 1.5)]).digest


def test_digests_stay_within_64_bits() -> None:
    """Greater numbers are none in JSON."""
    largest = Day(energy_wh=1.0, digest=2**64 - 1, odd=())

    assert largest.joined(largest).digest == 2**64 - 2
    assert Day.of([interval(number) for number in range(9)]).digest < 2**64


def test_records_belong_to_the_day_in_which_they_end() -> None:
    """Also those that end with it; what spans more than its hour is told apart."""
    days = days_of([interval(22), interval(23), interval(24), interval(25, hours=30)])

    assert list(days) == [date(2026, 10, 24), date(2026, 10, 25), date(2026, 10, 26)]
    assert [len(day.odd) for day in days.values()] == [0, 0, 1]
    assert days[date(2026, 10, 26)].odd == (Span(start=hour(25), end=hour(55)),)


def test_days_long_ago_are_forgotten() -> None:
    """Of a history of years only the last days are remembered."""
    journal = meter()
    journal.fresh.position = hour(48) + KEPT_DAYS

    journal.remember_more(days_of([interval(47), interval(48)]))
    journal.remember_more(days_of([interval(49)]))

    assert journal.days == days_of([interval(48), interval(49)])


async def test_accepted_records_are_remembered(hass: HomeAssistant) -> None:
    """Those that are refused are not, nor those of a day that is read again anyway."""
    journal = await async_begun(hass)
    sent = submission(
        part(interval(48), interval(49)),
        part(interval(50), device_id="dev_2", stretch=CORRECTION),
    )
    await journal.async_doubt(sent)
    await journal.async_accept(sent, "bat_1", {"dev_1": [refusal(49)]})

    assert journal.meters["dev_1"].days == days_of([interval(48)])
    assert journal.meters["dev_2"].days == {}


async def test_the_file_of_the_first_version(hass: HomeAssistant, file: Path) -> None:
    """What it does not have begins as it would anew; all the rest is kept."""
    await async_begun(hass)
    stored = json.loads(file.read_text())
    for meter_data in stored["data"]["meters"].values():
        del meter_data["unpriced"], meter_data["days"], meter_data["flow"]
    file.write_text(
        json.dumps(
            {
                "version": 1,
                "minor_version": 1,
                "key": "flatpeak.loc_1",
                "data": {
                    "meters": stored["data"]["meters"],
                    "doubt": None,
                    "batch_id": "bat_1",
                },
            }
        )
    )

    journal = await async_loaded(hass)

    assert journal.meters == begun()
    assert [batch.batch_id for batch in journal.batches] == ["bat_1"]
    assert journal.overdue is None
    assert journal.last_upload is None
    assert journal.repriced_on is None
    assert not journal.corrections_stopped
    assert json.loads(file.read_text())["minor_version"] == 8


async def test_the_file_of_the_second_version(hass: HomeAssistant, file: Path) -> None:
    """The one batch that it knows was sent with the last upload."""
    journal = await async_begun(hass)
    journal.last_upload = SENT
    await journal.async_save()
    stored = json.loads(file.read_text())
    del stored["data"]["batches"], stored["data"]["overdue"]
    for batch_id, batches in (("bat_1", [BATCH]), (None, [])):
        stored["data"]["batch_id"] = batch_id
        file.write_text(json.dumps(stored | {"minor_version": 2}))
        assert (await async_loaded(hass)).batches == batches


async def test_the_file_of_the_fifth_version(hass: HomeAssistant, file: Path) -> None:
    """All that it knows was submitted in hours, or in longer records."""
    journal = await async_begun(hass)
    journal.meters["dev_1"].remember(days_of([interval(50), interval(51, hours=9)]))
    await journal.async_save()
    stored = json.loads(file.read_text())
    del stored["data"]["slot_minutes"]
    for meter_data in stored["data"]["meters"].values():
        del meter_data["splits"]
    file.write_text(json.dumps(stored | {"minor_version": 5}))

    migrated = await async_loaded(hass)

    assert content(migrated) == content(journal)
    assert migrated.meters["dev_1"].cuts(hour(50)) == []


async def test_the_file_of_the_sixth_version(hass: HomeAssistant, file: Path) -> None:
    """It knows no readings: all was submitted as intervals, what is in doubt too."""
    journal = await async_begun(hass)
    await journal.async_doubt(submission(part(interval(48))))
    stored = json.loads(file.read_text())
    del stored["data"]["doubt"]["parts"][0]["register"]
    for meter_data in stored["data"]["meters"].values():
        del meter_data["registers"]
    file.write_text(json.dumps(stored | {"minor_version": 6}))

    assert content(await async_loaded(hass)) == content(journal)


def told(start: int, end: int, register_wh: float = 100.0) -> Register:
    """Return a register that was read at the borders of a stretch of hours."""
    return Register(
        start=hour(start), end=hour(end), register_wh=register_wh, is_begun=True
    )


def test_register_begins_at_the_cursor() -> None:
    """It does where there was none before, or energy was submitted since."""
    journal = meter()
    assert journal.next_register() == (begin(hour(48), None), [])

    journal.registers = [told(20, 40)]
    assert journal.next_register() == (begin(hour(48), told(20, 40)), [])

    journal.refusals = [refusal(47)]
    assert journal.next_register() == (begin(hour(48), told(20, 40)), [])


def test_register_goes_on() -> None:
    """It does from its last reading, with what was refused since."""
    journal = meter()
    journal.registers = [told(20, 48)]
    journal.refusals = [refusal(30)]
    assert journal.next_register() == (told(20, 48), [])

    journal.registers = [told(20, 46)]
    journal.refusals = [refusal(47), refusal(30), refusal(46)]
    assert journal.next_register() == (told(20, 46), [interval(46), interval(47)])


def test_readings_tell_what_was_refused_before() -> None:
    """The register moves, and what lies before its last reading is not missing."""
    journal = meter()
    journal.registers = [told(20, 46)]
    journal.refusals = [refusal(30), refusal(46), refusal(47)]
    sent = replace(part(interval(46, hours=2), interval(48)), register=told(20, 46))
    known, untold = sent.answered({1: "no"}, SENT)
    assert known.intervals == (interval(46, hours=2), interval(48))
    assert [each.interval for each in untold] == [interval(48)]

    journal.accept(known, untold)

    assert [each.interval for each in journal.refusals] == [interval(30), interval(48)]
    assert journal.registers == [told(20, 48, 100.1)]
    assert journal.has_readings(hour(47), hour(90))
    assert not journal.has_readings(hour(48), hour(90))
    assert not journal.has_readings(hour(0), hour(20))


def test_registers_that_begin_anew_are_kept() -> None:
    """Each stretch of time that was told by readings is known."""
    journal = meter()
    for start in (40, 48):
        register = begin(hour(start), None)
        sent = replace(part(interval(start)), register=register)
        known, _ = sent.answered({}, SENT)
        journal.accept(known, ())

    assert [(each.start, each.end) for each in journal.registers] == [
        (hour(40), hour(41)),
        (hour(48), hour(49)),
    ]


def test_an_hour_is_remembered_however_it_was_split() -> None:
    """Its slots cannot be read again for long, and are no change."""
    assert days_of(slots(3, 15)) == days_of([interval(3, 2.0)])
    assert days_of([*slots(23, 30), interval(24)]) == days_of(
        [interval(23, 1.0), interval(24)]
    )


def test_where_records_are_shorter_than_an_hour() -> None:
    """That is remembered in few words, in whatever order they were submitted."""
    known = meter()
    for records in (
        slots(5, 15, hours=3),
        [interval(8)],
        slots(9, 30, hours=2),
        slots(3, 15, hours=2),
        slots(6, 15),
        slots(11, 15),
    ):
        known.remember_splits(splits_of(records))

    assert known.splits == [
        Split(start=hour(3), end=hour(8), minutes=(15, 30, 45)),
        Split(start=hour(9), end=hour(11), minutes=(30,)),
        Split(start=hour(11), end=hour(12), minutes=(15, 30, 45)),
    ]
    assert [len(known.cuts(hour(n))) for n in range(2, 13)] == [
        0, *[3] * 5, 0, 1, 1, 3, 0,
    ]  # fmt: skip
    assert known.cuts(hour(4)) == [
        hour(4) + n * timedelta(minutes=15) for n in (1, 2, 3)
    ]
    assert [known.has_split(hour(n), hour(n + 1)) for n in (2, 3, 7, 8, 9)] == [
        False, True, True, False, True,
    ]  # fmt: skip


async def test_accepted_slots_keep_their_borders(hass: HomeAssistant) -> None:
    """Also those that are refused, and those that come again as a correction."""
    journal = await async_begun(hass)
    records = slots(48, 15, hours=2)
    refused = Refusal(interval=records[4], reason="no", since=SENT)
    sent = submission(part(*records))
    await journal.async_doubt(sent)
    await journal.async_accept(sent, "bat_1", {"dev_1": [refused]})
    again = submission(part(*slots(48, 15), stretch=CORRECTION))
    await journal.async_doubt(again)
    await journal.async_accept(again, "bat_2", {})

    known = (await async_loaded(hass)).meters["dev_1"]
    assert known.splits == [Split(start=hour(48), end=hour(50), minutes=(15, 30, 45))]
    assert known.days == days_of([*records[:4], *records[5:]])
    assert known.refusals == [refused]


async def test_a_new_journal_is_empty(hass: HomeAssistant, file: Path) -> None:
    """Without a file nothing is known, and reading alone makes no file."""
    journal = await async_loaded(hass)

    assert content(journal) == ({}, None, [], None, None, None, None, False)
    assert not file.exists()


async def test_all_of_the_journal_is_read_back(hass: HomeAssistant) -> None:
    """After a restart the journal is what it was, to the last bit."""
    journal = await async_begun(hass)
    journal.meters["dev_1"].refusals = [
        refusal(5, "überlappt", since=SENT),
        Refusal(interval=interval(7, 1 / 3, hours=30), reason="", since=START),
    ]
    journal.meters["dev_2"].fresh.carry_wh = -0.1 - 0.2
    journal.meters["dev_2"].owe_costs(hour(3), hour(9))
    journal.batches = [BATCH, OpenBatch(batch_id="bat_2", sent=SENT + HOUR)]
    journal.overdue = Overdue(sent=START, since=SENT)
    journal.last_upload = SENT
    journal.repriced_on = date(2026, 10, 26)
    journal.slot_minutes = 15
    journal.corrections_stopped = True
    journal.meters["dev_1"].remember(days_of([interval(5), interval(30, hours=3)]))
    journal.meters["dev_1"].remember_splits(splits_of(slots(5, 15)))
    journal.meters["dev_1"].registers = [told(10, 20, 1 / 3)]
    await journal.async_doubt(
        submission(
            replace(part(interval(7)), register=begin(hour(7), None)),
            part(interval(48, 1e-17), interval(49, 2 / 3, hours=400), carry_wh=-1 / 7),
            part(interval(5), device_id="dev_2", stretch=None),
            part(device_id="dev_2", stretch=HISTORY),
        )
    )

    assert content(await async_loaded(hass)) == content(journal)


async def test_the_file(hass: HomeAssistant, file: Path) -> None:
    """The file has a version, is for Home Assistant alone, and holds what is needed."""
    journal = await async_begun(hass)
    del journal.meters["dev_2"]
    journal.meters["dev_1"].refusals = [refusal(5)]
    journal.batches = [BATCH]
    await journal.async_doubt(submission(part(interval(48))))

    start = START.timestamp()
    assert json.loads(file.read_text()) == {
        "version": 1,
        "minor_version": 8,
        "key": "flatpeak.loc_1",
        "data": {
            "meters": {
                "dev_1": {
                    "wanted": start,
                    "fresh": {
                        "start": start + 48 * 3600,
                        "position": start + 48 * 3600,
                        "end": None,
                        "carry_wh": 0.0,
                    },
                    "history": {
                        "start": start,
                        "position": start,
                        "end": start + 48 * 3600,
                        "carry_wh": 0.0,
                    },
                    "refusals": [
                        {
                            "interval": [start + 5 * 3600, start + 6 * 3600, 0.1],
                            "reason": "no",
                            "since": SENT.timestamp(),
                        }
                    ],
                    "unpriced": None,
                    "days": {},
                    "flow": None,
                    "splits": [],
                    "sources": [],
                    "debt_since": None,
                    "registers": [],
                    "ahead": [],
                    "watch": None,
                    "watched": None,
                    "sessions": [],
                }
            },
            "doubt": {
                "sent": SENT.timestamp(),
                "parts": [
                    {
                        "device_id": "dev_1",
                        "intervals": [[start + 48 * 3600, start + 49 * 3600, 0.1]],
                        "stretch": "fresh",
                        "position": start + 50 * 3600,
                        "carry_wh": 0.0,
                        "register": None,
                    }
                ],
            },
            "batches": [{"batch_id": "bat_1", "sent": SENT.timestamp()}],
            "overdue": None,
            "last_upload": None,
            "repriced_on": None,
            "slot_minutes": None,
            "corrections_stopped": False,
        },
    }
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_file_of_a_later_version_is_left_alone(
    hass: HomeAssistant, file: Path
) -> None:
    """After a downgrade nothing is submitted from an empty journal."""
    await async_begun(hass)
    stored = json.loads(file.read_text())
    text = json.dumps(stored | {"version": 2})
    file.write_text(text)

    with pytest.raises(UnsupportedStorageVersionError):
        await async_loaded(hass)

    assert file.read_text() == text


async def test_a_file_that_cannot_be_read_is_not_taken_for_an_empty_one(
    hass: HomeAssistant, file: Path
) -> None:
    """The set-up fails, and is tried again."""
    file.mkdir(parents=True)

    with pytest.raises(HomeAssistantError):
        await async_loaded(hass)


async def test_homes_have_files_of_their_own(hass: HomeAssistant) -> None:
    """The journal is kept per location."""
    await async_begun(hass)
    other = Journal(hass, "loc_2")
    await other.async_load()

    assert other.meters == {}


async def test_a_crash_before_the_answer(hass: HomeAssistant) -> None:
    """What was about to be sent is in doubt after the restart; no cursor has moved."""
    journal = await async_begun(hass)
    sent = submission(part(interval(48)), part(interval(48), device_id="dev_2"))

    await journal.async_doubt(sent)

    after = await async_loaded(hass)
    assert after.doubt == sent
    assert after.meters["dev_1"].fresh.position == hour(48)
    assert after.meters["dev_2"].fresh.position == hour(48)


async def test_a_crash_after_the_answer(hass: HomeAssistant) -> None:
    """The cursors of all parts have moved, and the batch is to be waited for."""
    journal = await async_begun(hass)
    sent = submission(
        part(interval(48), interval(49), position=50),
        part(interval(48), device_id="dev_2", position=49, carry_wh=-8.0),
    )
    await journal.async_doubt(sent)

    await journal.async_accept(sent, "bat_1", {"dev_1": [refusal(49)]})

    after = await async_loaded(hass)
    assert after.doubt is None
    assert after.batches == [BATCH]
    assert after.last_upload == SENT
    assert after.meters["dev_1"].fresh.position == hour(50)
    assert after.meters["dev_1"].refusals == [refusal(49)]
    assert after.meters["dev_2"].fresh == Stretch(
        start=hour(48), position=hour(49), carry_wh=-8.0
    )
    assert after.meters["dev_2"].refusals == []


async def test_a_submission_that_was_refused_as_a_whole(hass: HomeAssistant) -> None:
    """There is no doubt, and no cursor has moved."""
    journal = await async_begun(hass)
    await journal.async_doubt(submission(part(interval(48))))

    await journal.async_drop_doubt()

    assert content(await async_loaded(hass)) == (
        begun(),
        None,
        [],
        None,
        None,
        None,
        None,
        False,
    )


async def test_the_rest_of_a_submission_that_was_refused(hass: HomeAssistant) -> None:
    """What was in doubt before is in doubt still, as it was sent."""
    journal = await async_begun(hass)
    sent = submission(part(interval(48), interval(49), position=50))
    await journal.async_doubt(sent)
    await journal.async_doubt(submission(part(interval(49), position=50)))

    await journal.async_drop_doubt(sent)

    assert (await async_loaded(hass)).doubt == sent


async def test_a_batch_that_is_processed(hass: HomeAssistant) -> None:
    """It is not asked for after a restart; the others are, oldest first."""
    journal = await async_begun(hass)
    for batch_id in ("bat_1", "bat_2", "bat_3"):
        await journal.async_accept(submission(), batch_id, {})

    await journal.async_close_batch(journal.batches[1], None)

    after = await async_loaded(hass)
    assert [batch.batch_id for batch in after.batches] == ["bat_1", "bat_3"]
    assert after.overdue is None


async def test_a_batch_that_is_overdue(hass: HomeAssistant) -> None:
    """That Flatpeak was too late is known after a restart."""
    journal = await async_begun(hass)
    await journal.async_accept(submission(), "bat_1", {})
    overdue = Overdue(sent=SENT, since=SENT + timedelta(days=1))

    await journal.async_close_batch(BATCH, overdue)

    after = await async_loaded(hass)
    assert after.batches == []
    assert after.overdue == overdue


async def test_what_is_found_in_a_report_has_no_batch(hass: HomeAssistant) -> None:
    """It leaves alone the batches that are open."""
    journal = await async_begun(hass)
    await journal.async_accept(submission(), "bat_1", {})

    await journal.async_accept(submission(), None, {})

    assert journal.batches == [BATCH]


async def test_a_history_that_is_done(hass: HomeAssistant) -> None:
    """It stays done after a restart; other meters' history is not touched."""
    journal = await async_begun(hass)
    journal.meters["dev_2"] = meter(Stretch.beginning(hour(0), hour(48)))

    await journal.async_finish_history(["dev_1"])

    after = await async_loaded(hass)
    assert after.meters["dev_1"].history is None
    assert after.meters["dev_1"].fresh.start == hour(0)
    assert after.meters["dev_2"] == meter(Stretch.beginning(hour(0), hour(48)))


async def test_nothing_is_sent_that_is_not_noted(
    hass: HomeAssistant, file: Path
) -> None:
    """A disk that cannot be written is an error, not a line in the log alone."""
    journal = await async_begun(hass)
    file.unlink()
    file.mkdir()
    with pytest.raises(JournalError, match="cannot be noted on disk"):
        await journal.async_doubt(submission(part(interval(48))))

    file.rmdir()
    await journal.async_drop_doubt()
    assert content(await async_loaded(hass)) == (
        begun(),
        None,
        [],
        None,
        None,
        None,
        None,
        False,
    )


async def test_what_happens_while_home_assistant_stops_is_noted_at_once(
    hass: HomeAssistant,
) -> None:
    """A supervisor that loses its patience kills before the final write."""
    journal = await async_begun(hass)
    sent = submission(part(interval(48)))

    hass.set_state(CoreState.stopping)
    try:
        await journal.async_doubt(sent)
        assert (await async_loaded(hass)).doubt == sent
        await journal.async_accept(sent, None, {})
        assert (await async_loaded(hass)).doubt is None
    finally:
        hass.set_state(CoreState.running)


async def test_what_is_noted_outlives_a_power_cut(hass: HomeAssistant) -> None:
    """The disk has it, not only the memory that the system writes from later."""
    journal = await async_begun(hass)

    with patch("atomicwrites._proper_fsync", wraps=os.fsync) as fsync:
        await journal.async_doubt(submission(part(interval(48))))

    assert fsync.called


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Submission, "as_dict"),
        (Submission, "from_dict"),
        (json_helper, "prepare_save_json"),
    ],
)
async def test_the_event_loop_does_not_convert_records(
    hass: HomeAssistant, owner: object, name: str
) -> None:
    """A submission can hold ten thousand records, which takes tens of milliseconds."""
    journal = await async_begun(hass)
    threads = []
    convert: Callable[..., Any] = getattr(owner, name)

    def noting(*args: Any, **options: Any) -> Any:
        """Note the thread that converts."""
        threads.append(threading.current_thread())
        return convert(*args, **options)

    with patch.object(owner, name, noting):
        await journal.async_doubt(submission(part(interval(48))))
        await async_loaded(hass)

    assert threads
    assert threading.current_thread() not in threads


def test_the_source_of_a_meter() -> None:
    """It is noted as it is called now; another one begins after the border, without debt."""
    journal = meter()
    journal.follow("id_1", "sensor.one", hour(50))
    journal.accept(part(position=60, carry_wh=-30.0), refused=())
    journal.follow("id_1", "sensor.renamed", hour(60))
    first = Source(source="id_1", statistic_id="sensor.renamed", start=BEGINNING)
    assert journal.sources == [first]
    assert (journal.fresh.carry_wh, journal.debt_since) == (-30.0, hour(48))

    journal.follow("id_2", "sensor.two", hour(60))

    second = Source(source="id_2", statistic_id="sensor.two", start=hour(60))
    assert journal.sources == [first, second]
    assert (journal.fresh.carry_wh, journal.debt_since) == (0.0, None)
    journal.accept(part(position=70), refused=())
    assert list(journal.accepted())[-2:] == [
        (journal.fresh.start, hour(60)),
        (hour(60), hour(70)),
    ]


def test_since_when_energy_ran_backwards() -> None:
    """That is known until it has caught up; what is hardly anything does not count."""
    journal = meter()
    since = []
    for position, carry_wh in ((50, -0.9), (51, -2.0), (52, -1.5), (53, 0.0)):
        journal.accept(part(position=position, carry_wh=carry_wh), refused=())
        since.append(journal.debt_since)
    assert since == [None, hour(50), hour(50), None]


async def test_another_source_begins_after_what_is_in_doubt(
    hass: HomeAssistant,
) -> None:
    """What was sent is of the old one, and what that ran backwards ends with it."""
    journal = await async_begun(hass)
    known = journal.meters["dev_1"]
    known.follow("id_1", "sensor.one", hour(48))
    assert journal.sent_until("dev_1") == known.fresh.position
    await journal.async_doubt(submission(part(interval(48), carry_wh=-7.0)))
    assert journal.sent_until("dev_1") == hour(50)
    assert journal.sent_until("dev_2") == journal.meters["dev_2"].fresh.position

    known.follow("id_2", "sensor.two", journal.sent_until("dev_1"))
    assert journal.doubt is not None
    await journal.async_accept(journal.doubt, None, {})

    assert known.fresh.position == hour(50)
    assert known.fresh.carry_wh == 0.0
    assert content(await async_loaded(hass)) == content(journal)


def test_sessions_that_are_remembered() -> None:
    """Those of the last months, with how far each is; records of the last weeks."""
    cost = SessionCost(energy_wh=7.0, cost=2.0, currency="EUR")
    known = meter()
    known.sessions = [
        Session(start=hour(n), begin=hour(n), end=hour(n + 1), records={hour(n): 7.0})
        for n in (-1000, 40, 50)
    ]
    known.sessions[0].cost = cost
    known.begin_session(hour(60), hour(48))
    known.begin_session(hour(60), hour(48))

    assert [known.status(each) for each in known.sessions] == [
        "priced", "submitted", "ended", "running",
    ]  # fmt: skip
    assert [each.submitted_wh for each in known.sessions] == [7.0, 7.0, 7.0, 0.0]
    known.forget_sessions(hour(-2000))
    assert [len(each.records) for each in known.sessions] == [0, 1, 1, 0]
    known.remember_energy([interval(-1000), interval(40)])
    assert [each.submitted_wh for each in known.sessions] == [0.0, 0.1, 7.0, 0.0]
    known.forget_sessions(hour(45))
    assert [each.start for each in known.sessions] == [hour(50), hour(60)]


async def test_sessions_come_back(hass: HomeAssistant) -> None:
    """How far sessions are known, and all of each, survives a restart."""
    journal = await async_begun(hass)
    known = journal.meters["dev_1"]
    known.watched = "switch.wallbox"
    known.ahead = [interval(48)]
    known.sessions = [
        Session(start=SENT, begin=hour(3), end=hour(4), is_estimated=True),
        Session(
            start=hour(5),
            begin=hour(5),
            records={hour(5): 1 / 3},
            cost=SessionCost(energy_wh=1 / 3, cost=-0.1, currency="EUR"),
        ),
    ]
    for session in (
        None,
        OpenSession(start=SENT),
        OpenSession(start=SENT, end=hour(9), is_lost=True),
    ):
        known.watch = Watch(seen=SENT, session=session)
        await journal.async_save()

        assert content(await async_loaded(hass)) == content(journal)
