"""A stateful Flatpeak over real HTTP, for tests and demonstrations; see README.md."""

from .faults import Fault
from .settings import Duplicates, EmptyRows, Settings
from .simulator import Simulator
from .tariffs import Change, Direction, Dynamic, Flat, TwoRate
from .violations import Violation

__all__ = [
    "Change",
    "Direction",
    "Duplicates",
    "Dynamic",
    "EmptyRows",
    "Fault",
    "Flat",
    "Settings",
    "Simulator",
    "TwoRate",
    "Violation",
]
