"""What the end-to-end test finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isclose
from typing import Final, override

TOLERANCE: Final = 1e-9
SHOWN_COMPLAINTS: Final = 5


@dataclass(kw_only=True)
class Finding:
    """What a check has looked at, and what it holds against it."""

    title: str
    compared: str
    unit: str = ""
    count: int = 0
    worst: float = 0
    complaints: list[str] = field(default_factory=list)

    def compare(
        self,
        name: str,
        here: float | None,
        truth: float | None,
        *,
        abs_tol: float = TOLERANCE,
    ) -> None:
        """Look at one more figure."""
        self.count += 1
        if here is truth is None:
            return
        if here is None or truth is None:
            self.complaints.append(f"{name}: here {here}, at Flatpeak {truth}")
            return
        self.worst = max(self.worst, abs(here - truth))
        if not isclose(here, truth, rel_tol=TOLERANCE, abs_tol=abs_tol):
            self.complaints.append(f"{name}: here {here!r}, at Flatpeak {truth!r}")

    def compare_all(
        self,
        name: str,
        here: Mapping[datetime, float],
        truth: Mapping[datetime, float | None],
        *,
        abs_tol: float = TOLERANCE,
    ) -> None:
        """Look at all hours or days of something that either side has."""
        for start in sorted(here.keys() | truth.keys()):
            self.compare(
                f"{name} {start:%Y-%m-%d %H:%M}",
                here.get(start),
                truth.get(start),
                abs_tol=abs_tol,
            )

    @override
    def __str__(self) -> str:
        """Return the figures and the first complaints."""
        verdict = "FAILED" if self.complaints else "ok"
        figures = f"{self.count:,} {self.compared}"
        if self.unit:
            figures += f", biggest difference {self.worst:.2g} {self.unit}"
        lines = [f"{verdict:7}{self.title}: {figures}"]
        lines += [f"       {each}" for each in self.complaints[:SHOWN_COMPLAINTS]]
        if (more := len(self.complaints) - SHOWN_COMPLAINTS) > 0:
            lines.append(f"       and {more} more")
        return "\n".join(lines)
