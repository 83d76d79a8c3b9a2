"""Take out of the service's words what belongs to the home alone."""

from collections.abc import Iterable
import re
from typing import Final

MASK: Final = "***"
MAX_LENGTH: Final = 300

# A single letter or digit tells nothing, and to mask it would blot out the rest.
_WORD = re.compile(r"\w{2,}")
_ID = re.compile(
    r"(?<![A-Za-z0-9])"
    r"(acc|bat|cot|cse|cus|dev|ecs|evt|loc|mre|mrs|pk|prs|prv|sae|sk|spl|std|trf)"
    r"_[\w-]+",
    re.ASCII | re.IGNORECASE,
)
# Tokens, keys and references of any make; possessive, so that it stays linear.
_LONG_WORD = re.compile(r"[\w.+/=-]{20,}+", re.ASCII)


def mask(text: str, private: Iterable[str] = ()) -> str:
    """Return one line of the text, without ids, tokens and any private word."""
    if words := {word for line in private for word in _WORD.findall(line)}:
        pattern = rf"(?<!\w)(?:{'|'.join(words)})(?!\w)"
        text = re.sub(pattern, MASK, text, flags=re.IGNORECASE)
    text = _ID.sub(MASK, text)
    text = _LONG_WORD.sub(_mask_if_random, text)
    return " ".join(text.split())[:MAX_LENGTH]


def _mask_if_random(word: re.Match[str]) -> str:
    """Mask a long word that holds a digit; codes and field names hold none."""
    return MASK if any(letter.isdigit() for letter in word[0]) else word[0]
