"""The bare limit: read the rows, serialise them, send them, and nothing else.

It remembers nothing, checks nothing and waits for nothing, so it could lose or repeat
energy at any moment. Nothing that is written in Python on the same recorder is faster.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, Final

import orjson

from custom_components.flatpeak.api import (
    MAX_BATCH_RECORDS,
    FlatpeakClient,
    PostalAddress,
)
from custom_components.flatpeak.api.client import API_VERSION
from homeassistant.components.recorder.statistics import (
    StatisticsRow,
    statistics_during_period,
)
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from tests.e2e.simulator import ACCOUNT_ID, API_KEY
from tests.home import ADDRESS

from .energy import HOUR, statistic_ids
from .household import Household

MONTH: Final = timedelta(days=31)


@dataclass(kw_only=True)
class Sent:
    """What the bare loop has sent, and how long Flatpeak took to answer."""

    records: int = 0
    bytes: int = 0
    service_seconds: float = 0.0


class BareLoop:
    """Sends the energy of a household to devices of its own."""

    def __init__(
        self, household: Household, token: str, location_id: str, devices: list[str]
    ) -> None:
        """Take what the records name."""
        self._hass = household.hass
        self._session = async_get_clientsession(household.hass)
        self._url = f"{household.simulator.url}/meters/interval"
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Flatpeak-Version": API_VERSION,
        }
        self._location_id = location_id
        self._devices = dict(zip(statistic_ids(len(devices)), devices, strict=True))

    @classmethod
    async def async_prepare(cls, household: Household, meters: int) -> BareLoop:
        """Register a home at Flatpeak with so many meters."""
        client = FlatpeakClient(
            async_get_clientsession(household.hass),
            ACCOUNT_ID,
            API_KEY,
            base_url=household.simulator.url,
        )
        token = await client.login()
        location = await client.create_location("bare", PostalAddress(**ADDRESS))
        devices = [
            (await client.create_device(f"bare-{number}")).device_id
            for number in range(meters)
        ]
        return cls(household, token.bearer, location.location_id, devices)

    async def async_run(self, start: datetime, end: datetime) -> Sent:
        """Send all energy between two instants, as many records at a time as may be."""
        sent = Sent()
        window = min(MONTH, MAX_BATCH_RECORDS // len(self._devices) * HOUR)
        while start < end:
            border = min(start + window, end)
            rows = await get_instance(self._hass).async_add_executor_job(
                statistics_during_period,
                self._hass,
                start,
                border,
                set(self._devices),
                "hour",
                {"energy": "Wh"},
                {"change"},
            )
            await self._async_send(self._records(rows), sent)
            start = border
        return sent

    def _records(self, rows: Mapping[str, list[StatisticsRow]]) -> list[dict[str, Any]]:
        """Return the meter records of some rows."""
        return [
            self._record(device_id, row)
            for statistic_id, device_id in self._devices.items()
            for row in rows[statistic_id]
        ]

    def _record(self, device_id: str, row: StatisticsRow) -> dict[str, Any]:
        """Return the meter record of a row: all that the integration tells, too."""
        return {
            "location_id": self._location_id,
            "device_id": device_id,
            "record_reference_id": f"{device_id}-{row['start']:.0f}",
            "energy_flow_direction": "INBOUND",
            "tariff_direction": "IMPORT",
            "units": "WH",
            "value": row["change"],
            "start_time": _text(row["start"]),
            "end_time": _text(row["end"]),
        }

    async def _async_send(self, records: list[dict[str, Any]], sent: Sent) -> None:
        """Send records, and see that all are taken."""
        body = orjson.dumps(records)
        began = perf_counter()
        async with self._session.put(
            self._url, data=body, headers=self._headers
        ) as response:
            answer = await response.json()
        sent.service_seconds += perf_counter() - began
        if answer["records_accepted"] != len(records):
            raise RuntimeError(f"Flatpeak did not take all records: {answer}")
        sent.records += len(records)
        sent.bytes += len(body)


def _text(stamp: float) -> str:
    """Return a time stamp in RFC 3339."""
    return f"{dt_util.utc_from_timestamp(stamp).replace(tzinfo=None).isoformat()}Z"
