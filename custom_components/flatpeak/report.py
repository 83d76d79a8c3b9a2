"""Ask Flatpeak what the energy cost, and bring the cost statistics in line."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .api import (
    Aggregation,
    CostReport,
    CostRow,
    FlatpeakClient,
    FlatpeakTariffError,
    PriceSlot,
)
from .const import LOGGER
from .corrections import submitted_intervals
from .costs import apportion, lost
from .days import days_later, midnight, windows, with_offset_of
from .intervals import HOUR, EnergyInterval, EnergyRow, floor_hour
from .journal import Journal, MeterJournal, Span
from .meter import Meter
from .patience import Patience
from .prices import PriceBook
from .sources import async_read_meters
from .statistics import CostStatistic, async_currency, async_write_costs

# Flatpeak is asked for at most 90 days at a time (flatpeak-api.md, section 8).
# This leaves room for the day before and for a day of 25 hours.
MAX_DAYS: Final = 88

# What one meter cost in so long a time is written at once. More would make memory
# grow with the history, less would write the rows after a change many times.
PASS_DAYS: Final = 400


@dataclass(kw_only=True)
class Pricing:
    """What came of asking for the costs of a home's meters, by device id."""

    book: PriceBook
    """The prices at the end of the time that was priced."""
    reports: dict[str, list[CostReport]] = field(default_factory=dict)
    """A meter that Flatpeak cannot price now is left out."""
    refusals: dict[str, FlatpeakTariffError] = field(default_factory=dict)
    """Why a meter was left out."""
    old_currencies: dict[str, str] = field(default_factory=dict)
    """The currency of stored costs that the reports cannot be added to."""
    last_hours: dict[str, datetime] = field(default_factory=dict)
    """The last hour that has a cost."""
    rows_written: int = 0


