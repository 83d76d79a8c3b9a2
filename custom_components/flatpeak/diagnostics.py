"""What lets a stranger find a fault, and does not tell whose home it is.

Only what is listed here gets out. Ids become words such as `meter 1`, so that things
can be matched.
"""

from collections.abc import Hashable, Iterable, Mapping
from datetime import timedelta
from math import fsum
from typing import Any, Final

from homeassistant.components.recorder.statistics import async_list_statistic_ids
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.issue_registry import IssueEntry
from homeassistant.util import dt as dt_util

from .api import API_VERSION, DEFAULT_BASE_URL, FlatpeakError
from .api.privacy import mask
from .const import CONF_API_URL, CONF_LOCATION_ID, DOMAIN
from .coordinator import FlatpeakConfigEntry, FlatpeakCoordinator, MeterCosts
from .intervals import EnergyInterval, floor_hour
from .issues import async_issues
from .journal import Journal, MeterJournal, Refusal, Span, Split, Stretch, Submission
from .meter import Meter, async_statistic_id, meters_of
from .patience import Patience, async_patience
from .readings import Register
from .sessions import Session, Watch
from .tariff import HomeTariff, Prices

# The days of a meter's last reports, and its last sessions, that are shown.
REPORTED_DAYS: Final = 35
SESSIONS: Final = 20

_KINDS_OF_KEY: Final = ("live", "test")

type Aliases = Mapping[str, str]
"""What stands for the id of a device or a subentry."""


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: FlatpeakConfigEntry
) -> dict[str, Any]:
    """Return what is known of a home, be it set up or not."""
    meters = meters_of(entry)
    is_loaded = entry.state is ConfigEntryState.LOADED
    journal = (
        entry.runtime_data.journal if is_loaded else await _async_stored(hass, entry)
    )
    aliases = _aliases(meters, journal)
    patience = async_patience(hass, entry.data[CONF_LOCATION_ID])
    return {
        "entry": _entry(entry),
        "home": _home(entry.runtime_data) if is_loaded else None,
        "patience": _patience(patience, aliases),
        "journal": _journal(journal, aliases),
        "meters": {
            aliases[meter.device_id]: await _async_meter(hass, entry, meter, journal)
            for meter in meters
        },
        "issues": [_issue(issue, aliases) for issue in async_issues(hass, entry)],
    }


async def async_get_device_diagnostics(
    hass: HomeAssistant, entry: FlatpeakConfigEntry, device: DeviceEntry
) -> dict[str, Any]:
    """Return what is known of a home: with one meter, or with all for its own device."""
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    for number, meter in enumerate(meters_of(entry), 1):
        if (DOMAIN, meter.device_id) in device.identifiers:
            alias = _alias(number)
            diagnostics["meters"] = {alias: diagnostics["meters"][alias]}
    return diagnostics


async def _async_stored(hass: HomeAssistant, entry: FlatpeakConfigEntry) -> Journal:
    """Return the journal on disk of a home that is not set up."""
    journal = Journal(hass, entry.data[CONF_LOCATION_ID])
    await journal.async_load()
    return journal


def _alias(number: int) -> str:
    """Return what stands for the id of a meter."""
    return f"meter {number}"


def _aliases(meters: Iterable[Meter], journal: Journal) -> Aliases:
    """Return what stands for the ids of meters, of those removed too."""
    aliases = {}
    for number, meter in enumerate(meters, 1):
        aliases[meter.device_id] = aliases[meter.subentry_id] = _alias(number)
    removed = [device_id for device_id in journal.meters if device_id not in aliases]
    for number, device_id in enumerate(removed, 1):
        aliases[device_id] = f"removed meter {number}"
    return aliases


def _entry(entry: FlatpeakConfigEntry) -> dict[str, Any]:
    """Return how the home is set up, and whether that went well."""
    key = entry.data[CONF_API_KEY]
    return {
        "version": f"{entry.version}.{entry.minor_version}",
        "created": entry.created_at,
        "state": entry.state.value,
        "reason": entry.error_reason_translation_key,
        "is_own_server": entry.data[CONF_API_URL] != DEFAULT_BASE_URL,
        "api_version": API_VERSION,
        "kind_of_key": next(
            (kind for kind in _KINDS_OF_KEY if key.startswith(f"sk_{kind}_")), None
        ),
        "options": dict(entry.options),
    }


