"""The flow of a meter."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import voluptuous as vol

from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigSubentry,
    ConfigSubentryData,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME
from homeassistant.core import HomeAssistant
from homeassistant.helpers import instance_id
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    StatisticSelector,
    TextSelector,
)
from homeassistant.util import dt as dt_util

from ..api import Device, FlatpeakClient, FlatpeakError
from ..const import (
    CONF_DEVICE_ID,
    CONF_FLOW,
    CONF_HISTORY,
    CONF_HISTORY_START,
    CONF_SOURCE,
    CONF_STATISTIC_ID,
    SUBENTRY_TYPE_METER,
)
from ..coordinator import FlatpeakConfigEntry, FlatpeakCoordinator
from ..intervals import floor_hour
from ..journal import Journal
from ..meter import Flow, async_source_of, async_statistic_id, meters_of
from ..statistics import async_energy_statistics
from .forms import (
    HISTORY_1_YEAR,
    HISTORY_30_DAYS,
    HISTORY_EVERYTHING,
    HISTORY_NONE,
    HISTORY_SELECTOR,
    FormFailure,
)

_HISTORY_LENGTHS: Final = {
    HISTORY_NONE: timedelta(),
    HISTORY_30_DAYS: timedelta(days=30),
    HISTORY_1_YEAR: timedelta(days=365),
}

_FLOW_SELECTOR: Final = SelectSelector(
    SelectSelectorConfig(options=list(Flow), translation_key=CONF_FLOW)
)

# The frontend cannot show a required statistic: it knows no value to begin with. That
# one was chosen is checked by the step.
_METER_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_STATISTIC_ID): StatisticSelector(),
        vol.Required(CONF_FLOW, default=Flow.CONSUMPTION): _FLOW_SELECTOR,
        vol.Optional(CONF_NAME): TextSelector(),
        vol.Required(CONF_HISTORY, default=HISTORY_1_YEAR): HISTORY_SELECTOR,
    }
)

_CHANGED_METER_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_STATISTIC_ID): StatisticSelector(),
        vol.Required(CONF_FLOW): _FLOW_SELECTOR,
        vol.Required(CONF_NAME): TextSelector(),
    }
)

_NEW_FLOW_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_HISTORY, default=HISTORY_1_YEAR): HISTORY_SELECTOR}
)


class MeterSubentryFlow(ConfigSubentryFlow):
    """Adds a meter to a home, or changes one."""

    _flow: Flow
    _name: str
    _source: str

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the energy statistic and its flow."""
        entry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        failure = FormFailure()
        if user_input is not None:
            statistic_id = user_input.get(CONF_STATISTIC_ID, "")
            source = async_source_of(self.hass, statistic_id)
            if any(meter.source == source for meter in entry.runtime_data.meters):
                return self.async_abort(reason="already_configured")
            names = await async_energy_statistics(self.hass, [statistic_id])
            if statistic_id not in names:
                failure = FormFailure(errors={CONF_STATISTIC_ID: "not_energy"})
            else:
                name = user_input.get(CONF_NAME, "").strip() or names[statistic_id]
                try:
                    return await self._async_create(entry, name, user_input)
                except FlatpeakError as err:
                    failure = FormFailure.of(err)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(_METER_SCHEMA, user_input),
            **failure.as_form(),
        )

    async def _async_create(
        self, entry: FlatpeakConfigEntry, name: str, user_input: Mapping[str, Any]
    ) -> SubentryFlowResult:
        """Add the meter to the home."""
        meter = await async_new_meter(
            self.hass,
            entry.runtime_data.client,
            entry.runtime_data.journal,
            source=async_source_of(self.hass, user_input[CONF_STATISTIC_ID]),
            flow=Flow(user_input[CONF_FLOW]),
            name=name,
            history=user_input[CONF_HISTORY],
        )
        return self.async_create_entry(
            title=meter["title"], data=meter["data"], unique_id=meter["unique_id"]
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for another statistic, name or flow of the meter."""
        entry, meter = self._get_entry(), self._get_reconfigure_subentry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        failure = FormFailure()
        if user_input is None:
            user_input = self._present(meter)
        else:
            self._name = user_input[CONF_NAME].strip() or meter.title
            self._flow = Flow(user_input[CONF_FLOW])
            self._source = meter.data[CONF_SOURCE]
            if statistic_id := user_input.get(CONF_STATISTIC_ID):
                self._source = async_source_of(self.hass, statistic_id)
                failure = await self._async_check_source(meter, statistic_id)
            if not failure:
                return await self._async_change(entry, meter)
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                _CHANGED_METER_SCHEMA, user_input
            ),
            **failure.as_form(),
        )

    def _present(self, meter: ConfigSubentry) -> dict[str, Any]:
        """Return what a meter is now, without a statistic that is gone."""
        present = {CONF_FLOW: meter.data[CONF_FLOW], CONF_NAME: meter.title}
        statistic_id = async_statistic_id(self.hass, meter.data[CONF_SOURCE])
        if statistic_id is not None:
            present[CONF_STATISTIC_ID] = statistic_id
        return present

    async def _async_check_source(
        self, meter: ConfigSubentry, statistic_id: str
    ) -> FormFailure:
        """Return why the meter cannot go on with a statistic that is new to it."""
        if self._source == meter.data[CONF_SOURCE]:
            return FormFailure()
        if any(each.source == self._source for each in meters_of(self._get_entry())):
            return FormFailure(errors={CONF_STATISTIC_ID: "source_in_use"})
        if not await async_energy_statistics(self.hass, [statistic_id]):
            return FormFailure(errors={CONF_STATISTIC_ID: "not_energy"})
        return FormFailure()

    async def _async_change(
        self, entry: FlatpeakConfigEntry, meter: ConfigSubentry
    ) -> SubentryFlowResult:
        """Change what is the same meter still; ask more where it begins anew."""
        if self._flow != meter.data[CONF_FLOW]:
            return await self.async_step_new_flow()
        return self.async_update_and_abort(
            entry,
            meter,
            title=self._name,
            data_updates={CONF_SOURCE: self._source},
        )

    async def async_step_new_flow(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say what another flow means, and begin anew with it."""
        failure = FormFailure()
        if user_input is not None:
            try:
                return await self._async_change_flow(user_input[CONF_HISTORY])
            except FlatpeakError as err:
                failure = FormFailure.of(err)
        return self.async_show_form(
            step_id="new_flow",
            data_schema=self.add_suggested_values_to_schema(
                _NEW_FLOW_SCHEMA, user_input
            ),
            **failure.as_form(),
        )

    async def _async_change_flow(self, history: str) -> SubentryFlowResult:
        """Let the meter be the device of its source that has the other flow."""
        entry, meter = self._get_entry(), self._get_reconfigure_subentry()
        coordinator: FlatpeakCoordinator = entry.runtime_data
        changed = await async_new_meter(
            self.hass,
            coordinator.client,
            coordinator.journal,
            source=self._source,
            flow=self._flow,
            name=self._name,
            history=history,
        )
        return self.async_update_and_abort(
            entry,
            meter,
            title=changed["title"],
            data_updates=changed["data"],
            unique_id=changed["unique_id"],
        )


async def async_new_meter(
    hass: HomeAssistant,
    client: FlatpeakClient,
    journal: Journal,
    *,
    source: str,
    flow: Flow,
    name: str,
    history: str,
) -> ConfigSubentryData:
    """Return a meter, whose device is created at Flatpeak only where it is not yet."""
    reference_id = f"{await instance_id.async_get(hass)}_{source}"
    device = await _async_device(client, journal, reference_id, flow)
    start = _history_start(history, dt_util.utcnow())
    return ConfigSubentryData(
        subentry_type=SUBENTRY_TYPE_METER,
        title=name,
        unique_id=device.device_id,
        data={
            CONF_DEVICE_ID: device.device_id,
            CONF_FLOW: flow,
            CONF_SOURCE: source,
            CONF_HISTORY_START: None if start is None else start.isoformat(),
        },
    )


async def _async_device(
    client: FlatpeakClient, journal: Journal, reference_id: str, flow: Flow
) -> Device:
    """Return the device of a source.

    The records of a device have one flow for ever: costs are reported by flow, and no
    record can be taken back. So another flow of a source is another device.
    """
    device = await _async_device_of(client, reference_id)
    known = journal.meters.get(device.device_id)
    if known is None or known.flow in (None, flow):
        return device
    return await _async_device_of(client, f"{reference_id}_{flow}")


async def _async_device_of(client: FlatpeakClient, reference_id: str) -> Device:
    """Return the device with a reference, and create it where there is none."""
    devices = await client.list_devices(reference_id)
    return devices[0] if devices else await client.create_device(reference_id)


def _history_start(history: str, now: datetime) -> datetime | None:
    """Return where the chosen history begins, None for everything."""
    if history == HISTORY_EVERYTHING:
        return None
    return floor_hour(now) - _HISTORY_LENGTHS[history]
