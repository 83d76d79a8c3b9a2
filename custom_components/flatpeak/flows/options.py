"""The flow of the options."""

from datetime import datetime
from typing import Any, Final

import voluptuous as vol

from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.const import PERCENTAGE
from homeassistant.core import callback
from homeassistant.helpers.selector import (
    BooleanSelector,
    NumberSelector,
    NumberSelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
)
from homeassistant.util import dt as dt_util

from ..const import (
    CONF_CHEAP_LIMIT,
    CONF_HISTORY,
    CONF_HISTORY_START,
    CONF_INTERVAL_LENGTH,
    CONF_LINK_DASHBOARD,
    DEFAULT_CHEAP_LIMIT,
    INTERVAL_LENGTH_AUTO,
    SUBENTRY_TYPE_METER,
)
from .forms import HISTORY_SELECTOR
from .meter import history_start

_OPTIONS_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_LINK_DASHBOARD): BooleanSelector(),
        vol.Optional(CONF_HISTORY): HISTORY_SELECTOR,
        vol.Required(
            CONF_INTERVAL_LENGTH, default=INTERVAL_LENGTH_AUTO
        ): SelectSelector(
            SelectSelectorConfig(
                options=[INTERVAL_LENGTH_AUTO, "60", "30", "15"],
                translation_key=CONF_INTERVAL_LENGTH,
            )
        ),
        vol.Required(CONF_CHEAP_LIMIT, default=DEFAULT_CHEAP_LIMIT): NumberSelector(
            NumberSelectorConfig(min=0, max=100, unit_of_measurement=PERCENTAGE)
        ),
    }
)


class FlatpeakOptionsFlow(OptionsFlow):
    """Changes how a home is shown and uploaded."""

    async def async_step_init(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what is to be otherwise."""
        if user_input is not None:
            history = user_input.get(CONF_HISTORY)
            if history not in (None, self.config_entry.options.get(CONF_HISTORY)):
                self._async_lengthen_history(history)
            return self.async_create_entry(data=user_input)
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                _OPTIONS_SCHEMA, self.config_entry.options
            ),
        )

    @callback
    def _async_lengthen_history(self, history: str) -> None:
        """Want more history of those meters that have less."""
        entry = self.config_entry
        wanted = history_start(history, dt_util.utcnow())
        for meter in entry.get_subentries_of_type(SUBENTRY_TYPE_METER):
            known = meter.data[CONF_HISTORY_START]
            if known is None or (wanted and wanted >= datetime.fromisoformat(known)):
                continue
            self.hass.config_entries.async_update_subentry(
                entry,
                meter,
                data={
                    **meter.data,
                    CONF_HISTORY_START: wanted and wanted.isoformat(),
                },
            )
