"""What the meters of a home count: a recorded year, with an EV charger and a heat pump added.

The house and its solar production are recorded (tests/data/README.md), the charger and the heat pump are made here. All of
it depends on the time alone, so it is the same in every run. Energy is in Wh, registers are in kWh.
"""

from collections.abc import Sequence
import csv
from datetime import date, datetime, timedelta
from enum import StrEnum
import gzip
from math import cos, pi
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

QUARTER: Final = timedelta(minutes=15)
WEEK: Final = timedelta(weeks=1)

ZONE: Final = ZoneInfo("Europe/Berlin")
FIRST_ROW: Final = datetime.fromisoformat("2016-01-01T00:00:00+01:00")

# Whole weeks, so that the weekdays stay right when the year begins anew.
ROWS: Final = 52 * WEEK // QUARTER

CHARGING_W: Final = 7400
PLUGGED_IN: Final = {0: 19, 2: 21, 5: 2, 6: 12}
"""The local hour at which the car begins to charge, by weekday."""

COLDEST_DAY: Final = 15
HEATING_W: Final = 1100
"""The average power on the coldest day of a usual year."""
HOT_WATER_W: Final = 1500
HOT_WATER_HOUR: Final = 13
HEATING_BY_HOUR: Final = (*[0.5] * 5, *[1.6] * 4, *[0.9] * 8, *[1.4] * 5, *[0.5] * 2)


class Meter(StrEnum):
    """A meter of the home."""

    GRID_IMPORT = "grid_import"
    GRID_EXPORT = "grid_export"
    SOLAR_PRODUCTION = "solar_production"
    EV_CHARGER = "ev_charger"
    HEAT_PUMP = "heat_pump"


class Row(NamedTuple):
    """Recorded energy of a quarter of an hour."""

    house_wh: float
    solar_wh: float


def load_rows(path: Path) -> list[Row]:
    """Read the recorded year.

    Its rows are a quarter of an hour apart. What they say of their time is the wall clock, which skips an hour in
    spring and repeats one in autumn: only their order counts.
    """
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return [
            Row(float(row["house_wh"]), float(row["pv_wh"]))
            for row in csv.DictReader(file)
        ]


class Household:
    """The meters of a home since they were installed, when all of them stood at zero."""

    def __init__(self, rows: Sequence[Row], installed: datetime) -> None:
        """Install the meters, on a quarter of an hour."""
        self._rows = rows[:ROWS]
        self.installed = installed
        self._first_row = _moved_first_row(installed.year)
        self._registers_wh: dict[Meter, list[float]] = {meter: [0.0] for meter in Meter}

    def reading(self, meter: Meter, at: datetime) -> float:
        """Return what a register shows in kWh, to a tenth of a watt-hour."""
        quarters, rest = divmod(at - self.installed, QUARTER)
        self._count_until(quarters + 1)
        begin, end = self._registers_wh[meter][quarters : quarters + 2]
        return round((begin + (end - begin) * (rest / QUARTER)) / 1000, 4)

    def _count_until(self, quarters: int) -> None:
        """Let the registers count on to a number of quarters of an hour."""
        for quarter in range(len(self._registers_wh[Meter.GRID_IMPORT]), quarters + 1):
            energy = self.energy_wh(self.installed + (quarter - 1) * QUARTER)
            for meter, register in self._registers_wh.items():
                # The recorded energy is in tenths, and shall stay in tenths.
                register.append(round(register[-1] + energy[meter], 1))

    def energy_wh(self, start: datetime) -> dict[Meter, float]:
        """Return what each meter counts in the quarter of an hour from a time on."""
        house, solar = self._rows[(start - self._first_row) // QUARTER % ROWS]
        ev_charger = ev_charger_wh(start)
        heat_pump = heat_pump_wh(start)
        drawn = house + ev_charger + heat_pump - solar
        return {
            Meter.GRID_IMPORT: max(drawn, 0),
            Meter.GRID_EXPORT: max(-drawn, 0),
            Meter.SOLAR_PRODUCTION: solar,
            Meter.EV_CHARGER: ev_charger,
            Meter.HEAT_PUMP: heat_pump,
        }


def _moved_first_row(year: int) -> datetime:
    """Return when the recorded year begins if it is moved by whole weeks to another one.

    Moved that way the sun shines in summer, whatever the season in which the meters are read.
    """
    new_year = FIRST_ROW.replace(year=year)
    return FIRST_ROW + round((new_year - FIRST_ROW) / WEEK) * WEEK


def ev_charger_wh(start: datetime) -> float:
    """Return what the car takes in a quarter of an hour: one to three hours, four days a week."""
    local = start.astimezone(ZONE)
    if (hour := PLUGGED_IN.get(local.weekday())) is None:
        return 0
    charged = (local.hour - hour) * 4 + local.minute // 15
    return CHARGING_W / 4 if 0 <= charged < 4 + _draw(local.date()) % 9 else 0


def heat_pump_wh(start: datetime) -> float:
    """Return what the heat pump takes in a quarter of an hour: heating by season and hour, and hot water."""
    local = start.astimezone(ZONE)
    season = cos(2 * pi * (local.timetuple().tm_yday - COLDEST_DAY) / 365)
    weather = 0.7 + _draw(local.date()) % 61 / 100
    power = HEATING_W * max(season, 0) * weather * HEATING_BY_HOUR[local.hour]
    if local.hour == HOT_WATER_HOUR:
        power += HOT_WATER_W
    return round(power / 4, 1)


def _draw(day: date) -> int:
    """Return a number that looks drawn by lot for a day, and is the same in every run."""
    return crc32(day.isoformat().encode())
