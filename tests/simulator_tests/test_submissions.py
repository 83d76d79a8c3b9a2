"""Meter submissions: what is taken, what is refused, when it counts, what a second one does."""

from datetime import timedelta
from time import process_time
from typing import Any

import pytest

from tests.simulator import Direction, Duplicates, Violation, clock as time
from tests.simulator.clock import Span, to_instant

from .conftest import Home
from .service import HOUR, NOON, Api, Clock, record


def held(api: Api, home: Home) -> list[float]:
    """Return the energies that count."""
    return [item.energy for item in api.simulator.truth(home.device_id).records()]


async def test_records_are_taken(api: Api, home: Home) -> None:
    """Sound records are accepted and, without a delay, processed at once."""
    reply = await api.submit(
        record(*home), record(*home, NOON - 11 * HOUR, value=2.5, units="KWH")
    )

    assert reply.status == 200
    assert reply.body == {
        "id": reply.body["id"],
        "object": "meter_batch",
        "records_submitted": 2,
        "records_accepted": 2,
        "records_processed": 2,
        "time_created": "2026-06-15T12:00:00Z",
        "account_id": "acc_simulator",
    }
    assert held(api, home) == [1000, 2500]


@pytest.mark.parametrize(
    ("units", "value", "minutes", "energy"),
    [
        ("WH", 10283.5, 30, 10283.5),
        ("KWH", 1.5, 30, 1500),
        ("W", 20567, 30, 10283.5),
        ("KW", 2, 90, 3000),
        ("WH", 0, 60, 0),
    ],
)
async def test_units(
    api: Api, home: Home, units: str, value: float, minutes: int, energy: float
) -> None:
    """Power counts over its period, energy as it is."""
    length = timedelta(minutes=minutes)
    await api.submit(record(*home, length=length, units=units, value=value))

    assert held(api, home) == [energy]


@pytest.mark.parametrize(
    ("value", "energy"), [(10283.5, 10284), (10284.5, 10284), (0.4, 0)]
)
async def test_whole_watt_hours(
    api: Api, home: Home, value: float, energy: float
) -> None:
    """The service may round every record to whole Wh, halves to the even neighbour."""
    api.simulator.settings.whole_watt_hours = True
    await api.submit(record(*home, value=value))

    assert held(api, home) == [energy]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"units": "MWH"}, "units"),
        ({"units": None}, "units"),
        ({"value": "1"}, "value"),
        ({"value": -0.1}, "value"),
        ({"tariff_direction": "BOTH"}, "tariff_direction"),
        ({"energy_flow_direction": "IN"}, "energy_flow_direction"),
        ({"confidence": 1.1}, "confidence"),
        ({"start_time": "2026-06-15T00:00:00"}, "start_time"),
        ({"start_time": "yesterday"}, "start_time"),
        ({"start_time": "2016-12-31T23:59:60Z"}, "not a time"),
        ({"end_time": "2026-06-14T00:00:00Z"}, "end_time"),
        ({"end_time": "2027-06-17T00:00:00Z"}, "end_time"),
        ({"measurand": "ENERGY"}, "measurand"),
        ({"record_reference_id": ""}, "record_reference_id"),
        ({"location_id": "loc_x"}, "location_id"),
        ({"location_id": "home"}, "location_id"),
        ({"device_id": "dev_x"}, "device_id"),
    ],
)
async def test_bad_record_does_not_refuse_the_others(
    api: Api, home: Home, fields: dict[str, Any], error: str
) -> None:
    """A record that is not sound is named with its place, its reference and the reason."""
    bad = record(*home, record_reference_id="bad") | fields
    reply = await api.submit(record(*home), bad, record(*home, NOON - 11 * HOUR))

    assert reply.status == 200
    assert reply.body["records_submitted"] == 3
    assert reply.body["records_accepted"] == 2
    (failure,) = reply.body["failed_records"]
    assert failure["record_num"] == 1
    assert failure.get("record_reference_id") == bad["record_reference_id"]
    assert error in failure["error"]
    assert held(api, home) == [1000, 1000]


@pytest.mark.parametrize("bad", [None, 1, "record", [], {}])
async def test_what_is_no_record(api: Api, home: Home, bad: Any) -> None:
    """An element that is no record at all fails alone too."""
    reply = await api.submit(bad, record(*home))

    assert reply.body["records_accepted"] == 1
    assert reply.body["failed_records"][0].keys() == {"record_num", "error"}


@pytest.mark.parametrize("body", [{}, [], "text", 1])
async def test_misshapen_body(api: Api, body: Any) -> None:
    """A body that is no array of records is refused whole."""
    reply = await api.request("PUT", "/meters/interval", body)

    assert (reply.status, reply.code) == (422, "invalid_request")


@pytest.mark.parametrize("data", [b"", b"[{", b"NaN"])
async def test_broken_json(api: Api, data: bytes) -> None:
    """A body that is no JSON is refused whole."""
    reply = await api.request("PUT", "/meters/interval", data=data)

    assert (reply.status, reply.code) == (422, "invalid_request")


async def test_ten_thousand_records(api: Api, home: Home) -> None:
    """Ten thousand records take well under a second; one more is refused, and counted."""
    records = [
        record(*home, NOON - hour * HOUR, record_reference_id=f"hour-{hour}")
        for hour in range(10_000, -1, -1)
    ]

    began = process_time()
    reply = await api.submit(*records[1:])
    took = process_time() - began

    assert reply.body["records_processed"] == 10_000
    assert took < 1
    refused = await api.submit(*records)
    assert (refused.status, refused.code) == (422, "invalid_request")
    assert api.simulator.violations.counts == {Violation.OVER_LIMIT: 1}


