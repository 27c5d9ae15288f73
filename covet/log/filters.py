"""Filters that a ``LOGGING`` may name, as Django's: by the setting ``DEBUG``, or by a function."""

from __future__ import annotations

import logging
from collections.abc import Callable

from covet.conf import settings

__all__ = ["CallbackFilter", "RequireDebugFalse", "RequireDebugTrue"]


class CallbackFilter(logging.Filter):
    """Keeps the records for which a function says so: ``{"()": "covet.log.CallbackFilter", "callback": wanted}``.

    Args:
        callback: Gets the record.
    """

    def __init__(self, callback: Callable[[logging.LogRecord], object]) -> None:
        super().__init__()
        self.callback = callback

    def filter(self, record: logging.LogRecord) -> bool:
        """Ask the function."""
        return bool(self.callback(record))


class RequireDebugFalse(logging.Filter):
    """Keeps records in production only; every config has it as ``require_debug_false``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``DEBUG`` is off."""
        return not settings.DEBUG


class RequireDebugTrue(logging.Filter):
    """Keeps records in development only; every config has it as ``require_debug_true``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether ``DEBUG`` is on."""
        return settings.DEBUG
