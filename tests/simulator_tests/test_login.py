"""Logins, tokens, versions."""

from datetime import timedelta

from aiohttp import encode_basic_auth
from freezegun.api import FrozenDateTimeFactory
import pytest

from tests.simulator import Violation

from .service import NOON, Api, Clock, running


async def test_login_hands_out_a_token(api: Api) -> None:
    """A login says how long its token lives and which mode its key has."""
    reply = await api.log_in()

    assert reply.status == 200
    assert reply.body.keys() == {"bearer_token", "expires_in", "live_mode"}
    assert reply.body["expires_in"] == 3600
    assert reply.body["live_mode"] is False
    assert (await api.get("/devices")).status == 200


async def test_live_key_makes_live_objects(api: Api) -> None:
    """Every reply carries the mode of the key."""
    api.simulator.add_account("acc_live", "sk_live_1")

    assert (await api.log_in("acc_live", "sk_live_1")).body["live_mode"] is True
    device = await api.post("/devices", {"reference_id": "meter"})
    assert device.body["live_mode"] is True


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic !!!",
        "Basic bm9jb2xvbg==",
        "Bearer abc",
        encode_basic_auth("acc_simulator", "sk_test_wrong"),
        encode_basic_auth("acc_wrong", "sk_test_simulator"),
    ],
)
async def test_login_is_refused(api: Api, authorization: str) -> None:
    """Anything but an account id with one of its keys is bad."""
    reply = await api.get("/login", headers={"Authorization": authorization})

    assert (reply.status, reply.body) == (403, {"message": "Bad credentials"})


async def test_revoked_key(api: Api) -> None:
    """A key that was taken away does not log in any more."""
    api.simulator.account().api_keys = frozenset()

    assert (await api.log_in()).status == 403


async def test_token_expires(api: Api, clock: Clock) -> None:
    """A token is taken for as long as its login said."""
    clock.advance(seconds=3599)
    assert (await api.get("/devices")).status == 200
    clock.advance(seconds=1)
    reply = await api.get("/devices")

    assert (reply.status, reply.body) == (403, {"message": "Bad credentials"})


async def test_token_life_is_settable(api: Api, clock: Clock) -> None:
    """The life of a token follows the settings at its login."""
    api.simulator.settings.token_life = 60

    assert (await api.log_in()).body["expires_in"] == 60
    clock.advance(seconds=60)
    assert (await api.get("/devices")).status == 403


@pytest.mark.parametrize("token", ["", "never-issued"])
async def test_unknown_token(api: Api, token: str) -> None:
    """A token that nobody handed out is refused."""
    api.token = token

    assert (await api.get("/devices")).status == 403


async def test_all_tokens_expire(api: Api) -> None:
    """Every token may die at once."""
    api.simulator.expire_tokens()

    assert (await api.get("/devices")).status == 403
    await api.log_in()
    assert (await api.get("/devices")).status == 200


async def test_dead_token_is_counted(api: Api, clock: Clock) -> None:
    """A token is tried again after it was refused: that counts, unless it was on its way."""
    api.simulator.expire_tokens()
    await api.get("/devices")
    await api.get("/locations")
    assert api.simulator.violations.total == 0

    clock.advance(seconds=2)
    await api.get("/devices")

    assert api.simulator.violations.counts == {Violation.DEAD_TOKEN: 1}


async def test_early_login_is_counted(api: Api, clock: Clock) -> None:
    """A login counts while the last token of its key has lived less than 90 % of its life."""
    clock.advance(seconds=3239)
    await api.log_in()
    assert api.simulator.violations.counts == {Violation.EARLY_LOGIN: 1}

    clock.advance(seconds=3240)
    await api.log_in()
    assert api.simulator.violations.counts == {Violation.EARLY_LOGIN: 1}


async def test_tokens_that_came_to_nothing(api: Api, clock: Clock) -> None:
    """It is known when a token was refused first, and which ones nobody has used."""
    tokens = api.simulator.tokens
    assert tokens.unused == [NOON]
    await api.get("/devices")
    assert tokens.unused == tokens.refusals == []

    api.simulator.expire_tokens()
    for _ in range(2):
        clock.advance(seconds=1)
        await api.get("/devices")
    await api.log_in()

    assert tokens.refusals == [NOON + timedelta(seconds=1)]
    assert tokens.unused == [NOON + timedelta(seconds=2)]


async def test_login_after_a_dead_token_is_right(api: Api) -> None:
    """A login is not early when the last token was revoked, nor for another account."""
    api.simulator.add_account("acc_other", "sk_test_simulator")
    await api.log_in("acc_other")
    api.simulator.expire_tokens()
    await api.log_in()

    assert api.simulator.violations.total == 0


async def test_disabled_account(api: Api) -> None:
    """A disabled account is told so, at the login and after it."""
    api.simulator.account().disabled = True

    for reply in (await api.get("/devices"), await api.log_in()):
        assert reply.status == 422
        assert reply.body["object"] == "error"
        assert reply.code == "account_disabled"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("2025-09-14.anode", 200),
        ("2026-03-01.busbar", 200),
        ("2024-08-24", 422),
        ("2024-08-24.zero", 422),
        ("anode", 422),
    ],
)
async def test_version(api: Api, asked: str, status: int) -> None:
    """A version older than the account's is refused; the reply names the one it is in."""
    reply = await api.get("/devices", headers={"Flatpeak-Version": asked})

    assert reply.status == status
    if status == 200:
        assert reply.headers["flatpeak-version"] == asked
    else:
        assert reply.code == "api_version_not_supported"
        assert reply.headers["flatpeak-version"] == "2025-09-14.anode"


async def test_account_of_a_later_version(socket_enabled: None, clock: Clock) -> None:
    """An account that has moved on cannot go back; without a header it gets its own version."""
    async with running(clock, version="2026-03-01.busbar") as api:
        reply = await api.log_in()
        assert reply.headers["flatpeak-version"] == "2026-03-01.busbar"
        old = await api.log_in(**{"Flatpeak-Version": "2025-09-14.anode"})
        assert old.code == "api_version_not_supported"


async def test_clock_can_be_frozen(
    socket_enabled: None, freezer: FrozenDateTimeFactory
) -> None:
    """Without a clock the simulator reads the machine's time at every call."""
    freezer.move_to("2026-06-15T12:00:00Z")
    async with running() as api:
        freezer.move_to("2026-06-15T12:30:00Z")
        device = await api.post("/devices", {"reference_id": "meter"})
        assert device.body["time_created"] == "2026-06-15T12:30:00Z"
