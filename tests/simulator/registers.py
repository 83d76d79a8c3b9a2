"""Energy over time, kept small and found fast: millions of records of many meters."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from .clock import DAY, Span


class Reading(NamedTuple):
    """The energy of one record as a register keeps it."""

    span: Span
    energy: float


class Note(NamedTuple):
    """What only few records carry."""

    session: str | None
    confidence: float
    reference: str | None = None
    """The record's own reference, which only the report of a session repeats."""


PLAIN = Note(None, 1.0)


class _Page:
    """The readings that start on one day (UTC), sorted by start and end, in 24 bytes each."""

    __slots__ = ("ends", "energies", "starts")

    def __init__(self) -> None:
        """Begin empty."""
        self.starts = array("q")
        self.ends = array("q")
        self.energies = array("d")

    def position(self, span: Span) -> int:
        """Return the place where a span is, or would be."""
        at = bisect_left(self.starts, span.start)
        while (
            at < len(self.starts)
            and self.starts[at] == span.start
            and self.ends[at] < span.end
        ):
            at += 1
        return at

    def holds(self, at: int, span: Span) -> bool:
        """Tell whether the span is at this place."""
        return (
            at < len(self.starts)
            and self.starts[at] == span.start
            and self.ends[at] == span.end
        )


class Register:
    """The readings of one meter in one direction; a span is there at most once."""

    def __init__(self) -> None:
        """Begin empty."""
        self._pages: dict[int, _Page] = {}
        self._longest = 0
        self._notes: dict[Span, Note] = {}

    def __len__(self) -> int:
        """Return the number of readings."""
        return sum(len(page.starts) for page in self._pages.values())

    def get(self, span: Span) -> float | None:
        """Return the energy of exactly this span."""
        page = self._pages.get(span.start // DAY)
        if page is None:
            return None
        at = page.position(span)
        return page.energies[at] if page.holds(at, span) else None

    def note(self, span: Span) -> Note:
        """Return what else was said of this span."""
        return self._notes.get(span, PLAIN)

    def in_session(self, session: str) -> list[tuple[Reading, Note]]:
        """Return the readings of a session with their notes, in order of their start."""
        return [
            (Reading(span, energy), note)
            for span, note in sorted(self._notes.items())
            if note.session == session and (energy := self.get(span)) is not None
        ]

    def put(self, span: Span, energy: float, note: Note = PLAIN) -> None:
        """Keep the energy of a span in place of what was there."""
        page = self._pages.setdefault(span.start // DAY, _Page())
        at = page.position(span)
        if page.holds(at, span):
            page.energies[at] = energy
        else:
            page.starts.insert(at, span.start)
            page.ends.insert(at, span.end)
            page.energies.insert(at, energy)
            self._longest = max(self._longest, span.end - span.start)
        self._put_note(span, note)

    def discard(self, span: Span) -> None:
        """Forget a span if it is there."""
        page = self._pages.get(span.start // DAY)
        if page is None or not page.holds(at := page.position(span), span):
            return
        for column in (page.starts, page.ends, page.energies):
            del column[at]
        if not page.starts:
            del self._pages[span.start // DAY]
        self._notes.pop(span, None)

    def between(self, window: Span) -> Iterator[Reading]:
        """Yield the readings that touch a window, in order of their start."""
        first = window.start - self._longest
        for day in self._days(first // DAY, (window.end - 1) // DAY):
            page = self._pages[day]
            for at in range(bisect_left(page.starts, first), len(page.starts)):
                span = Span(page.starts[at], page.ends[at])
                if span.start >= window.end:
                    break
                if span.end > window.start or span.start == window.start:
                    yield Reading(span, page.energies[at])

    def overlaps(self, span: Span) -> bool:
        """Tell whether a reading with other borders covers a part of a span."""
        return any(
            reading.span != span
            and reading.span.start < span.end
            and span.start < reading.span.end
            for reading in self.between(span)
        )

    def extent(self) -> Span | None:
        """Return the stretch from the first reading's start to the last one's end."""
        if not self._pages:
            return None
        start = self._pages[min(self._pages)].starts[0]
        return Span(start, max(max(page.ends) for page in self._pages.values()))

    def _days(self, first: int, last: int) -> Iterator[int]:
        """Yield the days that have a page, by the shorter of two ways."""
        if last - first < len(self._pages):
            return (day for day in range(first, last + 1) if day in self._pages)
        return iter(sorted(day for day in self._pages if first <= day <= last))

    def _put_note(self, span: Span, note: Note) -> None:
        """Keep a note, but only where there is something to say."""
        if note == PLAIN:
            self._notes.pop(span, None)
        else:
            self._notes[span] = note
