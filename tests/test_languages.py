"""The words in other languages: whole, and true to the English ones, key by key."""

from collections.abc import Iterable, Iterator
import re
from typing import Any, Final

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.helpers.translation import async_get_translations

from .words import LANGUAGES, placeholders, read_words, texts

ENGLISH: Final = dict(texts(read_words()))

# Shorter texts may be the same word in both languages.
MAX_SAME_WORDS: Final = 2

# As Home Assistant's string_with_no_html.
HTML: Final = re.compile(r"<[a-z].*?>", re.IGNORECASE)

ENDINGS: Final = tuple(".:?…")

# What the frontend's messages read as the beginning of a quotation.
APOSTROPHE_BEFORE_PLACEHOLDER: Final = "'{"


def _wrong(pairs: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Yield what is wrong with texts, given with their keys and the English ones."""
    for key, text, english in pairs:
        for is_wrong, what in (
            (placeholders(text) != placeholders(english), "placeholders"),
            (text != text.strip() or "  " in text, "blanks"),
            (HTML.search(text), "HTML"),
            (APOSTROPHE_BEFORE_PLACEHOLDER in text, "quoted placeholder"),
            (_ending(text) != _ending(english), "ending"),
            (_lines(text) != _lines(english), "lines"),
            (text.count("**") != english.count("**"), "emphasis"),
            (_digits(text) != _digits(english), "figures"),
            (_is_left_english(text, english), "English"),
        ):
            if is_wrong:
                yield f"{key}: {what}: {text}"


def _ending(text: str) -> str:
    """Return how a text ends, if it is a sentence."""
    return text[-1] if text.endswith(ENDINGS) else ""


def _lines(text: str) -> list[str]:
    """Return how the lines of a text begin: as items of a list, or not."""
    return [line[:2] if line.startswith("- ") else "" for line in text.split("\n")]


def _digits(text: str) -> list[str]:
    """Return the digits of a text, in any order and grouped in any way."""
    return sorted(re.findall(r"\d", text))


def _is_left_english(text: str, english: str) -> bool:
    """Return whether nobody has translated a text."""
    return text == english and len(english.split()) > MAX_SAME_WORDS


def test_languages() -> None:
    """The integration speaks nine languages."""
    assert {"da", "de", "en", "es", "fr", "it", "nl", "pl", "sv"} == LANGUAGES


@pytest.mark.parametrize("language", sorted(LANGUAGES - {"en"}))
def test_words(language: str) -> None:
    """A language has each text, in the order of the English ones, and no other."""
    words = dict(texts(read_words(language)))

    assert list(words) == list(ENGLISH)
    wrong = _wrong((key, text, ENGLISH[key]) for key, text in words.items())
    assert list(wrong) == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("Nog {days} dagen.", "placeholders"),
        ("Noch '{count} Tage.", "quoted placeholder"),
        ("Noch {count}  Tage.", "blanks"),
        ("Noch <b>{count}</b> Tage.", "HTML"),
        ("Noch {count} Tage", "ending"),
        ("Noch\n- {count} Tage.", "lines"),
        ("Noch **{count}** Tage.", "emphasis"),
        ("Noch {count} 2 Tage.", "figures"),
        ("Another {count} days.", "English"),
    ],
)
def test_what_is_wrong_is_found(text: str, what: str) -> None:
    """Each mistake is told."""
    assert list(_wrong([("key", text, "Another {count} days.")])) == [
        f"key: {what}: {text}"
    ]


@pytest.mark.parametrize("language", sorted(LANGUAGES - {"en"}))
@pytest.mark.parametrize("category", ["config", "issues", "exceptions", "services"])
async def test_home_assistant_reads_them(
    hass: HomeAssistant,
    enable_custom_integrations: None,
    caplog: pytest.LogCaptureFixture,
    language: str,
    category: str,
) -> None:
    """Home Assistant takes the texts, and has nothing to say about them."""
    words: dict[str, Any] = read_words(language)[category]

    found = await async_get_translations(hass, language, category, ["flatpeak"])

    prefix = f"component.flatpeak.{category}."
    assert found == {
        f"{prefix}{key.removeprefix(f'{category}.')}": text
        for key, text in texts({category: words})
    }
    assert not [each for each in caplog.records if each.levelname == "ERROR"]
