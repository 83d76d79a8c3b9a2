"""Render the icon and the logo from their drawing, for light and dark backgrounds."""

import asyncio
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, async_playwright

from .browser import FLAGS, chromium_path

ROOT: Final = Path(__file__).parents[2]
DRAWING: Final = ROOT / "docs" / "brand" / "flatpeak.svg"
BRAND: Final = ROOT / "custom_components" / "flatpeak" / "brand"

# In the units of the drawing; the icon is what is left in it.
HEIGHT: Final = 256
WIDTHS: Final = {"icon": 256, "logo": 1058}
# What Home Assistant asks for: the icon at 256 pixels, the logo at 128, and both twice as large.
PIXELS: Final = {"icon": 256, "logo": 128}
THEMES: Final = {"": "", "dark_": "dark"}
SCALES: Final = {"": 1, "@2x": 2}


async def render() -> None:
    """Render all images."""
    async with (
        async_playwright() as playwright,
        await playwright.chromium.launch(
            executable_path=chromium_path(), args=FLAGS
        ) as browser,
    ):
        for image in WIDTHS:
            for prefix, theme in THEMES.items():
                for suffix, scale in SCALES.items():
                    path = BRAND / f"{prefix}{image}{suffix}.png"
                    await render_image(browser, path, image, theme, scale)
                    print(path.relative_to(ROOT))


async def render_image(
    browser: Browser, path: Path, image: str, theme: str, scale: int
) -> None:
    """Render one image with a transparent background."""
    height = PIXELS[image]
    width = WIDTHS[image] * height // HEIGHT
    page = await browser.new_page(
        viewport={"width": width, "height": height}, device_scale_factor=scale
    )
    drawing = DRAWING.read_text(encoding="utf-8")
    await page.set_content(
        f'<body class="{theme}" style="margin: 0">{drawing}'
        f"<style>svg {{ height: {height}px; display: block }}</style>"
    )
    await page.screenshot(path=path, omit_background=True)
    await page.close()


if __name__ == "__main__":
    asyncio.run(render())
