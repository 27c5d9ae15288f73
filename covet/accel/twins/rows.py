"""Rows of a database to the bytes of a JSON array of objects; the twin of ``covet_rust/src/rows.rs``.

The bytes are those of pydantic for the same values. msgspec writes most of them alike and is the fastest way from
plain Python, so each plan compiles a function that builds what msgspec is given, and mends only the columns where the
two differ: large floats, durations, bytes, JSON of any shape.
"""

from __future__ import annotations

import base64
import datetime
import decimal
import enum
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import msgspec

from covet.accel.plans import RowPlan

__all__ = ["encode_rows"]

MAX_DEPTH: Final = 200
"""How deep a JSON value may nest; the Rust half has the same limit."""

_encode = msgspec.json.Encoder().encode
_MICROS_A_DAY: Final = 86_400_000_000


def encode_rows(rows: Iterable[Sequence[Any]], plan: RowPlan) -> bytes:
    """Return ``[{"key":value,…},…]`` for rows in the order of the plan's keys.

    Raises:
        ValueError: A row has another length than the plan.
        TypeError: JSON has no spelling for a value.
    """
    shape = plan.shape
    if shape is None:
        shape = plan.shape = _compile(plan)
    return _encode(shape(rows))


def _compile(plan: RowPlan) -> Callable[[Iterable[Sequence[Any]]], list[Any]]:
    """Write the function that turns rows into what msgspec is given: one list display, no loop over columns."""
    if not plan.keys:
        return lambda rows: [{} for _ in rows]
    scope: dict[str, Any] = {"number": _number, "plain": _plain}
    items = []
    for index, (key, convert, kind) in enumerate(zip(plan.keys, plan.converters, plan.kinds, strict=True)):
        value = f"v{index}"
        if convert is not None:
            scope[f"c{index}"] = convert
            # As everywhere in the framework, a converter never sees NULL.
            value = f"(None if v{index} is None else c{index}(v{index}))"
        if kind == "float":
            value = f"number({value})"
        elif kind == "any":
            value = f"plain({value})"
        items.append(f"{key!r}: {value}")
    names = ", ".join(f"v{index}" for index in range(len(plan.keys)))
    source = f"def shape(rows):\n    return [{{{', '.join(items)}}} for ({names},) in rows]\n"
    exec(compile(source, f"<rows of {', '.join(plan.keys)}>", "exec"), scope)  # noqa: S102  keys go in as literals
    shape: Callable[[Iterable[Sequence[Any]]], list[Any]] = scope["shape"]
    return shape


def _number(value: Any) -> Any:
    """A float as pydantic writes it: from 1e16 on the exponent has a sign, which msgspec leaves out."""
    if value is None or -1e16 < value < 1e16:
        return value
    return msgspec.Raw(_encode(value).replace(b"e", b"e+")) if value - value == 0 else None


def _plain(value: Any, depth: int = 0) -> Any:
    """Turn any value into what msgspec writes as pydantic writes the value."""
    kind = type(value)
    if value is None or kind is str or kind is int or kind is bool:
        return value
    if kind is float:
        return _number(value)
    if depth >= MAX_DEPTH and isinstance(value, (dict, list, tuple, enum.Enum)):
        raise RecursionError(f"a JSON value nests deeper than {MAX_DEPTH} levels")
    if isinstance(value, enum.Enum):
        return _plain(value.value, depth + 1)
    if isinstance(value, datetime.datetime):
        return _moment(value.isoformat(), 19)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return _moment(value.isoformat(), 8)
    if isinstance(value, datetime.timedelta):
        return _duration(value)
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).decode("ascii")
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _number(float(value))
    if isinstance(value, dict):
        # Raw, so that keys which differ in Python and not in JSON (1 and "1") are all written, as in Rust.
        items = (_encode(_key(key)) + b":" + _encode(_plain(item, depth + 1)) for key, item in value.items())
        return msgspec.Raw(b"{" + b",".join(items) + b"}")
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (uuid.UUID, decimal.Decimal)):
        return str(value)
    raise TypeError(f"JSON has no spelling for a value of type {kind.__name__}")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return str.__str__(key)
    if key is None:
        return "None"
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return int.__repr__(key)
    raise TypeError(f"JSON has no spelling for a key of type {type(key).__name__}")


def _moment(text: str, start: int) -> str:
    """``isoformat()`` as RFC 3339 has it: ``Z`` for UTC, and no seconds in an offset, which may begin at ``start``."""
    at = max(text.find("+", start), text.find("-", start))
    if at < 0:
        return text
    return text[:at] + "Z" if text[at:] == "+00:00" else text[: at + 6]


def _duration(value: datetime.timedelta) -> str:
    """A duration in ISO 8601, a year counted as 365 days, as pydantic spells it."""
    total = value.days * _MICROS_A_DAY + value.seconds * 1_000_000 + value.microseconds
    size = abs(total)
    days, rest = divmod(size, _MICROS_A_DAY)
    seconds, micros = divmod(rest, 1_000_000)
    text = "-P" if total < 0 else "P"
    text += _units((days // 365, "Y"), (days % 365, "D"))
    if rest or not size:
        text += "T" + _units((seconds // 3600, "H"), (seconds // 60 % 60, "M"))
        if micros:
            fraction = f"{micros:06}".rstrip("0")
            text += f"{seconds % 60}.{fraction}S"
        elif seconds % 60 or not size:
            text += f"{seconds % 60}S"
    return text


def _units(*units: tuple[int, str]) -> str:
    return "".join(f"{number}{unit}" for number, unit in units if number)
