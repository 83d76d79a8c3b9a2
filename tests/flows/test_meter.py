"""How a meter is added to a home."""

from datetime import timedelta
from math import fsum, isclose
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.const import DOMAIN
from homeassistant.components.recorder.models import (
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import async_add_external_statistics
from homeassistant.config_entries import SOURCE_RECONFIGURE, SOURCE_USER, ConfigEntry
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    instance_id,
)
from homeassistant.util import dt as dt_util

from ..home import CAR, HOUR, IMPORT, Flow, Home
from ..simulator import Direction, Fault
from .steps import EXTERNAL, async_finish, async_to_meters, suggested


async def _add_meter(home: Home, entry: ConfigEntry[Any], **answers: Any) -> Flow:
    """Answer the flow that adds a meter."""
    subentries = home.hass.config_entries.subentries
    flow = await subentries.async_init(
        (entry.entry_id, "meter"), context={"source": SOURCE_USER}
    )
    assert flow["step_id"] == "user"
    assert flow["errors"] == {}
    return await subentries.async_configure(flow["flow_id"], answers)


async def _answer(home: Home, shown: Flow, **answers: Any) -> Flow:
    """Answer a step of a meter's flow."""
    subentries = home.hass.config_entries.subentries
    return await subentries.async_configure(shown["flow_id"], answers)


@pytest.fixture
async def bare(furnished: Home) -> ConfigEntry[Any]:
    """Return the entry of a home without meters, whose statistics are known."""
    furnished.import_rows(EXTERNAL, [])
    return await async_finish(furnished, await async_to_meters(furnished), [])


@pytest.mark.parametrize(
    ("statistic_id", "name", "title"),
    [
        (CAR, {}, "Ev charger"),
        (CAR, {"name": "  "}, "Ev charger"),
        (CAR, {"name": " My car "}, "My car"),
        (EXTERNAL, {}, "Meter"),
        (EXTERNAL, {"name": "Boiler"}, "Boiler"),
    ],
)
async def test_meter(
    furnished: Home,
    bare: ConfigEntry[Any],
    freezer: FrozenDateTimeFactory,
    statistic_id: str,
    name: dict[str, str],
    title: str,
) -> None:
    """A meter is added by its statistic, and the home is set up with it."""
    flow = await _add_meter(
        furnished, bare, statistic_id=statistic_id, flow="consumption", **name
    )

    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await furnished.async_settle()
    [device] = furnished.simulator.account().devices
    entity = er.async_get(furnished.hass).async_get(statistic_id)
    source = statistic_id if entity is None else entity.id
    home_id = await instance_id.async_get(furnished.hass)
    assert device.reference_id == f"{home_id}_{source}"
    hour = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    [meter] = bare.subentries.values()
    assert meter.subentry_type == "meter"
    assert meter.title == title
    assert meter.unique_id == device.id
    assert meter.data == {
        "device_id": device.id,
        "flow": "consumption",
        "source": source,
        "history_start": (hour - timedelta(days=365)).isoformat(),
        "submit": "intervals",
    }
    assert [each.device_id for each in bare.runtime_data.meters] == [device.id]


@pytest.mark.parametrize("statistic_id", ["sensor.unknown", "utility:water"])
async def test_meter_that_is_no_energy(
    furnished: Home, bare: ConfigEntry[Any], statistic_id: str
) -> None:
    """What counts no energy, or is not there at all, is refused."""
    metadata = StatisticMetaData(
        has_sum=True,
        mean_type=StatisticMeanType.NONE,
        name="Water",
        source="utility",
        statistic_id="utility:water",
        unit_class="volume",
        unit_of_measurement="m³",
    )
    async_add_external_statistics(furnished.hass, metadata, [])
    answers = {"flow": "grid_import", "history": "none", "name": "Mine"}
    flow = await _add_meter(furnished, bare, **answers)
    assert flow["errors"] == {"statistic_id": "not_energy"}
    flow = await _answer(furnished, flow, statistic_id=statistic_id, **answers)
    assert flow["errors"] == {"statistic_id": "not_energy"}
    assert suggested(flow) == {
        "statistic_id": statistic_id,
        "session_pause": 5,
        "submit": "intervals",
        **answers,
    }

    flow = await _answer(furnished, flow, statistic_id=IMPORT, **answers)
    assert flow["type"] is FlowResultType.CREATE_ENTRY


