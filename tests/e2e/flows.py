"""Every flow, as a person walks through it in the browser."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Error, Locator, Page, expect

from .browser import open_page, running_browser, take_screenshot
from .check import check_log, find_location, is_all_well
from .demo import EV_CHARGER, GRID_IMPORT, HEAT_PUMP, Demo, Progress
from .finding import Finding
from .process import DemoError
from .simulator import ACCOUNT_ID, API_KEY

NEW_KEY: Final = "sk_test_another"
# What Home Assistant logs then, to which the user is asked for another one.
REFUSED_KEY: Final = "integration could not authenticate"
CHANGED: Final = "Reconfiguration was successful"
HEIGHT: Final = 1600


@dataclass(frozen=True, kw_only=True)
class Walk:
    """A person before the page of the integration."""

    demo: Demo
    page: Page
    screenshots: Path

    @property
    def dialog(self) -> Locator:
        """Return the dialog of a flow."""
        return self.page.locator("dialog-data-entry-flow")

    @property
    def home(self) -> Locator:
        """Return the part of the page that is about the home."""
        return self.page.locator("ha-config-entry-row")

    async def begin(self) -> None:
        """Open the page of the integration."""
        config = f"{self.demo.home_assistant.url}/config"
        await open_page(
            self.page, f"{config}/integrations/integration/flatpeak", GRID_IMPORT.name
        )

    async def reconfigure(self, what: str) -> None:
        """Begin to change the home."""
        await self.home.get_by_role("button", name="Menu").first.click()
        await self.page.get_by_role("menuitem", name="Reconfigure").click()
        await self.see("Change this home")
        await self.dialog.get_by_text(what, exact=True).click()

    async def see(self, title: str) -> None:
        """Wait for a step, and take a screenshot of it."""
        await expect(self.dialog.get_by_text(title).first).to_be_visible()
        name = title.lower().strip("?!.").replace(" ", "-")
        path = self.screenshots / f"flow-{name}.png"
        surface = self.dialog.locator("dialog").first
        await take_screenshot(self.page, path, height=HEIGHT, of=surface)

    async def fill(self, name: str, text: str) -> None:
        """Fill in a field of a step."""
        await self.dialog.locator(f'input[name="{name}"]').fill(text)

    async def submit(self, then: str) -> None:
        """Submit a step, and see what comes then."""
        await self.dialog.get_by_role("button", name="Submit").click()
        await self.see(then)


async def change_key(walk: Walk) -> None:
    """Give the home another key."""
    await walk.demo.simulator.take_keys(API_KEY, NEW_KEY)
    await walk.reconfigure("API key and servers")
    await walk.see("API key and servers")
    await walk.fill("api_key", "sk_test_wrong")
    await walk.submit("Flatpeak refused this account ID and API key")
    await walk.fill("api_key", NEW_KEY)
    await walk.submit(CHANGED)


async def change_address(walk: Walk) -> None:
    """Give the home another address."""
    await walk.reconfigure("Address")
    await walk.see("Where is this home now?")
    await walk.fill("address_line1", "Münsterplatz 1")
    await walk.submit(CHANGED)


async def change_tariff(walk: Walk) -> None:
    """Give the home market prices, which it has already."""
    await walk.reconfigure("Tariff")
    await walk.see("Where are the prices to come from?")
    await walk.submit(CHANGED)


async def connect_supplier(walk: Walk) -> None:
    """Connect a supplier in place of the market, through Connect in a window of its own."""
    await walk.reconfigure("Tariff")
    await walk.see("Where are the prices to come from?")
    await go_through_connect(walk)


async def go_through_connect(walk: Walk, then: str = CHANGED) -> None:
    """Choose Connect, connect a supplier there, and see what comes then."""
    await walk.dialog.get_by_text("through Flatpeak Connect").first.click()
    async with walk.page.expect_popup() as popup:
        await walk.dialog.get_by_role("button", name="Submit").click()
    window = await popup.value
    await expect(window.get_by_role("button", name="Connect")).to_be_visible()
    await window.screenshot(path=walk.screenshots / "flow-connect-window.png")
    await walk.see("Flatpeak Connect opens in a new window")
    await window.get_by_role("button", name="Connect").click()
    await walk.see(then)


async def repair_tariff(walk: Walk) -> None:
    """Let the tariff be lost, and connect it again from the repair."""
    [entry] = await walk.demo.home_assistant.entries("flatpeak")
    location_id = await find_location(walk.demo)
    devices = await walk.demo.home_assistant.entity_ids("flatpeak")
    await walk.demo.simulator.disconnect(location_id, "IMPORT")
    await press_sync(walk, devices)
    await walk.page.goto(f"{walk.demo.home_assistant.url}/config/repairs")
    repair = walk.page.get_by_text(f"{entry['title']} has no tariff for").first
    await expect(repair).to_be_visible()
    await take_screenshot(walk.page, walk.screenshots / "repairs.png", height=400)
    await repair.click()
    await walk.see("Choose a tariff?")
    await walk.dialog.get_by_role("button", name="Submit").click()
    await go_through_connect(walk)
    provider = devices[f"{location_id}_provider"]
    await walk.demo.home_assistant.until_state(provider, "Example Energy")


async def press_sync(walk: Walk, devices: Mapping[str, str]) -> None:
    """Let the home see at once what has changed."""
    sync = devices[f"{await find_location(walk.demo)}_sync"]
    await walk.demo.home_assistant.post(
        "/api/services/button/press", {"entity_id": sync}
    )


async def change_options(walk: Walk) -> None:
    """Look at the options, and leave them as they are."""
    await walk.home.get_by_role("button", name="Configure").first.click()
    await walk.see("Options of the home")
    await walk.submit("Options successfully saved.")


async def add_meter(walk: Walk) -> None:
    """Add a meter again that was removed."""
    [subentry_id] = [
        each["subentry_id"]
        for each in await subentries(walk)
        if each["title"] == HEAT_PUMP.name
    ]
    await walk.demo.home_assistant.call(
        "config_entries/subentries/delete",
        entry_id=walk.demo.entry_id,
        subentry_id=subentry_id,
    )
    await expect(walk.home.get_by_text(HEAT_PUMP.name)).to_have_count(0)
    await walk.page.get_by_role("button", name="Add meter").click()
    await walk.see("Add a meter")
    await walk.dialog.locator("ha-statistic-picker").click()
    await walk.page.get_by_role("option", name=HEAT_PUMP.name).click()
    await walk.submit("Success")
    await require_title(walk, HEAT_PUMP.name)


async def change_meter(walk: Walk) -> None:
    """Give a meter another name and its own again, and see what another flow would mean."""
    await begin_to_change(walk, EV_CHARGER.name)
    await walk.see("Change the meter")
    await walk.dialog.get_by_text("Grid import", exact=True).click()
    await walk.submit("Begin anew with another kind of energy?")
    for before, after in ((EV_CHARGER.name, "My car"), ("My car", EV_CHARGER.name)):
        await walk.begin()
        await begin_to_change(walk, before)
        await walk.fill("name", after)
        await walk.submit(CHANGED)
        await require_title(walk, after)


async def begin_to_change(walk: Walk, name: str) -> None:
    """Begin to change a meter."""
    meter = walk.home.locator("ha-config-sub-entry-row").filter(has_text=name)
    await meter.get_by_role("button", name="Change meter").click()


async def renew_key(walk: Walk) -> None:
    """Give the home a new key after Flatpeak has refused the one it had."""
    await walk.demo.simulator.take_keys(API_KEY)
    await walk.demo.home_assistant.post(
        f"/api/config/config_entries/entry/{walk.demo.entry_id}/reload", {}
    )
    await walk.page.reload()
    await walk.page.get_by_role("button", name="Reconfigure").click()
    await walk.see("Flatpeak refused the API key")
    await walk.fill("api_key", API_KEY)
    await walk.submit("Re-authentication was successful")


async def repair_source(walk: Walk) -> None:
    """Disable a sensor, see the ways out for its meter, and stop the meter."""
    devices = await walk.demo.home_assistant.entity_ids("flatpeak")
    await walk.demo.home_assistant.call(
        "config/entity_registry/update",
        entity_id=EV_CHARGER.statistic_id,
        disabled_by="user",
    )
    await press_sync(walk, devices)
    title = f"The sensor of {EV_CHARGER.name} is not recorded"
    await open_repair(walk, title)
    await walk.see(title)
    await walk.dialog.get_by_text("Choose another statistic", exact=True).click()
    await walk.see("goes on with the statistic that you choose")
    await open_repair(walk, title)
    await walk.dialog.get_by_text("Stop this meter").click()
    await walk.see("Stop this meter?")
    await walk.submit("The issue is repaired!")
    await clear_costs(walk, EV_CHARGER.name)


async def clear_costs(walk: Walk, name: str) -> None:
    """Delete the costs of what was removed."""
    await open_repair(walk, f"The costs of {name} are still in Home Assistant")
    await walk.see(f"Delete the costs of {name}?")
    await walk.submit("The issue is repaired!")


async def open_repair(walk: Walk, title: str) -> None:
    """Open a repair."""
    await walk.page.goto(f"{walk.demo.home_assistant.url}/config/repairs")
    await walk.page.get_by_text(title).first.click()


async def begin_anew(walk: Walk) -> None:
    """Remove the home, and set it up again: with an address, a supplier and its meters."""
    [entry] = await walk.demo.home_assistant.entries("flatpeak")
    location_id = await find_location(walk.demo)
    await walk.home.get_by_role("button", name="Menu").first.click()
    await walk.page.get_by_role("menuitem", name="Delete").click()
    await walk.page.get_by_role("button", name="Delete").click()
    await expect(walk.page.get_by_text("No entries")).to_be_visible()
    await clear_costs(walk, entry["title"])
    await walk.demo.simulator.disconnect(location_id, "IMPORT")
    await walk.page.goto(
        f"{walk.demo.home_assistant.url}/config/integrations/dashboard/add?domain=flatpeak"
    )
    await walk.page.get_by_role("button", name="OK").click()
    await enter_account(walk)
    await walk.dialog.get_by_text("Register this home").click()
    await walk.submit("Where is this home?")
    await walk.submit("Where do the prices come from?")
    await go_through_connect(walk, "What should be priced?")
    await walk.submit("Name and assign")
    await walk.dialog.get_by_role("button", name="Skip and finish").click()


async def enter_account(walk: Walk) -> None:
    """Enter the account, at the simulated Flatpeak."""
    await walk.see("Connect to Flatpeak")
    await walk.fill("account_id", ACCOUNT_ID)
    await walk.fill("api_key", API_KEY)
    await walk.dialog.get_by_text("Servers", exact=True).click()
    await walk.fill("api_url", walk.demo.simulator.url)
    await walk.fill("connect_url", walk.demo.simulator.connect_url)
    await walk.submit("Which home is this?")


type Flow = Callable[[Walk], Awaitable[None]]

FLOWS: Final[tuple[Flow, ...]] = (
    change_key,
    change_address,
    change_tariff,
    connect_supplier,
    repair_tariff,
    change_options,
    add_meter,
    change_meter,
    renew_key,
    repair_source,
    begin_anew,
)


async def subentries(walk: Walk) -> list[dict[str, Any]]:
    """Return the meters of the home."""
    found: list[dict[str, Any]] = await walk.demo.home_assistant.call(
        "config_entries/subentries/list", entry_id=walk.demo.entry_id
    )
    return found


async def require_title(walk: Walk, title: str) -> None:
    """Make sure that the home has a meter of a name."""
    assert title in [each["title"] for each in await subentries(walk)]


async def check_flows(
    demo: Demo, flows: Sequence[Flow], screenshots: Path, say: Progress
) -> bool:
    """Check flows one after the other, return whether all of them end well."""
    say("A person goes through flows in the browser.")
    finding = await walk_through(demo, flows, screenshots)
    log = check_log(demo.home_assistant.log, expected=REFUSED_KEY)
    return is_all_well([finding, log])


async def walk_through(demo: Demo, flows: Sequence[Flow], screenshots: Path) -> Finding:
    """Walk through flows, and see that the home is set up after each."""
    finding = Finding(title="Flows end well in the browser", compared="flows")
    async with running_browser(demo.home_assistant) as context:
        walk = Walk(demo=demo, page=await context.new_page(), screenshots=screenshots)
        for flow in flows:
            finding.count += 1
            try:
                await walk.begin()
                await flow(walk)
                await demo.home_assistant.until_loaded("flatpeak")
            except (AssertionError, DemoError, Error, TimeoutError) as error:
                what = str(error).partition("\n\n")[0]
                finding.complaints.append(f"{flow.__name__}: {what}")
    return finding
