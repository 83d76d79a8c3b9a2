"""Wait as long as Flatpeak asks for before it is asked again."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from copy import copy
from datetime import datetime, timedelta
from typing import Any, Final, override

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

from . import api
from .api import (
    FlatpeakAccountDisabledError,
    FlatpeakBusyError,
    FlatpeakError,
    FlatpeakInvalidRequestError,
    FlatpeakTariffError,
    FlatpeakVersionError,
)
from .const import DOMAIN

# Flatpeak asks not to repeat what it has refused any sooner (flatpeak-api.md,
# section 3).
REFUSAL_PATIENCE: Final = timedelta(minutes=15)

# However long a service says that it is busy.
LONGEST_REST: Final = timedelta(days=1)

# What status 422 stands for.
REFUSALS: Final = (
    FlatpeakAccountDisabledError,
    FlatpeakInvalidRequestError,
    FlatpeakTariffError,
    FlatpeakVersionError,
)

STORAGE_VERSION: Final = 1


class Patience:
    """Remembers how long Flatpeak, or one question, has to be left alone.

    Errors are kept as copies, which do not hold on to where they were raised.
    """

    def __init__(self) -> None:
        """Begin with nothing to wait for."""
        self._busy: tuple[FlatpeakBusyError, datetime] | None = None
        self._refused: dict[Hashable, tuple[FlatpeakError, datetime]] = {}

    @property
    def busy_until(self) -> datetime | None:
        """Return until when Flatpeak wants to rest, None where it does not."""
        if self._busy is None or self._busy[1] <= dt_util.utcnow():
            return None
        return self._busy[1]

    @property
    def refused(self) -> dict[Hashable, tuple[FlatpeakError, datetime]]:
        """Return the questions that must not be repeated now, why, and until when."""
        now = dt_util.utcnow()
        return {about: each for about, each in self._refused.items() if now < each[1]}

    @contextmanager
    def requests(self) -> Iterator[None]:
        """Guard requests of any kind: raise at once while Flatpeak wants to rest."""
        if self._busy is not None:
            err, until = self._busy
            rest = (until - dt_util.utcnow()).total_seconds()
            if rest > 0:
                raise type(err)(err.message, retry_after=rest)
        try:
            yield
        except FlatpeakBusyError as err:
            if err.retry_after is not None:
                seconds = min(err.retry_after, LONGEST_REST.total_seconds())
                until = dt_util.utcnow() + timedelta(seconds=seconds)
                self._busy = copy(err), until
                self._changed()
            raise

    @contextmanager
    def question(
        self,
        about: Hashable,
        refusals: tuple[type[FlatpeakError], ...] = REFUSALS,
    ) -> Iterator[None]:
        """Guard a question: raise at once while it must not be repeated.

        What only some refusals say something about is guarded against those alone.
        """
        if about in self._refused:
            refusal, until = self._refused[about]
            if dt_util.utcnow() < until:
                raise copy(refusal)
        try:
            yield
        except refusals as err:
            until = dt_util.utcnow() + REFUSAL_PATIENCE
            self._refused = {**self.refused, about: (copy(err), until)}
            self._changed()
            raise

    def _changed(self) -> None:
        """Note that there is more to wait for."""


class StoredPatience(Patience):
    """Patience that outlives Home Assistant.

    Only the questions that the cycle asks again by itself are stored.
    """

    def __init__(self, hass: HomeAssistant, location_id: str) -> None:
        """Name the file; nothing is read yet."""
        super().__init__()
        self._is_loaded = False
        self._store: Store[dict[str, Any]] = Store(
            hass,
            STORAGE_VERSION,
            f"{DOMAIN}.{location_id}.patience",
            private=True,
            atomic_writes=True,
        )

    async def async_load(self) -> None:
        """Go on waiting for what Home Assistant waited for before its start."""
        if self._is_loaded:
            return
        self._is_loaded = True
        if (data := await self._store.async_load()) is None:
            return
        if data["busy"] is not None:
            self._busy = _from_list(data["busy"])
        for about, waiting in data["refused"]:
            key = about[0] if len(about) == 1 else tuple(about)
            self._refused[key] = _from_list(waiting)

    @override
    def _changed(self) -> None:
        """Write it down soon."""
        self._store.async_delay_save(self._as_dict)

    def _as_dict(self) -> dict[str, Any]:
        """Return what there is to wait for as it is stored."""
        refused = [
            (_parts(about), _as_list(*waiting))
            for about, waiting in self.refused.items()
        ]
        return {
            "busy": None if self._busy is None else _as_list(*self._busy),
            "refused": [
                [parts, waiting]
                for parts, waiting in refused
                if all(isinstance(part, str) for part in parts)
            ],
        }


def _parts(about: Hashable) -> list[Any]:
    """Return what a question is about, one by one."""
    return list(about) if isinstance(about, tuple) else [about]


def _as_list(err: FlatpeakError, until: datetime) -> list[Any]:
    """Return until when there is to wait, and why, as it is stored."""
    return [type(err).__name__, err.message, until.timestamp()]


def _from_list[T: FlatpeakError](data: list[Any]) -> tuple[T, datetime]:
    """Return what was stored."""
    name, message, until = data
    kind: type[T] = getattr(api, name)
    return kind(message), dt_util.utc_from_timestamp(until)


_PATIENCE: Final[HassKey[dict[str, StoredPatience]]] = HassKey(f"{DOMAIN}_patience")


@callback
def async_patience(hass: HomeAssistant, location_id: str) -> StoredPatience:
    """Return the patience with a location, which outlives a reload of its entry."""
    known = hass.data.setdefault(_PATIENCE, {})
    if location_id not in known:
        known[location_id] = StoredPatience(hass, location_id)
    return known[location_id]
