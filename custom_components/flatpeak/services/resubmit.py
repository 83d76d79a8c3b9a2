"""The action that compares uploaded energy with the recorder, and uploads it again."""

from datetime import datetime
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
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType

from ..api import FlatpeakError
from ..const import DOMAIN
from ..corrections import Resubmission
from ..failure import action_failure
from ..intervals import floor_hour
from ..sources import SourceProblem, async_source_problems
from .subject import ATTR_END, ATTR_START, Subject, async_subject, mistake

SERVICE_RESUBMIT: Final = "resubmit"

ATTR_DRY_RUN: Final = "dry_run"

# With these there is nothing that uploaded energy could be compared with.
_NOTHING_TO_READ: Final = {
    SourceProblem.GONE,
    SourceProblem.NOT_ENERGY,
    SourceProblem.REMOVED,
}

_RESUBMIT_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_DEVICE_ID): cv.string,
        vol.Required(ATTR_START): cv.datetime,
        vol.Optional(ATTR_END): cv.datetime,
        vol.Optional(ATTR_DRY_RUN, default=True): cv.boolean,
    }
)


@callback
def async_setup(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_RESUBMIT,
        _async_resubmit,
        schema=_RESUBMIT_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


async def _async_resubmit(call: ServiceCall) -> ServiceResponse:
    """Compare what was uploaded with the recorder, and upload again what differs."""
    subject = async_subject(call.hass, call.data[ATTR_DEVICE_ID])
    start, end = _window(call)
    coordinator, dry_run = subject.coordinator, call.data[ATTR_DRY_RUN]
    if coordinator.journal.corrections_stopped and not dry_run:
        raise mistake("corrections_stopped")
    await _async_require_sources(call.hass, subject)
    try:
        done = await coordinator.async_resubmit(
            subject.meters, start, end, dry_run=dry_run
        )
    except FlatpeakError as err:
        raise action_failure(err) from err
    return {
        "dry_run": dry_run,
        "corrections_stopped": coordinator.journal.corrections_stopped,
        "meters": [_answer(each) for each in done],
    }


def _window(call: ServiceCall) -> tuple[datetime, datetime]:
    """Return the whole hours that an action is about."""
    now = dt_util.utcnow()
    start = dt_util.as_utc(call.data[ATTR_START])
    end = dt_util.as_utc(call.data.get(ATTR_END, now))
    if start > now:
        raise mistake("start_in_future")
    if end <= start:
        raise mistake("end_before_start")
    return floor_hour(start), min(end, now)


async def _async_require_sources(hass: HomeAssistant, subject: Subject) -> None:
    """Raise ServiceValidationError when a meter has no energy to compare."""
    problems = await async_source_problems(
        hass, subject.meters, subject.coordinator.journal
    )
    for meter in subject.meters:
        if problems.get(meter.device_id) in _NOTHING_TO_READ:
            raise ServiceValidationError(
                translation_domain=DOMAIN,
                translation_key="meter_without_source",
                translation_placeholders={"meter": meter.name},
            )


def _answer(done: Resubmission) -> JsonObjectType:
    """Return what differed of a meter, energy in Wh and times in UTC."""
    return {
        "name": done.meter.name,
        "differing": [
            {
                "start": each.start.isoformat(),
                "end": each.end.isoformat(),
                "recorder_wh": each.energy_wh,
                "flatpeak_wh": each.counted_wh,
            }
            for each in done.differences
        ],
        "sent": done.sent,
    }
