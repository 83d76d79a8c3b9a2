"""The flow of a meter."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import voluptuous as vol

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
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

from ..api import FlatpeakClient, FlatpeakError
from ..const import (
    CONF_DEVICE_ID,
    CONF_FLOW,
    CONF_HISTORY,
    CONF_HISTORY_START,
    CONF_SOURCE,
    CONF_STATISTIC_ID,
    SUBENTRY_TYPE_METER,
)
from ..intervals import floor_hour
from ..meter import Flow, async_source_of
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

_METER_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_STATISTIC_ID): StatisticSelector(),
        vol.Required(CONF_FLOW, default=Flow.CONSUMPTION): SelectSelector(
            SelectSelectorConfig(options=list(Flow), translation_key=CONF_FLOW)
        ),
        vol.Optional(CONF_NAME): TextSelector(),
        vol.Required(CONF_HISTORY, default=HISTORY_1_YEAR): HISTORY_SELECTOR,
    }
)


class MeterSubentryFlow(ConfigSubentryFlow):
    """Adds a meter to a home."""

    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the energy statistic and its flow."""
        entry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        failure = FormFailure()
        if user_input is not None:
            statistic_id = user_input[CONF_STATISTIC_ID]
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
        self, entry: ConfigEntry, name: str, user_input: Mapping[str, Any]
    ) -> SubentryFlowResult:
        """Add the meter to the home."""
        meter = await async_new_meter(
            self.hass,
            entry.runtime_data.client,
            statistic_id=user_input[CONF_STATISTIC_ID],
            flow=Flow(user_input[CONF_FLOW]),
            name=name,
            history=user_input[CONF_HISTORY],
        )
        return self.async_create_entry(
            title=meter["title"], data=meter["data"], unique_id=meter["unique_id"]
        )


async def async_new_meter(
    hass: HomeAssistant,
    client: FlatpeakClient,
    *,
    statistic_id: str,
    flow: Flow,
    name: str,
    history: str,
) -> ConfigSubentryData:
    """Return a meter, whose device is created at Flatpeak only where it is not yet."""
    source = async_source_of(hass, statistic_id)
    reference_id = f"{await instance_id.async_get(hass)}_{source}"
    devices = await client.list_devices(reference_id)
    device = devices[0] if devices else await client.create_device(reference_id)
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


def _history_start(history: str, now: datetime) -> datetime | None:
    """Return where the chosen history begins, None for everything."""
    if history == HISTORY_EVERYTHING:
        return None
    return floor_hour(now) - _HISTORY_LENGTHS[history]
