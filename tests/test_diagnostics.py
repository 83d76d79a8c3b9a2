"""What a stranger gets to see: enough to find a fault, and nothing of whose home it is."""

from collections.abc import Iterator
from dataclasses import fields
from datetime import timedelta
import json
import logging
from typing import Any, Final
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
    get_diagnostics_for_device,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.flatpeak.api import FlatpeakError
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.diagnostics import async_get_config_entry_diagnostics
from custom_components.flatpeak.journal import MeterJournal
from homeassistant.config_entries import ConfigEntryState
from homeassistant.helpers import device_registry as dr, instance_id
from homeassistant.helpers.json import ExtendedJSONEncoder

from .home import ADDRESS, EXPORT, IMPORT, Home
from .priced import NOW, PricedHome
from .simulator import Fault
from .simulator.tariffs import Direction

WALLBOX: Final = "binary_sensor.wallbox_in_the_cellar"


@pytest.fixture
async def priced(home: Home, freezer: FrozenDateTimeFactory) -> PricedHome:
    """Return a home with import and export that is priced."""
    priced = PricedHome(home, freezer)
    await priced.async_begin(history="30_days")
    return priced


async def async_diagnostics(priced: PricedHome) -> Any:
    """Return the diagnostics of the home as they would be downloaded now.

    The download itself has a login, which ends soon after the clock was moved.
    """
    found = await async_get_config_entry_diagnostics(priced.hass, priced.entry)
    return json.loads(json.dumps(found, cls=ExtendedJSONEncoder))


async def test_home(priced: PricedHome, hass_client: ClientSessionGenerator) -> None:
    """The home tells how it is set up, and how far it is."""
    found: Any = await get_diagnostics_for_config_entry(
        priced.hass, hass_client, priced.entry
    )

    assert found["entry"]["version"] == "1.2"
    assert found["entry"]["state"] == "loaded"
    assert found["entry"]["reason"] is None
    assert found["entry"]["is_own_server"] is True
    assert found["entry"]["kind_of_key"] == "test"
    assert found["entry"]["options"]["link_dashboard"] is True
    home = found["home"]
    assert home["time_zone"] == "Europe/Berlin"
    assert home["currency"] == home["currency_of_home_assistant"] == "EUR"
    assert home["last_success"] == NOW.isoformat()
    assert home["last_failure"] is None
    assert home["retried_after"] is None
    assert home["records_waiting"] == 0
    assert home["last_priced_hour"] == "2026-11-24T11:00:00+00:00"
    assert home["tariff"]["status"] == "connected"
    assert home["prices"]["IMPORT"]["slots"] > 24
    assert home["prices"]["IMPORT"]["now"] is not None
    assert found["patience"] == {"busy_until": None, "refused": []}
    assert found["journal"]["last_upload"] == NOW.isoformat()
    assert found["journal"]["doubt"] is None
    assert found["journal"]["batches_sent"] == []
    assert found["issues"] == []


async def test_meters(priced: PricedHome) -> None:
    """A meter tells what it reads, how far it is, and what Flatpeak counted."""
    found = await async_diagnostics(priced)

    assert set(found["meters"]) == {"meter 1", "meter 2"}
    assert [each["flow"] for each in found["meters"].values()] == [
        "grid_import",
        "grid_export",
    ]
    meter = found["meters"]["meter 1"]
    assert meter["statistic"] == {
        "is_external": False,
        "is_there": True,
        "unit": "kWh",
        "has_sum": True,
    }
    assert meter["journal"]["fresh"]["position"] == "2026-11-24T12:00:00+00:00"
    assert meter["journal"]["refusals"] == []
    counted = sum(day["energy_wh"] for day in meter["costs"]["days"])
    submitted = sum(day["energy_wh"] for day in meter["journal"]["days"].values())
    assert counted == pytest.approx(submitted) and counted > 0
    assert meter["costs"]["days"][-1]["start"] == "2026-11-23T23:00:00+00:00"


async def test_meter_of_readings(priced: PricedHome) -> None:
    """It tells from when to when its energy was told by readings."""
    subentry = priced.entry.subentries[priced.meter().subentry_id]
    priced.hass.config_entries.async_update_subentry(
        priced.entry, subentry, data={**subentry.data, "submit": "readings"}
    )
    await priced.home.async_settle()
    await priced.async_use()
    await priced.async_cycle()

    meters = (await async_diagnostics(priced))["meters"]

    assert [each["submit"] for each in meters.values()] == ["readings", "intervals"]
    assert meters["meter 1"]["journal"]["registers"] == [
        {
            "start": "2026-11-24T12:00:00+00:00",
            "end": "2026-11-24T13:00:00+00:00",
            "register_wh": 1000.0,
        }
    ]
    assert meters["meter 2"]["journal"]["registers"] == []


