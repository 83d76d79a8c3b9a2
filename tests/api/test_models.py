"""Reading what Flatpeak returns, and writing what it takes."""

from collections.abc import Callable, Iterator
from contextlib import suppress
import copy
from datetime import UTC, datetime, timedelta
from functools import partial
import json
import math
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.api import (
    Batch,
    ChargingPlan,
    ConnectionStatus,
    CostReport,
    CostRow,
    Device,
    EnergyFlowDirection,
    FailedRecord,
    FlatpeakResponseError,
    Interval,
    Location,
    LocationStatus,
    PostalAddress,
    PriceReport,
    PriceSlot,
    Reading,
    RecordCost,
    Schedule,
    Tariff,
    TariffDirection,
    TariffLeg,
    Token,
)
from custom_components.flatpeak.api.models import Page

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)

TOKEN = {"bearer_token": "abc.DEF-123", "expires_in": 3600, "live_mode": True}
DEVICE = {"id": "dev_1", "object": "device", "reference_id": "meter"}
ADDRESS = {
    "address_line1": "1 High Street",
    "address_line2": "Flat 2",
    "city": "London",
    "state": "England",
    "post_code": "N1 1AA",
    "country_code": "GB",
}
LOCATION = {
    "id": "loc_1",
    "object": "location",
    "reference_id": "home",
    "timezone": "Europe/London",
    "currency_code": "GBP",
    "tariff_status": {
        "commodity_import": "CONNECTED",
        "commodity_export": "NOT_CONNECTED",
        "local": "NOT_SUPPORTED",
    },
    "postal_address": ADDRESS,
}
STATUS = {
    "id": "loc_1",
    "object": "location_status",
    "tariff_status": {
        "commodity_import": {
            "status": "CONNECTED",
            "connection_type": "DIRECT",
            "provider": {"id": "prv_1", "display_name": "Good Energy"},
            "tariff": {
                "id": "trf_1",
                "display_name": "Night and day",
                "structure_type": "TIME_OF_DAY",
                "contract_end_date": "2026-01-31T00:00:00+01:00",
            },
        },
        "commodity_export": {"status": "NOT_CONNECTED"},
    },
}
BATCH = {
    "id": "bat_1",
    "object": "meter_batch",
    "records_submitted": 3,
    "records_accepted": 2,
    "records_processed": 1,
    "failed_records": [
        {"record_num": 0, "record_reference_id": "r-0", "error": "No dev_77 here"}
    ],
}
COSTS = {
    "id": "ecs_1",
    "object": "energy_cost",
    "object_id": "dev_1",
    "tariff_direction": "IMPORT",
    "location_timezone": "Europe/London",
    "currency_code": "GBP",
    "energy_units": "WH",
    "data": [
        {
            "start_time": "2025-03-02T00:00:00Z",
            "end_time": "2025-03-03T00:00:00Z",
            "energy": {"value": 2000},
            "cost": {"value": -0.12345, "confidence": 0.5},
        },
        {
            "start_time": "2025-03-01T01:00:00+01:00",
            "end_time": "2025-03-02T01:00:00+01:00",
            "energy": {"value": 1000.5},
            "cost": {"value": 0.25, "confidence": 1},
        },
    ],
}
PRICES = {
    "id": "prs_1",
    "object": "price",
    "location_id": "loc_1",
    "location_timezone": "Europe/London",
    "currency_code": "GBP",
    "tariff_direction": "EXPORT",
    "data": [
        {
            "valid_from": "2025-03-01T00:30:00Z",
            "valid_to": "2025-03-01T01:00:00Z",
            "price": {"value": -0.05, "confidence": 0.9},
        },
        {
            "valid_from": "2025-03-01T00:00:00Z",
            "valid_to": "2025-03-01T00:30:00Z",
            "price": {"value": 0.3},
        },
    ],
}
RECORD_COST = {
    "id": "mre_1",
    "object": "meter_record",
    "energy_flow_direction": "INBOUND",
    "tariff_direction": "IMPORT",
    "currency_code": "GBP",
    "energy_units": "KWH",
    "request": {"non_persistent": True},
    "data": {
        "start_time": "2025-03-01T00:00:00Z",
        "end_time": "2025-03-01T01:30:00Z",
        "energy": {"value": 1.5},
        "cost": {"value": 0.375, "confidence": 0.9},
    },
}
SCHEDULE: dict[str, Any] = {
    "id": "std_1",
    "object": "schedule_duration",
    "location_id": "loc_1",
    "currency_code": "EUR",
    "data": [
        {
            "start_time": "2025-03-30T02:00:00Z",
            "end_time": "2025-03-30T03:30:00Z",
            "price": {"value": 0.21, "confidence": 0.9},
        },
        {
            "start_time": "2025-03-29T02:00:00+01:00",
            "end_time": "2025-03-29T02:30:00+01:00",
            "price": {"value": 0.2},
        },
    ],
}
PLAN: dict[str, Any] = {
    "id": "sae_1",
    "object": "schedule_amount",
    "location_id": "loc_1",
    "currency_code": "EUR",
    "cost": {"value": 2.5, "confidence": 0.8},
    "savings": {"value": 0.5, "percentage": 16.7},
    "data": [
        {
            "device_id": "dev_1",
            "schedule": [
                {
                    "start_time": "2025-03-30T02:00:00Z",
                    "end_time": "2025-03-30T03:00:00Z",
                    "power": {"units": "KW", "value": 11},
                },
                {
                    "start_time": "2025-03-29T01:00:00Z",
                    "end_time": "2025-03-29T02:00:00Z",
                    "power": {"units": "W", "value": 3700},
                },
            ],
        },
        {"device_id": "dev_2"},
    ],
}
TARIFF = {
    "id": "trf_1",
    "object": "tariff",
    "location_id": "loc_1",
    "market_rate_source_id": "mrs_1",
}

