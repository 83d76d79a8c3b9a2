"""Days of trouble: whatever goes wrong between us and Flatpeak, every hour counts once.

Time is virtual: whoever sleeps moves the clock, so that waits of hours take none.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import product
from math import isclose
from random import Random
from typing import Any, Final
from unittest.mock import patch

from aiohttp import web
from freezegun import freeze_time
from freezegun.api import (
    FrozenDateTimeFactory,
    StepTickTimeFactory,
    TickingDateTimeFactory,
)
import pytest

from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.intervals import floor_hour
from custom_components.flatpeak.statistics import async_written
from homeassistant.components.recorder.models import StatisticData
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import EVENT_RECORDER_HOURLY_STATISTICS_GENERATED
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .home import ADDRESS, HOUR, Home
from .simulator import Direction, Duplicates, Fault, Violation
from .simulator.faults import SUBMISSION, Process

METERS: Final = tuple(f"household:meter_{number}" for number in range(10))
BEGIN: Final = datetime(2026, 4, 1, 12, 7, tzinfo=dt_util.UTC)
HOURS: Final = 200
SEEDS: Final = (1, 2, 3)
STEP: Final = timedelta(minutes=10)
MOMENT: Final = timedelta(seconds=5)
# Of the event loop, until what is due has happened and been noticed.
TURNS: Final = 10

type Freezer = StepTickTimeFactory | TickingDateTimeFactory | FrozenDateTimeFactory

# Of the requests of any kind.
RATES: Final = {
    Fault.SERVER_ERROR: 0.004,
    Fault.BAD_GATEWAY: 0.004,
    Fault.HTML: 0.004,
    Fault.RESET_BEFORE: 0.006,
    Fault.RESET_AFTER: 0.006,
    Fault.TRUNCATED: 0.006,
    Fault.EXPIRE_TOKEN: 0.01,
    Fault.rate_limit(): 0.003,
    Fault.rate_limit(90): 0.003,
    Fault.slow(5): 0.01,
    Fault.slow(45): 0.006,
}
INVALID: Final = {
    "object": "error",
    "context": "api",
    "type": "invalid_request",
    "code": "invalid_request",
    "message": "This cannot be taken now.",
}
# Of the submissions.
SUBMISSION_FAULTS: Final = (
    Fault.SERVER_ERROR,
    Fault.RESET_BEFORE,
    Fault.RESET_AFTER,
    Fault.RESET_AFTER,
    Fault.TRUNCATED,
    Fault.slow(200),
    Fault.rate_limit(600),
    Fault.answer(422, INVALID),
    Fault.partly_failed(),
    Fault.partly_failed(7),
    Fault.unprocessed(20 * 60),
    Fault.unprocessed(100 * 60),
)
# These hold up the pricing for a day.
LONG_FAULTS: Final = (Fault.unprocessed(30 * 3600), Fault.unprocessed())
RESTART: Final = "RESTART"
ALL_FAULTS: Final = {
    *(fault.name for fault in (*RATES, *SUBMISSION_FAULTS, *LONG_FAULTS)),
    RESTART,
}


@pytest.fixture
def recorder_config() -> dict[str, Any]:
    """Record no states: here it is about the service, and they would take most of the time."""
    return {"commit_interval": 0, "exclude": {"domains": ["sensor"]}}


class VirtualTime:
    """Time that only moves when somebody waits for it.

    Who waits within a cycle, or for an answer, moves the clock. The history rests
    between its attempts until the clock is moved by others.
    """

    def __init__(self, freezer: Freezer) -> None:
        """Take the clock."""
        self.freezer = freezer
        self._resting: set[asyncio.Future[Any] | None] = set()
        self._rested = asyncio.Event()

    async def async_pass(self, delay: float) -> None:
        """Let time pass at once, and whoever has waited too long leave."""
        self.freezer.tick(delay)
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def async_rest(self, delay: float) -> None:
        """Wait until the time has passed."""
        task = asyncio.current_task()
        self._resting.add(task)
        self._rested.set()
        try:
            await asyncio.sleep(delay)
        finally:
            self._resting.remove(task)

    async def async_settle(self, hass: HomeAssistant) -> None:
        """Wait until nothing happens any more but resting."""
        for _ in range(TURNS):  # What is due begins first.
            await asyncio.sleep(0)
        while busy := self._busy(hass):
            self._rested.clear()
            rested = asyncio.create_task(self._rested.wait())
            await asyncio.wait({*busy, rested}, return_when=asyncio.FIRST_COMPLETED)
            rested.cancel()

    def _busy(self, hass: HomeAssistant) -> set[asyncio.Future[Any]]:
        """Return the tasks of Home Assistant that do not rest."""
        owners: tuple[HomeAssistant | ConfigEntry[Any], ...] = (
            hass,
            *hass.config_entries.async_entries(DOMAIN),
        )
        tasks = {
            task
            for owner in owners
            # Home Assistant's own way to wait for them waits for those that rest too.
            for task in (*owner._tasks, *owner._background_tasks)  # noqa: SLF001  # nothing else tells what runs
        }
        return {task for task in tasks if not task.done()} - self._resting


@pytest.fixture
def virtual_time() -> Iterator[VirtualTime]:
    """Let the integration and the simulator live in virtual time.

    It also ticks by itself, or the event loop would spin over what is due at once.
    """
    with ExitStack() as stack:
        time = VirtualTime(stack.enter_context(freeze_time(BEGIN, tick=True)))
        for module, sleep in (
            ("custom_components.flatpeak.coordinator", time.async_rest),
            ("custom_components.flatpeak.upload", time.async_pass),
            ("tests.simulator.faults", time.async_pass),
        ):
            stack.enter_context(patch(f"{module}.asyncio", wraps=asyncio, sleep=sleep))
        # What the energy costs is written elsewhere: here it would take most of the time.
        stack.enter_context(
            patch("custom_components.flatpeak.follow.async_write_costs", return_value=0)
        )
        yield time


class Soak:
    """A home of ten meters over days of trouble, the same ones for the same seed."""

    def __init__(self, home: Home, time: VirtualTime, seed: int) -> None:
        """Take what the days happen to."""
        self.home = home
        self.hass = home.hass
        self.simulator = home.simulator
        self._time = time
        self._random = Random(seed)
        self._seed = seed
        self._sums = dict.fromkeys(METERS, 0.0)
        self._restarts: list[datetime] = []

    async def async_set_up(self) -> ConfigEntry[Any]:
        """Set the home up; its history is still to be submitted, in trouble."""
        for hour in range(24 * 6):
            self._record(floor_hour(BEGIN) - (24 * 6 - hour) * HOUR)
        await async_written(self.hass)
        await self.home.async_show(devices=METERS)
        flow = await self.home.async_begin_flow()
        flow = await self.home.async_answer(flow, location_id="new")
        flow = await self.home.async_answer(flow, **ADDRESS)
        flow = await self.home.async_answer(flow, tariff="market")
        meters = flow["data_schema"]({})["meters"]
        self._trouble()
        flow = await self.home.async_answer(flow, meters=meters, history="30_days")
        entry: ConfigEntry[Any] = flow["result"]
        return entry

    async def async_live(self, entry: ConfigEntry[Any], hours: int) -> None:
        """Live through hours, each with its own trouble."""
        for _ in range(hours):
            await self._async_hour(entry)
            self._trouble()

    async def _async_hour(self, entry: ConfigEntry[Any]) -> None:
        """Live through an hour until the next one begins."""
        now = dt_util.utcnow()
        end = now.replace(minute=0, second=0, microsecond=0) + HOUR
        while (now := dt_util.utcnow()) < end:
            self._time.freezer.move_to(min(now + STEP, end))
            await self._time.async_settle(self.hass)
        self._record(end - HOUR)
        await async_written(self.hass)
        self._time.freezer.move_to(max(dt_util.utcnow(), end + timedelta(seconds=10)))
        self.hass.bus.async_fire(EVENT_RECORDER_HOURLY_STATISTICS_GENERATED)

    def _record(self, start: datetime) -> None:
        """Record an hour of every meter; now and then one is left out."""
        for statistic_id in METERS:
            self._sums[statistic_id] += self._random.choice(
                (0.0, 0.1, 0.7311, 1.25, 3.0)
            )
            if self._random.random() > 0.02:
                total = self._sums[statistic_id]
                row = StatisticData(start=start, state=total, sum=total)
                self.home.import_rows(statistic_id, [row])

    def _trouble(self) -> None:
        """Think of what will go wrong in the next hour."""
        self.simulator.faults.random(self._random.randrange(2**32), RATES)
        self._process()
        self.simulator.settings.processing_delay = self._random.choice(
            (0, 0, 3, 90, 400)
        )
        if self._random.random() < 0.3:
            self.simulator.faults.next(
                SUBMISSION, self._random.choice(SUBMISSION_FAULTS)
            )
        if self._random.random() < 0.01:
            self.simulator.faults.next(SUBMISSION, self._random.choice(LONG_FAULTS))
        if self._random.random() < 0.1:
            self.simulator.faults.next(
                self._random.choice((SUBMISSION, "POST /costs/interval/{id}")),
                Fault(RESTART, self._restart),
            )

    async def _restart(
        self, request: web.Request, process: Process
    ) -> web.StreamResponse:
        """Set the home up anew in the middle of a request, processed or not."""
        response = await process(request) if self._random.random() < 0.5 else None
        self._restarts.append(dt_util.utcnow())
        [entry] = self.hass.config_entries.async_entries(DOMAIN)
        self.hass.async_create_task(
            self.hass.config_entries.async_reload(entry.entry_id)
        )
        await self._time.async_pass(1)
        return response or web.Response(status=500)

    def _process(self) -> None:
        """Let the service finish what it is due to have finished."""
        for device in self.simulator.account().devices:
            self.simulator.truth(device.id)

    async def async_end(self, entry: ConfigEntry[Any]) -> None:
        """Let everything come to rest without further trouble."""
        self.simulator.faults.clear()
        self.simulator.settings.processing_delay = 0
        for _ in range(3):
            await self._async_hour(entry)
        self._time.freezer.tick(100)
        await self._time.async_settle(self.hass)

    def unread(self, answers: Iterable[datetime]) -> int:
        """Return how many answers came just when the home was restarted.

        A request is cut off then, and nobody reads what is answered to it.
        """
        return sum(
            any(abs(answer - restart) < MOMENT for restart in self._restarts)
            for answer in answers
        )

    async def async_compare(
        self, entry: ConfigEntry[Any]
    ) -> tuple[int, int, list[Any]]:
        """Return how many records were compared, how many not, and those that differ.

        Those that Flatpeak has taken, but not processed, cannot be compared.
        """
        compared = unprocessed = 0
        differences: list[Any] = []
        for meter in entry.runtime_data.meters:
            recorded = {
                row["start"] + HOUR.total_seconds(): row["change"]
                for row in await self.home.async_rows(meter.source)
            }
            truth = self.simulator.truth(meter.device_id, Direction.IMPORT)
            counted = {each.end.timestamp(): each.energy for each in truth.records()}
            waiting = self.simulator.account().meters.waiting(meter.device_id)
            lost = {end.timestamp() for end in waiting} - counted.keys()
            ends = (recorded.keys() | counted.keys()) - lost
            compared += len(ends)
            unprocessed += len(lost)
            differences += [
                (meter.name, dt_util.utc_from_timestamp(end), energy, counted.get(end))
                for end in sorted(ends)
                if not isclose(
                    energy := recorded.get(end, 0.0),
                    counted.get(end, 0.0),
                    rel_tol=1e-9,
                    abs_tol=1e-9,
                )
            ]
        return compared, unprocessed, differences


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let every seed meet one kind of service, or with more time every one."""
    pairs = list(product(SEEDS, Duplicates))
    if not metafunc.config.getoption("--soak"):
        pairs = list(zip(SEEDS, Duplicates, strict=True))
    metafunc.parametrize(("seed", "duplicates"), pairs)


