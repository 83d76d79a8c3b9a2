"""GET /login, and who may send a request."""

from base64 import b64decode
from datetime import datetime, timedelta
import re
from typing import Final

from aiohttp import web

from .accounts import Account
from .call import Answer, Call
from .errors import bad_credentials, refused
from .state import State
from .tokens import Token, bearer

VERSION_HEADER: Final = "Flatpeak-Version"
VERSION_USED: Final = web.RequestKey("version_used", str)
VERSION_PATTERN: Final = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")


def login(call: Call) -> Answer:
    """Hand out the token that came with the credentials."""
    return Answer(
        200,
        {
            "bearer_token": call.token.value,
            "expires_in": int(call.token.life.total_seconds()),
            "live_mode": call.token.live_mode,
        },
    )


def log_in(state: State, request: web.Request, now: datetime) -> Token:
    """Return a new token for account id and key; refuse others."""
    account_id, api_key = _credentials(request)
    account = state.accounts.get(account_id)
    if account is None or api_key not in account.api_keys:
        raise bad_credentials()
    _check_account(account, request)
    life = timedelta(seconds=state.settings.token_life)
    return state.tokens.issue(account, api_key, now, life)


def authorise(state: State, request: web.Request, now: datetime) -> Token:
    """Return the token of a request; refuse when it is dead or the account may not ask."""
    token = state.tokens.use(bearer(request), now)
    _check_account(token.account, request)
    return token


def _credentials(request: web.Request) -> tuple[str, str]:
    """Return user and password of HTTP Basic; refuse anything else."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    try:
        text = b64decode(encoded, validate=True).decode()
    except ValueError as error:
        raise bad_credentials() from error
    account_id, colon, api_key = text.partition(":")
    if scheme != "Basic" or not colon:
        raise bad_credentials()
    return account_id, api_key


def _check_account(account: Account, request: web.Request) -> None:
    """Refuse a disabled account and a version older than the account's own."""
    if account.disabled:
        raise refused("account_disabled", "The account is disabled.")
    request[VERSION_USED] = account.version
    asked = request.headers.get(VERSION_HEADER, account.version)
    if not VERSION_PATTERN.fullmatch(asked) or asked < account.version:
        raise refused(
            "api_version_not_supported",
            f"The account's version is {account.version}; it cannot go back to {asked}.",
        )
    request[VERSION_USED] = asked
