"""Compare what Flatpeak counts with what it was told: pure."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import fsum, isclose
from typing import Final

from .api import CostRow
from .intervals import SAME_ENERGY, EnergyInterval

# What Flatpeak may round a record by (flatpeak-api.md, section 7).
ROUNDING_WH: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Discrepancy:
    """A day of which Flatpeak counts other energy than was submitted."""

    day: datetime
    """When the day began, in the time of the report."""
    reported_wh: float
    submitted_wh: float

    @property
    def size(self) -> float:
        """Return by how much the figures differ."""
        return abs(self.reported_wh - self.submitted_wh)


def audit(
    rows: Iterable[CostRow], intervals: Sequence[EnergyInterval]
) -> Iterator[Discrepancy]:
    """Yield the days of a report that differ by more than rounding does.

    The intervals are all that was submitted for those days. One that lies in two
    days belongs to both by its share of the time.
    """
    ordered = sorted(intervals, key=lambda interval: interval.start)
    starts = [interval.start for interval in ordered]
    ends = [interval.end for interval in ordered]
    for row in rows:
        shares = [
            interval.energy_wh * _share(interval, row.start, row.end)
            for interval in ordered[
                bisect_right(ends, row.start) : bisect_left(starts, row.end)
            ]
        ]
        found = Discrepancy(
            day=row.start, reported_wh=row.energy_wh, submitted_wh=fsum(shares)
        )
        if found.size > ROUNDING_WH * max(1, len(shares)):
            yield found


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """An hour, or a longer record, of which Flatpeak counts other energy."""

    records: tuple[EnergyInterval, ...]
    """What it consists of, with the energy that the recorder has."""
    counted_wh: float

    @property
    def start(self) -> datetime:
        """Return where it begins."""
        return self.records[0].start

    @property
    def end(self) -> datetime:
        """Return where it ends."""
        return self.records[-1].end

    @property
    def energy_wh(self) -> float:
        """Return the energy that the recorder has."""
        return fsum(record.energy_wh for record in self.records)


def suspects(
    rows: Iterable[CostRow], records: Sequence[EnergyInterval]
) -> list[EnergyInterval]:
    """Return the records of the days that do not count just their energy.

    A row is the report of a day. What no row covers is not counted at all.
    """
    covered: set[EnergyInterval] = set()
    wrong: set[EnergyInterval] = set()
    for row in rows:
        inside = [each for each in records if _share(each, row.start, row.end)]
        covered.update(inside)
        if not _is_day_counted(row, inside):
            wrong.update(inside)
    return [
        each
        for each in records
        if each in wrong or (each.energy_wh and each not in covered)
    ]


def _is_day_counted(row: CostRow, records: Sequence[EnergyInterval]) -> bool:
    """Return whether a row counts just the energy of records, as far as it can tell."""
    if all(row.start <= each.start and each.end <= row.end for each in records):
        return is_counted(row.energy_wh, [each.energy_wh for each in records])
    return not any(audit([row], records))


def _share(interval: EnergyInterval, start: datetime, end: datetime) -> float:
    """Return the share of an interval that lies within two borders."""
    overlap = min(interval.end, end) - max(interval.start, start)
    return max(overlap / interval.length, 0.0)


def is_counted(counted_wh: float, energies_wh: Sequence[float]) -> bool:
    """Return whether Flatpeak counts just the energy of some records.

    It may round each record, or what it reports, to whole watt-hours. A single
    record may be rounded in any way.
    """
    expected = fsum(energies_wh)
    if _is_same(counted_wh, expected):
        return True
    if not counted_wh.is_integer():
        return False
    if len(energies_wh) == 1:
        return abs(counted_wh - expected) < ROUNDING_WH
    return counted_wh in (round(expected), sum(map(round, energies_wh)))


def is_rounded(counted_wh: float, energies_wh: Sequence[float]) -> bool:
    """Return whether Flatpeak may count some records, each to the next watt-hour.

    How the energy lies in the records need not be known.
    """
    off = abs(counted_wh - fsum(energies_wh))
    return counted_wh.is_integer() and off <= len(energies_wh) * ROUNDING_WH / 2


def _is_same(one: float, other: float) -> bool:
    """Return whether two energies are the same but for the last bits."""
    return isclose(one, other, rel_tol=1e-9, abs_tol=SAME_ENERGY)
