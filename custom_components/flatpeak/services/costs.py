"""The action that tells what energy cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType

from ..api import Aggregation, CostReport, CostRow, FlatpeakError, TariffDirection
from ..const import DOMAIN
from ..costs import WH_PER_KWH
from ..days import days_later, midnight, with_offset_of
from ..failure import action_failure
from .subject import (
    ATTR_DIRECTION,
    ATTR_END,
    ATTR_START,
    DIRECTIONS,
    Subject,
    async_subject,
    mistake,
)

SERVICE_GET_COSTS: Final = "get_costs"

ATTR_AGGREGATION: Final = "aggregation"

# Flatpeak answers for at most 90 days (flatpeak-api.md, section 8): 89 local days
# may have an hour more, two months have at most 62 days.
MAX_WINDOW: Final = timedelta(days=90)
DAYS_A_REQUEST: Final = 89
MONTHS_A_REQUEST: Final = 2

_AGGREGATIONS: Final = {
    "day": Aggregation.DAY,
    "month": Aggregation.MONTH,
    "none": None,
}

_GET_COSTS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(ATTR_DEVICE_ID): cv.string,
        vol.Required(ATTR_START): cv.datetime,
        vol.Optional(ATTR_END): cv.datetime,
        vol.Optional(ATTR_AGGREGATION, default="day"): vol.In(_AGGREGATIONS),
        vol.Optional(ATTR_DIRECTION): vol.In(DIRECTIONS),
    }
)


@callback
def async_setup(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        SERVICE_GET_COSTS,
        _async_get_costs,
        schema=_GET_COSTS_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """What costs are asked for, over any time."""

    subject: Subject
    direction: TariffDirection
    aggregation: Aggregation | None
    start: datetime
    end: datetime

    def windows(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield windows that Flatpeak answers in one request each."""
        start, zone = self.start, self.subject.coordinator.zone
        while start < self.end:
            day = midnight(start, zone)
            border = {
                Aggregation.DAY: days_later(day, DAYS_A_REQUEST),
                Aggregation.MONTH: _months_later(day, MONTHS_A_REQUEST),
                None: self.end,
            }[self.aggregation]
            yield start, min(border, self.end)
            start = border

    async def async_ask(self) -> list[CostReport]:
        """Return Flatpeak's reports, one for each window."""
        return [await self._async_report(*window) for window in self.windows()]

    async def _async_report(self, start: datetime, end: datetime) -> CostReport:
        """Return the report of a window."""
        object_id, direction = self.subject.object_id, self.direction
        request = (SERVICE_GET_COSTS, direction, self.aggregation, start, end)
        with self.subject.asking((object_id, direction), *request):
            return await self.subject.coordinator.client.get_interval_costs(
                object_id,
                with_offset_of(end, start),
                end,
                direction,
                self.aggregation,
            )

    def answer(self, reports: list[CostReport]) -> JsonObjectType:
        """Return what the reports say, in the time of the location."""
        zone = self.subject.coordinator.zone
        currencies = {report.currency for report in reports}
        if len(currencies) > 1:
            raise mistake("currencies_differ")
        return {
            "currency": currencies.pop(),
            "time_zone": str(zone),
            "direction": self.direction.lower(),
            "rows": [
                {
                    "start": row.start.astimezone(zone).isoformat(),
                    "end": row.end.astimezone(zone).isoformat(),
                    "energy": row.energy_wh / WH_PER_KWH,
                    "cost": row.cost,
                    "confidence": row.confidence,
                }
                for row in _rows(reports)
            ],
        }


async def _async_get_costs(call: ServiceCall) -> ServiceResponse:
    """Return what energy cost, in Flatpeak's own rows."""
    question = _question(call)
    try:
        return question.answer(await question.async_ask())
    except FlatpeakError as err:
        raise action_failure(err) from err


def _question(call: ServiceCall) -> _Question:
    """Return what an action asks, raise ServiceValidationError for nonsense."""
    subject = async_subject(call.hass, call.data[ATTR_DEVICE_ID])
    zone = subject.coordinator.zone
    start, end = (
        dt_util.as_utc(call.data.get(name, dt_util.utcnow())).astimezone(zone)
        for name in (ATTR_START, ATTR_END)
    )
    question = _Question(
        subject=subject,
        direction=subject.direction(call.data.get(ATTR_DIRECTION)),
        aggregation=_AGGREGATIONS[call.data[ATTR_AGGREGATION]],
        start=start,
        end=end,
    )
    # Instants of one zone would be compared by their wall clocks.
    length = dt_util.as_utc(end) - dt_util.as_utc(start)
    if length <= timedelta():
        raise mistake("end_before_start")
    if question.aggregation is None and length > MAX_WINDOW:
        raise mistake("window_too_long")
    return question


def _months_later(day: datetime, months: int) -> datetime:
    """Return the first of the month a number of months after the one of a day."""
    years, month = divmod(day.month - 1 + months, 12)
    return day.replace(year=day.year + years, month=month + 1, day=1)


def _rows(reports: list[CostReport]) -> list[CostRow]:
    """Return the rows of consecutive reports."""
    return [row for report in reports for row in report.rows]
