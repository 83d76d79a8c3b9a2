"""Flatpeak Connect: send the user to his supplier, and learn how that ended."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
import secrets
from typing import Final, Self

from aiohttp import web
from yarl import URL

from homeassistant.components.http import KEY_HASS, HomeAssistantView
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import http
from homeassistant.helpers.config_entry_oauth2_flow import HEADER_FRONTEND_BASE
from homeassistant.helpers.network import get_url
from homeassistant.util.hass_dict import HassKey

from .api import (
    ConnectionStatus,
    FlatpeakBusyError,
    FlatpeakClient,
    FlatpeakConnectionError,
    FlatpeakNotFoundError,
    FlatpeakTariffError,
    FlatpeakTariffPendingError,
    TariffDirection,
    TariffLeg,
)
from .const import DOMAIN

PATH: Final = f"/api/{DOMAIN}/connect"

# A login at a supplier takes minutes; who is not back in half an hour has left.
PATIENCE_SECONDS: Final = 1800
POLL_SECONDS: Final = 10
# When the browser is back, Flatpeak may need a moment to know of it.
RETURN_POLLS: Final = 5
RETURN_POLL_SECONDS: Final = 2


class VisitOutcome(StrEnum):
    """How a visit to Connect ended, by the translation key where it led to nothing."""

    CONNECTED = "connected"
    CANCELLED = "connect_cancelled"
    TIMED_OUT = "connect_timed_out"


# The visits that a browser may come back from, by the secret in their call-back.
_VISITS: Final[HassKey[dict[str, asyncio.Event]]] = HassKey(f"{DOMAIN}_connect")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A visit of the user's browser to Connect, for one tariff of a location."""

    hass: HomeAssistant
    client: FlatpeakClient
    location_id: str
    direction: TariffDirection
    token: str = field(repr=False)
    url: str = field(repr=False)
    """Where the user's browser is to go."""
    before: TariffLeg | None
    """The tariff that the location had before."""
    secret: str = field(repr=False)
    returned: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    async def async_begin(
        cls,
        hass: HomeAssistant,
        client: FlatpeakClient,
        location_id: str,
        direction: TariffDirection,
        connect_url: str,
    ) -> Self:
        """Open a session at Flatpeak, from which the browser comes back to us.

        Raises NoURLAvailableError where Home Assistant does not know its own address.
        """
        secret = secrets.token_urlsafe(32)
        token = await client.create_connect_token(
            location_id,
            direction,
            connect_url=connect_url,
            callback_url=f"{_own_url(hass)}{PATH}/{secret}",
        )
        visit = cls(
            hass=hass,
            client=client,
            location_id=location_id,
            direction=direction,
            token=token,
            url=str(URL(connect_url) / "" % {"fp_cot": token}),
            before=await _async_leg(client, location_id, direction),
            secret=secret,
        )
        _async_visits(hass)[secret] = visit.returned
        return visit

    async def async_outcome(self) -> VisitOutcome:
        """Wait until the visit has ended, or is taken for abandoned."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not self.returned.is_set():
                    if await self._async_is_connected():
                        return VisitOutcome.CONNECTED
                    await self._async_pause()
        if not self.returned.is_set():
            return VisitOutcome.TIMED_OUT
        for _ in range(RETURN_POLLS):
            if await self._async_is_connected():
                return VisitOutcome.CONNECTED
            await asyncio.sleep(RETURN_POLL_SECONDS)
        return VisitOutcome.CANCELLED

    async def _async_pause(self) -> None:
        """Wait a while, or until the browser is back."""
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self.returned.wait()

    async def _async_is_connected(self) -> bool:
        """Return whether the user has connected a tariff; not so while Flatpeak is away."""
        try:
            return await self._async_is_saved() or await self._async_has_changed()
        except FlatpeakBusyError, FlatpeakConnectionError:
            return False

    async def _async_is_saved(self) -> bool:
        """Return whether the session says so; no source is sure that it can be asked."""
        try:
            return (await self.client.get_connect_outcome(self.token)).is_saved
        except FlatpeakTariffPendingError:
            return True  # The tariff is there, and its prices are being fetched.
        except FlatpeakNotFoundError:
            return False

    async def _async_has_changed(self) -> bool:
        """Return whether the location has another tariff than before."""
        leg = await _async_leg(self.client, self.location_id, self.direction)
        is_connected = leg is not None and leg.status is ConnectionStatus.CONNECTED
        return is_connected and leg != self.before

    @callback
    def async_end(self) -> None:
        """Expect no browser any more."""
        self.hass.data[_VISITS].pop(self.secret, None)


@callback
def _async_visits(hass: HomeAssistant) -> dict[str, asyncio.Event]:
    """Return the visits that a browser may come back from.

    The first home is set up by a flow before anything else of the integration is.
    """
    if _VISITS not in hass.data:
        hass.data[_VISITS] = {}
        hass.http.register_view(ConnectView)
    return hass.data[_VISITS]


async def _async_leg(
    client: FlatpeakClient, location_id: str, direction: TariffDirection
) -> TariffLeg | None:
    """Return the tariff of a location, None where Flatpeak does not say."""
    try:
        status = await client.get_location_status(location_id)
    except FlatpeakTariffError:
        return None
    if direction is TariffDirection.EXPORT:
        return status.export_tariff
    return status.import_tariff


def _own_url(hass: HomeAssistant) -> str:
    """Return the address at which the user's browser has reached Home Assistant."""
    request = http.current_request.get()
    base = request and request.headers.get(HEADER_FRONTEND_BASE)
    return base or get_url(hass, prefer_external=True)


class ConnectView(HomeAssistantView):
    """Where a browser comes back from Connect; the secret in the path tells whose it is."""

    url = f"{PATH}/{{secret}}"
    name = f"api:{DOMAIN}:connect"
    requires_auth = False

    async def get(self, request: web.Request, secret: str) -> web.Response:
        """Let the flow go on that has sent the browser away."""
        returned = request.app[KEY_HASS].data[_VISITS].get(secret)
        if returned is None:
            return _page(
                "Home Assistant does not wait for this any more.", HTTPStatus.NOT_FOUND
            )
        returned.set()
        return _page(
            "Go back to Home Assistant. You can close this window.", HTTPStatus.OK
        )


def _page(text: str, status: HTTPStatus) -> web.Response:
    """Return a page that closes itself where the browser lets it."""
    return web.Response(
        text=f"<!doctype html><title>Flatpeak</title><p>{text}</p><script>window.close()</script>",
        content_type="text/html",
        status=status,
    )
