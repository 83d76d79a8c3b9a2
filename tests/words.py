"""The words of the integration, as its translation file has them."""

from collections.abc import Iterator
import json
from pathlib import Path
from string import Formatter
from typing import Any, Final

PACKAGE: Final = Path(__file__).parents[1] / "custom_components" / "flatpeak"

LANGUAGES: Final = {path.stem for path in (PACKAGE / "translations").glob("*.json")}


def read_json(name: str) -> dict[str, Any]:
    """Return a file of the integration."""
    content: dict[str, Any] = json.loads((PACKAGE / name).read_text(encoding="utf-8"))
    return content


def read_words(language: str = "en") -> dict[str, Any]:
    """Return the words in a language."""
    return read_json(f"translations/{language}.json")


def texts(words: dict[str, Any], *path: str) -> Iterator[tuple[str, str]]:
    """Yield every text, with the keys that lead to it joined by dots."""
    for key, value in words.items():
        if isinstance(value, dict):
            yield from texts(value, *path, key)
        else:
            yield ".".join((*path, key)), value


def placeholders(text: str) -> set[str]:
    """Return the names that a text leaves to be filled in."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
