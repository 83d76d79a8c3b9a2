"""What can go wrong between us and Flatpeak, as one tree.

No text of these exceptions holds a key, a token, an address or an id, so that all of
them may be logged and shown.
"""


class FlatpeakError(Exception):
    """Say what went wrong in words that may be logged."""

    default_message = "Flatpeak could not be used"

    def __init__(self, message: str | None = None) -> None:
        """Take a message, or the one of the class."""
        super().__init__(message or self.default_message)

    @property
    def message(self) -> str:
        """Return the message."""
        return str(self.args[0])


class FlatpeakInsecureUrlError(FlatpeakError):
    """Refuse an address that is unusable, or plain http beyond this machine."""

    default_message = "Flatpeak's address must be a plain https URL"


class FlatpeakConnectionError(FlatpeakError):
    """Report that no answer came: no connection, a time-out or a broken connection.

    Flatpeak may have acted on the request all the same.
    """

    default_message = "Flatpeak cannot be reached"


class FlatpeakResponseError(FlatpeakError):
    """Report an answer that cannot be read, or that answers something else."""

    default_message = "Flatpeak's answer cannot be read"


class FlatpeakAuthenticationError(FlatpeakError):
    """Report that the account id and API key were refused at login."""

    default_message = "Flatpeak refused the account id or API key"


class FlatpeakForbiddenError(FlatpeakError):
    """Report that a request was refused twice, the second time with a fresh token."""

    default_message = "Flatpeak does not let this account do this"


class FlatpeakAccountDisabledError(FlatpeakError):
    """Report that the account was disabled or its subscription has lapsed."""

    default_message = "The Flatpeak account is disabled"


class FlatpeakVersionError(FlatpeakError):
    """Report that the account is set to an API version newer than ours."""

    default_message = "The Flatpeak account is set to a newer API version"


class FlatpeakTariffError(FlatpeakError):
    """Report that there is no price; the same may be asked again in 15 minutes."""

    default_message = "Flatpeak has no price for this location"


class FlatpeakTariffPendingError(FlatpeakTariffError):
    """Report that the first prices of the tariff are still being fetched."""

    default_message = "Flatpeak is still fetching the prices of the tariff"


class FlatpeakNoTariffError(FlatpeakTariffError):
    """Report that the location has no tariff for this direction."""

    default_message = "No tariff is connected to this location for this direction"


class FlatpeakNoPriceDataError(FlatpeakTariffError):
    """Report that the prices of the tariff could not be fetched for a long time."""

    default_message = "Flatpeak cannot fetch the prices of the tariff; connect it again"


class FlatpeakDirectionNotSupportedError(FlatpeakTariffError):
    """Report that the account may not use this tariff direction."""

    default_message = "This tariff direction is not supported for the Flatpeak account"


class FlatpeakNotFoundError(FlatpeakError):
    """Report that Flatpeak does not know what was asked for."""

    default_message = "Flatpeak does not know what was asked for"


class FlatpeakConflictError(FlatpeakError):
    """Report that the request contradicts what is already there."""

    default_message = "The request contradicts what Flatpeak already holds"


class FlatpeakInvalidRequestError(FlatpeakError):
    """Report that Flatpeak refused what was asked, in the service's own words."""

    default_message = "Flatpeak refused the request"

    def __init__(self, message: str | None = None, *, code: str | None = None) -> None:
        """Take the service's message, without anything private, and its code."""
        super().__init__(message)
        self.code = code


class FlatpeakBusyError(FlatpeakError):
    """Report that the same may work later: in `retry_after` seconds, where known."""

    default_message = "Flatpeak is busy"

    def __init__(
        self, message: str | None = None, *, retry_after: float | None = None
    ) -> None:
        """Take the seconds to wait."""
        super().__init__(message)
        self.retry_after = retry_after


class FlatpeakRateLimitError(FlatpeakBusyError):
    """Report that there were too many requests."""

    default_message = "Flatpeak asks for fewer requests"


class FlatpeakServerError(FlatpeakBusyError):
    """Report trouble inside Flatpeak."""

    default_message = "Flatpeak has a problem of its own"
