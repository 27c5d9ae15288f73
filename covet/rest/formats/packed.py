"""MessagePack: JSON's values in fewer bytes."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from covet.rest.formats.base import Format, FormatError

__all__ = ["MSGPACK"]

_decoder: Final = msgspec.msgpack.Decoder()
_encoder: Final = msgspec.msgpack.Encoder()


def _read(raw: bytes) -> Any:
    try:
        return _plain(_decoder.decode(raw))
    except RecursionError:
        raise FormatError("The body nests too deeply.") from None
    except msgspec.DecodeError as error:
        raise FormatError(f"The body is not valid MessagePack: {error}") from error


def _plain(value: Any) -> Any:
    """Refuse what JSON has no word for: extensions, and keys that are no texts."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise FormatError(f"The keys of a map are texts, and {key!r} is none.")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, msgspec.msgpack.Ext):
        raise FormatError(f"The MessagePack extension {value.code} is not read here.")
    return value


MSGPACK: Final = Format(
    "msgpack", ("application/msgpack", "application/vnd.msgpack", "application/x-msgpack"), _encoder.encode, _read
)
