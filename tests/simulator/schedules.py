"""POST /schedules: when a duration, a price or an amount of energy is best used."""

from collections.abc import Sequence
from datetime import timedelta, tzinfo
from decimal import ROUND_UP, Decimal
from typing import Any, Final, NamedTuple

from .call import Answer, Call
from .clock import HOUR, MINUTE, Instant, to_text
from .errors import refused
from .planning import best, beyond, confidence, cost, first, merged, price_at
from .tariffs import Direction, PriceSlot, money
from .windows import Window, read_direction, read_times, read_window

LONGEST: Final = timedelta(days=3)
WATTS: Final = {"W": 1, "KW": 1000}
WATT_HOURS: Final = {"WH": 1, "KWH": 1000}


def schedule_duration(call: Call) -> Answer:
    """Find the cheapest or dearest minutes of a window."""
    window, slots = _priced_window(call)
    wanted = int(Decimal(str(call.body["duration"])) * MINUTE)
    if not 0 < wanted <= _length(slots):
        raise refused("duration_invalid", "The duration must fit into the window.")
    chosen = merged(best(slots, wanted, dear=_is_dear(call)))
    return Answer(200, _schedule(call, "std", "schedule_duration", window, chosen))


def schedule_limit(call: Call) -> Answer:
    """Find the times at a price or below it, or at it or above."""
    window, slots = _priced_window(call)
    chosen = merged(beyond(slots, _limit(call.body, slots), dear=_is_dear(call)))
    schedule = _schedule(call, "spl", "schedule_limit", window, chosen)
    return Answer(200, schedule | {"duration": _length(chosen) / MINUTE})


def schedule_amount(call: Call) -> Answer:
    """Plan the energy of a device at least cost; the saving is that over starting at once."""
    plan = _plan(call, _wish(call))
    return Answer(
        200,
        {
            **call.stamp("sae", "schedule_amount"),
            **_home(call),
            "max_power": call.body["max_power"],
            "cost": plan.cost,
            "savings": plan.savings,
            "data": [
                call.body["data"][0]
                | {
                    "cost": plan.cost,
                    "savings": plan.savings,
                    "schedule": plan.schedule,
                }
            ],
        },
    )


class _Plan(NamedTuple):
    """When a device runs and what that costs, as JSON."""

    cost: dict[str, float]
    savings: dict[str, float]
    schedule: list[dict[str, Any]]


def _wish(call: Call) -> dict[str, Any]:
    """Return what one device wants; refuse more than one, and one that does not exist."""
    wishes: list[dict[str, Any]] = call.body["data"]
    if len(wishes) > 1:
        raise refused("data_invalid", "Only one device at a time is supported.")
    call.account.devices[wishes[0]["device_id"]]
    return wishes[0]


def _plan(call: Call, wish: dict[str, Any]) -> _Plan:
    """Return the best plan for a device."""
    direction = Direction(wish["tariff_direction"])
    window = read_times(wish, call.now, LONGEST)
    slots = _slots(call, direction, window)
    watts = _watts(call.body, wish)
    needed = _time_for(wish["energy"], watts)
    allowed = _below_threshold(call.body.get("shaving_threshold"), slots)
    if not 0 < needed <= _length(allowed):
        raise refused("energy_invalid", "The energy does not fit into the window.")
    is_sale = direction is Direction.EXPORT
    chosen = best(allowed, needed, dear=is_sale)
    price, at_once = cost(chosen, watts), cost(first(slots, needed), watts)
    saving = price - at_once if is_sale else at_once - price
    return _Plan(
        cost={"value": float(money(price)), "confidence": float(confidence(chosen))},
        savings={
            "value": float(money(saving)),
            "percentage": float(money(100 * saving / at_once)) if at_once else 0.0,
        },
        schedule=[
            {
                **_times(slot, window.offset),
                "power": {"units": "W", "value": float(watts)},
            }
            for slot in merged(chosen)
        ],
    )


def _priced_window(call: Call) -> tuple[Window, list[PriceSlot]]:
    """Return the window of a body and its prices."""
    window = read_window(call, LONGEST)
    return window, _slots(call, read_direction(call), window)


def _slots(call: Call, direction: Direction, window: Window) -> list[PriceSlot]:
    """Return the prices of a window."""
    location = call.account.locations[call.object_id]
    return call.account.slots(location, direction, window.span, call.now)


def _is_dear(call: Call) -> bool:
    """Tell whether the dearest times are wanted."""
    return bool(call.body["segment"] == "HIGH")


def _limit(raw: dict[str, Any], slots: Sequence[PriceSlot]) -> Decimal:
    """Return a limit; an absolute one wins over a relative one."""
    if "absolute" in raw:
        return Decimal(str(raw["absolute"]))
    return price_at(Decimal(str(raw["relative"])), slots)


def _below_threshold(
    raw: dict[str, Any] | None, slots: list[PriceSlot]
) -> list[PriceSlot]:
    """Return the slots that a plan may use."""
    return beyond(slots, _limit(raw, slots), dear=False) if raw else slots


def _watts(body: dict[str, Any], wish: dict[str, Any]) -> Decimal:
    """Return the power of a device: its own, and no more than that of the home."""
    limits = [body["max_power"], wish.get("max_power", body["max_power"])]
    watts = min(Decimal(str(each["value"])) * WATTS[each["units"]] for each in limits)
    if watts <= 0:
        raise refused("max_power_invalid", "The power must be above zero.")
    return watts


def _time_for(energy: dict[str, Any], watts: Decimal) -> Instant:
    """Return how long a power takes for an amount of energy."""
    watt_hours = Decimal(str(energy["value"])) * WATT_HOURS[energy["units"]]
    return int((watt_hours * HOUR / watts).to_integral_value(ROUND_UP))


def _length(slots: Sequence[PriceSlot]) -> Instant:
    """Return how long some slots are in all."""
    return sum(slot.end - slot.start for slot in slots)


def _schedule(
    call: Call, prefix: str, kind: str, window: Window, slots: Sequence[PriceSlot]
) -> dict[str, Any]:
    """Return a schedule over a window as JSON."""
    return {
        **call.stamp(prefix, kind),
        **_home(call),
        "tariff_direction": read_direction(call),
        "request": call.body,
        "data": [
            {
                **_times(slot, window.offset),
                "price": {
                    "value": float(slot.price),
                    "confidence": float(slot.confidence),
                },
            }
            for slot in slots
        ],
    }


def _home(call: Call) -> dict[str, Any]:
    """Return whose schedule it is."""
    place = call.account.place(call.account.locations[call.object_id])
    return {
        "location_id": call.object_id,
        "location_timezone": place.zone.key,
        "currency_code": place.currency,
    }


def _times(slot: PriceSlot, offset: tzinfo) -> dict[str, str]:
    """Return start and end of a slot as JSON."""
    return {
        "start_time": to_text(slot.start, offset),
        "end_time": to_text(slot.end, offset),
    }
