"""Remember what must survive a crash: cursors and the submission in doubt.

The journal is kept per location and outlives the config entry, since records
cannot be read back from Flatpeak.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, Self, override

from homeassistant.core import HomeAssistant
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .api import FlatpeakError
from .const import DOMAIN
from .intervals import EnergyInterval

STORAGE_VERSION: Final = 1

FRESH: Final = "fresh"
HISTORY: Final = "history"


@dataclass(kw_only=True)
class Stretch:
    """A stretch of a meter's time, and how far it is accepted by Flatpeak."""

    start: datetime
    position: datetime
    """The cursor: everything in the stretch before it is accepted."""
    end: datetime | None = None
    """None when the stretch goes on with time."""
    carry_wh: float = 0.0

    @classmethod
    def beginning(cls, start: datetime, end: datetime | None = None) -> Self:
        """Return a stretch of which nothing is accepted yet."""
        return cls(start=start, position=start, end=end)

    def as_dict(self) -> dict[str, Any]:
        """Return the stretch as it is stored."""
        return {
            "start": _stamp(self.start),
            "position": _stamp(self.position),
            "end": None if self.end is None else _stamp(self.end),
            "carry_wh": self.carry_wh,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored stretch."""
        return cls(
            start=dt_util.utc_from_timestamp(data["start"]),
            position=dt_util.utc_from_timestamp(data["position"]),
            end=None
            if data["end"] is None
            else dt_util.utc_from_timestamp(data["end"]),
            carry_wh=data["carry_wh"],
        )


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A record that Flatpeak did not take, with its reason."""

    interval: EnergyInterval
    reason: str
    since: datetime

    def as_dict(self) -> dict[str, Any]:
        """Return the refusal as it is stored."""
        return {
            "interval": _interval_as_list(self.interval),
            "reason": self.reason,
            "since": _stamp(self.since),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored refusal."""
        return cls(
            interval=_interval_from_list(data["interval"]),
            reason=data["reason"],
            since=dt_util.utc_from_timestamp(data["since"]),
        )


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of time."""

    start: datetime
    end: datetime

    def as_list(self) -> list[float]:
        """Return the span as it is stored."""
        return [_stamp(self.start), _stamp(self.end)]

    @classmethod
    def from_list(cls, data: list[float]) -> Self:
        """Return a stored span."""
        start, end = map(dt_util.utc_from_timestamp, data)
        return cls(start=start, end=end)


@dataclass(kw_only=True)
class MeterJournal:
    """What is known of the records of one meter.

    The fresh hours go on with time. The history is the stretch before them that
    is still being filled in; it is gone when it is done.
    """

    wanted: datetime
    """The oldest beginning of history that was ever asked for."""
    fresh: Stretch
    history: Stretch | None = None
    refusals: list[Refusal] = field(default_factory=list)
    unpriced: Span | None = None
    """The time in which energy was accepted whose cost is still to be asked for."""

    def accepted(self) -> Iterator[tuple[datetime, datetime]]:
        """Yield the windows of time that Flatpeak has accepted."""
        if self.history is not None:
            yield self.history.start, self.history.position
        yield self.fresh.start, self.fresh.position

    def stretch(self, kind: str | None) -> Stretch | None:
        """Return the stretch of a kind, None when the meter has none."""
        return {FRESH: self.fresh, HISTORY: self.history}.get(kind or "")

    def accept(self, part: Part, refused: Iterable[Refusal]) -> None:
        """Move the cursor over an answered part.

        Refused records do not hold up the others: they are kept apart. One that
        is refused again keeps the time of its first refusal.
        """
        sent = {interval.start for interval in part.intervals}
        since = {refusal.interval.start: refusal.since for refusal in self.refusals}
        self.refusals = [
            *(kept for kept in self.refusals if kept.interval.start not in sent),
            *(
                replace(new, since=since.get(new.interval.start, new.since))
                for new in refused
            ),
        ]
        if (stretch := self.stretch(part.stretch)) is not None:
            stretch.position = part.position
            stretch.carry_wh = part.carry_wh
        if part.intervals:
            self.owe_costs(part.intervals[0].start, part.intervals[-1].end)

    def owe_costs(self, start: datetime, end: datetime) -> None:
        """Remember that the costs of a time are to be asked for."""
        if (owed := self.unpriced) is not None:
            start, end = min(start, owed.start), max(end, owed.end)
        self.unpriced = Span(start=start, end=end)

    def settle_costs(self, start: datetime, end: datetime) -> None:
        """Note that the costs of a time are known."""
        owed = self.unpriced
        if owed is None or not start <= owed.start < end:
            return
        self.unpriced = Span(start=end, end=owed.end) if end < owed.end else None

    def history_progress(self) -> tuple[timedelta, timedelta]:
        """Return how much of the history is accepted, and how much is wanted."""
        if self.history is None or self.history.end is None:
            return timedelta(), timedelta()
        start = self.history.start
        return self.history.position - start, self.history.end - start

    def finish_history(self) -> None:
        """Join the history, all of it submitted, to the fresh hours."""
        if self.history is not None:
            self.fresh.start = self.history.start
            self.fresh.carry_wh += self.history.carry_wh
            self.history = None

    def as_dict(self) -> dict[str, Any]:
        """Return the meter's journal as it is stored."""
        return {
            "wanted": _stamp(self.wanted),
            "fresh": self.fresh.as_dict(),
            "history": None if self.history is None else self.history.as_dict(),
            "refusals": [refusal.as_dict() for refusal in self.refusals],
            "unpriced": None if self.unpriced is None else self.unpriced.as_list(),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored meter's journal."""
        history = data["history"]
        return cls(
            wanted=dt_util.utc_from_timestamp(data["wanted"]),
            fresh=Stretch.from_dict(data["fresh"]),
            history=None if history is None else Stretch.from_dict(history),
            refusals=[Refusal.from_dict(refusal) for refusal in data["refusals"]],
            unpriced=None
            if (unpriced := data.get("unpriced")) is None
            else Span.from_list(unpriced),
        )


@dataclass(frozen=True, kw_only=True)
class Part:
    """The part of a submission that belongs to one meter."""

    device_id: str
    intervals: tuple[EnergyInterval, ...]
    stretch: str | None
    """The stretch that moves on with it; None when refused records are tried again."""
    position: datetime
    carry_wh: float

    def as_dict(self) -> dict[str, Any]:
        """Return the part as it is stored."""
        return {
            "device_id": self.device_id,
            "intervals": [_interval_as_list(interval) for interval in self.intervals],
            "stretch": self.stretch,
            "position": _stamp(self.position),
            "carry_wh": self.carry_wh,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored part."""
        return cls(
            device_id=data["device_id"],
            intervals=tuple(map(_interval_from_list, data["intervals"])),
            stretch=data["stretch"],
            position=dt_util.utc_from_timestamp(data["position"]),
            carry_wh=data["carry_wh"],
        )


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Records that are sent together, in doubt until Flatpeak has answered."""

    sent: datetime
    parts: tuple[Part, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the submission as it is stored."""
        return {
            "sent": _stamp(self.sent),
            "parts": [part.as_dict() for part in self.parts],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Return a stored submission."""
        return cls(
            sent=dt_util.utc_from_timestamp(data["sent"]),
            parts=tuple(map(Part.from_dict, data["parts"])),
        )


type Refusals = Mapping[str, Iterable[Refusal]]
"""Refused records by device id."""


class JournalError(FlatpeakError):
    """Report that the journal is not on disk: nothing may be sent then."""

    default_message = "What is sent to Flatpeak cannot be noted on disk"


class _JournalStore(Store[dict[str, Any]]):
    """A store that has written when it says so.

    Home Assistant's own only logs that it could not write, and waits with the
    writing when Home Assistant is about to stop.
    """

    _is_written = False

    @override
    async def async_save(self, data: dict[str, Any]) -> None:
        """Write to disk now, raise JournalError when that fails."""
        self._is_written = False
        await super().async_save(data)
        # Does nothing unless the writing waits for the end of Home Assistant.
        await self._async_handle_write_data()  # type: ignore[no-untyped-call]  # not annotated there
        if not self._is_written:
            raise JournalError

    @override
    async def _async_write_data(self, data: dict[str, Any]) -> None:
        """Write to disk, and remember that it went well."""
        await super()._async_write_data(data)
        self._is_written = True


class Journal:
    """The journal of one location, kept on disk."""

    def __init__(self, hass: HomeAssistant, location_id: str) -> None:
        """Name the file; nothing is read yet."""
        self._hass = hass
        self.meters: dict[str, MeterJournal] = {}
        self.doubt: Submission | None = None
        self.batch_id: str | None = None
        """The accepted batch that Flatpeak may still be processing."""
        self.last_upload: datetime | None = None
        """When the newest records that Flatpeak has accepted were sent."""
        self.repriced_on: date | None = None
        """The last local day on which the past was priced again."""
        self._store = _JournalStore(
            hass,
            STORAGE_VERSION,
            f"{DOMAIN}.{location_id}",
            private=True,
            atomic_writes=True,
            serialize_in_event_loop=False,
        )

    async def async_load(self) -> None:
        """Read what is on disk."""
        if (data := await self._store.async_load()) is None:
            return
        self.meters = {
            device_id: MeterJournal.from_dict(meter)
            for device_id, meter in data["meters"].items()
        }
        if data["doubt"] is not None:
            self.doubt = await self._hass.async_add_executor_job(
                Submission.from_dict, data["doubt"]
            )
        self.batch_id = data["batch_id"]
        if (last_upload := data.get("last_upload")) is not None:
            self.last_upload = dt_util.utc_from_timestamp(last_upload)
        if (repriced_on := data.get("repriced_on")) is not None:
            self.repriced_on = date.fromisoformat(repriced_on)

    async def async_save(self) -> None:
        """Write to disk now, and wait until it is there.

        A submission can hold ten thousand records: too many for the event loop.
        """
        await self._store.async_save(
            await self._hass.async_add_executor_job(self._as_dict)
        )

    def _as_dict(self) -> dict[str, Any]:
        """Return the journal as it is stored."""
        return {
            "meters": {
                device_id: meter.as_dict() for device_id, meter in self.meters.items()
            },
            "doubt": None if self.doubt is None else self.doubt.as_dict(),
            "batch_id": self.batch_id,
            "last_upload": None
            if self.last_upload is None
            else _stamp(self.last_upload),
            "repriced_on": None
            if self.repriced_on is None
            else self.repriced_on.isoformat(),
        }

    async def async_doubt(self, submission: Submission) -> None:
        """Put a submission in doubt, before it is sent."""
        self.doubt = submission
        await self.async_save()

    async def async_accept(
        self, submission: Submission, batch_id: str | None, refusals: Refusals
    ) -> None:
        """Move the cursors to the end of an answered submission: no more doubt."""
        for part in submission.parts:
            self.meters[part.device_id].accept(part, refusals.get(part.device_id, ()))
        self.doubt = None
        self.batch_id = batch_id
        self.last_upload = submission.sent
        await self.async_save()

    async def async_drop_doubt(self) -> None:
        """Forget a submission that Flatpeak has surely not processed."""
        self.doubt = None
        await self.async_save()

    async def async_finish_history(self, device_ids: Iterable[str]) -> None:
        """Remember that all history of some meters is submitted."""
        for device_id in device_ids:
            self.meters[device_id].finish_history()
        await self.async_save()

    async def async_processed(self) -> None:
        """Remember that the last batch needs no more attention."""
        self.batch_id = None
        await self.async_save()


def _stamp(instant: datetime) -> float:
    """Return an instant as it is stored."""
    return instant.timestamp()


def _interval_as_list(interval: EnergyInterval) -> list[float]:
    """Return an interval as it is stored."""
    return [_stamp(interval.start), _stamp(interval.end), interval.energy_wh]


def _interval_from_list(data: list[float]) -> EnergyInterval:
    """Return a stored interval."""
    start, end, energy_wh = data
    return EnergyInterval(
        start=dt_util.utc_from_timestamp(start),
        end=dt_util.utc_from_timestamp(end),
        energy_wh=energy_wh,
    )