async def test_all_that_is_known_is_told(priced: PricedHome) -> None:
    """Nothing that the journal keeps is missing."""
    found = await async_diagnostics(priced)
    journal = priced.entry.runtime_data.journal
    known = {name for name in vars(journal) if not name.startswith("_")}

    assert known - {"batches"} <= set(found["journal"])
    meter = found["meters"]["meter 1"]["journal"]
    assert {each.name for each in fields(MeterJournal)} <= set(meter)
    assert meter["sources"] == [
        {"start": "1970-01-01T00:00:00+00:00", "is_external": False}
    ]


async def test_device(priced: PricedHome, hass_client: ClientSessionGenerator) -> None:
    """The device of a meter tells of that meter alone, that of the home of all."""
    registry = dr.async_get(priced.hass)
    found = {}
    for object_id in (priced.location_id, priced.meter(Direction.EXPORT).device_id):
        device = registry.async_get_device_by_identifier(
            (DOMAIN, object_id), priced.entry.entry_id
        )
        assert device is not None
        diagnostics: Any = await get_diagnostics_for_device(
            priced.hass, hass_client, priced.entry, device
        )
        found[object_id] = diagnostics
    whole, one = found.values()

    assert set(whole["meters"]) == {"meter 1", "meter 2"}
    assert set(one["meters"]) == {"meter 2"}
    assert one["home"] == whole["home"]


async def test_trouble(priced: PricedHome) -> None:
    """A submission in doubt, a refusal and a repair are matched with their meter."""
    meter = priced.meter()
    priced.simulator.faults.next(
        "PUT /meters/interval", Fault.answer(200, {"object": "meter_batch"})
    )
    await priced.async_use()
    await priced.async_cycle()
    found = await async_diagnostics(priced)

    assert found["home"]["last_failure"]["kind"] == "FlatpeakResponseError"
    assert found["home"]["last_failure"]["message"]
    assert found["home"]["retried_after"] >= 60
    doubt = found["journal"]["doubt"]["parts"]
    assert [(part["meter"], part["records"]) for part in doubt] == [
        ("meter 1", 1),
        ("meter 2", 1),
    ]
    assert doubt[0]["stretch"] == "fresh"
    assert doubt[0]["first"] == doubt[0]["last"]

    refusal = {
        "object": "error",
        "code": "tariff_direction_not_supported",
        "message": f"Not for {meter.device_id}",
    }
    priced.simulator.faults.clear()
    priced.simulator.faults.next(
        "POST /costs/interval/{id}", *[Fault.answer(422, refusal)] * 9
    )
    priced.tick(timedelta(hours=2))
    await priced.async_cycle()
    found = await async_diagnostics(priced)

    assert ("meter 1 IMPORT", "FlatpeakDirectionNotSupportedError") in [
        (each["about"], each["kind"]) for each in found["patience"]["refused"]
    ]
    assert "direction_not_supported" in [each["key"] for each in found["issues"]]
    assert found["meters"]["meter 1"]["costs"] is None


async def test_home_that_cannot_be_set_up(priced: PricedHome) -> None:
    """What is on disk is told of a home that Flatpeak does not let in."""
    entries = priced.hass.config_entries
    priced.simulator.faults.next("GET /locations/{id}", Fault.rate_limit(90))
    await entries.async_reload(priced.entry.entry_id)
    assert priced.entry.state is ConfigEntryState.SETUP_RETRY
    found = await async_diagnostics(priced)

    assert found["entry"]["state"] == "setup_retry"
    assert found["entry"]["reason"] == "rate_limited"
    assert found["home"] is None
    assert found["patience"]["busy_until"] == (NOW + timedelta(seconds=90)).isoformat()
    meter = found["meters"]["meter 1"]
    assert meter["journal"]["fresh"]["position"] == "2026-11-24T12:00:00+00:00"
    assert meter["costs"] is None


async def test_home_that_was_never_set_up(
    home: Home, freezer: FrozenDateTimeFactory
) -> None:
    """There is nothing to tell of its meters yet."""
    priced = PricedHome(home, freezer)
    home.simulator.faults.next("GET /locations/{id}", Fault.SERVER_ERROR)
    await priced.async_begin(tariff="later")
    found = await async_diagnostics(priced)

    assert found["entry"]["reason"] == "server_error"
    assert found["journal"]["meters"] == []
    assert found["meters"]["meter 1"]["journal"] is None


async def test_removed_meter(priced: PricedHome) -> None:
    """The journal still tells of a meter that was removed."""
    meter = priced.meter()
    priced.hass.config_entries.async_remove_subentry(priced.entry, meter.subentry_id)
    await priced.home.async_settle()
    found = await async_diagnostics(priced)

    assert set(found["meters"]) == {"meter 1"}
    assert found["journal"]["meters"] == ["removed meter 1", "meter 1"]


async def test_statistic_that_is_gone(priced: PricedHome) -> None:
    """A meter tells that there is nothing left to read."""
    priced.home.remove_sensor(IMPORT)
    found = await async_diagnostics(priced)

    assert found["meters"]["meter 1"]["statistic"]["is_there"] is False
    assert found["meters"]["meter 2"]["statistic"]["is_there"] is True


