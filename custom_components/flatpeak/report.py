"""Ask Flatpeak what the energy cost, and bring the cost statistics in line."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta, timezone, tzinfo
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .api import (
    Aggregation,
    CostReport,
    CostRow,
    FlatpeakClient,
    FlatpeakNotFoundError,
    FlatpeakTariffError,
    PriceSlot,
    TariffDirection,
)
from .const import LOGGER
from .costs import apportion
from .intervals import EnergyInterval, EnergyRow, floor_hour, to_intervals
from .journal import Journal
from .meter import Meter, async_statistic_id
from .patience import Patience
from .statistics import (
    CostStatistic,
    async_last_cost,
    async_read_energy,
    async_write_costs,
)

DAY: Final = timedelta(days=1)

# Flatpeak answers for at most 90 days of prices (flatpeak-api.md, section 9).
# One day less leaves room for the day before and for a day of 25 hours.
MAX_DAYS: Final = 88


def midnight(instant: datetime, zone: tzinfo) -> datetime:
    """Return when the local day of an instant began."""
    local = instant.astimezone(zone)
    return datetime.combine(local.date(), time(), zone)


def days_later(start: datetime, days: int) -> datetime:
    """Return the local midnight a number of days after a local midnight."""
    return datetime.combine(start.date() + days * DAY, time(), start.tzinfo)


class Reporter:
    """Prices the energy of a home's meters."""

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
        self._priced_until: dict[str, datetime] = {}

    async def async_price(
        self, start: datetime, until: datetime
    ) -> dict[str, list[CostReport]]:
        """Price the local days from the one of start to the hour `until`.

        A meter that has unpriced energy before that, since there was no tariff or
        no service, is priced from there on. Return the reports by device id. A
        meter that Flatpeak cannot price now is left out.
        """
        reports: dict[str, list[CostReport]] = {}
        groups: dict[datetime, list[Meter]] = defaultdict(list)
        for meter in self._meters:
            begin = min(start, await self._async_unpriced(meter) or start)
            groups[midnight(begin, self._zone)].append(meter)
        for begin, meters in groups.items():
            await self._async_price_from(begin, until, meters, reports)
        for device_id in reports:
            known = self._priced_until.get(device_id, until)
            self._priced_until[device_id] = max(known, until)
        return reports

    async def _async_unpriced(self, meter: Meter) -> datetime | None:
        """Return from when on a meter has accepted energy without a cost, if it has."""
        device_id = meter.device_id
        if device_id not in self._priced_until:
            last = await async_last_cost(self._hass, meter.cost_statistic_id)
            if last is None:
                return min(
                    (low for low, _ in self._accepted_windows(device_id)), default=None
                )
            self._priced_until[device_id] = last
        return self._priced_until[device_id]

    def _accepted_windows(self, device_id: str) -> list[tuple[datetime, datetime]]:
        """Return the windows of time in which Flatpeak has accepted energy."""
        return [
            (low, high)
            for low, high in self._journal.meters[device_id].accepted()
            if low < high
        ]

    async def _async_price_from(
        self,
        begin: datetime,
        until: datetime,
        meters: Iterable[Meter],
        reports: dict[str, list[CostReport]],
    ) -> None:
        """Price meters from a local midnight on, as much at a time as may be asked."""
        while begin < until:
            following = days_later(begin, MAX_DAYS)
            end = min(following, until.astimezone(self._zone))
            await self._async_price_window(begin, end, meters, reports)
            begin = following

    async def _async_price_window(
        self,
        begin: datetime,
        end: datetime,
        meters: Iterable[Meter],
        reports: dict[str, list[CostReport]],
    ) -> None:
        """Price meters from a local midnight to an end that one request spans."""
        # In zones whose midnight lies inside a UTC hour, that hour also holds the
        # end of the day before.
        first = days_later(begin, -1)
        found = {
            meter: report
            for meter in meters
            if (report := await self._async_report(meter, first, end)) is not None
        }
        energy = await self._async_energy(found, first, end)
        prices = {
            direction: await self._async_prices(first, end, direction)
            for direction in {meter.flow.tariff_direction for meter in found}
        }
        for meter, report in found.items():
            costs = await self._hass.async_add_executor_job(
                _hourly_costs,
                report.rows,
                energy[meter.device_id],
                prices[meter.flow.tariff_direction],
                begin,
                end,
            )
            await async_write_costs(
                self._hass, cost_statistic(meter, report.currency), costs
            )
            reports.setdefault(meter.device_id, []).append(report)

    async def _async_energy(
        self, meters: Iterable[Meter], start: datetime, end: datetime
    ) -> dict[str, list[EnergyInterval]]:
        """Return the intervals that Flatpeak has accepted, by device id."""
        begin = floor_hour(dt_util.as_utc(start))
        statistic_ids = {
            meter.device_id: async_statistic_id(self._hass, meter.source)
            for meter in meters
        }
        rows = await async_read_energy(
            self._hass, set(filter(None, statistic_ids.values())), begin, end
        )
        return {
            device_id: self._accepted(
                device_id, rows.get(statistic_id or "", ()), begin
            )
            for device_id, statistic_id in statistic_ids.items()
        }

    def _accepted(
        self, device_id: str, rows: Iterable[EnergyRow], begin: datetime
    ) -> list[EnergyInterval]:
        """Return the intervals of those rows that Flatpeak has accepted."""
        rows = list(rows)
        refusals = self._journal.meters[device_id].refusals
        refused = {refusal.interval.start for refusal in refusals}
        return [
            interval
            for low, high in self._accepted_windows(device_id)
            for interval in to_intervals(
                [row for row in rows if low <= row.start < high],
                # A gap may reach back beyond what was read.
                position=max(low, begin),
            ).intervals
            if interval.start not in refused
        ]

    async def _async_report(
        self, meter: Meter, start: datetime, end: datetime
    ) -> CostReport | None:
        """Return Flatpeak's daily report for a meter, None when it has none now."""
        windows = self._accepted_windows(meter.device_id)
        if not any(low < end and start < high for low, high in windows):
            return None
        direction = meter.flow.tariff_direction
        try:
            with self._patience.question((meter.device_id, direction)):
                return await self._client.get_interval_costs(
                    meter.device_id,
                    with_offset_of(end, start),
                    end,
                    direction,
                    Aggregation.DAY,
                )
        except FlatpeakTariffError as err:
            LOGGER.info("Flatpeak cannot price the %s yet: %s", meter.flow.value, err)
            return None

    async def _async_prices(
        self, start: datetime, end: datetime, direction: TariffDirection
    ) -> Sequence[PriceSlot]:
        """Return the prices of a window, none where Flatpeak has none."""
        try:
            with self._patience.question(direction):
                report = await self._client.get_prices(
                    self._location_id, with_offset_of(end, start), end, direction
                )
        except FlatpeakTariffError, FlatpeakNotFoundError:
            return ()
        return report.slots


def _hourly_costs(
    rows: Iterable[CostRow],
    intervals: Sequence[EnergyInterval],
    prices: Iterable[PriceSlot],
    begin: datetime,
    end: datetime,
) -> dict[datetime, float]:
    """Return the costs of the hours from a local midnight on."""
    first = floor_hour(dt_util.as_utc(begin))
    costs = apportion(rows, intervals, prices, until=end)
    return {hour: cost for hour, cost in costs.items() if hour >= first}


def with_offset_of(other: datetime, instant: datetime) -> datetime:
    """Return an instant with the UTC offset of another one.

    Flatpeak asks not to mix offsets (flatpeak-api.md, section 1), which a window
    over a clock change would do.
    """
    return instant.astimezone(timezone(other.utcoffset() or timedelta()))


def cost_statistic(meter: Meter, currency: str) -> CostStatistic:
    """Return the statistic for the costs of a meter in a currency."""
    return CostStatistic(
        statistic_id=meter.cost_statistic_id,
        name=meter.cost_statistic_name,
        currency=currency,
    )
