"""Sessions of Connect, and events: what is asked, and how the answers are read."""

from datetime import UTC, datetime

import pytest

from custom_components.flatpeak.api import (
    ConnectOutcome,
    Event,
    FlatpeakClient,
    FlatpeakResponseError,
    TariffDirection,
)

from .service import Answer, Service

TOKEN = "cot_1"
OUTCOME = {
    "id": TOKEN,
    "object": "connect_token",
    "complete_action": "SAVE",
    "is_tariff_processed": True,
}
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "tariff.expired",
    "time_created": "2026-11-20T08:00:00Z",
    "data": {"location_id": "loc_1", "tariff_id": "trf_1"},
}


async def test_create_connect_token(client: FlatpeakClient, service: Service) -> None:
    """A session is for one tariff of a location, and knows the way back."""
    service.answer(
        "/connect/token", Answer(body={"connect_token": TOKEN, "expires_in": 86400})
    )

    token = await client.create_connect_token(
        "loc_1",
        TariffDirection.EXPORT,
        connect_url="https://connect.example",
        callback_url="https://home.example/back",
    )

    assert token == TOKEN
    request = service.received[-1]
    assert (request.method, request.json) == (
        "POST",
        {
            "connect_url": "https://connect.example",
            "callback_url": "https://home.example/back",
            "location_id": "loc_1",
            "tariff_direction": "EXPORT",
            "tariff_type": "COMMODITY",
        },
    )


@pytest.mark.parametrize(
    ("fields", "is_saved", "is_processed"),
    [
        ({}, True, True),
        ({"is_tariff_processed": False}, True, False),
        ({"complete_action": ""}, False, True),
        ({"complete_action": "DISCONNECT"}, False, True),
        ({"complete_action": None, "is_tariff_processed": None}, False, False),
    ],
)
async def test_get_connect_outcome(
    client: FlatpeakClient,
    service: Service,
    fields: dict[str, object],
    is_saved: bool,
    is_processed: bool,
) -> None:
    """A session tells whether a tariff was saved, and whether it has prices."""
    service.answer("/connect/token", Answer(body=OUTCOME | fields))

    outcome = await client.get_connect_outcome(TOKEN)

    assert outcome == ConnectOutcome(is_saved=is_saved, is_processed=is_processed)
    assert service.received[-1].query == {"connect_token": TOKEN}


async def test_get_events(client: FlatpeakClient, service: Service) -> None:
    """All pages are read, and events of any type, oldest first."""
    odd = {"id": "evt_0", "object": "event", "type": "moon.rose", "data": {}}
    pages = [
        {"object": "list", "has_more": True, "data": [EVENT]},
        {"object": "list", "has_more": False, "data": [odd]},
    ]
    service.answer("/events", *[Answer(body=page) for page in pages])

    events = await client.get_events("loc_1")

    assert events == [
        Event(
            event_id="evt_0", event_type="moon.rose", time_created=None, tariff_id=None
        ),
        Event(
            event_id="evt_1",
            event_type="tariff.expired",
            time_created=datetime(2026, 11, 20, 8, tzinfo=UTC),
            tariff_id="trf_1",
        ),
    ]
    assert service.received[-1].query == {
        "object_id": "loc_1",
        "limit": "100",
        "starting_after": "evt_1",
    }


async def test_token_that_is_missing(client: FlatpeakClient, service: Service) -> None:
    """Without a token there is nowhere to send the user."""
    service.answer("/connect/token", Answer(body={"expires_in": 86400}))

    with pytest.raises(FlatpeakResponseError):
        await client.create_connect_token(
            "loc_1", TariffDirection.IMPORT, connect_url="x", callback_url="y"
        )
