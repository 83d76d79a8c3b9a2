"""POST /costs: reports of devices, locations and sessions, and the cost of one record."""

from datetime import UTC, timedelta, tzinfo
from typing import Any

from .call import Answer, Call
from .clock import to_text
from .errors import not_found, refused
from .ledger import Ledger
from .meters import Batch, Record, RecordError
from .registers import Note, Reading
from .reports import Aggregation, Row
from .submissions import read_record, take_record
from .tariffs import Direction, money
from .validation import INVALID_REQUEST
from .windows import parse_time, read_direction, read_window


def cost_interval(call: Call) -> Answer:
    """Report what the energy of a device or location cost: per day, per month or in one row."""
    window = read_window(call, timedelta(days=call.settings.max_report_days))
    asked = call.query.get("aggregation")
    ledger = _ledger(call, call.object_id, read_direction(call))
    rows = ledger.rows(window.span, Aggregation(asked) if asked else None)
    return Answer(
        200, _report(call, ledger, [_row(row, window.offset) for row in rows])
    )


def cost_session(call: Call) -> Answer:
    """Report what each record of a session cost, as far as they are processed."""
    direction = Direction(call.query.get("tariff_direction", Direction.IMPORT))
    owner = call.account.meters.session_owner(call.object_id, direction)
    if owner is None:
        raise not_found()
    ledger = _ledger(call, owner, direction)
    rows = [
        _row(row, UTC) | _references(note)
        for row, note in ledger.session(call.object_id)
    ]
    return Answer(200, _report(call, ledger, rows))


def cost_instant(call: Call) -> Answer:
    """Price one record, and keep it unless that is not wanted."""
    record = _record(call)
    ledger = _ledger(call, call.body["location_id"], record.meter.direction)
    row = ledger.price_alone(Reading(record.span, record.energy), record.note)
    is_estimate = call.query.get("non_persistent", False)
    if not is_estimate:
        _keep(call, record)
    return Answer(
        200,
        {
            **call.stamp("mre", "meter_record"),
            "energy_flow_direction": record.meter.flow,
            "tariff_direction": record.meter.direction,
            "currency_code": ledger.place.currency,
            "energy_units": "WH",
            "request": call.body | {"non_persistent": is_estimate},
            "data": _row(row, parse_time(call.body["end_time"]).tzinfo or UTC),
        },
    )


def _record(call: Call) -> Record:
    """Return the record of a body; refuse one that is not sound."""
    try:
        record = read_record(call, call.body)
    except RecordError as error:
        raise refused(INVALID_REQUEST, str(error)) from error
    if record.span.start == record.span.end:
        raise refused(INVALID_REQUEST, "end_time must be after start_time.")
    return record


def _keep(call: Call, record: Record) -> None:
    """Keep a record as if it had been submitted: it needs no second submission."""
    batch = Batch(id=call.new_id("bat"), created=call.now, submitted=1)
    try:
        take_record(call, batch, record, call.body["location_id"])
    except RecordError as error:
        raise refused(INVALID_REQUEST, str(error)) from error
    call.account.meters.keep(batch)


def _ledger(call: Call, object_id: str, direction: Direction) -> Ledger:
    """Return the books of a device or location as of now."""
    return Ledger(
        account=call.account,
        object_id=object_id,
        direction=direction,
        now=call.now,
        settings=call.settings,
    )


def _report(call: Call, ledger: Ledger, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a report as JSON."""
    return {
        "id": call.new_id("ecs"),
        "object": "energy_cost",
        "object_id": ledger.object_id,
        "live_mode": call.token.live_mode,
        "tariff_direction": ledger.direction,
        "location_timezone": ledger.place.zone.key,
        "currency_code": ledger.place.currency,
        "energy_units": "WH",
        "data": rows,
        "account_id": call.account.id,
    }


def _row(row: Row, offset: tzinfo) -> dict[str, Any]:
    """Return a row as JSON; its stamps have the offset of the window's end, whatever the local clock did."""
    return {
        "start_time": to_text(row.span.start, offset),
        "end_time": to_text(row.span.end, offset),
        "energy": {"value": float(row.energy)},
        "cost": {
            "value": float(money(row.cost)),
            "confidence": float(row.confidence),
        },
    }


def _references(note: Note) -> dict[str, str]:
    """Return how a row of a session can be told from others."""
    names = {
        "session_reference_id": note.session,
        "record_reference_id": note.reference,
    }
    return {name: value for name, value in names.items() if value is not None}
