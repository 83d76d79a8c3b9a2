"""What a handler gets and gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from .accounts import Account
from .clock import to_instant, to_text
from .faults import Trouble
from .settings import Settings
from .state import State
from .tokens import Token


@dataclass(frozen=True, kw_only=True)
class Call:
    """One authorised request, its query and body checked against the document."""

    state: State
    token: Token
    now: datetime
    object_id: str
    query: Mapping[str, Any]
    body: Any
    trouble: Trouble

    @property
    def account(self) -> Account:
        """Return the account that asks."""
        return self.token.account

    @property
    def settings(self) -> Settings:
        """Return how the service behaves."""
        return self.state.settings

    @property
    def time_created(self) -> str:
        """Return the stamp of what this request makes."""
        return to_text(to_instant(self.now))

    def new_id(self, prefix: str) -> str:
        """Return an id for what this request makes."""
        return self.state.ids.new(prefix)

    def stamp(self, prefix: str, kind: str) -> dict[str, Any]:
        """Return the fields that every answer made for this request alone begins with."""
        return {
            "id": self.new_id(prefix),
            "object": kind,
            "live_mode": self.token.live_mode,
            "time_created": self.time_created,
            "account_id": self.account.id,
        }


class Answer(NamedTuple):
    """Status and JSON body."""

    status: int
    body: Any


type Handler = Callable[[Call], Answer]

ACCEPTED = Answer(202, {"message": "Accepted"})
