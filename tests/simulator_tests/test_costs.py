"""Cost reports over HTTP."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.simulator import (
    Change,
    Direction,
    Dynamic,
    EmptyRows,
    Flat,
    Settings,
    TwoRate,
)

from .conftest import Home
from .service import HOUR, NOON, Api, Clock, record, running

PRICE = Decimal("0.25")


@pytest.fixture
def priced(api: Api, home: Home) -> Home:
    """Return a home that pays 0.25 per kWh."""
    account = api.simulator.account()
    account.connect(home.location_id, Direction.IMPORT, Flat(price=PRICE))
    return home


def rows(report: Any) -> list[tuple[str, str, float, float]]:
    """Return the rows of a report."""
    return [
        (
            row["start_time"],
            row["end_time"],
            row["energy"]["value"],
            row["cost"]["value"],
        )
        for row in report.body["data"]
    ]


async def test_report(api: Api, priced: Home) -> None:
    """A report says what it is about and has a row per local day."""
    await api.submit(record(*priced), record(*priced, NOON - HOUR))
    reply = await api.report(
        priced.device_id, "2026-06-15T00:00:00+01:00", "2026-06-16T00:00:00+01:00"
    )

    assert reply.status == 200
    assert reply.body == {
        "id": reply.body["id"],
        "object": "energy_cost",
        "object_id": priced.device_id,
        "live_mode": False,
        "tariff_direction": "IMPORT",
        "location_timezone": "Europe/London",
        "currency_code": "GBP",
        "energy_units": "WH",
        "account_id": "acc_simulator",
        "data": [
            {
                "start_time": "2026-06-15T00:00:00+01:00",
                "end_time": "2026-06-16T00:00:00+01:00",
                "energy": {"value": 2000},
                "cost": {"value": 0.5, "confidence": 1},
            }
        ],
    }


@pytest.mark.parametrize(
    ("zone", "day", "hours", "stamps"),
    [
        ("Europe/London", "2026-03-29", 23, ("T01:00:00+01:00", "T00:00:00+01:00")),
        ("Europe/London", "2025-10-26", 25, ("T23:00:00Z", "T00:00:00Z")),
        ("Europe/Berlin", "2026-03-29", 23, ("T01:00:00+02:00", "T00:00:00+02:00")),
        (
            "Europe/Berlin",
            "2025-10-26",
            25,
            ("T23:00:00+01:00", "T00:00:00+01:00"),
        ),
        (
            "Australia/Lord_Howe",
            "2025-10-05",
            23.5,
            ("T00:30:00+11:00", "T00:00:00+11:00"),
        ),
        (
            "Australia/Lord_Howe",
            "2026-04-05",
            24.5,
            ("T23:30:00+10:30", "T00:00:00+10:30"),
        ),
        ("Asia/Kolkata", "2026-03-29", 24, ("T00:00:00+05:30", "T00:00:00+05:30")),
    ],
)
async def test_days_of_clock_changes(
    socket_enabled: None,
    zone: str,
    day: str,
    hours: float,
    stamps: tuple[str, str],
) -> None:
    """A day's row holds its 23 to 25 hours; both borders have the offset of the end."""
    local = ZoneInfo(zone)
    start = datetime.fromisoformat(day).replace(tzinfo=local)
    end = start + timedelta(days=1)
    tariff = Flat(price=PRICE)
    async with running(
        Clock(), time_zone=local, currency="AUD", first_tariff=tariff
    ) as api:
        location_id, device_id = await api.make_location(), await api.make_device()
        first = start.astimezone(NOON.tzinfo).replace(minute=0)
        # Constant 100 W from well before to well after the day.
        await api.submit(
            *(
                record(
                    location_id, device_id, first + hour * HOUR, value=100, units="W"
                )
                for hour in range(-3, 30)
            )
        )
        reply = await api.report(device_id, start.isoformat(), end.isoformat())

    ((row_start, row_end, energy, cost),) = rows(reply)
    assert energy == hours * 100
    assert cost == pytest.approx(hours * 0.025)
    assert (row_start[10:], row_end[10:]) == stamps
    assert datetime.fromisoformat(row_start) == start
    assert datetime.fromisoformat(row_end) == end


