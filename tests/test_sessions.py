"""Sessions are told from the states of an entity, however these are cut."""

from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise
from typing import Final

from hypothesis import given, strategies as st
import pytest

from custom_components.flatpeak.sessions import (
    BRIDGED,
    Change,
    Ended,
    OpenSession,
    Session,
    SessionCost,
    Watch,
    advance,
    cuts_of,
    floored,
    raised,
    session_at,
    settle,
)

NOON: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE: Final = timedelta(minutes=1)
PAUSE: Final = 5 * MINUTE
STATES: Final = {"i": True, "o": False, "?": None}


def at(minutes: float) -> datetime:
    """Return an instant so long after noon."""
    return NOON + minutes * MINUTE


def told(*steps: tuple[float, str]) -> list[Change]:
    """Return changes: in session, out of it, or unknown."""
    return [
        Change(instant=at(minutes), in_session=STATES[state])
        for minutes, state in steps
    ]


def sessions(
    *steps: tuple[float, str], now: float = 10_000, pause: timedelta = PAUSE
) -> tuple[list[tuple[float, float]], OpenSession | None]:
    """Return the sessions of changes, in minutes after noon, and the one that goes on."""
    watch, ended = advance(Watch(seen=NOON), told(*steps), pause)
    watch, over = settle(watch, at(now), pause)
    found = [
        ((each.start - NOON) / MINUTE, (each.end - NOON) / MINUTE)
        for each in [*ended, *over]
    ]
    return found, watch.session


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(1, "o"), (10, "i"), (70, "o")], [(10, 70)]),
        ([(10, "i"), (10.5, "o")], [(10, 10.5)]),
        # A break that is short enough joins.
        ([(10, "i"), (20, "o"), (24.9, "i"), (30, "o")], [(10, 30)]),
        ([(10, "i"), (20, "o"), (25, "i"), (30, "o")], [(10, 20), (25, 30)]),
        ([(1, "i"), (2, "o"), (3, "i"), (4, "o"), (5, "i"), (6, "o")], [(1, 6)]),
        # The last known state holds.
        ([(10, "i"), (20, "?"), (50, "i"), (60, "o")], [(10, 60)]),
        ([(10, "i"), (20, "?"), (50, "o")], [(10, 50)]),
        ([(10, "i"), (20, "?"), (50, "o"), (54, "i"), (60, "o")], [(10, 60)]),
        ([(10, "i"), (20, "o"), (21, "?"), (24, "i"), (30, "o")], [(10, 30)]),
        ([(10, "i"), (20, "o"), (21, "?"), (26, "i"), (30, "o")], [(10, 20), (26, 30)]),
        ([(10, "o"), (20, "?"), (30, "i"), (40, "o")], [(30, 40)]),
        # But not for ever.
        ([(10, "i"), (20, "?"), (80, "i"), (90, "o")], [(10, 20), (80, 90)]),
        ([(10, "i"), (20, "?"), (80, "o")], [(10, 20)]),
        ([(10, "i"), (20, "?"), (30, "?"), (79, "i"), (90, "o")], [(10, 90)]),
        ([(10, "i"), (20, "?")], [(10, 20)]),
        # What is told twice is one thing.
        ([(10, "i"), (15, "i"), (20, "o"), (22, "o")], [(10, 20)]),
    ],
)
def test_sessions(
    steps: list[tuple[float, str]], expected: list[tuple[float, float]]
) -> None:
    """A session begins and ends with the state, over breaks and what is not known."""
    assert sessions(*steps) == (expected, None)


def test_no_pause() -> None:
    """Without a pause every break ends a session."""
    steps = [(10, "i"), (20, "o"), (21, "i"), (22, "o")]

    assert sessions(*steps, pause=timedelta()) == ([(10, 20), (21, 22)], None)


