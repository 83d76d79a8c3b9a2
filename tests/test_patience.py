"""Patience: Flatpeak is left alone for as long as it asks for, and no longer."""

from datetime import timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import flush_store

from custom_components.flatpeak.api import (
    FlatpeakAccountDisabledError,
    FlatpeakBusyError,
    FlatpeakConnectionError,
    FlatpeakError,
    FlatpeakInvalidRequestError,
    FlatpeakNoTariffError,
    FlatpeakRateLimitError,
    FlatpeakServerError,
    FlatpeakVersionError,
    TariffDirection,
)
from custom_components.flatpeak.patience import Patience, StoredPatience, async_patience
from homeassistant.core import HomeAssistant

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def request(patience: Patience, err: FlatpeakError | None = None) -> None:
    """Ask Flatpeak for something that fails like this."""
    with patience.requests():
        if err is not None:
            raise err


def ask(patience: Patience, about: str, err: FlatpeakError | None = None) -> None:
    """Ask Flatpeak a question that fails like this."""
    with patience.question(about):
        if err is not None:
            raise err


@pytest.fixture
def patience() -> Patience:
    """Return patience that has nothing to wait for yet."""
    return Patience()


@pytest.mark.parametrize("kind", [FlatpeakRateLimitError, FlatpeakServerError])
def test_rest(
    patience: Patience, freezer: FrozenDateTimeFactory, kind: type[FlatpeakBusyError]
) -> None:
    """While Flatpeak rests, nothing is asked, and whoever asks learns how long."""
    with pytest.raises(kind):
        request(patience, kind("Enough for now", retry_after=90))

    freezer.tick(30)
    for _ in range(2):
        with pytest.raises(kind, match="Enough for now") as caught:
            request(patience, FlatpeakConnectionError())
        assert caught.value.retry_after == 60
    freezer.tick(59.9)
    with pytest.raises(kind):
        request(patience)

    freezer.tick(0.1)
    request(patience)


@pytest.mark.parametrize(
    "err",
    [FlatpeakRateLimitError(), FlatpeakServerError(), FlatpeakConnectionError()],
    ids=lambda err: type(err).__name__,
)
def test_no_rest(patience: Patience, err: FlatpeakError) -> None:
    """Without a time to wait for, the next request may be made at once."""
    with pytest.raises(type(err)):
        request(patience, err)

    request(patience)


def test_rest_is_limited(patience: Patience, freezer: FrozenDateTimeFactory) -> None:
    """A service that asks for a rest of years gets a day."""
    with pytest.raises(FlatpeakRateLimitError):
        request(patience, FlatpeakRateLimitError(retry_after=1e300))

    freezer.tick(timedelta(days=1) - SECOND)
    with pytest.raises(FlatpeakRateLimitError):
        request(patience)
    freezer.tick(SECOND)
    request(patience)


def test_newer_rest_counts(patience: Patience, freezer: FrozenDateTimeFactory) -> None:
    """Each answer says anew how long to wait."""
    with pytest.raises(FlatpeakRateLimitError):
        request(patience, FlatpeakRateLimitError(retry_after=60))
    freezer.tick(60)
    with pytest.raises(FlatpeakServerError):
        request(patience, FlatpeakServerError(retry_after=10))

    freezer.tick(5)
    with pytest.raises(FlatpeakServerError):
        request(patience)
    freezer.tick(5)
    request(patience)


@pytest.mark.parametrize(
    "kind",
    [
        FlatpeakAccountDisabledError,
        FlatpeakInvalidRequestError,
        FlatpeakNoTariffError,
        FlatpeakVersionError,
    ],
)
def test_refused_question(
    patience: Patience, freezer: FrozenDateTimeFactory, kind: type[FlatpeakError]
) -> None:
    """What was refused is not asked again for a quarter of an hour; other things are."""
    with pytest.raises(kind):
        ask(patience, "prices", kind("Not now"))
    ask(patience, "costs")

    for _ in range(2):
        freezer.tick(7 * MINUTE)
        with pytest.raises(kind, match="Not now"):
            ask(patience, "prices", FlatpeakConnectionError())

    freezer.tick(MINUTE)
    ask(patience, "prices")
    ask(patience, "prices")


@pytest.mark.parametrize(
    "err",
    [FlatpeakConnectionError(), FlatpeakServerError(retry_after=60)],
    ids=lambda err: type(err).__name__,
)
def test_question_without_an_answer(patience: Patience, err: FlatpeakError) -> None:
    """What was not refused may be asked again at once."""
    with pytest.raises(type(err)):
        ask(patience, "prices", err)

    ask(patience, "prices")


def test_refusal_keeps_its_code(patience: Patience) -> None:
    """A refusal that is remembered says all that it said at first."""
    with pytest.raises(FlatpeakInvalidRequestError):
        ask(patience, "prices", FlatpeakInvalidRequestError("No", code="odd"))

    with pytest.raises(FlatpeakInvalidRequestError, match="No") as caught:
        ask(patience, "prices")

    assert caught.value.code == "odd"


def test_errors_are_not_held_on_to(patience: Patience) -> None:
    """What is remembered does not keep alive what the error was raised in."""
    for _ in range(3):
        with pytest.raises(FlatpeakNoTariffError) as caught:
            ask(patience, "prices", FlatpeakNoTariffError())
        assert len(caught.traceback) < 5


async def test_patience_outlives_home_assistant(
    hass: HomeAssistant, hass_storage: dict[str, Any], freezer: FrozenDateTimeFactory
) -> None:
    """What Flatpeak asked for before a restart holds after it, and no longer."""
    patience = StoredPatience(hass, "loc_1")
    await patience.async_load()
    for about in ("status", ("dev_1", TariffDirection.IMPORT), ("loc_1", 3)):
        with pytest.raises(FlatpeakNoTariffError), patience.question(about):
            raise FlatpeakNoTariffError("Not yet")
    with pytest.raises(FlatpeakRateLimitError):
        request(patience, FlatpeakRateLimitError("Enough", retry_after=90))
    await flush_store(patience._store)  # noqa: SLF001  # it is written a moment later

    again = StoredPatience(hass, "loc_1")
    for _ in range(2):
        await again.async_load()
    with pytest.raises(FlatpeakRateLimitError, match="Enough"):
        request(again)
    freezer.tick(90)
    request(again)
    for about in ("status", ("dev_1", TariffDirection.IMPORT)):
        with (
            pytest.raises(FlatpeakNoTariffError, match="Not yet"),
            again.question(about),
        ):
            pytest.fail("asked again")
    assert set(again.refused) == {"status", ("dev_1", "IMPORT")}
    freezer.tick(15 * MINUTE)
    ask(again, "status")


async def test_patience_without_a_rest(
    hass: HomeAssistant, hass_storage: dict[str, Any]
) -> None:
    """Where only a question was refused, anything else may be asked after a restart."""
    patience = StoredPatience(hass, "loc_1")
    with pytest.raises(FlatpeakNoTariffError):
        ask(patience, "status", FlatpeakNoTariffError())
    await flush_store(patience._store)  # noqa: SLF001  # it is written a moment later

    again = StoredPatience(hass, "loc_1")
    await again.async_load()

    assert again.busy_until is None
    request(again)
    assert set(again.refused) == {"status"}


async def test_patience_outlives_a_reload(hass: HomeAssistant) -> None:
    """Each location has one patience, for as long as Home Assistant runs."""
    assert async_patience(hass, "loc_1") is async_patience(hass, "loc_1")
    assert async_patience(hass, "loc_1") is not async_patience(hass, "loc_2")
