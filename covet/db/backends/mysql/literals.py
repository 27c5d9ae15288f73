"""Values as SQL text: the text commands of the protocol take no parameters, so the values are escaped here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

__all__ = ["literal"]


def literal(value: Any, backslashes: bool) -> str:
    """Return a value as SQL text: the protocol's text commands take no parameters."""
    spell = _SPELL.get(value.__class__)
    if spell is not None:
        return spell(value)
    if isinstance(value, str):
        return _text_literal(str(value), backslashes)
    for kind, spelled in _SPELL.items():
        if isinstance(value, kind):
            return spelled(value)
    raise TypeError(f"a value of type {type(value).__name__} cannot be sent")


_ESCAPES = str.maketrans({"\0": "\\0", "\n": "\\n", "\r": "\\r", "\x1a": "\\Z", '"': '\\"', "'": "\\'", "\\": "\\\\"})


def _text_literal(value: str, backslashes: bool) -> str:
    return f"'{value.translate(_ESCAPES)}'" if backslashes else "'" + value.replace("'", "''") + "'"


def _float_literal(value: float) -> str:
    text = repr(value)
    if text in ("inf", "-inf", "nan"):
        raise ValueError(f"{text} cannot be stored")
    return text if "e" in text else f"{text}e0"


def _bytes_literal(value: bytes | bytearray | memoryview) -> str:
    return f"X'{bytes(value).hex()}'"


_SPELL: dict[type, Callable[[Any], str]] = {
    type(None): lambda value: "NULL",
    bool: lambda value: "1" if value else "0",
    int: int.__repr__,
    float: _float_literal,
    Decimal: lambda value: format(value, "f"),
    bytes: _bytes_literal,
    bytearray: _bytes_literal,
    memoryview: _bytes_literal,
    # With their type: what a function such as COALESCE makes of a date and a mere text would be a text.
    dt.datetime: lambda value: f"TIMESTAMP'{value.replace(tzinfo=None).isoformat(' ', 'microseconds')}'",
    dt.date: lambda value: f"DATE'{value.isoformat()}'",
    dt.time: lambda value: f"'{value.replace(tzinfo=None).isoformat('microseconds')}'",
    dt.timedelta: lambda value: f"'{_time_span(value)}'",
    UUID: lambda value: f"'{value.hex}'",
}


def _time_span(value: dt.timedelta) -> str:
    sign = "-" if value < dt.timedelta() else ""
    seconds = abs(value)
    hours, rest = divmod(seconds, dt.timedelta(hours=1))
    minutes, rest = divmod(rest, dt.timedelta(minutes=1))
    return f"{sign}{hours:02d}:{minutes:02d}:{rest.seconds:02d}.{rest.microseconds:06d}"