type Read = Callable[[dict[str, Any]], object]

READERS: dict[str, tuple[Read, dict[str, Any]]] = {
    "token": (partial(Token.from_dict, now=NOW), TOKEN),
    "device": (Device.from_dict, DEVICE),
    "page": (
        partial(Page.from_dict, read_item=Device.from_dict),
        {"object": "list", "has_more": True, "data": [DEVICE]},
    ),
    "location": (Location.from_dict, LOCATION),
    "status": (LocationStatus.from_dict, STATUS),
    "batch": (Batch.from_dict, BATCH),
    "costs": (CostReport.from_dict, COSTS),
    "prices": (PriceReport.from_dict, PRICES),
    "record": (RecordCost.from_dict, RECORD_COST),
    "schedule": (Schedule.from_dict, SCHEDULE),
    "plan": (partial(ChargingPlan.from_dict, device_id="dev_1"), PLAN),
    "tariff": (Tariff.from_dict, TARIFF),
}
# The fields that the contract requires and that we use.
REQUIRED = [
    ("token", "bearer_token"),
    ("token", "expires_in"),
    ("device", "id"),
    ("device", "reference_id"),
    ("page", "data"),
    ("page", "data.0.id"),
    ("location", "id"),
    ("status", "id"),
    ("status", "tariff_status"),
    ("batch", "id"),
    ("batch", "records_submitted"),
    ("batch", "records_accepted"),
    ("batch", "records_processed"),
    ("batch", "failed_records.0.record_num"),
    ("batch", "failed_records.0.error"),
    ("costs", "object_id"),
    ("costs", "tariff_direction"),
    ("costs", "currency_code"),
    ("costs", "energy_units"),
    ("costs", "data"),
    ("costs", "data.0.start_time"),
    ("costs", "data.0.end_time"),
    ("costs", "data.0.energy"),
    ("costs", "data.0.energy.value"),
    ("costs", "data.0.cost"),
    ("costs", "data.0.cost.value"),
    ("prices", "location_id"),
    ("prices", "currency_code"),
    ("prices", "data"),
    ("prices", "data.0.valid_from"),
    ("prices", "data.0.valid_to"),
    ("prices", "data.0.price"),
    ("prices", "data.0.price.value"),
    ("record", "tariff_direction"),
    ("record", "currency_code"),
    ("record", "energy_units"),
    ("record", "data"),
    ("record", "data.cost"),
    ("schedule", "location_id"),
    ("schedule", "currency_code"),
    ("schedule", "data"),
    ("schedule", "data.0.start_time"),
    ("schedule", "data.0.end_time"),
    ("schedule", "data.0.price"),
    ("schedule", "data.0.price.value"),
    ("plan", "location_id"),
    ("plan", "currency_code"),
    ("plan", "cost"),
    ("plan", "cost.value"),
    ("plan", "data"),
    ("plan", "data.0.schedule"),
    ("plan", "data.0.schedule.0.start_time"),
    ("plan", "data.0.schedule.0.end_time"),
    ("plan", "data.0.schedule.0.power"),
    ("plan", "data.0.schedule.0.power.units"),
    ("plan", "data.0.schedule.0.power.value"),
    ("tariff", "id"),
    ("tariff", "location_id"),
]


