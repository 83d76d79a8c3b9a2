"""The end-to-end test of kill -9: at any moment of a year's backfill, nothing is lost and nothing counts twice."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from functools import partial
from itertools import pairwise
import json
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any, Final

from .check import (
    TRACEBACK,
    ask_flatpeak,
    check_manners,
    check_year,
    find_devices,
    follow_history,
    is_all_well,
    until_right,
)
from .demo import METERS, Demo, Meter, Progress
from .finding import Finding
from .process import POLL_SECONDS, DemoError
from .settle import find_journal

KILLS: Final = 10

# How slow the simulated Flatpeak is, so that a kill may come at any step.
ANSWER_SECONDS: Final = 0.15
PROCESSING_SECONDS: Final = 2

# The backfill is killed so long after a month of it was noted, to be sent, or has
# arrived: at once, a little later, or while it is processed and priced.
DELAYS: Final = ((0.0, 0.02), (0.02, 0.5), (0.5, 5.5))

LOOK_SECONDS: Final = 0.002
PATIENCE_SECONDS: Final = 180

# A submission that has not arrived is sent again after that time at the latest.
LOST_AFTER: Final = timedelta(hours=1)

type Sign = Callable[[], Awaitable[float | None]]
"""Tells one month that is being submitted from another."""

type Stored = dict[str, Any]
"""A journal as it is on disk."""


class Moment(StrEnum):
    """What the backfill was doing when it was killed."""

    NOTED = "before it was sent"
    SENT = "before its answer was noted"
    PROCESSING = "before it was processed"
    PRICING = "before it was priced"
    READING = "before the next one"


async def check_chaos(demo: Demo, seed: int, say: Progress) -> bool:
    """Kill the backfill many times, let it finish, return whether all is right."""
    await slow_down(demo)
    devices = await find_devices(demo)
    await until_stored(demo)
    await demo.simulator.change(processing_delay=PROCESSING_SECONDS)
    kills = await kill_often(demo, devices, Random(seed), say)
    await demo.simulator.clear_faults()
    await demo.home_assistant.log_in()
    await demo.home_assistant.until_running()
    await follow_history(demo, say)
    energy, costs = await until_right(lambda: check_year(demo, devices, say))
    ledger = await check_ledger(demo, devices)
    manners = await check_manners(demo, restarts=kills.total())
    console = check_console(demo.home_assistant.console)
    is_well = is_all_well([energy, costs, ledger, manners, console])
    say(
        f"Seed {seed}, {kills.total()} kills ({describe(kills)}): {ledger.count:,} records,"
        f" {len(energy.complaints)} differences, {len(ledger.complaints)} overlaps."
    )
    return is_well


async def slow_down(demo: Demo) -> None:
    """Let Flatpeak take its time, count a record twice that is sent twice, and process none yet."""
    await demo.simulator.change(processing_delay=None, duplicates="add")
    await demo.simulator.slow_down(ANSWER_SECONDS)


async def until_stored(demo: Demo) -> None:
    """Wait until Home Assistant has saved the home and its meters, which takes ten seconds."""
    storage = demo.home_assistant.storage
    for name, wanted in (
        ("core.config_entries", demo.entry_id),
        ("core.entity_registry", METERS[-1].statistic_id),
    ):
        while not contains(storage / name, wanted):
            await asyncio.sleep(POLL_SECONDS)


def contains(path: Path, text: str) -> bool:
    """Return whether a file is there and holds a text."""
    return path.exists() and text in path.read_text(encoding="utf-8")


async def kill_often(
    demo: Demo, devices: Mapping[Meter, str], random: Random, say: Progress
) -> Counter[Moment]:
    """Kill Home Assistant again and again, return how often at which moment."""
    kills: Counter[Moment] = Counter()
    program = demo.home_assistant.program
    journal = find_journal(demo.home_assistant)
    signs: tuple[Sign, ...] = (
        partial(noted_month, journal),
        demo.simulator.accepted_count,
    )
    while kills.total() < KILLS:
        sign = random.choice(signs)
        before = await sign()
        if kills:
            await program.start()
        await until_other(sign, before)
        delay = random.uniform(*random.choice(DELAYS))
        await asyncio.sleep(delay)
        await program.kill()
        moment = await find_moment(demo, devices, journal)
        kills[moment] += 1
        say(f"Kill {kills.total()}: {moment}.")
        if moment is Moment.NOTED:
            let_time_pass(journal)
    await program.start()
    return kills


async def until_other(sign: Sign, before: float | None) -> None:
    """Wait until a sign tells of another month than before."""
    end = monotonic() + PATIENCE_SECONDS
    while await sign() in (None, before):
        if monotonic() > end:
            raise DemoError("The upload does not go on, or is over too soon.")
        await asyncio.sleep(LOOK_SECONDS)


def read(journal: Path) -> Stored:
    """Read a journal, which is replaced as a whole whenever it changes."""
    stored: Stored = json.loads(journal.read_text(encoding="utf-8"))["data"]
    return stored


async def noted_month(journal: Path) -> float | None:
    """Return when a month of history was noted, to be sent, None when none is in doubt."""
    doubt = read(journal)["doubt"]
    if doubt is None or all(part["stretch"] != "history" for part in doubt["parts"]):
        return None
    sent: float = doubt["sent"]
    return sent


async def find_moment(
    demo: Demo, devices: Mapping[Meter, str], journal: Path
) -> Moment:
    """Find out at which moment Home Assistant was killed."""
    await asyncio.sleep(PROCESSING_SECONDS)  # What has arrived counts by then.
    stored = read(journal)
    if stored["doubt"] is not None:
        is_sent = await has_arrived(demo, devices, stored["doubt"]["parts"][0])
        return Moment.SENT if is_sent else Moment.NOTED
    if stored["batches"]:
        return Moment.PROCESSING
    if any(meter["unpriced"] for meter in stored["meters"].values()):
        return Moment.PRICING
    return Moment.READING


async def has_arrived(
    demo: Demo, devices: Mapping[Meter, str], part: Mapping[str, Any]
) -> bool:
    """Return whether Flatpeak has the first record of a part of a submission."""
    meter = next(meter for meter in devices if devices[meter] == part["device_id"])
    records = await demo.simulator.records(devices[meter], meter.tariff_direction)
    start, _, _ = part["intervals"][0]
    return any(record.start.timestamp() == start for record in records)


def let_time_pass(journal: Path) -> None:
    """Let a submission in doubt be so old that it must be lost, as if the home had been off."""
    content = json.loads(journal.read_text(encoding="utf-8"))
    content["data"]["doubt"]["sent"] -= LOST_AFTER.total_seconds()
    journal.write_text(json.dumps(content), encoding="utf-8")


async def check_ledger(demo: Demo, devices: Mapping[Meter, str]) -> Finding:
    """Check that no two records of a meter overlap."""
    finding = Finding(title="No record overlaps another one", compared="records")
    for each in await ask_flatpeak(demo, devices):
        records = sorted(each.records, key=lambda record: record.start)
        finding.count += len(records)
        finding.complaints += [
            f"{each.meter.name} {later.start:%Y-%m-%d %H:%M}"
            for before, later in pairwise(records)
            if later.start < before.end
        ]
    return finding


def check_console(path: Path) -> Finding:
    """Check that Home Assistant had no traceback, from its first start to its last."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return Finding(
        title="Nothing was raised that nobody expects",
        compared="lines",
        count=len(lines),
        complaints=[line for line in lines if TRACEBACK in line],
    )


def describe(kills: Counter[Moment]) -> str:
    """Return how often Home Assistant was killed at which moment."""
    return ", ".join(f"{kills[moment]} {moment}" for moment in Moment)