@pytest.mark.parametrize(
    ("steps", "now", "sure_until"),
    [
        ([(10, "i")], 100, 100),
        ([(10, "i"), (20, "o")], 24.9, 20),
        ([(10, "i"), (20, "o")], 25, 25),
        ([(10, "i"), (20, "?")], 79, 20),
        ([(10, "i"), (20, "?")], 80, 80),
        ([(10, "o"), (20, "?")], 30, 30),
    ],
)
def test_what_is_sure(
    steps: list[tuple[float, str]], now: float, sure_until: float
) -> None:
    """While a session may yet go on, only what was before is sure."""
    watch, _ = advance(Watch(seen=NOON), told(*steps), PAUSE)
    watch, _ = settle(watch, at(now), PAUSE)

    assert watch.sure_until(at(now)) == at(sure_until)


def test_deadline() -> None:
    """It is known when a session will be over, if nothing happens."""
    running = OpenSession(start=NOON)

    assert running.deadline(PAUSE) is None
    assert OpenSession(start=NOON, end=at(9)).deadline(PAUSE) == at(14)
    lost = OpenSession(start=NOON, end=at(9), is_lost=True)
    assert lost.deadline(PAUSE) == at(69)


_CHANGES = st.lists(
    st.tuples(
        st.timedeltas(min_value=timedelta(), max_value=2 * BRIDGED),
        st.sampled_from([True, False, None]),
    ),
    max_size=12,
).map(
    lambda steps: [
        Change(instant=NOON + since, in_session=state)
        for since, (_, state) in zip(
            accumulate(step for step, _ in steps), steps, strict=True
        )
    ]
)


@given(
    changes=_CHANGES,
    cuts=st.sets(st.integers(0, 12)),
    pause=st.sampled_from([timedelta(), MINUTE, PAUSE, 2 * BRIDGED]),
    repeated=st.integers(0, 3),
)
def test_any_cut_gives_the_same_sessions(
    changes: list[Change], cuts: set[int], pause: timedelta, repeated: int
) -> None:
    """States may be read in pieces, some twice, and time may pass between them."""
    end = NOON + timedelta(days=9)
    whole, expected = advance(Watch(seen=NOON), changes, pause)
    whole, over = settle(whole, end, pause)

    watch, found = Watch(seen=NOON), list[Ended]()
    borders = sorted({0, *(cut for cut in cuts if cut < len(changes)), len(changes)})
    for low, high in pairwise(borders):
        again = [each for each in changes[:low] if each.instant < watch.seen]
        pieces = (
            [*again[-repeated:], *changes[low:high]] if repeated else changes[low:high]
        )
        watch, ended = advance(watch, pieces, pause)
        found += ended
        watch, ended = settle(watch, changes[high - 1].instant, pause)
        found += ended
    watch, ended = settle(watch, end, pause)

    assert [*found, *ended] == [*expected, *over]
    assert watch == whole
    assert all(one.end <= other.start for one, other in pairwise([*found, *ended]))
    assert all(each.start <= each.end for each in found)


def test_what_flatpeak_gets() -> None:
    """Records lie on five minutes, and those of a session begin within it."""
    first = Session(start=at(11.5), begin=at(10), end=at(20))
    second = Session(start=at(21), begin=at(20), end=at(20))
    last = Session(start=at(31), begin=at(30))
    known = [first, second, last]

    assert (floored(at(14.99)), raised(at(15.01))) == (at(10), at(20))
    assert (floored(at(15)), raised(at(15))) == (at(15), at(15))
    assert [each.border for each in known] == [at(20), at(20), None]
    assert cuts_of(known) == {at(10), at(20), at(30)}
    assert [session_at(known, at(n)) for n in (5, 10, 15, 20, 25, 30, 999)] == [
        None,
        first,
        first,
        None,
        None,
        last,
        last,
    ]
    assert first.session_id("dev") == f"dev-session-{at(11.5).timestamp():.0f}"


def test_price() -> None:
    """A session without energy has no average price."""
    cost = SessionCost(energy_wh=2000, cost=0.5, currency="EUR")
    free = SessionCost(energy_wh=0, cost=0, currency="EUR")

    assert (cost.average_price, free.average_price) == (0.25, None)
