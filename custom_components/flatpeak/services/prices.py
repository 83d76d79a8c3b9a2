"""The action that tells what a kilowatt-hour costs when."""

from datetime import timedelta
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

from ..api import FlatpeakError, PriceReport, TariffDirection
from ..const import DOMAIN
from ..days import with_offset_of
from ..failure import action_failure
from .subject import (
    ATTR_DIRECTION,
    ATTR_END,
    ATTR_START,
    DIRECTIONS,
    Subject,
    async_subject,
)
from .window import Window, priced, read_window

SERVICE_GET_PRICES: Final = "get_prices"

# Of 24 hours each (flatpeak-api.md, section 9).
LONGEST: Final = timedelta(days=90)

_GET_PRICES_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_DEVICE_ID): cv.string,
        vol.Optional(ATTR_START): cv.datetime,
        vol.Required(ATTR_END): cv.datetime,
        vol.Optional(ATTR_DIRECTION): vol.In(DIRECTIONS),
    }
)


@callback
def async_setup(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_PRICES,
        _async_get_prices,
        schema=_GET_PRICES_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _async_get_prices(call: ServiceCall) -> ServiceResponse:
    """Return the prices of a home."""
    subject = async_subject(call.hass, call.data[ATTR_DEVICE_ID])
    direction = subject.direction(call.data.get(ATTR_DIRECTION))
    window = read_window(subject, call.data, LONGEST)
    try:
        report = await async_prices(subject, window, direction)
    except FlatpeakError as err:
        raise action_failure(err) from err
    zone = subject.coordinator.zone
    return {
        "currency": report.currency,
        "time_zone": str(zone),
        "direction": direction.lower(),
        "prices": [priced(slot, zone) for slot in report.slots],
    }


async def async_prices(
    subject: Subject, window: Window, direction: TariffDirection
) -> PriceReport:
    """Return the prices that Flatpeak has for a home."""
    start, end = window
    with subject.asking(direction, SERVICE_GET_PRICES, direction, start, end):
        return await subject.coordinator.client.get_prices(
            subject.coordinator.location_id,
            with_offset_of(end, start),
            end,
            direction,
        )
