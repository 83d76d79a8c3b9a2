"""Fix flows of the repairs: each does one thing once the user has agreed."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Final, override

from homeassistant.components.repairs import (
    ConfirmRepairFlow,
    RepairsFlow,
    RepairsFlowResult,
)
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant

from .const import CONF_LINK_DASHBOARD
from .coordinator import FlatpeakConfigEntry
from .dashboard import async_link
from .removal import COSTS_REMAIN, async_clear_left_costs


class HomeRepairFlow(ConfirmRepairFlow):
    """Mends something of a home once the user has agreed."""

    def __init__(self, entry: FlatpeakConfigEntry) -> None:
        """Take the home."""
        self._entry = entry

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask whether to mend it, and mend it."""
        if user_input is not None:
            if self._entry.state is not ConfigEntryState.LOADED:
                return self.async_abort(reason="entry_not_loaded")
            await self._async_mend()
        return await super().async_step_confirm(user_input)

    @abstractmethod
    async def _async_mend(self) -> None:
        """Mend it."""


class _LinkDashboardFlow(HomeRepairFlow):
    """Shows the costs on the energy dashboard."""

    @override
    async def _async_mend(self) -> None:
        """Link the costs, and keep them linked."""
        await async_link(self.hass, self._entry.runtime_data.meters)
        self.hass.config_entries.async_update_entry(
            self._entry, options={**self._entry.options, CONF_LINK_DASHBOARD: True}
        )


class _NewCurrencyFlow(HomeRepairFlow):
    """Prices the home anew in the currency that it has now."""

    @override
    async def _async_mend(self) -> None:
        """Clear the costs in the old currency, and fetch them all again."""
        await self._entry.runtime_data.async_price_anew()


class _ClearCostsFlow(ConfirmRepairFlow):
    """Clears the costs of a home or meter that was removed."""

    def __init__(self, data: Mapping[str, str | int | float | None]) -> None:
        """Take what the offer is about."""
        self._location_id = str(data["location_id"])
        self._device_ids = str(data["device_ids"]).split()

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask whether to clear the costs, and clear them."""
        if user_input is not None:
            await async_clear_left_costs(self.hass, self._location_id, self._device_ids)
        return await super().async_step_confirm(user_input)


_FLOWS: Final[dict[str, type[HomeRepairFlow]]] = {
    "currency_changed": _NewCurrencyFlow,
    "dashboard_without_cost": _LinkDashboardFlow,
}


async def async_create_fix_flow(
    hass: HomeAssistant,
    issue_id: str,
    data: dict[str, str | int | float | None] | None,
) -> RepairsFlow:
    """Return the flow that mends an issue, which `async_raise_issue` has raised."""
    assert data is not None
    if data["key"] == COSTS_REMAIN:
        return _ClearCostsFlow(data)
    entry = hass.config_entries.async_get_known_entry(str(data["entry_id"]))
    return _FLOWS[str(data["key"])](entry)
