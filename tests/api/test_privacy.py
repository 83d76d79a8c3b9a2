"""What is private is masked; what helps is kept."""

import time

import pytest

from custom_components.flatpeak.api.privacy import MAX_LENGTH, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Location loc_5f1e is unknown", "Location *** is unknown"),
        ("'dev_1','acc_2' (trf_a-b)", "'***','***' (***)"),
        ("LOC_5F1E and /locations/loc_1/status", "*** and /locations/***/status"),
        ("key sk_live_abc", "key ***"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig refused", "token *** refused"),
        ("reference 0f8fad5b-d9cb-469f-a165-70867728950e", "reference ***"),
        ("two\n\tlines\r\n", "two lines"),
        ("tariff_direction_not_supported", "tariff_direction_not_supported"),
        ("location_id is required", "location_id is required"),
        ("start_time 2025-03-01T00:00:00Z is late", None),
        ("LOCAL (beta) is not supported for your account", None),
        ("", ""),
    ],
)
def test_ids(text: str, masked: str | None) -> None:
    """Ids, keys and tokens go; words, codes and times stay."""
    assert mask(text) == (text if masked is None else masked)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("No such place: 1 High Street.", "No such place: 1 *** ***."),
        ("HIGH STREET is not in LONDON", "*** *** is not in ***"),
        ("N1 1AA, n1-1aa; 1st", "*** ***, ***-***; 1st"),
        ("Londonderry, highly", "Londonderry, highly"),
        ("in Zürich (ZÜRICH)", "in *** (***)"),
        ("c++ (x) is one", "c++ (x) is one"),
    ],
)
def test_private_words(text: str, masked: str) -> None:
    """What we sent is masked word by word, in any case."""
    private = ("1 High Street", "London", "N1 1AA", "Zürich", "", "c++ (x)")

    assert mask(text, private) == masked


def test_length() -> None:
    """A message is a line, not a page."""
    assert len(mask("word " * 1000)) == MAX_LENGTH


@pytest.mark.parametrize("unit", ["a", "a_", "loc_", "sk", "- "])
def test_long_texts_take_no_time(unit: str) -> None:
    """The patterns are linear, whatever the service says."""
    started = time.perf_counter()
    mask(unit * 500_000, ("secret",))

    assert time.perf_counter() - started < 5
