"""What a meter subentry means: flows, records, names of statistics and sources."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.api import (
    EnergyFlowDirection,
    Interval,
    TariffDirection,
)
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.intervals import EnergyInterval
from custom_components.flatpeak.meter import (
    Flow,
    Meter,
    async_source_of,
    async_statistic_id,
    cost_statistic_ids,
    meters_of,
)
from homeassistant.components.recorder.statistics import valid_statistic_id
from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er

METER = Meter(
    subentry_id="01JABCDEF",
    location_id="loc_1",
    device_id="dev_1",
    name="Garage",
    flow=Flow.GRID_IMPORT,
    source="sensor.garage_energy",
    history_start=None,
)
START = datetime(2026, 10, 25, 1, tzinfo=UTC)
INTERVAL = EnergyInterval(
    start=START, end=START + timedelta(hours=1), energy_wh=1234.5678
)


FLOWS = [
    ("grid_import", "INBOUND", "IMPORT", None, "cost"),
    ("grid_export", "OUTBOUND", "EXPORT", None, "compensation"),
    ("local_generation", "INBOUND", "LOCAL", 1, "cost"),
    ("consumption", "INBOUND", "IMPORT", None, "cost"),
]


@pytest.mark.parametrize(("flow", "direction", "tariff", "confidence", "kind"), FLOWS)
def test_flows(
    flow: str, direction: str, tariff: str, confidence: float | None, kind: str
) -> None:
    """A flow decides which way energy goes, what prices it, and what the money is."""
    meter = replace(METER, flow=Flow(flow))

    assert meter.as_record(INTERVAL) == Interval(
        location_id="loc_1",
        device_id="dev_1",
        start=INTERVAL.start,
        end=INTERVAL.end,
        energy_wh=1234.5678,
        energy_flow_direction=EnergyFlowDirection(direction),
        tariff_direction=TariffDirection(tariff),
        record_reference_id="dev_1-1792890000",
        session_reference_id=None,
        confidence=confidence,
    )
    assert meter.cost_statistic_id == f"flatpeak:dev_1_{kind}"
    assert meter.cost_statistic_name == f"Garage {kind}"


def test_every_flow_is_tested() -> None:
    """The table above leaves out no flow."""
    assert [*Flow] == [flow for flow, *_ in FLOWS]


def test_a_record_keeps_its_reference() -> None:
    """A record is told by its meter and beginning, whatever else is known of it."""
    reference = METER.as_record(INTERVAL).record_reference_id
    other_zone = replace(INTERVAL, start=START.astimezone(ZoneInfo("Europe/Berlin")))

    for meter, interval in (
        (METER, replace(INTERVAL, energy_wh=0.0)),
        (METER, other_zone),
        (replace(METER, name="Car", source="sensor.car", subentry_id="2"), INTERVAL),
    ):
        assert meter.as_record(interval).record_reference_id == reference


def test_records_have_references_of_their_own() -> None:
    """Every interval of every meter can be told from the others.

    So can both hours that the clock shows twice in autumn.
    """
    references = {
        replace(METER, device_id=device_id)
        .as_record(replace(INTERVAL, start=START + minutes * timedelta(minutes=1)))
        .record_reference_id
        for device_id in ("dev_1", "dev_2")
        for minutes in (-60, 0, 15, 30, 60)
    }

    assert len(references) == 10


@given(st.from_regex(r"dev_[0-9A-Za-z]{1,30}", fullmatch=True), st.sampled_from(Flow))
def test_cost_statistics_have_the_devices_id(device_id: str, flow: Flow) -> None:
    """The id is the device's in lower case, and never changes."""
    statistic_id = replace(METER, device_id=device_id, flow=flow).cost_statistic_id

    domain, _, name = statistic_id.partition(":")
    assert domain == DOMAIN
    assert name.rpartition("_")[0] == device_id.lower()
    assert valid_statistic_id(statistic_id)
    assert statistic_id in cost_statistic_ids([device_id])


