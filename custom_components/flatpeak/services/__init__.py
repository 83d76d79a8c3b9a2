"""Actions: what a home asks of Flatpeak beyond its hourly cycle, a module for each kind."""

from homeassistant.core import HomeAssistant, callback

from . import costs, estimate, plan, prices, resubmit, sessions, sync, windows


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    for kind in (costs, estimate, plan, prices, resubmit, sessions, sync, windows):
        kind.async_setup(hass)
