"""What an integration adds to the start of Home Assistant: its import and its set-up.

Of each the network is stubbed, as its own tests do: a login or a question is answered
at once. Nothing is imported here that the integrations import.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from types import MappingProxyType
from typing import Any, Final
from unittest.mock import AsyncMock, patch

from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigSubentryData,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.loader import async_get_integration

from .home_assistant import running_home_assistant, sqlite_url

# The platforms of which any of the integrations has entities.
PLATFORMS: Final = ("binary_sensor", "button", "event", "sensor")

type Stub = Callable[[int], Iterable[AbstractContextManager[object]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Integration:
    """An integration, and what it needs to be set up without a network."""

    platforms: tuple[str, ...]
    entry: Callable[[HomeAssistant, int], dict[str, Any]]
    stub: Stub


@dataclass(frozen=True, kw_only=True, slots=True)
class Startup:
    """The seconds that an integration adds to the start of Home Assistant."""

    importing: float
    setting_up: float

    @property
    def seconds(self) -> float:
        """Return both together."""
        return self.importing + self.setting_up


async def async_startups(domains: Sequence[str], meters: int) -> dict[str, Startup]:
    """Start integrations one after the other in a Home Assistant that is starting.

    Each begins with all that any of them has of Home Assistant itself.
    """
    with TemporaryDirectory(prefix="flatpeak-") as name, ExitStack() as stack:
        directory = Path(name)
        async with running_home_assistant(
            directory, sqlite_url(directory), is_started=False
        ) as hass:
            for platform in PLATFORMS:
                await (
                    await async_get_integration(hass, platform)
                ).async_get_component()
            return {
                domain: await _async_startup(hass, domain, meters, stack)
                for domain in domains
            }


async def _async_startup(
    hass: HomeAssistant, domain: str, meters: int, stack: ExitStack
) -> Startup:
    """Start an integration, whose network is stubbed as long as the stack lasts."""
    integration = INTEGRATIONS[domain]
    entry = _entry(domain, **integration.entry(hass, meters))
    began = perf_counter()
    loaded = await async_get_integration(hass, domain)
    await loaded.async_get_component()
    await loaded.async_get_platforms(("config_flow", *integration.platforms))
    importing = perf_counter() - began
    for stub in integration.stub(meters):
        stack.enter_context(stub)
    began = perf_counter()
    await hass.config_entries.async_add(entry)
    setting_up = perf_counter() - began
    if entry.state is not ConfigEntryState.LOADED:
        raise RuntimeError(f"{domain} is not set up: {entry.state}")
    return Startup(importing=importing, setting_up=setting_up)


def _entry(
    domain: str,
    *,
    data: dict[str, Any],
    options: dict[str, Any],
    subentries: list[ConfigSubentryData],
    minor_version: int = 1,
) -> ConfigEntry[Any]:
    """Return a config entry of an integration."""
    return ConfigEntry(
        domain=domain,
        title=domain,
        data=data,
        options=options,
        subentries_data=subentries,
        version=1,
        minor_version=minor_version,
        source=SOURCE_USER,
        unique_id=domain,
        discovery_keys=MappingProxyType({}),
    )


def _flatpeak_entry(hass: HomeAssistant, meters: int) -> dict[str, Any]:
    """Return the entry of a home with so many meters."""
    return {
        "data": {
            "account_id": "acc_bench",
            "api_key": "sk_test_bench",
            "api_url": "https://flatpeak.example",
            "connect_url": "https://connect.flatpeak.example",
            "location_id": "loc_bench",
        },
        "minor_version": 2,
        "options": {"link_dashboard": True},
        "subentries": [
            ConfigSubentryData(
                subentry_type="meter",
                title=f"Meter {number}",
                unique_id=f"dev_{number}",
                data={
                    "device_id": f"dev_{number}",
                    "flow": "consumption",
                    "source": f"household:meter_{number}",
                    "history_start": "2026-01-01T00:00:00+00:00",
                },
            )
            for number in range(meters)
        ],
    }


def _flatpeak_stub(meters: int) -> Iterable[AbstractContextManager[object]]:
    """Yield what answers in Flatpeak's place: it is asked for the location."""
    from custom_components.flatpeak.api import Location  # noqa: PLC0415  # its import is what is measured

    location = Location(
        location_id="loc_bench",
        reference_id="home",
        time_zone="Europe/Berlin",
        currency="EUR",
        tariff_status={},
        address=None,
    )
    yield patch(
        "custom_components.flatpeak.api.FlatpeakClient.get_location",
        AsyncMock(return_value=location),
    )


