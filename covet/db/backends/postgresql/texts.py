"""Values as PostgreSQL's own texts: the items of arrays and the ends of ranges, where they cannot be bound one by one."""

from __future__ import annotations

import datetime as dt
from typing import Any

__all__ = ["array_text", "value_text"]


def value_text(value: Any) -> str:
    """Return a driver's value as the input function of its type reads it.

    Args:
        value: A list, a range, or anything that asyncpg takes.
    """
    if isinstance(value, (list, tuple)):
        return array_text(value)
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"\\x{bytes(value).hex()}"
    if isinstance(value, dt.timedelta):
        return f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if hasattr(value, "isempty"):
        return _range_text(value)
    return str(value)


def array_text(items: Any) -> str:
    """Return ``{1,2,NULL}``; every value stands in quotes, so no text in it means anything."""
    return f"{{{','.join(_item(item) for item in items)}}}"


def _item(item: Any) -> str:
    if item is None:
        return "NULL"
    return array_text(item) if isinstance(item, (list, tuple)) else _quoted(value_text(item))


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _range_text(value: Any) -> str:
    if value.isempty:
        return "empty"
    lower = "" if value.lower is None else _quoted(value_text(value.lower))
    upper = "" if value.upper is None else _quoted(value_text(value.upper))
    return f"{'[' if value.lower_inc else '('}{lower},{upper}{']' if value.upper_inc else ')'}"