@given(st.text(min_size=1, max_size=30).map("dev_".__add__))
def test_the_recorder_takes_the_id_of_any_device(device_id: str) -> None:
    """Nothing says which characters Flatpeak uses; the recorder takes few."""
    ids = cost_statistic_ids([device_id])

    assert all(valid_statistic_id(statistic_id) for statistic_id in ids)


def test_the_cost_statistics_of_devices() -> None:
    """Whatever the flow was, the statistic is among those a device may have."""
    assert cost_statistic_ids(["dev_1", "dev_2"]) == {
        "flatpeak:dev_1_cost",
        "flatpeak:dev_1_compensation",
        "flatpeak:dev_2_cost",
        "flatpeak:dev_2_compensation",
    }
    assert cost_statistic_ids([]) == set()


def _subentry(
    number: int, flow: str, start: str | None, kind: str
) -> ConfigSubentryData:
    """Return a subentry as a flow stores it."""
    return ConfigSubentryData(
        subentry_type=kind,
        title=f"Meter {number}",
        unique_id=f"dev_{number}",
        data={
            "device_id": f"dev_{number}",
            "flow": flow,
            "source": f"energy:meter_{number}",
            "history_start": start,
        },
    )


def test_the_meters_of_an_entry() -> None:
    """Each meter subentry is a meter of the location; other subentries are not."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        data={"location_id": "loc_7"},
        subentries_data=[
            _subentry(1, "grid_export", "2025-10-25T03:00:00+02:00", "meter"),
            _subentry(2, "consumption", None, "meter"),
            _subentry(3, "consumption", None, "something_else"),
        ],
    )
    first, second, _ = entry.subentries

    assert meters_of(entry) == [
        Meter(
            subentry_id=first,
            location_id="loc_7",
            device_id="dev_1",
            name="Meter 1",
            flow=Flow.GRID_EXPORT,
            source="energy:meter_1",
            history_start=datetime(2025, 10, 25, 1, tzinfo=UTC),
        ),
        Meter(
            subentry_id=second,
            location_id="loc_7",
            device_id="dev_2",
            name="Meter 2",
            flow=Flow.CONSUMPTION,
            source="energy:meter_2",
            history_start=None,
        ),
    ]


def test_a_history_that_cannot_be_read_is_not_taken_for_everything() -> None:
    """Without a beginning the whole history would be submitted."""
    entry = MockConfigEntry(
        domain=DOMAIN,
        data={"location_id": "loc_7"},
        subentries_data=[_subentry(1, "consumption", "last year", "meter")],
    )

    with pytest.raises(ValueError):
        meters_of(entry)


async def test_a_source_follows_its_entity(
    hass: HomeAssistant, entity_registry: er.EntityRegistry
) -> None:
    """A renamed entity stays the source, until it is removed."""
    entity = entity_registry.async_get_or_create(
        "sensor", "household", "grid", suggested_object_id="grid_import"
    )
    source = async_source_of(hass, "sensor.grid_import")
    assert source == entity.id
    assert async_statistic_id(hass, source) == "sensor.grid_import"

    entity_registry.async_update_entity(
        "sensor.grid_import", new_entity_id="sensor.main_meter"
    )
    assert async_statistic_id(hass, source) == "sensor.main_meter"

    entity_registry.async_remove("sensor.main_meter")
    assert async_statistic_id(hass, source) is None

    # An integration that is set up again brings its entity back.
    entity_registry.async_get_or_create("sensor", "household", "grid")
    assert async_statistic_id(hass, source) == "sensor.main_meter"


@pytest.mark.parametrize("statistic_id", ["sensor.template_energy", "energy:external"])
async def test_a_source_that_is_not_registered(
    hass: HomeAssistant, statistic_id: str
) -> None:
    """Statistics without a registered entity cannot be renamed: their id is the name."""
    assert async_source_of(hass, statistic_id) == statistic_id
    assert async_statistic_id(hass, statistic_id) == statistic_id
