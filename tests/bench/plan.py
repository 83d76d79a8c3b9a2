"""How much is measured: all of it, or so much that it takes minutes."""

from dataclasses import dataclass
from typing import Final

from .energy import YEAR, Size

RUNS: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """The sizes at which growth is measured."""

    year: int
    """The hours that stand for a year: what is linear in them is so in more."""
    meters: tuple[int, ...]
    """Each with one year."""
    years: tuple[int, ...]
    """Each with five meters."""

    @property
    def axes(self) -> dict[str, list[Size]]:
        """Return the sizes by what grows."""
        return {
            "meters": [Size(meters=each, hours=self.year) for each in self.meters],
            "years": [Size(meters=5, hours=each * self.year) for each in self.years],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The sizes of all measurements."""

    backfill: Size
    backfill_runs: int
    short_history: Size
    """For memory, next to the history of the backfill."""
    memory_runs: int
    """Of the history of the backfill."""
    quiet: Size
    costs: Size
    databases: tuple[str, ...]
    """Where costs are written besides SQLite."""
    startup_meters: int
    growth: Growth


# Home Assistant takes as long for each row of costs: two meters tell of twenty.
FULL: Final = Plan(
    backfill=Size(meters=20, hours=10 * YEAR),
    # A run of ten years takes minutes.
    backfill_runs=3,
    short_history=Size(meters=20, hours=YEAR),
    memory_runs=2,
    quiet=Size(meters=50, hours=YEAR),
    costs=Size(meters=2, hours=YEAR),
    databases=("postgresql", "mariadb"),
    startup_meters=50,
    growth=Growth(year=YEAR // 10, meters=(1, 5, 20, 50), years=(1, 5, 10)),
)
QUICK: Final = Plan(
    backfill=Size(meters=20, hours=YEAR // 12),
    backfill_runs=RUNS,
    short_history=Size(meters=20, hours=YEAR // 40),
    memory_runs=RUNS,
    quiet=Size(meters=50, hours=120),
    costs=Size(meters=1, hours=YEAR // 12),
    databases=(),
    startup_meters=50,
    growth=Growth(year=270, meters=(1, 10), years=(1, 3)),
)
