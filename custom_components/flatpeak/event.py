"""Event: a session of a meter has its cost."""

from typing import Final, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.components.logbook import async_log_entry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import DOMAIN
from .coordinator import FlatpeakConfigEntry
from .costs import WH_PER_KWH
from .entity import FlatpeakMeterEntity
from .sessions import PricedSession

# The coordinator tells what has happened.
PARALLEL_UPDATES = 0

PRICED: Final = "priced"

SESSION: Final = EventEntityDescription(
    key="session",
    translation_key="session",
    event_types=[PRICED],
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FlatpeakConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the events of the meters that have sessions."""
    coordinator = entry.runtime_data
    for meter in coordinator.meters:
        if meter.session is not None:
            async_add_entities(
                [FlatpeakSessionEvent(coordinator, meter, SESSION)],
                config_subentry_id=meter.subentry_id,
            )


class FlatpeakSessionEvent(FlatpeakMeterEntity, EventEntity):
    """That a session of a meter has its cost."""

    @override
    async def async_added_to_hass(self) -> None:
        """Listen for sessions that have their cost."""
        await super().async_added_to_hass()
        self.async_on_remove(
            self.coordinator.async_listen_sessions(
                self._meter.device_id, self._async_priced
            )
        )

    @callback
    def async_entity_id_changed(self, old_entity_id: str) -> None:  # type: ignore[explicit-override, unused-ignore]  # overrides as of 2026.11
        """Go on under another name: nothing that is listened for depends on it."""

    @property
    @override
    def available(self) -> bool:
        """Return that what was told still holds, although Flatpeak does not answer."""
        return True

    @callback
    def _async_priced(self, session: PricedSession) -> None:
        """Tell what a session cost, energy in kWh and times in that of the home."""
        zone, cost = self.coordinator.zone, session.cost
        energy = cost.energy_wh / WH_PER_KWH
        self._trigger_event(
            PRICED,
            {
                "session_id": session.session_id,
                "energy": energy,
                "cost": cost.cost,
                "currency": cost.currency,
                "average_price": cost.average_price,
                "start": session.start.astimezone(zone).isoformat(),
                "end": session.end.astimezone(zone).isoformat(),
                "is_estimated": session.is_estimated,
            },
        )
        self.async_write_ha_state()
        async_log_entry(
            self.hass,
            self._meter.name,
            f"session cost {cost.cost:.2f} {cost.currency} for {energy:.2f} kWh",
            DOMAIN,
            self.entity_id,
        )
