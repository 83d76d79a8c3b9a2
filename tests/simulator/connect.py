"""Connect: a session to link a tariff, and the web page in which a person does so."""

from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from aiohttp import web
from yarl import URL

from .accounts import Account
from .call import Answer, Call
from .clock import to_instant, to_text
from .errors import not_found, refused
from .objects import ConnectSession
from .state import STATE, State
from .tariffs import Direction, Flat

PAGE: Final = "/_simulator/connect/"
LIFE: Final = timedelta(days=1)
SUPPLIER: Final = "Example Energy"
TARIFF: Final = Flat(price=Decimal("0.28"))
TARIFF_NAME: Final = "Simple electricity"

SAVE: Final = "SAVE"
HTML: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Flatpeak Connect</title>
<style>
body {{ font: 18px/1.5 sans-serif; max-width: 26em; margin: 4em auto }}
button {{ font: inherit; padding: .4em 1em; margin-right: .5em }}
</style>
<h1>Connect your supplier</h1>
<p>{supplier}, {tariff}: {direction}</p>
<form method="post">
<button name="action" value="save">Connect</button>
<button name="action" value="cancel">Cancel</button>
</form>
</html>
"""


def create_connect_token(call: Call) -> Answer:
    """Open a session for a tariff of a location."""
    if "location_id" not in call.body:
        raise refused("location_id_missing", "The session needs a location_id.")
    session = ConnectSession(
        id=call.new_id("cot"),
        live_mode=call.token.live_mode,
        time_created=call.time_created,
        location_id=call.account.locations[call.body["location_id"]].id,
        direction=Direction(call.body.get("tariff_direction", Direction.IMPORT)),
        callback_url=call.body["callback_url"],
        expires_at=call.now + LIFE,
    )
    call.account.connect_sessions.add(session)
    return Answer(
        200,
        {
            "connect_token": session.id,
            "expires_in": int(LIFE.total_seconds()),
            "live_mode": session.live_mode,
        },
    )


def get_connect_token(call: Call) -> Answer:
    """Tell how a session stands."""
    session = call.account.connect_sessions[call.query["connect_token"]]
    location = call.account.locations[session.location_id]
    connection = location.connections.get(session.direction)
    is_pending = connection is None or connection.is_pending(call.now)
    return Answer(
        200,
        {
            "id": session.id,
            "object": "connect_token",
            "live_mode": session.live_mode,
            "location_id": session.location_id,
            "is_tariff_processed": session.complete_action == SAVE and not is_pending,
            "complete_action": session.complete_action,
            "time_created": session.time_created,
            "time_expiry": to_text(to_instant(session.expires_at)),
        },
    )


def page_routes() -> list[web.RouteDef]:
    """Return the routes of the web page."""
    return [web.get(PAGE, show_page), web.post(PAGE, end_session)]


async def show_page(request: web.Request) -> web.Response:
    """Show what a person can do in a session."""
    _, session = _session(request)
    html = HTML.format(
        supplier=SUPPLIER, tariff=TARIFF_NAME, direction=session.direction.lower()
    )
    return web.Response(text=html, content_type="text/html")


async def end_session(request: web.Request) -> web.Response:
    """Do what the person chose, and send the browser to where the session was begun."""
    account, session = _session(request)
    if (await request.post())["action"] == "save":
        complete(request.app[STATE], account, session)
    url = URL(session.callback_url).update_query(fp_cot=session.id)
    return web.Response(status=303, headers={"Location": str(url)})


def complete(state: State, account: Account, session: ConnectSession) -> None:
    """Connect the supplier's tariff, and let the session be complete."""
    session.complete_action = SAVE
    account.connect(
        session.location_id,
        session.direction,
        TARIFF,
        name=TARIFF_NAME,
        provider=SUPPLIER,
        pending_until=state.now() + timedelta(seconds=state.settings.connect_delay),
    )
    account.tell(
        "connect_session.complete",
        session.location_id,
        state.now(),
        connect_token=session.id,
    )


def _session(request: web.Request) -> tuple[Account, ConnectSession]:
    """Return the session that a browser is in, and whose it is."""
    token: Any = request.query.get("fp_cot", "")
    state = request.app[STATE]
    for account in state.accounts.values():
        if token in account.connect_sessions:
            session = account.connect_sessions[token]
            if state.now() < session.expires_at:
                return account, session
    raise not_found()
