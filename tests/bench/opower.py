"""How the core's opower writes costs: all anew from one row at the start of the window.

That is what `_insert_statistics` of its coordinator does (Home Assistant 2026.10), for
one series instead of its four.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from custom_components.flatpeak.statistics import CostStatistic, async_written
from homeassistant.components.recorder.models import StatisticData
from homeassistant.components.recorder.statistics import (
    async_add_external_statistics,
    get_last_statistics,
    statistics_during_period,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance


async def async_insert_costs(
    hass: HomeAssistant, statistic: CostStatistic, costs: Mapping[datetime, float]
) -> None:
    """Write costs from the first of them on, which itself is there already."""
    recorder = get_instance(hass)
    statistic_id = statistic.statistic_id
    cost_sum, last_stats_time = 0.0, None
    if await recorder.async_add_executor_job(
        get_last_statistics, hass, 1, statistic_id, True, set()
    ):
        start = min(costs)
        stats = await recorder.async_add_executor_job(
            statistics_during_period,
            hass,
            start,
            start + timedelta(seconds=1),
            {statistic_id},
            "hour",
            None,
            {"sum"},
        )
        cost_sum = stats[statistic_id][0]["sum"] or 0.0
        last_stats_time = stats[statistic_id][0]["start"]
    statistics = []
    for start, cost in costs.items():
        if last_stats_time is not None and start.timestamp() <= last_stats_time:
            continue
        cost_sum += cost
        statistics.append(StatisticData(start=start, state=cost, sum=cost_sum))
    async_add_external_statistics(hass, statistic.metadata, statistics)
    await async_written(hass)
