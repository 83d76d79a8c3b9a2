"""The flow of a meter."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

import voluptuous as vol

from homeassistant.config_entries import (
    SOURCE_USER,
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
    CONF_SESSION_ENTITY,
    CONF_SESSION_STATES,
    CONF_SOURCE,
    CONF_STATISTIC_ID,
    CONF_SUBMIT,
    SUBENTRY_TYPE_METER,
)
from ..coordinator import FlatpeakConfigEntry, FlatpeakCoordinator
from ..intervals import floor_hour
from ..journal import Journal
from ..meter import Flow, Submit, async_source_of, async_statistic_id, meters_of
from ..sources import async_source_error
from ..statistics import async_energy_statistics
from .forms import (
    HISTORY_1_YEAR,
    HISTORY_30_DAYS,
    HISTORY_EVERYTHING,
    HISTORY_NONE,
    HISTORY_SELECTOR,
    FormFailure,
)
from .session import (
    SESSION_FIELDS,
    async_present_session,
    async_session_data,
    async_states_schema,
    needs_states,
)

_HISTORY_LENGTHS: Final = {
    HISTORY_NONE: timedelta(),
    HISTORY_30_DAYS: timedelta(days=30),
    HISTORY_1_YEAR: timedelta(days=365),
}

_FLOW_SELECTOR: Final = SelectSelector(
    SelectSelectorConfig(options=list(Flow), translation_key=CONF_FLOW)
)

_SUBMIT_SELECTOR: Final = SelectSelector(
    SelectSelectorConfig(options=list(Submit), translation_key=CONF_SUBMIT)
)

# The frontend cannot show a required statistic: it knows no value to begin with. That
# one was chosen is checked by the step.
_METER_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_STATISTIC_ID): StatisticSelector(),
        vol.Required(CONF_FLOW, default=Flow.CONSUMPTION): _FLOW_SELECTOR,
        vol.Optional(CONF_NAME): TextSelector(),
        vol.Required(CONF_HISTORY, default=HISTORY_1_YEAR): HISTORY_SELECTOR,
        vol.Required(CONF_SUBMIT, default=Submit.INTERVALS): _SUBMIT_SELECTOR,
        **SESSION_FIELDS,
    }
)

_CHANGED_METER_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_STATISTIC_ID): StatisticSelector(),
        vol.Required(CONF_FLOW): _FLOW_SELECTOR,
        vol.Required(CONF_NAME): TextSelector(),
        vol.Required(CONF_SUBMIT, default=Submit.INTERVALS): _SUBMIT_SELECTOR,
        **SESSION_FIELDS,
    }
)

_NEW_FLOW_SCHEMA: Final = vol.Schema(
    {vol.Required(CONF_HISTORY, default=HISTORY_1_YEAR): HISTORY_SELECTOR}
)


class MeterSubentryFlow(ConfigSubentryFlow):
    """Adds a meter to a home, or changes one."""

    _answers: Mapping[str, Any]
    _flow: Flow
    _name: str
    _session: Mapping[str, Any]
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
            elif not (failure := _check_sessions(user_input)):
                self._name = user_input.get(CONF_NAME, "").strip()
                self._name = self._name or names[statistic_id]
                try:
                    return await self._async_see_session(user_input)
                except FlatpeakError as err:
                    failure = FormFailure.of(err)
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(_METER_SCHEMA, user_input),
            **failure.as_form(),
        )

    async def _async_see_session(
        self, user_input: Mapping[str, Any]
    ) -> SubentryFlowResult:
        """Go on to what the session entity has to be asked, or to the end."""
        self._answers = user_input
        if needs_states(user_input):
            return await self.async_step_session()
        return await self._async_finish([])

    async def async_step_session(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which states of the session entity mean that the meter is in session."""
        failure = FormFailure()
        if user_input is not None:
            states = [each.strip() for each in user_input[CONF_SESSION_STATES]]
            if not any(states):
                failure = FormFailure(errors={CONF_SESSION_STATES: "no_states"})
            else:
                try:
                    return await self._async_finish([each for each in states if each])
                except FlatpeakError as err:
                    failure = FormFailure.of(err)
        entity_id = self._answers[CONF_SESSION_ENTITY]
        return self.async_show_form(
            step_id="session",
            data_schema=self.add_suggested_values_to_schema(
                async_states_schema(self.hass, entity_id),
                user_input or self._present_states(entity_id),
            ),
            **failure.as_form(),
        )

    def _present_states(self, entity_id: str) -> Mapping[str, Any]:
        """Return the states that the meter has for an entity already."""
        if self.source == SOURCE_USER:
            return {}
        data = self._get_reconfigure_subentry().data
        if data.get(CONF_SESSION_ENTITY) != async_source_of(self.hass, entity_id):
            return {}
        return {CONF_SESSION_STATES: data[CONF_SESSION_STATES]}

    async def _async_finish(self, states: list[str]) -> SubentryFlowResult:
        """Add the meter, or change it."""
        self._session = async_session_data(self.hass, self._answers, states)
        if self.source == SOURCE_USER:
            return await self._async_create(self._get_entry(), self._answers)
        return await self._async_change(
            self._get_entry(), self._get_reconfigure_subentry()
        )

    async def _async_create(
        self, entry: FlatpeakConfigEntry, user_input: Mapping[str, Any]
    ) -> SubentryFlowResult:
        """Add the meter to the home."""
        meter = await async_new_meter(
            self.hass,
            entry.runtime_data.client,
            entry.runtime_data.journal,
            source=async_source_of(self.hass, user_input[CONF_STATISTIC_ID]),
            flow=Flow(user_input[CONF_FLOW]),
            name=self._name,
            history=user_input[CONF_HISTORY],
            taken={each.device_id for each in meters_of(entry)},
        )
        return self.async_create_entry(
            title=meter["title"],
            data={
                **meter["data"],
                CONF_SUBMIT: user_input[CONF_SUBMIT],
                **self._session,
            },
            unique_id=meter["unique_id"],
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
            failure = failure or _check_sessions(user_input)
            if not failure:
                return await self._async_see_session(user_input)
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                _CHANGED_METER_SCHEMA, user_input
            ),
            **failure.as_form(),
        )

    def _present(self, meter: ConfigSubentry) -> dict[str, Any]:
        """Return what a meter is now, without a statistic that is gone."""
        present = {
            CONF_FLOW: meter.data[CONF_FLOW],
            CONF_NAME: meter.title,
            CONF_SUBMIT: meter.data.get(CONF_SUBMIT, Submit.INTERVALS),
            **async_present_session(self.hass, meter.data),
        }
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
        error = await async_source_error(self.hass, self._get_entry(), statistic_id)
        return FormFailure(errors={} if error is None else {CONF_STATISTIC_ID: error})

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
            data=self._changed(meter, {CONF_SOURCE: self._source}),
        )

    def _changed(
        self, meter: ConfigSubentry, changes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what a meter keeps after changes, with the sessions that it has now."""
        kept = {
            key: value
            for key, value in meter.data.items()
            if key not in SESSION_FIELDS and key != CONF_SESSION_STATES
        }
        submit = {CONF_SUBMIT: self._answers[CONF_SUBMIT]}
        return {**kept, **changes, **submit, **self._session}

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
            taken={each.device_id for each in meters_of(entry)},
        )
        return self.async_update_and_abort(
            entry,
            meter,
            title=changed["title"],
            data=self._changed(meter, changed["data"]),
            unique_id=changed["unique_id"],
        )


def _check_sessions(user_input: Mapping[str, Any]) -> FormFailure:
    """Return why sessions cannot be told: readings are not cut at their borders."""
    if (
        user_input.get(CONF_SESSION_ENTITY)
        and user_input[CONF_SUBMIT] == Submit.READINGS
    ):
        return FormFailure(errors={CONF_SUBMIT: "readings_without_sessions"})
    return FormFailure()


async def async_new_meter(
    hass: HomeAssistant,
    client: FlatpeakClient,
    journal: Journal,
    *,
    source: str,
    flow: Flow,
    name: str,
    history: str,
    taken: Collection[str] = (),
) -> ConfigSubentryData:
    """Return a meter, whose device is created at Flatpeak only where it is not yet.

    Devices that are taken belong to other meters of the home.
    """
    reference_id = f"{await instance_id.async_get(hass)}_{source}"
    device = await _async_device(client, journal, reference_id, flow, taken)
    start = history_start(history, dt_util.utcnow())
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
    client: FlatpeakClient,
    journal: Journal,
    reference_id: str,
    flow: Flow,
    taken: Collection[str],
) -> Device:
    """Return the device of a source.

    The records of a device have one flow for ever: costs are reported by flow, and no
    record can be taken back. So another flow of a source is another device. A meter
    that goes on with another source keeps its device; then the old source has another.
    """
    references = _references(reference_id, flow)
    while True:
        device = await _async_device_of(client, next(references))
        known = journal.meters.get(device.device_id)
        has_flow = known is None or known.flow in (None, flow)
        if has_flow and device.device_id not in taken:
            return device


def _references(reference_id: str, flow: Flow) -> Iterator[str]:
    """Yield the references of the devices of a source, one after the other."""
    yield reference_id
    yield f"{reference_id}_{flow}"
    yield from (f"{reference_id}_{flow}_{number}" for number in count(2))


async def _async_device_of(client: FlatpeakClient, reference_id: str) -> Device:
    """Return the device with a reference, and create it where there is none."""
    devices = await client.list_devices(reference_id)
    return devices[0] if devices else await client.create_device(reference_id)


def history_start(history: str, now: datetime) -> datetime | None:
    """Return where the chosen history begins, None for everything."""
    if history == HISTORY_EVERYTHING:
        return None
    return floor_hour(now) - _HISTORY_LENGTHS[history]
