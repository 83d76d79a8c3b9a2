"""What an action is about, and what a user can get wrong when calling one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import service

from ..api import TariffDirection
from ..const import DOMAIN
from ..coordinator import FlatpeakConfigEntry, FlatpeakCoordinator
from ..meter import Meter

ATTR_END: Final = "end"
ATTR_START: Final = "start"


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """The home or the meter that an action is about."""

    coordinator: FlatpeakCoordinator
    object_id: str
    """The id of its location or device at Flatpeak."""

    @property
    def meters(self) -> Sequence[Meter]:
        """Return the meter, or all meters of the home."""
        meters = self.coordinator.meters
        return [each for each in meters if each.device_id == self.object_id] or meters

    @property
    def direction(self) -> TariffDirection:
        """Return which prices apply to it, those of import for the home."""
        for meter in self.coordinator.meters:
            if meter.device_id == self.object_id:
                return meter.flow.tariff_direction
        return TariffDirection.IMPORT


@callback
def async_subject(hass: HomeAssistant, device_id: str) -> Subject:
    """Return the home or the meter that a device stands for.

    Raise ServiceValidationError where it stands for none, or for one whose home is
    not set up.
    """
    entry: FlatpeakConfigEntry
    device, entry = service.async_get_device_and_config_entry(hass, DOMAIN, device_id)
    (object_id,) = (value for domain, value in device.identifiers if domain == DOMAIN)
    return Subject(coordinator=entry.runtime_data, object_id=object_id)


def mistake(key: str) -> ServiceValidationError:
    """Return what the user did wrong."""
    return ServiceValidationError(translation_domain=DOMAIN, translation_key=key)
