"""Run the hourly cycle, and hold the data that the entities show."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from math import fsum
import random
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_RECORDER_HOURLY_STATISTICS_GENERATED
from homeassistant.core import CALLBACK_TYPE, Event, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_call_later, async_track_utc_time_change
from homeassistant.helpers.start import async_at_started
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .api import (
    CostReport,
    CostRow,
    FlatpeakAuthenticationError,
    FlatpeakClient,
    FlatpeakError,
)
from .const import CONF_LINK_DASHBOARD, CONF_LOCATION_ID, DOMAIN, LOGGER
from .dashboard import async_link, async_unlink
from .failure import update_failure
from .intervals import floor_hour
from .journal import Journal
from .meter import cost_statistic_ids, meters_of
from .report import DAY, Reporter, cost_statistic, days_later, midnight
from .statistics import async_create_costs
from .upload import Uploader

type FlatpeakConfigEntry = ConfigEntry[FlatpeakCoordinator]

# The statistics event fires before the rows are committed, and every home in
# the world has its full hour at the same time.
SETTLE_SECONDS: Final = 60
JITTER_SECONDS: Final = 60

# Prices of the last days are often settled late.
TRAILING_DAYS: Final = 3

FIRST_RETRY: Final = timedelta(minutes=1)
LAST_RETRY: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterCosts:
    """What Flatpeak reported lately for one meter."""

    currency: str
    rows: tuple[CostRow, ...]

    @classmethod
    def of(cls, reports: list[CostReport]) -> MeterCosts:
        """Return the days of consecutive reports."""
        return cls(
            currency=reports[-1].currency,
            rows=tuple(row for report in reports for row in report.rows),
        )

    def cost_since(self, start: datetime) -> float | None:
        """Return the cost from a local midnight on, None when nothing is priced."""
        rows = self._since(start)
        return fsum(row.cost for row in rows) if rows else None

    def energy_since(self, start: datetime) -> float | None:
        """Return the energy in Wh from a local midnight on, None without a report."""
        rows = self._since(start)
        return fsum(row.energy_wh for row in rows) if rows else None

    def _since(self, start: datetime) -> list[CostRow]:
        """Return the days from a local midnight on."""
        return [row for row in self.rows if row.start >= start]


@dataclass(frozen=True, kw_only=True, slots=True)
class HomeCosts:
    """What Flatpeak reported lately for the meters of a home, by device id."""

    meters: Mapping[str, MeterCosts] = field(default_factory=dict)


class FlatpeakCoordinator(DataUpdateCoordinator[HomeCosts]):
    """Uploads the energy of a home and prices it, once an hour."""

    config_entry: FlatpeakConfigEntry
    zone: tzinfo
    currency: str

    def __init__(
        self, hass: HomeAssistant, entry: FlatpeakConfigEntry, client: FlatpeakClient
    ) -> None:
        """Keep what the cycle needs; Flatpeak is asked for nothing yet."""
        super().__init__(hass, LOGGER, config_entry=entry, name=DOMAIN)
        self.client = client
        self.location_id: str = entry.data[CONF_LOCATION_ID]
        self.meters = meters_of(entry)
        self.journal = Journal(hass, self.location_id)
        self._uploader = Uploader(hass, client, self.journal, self.meters)
        self._turn = asyncio.Lock()
        self._is_running = False
        self._failures = 0
        self._cancel_cycle: CALLBACK_TYPE | None = None

    @override
    async def _async_setup(self) -> None:
        """Learn what the cycle needs to know of the location."""
        try:
            location = await self.client.get_location(self.location_id)
        except FlatpeakError as err:
            raise update_failure(err) from err
        self.zone = await _async_zone(self.hass, location.time_zone)
        self.currency = location.currency or self.hass.config.currency
        await self.journal.async_load()
        await self._uploader.async_begin(dt_util.utcnow())
        self._reporter = Reporter(
            self.hass,
            self.client,
            self.journal,
            self.meters,
            location_id=self.location_id,
            zone=self.zone,
        )

    @callback
    def async_start(self) -> None:
        """Begin with the cycle as soon as Home Assistant has started."""
        for stop in (
            async_at_started(self.hass, self._async_started),
            self.hass.bus.async_listen(
                EVENT_RECORDER_HOURLY_STATISTICS_GENERATED, self._async_hour_compiled
            ),
            # Every zone's midnight lies on a quarter of an hour.
            async_track_utc_time_change(
                self.hass, self._async_quarter, minute=(0, 15, 30, 45), second=0
            ),
        ):
            self.config_entry.async_on_unload(stop)

    @callback
    def _async_started(self, hass: HomeAssistant) -> None:
        """Run the first cycle and then the history, beside everything else."""
        self._is_running = True
        self.config_entry.async_create_background_task(
            hass, self._async_catch_up(), f"{DOMAIN} history"
        )

    @callback
    def _async_hour_compiled(self, event: Event[Any]) -> None:
        """Run a cycle once the new hour is surely in the database."""
        self._async_cancel_cycle()
        self._cancel_cycle = async_call_later(
            self.hass,
            SETTLE_SECONDS + random.uniform(0, JITTER_SECONDS),
            self._async_cycle_due,
        )

    async def _async_cycle_due(self, now: datetime) -> None:
        """Run a cycle."""
        await self.async_refresh()

    @callback
    def _async_cancel_cycle(self) -> None:
        """Forget a cycle that is due."""
        if self._cancel_cycle is not None:
            self._cancel_cycle()
            self._cancel_cycle = None

    @callback
    def _async_quarter(self, now: datetime) -> None:
        """Let the entities show the new day as soon as it begins."""
        self.async_update_listeners()

    @override
    async def async_shutdown(self) -> None:
        """Stop everything that is still to come."""
        self._async_cancel_cycle()
        await super().async_shutdown()

    @override
    async def _async_update_data(self) -> HomeCosts:
        """Upload what is new, and price the last days."""
        if not self._is_running:
            return HomeCosts()
        try:
            async with self._turn:
                costs = await self._async_cycle(dt_util.utcnow())
        except FlatpeakError as err:
            self._async_retry_later()
            raise update_failure(err) from err
        self._async_relax()
        return costs

    async def _async_cycle(self, now: datetime) -> HomeCosts:
        """Walk once from the recorder to the cost statistics."""
        until = floor_hour(now)
        await self._uploader.async_upload_fresh(until)
        today = midnight(now, self.zone)
        start = min(self.month_start(now), days_later(today, -TRAILING_DAYS))
        reports = await self._reporter.async_price(start, until)
        self._async_check_currency(reports)
        return HomeCosts(
            meters={
                device_id: MeterCosts.of(meter_reports)
                for device_id, meter_reports in reports.items()
            }
        )

    def day_start(self, now: datetime) -> datetime:
        """Return when the home's day began."""
        return midnight(now, self.zone)

    def month_start(self, now: datetime) -> datetime:
        """Return when the home's month began."""
        return midnight(now, self.zone).replace(day=1)

    @callback
    def _async_retry_later(self) -> None:
        """Try again on our own, each time later."""
        retry = min(FIRST_RETRY * 2**self._failures, LAST_RETRY)
        self._failures += 1
        self.update_interval = retry * random.uniform(1, 1.5)

    @callback
    def _async_relax(self) -> None:
        """Leave the next cycle to the recorder's next hour."""
        self._failures = 0
        self.update_interval = None

    @callback
    def _async_check_currency(self, reports: Mapping[str, list[CostReport]]) -> None:
        """Tell the user when the energy dashboard would show a wrong currency."""
        issue_id = f"currency_{self.config_entry.entry_id}"
        currencies = {report.currency for each in reports.values() for report in each}
        other = currencies - {self.hass.config.currency}
        if not other:
            ir.async_delete_issue(self.hass, DOMAIN, issue_id)
            return
        ir.async_create_issue(
            self.hass,
            DOMAIN,
            issue_id,
            is_fixable=False,
            severity=ir.IssueSeverity.WARNING,
            translation_key="currency_differs",
            translation_placeholders={
                "home": self.config_entry.title,
                "tariff_currency": ", ".join(sorted(other)),
                "currency": self.hass.config.currency,
            },
        )

    async def _async_catch_up(self) -> None:
        """Run the first cycle, then submit and price the history month by month."""
        await self._async_tend_dashboard()
        await self.async_refresh()
        failures = 0
        while True:
            try:
                if not await self._async_month_of_history():
                    break
                failures = 0
            except FlatpeakAuthenticationError:
                return  # The cycle asks the user for a new key, and then reloads.
            except FlatpeakError as err:
                LOGGER.debug("The history has to wait: %s", err)
                await asyncio.sleep(
                    min(FIRST_RETRY * 2**failures, LAST_RETRY).total_seconds()
                )
                failures += 1

    async def _async_tend_dashboard(self) -> None:
        """Link what is to be linked, and nothing else.

        The dashboard accepts only statistics that exist. Home Assistant saves it
        a minute late, so a link may be lost: it is looked at again at every start.
        """
        await async_create_costs(
            self.hass, [cost_statistic(meter, self.currency) for meter in self.meters]
        )
        wanted = self.meters if self.config_entry.options[CONF_LINK_DASHBOARD] else []
        await async_unlink(
            self.hass,
            cost_statistic_ids(self.journal.meters)
            - {meter.cost_statistic_id for meter in wanted},
        )
        await async_link(self.hass, wanted)

    async def _async_month_of_history(self) -> bool:
        """Submit and price the next month of history, return whether there was one."""
        async with self._turn:
            if (span := await self._uploader.async_upload_history()) is None:
                return False
            start, end = span
            # The last day may go on beyond the month: it is priced as a whole.
            end = days_later(midnight(end, self.zone), 1)
            until = min(dt_util.as_utc(end), floor_hour(dt_util.utcnow()))
            await self._reporter.async_price(start, until)
        self.async_update_listeners()
        return True

    @property
    def history_days(self) -> tuple[float, float]:
        """Return how many days of history are submitted, and how many are wanted."""
        progress = [
            self.journal.meters[meter.device_id].history_progress()
            for meter in self.meters
        ]
        done = sum((each for each, _ in progress), timedelta())
        wanted = sum((each for _, each in progress), timedelta())
        return done / DAY, wanted / DAY


async def _async_zone(hass: HomeAssistant, name: str | None) -> tzinfo:
    """Return the time zone of a location, Home Assistant's where it is unknown."""
    zone = await dt_util.async_get_time_zone(name) if name else None
    return zone or dt_util.get_default_time_zone()
