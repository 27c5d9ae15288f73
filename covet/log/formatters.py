"""How log lines look: for people in development, as JSON lines in production."""

from __future__ import annotations

import datetime as dt
import logging
import os
import sys
from typing import Any

from covet.json import dumps

__all__ = ["HumanFormatter", "JSONFormatter"]

# What every record has; the rest is what the caller put into ``extra``.
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "request_id",
    "taskName",
    "color_message",
}
_COLOURS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "1;31", "DEBUG": "2"}


class HumanFormatter(logging.Formatter):
    """One line for a person: time, level, logger, message, and the request's id if there is one."""

    def __init__(self, *, colour: bool | None = None) -> None:
        super().__init__()
        self.colour = (sys.stderr.isatty() and "NO_COLOR" not in os.environ) if colour is None else colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with the traceback below it."""
        time = dt.datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        level = record.levelname
        if self.colour and level in _COLOURS:
            level = f"\x1b[{_COLOURS[level]}m{level}\x1b[0m"
        identifier = getattr(record, "request_id", "")
        text = f"{time} {level} {record.name}: {record.getMessage()}"
        extra = " ".join(f"{key}={value!r}" for key, value in _extra(record).items())
        if extra:
            text += f"  {extra}"
        if identifier:
            text += f"  [{identifier}]"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if record.stack_info:
            text += "\n" + self.formatStack(record.stack_info)
        return text


class JSONFormatter(logging.Formatter):
    """One JSON object a line, for machines; what the caller put into ``extra`` stands beside the rest."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object as text; a value that has no form in JSON is written as its ``repr``."""
        entry: dict[str, Any] = {
            "time": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        identifier = getattr(record, "request_id", "")
        if identifier:
            entry["request_id"] = identifier
        entry.update(_extra(record))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        try:
            return dumps(entry).decode()
        except (TypeError, ValueError):
            return dumps({key: _plain(value) for key, value in entry.items()}).decode()


def _extra(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, type(None))) else repr(value)
