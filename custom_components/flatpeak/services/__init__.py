"""Actions: what a home asks of Flatpeak beyond its hourly cycle, a module for each kind."""

from homeassistant.core import HomeAssistant, callback

from . import costs


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    costs.async_setup(hass)
