"""PUT /meters/interval and GET /meters/batch."""

from datetime import timedelta
from typing import Any, Final

from .call import Answer, Call
from .clock import HOUR, Span, to_instant, to_text
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
    records = _records(call)
    batch = Batch(
        id=call.new_id("bat"),
        created=call.now,
        submitted=len(records),
        held=call.trouble.held,
    )
    for number, raw in enumerate(records):
        try:
            _refuse(call, number)
            _take(call, batch, raw)
        except (RecordError, ApiError) as error:
            batch.failures.append(_failure(number, raw, error))
    call.account.meters.keep(batch)
    return Answer(200, _batch(call, batch))


def get_batch(call: Call) -> Answer:
    """Tell how far a submission is processed."""
    if batch := call.account.meters.batches.get(call.query["batch_id"]):
        return Answer(200, _batch(call, batch))
    raise not_found()


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
    record = _read(call, raw)
    call.account.meters.accept(batch, record, call.settings, call.state.violations)
    call.account.meters.homes[record.meter.object_id] = raw["location_id"]


def _read(call: Call, raw: dict[str, Any]) -> Record:
    """Return a record that fits the schema; refuse what only the service can know."""
    if raw["location_id"] not in call.account.locations:
        raise RecordError("location_id is unknown.")
    if "device_id" in raw and raw["device_id"] not in call.account.devices:
        raise RecordError("device_id is unknown.")
    span = _span(call, raw)
    return Record(
        meter=Meter(
            raw.get("device_id", raw["location_id"]),
            Direction(raw.get("tariff_direction", Direction.IMPORT)),
            Flow(raw.get("energy_flow_direction", Flow.INBOUND)),
        ),
        span=span,
        energy=_energy(call, raw, span),
        note=Note(raw.get("session_reference_id"), raw.get("confidence", 1.0)),
    )


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
