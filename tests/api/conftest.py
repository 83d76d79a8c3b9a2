"""What the tests of the client share."""

from collections.abc import AsyncGenerator

import aiohttp
import pytest

from custom_components.flatpeak.api import FlatpeakClient

from .service import Service, running_service

ACCOUNT_ID = "acc_5f1e7c0de0a1b2c3d4e5f607"
API_KEY = "sk_test_9b8a7c6d5e4f3a2b1c0d"


@pytest.fixture(autouse=True)
def loopback(socket_enabled: None) -> None:
    """Let the tests talk to servers on this machine."""


@pytest.fixture
async def session() -> AsyncGenerator[aiohttp.ClientSession]:
    """Return a session."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def service() -> AsyncGenerator[Service]:
    """Return a service that answers as it is told."""
    async with running_service() as service:
        yield service


@pytest.fixture
def client(session: aiohttp.ClientSession, service: Service) -> FlatpeakClient:
    """Return a client of that service."""
    return FlatpeakClient(session, ACCOUNT_ID, API_KEY, base_url=service.url)
