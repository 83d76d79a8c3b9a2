"""What tells of the sessions of a meter, as its forms ask for it."""

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol

from homeassistant.components.sensor import ATTR_OPTIONS
from homeassistant.const import STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN, UnitOfTime
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
)

from ..const import CONF_SESSION_ENTITY, CONF_SESSION_PAUSE, CONF_SESSION_STATES
from ..meter import async_source_of, async_statistic_id

# These are in session while they are on; of the others the user says when.
_BINARY: Final = ("binary_sensor", "input_boolean", "switch")
_OTHERS: Final = ("input_select", "select", "sensor")

# A charger that changes its phases, or an appliance that stirs, goes on.
DEFAULT_PAUSE: Final = 5
LONGEST_PAUSE: Final = 60

SESSION_FIELDS: Final = {
    vol.Optional(CONF_SESSION_ENTITY): EntitySelector(
        EntitySelectorConfig(filter={"domain": [*_BINARY, *_OTHERS]})
    ),
    vol.Optional(CONF_SESSION_PAUSE, default=DEFAULT_PAUSE): NumberSelector(
        NumberSelectorConfig(
            min=0, max=LONGEST_PAUSE, unit_of_measurement=UnitOfTime.MINUTES
        )
    ),
}


def needs_states(user_input: Mapping[str, Any]) -> bool:
    """Return whether it must be asked which states mean that the meter is in session."""
    return user_input.get(CONF_SESSION_ENTITY, "").partition(".")[0] in _OTHERS


@callback
def async_states_schema(hass: HomeAssistant, entity_id: str) -> vol.Schema:
    """Return the form that asks which states of an entity mean it, of those it has."""
    state = hass.states.get(entity_id)
    options = [] if state is None else state.attributes.get(ATTR_OPTIONS, [state.state])
    return vol.Schema(
        {
            vol.Required(CONF_SESSION_STATES): SelectSelector(
                SelectSelectorConfig(
                    options=[
                        each
                        for each in options
                        if each not in (STATE_UNAVAILABLE, STATE_UNKNOWN)
                    ],
                    multiple=True,
                    custom_value=True,
                )
            )
        }
    )


@callback
def async_session_data(
    hass: HomeAssistant, user_input: Mapping[str, Any], states: list[str]
) -> dict[str, Any]:
    """Return what a meter keeps of what tells of its sessions."""
    if not (entity_id := user_input.get(CONF_SESSION_ENTITY)):
        return {}
    return {
        CONF_SESSION_ENTITY: async_source_of(hass, entity_id),
        CONF_SESSION_STATES: states or [STATE_ON],
        CONF_SESSION_PAUSE: user_input[CONF_SESSION_PAUSE],
    }


@callback
def async_present_session(
    hass: HomeAssistant, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what tells of the sessions of a meter now, unless it is gone."""
    if (source := data.get(CONF_SESSION_ENTITY)) is None:
        return {}
    present = {CONF_SESSION_PAUSE: data[CONF_SESSION_PAUSE]}
    if (entity_id := async_statistic_id(hass, source)) is not None:
        present[CONF_SESSION_ENTITY] = entity_id
    return present