@pytest.mark.timeout(1800)
async def test_days_of_trouble(
    home: Home,
    virtual_time: VirtualTime,
    record_property: Callable[[str, object], None],
    duplicates: Duplicates,
    seed: int,
) -> None:
    """Every hour counts once, and Flatpeak has nothing to complain about."""
    home.simulator.settings.duplicates = duplicates
    home.hass.loop.set_debug(False)
    soak = Soak(home, virtual_time, seed)
    entry = await soak.async_set_up()
    await soak.async_live(entry, HOURS)
    await soak.async_end(entry)

    compared, unprocessed, differences = await soak.async_compare(entry)
    faults = home.simulator.faults.injected
    record_property(
        "trouble",
        f"{compared} records, {len(differences)} differences, {unprocessed} never"
        f" processed; {faults.total()} faults: {_listed(faults)}",
    )
    assert not differences
    assert compared > len(METERS) * 24 * 6
    assert faults.keys() == ALL_FAULTS
    violations, tokens = home.simulator.violations, home.simulator.tokens
    # A home does not know that a token is dead, nor the next one, where a restart came
    # in between.
    unread = Counter(
        {
            Violation.DEAD_TOKEN: soak.unread(tokens.refusals),
            Violation.EARLY_LOGIN: soak.unread(tokens.unused),
        }
    )
    assert violations.counts <= unread, list(violations.latest)
    assert entry.runtime_data.journal.doubt is None
    assert not any(
        journal.refusals for journal in entry.runtime_data.journal.meters.values()
    )


def _listed(faults: Counter[str]) -> str:
    """Return how often each fault happened, in words."""
    return ", ".join(f"{count} {name}" for name, count in faults.most_common())
