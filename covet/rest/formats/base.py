"""Format: one form on the wire, by name; and JSON, which is always there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from msgspec import Struct

from covet import json
from covet.exceptions import CovetError

__all__ = ["JSON", "PLAIN_ACCEPTS", "Format", "FormatError", "Formats"]


class FormatError(CovetError, ValueError):
    """A body is not what its Content-Type says; the text is for the client to read."""


class Format(Struct, frozen=True, eq=False):
    """One form on the wire.

    Args:
        name: What ``?format=`` and ``REST_FORMATS`` call it.
        media_types: Its media types; the first is the one that answers carry.
        write: Gives the bytes of plain values: dicts, lists, texts, numbers, booleans and None.
        read: Gives plain values of bytes; raises ``FormatError``. None for a form that is only written.
        is_loose: Whether it knows texts only, so that ``"1"`` may be meant as a number.
        check: Called when an endpoint with it is compiled; raises where a library is missing.
        page: Whether it is a page for people, which is made of more than the values.
    """

    name: str
    media_types: tuple[str, ...]
    write: Callable[[Any], bytes]
    read: Callable[[bytes], Any] | None = None
    is_loose: bool = False
    check: Callable[[], None] | None = None
    page: bool = False


Formats: TypeAlias = tuple[Format, ...]

PLAIN_ACCEPTS: Final = frozenset({b"*/*", b"application/json", b"application/json, text/plain, */*"})
"""``Accept`` headers that JSON fits, so that most requests are not parsed for it."""

JSON = Format("json", ("application/json",), json.dumps, json.loads)
