"""``integer[]`` and ``bigint[]`` by way of ``covet.accel``: the keys of ``= ANY($1)`` take a tenth of what asyncpg needs for them.

The native half knows flat lists of plain integers, which is what the ORM sends and reads. Everything else (NULL, nested lists,
numbers of other kinds, mistakes) is written and read here, as asyncpg does it.

Arrays of what asyncpg knows as texts only (``hstore``, ``citext``, the types of other extensions, ``tsvector``) are written and
read here as well: asyncpg 0.32 leaves out an item that is empty, and the list that it gives ends the process.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from functools import cache, partial
from operator import index
from typing import TYPE_CHECKING, Any

from covet import accel
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.backends.postgresql import texts
else:
    texts = late_module(__name__, "covet.db.backends.postgresql.texts")

__all__ = ["connection_class", "use_native_arrays"]

# The array's type, its name, its element's type and width.
_ARRAYS = ((1007, "_int4", 23, 4), (1016, "_int8", 20, 8))
_MOST_DIMENSIONS = 6
# PostgreSQL's own types that asyncpg reads as texts, and that have an empty one: tsvector and tsquery.
_TEXTS = frozenset({3614, 3615})
# Types from here on are those of extensions and of the project.
_FIRST_OF_OTHERS = 16384


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


# ── arrays of texts


@cache
def connection_class() -> type[Any]:
    """Return asyncpg's connection, which looks at each type that it meets before asyncpg makes up its mind about it."""
    import asyncpg

    class Connection(asyncpg.Connection):
        __slots__ = ()

        async def _introspect_types(self, typeoids: Any, timeout: Any) -> Any:
            found = await super()._introspect_types(typeoids, timeout)  # type: ignore[no-untyped-call]  # asyncpg's own
            _take_arrays(self._protocol.get_settings(), found[0])
            return found

    return Connection


def _take_arrays(settings: Any, types: Sequence[Any]) -> None:
    """Write and read the arrays among new types whose items are texts to asyncpg."""
    known = {kind["oid"]: kind for kind in types}
    for kind in types:
        # A delimiter have arrays alone. Where it is another one, as for PostGIS, no item is empty.
        if (
            kind["elemdelim"] == b","
            and _is_text(kind["elemtype"], known)
            and settings.get_data_codec(kind["oid"]) is None
        ):
            settings.add_python_codec(kind["oid"], kind["name"], kind["ns"], [], "scalar", _write, _read, "text")


def _is_text(oid: int, known: Mapping[int, Any]) -> bool:
    kind = known.get(oid)
    if kind is not None and kind["basetype"]:
        return _is_text(kind["basetype"], known)  # a domain
    is_plain = kind is None or (kind["kind"] == b"b" and not kind["elemtype"])
    return oid in _TEXTS or (is_plain and oid >= _FIRST_OF_OTHERS)


def _write(values: Any) -> str:
    """Return an array as its input function reads it.

    Raises:
        TypeError: It is no container, or holds what is no text.
    """
    if not _is_container(values):
        raise TypeError(f"a sized iterable container expected (got type {type(values).__name__!r})")
    _check_texts(values)
    return texts.array_text(values)


def _check_texts(values: Any) -> None:
    for item in values:
        if isinstance(item, (list, tuple)):
            _check_texts(item)
        elif item is not None and not isinstance(item, str):
            raise TypeError(f"expected str, got {type(item).__name__}")


@cache
def _parts() -> re.Pattern[str]:
    return re.compile(r'[{}]|"(?:[^"\\]|\\.)*"|[^{}",]+', re.DOTALL)


@cache
def _escaped() -> re.Pattern[str]:
    return re.compile(r"\\(.)", re.DOTALL)


def _read(text: str) -> list[Any]:
    """Return an array that its output function wrote as nested lists; all that is not plain stands in quotes there."""
    if text.startswith("["):  # it does not begin at 1: [0:1]={…}
        text = text.partition("=")[2]
    around: list[list[Any]] = [[]]
    for part in _parts().findall(text):
        if part == "{":
            around.append([])
        elif part == "}":
            done = around.pop()
            around[-1].append(done)
        elif part[0] == '"':
            around[-1].append(_escaped().sub(r"\1", part[1:-1]))
        else:
            around[-1].append(None if part == "NULL" else part)
    found: list[Any] = around[0][0]
    return found
