"""PUT /meters/interval, PUT /meters/cumulative/epoch and GET /meters/batch."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from .call import Answer, Call
from .clock import HOUR, SECOND, Instant, Span, to_instant, to_text
from .errors import ApiError, not_found, refused
from .meters import Batch, Flow, Meter, Record, RecordError
from .registers import Note
from .tariffs import Direction
from .validation import INVALID_REQUEST, first_error
from .violations import Violation
from .windows import parse_time

MOST_RECORDS: Final = 10_000
FURTHEST_FUTURE: Final = timedelta(days=366)
SCALES: Final = {"WH": 1, "KWH": 1000, "W": 1, "KW": 1000}
POWER_UNITS: Final = frozenset({"W", "KW"})


def submit_interval(call: Call) -> Answer:
    """Take the records that are sound and name the others."""
    return _submit(call, _records(call), _take)


def submit_cumulative(call: Call) -> Answer:
    """Take readings of a register: what it counts from one to the next is energy."""
    return _submit(call, call.body["data"], _take_reading)


def get_batch(call: Call) -> Answer:
    """Tell how far a submission is processed."""
    if batch := call.account.meters.batches.get(call.query["batch_id"]):
        return Answer(200, _batch(call, batch))
    raise not_found()


def _submit(
    call: Call, records: list[Any], take: Callable[[Call, Batch, Any], None]
) -> Answer:
    """Take the records that are sound and name the others."""
    batch = Batch(
        id=call.new_id("bat"),
        created=call.now,
        submitted=len(records),
        held=call.trouble.held,
    )
    for number, raw in enumerate(records):
        try:
            _refuse(call, number)
            take(call, batch, raw)
        except (RecordError, ApiError) as error:
            batch.failures.append(_failure(number, raw, error))
    call.account.meters.keep(batch)
    return Answer(200, _batch(call, batch))


def _records(call: Call) -> list[Any]:
    """Return the records of a body; refuse one that is no list of them."""
    records = call.body
    if not isinstance(records, list) or not records:
        raise refused(INVALID_REQUEST, "The body must be an array of records.")
    if len(records) > MOST_RECORDS:
        call.state.violations.add(
            call.now, Violation.OVER_LIMIT, f"{len(records)} records in a request."
        )
        raise refused(INVALID_REQUEST, f"At most {MOST_RECORDS} records at a time.")
    return records


def _refuse(call: Call, number: int) -> None:
    """Refuse a record that goes wrong on purpose."""
    if call.trouble.refused and number % call.trouble.refused == 0:
        raise RecordError("This record cannot be taken now.")


def _take(call: Call, batch: Batch, raw: Any) -> None:
    """Take one record; refuse it where it is not sound."""
    schema = call.state.contract.interval_record
    if not schema.is_valid(raw):
        raise RecordError(first_error(schema, raw))
    take_record(call, batch, read_record(call, raw), raw["location_id"])


def take_record(call: Call, batch: Batch, record: Record, location_id: str) -> None:
    """Take a sound record; it says where its device is from now on."""
    call.account.meters.accept(batch, record, call.settings, call.state.violations)
    call.account.meters.homes[record.meter.object_id] = location_id


def read_record(call: Call, raw: dict[str, Any]) -> Record:
    """Return a record that fits the schema; refuse what only the service can know."""
    meter, span = _meter(call, raw), _span(call, raw)
    return Record(
        meter=meter,
        span=span,
        energy=_energy(call, raw, span),
        note=_note(raw, raw.get("record_reference_id"), raw.get("confidence", 1.0)),
    )


def _take_reading(call: Call, batch: Batch, raw: dict[str, Any]) -> None:
    """Take one reading of a register.

    What was counted before the first one is not known, nor what a register has counted
    that shows less than before: it began anew.
    """
    meter, at = _meter(call, call.body), raw["time"] * SECOND
    value = Decimal(repr(raw["value"])) * SCALES[call.body["units"]]
    readings = call.account.meters.dials[meter]
    before = next(reversed(readings), None)
    _check_reading(call, readings, at, value)
    if at in readings or before is None or value < readings[before]:
        batch.accept_without_energy()
    else:
        record = Record(
            meter=meter,
            span=Span(before, at),
            energy=_rounded(call, float(value - readings[before])),
            note=_note(call.body, raw.get("record_reference_id"), 1.0),
        )
        take_record(call, batch, record, call.body["location_id"])
    readings[at] = value


def _check_reading(
    call: Call, readings: dict[Instant, Decimal], at: Instant, value: Decimal
) -> None:
    """Refuse a reading that contradicts those before it."""
    if at in readings:
        if readings[at] != value:
            raise RecordError("There is another reading of this time.")
    elif readings and at < next(reversed(readings)):
        raise RecordError("There is a later reading already.")
    elif at > to_instant(call.now + FURTHEST_FUTURE):
        raise RecordError("time is more than a year ahead.")


def _meter(call: Call, raw: dict[str, Any]) -> Meter:
    """Return whose energy is told, and how; refuse whom the account does not have."""
    if raw["location_id"] not in call.account.locations:
        raise RecordError("location_id is unknown.")
    if "device_id" in raw and raw["device_id"] not in call.account.devices:
        raise RecordError("device_id is unknown.")
    return Meter(
        raw.get("device_id", raw["location_id"]),
        Direction(raw.get("tariff_direction", Direction.IMPORT)),
        Flow(raw.get("energy_flow_direction", Flow.INBOUND)),
    )


def _note(raw: dict[str, Any], reference: str | None, confidence: float) -> Note:
    """Return what else is said of a record; its reference counts in a session only."""
    session = raw.get("session_reference_id")
    return Note(session, confidence, reference if session else None)


def _span(call: Call, raw: dict[str, Any]) -> Span:
    """Return the period of a record."""
    start, end = parse_time(raw["start_time"]), parse_time(raw["end_time"])
    if end < start:
        raise RecordError("end_time is before start_time.")
    if end > call.now + FURTHEST_FUTURE:
        raise RecordError("end_time is more than a year ahead.")
    return Span(to_instant(start), to_instant(end))


def _energy(call: Call, raw: dict[str, Any], span: Span) -> float:
    """Return the energy of a record in Wh."""
    if raw["value"] < 0:
        raise RecordError("value is negative.")
    energy = float(raw["value"] * SCALES[raw["units"]])
    if raw["units"] in POWER_UNITS:
        energy *= (span.end - span.start) / HOUR
    return _rounded(call, energy)


def _rounded(call: Call, energy: float) -> float:
    """Return energy as the service keeps it."""
    return float(round(energy)) if call.settings.whole_watt_hours else energy


def _failure(number: int, raw: Any, error: Exception) -> dict[str, Any]:
    """Return a refused record as JSON."""
    failure = {"record_num": number, "error": str(error)}
    if isinstance(raw, dict) and isinstance(raw.get("record_reference_id"), str):
        failure["record_reference_id"] = raw["record_reference_id"]
    return failure


def _batch(call: Call, batch: Batch) -> dict[str, Any]:
    """Return a batch as JSON."""
    body = {
        "id": batch.id,
        "object": "meter_batch",
        "records_submitted": batch.submitted,
        "records_accepted": batch.accepted,
        "records_processed": batch.processed,
        "time_created": to_text(to_instant(batch.created)),
        "account_id": call.account.id,
    }
    if batch.failures:
        body["failed_records"] = batch.failures
    return body
