"""Records that Flatpeak refuses hold up no other, and are never forgotten."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.flatpeak.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir

from .home import CAR, HOUR, Home
from .simulator import Fault

NOW = datetime(2026, 4, 15, 9, 20, tzinfo=UTC)
BEGIN = datetime(2026, 4, 14, 9, tzinfo=UTC)

REFUSAL = {
    "id": "bat_refused",
    "object": "meter_batch",
    "records_submitted": 1,
    "records_accepted": 0,
    "records_processed": 0,
    "failed_records": [{"record_num": 0, "error": "Not today."}],
}


def refused(hass: HomeAssistant) -> list[dict[str, str] | None]:
    """Return what the user is told of refused records."""
    return [
        issue.translation_placeholders
        for (domain, _), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN
        and issue.active
        and issue.translation_key == "records_refused"
    ]


@pytest.fixture(autouse=True)
def no_waits() -> Iterator[None]:
    """Do not wait for a batch that Flatpeak does not know: time stands still."""
    with patch("custom_components.flatpeak.upload.PROCESSING_WAITS", (0,)):
        yield


async def test_records_that_are_refused_for_days(
    home: Home, freezer: FrozenDateTimeFactory
) -> None:
    """They are tried in every cycle of a day, then once a day; the user is told."""
    freezer.move_to(NOW)
    home.add_sensor(CAR)
    await home.async_record(CAR, BEGIN, [100.0] * 24)
    await home.async_show(devices=[CAR])
    entry: Any = await home.async_set_up(history="30_days")
    coordinator = entry.runtime_data
    faults, counts = home.simulator.faults, home.simulator.requests
    faults.next("PUT /meters/interval", *[Fault.answer(200, REFUSAL)] * 100)

    await home.async_record(CAR, BEGIN + 24 * HOUR, [100.0])
    submitted = []
    for hour in (1, 2, 3, 26, 27, 49, 50):
        assert not (hour <= 26 and refused(home.hass))
        freezer.move_to(NOW + hour * HOUR)
        before = counts.count("PUT /meters/interval")
        await coordinator.async_refresh()
        submitted.append(counts.count("PUT /meters/interval") - before)
    assert submitted == [1, 1, 1, 1, 0, 1, 0]
    [told] = refused(home.hass)
    assert told is not None
    assert told["meter"] == "Ev charger"
    assert told["count"] == "1"
    assert told["start"] == "2026-04-15 11:00"
    assert told["reason"] == "Not today."

    faults.clear()
    freezer.tick(timedelta(days=1))
    await coordinator.async_refresh()

    assert refused(home.hass) == []
    records = home.simulator.truth(coordinator.meters[0].device_id).records()
    assert [record.energy for record in records] == pytest.approx([100.0] * 25)
