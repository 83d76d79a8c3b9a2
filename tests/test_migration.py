"""A home that was set up with version 0.1.0 goes on where it was."""

from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.flatpeak.const import DOMAIN
from homeassistant.config_entries import ConfigEntryState

from .home import Home
from .priced import PricedHome

METER_KEYS = ("wanted", "fresh", "history", "refusals", "unpriced", "days")


@pytest.fixture
async def priced(
    home: Home, freezer: FrozenDateTimeFactory, hass_storage: dict[str, Any]
) -> PricedHome:
    """Return a home that version 0.1.0 has left, with what it has stored."""
    priced = PricedHome(home, freezer)
    await priced.async_begin()
    stored = _as_stored(priced)
    journal = hass_storage[f"{DOMAIN}.{priced.location_id}"]
    await priced.hass.config_entries.async_remove(priced.entry.entry_id)
    journal["minor_version"] = 2
    journal["data"] = {
        "meters": {
            device_id: {key: meter[key] for key in METER_KEYS}
            for device_id, meter in journal["data"]["meters"].items()
        },
        "doubt": None,
        "batch_id": None,
        "last_upload": journal["data"]["last_upload"],
        "repriced_on": journal["data"]["repriced_on"],
        "corrections_stopped": False,
    }
    priced.entry = stored
    return priced


def _as_stored(priced: PricedHome) -> MockConfigEntry:
    """Return the entry as version 0.1.0 stores it."""
    simulator = priced.simulator
    return MockConfigEntry(
        domain=DOMAIN,
        version=1,
        minor_version=1,
        title="test home",
        unique_id=priced.location_id,
        data={
            "account_id": simulator.account_id,
            "api_key": simulator.api_key,
            "api_url": simulator.url,
            "location_id": priced.location_id,
        },
        options={"link_dashboard": True},
        subentries_data=[
            {
                "subentry_type": "meter",
                "title": meter.name,
                "unique_id": meter.device_id,
                "data": {
                    "device_id": meter.device_id,
                    "flow": str(meter.flow),
                    "source": meter.source,
                    "history_start": "2025-11-24T12:00:00+00:00",
                },
            }
            for meter in priced.entry.runtime_data.meters
        ],
    )


async def _set_up(priced: PricedHome) -> None:
    """Set the home up with this version."""
    await priced.hass.config_entries.async_add(priced.entry)
    await priced.home.async_settle()


async def test_a_home_of_the_first_version(priced: PricedHome) -> None:
    """It is given what it lacks, and neither uploads nor prices anything twice."""
    submitted = priced.simulator.requests.count("PUT /meters/interval")

    await _set_up(priced)

    entry = priced.entry
    assert entry.state is ConfigEntryState.LOADED
    assert (entry.version, entry.minor_version) == (1, 2)
    assert entry.data["connect_url"] == "https://connect-web.flatpeak.com"
    assert entry.options["link_dashboard"]
    assert priced.simulator.requests.count("PUT /meters/interval") == submitted
    assert not await priced.home.async_miscounted(entry)
    assert len(await priced.async_costs()) == 72
    await priced.async_use()
    await priced.async_cycle()
    assert not await priced.home.async_miscounted(entry)
    assert await priced.async_is_true()


async def test_a_home_of_a_later_minor_version(priced: PricedHome) -> None:
    """Who goes back to this version keeps what a later one has added."""
    data = {**priced.entry.data, "connect_url": "https://connect.example", "new": 1}
    priced.entry = MockConfigEntry(
        domain=DOMAIN,
        minor_version=3,
        unique_id=priced.entry.unique_id,
        data=data,
        options=priced.entry.options,
    )

    await _set_up(priced)

    assert priced.entry.state is ConfigEntryState.LOADED
    assert priced.entry.data == data


async def test_a_home_of_a_later_version(priced: PricedHome) -> None:
    """What a later version has made of a home is left alone."""
    priced.entry = MockConfigEntry(domain=DOMAIN, version=2, data=priced.entry.data)

    await _set_up(priced)

    assert priced.entry.state is ConfigEntryState.MIGRATION_ERROR
