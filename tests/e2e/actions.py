"""The end-to-end test of the actions: each is called, and its answer compared with what Flatpeak knows."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import fsum
from typing import Any, Final
from zoneinfo import ZoneInfo

from .configuration import CURRENCY, TIME_ZONE
from .demo import EV_CHARGER, GRID_IMPORT, HOUR, Demo, Meter
from .finding import Finding
from .simulator import Price

ZONE: Final = ZoneInfo(TIME_ZONE)
# Flatpeak rounds money to five decimals.
ROUNDED: Final = 1e-5

DAYS: Final = 7
AHEAD: Final = 20 * HOUR
USE_KW: Final = 2.0
RUN: Final = 2 * HOUR
STEP: Final = timedelta(minutes=5)
CHARGE_KWH: Final = 20.0
CHARGE_KW: Final = 8.0
PERCENT: Final = 25
SESSIONS: Final = 10


@dataclass(kw_only=True)
class Calls:
    """Calls of actions, and what is found of their answers."""

    demo: Demo
    location_id: str
    devices: Mapping[Meter, str]
    called: set[str] = field(default_factory=set)
    finding: Finding = field(
        default_factory=lambda: Finding(
            title="Every action answers what Flatpeak knows",
            compared="figures",
            unit=CURRENCY,
        )
    )

    async def answer(
        self, action: str, about: str | None = None, **data: Any
    ) -> dict[str, Any]:
        """Call an action about a home or a meter at Flatpeak, return what it answers."""
        self.called.add(action)
        if about is not None:
            data["device_id"] = await self.demo.home_assistant.device_id(about)
        return await self.demo.home_assistant.act("flatpeak", action, data)

    def compare(self, name: str, here: float | None, truth: float | None) -> None:
        """Compare an amount of money, or a price."""
        self.finding.compare(name, here, truth, abs_tol=ROUNDED)

    def require(self, name: str, *, is_so: bool) -> None:
        """Look at something that is so or not."""
        self.finding.count += 1
        if not is_so:
            self.finding.complaints.append(name)

    async def prices(self, start: datetime, end: datetime) -> list[Price]:
        """Return the import prices that Flatpeak has."""
        return await self.demo.simulator.prices(self.location_id, "IMPORT", start, end)


async def check_actions(
    demo: Demo, location_id: str, devices: Mapping[Meter, str]
) -> Finding:
    """Call every action that there is."""
    calls = Calls(demo=demo, location_id=location_id, devices=devices)
    for call in CALLS:
        await call(calls)
    registered = await demo.home_assistant.call("get_services")
    missed = registered["flatpeak"].keys() - calls.called
    calls.finding.complaints += [f"{action} was not called" for action in missed]
    return calls.finding


def ahead() -> tuple[datetime, datetime]:
    """Return a time ahead that begins at a full hour."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + HOUR
    return start, start + AHEAD


def window(start: datetime, end: datetime) -> dict[str, str]:
    """Return a time as actions want it."""
    return {"start": start.isoformat(), "end": end.isoformat()}


