"""The pictures of the documentation: some of the screenshots, made small."""

from pathlib import Path
from typing import Final

from PIL import Image

from .browser import SCHEMES, in_scheme
from .process import ROOT

DIRECTORY: Final = ROOT / "docs" / "pictures"

PICTURES: Final = (
    "device-costs",
    "energy-dashboard",
    "flow-add-a-meter",
    "flow-change-this-home",
    "flow-choose-a-tariff",
    "flow-connect-to-flatpeak",
    "flow-options-of-the-home",
    "flow-what-should-be-priced",
    "flow-where-do-the-prices-come-from",
    "history",
    "home",
    "integration",
    "meter",
    "repairs",
    "settle-after",
    "settle-before",
)

# Enough for a page of Home Assistant, and a third of the bytes.
COLORS: Final = 128


def publish(screenshots: Path) -> None:
    """Bring the pictures of the documentation up to date."""
    for name in PICTURES:
        for scheme in SCHEMES:
            path = in_scheme(screenshots / f"{name}.png", scheme)
            with Image.open(path) as picture:
                picture.convert("RGB").quantize(COLORS).save(
                    DIRECTORY / path.name, optimize=True
                )
