"""The way from the recorder to the cost statistics, as a whole."""

from collections import defaultdict
from math import fsum, isclose

from homeassistant.util import dt as dt_util

from .home import CAR, EXPORT, GRID_SOURCE, HOUR, IMPORT, SOLAR, SOLAR_SOURCE, Home
from .simulator.tariffs import Direction


def _profile(hours: int, seed: int) -> list[float]:
    """Return hourly energy in Wh that repeats in no simple way."""
    return [float((hour * 7919 + seed * 104729) % 1500) for hour in range(hours)]


async def test_history_becomes_cost(home: Home) -> None:
    """A home's recorded energy is uploaded, priced, and shown hour by hour."""
    now = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    hours = 24 * 70
    for seed, sensor in enumerate((IMPORT, EXPORT, SOLAR, CAR)):
        home.add_sensor(sensor)
        await home.async_record(sensor, now - hours * HOUR, _profile(hours, seed))
    await home.async_show(GRID_SOURCE, SOLAR_SOURCE, devices=[CAR])

    entry = await home.async_set_up()

    assert len(entry.subentries) == 4
    for meter in entry.runtime_data.meters:
        direction = Direction(meter.flow.tariff_direction)
        truth = home.simulator.truth(meter.device_id, direction)
        statistic_id = next(
            sensor
            for sensor in (IMPORT, EXPORT, SOLAR, CAR)
            if meter.name == sensor.partition(".")[2].replace("_", " ").capitalize()
        )
        recorded = await home.async_rows(statistic_id)
        assert len(recorded) == hours
        uploaded = truth.hours()
        assert [each.start.timestamp() for each in uploaded] == [
            row["start"] for row in recorded
        ]
        for row, each in zip(recorded, uploaded, strict=True):
            assert isclose(row["change"], each.energy, rel_tol=1e-9, abs_tol=1e-9)

        costs = await home.async_rows(meter.cost_statistic_id)
        assert len(costs) == hours
        by_day = defaultdict(list)
        for row in costs:
            start = dt_util.utc_from_timestamp(row["start"])
            by_day[dt_util.as_local(start).date()].append(row["change"])
        for day in truth.days():
            shown = fsum(by_day.pop(dt_util.as_local(day.start).date()))
            assert isclose(shown, float(day.reported_cost), abs_tol=1e-9)
        assert not by_day
    grid = (await home.async_dashboard())[0]
    assert grid["stat_cost"].endswith("_cost")
    assert grid["stat_compensation"].endswith("_compensation")
