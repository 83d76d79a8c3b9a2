"""Ask Flatpeak what sessions cost, until it has priced all of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from math import fsum
from typing import Final

from .api import FlatpeakClient, FlatpeakNotFoundError, FlatpeakTariffError
from .audit import is_counted
from .const import LOGGER
from .journal import Journal
from .meter import Meter
from .patience import Patience
from .sessions import PricedSession, Session, SessionCost

# A session that has no cost yet is asked for in every cycle for a day. Prices are
# settled late: each night all of the last weeks are asked for again.
ASKED_OFTEN: Final = timedelta(days=1)
ASKED_NIGHTLY: Final = timedelta(days=35)


class SessionReporter:
    """Prices the sessions of a home's meters."""

    def __init__(
        self,
        client: FlatpeakClient,
        journal: Journal,
        meters: Sequence[Meter],
        patience: Patience,
    ) -> None:
        """Keep what the reports need."""
        self._client = client
        self._journal = journal
        self._meters = meters
        self._patience = patience

    def is_waiting(self, now: datetime) -> bool:
        """Return whether a session of the last day does not have its cost yet."""
        return any(any(self._due(meter, now, is_night=False)) for meter in self._meters)

    async def async_price(
        self, now: datetime, *, is_night: bool
    ) -> list[tuple[str, PricedSession]]:
        """Ask for the costs that are due.

        Return the sessions that have their first cost now, each with its device id.
        """
        found = []
        is_changed = False
        for meter in self._meters:
            for session in list(self._due(meter, now, is_night=is_night)):
                before = session.cost
                await self._async_ask(meter, session)
                is_changed |= session.cost != before
                priced = session.priced(meter.device_id)
                if priced is not None and before is None:
                    found.append((meter.device_id, priced))
        if is_changed:
            await self._journal.async_save()
        return found

    def _due(self, meter: Meter, now: datetime, *, is_night: bool) -> Iterator[Session]:
        """Yield the sessions of a meter whose cost is to be asked for."""
        known = self._journal.meters[meter.device_id]
        for session in known.sessions:
            if not known.is_submitted(session) or session.end is None:
                continue
            age = now - session.end
            if is_night:
                is_due = age < ASKED_NIGHTLY
            else:
                is_due = age < ASKED_OFTEN and not session.is_complete
            if is_due:
                yield session

    async def _async_ask(self, meter: Meter, session: Session) -> None:
        """Take over what a session cost, once Flatpeak has all of its energy."""
        direction = meter.flow.tariff_direction
        try:
            with self._patience.question((meter.device_id, direction, "session")):
                report = await self._client.get_session_costs(
                    session.session_id(meter.device_id), direction
                )
        except FlatpeakNotFoundError, FlatpeakTariffError:
            LOGGER.debug("Flatpeak cannot price a session now")
            return
        energy_wh = fsum(row.energy_wh for row in report.rows)
        if session.records and not is_counted(energy_wh, [*session.records.values()]):
            LOGGER.debug("Flatpeak has not all of the energy of a session yet")
            return
        session.cost = SessionCost(
            energy_wh=energy_wh,
            cost=fsum(row.cost for row in report.rows),
            currency=report.currency,
        )