async def test_records_of_the_location(api: Api, home: Home) -> None:
    """A record without a device belongs to the location."""
    await api.submit(record(home.location_id))

    assert len(api.simulator.truth(home.location_id).records()) == 1
    assert held(api, home) == []


async def test_session_is_kept(api: Api, home: Home) -> None:
    """The session of a record is kept with it."""
    await api.submit(record(*home, session_reference_id="charge"))

    meters = api.simulator.account().meters
    (register,) = meters.registers(home.device_id, Direction.IMPORT)
    start = to_instant(NOON - 12 * HOUR)
    assert register.note(Span(start, start + time.HOUR)).session == "charge"


async def test_batch_is_processed_bit_by_bit(
    api: Api, home: Home, clock: Clock
) -> None:
    """Energy counts as the batch is worked through."""
    api.simulator.settings.processing_delay = 100
    reply = await api.submit(
        *(record(*home, NOON - (10 - hour) * HOUR, value=hour) for hour in range(10))
    )
    batch = {"batch_id": reply.body["id"]}
    assert reply.body["records_accepted"] == 10
    assert reply.body["records_processed"] == 0

    for seconds, processed in ((9, 0), (10, 1), (55, 5), (99, 9), (100, 10), (500, 10)):
        clock.now = NOON + timedelta(seconds=seconds)
        body = (await api.get("/meters/batch", params=batch)).body
        assert body["records_processed"] == processed
        assert held(api, home) == list(range(processed))


async def test_batch_may_stay_unprocessed(api: Api, home: Home, clock: Clock) -> None:
    """A batch may hang for ever, until it is let go."""
    api.simulator.settings.processing_delay = None
    reply = await api.submit(record(*home))
    clock.advance(minutes=50)
    assert held(api, home) == []

    api.simulator.settings.processing_delay = 0
    assert held(api, home) == [1000]
    batch = await api.get("/meters/batch", params={"batch_id": reply.body["id"]})
    assert batch.body["records_processed"] == 1


async def test_failed_records_are_told_again(api: Api, home: Home) -> None:
    """The state of a batch names its failed records too."""
    reply = await api.submit(record(*home, units="MWH"))
    batch = await api.get("/meters/batch", params={"batch_id": reply.body["id"]})

    assert batch.body == reply.body
    assert batch.body["records_accepted"] == 0


@pytest.mark.parametrize(
    ("query", "status"),
    [({"batch_id": "bat_x"}, 404), ({"batch_id": "x"}, 422), ({}, 422)],
)
async def test_unknown_batch(api: Api, query: dict[str, str], status: int) -> None:
    """A batch is asked for by the id it was given."""
    assert (await api.get("/meters/batch", params=query)).status == status


@pytest.mark.parametrize("delay", [0, 60])
@pytest.mark.parametrize(
    ("duplicates", "accepted", "energy"),
    [
        (Duplicates.OVERWRITE, 1, 700),
        (Duplicates.ADD, 1, 1700),
        (Duplicates.REFUSE, 0, 1000),
    ],
)
async def test_second_record_for_a_period(
    api: Api,
    home: Home,
    clock: Clock,
    duplicates: Duplicates,
    accepted: int,
    energy: float,
    *,
    delay: float,
) -> None:
    """A second record replaces the first, adds to it or is refused, processed or not."""
    api.simulator.settings.change(duplicates=duplicates, processing_delay=delay)
    await api.submit(record(*home))
    reply = await api.submit(record(*home, value=700, record_reference_id="again"))
    clock.advance(seconds=60)

    assert reply.body["records_accepted"] == accepted
    assert held(api, home) == [energy]
    assert api.simulator.violations.counts == {Violation.CHANGED_DUPLICATE: 1}
    assert api.simulator.account().meters.counts["repeated"] == 1


async def test_identical_repetition_is_no_violation(api: Api, home: Home) -> None:
    """The same record again, also within a batch, is noted but not held against anyone."""
    await api.submit(record(*home), record(*home))
    await api.submit(record(*home))

    assert held(api, home) == [1000]
    assert api.simulator.violations.total == 0
    assert api.simulator.account().meters.counts == {"accepted": 3, "repeated": 2}


@pytest.mark.parametrize("delay", [0, 60])
@pytest.mark.parametrize(
    ("start", "length", "overlaps"),
    [
        (NOON - 12 * HOUR - HOUR / 2, HOUR, 1),
        (NOON - 12 * HOUR, HOUR / 2, 1),
        (NOON - 12 * HOUR, 2 * HOUR, 1),
        (NOON - 36 * HOUR, 30 * HOUR, 1),
        (NOON - 12 * HOUR + HOUR / 4, HOUR / 4, 1),
        (NOON - 13 * HOUR, HOUR, 0),
        (NOON - 11 * HOUR, HOUR, 0),
    ],
)
async def test_overlap_is_counted(
    api: Api,
    home: Home,
    start: Any,
    length: timedelta,
    overlaps: int,
    *,
    delay: float,
) -> None:
    """A record that covers a part of another one's period counts; one beside it does not."""
    api.simulator.settings.processing_delay = delay
    await api.submit(record(*home))
    await api.submit(record(*home, start, length=length))

    assert api.simulator.violations.counts[Violation.OVERLAP] == overlaps


async def test_other_meters_do_not_overlap(api: Api, home: Home) -> None:
    """Another device, flow or direction is another meter."""
    other = await api.make_device("other")
    half = HOUR / 2
    await api.submit(
        record(*home),
        record(home.location_id, other, length=half),
        record(home.location_id, length=half),
        record(*home, length=half, tariff_direction="EXPORT"),
        record(*home, length=half, energy_flow_direction="OUTBOUND"),
    )

    assert api.simulator.violations.total == 0