def holder(data: Any, path: str) -> tuple[Any, str | int]:
    """Return the object or list that holds the end of a path, and the end."""
    *way, end = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in way:
        data = data[step]
    return data, end


def changed(data: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return a copy with another value at the end of the path."""
    data = copy.deepcopy(data)
    place, end = holder(data, path)
    place[end] = value
    return data


def paths(data: object, prefix: str = "") -> Iterator[str]:
    """Return the path of every value inside."""
    items: list[tuple[object, object]] = []
    if isinstance(data, dict):
        items = list(data.items())
    elif isinstance(data, list):
        items = list(enumerate(data))
    for key, value in items:
        yield f"{prefix}{key}"
        yield from paths(value, f"{prefix}{key}.")


def test_token() -> None:
    """A token is replaced at nine tenths of its life."""
    token = Token.from_dict(TOKEN, NOW)

    assert token == Token(
        bearer="abc.DEF-123",
        expires_at=NOW + timedelta(hours=1),
        renew_at=NOW + timedelta(minutes=54),
        live_mode=True,
    )
    assert "abc.DEF-123" not in repr(token)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("bearer_token", "two\r\nlines"),
        ("bearer_token", "Schlüssel"),
        ("bearer_token", " "),
        ("expires_in", 0),
        ("expires_in", -1),
        ("expires_in", 1e300),
        ("expires_in", 10**400),
        ("expires_in", "3600"),
        ("expires_in", True),
        ("expires_in", math.inf),
        ("expires_in", math.nan),
    ],
)
def test_unusable_token(name: str, value: object) -> None:
    """A token that cannot be sent or used is no token."""
    with pytest.raises(FlatpeakResponseError):
        Token.from_dict(TOKEN | {name: value}, NOW)


def test_location() -> None:
    """A location comes with its address and the status of its tariffs."""
    location = Location.from_dict(LOCATION)

    assert location == Location(
        location_id="loc_1",
        reference_id="home",
        time_zone="Europe/London",
        currency="GBP",
        tariff_status={
            "commodity_import": ConnectionStatus.CONNECTED,
            "commodity_export": ConnectionStatus.NOT_CONNECTED,
            "local": ConnectionStatus.NOT_SUPPORTED,
        },
        address=PostalAddress(**ADDRESS),
    )
    assert location.has_import_tariff
    assert not location.has_export_tariff


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("CONNECTED ", ConnectionStatus.CONNECTED),
        ("ERROR", ConnectionStatus.ERROR),
        ("CONNECTING", ConnectionStatus.UNKNOWN),
        ("", ConnectionStatus.UNKNOWN),
        (None, ConnectionStatus.UNKNOWN),
        ({"status": "CONNECTED"}, ConnectionStatus.UNKNOWN),
    ],
)
def test_connection_status(value: object, status: ConnectionStatus) -> None:
    """A status is trimmed, and unknown where it is new to us."""
    legs = {"commodity_import": value, "commodity_export": "CONNECTED"}
    location = Location.from_dict({"id": "loc_1", "tariff_status": legs})

    assert location.tariff_status["commodity_import"] is status
    assert location.has_import_tariff is (status is ConnectionStatus.CONNECTED)
    assert location.has_export_tariff


@pytest.mark.parametrize("nothing", [{}, {"tariff_status": []}, {"postal_address": {}}])
def test_bare_location(nothing: dict[str, object]) -> None:
    """A location needs nothing but its id."""
    assert Location.from_dict({"id": "loc_1"} | nothing) == Location(
        location_id="loc_1",
        reference_id=None,
        time_zone=None,
        currency=None,
        tariff_status={},
        address=None,
    )


def test_address_is_written_as_read_and_never_shown() -> None:
    """An address holds what it was given, and keeps it to itself."""
    address = PostalAddress.from_dict(
        ADDRESS | {"address_line2": " ", "city": "London ", "geo": 1}
    )

    assert address.as_dict() == {
        name: line for name, line in ADDRESS.items() if name != "address_line2"
    }
    assert not any(line in repr(address) for line in ADDRESS.values())


def test_location_status() -> None:
    """The tariffs of a location are found by what they price."""
    status = LocationStatus.from_dict(STATUS)

    assert status.location_id == "loc_1"
    assert status.import_tariff == TariffLeg(
        status=ConnectionStatus.CONNECTED,
        connection_type="DIRECT",
        provider_name="Good Energy",
        tariff_id="trf_1",
        tariff_name="Night and day",
        structure_type="TIME_OF_DAY",
        contract_end=datetime(2026, 1, 30, 23, tzinfo=UTC),
    )
    assert status.export_tariff == TariffLeg(
        status=ConnectionStatus.NOT_CONNECTED,
        connection_type=None,
        provider_name=None,
        tariff_id=None,
        tariff_name=None,
        structure_type=None,
        contract_end=None,
    )


def test_location_status_without_tariffs() -> None:
    """A location may have no tariff at all."""
    status = LocationStatus.from_dict({"id": "loc_1", "tariff_status": {}})

    assert status.import_tariff is None
    assert status.export_tariff is None


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T10:00:00.003", datetime(2026, 1, 31, 10, 0, 0, 3000, UTC)),
        ("2026-01-31T10:00:00Z ", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("9999-12-31T23:59:59-01:00", None),
        ("open", None),
        (20260131, None),
    ],
)
def test_contract_end(value: object, end: datetime | None) -> None:
    """The end of a contract comes in several forms, or cannot be read."""
    leg = TariffLeg.from_dict(
        {"status": "CONNECTED", "tariff": {"contract_end_date": value}}
    )

    assert leg.contract_end == end


def test_interval() -> None:
    """An interval is sent in Wh and UTC, with its tariff direction."""
    start = datetime(2025, 3, 30, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    interval = Interval(
        location_id="loc_1",
        device_id="dev_1",
        start=start,
        end=start.astimezone(UTC) + timedelta(hours=1),
        energy_wh=0.1 + 0.2,
        energy_flow_direction=EnergyFlowDirection.INBOUND,
        tariff_direction=TariffDirection.LOCAL,
        record_reference_id="r-1",
    )

    assert json.loads(json.dumps(interval.as_dict())) == {
        "location_id": "loc_1",
        "device_id": "dev_1",
        "record_reference_id": "r-1",
        "energy_flow_direction": "INBOUND",
        "tariff_direction": "LOCAL",
        "units": "WH",
        "value": 0.30000000000000004,
        "start_time": "2025-03-30T00:30:00Z",
        "end_time": "2025-03-30T01:30:00Z",
    }


def test_interval_of_a_session() -> None:
    """A session and a confidence are sent where they are given."""
    interval = Interval(
        location_id="loc_1",
        device_id="dev_1",
        start=NOW,
        end=NOW + timedelta(hours=1),
        energy_wh=1,
        energy_flow_direction=EnergyFlowDirection.OUTBOUND,
        tariff_direction=TariffDirection.EXPORT,
        record_reference_id="r-1",
        session_reference_id="s-1",
        confidence=0.0,
    )

    assert interval.as_dict()["session_reference_id"] == "s-1"
    assert interval.as_dict()["confidence"] == 0.0


def test_interval_without_time_zone() -> None:
    """An instant that could mean two hours is not sent."""
    interval = Interval(
        location_id="loc_1",
        device_id="dev_1",
        start=NOW.replace(tzinfo=None),
        end=NOW,
        energy_wh=1,
        energy_flow_direction=EnergyFlowDirection.INBOUND,
        tariff_direction=TariffDirection.IMPORT,
        record_reference_id="r-1",
    )

    with pytest.raises(ValueError, match="time zone"):
        interval.as_dict()


def test_batch() -> None:
    """A batch tells what was refused; the reason may be shown, so it holds no id."""
    batch = Batch.from_dict(BATCH)

    assert batch == Batch(
        batch_id="bat_1",
        records_submitted=3,
        records_accepted=2,
        records_processed=1,
        failed_records=(
            FailedRecord(
                record_number=0, record_reference_id="r-0", error="No *** here"
            ),
        ),
    )
    assert not batch.is_processed


@pytest.mark.parametrize("failed", [{}, {"failed_records": None}])
def test_processed_batch(failed: dict[str, object]) -> None:
    """A batch is processed when all that was accepted is."""
    data = {name: BATCH[name] for name in BATCH if name != "failed_records"}

    batch = Batch.from_dict(data | failed | {"records_processed": 2})

    assert batch.is_processed
    assert batch.failed_records == ()


@pytest.mark.parametrize("count", [-1, 1.5, "1", True, None])
def test_batch_count(count: object) -> None:
    """A count is a whole number."""
    with pytest.raises(FlatpeakResponseError, match="records_accepted"):
        Batch.from_dict(BATCH | {"records_accepted": count})


def test_cost_report() -> None:
    """Rows are in UTC and in order of time."""
    assert CostReport.from_dict(COSTS) == CostReport(
        object_id="dev_1",
        tariff_direction=TariffDirection.IMPORT,
        time_zone="Europe/London",
        currency="GBP",
        rows=(
            CostRow(
                start=datetime(2025, 3, 1, tzinfo=UTC),
                end=datetime(2025, 3, 2, tzinfo=UTC),
                energy_wh=1000.5,
                cost=0.25,
                confidence=1.0,
            ),
            CostRow(
                start=datetime(2025, 3, 2, tzinfo=UTC),
                end=datetime(2025, 3, 3, tzinfo=UTC),
                energy_wh=2000.0,
                cost=-0.12345,
                confidence=0.5,
            ),
        ),
    )


def test_cost_report_in_kwh() -> None:
    """Energy is in Wh, whatever the report is in."""
    report = CostReport.from_dict(COSTS | {"energy_units": "KWH "})

    assert [row.energy_wh for row in report.rows] == [1_000_500.0, 2_000_000.0]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("energy_units", "MWH"),
        ("tariff_direction", "SIDEWAYS"),
        ("data", {}),
        ("data", [1]),
        ("data.0.start_time", "2025-03-02T00:00:00"),
        ("data.0.start_time", "0001-01-01T00:00:00+01:00"),
        ("data.0.start_time", "yesterday"),
        ("data.0.end_time", "2025-03-02T00:00:00Z"),
        ("data.0.energy.value", "2000"),
        ("data.0.cost.confidence", "high"),
        ("data.0.cost.value", math.nan),
        ("data.0.cost.value", None),
    ],
)
def test_unreadable_cost_report(path: str, value: object) -> None:
    """A report whose figures could be mistaken is not read at all."""
    with pytest.raises(FlatpeakResponseError, match=path.rpartition(".")[2]):
        CostReport.from_dict(changed(COSTS, path, value))


def test_price_report() -> None:
    """Slots are in UTC and in order of time."""
    assert PriceReport.from_dict(PRICES) == PriceReport(
        location_id="loc_1",
        tariff_direction=TariffDirection.EXPORT,
        time_zone="Europe/London",
        currency="GBP",
        slots=(
            PriceSlot(
                start=datetime(2025, 3, 1, tzinfo=UTC),
                end=datetime(2025, 3, 1, 0, 30, tzinfo=UTC),
                price=0.3,
                confidence=1.0,
            ),
            PriceSlot(
                start=datetime(2025, 3, 1, 0, 30, tzinfo=UTC),
                end=datetime(2025, 3, 1, 1, tzinfo=UTC),
                price=-0.05,
                confidence=0.9,
            ),
        ),
    )


def test_record_cost() -> None:
    """A record is priced in one row, whatever the unit of its energy."""
    assert RecordCost.from_dict(RECORD_COST) == RecordCost(
        tariff_direction=TariffDirection.IMPORT,
        currency="GBP",
        row=CostRow(
            start=datetime(2025, 3, 1, tzinfo=UTC),
            end=datetime(2025, 3, 1, 1, 30, tzinfo=UTC),
            energy_wh=1500,
            cost=0.375,
            confidence=0.9,
        ),
    )


def test_reading() -> None:
    """A reading has its instant in seconds since 1970."""
    reading = Reading(
        time=datetime(2025, 3, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")),
        register_wh=1234.5,
        record_reference_id="dev_1-0",
    )

    assert reading.as_dict() == {
        "time": 1740787200,
        "value": 1234.5,
        "record_reference_id": "dev_1-0",
    }


def test_reading_without_time_zone() -> None:
    """A reading at an unknown instant is not sent."""
    reading = Reading(
        time=NOW.replace(tzinfo=None), register_wh=1, record_reference_id="dev_1-0"
    )

    with pytest.raises(TypeError, match="offset-naive"):
        reading.as_dict()


@pytest.mark.parametrize(
    "savings", [{}, {"savings": None}, {"savings": {"value": None}}]
)
def test_plan_without_saving(savings: dict[str, object]) -> None:
    """A plan is one without a saving, too."""
    bare = {name: value for name, value in PLAN.items() if name != "savings"}

    plan = ChargingPlan.from_dict(bare | savings, "dev_1")

    assert (plan.saving, plan.saving_percentage) == (None, None)


def test_plan_in_an_unknown_unit() -> None:
    """A power in a unit that is new to us is not guessed."""
    with pytest.raises(FlatpeakResponseError, match="units"):
        ChargingPlan.from_dict(
            changed(PLAN, "data.0.schedule.0.power.units", "HP"), "dev_1"
        )


@pytest.mark.parametrize(
    "price",
    [
        {"price": {"value": 0.2, "confidence": 0.5}},
        {"tariff": {"rate_avg": 0.2, "confidence": 0.5}},
        {"tariff": {"rate": 0.2, "confidence": 0.5}},
        {"price": {"average": 0.2, "confidence": 0.5}},
    ],
)
def test_spellings_of_a_price(price: dict[str, object]) -> None:
    """Flatpeak has named the price in four ways."""
    slot = PriceSlot.from_dict(
        {
            "valid_from": "2025-03-01T00:00:00Z",
            "valid_to": "2025-03-01T01:00:00Z",
            **price,
        }
    )

    assert (slot.price, slot.confidence) == (0.2, 0.5)


def test_price_report_without_direction() -> None:
    """A price series is for import where it does not say."""
    data = {name: PRICES[name] for name in PRICES if name != "tariff_direction"}

    assert PriceReport.from_dict(data).tariff_direction is TariffDirection.IMPORT


@pytest.mark.parametrize("source", ["mrs_1", None])
def test_tariff(source: str | None) -> None:
    """A tariff may have found a market, or none."""
    assert Tariff.from_dict(TARIFF | {"market_rate_source_id": source}) == Tariff(
        tariff_id="trf_1", location_id="loc_1", market_rate_source_id=source
    )


@pytest.mark.parametrize(
    ("has_more", "cursor"), [(True, "dev_1"), (False, None), (None, None)]
)
def test_page(has_more: bool | None, cursor: str | None) -> None:
    """A list goes on after the last id in hand."""
    page = Page.from_dict({"has_more": has_more, "data": [DEVICE]}, Device.from_dict)

    assert page.items == (Device(device_id="dev_1", reference_id="meter"),)
    assert page.next_cursor == cursor


def test_page_that_promises_more_of_nothing() -> None:
    """There is nowhere to go on from an empty page."""
    with pytest.raises(FlatpeakResponseError):
        Page.from_dict({"has_more": True, "data": []}, Device.from_dict)


@pytest.mark.parametrize("name", READERS)
def test_unknown_fields_are_ignored(name: str) -> None:
    """Flatpeak may add fields at any time."""
    read, data = READERS[name]
    more = json.loads(json.dumps(data), object_hook=lambda item: item | {"new": [1]})
    # A leg of that name would be a tariff of its own.
    more.get("tariff_status", {}).pop("new", None)

    assert read(more) == read(data)


@pytest.mark.parametrize(("name", "path"), REQUIRED)
def test_missing_field(name: str, path: str) -> None:
    """A missing field is named."""
    read, data = READERS[name]
    data = copy.deepcopy(data)
    place, end = holder(data, path)
    del place[end]

    with pytest.raises(FlatpeakResponseError):
        read(data)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(data=st.data())
def test_nonsense_is_unreadable_and_nothing_else(data: st.DataObject) -> None:
    """Whatever stands in one place, the answer is read or said to be unreadable."""
    read, valid = READERS[data.draw(st.sampled_from(sorted(READERS)))]
    path = data.draw(st.sampled_from(sorted(paths(valid))))
    broken = changed(valid, path, data.draw(JSON_VALUES))

    with suppress(FlatpeakResponseError):
        assert read(broken) is not None
