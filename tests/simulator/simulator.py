"""The simulator as tests and programs use it."""

from types import TracebackType
from typing import Final, Self, Unpack

from aiohttp import web

from .accounts import Account, AccountOptions
from .clock import Clock, utc_now
from .server import make_app
from .settings import Settings
from .state import State
from .tariffs import Direction
from .truth import Cost, Truth, find_session, find_truth

LOOPBACK: Final = "127.0.0.1"
ACCOUNT_ID: Final = "acc_simulator"
API_KEY: Final = "sk_test_simulator"
# An answer that is slow on purpose must not hold up the end.
SHUTDOWN_SECONDS: Final = 0.5


class Simulator:
    """A Flatpeak on loopback for as long as the context lasts.

    It begins with one account, with these options. Port 0 takes a free port.
    """

    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        port: int = 0,
        settings: Settings | None = None,
        account_id: str = ACCOUNT_ID,
        api_key: str = API_KEY,
        **options: Unpack[AccountOptions],
    ) -> None:
        """Prepare it; it is reached once the context is entered."""
        self._state = State(clock, settings or Settings())
        self._port = port
        self._runner = web.AppRunner(
            make_app(self._state), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS
        )
        self.account_id = account_id
        self.api_key = api_key
        self.url = ""
        self.settings = self._state.settings
        self.faults = self._state.faults
        self.requests = self._state.requests
        self.tokens = self._state.tokens
        self.violations = self._state.violations
        self.add_account(account_id, api_key, **options)

    async def __aenter__(self) -> Self:
        """Open the port."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, LOOPBACK, self._port)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        _, port = self._runner.addresses[0]
        self.url = f"http://{LOOPBACK}:{port}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the port."""
        await self._runner.cleanup()

    def add_account(
        self, account_id: str, *api_keys: str, **options: Unpack[AccountOptions]
    ) -> Account:
        """Open a further account."""
        return self._state.add_account(account_id, *api_keys, **options)

    def account(self, account_id: str | None = None) -> Account:
        """Return an account; the first one without an id."""
        return self._state.accounts[account_id or self.account_id]

    def truth(self, object_id: str, direction: Direction = Direction.IMPORT) -> Truth:
        """Return what a device or location has used and what that cost, as of now."""
        return find_truth(self._state, object_id, direction)

    def session(
        self, session_id: str, direction: Direction = Direction.IMPORT
    ) -> list[Cost]:
        """Return what each record of a session holds and cost, as of now."""
        return find_session(self._state, session_id, direction)

    def expire_tokens(self) -> None:
        """Let every token handed out so far die."""
        self.tokens.revoke_all()

    def reset(self) -> None:
        """Empty the accounts and forget what was noted; settings and logins stay."""
        self._state.reset()
