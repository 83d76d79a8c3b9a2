"""How much more memory Home Assistant takes while a long history is submitted."""

import gc
from pathlib import Path
from typing import Final

from .energy import Size, async_record, last_hour
from .household import running_household

STATUS: Final = Path("/proc/self/status")
FORGET: Final = Path("/proc/self/clear_refs")
# What the kernel wants to read there to forget the peak (man 5 proc).
PEAK: Final = "5"


async def async_peaks(size: Size, runs: int) -> list[float]:
    """Submit a history several times, return the bytes that each peak lay above idle.

    What an earlier run has left behind counts too: it would stay in a real home.
    """
    async with running_household() as household:
        await async_record(household.hass, size, last_hour())
        gc.collect()
        idle = _resident("VmRSS")
        found = []
        for _ in range(runs):
            FORGET.write_text(PEAK, encoding="ascii")
            entry = await household.async_set_up(
                size.meters, history="everything", tariff="later"
            )
            found.append(_resident("VmHWM") - idle)
            await household.async_remove(entry)
    return found


def _resident(name: str) -> float:
    """Return one of the kernel's figures for this process in bytes."""
    lines = STATUS.read_text(encoding="ascii").splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024.0
