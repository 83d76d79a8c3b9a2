"""Ways through the flows, and what their forms show."""

from decimal import Decimal
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import entity_registry as er, instance_id

from ..home import ADDRESS, CAR, EXPORT, IMPORT, SOLAR, Flow, Home
from ..simulator import Direction, Flat, Simulator
from ..simulator.objects import Location

SENSORS: Final = (IMPORT, EXPORT, SOLAR, CAR)
METERS: Final = [
    f"grid_import:{IMPORT}",
    f"grid_export:{EXPORT}",
    f"local_generation:{SOLAR}",
    f"consumption:{CAR}",
]
EXTERNAL: Final = "utility:boiler"
NEW_KEY: Final = "sk_test_new"


async def async_to_address(home: Home) -> Flow:
    """Go on to the step that asks for the address."""
    flow = await home.async_begin_flow()
    return await home.async_answer(flow, location_id="new")


async def async_to_tariff(home: Home) -> Flow:
    """Go on to the step that asks for the tariff."""
    return await home.async_answer(await async_to_address(home), **ADDRESS)


async def async_to_meters(home: Home) -> Flow:
    """Go on to the step that asks for the meters."""
    return await home.async_answer(await async_to_tariff(home), tariff="market")


async def async_finish(
    home: Home, flow: Flow, meters: list[str], history: str = "none"
) -> ConfigEntry[Any]:
    """Answer the last step, and return the entry that it creates."""
    flow = await home.async_answer(
        flow, meters=meters, history=history, link_dashboard=True
    )
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await home.async_settle()
    entry: ConfigEntry[Any] = flow["result"]
    return entry


def add_location(
    simulator: Simulator,
    *,
    reference_id: str | None = None,
    import_price: str | None = None,
    **address: str,
) -> Location:
    """Let the account have a location, with an import tariff where it has a price."""
    account = simulator.account()
    location = account.locations.add(
        Location(
            id=account.ids.new("loc"),
            live_mode=False,
            time_created="2026-01-01T00:00:00Z",
            reference_id=reference_id,
            customer_id=None,
            address=address or ADDRESS,
        )
    )
    if import_price is not None:
        tariff = Flat(price=Decimal(import_price))
        account.connect(location.id, Direction.IMPORT, tariff)
    return location


def locations_of(home: Home) -> list[Location]:
    """Return the locations that Flatpeak has."""
    return list(home.simulator.account().locations)


def choices(flow: Flow, field_name: str) -> dict[str, str]:
    """Return what a select offers: labels by their values."""
    options = flow["data_schema"].schema[field_name].config["options"]
    return {option["value"]: option["label"] for option in options}


def offered(flow: Flow, field_name: str) -> list[str]:
    """Return the values that a select offers."""
    return list(choices(flow, field_name))


def labels(flow: Flow, field_name: str) -> list[str]:
    """Return the labels that a select offers."""
    return list(choices(flow, field_name).values())


def suggested(flow: Flow) -> dict[str, Any]:
    """Return what the fields of a form are filled in with."""
    return {
        str(marker): marker.description["suggested_value"]
        for marker in flow["data_schema"].schema
        if "suggested_value" in (marker.description or {})
    }


async def async_references(home: Home) -> list[str]:
    """Return the references that the sensors' devices are to have, in order."""
    home_id = await instance_id.async_get(home.hass)
    registry = er.async_get(home.hass)
    return [f"{home_id}_{registry.entities[sensor].id}" for sensor in SENSORS]
