"""Tariffs of a location: connecting the market, their state, their prices."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from .call import Answer, Call
from .clock import to_text
from .errors import refused
from .objects import Location
from .tariffs import Connection, ConnectionType, Direction, Dynamic, Structure
from .windows import parse_time, read_direction, read_window

CONNECTED: Final = "CONNECTED"
NOT_CONNECTED: Final = "NOT_CONNECTED"
NOT_SUPPORTED: Final = "NOT_SUPPORTED"
ERROR: Final = "ERROR"

LEGS: Final = {
    "commodity_import": Direction.IMPORT,
    "commodity_export": Direction.EXPORT,
    "non_commodity_import": None,
    "non_commodity_export": None,
    "local": Direction.LOCAL,
}
MARKETS: Final = {
    Direction.IMPORT: Dynamic(),
    Direction.EXPORT: Dynamic(level=Decimal("0.5")),
}
LONGEST_PRICES: Final = timedelta(days=90)


def create_tariff(call: Call) -> Answer:
    """Connect a location to the market prices of its address."""
    location = call.account.locations[call.body["location_id"]]
    if call.body["type"] != "COMMODITY" or not call.body.get("market_rates"):
        raise refused(
            "tariff_type_invalid", "Only COMMODITY with market_rates is supported."
        )
    call.account.place(location)
    direction = Direction(call.body["direction"])
    connection = call.account.connect(
        location.id,
        direction,
        MARKETS[direction],
        connection_type=ConnectionType.MARKET,
        name="Market prices",
        provider="Day-ahead market",
        contract_end=parse_time(call.body["contract_end_date"]),
        pending_until=call.now + timedelta(seconds=call.settings.connect_delay),
    )
    return Answer(200, _tariff(call, location, connection))


def get_location_status(call: Call) -> Answer:
    """Tell the state of every tariff of a location."""
    location = call.account.locations[call.object_id]
    legs = {
        leg: status | {"status": _as_documented(status["status"])}
        for leg, status in leg_statuses(call, location).items()
    }
    return Answer(
        200,
        {
            "id": location.id,
            "object": "location_status",
            "live_mode": call.token.live_mode,
            "time_created": location.time_created,
            "account_id": call.account.id,
            "tariff_status": legs,
        },
    )


def get_prices(call: Call) -> Answer:
    """List the prices of a location over a window, each cut to the window."""
    location = call.account.locations[call.object_id]
    window = read_window(call, LONGEST_PRICES)
    direction = read_direction(call)
    slots = call.account.slots(location, direction, window.span, call.now)
    place = call.account.place(location)
    return Answer(
        200,
        {
            **call.stamp("prs", "price"),
            "location_id": location.id,
            "location_timezone": place.zone.key,
            "currency_code": place.currency,
            "tariff_direction": direction,
            "last_updated": call.time_created,
            "request": call.body,
            "data": [
                {
                    "valid_from": to_text(slot.start, window.offset),
                    "valid_to": to_text(slot.end, window.offset),
                    "price": {
                        "value": float(slot.price),
                        "confidence": float(slot.confidence),
                    },
                }
                for slot in slots
            ],
        },
    )


def leg_statuses(call: Call, location: Location) -> dict[str, dict[str, Any]]:
    """Return the state of every leg of a location's tariffs."""
    return {
        leg: _leg(call, location.connections.get(direction), direction)
        if direction
        else {"status": NOT_CONNECTED}
        for leg, direction in LEGS.items()
    }


def _leg(
    call: Call, connection: Connection | None, direction: Direction
) -> dict[str, Any]:
    """Return the state of one leg."""
    if direction is Direction.LOCAL and not call.account.local_enabled:
        return {"status": NOT_SUPPORTED}
    if connection is None:
        return {"status": NOT_CONNECTED}
    return {
        "status": CONNECTED if connection.has_price_data else ERROR,
        "connection_type": connection.connection_type,
        "provider": {
            "id": connection.provider_id,
            "display_name": connection.provider,
        },
        "tariff": _tariff_summary(connection),
    }


def _tariff_summary(connection: Connection) -> dict[str, Any]:
    """Return what the status tells of a tariff."""
    is_market = connection.connection_type is ConnectionType.MARKET
    summary = {
        "id": connection.id,
        "display_name": connection.name,
        "structure_type": (
            Structure.MARKET if is_market else connection.tariff.structure
        ),
    }
    if connection.contract_end:
        summary["contract_end_date"] = connection.contract_end.isoformat()
    return summary


def _as_documented(status: str) -> str:
    """Return a state as the documented example has it: with a blank that clients must trim."""
    return f"{status} " if status == CONNECTED else status


def _tariff(call: Call, location: Location, connection: Connection) -> dict[str, Any]:
    """Return a market tariff as JSON."""
    return {
        "id": connection.id,
        "object": "tariff",
        "location_id": location.id,
        "status": CONNECTED,
        "connection_type": connection.connection_type,
        "market_rates": True,
        "market_rate_source_id": call.new_id("mrs"),
    }
