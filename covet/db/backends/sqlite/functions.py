"""Functions that SQLite lacks, in Python: dates with zones, regular expressions, padding, hashes, mathematics, statistics.

Datetimes arrive as the texts that the dialect stores: ISO, UTC, no offset. Wrong input gives NULL, as in SQLite's own.
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import math
import random
import re
import sqlite3
import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from covet.db.backends.sqlite.json_functions import JSON_CALLS
from covet.db.sql.dialect import UTC, naive_utc

__all__ = ["register_functions"]


def register_functions(connection: sqlite3.Connection) -> None:
    """Give a connection the functions that the dialect writes."""
    for name, count, function in _FUNCTIONS:
        connection.create_function(name, count, function, deterministic=name not in _NOT_DETERMINISTIC)
    for name, aggregate in _AGGREGATES.items():
        connection.create_aggregate(name, 1, aggregate)


def _null_safe(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give NULL for NULL, and for what the function cannot reckon."""

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if None in args:
            return None
        try:
            return function(*args)
        except (ValueError, ZeroDivisionError, OverflowError, RecursionError):
            return None

    return call


@functools.lru_cache(256)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text)


def _regexp(pattern: str, value: Any) -> bool:
    return _pattern(pattern).search(str(value)) is not None


@functools.lru_cache(64)
def _zone(name: str) -> dt.tzinfo:
    return UTC if name.upper() == "UTC" else ZoneInfo(name)


def _parse(value: Any, zone: str | None = None) -> dt.datetime:
    text = str(value)
    if len(text) > 2 and text[2] == ":":
        return dt.datetime.combine(dt.date(1900, 1, 1), dt.time.fromisoformat(text))
    found = dt.datetime.fromisoformat(text)
    if zone is None:
        return found
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(_zone(zone))


_PARTS: dict[str, Callable[[dt.datetime], int]] = {
    "year": lambda d: d.year,
    "iso_year": lambda d: d.isocalendar()[0],
    "month": lambda d: d.month,
    "day": lambda d: d.day,
    "week": lambda d: d.isocalendar()[1],
    "week_day": lambda d: d.isoweekday() % 7 + 1,
    "iso_week_day": lambda d: d.isoweekday(),
    "quarter": lambda d: (d.month - 1) // 3 + 1,
    "hour": lambda d: d.hour,
    "minute": lambda d: d.minute,
    "second": lambda d: d.second,
}

_CUTS: dict[str, Callable[[dt.datetime], dt.datetime]] = {
    "year": lambda d: d.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0),
    "quarter": lambda d: d.replace(month=(d.month - 1) // 3 * 3 + 1, day=1, hour=0, minute=0, second=0, microsecond=0),
    "month": lambda d: d.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
    "week": lambda d: (d - dt.timedelta(days=d.weekday())).replace(hour=0, minute=0, second=0, microsecond=0),
    "day": lambda d: d.replace(hour=0, minute=0, second=0, microsecond=0),
    "hour": lambda d: d.replace(minute=0, second=0, microsecond=0),
    "minute": lambda d: d.replace(second=0, microsecond=0),
    "second": lambda d: d.replace(microsecond=0),
}


def _extract(part: str, value: Any, *zone: str) -> int:
    return _PARTS[part](_parse(value, *zone))


def _truncate(unit: str, kind: str, value: Any, *zone: str) -> str:
    found = _parse(value, *zone)
    if unit == "date":
        return found.date().isoformat()
    if unit == "time":
        return found.time().isoformat("microseconds")
    cut = _CUTS[unit](found)
    if kind == "date":
        return cut.date().isoformat()
    if kind == "time":
        return cut.time().isoformat("microseconds")
    if cut.tzinfo is not None:
        cut = cut.astimezone(UTC).replace(tzinfo=None)
    return cut.isoformat(" ", "microseconds")


def _move(value: Any, microseconds: int) -> str:
    """Return a moment moved by a duration; a date becomes a moment, a time of day turns over at midnight."""
    moved = _parse(value) + dt.timedelta(microseconds=microseconds)
    if str(value)[2:3] == ":":
        return moved.time().isoformat("microseconds")
    return moved.isoformat(" ", "microseconds")


def _difference(later: Any, earlier: Any) -> int:
    return (_parse(later) - _parse(earlier)) // dt.timedelta(microseconds=1)


def _stored(kind: str, value: Any) -> str:
    """Return a text as the dialect stores what it spells: a day, a moment, a time of day or a UUID."""
    text = str(value).strip()
    if kind == "uuid":
        return uuid.UUID(text).hex
    if kind == "time":
        return dt.time.fromisoformat(text).replace(tzinfo=None).isoformat("microseconds")
    moment = dt.datetime.fromisoformat(text)
    return moment.date().isoformat() if kind == "date" else naive_utc(moment).isoformat(" ", "microseconds")


def _pad(text: Any, length: int, fill: str, *, left: bool) -> str:
    value = str(text)
    if len(value) >= length:
        return value[:length]
    padding = (fill * length)[: length - len(value)]
    return padding + value if left else value + padding


def _hash(name: str) -> Callable[[Any], str]:
    return lambda value: hashlib.new(name, str(value).encode(), usedforsecurity=False).hexdigest()


