"""Programs that run beside this one, and end with it whatever ends it."""

import asyncio
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
import ctypes
import os
from pathlib import Path
import signal
import socket
import sys
from types import TracebackType
from typing import Final, Self

ROOT: Final = Path(__file__).parents[2]
LOOPBACK: Final = "127.0.0.1"

START_SECONDS: Final = 120
STOP_SECONDS: Final = 30
POLL_SECONDS: Final = 0.2

PR_SET_PDEATHSIG: Final = 1


class DemoError(Exception):
    """Something that the person at the keyboard has to be told."""


def require_port(port: int) -> None:
    """Refuse a port of loopback that is taken."""
    with socket.socket() as probe:
        # As the servers do it: connections of a former run may still linger.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise DemoError(
                f"Port {port} of {LOOPBACK} cannot be had ({error.strerror});"
                " choose another one with --port."
            ) from error


class Program:
    """A program that runs for as long as the context lasts; what it prints goes into a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        is_ready: Callable[[], Awaitable[bool]],
    ) -> None:
        """Prepare it."""
        self._name = name
        self._command = command
        self._log = log
        self._is_ready = is_ready
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        """Start it."""
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it."""
        await self.stop()

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=ROOT,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._until_ready(self._process)
        except TimeoutError:
            raise DemoError(f"{self._name} does not answer:\n{self._tail()}") from None

    async def _until_ready(self, process: Process) -> None:
        """Wait until it answers."""
        while not await self._is_ready():
            if process.returncode is not None:
                raise DemoError(f"{self._name} ended at its start:\n{self._tail()}")
            await asyncio.sleep(POLL_SECONDS)

    async def stop(self) -> None:
        """Stop it, and everything that it has started."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            print(f"{self._name} does not stop by itself and is ended.")
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()
        self._process = None

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process is not None
        return self._process.pid

    async def kill(self) -> None:
        """End it at once, and let it know nothing of that: kill -9."""
        assert self._process is not None
        os.killpg(self.pid, signal.SIGKILL)
        await self._process.wait()

    async def ended(self) -> int:
        """Wait until it ends by itself, return its exit code."""
        return await self._process.wait() if self._process else 0

    def _tail(self) -> str:
        """Return the last lines that it printed."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-20:])


def _end_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent dies, be it by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
