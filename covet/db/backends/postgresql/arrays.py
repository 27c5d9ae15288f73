"""``integer[]`` and ``bigint[]`` by way of ``covet.accel``: the keys of ``= ANY($1)`` take a tenth of what asyncpg needs for them.

The native half knows flat lists of plain integers, which is what the ORM sends and reads. Everything else (NULL, nested lists,
numbers of other kinds, mistakes) is written and read here, as asyncpg does it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from functools import partial
from operator import index
from typing import Any

from covet import accel

__all__ = ["use_native_arrays"]

# The array's type, its name, its element's type and width.
_ARRAYS = ((1007, "_int4", 23, 4), (1016, "_int8", 20, 8))
_MOST_DIMENSIONS = 6


def use_native_arrays(raw: Any) -> None:
    """Let an asyncpg connection write and read arrays of integers natively; without the native half it stays as it is."""
    if accel.active()["encode_integers"] != "rust":
        return
    settings = raw._protocol.get_settings()
    for oid, name, kind, width in _ARRAYS:
        coders = partial(_encode, kind, width), partial(_decode, width)
        settings.add_python_codec(oid, name, "pg_catalog", [], "scalar", *coders, "binary")


def _encode(kind: int, width: int, values: Any) -> bytes:
    found = accel.encode_integers(values, width)
    return _encode_any(kind, width, values) if found is None else found


def _encode_any(kind: int, width: int, values: Any) -> bytes:
    """Return any array in PostgreSQL's binary form.

    Raises:
        TypeError: It is no container.
        ValueError: Its lists are not all of one length, or it holds what is no number.
        OverflowError: A number needs more bytes.
    """
    if not _is_container(values):
        raise TypeError(f"a sized iterable container expected (got type {type(values).__name__!r})")
    shape = _shape(values, 1)
    items = values
    for _ in shape[1:]:
        items = [item for part in items for item in part]
    data = b"".join([_element(item, place, width, len(shape)) for place, item in enumerate(items)])
    bounds = [word for length in shape for word in (length, 1)]
    return struct.pack(f">3i{len(bounds)}i", len(shape), 0, kind, *bounds) + data


def _is_container(value: Any) -> bool:
    return (
        isinstance(value, Iterable)
        and isinstance(value, Sized)
        and not isinstance(value, (str, bytes, bytearray, memoryview, Mapping))
    )


def _shape(values: Any, depth: int) -> list[int]:
    """Return the length in each dimension; nested tuples are no lists, but records."""
    if depth > _MOST_DIMENSIONS:
        raise ValueError(f"number of array dimensions ({depth}) exceed the maximum expected ({_MOST_DIMENSIONS})")
    inner: list[int] | None = None
    for item in values:
        found = [] if isinstance(item, tuple) or not _is_container(item) else _shape(item, depth + 1)
        if inner is not None and found != inner:
            raise ValueError("non-homogeneous array")
        inner = found
    return [len(values), *(inner or ())]


def _element(item: Any, place: int, width: int, dimensions: int) -> bytes:
    if item is None:
        return b"\xff\xff\xff\xff"
    try:
        if type(item) is not int and hasattr(type(item), "__int__"):
            item = int(item)
        number = index(item)
    except TypeError as error:
        where = f" at index {place}" if dimensions == 1 else ""
        raise ValueError(f"invalid array element{where}: {error.args[0]}") from None
    try:
        return struct.pack(">i", width) + number.to_bytes(width, "big", signed=True)
    except OverflowError:
        raise OverflowError(f"value out of int{width * 8} range") from None


def _decode(width: int, data: bytes) -> list[Any]:
    found = accel.decode_integers(data, width)
    return _decode_any(data) if found is None else found


def _decode_any(data: bytes) -> list[Any]:
    """Return an array of any number of dimensions as nested lists."""
    (dimensions,) = struct.unpack_from(">i", data)
    lengths = struct.unpack_from(">" + "i4x" * dimensions, data, 12)
    values = _values(data, 12 + 8 * dimensions)
    return _nested(lengths, values.__next__)


def _values(data: bytes, at: int) -> Iterator[int | None]:
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        at += 4
        if length < 0:
            yield None
        else:
            yield int.from_bytes(data[at : at + length], "big", signed=True)
            at += length


def _nested(lengths: tuple[int, ...], take: Callable[[], Any]) -> list[Any]:
    length, *rest = lengths
    if not rest:
        return [take() for _ in range(length)]
    return [_nested(tuple(rest), take) for _ in range(length)]
