"""Customers, devices and locations: create, list, read, change, delete."""

from collections.abc import Callable
from typing import Any

from .call import ACCEPTED, Answer, Call
from .connections import leg_statuses
from .errors import conflict, refused
from .objects import Collection, Customer, Device, Identified, Location
from .tariffs import Direction


def create_customer(call: Call) -> Answer:
    """Make a customer."""
    customer = Customer(
        id=call.new_id("cus"),
        live_mode=call.token.live_mode,
        time_created=call.time_created,
        reference_id=call.body.get("reference_id"),
    )
    return Answer(201, _customer(call, call.account.customers.add(customer)))


def list_customers(call: Call) -> Answer:
    """List the customers, newest first."""
    return list_objects(call, "/customers", call.account.customers, _customer)


def get_customer(call: Call) -> Answer:
    """Read a customer."""
    return Answer(200, _customer(call, call.account.customers[call.object_id]))


def update_customer(call: Call) -> Answer:
    """Change a customer."""
    customer = call.account.customers[call.object_id]
    customer.reference_id = call.body.get("reference_id", customer.reference_id)
    return ACCEPTED


def delete_customer(call: Call) -> Answer:
    """Delete a customer with its locations."""
    call.account.customers.remove(call.object_id)
    for location in list(call.account.locations):
        if location.customer_id == call.object_id:
            call.account.locations.remove(location.id)
    return ACCEPTED


def create_device(call: Call) -> Answer:
    """Make a device; the same reference may be used twice."""
    if "reference_id" not in call.body:
        raise refused("reference_id_missing", "A device needs a reference_id.")
    _check_location(call)
    device = Device(
        id=call.new_id("dev"),
        live_mode=call.token.live_mode,
        time_created=call.time_created,
        reference_id=call.body["reference_id"],
        location_id=call.body.get("location_id"),
        pv_system=call.body.get("pv_system"),
    )
    return Answer(201, _device(call, call.account.devices.add(device)))


def list_devices(call: Call) -> Answer:
    """List the devices, newest first."""
    return list_objects(call, "/devices", call.account.devices, _device)


def get_device(call: Call) -> Answer:
    """Read a device."""
    return Answer(200, _device(call, call.account.devices[call.object_id]))


def update_device(call: Call) -> Answer:
    """Change a device; what is not named stays."""
    device = call.account.devices[call.object_id]
    _check_location(call)
    device.reference_id = call.body.get("reference_id", device.reference_id)
    device.location_id = call.body.get("location_id", device.location_id)
    device.pv_system = call.body.get("pv_system", device.pv_system)
    return Answer(200, _device(call, device))


def delete_device(call: Call) -> Answer:
    """Delete a device; no other object changes."""
    call.account.devices.remove(call.object_id)
    return ACCEPTED


def create_location(call: Call) -> Answer:
    """Make a location; a reference is used once in an account."""
    _check_reference(call)
    _check_customer(call)
    location = Location(
        id=call.new_id("loc"),
        live_mode=call.token.live_mode,
        time_created=call.time_created,
        reference_id=call.body.get("reference_id"),
        customer_id=call.body.get("customer_id"),
        address=call.body.get("postal_address", {}),
    )
    call.account.locations.add(location)
    if tariff := call.account.first_tariff:
        call.account.connect(location.id, Direction.IMPORT, tariff)
    return Answer(201, _location(call, location))


def list_locations(call: Call) -> Answer:
    """List the locations, newest first."""
    return list_objects(call, "/locations", call.account.locations, _location)


def get_location(call: Call) -> Answer:
    """Read a location."""
    return Answer(200, _location(call, call.account.locations[call.object_id]))


def update_location(call: Call) -> Answer:
    """Change a location; what is not named stays."""
    location = call.account.locations[call.object_id]
    if call.body.get("reference_id") != location.reference_id:
        _check_reference(call)
    _check_customer(call)
    location.reference_id = call.body.get("reference_id", location.reference_id)
    location.customer_id = call.body.get("customer_id", location.customer_id)
    location.address = location.address | call.body.get("postal_address", {})
    return Answer(200, _location(call, location))


def delete_location(call: Call) -> Answer:
    """Delete a location with its tariffs."""
    call.account.locations.remove(call.object_id)
    return ACCEPTED


def _check_reference(call: Call) -> None:
    """Refuse a reference that another location has."""
    reference = call.body.get("reference_id")
    if reference and any(
        location.reference_id == reference for location in call.account.locations
    ):
        raise conflict()


def _check_customer(call: Call) -> None:
    """Refuse a customer that does not exist."""
    if customer_id := call.body.get("customer_id"):
        call.account.customers[customer_id]


def _check_location(call: Call) -> None:
    """Refuse a location that does not exist."""
    if location_id := call.body.get("location_id"):
        call.account.locations[location_id]


def list_objects[T: Identified](
    call: Call,
    url: str,
    collection: Collection[T],
    to_json: Callable[[Call, T], dict[str, Any]],
) -> Answer:
    """Answer with a page of the objects that the query's filters let through."""
    cursors = ("limit", "starting_after", "ending_before")
    page = {name: call.query[name] for name in cursors if name in call.query}
    filters = {name: call.query[name] for name in call.query.keys() - set(cursors)}
    items, has_more = collection.page(
        lambda item: all(getattr(item, name) == filters[name] for name in filters),
        **page,
    )
    data = [to_json(call, item) for item in items]
    return Answer(
        200, {"object": "list", "url": url, "has_more": has_more, "data": data}
    )


def _head(call: Call, item: Customer | Device | Location, kind: str) -> dict[str, Any]:
    """Return the fields that every kept object has."""
    return {
        "id": item.id,
        "object": kind,
        "live_mode": item.live_mode,
        "time_created": item.time_created,
        "account_id": call.account.id,
    } | _present(reference_id=item.reference_id)


def _customer(call: Call, customer: Customer) -> dict[str, Any]:
    """Return a customer as JSON."""
    locations = [
        location.id
        for location in call.account.locations
        if location.customer_id == customer.id
    ]
    return {**_head(call, customer, "customer"), "locations": locations}


def _device(call: Call, device: Device) -> dict[str, Any]:
    """Return a device as JSON."""
    return _head(call, device, "device")


def _location(call: Call, location: Location) -> dict[str, Any]:
    """Return a location as JSON; zone and currency are there once they are known."""
    place = call.account.known_place(location)
    connections = location.connections.values()
    return {
        **_head(call, location, "location"),
        **_present(
            customer_id=location.customer_id,
            timezone=place and place.zone.key,
            currency_code=place and place.currency,
        ),
        "postal_address": location.address,
        "tariff_status": {
            leg: status["status"]
            for leg, status in leg_statuses(call, location).items()
        },
        "tariff_elements": [connection.id for connection in connections],
    }


def _present(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
