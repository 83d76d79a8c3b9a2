"""Customers, devices and locations, and the collections they are kept in."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from .errors import not_found, refused
from .tariffs import Connection, Direction

DEFAULT_LIMIT: Final = 30


class Identified(Protocol):
    """An object that can be kept in a collection."""

    @property
    def id(self) -> str:
        """Return the id the service gave it."""


@dataclass(kw_only=True)
class Customer:
    """Someone with locations."""

    id: str
    live_mode: bool
    time_created: str
    reference_id: str | None


@dataclass(kw_only=True)
class Device:
    """Something that energy is attributed to."""

    id: str
    live_mode: bool
    time_created: str
    reference_id: str
    location_id: str | None = None
    pv_system: dict[str, Any] | None = None


@dataclass(kw_only=True)
class Location:
    """A supply address with its tariffs."""

    id: str
    live_mode: bool
    time_created: str
    reference_id: str | None
    customer_id: str | None
    address: dict[str, str]
    connections: dict[Direction, Connection] = field(default_factory=dict)


@dataclass(kw_only=True)
class ConnectSession:
    """A person's way to connect a tariff of a location."""

    id: str
    live_mode: bool
    time_created: str
    location_id: str
    direction: Direction
    callback_url: str
    expires_at: datetime
    complete_action: str = ""


@dataclass(kw_only=True)
class Event:
    """Something that has happened to a location."""

    id: str
    time_created: str
    event_type: str
    object_id: str
    data: dict[str, Any]


class Collection[T: Identified]:
    """Objects of one kind in the order of their creation."""

    def __init__(self) -> None:
        """Begin empty."""
        self._items: dict[str, T] = {}

    def __contains__(self, item_id: str) -> bool:
        """Tell whether there is an object with this id."""
        return item_id in self._items

    def __iter__(self) -> Iterator[T]:
        """Iterate from the oldest to the newest."""
        return iter(self._items.values())

    def __getitem__(self, item_id: str) -> T:
        """Return an object; refuse when there is none with this id."""
        if item_id not in self._items:
            raise not_found()
        return self._items[item_id]

    def add(self, item: T) -> T:
        """Keep a new object."""
        self._items[item.id] = item
        return item

    def remove(self, item_id: str) -> None:
        """Remove an object; refuse when there is none with this id."""
        del self._items[self[item_id].id]

    def page(
        self,
        matches: Callable[[T], bool],
        *,
        limit: int = DEFAULT_LIMIT,
        starting_after: str | None = None,
        ending_before: str | None = None,
    ) -> tuple[list[T], bool]:
        """Return a page, newest first, and whether there is more in its direction."""
        if starting_after and ending_before:
            raise refused("invalid_request", "Use one cursor only.")
        items = [item for item in reversed(self._items.values()) if matches(item)]
        if ending_before:
            older = self._older_than(items, ending_before)
            newer = items[: len(items) - len(older) - 1]
            return newer[-limit:], len(newer) > limit
        rest = self._older_than(items, starting_after) if starting_after else items
        return rest[:limit], len(rest) > limit

    def _older_than(self, items: list[T], cursor: str) -> list[T]:
        """Return what follows a cursor; refuse one that is not in the list."""
        ids = [item.id for item in items]
        if cursor not in ids:
            raise not_found()
        return items[ids.index(cursor) + 1 :]
