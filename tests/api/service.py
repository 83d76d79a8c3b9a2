"""A server that answers as it is told, for what no sane service would send."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
import json
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

LOGIN_PATH = "/login"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What to answer, after `delay` seconds, or after `gate` opens."""

    status: int = 200
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    gate: asyncio.Event | None = None

    async def response(self) -> web.Response:
        """Return the response when its time has come."""
        await asyncio.sleep(self.delay)
        if self.gate is not None:
            await self.gate.wait()
        body = self.body
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        return web.Response(status=self.status, body=body, headers=self.headers)


@dataclass(frozen=True, kw_only=True)
class Received:
    """What was asked."""

    method: str
    target: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body."""
        return json.loads(self.body)


class Service:
    """Answers from a script by path; the last answer of a path is repeated."""

    def __init__(self) -> None:
        """Begin with a login that hands out token-1, token-2 and so on."""
        self.url = ""
        self.received: list[Received] = []
        self._answers: dict[str, list[Answer]] = {}
        self._asked: defaultdict[str, int] = defaultdict(int)

    def answer(self, path: str, *answers: Answer) -> None:
        """Set the answers of a path."""
        self._answers[path] = list(answers)

    def asked(self, path: str) -> list[Received]:
        """Return what was asked of a path."""
        return [request for request in self.received if request.target == path]

    async def handle(self, request: web.Request) -> web.Response:
        """Keep the request and answer it."""
        target = request.rel_url.raw_path
        self.received.append(
            Received(
                method=request.method,
                target=target,
                query=dict(request.query),
                headers=dict(request.headers),
                body=await request.read(),
            )
        )
        number = self._asked[target]
        self._asked[target] += 1
        if target == LOGIN_PATH and target not in self._answers:
            return await token(f"token-{number + 1}").response()
        answers = self._answers[target]
        return await answers[min(number, len(answers) - 1)].response()


def token(bearer: str, expires_in: float = 3600) -> Answer:
    """Return the answer of a login."""
    return Answer(
        body={"bearer_token": bearer, "expires_in": expires_in, "live_mode": False}
    )


@asynccontextmanager
async def running_service() -> AsyncGenerator[Service]:
    """Run the service on a free port of this machine."""
    service = Service()
    app = web.Application(client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", service.handle)
    async with TestServer(app) as server:
        service.url = str(server.make_url("/"))
        yield service


@asynccontextmanager
async def raw_service(
    answer: bytes, *, reset: bool = False, heads: list[bytes] | None = None
) -> AsyncGenerator[str]:
    """Run a server that says these bytes to each request, and hangs up or resets.

    The head of each request is added to `heads`.
    """

    async def handle(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Read the head of a request, then answer."""
        head = await reader.readuntil(b"\r\n\r\n")
        if heads is not None:
            heads.append(head)
        writer.write(answer)
        if reset:
            writer.transport.abort()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"