class Reporter:
    """Prices the energy of a home's meters, one meter and one request at a time."""

    def __init__(
        self,
        hass: HomeAssistant,
        client: FlatpeakClient,
        journal: Journal,
        meters: Sequence[Meter],
        patience: Patience,
        *,
        location_id: str,
        zone: tzinfo,
    ) -> None:
        """Keep what the reports need."""
        self._hass = hass
        self._client = client
        self._journal = journal
        self._meters = meters
        self._patience = patience
        self._location_id = location_id
        self._zone = zone

    async def async_price(
        self, start: datetime, until: datetime, *, ahead: datetime | None = None
    ) -> Pricing:
        """Price the local days from the one of start to the hour `until`.

        A meter with energy from before whose costs are still owed is priced from
        there on. Each meter's hours are compared and written once, so that a change
        long ago does not write the later rows several times. The price book at the
        end reaches to the local midnight `ahead`.
        """
        before = self._owed()
        begins = self._begins(start)
        today = midnight(until, self._zone)
        end = until if ahead is None else ahead
        pricing = Pricing(book=self._open_book(today, end))
        for low, high in windows(min([*begins.values(), today]), until, PASS_DAYS):
            pricing.book = self._open_book(
                days_later(low, -1), end if high == until else high
            )
            for meter, begin in begins.items():
                if begin < high:
                    await self._async_price_meter(meter, max(begin, low), high, pricing)
        LOGGER.debug("Wrote the costs of %d hours", pricing.rows_written)
        if self._owed() != before:
            await self._journal.async_save()
        return pricing

    def _owed(self) -> list[Span | None]:
        """Return the times whose costs are to be asked for."""
        return [self._journal.meters[each.device_id].unpriced for each in self._meters]

    def _begins(self, start: datetime) -> dict[Meter, datetime]:
        """Return the local midnight from which each meter is priced.

        Before the first record there is nothing to ask for, and for a meter without
        any record nothing at all.
        """
        begins = {}
        for meter in self._meters:
            journal = self._journal.meters[meter.device_id]
            if accepted := _accepted(journal):
                owed = start if journal.unpriced is None else journal.unpriced.start
                begin = max(min(start, owed), accepted[0][0])
                begins[meter] = midnight(begin, self._zone)
        return begins

    def _open_book(self, start: datetime, end: datetime) -> PriceBook:
        """Return a book for the prices of some time."""
        return PriceBook(self._client, self._patience, self._location_id, start, end)

    async def _async_price_meter(
        self, meter: Meter, begin: datetime, end: datetime, pricing: Pricing
    ) -> None:
        """Price a meter from a local midnight on."""
        journal = self._journal.meters[meter.device_id]
        reports: list[CostReport] = []
        # By currency: costs of two currencies must not be added up.
        costs: dict[str, dict[datetime, float]] = defaultdict(dict)
        try:
            for low, high in windows(begin, end, MAX_DAYS):
                # In zones whose midnight lies inside a UTC hour, that hour also holds
                # the end of the day before.
                first = days_later(low, -1)
                if not any(a < high and first < b for a, b in _accepted(journal)):
                    continue
                report = await self._async_report(meter, first, high)
                reports.append(report)
                costs[report.currency] |= await self._async_costs(
                    meter, report, low, high, pricing.book
                )
        except FlatpeakTariffError as err:
            LOGGER.debug("Flatpeak cannot price %s now: %s", meter.flow.value, err)
            pricing.refusals[meter.device_id] = err
            journal.owe_costs(dt_util.as_utc(begin), dt_util.as_utc(end))
            return
        if reports:
            pricing.reports.setdefault(meter.device_id, []).extend(reports)
            currency = reports[-1].currency
            # Where a local midnight lies inside the last hour, half of it is missing.
            whole = {
                hour: cost
                for hour, cost in costs[currency].items()
                if hour + HOUR <= end
            }
            await self._async_write(meter, currency, whole, pricing)
        if meter.device_id not in pricing.old_currencies:
            journal.settle_costs(dt_util.as_utc(begin), dt_util.as_utc(end))

    async def _async_write(
        self,
        meter: Meter,
        currency: str,
        costs: Mapping[datetime, float],
        pricing: Pricing,
    ) -> None:
        """Bring the cost statistic of a meter in line, unless it has another currency."""
        stored = await async_currency(self._hass, meter.cost_statistic_id)
        if stored is not None and stored != currency:
            pricing.old_currencies[meter.device_id] = stored
            return
        pricing.rows_written += await async_write_costs(
            self._hass, cost_statistic(meter, currency), costs
        )
        if costs:
            pricing.last_hours[meter.device_id] = max(costs)

    async def _async_report(
        self, meter: Meter, start: datetime, end: datetime
    ) -> CostReport:
        """Return Flatpeak's daily report for a meter."""
        direction = meter.flow.tariff_direction
        with self._patience.question((meter.device_id, direction)):
            return await self._client.get_interval_costs(
                meter.device_id,
                with_offset_of(end, start),
                end,
                direction,
                Aggregation.DAY,
            )

    async def _async_costs(
        self,
        meter: Meter,
        report: CostReport,
        begin: datetime,
        end: datetime,
        book: PriceBook,
    ) -> dict[datetime, float]:
        """Return the costs of the hours from a local midnight on."""
        first = days_later(begin, -1)
        read_from = floor_hour(dt_util.as_utc(first))
        known = self._journal.of([meter.device_id])
        energy = await async_read_meters(self._hass, known, read_from, end)
        slots = await book.async_slots(meter.flow.tariff_direction, first, end)
        return await self._hass.async_add_executor_job(
            _hourly_costs,
            report.rows,
            energy[meter.device_id],
            self._journal.meters[meter.device_id],
            slots,
            begin,
            end,
        )


def _accepted(journal: MeterJournal) -> list[tuple[datetime, datetime]]:
    """Return the windows of time in which Flatpeak has accepted energy, oldest first."""
    return [(low, high) for low, high in journal.accepted() if low < high]


def _hourly_costs(
    rows: Iterable[CostRow],
    energy: Sequence[EnergyRow],
    journal: MeterJournal,
    slots: Iterable[PriceSlot],
    begin: datetime,
    end: datetime,
) -> dict[datetime, float]:
    """Return the costs of the hours from a local midnight on: work for a thread."""
    read_from = floor_hour(dt_util.as_utc(days_later(begin, -1)))
    first = floor_hour(dt_util.as_utc(begin))
    intervals = submitted_intervals(journal, energy, read_from)
    known = [row for row in rows if not row.energy_wh or _has_energy(row, intervals)]
    intervals += lost(known, intervals, journal.accepted())
    costs = apportion(known, intervals, slots, until=end)
    return {hour: cost for hour, cost in costs.items() if hour >= first}


def _has_energy(row: CostRow, intervals: Iterable[EnergyInterval]) -> bool:
    """Return whether it is still known which hours the energy of a row belongs to."""
    return any(each.start < row.end and row.start < each.end for each in intervals)


def cost_statistic(meter: Meter, currency: str) -> CostStatistic:
    """Return the statistic for the costs of a meter in a currency."""
    return CostStatistic(
        statistic_id=meter.cost_statistic_id,
        name=meter.cost_statistic_name,
        currency=currency,
    )
