"""Control over HTTP, for a simulator that runs in a process of its own; README.md shows the requests."""

from collections.abc import Callable, Mapping
from datetime import datetime, time
from decimal import Decimal
from typing import Any, Final

from aiohttp import web
import orjson

from .accounts import Account
from .clock import Span, to_datetime, to_instant
from .errors import ApiError
from .faults import Fault, Process
from .state import STATE
from .tariffs import Change, Direction, Dynamic, Flat, PriceSlot, Tariff, TwoRate
from .truth import Cost, Energy, find_session, find_truth

PREFIX: Final = "/_simulator/"


def _decimal(value: float | str) -> Decimal:
    """Return a JSON number as it was written."""
    return Decimal(str(value))


# How each field of a tariff is read; a field that is left out keeps its default.
_FIELDS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "price": _decimal,
    "low": _decimal,
    "high": _decimal,
    "level": _decimal,
    "low_from": time.fromisoformat,
    "low_to": time.fromisoformat,
    "minutes": int,
    "seed": int,
}
_TARIFFS: Final[Mapping[str, Callable[..., Tariff]]] = {
    "flat": Flat,
    "two_rate": TwoRate,
    "dynamic": Dynamic,
}
_FAULTS: Final[Mapping[str, Callable[..., Fault]]] = {
    "SERVER_ERROR": lambda: Fault.SERVER_ERROR,
    "BAD_GATEWAY": lambda: Fault.BAD_GATEWAY,
    "HTML": lambda: Fault.HTML,
    "RESET_BEFORE": lambda: Fault.RESET_BEFORE,
    "RESET_AFTER": lambda: Fault.RESET_AFTER,
    "TRUNCATED": lambda: Fault.TRUNCATED,
    "EXPIRE_TOKEN": lambda: Fault.EXPIRE_TOKEN,
    "RATE_LIMIT": Fault.rate_limit,
    "SLOW": Fault.slow,
    "ANSWER": Fault.answer,
    "PARTLY_FAILED": Fault.partly_failed,
    "UNPROCESSED": Fault.unprocessed,
}


@web.middleware
async def explain_mistakes(
    request: web.Request, handler: Process
) -> web.StreamResponse:
    """Answer a control request that makes no sense with the reason."""
    if not request.path.startswith(PREFIX):
        return await handler(request)
    try:
        return await handler(request)
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise ApiError(400, f"{type(error).__name__}: {error}") from error


def control_routes() -> list[web.RouteDef]:
    """Return the routes."""
    return [
        web.get(PREFIX + "truth/{object_id}/{direction}/{kind}", get_truth),
        web.get(PREFIX + "sessions/{session_id}/{direction}", get_session),
        web.get(PREFIX + "prices/{location_id}/{direction}", get_prices),
        web.get(PREFIX + "settings", get_settings),
        web.patch(PREFIX + "settings", change_settings),
        web.patch(PREFIX + "accounts/{account_id}", change_account),
        web.put(PREFIX + "tariffs/{location_id}/{direction}", connect_tariff),
        web.patch(PREFIX + "tariffs/{location_id}/{direction}", change_tariff),
        web.delete(PREFIX + "tariffs/{location_id}/{direction}", disconnect_tariff),
        web.post(PREFIX + "settlements/{location_id}/{direction}", settle),
        web.post(PREFIX + "events/{location_id}", tell_event),
        web.put(PREFIX + "standing_charges/{object_id}", set_standing_charge),
        web.get(PREFIX + "violations", get_violations),
        web.get(PREFIX + "requests", get_requests),
        web.post(PREFIX + "faults", plan_fault),
        web.put(PREFIX + "faults", mix_faults),
        web.delete(PREFIX + "faults", clear_faults),
        web.post(PREFIX + "reset", reset),
    ]


async def get_truth(request: web.Request) -> web.Response:
    """Tell the truth of a device or location: its records, its hours or its local days."""
    truth = find_truth(
        request.app[STATE],
        request.match_info["object_id"],
        Direction(request.match_info["direction"]),
    )
    match request.match_info["kind"]:
        case "records":
            return _json([_energy(record) for record in truth.records()])
        case "hours":
            return _json([_cost(hour) for hour in truth.hours(**_window(request))])
        case "days":
            return _json([_cost(day) for day in truth.days(**_window(request))])
    raise web.HTTPNotFound


async def get_session(request: web.Request) -> web.Response:
    """Tell the truth of a session: what each of its records holds and cost."""
    session = find_session(
        request.app[STATE],
        request.match_info["session_id"],
        Direction(request.match_info["direction"]),
    )
    return _json([_cost(record) for record in session])


async def get_prices(request: web.Request) -> web.Response:
    """Tell the prices of a location between two times."""
    account, location_id, direction = _leg(request)
    location, window = account.locations[location_id], _window(request)
    span = Span(to_instant(window["start"]), to_instant(window["end"]))
    now = request.app[STATE].now()
    slots = account.slots(location, direction, span, now)
    return _json([_price(slot) for slot in slots])


async def get_settings(request: web.Request) -> web.Response:
    """Tell the settings."""
    return _json(request.app[STATE].settings.to_json())


async def change_settings(request: web.Request) -> web.Response:
    """Change some settings."""
    settings = request.app[STATE].settings
    settings.change(**await request.json())
    return _json(settings.to_json())


async def change_account(request: web.Request) -> web.Response:
    """Disable or enable an account, or its local direction; give it other keys."""
    account = request.app[STATE].accounts[request.match_info["account_id"]]
    body = await request.json()
    account.disabled = body.get("disabled", account.disabled)
    account.local_enabled = body.get("local_enabled", account.local_enabled)
    account.api_keys = frozenset(body.get("api_keys", account.api_keys))
    return _json({"disabled": account.disabled, "local_enabled": account.local_enabled})


