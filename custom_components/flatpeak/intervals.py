"""Turn statistics rows into intervals of energy: pure, all times in UTC.

Energy is in Wh. Nothing is rounded.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import fsum
from typing import Final

HOUR: Final = timedelta(hours=1)

type Border = tuple[datetime, datetime]
"""When a record starts and ends."""


def floor_hour(instant: datetime) -> datetime:
    """Return the beginning of the UTC hour that an instant in UTC lies in."""
    return instant.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyRow:
    """One hour of an energy statistic as the recorder tells it."""

    start: datetime
    change_wh: float
    """The energy since the row before, however long ago that was."""
    is_first: bool
    """Whether the statistic has no row before this one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyInterval:
    """The energy of one meter between two instants."""

    start: datetime
    end: datetime
    energy_wh: float

    @property
    def length(self) -> timedelta:
        """Return how long the interval lasts."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Consecutive intervals, and where the next run goes on."""

    intervals: tuple[EnergyInterval, ...]
    position: datetime
    carry_wh: float


def to_intervals(
    rows: Iterable[EnergyRow], *, position: datetime, carry_wh: float = 0.0
) -> Run:
    """Return the intervals of the rows that lie at or after the position.

    Rows may come in any order; of rows with the same start the last one counts.
    An interval begins where the one before ended, so that the change after a gap
    spans the gap (design, "Gaps"); only the first row of a statistic begins at
    its own start. A negative change is no energy: the interval gets 0 Wh and the
    debt is carried into the next ones, so `carry_wh` is never above zero. The sum
    of the intervals plus the carry left is the sum of the changes plus the carry
    given. Running the rest of the rows from the returned position and carry gives
    the same intervals as running all rows at once.
    """
    intervals = []
    for row in _in_order(rows, position):
        start = row.start if row.is_first else position
        position = row.start + HOUR
        balance = row.change_wh + carry_wh
        carry_wh = min(balance, 0.0)
        intervals.append(
            EnergyInterval(start=start, end=position, energy_wh=max(balance, 0.0))
        )
    return Run(intervals=tuple(intervals), position=position, carry_wh=carry_wh)


def _in_order(rows: Iterable[EnergyRow], position: datetime) -> list[EnergyRow]:
    """Return the rows from the position on, one for each start, oldest first."""
    by_start = {row.start: row for row in rows if row.start >= position}
    return [by_start[start] for start in sorted(by_start)]


def recut(
    intervals: Sequence[EnergyInterval], odd: Iterable[Border]
) -> list[EnergyInterval]:
    """Return the energy of intervals within the borders of records that exist.

    Those are whole hours, but for the odd ones that are given. Where rows have come
    or gone since, energy is put together, or spread evenly over the time.
    """
    energy: dict[Border, list[float]] = defaultdict(list)
    borders = _borders(intervals, sorted(odd))
    starts = [start for start, _ in borders]
    for interval in intervals:
        number = bisect_right(starts, interval.start) - 1
        while number < len(borders) and starts[number] < interval.end:
            start, end = borders[number]
            overlap = min(interval.end, end) - max(interval.start, start)
            energy[start, end].append(interval.energy_wh * (overlap / interval.length))
            number += 1
    return [
        EnergyInterval(start=start, end=end, energy_wh=fsum(shares))
        for (start, end), shares in energy.items()
    ]


def _borders(
    intervals: Sequence[EnergyInterval], odd: Sequence[Border]
) -> list[Border]:
    """Return the odd borders, and those of all other hours of some intervals."""
    hours = [
        (start, start + HOUR)
        for interval in intervals
        for start in _hours(interval)
        if not any(low < start + HOUR and start < high for low, high in odd)
    ]
    return sorted({*odd, *hours})


def _hours(interval: EnergyInterval) -> Iterator[datetime]:
    """Yield the starts of the hours that an interval touches."""
    start = floor_hour(interval.start)
    while start < interval.end:
        yield start
        start += HOUR
