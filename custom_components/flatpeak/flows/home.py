"""What all steps of a home's flow know."""

from homeassistant.config_entries import ConfigFlow

from ..api import FlatpeakClient, Location


class HomeFlow(ConfigFlow):
    """A flow of one home: its account, and its location at Flatpeak."""

    _client: FlatpeakClient
    _location: Location
