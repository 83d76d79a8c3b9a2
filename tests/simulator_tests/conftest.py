"""What the tests of the simulator share."""

from collections.abc import AsyncGenerator
from typing import NamedTuple

import pytest

from .service import Api, Clock, running


class Home(NamedTuple):
    """A location in London with one meter."""

    location_id: str
    device_id: str


@pytest.fixture
def clock() -> Clock:
    """Return a clock at noon (UTC) of a summer's day."""
    return Clock()


@pytest.fixture
async def api(socket_enabled: None, clock: Clock) -> AsyncGenerator[Api]:
    """Return a client that is logged in to a simulator of its own."""
    async with running(clock) as api:
        yield api


@pytest.fixture
async def home(api: Api) -> Home:
    """Return a home without a tariff."""
    return Home(await api.make_location(), await api.make_device())
