"""The end-to-end test: what Home Assistant shows against what Flatpeak knows."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import fsum
from pathlib import Path
import re
from time import monotonic
from typing import Final
from zoneinfo import ZoneInfo

from playwright.async_api import Page

from .actions import check_actions
from .browser import (
    PERIOD_DAYS,
    open_energy_dashboard,
    open_page,
    running_browser,
    take_screenshot,
)
from .configuration import CURRENCY, TIME_ZONE
from .demo import GRID_EXPORT, GRID_IMPORT, METERS, YEAR, Demo, Meter, Progress
from .finding import Finding
from .session import begin_session, check_session
from .simulator import Record

ZONE: Final = ZoneInfo(TIME_ZONE)
HISTORY_SECONDS: Final = 300
# A new hour may come in between; it is uploaded and priced two minutes later.
SETTLE_SECONDS: Final = 150
PAUSE_SECONDS: Final = 2
STEP_PERCENT: Final = 20
HOME_HEIGHT: Final = 1180

# The recorder's sums are thousands of kWh: their differences are certain to so many Wh.
CERTAIN_WH: Final = 1e-6
HALF_A_CENT: Final = 0.005

# A line of the log that is a warning or worse, and who wrote it.
LOG_LINE: Final = re.compile(
    r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL|FATAL) \(.*?\) \[(?P<logger>.*?)\] "
)
# Warns of every custom integration.
LOADER: Final = "homeassistant.loader"
TRACEBACK: Final = "Traceback (most recent call last)"


@dataclass(frozen=True, kw_only=True)
class Priced:
    """A meter as Flatpeak knows it, and what Flatpeak has of it."""

    meter: Meter
    device_id: str
    records: list[Record]
    days: list[Record]

    @property
    def hours_wh(self) -> dict[datetime, float]:
        """Return the energy by hour; that of a record which spans hours is missed in the later ones."""
        hours: dict[datetime, list[float]] = {}
        for record in self.records:
            hour = record.start.replace(minute=0)
            hours.setdefault(hour, []).append(record.energy_wh)
        return {hour: fsum(energies) for hour, energies in hours.items()}

    @property
    def days_cost(self) -> dict[datetime, float | None]:
        """Return the cost by the beginning of its local day."""
        return {day.start: day.cost for day in self.days}

    @property
    def cost_statistic_id(self) -> str:
        """Return the statistic that holds the hourly costs."""
        return f"flatpeak:{self.device_id}_{self.meter.money}"


async def check(demo: Demo, screenshots: Path, say: Progress) -> bool:
    """Check everything, return whether all of it is right."""
    screenshots.mkdir(parents=True, exist_ok=True)
    devices = await find_devices(demo)
    await show_progress(demo, screenshots)
    await follow_history(demo, say)
    await begin_session(demo)
    findings = await until_right(lambda: check_year(demo, devices, say))
    findings += [
        *await until_right(lambda: check_sensors(demo, devices)),
        await check_actions(demo, await find_location(demo), devices),
        await check_dashboard(demo),
        await check_totals(demo, devices, screenshots),
        await check_session(demo, devices, say),
        await check_manners(demo),
        check_log(demo.home_assistant.log),
    ]
    return is_all_well(findings)


def is_all_well(findings: Sequence[Finding]) -> bool:
    """Print what was found, return whether all of it is right."""
    print("", *findings, "", sep="\n", flush=True)
    return not any(finding.complaints for finding in findings)


async def find_devices(demo: Demo) -> dict[Meter, str]:
    """Return the meters' ids at Flatpeak."""
    subentries = await demo.home_assistant.call(
        "config_entries/subentries/list", entry_id=demo.entry_id
    )
    device_ids = {each["title"]: each["unique_id"] for each in subentries}
    return {meter: device_ids[meter.name] for meter in METERS}


async def show_progress(demo: Demo, screenshots: Path) -> None:
    """Take a screenshot of what the home's page tells while its history is uploaded."""
    async with running_browser(demo.home_assistant) as context:
        page = await context.new_page()
        await open_device(demo, page, await find_location(demo), "History uploaded")
        card = page.locator("ha-device-entities-card").filter(has_text="Diagnostic")
        path = screenshots / "history.png"
        await take_screenshot(page, path, height=HOME_HEIGHT, of=card)


async def find_location(demo: Demo) -> str:
    """Return the id of the home at Flatpeak."""
    button = next(
        unique_id
        for unique_id in await demo.home_assistant.entity_ids("flatpeak")
        if unique_id.endswith("_sync")
    )
    return button.removesuffix("_sync")