async def test_meter_that_is_there(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """A statistic is one meter of a home."""
    flow = await _add_meter(furnished, entry, statistic_id=CAR, flow="grid_import")

    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "already_configured"
    assert len(entry.subentries) == 4
    assert len(list(furnished.simulator.account().devices)) == 4


async def test_meter_of_a_home_that_is_not_set_up(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A meter needs a home that can reach Flatpeak."""
    await furnished.hass.config_entries.async_unload(entry.entry_id)

    flow = await furnished.hass.config_entries.subentries.async_init(
        (entry.entry_id, "meter"), context={"source": SOURCE_USER}
    )

    assert flow["type"] is FlowResultType.ABORT
    assert flow["reason"] == "entry_not_loaded"


async def test_meter_trouble(furnished: Home, bare: ConfigEntry[Any]) -> None:
    """What Flatpeak has against it is shown, and the next try may work."""
    simulator = furnished.simulator
    answers = {"statistic_id": CAR, "flow": "consumption", "history": "none"}
    simulator.faults.next("POST /devices", Fault.RESET_AFTER)
    flow = await _add_meter(furnished, bare, **answers)
    assert flow["errors"] == {"base": "cannot_connect"}
    simulator.expire_tokens()
    account = simulator.account()
    keys, account.api_keys = account.api_keys, frozenset()
    flow = await _answer(furnished, flow, **answers)
    assert flow["errors"] == {"base": "invalid_auth"}
    account.api_keys = keys

    flow = await _answer(furnished, flow, **answers)

    assert flow["type"] is FlowResultType.CREATE_ENTRY
    assert len(list(account.devices)) == 1


async def _begin_to_change(home: Home, entry: ConfigEntry[Any], title: str) -> Flow:
    """Begin to change a meter."""
    [subentry_id] = [
        each.subentry_id for each in entry.subentries.values() if each.title == title
    ]
    return await home.hass.config_entries.subentries.async_init(
        (entry.entry_id, "meter"),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry_id},
    )


async def test_new_name(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """A name changes the name, of the device too, and nothing else."""
    before = [dict(each.data) for each in entry.subentries.values()]
    flow = await _begin_to_change(furnished, entry, "Ev charger")
    assert flow["step_id"] == "reconfigure"
    assert suggested(flow) == {
        "statistic_id": CAR,
        "flow": "consumption",
        "name": "Ev charger",
        "submit": "intervals",
    }

    flow = await _answer(
        furnished, flow, statistic_id=CAR, flow="consumption", name=" My car "
    )

    assert flow["reason"] == "reconfigure_successful"
    await furnished.async_settle()
    assert [each.title for each in entry.subentries.values()][3] == "My car"
    after = [dict(each.data) for each in entry.subentries.values()]
    assert after == [*before[:3], before[3] | {"submit": "intervals"}]
    car = entry.runtime_data.meters[3]
    device = dr.async_get(furnished.hass).async_get_device_by_identifier(
        (DOMAIN, car.device_id), entry.entry_id
    )
    assert device is not None
    assert device.name == "My car"


async def test_readings(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """A meter is submitted as readings from then on, but not together with sessions."""
    answers = {"flow": "consumption", "name": "Ev charger", "submit": "readings"}
    flow = await _begin_to_change(furnished, entry, "Ev charger")
    flow = await _answer(furnished, flow, session_entity="switch.car", **answers)
    assert flow["errors"] == {"submit": "readings_without_sessions"}

    flow = await _answer(furnished, flow, **answers)

    assert flow["reason"] == "reconfigure_successful"
    await furnished.async_settle()
    assert entry.runtime_data.meters[3].submit == "readings"
    flow = await _begin_to_change(furnished, entry, "Ev charger")
    assert suggested(flow)["submit"] == "readings"


async def test_new_meter_of_readings(furnished: Home, bare: ConfigEntry[Any]) -> None:
    """Readings are chosen when the meter is added, too."""
    answers = {"statistic_id": CAR, "history": "none", "submit": "readings"}
    flow = await _add_meter(furnished, bare, session_entity="switch.car", **answers)
    assert flow["errors"] == {"submit": "readings_without_sessions"}

    flow = await _answer(furnished, flow, **answers)

    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await furnished.async_settle()
    assert bare.runtime_data.meters[0].submit == "readings"


async def test_name_that_is_blank(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """Without a name the meter keeps the one it has."""
    flow = await _begin_to_change(furnished, entry, "Ev charger")

    await _answer(furnished, flow, flow="consumption", name=" ")

    assert [each.title for each in entry.subentries.values()][3] == "Ev charger"


async def test_new_source(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """The meter goes on with another statistic, and nothing of it counts twice."""
    old = entry.runtime_data.meters[3]
    heat = "sensor.heat_pump"
    furnished.add_sensor(heat)
    hour = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    await furnished.async_record(heat, hour - 5 * HOUR, [50, 60, 70, 80, 90])
    answers = {"flow": "consumption", "name": "Heat pump", "session_pause": 5}
    flow = await _begin_to_change(furnished, entry, "Ev charger")
    for statistic_id, error in ((IMPORT, "source_in_use"), ("sensor.x", "not_energy")):
        flow = await _answer(furnished, flow, statistic_id=statistic_id, **answers)
        assert flow["errors"] == {"statistic_id": error}
        assert suggested(flow) == {
            "statistic_id": statistic_id,
            "submit": "intervals",
            **answers,
        }

    flow = await _answer(furnished, flow, statistic_id=heat, **answers)

    assert flow["reason"] == "reconfigure_successful"
    await furnished.async_settle()
    new = entry.runtime_data.meters[3]
    assert new.device_id == old.device_id
    assert new.name == "Heat pump"
    assert new.source == er.async_get(furnished.hass).entities[heat].id
    records = furnished.simulator.truth(new.device_id, Direction.IMPORT).records()
    assert isclose(fsum(each.energy for each in records), 600)


async def test_old_source(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """A statistic that a meter has left can be a meter of its own, again and again."""
    hour = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    for number in range(3):
        other = f"sensor.other_{number}"
        furnished.add_sensor(other)
        await furnished.async_record(other, hour - 3 * HOUR, [10, 20, 30])
        name = [each.name for each in entry.runtime_data.meters][-1]
        flow = await _begin_to_change(furnished, entry, name)
        await _answer(
            furnished, flow, statistic_id=other, flow="consumption", name=other
        )
        await furnished.async_settle()
        flow = await _add_meter(
            furnished, entry, statistic_id=CAR, flow="consumption", history="30_days"
        )
        assert flow["type"] is FlowResultType.CREATE_ENTRY
        await furnished.async_settle()

    devices = [each.reference_id for each in furnished.simulator.account().devices]
    source = er.async_get(furnished.hass).entities[CAR].id
    reference = f"{await instance_id.async_get(furnished.hass)}_{source}"
    assert devices[3:] == [
        reference,
        f"{reference}_consumption",
        f"{reference}_consumption_2",
        f"{reference}_consumption_3",
    ]
    assert len({each.device_id for each in entry.runtime_data.meters}) == 7


async def test_source_that_is_gone(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """A meter whose entity is gone can be renamed, and keeps its place."""
    source = entry.runtime_data.meters[3].source
    er.async_get(furnished.hass).async_remove(CAR)
    flow = await _begin_to_change(furnished, entry, "Ev charger")
    assert suggested(flow) == {
        "flow": "consumption",
        "name": "Ev charger",
        "submit": "intervals",
    }

    flow = await _answer(furnished, flow, flow="consumption", name="Old car")

    assert flow["reason"] == "reconfigure_successful"
    await furnished.async_settle()
    assert entry.runtime_data.meters[3].name == "Old car"
    assert entry.runtime_data.meters[3].source == source


async def test_new_source_and_flow(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """With another flow the new statistic begins anew, too."""
    hour = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    await furnished.async_record(EXTERNAL, hour - 3 * HOUR, [10, 20, 30])
    flow = await _begin_to_change(furnished, entry, "Ev charger")
    flow = await _answer(
        furnished, flow, statistic_id=EXTERNAL, flow="grid_import", name="Boiler"
    )

    flow = await _answer(furnished, flow, history="30_days")

    assert flow["reason"] == "reconfigure_successful"
    await furnished.async_settle()
    boiler = entry.runtime_data.meters[3]
    assert (boiler.source, boiler.flow) == (EXTERNAL, "grid_import")
    assert not await furnished.async_miscounted(entry)


async def test_new_flow(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """The meter begins anew: no device ever has records of two flows."""
    simulator = furnished.simulator
    old = entry.runtime_data.meters[3]
    flow = await _begin_to_change(furnished, entry, "Ev charger")
    flow = await _answer(furnished, flow, flow="local_generation", name="Wind")
    assert flow["step_id"] == "new_flow"
    simulator.faults.next("POST /devices", Fault.SERVER_ERROR)
    flow = await _answer(furnished, flow, history="everything")
    assert flow["errors"] == {"base": "server_error"}
    assert entry.runtime_data.meters[3] == old

    flow = await _answer(furnished, flow, history="everything")

    assert flow["reason"] == "reconfigure_successful"
    await furnished.async_settle()
    new = entry.runtime_data.meters[3]
    assert (new.name, new.flow, new.source) == ("Wind", "local_generation", old.source)
    assert new.subentry_id == old.subentry_id
    assert new.history_start is None
    assert entry.subentries[new.subentry_id].unique_id == new.device_id
    assert not await furnished.async_miscounted(entry)
    imported = simulator.truth(old.device_id, Direction.IMPORT).records()
    assert isclose(fsum(each.energy for each in imported), 600)
    assert not simulator.truth(old.device_id, Direction.LOCAL).records()
    assert not simulator.truth(new.device_id, Direction.IMPORT).records()
    registry = dr.async_get(furnished.hass)
    devices = dr.async_entries_for_config_entry(registry, entry.entry_id)
    assert {(DOMAIN, old.device_id)} not in [each.identifiers for each in devices]
    assert len(devices) == 5


async def test_flow_and_back(furnished: Home, entry: ConfigEntry[Any]) -> None:
    """Who changes his mind goes on where he stopped."""
    old = entry.runtime_data.meters[3]
    submitted = furnished.simulator.requests.count("PUT /meters/interval")
    for kind in ("grid_import", "consumption"):
        flow = await _begin_to_change(furnished, entry, "Ev charger")
        flow = await _answer(furnished, flow, flow=kind, name="Ev charger")
        await _answer(furnished, flow, history="none")
        await furnished.async_settle()

    assert entry.runtime_data.meters[3].device_id == old.device_id
    assert furnished.simulator.requests.count("PUT /meters/interval") == submitted
    assert len(list(furnished.simulator.account().devices)) == 5


async def test_meter_that_comes_back_with_another_flow(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A meter that is removed and added with another flow is another device."""
    old = entry.runtime_data.meters[3]
    furnished.hass.config_entries.async_remove_subentry(entry, old.subentry_id)
    await furnished.async_settle()

    flow = await _add_meter(
        furnished, entry, statistic_id=CAR, flow="local_generation", history="30_days"
    )

    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await furnished.async_settle()
    assert entry.runtime_data.meters[3].device_id != old.device_id
    assert not await furnished.async_miscounted(entry)


async def test_change_of_a_home_that_is_not_set_up(
    furnished: Home, entry: ConfigEntry[Any]
) -> None:
    """A meter is changed in a home that can reach Flatpeak."""
    await furnished.hass.config_entries.async_unload(entry.entry_id)

    flow = await _begin_to_change(furnished, entry, "Ev charger")

    assert flow["reason"] == "entry_not_loaded"


@pytest.mark.parametrize(
    ("entity_id", "pause", "expected"),
    [
        ("binary_sensor.charging", {}, ["on"]),
        ("switch.wallbox", {"session_pause": 0}, ["on"]),
        ("input_boolean.charging", {"session_pause": 60}, ["on"]),
    ],
)
async def test_session_entity(
    furnished: Home,
    bare: ConfigEntry[Any],
    entity_id: str,
    pause: dict[str, int],
    expected: list[str],
) -> None:
    """What is on or off is in session while it is on, and nothing more is asked."""
    registry = er.async_get(furnished.hass)
    entity = registry.async_get_or_create(
        entity_id.partition(".")[0], "household", "x", suggested_object_id="x"
    )
    for chosen, source in ((entity_id, entity_id), (entity.entity_id, entity.id)):
        statistic_id = CAR if chosen == entity_id else IMPORT
        flow = await _add_meter(
            furnished,
            bare,
            statistic_id=statistic_id,
            flow="consumption",
            session_entity=chosen,
            **pause,
        )
        assert flow["type"] is FlowResultType.CREATE_ENTRY
        await furnished.async_settle()
        data = list(bare.subentries.values())[-1].data
        assert {key: data[key] for key in data if "session" in key} == {
            "session_entity": source,
            "session_states": expected,
            "session_pause": pause.get("session_pause", 5),
        }


async def test_session_entity_that_is_gone(
    furnished: Home, bare: ConfigEntry[Any]
) -> None:
    """A form does not propose an entity that was removed, but the rest."""
    registry = er.async_get(furnished.hass)
    entity = registry.async_get_or_create("switch", "household", "wallbox")
    answers = {"flow": "consumption", "session_entity": entity.entity_id}
    flow = await _add_meter(furnished, bare, statistic_id=CAR, **answers)
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await furnished.async_settle()

    registry.async_remove(entity.entity_id)
    flow = await _begin_to_change(furnished, bare, "Ev charger")

    assert "session_entity" not in suggested(flow)
    assert suggested(flow)["session_pause"] == 5


async def test_states_of_a_session(furnished: Home, bare: ConfigEntry[Any]) -> None:
    """Of a sensor it is asked which states mean it, and can be changed."""
    furnished.hass.states.async_set(
        "sensor.wallbox", "idle", {"options": ["idle", "charging", "unknown"]}
    )
    flow = await _add_meter(
        furnished,
        bare,
        statistic_id=CAR,
        flow="consumption",
        session_entity="sensor.wallbox",
    )
    assert flow["step_id"] == "session"
    options = flow["data_schema"].schema["session_states"].config["options"]
    assert options == ["idle", "charging"]
    flow = await _answer(furnished, flow, session_states=[" "])
    assert flow["errors"] == {"session_states": "no_states"}
    furnished.simulator.faults.next("POST /devices", Fault.SERVER_ERROR)
    flow = await _answer(furnished, flow, session_states=["charging"])
    assert flow["errors"] == {"base": "server_error"}
    flow = await _answer(furnished, flow, session_states=["charging", " on "])
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await furnished.async_settle()
    [meter] = bare.runtime_data.meters
    assert meter.session.states == {"charging", "on"}

    flow = await _begin_to_change(furnished, bare, "Ev charger")
    assert suggested(flow)["session_entity"] == "sensor.wallbox"
    answers = {"flow": "consumption", "name": "Ev charger", "session_pause": 7}
    flow = await _answer(furnished, flow, session_entity="sensor.wallbox", **answers)
    assert suggested(flow) == {"session_states": ["charging", "on"]}
    flow = await _answer(furnished, flow, session_states=["charging"])
    assert flow["reason"] == "reconfigure_successful"
    await furnished.async_settle()
    [meter] = bare.runtime_data.meters
    assert meter.session.states == {"charging"}
    assert meter.session.pause == timedelta(minutes=7)

    flow = await _begin_to_change(furnished, bare, "Ev charger")
    flow = await _answer(furnished, flow, session_entity="select.mode", **answers)
    assert suggested(flow) == {}
    flow = await _answer(furnished, flow, session_states=["fast"])
    assert flow["reason"] == "reconfigure_successful"
    await furnished.async_settle()

    flow = await _begin_to_change(furnished, bare, "Ev charger")
    flow = await _answer(furnished, flow, **answers)
    assert flow["reason"] == "reconfigure_successful"
    await furnished.async_settle()
    assert bare.runtime_data.meters[0].session is None
