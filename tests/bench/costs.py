"""What it takes to write costs, and to follow a settlement, beside the way of opower."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from math import fsum, isclose
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Final

from custom_components.flatpeak.statistics import (
    CostStatistic,
    async_clear_costs,
    async_write_costs,
)
from homeassistant.components.recorder.statistics import get_last_statistics
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance

from .counting import Traffic, counted_traffic
from .energy import HOUR, Size, last_hour
from .home_assistant import running_home_assistant, sqlite_url
from .opower import async_insert_costs

# The day that is settled lies eleven months of a year back.
BEFORE_SETTLED: Final = 1 / 12
DAY_HOURS: Final = 24

type Costs = dict[datetime, float]
type Work = Callable[[], Awaitable[None]]
type Measure[T] = Callable[[Work], Awaitable[T]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Costing[T]:
    """The costs of all meters written for the first time, and with one day settled."""

    first: T
    settlement: T


@dataclass(frozen=True, kw_only=True, slots=True)
class CostPair[T]:
    """The same costs written by the integration, and in the way of opower."""

    flatpeak: Costing[T]
    opower: Costing[T]


@dataclass(frozen=True, kw_only=True, slots=True)
class CostWriting:
    """How long it took each time, and what the database did."""

    seconds: list[CostPair[float]]
    database: CostPair[Traffic]


async def async_cost_writing(
    size: Size, runs: int, db_url: str | None = None
) -> CostWriting:
    """Write costs several times in both ways, after once to warm up and to count."""
    with TemporaryDirectory(prefix="flatpeak-") as name:
        directory = Path(name)
        async with running_home_assistant(
            directory, db_url or sqlite_url(directory)
        ) as hass:
            household = _Household(hass, size)
            return CostWriting(
                database=await household.async_pair(partial(_async_counted, hass)),
                seconds=[
                    await household.async_pair(_async_timed, is_first=number % 2 == 0)
                    for number in range(runs)
                ],
            )


async def _async_timed(work: Work) -> float:
    """Do work, return the seconds that it took."""
    began = perf_counter()
    await work()
    return perf_counter() - began


async def _async_counted(hass: HomeAssistant, work: Work) -> Traffic:
    """Do work, return what the database did for it."""
    with counted_traffic(hass) as traffic:
        await work()
    return traffic


class _Household:
    """The hourly costs of all meters of a household."""

    def __init__(self, hass: HomeAssistant, size: Size) -> None:
        """Think of costs, and of others for one day."""
        self._hass = hass
        begin = last_hour() - size.hours * HOUR
        self._day = begin + int(size.hours * BEFORE_SETTLED) * HOUR
        self._costs = [
            _costs(number, begin, size.hours) for number in range(size.meters)
        ]
        self._day_costs = [self._settle(costs) for costs in self._costs]
        self._settled = [
            costs | day for costs, day in zip(self._costs, self._day_costs, strict=True)
        ]

    def _settle(self, costs: Costs) -> Costs:
        """Return other costs for the day."""
        hours = [self._day + hour * HOUR for hour in range(DAY_HOURS)]
        return {hour: costs[hour] * 1.1 + 0.01 for hour in hours}

    async def async_pair[T](
        self, measure: Measure[T], *, is_first: bool = True
    ) -> CostPair[T]:
        """Write the costs in both ways, first or last as the integration does."""
        if is_first:
            flatpeak = await self._async_flatpeak(measure)
        opower = await self._async_opower(measure)
        if not is_first:
            flatpeak = await self._async_flatpeak(measure)
        return CostPair(flatpeak=flatpeak, opower=opower)

    async def _async_flatpeak[T](self, measure: Measure[T]) -> Costing[T]:
        """Write the costs as the integration does: then the day that Flatpeak reports anew."""
        statistics = await self._async_begin("flatpeak")

        async def async_write(all_costs: list[Costs]) -> None:
            """Write the costs of all meters."""
            for statistic, costs in zip(statistics, all_costs, strict=True):
                await async_write_costs(self._hass, {statistic: costs})

        first = await measure(partial(async_write, self._costs))
        settlement = await measure(partial(async_write, self._day_costs))
        await self._async_check(statistics)
        return Costing(first=first, settlement=settlement)

    async def _async_opower[T](self, measure: Measure[T]) -> Costing[T]:
        """Write the costs as opower does: it is given those from just before the change."""
        statistics = await self._async_begin("opower")

        async def async_write(all_costs: list[Costs]) -> None:
            """Write the costs of all meters."""
            for statistic, costs in zip(statistics, all_costs, strict=True):
                await async_insert_costs(self._hass, statistic, costs)

        later = [
            {hour: cost for hour, cost in costs.items() if hour >= self._day - HOUR}
            for costs in self._settled
        ]
        first = await measure(partial(async_write, self._costs))
        settlement = await measure(partial(async_write, later))
        await self._async_check(statistics)
        return Costing(first=first, settlement=settlement)

    async def _async_begin(self, way: str) -> list[CostStatistic]:
        """Return the statistics of all meters, without any hour."""
        statistics = [
            CostStatistic(
                statistic_id=f"flatpeak:{way}_{number:02}_cost",
                name=f"Meter {number}",
                currency="EUR",
            )
            for number in range(len(self._costs))
        ]
        await async_clear_costs(self._hass, statistics)
        return statistics

    async def _async_check(self, statistics: list[CostStatistic]) -> None:
        """Make sure that the settled costs are what is stored now."""
        for statistic, costs in zip(statistics, self._settled, strict=True):
            last = await get_instance(self._hass).async_add_executor_job(
                get_last_statistics,
                self._hass,
                1,
                statistic.statistic_id,
                False,
                {"sum"},
            )
            [row] = last[statistic.statistic_id]
            if not isclose(row["sum"] or 0.0, fsum(costs.values()), rel_tol=1e-9):
                raise RuntimeError(f"{statistic.statistic_id} has a wrong sum")


def _costs(number: int, begin: datetime, hours: int) -> Costs:
    """Return costs that repeat in no simple way."""
    return {
        begin + hour * HOUR: (hour * 7919 + number * 104729) % 1500 / 3000
        for hour in range(hours)
    }
