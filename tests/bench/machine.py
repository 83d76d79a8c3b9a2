"""What machine and what software the figures are from."""

from dataclasses import dataclass
from importlib.metadata import version
import os
from pathlib import Path
import platform
import sqlite3
from typing import Final, Self, override

CPU_INFO: Final = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The machine that measures."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    python: str
    home_assistant: str
    sqlite: str

    @classmethod
    def here(cls) -> Self:
        """Return this machine."""
        return cls(
            cpu=_cpu(),
            cores=os.cpu_count() or 1,
            memory_gb=round(
                os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1
            ),
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            home_assistant=version("homeassistant"),
            sqlite=sqlite3.sqlite_version,
        )

    @override
    def __str__(self) -> str:
        """Return it in one line."""
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gb} GB, {self.system}; "
            f"Python {self.python}, Home Assistant {self.home_assistant}, "
            f"SQLite {self.sqlite}"
        )


def _cpu() -> str:
    """Return the name of the processor."""
    lines = CPU_INFO.read_text(encoding="utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()
