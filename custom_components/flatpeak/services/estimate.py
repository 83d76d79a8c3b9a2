"""The action that tells what a use of energy would cost."""

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

from ..api import FlatpeakError, RecordCost
from ..const import CONF_FLOW, DOMAIN
from ..costs import WH_PER_KWH
from ..days import with_offset_of
from ..failure import action_failure
from ..intervals import HOUR
from ..meter import Flow
from .subject import ATTR_END, ATTR_START, Subject, async_subject, mistake
from .window import Window, length_of, number, positive, read_window, times

SERVICE_ESTIMATE_COST: Final = "estimate_cost"

ATTR_ENERGY: Final = "energy"
ATTR_POWER: Final = "power"

_ESTIMATE_COST_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_DEVICE_ID): cv.string,
        vol.Optional(ATTR_ENERGY): number,
        vol.Optional(ATTR_POWER): number,
        vol.Optional(ATTR_START): cv.datetime,
        vol.Required(ATTR_END): cv.datetime,
        vol.Optional(CONF_FLOW): vol.Coerce(Flow),
    }
)


@callback
def async_setup(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_ESTIMATE_COST,
        _async_estimate_cost,
        schema=_ESTIMATE_COST_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _async_estimate_cost(call: ServiceCall) -> ServiceResponse:
    """Return what energy would cost; nothing is stored."""
    subject = async_subject(call.hass, call.data[ATTR_DEVICE_ID])
    window = read_window(subject, call.data)
    energy_wh = _energy_wh(call, window)
    flow = call.data.get(CONF_FLOW, subject.flow)
    try:
        estimate = await _async_estimate(subject, window, energy_wh, flow)
    except FlatpeakError as err:
        raise action_failure(err) from err
    return _answer(estimate, subject, window)


def _energy_wh(call: ServiceCall, window: Window) -> float:
    """Return how much energy an action is about: it names it, or a constant power."""
    if (ATTR_ENERGY in call.data) is (ATTR_POWER in call.data):
        raise mistake("energy_or_power")
    if ATTR_ENERGY in call.data:
        return positive(call.data[ATTR_ENERGY]) * WH_PER_KWH
    return positive(call.data[ATTR_POWER]) * WH_PER_KWH * (length_of(window) / HOUR)


async def _async_estimate(
    subject: Subject, window: Window, energy_wh: float, flow: Flow
) -> RecordCost:
    """Return what Flatpeak says that energy would cost."""
    start, end = window
    about = (SERVICE_ESTIMATE_COST, flow.tariff_direction)
    with subject.asking(about, *about, start, end, energy_wh):
        return await subject.coordinator.client.estimate_cost(
            subject.coordinator.location_id,
            with_offset_of(end, start),
            end,
            energy_wh,
            flow.energy_flow_direction,
            flow.tariff_direction,
        )


def _answer(estimate: RecordCost, subject: Subject, window: Window) -> JsonObjectType:
    """Return what an estimate says, energy in kWh."""
    zone, row = subject.coordinator.zone, estimate.row
    energy = row.energy_wh / WH_PER_KWH
    return {
        "currency": estimate.currency,
        "time_zone": str(zone),
        "direction": estimate.tariff_direction.lower(),
        **times(*window, zone),
        "energy": energy,
        "cost": row.cost,
        "average_price": row.cost / energy if energy else None,
        "confidence": row.confidence,
    }