@callback
def _home(coordinator: FlatpeakCoordinator) -> dict[str, Any]:
    """Return what is known of the home as a whole."""
    days_done, days_wanted = coordinator.history_days
    data = coordinator.data
    return {
        "time_zone": str(coordinator.zone),
        "currency": coordinator.currency,
        "currency_of_home_assistant": coordinator.hass.config.currency,
        "is_account_disabled": coordinator.is_account_disabled,
        "last_success": coordinator.last_update_success_time,
        "last_failure": _failure(coordinator.last_exception),
        "retried_after": _seconds(coordinator.update_interval),
        "records_waiting": coordinator.records_waiting,
        "history_days": {"done": days_done, "wanted": days_wanted},
        "last_priced_hour": data.last_priced_hour,
        "tariff": _tariff(data.tariff),
        "prices": {
            direction.value: _prices(prices)
            for direction, prices in data.prices.items()
        },
    }


def _failure(err: BaseException | None) -> dict[str, Any] | None:
    """Return what kept the last cycle from ending well.

    The words of Flatpeak's errors may be shown; those of others may hold anything.
    """
    if err is None:
        return None
    cause = err.__cause__ or err
    return {
        "kind": type(cause).__name__,
        "message": str(cause) if isinstance(cause, FlatpeakError) else None,
    }


def _seconds(time: timedelta | None) -> float | None:
    """Return how long a time is."""
    return None if time is None else time.total_seconds()


def _tariff(tariff: HomeTariff) -> dict[str, Any]:
    """Return how the home stands with its tariff, whose name tells where it is."""
    return {
        "status": tariff.status,
        "is_named": tariff.name is not None,
        "contract_end": tariff.contract_end,
    }


def _prices(prices: Prices) -> dict[str, Any]:
    """Return which prices are known."""
    return {
        "currency": prices.currency,
        "slots": len(prices.slots),
        "start": prices.slots[0].start if prices.slots else None,
        "end": prices.slots[-1].end if prices.slots else None,
        "now": prices.at(dt_util.utcnow()),
    }


def _patience(patience: Patience, aliases: Aliases) -> dict[str, Any]:
    """Return how long what must not be asked."""
    return {
        "busy_until": patience.busy_until,
        "refused": [
            {
                "about": _about(about, aliases),
                "kind": type(err).__name__,
                "until": until,
            }
            for about, (err, until) in patience.refused.items()
        ],
    }


def _about(about: Hashable, aliases: Aliases) -> str:
    """Return what a question was about."""
    parts = about if isinstance(about, tuple) else (about,)
    return mask(" ".join(aliases.get(str(part), str(part)) for part in parts))


def _journal(journal: Journal, aliases: Aliases) -> dict[str, Any]:
    """Return how far the home is with its submissions."""
    return {
        "last_upload": journal.last_upload,
        "repriced_on": journal.repriced_on,
        "slot_minutes": journal.slot_minutes,
        "corrections_stopped": journal.corrections_stopped,
        "doubt": None if journal.doubt is None else _doubt(journal.doubt, aliases),
        "batches_sent": [batch.sent for batch in journal.batches],
        "overdue": None
        if journal.overdue is None
        else {"sent": journal.overdue.sent, "since": journal.overdue.since},
        "meters": list(map(aliases.__getitem__, journal.meters)),
    }


def _doubt(submission: Submission, aliases: Aliases) -> dict[str, Any]:
    """Return which records are in doubt; there can be ten thousand."""
    return {
        "sent": submission.sent,
        "parts": [
            {
                "meter": aliases[part.device_id],
                "stretch": part.stretch,
                "is_readings": part.register is not None,
                "records": len(part.intervals),
                "first": _interval(part.intervals[0]) if part.intervals else None,
                "last": _interval(part.intervals[-1]) if part.intervals else None,
            }
            for part in submission.parts
        ],
    }


async def _async_meter(
    hass: HomeAssistant, entry: FlatpeakConfigEntry, meter: Meter, journal: Journal
) -> dict[str, Any]:
    """Return what is known of a meter."""
    is_loaded = entry.state is ConfigEntryState.LOADED
    costs = entry.runtime_data.data.meters if is_loaded else {}
    return {
        "flow": meter.flow,
        "history_start": meter.history_start,
        "submit": meter.submit,
        "has_sessions": meter.session is not None,
        "statistic": await _async_statistic(hass, meter),
        "journal": _meter_journal(journal.meters.get(meter.device_id)),
        "costs": _costs(costs.get(meter.device_id)),
    }