async def test_rows_are_cut_to_the_window(api: Api, priced: Home) -> None:
    """The first and the last row end with the window; a record across a border is split."""
    await api.submit(record(*priced, NOON - 24 * HOUR, length=24 * HOUR, value=2400))

    reply = await api.report(
        priced.device_id, "2026-06-14T22:30:00+01:00", "2026-06-15T01:30:00+01:00"
    )

    assert rows(reply) == [
        ("2026-06-14T22:30:00+01:00", "2026-06-15T00:00:00+01:00", 150, 0.0375),
        ("2026-06-15T00:00:00+01:00", "2026-06-15T01:30:00+01:00", 150, 0.0375),
    ]


async def test_months_and_the_whole(api: Api, priced: Home) -> None:
    """Rows are months of the location, or the one window."""
    starts = [datetime(2026, month, 10, tzinfo=NOON.tzinfo) for month in (4, 5, 6)]
    await api.submit(*(record(*priced, start) for start in starts))
    window = ("2026-04-01T00:00:00Z", "2026-06-15T00:00:00Z")

    months = await api.report(priced.device_id, *window, aggregation="MONTH")
    whole = await api.report(priced.device_id, *window, aggregation=None)

    assert rows(months) == [
        ("2026-04-01T00:00:00Z", "2026-04-30T23:00:00Z", 1000, 0.25),
        ("2026-04-30T23:00:00Z", "2026-05-31T23:00:00Z", 1000, 0.25),
        ("2026-05-31T23:00:00Z", "2026-06-15T00:00:00Z", 1000, 0.25),
    ]
    assert rows(whole) == [(*window, 3000, 0.75)]


@pytest.mark.parametrize(("empty", "days"), [("absent", 2), ("zero", 4)])
async def test_days_without_records(
    api: Api, priced: Home, empty: str, days: int
) -> None:
    """A day without records is absent, or zero; one with a zero record is there."""
    api.simulator.settings.empty_rows = EmptyRows(empty)
    await api.submit(record(*priced), record(*priced, NOON - 36 * HOUR, value=0))

    reply = await api.report(
        priced.device_id, "2026-06-12T23:00:00Z", "2026-06-16T23:00:00Z"
    )

    assert len(reply.body["data"]) == days
    assert sum(energy for _, _, energy, _ in rows(reply)) == 1000
    assert all(row["cost"]["confidence"] == 1 for row in reply.body["data"])


async def test_cost_is_rounded_per_row(api: Api, priced: Home) -> None:
    """Money has five decimals, rounded once per row."""
    await api.submit(record(*priced, value=0.1), record(*priced, NOON, value=0.1))

    reply = await api.report(
        priced.device_id, "2026-06-14T23:00:00Z", "2026-06-15T23:00:00Z"
    )

    assert rows(reply)[0][2:] == (0.2, 0.00005)


async def test_two_rates(api: Api, home: Home) -> None:
    """A record across a change of the price is split by time."""
    tariff = TwoRate(low=Decimal("0.1"), high=Decimal("0.3"))
    api.simulator.account().connect(home.location_id, Direction.IMPORT, tariff)
    # 07:00 to 08:00 on the wall clock; the price changes at 07:30.
    await api.submit(record(*home, NOON - 6 * HOUR))

    reply = await api.report(
        home.device_id, "2026-06-14T23:00:00Z", "2026-06-15T23:00:00Z"
    )

    assert rows(reply)[0][2:] == (1000, 0.2)


async def test_forecast_is_replaced(api: Api, home: Home, clock: Clock) -> None:
    """Energy of the day after tomorrow is priced by forecast, later by the market."""
    tariff = Dynamic()
    api.simulator.account().connect(home.location_id, Direction.IMPORT, tariff)
    await api.submit(record(*home, NOON + 48 * HOUR))
    window = ("2026-06-16T23:00:00Z", "2026-06-17T23:00:00Z")

    (forecast,) = (await api.report(home.device_id, *window)).body["data"]
    clock.advance(days=3)
    await api.log_in()
    (settled,) = (await api.report(home.device_id, *window)).body["data"]

    assert forecast["cost"]["confidence"] == 0.7
    assert settled["cost"]["confidence"] == 1
    assert forecast["cost"]["value"] != settled["cost"]["value"]


