"""Watch how long the event loop is kept from its work."""

import asyncio
from bisect import bisect_left
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
import gc
from operator import itemgetter
from time import perf_counter
from typing import Any, Final

TICK_SECONDS: Final = 0.001


@dataclass(frozen=True, kw_only=True, slots=True)
class Stalls:
    """How late the event loop came to what was due each millisecond, in seconds."""

    longest: float
    longest_but_for_collections: float
    """The same less what Python's garbage collector took of it."""
    rare: float
    """What only one tick of a thousand was later than."""
    rare_but_for_collections: float
    longest_collection: float


class Ticker:
    """Ticks each millisecond, and notes how late."""

    def __init__(self) -> None:
        """Begin with nothing noted."""
        self._ticks: list[tuple[float, float]] = []
        """When each tick was due and when it came."""
        self._collections: list[tuple[float, float]] = []
        self._collection_began = 0.0
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None

    @contextmanager
    def watching(self) -> Generator[None]:
        """Watch for as long as the context lasts."""
        gc.callbacks.append(self._note_collection)
        self._await_tick()
        try:
            yield
        finally:
            gc.callbacks.remove(self._note_collection)
            if self._handle is not None:
                self._handle.cancel()

    def stalls(self) -> Stalls:
        """Return what was noted."""
        late = sorted(came - due for due, came in self._ticks)
        late_by_itself = sorted(map(self._late_by_itself, self._ticks))
        rare = int(len(late) * 0.999)
        return Stalls(
            longest=late[-1],
            longest_but_for_collections=late_by_itself[-1],
            rare=late[rare],
            rare_but_for_collections=late_by_itself[rare],
            longest_collection=max(
                (end - begin for begin, end in self._collections), default=0.0
            ),
        )

    def _late_by_itself(self, tick: tuple[float, float]) -> float:
        """Return how late a tick came, less the collections meanwhile."""
        due, came = tick
        late = came - due
        for begin, end in self._collections[
            bisect_left(self._collections, due, key=itemgetter(1)) :
        ]:
            if begin >= came:
                break
            late -= min(end, came) - max(begin, due)
        return late

    def _await_tick(self) -> None:
        """Be due in a millisecond."""
        self._due = perf_counter() + TICK_SECONDS
        self._handle = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        """Note how late this is."""
        self._ticks.append((self._due, perf_counter()))
        self._await_tick()

    def _note_collection(self, phase: str, info: dict[str, Any]) -> None:
        """Note when a collection begins and ends, whatever thread it stops all in."""
        if phase == "start":
            self._collection_began = perf_counter()
        else:
            self._collections.append((self._collection_began, perf_counter()))
