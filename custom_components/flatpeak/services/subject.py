"""What an action is about, and what a user can get wrong when calling one."""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import service

from ..api import FlatpeakTariffError, TariffDirection
from ..const import DOMAIN
from ..coordinator import FlatpeakConfigEntry, FlatpeakCoordinator
from ..meter import Flow, Meter
from ..patience import async_patience

ATTR_DIRECTION: Final = "direction"
ATTR_END: Final = "end"
ATTR_START: Final = "start"

DIRECTIONS: Final = {
    "import": TariffDirection.IMPORT,
    "export": TariffDirection.EXPORT,
    "local": TariffDirection.LOCAL,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """The home or the meter that an action is about."""

    coordinator: FlatpeakCoordinator
    object_id: str
    """The id of its location or device at Flatpeak."""

    @property
    def meter(self) -> Meter | None:
        """Return the meter, None for the home."""
        for meter in self.coordinator.meters:
            if meter.device_id == self.object_id:
                return meter
        return None

    @property
    def meters(self) -> Sequence[Meter]:
        """Return the meter, or all meters of the home."""
        return self.coordinator.meters if self.meter is None else [self.meter]

    @property
    def flow(self) -> Flow:
        """Return which way its energy flows, for the home as if it were bought."""
        return Flow.GRID_IMPORT if self.meter is None else self.meter.flow

    def direction(self, name: str | None) -> TariffDirection:
        """Return the named direction, or else that of the prices that apply to it."""
        return self.flow.tariff_direction if name is None else DIRECTIONS[name]

    @contextmanager
    def asking(self, about: Hashable, *request: Hashable) -> Iterator[None]:
        """Guard a request: leave Flatpeak its rest, and do not repeat what it refused.

        That there is no price holds for all that is asked about the same thing, any
        other refusal for the very request.
        """
        patience = async_patience(self.coordinator.hass, self.coordinator.location_id)
        with (
            patience.requests(),
            patience.question(about, (FlatpeakTariffError,)),
            patience.question((self.object_id, *request)),
        ):
            yield


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


def mistake(key: str, **placeholders: str) -> ServiceValidationError:
    """Return what the user did wrong."""
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders=placeholders,
    )
