"""The ready dashboard of what each device costs."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
import re
from typing import Any, Final

from homeassistant.core import HomeAssistant
from homeassistant.helpers.template import Template
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict

from .words import read_words

VIEW: Final = Path(__file__).parents[1] / "docs" / "device-costs.yaml"
BUILT_IN: Final = {"heading", "history-graph", "markdown", "statistics-graph", "tile"}


def cards() -> Iterator[dict[str, Any]]:
    """Yield the cards of the view."""
    for section in load_yaml_dict(str(VIEW))["sections"]:
        assert section["type"] == "grid"
        yield from section["cards"]


def test_it_needs_nothing_but_built_in_cards() -> None:
    """Whoever has Home Assistant can use it."""
    assert {card["type"] for card in cards()} == BUILT_IN


def test_costs_of_devices_by_day_and_month() -> None:
    """The graphs show what a period cost, of the statistics that we write."""
    graphs = {
        card["period"]: card for card in cards() if card["type"] == "statistics-graph"
    }
    assert graphs.keys() == {"day", "month"}
    for graph in graphs.values():
        assert graph["stat_types"] == ["change"]
        for entity in graph["entities"]:
            assert re.fullmatch(r"flatpeak:DEVICE_\d_cost", entity["entity"])


def test_its_sensors_are_ours() -> None:
    """Every sensor of the view is called as the home's sensors are."""
    names = {
        words["name"].lower().replace(" ", "_")
        for words in read_words()["entity"]["sensor"].values()
    }
    used = set(re.findall(r"sensor\.HOME_([a-z_]+)", VIEW.read_text(encoding="utf-8")))
    assert {"net_cost_today", "net_cost_this_month", "import_price"} <= used <= names


async def test_the_table_of_prices(hass: HomeAssistant) -> None:
    """Slots become a row for each hour, in a table that Markdown understands."""
    (card,) = (card for card in cards() if card["type"] == "markdown")
    template = Template(card["content"].replace("HOME", "home"), hass)
    assert template.async_render() == "Flatpeak has no prices now."

    start = dt_util.start_of_local_day()
    half_hour = timedelta(minutes=30)
    slots = [
        {"start": (start + number * half_hour).isoformat(), "price": number / 10}
        for number in range(4)
    ]
    hass.states.async_set(
        "sensor.home_import_price",
        "0.1",
        {"today": slots[:3], "tomorrow": slots[3:], "unit_of_measurement": "EUR/kWh"},
    )

    day = start.strftime("%a")
    assert template.async_render().splitlines() == [
        "| Hour | EUR/kWh |",
        "|:-----|--------:|",
        f"| {day} 00:00 | 0.0500 |",
        f"| {day} 01:00 | 0.2500 |",
    ]
