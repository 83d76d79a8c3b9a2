"""A database server for one run of the tests: private, on loopback, gone afterwards."""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
import socket
from subprocess import PIPE, STDOUT, Popen
from tempfile import TemporaryFile
from time import monotonic, sleep
from typing import Final

from sqlalchemy import URL, NullPool, create_engine
from sqlalchemy.exc import OperationalError

SERVE: Final = Path(__file__).parents[1] / "scripts" / "lib" / "serve-database"
LOOPBACK: Final = "127.0.0.1"

# Each with the database that a new server already has.
SERVERS: Final = {
    "mariadb": URL.create("mysql", "root", host=LOOPBACK, database="mysql"),
    "postgresql": URL.create(
        "postgresql", "postgres", host=LOOPBACK, database="postgres"
    ),
}

START_SECONDS: Final = 60
POLL_SECONDS: Final = 0.1


class ServerError(Exception):
    """A server that does not come up, with what it printed."""


@contextmanager
def running_server(name: str) -> Generator[str]:
    """Run a server for as long as the context lasts, return the URL of a database to make on it."""
    url = SERVERS[name].set(port=free_port())
    with (
        TemporaryFile() as log,
        Popen(
            [SERVE, name, str(url.port)],
            stdin=PIPE,
            stdout=log,
            stderr=STDOUT,
            # Ctrl-C is for the tests, which need the database to end well.
            start_new_session=True,
        ) as program,
    ):
        if not _answers(url, program):
            log.seek(0)
            raise ServerError(log.read().decode())
        yield str(url.set(database="home_assistant"))


def free_port() -> int:
    """Return a port of loopback that is free."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: URL, program: Popen[bytes]) -> bool:
    """Wait until a server lets somebody in; return whether it does."""
    engine = create_engine(url, poolclass=NullPool)
    deadline = monotonic() + START_SECONDS
    while program.poll() is None and monotonic() < deadline:
        with suppress(OperationalError), engine.connect():
            return True
        sleep(POLL_SECONDS)
    return False