def _uuid7(shift_microseconds: int = 0) -> str:
    """Return a UUID that begins with the time in milliseconds (RFC 9562, section 5.7)."""
    milliseconds = (time.time_ns() // 1000 + shift_microseconds) // 1000
    digits = f"{milliseconds:012x}{uuid.uuid4().hex[12:]}"
    return f"{digits[:12]}7{digits[13:]}"


def _sign(value: Any) -> int:
    return int(value > 0) - int(value < 0)


def _power(base: Any, exponent: Any) -> Any:
    """Return the power; of a negative number and a broken exponent there is none that SQL has."""
    found = base**exponent
    return None if isinstance(found, complex) else found


def _round_tens(value: Any, places: int) -> Any:
    """Return a number rounded to tens, hundreds, …: a half goes away from zero, as in SQL."""
    step = 10**-places
    whole = (
        int((abs(value) + step / 2) // step) * step
        if isinstance(value, float)
        else (abs(value) + step // 2) // step * step
    )
    return value.__class__(-whole if value < 0 else whole)


_FUNCTIONS: list[tuple[str, int, Callable[..., Any]]] = [
    (name, count, _null_safe(function))
    for name, count, function in (
        ("REGEXP", 2, _regexp),
        ("COVET_EXTRACT", 2, _extract),
        ("COVET_EXTRACT", 3, _extract),
        ("COVET_MOVE", 2, _move),
        ("COVET_DIFF", 2, _difference),
        ("COVET_STORED", 2, _stored),
        ("COVET_TRUNC", 3, _truncate),
        ("COVET_TRUNC", 4, _truncate),
        ("COVET_LPAD", 3, lambda text, length, fill: _pad(text, length, fill, left=True)),
        ("COVET_RPAD", 3, lambda text, length, fill: _pad(text, length, fill, left=False)),
        ("COVET_REPEAT", 2, lambda text, count: str(text) * count),
        ("COVET_REVERSE", 1, lambda text: str(text)[::-1]),
        ("COVET_RIGHT", 2, lambda text, length: str(text)[-length:] if length > 0 else ""),
        *[
            (f"COVET_{name}", 1, _hash(name.lower()))
            for name in ("MD5", "SHA1", "SHA224", "SHA256", "SHA384", "SHA512")
        ],
        ("COVET_LOG", 2, lambda base, value: math.log(value, base)),
        ("COVET_LN", 1, math.log),
        ("COVET_MOD", 2, math.fmod),
        ("COVET_POWER", 2, _power),
        ("COVET_ROUND_TENS", 2, _round_tens),
        ("COVET_XOR", 2, lambda a, b: a ^ b),
        ("COVET_SIGN", 1, _sign),
        ("COVET_PI", 0, lambda: math.pi),
        ("COVET_CEILING", 1, math.ceil),
        ("COVET_FLOOR", 1, math.floor),
        ("COVET_COT", 1, lambda value: 1 / math.tan(value)),
        ("COVET_ATAN2", 2, math.atan2),
        ("COVET_RANDOM", 0, random.random),
        ("COVET_UUID4", 0, lambda: uuid.uuid4().hex),
        ("COVET_UUID7", 0, _uuid7),
        ("COVET_UUID7", 1, _uuid7),
        *JSON_CALLS,
        *[
            (f"COVET_{name.upper()}", 1, getattr(math, name))
            for name in ("acos", "asin", "atan", "cos", "degrees", "exp", "radians", "sin", "sqrt", "tan")
        ],
    )
]
_NOT_DETERMINISTIC = frozenset(("COVET_RANDOM", "COVET_UUID4", "COVET_UUID7"))


class _Aggregate:
    """Gathers the values of a group; NULL does not count."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def step(self, value: Any) -> None:
        if value is not None:
            self.values.append(value)


class _StdDevPop(_Aggregate):
    def finalize(self) -> float | None:
        return statistics.pstdev(self.values) if self.values else None


class _StdDevSamp(_Aggregate):
    def finalize(self) -> float | None:
        return statistics.stdev(self.values) if len(self.values) > 1 else None


class _VarPop(_Aggregate):
    def finalize(self) -> float | None:
        return statistics.pvariance(self.values) if self.values else None


class _VarSamp(_Aggregate):
    def finalize(self) -> float | None:
        return statistics.variance(self.values) if len(self.values) > 1 else None


class _BitAnd(_Aggregate):
    def finalize(self) -> int | None:
        return functools.reduce(lambda a, b: a & b, self.values) if self.values else None


class _BitOr(_Aggregate):
    def finalize(self) -> int | None:
        return functools.reduce(lambda a, b: a | b, self.values) if self.values else None


class _BitXor(_Aggregate):
    def finalize(self) -> int | None:
        return functools.reduce(lambda a, b: a ^ b, self.values) if self.values else None


# Any: sqlite3's stub wants a protocol that it does not export.
_AGGREGATES: dict[str, Any] = {
    "COVET_STDDEV_POP": _StdDevPop,
    "COVET_STDDEV_SAMP": _StdDevSamp,
    "COVET_VAR_POP": _VarPop,
    "COVET_VAR_SAMP": _VarSamp,
    "COVET_BIT_AND": _BitAnd,
    "COVET_BIT_OR": _BitOr,
    "COVET_BIT_XOR": _BitXor,
}
