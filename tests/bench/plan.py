"""How much is measured: all of it, or a tenth."""

from dataclasses import dataclass
from typing import Final

from .energy import Size

YEAR: Final = 8760
RUNS: Final = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The sizes of all measurements."""

    backfill: Size
    short_history: Size
    """For memory, next to the history of the backfill."""
    quiet: Size
    costs: Size
    databases: tuple[str, ...]
    """Where costs are written besides SQLite."""
    database_costs: Size
    startup_meters: int
    growth_year: int
    """The hours that stand for a year where growth is measured."""


# What Home Assistant itself takes for a row of costs is what all of it takes.
FULL: Final = Plan(
    backfill=Size(meters=20, hours=10 * YEAR),
    short_history=Size(meters=20, hours=YEAR),
    quiet=Size(meters=50, hours=YEAR),
    costs=Size(meters=20, hours=YEAR),
    databases=("postgresql", "mariadb"),
    database_costs=Size(meters=2, hours=YEAR),
    startup_meters=50,
    growth_year=YEAR // 10,
)
QUICK: Final = Plan(
    backfill=Size(meters=20, hours=YEAR),
    short_history=Size(meters=20, hours=YEAR // 10),
    quiet=Size(meters=50, hours=48),
    costs=Size(meters=2, hours=YEAR // 10),
    databases=(),
    database_costs=Size(meters=2, hours=YEAR // 10),
    startup_meters=50,
    growth_year=YEAR // 100,
)
