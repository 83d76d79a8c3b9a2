"""Take out of the service's words what belongs to the home alone."""

from collections.abc import Iterable
import re
from typing import Final

MASK: Final = "***"
MAX_LENGTH: Final = 300

_ID = re.compile(
    r"(?<![A-Za-z0-9])(acc|bat|cot|cse|cus|dev|ecs|evt|loc|mre|mrs|pk|prs|prv|sae|sk|spl|std|trf)_[\w-]+",
    re.ASCII | re.IGNORECASE,
)
# Tokens, keys and references of any make: long words with a digit in them. The possessive quantifier keeps it linear.
_LONG_WORD = re.compile(r"[\w.+/=-]{20,}+", re.ASCII)


def mask(text: str, private: Iterable[str] = ()) -> str:
    """Return one line of the text, without ids, tokens and the given private words."""
    for word in sorted(filter(None, private), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", MASK, text, flags=re.IGNORECASE)
    text = _ID.sub(MASK, text)
    text = _LONG_WORD.sub(_mask_if_random, text)
    return " ".join(text.split())[:MAX_LENGTH]


def _mask_if_random(word: re.Match[str]) -> str:
    """Mask a long word unless it is made of letters alone, like a code or a field name."""
    return MASK if any(letter.isdigit() for letter in word[0]) else word[0]
