"""Registers: whatever is put into them comes out, and nothing else."""

from hypothesis import given, strategies as st

from tests.simulator.clock import DAY, HOUR, Span
from tests.simulator.registers import PLAIN, Note, Register

STARTS = st.integers(0, 5 * 24).map(lambda hour: hour * HOUR)
SPANS = st.builds(
    lambda start, length: Span(start, start + length * HOUR),
    STARTS,
    st.sampled_from([0, 1, 2, 24, 60]),
)
RECORDS = st.lists(st.tuples(SPANS, st.floats(0, 1e6)), max_size=60)


def filled(records: list[tuple[Span, float]]) -> Register:
    """Return a register with these records put one after the other."""
    register = Register()
    for span, energy in records:
        register.put(span, energy)
    return register


@given(RECORDS, SPANS)
def test_keeps_the_last_energy_of_a_span(
    records: list[tuple[Span, float]], other: Span
) -> None:
    """A register is like a dictionary by span."""
    register = filled(records)
    model = dict(records)

    assert len(register) == len(model)
    for span in [*model, other]:
        assert register.get(span) == model.get(span)


@given(RECORDS, SPANS)
def test_finds_what_touches_a_window(
    records: list[tuple[Span, float]], window: Span
) -> None:
    """All readings that share time with a window are found, by their start."""
    window = Span(window.start, window.end + 1)
    expected = [
        (span, energy)
        for span, energy in sorted(dict(records).items())
        if span.start < window.end
        and (span.end > window.start or span.start == window.start)
    ]

    assert list(filled(records).between(window)) == expected


@given(RECORDS, SPANS)
def test_notices_overlaps(records: list[tuple[Span, float]], other: Span) -> None:
    """A span overlaps when one with other borders covers a part of it."""
    expected = any(
        span != other and span.start < other.end and other.start < span.end
        for span, _ in records
    )

    assert filled(records).overlaps(other) is expected


@given(RECORDS)
def test_knows_its_extent(records: list[tuple[Span, float]]) -> None:
    """The extent reaches from the first start to the last end."""
    spans = [span for span, _ in records]
    expected = (
        Span(min(span.start for span in spans), max(span.end for span in spans))
        if spans
        else None
    )

    assert filled(records).extent() == expected


@given(RECORDS, st.lists(SPANS, max_size=20))
def test_forgets(records: list[tuple[Span, float]], discarded: list[Span]) -> None:
    """What is discarded is gone; the rest stays."""
    register = filled(records)
    model = dict(records)
    for span in [*discarded, *list(model)[::2]]:
        register.discard(span)
        model.pop(span, None)

    window = Span(-DAY, 100 * DAY)
    assert list(register.between(window)) == sorted(model.items())


def test_note_stays_with_its_span() -> None:
    """A note is found again, goes with its reading, and is not there for others."""
    register = Register()
    hour = Span(0, HOUR)
    note = Note("charge", 0.5)
    register.put(hour, 1, note)

    assert register.note(hour) == note
    assert register.note(Span(0, 2 * HOUR)) == PLAIN
    register.put(hour, 2)
    assert register.note(hour) == PLAIN
    register.put(hour, 3, note)
    register.discard(hour)
    assert register.note(hour) == PLAIN
