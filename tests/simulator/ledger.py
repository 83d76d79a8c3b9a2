"""The books of one device or location in one direction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from .accounts import Account
from .clock import HOUR, Span, local_days, to_instant
from .errors import refused
from .objects import Location
from .places import Place
from .registers import Note, Reading, Register
from .reports import Aggregation, Row, merge, periods, price
from .settings import EmptyRows, Settings
from .tariffs import Direction


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Prices what one device or location has used, as known at one moment."""

    account: Account
    object_id: str
    direction: Direction
    now: datetime
    settings: Settings

    @property
    def location(self) -> Location:
        """Return the location whose prices apply: that of a device's latest record."""
        if self.object_id in self.account.locations:
            return self.account.locations[self.object_id]
        device = self.account.devices[self.object_id]
        home = self.account.meters.homes.get(device.id, device.location_id)
        if home is None:
            raise refused("no_tariff_connected", "The device is at no location yet.")
        return self.account.locations[home]

    @property
    def place(self) -> Place:
        """Return time zone and currency."""
        return self.account.place(self.location)

    def rows(self, window: Span, aggregation: Aggregation | None) -> list[Row]:
        """Return the rows of a report, with standing charges."""
        days = self._days(window)
        if aggregation is not Aggregation.DAY:
            days = merge(days, periods(window, self.place.zone, aggregation))
        if self.settings.empty_rows is EmptyRows.ZERO:
            return days
        return [row for row in days if row.has_readings]

    def hours(self, window: Span) -> list[Row]:
        """Return the hours (UTC) with readings, without standing charges."""
        first = window.start - window.start % HOUR
        starts = range(first, window.end, HOUR)
        spans = [Span(start, start + HOUR) for start in starts]
        return [row for row in self._price(spans) if row.has_readings]

    def session(self, session: str) -> list[tuple[Row, Note]]:
        """Return the records of a session, each priced, without standing charges."""
        return [
            (self.price_alone(reading, note), note)
            for register in self._registers()
            for reading, note in register.in_session(session)
        ]

    def price_alone(self, reading: Reading, note: Note) -> Row:
        """Price one reading, whether it is kept or not."""
        register = Register()
        register.put(*reading, note)
        slots = self.account.slots(
            self.location, self.direction, reading.span, self.now
        )
        (row,) = price([register], [reading.span], slots)
        return row

    def readings(self) -> list[Reading]:
        """Return the readings in order of their start."""
        extent = self.extent()
        if extent is None:
            return []
        return sorted(
            reading
            for register in self._registers()
            for reading in register.between(extent)
        )

    def extent(self) -> Span | None:
        """Return the stretch that readings cover."""
        extents = [register.extent() for register in self._registers()]
        covered = [extent for extent in extents if extent]
        if not covered:
            return None
        return Span(
            min(extent.start for extent in covered),
            max(extent.end for extent in covered),
        )

    def _days(self, window: Span) -> list[Row]:
        """Return all local days of a window, cut at its ends."""
        zone = self.place.zone
        rows = self._price(periods(window, zone, Aggregation.DAY))
        charge = self.account.standing_charges.get(self.object_id, Decimal(0))
        for row, day in zip(rows, local_days(window, zone), strict=True):
            if self._bears_charge(row):
                length = row.span.end - row.span.start
                row.cost += charge * length / (day.end - day.start)
        return rows

    def _bears_charge(self, row: Row) -> bool:
        """Tell whether a day's standing charge is due."""
        if self.settings.empty_rows is EmptyRows.ABSENT:
            return row.has_readings
        return row.span.start <= to_instant(self.now)

    def _price(self, spans: Sequence[Span]) -> list[Row]:
        """Price the readings over some adjoining spans."""
        window = Span(spans[0].start, spans[-1].end)
        slots = self.account.slots(self.location, self.direction, window, self.now)
        return price(self._registers(), spans, slots)

    def _registers(self) -> list[Register]:
        """Return the registers that count."""
        meters = self.account.meters
        objects = [self.object_id]
        if self.settings.location_includes_devices:
            objects += meters.residents(self.object_id)
        return [
            register
            for object_id in objects
            for register in meters.registers(object_id, self.direction)
        ]
