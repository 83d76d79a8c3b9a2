"""What Home Assistant says of the use of something that is going away."""

import logging
from typing import override

from custom_components.flatpeak.const import DOMAIN

# How homeassistant/helpers/frame.py and homeassistant/helpers/deprecation.py begin.
BEGINNINGS = (
    f"Detected that custom integration '{DOMAIN}' ",
    "The deprecated ",
)


class DeprecationLog(logging.Handler):
    """Keeps what is said of the integration."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message that is about the integration."""
        message = record.getMessage()
        if message.startswith(BEGINNINGS) and DOMAIN in message + record.name:
            self.messages.append(message)
