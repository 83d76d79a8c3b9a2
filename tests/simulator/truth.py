"""What is true, beyond what reports say: nothing rounded, and the rounded report beside it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from .clock import Span, local_days, to_datetime, to_instant
from .ledger import Ledger
from .reports import Aggregation, Row
from .state import State
from .tariffs import Direction, money


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy in Wh over a stretch of time (UTC)."""

    start: datetime
    end: datetime
    energy: float


@dataclass(frozen=True, kw_only=True)
class Cost(Energy):
    """Energy in Wh with its exact cost in major currency units."""

    cost: Decimal
    confidence: Decimal

    @property
    def reported_cost(self) -> Decimal:
        """Return the cost as a report's row has it."""
        return money(self.cost)


class Truth:
    """What the records that count hold and cost; without start and end as far as they reach."""

    def __init__(self, ledger: Ledger) -> None:
        """Take the books that are asked."""
        self._ledger = ledger

    def records(self) -> list[Energy]:
        """Return the records themselves, in order; they need no tariff."""
        return [
            Energy(start=to_datetime(start), end=to_datetime(end), energy=energy)
            for (start, end), energy in self._ledger.readings()
        ]

    def hours(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> list[Cost]:
        """Return the hours (UTC) with records: what their energy cost, without standing charges."""
        window = self._window(start, end)
        return [_cost(row) for row in self._ledger.hours(window)] if window else []

    def days(
        self, start: datetime | None = None, end: datetime | None = None
    ) -> list[Cost]:
        """Return whole local days as a report has them, standing charges included."""
        window = self._window(start, end)
        if window is None:
            return []
        days = list(local_days(window, self._ledger.place.zone))
        whole = Span(days[0].start, days[-1].end)
        return [_cost(row) for row in self._ledger.rows(whole, Aggregation.DAY)]

    def session(self, session: str) -> list[Cost]:
        """Return the records of a session, in order of their start."""
        return [_cost(row) for row, _ in self._ledger.session(session)]

    def _window(self, start: datetime | None, end: datetime | None) -> Span | None:
        """Return the window asked for; where it is open, it reaches as far as the records."""
        extent = self._ledger.extent()
        if extent is None:
            return None
        first = extent.start if start is None else to_instant(start)
        last = extent.end if end is None else to_instant(end)
        return Span(first, last) if first < last else None


def _cost(row: Row) -> Cost:
    """Return a row with datetimes."""
    return Cost(
        start=to_datetime(row.span.start),
        end=to_datetime(row.span.end),
        energy=float(row.energy),
        cost=row.cost,
        confidence=row.confidence,
    )


def find_session(state: State, session: str, direction: Direction) -> list[Cost]:
    """Return what each record of a session holds and cost, as of now."""
    now = state.now()
    state.process(now)
    for account in state.accounts.values():
        owner = account.meters.session_owner(session, direction)
        if owner is not None:
            truth = find_truth(state, owner, direction)
            return truth.session(session)
    return []


def find_truth(state: State, object_id: str, direction: Direction) -> Truth:
    """Return the truth of a device or location as of now."""
    now = state.now()
    state.process(now)
    return Truth(
        Ledger(
            account=state.owner(object_id),
            object_id=object_id,
            direction=direction,
            now=now,
            settings=state.settings,
        )
    )
