"""Everything the simulated service knows."""

from datetime import datetime
from functools import cache
from typing import Final, Unpack

from aiohttp import web

from .accounts import Account, AccountOptions, Ids
from .clock import Clock
from .errors import not_found
from .faults import Faults
from .request_log import RequestLog
from .settings import Settings
from .tokens import Tokens
from .validation import Contract
from .violations import Violations


class State:
    """The accounts, how the service behaves, and what was noted about its clients."""

    def __init__(self, clock: Clock, settings: Settings) -> None:
        """Begin without accounts."""
        self._clock = clock
        self.settings = settings
        self.accounts: dict[str, Account] = {}
        self.ids = Ids()
        self.violations = Violations()
        self.tokens = Tokens(self.violations)
        self.requests = RequestLog(self.violations)
        self.faults = Faults()

    def now(self) -> datetime:
        """Return the time of the simulated world."""
        return self._clock()

    @property
    def contract(self) -> Contract:
        """Return the document that requests are checked against."""
        return _contract(strict=self.settings.strict)

    def add_account(
        self, account_id: str, *api_keys: str, **options: Unpack[AccountOptions]
    ) -> Account:
        """Open an account."""
        account = Account(
            id=account_id, api_keys=frozenset(api_keys), ids=self.ids, **options
        )
        self.accounts[account_id] = account
        return account

    def owner(self, object_id: str) -> Account:
        """Return the account that a device or location belongs to."""
        for account in self.accounts.values():
            if object_id in account.devices or object_id in account.locations:
                return account
        raise not_found()

    def process(self, now: datetime) -> None:
        """Let the batches go on as far as the time has come."""
        for account in self.accounts.values():
            account.meters.process(now, self.settings)

    def reset(self) -> None:
        """Empty the accounts and forget what was noted; settings and logins stay."""
        for account in self.accounts.values():
            account.reset()
        self.violations.clear()
        self.requests.clear()
        self.faults.clear()


@cache
def _contract(*, strict: bool) -> Contract:
    """Compile the document once for each strictness."""
    return Contract(strict=strict)


STATE: Final = web.AppKey("state", State)
