"""Time zone and currency of an address."""

from collections.abc import Mapping
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from .errors import refused


class Place(NamedTuple):
    """What the service derives from an address."""

    zone: ZoneInfo
    currency: str


_COUNTRIES: Final = {
    "AT": ("Europe/Vienna", "EUR"),
    "AU": ("Australia/Sydney", "AUD"),
    "BE": ("Europe/Brussels", "EUR"),
    "CH": ("Europe/Zurich", "CHF"),
    "CZ": ("Europe/Prague", "CZK"),
    "DE": ("Europe/Berlin", "EUR"),
    "DK": ("Europe/Copenhagen", "DKK"),
    "ES": ("Europe/Madrid", "EUR"),
    "FI": ("Europe/Helsinki", "EUR"),
    "FR": ("Europe/Paris", "EUR"),
    "GB": ("Europe/London", "GBP"),
    "IE": ("Europe/Dublin", "EUR"),
    "IN": ("Asia/Kolkata", "INR"),
    "IT": ("Europe/Rome", "EUR"),
    "JP": ("Asia/Tokyo", "JPY"),
    "NL": ("Europe/Amsterdam", "EUR"),
    "NO": ("Europe/Oslo", "NOK"),
    "NP": ("Asia/Kathmandu", "NPR"),
    "NZ": ("Pacific/Auckland", "NZD"),
    "PL": ("Europe/Warsaw", "PLN"),
    "PT": ("Europe/Lisbon", "EUR"),
    "SE": ("Europe/Stockholm", "SEK"),
}

_STATES: Final = {
    "CA": "America/Los_Angeles",
    "CO": "America/Denver",
    "FL": "America/New_York",
    "IL": "America/Chicago",
    "NY": "America/New_York",
    "TX": "America/Chicago",
    "WA": "America/Los_Angeles",
}


def find_place(address: Mapping[str, str]) -> Place | None:
    """Return the place of an address; None where it does not say enough."""
    country = address.get("country_code", "").upper()
    if not address.get("city"):
        return None
    if country == "US":
        zone = _STATES.get(address.get("state", "").upper())
        return Place(ZoneInfo(zone), "USD") if zone else None
    if country in _COUNTRIES:
        name, currency = _COUNTRIES[country]
        return Place(ZoneInfo(name), currency)
    return None


def require_place(address: Mapping[str, str]) -> Place:
    """Return the place of an address; refuse with what is missing."""
    if place := find_place(address):
        return place
    if not address.get("country_code"):
        raise refused("country_code_missing", "The address has no country_code.")
    if not address.get("city"):
        raise refused("city_missing", "The address has no city.")
    if address["country_code"].upper() == "US":
        raise refused("state_missing", "The address has no state that is known.")
    raise refused("country_not_supported", "There are no tariffs for this country.")