async def follow_history(demo: Demo, say: Progress) -> None:
    """Follow the sensor that tells how much of the history is submitted, until it tells of all."""
    entity_ids = await demo.home_assistant.entity_ids("flatpeak")
    entity_id = entity_ids[f"{await find_location(demo)}_history_progress"]
    end = monotonic() + HISTORY_SECONDS
    said = 0.0
    while said < 100 and monotonic() < end:
        progress = float(await demo.home_assistant.state(entity_id))
        if progress >= min(said + STEP_PERCENT, 100):
            said = progress
            say(f"{progress:.0f} % of the history is submitted.")
        await asyncio.sleep(PAUSE_SECONDS)


async def until_right(
    look: Callable[[], Awaitable[list[Finding]]],
) -> list[Finding]:
    """Look again until nothing is wrong or the time is over."""
    end = monotonic() + SETTLE_SECONDS
    while True:
        findings = await look()
        if monotonic() > end or not any(each.complaints for each in findings):
            return findings
        await asyncio.sleep(PAUSE_SECONDS)


async def check_year(
    demo: Demo, devices: Mapping[Meter, str], say: Progress
) -> list[Finding]:
    """Check the energy and the costs of the whole year."""
    meters = await ask_flatpeak(demo, devices)
    findings = [await check_energy(demo, meters), await check_costs(demo, meters)]
    energy, costs = (len(finding.complaints) for finding in findings)
    say(f"Still to come: the energy of {energy:,} hours, the cost of {costs:,} days.")
    return findings


async def ask_flatpeak(demo: Demo, devices: Mapping[Meter, str]) -> list[Priced]:
    """Return what Flatpeak has of each meter."""
    return [
        Priced(
            meter=meter,
            device_id=device_id,
            records=await demo.simulator.records(device_id, meter.tariff_direction),
            days=await demo.simulator.days(device_id, meter.tariff_direction),
        )
        for meter, device_id in devices.items()
    ]


async def check_energy(demo: Demo, meters: Sequence[Priced]) -> Finding:
    """Check that Flatpeak has the energy of every hour of a year, and no other."""
    finding = Finding(
        title="Energy at Flatpeak is the recorder's change",
        compared=f"hours of {len(meters)} meters",
        unit="Wh",
    )
    starts = [record.start for each in meters for record in each.records]
    changes = await demo.home_assistant.hourly_change(
        [each.meter.statistic_id for each in meters],
        min(demo.set_up_at - YEAR, *starts),
        {"energy": "Wh"},
    )
    for each in meters:
        recorded = changes.get(each.meter.statistic_id, {})
        finding.compare_all(
            each.meter.name,
            recorded,
            each.hours_wh,
            abs_tol=CERTAIN_WH,
        )
    return finding


async def check_costs(demo: Demo, meters: Sequence[Priced]) -> Finding:
    """Check that the hourly costs of every local day add up to what Flatpeak reports for it."""
    finding = Finding(
        title="Hourly costs add up to the reported days",
        compared=f"days of {len(meters)} meters",
        unit=CURRENCY,
    )
    changes = await hourly_costs(demo, meters)
    for each in meters:
        hours = changes.get(each.cost_statistic_id, {})
        finding.compare_all(each.meter.name, by_day(hours), each.days_cost)
    return finding


async def hourly_costs(
    demo: Demo, meters: Sequence[Priced]
) -> dict[str, dict[datetime, float]]:
    """Return the cost of every hour that has one, by statistic id."""
    return await demo.home_assistant.hourly_change(
        [each.cost_statistic_id for each in meters], demo.set_up_at - 2 * YEAR, {}
    )


def by_day(hours: Mapping[datetime, float]) -> dict[datetime, float]:
    """Return the sums of local days, by their beginning."""
    days: dict[datetime, list[float]] = {}
    for hour, value in hours.items():
        midnight = hour.astimezone(ZONE).replace(hour=0)
        days.setdefault(midnight.astimezone(UTC), []).append(value)
    return {day: fsum(values) for day, values in days.items()}


async def check_sensors(demo: Demo, devices: Mapping[Meter, str]) -> list[Finding]:
    """Check that the meters' sensors tell what today and this month cost."""
    finding = Finding(title="The sensors are right", compared="costs", unit=CURRENCY)
    entity_ids = await demo.home_assistant.entity_ids("flatpeak")
    today = datetime.now(ZONE).date()
    for meter, device_id in devices.items():
        for key, first in (
            ("cost_today", today),
            ("cost_this_month", today.replace(day=1)),
        ):
            entity_id = entity_ids[f"{device_id}_{key}"]
            state = await demo.home_assistant.state(entity_id)
            finding.compare(
                f"{meter.name} {key}",
                as_number(state),
                await cost_since(demo, meter, device_id, first),
            )
    return [finding]


