"""What is left of meters that were removed: their costs, and the choice to clear them."""

from collections.abc import Iterable
from typing import Final

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.recorder import get_instance

from .const import DOMAIN
from .coordinator import FlatpeakConfigEntry
from .journal import Journal
from .meter import cost_statistic_ids
from .statistics import async_written

COSTS_REMAIN: Final = "costs_remain"


@callback
def async_offer_to_clear(
    hass: HomeAssistant,
    owner_id: str,
    name: str,
    *,
    location_id: str,
    device_ids: Iterable[str],
) -> None:
    """Offer to clear the costs of a removed home or meter; they stay unless one agrees.

    The offer ends with Home Assistant: without any home, nothing of the integration
    would be there to act on it.
    """
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(owner_id),
        data={
            "key": COSTS_REMAIN,
            "location_id": location_id,
            "device_ids": " ".join(device_ids),
            "name": name,
        },
        is_fixable=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key=COSTS_REMAIN,
        translation_placeholders={"name": name},
    )


@callback
def async_withdraw_offers(hass: HomeAssistant, owner_ids: Iterable[str]) -> None:
    """Offer no more to clear the costs of homes and meters that are there again."""
    for owner_id in owner_ids:
        ir.async_delete_issue(hass, DOMAIN, _issue_id(owner_id))


def _issue_id(owner_id: str) -> str:
    """Return the id of the repair that offers to clear costs."""
    return f"{COSTS_REMAIN}_{owner_id}"


async def async_clear_left_costs(
    hass: HomeAssistant, location_id: str, device_ids: Iterable[str]
) -> None:
    """Clear the costs of removed meters, which are asked for again if they come back."""
    device_ids = set(device_ids)
    journal = await _async_journal(hass, location_id)
    for device_id in device_ids:
        journal.meters[device_id].owe_all_costs()
    await journal.async_save()
    get_instance(hass).async_clear_statistics(list(cost_statistic_ids(device_ids)))
    await async_written(hass)


async def _async_journal(hass: HomeAssistant, location_id: str) -> Journal:
    """Return the journal of a location, which a home that is set up has in hand."""
    entry: FlatpeakConfigEntry | None = (
        hass.config_entries.async_entry_for_domain_unique_id(DOMAIN, location_id)
    )
    if entry is not None and entry.state is ConfigEntryState.LOADED:
        return entry.runtime_data.journal
    journal = Journal(hass, location_id)
    await journal.async_load()
    return journal
