"""Run the hourly cycle, and hold the data that the entities show."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from math import fsum
import random
from typing import Any, Final, override

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_RECORDER_HOURLY_STATISTICS_GENERATED
from homeassistant.core import CALLBACK_TYPE, Event, HassJob, HomeAssistant, callback
from homeassistant.helpers.event import (
    async_track_point_in_utc_time,
    async_track_utc_time_change,
)
from homeassistant.helpers.start import async_at_started
from homeassistant.helpers.update_coordinator import TimestampDataUpdateCoordinator
from homeassistant.util import dt as dt_util

from .api import (
    ConnectionStatus,
    CostReport,
    CostRow,
    FlatpeakAccountDisabledError,
    FlatpeakAuthenticationError,
    FlatpeakBusyError,
    FlatpeakClient,
    FlatpeakError,
    FlatpeakTariffError,
    LocationStatus,
    PriceSlot,
    TariffDirection,
)
from .audit import Discrepancy
from .const import (
    CONF_CHEAP_LIMIT,
    CONF_INTERVAL_LENGTH,
    CONF_LINK_DASHBOARD,
    CONF_LOCATION_ID,
    DEFAULT_CHEAP_LIMIT,
    DOMAIN,
    INTERVAL_LENGTH_AUTO,
    LOGGER,
)
from .corrections import WINDOW, Corrector, Resubmission
from .dashboard import async_link, async_unlink
from .days import DAY, days_later, midnight
from .events import EventWatch
from .failure import cycle_failure, update_failure
from .findings import Findings
from .follow import Pricing, cost_statistic
from .intervals import HOUR, floor_hour
from .journal import Journal
from .meter import Flow, Meter, cost_statistic_ids, meters_of
from .patience import LONGEST_REST, async_patience
from .prices import PriceBook
from .report import Reporter
from .schedule import cheap_windows
from .session_report import SessionReporter
from .session_watch import SessionWatch
from .sessions import PricedSession
from .sources import EnergyReader
from .statistics import async_clear_costs, async_create_costs
from .tariff import HomeTariff, Prices, slot_length
from .upload import FlatpeakNotProcessedError, Uploader

type FlatpeakConfigEntry = ConfigEntry[FlatpeakCoordinator]

# The statistics event fires before the rows are committed, and every home in
# the world has its full hour at the same time.
SETTLE_SECONDS: Final = 60
JITTER_SECONDS: Final = 60

# Prices of the last days are often settled late, those of the last weeks now and
# then, older ones seldom: every cycle, once a night and once a month.
TRAILING_DAYS: Final = 3
NIGHTLY_DAYS: Final = 35
MONTHLY_DAYS: Final = 396

# The local hour from which on a night's pass is due: no clock is changed later.
NIGHT_HOUR: Final = 2

FIRST_RETRY: Final = timedelta(minutes=1)
LAST_RETRY: Final = timedelta(hours=1)
# More doublings than that lead beyond the last retry.
MAX_DOUBLINGS: Final = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterCosts:
    """What Flatpeak reported lately for one meter."""

    currency: str
    rows: tuple[CostRow, ...]

    @classmethod
    def of(cls, reports: list[CostReport]) -> MeterCosts:
        """Return the days of consecutive reports, of which neighbours share a day."""
        days = {row.start: row for report in reports for row in report.rows}
        return cls(currency=reports[-1].currency, rows=tuple(days.values()))

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
    """What Flatpeak said lately about a home."""

    meters: Mapping[str, MeterCosts] = field(default_factory=dict)
    """By device id; what cannot be priced now is left out."""
    prices: Mapping[TariffDirection, Prices] = field(default_factory=dict)
    """From the beginning of today to the end of tomorrow."""
    tariff: HomeTariff = field(default_factory=lambda: HomeTariff(status=None))
    last_priced_hour: datetime | None = None


class FlatpeakCoordinator(TimestampDataUpdateCoordinator[HomeCosts]):
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
        self.links_dashboard: bool = entry.options[CONF_LINK_DASHBOARD]
        self._interval_length: str = entry.options.get(
            CONF_INTERVAL_LENGTH, INTERVAL_LENGTH_AUTO
        )
        self._cheap_limit: float = entry.options.get(
            CONF_CHEAP_LIMIT, DEFAULT_CHEAP_LIMIT
        )
        self.meters = meters_of(entry)
        self.journal = Journal(hass, self.location_id)
        self._findings = Findings(hass, entry, self.journal, self.meters)
        self._patience = async_patience(hass, self.location_id)
        self._energy = EnergyReader(hass, self.journal, self.meters)
        self._uploader = Uploader(
            hass, client, self.journal, self._energy, self.meters, self._patience
        )
        self._events = EventWatch(hass, entry, client, self.location_id, self._patience)
        self._corrector = Corrector(
            hass, self._uploader, self.journal, self._energy, self.meters
        )
        self._turn = asyncio.Lock()
        self._since: datetime | None = None
        self._is_running = False
        self._failures = 0
        self._sessions = SessionWatch(
            hass,
            self.journal,
            self.meters,
            self._async_await_session,
            self._async_note_session,
        )
        self._session_reporter = SessionReporter(
            client, self.journal, self.meters, self._patience
        )
        self._session_tries = 0
        self._timers: dict[str, CALLBACK_TYPE] = {}
        self._session_listeners: dict[str, list[Callable[[PricedSession], None]]] = (
            defaultdict(list)
        )
        self.is_account_disabled = False
        self.is_outdated = False
        """Whether the home has changed, and is about to be set up anew."""

    @override
    async def _async_setup(self) -> None:
        """Learn what the cycle needs to know of the location."""
        await self._patience.async_load()
        try:
            with self._patience.requests(), self._patience.question("location"):
                location = await self.client.get_location(self.location_id)
            await self.journal.async_load()
            await self._uploader.async_begin(dt_util.utcnow())
        except FlatpeakError as err:
            self._async_see_account(err)
            raise update_failure(err) from err
        self.zone = await _async_zone(self.hass, location.time_zone)
        self.currency = location.currency or self.hass.config.currency
        self._reporter = Reporter(
            self.hass,
            self.client,
            self.journal,
            self._energy,
            self.meters,
            self._patience,
            location_id=self.location_id,
            zone=self.zone,
        )

    @callback
    def async_start(self) -> None:
        """Begin with the cycle as soon as Home Assistant has started."""
        self._is_running = True
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
        self._async_create_task(self._async_catch_up(), "history")

    def _async_create_task[T](
        self, work: Coroutine[Any, Any, T], name: str
    ) -> asyncio.Task[T]:
        """Do work that ends with the entry, and that nothing waits for at the end."""
        return self.config_entry.async_create_background_task(
            self.hass, work, f"{DOMAIN} {name}"
        )

    @callback
    def _async_hour_compiled(self, event: Event[Any]) -> None:
        """Run a cycle once the new hour is surely in the database."""
        self._async_set_timer("hour", _settled(dt_util.utcnow()), self._async_cycle_due)

    @callback
    def _async_cycle_due(self, now: datetime) -> None:
        """Run a cycle."""
        self._async_create_task(self.async_refresh(), "hour")

    @callback
    def _async_await_session(self, device_id: str, end: datetime | None) -> None:
        """Run a cycle when the recorder has all of a session that ends."""
        due = None if end is None else _settled(end)
        self._async_set_timer(device_id, due, self._async_cycle_due)

    @callback
    def _async_note_session(self) -> None:
        """Note on disk that a session has begun or ended."""
        self._async_create_task(self._async_save_journal(), "session")

    async def _async_save_journal(self) -> None:
        """Note on disk what is new; else the recorder knows it still."""
        try:
            async with self._turn:
                await self.journal.async_save()
        except FlatpeakError as err:
            LOGGER.debug("What is new of sessions is not noted: %s", err)

    @callback
    def _async_set_timer(
        self, name: str, due: datetime | None, action: Callable[[datetime], None]
    ) -> None:
        """Do something at a time, and not at the one that was set before."""
        if (cancel := self._timers.pop(name, None)) is not None:
            cancel()
        if due is not None and due > dt_util.utcnow():
            self._timers[name] = async_track_point_in_utc_time(
                self.hass, HassJob(action, cancel_on_shutdown=True), due
            )

    @callback
    def _async_quarter(self, now: datetime) -> None:
        """Let the entities show the new day as soon as it begins."""
        self.async_update_listeners()

    @callback
    def _async_price_changed(self, now: datetime) -> None:
        """Let the entities show the new price, and wait for the next one."""
        self.async_update_listeners()
        self._async_await_price(self.data.prices)

    @callback
    def _async_await_price(self, prices: Mapping[TariffDirection, Prices]) -> None:
        """Wait until a price changes."""
        borders = [each.next_border(dt_util.utcnow()) for each in prices.values()]
        border = min(filter(None, borders), default=None)
        self._async_set_timer("price", border, self._async_price_changed)

    @override
    async def async_shutdown(self) -> None:
        """Stop everything that is still to come."""
        for cancel in self._timers.values():
            cancel()
        self._sessions.async_stop()
        await super().async_shutdown()

    @override
    async def _async_update_data(self) -> HomeCosts:
        """Upload what is new, and price the last days."""
        if not self._is_running:
            return HomeCosts()
        try:
            # Whoever asked for it, it must not outlive the entry: the next one has
            # a journal of its own.
            costs = await self._async_create_task(self._async_cycle(), "cycle")
        except FlatpeakError as err:
            self._async_see_account(err)
            self._async_retry_later(err)
            raise update_failure(err) from err
        self._async_see_account(None)
        self._async_relax()
        self._async_await_price(costs.prices)
        return costs

    async def async_sync(self, since: datetime | None = None) -> None:
        """Run a cycle now, raise HomeAssistantError when it does not end well.

        All from an instant on is compared and priced again, where one is given. What
        is corrected then is priced in a cycle of its own.
        """
        self._since = since
        try:
            await self._async_run_cycle()
        finally:
            self._since = None
        if since is not None and self._owes_costs:
            await self._async_run_cycle()

    async def _async_run_cycle(self) -> None:
        """Run a cycle, raise what kept it from ending well."""
        await self.async_refresh()
        if not self.last_update_success:
            raise cycle_failure(self.last_exception)

    @property
    def awaits_processing(self) -> bool:
        """Return whether nothing is amiss but that Flatpeak is slow with the energy."""
        cause = self.last_exception and self.last_exception.__cause__
        return isinstance(cause, FlatpeakNotProcessedError)

    @property
    def _owes_costs(self) -> bool:
        """Return whether there is energy whose costs are still to be asked for."""
        return any(
            self.journal.meters[meter.device_id].unpriced for meter in self.meters
        )

    async def async_resubmit(
        self, meters: Iterable[Meter], start: datetime, end: datetime, *, dry_run: bool
    ) -> list[Resubmission]:
        """Compare the records of meters in a window, and submit again what differs.

        With a dry run it is only compared. Raise FlatpeakError where that cannot be
        done now. The work does not outlive the entry.
        """
        return await self._async_create_task(
            self._async_resubmit(meters, start, end, dry_run=dry_run), "resubmission"
        )

    async def _async_resubmit(
        self, meters: Iterable[Meter], start: datetime, end: datetime, *, dry_run: bool
    ) -> list[Resubmission]:
        """Compare records, and submit again what differs, while nothing else is sent."""
        async with self._async_take_turn("resubmission"):
            await self._uploader.async_require_settled()
            done = [
                await self._corrector.async_resubmit(meter, start, end, dry_run=dry_run)
                for meter in meters
            ]
        self._findings.async_see_corrections()
        if any(each.sent for each in done):
            self._async_create_task(self.async_refresh(), "resubmitted")
        return done

    @asynccontextmanager
    async def _async_take_turn(self, work: str) -> AsyncGenerator[None]:
        """Let nothing else be uploaded or priced meanwhile; leave Flatpeak its rest."""
        async with self._turn:
            with self._patience.requests(), self._patience.question(work):
                yield

    async def _async_cycle(self) -> HomeCosts:
        """Walk once from the recorder to the cost statistics."""
        await self._findings.async_see_sources()
        async with (
            self._async_take_turn("cycle"),
            self._energy.async_keeping(WINDOW + DAY),
        ):
            now = dt_util.utcnow()
            until = floor_hour(now)
            await self._sessions.async_catch_up()
            self._uploader.slot_length = await self._async_slot_length(now)
            try:
                await self._uploader.async_upload_fresh(until)
            finally:
                self._findings.async_see_overdue(self.zone)
            await self._async_price_sessions(now)
            pricing = await self._async_price_past(now, until)
            differing = await self._corrector.async_check(
                now, pricing.reports, self._since
            )
            status = await self._async_status()
            prices = await self._async_prices(now, pricing.book, status)
            await self._events.async_look(now, status)
            await self._async_learn_slot_length(prices)
        self._async_learn_currency(pricing)
        await self._async_tell(now, pricing, differing)
        return HomeCosts(
            meters={
                device_id: MeterCosts.of(reports)
                for device_id, reports in pricing.reports.items()
            },
            prices=prices,
            tariff=HomeTariff.of(
                None if status is None else status.import_tariff,
                pricing.book.refusals.get(TariffDirection.IMPORT),
            ),
            last_priced_hour=max(pricing.last_hours.values(), default=None),
        )

    async def _async_tell(
        self, now: datetime, pricing: Pricing, differing: Mapping[str, Discrepancy]
    ) -> None:
        """Tell the user what a cycle has found."""
        self._findings.async_see_energy(differing, self.zone)
        self._findings.async_see_refused_records(now, self.zone)
        self._findings.async_see_session_entities(
            {
                meter.device_id: self._sessions.async_problem(meter, now)
                for meter in self.meters
            }
        )
        self._findings.async_see_refusals(pricing.refusals)
        await self._findings.async_see_dashboard()

    async def _async_price_sessions(self, now: datetime) -> None:
        """Ask what sessions cost, and tell of those that are priced now.

        What Flatpeak has not finished with is asked for again, each time later.
        """
        is_night = self._since is not None or self._days_due(now) > TRAILING_DAYS
        before = now - timedelta(days=MONTHLY_DAYS)
        for meter in self.meters:
            self.journal.meters[meter.device_id].forget_sessions(before)
        found = await self._session_reporter.async_price(now, is_night=is_night)
        for device_id, session in found:
            for listener in self._session_listeners[device_id]:
                listener(session)
        delay = FIRST_RETRY * 2.0**self._session_tries
        is_waiting = self._session_reporter.is_waiting(now) and delay < LAST_RETRY
        self._session_tries = self._session_tries + 1 if is_waiting else 0
        due = now + delay + _jitter() if is_waiting else None
        self._async_set_timer("sessions", due, self._async_sessions_due)

    @callback
    def _async_sessions_due(self, now: datetime) -> None:
        """Ask once more what sessions cost."""
        self._async_create_task(self._async_ask_sessions(), "sessions")

    async def _async_ask_sessions(self) -> None:
        """Ask what sessions cost, between the cycles."""
        try:
            async with self._async_take_turn("sessions"):
                await self._async_price_sessions(dt_util.utcnow())
        except FlatpeakError as err:
            LOGGER.debug("The costs of sessions have to wait: %s", err)
        self.async_update_listeners()

    async def _async_price_past(self, now: datetime, until: datetime) -> Pricing:
        """Price as much of the past as is due, this month and the last days always."""
        today = midnight(now, self.zone)
        days = self._days_due(now)
        starts = [self.month_start(now), days_later(today, -days)]
        if self._since is not None:
            starts.append(midnight(self._since, self.zone))
        pricing = await self._reporter.async_price(
            min(starts),
            until,
            ahead=days_later(today, 2),
        )
        if days > TRAILING_DAYS:
            self.journal.repriced_on = today.date()
            await self.journal.async_save()
        return pricing

    async def _async_slot_length(self, now: datetime) -> timedelta:
        """Return how long records are: as the user wants it, else as prices change.

        The prices of the cycle before tell. Only where there was none yet they are
        asked for, and a home without prices is not held up.
        """
        if self._interval_length != INTERVAL_LENGTH_AUTO:
            return timedelta(minutes=int(self._interval_length))
        if self.journal.slot_minutes is None:
            today = midnight(now, self.zone)
            ahead = days_later(today, 2)
            book = PriceBook(
                self.client, self._patience, self.location_id, today, ahead
            )
            await self._async_learn_slot_length(
                await self._async_prices(now, book, None)
            )
        minutes = self.journal.slot_minutes
        return HOUR if minutes is None else timedelta(minutes=minutes)

    async def _async_learn_slot_length(
        self, prices: Mapping[TariffDirection, Prices]
    ) -> None:
        """Remember how long records are from now on; without prices nothing changes."""
        minutes = slot_length(prices.values()) // timedelta(minutes=1)
        if prices and minutes != self.journal.slot_minutes:
            self.journal.slot_minutes = minutes
            await self.journal.async_save()

    def _days_due(self, now: datetime) -> int:
        """Return how far back prices may have changed that were not looked at since."""
        local, last = now.astimezone(self.zone), self.journal.repriced_on
        if local.hour < NIGHT_HOUR or last == local.date():
            return TRAILING_DAYS
        if last is None or (last.year, last.month) != (local.year, local.month):
            return MONTHLY_DAYS
        return NIGHTLY_DAYS

    async def _async_status(self) -> LocationStatus | None:
        """Return the tariffs of the location, None when Flatpeak does not say."""
        try:
            with self._patience.question("status"):
                return await self.client.get_location_status(self.location_id)
        except FlatpeakTariffError:
            return None

    async def _async_prices(
        self, now: datetime, book: PriceBook, status: LocationStatus | None
    ) -> dict[TariffDirection, Prices]:
        """Return the prices of today and tomorrow that the home has a use for."""
        today = midnight(now, self.zone)
        directions = [TariffDirection.IMPORT]
        if self._exports(status):
            directions.append(TariffDirection.EXPORT)
        found = {
            each: await book.async_prices(each, today, days_later(today, 2))
            for each in directions
        }
        return {each: prices for each, prices in found.items() if prices is not None}

    def _exports(self, status: LocationStatus | None) -> bool:
        """Return whether the home sells energy, or could."""
        leg = None if status is None else status.export_tariff
        return (leg is not None and leg.status is ConnectionStatus.CONNECTED) or any(
            meter.flow is Flow.GRID_EXPORT for meter in self.meters
        )

    def cheap_windows(self) -> list[PriceSlot]:
        """Return when energy is cheap today and tomorrow, as far as prices are known."""
        prices = self.data.prices.get(TariffDirection.IMPORT)
        slots = () if prices is None else prices.slots
        return cheap_windows(slots, self._cheap_limit / 100, self.zone)

    def day_start(self, now: datetime) -> datetime:
        """Return when the home's day began."""
        return midnight(now, self.zone)

    def month_start(self, now: datetime) -> datetime:
        """Return when the home's month began."""
        return midnight(now, self.zone).replace(day=1)

    @callback
    def _async_retry_later(self, err: FlatpeakError) -> None:
        """Try again on our own, each time later; only the user can mend a wrong key."""
        self.update_interval = (
            None
            if isinstance(err, FlatpeakAuthenticationError)
            else _delay(self._failures, err)
        )
        self._failures += 1

    @callback
    def _async_relax(self) -> None:
        """Leave the next cycle to the recorder's next hour."""
        self._failures = 0
        self.update_interval = None

    @callback
    def _async_see_account(self, err: FlatpeakError | None) -> None:
        """Know, and tell, whether the account is disabled."""
        self.is_account_disabled = isinstance(err, FlatpeakAccountDisabledError)
        self._findings.async_see_account(err)

    async def async_forgive_debt(self, device_id: str) -> None:
        """Let a meter go on without what it ran backwards, and begin with it at once."""
        async with self._turn:
            known = self.journal.meters[device_id]
            border = self.journal.sent_until(device_id)
            known.begin_anew(replace(known.sources[-1], start=border))
            await self.journal.async_save()
        self._async_create_task(self.async_refresh(), "forgiven debt")

    async def async_price_anew(self) -> None:
        """Forget the costs in an old currency, and begin to fetch all of them anew."""
        async with self._turn:
            for meter in self.meters:
                self.journal.meters[meter.device_id].owe_all_costs()
            await self.journal.async_save()
            await async_clear_costs(
                self.hass,
                [cost_statistic(meter, self.currency) for meter in self.meters],
            )
        self._async_create_task(self.async_refresh(), "new currency")

    @callback
    def _async_learn_currency(self, pricing: Pricing) -> None:
        """Take over the currency of reports, and tell where it is an unexpected one."""
        currencies = {
            report.currency for each in pricing.reports.values() for report in each
        }
        if not currencies:
            return
        self.currency = min(currencies)
        self._findings.async_see_currencies(currencies)
        old = pricing.old_currencies.values()
        self._findings.async_see_new_currency(old, self.currency)

    async def _async_catch_up(self) -> None:
        """Run the first cycle, then submit and price the history month by month."""
        await self._async_tend_dashboard()
        await self.async_refresh()
        if self._uploader.history is not None and await self._async_upload_history():
            # The month so far holds more than the first cycle could see.
            await self.async_refresh()

    async def _async_upload_history(self) -> bool:
        """Submit and price all history, return whether that came to its end."""
        failures = 0
        while True:
            try:
                if not await self._async_month_of_history():
                    return True
                failures = 0
            except FlatpeakAuthenticationError:
                return False  # The cycle asks the user for a new key, and then reloads.
            except FlatpeakError as err:
                LOGGER.debug("The upload of the history has to wait: %s", err)
                await asyncio.sleep(_delay(failures, err).total_seconds())
                failures += 1

    async def _async_tend_dashboard(self) -> None:
        """Link the meters, and none that was removed.

        The dashboard accepts only statistics that exist. Home Assistant saves it
        a minute late, so a link may be lost: it is looked at again at every start.
        """
        await async_create_costs(
            self.hass, [cost_statistic(meter, self.currency) for meter in self.meters]
        )
        if not self.links_dashboard:
            return  # What is linked there, the user has linked by hand.
        await async_unlink(
            self.hass,
            cost_statistic_ids(self.journal.meters)
            - {meter.cost_statistic_id for meter in self.meters},
        )
        await async_link(self.hass, self.meters)

    async def _async_month_of_history(self) -> bool:
        """Submit and price the next month of history, return whether there was one."""
        async with self._async_take_turn("history"):
            if self._uploader.history is None:
                return False
            is_submitted = not await self._uploader.async_upload_history()
            await self._async_price_owed()
            if is_submitted:
                await self._uploader.async_finish_history(dt_util.utcnow())
        self.async_update_listeners()
        return True

    async def _async_price_owed(self) -> None:
        """Price the energy that was accepted and has no cost yet."""
        owed = [
            span
            for meter in self.meters
            if (span := self.journal.meters[meter.device_id].unpriced) is not None
        ]
        if not owed:
            return
        # The last day may go on beyond the month: it is priced as a whole, and so is
        # the next one, with which it may share an hour.
        end = midnight(max(span.end for span in owed), self.zone)
        await self._reporter.async_price(
            min(span.start for span in owed),
            min(dt_util.as_utc(days_later(end, 2)), floor_hour(dt_util.utcnow())),
        )

    @callback
    def async_listen_sessions(
        self, device_id: str, listener: Callable[[PricedSession], None]
    ) -> CALLBACK_TYPE:
        """Tell a listener of the sessions of a meter as soon as they have their cost."""
        listeners = self._session_listeners[device_id]
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    def priced_sessions(self, device_id: str) -> list[PricedSession]:
        """Return the sessions of a meter that have their cost, oldest first."""
        sessions = self.journal.meters[device_id].sessions
        return [priced for each in sessions if (priced := each.priced(device_id))]

    @property
    def records_waiting(self) -> int:
        """Return how many records Flatpeak has not accepted yet."""
        until = floor_hour(dt_util.utcnow())
        return sum(
            self.journal.meters[meter.device_id].records_waiting(until)
            for meter in self.meters
        )

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


def _settled(end: datetime) -> datetime:
    """Return when the recorder surely has what ends at an instant, spread by chance."""
    return end + timedelta(seconds=SETTLE_SECONDS) + _jitter()


def _jitter() -> timedelta:
    """Return a time by which homes do not do the same at once."""
    return timedelta(seconds=random.uniform(0, JITTER_SECONDS))


def _delay(failures: int, err: FlatpeakError) -> timedelta:
    """Return how long to wait after a failure, the longer the more there were before.

    Homes that have failed together must not come back together.
    """
    doublings = min(failures, MAX_DOUBLINGS)
    delay = min(FIRST_RETRY * 2.0**doublings, LAST_RETRY) * random.uniform(1, 1.5)
    asked = err.retry_after if isinstance(err, FlatpeakBusyError) else None
    return max(delay, timedelta(seconds=min(asked or 0, LONGEST_REST.total_seconds())))


async def _async_zone(hass: HomeAssistant, name: str | None) -> tzinfo:
    """Return the time zone of a location, Home Assistant's where it is unknown."""
    zone = await dt_util.async_get_time_zone(name) if name else None
    return zone or dt_util.get_default_time_zone()
