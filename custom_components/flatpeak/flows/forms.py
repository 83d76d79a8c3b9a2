"""What the forms of the flows have in common: names, selectors, failures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from homeassistant.const import CONF_API_KEY
from homeassistant.helpers.selector import SelectSelector, SelectSelectorConfig

from ..api import FlatpeakError
from ..const import CONF_HISTORY
from ..failure import failure_key, failure_placeholders

CONF_DIRECTION: Final = "direction"
CONF_METERS: Final = "meters"
CONF_SERVER: Final = "server"
CONF_TARIFF: Final = "tariff"

HISTORY_NONE: Final = "none"
HISTORY_30_DAYS: Final = "30_days"
HISTORY_1_YEAR: Final = "1_year"
HISTORY_EVERYTHING: Final = "everything"

HISTORY_SELECTOR: Final = SelectSelector(
    SelectSelectorConfig(
        options=[HISTORY_NONE, HISTORY_30_DAYS, HISTORY_1_YEAR, HISTORY_EVERYTHING],
        translation_key=CONF_HISTORY,
    )
)

# Which field a failure is shown at where the form has it. The rest concerns the
# whole form, and so does what happens at a field that is not there to be mended.
_FIELD_OF_FAILURE: Final = {
    "insecure_url": CONF_SERVER,
    "invalid_auth": CONF_API_KEY,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FormFailure:
    """What a form shows of a failure; without errors there is none."""

    errors: Mapping[str, str] = field(default_factory=dict)
    placeholders: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, err: FlatpeakError, *fields: str) -> Self:
        """Return a failure of Flatpeak, at that one of the form's fields it concerns."""
        key = failure_key(err)
        field_name = _FIELD_OF_FAILURE.get(key)
        return cls(
            errors={field_name if field_name in fields else "base": key},
            placeholders=failure_placeholders(err),
        )

    def __bool__(self) -> bool:
        """Return whether there is a failure."""
        return bool(self.errors)

    def as_form(self) -> dict[str, Any]:
        """Return what a form is given to show."""
        return {
            "errors": dict(self.errors),
            "description_placeholders": dict(self.placeholders),
        }
