"""What one cycle costs a household that is caught up: with an hour more, and with nothing new."""

from dataclasses import dataclass
from time import clock_gettime, process_time, pthread_getcpuclockid
from typing import Final

from custom_components.flatpeak.coordinator import FlatpeakCoordinator
from homeassistant.helpers.recorder import get_instance

from .counting import Traffic, counted_traffic
from .energy import HOUR, Size, async_record, async_record_hour, last_hour
from .household import Household, running_household

SUBMIT: Final = "PUT /meters/interval"
REPORT: Final = "POST /costs/interval/{id}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cycle:
    """What one cycle took."""

    cpu_seconds: float
    recorder_seconds: float
    """What of it Home Assistant's recorder took to write."""
    database: Traffic
    submissions: int
    reports: int
    other_requests: int
    body_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Quiet:
    """A cycle that finds an hour more, and one that finds nothing new."""

    hour: Cycle
    nothing: Cycle


async def async_quiet_hours(size: Size, runs: int) -> list[Quiet]:
    """Let quiet hours pass, after one to warm up.

    The last hours are kept back at first and come one by one, so that nobody has to
    wait for them.
    """
    # Counting takes time: every other hour is only timed.
    hours = 2 * (runs + 1)
    first = last_hour() - hours * HOUR
    async with running_household() as household:
        await async_record(household.hass, size, first)
        entry = await household.async_set_up(
            size.meters, history="30_days", tariff="market"
        )
        cycle = _Cycle(household, entry.runtime_data)
        found = []
        for start in (first + number * HOUR for number in range(0, hours, 2)):
            await async_record_hour(household.hass, size.meters, start)
            hour_times = await cycle.async_time()
            nothing_times = await cycle.async_time()
            await async_record_hour(household.hass, size.meters, start + HOUR)
            found.append(
                Quiet(
                    hour=await cycle.async_count(*hour_times),
                    nothing=await cycle.async_count(*nothing_times),
                )
            )
    return found[1:]


class _Cycle:
    """The cycle of a household."""

    def __init__(self, household: Household, coordinator: FlatpeakCoordinator) -> None:
        """Take what has the cycle."""
        self._household = household
        self._coordinator = coordinator
        self._recorder = get_instance(household.hass)

    async def async_time(self) -> tuple[float, float]:
        """Run the cycle, return the seconds of CPU that it and the recorder took."""
        recorder = pthread_getcpuclockid(self._recorder.ident or 0)
        began = process_time(), clock_gettime(recorder)
        await self._async_run()
        return process_time() - began[0], clock_gettime(recorder) - began[1]

    async def async_count(self, cpu_seconds: float, recorder_seconds: float) -> Cycle:
        """Run the cycle and count what it asks for."""
        simulator = self._household.simulator
        before = await simulator.traffic()
        with counted_traffic(self._household.hass) as database:
            await self._async_run()
        traffic = (await simulator.traffic()).since(before)
        submissions, reports = traffic.requests[SUBMIT], traffic.requests[REPORT]
        return Cycle(
            cpu_seconds=cpu_seconds,
            recorder_seconds=recorder_seconds,
            database=database,
            submissions=submissions,
            reports=reports,
            other_requests=traffic.requests.total() - submissions - reports,
            body_bytes=traffic.body_bytes.total(),
        )

    async def _async_run(self) -> None:
        """Run the cycle to its end."""
        await self._coordinator.async_refresh()
        if not self._coordinator.last_update_success:
            raise RuntimeError("The cycle failed")
        await self._household.async_settle()
