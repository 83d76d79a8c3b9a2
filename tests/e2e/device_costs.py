"""The ready dashboard of device costs, as a person sees it."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from playwright.async_api import Locator, Page, expect

from homeassistant.util.yaml import parse_yaml

from .browser import running_browser, take_screenshot
from .demo import EV_CHARGER, GRID_IMPORT, HEAT_PUMP, Demo, Meter
from .finding import Finding
from .home_assistant import HomeAssistant
from .process import ROOT

VIEW: Final = ROOT / "docs" / "device-costs.yaml"
DEVICES: Final = (GRID_IMPORT, EV_CHARGER, HEAT_PUMP)
URL_PATH: Final = "device-costs"

# What each kind of card has drawn once all is well with it.
DRAWN: Final = {
    "heading": "hui-heading-card",
    "history-graph": "hui-history-graph-card canvas",
    "markdown": "hui-markdown-card table",
    "statistics-graph": "hui-statistics-graph-card canvas",
    "tile": "hui-tile-card ha-state-icon",
}
# A graph of statistics leaves out what it has no data of.
LEGEND: Final = "hui-statistics-graph-card .chart-legend li"
ERRORS: Final = "hui-error-card, hui-warning, ha-alert"

DRAW_MILLISECONDS: Final = 20_000


async def check_device_costs(
    demo: Demo, devices: Mapping[Meter, str], screenshots: Path
) -> Finding:
    """Check that the dashboard shows every card, and take a screenshot."""
    view = await fill_in(demo.home_assistant, devices)
    await save_dashboard(demo.home_assistant, view)
    async with running_browser(demo.home_assistant) as context:
        page = await context.new_page()
        await page.goto(f"{demo.home_assistant.url}/{URL_PATH}")
        finding = await look_for_cards(page, view)
        await take_screenshot(page, screenshots / "device-costs.png", height=1210)
    return finding


async def fill_in(
    home_assistant: HomeAssistant, devices: Mapping[Meter, str]
) -> dict[str, Any]:
    """Return the view with the names of the demo's home and devices."""
    sensor = next(
        entity_id
        for unique_id, entity_id in (
            await home_assistant.entity_ids("flatpeak")
        ).items()
        if unique_id.endswith("_net_cost_today")
    )
    text = VIEW.read_text(encoding="utf-8")
    text = text.replace("sensor.HOME", sensor.removesuffix("_net_cost_today"))
    for number, meter in enumerate(DEVICES, start=1):
        text = text.replace(f"DEVICE_{number}", devices[meter])
    return cast(dict[str, Any], parse_yaml(text))


async def save_dashboard(home_assistant: HomeAssistant, view: dict[str, Any]) -> None:
    """Make a dashboard of one view, or the one that is there this view's."""
    dashboards = await home_assistant.call("lovelace/dashboards/list")
    if all(each["url_path"] != URL_PATH for each in dashboards):
        await home_assistant.call(
            "lovelace/dashboards/create",
            url_path=URL_PATH,
            title=view["title"],
            icon=view["icon"],
            mode="storage",
        )
    await home_assistant.call(
        "lovelace/config/save", url_path=URL_PATH, config={"views": [view]}
    )


async def look_for_cards(page: Page, view: dict[str, Any]) -> Finding:
    """Check that a page shows every card of a view and every device, and no error."""
    finding = Finding(
        title="The dashboard of device costs is drawn", compared="cards and devices"
    )
    kinds = Counter(card["type"] for each in view["sections"] for card in each["cards"])
    for kind, number in kinds.items():
        await require(finding, kind, page.locator(DRAWN[kind]), number)
    for meter in DEVICES:
        label = page.locator(LEGEND).filter(has_text=meter.name)
        await require(finding, meter.name, label, kinds["statistics-graph"])
    errors = await page.locator(ERRORS).all_inner_texts()
    finding.complaints += [f"error: {text}" for text in errors]
    return finding


async def require(finding: Finding, name: str, locator: Locator, number: int) -> None:
    """Wait until a page shows something so many times."""
    finding.count += number
    try:
        await expect(locator).to_have_count(number, timeout=DRAW_MILLISECONDS)
    except AssertionError:
        shown = await locator.count()
        finding.complaints.append(f"{name}: shown {shown} times, not {number}")
