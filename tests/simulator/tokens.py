"""Bearer tokens: what a login hands out and a request must carry."""

from dataclasses import dataclass
from datetime import datetime, timedelta
import secrets
from typing import Final

from aiohttp import web

from .accounts import Account
from .errors import bad_credentials
from .violations import Violation, Violations

RENEWAL_SHARE: Final = 0.9
# Requests that were on their way when the first one was refused are excused.
GRACE: Final = timedelta(seconds=1)


@dataclass(kw_only=True)
class Token:
    """One login."""

    value: str
    account: Account
    api_key: str
    issued: datetime
    life: timedelta
    revoked: bool = False
    used: bool = False

    @property
    def live_mode(self) -> bool:
        """Tell whether it was bought with a live key."""
        return self.api_key.startswith("sk_live_")

    def is_alive(self, now: datetime) -> bool:
        """Tell whether it is still taken."""
        return not self.revoked and now < self.issued + self.life

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether there is no reason yet to renew it."""
        return not self.revoked and now < self.issued + self.life * RENEWAL_SHARE


class Tokens:
    """All tokens ever handed out."""

    def __init__(self, violations: Violations) -> None:
        """Begin with none."""
        self._violations = violations
        self._tokens: dict[str, Token] = {}
        self._refused: dict[str, datetime] = {}

    def issue(
        self, account: Account, api_key: str, now: datetime, life: timedelta
    ) -> Token:
        """Hand out a new token; those before stay valid."""
        if any(
            token.account is account
            and token.api_key == api_key
            and token.is_fresh(now)
            for token in self._tokens.values()
        ):
            self._violations.add(now, Violation.EARLY_LOGIN, "A token was still fresh.")
        token = Token(
            value=secrets.token_urlsafe(32),
            account=account,
            api_key=api_key,
            issued=now,
            life=life,
        )
        self._tokens[token.value] = token
        return token

    def use(self, value: str, now: datetime) -> Token:
        """Return the token; refuse one that is unknown or dead."""
        token = self._tokens.get(value)
        if token is not None and token.is_alive(now):
            token.used = True
            return token
        refused = self._refused.setdefault(value, now)
        if value and now - refused > GRACE:
            self._violations.add(
                now, Violation.DEAD_TOKEN, "A token was used after it was refused."
            )
        raise bad_credentials()

    @property
    def refusals(self) -> list[datetime]:
        """Return when each token that was used after its death was refused first."""
        return [time for value, time in self._refused.items() if value]

    @property
    def unused(self) -> list[datetime]:
        """Return when the tokens were handed out that nobody has used."""
        return [token.issued for token in self._tokens.values() if not token.used]

    def revoke(self, value: str) -> None:
        """Let a token die before its time."""
        if token := self._tokens.get(value):
            token.revoked = True

    def revoke_all(self) -> None:
        """Let every token die."""
        for token in self._tokens.values():
            token.revoked = True


TOKENS: Final = web.AppKey("tokens", Tokens)


def bearer(request: web.Request) -> str:
    """Return the token a request carries; empty when it has none."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value if scheme == "Bearer" else ""
