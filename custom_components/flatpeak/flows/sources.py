"""The sources of the energy dashboard, as the meters step offers them."""

from collections.abc import Mapping, Sequence
from typing import Any

import voluptuous as vol

from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
)
from homeassistant.helpers.translation import async_get_translations

from ..const import CONF_FLOW, CONF_HISTORY, CONF_LINK_DASHBOARD, DOMAIN
from ..dashboard import DashboardSource
from ..statistics import async_energy_statistics
from .forms import CONF_METERS, HISTORY_1_YEAR, HISTORY_SELECTOR, FormFailure


def check_sources(
    sources: Sequence[DashboardSource], names: Mapping[str, str]
) -> FormFailure:
    """Return why fewer meters than expected are offered."""
    if not sources:
        return FormFailure(errors={CONF_METERS: "no_energy_dashboard"})
    missing = [
        source.name or source.statistic_id
        for source in sources
        if source.statistic_id not in names
    ]
    if not missing:
        return FormFailure()
    return FormFailure(
        errors={CONF_METERS: "no_history"}, placeholders={"sources": ", ".join(missing)}
    )


async def async_names(
    hass: HomeAssistant, sources: Sequence[DashboardSource]
) -> dict[str, str]:
    """Return the names of those sources that have recorded energy, by statistic id."""
    recorded = await async_energy_statistics(
        hass, [source.statistic_id for source in sources]
    )
    return {
        source.statistic_id: source.name or recorded[source.statistic_id]
        for source in sources
        if source.statistic_id in recorded
    }


async def async_labels(
    hass: HomeAssistant, sources: Sequence[DashboardSource], names: Mapping[str, str]
) -> dict[str, str]:
    """Return how the meters step shows its choices, by their values."""
    texts = await async_get_translations(
        hass, hass.config.language, "selector", {DOMAIN}
    )
    prefix = f"component.{DOMAIN}.selector.{CONF_FLOW}.options"
    return {
        source_key(
            source
        ): f"{names[source.statistic_id]} ({texts[f'{prefix}.{source.flow}']})"
        for source in sources
        if source.statistic_id in names
    }


def source_key(source: DashboardSource) -> str:
    """Return the value of a source in the meters step."""
    return f"{source.flow}:{source.statistic_id}"


def meters_schema(labels: Mapping[str, str]) -> vol.Schema:
    """Return the form that offers the sources of the energy dashboard."""
    return vol.Schema(
        {
            vol.Required(CONF_METERS, default=list(labels)): SelectSelector(
                SelectSelectorConfig(
                    options=[
                        SelectOptionDict(value=value, label=label)
                        for value, label in labels.items()
                    ],
                    multiple=True,
                    mode=SelectSelectorMode.LIST,
                )
            ),
            vol.Required(CONF_HISTORY, default=HISTORY_1_YEAR): HISTORY_SELECTOR,
            vol.Required(CONF_LINK_DASHBOARD, default=True): BooleanSelector(),
        }
    )


def without_vanished(
    user_input: Mapping[str, Any], labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return an answer to the meters step without what is no longer offered."""
    meters = [key for key in user_input[CONF_METERS] if key in labels]
    return {**user_input, CONF_METERS: meters}
