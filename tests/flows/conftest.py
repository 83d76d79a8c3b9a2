"""What the tests of the flows share: a home with energy, words that are checked."""

from collections.abc import Generator
from typing import Any
from unittest.mock import patch

import pytest
import voluptuous as vol

from custom_components.flatpeak.const import DOMAIN
from homeassistant.config_entries import ConfigEntry, OptionsFlow
from homeassistant.data_entry_flow import FlowManager, FlowResultType
from homeassistant.helpers.selector import StatisticSelector
from homeassistant.util import dt as dt_util

from ..home import CAR, GRID_SOURCE, HOUR, SOLAR_SOURCE, Flow, Home
from ..words import placeholders, read_words
from .steps import SENSORS


@pytest.fixture(autouse=True)
def spoken() -> Generator[None]:
    """Check that every word of every step that a flow comes to is there."""
    words = read_words()
    handle_step = FlowManager._async_handle_step  # noqa: SLF001 - every step of every flow passes here

    async def checked(manager: Any, flow: Any, *args: Any) -> Flow:
        result = await handle_step(manager, flow, *args)
        if flow.handler == DOMAIN:
            _check_words(words["config"], result)
        elif isinstance(flow, OptionsFlow):
            _check_words(words["options"], result)
        elif DOMAIN in str(type(flow)):
            _check_words(words["config_subentries"]["meter"], result)
        return result

    with patch.object(FlowManager, "_async_handle_step", checked):
        yield


def _check_words(words: dict[str, Any], shown: Flow) -> None:
    """Check that all that a step shows has its text."""
    if shown["type"] is FlowResultType.ABORT:
        if "translation_domain" not in shown:
            assert words["abort"][shown["reason"]]
    if shown["type"] is FlowResultType.MENU:
        _check_menu(words["step"][shown["step_id"]], shown)
    if shown["type"] is FlowResultType.EXTERNAL_STEP:
        step = words["step"][shown["step_id"]]
        assert step["title"]
        assert step["description"]
    if shown["type"] is FlowResultType.FORM:
        _check_form(words, shown)


def _check_menu(step: dict[str, Any], shown: Flow) -> None:
    """Check that a menu says what it is for, and what can be chosen."""
    assert step["title"]
    assert step["description"]
    assert step["menu_options"].keys() == set(shown["menu_options"])


def _check_form(words: dict[str, Any], shown: Flow) -> None:
    """Check that all that a form shows has its text, with nothing left to fill in."""
    step = words["step"][shown["step_id"]]
    texts = [step["title"], step["description"]]
    texts += [words["error"][key] for key in (shown["errors"] or {}).values()]
    filled = set(shown["description_placeholders"] or {})
    assert all(placeholders(text) <= filled for text in texts)
    for field_name, selector in shown["data_schema"].schema.items():
        # The frontend shows no form with one of these: it has no value to begin with.
        assert not (
            isinstance(selector, StatisticSelector)
            and isinstance(field_name, vol.Required)
        )
        if section := step.get("sections", {}).get(field_name):
            assert section["name"]
            fields = shown["data_schema"].schema[field_name].schema.schema
            assert section["data"].keys() == set(fields)
        else:
            assert step["data"][field_name]
            assert step["data_description"][field_name]


@pytest.fixture
async def furnished(home: Home) -> Home:
    """Return a home whose energy dashboard shows grid, solar and a car."""
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0) - 3 * HOUR
    for sensor in SENSORS:
        home.add_sensor(sensor)
        await home.async_record(sensor, start, [100, 200, 300])
    await home.async_show(GRID_SOURCE, SOLAR_SOURCE, devices=[CAR])
    return home


@pytest.fixture
async def entry(furnished: Home) -> ConfigEntry[Any]:
    """Return the entry of a home that is set up."""
    return await furnished.async_set_up(history="30_days")
