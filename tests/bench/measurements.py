"""All measurements: what is measured, and the figures that come of it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from sqlalchemy_utils import create_database  # type: ignore[import-untyped]  # it has no types

from tests.database import running_server

from .backfill import async_backfills
from .costs import DAY_HOURS, Costing, CostWriting, async_cost_writing
from .energy import YEAR, Size
from .figures import Figure, Goal, Section
from .memory import async_peaks
from .plan import RUNS, Plan
from .process import in_new_process, in_own_process
from .quiet import Cycle, async_quiet_hours
from .startup import async_startups

MB: Final = 10**6
MS: Final = 1000
US: Final = 10**6

type Measurement = Callable[[Plan], Iterator[Section]]


def backfill(plan: Plan) -> Iterator[Section]:
    """Measure how fast a long history is submitted, and how the event loop fares."""
    found = in_own_process(async_backfills, plan.backfill, plan.backfill_runs)
    of = Figure.of
    yield Section(
        title="Backfill",
        note=f"{plan.backfill}, from SQLite to the simulated Flatpeak in a process of "
        "its own. The bare loop reads the same rows, serialises and sends them, no more.",
        figures=(
            of("records a second", [each.records / each.seconds for each in found]),
            of(
                "of the bare loop",
                [each.records / each.bare_seconds for each in found],
            ),
            of(
                "against the bare loop",
                [each.bare_seconds / each.seconds for each in found],
                goal=Goal(at_least=0.8),
            ),
            of(
                "the same without the time of the service",
                [
                    (each.bare_seconds - each.service_seconds)
                    / (each.seconds - each.service_seconds)
                    for each in found
                ],
            ),
            of(
                "records a second that the service can take",
                [each.records / each.service_seconds for each in found],
            ),
            of(
                "bytes sent, against the bare loop",
                [each.bytes / each.bare_bytes for each in found],
            ),
        ),
    )
    yield Section(
        title="Event loop during the backfill",
        note="How late a ticker of one millisecond came.",
        figures=(
            of(
                "99.9 % of ticks",
                [each.stalls.rare * MS for each in found],
                "ms",
                Goal(at_most=10),
            ),
            of(
                "99.9 % of ticks, less Python's garbage collections",
                [each.stalls.rare_but_for_collections * MS for each in found],
                "ms",
                Goal(at_most=10),
            ),
            of(
                "longest",
                [each.stalls.longest * MS for each in found],
                "ms",
                Goal(at_most=50),
            ),
            of(
                "longest, less Python's garbage collections",
                [each.stalls.longest_but_for_collections * MS for each in found],
                "ms",
                Goal(at_most=50),
            ),
            of(
                "longest garbage collection",
                [each.stalls.longest_collection * MS for each in found],
                "ms",
            ),
            of(
                "99.9 % of ticks in the bare loop",
                [each.bare_stalls.rare * MS for each in found],
                "ms",
            ),
            of(
                "99.9 % of ticks in the bare loop, less garbage collections",
                [each.bare_stalls.rare_but_for_collections * MS for each in found],
                "ms",
            ),
            of(
                "longest in the bare loop",
                [each.bare_stalls.longest * MS for each in found],
                "ms",
            ),
        ),
    )


def memory(plan: Plan) -> Iterator[Section]:
    """Measure the memory that a history takes, short or long."""
    yield Section(
        title="Memory",
        note="Peak resident memory above an idle Home Assistant, while a history is submitted.",
        figures=tuple(
            Figure.of(
                str(size),
                [peak / MB for peak in in_own_process(async_peaks, size, runs)],
                "MB",
                Goal(at_most=40),
            )
            for size, runs in (
                (plan.short_history, RUNS),
                (plan.backfill, plan.memory_runs),
            )
        ),
    )


def quiet(plan: Plan) -> Iterator[Section]:
    """Measure what a cycle costs a household that is caught up."""
    found = in_own_process(async_quiet_hours, plan.quiet, RUNS)
    meters = plan.quiet.meters
    yield Section(
        title="A quiet hour",
        note=f"{meters} meters that are caught up; one cycle that finds an hour more.",
        figures=(
            *_cycle([each.hour for each in found], meters),
            _rows_written([each.hour for each in found]),
        ),
    )
    yield Section(
        title="A cycle with nothing new",
        note="The same household, when nothing has changed.",
        figures=(
            *_cycle([each.nothing for each in found], meters),
            _rows_written([each.nothing for each in found], Goal(at_most=0)),
        ),
    )


def _cycle(found: Iterable[Cycle], meters: int) -> Iterator[Figure]:
    """Yield the figures of a cycle."""
    found = list(found)
    of = Figure.of
    yield of("CPU", [each.cpu_seconds * MS for each in found], "ms", Goal(at_most=150))
    yield of(
        "of it Home Assistant's recorder, which writes",
        [each.recorder_seconds * MS for each in found],
        "ms",
    )
    yield of("queries", [each.database.queries for each in found], goal=Goal(at_most=2))
    yield of("rows read", [each.database.rows_read for each in found])
    yield of("submissions", [each.submissions for each in found], goal=Goal(at_most=1))
    yield of("reports", [each.reports for each in found], goal=Goal(at_most=meters))
    yield of("other requests", [each.other_requests for each in found])
    yield of("bytes sent", [each.body_bytes for each in found])


def _rows_written(found: Iterable[Cycle], goal: Goal | None = None) -> Figure:
    """Return the figure of the rows that a cycle writes."""
    return Figure.of(
        "rows written",
        [each.database.rows_written + each.database.rows_moved for each in found],
        goal=goal,
    )


def costs(plan: Plan) -> Iterator[Section]:
    """Measure the writing of costs, on each database."""
    size = plan.costs
    yield _costs("SQLite", size, in_own_process(async_cost_writing, size, RUNS))
    for name in plan.databases:
        with running_server(name) as url:
            create_database(url)
            yield _costs(
                name, size, in_own_process(async_cost_writing, size, RUNS, url)
            )


def _costs(database: str, size: Size, found: CostWriting) -> Section:
    """Return the figures of the writing of costs."""
    of = Figure.of
    ours, theirs = found.database.flatpeak, found.database.opower
    return Section(
        title=f"Cost statistics on {database}",
        note=f"{size}, written for the first time, then with one day settled eleven "
        "twelfths of the time back. The way of opower: all rows anew from that day on.",
        figures=(
            of("first writing", [each.flatpeak.first for each in found.seconds], "s"),
            of(
                "against opower",
                [each.flatpeak.first / each.opower.first for each in found.seconds],
                goal=Goal(at_most=1),
            ),
            of("rows read for it", [ours.first.rows_read]),
            of("rows written for it", [ours.first.rows_written]),
            of("rows that opower writes for it", [theirs.first.rows_written]),
            of("settlement", [each.flatpeak.settlement for each in found.seconds], "s"),
            of(
                "against opower",
                [
                    each.flatpeak.settlement / each.opower.settlement
                    for each in found.seconds
                ],
            ),
            of("rows read for the settlement", [ours.settlement.rows_read]),
            of("rows written one by one", [ours.settlement.rows_written]),
            of("rows moved by single statements", [ours.settlement.rows_moved]),
            of("rows that opower reads", [theirs.settlement.rows_read]),
            of("rows that opower writes", [theirs.settlement.rows_written]),
            of(
                "rows read and written, opower against this",
                [theirs.settlement.rows_touched / ours.settlement.rows_touched],
                # The less is written, the less there is to save.
                goal=Goal(at_least=10) if size.hours == YEAR else None,
            ),
            of(
                "rows that take as long to write as moving all later ones",
                [_rows_of_move(each.flatpeak, size) for each in found.seconds],
            ),
        ),
    )


def _rows_of_move(found: Costing[float], size: Size) -> float:
    """Return how many rows could be written while a meter's later ones are moved.

    Where changed rows are no further apart, all between are written instead
    (`ROWS_BETWEEN` of `statistics.py`).
    """
    row = found.first / size.records
    return found.settlement / size.meters / row - DAY_HOURS


def startup(plan: Plan) -> Iterator[Section]:
    """Measure what the integration adds to the start of Home Assistant."""
    domains = ("flatpeak", "opower", "energyid")
    # The first start only brings the files into memory. Each integration has its turn
    # to be the first one.
    found = [
        in_new_process(
            async_startups, [*domains[first:], *domains[:first]], plan.startup_meters
        )
        for first in (run % len(domains) for run in range(RUNS + 2))
    ][1:]
    yield Section(
        title="Start-up",
        note=f"Import and set-up of an entry with {plan.startup_meters} meters, accounts "
        "or sensors, in a Home Assistant that is starting; the network of each is "
        "stubbed. Each time in a new process, in which each has its turn to be first.",
        figures=(
            *(
                figure
                for domain in domains
                for figure in (
                    Figure.of(
                        domain, [each[domain].seconds * MS for each in found], "ms"
                    ),
                    Figure.of(
                        f"{domain}: import alone",
                        [each[domain].importing * MS for each in found],
                        "ms",
                    ),
                )
            ),
            *(
                Figure.of(
                    f"against {domain}",
                    [each["flatpeak"].seconds / each[domain].seconds for each in found],
                    goal=Goal(at_most=1),
                )
                for domain in domains[1:]
            ),
        ),
    )


def growth(plan: Plan) -> Iterator[Section]:
    """Measure how backfill, cycle and costs grow with meters and years."""
    yield from (
        Section(
            title=f"Growth with {axis}",
            note=f"A year of {plan.growth.year} hours.",
            figures=tuple(figure for size in sizes for figure in _growth(size)),
        )
        for axis, sizes in plan.growth.axes.items()
    )


def _growth(size: Size) -> Iterator[Figure]:
    """Yield the figures of one size of household."""
    of = Figure.of
    found = in_own_process(async_backfills, size, RUNS)
    yield of(
        f"{size}: backfill, a record",
        [each.seconds / each.records * US for each in found],
        "µs",
    )
    cycles = in_own_process(async_quiet_hours, size, RUNS)
    yield of(
        f"{size}: quiet hour, CPU a meter",
        [each.hour.cpu_seconds / size.meters * MS for each in cycles],
        "ms",
    )
    # Home Assistant writes row by row: a tenth of the hours takes long enough.
    size = replace(size, hours=size.hours // 10)
    writing = in_own_process(async_cost_writing, size, RUNS)
    yield of(
        f"{size}: first writing, a row",
        [each.flatpeak.first / size.records * US for each in writing.seconds],
        "µs",
    )
    yield of(
        f"{size}: settlement, a meter",
        [each.flatpeak.settlement / size.meters * MS for each in writing.seconds],
        "ms",
    )


MEASUREMENTS: Final[dict[str, Measurement]] = {
    "backfill": backfill,
    "memory": memory,
    "quiet": quiet,
    "costs": costs,
    "startup": startup,
    "growth": growth,
}
