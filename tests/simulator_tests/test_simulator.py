"""The simulator as a context."""

from aiohttp import ClientConnectionError, ClientSession
import pytest

from tests.simulator import Simulator


async def test_port_opens_and_closes(socket_enabled: None) -> None:
    """The service is there for as long as the context lasts."""
    async with (
        Simulator() as simulator,
        ClientSession() as session,
        session.get(f"{simulator.url}/devices") as response,
    ):
        assert response.status == 403
    async with ClientSession() as session:
        with pytest.raises(ClientConnectionError):
            await session.get(f"{simulator.url}/devices")


async def test_port_is_taken(socket_enabled: None) -> None:
    """A second simulator cannot have the same port; it may have another one."""
    async with Simulator() as first:
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await Simulator(port=port).__aenter__()
        async with Simulator() as second:
            assert second.url != first.url


async def test_ids_are_the_same_in_every_run(socket_enabled: None) -> None:
    """Two simulators hand out the same ids in the same order."""
    ids = [
        [Simulator().account().ids.new(prefix) for prefix in ("dev", "loc")]
        for _ in range(2)
    ]

    assert ids[0] == ids[1]
    assert len({*ids[0], *ids[1]}) == 2


async def test_accounts_are_found_by_id(socket_enabled: None) -> None:
    """Without an id it is the first account."""
    simulator = Simulator(account_id="acc_1")
    other = simulator.add_account("acc_2", "sk_test_2", "sk_live_2")

    assert simulator.account().id == simulator.account_id == "acc_1"
    assert simulator.account("acc_2") is other
    assert other.api_keys == {"sk_test_2", "sk_live_2"}
