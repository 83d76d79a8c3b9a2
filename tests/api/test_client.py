"""What the client sends, and what it makes of the answers."""

from datetime import UTC, datetime, timedelta
import json
import threading
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from custom_components.flatpeak.api import (
    MAX_BATCH_RECORDS,
    Aggregation,
    Device,
    EnergyFlowDirection,
    FlatpeakClient,
    FlatpeakInsecureUrlError,
    FlatpeakNotFoundError,
    FlatpeakResponseError,
    Interval,
    Location,
    PostalAddress,
    Reading,
    TariffDirection,
    validate_base_url,
)
from custom_components.flatpeak.api.client import LONG_ANSWER_BYTES, RECORDS_AT_ONCE

from .conftest import ACCOUNT_ID, API_KEY
from .service import Answer, Service
from .test_models import (
    BATCH,
    COSTS,
    DEVICE,
    LOCATION,
    PRICES,
    RECORD_COST,
    STATUS,
    TARIFF,
)

BERLIN = ZoneInfo("Europe/Berlin")
START = datetime(2025, 3, 29, tzinfo=BERLIN)
END = datetime(2025, 3, 31, tzinfo=BERLIN)


def intervals(count: int) -> list[Interval]:
    """Return so many hours of a meter."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return [
        Interval(
            location_id="loc_5f1e7c0de0a1b2c3d4e5f607",
            device_id="dev_5f1e7c0de0a1b2c3d4e5f608",
            start=start + timedelta(hours=hour),
            end=start + timedelta(hours=hour + 1),
            energy_wh=1234.5678 + hour,
            energy_flow_direction=EnergyFlowDirection.INBOUND,
            tariff_direction=TariffDirection.IMPORT,
            record_reference_id=f"dev_5f1e7c0de0a1b2c3d4e5f608-{hour}",
        )
        for hour in range(count)
    ]


async def test_every_request_carries_version_and_authorization(
    client: FlatpeakClient, service: Service
) -> None:
    """The login takes the credentials, everything else the token."""
    service.answer("/devices/dev_1", Answer(body=DEVICE))

    await client.get_device("dev_1")

    login, request = service.received
    assert login.headers["Authorization"] == aiohttp.encode_basic_auth(
        ACCOUNT_ID, API_KEY
    )
    assert request.headers["Authorization"] == "Bearer token-1"
    for received in service.received:
        assert received.method == "GET"
        assert received.headers["Flatpeak-Version"] == "2025-09-14.anode"
        assert received.body == b""


@pytest.mark.parametrize("key", ["ключ", "with:colon", "line\r\nbreak", ""])
async def test_any_credentials_can_be_sent(
    session: aiohttp.ClientSession, service: Service, key: str
) -> None:
    """What a person types reaches the service, which is to judge it."""
    client = FlatpeakClient(session, ACCOUNT_ID, key, base_url=service.url)

    await client.login()

    assert service.received[0].headers["Authorization"] == aiohttp.encode_basic_auth(
        ACCOUNT_ID, key
    )


async def test_create_device(client: FlatpeakClient, service: Service) -> None:
    """A device is its reference."""
    service.answer("/devices", Answer(status=201, body=DEVICE))

    device = await client.create_device("meter")

    request = service.received[-1]
    assert (request.method, request.json) == ("POST", {"reference_id": "meter"})
    assert request.headers["Content-Type"] == "application/json"
    assert device == Device(device_id="dev_1", reference_id="meter")


async def test_ids_are_one_segment_of_the_path(
    client: FlatpeakClient, service: Service
) -> None:
    """An odd id does not reach another endpoint."""
    service.answer("/devices/dev%2F1%3Fx%3D1%23%20%25", Answer(body=DEVICE))

    await client.get_device("dev/1?x=1# %")

    assert service.received[-1].query == {}


def listed(number: int, reference_id: str = "meter") -> dict[str, str]:
    """Return a device in a list."""
    return {"id": f"dev_{number}", "object": "device", "reference_id": reference_id}


async def test_list_devices(client: FlatpeakClient, service: Service) -> None:
    """All pages are read, the filter is checked, and the oldest comes first."""
    service.answer(
        "/devices",
        Answer(body={"has_more": True, "data": [listed(5), listed(4, "meter-2")]}),
        Answer(body={"has_more": True, "data": [listed(3, "Meter"), listed(2)]}),
        Answer(body={"has_more": False, "data": [listed(1)]}),
    )

    devices = await client.list_devices("meter")

    assert [device.device_id for device in devices] == ["dev_1", "dev_2", "dev_5"]
    assert [request.query for request in service.asked("/devices")] == [
        {"limit": "100", "reference_id": "meter"},
        {"limit": "100", "reference_id": "meter", "starting_after": "dev_4"},
        {"limit": "100", "reference_id": "meter", "starting_after": "dev_2"},
    ]


async def test_list_that_goes_round(client: FlatpeakClient, service: Service) -> None:
    """A service that does not mind the cursor does not keep us for ever."""
    service.answer("/devices", Answer(body={"has_more": True, "data": [listed(1)]}))

    with pytest.raises(FlatpeakResponseError, match="no end"):
        await client.list_devices("meter")

    assert len(service.asked("/devices")) == 2


async def test_list_not_found(client: FlatpeakClient, service: Service) -> None:
    """A list that is not found is empty."""
    service.answer("/devices", Answer(status=404, body={"message": "Not Found"}))

    assert await client.list_devices("meter") == []


async def test_page_not_found(client: FlatpeakClient, service: Service) -> None:
    """A list that ends in the middle is not complete."""
    service.answer(
        "/devices",
        Answer(body={"has_more": True, "data": [listed(1)]}),
        Answer(status=404, body={"message": "Not Found"}),
    )

    with pytest.raises(FlatpeakNotFoundError):
        await client.list_devices("meter")


@pytest.mark.parametrize(
    ("reference_id", "query", "expected"),
    [
        (None, {"limit": "100"}, ["loc_0", "loc_1"]),
        ("home", {"limit": "100", "reference_id": "home"}, ["loc_1"]),
    ],
)
async def test_list_locations(
    client: FlatpeakClient,
    service: Service,
    reference_id: str | None,
    query: dict[str, str],
    expected: list[str],
) -> None:
    """All locations are listed, or those of one reference."""
    data = [LOCATION, {"id": "loc_0", "object": "location"}]
    service.answer("/locations", Answer(body={"has_more": False, "data": data}))

    locations = await client.list_locations(reference_id)

    assert [location.location_id for location in locations] == expected
    assert service.received[-1].query == query


async def test_create_location(client: FlatpeakClient, service: Service) -> None:
    """A location is a reference and an address."""
    service.answer("/locations", Answer(status=201, body=LOCATION))

    location = await client.create_location(
        "home", PostalAddress(city="London", country_code="GB")
    )

    assert service.received[-1].json == {
        "reference_id": "home",
        "postal_address": {"city": "London", "country_code": "GB"},
    }
    assert location == Location.from_dict(LOCATION)


async def test_update_location(client: FlatpeakClient, service: Service) -> None:
    """A location can be given another address."""
    service.answer("/locations/loc_1", Answer(body=LOCATION))

    known = Location.from_dict(
        LOCATION | {"postal_address": {"city": "Paris", "state": "IDF"}}
    )

    location = await client.update_location(known, PostalAddress(city="London"))

    request = service.received[-1]
    assert (request.method, request.json) == (
        "PATCH",
        {"postal_address": {"city": "London", "state": ""}},
    )
    assert location == Location.from_dict(LOCATION)


async def test_get_location_and_status(
    client: FlatpeakClient, service: Service
) -> None:
    """A location and its tariffs are two answers."""
    service.answer("/locations/loc_1", Answer(body=LOCATION))
    service.answer("/locations/loc_1/status", Answer(body=STATUS))

    location = await client.get_location("loc_1")
    status = await client.get_location_status("loc_1")

    assert location.has_import_tariff
    assert status.import_tariff is not None
    assert status.import_tariff.tariff_name == "Night and day"


async def test_submit_intervals(client: FlatpeakClient, service: Service) -> None:
    """Records are sent as a bare array, in their order."""
    service.answer("/meters/interval", Answer(body=BATCH))
    records = intervals(2 * RECORDS_AT_ONCE + 1)

    batch = await client.submit_intervals(records)

    request = service.received[-1]
    assert request.method == "PUT"
    assert request.json == [record.as_dict() for record in records]
    assert int(request.headers["Content-Length"]) == len(request.body)
    assert (batch.batch_id, batch.records_accepted) == ("bat_1", 2)


@pytest.mark.parametrize("count", [0, MAX_BATCH_RECORDS + 1])
async def test_batch_size(client: FlatpeakClient, service: Service, count: int) -> None:
    """No more is sent than Flatpeak takes, and not nothing."""
    with pytest.raises(ValueError, match="10000"):
        await client.submit_intervals(intervals(1) * count)

    assert service.received == []


async def test_infinite_energy(client: FlatpeakClient, service: Service) -> None:
    """A number that JSON does not know is not sent."""
    record = intervals(1)[0]
    service.answer("/meters/interval", Answer(body=BATCH))

    with pytest.raises(ValueError, match="JSON"):
        await client.submit_intervals([record, _with_energy(record, float("inf"))])

    assert service.received == []


def _with_energy(record: Interval, energy_wh: float) -> Interval:
    """Return the record with another energy."""
    return Interval(
        location_id=record.location_id,
        device_id=record.device_id,
        start=record.start,
        end=record.end,
        energy_wh=energy_wh,
        energy_flow_direction=record.energy_flow_direction,
        tariff_direction=record.tariff_direction,
        record_reference_id=record.record_reference_id,
    )


async def test_full_batch_leaves_the_event_loop_free(service: Service) -> None:
    """What is to be sent is put into JSON beside the event loop."""
    service.answer("/meters/interval", Answer(body=BATCH))
    threads = set()

    def serialize(data: Any) -> str:
        """Note where the work is done."""
        threads.add(threading.current_thread())
        return json.dumps(data)

    async with aiohttp.ClientSession(json_serialize=serialize) as session:
        client = FlatpeakClient(session, ACCOUNT_ID, API_KEY, base_url=service.url)
        await client.submit_intervals(intervals(MAX_BATCH_RECORDS))

    assert threads
    assert threading.main_thread() not in threads
    assert len(service.received[-1].json) == MAX_BATCH_RECORDS


async def test_it_is_told_when_records_are_ready(
    client: FlatpeakClient, service: Service
) -> None:
    """What need not wait for the answer begins before anything is sent."""
    service.answer("/meters/interval", Answer(body=BATCH))
    received: list[int] = []

    await client.submit_intervals(
        intervals(1), when_ready=lambda: received.append(len(service.received))
    )

    assert received == [0]
    assert len(service.received) == 2  # the login, and the records


@pytest.mark.parametrize("padding", [0, LONG_ANSWER_BYTES])
async def test_long_answer_leaves_the_event_loop_free(
    client: FlatpeakClient,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    padding: int,
) -> None:
    """It is read beside the event loop; for a short one that would take longer."""
    threads = []
    read = Location.from_dict

    def read_in_thread(data: dict[str, Any]) -> Location:
        """Note where the work is done."""
        threads.append(threading.current_thread())
        return read(data)

    monkeypatch.setattr(Location, "from_dict", read_in_thread)
    service.answer("/locations/loc_1", Answer(body=LOCATION | {"more": "x" * padding}))

    await client.get_location("loc_1")

    [thread] = threads
    assert (thread is threading.main_thread()) is (padding == 0)


def readings(count: int) -> list[Reading]:
    """Return so many hourly readings of a register."""
    start = datetime(2024, 1, 1, tzinfo=UTC)
    return [
        Reading(
            time=start + timedelta(hours=hour),
            register_wh=1000.5 * hour,
            record_reference_id=f"dev_1-{hour}",
        )
        for hour in range(count)
    ]


async def submit_readings(client: FlatpeakClient, count: int) -> None:
    """Submit so many readings of a device that exports."""
    await client.submit_cumulative(
        "loc_1",
        "dev_1",
        EnergyFlowDirection.OUTBOUND,
        TariffDirection.EXPORT,
        readings(count),
    )


async def test_submit_cumulative(client: FlatpeakClient, service: Service) -> None:
    """Readings are sent in their order, with whose they are."""
    service.answer("/meters/cumulative/epoch", Answer(body=BATCH))
    count = RECORDS_AT_ONCE + 1

    await submit_readings(client, count)

    request = service.received[-1]
    assert request.method == "PUT"
    assert request.json == {
        "location_id": "loc_1",
        "device_id": "dev_1",
        "energy_flow_direction": "OUTBOUND",
        "tariff_direction": "EXPORT",
        "units": "WH",
        "data": [
            {
                "time": 1704067200 + 3600 * hour,
                "value": 1000.5 * hour,
                "record_reference_id": f"dev_1-{hour}",
            }
            for hour in range(count)
        ],
    }


@pytest.mark.parametrize("count", [0, MAX_BATCH_RECORDS + 1])
async def test_readings_of_a_batch(
    client: FlatpeakClient, service: Service, count: int
) -> None:
    """No more readings are sent than Flatpeak takes, and not nothing."""
    with pytest.raises(ValueError, match="10000"):
        await submit_readings(client, count)

    assert service.received == []


async def test_get_batch(client: FlatpeakClient, service: Service) -> None:
    """A batch is asked for in the query."""
    service.answer("/meters/batch", Answer(body=BATCH))

    batch = await client.get_batch("bat_1")

    assert service.received[-1].query == {"batch_id": "bat_1"}
    assert batch.records_processed == 1


@pytest.mark.parametrize(
    ("aggregation", "query"),
    [
        (Aggregation.DAY, {"aggregation": "DAY", "tariff_direction": "IMPORT"}),
        (None, {"tariff_direction": "IMPORT"}),
    ],
)
async def test_get_interval_costs(
    client: FlatpeakClient,
    service: Service,
    aggregation: Aggregation | None,
    query: dict[str, str],
) -> None:
    """Times carry their own offsets; the direction is in body and query."""
    service.answer("/costs/interval/dev_1", Answer(body=COSTS))

    report = await client.get_interval_costs(
        "dev_1", START, END, TariffDirection.IMPORT, aggregation
    )

    request = service.received[-1]
    assert (request.method, request.query) == ("POST", query)
    assert request.json == {
        "start_time": "2025-03-29T00:00:00+01:00",
        "end_time": "2025-03-31T00:00:00+02:00",
        "tariff_direction": "IMPORT",
    }
    assert [row.cost for row in report.rows] == [0.25, -0.12345]


@pytest.mark.parametrize(
    "other",
    [
        {"tariff_direction": "EXPORT"},
        {"tariff_direction": "SIDEWAYS"},
        {"tariff_direction": None},
        {"object_id": "dev_2"},
    ],
)
async def test_costs_of_something_else(
    client: FlatpeakClient, service: Service, other: dict[str, object]
) -> None:
    """A report of something else is not taken for the one asked for."""
    service.answer("/costs/interval/dev_1", Answer(body=COSTS | other))

    with pytest.raises(FlatpeakResponseError):
        await client.get_interval_costs("dev_1", START, END, TariffDirection.IMPORT)


async def test_get_session_costs(client: FlatpeakClient, service: Service) -> None:
    """A session is asked for by our own id, without a body."""
    service.answer("/costs/session/garage%2F1%202", Answer(body=COSTS))

    report = await client.get_session_costs("garage/1 2", TariffDirection.IMPORT)

    request = service.received[-1]
    assert (request.method, request.body) == ("POST", b"")
    assert request.query == {"tariff_direction": "IMPORT"}
    assert [row.cost for row in report.rows] == [0.25, -0.12345]


async def test_session_costs_of_another_direction(
    client: FlatpeakClient, service: Service
) -> None:
    """A report at other prices is not taken for the one asked for."""
    service.answer("/costs/session/s-1", Answer(body=COSTS))

    with pytest.raises(FlatpeakResponseError):
        await client.get_session_costs("s-1", TariffDirection.EXPORT)


async def test_submit_instant(client: FlatpeakClient, service: Service) -> None:
    """A record that is to count is sent as such."""
    service.answer("/costs/instant", Answer(body=RECORD_COST))
    (record,) = intervals(1)

    answer = await client.submit_instant(record)

    request = service.received[-1]
    assert (request.method, request.query) == ("POST", {})
    assert request.json == record.as_dict()
    assert answer.row.cost == 0.375


async def test_estimate_cost(client: FlatpeakClient, service: Service) -> None:
    """What would cost something is told from what does."""
    service.answer("/costs/instant", Answer(body=RECORD_COST))

    estimate = await client.estimate_cost(
        "loc_1", START, END, 1500, EnergyFlowDirection.INBOUND, TariffDirection.IMPORT
    )

    request = service.received[-1]
    assert (request.method, request.query) == ("POST", {"non_persistent": "true"})
    assert request.json == {
        "location_id": "loc_1",
        "start_time": "2025-03-29T00:00:00+01:00",
        "end_time": "2025-03-31T00:00:00+02:00",
        "energy_flow_direction": "INBOUND",
        "tariff_direction": "IMPORT",
        "units": "WH",
        "value": 1500,
    }
    assert (estimate.currency, estimate.row.energy_wh) == ("GBP", 1500)


async def test_estimate_of_another_direction(
    client: FlatpeakClient, service: Service
) -> None:
    """An estimate at other prices is not taken for the one asked for."""
    service.answer("/costs/instant", Answer(body=RECORD_COST))

    with pytest.raises(FlatpeakResponseError):
        await client.estimate_cost(
            "loc_1",
            START,
            END,
            1500,
            EnergyFlowDirection.OUTBOUND,
            TariffDirection.EXPORT,
        )


async def test_get_prices(client: FlatpeakClient, service: Service) -> None:
    """Prices are asked for by location and direction."""
    service.answer("/prices/loc_1", Answer(body=PRICES))

    report = await client.get_prices("loc_1", START, END, TariffDirection.EXPORT)

    request = service.received[-1]
    assert (request.method, request.query) == ("POST", {})
    assert request.json == {
        "start_time": "2025-03-29T00:00:00+01:00",
        "end_time": "2025-03-31T00:00:00+02:00",
        "tariff_direction": "EXPORT",
    }
    assert [slot.price for slot in report.slots] == [0.3, -0.05]


@pytest.mark.parametrize(
    "other",
    [
        {"tariff_direction": "IMPORT"},
        {"tariff_direction": None},
        {"location_id": "loc_2"},
    ],
)
async def test_prices_of_something_else(
    client: FlatpeakClient, service: Service, other: dict[str, object]
) -> None:
    """Prices of something else are not taken for those asked for."""
    service.answer("/prices/loc_1", Answer(body=PRICES | other))

    with pytest.raises(FlatpeakResponseError):
        await client.get_prices("loc_1", START, END, TariffDirection.EXPORT)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (START, START.astimezone(UTC) + timedelta(days=90, seconds=1)),
        # 90 days by the calendar, and an hour more by the clock.
        (datetime(2025, 8, 1, tzinfo=BERLIN), datetime(2025, 10, 30, tzinfo=BERLIN)),
        (START, START),
        (END, START),
        (START.replace(tzinfo=None), END),
        (START, END.replace(tzinfo=None)),
    ],
)
async def test_price_window(
    client: FlatpeakClient, service: Service, start: datetime, end: datetime
) -> None:
    """A window that Flatpeak does not allow is not asked for."""
    with pytest.raises(ValueError, match=r"window|Prices"):
        await client.get_prices("loc_1", start, end, TariffDirection.IMPORT)

    assert service.received == []


async def test_longest_price_window(client: FlatpeakClient, service: Service) -> None:
    """90 days are allowed."""
    service.answer("/prices/loc_1", Answer(body=PRICES))

    await client.get_prices(
        "loc_1",
        START.astimezone(UTC),
        START.astimezone(UTC) + timedelta(days=90),
        TariffDirection.EXPORT,
    )

    assert len(service.asked("/prices/loc_1")) == 1


async def test_create_market_tariff(client: FlatpeakClient, service: Service) -> None:
    """A market tariff is for energy, with its market found by the address."""
    service.answer("/tariffs", Answer(body=TARIFF))

    tariff = await client.create_market_tariff(
        "loc_1", TariffDirection.IMPORT, START, END
    )

    assert service.received[-1].json == {
        "location_id": "loc_1",
        "direction": "IMPORT",
        "type": "COMMODITY",
        "contract_start_date": "2025-03-29T00:00:00+01:00",
        "contract_end_date": "2025-03-31T00:00:00+02:00",
        "market_rates": True,
    }
    assert tariff.market_rate_source_id == "mrs_1"


@pytest.mark.parametrize(
    ("url", "valid"),
    [
        ("https://api.flatpeak.com", "https://api.flatpeak.com"),
        (" https://API.flatpeak.com// ", "https://api.flatpeak.com"),
        ("https://proxy.example:8443/flat/", "https://proxy.example:8443/flat"),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.3.2.1:1", "http://127.3.2.1:1"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_valid_url(url: str, valid: str) -> None:
    """An address is https, or of this machine, and loses its last slash."""
    assert validate_base_url(url) == valid
    assert validate_base_url(valid) == valid


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.flatpeak.com",
        "//api.flatpeak.com",
        "https://",
        "https:api.flatpeak.com",
        "ftp://api.flatpeak.com",
        "http://api.flatpeak.com",
        "http://192.168.1.10:8080",
        "http://0.0.0.0",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost@example.com",
        "https://user@api.flatpeak.com",
        "https://user:s3cret@api.flatpeak.com",
        "https://api.flatpeak.com/?key=s3cret",
        "https://api.flatpeak.com?",
        "https://api.flatpeak.com/#s3cret",
        "https://api.flatpeak.com:port",
        "https://[::1",
    ],
)
async def test_insecure_url(session: aiohttp.ClientSession, url: str) -> None:
    """No other address is taken, and none is repeated."""
    for refused in (
        lambda: validate_base_url(url),
        lambda: FlatpeakClient(session, ACCOUNT_ID, API_KEY, base_url=url),
    ):
        with pytest.raises(FlatpeakInsecureUrlError) as caught:
            refused()
        assert "s3cret" not in str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_address_with_a_path(
    session: aiohttp.ClientSession, service: Service
) -> None:
    """A proxy may serve Flatpeak below a path."""
    service.answer("/flat/login", Answer(status=403))
    client = FlatpeakClient(
        session, ACCOUNT_ID, API_KEY, base_url=f"{service.url}flat/"
    )

    with pytest.raises(Exception, match="refused"):
        await client.login()

    assert service.received[0].target == "/flat/login"
