"""What Flatpeak takes and returns.

Values in, values out: no clock, no network. Energy is in Wh, instants are in UTC, money
is in major units of the currency. Readers ignore fields they do not know, trim texts,
and raise `FlatpeakResponseError` where a needed field is missing or makes no sense.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
import math
from typing import Any, Final, Self, override

from .errors import FlatpeakResponseError
from .privacy import mask

type Json = Mapping[str, Any]

COMMODITY_IMPORT: Final = "commodity_import"
COMMODITY_EXPORT: Final = "commodity_export"
RENEW_AT_SHARE_OF_LIFE: Final = 0.9
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
WH_PER_UNIT: Final = {"WH": 1.0, "KWH": 1000.0}
W_PER_UNIT: Final = {"W": 1.0, "KW": 1000.0}
# How the borders of a slot are called in a schedule and in a price series.
SCHEDULE_NAMES: Final = ("start_time", "end_time")
PRICE_SERIES_NAMES: Final = ("valid_from", "valid_to")
# How the price of a slot has been spelt, and the average of several slots.
PRICE_NAMES: Final = ("value", "average", "rate_avg", "rate")


class EnergyFlowDirection(StrEnum):
    """Which way energy moves, seen from the home or the device."""

    INBOUND = "INBOUND"
    OUTBOUND = "OUTBOUND"


class TariffDirection(StrEnum):
    """Which price applies."""

    IMPORT = "IMPORT"
    EXPORT = "EXPORT"
    LOCAL = "LOCAL"


class Segment(StrEnum):
    """Which end of the prices is looked for."""

    HIGH = "HIGH"
    LOW = "LOW"


class Aggregation(StrEnum):
    """Length of the rows of a cost report, in the location's time zone."""

    DAY = "DAY"
    MONTH = "MONTH"


