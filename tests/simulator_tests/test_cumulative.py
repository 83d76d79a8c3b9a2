"""Register readings: what is counted from one to the next is energy."""

from decimal import Decimal
from typing import Any

import pytest

from tests.simulator import Direction, Flat, Violation

from .conftest import Home
from .service import HOUR, NOON, Api, Clock, Reply, record

DAY_START = NOON - 12 * HOUR


async def read(api: Api, home: Home, *values: float, **fields: Any) -> Reply:
    """Submit hourly readings from midnight on."""
    data = [
        {"time": int((DAY_START + hour * HOUR).timestamp()), "value": value}
        for hour, value in enumerate(values)
    ]
    body = {
        "location_id": home.location_id,
        "device_id": home.device_id,
        "energy_flow_direction": "INBOUND",
        "tariff_direction": "IMPORT",
        "units": "WH",
        "data": data,
        **fields,
    }
    return await api.request("PUT", "/meters/cumulative/epoch", body)


def held(api: Api, home: Home) -> list[tuple[float, float, float]]:
    """Return the energies that count, with the hours they begin and end at."""
    return [
        (
            (item.start - DAY_START) / HOUR,
            (item.end - DAY_START) / HOUR,
            item.energy,
        )
        for item in api.simulator.truth(home.device_id).records()
    ]


async def test_readings_become_energy(api: Api, home: Home) -> None:
    """The first reading says nothing; every other one tells what was counted since."""
    reply = await read(api, home, 1000, 1500.5, 1500.5, 1700)

    assert reply.status == 200
    assert reply.body == {
        "id": reply.body["id"],
        "object": "meter_batch",
        "records_submitted": 4,
        "records_accepted": 4,
        "records_processed": 4,
        "time_created": "2026-06-15T12:00:00Z",
        "account_id": "acc_simulator",
    }
    assert held(api, home) == [(0, 1, 500.5), (1, 2, 0), (2, 3, 199.5)]


async def test_readings_go_on(api: Api, home: Home) -> None:
    """A further submission begins where the last one ended, over a gap too."""
    await read(api, home, 1.1, 1.3, units="KWH")
    at = int((DAY_START + 5 * HOUR).timestamp())
    await read(api, home, data=[{"time": at, "value": 2300}])

    assert held(api, home) == [(0, 1, 200), (1, 5, 1000)]


async def test_repeated_readings(api: Api, home: Home) -> None:
    """Readings that were lost on the way back may be submitted again."""
    await read(api, home, 100, 200, 300)
    reply = await read(api, home, 100, 200, 300, 400)

    assert reply.body["records_accepted"] == reply.body["records_processed"] == 4
    assert held(api, home) == [(0, 1, 100), (1, 2, 100), (2, 3, 100)]
    assert api.simulator.violations.total == 0


async def test_register_that_begins_anew(api: Api, home: Home) -> None:
    """A register that shows less has begun anew: that hour is not known."""
    await read(api, home, 900, 1000, 40, 90)

    assert held(api, home) == [(0, 1, 100), (2, 3, 50)]


@pytest.mark.parametrize(
    ("hours", "value", "error"),
    [
        (2, 301, "another reading"),
        (1.5, 250, "later reading"),
        (367 * 24, 999, "year ahead"),
    ],
)
async def test_reading_that_is_refused(
    api: Api, home: Home, hours: float, value: float, error: str
) -> None:
    """A reading that contradicts another one is named; the others count."""
    await read(api, home, 100, 200, 300)
    at = int((DAY_START + hours * HOUR).timestamp())
    later = int((DAY_START + 3 * HOUR).timestamp())
    data = [
        {"time": at, "value": value, "record_reference_id": "bad"},
        {"time": later, "value": 400},
    ]
    reply = await read(api, home, data=data)

    (failed,) = reply.body["failed_records"]
    assert (failed["record_num"], failed["record_reference_id"]) == (0, "bad")
    assert error in failed["error"]
    assert held(api, home) == [(0, 1, 100), (1, 2, 100), (2, 3, 100)]


@pytest.mark.parametrize(
    "fields",
    [
        {"units": "KW"},
        {"data": []},
        {"data": [{"time": "2026-06-15T00:00:00Z", "value": 1}]},
        {"location_id": None},
    ],
)
async def test_body_that_is_refused(
    api: Api, home: Home, fields: dict[str, Any]
) -> None:
    """A body that does not fit is refused as a whole."""
    reply = await read(api, home, 1, 2, **fields)

    assert (reply.status, reply.code) == (422, "invalid_request")
    assert held(api, home) == []


async def test_unknown_device(api: Api, home: Home) -> None:
    """Readings of an unknown device are refused one by one."""
    reply = await read(api, home, 1, 2, device_id="dev_x")

    assert (reply.status, reply.body["records_accepted"]) == (200, 0)
    assert len(reply.body["failed_records"]) == 2


async def test_processing_takes_time(api: Api, home: Home, clock: Clock) -> None:
    """What readings make is worked through evenly, as records are."""
    api.simulator.settings.change(processing_delay=8)
    reply = await read(api, home, 100, 200, 300, 400)
    clock.advance(seconds=4)
    batch = await api.get(f"/meters/batch?batch_id={reply.body['id']}")

    assert batch.body["records_processed"] == 2
    assert held(api, home) == [(0, 1, 100)]
    clock.advance(seconds=4)
    assert held(api, home) == [(0, 1, 100), (1, 2, 100), (2, 3, 100)]


async def test_whole_watt_hours(api: Api, home: Home) -> None:
    """The service may round what it makes of readings."""
    api.simulator.settings.change(whole_watt_hours=True)
    await read(api, home, 0.2, 100.9, 200.1)

    assert held(api, home) == [(0, 1, 101), (1, 2, 99)]


async def test_readings_and_records_overlap(api: Api, home: Home) -> None:
    """Who tells the same hours in both ways counts them twice, and is found out."""
    await api.submit(record(*home, DAY_START + HOUR / 2))
    await read(api, home, 100, 200)

    assert api.simulator.violations.counts[Violation.OVERLAP] == 1
    assert sum(energy for _, _, energy in held(api, home)) == 1100


async def test_session_of_readings(api: Api, home: Home) -> None:
    """Readings may belong to a session."""
    await read(api, home, 100, 350, session_reference_id="charge")

    account = api.simulator.account()
    account.connect(home.location_id, Direction.IMPORT, Flat(price=Decimal("0.2")))
    (session,) = api.simulator.session("charge")
    assert (session.energy, session.cost) == (250, Decimal("0.05"))
