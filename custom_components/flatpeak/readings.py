"""Tell energy as the readings of a register: pure, all times in UTC.

A register only adds up: what it shows more than before is energy. Energy is in Wh.
Nothing is rounded.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from math import fsum
from typing import Final

from .intervals import EnergyInterval

# What the first register of a meter shows when it begins.
FIRST_WH: Final = 1000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Register:
    """A stretch of time whose energy is told by readings."""

    start: datetime
    """When the first reading was taken."""
    end: datetime
    """When the last one was taken."""
    register_wh: float
    """What the register showed then."""
    is_begun: bool
    """Whether Flatpeak has a reading of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What a register shows at an instant."""

    time: datetime
    register_wh: float
    interval: EnergyInterval | None
    """The energy that ends with it; none ends where a register begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """What Flatpeak knows by the readings that it took."""

    records: tuple[EnergyInterval, ...]
    untold: Mapping[EnergyInterval, str]
    """The energy that it knows nothing of, with the reason."""
    register: Register | None
    """Where it goes on; None where no reading was ever taken."""


def begin(start: datetime, before: Register | None) -> Register:
    """Return a register that begins at an instant.

    Energy since the readings before was told in another way, and must not count
    again. So a register begins below what it showed then: it was begun anew, and
    nobody knows what it counted since. It never shows less than nothing.
    """
    shown = FIRST_WH if before is None else before.register_wh / 2
    return Register(start=start, end=start, register_wh=shown, is_begun=False)


def marks(intervals: Iterable[EnergyInterval], register: Register) -> list[Mark]:
    """Return what a register shows at the borders of intervals in order of time.

    It was read last at its end, or begins with the first of them. The same
    intervals give the same readings, to the last bit.
    """
    found = []
    shown = register.register_wh
    last = register.end if register.is_begun else None
    for interval in intervals:
        if interval.start != last:
            found.append(Mark(time=interval.start, register_wh=shown, interval=None))
        shown += interval.energy_wh
        last = interval.end
        found.append(Mark(time=last, register_wh=shown, interval=interval))
    return found


def tell(
    intervals: Iterable[EnergyInterval],
    register: Register,
    refused: Mapping[int, str],
) -> Told:
    """Return what Flatpeak knows when it refused some readings, by their number.

    What a refused reading does not tell, the next one does: both make one record.
    Only what lies before the first reading ever, or after the last one, is untold.
    """
    records: list[EnergyInterval] = []
    untold: dict[EnergyInterval, str] = {}
    after = register if register.is_begun else None
    waiting: dict[EnergyInterval, str] = {}
    for number, mark in enumerate(marks(intervals, register)):
        if mark.interval is not None:
            reason = refused.get(number, refused.get(number - 1, ""))
            waiting[mark.interval] = reason
        if number in refused:
            continue
        if after is None:
            untold |= waiting
        elif waiting:
            records.append(_joined(after.end, mark.time, waiting))
        after = _moved(after, mark)
        waiting = {}
    return Told(records=tuple(records), untold=untold | waiting, register=after)


def _joined(
    start: datetime, end: datetime, intervals: Iterable[EnergyInterval]
) -> EnergyInterval:
    """Return the record of the energy between two readings."""
    energy_wh = fsum(interval.energy_wh for interval in intervals)
    return EnergyInterval(start=start, end=end, energy_wh=energy_wh)


def _moved(register: Register | None, mark: Mark) -> Register:
    """Return a register after a reading."""
    start = mark.time if register is None else register.start
    return Register(
        start=start, end=mark.time, register_wh=mark.register_wh, is_begun=True
    )
