"""The action that tells what sessions cost."""

from datetime import tzinfo
from typing import Final

import voluptuous as vol

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv
from homeassistant.util.json import JsonObjectType

from ..const import DOMAIN
from ..costs import WH_PER_KWH
from ..journal import MeterJournal
from ..meter import Meter
from ..sessions import Session
from .subject import Subject, async_subject, mistake

SERVICE_GET_SESSION_COST: Final = "get_session_cost"

ATTR_LAST: Final = "last"
ATTR_SESSION_ID: Final = "session_id"

_GET_SESSION_COST_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_DEVICE_ID): cv.string,
        vol.Exclusive(ATTR_SESSION_ID, "sessions"): cv.string,
        vol.Exclusive(ATTR_LAST, "sessions"): cv.positive_int,
    }
)


@callback
def async_setup(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_SESSION_COST,
        _async_get_session_cost,
        schema=_GET_SESSION_COST_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _async_get_session_cost(call: ServiceCall) -> ServiceResponse:
    """Return what sessions cost, as Flatpeak said last: it is not asked now."""
    subject = async_subject(call.hass, call.data[ATTR_DEVICE_ID])
    zone = subject.coordinator.zone
    if session_id := call.data.get(ATTR_SESSION_ID):
        sessions = [
            each
            for each in _sessions(subject)
            if each[1].session_id(each[0].device_id) == session_id
        ]
        if not sessions:
            raise mistake("session_unknown")
    else:
        last = call.data.get(ATTR_LAST, 1)
        sessions = _sessions(subject)[-last:] if last else []
    return {
        "time_zone": str(zone),
        "sessions": [
            _answer(meter, session, subject.coordinator.journal.meters, zone)
            for meter, session in sessions
        ],
    }


def _sessions(subject: Subject) -> list[tuple[Meter, Session]]:
    """Return the sessions of a meter, or of all meters of a home, oldest first."""
    journal = subject.coordinator.journal
    found = [
        (meter, session)
        for meter in subject.meters
        for session in journal.meters[meter.device_id].sessions
    ]
    return sorted(found, key=lambda each: each[1].start)


def _answer(
    meter: Meter,
    session: Session,
    journals: dict[str, MeterJournal],
    zone: tzinfo,
) -> JsonObjectType:
    """Return what is known of a session, energy in kWh and times in that of the home."""
    end, cost = session.end, session.cost
    return {
        "session_id": session.session_id(meter.device_id),
        "name": meter.name,
        "start": session.start.astimezone(zone).isoformat(),
        "end": None if end is None else end.astimezone(zone).isoformat(),
        "status": journals[meter.device_id].status(session),
        "energy": None if cost is None else cost.energy_wh / WH_PER_KWH,
        "cost": None if cost is None else cost.cost,
        "average_price": None if cost is None else cost.average_price,
        "currency": None if cost is None else cost.currency,
        "is_estimated": session.is_estimated,
    }