async def _async_statistic(hass: HomeAssistant, meter: Meter) -> dict[str, Any]:
    """Return what kind of statistic a meter reads, and whether it is there."""
    statistic_id = async_statistic_id(hass, meter.source)
    found = await async_list_statistic_ids(hass, {statistic_id}) if statistic_id else []
    return {
        "is_external": ":" in meter.source,
        "is_there": bool(found),
        "unit": found[0]["statistics_unit_of_measurement"] if found else None,
        "has_sum": found[0]["has_sum"] if found else None,
    }


def _meter_journal(journal: MeterJournal | None) -> dict[str, Any] | None:
    """Return how far a meter is, and what Flatpeak did not take of it."""
    if journal is None:
        return None
    return {
        "wanted": journal.wanted,
        "flow": journal.flow,
        "fresh": _stretch(journal.fresh),
        "history": None if journal.history is None else _stretch(journal.history),
        "records_waiting": journal.records_waiting(floor_hour(dt_util.utcnow())),
        "unpriced": None if journal.unpriced is None else _span(journal.unpriced),
        "refusals": list(map(_refusal, journal.refusals)),
        "registers": list(map(_register, journal.registers)),
        "splits": [
            {**_span(split), "minutes": split.minutes} for split in journal.splits
        ],
        "sources": [
            {"start": each.start, "is_external": ":" in each.source}
            for each in journal.sources
        ],
        "debt_since": journal.debt_since,
        "ahead": list(map(_interval, journal.ahead)),
        "watched": journal.watched is not None,
        "watch": None if journal.watch is None else _watch(journal.watch),
        "sessions": list(map(_session, journal.sessions[-SESSIONS:])),
        "days": {
            day.isoformat(): {
                "energy_wh": what.energy_wh,
                "odd": list(map(_span, what.odd)),
            }
            for day, what in sorted(journal.days.items())
        },
    }


def _stretch(stretch: Stretch) -> dict[str, Any]:
    """Return a stretch and its cursor."""
    return {
        "start": stretch.start,
        "position": stretch.position,
        "end": stretch.end,
        "carry_wh": stretch.carry_wh,
    }


def _watch(watch: Watch) -> dict[str, Any]:
    """Return how far sessions are known."""
    return {"seen": watch.seen, "is_in_session": watch.session is not None}


def _session(session: Session) -> dict[str, Any]:
    """Return how far a session is, and what it cost."""
    return {
        "start": session.start,
        "end": session.end,
        "records": len(session.records),
        "energy_wh": fsum(session.records.values()),
        "is_estimated": session.is_estimated,
        "is_complete": session.is_complete,
        "cost": None if session.cost is None else session.cost.cost,
    }


def _span(span: Span | Split) -> dict[str, Any]:
    """Return a stretch of time."""
    return {"start": span.start, "end": span.end}


def _interval(interval: EnergyInterval) -> dict[str, Any]:
    """Return an interval."""
    return {
        "start": interval.start,
        "end": interval.end,
        "energy_wh": interval.energy_wh,
    }


def _refusal(refusal: Refusal) -> dict[str, Any]:
    """Return a record that Flatpeak refused, with its reason."""
    return {
        **_interval(refusal.interval),
        "reason": refusal.reason,
        "since": refusal.since,
    }


def _register(register: Register) -> dict[str, Any]:
    """Return a stretch of time that was told by readings, and the last of them."""
    return {
        "start": register.start,
        "end": register.end,
        "register_wh": register.register_wh,
    }


def _costs(costs: MeterCosts | None) -> dict[str, Any] | None:
    """Return what Flatpeak reported lately for a meter, by its day."""
    if costs is None:
        return None
    return {
        "currency": costs.currency,
        "days": [
            {
                "start": row.start,
                "end": row.end,
                "energy_wh": row.energy_wh,
                "cost": row.cost,
                "confidence": row.confidence,
            }
            for row in costs.rows[-REPORTED_DAYS:]
        ],
    }


def _issue(issue: IssueEntry, aliases: Aliases) -> dict[str, Any]:
    """Return what the user is asked to mend."""
    about = (issue.data or {}).get("about")
    return {
        "key": issue.translation_key,
        "about": aliases.get(str(about)),
        "created": issue.created,
        "is_ignored": issue.dismissed_version is not None,
    }
