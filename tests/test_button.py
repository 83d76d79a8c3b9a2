"""The button that runs a cycle now."""

from unittest.mock import patch

import pytest

from custom_components.flatpeak.coordinator import FlatpeakCoordinator
from homeassistant.components.button import DOMAIN as BUTTON, SERVICE_PRESS
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from .home import EXPORT, GRID_SOURCE, HOUR, IMPORT, Home
from .priced import profile
from .simulator import Fault

ENTITY_ID = "button.test_home_sync_now"


@pytest.fixture
async def home_behind(home: Home) -> Home:
    """Return a home that has used an hour of energy since its last cycle."""
    last = dt_util.utcnow().replace(minute=0, second=0, microsecond=0) - HOUR
    for sensor in (IMPORT, EXPORT):
        home.add_sensor(sensor)
        await home.async_record(sensor, last - 3 * HOUR, profile(3))
    await home.async_show(GRID_SOURCE)
    await home.async_set_up()
    for sensor in (IMPORT, EXPORT):
        await home.async_record(sensor, last, [500.0])
    return home


async def async_press(home: Home) -> None:
    """Press the button."""
    await home.hass.services.async_call(
        BUTTON, SERVICE_PRESS, {ATTR_ENTITY_ID: ENTITY_ID}, blocking=True
    )


@pytest.mark.usefixtures("polite")
async def test_pressing_uploads_and_prices(home_behind: Home) -> None:
    """What is new is uploaded and priced when the press has ended."""
    await async_press(home_behind)
    entry = home_behind.hass.config_entries.async_loaded_entries("flatpeak")[0]
    for meter in entry.runtime_data.meters:
        assert len(await home_behind.async_rows(meter.cost_statistic_id)) == 4


async def test_flatpeak_is_away(home_behind: Home) -> None:
    """The press says what is wrong, and the button stays there to try again."""
    home_behind.simulator.faults.next(
        "PUT /meters/interval", Fault.answer(500, {"message": "Internal Server Error"})
    )
    with pytest.raises(HomeAssistantError) as error:
        await async_press(home_behind)
    assert error.value.translation_key == "server_error"
    state = home_behind.hass.states.get(ENTITY_ID)
    assert state is not None
    assert state.state != "unavailable"


@pytest.mark.no_fail_on_log_exception
async def test_something_unexpected(home_behind: Home) -> None:
    """A fault of our own is told by its kind, and by nothing that may be private."""
    with (
        patch.object(
            FlatpeakCoordinator, "_async_cycle", side_effect=RuntimeError("loc_1")
        ),
        pytest.raises(HomeAssistantError) as error,
    ):
        await async_press(home_behind)
    assert error.value.translation_key == "unknown"
    assert error.value.translation_placeholders == {"message": "RuntimeError"}
