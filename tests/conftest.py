"""What the tests of the integration share: a recorder on a file, a Flatpeak, a home."""

from collections.abc import AsyncGenerator, Generator
import logging
from unittest.mock import patch

import pytest

from homeassistant.components.recorder import Recorder
from homeassistant.core import HomeAssistant

from .home import Home
from .simulator import Simulator


def pytest_configure(config: pytest.Config) -> None:
    """Keep the statements of the database out of the log: there are very many."""
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)


@pytest.fixture
def persistent_database() -> bool:
    """Keep the database in a file: in memory the commit race is hidden."""
    return True


@pytest.fixture
async def simulator(socket_enabled: None) -> AsyncGenerator[Simulator]:
    """Return a Flatpeak of its own."""
    async with Simulator() as simulator:
        yield simulator


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
