"""JSON as bytes, by msgspec, with one extension point: other rooms register how their values are written.

Dates and times are ISO 8601 (UTC as ``Z``), UUIDs, decimals, IP addresses and networks are strings, sets are lists, bytes
are base64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

import msgspec

__all__ = ["JSONDecodeError", "NestsTooDeeply", "dumps", "encode", "encode_other", "loads", "register_encoder"]

JSONDecodeError = msgspec.DecodeError
"""What ``loads`` raises for text that is not JSON; a ``ValueError``."""


class NestsTooDeeply(JSONDecodeError, RecursionError):
    """Arrays and objects stand inside each other more often than Python may follow them, a thousand times or so.

    It is no JSON that we can read, so whoever is ready for text that is none is ready for this too: it takes a thousand
    brackets to send it.
    """


_encoders: dict[type, Callable[[Any], Any]] = {}


def register_encoder(kind: type, encoder: Callable[[Any], Any]) -> None:
    """Write values of ``kind`` (and its subclasses) as what ``encoder`` returns; for rooms above this one."""
    _encoders[kind] = encoder


def encode_other(value: Any) -> Any:
    """Return what is written for a value that msgspec does not know itself; its ``enc_hook``.

    Raises:
        TypeError: The value has no form in JSON.
    """
    for kind in type(value).__mro__:
        encoder = _encoders.get(kind)
        if encoder is not None:
            return encoder(value)
    dump = getattr(value, "model_dump", None)  # a pydantic model, without importing pydantic
    if dump is not None:
        return dump(by_alias=True)  # as in an answer whose schema is named
    if isinstance(value, Mapping):
        return dict(value)
    # A network is known by its module, which few programs load; it would be written address by address, 16 million of a /8.
    if isinstance(value, PurePath) or any(kind.__module__ == "ipaddress" for kind in type(value).__mro__):
        return str(value)
    if hasattr(value, "__iter__"):
        return list(value)
    raise TypeError(f"A value of type {type(value).__qualname__} cannot be written as JSON: {value!r:.80}")


_encoder = msgspec.json.Encoder(enc_hook=encode_other)
_decoder = msgspec.json.Decoder()
encode: Callable[[Any], bytes] = _encoder.encode
"""``dumps`` without a choice, for the paths where a call counts."""


def dumps(value: Any, *, indent: int | None = None) -> bytes:
    """Return the value as JSON in UTF-8.

    Raises:
        TypeError: The value, or one inside it, has no form in JSON.
    """
    encoded = _encoder.encode(value)
    return encoded if indent is None else msgspec.json.format(encoded, indent=indent)


def loads(data: bytes | bytearray | memoryview | str) -> Any:
    """Return the value that the JSON text holds.

    Raises:
        JSONDecodeError: The text is not JSON, or nests too deeply to be read (``NestsTooDeeply``).
    """
    try:
        return _decoder.decode(data)
    except RecursionError as error:
        raise NestsTooDeeply("the JSON nests too deeply") from error
