"""The simulator by itself: python -m tests.simulator."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
import signal
import sys

from aiohttp import ClientSession, encode_basic_auth
import pytest

COMMAND = (sys.executable, "-m", "tests.simulator")


@asynccontextmanager
async def process(*arguments: str) -> AsyncGenerator[tuple[Process, list[str]]]:
    """Run the simulator and return it with the three lines that it prints."""
    running = await asyncio.create_subprocess_exec(*COMMAND, *arguments, stdout=PIPE)
    assert running.stdout is not None
    lines = [(await running.stdout.readline()).decode() for _ in range(3)]
    try:
        yield running, [line.split()[-1] for line in lines]
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_runs_until_it_is_told_to_stop(
    socket_enabled: None, number: signal.Signals
) -> None:
    """It prints address and credentials, serves, and ends cleanly."""
    options = ("--account-id", "acc_1", "--api-key", "sk_live_1")
    tariff = ("--tariff", "flat", "--time-zone", "Asia/Kolkata", "--currency", "INR")
    async with process(*options, *tariff) as (running, (url, account_id, api_key)):
        assert (account_id, api_key) == ("acc_1", "sk_live_1")
        async with ClientSession(url) as session:
            headers = {"Authorization": encode_basic_auth(account_id, api_key)}
            async with session.get("/login", headers=headers) as response:
                token = (await response.json())["bearer_token"]
            headers = {"Authorization": f"Bearer {token}"}
            async with session.post("/locations", json={}, headers=headers) as response:
                location = await response.json()
        assert location["timezone"] == "Asia/Kolkata"
        assert location["currency_code"] == "INR"
        assert location["tariff_status"]["commodity_import"] == "CONNECTED"

        running.send_signal(number)
        assert await asyncio.wait_for(running.wait(), 5) == 0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--time-zone", "Europe/Atlantis"), "there is no time zone Europe/Atlantis"),
        (("--tariff", "free"), "invalid choice"),
    ],
)
async def test_bad_arguments(arguments: tuple[str, str], reason: str) -> None:
    """A mistake on the command line is explained."""
    running = await asyncio.create_subprocess_exec(*COMMAND, *arguments, stderr=PIPE)
    _, errors = await running.communicate()

    assert running.returncode == 2
    assert reason in errors.decode()


async def test_port_is_taken(socket_enabled: None) -> None:
    """A port that is in use is named, without a traceback."""
    async with process() as (_, (url, *_)):
        port = url.rpartition(":")[2]
        second = await asyncio.create_subprocess_exec(
            *COMMAND, "--port", port, stderr=PIPE
        )
        _, errors = await second.communicate()

    assert second.returncode == 1
    assert port in errors.decode()
    assert "Traceback" not in errors.decode()
