"""The flow of the options."""

from typing import Any, Final

import voluptuous as vol

from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectSelector,
    SelectSelectorConfig,
)

from ..const import CONF_INTERVAL_LENGTH, CONF_LINK_DASHBOARD, INTERVAL_LENGTH_AUTO

_OPTIONS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_LINK_DASHBOARD): BooleanSelector(),
        vol.Required(
            CONF_INTERVAL_LENGTH, default=INTERVAL_LENGTH_AUTO
        ): SelectSelector(
            SelectSelectorConfig(
                options=[INTERVAL_LENGTH_AUTO, "60", "30", "15"],
                translation_key=CONF_INTERVAL_LENGTH,
            )
        ),
    }
)


class FlatpeakOptionsFlow(OptionsFlow):
    """Changes how a home is shown and uploaded."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask whether the energy dashboard shows the costs, and how long records are."""
        if user_input is not None:
            return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                _OPTIONS_SCHEMA, self.config_entry.options
            ),
        )
