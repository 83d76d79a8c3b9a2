"""The HTTP application: every operation of the document behind its checks, its log and its faults."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
import re
from typing import Any, Final

from aiohttp import web
import orjson

from . import connect, connections, costs, directory, events, schedules, submissions
from .accounts import VERSION
from .call import Answer, Call, Handler
from .control import PREFIX, control_routes, explain_mistakes
from .errors import ApiError, refused
from .faults import ISSUED, TROUBLE, Process, Trouble
from .login import VERSION_HEADER, VERSION_USED, authorise, log_in, login
from .request_log import Entry
from .state import STATE, State
from .tokens import TOKENS
from .validation import INVALID_REQUEST, Operation

LARGEST_BODY: Final = 64 * 1024 * 1024
UNKNOWN_ROUTE: Final = "(unknown)"
REPORTS: Final = ("/costs/", "/prices/", "/schedules/")
WINDOW: Final = re.compile(rb'"(start|end)_time":\s*"[^"]*"')

HANDLERS: Final[Mapping[str, Handler]] = {
    "login": login,
    "listCustomers": directory.list_customers,
    "createCustomer": directory.create_customer,
    "getCustomer": directory.get_customer,
    "updateCustomer": directory.update_customer,
    "deleteCustomer": directory.delete_customer,
    "listDevices": directory.list_devices,
    "createDevice": directory.create_device,
    "getDevice": directory.get_device,
    "updateDevice": directory.update_device,
    "deleteDevice": directory.delete_device,
    "listLocations": directory.list_locations,
    "createLocation": directory.create_location,
    "getLocation": directory.get_location,
    "updateLocation": directory.update_location,
    "deleteLocation": directory.delete_location,
    "getLocationStatus": connections.get_location_status,
    "submitInterval": submissions.submit_interval,
    "getBatch": submissions.get_batch,
    "submitCumulative": submissions.submit_cumulative,
    "costInterval": costs.cost_interval,
    "costSession": costs.cost_session,
    "costInstant": costs.cost_instant,
    "getPrices": connections.get_prices,
    "scheduleDuration": schedules.schedule_duration,
    "scheduleLimit": schedules.schedule_limit,
    "scheduleAmount": schedules.schedule_amount,
    "createTariff": connections.create_tariff,
    "createConnectToken": connect.create_connect_token,
    "getConnectToken": connect.get_connect_token,
    "listEvents": events.list_events,
}

# Its handler checks the records one by one: a bad one does not refuse the others.
RECORD_BY_RECORD: Final = frozenset({"submitInterval"})


def make_app(state: State) -> web.Application:
    """Build the application around a state."""
    app = web.Application(
        middlewares=[log_requests, answer_in_json, explain_mistakes, inject_faults],
        client_max_size=LARGEST_BODY,
    )
    app[STATE] = state
    app[TOKENS] = state.tokens
    for operation in state.contract.operations.values():
        app.router.add_route(
            operation.method, operation.path, partial(serve, operation.id)
        )
    app.add_routes(control_routes())
    app.add_routes(connect.page_routes())
    return app


@web.middleware
async def log_requests(request: web.Request, handler: Process) -> web.StreamResponse:
    """Count a request and watch whether it comes too early."""
    if request.path.startswith(PREFIX):
        return await handler(request)
    state = request.app[STATE]
    sameness = await _sameness(request)
    state.requests.arrived(state.now(), sameness)
    response = await handler(request)
    retry_after = response.headers.get("Retry-After")
    state.requests.answered(
        Entry(state.now(), _route(request), response.status, len(await request.read())),
        sameness,
        float(retry_after) if retry_after else None,
    )
    return response


@web.middleware
async def answer_in_json(request: web.Request, handler: Process) -> web.StreamResponse:
    """Say in the service's words what the server refuses by itself."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _json(Answer(error.status, {"message": error.reason}))
    except ApiError as error:
        return _json(_refusal(error, request.app[STATE].now()))


@web.middleware
async def inject_faults(request: web.Request, handler: Process) -> web.StreamResponse:
    """Let a request go wrong if that is planned; the one place where faults come from."""
    if request.path.startswith(PREFIX):
        return await handler(request)
    fault = request.app[STATE].faults.take(_route(request))
    return await (fault.action(request, handler) if fault else handler(request))


async def serve(operation_id: str, request: web.Request) -> web.StreamResponse:
    """Serve one operation: check the request, handle it, check the answer."""
    state = request.app[STATE]
    operation = state.contract.operations[operation_id]
    now = state.now()
    state.process(now)
    try:
        answer = HANDLERS[operation_id](await _call(state, operation, request, now))
    except ApiError as error:
        answer = _refusal(error, now)
    operation.check_answer(*answer)
    response = _json(answer)
    response.headers[VERSION_HEADER.lower()] = request.get(VERSION_USED, VERSION)
    return response


async def _call(
    state: State, operation: Operation, request: web.Request, now: datetime
) -> Call:
    """Return a request that passed every check that needs no knowledge of its objects."""
    if operation.basic_auth:
        token = log_in(state, request, now)
        request[ISSUED] = token.value
    else:
        token = authorise(state, request, now)
    return Call(
        state=state,
        token=token,
        now=now,
        object_id=request.match_info.get("id", ""),
        query=operation.read_query(request.query, strict=state.settings.strict),
        body=await _body(operation, request),
        trouble=request.get(TROUBLE, Trouble()),
    )


async def _body(operation: Operation, request: web.Request) -> Any:
    """Return the JSON body of a request, checked unless its handler does that."""
    if operation.body is None:
        return None
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise refused(INVALID_REQUEST, "The body is no JSON.") from error
    if operation.id not in RECORD_BY_RECORD:
        operation.check_body(body)
    return body


async def _sameness(request: web.Request) -> str:
    """Return what makes a request a repetition of another one: a report does so over any window."""
    body = await request.read()
    if request.path.startswith(REPORTS):
        body = WINDOW.sub(b"", body)
    return f"{request.method} {request.path_qs} {sha256(body).hexdigest()}"


def _route(request: web.Request) -> str:
    """Return the route of a request as the document writes it."""
    resource = request.match_info.route.resource
    path = resource.canonical if resource else UNKNOWN_ROUTE
    return f"{request.method} {path}"


def _refusal(error: ApiError, now: datetime) -> Answer:
    """Return the answer to a refused request; its stamp has no zone, as documented."""
    stamp = now.astimezone(UTC).replace(tzinfo=None)
    return Answer(error.status, error.body(stamp.isoformat(timespec="milliseconds")))


def _json(answer: Answer) -> web.Response:
    """Write an answer."""
    return web.Response(
        status=answer.status,
        body=orjson.dumps(answer.body),
        content_type="application/json",
    )
