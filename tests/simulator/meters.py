"""The records of an account: taken in batches, counted once they are processed."""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from .clock import Instant, Span, to_datetime
from .registers import Note, Register
from .settings import Duplicates, Settings
from .tariffs import Direction
from .violations import Violation, Violations


class Flow(StrEnum):
    """Which way energy moves, seen from the property or device."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class Meter(NamedTuple):
    """Whose energy it is, which way it moves and which price it has."""

    object_id: str
    direction: Direction
    flow: Flow


class Record(NamedTuple):
    """One accepted record."""

    meter: Meter
    span: Span
    energy: float
    note: Note


class RecordError(Exception):
    """A record that is refused while the rest of its batch is taken."""


@dataclass(kw_only=True)
class Batch:
    """One submission."""

    id: str
    created: datetime
    submitted: int
    held: timedelta | None = timedelta()
    """How long nothing is processed; None is for ever."""
    accepted: int = 0
    processed: int = 0
    failures: list[dict[str, Any]] = field(default_factory=list)
    waiting: deque[Record] = field(default_factory=deque)

    def is_held(self, now: datetime) -> bool:
        """Tell whether nothing of it is processed."""
        return self.held is None or now - self.created < self.held

    def accept_without_energy(self) -> None:
        """Count a record that leaves nothing to process."""
        self.accepted += 1
        self.processed += 1

    def due(self, now: datetime, delay: float | None) -> int:
        """Return how many records are processed by now: they are worked through evenly."""
        if delay is None or self.is_held(now):
            return self.processed
        elapsed = (now - self.created).total_seconds()
        if elapsed >= delay:
            return self.accepted
        return max(self.processed, int(self.accepted * elapsed / delay))


class Meters:
    """What an account's meters have told."""

    def __init__(self) -> None:
        """Begin with no record."""
        self.batches: dict[str, Batch] = {}
        self.homes: dict[str, str] = {}
        self.dials: defaultdict[Meter, dict[Instant, Decimal]] = defaultdict(dict)
        """What registers have shown in Wh, in order of time."""
        self.counts: Counter[str] = Counter()
        self._registers: defaultdict[Meter, Register] = defaultdict(Register)
        self._waiting: defaultdict[Meter, Register] = defaultdict(Register)
        self._unfinished: list[Batch] = []

    def registers(self, object_id: str, direction: Direction) -> list[Register]:
        """Return the registers of a device or location in one direction."""
        meters = (Meter(object_id, direction, flow) for flow in Flow)
        return [self._registers[meter] for meter in meters if meter in self._registers]

    def session_owner(self, session: str, direction: Direction) -> str | None:
        """Return the device or location that a session with records belongs to."""
        owners = (
            meter.object_id
            for meter, register in self._registers.items()
            if meter.direction is direction and register.in_session(session)
        )
        return next(owners, None)

    def residents(self, location_id: str) -> list[str]:
        """Return the devices whose latest record names a location."""
        return [
            object_id
            for object_id, home in self.homes.items()
            if home == location_id != object_id
        ]

    def keep(self, batch: Batch) -> None:
        """Keep a batch whose records are all taken or refused."""
        self.batches[batch.id] = batch
        if batch.waiting:
            self._unfinished.append(batch)

    def accept(
        self,
        batch: Batch,
        record: Record,
        settings: Settings,
        violations: Violations,
    ) -> None:
        """Take one record of a batch; it counts once it is processed."""
        self._check(batch, record, settings, violations)
        batch.accepted += 1
        self.counts["accepted"] += 1
        if settings.processing_delay == 0 and not batch.is_held(batch.created):
            batch.processed += 1
            self._apply(record, settings)
        else:
            batch.waiting.append(record)
            self._waiting[record.meter].put(record.span, record.energy)

    def process(self, now: datetime, settings: Settings) -> None:
        """Let the records count whose time has come."""
        for batch in self._unfinished:
            due = batch.due(now, settings.processing_delay)
            while batch.processed < due:
                record = batch.waiting.popleft()
                self._waiting[record.meter].discard(record.span)
                self._apply(record, settings)
                batch.processed += 1
        self._unfinished = [batch for batch in self._unfinished if batch.waiting]

    def waiting(self, object_id: str) -> set[datetime]:
        """Return the ends of a device's or location's records that are not processed."""
        return {
            to_datetime(record.span.end)
            for batch in self._unfinished
            for record in batch.waiting
            if record.meter.object_id == object_id
        }

    def _check(
        self,
        batch: Batch,
        record: Record,
        settings: Settings,
        violations: Violations,
    ) -> None:
        """Compare a record with those before it; refuse a second one if so set."""
        before = self._held(record)
        if before is not None:
            self.counts["repeated"] += 1
            if before != record.energy:
                violations.add(
                    batch.created,
                    Violation.CHANGED_DUPLICATE,
                    f"{before} Wh became {record.energy} Wh.",
                )
            if settings.duplicates is Duplicates.REFUSE:
                raise RecordError("There is a record for this period already.")
        elif self._overlaps(record):
            violations.add(
                batch.created,
                Violation.OVERLAP,
                "A record covers a part of another one's period.",
            )

    def _held(self, record: Record) -> float | None:
        """Return the energy that is held or waiting for the same period."""
        for registers in (self._waiting, self._registers):
            if record.meter in registers:
                energy = registers[record.meter].get(record.span)
                if energy is not None:
                    return energy
        return None

    def _overlaps(self, record: Record) -> bool:
        """Tell whether a held or waiting record covers a part of the period."""
        return any(
            registers[record.meter].overlaps(record.span)
            for registers in (self._waiting, self._registers)
            if record.meter in registers
        )

    def _apply(self, record: Record, settings: Settings) -> None:
        """Let a record count."""
        register = self._registers[record.meter]
        energy = record.energy
        if settings.duplicates is Duplicates.ADD:
            energy += register.get(record.span) or 0
        register.put(record.span, energy, record.note)
