"""Tell the user, as repairs, what a cycle has found, and withdraw what is mended."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback

from .api import (
    FlatpeakAccountDisabledError,
    FlatpeakDirectionNotSupportedError,
    FlatpeakError,
    FlatpeakNoPriceDataError,
    FlatpeakNoTariffError,
    FlatpeakTariffError,
)
from .audit import Discrepancy
from .costs import WH_PER_KWH
from .dashboard import async_lacks_cost
from .days import days_later
from .issues import async_raise_issue, async_withdraw_issue
from .journal import Journal
from .meter import Meter
from .session_watch import SessionProblem
from .sources import SourceProblem, async_source_problems, async_sources
from .upload import INSISTENCE

# What keeps a meter from being priced, by the translation key of its repair.
_REFUSALS: Final = {
    "direction_not_supported": FlatpeakDirectionNotSupportedError,
    "no_price_data": FlatpeakNoPriceDataError,
    "no_tariff": FlatpeakNoTariffError,
}
# What is mended by another tariff, which a fix flow leads to.
_MENDED_BY_TARIFF: Final = ("no_price_data", "no_tariff")


class Findings:
    """Shows the repairs of a home."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        journal: Journal,
        meters: Sequence[Meter],
    ) -> None:
        """Keep what repairs tell of."""
        self._hass = hass
        self._entry = entry
        self._journal = journal
        self._meters = meters

    @callback
    def _async_show(
        self,
        key: str,
        placeholders: Mapping[str, str] | None,
        *,
        about: str = "",
        is_fixable: bool = False,
    ) -> None:
        """Raise a repair with what it tells, or withdraw it where that is None."""
        if placeholders is None:
            async_withdraw_issue(self._hass, self._entry, key, about=about)
            return
        async_raise_issue(
            self._hass,
            self._entry,
            key,
            about=about,
            is_fixable=is_fixable,
            **placeholders,
        )

    @callback
    def async_see_account(self, err: FlatpeakError | None) -> None:
        """Tell when the account is disabled; what else fails says nothing of it."""
        if isinstance(err, FlatpeakAccountDisabledError):
            self._async_show("account_disabled", {})
        elif err is None:
            self._async_show("account_disabled", None)

    @callback
    def async_see_refusals(self, refusals: Mapping[str, FlatpeakTariffError]) -> None:
        """Tell what to mend so that meters can be priced."""
        for key, kind in _REFUSALS.items():
            names = [
                meter.name
                for meter in self._meters
                if isinstance(refusals.get(meter.device_id), kind)
            ]
            self._async_show(
                key,
                {"meters": ", ".join(names)} if names else None,
                is_fixable=key in _MENDED_BY_TARIFF,
            )

    @callback
    def async_see_new_currency(self, old: Collection[str], new: str) -> None:
        """Offer to price the home anew when its currency has changed."""
        told = {"old_currency": ", ".join(sorted(set(old))), "new_currency": new}
        self._async_show("currency_changed", told if old else None, is_fixable=True)

    @callback
    def async_see_currencies(self, currencies: Collection[str]) -> None:
        """Tell when the energy dashboard would show the currency as another one."""
        own = self._hass.config.currency
        other = ", ".join(sorted(set(currencies) - {own}))
        told = {"tariff_currency": other, "currency": own}
        self._async_show("currency_differs", told if other else None)

    async def async_see_sources(self) -> None:
        """Tell of meters whose energy does not go on."""
        problems = await async_source_problems(self._hass, self._meters, self._journal)
        for meter in self._meters:
            sources = async_sources(self._hass, self._journal.meters[meter.device_id])
            told = {
                "meter": meter.name,
                "source": sources[-1].statistic_id if sources else meter.source,
            }
            for problem in SourceProblem:
                self._async_show(
                    problem,
                    told if problems.get(meter.device_id) is problem else None,
                    about=meter.subentry_id,
                    is_fixable=True,
                )

    @callback
    def async_see_session_entities(
        self, problems: Mapping[str, SessionProblem | None]
    ) -> None:
        """Tell of entities that do not tell of sessions any more, by device id."""
        for meter in self._meters:
            for problem in SessionProblem:
                is_found = problems[meter.device_id] is problem
                told = {"meter": meter.name} if is_found else None
                self._async_show(problem, told, about=meter.subentry_id)

    async def async_see_dashboard(self) -> None:
        """Offer to show costs on the energy dashboard where it shows none."""
        lacks_cost = await async_lacks_cost(self._hass, self._meters)
        told: dict[str, str] | None = {} if lacks_cost else None
        self._async_show("dashboard_without_cost", told, is_fixable=True)

    @callback
    def async_see_refused_records(self, now: datetime, zone: tzinfo) -> None:
        """Tell of records that Flatpeak has not taken for a day."""
        for meter in self._meters:
            told = self._refused_records(meter, now, zone)
            self._async_show("records_refused", told, about=meter.subentry_id)

    def _refused_records(
        self, meter: Meter, now: datetime, zone: tzinfo
    ) -> dict[str, str] | None:
        """Return what to tell of the refused records of a meter."""
        refusals = [
            refusal
            for refusal in self._journal.meters[meter.device_id].refusals
            if now - refusal.since >= INSISTENCE
        ]
        if not refusals:
            return None
        oldest = min(refusals, key=lambda refusal: refusal.interval.start)
        return {
            "meter": meter.name,
            "count": str(len(refusals)),
            "start": _minute(oldest.interval.start, zone),
            "reason": oldest.reason,
        }

    @callback
    def async_see_overdue(self, zone: tzinfo) -> None:
        """Tell when Flatpeak did not process what was uploaded."""
        overdue = self._journal.overdue
        told = None if overdue is None else {"sent": _minute(overdue.sent, zone)}
        self._async_show("batch_not_processed", told)

    @callback
    def async_see_energy(
        self, differing: Mapping[str, Discrepancy], zone: tzinfo
    ) -> None:
        """Tell where Flatpeak does not count what was submitted."""
        for meter in self._meters:
            worst = differing.get(meter.device_id)
            found = None if worst is None else self._kind(meter, worst)
            for key in ("energy_differs", "readings_differ"):
                told = (
                    _figures(meter, worst, zone)
                    if worst is not None and key == found
                    else None
                )
                self._async_show(key, told, about=meter.subentry_id)
        self.async_see_corrections()

    def _kind(self, meter: Meter, found: Discrepancy) -> str:
        """Return the repair for a day that Flatpeak counts otherwise."""
        known = self._journal.meters[meter.device_id]
        is_read = known.has_readings(found.day, days_later(found.day, 1))
        return "readings_differ" if is_read else "energy_differs"

    @callback
    def async_see_corrections(self) -> None:
        """Tell when Flatpeak does not take corrections."""
        told: dict[str, str] | None = {} if self._journal.corrections_stopped else None
        self._async_show("corrections_stopped", told)


def _figures(meter: Meter, found: Discrepancy, zone: tzinfo) -> dict[str, str]:
    """Return what to tell of a day that Flatpeak counts otherwise."""
    return {
        "meter": meter.name,
        "day": found.day.astimezone(zone).date().isoformat(),
        "reported": f"{found.reported_wh / WH_PER_KWH:.3f}",
        "submitted": f"{found.submitted_wh / WH_PER_KWH:.3f}",
    }


def _minute(instant: datetime, zone: tzinfo) -> str:
    """Return an instant as the home's clock shows it."""
    return f"{instant.astimezone(zone):%Y-%m-%d %H:%M}"
