"""The words of the integration, as its translation file has them."""

import json
from pathlib import Path
from string import Formatter
from typing import Any, Final

PACKAGE: Final = Path(__file__).parents[1] / "custom_components" / "flatpeak"


def read_json(name: str) -> dict[str, Any]:
    """Return a file of the integration."""
    content: dict[str, Any] = json.loads((PACKAGE / name).read_text(encoding="utf-8"))
    return content


def read_words() -> dict[str, Any]:
    """Return the English words."""
    return read_json("translations/en.json")


def placeholders(text: str) -> set[str]:
    """Return the names that a text leaves to be filled in."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
