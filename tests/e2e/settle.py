"""The end-to-end test of a late settlement: history follows in the night after."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
import json
from math import inf, isclose
from pathlib import Path
from typing import Final

from .browser import TABLE, open_energy_dashboard, running_browser, take_screenshot
from .check import (
    HALF_A_CENT,
    ZONE,
    ask_flatpeak,
    check_costs,
    check_dashboard,
    check_log,
    check_manners,
    check_sensors,
    check_year,
    compare_totals,
    find_devices,
    hourly_costs,
    is_all_well,
    until_right,
)
from .configuration import CURRENCY
from .demo import Demo, Meter, Progress
from .device_costs import check_device_costs
from .finding import TOLERANCE, Finding
from .home_assistant import HomeAssistant

# No month has more days: the first of them lie in a month that only the night's pass looks at.
SETTLED_DAYS: Final = 31
NEW_PRICES: Final = {
    "IMPORT": {"multiply": 1.2, "add": 0.01},
    "EXPORT": {"multiply": 0.9, "add": -0.005},
}

# The night's pass is due from this hour of the home on, once a day.
NIGHT_HOUR: Final = 2
WAIT_SECONDS: Final = 60


@dataclass(frozen=True, kw_only=True)
class Look:
    """What Home Assistant has and shows at a time."""

    costs: dict[Meter, dict[datetime, float]]
    totals: dict[str, float]
    finding: Finding


async def check_settlement(demo: Demo, screenshots: Path, say: Progress) -> bool:
    """Settle a month at new prices, let the night pass, return whether all is right."""
    devices = await find_devices(demo)
    await until_night(say)
    before = await look(demo, devices, screenshots / "settle-before.png")
    today = datetime.now(ZONE).date()
    start, end = midnight(today - timedelta(days=SETTLED_DAYS)), midnight(today)
    journal = find_journal(demo.home_assistant)
    await settle(demo, journal, start, end)
    stale = await check_costs(demo, await ask_flatpeak(demo, devices))
    say(f"New prices: the costs of {len(stale.complaints)} days are out of date.")
    await demo.home_assistant.restart(lambda: let_days_pass(journal, today))
    say("Home Assistant has started again, with the pass of a night before it.")
    findings = await until_right(lambda: check_year(demo, devices, say))
    findings += await until_right(lambda: check_sensors(demo, devices))
    after = await look(demo, devices, screenshots / "settle-after.png")
    findings += [
        after.finding,
        require_new_totals(before, after),
        compare_hours(before, after, start, end),
        await check_dashboard(demo),
        await check_device_costs(demo, devices, screenshots),
        await check_manners(demo, restarts=1),
        check_log(demo.home_assistant.last_log, demo.home_assistant.log),
    ]
    return is_all_well(findings)


def midnight(day: date) -> datetime:
    """Return when a day of the home begins."""
    return datetime.combine(day, time.min, ZONE).astimezone(UTC)


async def until_night(say: Progress) -> None:
    """Wait until the night's pass may come."""
    while datetime.now(ZONE).hour < NIGHT_HOUR:
        say(f"The night's pass does not come before {NIGHT_HOUR}:00 in the home.")
        await asyncio.sleep(WAIT_SECONDS)


async def look(demo: Demo, devices: Mapping[Meter, str], screenshot: Path) -> Look:
    """See the costs as they are now, and take a screenshot of their totals."""
    home_assistant = demo.home_assistant
    async with running_browser(home_assistant) as context:
        page = await context.new_page()
        [finding] = await until_right(lambda: compare_totals(demo, devices, page))
        totals = await open_energy_dashboard(page, home_assistant.url)
        await take_screenshot(page, screenshot, height=1200, of=page.locator(TABLE))
    meters = await ask_flatpeak(demo, devices)
    costs = await hourly_costs(demo, meters)
    return Look(
        costs={each.meter: costs[each.cost_statistic_id] for each in meters},
        totals=totals,
        finding=finding,
    )


def find_journal(home_assistant: HomeAssistant) -> Path:
    """Return where the integration keeps what it has done for the home."""
    [journal] = [
        path
        for path in home_assistant.storage.glob("flatpeak.*")
        if path.suffix != ".patience"
    ]
    return journal


async def settle(demo: Demo, journal: Path, start: datetime, end: datetime) -> None:
    """Let Flatpeak find new prices for what was imported and exported."""
    location_id = journal.name.removeprefix("flatpeak.")
    for direction, change in NEW_PRICES.items():
        await demo.simulator.settle(location_id, direction, start, end, **change)


def let_days_pass(journal: Path, today: date) -> None:
    """Let the last night's pass be two days old, so that the next cycle is another one."""
    content = json.loads(journal.read_text(encoding="utf-8"))
    content["data"]["repriced_on"] = (today - timedelta(days=2)).isoformat()
    journal.write_text(json.dumps(content), encoding="utf-8")


def require_new_totals(before: Look, after: Look) -> Finding:
    """Check that every total of the grid is another one than before."""
    finding = Finding(
        title="The dashboard's totals are new ones", compared="costs", unit=CURRENCY
    )
    for source, cost in before.totals.items():
        finding.count += 1
        change = abs(after.totals[source] - cost)
        finding.worst = max(finding.worst, change)
        if change < HALF_A_CENT:
            finding.complaints.append(f"{source}: {cost} as before")
    return finding


def compare_hours(before: Look, after: Look, start: datetime, end: datetime) -> Finding:
    """Check that hours have a new cost where the price is new, and none before that."""
    finding = Finding(
        title="Hours have a new cost since the settlement", compared="hours"
    )
    for meter, costs in before.costs.items():
        changed = [
            hour
            for hour, cost in costs.items()
            if hour < end and is_new(after.costs[meter].get(hour, inf), cost)
        ]
        finding.count += len(changed)
        finding.complaints += [
            f"{meter.name} {hour:%Y-%m-%d %H:%M}: not settled, but changed"
            for hour in changed
            if hour < start
        ]
        if meter.tariff_direction in NEW_PRICES and not changed:
            finding.complaints.append(f"{meter.name}: no hour has changed")
    return finding


def is_new(cost: float, old_cost: float) -> bool:
    """Return whether a cost is another one than it was."""
    return not isclose(cost, old_cost, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
