"""The action that plans when a device takes its energy."""

from dataclasses import dataclass
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

from ..api import ChargingPlan, FlatpeakError
from ..const import DOMAIN
from ..costs import WH_PER_KWH
from ..days import with_offset_of
from ..failure import action_failure
from ..intervals import HOUR
from ..meter import Meter
from .estimate import ATTR_ENERGY, ATTR_POWER
from .subject import ATTR_START, Subject, async_subject, mistake
from .window import Window, length_of, number, positive, read_coming_window, times
from .windows import LONGEST

SERVICE_PLAN_CHARGING: Final = "plan_charging"

ATTR_READY_BY: Final = "ready_by"

W_PER_KW: Final = 1000

_PLAN_CHARGING_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_DEVICE_ID): cv.string,
        vol.Required(ATTR_ENERGY): number,
        vol.Required(ATTR_POWER): number,
        vol.Optional(ATTR_START): cv.datetime,
        vol.Required(ATTR_READY_BY): cv.datetime,
    }
)


@callback
def async_setup(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_PLAN_CHARGING,
        _async_plan_charging,
        schema=_PLAN_CHARGING_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wish:
    """What energy a meter is to take when."""

    subject: Subject
    meter: Meter
    window: Window
    energy_wh: float
    power_w: float

    async def async_plan(self) -> ChargingPlan:
        """Return Flatpeak's plan."""
        start, end = self.window
        direction = self.meter.flow.tariff_direction
        request = (SERVICE_PLAN_CHARGING, self.energy_wh, self.power_w, start, end)
        with self.subject.asking(direction, *request):
            return await self.subject.coordinator.client.plan_amount(
                self.subject.coordinator.location_id,
                self.meter.device_id,
                with_offset_of(end, start),
                end,
                direction,
                energy_wh=self.energy_wh,
                max_power_w=self.power_w,
            )

    def answer(self, plan: ChargingPlan) -> JsonObjectType:
        """Return what a plan says, energy in kWh and power in kW."""
        zone = self.subject.coordinator.zone
        return {
            "currency": plan.currency,
            "time_zone": str(zone),
            "cost": plan.cost,
            "confidence": plan.confidence,
            "saving": plan.saving,
            "saving_percentage": plan.saving_percentage,
            "slots": [
                {
                    **times(slot.start, slot.end, zone),
                    "power": slot.power_w / W_PER_KW,
                    "energy": slot.power_w
                    / W_PER_KW
                    * ((slot.end - slot.start) / HOUR),
                }
                for slot in plan.slots
            ],
        }


async def _async_plan_charging(call: ServiceCall) -> ServiceResponse:
    """Return when a device takes its energy at least cost."""
    wish = _wish(call)
    try:
        return wish.answer(await wish.async_plan())
    except FlatpeakError as err:
        raise action_failure(err) from err


def _wish(call: ServiceCall) -> _Wish:
    """Return what an action wants, raise ServiceValidationError for nonsense."""
    subject = async_subject(call.hass, call.data[ATTR_DEVICE_ID])
    if subject.meter is None:
        raise mistake("meter_needed")
    window = read_coming_window(subject, call.data, LONGEST, until=ATTR_READY_BY)
    energy, power = (positive(call.data[name]) for name in (ATTR_ENERGY, ATTR_POWER))
    if energy > power * (length_of(window) / HOUR):
        raise mistake("energy_does_not_fit")
    return _Wish(
        subject=subject,
        meter=subject.meter,
        window=window,
        energy_wh=energy * WH_PER_KWH,
        power_w=power * W_PER_KW,
    )
