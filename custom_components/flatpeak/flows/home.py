"""What all steps of a home's flow know."""

from collections.abc import Mapping

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult
from homeassistant.core import callback

from ..api import FlatpeakClient
from ..coordinator import FlatpeakConfigEntry


class HomeFlow(ConfigFlow):
    """A flow of one home: its account, and its location at Flatpeak."""

    _client: FlatpeakClient
    _connect_url: str
    _location_id: str

    @callback
    def _async_finish(
        self, entry: FlatpeakConfigEntry, changes: Mapping[str, str]
    ) -> ConfigFlowResult:
        """Keep what has changed, and set the home up with it once."""
        # The update listener reloads an entry that is loaded and has changed.
        reloads = bool(entry.update_listeners) and changes.items() - entry.data.items()
        result = self.async_update_and_abort(entry, data_updates=changes)
        if not reloads:
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return result
