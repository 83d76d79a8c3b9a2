"""Fix flows of the repairs: each does what the user agrees to, or chooses."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final, override

import voluptuous as vol

from homeassistant.components.repairs import (
    ConfirmRepairFlow,
    FlowType,
    RepairsFlow,
    RepairsFlowResult,
)
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    ConfigFlowContext,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.selector import StatisticSelector

from .const import CONF_DEVICE_ID, CONF_LINK_DASHBOARD, CONF_STATISTIC_ID, DOMAIN
from .coordinator import FlatpeakConfigEntry
from .dashboard import async_link
from .events import Notice
from .removal import COSTS_REMAIN, async_clear_left_costs
from .sources import SourceProblem, async_change_source, async_source_error

# The frontend cannot show a required statistic: it knows no value to begin with.
_SOURCE_SCHEMA: Final = vol.Schema(
    {vol.Optional(CONF_STATISTIC_ID): StatisticSelector()}
)


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


class _SourceFlow(RepairsFlow):
    """Offers the ways out for a meter whose energy does not go on."""

    def __init__(
        self, entry: FlatpeakConfigEntry, subentry_id: str, problem: SourceProblem
    ) -> None:
        """Take the meter, and what is wrong with its source."""
        self._entry = entry
        self._subentry_id = subentry_id
        self._problem = problem

    async def async_step_init(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask which way out to take."""
        if self._subentry_id not in self._entry.subentries:
            return self.async_abort(reason="meter_removed")
        ways = ["choose_source", "stop_meter"]
        if self._problem is SourceProblem.BACKWARDS:
            ways.insert(0, "forgive_debt")
        return self.async_show_menu(
            step_id="init",
            menu_options=ways,
            description_placeholders=self._placeholders,
        )

    @property
    def _placeholders(self) -> Mapping[str, str] | None:
        """Return what the repair tells of the meter."""
        issue = ir.async_get(self.hass).async_get_issue(self.handler, self.issue_id)
        return None if issue is None else issue.translation_placeholders

    async def async_step_choose_source(
        self, user_input: dict[str, Any] | None = None
    ) -> RepairsFlowResult:
        """Ask for another statistic, and go on with it."""
        errors = {}
        if user_input is not None:
            statistic_id = user_input.get(CONF_STATISTIC_ID, "")
            error = await async_source_error(self.hass, self._entry, statistic_id)
            if error is not None:
                errors[CONF_STATISTIC_ID] = error
            else:
                async_change_source(
                    self.hass, self._entry, self._subentry_id, statistic_id
                )
                return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="choose_source",
            data_schema=self.add_suggested_values_to_schema(_SOURCE_SCHEMA, user_input),
            description_placeholders=self._placeholders,
            errors=errors,
        )

    async def async_step_forgive_debt(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Let the meter go on without what it ran backwards."""
        if self._entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        subentry = self._entry.subentries[self._subentry_id]
        await self._entry.runtime_data.async_forgive_debt(subentry.data[CONF_DEVICE_ID])
        return self.async_create_entry(data={})

    async def async_step_stop_meter(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Say what stays, and remove the meter."""
        if user_input is not None:
            self.hass.config_entries.async_remove_subentry(
                self._entry, self._subentry_id
            )
            return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="stop_meter",
            data_schema=vol.Schema({}),
            description_placeholders=self._placeholders,
        )


class _NewTariffFlow(ConfirmRepairFlow):
    """Leads to where the home is given another tariff."""

    def __init__(self, entry: FlatpeakConfigEntry) -> None:
        """Take the home."""
        self._entry = entry

    @override
    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Say what is wrong, and go on with the choice of a tariff.

        The issue stays: it goes once there are prices.
        """
        if user_input is None:
            return await super().async_step_confirm()
        flows = self.hass.config_entries.flow
        context = ConfigFlowContext(
            source=SOURCE_RECONFIGURE, entry_id=self._entry.entry_id
        )
        menu = await flows.async_init(DOMAIN, context=context)
        await flows.async_configure(menu["flow_id"], {"next_step_id": "new_tariff"})
        return self.async_abort(
            reason="choose_tariff", next_flow=(FlowType.CONFIG_FLOW, menu["flow_id"])
        )


_FLOWS: Final[Mapping[str, Callable[[FlatpeakConfigEntry], RepairsFlow]]] = {
    "currency_changed": _NewCurrencyFlow,
    "dashboard_without_cost": _LinkDashboardFlow,
    "no_price_data": _NewTariffFlow,
    "no_tariff": _NewTariffFlow,
    **dict.fromkeys(Notice, _NewTariffFlow),
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
    key = str(data["key"])
    if key in SourceProblem:
        return _SourceFlow(entry, str(data["about"]), SourceProblem(key))
    return _FLOWS[key](entry)
