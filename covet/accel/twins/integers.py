"""PostgreSQL's flat arrays of integers, to and from its binary form; the twin of ``covet_rust/src/integers.rs``."""

from __future__ import annotations

import struct

__all__ = ["decode_integers", "encode_integers"]

# The element types by their width: ``integer`` and ``bigint``.
_KINDS = {4: 23, 8: 20}
_CODES = {4: "i", 8: "q"}
# Dimensions, flags and type; then length and lower bound of the one dimension.
_HEAD = 20


def encode_integers(values: object, width: int, /) -> bytes | None:
    """Return a list or tuple of integers as an array of ``width`` bytes each; ``None`` for whatever else there is in it."""
    if values.__class__ is not list and values.__class__ is not tuple:
        return None
    if any(item.__class__ is not int for item in values):
        return None
    words = [word for item in values for word in (width, item)]
    try:
        return struct.pack(f">5i{f'i{_CODES[width]}' * len(values)}", 1, 0, _KINDS[width], len(values), 1, *words)
    except struct.error:
        return None


def decode_integers(data: bytes, width: int, /) -> list[int | None] | None:
    """Return the integers of an array of one dimension, ``None`` for NULL; ``None`` alone for what has another form."""
    try:
        (dimensions,) = struct.unpack_from(">i", data)
        if dimensions == 0:
            return []
        if dimensions != 1:
            return None
        (count,) = struct.unpack_from(">i", data, 12)
        found: list[int | None] = []
        at = _HEAD
        for _ in range(count):
            (length,) = struct.unpack_from(">i", data, at)
            at += 4
            if length == -1:
                found.append(None)
                continue
            if length != width:
                return None
            found += struct.unpack_from(f">{_CODES[width]}", data, at)
            at += width
    except struct.error:
        return None
    return found if count >= 0 and at == len(data) else None
