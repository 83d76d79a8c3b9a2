"""How fast a long history is submitted, beside a bare loop, and how the event loop fares."""

from dataclasses import dataclass, replace
from time import perf_counter

from .bare import BareLoop
from .energy import HOUR, YEAR, Size, async_record, last_hour
from .household import Household, running_household
from .ticker import Stalls, Ticker


@dataclass(frozen=True, kw_only=True, slots=True)
class Backfill:
    """The same history submitted by the integration and by the bare loop."""

    records: int
    bytes: int
    seconds: float
    stalls: Stalls
    bare_bytes: int
    bare_seconds: float
    bare_stalls: Stalls
    service_seconds: float
    """How long the service alone took for it."""


async def async_backfills(size: Size, runs: int) -> list[Backfill]:
    """Submit a history several times, after a year of it to warm up."""
    year = replace(size, hours=min(size.hours, YEAR))
    async with running_household() as household:
        await async_record(household.hass, size, last_hour())
        await _async_backfill(household, year, history="1_year")
        return [
            await _async_backfill(household, size, history="everything")
            for _ in range(runs)
        ]


async def _async_backfill(
    household: Household, size: Size, *, history: str
) -> Backfill:
    """Submit a history once each."""
    bare = await BareLoop.async_prepare(household, size.meters)
    end = last_hour()
    bare_ticker, began = Ticker(), perf_counter()
    with bare_ticker.watching():
        sent = await bare.async_run(end - size.hours * HOUR, end)
    bare_seconds = perf_counter() - began
    await household.simulator.reset()

    ticker, began = Ticker(), perf_counter()
    with ticker.watching():
        # Without a tariff nothing is priced: this is about submitting alone.
        entry = await household.async_set_up(
            size.meters, history=history, tariff="later"
        )
    seconds = perf_counter() - began
    traffic = await household.simulator.traffic()
    await household.async_remove(entry)
    return Backfill(
        records=traffic.records,
        bytes=traffic.body_bytes["PUT /meters/interval"],
        seconds=seconds,
        stalls=ticker.stalls(),
        bare_bytes=sent.bytes,
        bare_seconds=bare_seconds,
        bare_stalls=bare_ticker.stalls(),
        service_seconds=sent.service_seconds,
    )
