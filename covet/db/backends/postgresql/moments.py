"""``timestamptz`` by way of ``covet.accel``: where Rust is at hand, a moment is read in a third of asyncpg's time.

asyncpg takes a codec for both directions or none, so what encodes stands here too. It accepts and refuses what asyncpg's does.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from covet import accel

__all__ = ["use_native_moments"]

_OID = 1184
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_INFINITY, _MINUS_INFINITY = (2**63 - 1).to_bytes(8, "big"), (-(2**63)).to_bytes(8, "big", signed=True)
# The last and the first moment of ``datetime`` stand for PostgreSQL's infinities, in microseconds since its epoch.
_ENDS = {252_455_615_999_999_999: _INFINITY, -63_082_281_600_000_000: _MINUS_INFINITY}


def use_native_moments(raw: Any) -> None:
    """Let an asyncpg connection decode ``timestamptz`` natively; without the native half it stays as it is."""
    if accel.active()["decode_moment"] == "rust":
        settings = raw._protocol.get_settings()
        encode = _encode_natively if accel.active()["encode_moment"] == "rust" else _encode
        settings.add_python_codec(
            _OID, "timestamptz", "pg_catalog", [], "scalar", encode, accel.decode_moment, "binary"
        )


def _encode_natively(value: Any) -> bytes:
    """Return a moment as ``_encode`` does; one in UTC, as most are, by the native half."""
    return accel.encode_moment(value) or _encode(value)


def _encode(value: Any) -> bytes:
    """Return a moment in PostgreSQL's binary form.

    Raises:
        TypeError: It is neither a ``datetime`` nor a ``date``.
    """
    if value.__class__ is not datetime or value.tzinfo is not UTC:
        value = _in_utc(value)
        if isinstance(value, bytes):
            return value
    since = value - _EPOCH
    micros = since.days * _DAY + since.seconds * _SECOND + since.microseconds
    return _ENDS.get(micros) or micros.to_bytes(8, "big", signed=True)


def _in_utc(value: Any) -> datetime | bytes:
    """Return the moment in UTC, or an infinity; a naive one is of the machine's own zone, as asyncpg has it."""
    if not isinstance(value, datetime):
        if not isinstance(value, date):
            raise TypeError(f"expected a datetime.date or datetime.datetime instance, got {type(value).__name__!r}")
        value = datetime(value.year, value.month, value.day, tzinfo=datetime.now(UTC).astimezone().tzinfo)
    if value == datetime.max:
        return _INFINITY
    if value == datetime.min:
        return _MINUS_INFINITY
    return value.astimezone(UTC)  # type: ignore[no-any-return]  # a subclass's may be anything
