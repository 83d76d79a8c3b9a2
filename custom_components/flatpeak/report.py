"""Ask Flatpeak what the energy cost, and bring the cost statistics in line."""

from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta, timezone, tzinfo
from typing import Final

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .api import (
    Aggregation,
    CostReport,
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
from .statistics import CostStatistic, async_read_energy, async_write_costs

DAY: Final = timedelta(days=1)

# Flatpeak answers for at most 90 days of prices (flatpeak-api.md, section 9).
# One day less leaves room for the day before and for a day of 25 hours.
MAX_DAYS: Final = 88

# Flatpeak asks not to repeat a request without a tariff any sooner (section 3).
TARIFF_PATIENCE: Final = timedelta(minutes=15)


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
        *,
        location_id: str,
        zone: tzinfo,
    ) -> None:
        """Keep what the reports need."""
        self._hass = hass
        self._client = client
        self._journal = journal
        self._meters = meters
        self._location_id = location_id
        self._zone = zone
        self._quiet_until: dict[str, datetime] = {}

    async def async_price(
        self, start: datetime, until: datetime
    ) -> dict[str, list[CostReport]]:
        """Price the local days from the one of start to the hour `until`.

        Return the reports by device id. A meter that Flatpeak cannot price now
        is left out.
        """
        reports: dict[str, list[CostReport]] = {}
        begin = midnight(start, self._zone)
        while begin < until:
            end = min(days_later(begin, MAX_DAYS), until.astimezone(self._zone))
            await self._async_price_window(begin, end, reports)
            begin = days_later(begin, MAX_DAYS)
        return reports

    async def _async_price_window(
        self, begin: datetime, end: datetime, reports: dict[str, list[CostReport]]
    ) -> None:
        """Price all meters from a local midnight to an end that one request spans."""
        # In zones whose midnight lies inside a UTC hour, that hour also holds the
        # end of the day before.
        first = days_later(begin, -1)
        energy = await self._async_energy(first, end)
        prices: dict[TariffDirection, Sequence[PriceSlot]] = {}
        for meter in self._meters:
            if (report := await self._async_report(meter, first, end)) is None:
                continue
            direction = meter.flow.tariff_direction
            if direction not in prices:
                prices[direction] = await self._async_prices(first, end, direction)
            costs = apportion(
                report.rows, energy[meter.device_id], prices[direction], until=end
            )
            await self._async_write(meter, report.currency, costs, begin)
            reports.setdefault(meter.device_id, []).append(report)

    async def _async_write(
        self,
        meter: Meter,
        currency: str,
        costs: dict[datetime, float],
        begin: datetime,
    ) -> None:
        """Write the hours from a local midnight on."""
        first = floor_hour(dt_util.as_utc(begin))
        await async_write_costs(
            self._hass,
            cost_statistic(meter, currency),
            {hour: cost for hour, cost in costs.items() if hour >= first},
        )

    async def _async_energy(
        self, start: datetime, end: datetime
    ) -> dict[str, list[EnergyInterval]]:
        """Return the intervals that Flatpeak has accepted, by device id."""
        statistic_ids = {
            meter.device_id: statistic_id
            for meter in self._meters
            if (statistic_id := async_statistic_id(self._hass, meter.source))
        }
        rows = await async_read_energy(
            self._hass,
            set(statistic_ids.values()),
            floor_hour(dt_util.as_utc(start)),
            end,
        )
        return {
            meter.device_id: self._accepted(
                meter, rows.get(statistic_ids.get(meter.device_id, ""), ())
            )
            for meter in self._meters
        }

    def _accepted(
        self, meter: Meter, rows: Iterable[EnergyRow]
    ) -> list[EnergyInterval]:
        """Return the intervals of those rows that Flatpeak has accepted."""
        rows = list(rows)
        return [
            interval
            for low, high in self._journal.meters[meter.device_id].accepted()
            if (inside := [row for row in rows if low <= row.start < high])
            for interval in to_intervals(inside, position=inside[0].start).intervals
        ]

    async def _async_report(
        self, meter: Meter, start: datetime, end: datetime
    ) -> CostReport | None:
        """Return Flatpeak's daily report for a meter, None when it has none now."""
        now = dt_util.utcnow()
        if now < self._quiet_until.get(meter.device_id, now):
            return None
        try:
            return await self._client.get_interval_costs(
                meter.device_id,
                _with_offset_of(end, start),
                end,
                meter.flow.tariff_direction,
                Aggregation.DAY,
            )
        except FlatpeakTariffError as err:
            LOGGER.info("Flatpeak cannot price the %s yet: %s", meter.flow.value, err)
            self._quiet_until[meter.device_id] = now + TARIFF_PATIENCE
            return None

    async def _async_prices(
        self, start: datetime, end: datetime, direction: TariffDirection
    ) -> Sequence[PriceSlot]:
        """Return the prices of a window, none where Flatpeak has none."""
        try:
            report = await self._client.get_prices(
                self._location_id, _with_offset_of(end, start), end, direction
            )
        except FlatpeakTariffError, FlatpeakNotFoundError:
            return ()
        return report.slots


def _with_offset_of(other: datetime, instant: datetime) -> datetime:
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
