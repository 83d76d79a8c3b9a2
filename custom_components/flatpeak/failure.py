"""Say in a user's words what went wrong with Flatpeak: the one place for it."""

from typing import Final

from homeassistant.exceptions import ConfigEntryAuthFailed, HomeAssistantError
from homeassistant.helpers.update_coordinator import UpdateFailed

from .api import (
    FlatpeakAccountDisabledError,
    FlatpeakAuthenticationError,
    FlatpeakBusyError,
    FlatpeakConflictError,
    FlatpeakConnectionError,
    FlatpeakDirectionNotSupportedError,
    FlatpeakError,
    FlatpeakForbiddenError,
    FlatpeakInsecureUrlError,
    FlatpeakInvalidRequestError,
    FlatpeakNoPriceDataError,
    FlatpeakNoTariffError,
    FlatpeakNotFoundError,
    FlatpeakRateLimitError,
    FlatpeakResponseError,
    FlatpeakServerError,
    FlatpeakTariffPendingError,
    FlatpeakVersionError,
)
from .const import DOMAIN
from .journal import JournalError
from .upload import FlatpeakNotProcessedError

# The translation key of each failure: of flow errors and of exceptions alike.
_KEYS: Final[dict[type[FlatpeakError], str]] = {
    FlatpeakAccountDisabledError: "account_disabled",
    FlatpeakAuthenticationError: "invalid_auth",
    FlatpeakConflictError: "conflict",
    FlatpeakConnectionError: "cannot_connect",
    FlatpeakDirectionNotSupportedError: "direction_not_supported",
    FlatpeakForbiddenError: "forbidden",
    FlatpeakInsecureUrlError: "insecure_url",
    FlatpeakInvalidRequestError: "invalid_request",
    FlatpeakNoPriceDataError: "no_price_data",
    FlatpeakNotFoundError: "not_found",
    FlatpeakNotProcessedError: "not_processed",
    FlatpeakNoTariffError: "no_tariff",
    FlatpeakRateLimitError: "rate_limited",
    FlatpeakResponseError: "unreadable_answer",
    FlatpeakServerError: "server_error",
    FlatpeakTariffPendingError: "tariff_pending",
    FlatpeakVersionError: "api_version",
    JournalError: "not_noted",
}


def failure_key(err: FlatpeakError) -> str:
    """Return the translation key that explains a failure."""
    return _KEYS.get(type(err), "unknown")


def failure_placeholders(err: FlatpeakError) -> dict[str, str]:
    """Return what a translated explanation may quote."""
    return {"message": str(err)}


def update_failure(err: FlatpeakError) -> HomeAssistantError:
    """Return the failure as the update coordinator wants it raised."""
    if isinstance(err, FlatpeakAuthenticationError):
        return ConfigEntryAuthFailed(
            translation_domain=DOMAIN, translation_key=failure_key(err)
        )
    return UpdateFailed(
        translation_domain=DOMAIN,
        translation_key=failure_key(err),
        translation_placeholders=failure_placeholders(err),
        retry_after=err.retry_after if isinstance(err, FlatpeakBusyError) else None,
    )


def cycle_failure(err: BaseException | None) -> HomeAssistantError:
    """Return what kept a cycle from ending well, as the user is told."""
    if isinstance(err, HomeAssistantError):
        return err
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="unknown",
        translation_placeholders={"message": type(err).__name__},
    )


def action_failure(err: FlatpeakError) -> HomeAssistantError:
    """Return the failure as the user of an action is told."""
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key=failure_key(err),
        translation_placeholders=failure_placeholders(err),
    )