@pytest.fixture(autouse=True)
def no_waits() -> Iterator[None]:
    """Do not wait for a batch that Flatpeak does not know: time stands still."""
    with patch("custom_components.flatpeak.upload.PROCESSING_WAITS", (0,)):
        yield


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> list[FlatpeakError]:
    """Return all of Flatpeak's failures that ever come to be."""
    found: list[FlatpeakError] = []
    create = FlatpeakError.__init__

    def note(self: FlatpeakError, message: str | None = None) -> None:
        """Take note of a failure."""
        create(self, message)
        found.append(self)

    monkeypatch.setattr(FlatpeakError, "__init__", note)
    return found


def quoting(*secrets: str) -> Fault:
    """Return a refusal in which Flatpeak quotes what belongs to the home alone."""
    message = "Cannot take " + ", ".join(secrets)
    return Fault.answer(400, {"object": "error", "message": message})


async def async_secrets(priced: PricedHome) -> dict[str, str]:
    """Return what must never be shown, by what it is."""
    entry, simulator = priced.entry, priced.simulator
    token = entry.runtime_data.client.token
    meter = priced.meter()
    return {
        "key": simulator.api_key,
        "token": token.bearer,
        "account": simulator.account_id,
        "location": priced.location_id,
        "device": meter.device_id,
        "export device": priced.meter(Direction.EXPORT).device_id,
        "instance": await instance_id.async_get(priced.hass),
        "source": meter.source,
        "subentry": meter.subentry_id,
        "entry": entry.entry_id,
        "server": simulator.url,
        "title": entry.title,
        "meter": meter.name,
        "entity": IMPORT,
        "export entity": EXPORT,
        "session entity": WALLBOX,
        "cost statistic": meter.cost_statistic_id,
        "street": ADDRESS["address_line1"],
        "post code": ADDRESS["post_code"],
    }


async def test_nothing_private_is_shown(
    home: Home,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    failures: list[FlatpeakError],
) -> None:
    """No diagnostics, no line of the log and no failure gives a secret away.

    Neither in a whole life of a home nor when Flatpeak's own words quote them.
    """
    caplog.set_level(logging.DEBUG, "custom_components.flatpeak")
    simulator, faults = home.simulator, home.simulator.faults
    faults.next("GET /login", quoting(simulator.account_id, simulator.api_key))
    faults.next("POST /locations", quoting(*ADDRESS.values()))
    flow = await home.async_begin_flow()
    assert flow["errors"]
    home.hass.config_entries.flow.async_abort(flow["flow_id"])
    flow = await home.async_answer(await home.async_begin_flow(), location_id="new")
    flow = await home.async_answer(flow, **ADDRESS)
    assert flow["errors"]
    home.hass.config_entries.flow.async_abort(flow["flow_id"])

    priced = PricedHome(home, freezer)
    await priced.async_begin(history="30_days")
    home.hass.states.async_set(WALLBOX, "on")
    await home.async_follow_sessions(priced.entry, WALLBOX, "Grid import")
    private = await async_secrets(priced)
    ids = [private[name] for name in ("location", "device", "instance", "token")]
    refused = {
        "object": "meter_batch",
        "id": "bat_refused",
        "records_submitted": 2,
        "records_accepted": 0,
        "records_processed": 0,
        "failed_records": [
            {"record_num": 0, "error": f"No such {' '.join(ids)}"},
            {"record_num": 1, "error": f"No such {' '.join(ids)}"},
        ],
    }
    shown: list[Any] = []
    for route, fault in (
        ("GET /locations/{id}/status", quoting(*ids)),
        ("POST /prices/{id}", quoting(*ids)),
        ("POST /costs/interval/{id}", quoting(*ids)),
        ("PUT /meters/interval", quoting(*ids)),
        ("PUT /meters/interval", Fault.RESET_BEFORE),
        ("PUT /meters/interval", Fault.TRUNCATED),
        ("PUT /meters/interval", Fault.answer(200, refused)),
    ):
        faults.next(route, fault)
        await priced.async_use()
        await priced.async_cycle()
        shown.append(await async_diagnostics(priced))
        priced.tick(timedelta(hours=1))
        await priced.async_cycle()
    shown.append(await async_diagnostics(priced))
    faults.clear()
    await priced.hass.config_entries.async_unload(priced.entry.entry_id)
    shown.append(await async_diagnostics(priced))
    assert shown[-1]["meters"]["meter 1"]["journal"]["watch"]["is_in_session"]

    own = [
        caplog.handler.format(record)
        for record in caplog.records
        if record.name.startswith("custom_components.flatpeak")
    ]
    raised = [f"{failure} {failure!r}" for failure in failures]
    assert len(own) > 100
    assert len(raised) > 8
    for where, text in (
        ("diagnostics", json.dumps(shown)),
        ("log", "\n".join(own)),
        ("failures", "\n".join(raised)),
    ):
        leaks = [name for name, secret in private.items() if secret in text]
        assert not leaks, where
    assert private["key"] not in caplog.text
    assert private["token"] not in caplog.text
