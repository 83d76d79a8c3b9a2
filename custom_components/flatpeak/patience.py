"""Wait as long as Flatpeak asks for before it is asked again."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from copy import copy
from datetime import datetime, timedelta
from typing import Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.util import dt as dt_util
from homeassistant.util.hass_dict import HassKey

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
            raise


_PATIENCE: Final[HassKey[dict[str, Patience]]] = HassKey(f"{DOMAIN}_patience")


@callback
def async_patience(hass: HomeAssistant, location_id: str) -> Patience:
    """Return the patience with a location, which outlives a reload of its entry."""
    return hass.data.setdefault(_PATIENCE, {}).setdefault(location_id, Patience())
