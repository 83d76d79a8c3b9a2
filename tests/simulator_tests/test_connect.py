"""Connect and its web page, and the events of a location."""

from datetime import timedelta

from aiohttp import ClientSession
from yarl import URL

from .conftest import Home
from .service import Api
from .test_control import control

CALLBACK = "https://home.example/back?state=1"


async def _open(api: Api, home: Home, **fields: str) -> str:
    """Open a session, and return its token."""
    body = {
        "connect_url": "https://connect.example",
        "callback_url": CALLBACK,
        "location_id": home.location_id,
    }
    answer = await api.post("/connect/token", body | fields)
    assert answer.body["expires_in"] == 86400
    return str(answer.body["connect_token"])


async def _end(api: Api, token: str, action: str) -> URL:
    """Go through the web page, and return where it leads."""
    url = URL(api.simulator.url) / "_simulator/connect/" % {"fp_cot": token}
    async with ClientSession() as session:
        async with session.get(url) as page:
            assert "Example Energy" in await page.text()
        async with session.post(
            url, data={"action": action}, allow_redirects=False
        ) as answer:
            assert answer.status == 303
            return URL(answer.headers["Location"])


async def test_supplier(api: Api, home: Home) -> None:
    """The page connects a tariff, tells the session, and leads back."""
    token = await _open(api, home, tariff_direction="EXPORT")
    path = f"/connect/token?connect_token={token}"
    before = (await api.get(path)).body
    assert (before["complete_action"], before["is_tariff_processed"]) == ("", False)

    back = await _end(api, token, "save")

    assert back == URL(CALLBACK).update_query(fp_cot=token)
    after = (await api.get(path)).body
    assert (after["complete_action"], after["is_tariff_processed"]) == ("SAVE", True)
    status = (await api.get(f"/locations/{home.location_id}/status")).body
    leg = status["tariff_status"]["commodity_export"]
    assert leg["connection_type"] == "DIRECT"
    assert leg["provider"]["display_name"] == "Example Energy"
    events = (await api.get(f"/events?object_id={home.location_id}")).body["data"]
    assert [event["type"] for event in events] == ["connect_session.complete"]


async def test_slow_supplier(api: Api, home: Home) -> None:
    """Prices may come a while after the tariff."""
    api.simulator.settings.connect_delay = 60
    token = await _open(api, home)

    await _end(api, token, "save")

    outcome = (await api.get(f"/connect/token?connect_token={token}")).body
    assert outcome["complete_action"] == "SAVE"
    assert not outcome["is_tariff_processed"]


async def test_cancelled(api: Api, home: Home) -> None:
    """Who cancels is led back, and nothing has changed."""
    token = await _open(api, home)

    back = await _end(api, token, "cancel")

    assert back.query["fp_cot"] == token
    outcome = (await api.get(f"/connect/token?connect_token={token}")).body
    assert outcome["complete_action"] == ""
    assert not (await api.get("/events")).body["data"]


async def test_sessions_that_do_not_work(api: Api, home: Home) -> None:
    """A session needs a location, and has an end."""
    urls = {"connect_url": "https://connect.example", "callback_url": CALLBACK}
    assert (await api.post("/connect/token", urls)).code == "location_id_missing"
    assert (await api.get("/connect/token?connect_token=cot_x")).status == 404
    token = await _open(api, home)
    for opened in api.simulator.account().connect_sessions:
        opened.expires_at -= timedelta(days=2)
    url = URL(api.simulator.url) / "_simulator/connect/" % {"fp_cot": token}
    async with ClientSession() as session, session.get(url) as page:
        assert page.status == 404


async def test_events(api: Api, home: Home) -> None:
    """Events are told by location and type, newest first."""
    path = f"events/{home.location_id}"
    for kind in ("tariff.expiring", "tariff.expired"):
        await control(api, "POST", path, {"type": kind, "tariff_id": "trf_1"})

    answer = await api.get(f"/events?object_id={home.location_id}")
    assert [event["type"] for event in answer.body["data"]] == [
        "tariff.expired",
        "tariff.expiring",
    ]
    assert answer.body["data"][0]["data"] == {
        "location_id": home.location_id,
        "tariff_id": "trf_1",
    }
    assert not (await api.get("/events?object_id=loc_x")).body["data"]
    expiring = await api.get("/events?event_type=tariff.expiring")
    assert len(expiring.body["data"]) == 1
    api.simulator.reset()
    assert not (await api.get("/events")).body["data"]
