"""What an impolite or careless client does: it is counted, not refused."""

from collections import Counter, deque
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

KEPT: Final = 1000


class Violation(StrEnum):
    """The kinds that are counted."""

    OVERLAP = "overlap"
    CHANGED_DUPLICATE = "changed_duplicate"
    OVER_LIMIT = "over_limit"
    DEAD_TOKEN = "dead_token"
    EARLY_LOGIN = "early_login"
    EARLY_REPEAT = "early_repeat"
    RETRY_AFTER_IGNORED = "retry_after_ignored"


class Incident(NamedTuple):
    """One violation: when and what."""

    time: datetime
    kind: Violation
    detail: str


class Violations:
    """All violations counted; the latest with their details."""

    def __init__(self) -> None:
        """Begin with none."""
        self.counts: Counter[Violation] = Counter()
        self.latest: deque[Incident] = deque(maxlen=KEPT)

    def add(self, time: datetime, kind: Violation, detail: str) -> None:
        """Count a violation."""
        self.counts[kind] += 1
        self.latest.append(Incident(time, kind, detail))

    @property
    def total(self) -> int:
        """Return how many there were of any kind."""
        return self.counts.total()

    def clear(self) -> None:
        """Forget them."""
        self.counts.clear()
        self.latest.clear()
