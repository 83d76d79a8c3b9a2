"""POST /costs/interval: the cost reports of devices and locations."""

from datetime import timedelta
from typing import Any

from .call import Answer, Call
from .clock import to_text
from .ledger import Ledger
from .reports import Aggregation, Row
from .tariffs import money
from .windows import Window, read_direction, read_window


def cost_interval(call: Call) -> Answer:
    """Report what the energy of a device or location cost: per day, per month or in one row."""
    window = read_window(call, timedelta(days=call.settings.max_report_days))
    asked = call.query.get("aggregation")
    ledger = Ledger(
        account=call.account,
        object_id=call.object_id,
        direction=read_direction(call),
        now=call.now,
        settings=call.settings,
    )
    rows = ledger.rows(window.span, Aggregation(asked) if asked else None)
    return Answer(200, _report(call, ledger, window, rows))


def _report(
    call: Call, ledger: Ledger, window: Window, rows: list[Row]
) -> dict[str, Any]:
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
        "data": [_row(row, window) for row in rows],
        "account_id": call.account.id,
    }


def _row(row: Row, window: Window) -> dict[str, Any]:
    """Return a row as JSON; its stamps have the offset of the window's end, whatever the local clock did."""
    return {
        "start_time": to_text(row.span.start, window.offset),
        "end_time": to_text(row.span.end, window.offset),
        "energy": {"value": float(row.energy)},
        "cost": {
            "value": float(money(row.cost)),
            "confidence": float(row.confidence),
        },
    }
