"""Moments of databases to aware ``datetime``: PostgreSQL's bytes, SQLite's texts, MySQL's without a zone; the twin of ``covet_rust/src/moments.rs``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

__all__ = ["decode_moment", "encode_moment", "in_utc", "read_moment"]

# Hour 24, which Python takes from 3.14 on, is not stored.
_STORED = re.compile(r"\d{4}-\d\d-\d\d (?:[01]\d|2[0-3]):\d\d:\d\d\.\d{6}", re.ASCII)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# PostgreSQL's ``infinity`` and ``-infinity``, as asyncpg gives them: without a zone.
_ENDS = {2**63 - 1: datetime.max, -(2**63): datetime.min}
_MICROSECOND = timedelta(microseconds=1)
# The last and the first moment stand for them the other way.
_STANDING = {(moment.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND for moment in (datetime.max, datetime.min)}


def decode_moment(data: bytes, /) -> datetime:
    """Return the moment that eight bytes tell: microseconds since 2000, the most significant byte first.

    Raises:
        OverflowError: It is beyond the years that a ``datetime`` can hold.
        ValueError: There are more or fewer bytes.
    """
    if len(data) != 8:
        raise ValueError(f"a moment has 8 bytes, not {len(data)}")
    micros = int.from_bytes(data, "big", signed=True)
    end = _ENDS.get(micros)
    return _EPOCH + timedelta(microseconds=micros) if end is None else end


def encode_moment(value: object, /) -> bytes | None:
    """Return the eight bytes of a moment in UTC; None for another one, and for those that stand for the infinities."""
    if type(value) is not datetime or value.tzinfo is not UTC:
        return None
    micros = (value - _EPOCH) // _MICROSECOND
    return None if micros in _STANDING else micros.to_bytes(8, "big", signed=True)


def in_utc(value: object, /) -> datetime:
    """Return a moment that has no zone as one in UTC.

    Raises:
        ValueError: It is no ``datetime``, or of a subclass.
    """
    if type(value) is not datetime:
        raise ValueError("no moment")
    return value.replace(tzinfo=UTC)


def read_moment(value: object, /) -> datetime:
    """Return the moment of a text ``YYYY-MM-DD HH:MM:SS.ffffff``, in UTC.

    Raises:
        ValueError: It has another form, or tells a day or hour that there is not.
    """
    if not isinstance(value, str) or _STORED.fullmatch(value) is None:
        raise ValueError("no moment in the form that is stored")
    return datetime.fromisoformat(f"{value}+00:00")
