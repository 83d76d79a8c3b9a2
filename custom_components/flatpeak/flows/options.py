"""The flow of the options."""

from typing import Any, Final

import voluptuous as vol

from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.helpers.selector import BooleanSelector

from ..const import CONF_LINK_DASHBOARD

_OPTIONS_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_LINK_DASHBOARD): BooleanSelector()}
)


class FlatpeakOptionsFlow(OptionsFlow):
    """Changes how a home is shown."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether the energy dashboard shows the costs."""
        if user_input is not None:
            return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                _OPTIONS_SCHEMA, self.config_entry.options
            ),
        )
