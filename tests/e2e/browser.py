"""What a person sees: the frontend of Home Assistant in headless Chromium."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
import json
from pathlib import Path
import re
import shutil
from time import time
from typing import Any, Final, Literal

from playwright.async_api import BrowserContext, Locator, Page, async_playwright, expect

from ..words import read_words
from .configuration import TIME_ZONE
from .home_assistant import HomeAssistant
from .process import DemoError

FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# The last 30 days and today.
PERIOD: Final = "now-30d"
PERIOD_DAYS: Final = 30

TABLE: Final = "hui-energy-sources-table-card"
LAST_ROW: Final = "Grid total"
NOT_MONEY: Final = re.compile(r"[^\d.-]")

LOAD_MILLISECONDS: Final = 60_000
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
WIDTH: Final = 1280
DRAW_MILLISECONDS: Final = 1_500


def _keys(words: dict[str, Any]) -> Iterator[str]:
    """Yield the keys of texts that nobody takes for words."""
    for key, value in words.items():
        if "_" in key:
            yield key
        if isinstance(value, dict):
            yield from _keys(value)


# What a person must not see; ids and addresses may hold the same.
UNTRANSLATED: Final = re.compile(
    rf"(?<![\w.:/-])(?:{'|'.join(sorted(set(_keys(read_words()))))})(?![\w.:/-])"
)


def chromium_path() -> str:
    """Return where Chromium is."""
    if (path := shutil.which("chromium")) is None:
        raise DemoError(
            "There is no chromium on the path; scripts/setup e2e brings it."
        )
    return path


@asynccontextmanager
async def running_browser(
    home_assistant: HomeAssistant,
) -> AsyncIterator[BrowserContext]:
    """Run Chromium in which the demo's user is logged in."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=chromium_path(), args=FLAGS
        ) as browser,
        await browser.new_context(
            locale="en-GB",
            timezone_id=TIME_ZONE,
            reduced_motion="reduce",
        ) as context,
    ):
        context.set_default_timeout(LOAD_MILLISECONDS)
        expect.set_options(timeout=LOAD_MILLISECONDS)
        await context.add_init_script(_storage(home_assistant))
        yield context


def _storage(home_assistant: HomeAssistant) -> str:
    """Return a script that leaves behind what the frontend finds after a login."""
    expires_in = home_assistant.token["expires_in"]
    tokens = home_assistant.token | {
        "hassUrl": home_assistant.url,
        "clientId": home_assistant.client_id,
        "expires": int((time() + expires_in) * 1000),
    }
    items = {
        "hassTokens": json.dumps(tokens),
        "energy-default-period-_energy_dashboard": PERIOD,
    }
    return f"Object.assign(localStorage, {json.dumps(items)});"


async def open_energy_dashboard(page: Page, url: str) -> dict[str, float]:
    """Open the energy dashboard, return the costs in its table of totals by source."""
    await page.goto(f"{url}/energy")
    rows = page.locator(f"{TABLE} tbody tr")
    await expect(rows.filter(has_text=LAST_ROW)).to_be_visible()
    costs = {}
    for row in await rows.all():
        # A bullet, the source, its energy and, if any, its cost.
        _, source, _, cost = await row.locator("th, td").all_inner_texts()
        if money := NOT_MONEY.sub("", cost):
            costs[source.strip()] = float(money)
    return costs


async def take_screenshot(
    page: Page, path: Path, *, height: int, of: Locator | None = None
) -> None:
    """Save what a page, or a part of it, shows once it has drawn itself: light and dark.

    Raise DemoError where it shows a key in place of a text.
    """
    await page.set_viewport_size({"width": WIDTH, "height": height})
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        # Charts come a moment after their data, and nothing in the page says when they are there.
        await page.wait_for_timeout(DRAW_MILLISECONDS)
        await (of or page).screenshot(path=in_scheme(path, scheme))
    if keys := await page.get_by_text(UNTRANSLATED).all_inner_texts():
        raise DemoError(f"{path.stem} shows what is not translated: {keys}")


def in_scheme(path: Path, scheme: str) -> Path:
    """Return where the picture of a path in a colour scheme is."""
    return path.with_stem(f"{path.stem}-{scheme}")


async def open_page(page: Page, url: str, text: str) -> None:
    """Open a page, and wait for a text in it."""
    await page.goto(url)
    await expect(page.get_by_text(text, exact=True).first).to_be_visible()
