"""Config flow of the household."""

from datetime import timedelta
from typing import Any, Final, override

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.util import dt as dt_util

from .const import CONF_INSTALLED, DOMAIN

HISTORY: Final = timedelta(days=365)


class HouseholdConfigFlow(ConfigFlow, domain=DOMAIN):
    """Moves the household in."""

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Install the meters a year ago."""
        await self.async_set_unique_id(DOMAIN)
        self._abort_if_unique_id_configured()
        installed = dt_util.start_of_local_day(dt_util.now().date() - HISTORY)
        return self.async_create_entry(
            title="Household", data={CONF_INSTALLED: installed.isoformat()}
        )