async def connect_tariff(request: web.Request) -> web.Response:
    """Give a location a tariff."""
    account, location_id, direction = _leg(request)
    tariff = _tariff(await request.json())
    connection = account.connect(location_id, direction, tariff)
    return _json({"id": connection.id})


async def change_tariff(request: web.Request) -> web.Response:
    """Let the prices of a location be pending, or not to be had."""
    account, location_id, direction = _leg(request)
    body = await request.json()
    connection = account.connection(account.locations[location_id], direction)
    if "pending_until" in body:
        connection.pending_until = datetime.fromisoformat(body["pending_until"])
    connection.has_price_data = body.get("has_price_data", connection.has_price_data)
    return _json({"id": connection.id})


async def disconnect_tariff(request: web.Request) -> web.Response:
    """Take the tariff of a location away."""
    account, location_id, direction = _leg(request)
    account.disconnect(location_id, direction)
    return _json({})


async def settle(request: web.Request) -> web.Response:
    """Change the prices of a location between two times."""
    account, location_id, direction = _leg(request)
    body = await request.json()
    change = Change(
        multiply=_decimal(body.get("multiply", 1)), add=_decimal(body.get("add", 0))
    )
    start = datetime.fromisoformat(body["start"])
    end = datetime.fromisoformat(body["end"])
    account.settle(location_id, direction, start, end, change)
    return _json({})


async def tell_event(request: web.Request) -> web.Response:
    """Tell of something that has happened to a location."""
    state = request.app[STATE]
    location_id = request.match_info["location_id"]
    body = await request.json()
    event_type = body.pop("type")
    event = state.owner(location_id).tell(event_type, location_id, state.now(), **body)
    return _json({"id": event.id})


async def set_standing_charge(request: web.Request) -> web.Response:
    """Let a device or location bear a charge per local day."""
    object_id = request.match_info["object_id"]
    account = request.app[STATE].owner(object_id)
    body = await request.json()
    account.standing_charges[object_id] = _decimal(body["per_day"])
    return _json({})


async def get_violations(request: web.Request) -> web.Response:
    """Tell what clients did wrong: how often, and the latest."""
    violations = request.app[STATE].violations
    counts = {kind.value: count for kind, count in violations.counts.items()}
    latest = [incident._asdict() for incident in violations.latest]
    return _json({"counts": counts, "latest": latest})


async def get_requests(request: web.Request) -> web.Response:
    """Tell how often each route was answered with each status and what it was sent, and what became of records."""
    state = request.app[STATE]
    counts = [
        {"route": route, "status": status, "count": count}
        for (route, status), count in state.requests.counts.items()
    ]
    records = {account.id: account.meters.counts for account in state.accounts.values()}
    return _json(
        {
            "requests": counts,
            "body_bytes": state.requests.body_bytes,
            "records": records,
            "faults": state.faults.injected,
        }
    )


async def plan_fault(request: web.Request) -> web.Response:
    """Let the next request of a route go wrong."""
    body = await request.json()
    request.app[STATE].faults.next(body.pop("route"), _fault(body))
    return _json({})


async def mix_faults(request: web.Request) -> web.Response:
    """Let requests of any route go wrong at random, from a seed."""
    body = await request.json()
    rates = {_fault(fault): fault["rate"] for fault in body["mix"]}
    request.app[STATE].faults.random(body["seed"], rates)
    return _json({})


async def clear_faults(request: web.Request) -> web.Response:
    """Let nothing go wrong any more."""
    request.app[STATE].faults.clear()
    return _json({})


async def reset(request: web.Request) -> web.Response:
    """Empty the accounts and forget what was noted."""
    request.app[STATE].reset()
    return _json({})


def _tariff(raw: dict[str, Any]) -> Tariff:
    """Return the tariff that a JSON object describes."""
    fields = {
        name: _FIELDS[name](value) for name, value in raw.items() if name != "kind"
    }
    return _TARIFFS[raw["kind"]](**fields)


def _fault(raw: dict[str, Any]) -> Fault:
    """Return the fault that a JSON object describes."""
    options = {name: raw[name] for name in raw.keys() - {"kind", "rate"}}
    return _FAULTS[raw["kind"]](**options)


def _leg(request: web.Request) -> tuple[Account, str, Direction]:
    """Return the account, the location and the direction that a path names."""
    location_id = request.match_info["location_id"]
    account = request.app[STATE].owner(location_id)
    return account, location_id, Direction(request.match_info["direction"])


def _window(request: web.Request) -> dict[str, datetime]:
    """Return the start and end of a query, where given."""
    return {
        name: datetime.fromisoformat(request.query[name])
        for name in ("start", "end")
        if name in request.query
    }


def _energy(energy: Energy) -> dict[str, Any]:
    """Return energy as JSON."""
    return {"start": energy.start, "end": energy.end, "energy": energy.energy}


def _cost(cost: Cost) -> dict[str, Any]:
    """Return a cost as JSON; the exact one as text, so that no digit is lost."""
    return _energy(cost) | {
        "cost": str(cost.cost),
        "reported_cost": float(cost.reported_cost),
        "confidence": float(cost.confidence),
    }


def _price(slot: PriceSlot) -> dict[str, Any]:
    """Return a price per kWh as JSON."""
    return {
        "start": to_datetime(slot.start),
        "end": to_datetime(slot.end),
        "price": float(slot.price),
        "confidence": float(slot.confidence),
    }


def _json(body: Any) -> web.Response:
    """Write an answer."""
    return web.Response(body=orjson.dumps(body), content_type="application/json")
