"""Run the bench: python -m tests.bench, usually through scripts/bench."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from datetime import UTC, datetime
import json
from pathlib import Path
import sys
from time import monotonic
from typing import Final

from rich.console import Console
from rich.table import Table

from .figures import Section
from .machine import Machine
from .measurements import MEASUREMENTS
from .plan import FULL, QUICK

# What is generated stands between these in a page.
BEGIN: Final = "<!-- Written by scripts/bench --markdown: begin -->"
END: Final = "<!-- end -->"


def parse_arguments() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(
        prog="scripts/bench",
        description="Measure the integration beside the bare limit and beside what people would use instead.",
    )
    parser.add_argument(
        "measurements",
        nargs="*",
        metavar="MEASUREMENT",
        help=f"only these: {', '.join(MEASUREMENTS)} (default all)",
    )
    parser.add_argument("--quick", action="store_true", help="measure with less data")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all values there, too"
    )
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="write the tables into this page, between its marks",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.measurements) - MEASUREMENTS.keys():
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    if arguments.markdown and END not in arguments.markdown.read_text(encoding="utf-8"):
        parser.error(f"{arguments.markdown} has no marks to write between")
    return arguments


def show(console: Console, section: Section) -> None:
    """Print the figures of a measurement."""
    table = Table(title=section.title, caption=section.note, title_justify="left")
    table.add_column("")
    table.add_column("median", justify="right")
    table.add_column("spread", justify="right")
    table.add_column("goal")
    for figure in section.figures:
        table.add_row(*figure.cells())
    console.print(table)


def write_json(path: Path, machine: Machine, sections: Sequence[Section]) -> None:
    """Write all values into a file."""
    content = {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": str(machine),
        "sections": [section.as_dict() for section in sections],
    }
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def write_markdown(path: Path, machine: Machine, sections: Sequence[Section]) -> None:
    """Write the tables into a page, in the place of those that it has."""
    page = path.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    today = datetime.now(UTC).date().isoformat()
    tables = "\n".join(section.as_markdown() for section in sections)
    path.write_text(
        f"{before}{BEGIN}\n\nMeasured on {today}: {machine}.\n\n{tables}\n{END}{after}",
        encoding="utf-8",
    )


def main() -> int:
    """Measure, print and write; return the exit code."""
    arguments = parse_arguments()
    plan = QUICK if arguments.quick else FULL
    console, machine = Console(), Machine.here()
    console.print(str(machine), highlight=False)
    began, sections = monotonic(), []
    for name in arguments.measurements or MEASUREMENTS:
        for section in MEASUREMENTS[name](plan):
            show(console, section)
            sections.append(section)
    console.print(f"{monotonic() - began:.0f} seconds", highlight=False)
    if arguments.json:
        write_json(arguments.json, machine, sections)
    if arguments.markdown:
        write_markdown(arguments.markdown, machine, sections)
    return 0


if __name__ == "__main__":
    sys.exit(main())
