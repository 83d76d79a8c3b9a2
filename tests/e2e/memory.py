"""Measure the memory that the upload of a long history takes: python -m tests.e2e.memory."""

from argparse import ArgumentParser, Namespace
import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
import sqlite3
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any, Final

from aiohttp import ClientSession

from .chaos import Stored, read
from .demo import Progress, set_up_flatpeak
from .home_assistant import HomeAssistant, running_home_assistant
from .settle import find_journal
from .simulator import SimulatorClient, running_simulator

HOUR: Final = timedelta(hours=1)
YEAR: Final = timedelta(days=365)

# So long after its start Home Assistant does nothing more by itself.
IDLE_SECONDS: Final = 20
# The last pass over the past comes after the history.
END_SECONDS: Final = 30
PAUSE_SECONDS: Final = 10

ADD_META: Final = (
    "INSERT INTO statistics_meta (id, statistic_id, source, unit_of_measurement,"
    " unit_class, has_sum, name, mean_type) VALUES (?, ?, ?, 'kWh', 'energy', 1, ?, 0)"
)
ADD_ROWS: Final = (
    "INSERT INTO statistics (metadata_id, created_ts, start_ts, state, sum)"
    " VALUES (?, ?, ?, ?, ?)"
)


def parse_arguments() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(prog="python -m tests.e2e.memory", description=__doc__)
    parser.add_argument("--years", type=int, default=10)
    parser.add_argument("--meters", type=int, default=20)
    parser.add_argument("--port", type=int, default=8123)
    return parser.parse_args()


async def measure(arguments: Namespace, directory: Path) -> None:
    """Measure Home Assistant at rest, then over the upload of a whole history."""
    say = Progress()
    meters = [f"household:meter_{number}" for number in range(arguments.meters)]
    async with ClientSession() as session:
        async with running_home_assistant(session, directory, arguments.port):
            pass  # Now there is a database.
        begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        begin -= arguments.years * YEAR
        rows = fill(directory / "home-assistant_v2.db", meters, begin)
        say(f"{rows:,} hours of {len(meters)} meters are in the recorder.")
        async with (
            running_simulator(
                session, arguments.port + 1, directory / "simulator.log"
            ) as simulator,
            running_home_assistant(session, directory, arguments.port) as home,
        ):
            await asyncio.sleep(IDLE_SECONDS)
            before, after = await upload(home, simulator, meters, say)
    say(f"At rest {before:.0f} MB, at most {after - before:.0f} MB more.")


def fill(database: Path, meters: list[str], begin: datetime) -> int:
    """Write hourly statistics into the database of a Home Assistant that does not run."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for number, statistic_id in enumerate(meters, 1000):
            source, _, name = statistic_id.partition(":")
            connection.execute(ADD_META, (number, statistic_id, source, name))
            connection.executemany(ADD_ROWS, statistic_rows(number, begin))
        found: int = connection.execute("SELECT count(*) FROM statistics").fetchone()[0]
    return found


def statistic_rows(number: int, begin: datetime) -> Iterator[tuple[float, ...]]:
    """Yield the rows of a meter until now."""
    total = 0.0
    for hour in range((datetime.now(UTC) - begin) // HOUR):
        total += (hour * 7919 + number) % 1500 / 1000
        start = (begin + hour * HOUR).timestamp()
        yield number, start, start, total, total


async def upload(
    home: HomeAssistant, simulator: SimulatorClient, meters: list[str], say: Progress
) -> tuple[float, float]:
    """Upload all history, return the memory before and at most in MB."""
    preferences: dict[str, Any] = {
        "energy_sources": [],
        "device_consumption": [{"stat_consumption": each} for each in meters],
        "device_consumption_water": [],
    }
    await home.call("energy/save_prefs", **preferences)
    before = memory(home, "VmRSS")
    forget_peak(home)
    began = monotonic()
    await set_up_flatpeak(
        home,
        simulator,
        meters=[f"consumption:{each}" for each in meters],
        history="everything",
    )
    while not is_over(read(find_journal(home))):
        await asyncio.sleep(PAUSE_SECONDS)
        say(f"At most {memory(home, 'VmHWM'):.0f} MB so far.")
    say(f"All history is submitted and priced after {monotonic() - began:.0f} s.")
    await asyncio.sleep(END_SECONDS)
    return before, memory(home, "VmHWM")


def is_over(stored: Stored) -> bool:
    """Return whether no history is left to be submitted."""
    return all(meter["history"] is None for meter in stored["meters"].values())


def memory(home: HomeAssistant, kind: str) -> float:
    """Return resident memory (VmRSS now, VmHWM at most) in MB."""
    status = Path(f"/proc/{home.program.pid}/status").read_text(encoding="utf-8")
    [line] = [each for each in status.splitlines() if each.startswith(kind)]
    return int(line.split()[1]) / 1024


def forget_peak(home: HomeAssistant) -> None:
    """Let the kernel measure the most memory from now on."""
    Path(f"/proc/{home.program.pid}/clear_refs").write_text("5", encoding="utf-8")


if __name__ == "__main__":
    with TemporaryDirectory(prefix="flatpeak-memory-") as name:
        asyncio.run(measure(parse_arguments(), Path(name)))
