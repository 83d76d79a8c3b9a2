"""Accounts with everything that belongs to them."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Final, TypedDict
from zoneinfo import ZoneInfo

from .clock import Span, to_instant, to_text
from .errors import refused
from .meters import Meters
from .objects import Collection, ConnectSession, Customer, Device, Event, Location
from .places import Place, find_place, require_place
from .tariffs import (
    Change,
    Connection,
    ConnectionType,
    Direction,
    Flat,
    PriceSlot,
    Tariff,
)

VERSION: Final = "2025-09-14.anode"
FREE: Final = Flat(price=Decimal(0))


class AccountOptions(TypedDict, total=False):
    """The fields of an account that may be set when it is opened."""

    version: str
    local_enabled: bool
    time_zone: ZoneInfo | None
    currency: str | None
    first_tariff: Tariff | None


class Ids:
    """Makes ids that look like the service's and are the same in every run."""

    def __init__(self, seed: int = 0) -> None:
        """Begin the series of a seed."""
        self._random = Random(seed)

    def new(self, prefix: str) -> str:
        """Return an id that was not there before."""
        return f"{prefix}_{self._random.getrandbits(96):024x}"


@dataclass(kw_only=True)
class Account:
    """A customer of the service."""

    id: str
    api_keys: frozenset[str]
    ids: Ids
    version: str = VERSION
    disabled: bool = False
    local_enabled: bool = True
    time_zone: ZoneInfo | None = None
    currency: str | None = None
    first_tariff: Tariff | None = None
    """The import tariff that every new location has from the start."""
    customers: Collection[Customer] = field(default_factory=Collection)
    devices: Collection[Device] = field(default_factory=Collection)
    locations: Collection[Location] = field(default_factory=Collection)
    connect_sessions: Collection[ConnectSession] = field(default_factory=Collection)
    events: Collection[Event] = field(default_factory=Collection)
    meters: Meters = field(default_factory=Meters)
    standing_charges: dict[str, Decimal] = field(default_factory=dict)
    """Money per local day, by the id of the device or location that bears it."""

    def reset(self) -> None:
        """Forget all objects and records."""
        self.customers = Collection()
        self.devices = Collection()
        self.locations = Collection()
        self.connect_sessions = Collection()
        self.events = Collection()
        self.meters = Meters()
        self.standing_charges = {}

    def place(self, location: Location) -> Place:
        """Return zone and currency of a location; refuse when its address says too little."""
        if self.time_zone and self.currency:
            return Place(self.time_zone, self.currency)
        place = require_place(location.address)
        return Place(self.time_zone or place.zone, self.currency or place.currency)

    def known_place(self, location: Location) -> Place | None:
        """Return zone and currency of a location if they are known."""
        if (self.time_zone and self.currency) or find_place(location.address):
            return self.place(location)
        return None

    def connect(
        self,
        location_id: str,
        direction: Direction,
        tariff: Tariff,
        *,
        connection_type: ConnectionType = ConnectionType.DIRECT,
        name: str | None = None,
        provider: str = "Example Energy",
        contract_end: datetime | None = None,
        pending_until: datetime | None = None,
    ) -> Connection:
        """Give a location a tariff in one direction, in place of the one it had."""
        connection = Connection(
            id=self.ids.new("trf"),
            provider_id=self.ids.new("prv"),
            tariff=tariff,
            connection_type=connection_type,
            name=name or f"{tariff.structure.replace('_', ' ').capitalize()} tariff",
            provider=provider,
            contract_end=contract_end,
            pending_until=pending_until,
        )
        self.locations[location_id].connections[direction] = connection
        return connection

    def tell(
        self, event_type: str, location_id: str, now: datetime, **data: str
    ) -> Event:
        """Tell of something that has happened to a location."""
        return self.events.add(
            Event(
                id=self.ids.new("evt"),
                time_created=to_text(to_instant(now)),
                event_type=event_type,
                object_id=location_id,
                data={"location_id": location_id, **data},
            )
        )

    def disconnect(self, location_id: str, direction: Direction) -> None:
        """Take the tariff of a location away."""
        self.locations[location_id].connections.pop(direction, None)

    def settle(
        self,
        location_id: str,
        direction: Direction,
        start: datetime,
        end: datetime,
        change: Change,
    ) -> None:
        """Change the prices of a location between two times from now on."""
        self.connection(self.locations[location_id], direction).settle(
            start, end, change
        )

    def connection(self, location: Location, direction: Direction) -> Connection:
        """Return the tariff of a location; refuse when it has none."""
        if connection := location.connections.get(direction):
            return connection
        raise refused("no_tariff_connected", f"No tariff is connected for {direction}.")

    def slots(
        self, location: Location, direction: Direction, span: Span, now: datetime
    ) -> list[PriceSlot]:
        """Return the prices of a location; refuse where there are none."""
        if direction is Direction.LOCAL and not self.local_enabled:
            raise refused(
                "tariff_direction_not_supported",
                "LOCAL (beta) is not supported for your account",
            )
        zone = self.place(location).zone
        if direction is Direction.LOCAL and direction not in location.connections:
            return list(FREE.slots(span, zone, now))
        connection = self.connection(location, direction)
        connection.check(now)
        return list(connection.slots(span, zone, now))
