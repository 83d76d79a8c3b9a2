"""How the simulated service behaves where the documents leave it open."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

from jsonschema_rs import Draft202012Validator


class Duplicates(StrEnum):
    """What becomes of a second record for the same meter and period."""

    OVERWRITE = "overwrite"
    ADD = "add"
    REFUSE = "refuse"


class EmptyRows(StrEnum):
    """What a report says of a row's time without any record."""

    ABSENT = "absent"
    ZERO = "zero"


@dataclass(kw_only=True)
class Settings:
    """Everything that can be set while the simulator runs; times in seconds."""

    strict: bool = True
    """Refuse body fields and query parameters that the document does not know."""
    token_life: int = 3600
    processing_delay: float | None = 0
    """How long a batch takes until all its records count; None is for ever."""
    duplicates: Duplicates = Duplicates.OVERWRITE
    whole_watt_hours: bool = False
    """Round every record to whole Wh, halves to the even neighbour."""
    empty_rows: EmptyRows = EmptyRows.ABSENT
    max_report_days: int = 90
    location_includes_devices: bool = False
    """Let the report of a location count the records of its devices too."""
    connect_delay: float = 0
    """How long a market tariff is pending after it was asked for."""

    def to_json(self) -> dict[str, Any]:
        """Return the settings by name."""
        return asdict(self)

    def change(self, **changes: Any) -> None:
        """Change some settings by name; enums may be given as text."""
        SCHEMA.validate(changes)
        for name, value in changes.items():
            setattr(self, name, _ENUMS[name](value) if name in _ENUMS else value)


_ENUMS: Final = {"duplicates": Duplicates, "empty_rows": EmptyRows}
SCHEMA: Final = Draft202012Validator(
    {
        "type": "object",
        "properties": {
            "strict": {"type": "boolean"},
            "token_life": {"type": "integer", "minimum": 1},
            "processing_delay": {"type": ["number", "null"], "minimum": 0},
            "duplicates": {"enum": list(Duplicates)},
            "whole_watt_hours": {"type": "boolean"},
            "empty_rows": {"enum": list(EmptyRows)},
            "max_report_days": {"type": "integer", "minimum": 1},
            "location_includes_devices": {"type": "boolean"},
            "connect_delay": {"type": "number", "minimum": 0},
        },
        "additionalProperties": False,
    }
)
