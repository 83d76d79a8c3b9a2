"""The client against the simulated service: every endpoint, and what may go wrong."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import math
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from custom_components.flatpeak.api import (
    MAX_BATCH_RECORDS,
    Aggregation,
    Device,
    EnergyFlowDirection,
    FlatpeakAccountDisabledError,
    FlatpeakAuthenticationError,
    FlatpeakClient,
    FlatpeakConnectionError,
    FlatpeakError,
    FlatpeakInvalidRequestError,
    FlatpeakNoTariffError,
    FlatpeakNotFoundError,
    FlatpeakRateLimitError,
    FlatpeakResponseError,
    FlatpeakServerError,
    FlatpeakTariffPendingError,
    FlatpeakVersionError,
    Interval,
    Location,
    PostalAddress,
    Reading,
    Segment,
    TariffDirection,
)
from tests.simulator import Direction, Duplicates, Fault, Flat, Simulator, TwoRate

ADDRESS = PostalAddress(
    address_line1="1 Unter den Linden", city="Berlin", country_code="DE"
)
BERLIN = ZoneInfo("Europe/Berlin")
# The night in which the clocks go back: a day of 25 hours.
DAY = datetime(2025, 10, 26, tzinfo=BERLIN)
NEXT_DAY = datetime(2025, 10, 27, tzinfo=BERLIN)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
PRICE = Decimal("0.31")


@pytest.fixture
async def simulator() -> AsyncGenerator[Simulator]:
    """Run a simulated service."""
    async with Simulator(clock=lambda: NOW) as simulator:
        yield simulator
        assert simulator.violations.total == 0


@pytest.fixture
def client(session: aiohttp.ClientSession, simulator: Simulator) -> FlatpeakClient:
    """Return a client of that service."""
    return FlatpeakClient(
        session, simulator.account_id, simulator.api_key, base_url=simulator.url
    )


@pytest.fixture
async def home(client: FlatpeakClient) -> Location:
    """Return a new location."""
    return await client.create_location("home", ADDRESS)


@pytest.fixture
async def meter(client: FlatpeakClient) -> Device:
    """Return a new device."""
    return await client.create_device("meter")


def hours(home: Location, meter: Device, count: int) -> list[Interval]:
    """Return so many hours from the beginning of the day."""
    start = DAY.astimezone(UTC)
    return [
        Interval(
            location_id=home.location_id,
            device_id=meter.device_id,
            start=start + timedelta(hours=hour),
            end=start + timedelta(hours=hour + 1),
            energy_wh=100.25 + hour,
            energy_flow_direction=EnergyFlowDirection.INBOUND,
            tariff_direction=TariffDirection.IMPORT,
            record_reference_id=f"hour-{hour}",
        )
        for hour in range(count)
    ]


async def test_energy_becomes_cost(
    client: FlatpeakClient, simulator: Simulator, home: Location, meter: Device
) -> None:
    """A day of 25 hours is submitted, processed and priced."""
    flat = Flat(price=PRICE)
    simulator.account().connect(home.location_id, Direction.IMPORT, flat)
    records = hours(home, meter, 25)

    batch = await client.submit_intervals(records)
    report = await client.get_interval_costs(
        meter.device_id, DAY, NEXT_DAY, TariffDirection.IMPORT, Aggregation.DAY
    )

    assert (batch.records_submitted, batch.records_accepted) == (25, 25)
    assert (await client.get_batch(batch.batch_id)).is_processed
    assert (report.time_zone, report.currency) == ("Europe/Berlin", "EUR")
    (row,) = report.rows
    assert (row.start, row.end) == (DAY, NEXT_DAY)
    assert row.end - row.start == timedelta(hours=25)
    energy = math.fsum(record.energy_wh for record in records)
    assert math.isclose(row.energy_wh, energy, rel_tol=1e-9)
    assert math.isclose(row.cost, energy / 1000 * float(PRICE), abs_tol=0.000_005)
    assert row.confidence == 1


async def test_unprocessed_batch(
    client: FlatpeakClient, simulator: Simulator, home: Location, meter: Device
) -> None:
    """A batch that is not processed says so."""
    simulator.settings.change(processing_delay=None)

    batch = await client.submit_intervals(hours(home, meter, 2))

    assert not (await client.get_batch(batch.batch_id)).is_processed


async def test_refused_record(
    client: FlatpeakClient, home: Location, meter: Device
) -> None:
    """A record that is refused does not hold up the others."""
    stranger = Device(device_id="dev_0123456789", reference_id="stranger")
    records = hours(home, meter, 3)
    records[1] = hours(home, stranger, 2)[1]

    batch = await client.submit_intervals(records)

    assert (batch.records_submitted, batch.records_accepted) == (3, 2)
    (failed,) = batch.failed_records
    assert (failed.record_number, failed.record_reference_id) == (1, "hour-1")
    assert failed.error
    assert "dev_0" not in failed.error


async def test_full_batch(
    client: FlatpeakClient, home: Location, meter: Device
) -> None:
    """Ten thousand records are accepted at once."""
    batch = await client.submit_intervals(hours(home, meter, MAX_BATCH_RECORDS))

    assert batch.records_accepted == MAX_BATCH_RECORDS


async def test_objects_are_found_again(
    client: FlatpeakClient, home: Location, meter: Device
) -> None:
    """What was created is found by its reference and by its id."""
    other = await client.create_device("meter-2")

    assert await client.list_devices("meter") == [meter]
    assert await client.get_device(other.device_id) == other
    assert await client.list_locations("home") == [home]
    assert await client.get_location(home.location_id) == home
    assert home.address == ADDRESS


async def test_corrected_address(client: FlatpeakClient, home: Location) -> None:
    """A location moves with its address."""
    address = PostalAddress(
        address_line1="1 High Street", city="London", country_code="GB"
    )

    await client.update_location(home, address)

    moved = await client.get_location(home.location_id)
    assert moved.address == address
    assert (moved.time_zone, moved.currency) == ("Europe/London", "GBP")


async def test_duplicates_resolve_to_the_oldest(
    client: FlatpeakClient, meter: Device
) -> None:
    """Beyond a page of duplicates the first one is still the first."""
    for _ in range(101):
        await client.create_device("meter")

    devices = await client.list_devices("meter")

    assert len(devices) == 102
    assert devices[0] == meter


async def test_market_tariff(
    client: FlatpeakClient, simulator: Simulator, home: Location
) -> None:
    """A location without a tariff has no price; with a market it has."""
    with pytest.raises(FlatpeakNoTariffError):
        await client.get_prices(home.location_id, DAY, NEXT_DAY, TariffDirection.IMPORT)
    assert not (await client.get_location(home.location_id)).has_import_tariff

    tariff = await client.create_market_tariff(
        home.location_id, TariffDirection.IMPORT, DAY, DAY + timedelta(days=3650)
    )

    assert tariff.market_rate_source_id is not None
    assert (await client.get_location(home.location_id)).has_import_tariff
    status = await client.get_location_status(home.location_id)
    assert status.import_tariff is not None
    assert status.import_tariff.connection_type == "MARKET"


async def test_prices(
    client: FlatpeakClient, simulator: Simulator, home: Location
) -> None:
    """Prices cover the window without a gap."""
    flat = Flat(price=PRICE)
    simulator.account().connect(home.location_id, Direction.EXPORT, flat)

    report = await client.get_prices(
        home.location_id, DAY, NEXT_DAY, TariffDirection.EXPORT
    )

    assert report.tariff_direction is TariffDirection.EXPORT
    assert report.slots[0].start <= DAY.astimezone(UTC)
    assert report.slots[-1].end >= NEXT_DAY.astimezone(UTC)
    assert [slot.end for slot in report.slots[:-1]] == [
        slot.start for slot in report.slots[1:]
    ]
    assert {slot.price for slot in report.slots} == {float(PRICE)}


async def test_pending_tariff(
    client: FlatpeakClient, simulator: Simulator, home: Location
) -> None:
    """A tariff that is still being fetched is not a missing one."""
    simulator.account().connect(
        home.location_id,
        Direction.IMPORT,
        Flat(price=PRICE),
        pending_until=NOW + timedelta(hours=1),
    )

    with pytest.raises(FlatpeakTariffPendingError):
        await client.get_prices(home.location_id, DAY, NEXT_DAY, TariffDirection.IMPORT)


async def test_expired_tokens_cost_one_login(
    client: FlatpeakClient, simulator: Simulator, meter: Device
) -> None:
    """Many at once with a dead token log in once."""
    simulator.expire_tokens()

    devices = await asyncio.gather(
        *(client.get_device(meter.device_id) for _ in range(10))
    )

    assert devices == [meter] * 10
    assert simulator.requests.count("GET /login") == 2
    # Each of the ten has tried the dead token: that is what told us of its death.
    simulator.violations.clear()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.SERVER_ERROR, FlatpeakServerError),
        (Fault.BAD_GATEWAY, FlatpeakServerError),
        (Fault.HTML, FlatpeakResponseError),
        (Fault.RESET_BEFORE, FlatpeakConnectionError),
        (Fault.RESET_AFTER, FlatpeakConnectionError),
        (Fault.TRUNCATED, FlatpeakResponseError),
        (Fault.rate_limit(7), FlatpeakRateLimitError),
        (
            Fault.answer(400, {"message": "start_time is late"}),
            FlatpeakInvalidRequestError,
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
async def test_fault(
    client: FlatpeakClient,
    simulator: Simulator,
    home: Location,
    meter: Device,
    *,
    fault: Fault,
    kind: type[FlatpeakError],
) -> None:
    """A submission that goes wrong is sent once, and fails in its own way."""
    simulator.faults.next("PUT /meters/interval", fault)

    with pytest.raises(FlatpeakError) as caught:
        await client.submit_intervals(hours(home, meter, 2))

    assert type(caught.value) is kind
    assert simulator.requests.count("PUT /meters/interval") == 1
    if isinstance(caught.value, FlatpeakRateLimitError):
        assert caught.value.retry_after == 7


async def test_expired_token_does_not_lose_a_submission(
    client: FlatpeakClient, simulator: Simulator, home: Location, meter: Device
) -> None:
    """Records that were refused with their token are sent again with a new one."""
    simulator.faults.next("PUT /meters/interval", Fault.EXPIRE_TOKEN)

    batch = await client.submit_intervals(hours(home, meter, 2))

    assert batch.records_accepted == 2
    assert len(simulator.truth(meter.device_id).records()) == 2


async def test_unknown_objects(client: FlatpeakClient, home: Location) -> None:
    """What does not exist is not found."""
    with pytest.raises(FlatpeakNotFoundError):
        await client.get_device("dev_0123456789")
    with pytest.raises(FlatpeakNotFoundError):
        await client.get_location("loc_0123456789")


@pytest.mark.parametrize(
    ("account_id", "api_key", "kind"),
    [
        ("acc_off", "sk_test_wrong", FlatpeakAuthenticationError),
        ("acc_off", "sk_test_off", FlatpeakAccountDisabledError),
        ("acc_new", "sk_test_new", FlatpeakVersionError),
    ],
)
async def test_refused_login(
    session: aiohttp.ClientSession,
    simulator: Simulator,
    account_id: str,
    api_key: str,
    kind: type[FlatpeakError],
) -> None:
    """A wrong key, a disabled account and a newer version are three things."""
    simulator.add_account("acc_off", "sk_test_off").disabled = True
    simulator.add_account("acc_new", "sk_test_new", version="2026-09-14.busbar")
    client = FlatpeakClient(session, account_id, api_key, base_url=simulator.url)

    with pytest.raises(kind):
        await client.list_locations()


SESSION = "00000000-charge-1"


async def test_session_becomes_cost(
    client: FlatpeakClient, simulator: Simulator, home: Location, meter: Device
) -> None:
    """A session is told apart from the energy around it."""
    flat = Flat(price=PRICE)
    simulator.account().connect(home.location_id, Direction.IMPORT, flat)
    before, *session = hours(home, meter, 3)
    with pytest.raises(FlatpeakNotFoundError):
        await client.get_session_costs(SESSION, TariffDirection.IMPORT)
    await client.submit_intervals(
        [before, *(replace(hour, session_reference_id=SESSION) for hour in session)]
    )

    report = await client.get_session_costs(SESSION, TariffDirection.IMPORT)

    assert report.object_id == meter.device_id
    truth = simulator.session(SESSION)
    assert [(row.start, row.end, row.energy_wh) for row in report.rows] == [
        (record.start, record.end, record.energy) for record in truth
    ]
    assert [row.cost for row in report.rows] == [
        float(record.reported_cost) for record in truth
    ]


async def test_estimate_leaves_nothing_behind(
    client: FlatpeakClient, simulator: Simulator, home: Location, meter: Device
) -> None:
    """What would cost something is not stored; what does is."""
    flat = Flat(price=PRICE)
    simulator.account().connect(home.location_id, Direction.IMPORT, flat)
    (record,) = hours(home, meter, 1)

    estimate = await client.estimate_cost(
        home.location_id,
        record.start,
        record.end,
        record.energy_wh,
        EnergyFlowDirection.INBOUND,
        TariffDirection.IMPORT,
    )
    assert simulator.account().meters.counts["accepted"] == 0
    submitted = await client.submit_instant(record)

    assert estimate == submitted
    assert math.isclose(estimate.row.cost, 100.25 / 1000 * 0.31, abs_tol=0.000_005)
    (kept,) = simulator.truth(meter.device_id).records()
    assert kept.energy == record.energy_wh


async def test_a_record_that_is_stored_must_not_be_submitted(
    client: FlatpeakClient, simulator: Simulator, home: Location, meter: Device
) -> None:
    """It has arrived as any other record, and may count twice if it is sent again."""
    simulator.settings.change(duplicates=Duplicates.ADD)
    flat = Flat(price=PRICE)
    simulator.account().connect(home.location_id, Direction.IMPORT, flat)
    (record,) = hours(home, meter, 1)

    await client.submit_instant(record)
    (stored,) = simulator.truth(meter.device_id).records()
    assert (stored.start, stored.end) == (record.start, record.end)
    assert stored.energy == record.energy_wh

    await client.submit_intervals([record])
    (doubled,) = simulator.truth(meter.device_id).records()
    assert doubled.energy == 2 * record.energy_wh


async def test_readings_become_energy(
    client: FlatpeakClient, simulator: Simulator, home: Location, meter: Device
) -> None:
    """A register counts what lies between its readings."""
    start = DAY.astimezone(UTC)
    readings = [
        Reading(
            time=start + timedelta(hours=hour),
            register_wh=register,
            record_reference_id=f"reading-{hour}",
        )
        for hour, register in enumerate((1000.0, 1250.5, 1300.0))
    ]

    batch = await client.submit_cumulative(
        home.location_id,
        meter.device_id,
        EnergyFlowDirection.INBOUND,
        TariffDirection.IMPORT,
        readings,
    )

    assert (batch.records_accepted, batch.is_processed) == (3, True)
    records = simulator.truth(meter.device_id).records()
    assert [record.energy for record in records] == [250.5, 49.5]


async def test_schedules(
    client: FlatpeakClient, simulator: Simulator, home: Location, meter: Device
) -> None:
    """The night that is cheap is found in three ways."""
    night = TwoRate(low=Decimal("0.1"), high=Decimal("0.3"))
    simulator.account().connect(home.location_id, Direction.IMPORT, night)
    window = (home.location_id, NOW, NOW + timedelta(days=1))

    by_duration = await client.find_windows_by_duration(
        *window,
        TariffDirection.IMPORT,
        segment=Segment.LOW,
        duration=timedelta(minutes=45),
    )
    by_limit = await client.find_windows_by_limit(
        *window, TariffDirection.IMPORT, segment=Segment.LOW, relative=0.5
    )
    plan = await client.plan_amount(
        home.location_id,
        meter.device_id,
        *window[1:],
        TariffDirection.IMPORT,
        energy_wh=1500,
        max_power_w=2000,
    )

    # It is 01:00 in Berlin, where the night goes from 00:30 to 07:30.
    (slot,) = by_duration.slots
    assert (slot.end - slot.start, slot.price) == (timedelta(minutes=45), 0.1)
    assert [slot.start for slot in by_limit.slots] == [
        NOW,
        NOW + timedelta(hours=23, minutes=30),
    ]
    (run,) = plan.slots
    assert (run.start, run.end) == (NOW, NOW + timedelta(minutes=45))
    assert run.power_w == 2000
    assert (plan.cost, plan.saving) == (0.15, 0)