async def test_settlement_changes_history(api: Api, priced: Home) -> None:
    """A report after a settlement has the new prices."""
    await api.submit(record(*priced), record(*priced, NOON - 36 * HOUR))
    window = ("2026-06-13T23:00:00Z", "2026-06-15T23:00:00Z")
    day = datetime(2026, 6, 14, tzinfo=ZoneInfo("Europe/London"))
    api.simulator.account().settle(
        priced.location_id,
        Direction.IMPORT,
        day,
        day + timedelta(days=1),
        Change(multiply=Decimal(2)),
    )

    reply = await api.report(priced.device_id, *window)

    assert [cost for *_, cost in rows(reply)] == [0.5, 0.25]


async def test_standing_charge(api: Api, priced: Home) -> None:
    """A charge is in each day with records, by the part of the day that the row covers."""
    api.simulator.account().standing_charges[priced.device_id] = Decimal("0.48")
    await api.submit(
        record(*priced, NOON - 2 * HOUR), record(*priced, NOON - 47 * HOUR)
    )
    window = ("2026-06-13T11:00:00Z", "2026-06-15T11:00:00Z")

    days = await api.report(priced.device_id, *window)
    whole = await api.report(priced.device_id, *window, aggregation=None)

    # 12:00 to 24:00 of the 13th and 00:00 to 12:00 of the 15th; the 14th has no records.
    assert [cost for *_, cost in rows(days)] == [0.49, 0.49]
    assert [cost for *_, cost in rows(whole)] == [0.98]


async def test_standing_charge_of_days_without_records(api: Api, priced: Home) -> None:
    """Where empty days are shown they bear the charge too, but not in the future."""
    api.simulator.account().standing_charges[priced.device_id] = Decimal("0.48")
    api.simulator.settings.empty_rows = EmptyRows.ZERO
    await api.submit(record(*priced))

    reply = await api.report(
        priced.device_id, "2026-06-13T23:00:00Z", "2026-06-17T23:00:00Z"
    )

    assert [cost for *_, cost in rows(reply)] == [0.48, 0.73, 0, 0]


@pytest.mark.parametrize(("includes", "energy"), [(False, 300), (True, 1300)])
async def test_report_of_a_location(
    api: Api, priced: Home, energy: float, *, includes: bool
) -> None:
    """A location counts its own records, and those of its devices where that is set."""
    api.simulator.settings.location_includes_devices = includes
    elsewhere = await api.make_location()
    other = await api.make_device("other")
    await api.submit(
        record(*priced),
        record(priced.location_id, value=300),
        record(elsewhere, other, value=77),
    )

    reply = await api.report(
        priced.location_id, "2026-06-14T23:00:00Z", "2026-06-15T23:00:00Z"
    )

    assert [row[2] for row in rows(reply)] == [energy]


async def test_export_and_local(api: Api, priced: Home) -> None:
    """Export has its own prices; local generation is free unless priced."""
    account = api.simulator.account()
    account.connect(priced.location_id, Direction.EXPORT, Flat(price=Decimal("-0.02")))
    await api.submit(
        record(*priced, tariff_direction="EXPORT", energy_flow_direction="OUTBOUND"),
        record(*priced, tariff_direction="LOCAL"),
    )
    window = ("2026-06-14T23:00:00Z", "2026-06-15T23:00:00Z")

    async def cost(direction: str) -> list[float]:
        """Return the costs in a direction."""
        report = await api.report(priced.device_id, *window, direction=direction)
        assert report.body["tariff_direction"] == direction
        return [row[3] for row in rows(report)]

    assert await cost("EXPORT") == [-0.02]
    assert await cost("LOCAL") == [0]
    assert await cost("IMPORT") == []
    account.connect(priced.location_id, Direction.LOCAL, Flat(price=Decimal("0.1")))
    assert await cost("LOCAL") == [0.1]


