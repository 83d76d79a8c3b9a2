"""A database server for one run of the tests: private, on loopback, gone afterwards."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
import os
from pathlib import Path
import pwd
import shlex
import shutil
import signal
import socket
from subprocess import DEVNULL, STDOUT, Popen, TimeoutExpired
from tempfile import TemporaryDirectory
from time import monotonic, sleep
from typing import Any, Final

from sqlalchemy import NullPool, create_engine, make_url
from sqlalchemy.exc import OperationalError

START_SECONDS: Final = 60
STOP_SECONDS: Final = 30
POLL_SECONDS: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Server:
    """How a server is made, run and reached; {data} and {port} are for each run to fill in."""

    make: str
    run: str
    url: str


SERVERS: Final = {
    "mariadb": Server(
        make="mariadb-install-db --no-defaults --datadir={data}"
        " --auth-root-authentication-method=normal --skip-test-db",
        run="mariadbd --no-defaults --datadir={data} --socket={data}/socket"
        " --bind-address=127.0.0.1 --port={port}",
        url="mysql://root@127.0.0.1:{port}/mysql",
    ),
    "postgresql": Server(
        make="initdb --pgdata={data} --username=postgres --auth=trust"
        " --encoding=UTF8 --no-locale --no-sync",
        run="postgres -D {data} -c unix_socket_directories= -h 127.0.0.1 -p {port}",
        url="postgresql://postgres@127.0.0.1:{port}/postgres",
    ),
}


class ServerError(Exception):
    """A server that does not come up, with what it printed."""


@contextmanager
def running_server(name: str) -> Generator[str]:
    """Run a server for as long as the context lasts, return the URL of a database on it."""
    server = SERVERS[name]
    with TemporaryDirectory(prefix=f"{name}-") as directory:
        if os.geteuid() == 0:
            shutil.chown(directory, "nobody")
        log = Path(directory, "log")
        places = {"data": Path(directory, "data"), "port": _free_port()}
        with _running(server.make, places, log) as program:
            if program.wait(START_SECONDS):
                raise ServerError(log.read_text(encoding="utf-8"))
        # The kernel stops the server if this process is killed.
        with _running(f"setpriv --pdeathsig QUIT {server.run}", places, log) as program:
            url = server.url.format_map(places)
            _await_answer(url, program, log)
            yield str(make_url(url).set(database="home_assistant"))


def _free_port() -> int:
    """Return a port of loopback that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _running(
    command: str, places: Mapping[str, Any], log: Path
) -> Generator[Popen[bytes]]:
    """Run a program, and stop it and all it has started at the end."""
    with log.open("ab") as output:
        program = Popen(
            [word.format_map(places) for word in shlex.split(command)],
            cwd=log.parent,
            env=_environment(),
            stdin=DEVNULL,
            stdout=output,
            stderr=STDOUT,
            # Ctrl-C is for the tests; they still need their database to end well.
            start_new_session=True,
            **_account(),
        )
    try:
        yield program
    finally:
        _stop(program)


def _environment() -> dict[str, str]:
    """Return the environment, with the places that servers are installed to on PATH."""
    debian = map(str, Path("/usr/lib/postgresql").glob("*/bin"))
    path = os.pathsep.join([*debian, os.environ["PATH"], "/usr/sbin"])
    return os.environ | {"PATH": path}


def _account() -> dict[str, Any]:
    """Return whose rights a server gets: it refuses those of root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _await_answer(url: str, program: Popen[bytes], log: Path) -> None:
    """Wait until a server lets somebody in."""
    engine = create_engine(url, poolclass=NullPool)
    deadline = monotonic() + START_SECONDS
    while True:
        with suppress(OperationalError), engine.connect():
            return
        if program.poll() is not None or monotonic() > deadline:
            raise ServerError(log.read_text(encoding="utf-8"))
        sleep(POLL_SECONDS)


def _stop(program: Popen[bytes]) -> None:
    """Stop a program and all it has started; what it has in memory may be lost."""
    with suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGQUIT)
    try:
        program.wait(STOP_SECONDS)
    except TimeoutExpired:
        os.killpg(program.pid, signal.SIGKILL)
        program.wait()