class ConnectionStatus(StrEnum):
    """How a location stands with one of its tariffs."""

    CONNECTED = "CONNECTED"
    NOT_CONNECTED = "NOT_CONNECTED"
    ERROR = "ERROR"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    UNKNOWN = "UNKNOWN"

    @classmethod
    @override
    def _missing_(cls, value: object) -> Self:
        """Take a status that is new to us as unknown."""
        return cls("UNKNOWN")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A bearer token and when to replace it."""

    bearer: str = field(repr=False)
    expires_at: datetime
    renew_at: datetime
    live_mode: bool

    @classmethod
    def from_dict(cls, data: Json, now: datetime) -> Self:
        """Read the answer of a login that was asked for at `now`."""
        bearer, seconds = _text(data, "bearer_token"), _number(data, "expires_in")
        # It goes into a header, where a line break would begin another one.
        if not (bearer.isascii() and bearer.isprintable()) or seconds <= 0:
            raise FlatpeakResponseError("Flatpeak's login returned an unusable token")
        try:
            return cls(
                bearer=bearer,
                expires_at=now + timedelta(seconds=seconds),
                renew_at=now + timedelta(seconds=seconds * RENEW_AT_SHARE_OF_LIFE),
                live_mode=data.get("live_mode") is True,
            )
        except OverflowError:
            raise _unreadable("expires_in") from None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PostalAddress:
    """The address of a home; a price needs city and country, in the US the state."""

    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    state: str | None = None
    post_code: str | None = None
    country_code: str | None = None

    @override
    def __repr__(self) -> str:
        """Show nothing of the address."""
        return "PostalAddress(…)"

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read an address."""
        return cls(**{name: _optional_text(data, name) for name in cls.__slots__})

    def as_dict(self) -> dict[str, str]:
        """Return the lines that are known, in the wire form."""
        return {
            name: value for name in self.__slots__ if (value := getattr(self, name))
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Page[T]:
    """A part of a list, newest first, and where the next part begins."""

    items: tuple[T, ...]
    next_cursor: str | None

    @classmethod
    def from_dict(cls, data: Json, read_item: Callable[[Json], T]) -> Self:
        """Read a page and its items."""
        objects = _objects(data, "data")
        has_more = data.get("has_more") is True
        if has_more and not objects:
            raise _unreadable("data")
        return cls(
            items=tuple(read_item(item) for item in objects),
            next_cursor=_text(objects[-1], "id") if has_more else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A meter, as Flatpeak knows it."""

    device_id: str
    reference_id: str

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a device."""
        return cls(
            device_id=_text(data, "id"), reference_id=_text(data, "reference_id")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A home, as Flatpeak knows it; tariffs are by leg, like `commodity_import`."""

    location_id: str
    reference_id: str | None
    time_zone: str | None
    currency: str | None
    tariff_status: Mapping[str, ConnectionStatus]
    address: PostalAddress | None

    @property
    def has_import_tariff(self) -> bool:
        """Return whether grid import can be priced."""
        return self.tariff_status.get(COMMODITY_IMPORT) is ConnectionStatus.CONNECTED

    @property
    def has_export_tariff(self) -> bool:
        """Return whether grid export can be priced."""
        return self.tariff_status.get(COMMODITY_EXPORT) is ConnectionStatus.CONNECTED

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a location."""
        address = _optional_mapping(data, "postal_address")
        status = _optional_mapping(data, "tariff_status")
        return cls(
            location_id=_text(data, "id"),
            reference_id=_optional_text(data, "reference_id"),
            time_zone=_optional_text(data, "timezone"),
            currency=_optional_text(data, "currency_code"),
            tariff_status={leg: _status(status, leg) for leg in status},
            address=PostalAddress.from_dict(address) if address else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffLeg:
    """One tariff of a location: its source, names and end."""

    status: ConnectionStatus
    connection_type: str | None
    provider_name: str | None
    tariff_id: str | None
    tariff_name: str | None
    structure_type: str | None
    contract_end: datetime | None

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a leg, which may hold nothing but its status."""
        provider = _optional_mapping(data, "provider")
        tariff = _optional_mapping(data, "tariff")
        return cls(
            status=_status(data, "status"),
            connection_type=_optional_text(data, "connection_type"),
            provider_name=_optional_text(provider, "display_name"),
            tariff_id=_optional_text(tariff, "id"),
            tariff_name=_optional_text(tariff, "display_name"),
            structure_type=_optional_text(tariff, "structure_type"),
            contract_end=_optional_instant(tariff, "contract_end_date"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationStatus:
    """The tariffs of a location, by leg."""

    location_id: str
    legs: Mapping[str, TariffLeg]

    @property
    def import_tariff(self) -> TariffLeg | None:
        """Return the tariff that prices the energy bought."""
        return self.legs.get(COMMODITY_IMPORT)

    @property
    def export_tariff(self) -> TariffLeg | None:
        """Return the tariff that prices the energy sold."""
        return self.legs.get(COMMODITY_EXPORT)

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read the status of a location."""
        legs = _mapping(data, "tariff_status")
        return cls(
            location_id=_text(data, "id"),
            legs={leg: TariffLeg.from_dict(_mapping(legs, leg)) for leg in legs},
        )


def read_connect_token(data: Json) -> str:
    """Read the token of a session of Connect."""
    return _text(data, "connect_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOutcome:
    """How a session of Connect stands."""

    is_saved: bool
    """Whether the user has connected a tariff."""
    is_processed: bool
    """Whether the prices of the tariff can be fetched."""

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read how a session stands; an action may be empty until there is one."""
        return cls(
            is_saved=_optional_text(data, "complete_action") == "SAVE",
            is_processed=data.get("is_tariff_processed") is True,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that has happened to a location; new types may appear at any time."""

    event_id: str
    event_type: str
    time_created: datetime | None
    tariff_id: str | None

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read an event."""
        return cls(
            event_id=_text(data, "id"),
            event_type=_text(data, "type"),
            time_created=_optional_instant(data, "time_created"),
            tariff_id=_optional_text(_optional_mapping(data, "data"), "tariff_id"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The energy of one meter from `start` to `end`, in Wh."""

    location_id: str
    device_id: str
    start: datetime
    end: datetime
    energy_wh: float
    energy_flow_direction: EnergyFlowDirection
    tariff_direction: TariffDirection
    record_reference_id: str
    session_reference_id: str | None = None
    confidence: float | None = None

    def as_dict(self) -> dict[str, str | float]:
        """Return the wire form.

        The tariff direction is always sent: the sources disagree about its default
        (flatpeak-api.md, section 7).
        """
        record: dict[str, str | float] = {
            "location_id": self.location_id,
            "device_id": self.device_id,
            "record_reference_id": self.record_reference_id,
            "energy_flow_direction": self.energy_flow_direction,
            "tariff_direction": self.tariff_direction,
            "units": "WH",
            "value": _wire_number(self.energy_wh),
            "start_time": _wire_instant(self.start),
            "end_time": _wire_instant(self.end),
        }
        if self.session_reference_id is not None:
            record["session_reference_id"] = self.session_reference_id
        if self.confidence is not None:
            record["confidence"] = self.confidence
        return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the register of a meter shows, in Wh, at a whole second."""

    time: datetime
    register_wh: float
    record_reference_id: str

    def as_dict(self) -> dict[str, str | float]:
        """Return the wire form."""
        return {
            "time": (self.time - EPOCH) // timedelta(seconds=1),
            "value": _wire_number(self.register_wh),
            "record_reference_id": self.record_reference_id,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRecord:
    """A record that Flatpeak refused; numbers count from 0 in the order submitted."""

    record_number: int
    record_reference_id: str | None
    error: str

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a refused record; its error may be shown, so ids in it are masked."""
        return cls(
            record_number=_count(data, "record_num"),
            record_reference_id=_optional_text(data, "record_reference_id"),
            error=mask(_text(data, "error")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """How far Flatpeak is with one submission."""

    batch_id: str
    records_submitted: int
    records_accepted: int
    records_processed: int
    failed_records: tuple[FailedRecord, ...]

    @property
    def is_processed(self) -> bool:
        """Return whether every accepted record counts in reports."""
        return self.records_processed >= self.records_accepted

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a batch."""
        failed = _objects(data, "failed_records") if data.get("failed_records") else []
        return cls(
            batch_id=_text(data, "id"),
            records_submitted=_count(data, "records_submitted"),
            records_accepted=_count(data, "records_accepted"),
            records_processed=_count(data, "records_processed"),
            failed_records=tuple(FailedRecord.from_dict(record) for record in failed),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """Energy and cost of one period; below confidence 1 the price is a forecast."""

    start: datetime
    end: datetime
    energy_wh: float
    cost: float
    confidence: float

    @classmethod
    def from_dict(cls, data: Json, wh_per_unit: float) -> Self:
        """Read a row of a report whose energy unit holds `wh_per_unit`."""
        start, end = _period(data, "start_time", "end_time")
        cost = _mapping(data, "cost")
        return cls(
            start=start,
            end=end,
            energy_wh=_number(_mapping(data, "energy"), "value") * wh_per_unit,
            cost=_number(cost, "value"),
            confidence=_confidence(cost),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReport:
    """What the energy of one meter or location cost; rows are in order of time."""

    object_id: str
    tariff_direction: TariffDirection
    time_zone: str | None
    currency: str
    rows: tuple[CostRow, ...]

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a report in Wh or kWh."""
        wh_per_unit = _unit(data, "energy_units", WH_PER_UNIT)
        rows = (CostRow.from_dict(row, wh_per_unit) for row in _objects(data, "data"))
        return cls(
            object_id=_text(data, "object_id"),
            tariff_direction=_tariff_direction(data),
            time_zone=_optional_text(data, "location_timezone"),
            currency=_text(data, "currency_code"),
            rows=tuple(sorted(rows, key=lambda row: row.start)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordCost:
    """What one record costs."""

    tariff_direction: TariffDirection
    currency: str
    row: CostRow

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read the answer for a record, which has one row."""
        wh_per_unit = _unit(data, "energy_units", WH_PER_UNIT)
        return cls(
            tariff_direction=_tariff_direction(data),
            currency=_text(data, "currency_code"),
            row=CostRow.from_dict(_mapping(data, "data"), wh_per_unit),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSlot:
    """The price per kWh of one period; below confidence 1 it is a forecast."""

    start: datetime
    end: datetime
    price: float
    confidence: float

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a slot, in any spelling of the price (flatpeak-api.md, section 9)."""
        is_scheduled = "start_time" in data
        names = SCHEDULE_NAMES if is_scheduled else PRICE_SERIES_NAMES
        start, end = _period(data, *names)
        price = _mapping(data, "price" if "price" in data else "tariff")
        name = next((each for each in PRICE_NAMES if each in price), PRICE_NAMES[0])
        return cls(
            start=start,
            end=end,
            price=_number(price, name),
            confidence=_confidence(price),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceReport:
    """The prices of a location; slots are in order of time and of unequal length."""

    location_id: str
    tariff_direction: TariffDirection
    time_zone: str | None
    currency: str
    slots: tuple[PriceSlot, ...]

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a price series, which is for import where it names no direction."""
        slots = (PriceSlot.from_dict(slot) for slot in _objects(data, "data"))
        return cls(
            location_id=_text(data, "location_id"),
            tariff_direction=_tariff_direction(
                {"tariff_direction": TariffDirection.IMPORT, **data}
            ),
            time_zone=_optional_text(data, "location_timezone"),
            currency=_text(data, "currency_code"),
            slots=tuple(sorted(slots, key=lambda slot: slot.start)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Times of a location that were looked for, in their order."""

    location_id: str
    currency: str
    slots: tuple[PriceSlot, ...]

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a schedule."""
        slots = (PriceSlot.from_dict(slot) for slot in _objects(data, "data"))
        return cls(
            location_id=_text(data, "location_id"),
            currency=_text(data, "currency_code"),
            slots=tuple(sorted(slots, key=lambda slot: slot.start)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerSlot:
    """A period with its power in W."""

    start: datetime
    end: datetime
    power_w: float

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a slot in W or kW."""
        start, end = _period(data, "start_time", "end_time")
        power = _mapping(data, "power")
        return cls(
            start=start,
            end=end,
            power_w=_number(power, "value") * _unit(power, "units", W_PER_UNIT),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargingPlan:
    """When a device moves its energy, what that costs, and what it saves."""

    location_id: str
    currency: str
    cost: float
    confidence: float
    saving: float | None
    saving_percentage: float | None
    slots: tuple[PowerSlot, ...]

    @classmethod
    def from_dict(cls, data: Json, device_id: str) -> Self:
        """Read the plan of one device; Flatpeak may not tell what it saves."""
        cost, savings = _mapping(data, "cost"), _optional_mapping(data, "savings")
        slots = (
            PowerSlot.from_dict(slot)
            for device in _objects(data, "data")
            if device.get("device_id") == device_id
            for slot in _objects(device, "schedule")
        )
        return cls(
            location_id=_text(data, "location_id"),
            currency=_text(data, "currency_code"),
            cost=_number(cost, "value"),
            confidence=_confidence(cost),
            saving=_optional_number(savings, "value"),
            saving_percentage=_optional_number(savings, "percentage"),
            slots=tuple(sorted(slots, key=lambda slot: slot.start)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """A tariff; without a source of rates the address belongs to no market."""

    tariff_id: str
    location_id: str
    market_rate_source_id: str | None

    @classmethod
    def from_dict(cls, data: Json) -> Self:
        """Read a tariff."""
        return cls(
            tariff_id=_text(data, "id"),
            location_id=_text(data, "location_id"),
            market_rate_source_id=_optional_text(data, "market_rate_source_id"),
        )


def _unreadable(name: str) -> FlatpeakResponseError:
    """Name the field that is missing or makes no sense, never its value."""
    return FlatpeakResponseError(f"Flatpeak's answer has no usable {name}")


def _optional_text(data: Json, name: str) -> str | None:
    """Read a text, trimmed; anything else counts as absent."""
    value = data.get(name)
    return value.strip() or None if isinstance(value, str) else None


def _text(data: Json, name: str) -> str:
    """Read a text that must be there."""
    if (value := _optional_text(data, name)) is None:
        raise _unreadable(name)
    return value


def _number(data: Json, name: str) -> float:
    """Read a finite number."""
    value = data.get(name)
    try:
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
        ):
            return float(value)
    except OverflowError:
        pass
    raise _unreadable(name)


def _optional_number(data: Json, name: str) -> float | None:
    """Read a finite number where there is one."""
    return None if data.get(name) is None else _number(data, name)


def _unit(data: Json, name: str, known: Mapping[str, float]) -> float:
    """Read a unit that we know, and return how much of ours it holds."""
    if (size := known.get(_text(data, name))) is None:
        raise _unreadable(name)
    return size


def _confidence(data: Json) -> float:
    """Read a confidence, 1 where none is given."""
    return 1.0 if data.get("confidence") is None else _number(data, "confidence")


def _count(data: Json, name: str) -> int:
    """Read a whole number that is not negative."""
    value = data.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _unreadable(name)
    return value


def _mapping(data: Json, name: str) -> Json:
    """Read an object."""
    value = data.get(name)
    if not isinstance(value, Mapping):
        raise _unreadable(name)
    return value


def _optional_mapping(data: Json, name: str) -> Json:
    """Read an object; anything else counts as empty."""
    value = data.get(name)
    return value if isinstance(value, Mapping) else {}


def _objects(data: Json, name: str) -> list[Json]:
    """Read a list of objects."""
    value = data.get(name)
    if not isinstance(value, list) or not all(
        isinstance(item, Mapping) for item in value
    ):
        raise _unreadable(name)
    return value


def _instant(data: Json, name: str) -> datetime:
    """Read an instant with its offset: to guess one would move energy in time."""
    try:
        instant = datetime.fromisoformat(_text(data, name))
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except ValueError, OverflowError:
        pass
    raise _unreadable(name)


def _optional_instant(data: Json, name: str) -> datetime | None:
    """Read an instant or a bare date, in UTC where it carries no offset."""
    try:
        instant = datetime.fromisoformat(_optional_text(data, name) or "")
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except ValueError, OverflowError:
        return None


def _period(data: Json, start_name: str, end_name: str) -> tuple[datetime, datetime]:
    """Read two instants, of which the second must be later."""
    start, end = _instant(data, start_name), _instant(data, end_name)
    if end <= start:
        raise _unreadable(end_name)
    return start, end


def _status(data: Json, name: str) -> ConnectionStatus:
    """Read a connection status; the documents show one with a trailing blank."""
    return ConnectionStatus(_optional_text(data, name) or "UNKNOWN")


def _tariff_direction(data: Json) -> TariffDirection:
    """Read a tariff direction that we know."""
    try:
        return TariffDirection(_text(data, "tariff_direction"))
    except ValueError:
        raise _unreadable("tariff_direction") from None


def _wire_number(value: float) -> float:
    """Return a number, raise ValueError where JSON has none for it."""
    if not math.isfinite(value):
        raise ValueError("JSON has no number that is not finite")
    return value


# Meters share their hours, and an hour begins where another one ends.
@lru_cache(maxsize=2048)
def _wire_instant(instant: datetime) -> str:
    """Write an instant in RFC 3339, UTC."""
    if instant.tzinfo is None:
        raise ValueError("An instant without a time zone cannot be sent")
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"
