"""What a meter subentry means: one energy statistic with a flow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.util import dt as dt_util, slugify

from .api import EnergyFlowDirection, Interval, Reading, TariffDirection
from .const import (
    CONF_DEVICE_ID,
    CONF_FLOW,
    CONF_HISTORY_START,
    CONF_LOCATION_ID,
    CONF_SESSION_ENTITY,
    CONF_SESSION_PAUSE,
    CONF_SESSION_STATES,
    CONF_SOURCE,
    CONF_SUBMIT,
    DOMAIN,
    SUBENTRY_TYPE_METER,
)
from .intervals import EnergyInterval
from .readings import Mark

COST: Final = "cost"
COMPENSATION: Final = "compensation"


class Flow(StrEnum):
    """Where the energy of a meter flows, seen from the home."""

    GRID_IMPORT = "grid_import"
    GRID_EXPORT = "grid_export"
    LOCAL_GENERATION = "local_generation"
    CONSUMPTION = "consumption"

    @property
    def energy_flow_direction(self) -> EnergyFlowDirection:
        """Return how Flatpeak calls the movement of the energy."""
        if self is Flow.GRID_EXPORT:
            return EnergyFlowDirection.OUTBOUND
        return EnergyFlowDirection.INBOUND

    @property
    def tariff_direction(self) -> TariffDirection:
        """Return which of the location's prices applies to the energy."""
        return _TARIFF_DIRECTIONS[self]

    @property
    def confidence(self) -> float | None:
        """Return the confidence that Flatpeak wants to be told, if any."""
        return 1 if self is Flow.LOCAL_GENERATION else None


_TARIFF_DIRECTIONS: Final = {
    Flow.GRID_IMPORT: TariffDirection.IMPORT,
    Flow.GRID_EXPORT: TariffDirection.EXPORT,
    Flow.LOCAL_GENERATION: TariffDirection.LOCAL,
    Flow.CONSUMPTION: TariffDirection.IMPORT,
}


class Submit(StrEnum):
    """As what the energy of a meter is submitted."""

    INTERVALS = "intervals"
    READINGS = "readings"


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionSource:
    """The entity that tells when a meter is in session."""

    source: str
    """What outlives a rename of it."""
    states: frozenset[str]
    """The states that mean that it is in session."""
    pause: timedelta
    """How long a break may be that does not end a session."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Meter:
    """One energy statistic that is priced by Flatpeak."""

    subentry_id: str
    location_id: str
    device_id: str
    name: str
    flow: Flow
    source: str
    history_start: datetime | None
    """The beginning of the wanted history; None asks for everything."""
    submit: Submit = Submit.INTERVALS
    session: SessionSource | None = None
    """What tells of its sessions, if anything does."""

    @property
    def cost_statistic_id(self) -> str:
        """Return the id of the statistic that holds the hourly costs."""
        return _cost_statistic_id(self.device_id, self._cost_kind)

    @property
    def cost_statistic_name(self) -> str:
        """Return how the statistic of the hourly costs is called."""
        return f"{self.name} {self._cost_kind}"

    @property
    def _cost_kind(self) -> str:
        """Return what the energy dashboard calls the money of the meter."""
        return COMPENSATION if self.flow is Flow.GRID_EXPORT else COST

    def as_record(
        self, interval: EnergyInterval, session_id: str | None = None
    ) -> Interval:
        """Return the meter record that tells Flatpeak of an interval."""
        return Interval(
            location_id=self.location_id,
            device_id=self.device_id,
            start=interval.start,
            end=interval.end,
            energy_wh=interval.energy_wh,
            energy_flow_direction=self.flow.energy_flow_direction,
            tariff_direction=self.flow.tariff_direction,
            session_reference_id=session_id,
            record_reference_id=f"{self.device_id}-{interval.start.timestamp():.0f}",
            confidence=self.flow.confidence,
        )

    def as_reading(self, mark: Mark) -> Reading:
        """Return the reading that tells Flatpeak what the meter's register shows."""
        return Reading(
            time=mark.time,
            register_wh=mark.register_wh,
            record_reference_id=f"{self.device_id}-reading-{mark.time.timestamp():.0f}",
        )


def cost_statistic_ids(device_ids: Iterable[str]) -> set[str]:
    """Return the ids that the cost statistics of devices may have."""
    return {
        _cost_statistic_id(device_id, kind)
        for device_id in device_ids
        for kind in (COST, COMPENSATION)
    }


def _cost_statistic_id(device_id: str, kind: str) -> str:
    """Return the id of a cost statistic, of which the recorder wants a slug."""
    return f"{DOMAIN}:{slugify(device_id)}_{kind}"


def meters_of(entry: ConfigEntry) -> list[Meter]:
    """Return the meters of a home."""
    return [
        _meter(entry, subentry)
        for subentry in entry.get_subentries_of_type(SUBENTRY_TYPE_METER)
    ]


def object_ids(entry: ConfigEntry) -> set[str]:
    """Return the ids at Flatpeak of a home and its meters: each has a device."""
    return {
        entry.data[CONF_LOCATION_ID],
        *(each.device_id for each in meters_of(entry)),
    }


def _meter(entry: ConfigEntry, subentry: ConfigSubentry) -> Meter:
    """Return the meter that a subentry describes."""
    start = subentry.data[CONF_HISTORY_START]
    return Meter(
        subentry_id=subentry.subentry_id,
        location_id=entry.data[CONF_LOCATION_ID],
        device_id=subentry.data[CONF_DEVICE_ID],
        name=subentry.title,
        flow=Flow(subentry.data[CONF_FLOW]),
        source=subentry.data[CONF_SOURCE],
        history_start=None
        if start is None
        else dt_util.parse_datetime(start, raise_on_error=True),
        submit=Submit(subentry.data.get(CONF_SUBMIT, Submit.INTERVALS)),
        session=None
        if subentry.data.get(CONF_SUBMIT) == Submit.READINGS
        else _session(subentry.data),
    )


def _session(data: Mapping[str, Any]) -> SessionSource | None:
    """Return what tells of the sessions of a meter."""
    if CONF_SESSION_ENTITY not in data:
        return None
    return SessionSource(
        source=data[CONF_SESSION_ENTITY],
        states=frozenset(data[CONF_SESSION_STATES]),
        pause=timedelta(minutes=data[CONF_SESSION_PAUSE]),
    )


@callback
def async_source_of(hass: HomeAssistant, statistic_id: str) -> str:
    """Return the name of a statistic that outlives a rename of its entity.

    That is the entity registry id where there is one, else the statistic id.
    """
    entry = er.async_get(hass).async_get(statistic_id)
    return statistic_id if entry is None else entry.id


@callback
def async_statistic_id(hass: HomeAssistant, source: str) -> str | None:
    """Return the statistic id that a source has now, None when it is gone."""
    if ":" in source:
        return source
    return er.async_resolve_entity_id(er.async_get(hass), source)
