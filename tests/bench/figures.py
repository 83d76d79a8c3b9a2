"""Measured figures, what they should be, and how they are told."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any, override


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """What a figure should be at least or at most."""

    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, value: float) -> bool:
        """Return whether a value is as it should be."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    @override
    def __str__(self) -> str:
        """Return the goal in signs."""
        if self.at_least is not None:
            return f"≥ {number(self.at_least)}"
        return f"≤ {number(self.at_most or 0.0)}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """Something that was measured several times."""

    name: str
    values: tuple[float, ...]
    unit: str = ""
    goal: Goal | None = None

    @classmethod
    def of(
        cls,
        name: str,
        values: Iterable[float],
        unit: str = "",
        goal: Goal | None = None,
    ) -> Figure:
        """Return what was measured."""
        return cls(name=name, values=tuple(values), unit=unit, goal=goal)

    @property
    def median(self) -> float:
        """Return the value in the middle."""
        return median(self.values)

    @property
    def spread(self) -> str:
        """Return the least and the greatest value, nothing where they are the same."""
        least, greatest = number(min(self.values)), number(max(self.values))
        return "" if least == greatest else f"{least} to {greatest}"

    @property
    def verdict(self) -> str:
        """Return the goal, and whether it is met."""
        if self.goal is None:
            return ""
        return f"{self.goal} {'met' if self.goal.is_met(self.median) else 'MISSED'}"

    def cells(self) -> tuple[str, str, str, str]:
        """Return the figure as a row of a table."""
        value = f"{number(self.median)} {self.unit}".rstrip()
        return self.name, value, self.spread, self.verdict

    def as_dict(self) -> dict[str, Any]:
        """Return the figure with all its values."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "values": self.values,
            "goal": None if self.goal is None else str(self.goal),
            "is_met": None if self.goal is None else self.goal.is_met(self.median),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """The figures of one measurement."""

    title: str
    note: str
    figures: tuple[Figure, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the measurement with all values."""
        return {
            "title": self.title,
            "note": self.note,
            "figures": [figure.as_dict() for figure in self.figures],
        }

    def as_markdown(self) -> str:
        """Return the measurement as a table."""
        rows = [
            ("", "median", "spread", "goal"),
            ("---", "---:", "---:", "---"),
            *(figure.cells() for figure in self.figures),
        ]
        lines = [f"| {' | '.join(cells)} |" for cells in rows]
        return "\n".join([f"### {self.title}", "", self.note, "", *lines, ""])


def number(value: float) -> str:
    """Return a number to three digits, or to the last whole one of a great number."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
