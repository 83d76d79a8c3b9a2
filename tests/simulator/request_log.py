"""The log of requests, and whether clients wait as they were told."""

from collections import Counter, deque
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from .violations import Violation, Violations

PATIENCE: Final = timedelta(minutes=15)
KEPT: Final = 1000


class Entry(NamedTuple):
    """One request that was answered, or whose connection was cut (status 0)."""

    time: datetime
    route: str
    status: int
    body_bytes: int


class RequestLog:
    """Counts requests by route and status; watches the pauses after a 422 and a 429."""

    def __init__(self, violations: Violations) -> None:
        """Begin with none."""
        self.counts: Counter[tuple[str, int]] = Counter()
        self.body_bytes: Counter[str] = Counter()
        """How much each route was sent."""
        self.latest: deque[Entry] = deque(maxlen=KEPT)
        self._violations = violations
        self._not_before: dict[str, tuple[datetime, Violation]] = {}

    def arrived(self, time: datetime, key: str) -> None:
        """Note a request; key is what makes it the same as another one."""
        until, violation = self._not_before.pop(key, (time, Violation.EARLY_REPEAT))
        if time < until:
            self._violations.add(time, violation, f"Too early by {until - time}.")

    def answered(
        self,
        entry: Entry,
        key: str,
        retry_after: float | None,
    ) -> None:
        """Note the answer to a request and how long it may not be repeated."""
        self.counts[entry.route, entry.status] += 1
        self.body_bytes[entry.route] += entry.body_bytes
        self.latest.append(entry)
        if entry.status == 422:
            until = entry.time + PATIENCE
            self._not_before[key] = (until, Violation.EARLY_REPEAT)
        elif retry_after is not None:
            until = entry.time + timedelta(seconds=retry_after)
            self._not_before[key] = (until, Violation.RETRY_AFTER_IGNORED)

    def count(self, route: str, status: int | None = None) -> int:
        """Return how often a route was asked, or answered with a status."""
        return sum(
            number
            for (asked, answered), number in self.counts.items()
            if asked == route and status in (None, answered)
        )

    def clear(self) -> None:
        """Forget all."""
        self.counts.clear()
        self.body_bytes.clear()
        self.latest.clear()
        self._not_before.clear()
