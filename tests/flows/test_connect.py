"""How a supplier is connected through Flatpeak Connect, and all that can go wrong there."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any, Final
from unittest.mock import patch

from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, make_mocked_request
import pytest
from yarl import URL

from custom_components.flatpeak.connect import PATH
from custom_components.flatpeak.const import DOMAIN
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntry
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import http
from homeassistant.helpers.config_entry_oauth2_flow import HEADER_FRONTEND_BASE
from homeassistant.helpers.network import NoURLAvailableError

from ..home import ADDRESS, Flow, Home
from ..simulator import Direction, Fault
from ..simulator.tariffs import ConnectionType
from .steps import locations_of

OWN_URL: Final = "https://home.example"
GONE: Final = {"message": "Not Found"}


@pytest.fixture(autouse=True)
def quick() -> Generator[None]:
    """Ask how the visit stands all the time."""
    connect = "custom_components.flatpeak.connect"
    with (
        patch(f"{connect}.POLL_SECONDS", 0.01),
        patch(f"{connect}.RETURN_POLL_SECONDS", 0),
    ):
        yield


@pytest.fixture
async def browser(
    furnished: Home, hass_client_no_auth: Callable[[], Any]
) -> TestClient[Any, Any]:
    """Return what a browser reaches Home Assistant with, which knows its address."""
    await furnished.hass.config.async_update(external_url=OWN_URL)
    # Home Assistant's own server takes further views while it runs, the tests' does not.
    with patch.object(furnished.hass.http.app.router, "freeze"):
        return await hass_client_no_auth()  # type: ignore[no-any-return]  # not annotated there


def _page_url(home: Home) -> str:
    """Return where the simulated Connect is."""
    return f"{home.simulator.url}/_simulator/connect"


async def _to_tariff(home: Home) -> Flow:
    """Go on to the step that asks for the tariff."""
    flow = await home.async_begin_flow(connect_url=_page_url(home))
    flow = await home.async_answer(flow, location_id="new")
    return await home.async_answer(flow, **ADDRESS)


async def _to_connect(home: Home) -> Flow:
    """Go on to where the user is sent to Connect."""
    flow = await home.async_answer(await _to_tariff(home), tariff="connect")
    assert flow["type"] is FlowResultType.EXTERNAL_STEP
    assert flow["step_id"] == "connect"
    return flow


async def _visit(flow: Flow, action: str) -> URL:
    """Do something in Connect, and return where the browser is sent then."""
    async with ClientSession() as session:
        async with session.get(flow["url"]) as response:
            assert "Connect your supplier" in await response.text()
        async with session.post(
            flow["url"], data={"action": action}, allow_redirects=False
        ) as response:
            assert response.status == 303
            return URL(response.headers["Location"])


async def _come_back(browser: TestClient[Any, Any], url: URL) -> int:
    """Come back to Home Assistant, and return the status of its page."""
    assert str(url.origin()) == OWN_URL
    async with browser.get(url.path_qs) as response:
        assert response.content_type == "text/html"
        return response.status


async def _go_on(home: Home, flow: Flow) -> Flow:
    """Wait until the flow goes on, and return the next step as the frontend asks for it."""
    manager = home.hass.config_entries.flow
    async with asyncio.timeout(5):
        while manager.async_get(flow["flow_id"])["step_id"] == "connect":
            await asyncio.sleep(0.01)
    return await manager.async_configure(flow["flow_id"])


async def test_supplier(furnished: Home, browser: TestClient[Any, Any]) -> None:
    """Who connects a supplier goes on with the meters, and is priced by its tariff."""
    flow = await _to_connect(furnished)
    assert flow["url"].startswith(f"{_page_url(furnished)}/?fp_cot=cot_")
    back = await _visit(flow, "save")
    assert back.path.startswith(f"{PATH}/")

    assert await _come_back(browser, back) == 200
    # A browser that reloads the page comes back twice.
    assert await _come_back(browser, back) == 200
    flow = await _go_on(furnished, flow)

    assert flow["step_id"] == "meters"
    [location] = locations_of(furnished)
    connection = location.connections[Direction.IMPORT]
    assert connection.connection_type is ConnectionType.DIRECT
    flow = await furnished.async_answer(
        flow, meters=[], history="none", link_dashboard=False
    )
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    assert await _come_back(browser, back) == 404
    await furnished.async_settle()
    assert flow["result"].runtime_data.data.tariff.provider == "Example Energy"


async def test_browser_that_does_not_come_back(
    furnished: Home, browser: TestClient[Any, Any]
) -> None:
    """What Flatpeak knows is enough: the call-back may be lost."""
    flow = await _to_connect(furnished)
    await _visit(flow, "save")

    assert (await _go_on(furnished, flow))["step_id"] == "meters"


async def test_browser_that_is_back_first(
    furnished: Home, browser: TestClient[Any, Any]
) -> None:
    """A tariff that was missing when last asked for is found when the browser is back."""
    requests = furnished.simulator.requests
    with patch("custom_components.flatpeak.connect.POLL_SECONDS", 3600):
        flow = await _to_connect(furnished)
        async with asyncio.timeout(5):
            # Once when the visit begins, once to see whether the tariff is there.
            while requests.count("GET /locations/{id}/status", 200) < 2:
                await asyncio.sleep(0.01)
        assert await _come_back(browser, await _visit(flow, "save")) == 200

        assert (await _go_on(furnished, flow))["step_id"] == "meters"


async def test_session_that_cannot_be_asked(
    furnished: Home, browser: TestClient[Any, Any]
) -> None:
    """Where nobody tells of the session, the location has a new tariff."""
    faults = [Fault.answer(404, GONE)] * 1000
    furnished.simulator.faults.next("GET /connect/token", *faults)
    flow = await _to_connect(furnished)
    await _visit(flow, "save")

    assert (await _go_on(furnished, flow))["step_id"] == "meters"


async def test_session_whose_tariff_is_processed(
    furnished: Home, browser: TestClient[Any, Any]
) -> None:
    """A tariff whose prices are still being fetched is there."""
    pending = {"message": "Connect is processing link to tariff source."}
    furnished.simulator.faults.next("GET /connect/token", Fault.answer(422, pending))

    flow = await _go_on(furnished, await _to_connect(furnished))

    assert flow["step_id"] == "meters"


@pytest.mark.parametrize(
    "fault", [Fault.SERVER_ERROR, Fault.RESET_BEFORE, Fault.rate_limit()]
)
async def test_trouble_on_the_way(
    furnished: Home, browser: TestClient[Any, Any], fault: Fault
) -> None:
    """While Flatpeak is away, it is asked again later."""
    furnished.simulator.faults.next("GET /connect/token", *[fault] * 4)
    flow = await _to_connect(furnished)
    await _visit(flow, "save")

    assert (await _go_on(furnished, flow))["step_id"] == "meters"


async def test_cancelled(furnished: Home, browser: TestClient[Any, Any]) -> None:
    """Who cancels is asked again, and may try again or choose another source."""
    flow = await _to_connect(furnished)
    assert await _come_back(browser, await _visit(flow, "cancel")) == 200

    flow = await _go_on(furnished, flow)
    assert flow["step_id"] == "tariff"
    assert flow["errors"] == {"tariff": "connect_cancelled"}

    flow = await furnished.async_answer(flow, tariff="connect")
    assert flow["type"] is FlowResultType.EXTERNAL_STEP
    await _visit(flow, "save")
    assert (await _go_on(furnished, flow))["step_id"] == "meters"


async def test_abandoned(furnished: Home, browser: TestClient[Any, Any]) -> None:
    """Who has not come back for long is asked again, and told nothing old after that."""
    with patch("custom_components.flatpeak.connect.PATIENCE_SECONDS", 0.05):
        flow = await _go_on(furnished, await _to_connect(furnished))
    assert flow["step_id"] == "tariff"
    assert flow["errors"] == {"tariff": "connect_timed_out"}

    flow = await furnished.async_answer(flow, tariff="later")

    assert flow["step_id"] == "meters"


async def test_flow_that_is_closed(
    furnished: Home, browser: TestClient[Any, Any]
) -> None:
    """Who closes the dialog is waited for no more; the tariff is there all the same."""
    flow = await _to_connect(furnished)
    furnished.hass.config_entries.flow.async_abort(flow["flow_id"])

    assert await _come_back(browser, await _visit(flow, "save")) == 404

    await furnished.async_settle()
    again = await furnished.async_begin_flow()
    [location] = locations_of(furnished)
    again = await furnished.async_answer(again, location_id=location.id)
    assert again["step_id"] == "meters"


async def test_stranger(furnished: Home, browser: TestClient[Any, Any]) -> None:
    """Who does not know the secret lets nobody go on."""
    flow = await _to_connect(furnished)

    assert await _come_back(browser, URL(f"{OWN_URL}{PATH}/guess?fp_cot=x")) == 404

    manager = furnished.hass.config_entries.flow
    assert manager.async_get(flow["flow_id"])["step_id"] == "connect"
    manager.async_abort(flow["flow_id"])


async def test_refused_key_on_the_way(
    furnished: Home, browser: TestClient[Any, Any]
) -> None:
    """What waiting does not mend is shown at once."""
    flow = await _to_connect(furnished)
    account = furnished.simulator.account()
    keys, account.api_keys = account.api_keys, frozenset()
    furnished.simulator.expire_tokens()

    flow = await _go_on(furnished, flow)

    assert flow["step_id"] == "tariff"
    assert flow["errors"] == {"base": "invalid_auth"}
    account.api_keys = keys


async def test_session_that_cannot_be_opened(
    furnished: Home, browser: TestClient[Any, Any]
) -> None:
    """A failure before the user is sent away is shown in place."""
    flow = await _to_tariff(furnished)
    furnished.simulator.faults.next("POST /connect/token", Fault.SERVER_ERROR)

    flow = await furnished.async_answer(flow, tariff="connect")

    assert flow["step_id"] == "tariff"
    assert flow["errors"] == {"base": "server_error"}


async def test_status_that_is_refused(
    furnished: Home, browser: TestClient[Any, Any]
) -> None:
    """Where the location does not tell of its tariff, the session does."""
    refusal = {"object": "error", "code": "no_tariff_connected", "message": "None."}
    faults = [Fault.answer(422, refusal)] * 1000
    furnished.simulator.faults.next("GET /locations/{id}/status", *faults)
    flow = await _to_connect(furnished)
    await _visit(flow, "save")

    assert (await _go_on(furnished, flow))["step_id"] == "meters"


async def test_address_of_the_frontend(
    furnished: Home, browser: TestClient[Any, Any]
) -> None:
    """The browser comes back to where it has come from."""
    request = make_mocked_request(
        "POST", "/", headers={HEADER_FRONTEND_BASE: "http://192.0.2.5:8123"}
    )
    token = http.current_request.set(request)
    flow = await _to_connect(furnished)
    http.current_request.reset(token)

    back = await _visit(flow, "cancel")

    assert str(back.origin()) == "http://192.0.2.5:8123"
    furnished.hass.config_entries.flow.async_abort(flow["flow_id"])


async def _to_new_tariff(home: Home, entry: ConfigEntry[Any]) -> Flow:
    """Begin to give a home another tariff, through the simulated Connect."""
    manager = home.hass.config_entries.flow
    home.hass.config_entries.async_update_entry(
        entry, data={**entry.data, "connect_url": _page_url(home)}
    )
    await home.async_settle()
    flow: Flow = await manager.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    return await home.async_answer(flow, next_step_id="new_tariff")


@pytest.mark.parametrize("direction", [Direction.IMPORT, Direction.EXPORT])
async def test_supplier_in_place_of_the_market(
    furnished: Home,
    browser: TestClient[Any, Any],
    entry: ConfigEntry[Any],
    direction: Direction,
) -> None:
    """A home that has market prices is given its supplier's, in one direction."""
    flow = await _to_new_tariff(furnished, entry)
    answers = {"direction": direction.lower(), "tariff": "connect"}
    flow = await furnished.async_answer(flow, **answers)
    assert await _come_back(browser, await _visit(flow, "cancel")) == 200
    flow = await _go_on(furnished, flow)
    assert flow["step_id"] == "new_tariff"
    assert flow["errors"] == {"tariff": "connect_cancelled"}

    flow = await furnished.async_answer(flow, **answers)
    await _visit(flow, "save")
    flow = await _go_on(furnished, flow)

    assert flow["reason"] == "reconfigure_successful"
    await furnished.async_settle()
    [location] = locations_of(furnished)
    suppliers = {
        each
        for each, connection in location.connections.items()
        if connection.connection_type is ConnectionType.DIRECT
    }
    assert suppliers == {direction}


@pytest.mark.parametrize("step", ["tariff", "new_tariff"])
async def test_own_address_that_is_not_known(
    furnished: Home, entry: ConfigEntry[Any], step: str
) -> None:
    """Without an address to come back to, nobody is sent away."""
    if step == "tariff":
        await furnished.hass.config_entries.async_remove(entry.entry_id)
        furnished.simulator.reset()
        flow, answers = await _to_tariff(furnished), {}
    else:
        flow = await _to_new_tariff(furnished, entry)
        answers = {"direction": "import"}

    with patch(
        "custom_components.flatpeak.connect.get_url", side_effect=NoURLAvailableError
    ):
        flow = await furnished.async_answer(flow, tariff="connect", **answers)

    assert flow["step_id"] == step
    assert flow["errors"] == {"tariff": "no_own_url"}