async def test_local_is_not_for_everyone(api: Api, priced: Home) -> None:
    """An account without the local direction is told so."""
    api.simulator.account().local_enabled = False
    await api.submit(record(*priced, tariff_direction="LOCAL"))

    reply = await api.report(
        priced.device_id,
        "2026-06-14T23:00:00Z",
        "2026-06-15T23:00:00Z",
        direction="LOCAL",
    )

    assert (reply.status, reply.code) == (422, "tariff_direction_not_supported")


@pytest.mark.parametrize(
    ("body", "query", "answer"),
    [
        ({}, {}, "IMPORT"),
        ({"tariff_direction": "LOCAL"}, {}, "LOCAL"),
        ({}, {"tariff_direction": "LOCAL"}, "LOCAL"),
        ({"tariff_direction": "LOCAL"}, {"tariff_direction": "LOCAL"}, "LOCAL"),
        ({"tariff_direction": "LOCAL"}, {"tariff_direction": "IMPORT"}, None),
        ({"tariff_direction": "BOTH"}, {}, None),
        ({}, {"tariff_direction": "BOTH"}, None),
        ({}, {"aggregation": "YEAR"}, None),
        ({"aggregation": "DAY"}, {}, None),
    ],
)
async def test_direction_of_body_and_query(
    api: Api,
    priced: Home,
    body: dict[str, str],
    query: dict[str, str],
    answer: str | None,
) -> None:
    """The direction may stand in either place, but not differ; the reply names it."""
    await api.submit(record(*priced))
    window = {
        "start_time": "2026-06-14T23:00:00Z",
        "end_time": "2026-06-15T23:00:00Z",
    }

    reply = await api.post(
        f"/costs/interval/{priced.device_id}", window | body, params=query
    )

    assert reply.status == (200 if answer else 422)
    assert reply.body.get("tariff_direction") == answer


@pytest.mark.parametrize(
    ("start", "end", "status"),
    [
        ("2026-03-01T00:00:00Z", "2026-05-30T00:00:00Z", 200),
        ("2026-03-01T00:00:00Z", "2026-05-30T00:00:01Z", 422),
        ("2026-03-01T00:00:00Z", "2026-05-30T00:00:00+01:00", 200),
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", 422),
        ("2026-03-01T00:00:00Z", "2026-02-01T00:00:00Z", 422),
        ("2016-12-31T23:59:60Z", "2017-01-01T01:00:00Z", 422),
        ("2026-03-01", "2026-03-02", 422),
    ],
)
async def test_windows(
    api: Api, priced: Home, start: str, end: str, status: int
) -> None:
    """A window ends after its start, at most 90 days later."""
    await api.submit(record(*priced))

    assert (await api.report(priced.device_id, start, end)).status == status


async def test_longest_window_is_settable(socket_enabled: None, clock: Clock) -> None:
    """The service may allow a year."""
    settings = Settings(max_report_days=366)
    async with running(clock, settings=settings, first_tariff=Flat(price=PRICE)) as api:
        location_id = await api.make_location()
        await api.submit(record(location_id))
        reply = await api.report(
            location_id, "2025-07-01T00:00:00Z", "2026-07-01T00:00:00Z"
        )
        assert len(reply.body["data"]) == 1


async def test_unknown_objects(api: Api, home: Home) -> None:
    """What does not exist is not found; a device that never told anything is at no location."""
    window = ("2026-06-14T23:00:00Z", "2026-06-15T23:00:00Z")

    assert (await api.report("dev_x", *window)).status == 404
    silent = await api.report(home.device_id, *window)
    assert (silent.status, silent.code) == (422, "no_tariff_connected")


async def test_deleted_location_has_no_reports(api: Api, priced: Home) -> None:
    """With its location a device loses its prices."""
    await api.submit(record(*priced))
    await api.request("DELETE", f"/locations/{priced.location_id}")

    reply = await api.report(
        priced.device_id, "2026-06-14T23:00:00Z", "2026-06-15T23:00:00Z"
    )

    assert reply.status == 404


async def test_instant_record(api: Api, priced: Home) -> None:
    """A record of no duration has its energy at its instant."""
    await api.submit(record(*priced, length=timedelta(0)))

    reply = await api.report(
        priced.device_id, "2026-06-14T23:00:00Z", "2026-06-15T23:00:00Z"
    )

    assert [row[2:] for row in rows(reply)] == [(1000, 0.25)]