def span(row: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Return when something in an answer begins and ends."""
    return datetime.fromisoformat(row["start"]), datetime.fromisoformat(row["end"])


def cost(prices: Iterable[Price], start: datetime, end: datetime) -> float:
    """Return what a constant power of 1 kW costs over a time."""
    return fsum(
        price.price * ((min(price.end, end) - max(price.start, start)) / HOUR)
        for price in prices
        if price.start < end and start < price.end
    )


def least(prices: Iterable[Price], length: timedelta) -> float:
    """Return what a constant power of 1 kW costs at least, at times that may lie apart."""
    costs = []
    for price in sorted(prices, key=lambda each: each.price):
        used = min(price.end - price.start, length)
        costs.append(price.price * (used / HOUR))
        length -= used
    return fsum(costs)


async def get_costs(calls: Calls) -> None:
    """Ask what a week has cost."""
    today = datetime.now(ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {
        (today - number * timedelta(days=1)).astimezone(UTC): None
        for number in range(1, DAYS + 1)
    }
    device_id = calls.devices[GRID_IMPORT]
    answer = await calls.answer(
        "get_costs", device_id, **window(min(days), today.astimezone(UTC))
    )
    rows = {span(row)[0].astimezone(UTC): row["cost"] for row in answer["rows"]}
    truth = {
        day.start: day.cost
        for day in await calls.demo.simulator.days(device_id, "IMPORT")
        if day.start in days
    }
    calls.require(f"get_costs has {len(rows)} days", is_so=len(rows) == DAYS)
    calls.finding.compare_all("get_costs", rows, truth)


async def get_prices(calls: Calls) -> None:
    """Ask for the prices of the time ahead."""
    start, end = ahead()
    answer = await calls.answer("get_prices", calls.location_id, **window(start, end))
    rows = {span(row)[0]: row["price"] for row in answer["prices"]}
    truth: dict[datetime, float | None] = {
        price.start: price.price for price in await calls.prices(start, end)
    }
    calls.finding.compare_all("get_prices", rows, truth)


async def estimate_cost(calls: Calls) -> None:
    """Ask what a use would cost, which must leave nothing behind."""
    start, end = ahead()
    answer = await calls.answer(
        "estimate_cost", calls.location_id, power=USE_KW, **window(start, end)
    )
    truth = USE_KW * cost(await calls.prices(start, end), start, end)
    calls.compare("estimate_cost", answer["cost"], truth)
    stored = await calls.demo.simulator.records(calls.location_id, "IMPORT")
    calls.require("estimate_cost has stored energy", is_so=not stored)


async def find_cheapest_window(calls: Calls) -> None:
    """Look for the cheapest two hours, in one piece and in several."""
    start, end = ahead()
    answer = await calls.answer(
        "find_cheapest_window",
        calls.location_id,
        duration=RUN.total_seconds(),
        **window(start, end),
    )
    prices = await calls.prices(start, end)
    starts = [start + number * STEP for number in range((AHEAD - RUN) // STEP + 1)]
    best = min(cost(prices, each, each + RUN) for each in starts)
    found = span(answer["window"])
    calls.compare("find_cheapest_window", cost(prices, *found), best)
    calls.require("the window is not 2 hours long", is_so=found[1] - found[0] == RUN)
    pieces = fsum(cost(prices, *span(slot)) for slot in answer["slots"])
    calls.compare("the pieces of find_cheapest_window", pieces, least(prices, RUN))


async def find_price_windows(calls: Calls) -> None:
    """Look for low prices."""
    start, end = ahead()
    answer = await calls.answer(
        "find_price_windows",
        calls.location_id,
        relative=PERCENT,
        **window(start, end),
    )
    prices = await calls.prices(start, end)
    lowest, highest = (each(price.price for price in prices) for each in (min, max))
    limit = lowest + (PERCENT - 1) / 99 * (highest - lowest)
    low = [price for price in prices if price.price <= limit]
    hours = fsum((price.end - price.start) / HOUR for price in low)
    calls.finding.compare("find_price_windows", answer["hours"], hours)
    paid = fsum(cost(prices, *span(each)) for each in answer["windows"])
    truth = fsum(cost([price], price.start, price.end) for price in low)
    calls.compare("the windows of find_price_windows", paid, truth)


async def plan_charging(calls: Calls) -> None:
    """Plan a charge of the car."""
    start, end = ahead()
    answer = await calls.answer(
        "plan_charging",
        calls.devices[EV_CHARGER],
        energy=CHARGE_KWH,
        power=CHARGE_KW,
        start=start.isoformat(),
        ready_by=end.isoformat(),
    )
    prices, length = await calls.prices(start, end), CHARGE_KWH / CHARGE_KW * HOUR
    truth = CHARGE_KW * least(prices, length)
    at_once = CHARGE_KW * cost(prices, start, start + length)
    calls.compare("plan_charging", answer["cost"], truth)
    calls.compare("the saving of plan_charging", answer["saving"], at_once - truth)
    energy = fsum(slot["energy"] for slot in answer["slots"])
    calls.finding.compare("the energy of plan_charging", energy, CHARGE_KWH)


async def get_session_cost(calls: Calls) -> None:
    """Ask what the last sessions of all meters have cost, as far as they are priced."""
    answer = await calls.answer("get_session_cost", calls.location_id, last=SESSIONS)
    for session in answer["sessions"]:
        if session["cost"] is None:
            continue
        records = await calls.demo.simulator.session(session["session_id"], "IMPORT")
        truth = fsum(record.cost for record in records if record.cost is not None)
        calls.compare(f"the cost of {session['name']}", session["cost"], truth)


async def resubmit(calls: Calls) -> None:
    """Compare a week of all meters with Flatpeak, in which nothing differs."""
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 3 * HOUR
    start = end - timedelta(days=DAYS)
    answer = await calls.answer("resubmit", calls.location_id, **window(start, end))
    calls.require("resubmit is no dry run", is_so=answer["dry_run"])
    for meter in answer["meters"]:
        name = f"resubmit finds {meter['differing'][:1]} of {meter['name']}"
        calls.require(name, is_so=not meter["differing"] and not meter["sent"])


async def sync(calls: Calls) -> None:
    """Look at a week again, which ends well and changes nothing."""
    since = datetime.now(UTC) - timedelta(days=DAYS)
    await calls.answer("sync", since=since.isoformat())
    await get_costs(calls)


CALLS: Final[tuple[Callable[[Calls], Awaitable[None]], ...]] = (
    get_costs,
    get_prices,
    estimate_cost,
    find_cheapest_window,
    find_price_windows,
    plan_charging,
    get_session_cost,
    resubmit,
    sync,
)
