"""Names that are shared within the household."""

from typing import Final

DOMAIN: Final = "household"
CONF_INSTALLED: Final = "installed"
DATA_FILE: Final = "household-2016.csv.gz"
