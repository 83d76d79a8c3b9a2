"""Faults that happen on purpose: planned one by one for a route, or mixed at random from a seed."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, ClassVar, Final

from aiohttp import web
import orjson

from .tokens import TOKENS, bearer

type Process = Callable[[web.Request], Awaitable[web.StreamResponse]]
type Action = Callable[[web.Request, Process], Awaitable[web.StreamResponse]]

PAGE: Final = "<!doctype html><html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
SUBMISSION: Final = "PUT /meters/interval"
CUT: Final = 499
"""The status under which a cut connection is logged."""


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What goes wrong with a submission that is answered."""

    refused: int = 0
    """Of so many records one is refused, beginning with the first; 0 refuses none."""
    held: timedelta | None = timedelta()
    """How long nothing of it is processed; None is for ever."""


ISSUED: Final = web.RequestKey("issued", str)
TROUBLE: Final = web.RequestKey("trouble", Trouble)


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request."""

    name: str
    action: Action
    route: str | None = None
    """The only one that a random mix has it for; None is any."""

    SERVER_ERROR: ClassVar[Fault]
    """500 in the service's own words; nothing is processed."""
    BAD_GATEWAY: ClassVar[Fault]
    """502 with a proxy's page; nothing is processed."""
    HTML: ClassVar[Fault]
    """200 with a web page; nothing is processed."""
    RESET_BEFORE: ClassVar[Fault]
    """The connection is cut; nothing is processed."""
    RESET_AFTER: ClassVar[Fault]
    """The connection is cut once the request is processed."""
    TRUNCATED: ClassVar[Fault]
    """The request is processed; half of the answer's JSON arrives."""
    EXPIRE_TOKEN: ClassVar[Fault]
    """The token of the request dies just before it arrives."""

    @classmethod
    def rate_limit(cls, retry_after: int | None = None) -> Fault:
        """Answer 429, with or without Retry-After; nothing is processed."""
        body = {
            "object": "error",
            "context": "api",
            "type": "rate_limit",
            "code": "rate_limit",
            "message": "Too many requests.",
        }
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls("RATE_LIMIT", partial(_answer, 429, body, headers))

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Process the request at once and answer late."""
        return cls("SLOW", partial(_slow, seconds))

    @classmethod
    def partly_failed(cls, refused: int = 2) -> Fault:
        """Refuse one of so many records of a submission; a repetition is taken."""
        return cls.troubled("PARTLY_FAILED", Trouble(refused=refused))

    @classmethod
    def unprocessed(cls, seconds: float | None = None) -> Fault:
        """Take a submission, but process nothing of it for some time, or for ever."""
        held = None if seconds is None else timedelta(seconds=seconds)
        return cls.troubled("UNPROCESSED", Trouble(held=held))

    @classmethod
    def troubled(cls, name: str, trouble: Trouble) -> Fault:
        """Take a submission as it should not be taken."""
        return cls(name, partial(_troubled, trouble), SUBMISSION)

    @classmethod
    def answer(cls, status: int, body: Any) -> Fault:
        """Answer with this status and JSON body; nothing is processed."""
        return cls("ANSWER", partial(_answer, status, body, {}))


async def _answer(
    status: int,
    body: Any,
    headers: Mapping[str, str],
    _request: web.Request,
    _process: Process,
) -> web.StreamResponse:
    """Answer JSON without processing."""
    return web.Response(
        status=status,
        body=orjson.dumps(body),
        headers=headers,
        content_type="application/json",
    )


async def _page(
    status: int, title: str, _request: web.Request, _process: Process
) -> web.StreamResponse:
    """Answer with a web page without processing."""
    text = PAGE.format(title)
    return web.Response(status=status, text=text, content_type="text/html")


async def _reset_before(request: web.Request, _process: Process) -> web.StreamResponse:
    """Cut the connection."""
    return _cut(request)


async def _reset_after(request: web.Request, process: Process) -> web.StreamResponse:
    """Process, then cut the connection."""
    await process(request)
    _lose_login(request)
    return _cut(request)


async def _truncated(request: web.Request, process: Process) -> web.StreamResponse:
    """Process, then answer with the first half."""
    response = await process(request)
    _lose_login(request)
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    response.body = response.body[: len(response.body) // 2]
    return response


async def _slow(
    seconds: float, request: web.Request, process: Process
) -> web.StreamResponse:
    """Process, then answer late; a client may have left by then."""
    response = await process(request)
    await asyncio.sleep(seconds)
    if request.transport is None or request.transport.is_closing():
        _lose_login(request)
    return response


async def _troubled(
    trouble: Trouble, request: web.Request, process: Process
) -> web.StreamResponse:
    """Process with trouble."""
    request[TROUBLE] = trouble
    return await process(request)


async def _expire_token(request: web.Request, process: Process) -> web.StreamResponse:
    """Revoke the token of a request, then process it."""
    request.app[TOKENS].revoke(bearer(request))
    return await process(request)


def _cut(request: web.Request) -> web.Response:
    """Abort the connection; the answer goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=CUT)


def _lose_login(request: web.Request) -> None:
    """Forget a token whose answer did not arrive: nobody can use it."""
    if ISSUED in request:
        request.app[TOKENS].revoke(request[ISSUED])


Fault.SERVER_ERROR = Fault(
    "SERVER_ERROR", partial(_answer, 500, {"message": "Internal Server Error"}, {})
)
Fault.BAD_GATEWAY = Fault("BAD_GATEWAY", partial(_page, 502, "502 Bad Gateway"))
Fault.HTML = Fault("HTML", partial(_page, 200, "Welcome"))
Fault.RESET_BEFORE = Fault("RESET_BEFORE", _reset_before)
Fault.RESET_AFTER = Fault("RESET_AFTER", _reset_after)
Fault.TRUNCATED = Fault("TRUNCATED", _truncated)
Fault.EXPIRE_TOKEN = Fault("EXPIRE_TOKEN", _expire_token)


class Faults:
    """Says which requests go wrong."""

    def __init__(self) -> None:
        """Begin with none."""
        self.injected: Counter[str] = Counter()
        self._planned: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._rates: Mapping[Fault, float] = {}
        self._random = Random()

    def next(self, route: str, *faults: Fault) -> None:
        """Plan what goes wrong with the next requests of a route, such as "PUT /meters/interval"."""
        self._planned[route].extend(faults)

    def random(self, seed: int, rates: Mapping[Fault, float]) -> None:
        """Let requests of any route go wrong from now on, each fault in its share of them."""
        self._random = Random(seed)
        self._rates = rates

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._planned.clear()
        self._rates = {}

    def take(self, route: str) -> Fault | None:
        """Return what goes wrong with a request that has arrived."""
        fault = (
            self._planned[route].popleft()
            if self._planned[route]
            else self._draw(route)
        )
        if fault is not None:
            self.injected[fault.name] += 1
        return fault

    def _draw(self, route: str) -> Fault | None:
        """Draw from the random mix."""
        if not self._rates:
            return None
        drawn = self._random.random()
        for fault, rate in self._rates.items():
            if drawn < rate:
                return fault if fault.route in (None, route) else None
            drawn -= rate
        return None
