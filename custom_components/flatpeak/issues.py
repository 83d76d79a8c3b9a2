"""Raise repairs for what only the user can mend, and withdraw them once it is mended."""

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir

from .const import DOMAIN


@callback
def async_raise_issue(
    hass: HomeAssistant,
    entry: ConfigEntry,
    key: str,
    *,
    is_fixable: bool = False,
    **placeholders: str,
) -> None:
    """Raise the repair of a home that a translation key explains.

    A fixable one has a flow of the same key in `repairs.py`.
    """
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(entry, key),
        data={"entry_id": entry.entry_id, "key": key},
        is_fixable=is_fixable,
        severity=ir.IssueSeverity.WARNING,
        translation_key=key,
        translation_placeholders={"home": entry.title, **placeholders},
    )


@callback
def async_withdraw_issue(hass: HomeAssistant, entry: ConfigEntry, key: str) -> None:
    """Withdraw a repair of a home."""
    ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, key))


@callback
def async_withdraw_issues(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Withdraw all repairs of a home."""
    for domain, issue_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN and issue_id.endswith(_issue_id(entry, "")):
            ir.async_delete_issue(hass, domain, issue_id)


def _issue_id(entry: ConfigEntry, key: str) -> str:
    """Return the id of a repair of a home."""
    return f"{key}_{entry.entry_id}"