def as_number(state: str) -> float | None:
    """Return the number that a state is, None where it is none."""
    try:
        return float(state)
    except ValueError:
        return None


async def cost_since(
    demo: Demo, meter: Meter, device_id: str, first: date
) -> float | None:
    """Return what Flatpeak reports for the local days from one to today, None without any."""
    days = await demo.simulator.days(device_id, meter.tariff_direction)
    costs = [
        day.cost
        for day in days
        if day.cost is not None and day.start.astimezone(ZONE).date() >= first
    ]
    return fsum(costs) if costs else None


async def check_dashboard(demo: Demo) -> Finding:
    """Check that Home Assistant finds no fault with the energy dashboard."""
    finding = Finding(
        title="The energy dashboard is valid", compared="sources and devices"
    )
    answer = await demo.home_assistant.call("energy/validate")
    for kind, items in answer.items():
        for issues in items:
            finding.count += 1
            finding.complaints += [f"{kind}: {issue}" for issue in issues]
    return finding


async def check_totals(
    demo: Demo, devices: Mapping[Meter, str], screenshots: Path
) -> Finding:
    """Check the totals that a person sees on the energy dashboard, and take screenshots."""
    async with running_browser(demo.home_assistant) as context:
        page = await context.new_page()
        [finding] = await until_right(lambda: compare_totals(demo, devices, page))
        await take_screenshot(page, screenshots / "energy-dashboard.png", height=1200)
        await take_other_screenshots(demo, devices, page, screenshots)
    return finding


async def compare_totals(
    demo: Demo, devices: Mapping[Meter, str], page: Page
) -> list[Finding]:
    """Compare the dashboard's table with the days that it shows."""
    finding = Finding(
        title=f"The dashboard's totals of {PERIOD_DAYS} days and today are Flatpeak's",
        compared="costs",
        unit=CURRENCY,
    )
    shown = await open_energy_dashboard(page, demo.home_assistant.url)
    first = datetime.now(ZONE).date() - timedelta(days=PERIOD_DAYS)
    paid, earned = [
        await cost_since(demo, meter, devices[meter], first) or 0
        for meter in (GRID_IMPORT, GRID_EXPORT)
    ]
    expected = {
        GRID_IMPORT.name: paid,
        GRID_EXPORT.name: -earned,
        "Grid total": paid - earned,
    }
    for source, cost in expected.items():
        finding.compare(source, shown.get(source), cost, abs_tol=HALF_A_CENT)
    return [finding]


async def take_other_screenshots(
    demo: Demo, devices: Mapping[Meter, str], page: Page, screenshots: Path
) -> None:
    """Take screenshots of the integration's page, of the home's and of a meter's."""
    integration = f"{demo.home_assistant.url}/config/integrations/integration/flatpeak"
    await open_page(page, integration, GRID_IMPORT.name)
    await take_screenshot(page, screenshots / "integration.png", height=1150)
    await open_device(demo, page, await find_location(demo), "History uploaded")
    await take_screenshot(page, screenshots / "home.png", height=HOME_HEIGHT)
    await open_device(demo, page, devices[GRID_IMPORT], GRID_IMPORT.name)
    await take_screenshot(page, screenshots / "meter.png", height=500)


async def open_device(demo: Demo, page: Page, object_id: str, text: str) -> None:
    """Open the page of the home or of a meter, and wait for a text in it."""
    device_id = await demo.home_assistant.device_id(object_id)
    url = f"{demo.home_assistant.url}/config/devices/device/{device_id}"
    await open_page(page, url, text)


async def check_manners(demo: Demo, restarts: int = 0) -> Finding:
    """Check that Flatpeak was asked for nothing that a good client does not ask for."""
    counts = Counter(await demo.simulator.violations())
    # A token is kept in memory only: after a restart nothing but a login is left.
    counts["early_login"] -= restarts
    return Finding(
        title="Flatpeak was used politely",
        compared="requests",
        count=await demo.simulator.request_count(),
        complaints=[f"{name}: {count} times" for name, count in (+counts).items()],
    )


def check_log(*paths: Path, expected: str | None = None) -> Finding:
    """Check that logs have no warning or error of Flatpeak but an expected one, and no traceback of anybody."""
    finding = Finding(title="The log is quiet", compared="lines")
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            finding.count += 1
            match = LOG_LINE.match(line)
            is_ours = match and "flatpeak" in line and match["logger"] != LOADER
            is_expected = expected is not None and expected in line
            if (is_ours and not is_expected) or TRACEBACK in line:
                finding.complaints.append(line)
    return finding
