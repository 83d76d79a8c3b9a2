"""What the tests of the integration share: a recorder on a file, a Flatpeak, a home."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import ExitStack
import logging
import socket
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest

from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant

from .database import SERVERS, ServerError, running_server
from .deprecations import DeprecationLog
from .home import Home
from .simulator import Simulator


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer other databases than SQLite, and more time."""
    parser.addoption("--database", choices=SERVERS, help="run on a server of this kind")
    parser.addoption(
        "--soak", action="store_true", help="let the days of trouble meet every service"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Keep the statements of the database out of the log: there are very many."""
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)
    if name := config.getoption("database"):
        _start_server(config, name)


def _start_server(config: pytest.Config, name: str) -> None:
    """Start a database server for this run, and let the recorder use it."""
    stack = ExitStack()
    config.add_cleanup(stack.close)
    try:
        config.option.dburl = stack.enter_context(running_server(name))
    except (OSError, ServerError) as error:
        raise pytest.UsageError(f"no {name}: {error}") from error
    config.option.drop_existing_db = True


def pytest_report_header(config: pytest.Config) -> str:
    """Tell where the recorder keeps its data."""
    return f"database: {config.getoption('dburl')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what the days of trouble were made of."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "trouble":
                    terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that have a recorder, before they are selected by it."""
    for item in items:
        if isinstance(item, pytest.Function) and "recorder_db_url" in item.fixturenames:
            item.add_marker("database")


@pytest.fixture(autouse=True)
def deprecations() -> Generator[list[str]]:
    """See to it that Home Assistant deprecates nothing that the integration does."""
    log = DeprecationLog()
    logging.getLogger().addHandler(log)
    yield log.messages
    logging.getLogger().removeHandler(log)
    assert not log.messages


@pytest.fixture
def recorder_mock(recorder_mock: Recorder, pytestconfig: pytest.Config) -> Recorder:
    """Return the recorder, once it is sure to be on the database that was asked for."""
    if name := pytestconfig.getoption("database"):
        assert recorder_mock.dialect_name == SERVERS[name].get_backend_name()
    return recorder_mock


@pytest.fixture
def persistent_database() -> bool:
    """Keep the database in a file: in memory the commit race is hidden."""
    return True


@pytest.fixture
async def simulator(socket_enabled: None) -> AsyncGenerator[Simulator]:
    """Return a Flatpeak of its own."""
    async with Simulator() as simulator:
        yield simulator


@pytest.fixture
def deaf_url(socket_enabled: None) -> Generator[str]:
    """Return an address where nobody listens, and nobody else can begin to."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture(autouse=True)
def no_jitter() -> Generator[None]:
    """Let cycles begin without the random wait that spreads homes over the minute."""
    with patch("custom_components.flatpeak.coordinator.JITTER_SECONDS", 0):
        yield


@pytest.fixture
async def home(
    recorder_mock: Recorder,
    hass: HomeAssistant,
    enable_custom_integrations: None,
    simulator: Simulator,
) -> AsyncGenerator[Home]:
    """Return a home in Berlin with a recorder and an account at Flatpeak."""
    home = Home(hass, simulator)
    await home.async_prepare()
    yield home
    await home.async_close()


@pytest.fixture
def virtual_sleep(freezer: FrozenDateTimeFactory) -> Generator[None]:
    """Let time pass at once for everyone who sleeps."""
    real_sleep = asyncio.sleep

    async def sleep[T](delay: float, result: T | None = None) -> T | None:
        """Move the clock."""
        if delay > 0:
            freezer.tick(delay)
        return await real_sleep(0, result)

    with patch("asyncio.sleep", sleep):
        yield


@pytest.fixture
def polite(simulator: Simulator) -> Generator[None]:
    """See to it that Flatpeak has nothing to complain about, up to the very end.

    A test that is impolite on purpose clears the simulator's violations.
    """
    yield
    assert not simulator.violations.counts, list(simulator.violations.latest)
