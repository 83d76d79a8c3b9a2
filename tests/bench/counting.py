"""Count what the recorder's database is asked, whatever database that is."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
import re
from threading import current_thread
from typing import Any, Final

from sqlalchemy import event

from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance

# States, and what the recorder keeps for itself, are not what is measured.
WRITING: Final = re.compile(r"\s*(INSERT INTO|UPDATE) statistics\b", re.IGNORECASE)
READING: Final = re.compile(r"\s*SELECT\b", re.IGNORECASE)
RECORDER: Final = "Recorder"


@dataclass(kw_only=True)
class Traffic:
    """What went to and came from the database."""

    queries: int = 0
    rows_read: int = 0
    queries_of_recorder: int = 0
    """Home Assistant itself looks for each row before it writes it."""
    rows_written: int = 0
    """Rows of statistics that were inserted, or updated one by one."""
    rows_moved: int = 0
    """Rows of statistics that one statement updated together."""

    @property
    def rows_touched(self) -> int:
        """Return the rows that went through Home Assistant, either way."""
        return self.rows_read + self.rows_written


@contextmanager
def counted_traffic(hass: HomeAssistant) -> Generator[Traffic]:
    """Count what happens in the database for as long as the context lasts.

    It makes queries slower: what is counted is not timed.
    """
    traffic = Traffic()

    def count(
        connection: Any,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: Any,
        executemany: bool,
    ) -> None:
        """Count a statement and its rows."""
        if READING.match(statement):
            if current_thread().name == RECORDER:
                traffic.queries_of_recorder += 1
            else:
                traffic.queries += 1
                traffic.rows_read += _rows_found(cursor, statement, parameters)
        elif WRITING.match(statement):
            # "sum = sum + …" moves many rows at once.
            if "sum=(" in statement:
                traffic.rows_moved += cursor.rowcount
            else:
                traffic.rows_written += len(parameters) if executemany else 1

    engine = get_instance(hass).engine
    event.listen(engine, "after_cursor_execute", count)
    try:
        yield traffic
    finally:
        event.remove(engine, "after_cursor_execute", count)


def _rows_found(cursor: Any, statement: str, parameters: Any) -> int:
    """Return how many rows a query finds, which SQLite only tells when it is asked."""
    if (found := cursor.rowcount) >= 0:
        return int(found)
    counting = cursor.connection.execute(
        f"SELECT COUNT(*) FROM ({statement})",  # noqa: S608  # the statement that just ran
        parameters,
    )
    return int(counting.fetchone()[0])
