"""Ask Flatpeak what the energy cost, and let the cost statistics follow."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .api import Aggregation, CostReport, CostRow, FlatpeakClient, FlatpeakTariffError
from .const import LOGGER
from .days import days_later, midnight, windows, with_offset_of
from .follow import Answer, Follower, Pricing, due_rows
from .journal import Journal, MeterJournal, Span
from .meter import Meter
from .patience import Patience
from .prices import PriceBook
from .sources import EnergyReader

# Flatpeak is asked for at most 90 days at a time (flatpeak-api.md, section 8).
# This leaves room for the day before and for a day of 25 hours.
MAX_DAYS: Final = 88

# Flatpeak is asked for so long a time before anything is written. More would make
# memory grow with the history.
PASS_DAYS: Final = 400


class Reporter:
    """Prices the energy of a home's meters, one request at a time."""

    def __init__(
        self,
        hass: HomeAssistant,
        client: FlatpeakClient,
        journal: Journal,
        energy: EnergyReader,
        meters: Sequence[Meter],
        patience: Patience,
        *,
        location_id: str,
        zone: tzinfo,
    ) -> None:
        """Keep what the reports need."""
        self._client = client
        self._journal = journal
        self._meters = meters
        self._patience = patience
        self._location_id = location_id
        self._zone = zone
        self._follower = Follower(hass, journal, energy, zone)

    async def async_price(
        self, start: datetime, until: datetime, *, ahead: datetime | None = None
    ) -> Pricing:
        """Price the local days from the one of start to the hour `until`.

        A meter with energy from before whose costs are still owed is priced from
        there on. Flatpeak is asked for all days; those of which it says what it said
        before, and whose costs are not owed, are not looked at any more. The price
        book at the end reaches to the local midnight `ahead`.
        """
        before = self._owed()
        begins = self._begins(start)
        today = midnight(until, self._zone)
        pricing = Pricing(
            book=self._open_book(today, until if ahead is None else ahead)
        )
        for low, high in windows(min([*begins.values(), today]), until, PASS_DAYS):
            answers = await self._async_ask(
                {
                    meter: max(begin, low)
                    for meter, begin in begins.items()
                    if begin < high
                },
                high,
                pricing,
            )
            first = min((row.start for row in due_rows(answers)), default=today)
            pricing.book = self._open_book(
                days_later(midnight(first, self._zone), -1),
                high if ahead is None or high < until else ahead,
            )
            await self._follower.async_follow(answers, high, pricing)
            self._settle(answers, high, pricing)
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

    async def _async_ask(
        self, begins: Mapping[Meter, datetime], end: datetime, pricing: Pricing
    ) -> list[Answer]:
        """Return what Flatpeak reports of meters, each from a local midnight on."""
        answers = []
        for meter, begin in begins.items():
            try:
                reports = await self._async_reports(meter, begin, end)
            except FlatpeakTariffError as err:
                LOGGER.debug("Flatpeak cannot price %s now: %s", meter.flow.value, err)
                pricing.refusals[meter.device_id] = err
                self._journal.meters[meter.device_id].owe_costs(
                    dt_util.as_utc(begin), dt_util.as_utc(end)
                )
                continue
            if reports:
                pricing.reports.setdefault(meter.device_id, []).extend(reports)
            answers.append(self._answer(meter, begin, reports))
        return answers

    async def _async_reports(
        self, meter: Meter, begin: datetime, end: datetime
    ) -> list[CostReport]:
        """Return Flatpeak's reports for a meter where it has accepted energy.

        In zones whose midnight lies inside a UTC hour, that hour also holds the end
        of the day before: each report begins a day early.
        """
        accepted = _accepted(self._journal.meters[meter.device_id])
        return [
            await self._async_report(meter, days_later(low, -1), high)
            for low, high in windows(begin, end, MAX_DAYS)
            if any(a < high and days_later(low, -1) < b for a, b in accepted)
        ]

    def _answer(
        self, meter: Meter, begin: datetime, reports: Sequence[CostReport]
    ) -> Answer:
        """Return what reports say in the last one's currency, and what is new of it.

        Costs of two currencies must not be added up.
        """
        currency = reports[-1].currency if reports else ""
        rows = dict.fromkeys(
            row for each in reports if each.currency == currency for row in each.rows
        )
        owed = self._journal.meters[meter.device_id].unpriced
        return Answer(
            meter=meter,
            begin=begin,
            currency=currency,
            rows=rows.keys(),
            due=[
                row
                for row in rows
                if begin < row.end
                and (
                    _is_owed(row, owed)
                    or not self._follower.is_followed(meter, currency, row)
                )
            ],
        )

    def _settle(
        self, answers: Sequence[Answer], until: datetime, pricing: Pricing
    ) -> None:
        """Note that the costs of what was followed are not owed any more."""
        for answer in answers:
            device_id = answer.meter.device_id
            if device_id not in pricing.old_currencies:
                self._journal.meters[device_id].settle_costs(
                    dt_util.as_utc(answer.begin), dt_util.as_utc(until)
                )

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


def _accepted(journal: MeterJournal) -> list[tuple[datetime, datetime]]:
    """Return the windows of time in which Flatpeak has accepted energy, oldest first."""
    return [(low, high) for low, high in journal.accepted() if low < high]


def _is_owed(row: CostRow, owed: Span | None) -> bool:
    """Return whether the costs of a row are still to be asked for, or a part of them."""
    return owed is not None and row.start < owed.end and owed.start < row.end
