"""The actions that look for cheap and dear times."""

from dataclasses import dataclass
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
from homeassistant.util.json import JsonObjectType

from ..api import FlatpeakError, PriceSlot, Schedule, Segment, TariffDirection
from ..const import DOMAIN
from ..days import with_offset_of
from ..failure import action_failure
from ..intervals import HOUR
from ..schedule import best_window, cut, joined
from .prices import async_prices
from .subject import (
    ATTR_DIRECTION,
    ATTR_END,
    ATTR_START,
    DIRECTIONS,
    Subject,
    async_subject,
    mistake,
)
from .window import Window, length_of, number, priced, read_coming_window

SERVICE_FIND_CHEAPEST_WINDOW: Final = "find_cheapest_window"
SERVICE_FIND_PRICE_WINDOWS: Final = "find_price_windows"

ATTR_ABSOLUTE: Final = "absolute"
ATTR_DURATION: Final = "duration"
ATTR_RELATIVE: Final = "relative"
ATTR_SEGMENT: Final = "segment"
ATTR_SIDE: Final = "side"

# Of 24 hours each (flatpeak-api.md, section 9).
LONGEST: Final = timedelta(days=3)

_SEGMENTS: Final = {"cheapest": Segment.LOW, "dearest": Segment.HIGH}
_SIDES: Final = {"below": Segment.LOW, "above": Segment.HIGH}

_WINDOW: Final = {
    vol.Required(ATTR_DEVICE_ID): cv.string,
    vol.Optional(ATTR_START): cv.datetime,
    vol.Required(ATTR_END): cv.datetime,
    vol.Optional(ATTR_DIRECTION): vol.In(DIRECTIONS),
}
_FIND_CHEAPEST_WINDOW_SCHEMA: Final = vol.Schema(
    {
        **_WINDOW,
        vol.Required(ATTR_DURATION): cv.time_period,
        vol.Optional(ATTR_SEGMENT, default="cheapest"): vol.In(_SEGMENTS),
    }
)
_FIND_PRICE_WINDOWS_SCHEMA: Final = vol.Schema(
    {
        **_WINDOW,
        vol.Optional(ATTR_SIDE, default="below"): vol.In(_SIDES),
        vol.Optional(ATTR_ABSOLUTE): number,
        vol.Optional(ATTR_RELATIVE): number,
    }
)


@callback
def async_setup(hass: HomeAssistant) -> None:
    """Register the actions."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_FIND_CHEAPEST_WINDOW,
        _async_find_cheapest_window,
        schema=_FIND_CHEAPEST_WINDOW_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )
    hass.services.async_register(
        DOMAIN,
        SERVICE_FIND_PRICE_WINDOWS,
        _async_find_price_windows,
        schema=_FIND_PRICE_WINDOWS_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Search:
    """Where times are looked for."""

    subject: Subject
    direction: TariffDirection
    window: Window

    @classmethod
    def of(cls, call: ServiceCall) -> _Search:
        """Return the search of an action, raise ServiceValidationError for nonsense."""
        subject = async_subject(call.hass, call.data[ATTR_DEVICE_ID])
        return cls(
            subject=subject,
            direction=subject.direction(call.data.get(ATTR_DIRECTION)),
            window=read_coming_window(subject, call.data, LONGEST),
        )

    async def async_by_duration(
        self, segment: Segment, duration: timedelta
    ) -> Schedule:
        """Return Flatpeak's cheapest or dearest times, which may lie apart."""
        start, end = self.window
        wish = (self.direction, segment, duration)
        request = (SERVICE_FIND_CHEAPEST_WINDOW, *wish, *self.window)
        with self.subject.asking(self.direction, *request):
            return await self.subject.coordinator.client.find_windows_by_duration(
                self.subject.coordinator.location_id,
                with_offset_of(end, start),
                end,
                self.direction,
                segment=segment,
                duration=duration,
            )

    async def async_in_one_piece(
        self, schedule: Schedule, segment: Segment, duration: timedelta
    ) -> PriceSlot | None:
        """Return the best time in one piece, None where no prices are known for one.

        Where Flatpeak's times follow one another, no piece can be better. Else the
        prices tell.
        """
        slots = joined(schedule.slots)
        if [slot.end - slot.start for slot in slots] == [duration]:
            return slots[0]
        report = await async_prices(self.subject, self.window, self.direction)
        return best_window(
            list(cut(report.slots, *self.window)),
            duration,
            is_dear=segment is Segment.HIGH,
        )

    async def async_by_limit(
        self, segment: Segment, absolute: float | None, relative: float | None
    ) -> Schedule:
        """Return Flatpeak's times at a price and below it, or at it and above."""
        start, end = self.window
        wish = (self.direction, segment, absolute, relative)
        request = (SERVICE_FIND_PRICE_WINDOWS, *wish, *self.window)
        with self.subject.asking(self.direction, *request):
            return await self.subject.coordinator.client.find_windows_by_limit(
                self.subject.coordinator.location_id,
                with_offset_of(end, start),
                end,
                self.direction,
                segment=segment,
                absolute=absolute,
                relative=relative,
            )

    def answer(self, schedule: Schedule) -> JsonObjectType:
        """Return what all answers tell."""
        return {
            "currency": schedule.currency,
            "time_zone": str(self.subject.coordinator.zone),
            "direction": self.direction.lower(),
        }


async def _async_find_cheapest_window(call: ServiceCall) -> ServiceResponse:
    """Return the cheapest or dearest time: in one piece, and in Flatpeak's pieces."""
    search = _Search.of(call)
    segment, duration = _SEGMENTS[call.data[ATTR_SEGMENT]], _duration(call, search)
    try:
        schedule = await search.async_by_duration(segment, duration)
        window = await search.async_in_one_piece(schedule, segment, duration)
    except FlatpeakError as err:
        raise action_failure(err) from err
    zone, slots = search.subject.coordinator.zone, joined(schedule.slots)
    return {
        **search.answer(schedule),
        "window": None if window is None else priced(window, zone),
        "is_contiguous": len(slots) == 1,
        "slots": [priced(slot, zone) for slot in slots],
    }


async def _async_find_price_windows(call: ServiceCall) -> ServiceResponse:
    """Return when the price is at a limit or beyond it."""
    search = _Search.of(call)
    absolute, relative = _limit(call)
    segment = _SIDES[call.data[ATTR_SIDE]]
    try:
        schedule = await search.async_by_limit(segment, absolute, relative)
    except FlatpeakError as err:
        raise action_failure(err) from err
    zone, windows = search.subject.coordinator.zone, joined(schedule.slots)
    total = sum((each.end - each.start for each in windows), timedelta())
    return {
        **search.answer(schedule),
        "hours": total / HOUR,
        "windows": [priced(window, zone) for window in windows],
    }


def _duration(call: ServiceCall, search: _Search) -> timedelta:
    """Return how long the wanted time is, which fits into the search."""
    duration: timedelta = call.data[ATTR_DURATION]
    if duration <= timedelta():
        raise mistake("not_positive")
    if duration > length_of(search.window):
        raise mistake("duration_too_long")
    return duration


def _limit(call: ServiceCall) -> tuple[float | None, float | None]:
    """Return the limit of an action: a price, or a level of the prices from 0.01 to 1."""
    absolute, percent = call.data.get(ATTR_ABSOLUTE), call.data.get(ATTR_RELATIVE)
    if (absolute is None) is (percent is None):
        raise mistake("one_limit")
    if percent is None:
        return absolute, None
    if not 1 <= percent <= 100:
        raise mistake("relative_out_of_range")
    return None, percent / 100
