"""The id of the request of the moment, for log records and problem documents."""

from __future__ import annotations

import contextvars
import logging

__all__ = ["RequestIdFilter", "current_request_id", "request_id"]

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("covet_request_id", default="")
"""Set by whoever takes a request in, and reset by its token."""


def current_request_id() -> str:
    """Return the id of the request being handled, or ``""``."""
    return request_id.get()


class RequestIdFilter(logging.Filter):
    """Puts the request's id on every record as ``record.request_id``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the id, unless the record brings one, and keep the record."""
        if not hasattr(record, "request_id"):
            record.request_id = request_id.get()
        return True
