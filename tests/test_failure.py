"""Every failure of Flatpeak has its words, wherever a user may meet it."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from custom_components.flatpeak import upload
from custom_components.flatpeak.api import (
    FlatpeakAuthenticationError,
    FlatpeakBusyError,
    FlatpeakError,
    FlatpeakInvalidRequestError,
    FlatpeakRateLimitError,
    FlatpeakServerError,
    FlatpeakTariffError,
)
from custom_components.flatpeak.const import DOMAIN
from custom_components.flatpeak.failure import (
    action_failure,
    failure_key,
    failure_placeholders,
    update_failure,
)
from homeassistant.exceptions import ConfigEntryAuthFailed, HomeAssistantError
from homeassistant.helpers.update_coordinator import UpdateFailed

from .words import placeholders, read_words

# They only stand for those below them: nobody raises them.
GROUPS: Final = {FlatpeakError, FlatpeakBusyError, FlatpeakTariffError}


def _below(kind: type[FlatpeakError]) -> Iterator[type[FlatpeakError]]:
    """Yield a kind of failure and all kinds of it."""
    yield kind
    for each in kind.__subclasses__():
        yield from _below(each)


KINDS: Final = sorted(
    set(_below(FlatpeakError)) - GROUPS, key=lambda kind: kind.__name__
)


@pytest.fixture(scope="module")
def words() -> dict[str, Any]:
    """Return the words of the integration."""
    return read_words()


def _texts(words: dict[str, Any], key: str) -> list[str]:
    """Return the texts of a failure in flows and in exceptions."""
    return [
        words["config"]["error"][key],
        words["config_subentries"]["meter"]["error"][key],
        words["exceptions"][key]["message"],
    ]


def test_kinds_of_other_rooms_count() -> None:
    """The kinds that are not the client's own are among those looked at."""
    assert upload.FlatpeakNotProcessedError in KINDS


def test_keys_differ() -> None:
    """Each kind of failure is told apart."""
    keys = {failure_key(kind()) for kind in KINDS}

    assert "unknown" not in keys
    assert len(keys) == len(KINDS)


@pytest.mark.parametrize("kind", [*KINDS, FlatpeakError])
def test_words(words: dict[str, Any], kind: type[FlatpeakError]) -> None:
    """A failure is said in the same words everywhere, with all of them filled in."""
    err = kind("The service's words.")
    texts = _texts(words, failure_key(err))

    assert len(set(texts)) == 1
    assert texts[0].strip()
    assert placeholders(texts[0]) <= failure_placeholders(err).keys()
    if "message" in placeholders(texts[0]):
        filled = texts[0].format(**failure_placeholders(err))
        assert "The service's words." in filled


def test_unknown_kind() -> None:
    """A kind that has no words of its own is quoted."""

    class FlatpeakOddError(FlatpeakError):
        """Report something that nobody thought of."""

    assert failure_key(FlatpeakOddError()) == "unknown"


def test_the_service_is_quoted(words: dict[str, Any]) -> None:
    """What only Flatpeak can explain is explained in its words."""
    err = FlatpeakInvalidRequestError("end_time is before start_time", code="odd")

    text = words["exceptions"][failure_key(err)]["message"]

    shown = text.format(**failure_placeholders(err))
    assert shown == "Flatpeak refused the request: end_time is before start_time"


def test_update_failure_of_a_refused_key() -> None:
    """A refused key asks the user for another one."""
    failure = update_failure(FlatpeakAuthenticationError())

    assert type(failure) is ConfigEntryAuthFailed
    assert failure.translation_domain == DOMAIN
    assert failure.translation_key == "invalid_auth"


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind is not FlatpeakAuthenticationError]
)
def test_update_failure(kind: type[FlatpeakError]) -> None:
    """Everything else is tried again."""
    err = kind("Something private is never in here.")

    failure = update_failure(err)

    assert type(failure) is UpdateFailed
    assert failure.translation_domain == DOMAIN
    assert failure.translation_key == failure_key(err)
    assert failure.translation_placeholders == {"message": str(err)}
    assert failure.retry_after is None


@pytest.mark.parametrize("kind", [FlatpeakRateLimitError, FlatpeakServerError])
def test_update_failure_waits_as_long_as_asked(kind: type[FlatpeakBusyError]) -> None:
    """Flatpeak is left alone for as long as it says."""
    failure = update_failure(kind(retry_after=90))

    assert isinstance(failure, UpdateFailed)
    assert failure.retry_after == 90


@pytest.mark.parametrize("kind", KINDS)
def test_action_failure(kind: type[FlatpeakError]) -> None:
    """Who asks for something is told why there is no answer."""
    err = kind("Something private is never in here.")

    failure = action_failure(err)

    assert type(failure) is HomeAssistantError
    assert failure.translation_domain == DOMAIN
    assert failure.translation_key == failure_key(err)
    assert failure.translation_placeholders == {"message": str(err)}
