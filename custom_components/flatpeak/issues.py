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
    about: str = "",
    is_fixable: bool = False,
    **placeholders: str,
) -> None:
    """Raise the repair of a home that a translation key explains.

    A home can have one for each of several things that it is about. A fixable one
    has a flow of the same key in `repairs.py`.
    """
    ir.async_create_issue(
        hass,
        DOMAIN,
        _issue_id(entry, key, about),
        data={"entry_id": entry.entry_id, "key": key, "about": about},
        is_fixable=is_fixable,
        severity=ir.IssueSeverity.WARNING,
        translation_key=key,
        translation_placeholders={"home": entry.title, **placeholders},
    )


@callback
def async_withdraw_issue(
    hass: HomeAssistant, entry: ConfigEntry, key: str, *, about: str = ""
) -> None:
    """Withdraw a repair of a home."""
    ir.async_delete_issue(hass, DOMAIN, _issue_id(entry, key, about))


@callback
def async_withdraw_issues(
    hass: HomeAssistant, entry: ConfigEntry, *, about: str | None = None
) -> None:
    """Withdraw all repairs of a home, or those that are about one thing."""
    for issue in async_issues(hass, entry):
        if about in (None, (issue.data or {}).get("about")):
            ir.async_delete_issue(hass, DOMAIN, issue.issue_id)


@callback
def async_issues(hass: HomeAssistant, entry: ConfigEntry) -> list[ir.IssueEntry]:
    """Return all repairs of a home."""
    return [
        issue
        for (domain, issue_id), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue_id.endswith(_issue_id(entry, ""))
    ]


def _issue_id(entry: ConfigEntry, key: str, about: str = "") -> str:
    """Return the id of a repair of a home."""
    return "_".join(filter(None, (key, about))) + f"_{entry.entry_id}"