def _opower_entry(hass: HomeAssistant, meters: int) -> dict[str, Any]:
    """Return the entry of a customer."""
    data = {"utility": "Pacific Gas and Electric Company (PG&E)"}
    return {
        "data": data | {"username": "bench", "password": "bench"},
        "options": {},
        "subentries": [],
    }


def _opower_stub(meters: int) -> Iterable[AbstractContextManager[object]]:
    """Yield what answers in the utility's place: so many accounts, without a read."""
    from opower import Account, Forecast, MeterType, ReadResolution, UnitOfMeasure  # noqa: PLC0415  # its import is what is measured
    from opower.opower import Customer  # noqa: PLC0415  # the same

    accounts = [
        Account(
            customer=Customer(uuid="bench"),
            uuid=f"bench-{number}",
            utility_account_id=f"{number}",
            id=f"{number}",
            meter_type=MeterType.ELEC,
            read_resolution=ReadResolution.HOUR,
        )
        for number in range(meters)
    ]
    forecasts = [
        Forecast(
            account=account,
            start_date=date(2026, 11, 1),
            end_date=date(2026, 11, 30),
            current_date=date(2026, 11, 25),
            unit_of_measure=UnitOfMeasure.KWH,
            usage_to_date=100,
            cost_to_date=20.0,
            forecasted_usage=200,
            forecasted_cost=40.0,
            typical_usage=180,
            typical_cost=36.0,
        )
        for account in accounts
    ]
    for name, answer in (
        ("async_login", None),
        ("async_get_accounts", accounts),
        ("async_get_forecast", forecasts),
        ("async_get_cost_reads", []),
    ):
        yield patch(f"opower.Opower.{name}", AsyncMock(return_value=answer))


def _energyid_entry(hass: HomeAssistant, meters: int) -> dict[str, Any]:
    """Return the entry of a device with so many sensors, which are there."""
    registry = er.async_get(hass)
    sensors = [
        registry.async_get_or_create("sensor", "household", f"meter_{number}")
        for number in range(meters)
    ]
    for sensor in sensors:
        hass.states.async_set(sensor.entity_id, "1.0")
    return {
        "data": {
            "provisioning_key": "bench",
            "provisioning_secret": "bench",
            "device_id": "bench",
            "device_name": "Home",
        },
        "options": {},
        "subentries": [
            ConfigSubentryData(
                subentry_type="sensor_mapping",
                title=sensor.entity_id,
                unique_id=sensor.id,
                data={"ha_entity_uuid": sensor.id, "energyid_key": f"el_{number}"},
            )
            for number, sensor in enumerate(sensors)
        ],
    }


def _energyid_stub(meters: int) -> Iterable[AbstractContextManager[object]]:
    """Yield what answers in the place of EnergyID: the device is claimed."""
    yield patch(
        "energyid_webhooks.client_v2.WebhookClient.authenticate",
        AsyncMock(return_value=True),
    )


INTEGRATIONS: Final = {
    "flatpeak": Integration(
        platforms=PLATFORMS,
        entry=_flatpeak_entry,
        stub=_flatpeak_stub,
    ),
    "opower": Integration(
        platforms=("sensor",), entry=_opower_entry, stub=_opower_stub
    ),
    "energyid": Integration(platforms=(), entry=_energyid_entry, stub=_energyid_stub),
}
