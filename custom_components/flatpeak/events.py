"""Tell the user what has happened to the tariffs of a home, as Flatpeak's events say."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback

from .api import Event, FlatpeakClient, FlatpeakError, LocationStatus, TariffLeg
from .const import LOGGER
from .issues import async_issues, async_raise_issue, async_withdraw_issue
from .patience import Patience

INTERVAL: Final = timedelta(days=1)


class Notice(StrEnum):
    """What the user can do something about: the key of its repair."""

    EXPIRING = "tariff_expiring"
    EXPIRED = "tariff_expired"
    FETCH_FAILED = "tariff_fetch_failed"
    UPGRADE = "tariff_upgrade"


# New types of events may appear at any time (flatpeak-api.md, section 11).
_NOTICES: Final = {
    "tariff.expiring": Notice.EXPIRING,
    "tariff.expired": Notice.EXPIRED,
    "tariff.fetch.failed": Notice.FETCH_FAILED,
    "tariff.connection.upgrade": Notice.UPGRADE,
}
# What shows that a notice of before is out of date.
_CONNECTED: Final = "connect_session.complete"
_PRICES_CAME: Final = ("location.update", "locaiton.update")
_SETTLED_BY: Final = {
    Notice.EXPIRING: ("tariff.expired",),
    Notice.EXPIRED: (),
    Notice.FETCH_FAILED: (_CONNECTED, *_PRICES_CAME),
    Notice.UPGRADE: (_CONNECTED,),
}


# A contract that ends so much later than the event was not the one that it was about.
_BEYOND: Final = {Notice.EXPIRING: timedelta(days=90), Notice.EXPIRED: timedelta()}


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenNotice:
    """A notice that holds, and the tariff that it is about."""

    notice: Notice
    tariff_id: str
    tariff_name: str | None


def open_notices(events: Iterable[Event], status: LocationStatus) -> set[OpenNotice]:
    """Return what holds, of events from the oldest to the newest: pure.

    A notice is about one tariff, and ends with it.
    """
    events = list(events)
    return {
        OpenNotice(
            notice=notice,
            tariff_id=leg.tariff_id,
            tariff_name=leg.tariff_name or leg.provider_name,
        )
        for leg in status.legs.values()
        if leg.tariff_id is not None
        for number, event in enumerate(events)
        if event.tariff_id == leg.tariff_id
        and (notice := _NOTICES.get(event.event_type)) is not None
        and not _is_settled(notice, events[number + 1 :])
        and not _is_renewed(notice, leg, event)
    }


def _is_settled(notice: Notice, later: Iterable[Event]) -> bool:
    """Return whether what has happened later makes a notice out of date."""
    return any(event.event_type in _SETTLED_BY[notice] for event in later)


def _is_renewed(notice: Notice, leg: TariffLeg, event: Event) -> bool:
    """Return whether the contract of a tariff goes on, of which the end was told."""
    beyond = _BEYOND.get(notice)
    if beyond is None or leg.contract_end is None or event.time_created is None:
        return False
    return leg.contract_end > event.time_created + beyond


class EventWatch:
    """Asks for the events of a home once a day, and keeps its repairs in step."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        client: FlatpeakClient,
        location_id: str,
        patience: Patience,
    ) -> None:
        """Take the home; nothing is asked yet."""
        self._hass = hass
        self._entry = entry
        self._client = client
        self._location_id = location_id
        self._patience = patience
        self._events: list[Event] = []
        self._asked: datetime | None = None

    async def async_look(self, now: datetime, status: LocationStatus | None) -> None:
        """Tell the user what is new, and no more of what is over."""
        if self._asked is None or now - self._asked >= INTERVAL:
            await self._async_ask(now)
        if status is not None:
            self._async_tell(open_notices(self._events, status))

    async def _async_ask(self, now: datetime) -> None:
        """Ask for the events; whatever else the cycle does goes on without them."""
        try:
            with self._patience.requests(), self._patience.question("events"):
                self._events = await self._client.get_events(self._location_id)
        except FlatpeakError as err:
            LOGGER.debug("The events have to wait: %s", err)
        else:
            self._asked = now

    @callback
    def _async_tell(self, notices: Collection[OpenNotice]) -> None:
        """Raise the repairs that hold, and withdraw the others."""
        for each in notices:
            async_raise_issue(
                self._hass,
                self._entry,
                each.notice,
                about=each.tariff_id,
                is_fixable=True,
                tariff=each.tariff_name or self._entry.title,
            )
        told = {(each.notice, each.tariff_id) for each in notices}
        for issue in async_issues(self._hass, self._entry):
            key = issue.translation_key or ""
            about = str((issue.data or {}).get("about"))
            if key in Notice and (key, about) not in told:
                async_withdraw_issue(self._hass, self._entry, key, about=about)
