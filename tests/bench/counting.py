"""Count what the recorder's database is asked, whatever database that is."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance


@dataclass(kw_only=True)
class Traffic:
    """What went to and came from the database."""

    queries: int = 0
    rows_read: int = 0
    rows_written: int = 0
    """Rows that were inserted, or updated one by one."""
    rows_moved: int = 0
    """Rows that one statement updated together."""

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
        if statement.lstrip().upper().startswith("SELECT"):
            traffic.queries += 1
            traffic.rows_read += _rows_found(cursor, statement, parameters)
        elif executemany or cursor.rowcount <= 1:
            traffic.rows_written += max(cursor.rowcount, 0)
        else:
            traffic.rows_moved += cursor.rowcount

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
