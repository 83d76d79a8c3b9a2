"""Turn statistics rows into intervals of energy: pure, all times in UTC.

Energy is in Wh. Nothing is rounded.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from math import fsum, isclose
from operator import attrgetter
from typing import Final

HOUR: Final = timedelta(hours=1)

# The rows of the recorder's short-term statistics, of which an hour has twelve.
SHORT: Final = timedelta(minutes=5)

# Differences of large sums are exact to far less than a watt-hour.
SAME_ENERGY: Final = 1e-6

type Border = tuple[datetime, datetime]
"""When a record starts and ends."""

type ShortChanges = Mapping[datetime, Sequence[float]]
"""The changes of five minutes each in Wh, in order, by the hour that they begin."""


def floor_hour(instant: datetime) -> datetime:
    """Return the beginning of the UTC hour that an instant in UTC lies in."""
    return instant.replace(minute=0, second=0, microsecond=0)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyRow:
    """One row of an energy statistic as the recorder tells it."""

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
        position = _hour_later(row.start)
        balance = row.change_wh + carry_wh
        carry_wh = min(balance, 0.0)
        intervals.append(
            EnergyInterval(start=start, end=position, energy_wh=max(balance, 0.0))
        )
    return Run(intervals=tuple(intervals), position=position, carry_wh=carry_wh)


# Meters share their hours: one object for each takes less time and memory.
@lru_cache(maxsize=2048)
def _hour_later(instant: datetime) -> datetime:
    """Return the end of the hour that begins at an instant."""
    return instant + HOUR


def _in_order(rows: Iterable[EnergyRow], position: datetime) -> list[EnergyRow]:
    """Return the rows from the position on, one for each start, oldest first."""
    ordered: list[EnergyRow] = []
    later = (row for row in rows if row.start >= position)
    for row in sorted(later, key=attrgetter("start")):
        if ordered and ordered[-1].start == row.start:
            ordered.pop()
        ordered.append(row)
    return ordered


def short_changes(rows: Iterable[EnergyRow]) -> dict[datetime, list[float]]:
    """Return the changes of five minutes each from the beginnings of hours on.

    They end where a row is missing: only of a whole hour there are twelve.
    """
    by_hour: dict[datetime, dict[datetime, float]] = defaultdict(dict)
    for row in rows:
        by_hour[floor_hour(row.start)][row.start] = row.change_wh
    return {
        hour: list(_consecutive(changes, hour)) for hour, changes in by_hour.items()
    }


def _consecutive(changes: Mapping[datetime, float], start: datetime) -> Iterator[float]:
    """Yield changes from a start on, up to the first that is missing."""
    while start in changes:
        yield changes[start]
        start += SHORT


def split(
    interval: EnergyInterval,
    length: timedelta,
    cuts: Iterable[datetime],
    short: ShortChanges,
) -> list[EnergyInterval]:
    """Return an hour, or what is left of one, in slots, and cut at some instants.

    An hour is a multiple of the length of slots. It has none where the recorder does
    not tell them: where there are not all rows of five minutes, one is negative, or
    they do not add up to the hour, as after a debt. Where it is cut all the same, its
    energy is spread evenly. What is longer than an hour stays whole.
    """
    if interval.length > HOUR:
        return [interval]
    if is_told(interval, short):
        cuts = {*cuts, *grid(floor_hour(interval.start), length)}
    slots = slots_of(interval.start, interval.end, cuts)
    return spread(interval, slots, short) if len(slots) > 1 else [interval]


def grid(hour: datetime, length: timedelta) -> list[datetime]:
    """Return where slots of an hour begin."""
    return [hour + number * length for number in range(HOUR // length)]


def slots_of(start: datetime, end: datetime, cuts: Iterable[datetime]) -> list[Border]:
    """Return the borders of what lies between two instants, cut at some instants."""
    inside = sorted({cut for cut in cuts if start < cut < end})
    return list(pairwise([start, *inside, end]))


def spread(
    interval: EnergyInterval, slots: Sequence[Border], short: ShortChanges
) -> list[EnergyInterval]:
    """Return the energy of an hour in its slots, evenly where nothing tells more."""
    weights: list[float] = []
    if is_told(interval, short):
        changes = short[floor_hour(interval.start)]
        weights = [fsum(between(changes, *slot)) for slot in slots]
    if not any(weights):
        weights = [(end - start) / SHORT for start, end in slots]
    factor = interval.energy_wh / fsum(weights)
    return [
        EnergyInterval(start=start, end=end, energy_wh=weight * factor)
        for (start, end), weight in zip(slots, weights, strict=True)
    ]


def is_told(interval: EnergyInterval, short: ShortChanges) -> bool:
    """Return whether rows of five minutes tell how the energy of an hour came.

    So they can for what is left of one.
    """
    changes = between(
        short.get(floor_hour(interval.start), ()), interval.start, interval.end
    )
    return (
        interval.length <= HOUR
        and len(changes) == interval.length // SHORT
        and min(changes) >= 0
        and isclose(
            fsum(changes), interval.energy_wh, rel_tol=1e-9, abs_tol=SAME_ENERGY
        )
    )


def between(
    changes: Sequence[float], start: datetime, end: datetime
) -> Sequence[float]:
    """Return those of the changes of an hour that lie between two instants of it."""
    low = (start - floor_hour(start)) // SHORT
    return changes[low : low + (end - start) // SHORT]


def in_hours(records: Iterable[EnergyInterval]) -> list[EnergyInterval]:
    """Return records with those that are shorter than an hour put together."""
    slots: dict[datetime, list[float]] = defaultdict(list)
    whole = []
    for record in records:
        if record.length < HOUR:
            slots[floor_hour(record.start)].append(record.energy_wh)
        else:
            whole.append(record)
    return whole + [
        EnergyInterval(start=hour, end=hour + HOUR, energy_wh=fsum(energies))
        for hour, energies in slots.items()
    ]


def recut(
    intervals: Sequence[EnergyInterval], odd: Iterable[Border]
) -> list[EnergyInterval]:
    """Return the energy of intervals within the borders of records that exist.

    Those are whole hours, but for the odd ones that are given. Where rows have come
    or gone since, energy is put together, or spread evenly over the time.
    """
    odd = sorted(odd)
    if not odd and all(map(_is_hour, intervals)):
        return list(intervals)
    energy: dict[Border, list[float]] = defaultdict(list)
    borders = _borders(intervals, odd)
    starts = [start for start, _ in borders]
    for interval in intervals:
        number = max(bisect_right(starts, interval.start) - 1, 0)
        while number < len(borders) and starts[number] < interval.end:
            start, end = borders[number]
            overlap = min(interval.end, end) - max(interval.start, start)
            energy[start, end].append(interval.energy_wh * (overlap / interval.length))
            number += 1
    return [
        EnergyInterval(start=start, end=end, energy_wh=fsum(shares))
        for (start, end), shares in energy.items()
    ]


def _is_hour(interval: EnergyInterval) -> bool:
    """Return whether an interval is just an hour."""
    return interval.length == HOUR and interval.start == floor_hour(interval.start)


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
