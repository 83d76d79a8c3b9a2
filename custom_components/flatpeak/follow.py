"""Bring the cost statistics in line with what Flatpeak reports."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .api import CostReport, CostRow, FlatpeakTariffError, PriceSlot, TariffDirection
from .corrections import submitted_intervals
from .costs import apportion, lost
from .days import DAY, days_later, midnight
from .intervals import HOUR, EnergyInterval, EnergyRow, floor_hour
from .journal import Journal, MeterJournal
from .meter import Meter
from .prices import PriceBook
from .sources import EnergyReader
from .statistics import CostStatistic, async_other_currencies, async_write_costs

# So many hours of all meters together are followed at once: more would take more
# memory, the longer the history.
HOURS_AT_ONCE: Final = 10_000

# What was reported longer ago is not kept in mind.
KEPT_IN_MIND: Final = 400 * DAY

type Costs = dict[datetime, float]
"""Costs by the start of their hour."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What Flatpeak reports of a meter, in one currency."""

    meter: Meter
    begin: datetime
    """The local midnight from which the meter is priced; the rows begin earlier."""
    currency: str
    rows: Collection[CostRow]
    due: Collection[CostRow]
    """The rows that are to be followed."""


class Follower:
    """Follows reports, of all meters together and a stretch of time at once."""

    def __init__(
        self,
        hass: HomeAssistant,
        journal: Journal,
        energy: EnergyReader,
        zone: tzinfo,
    ) -> None:
        """Begin with nothing followed."""
        self._hass = hass
        self._journal = journal
        self._energy = energy
        self._zone = zone
        # By device id and start of the row: the currency, and the row.
        self._followed: dict[str, dict[datetime, tuple[str, CostRow]]] = defaultdict(
            dict
        )
        self._last_hours: dict[str, datetime] = {}

    def is_followed(self, meter: Meter, currency: str, row: CostRow) -> bool:
        """Return whether the stored costs are what a row of a meter's report says."""
        return self._followed[meter.device_id].get(row.start) == (currency, row)

    async def async_follow(
        self, answers: Sequence[Answer], until: datetime, pricing: Pricing
    ) -> None:
        """Follow what is due before an hour `until`."""
        longest = max(HOURS_AT_ONCE // (24 * max(len(answers), 1)), 1) * DAY
        for begin, end in _stretches(due_rows(answers), longest):
            due = [each for each in answers if _overlapping(each.due, begin, end)]
            await self._async_follow_stretch(due, begin, end, until, pricing)
        self._forget(until - KEPT_IN_MIND)
        pricing.last_hours |= self._last_hours

    async def _async_follow_stretch(
        self,
        answers: Sequence[Answer],
        begin: datetime,
        end: datetime,
        until: datetime,
        pricing: Pricing,
    ) -> None:
        """Follow what is due in a stretch of time, and keep in mind what was."""
        work = {answer.meter: _touching(answer.rows, begin, end) for answer in answers}
        first = days_later(midnight(begin, self._zone), -1)
        last = max(row.end for rows in work.values() for row in rows)
        slots = {
            direction: await pricing.book.async_slots(direction, first, last)
            for direction in {meter.flow.tariff_direction for meter in work}
        }
        costs = await self._async_costs(work, slots, first, last, until)
        for answer in await self._async_write(answers, costs, begin, end, pricing):
            # Without prices it is looked at again: there may be some by then.
            if slots[answer.meter.flow.tariff_direction]:
                self._followed[answer.meter.device_id] |= {
                    row.start: (answer.currency, row)
                    for row in _overlapping(answer.due, begin, end)
                }

    async def _async_costs(
        self,
        work: Mapping[Meter, Sequence[CostRow]],
        slots: Mapping[TariffDirection, Sequence[PriceSlot]],
        first: datetime,
        last: datetime,
        until: datetime,
    ) -> dict[Meter, Costs]:
        """Return what the hours of some rows cost."""
        # A debt or a gap may come from the day before.
        read_from = floor_hour(dt_util.as_utc(first))
        known = self._journal.of([meter.device_id for meter in work])
        energy = await self._energy.async_read(known, read_from, last)

        def costs_of_all() -> dict[Meter, Costs]:
            """Return the costs of all meters: work for a thread."""
            return {
                meter: _costs(
                    rows,
                    energy[meter.device_id],
                    known[meter.device_id],
                    slots[meter.flow.tariff_direction],
                    read_from,
                    until,
                )
                for meter, rows in work.items()
            }

        return await self._hass.async_add_executor_job(costs_of_all)

    async def _async_write(
        self,
        answers: Iterable[Answer],
        costs: Mapping[Meter, Costs],
        begin: datetime,
        end: datetime,
        pricing: Pricing,
    ) -> list[Answer]:
        """Write the costs of a stretch of time, return the answers that are followed.

        Stored costs in another currency stay as they are.
        """
        statistics = {
            cost_statistic(answer.meter, answer.currency): answer for answer in answers
        }
        others = await async_other_currencies(self._hass, statistics)
        for statistic, currency in others.items():
            answer = statistics.pop(statistic)
            pricing.old_currencies[answer.meter.device_id] = currency
        written = {
            statistic: {
                hour: cost
                for hour, cost in costs[answer.meter].items()
                if floor_hour(begin) <= hour < end
            }
            for statistic, answer in statistics.items()
        }
        pricing.rows_written += await async_write_costs(self._hass, written)
        for statistic, hours in written.items():
            self._note_last_hour(statistics[statistic].meter, hours)
        return list(statistics.values())

    def _note_last_hour(self, meter: Meter, costs: Costs) -> None:
        """Keep in mind up to when a meter has costs."""
        if costs:
            last = max(costs)
            known = self._last_hours.get(meter.device_id, last)
            self._last_hours[meter.device_id] = max(known, last)

    def _forget(self, before: datetime) -> None:
        """Forget what was reported long ago."""
        for device_id, rows in self._followed.items():
            self._followed[device_id] = {
                start: row for start, row in rows.items() if start >= before
            }


def due_rows(answers: Iterable[Answer]) -> list[CostRow]:
    """Return the rows that are to be followed, of all meters."""
    return [row for answer in answers for row in answer.due]


def cost_statistic(meter: Meter, currency: str) -> CostStatistic:
    """Return the statistic for the costs of a meter in a currency."""
    return CostStatistic(
        statistic_id=meter.cost_statistic_id,
        name=meter.cost_statistic_name,
        currency=currency,
    )


def _stretches(
    rows: Iterable[CostRow], longest: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the stretches of time that rows cover, in parts that are not too long."""
    begin = end = None
    for row in sorted(rows, key=lambda row: (row.start, row.end)):
        if begin is not None and end is not None:
            if row.start <= end and row.end - begin <= longest:
                end = max(end, row.end)
                continue
            yield begin, end
        begin, end = row.start, row.end
    if begin is not None and end is not None:
        yield begin, end


def _overlapping(
    rows: Iterable[CostRow], begin: datetime, end: datetime
) -> list[CostRow]:
    """Return the rows that share time with a stretch."""
    return [row for row in rows if row.start < end and begin < row.end]


def _touching(rows: Iterable[CostRow], begin: datetime, end: datetime) -> list[CostRow]:
    """Return the rows that share UTC hours with a stretch.

    In zones whose midnight lies inside an hour, that hour also holds the end of the
    day before.
    """
    return _overlapping(
        rows, floor_hour(begin), floor_hour(end - timedelta.resolution) + HOUR
    )


def _costs(
    rows: Iterable[CostRow],
    energy: Sequence[EnergyRow],
    journal: MeterJournal,
    slots: Iterable[PriceSlot],
    read_from: datetime,
    until: datetime,
) -> Costs:
    """Return the costs of the hours of rows.

    Where a local midnight lies inside the last hour, half of it is missing.
    """
    intervals = [*submitted_intervals(journal, energy, read_from), *journal.ahead]
    known = [row for row in rows if not row.energy_wh or _has_energy(row, intervals)]
    intervals += lost(known, intervals, journal.accepted())
    costs = apportion(known, intervals, slots, until=until)
    return {hour: cost for hour, cost in costs.items() if hour + HOUR <= until}


def _has_energy(row: CostRow, intervals: Iterable[EnergyInterval]) -> bool:
    """Return whether it is still known which hours the energy of a row belongs to."""
    return any(each.start < row.end and row.start < each.end for each in intervals)
