"""Converters: what stands between ``<`` and ``>`` in a path, and the Python value it becomes.

A built-in one reads a segment by plain string tests; a converter of your own brings ``regex``, ``to_python`` and
``to_url`` as in Django, and is registered with ``register_converter``.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar
from uuid import UUID

from covet.exceptions import ImproperlyConfigured

__all__ = ["Converter", "get_converter", "register_converter"]


class Converter:
    """Turns a piece of a path into a value and back.

    Attributes:
        regex: What the piece looks like.
        spans_segments: Whether a piece may hold ``/``.
    """

    regex: ClassVar[str] = "[^/]+"
    spans_segments: ClassVar[bool] = False

    def to_python(self, text: str) -> Any:
        """Return the value; ``ValueError`` says that the path does not match after all."""
        return text

    def to_url(self, value: Any) -> str:
        """Return the piece of a path for a value."""
        return str(value)

    def parse(self, text: str) -> Any:
        """Return the value of a whole segment, or raise ``ValueError``."""
        if self._compiled().fullmatch(text) is None:
            raise ValueError(text)
        return self.to_python(text)

    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.regex)


class StringConverter(Converter):
    """``str``: any text without a slash."""

    def parse(self, text: str) -> str:
        if not text:
            raise ValueError(text)
        return text


class IntConverter(Converter):
    """``int``: digits."""

    regex = "[0-9]+"

    def to_python(self, text: str) -> int:
        return int(text)

    def parse(self, text: str) -> int:
        if not (text.isascii() and text.isdigit()):
            raise ValueError(text)
        return int(text)


class SlugConverter(Converter):
    """``slug``: ASCII letters, digits, ``-`` and ``_``."""

    regex = "[-a-zA-Z0-9_]+"

    def parse(self, text: str) -> str:
        if not (text.isascii() and (text.isalnum() or text.replace("-", "a").replace("_", "a").isalnum())):
            raise ValueError(text)
        return text


class UUIDConverter(Converter):
    """``uuid``: lower case, with dashes, so that each has one address."""

    regex = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

    def to_python(self, text: str) -> UUID:
        return UUID(text)

    def parse(self, text: str) -> UUID:
        if len(text) != 36:
            raise ValueError(text)
        value = UUID(text)
        if str(value) != text:
            raise ValueError(text)
        return value


class PathConverter(Converter):
    """``path``: any text, slashes included."""

    regex = ".+"
    spans_segments = True


_converters: dict[str, Converter] = {
    "int": IntConverter(),
    "path": PathConverter(),
    "slug": SlugConverter(),
    "str": StringConverter(),
    "uuid": UUIDConverter(),
}


class _Adapted(Converter):
    """A converter of Django's shape (``regex``, ``to_python``, ``to_url``) that does not inherit from ours."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped
        self._pattern = re.compile(wrapped.regex)
        self.regex = wrapped.regex  # type: ignore[misc]  # per instance here
        self.spans_segments = may_span_segments(wrapped.regex)  # type: ignore[misc]

    def to_python(self, text: str) -> Any:
        return self._wrapped.to_python(text)

    def to_url(self, value: Any) -> str:
        return str(self._wrapped.to_url(value))

    def _compiled(self) -> re.Pattern[str]:
        return self._pattern


def may_span_segments(regex: str) -> bool:
    """Return whether a regex might match a slash; when in doubt it might, which is slower and never wrong."""
    plain = regex.replace("[^/]", "").replace(r"\.", "").replace(r"\w", "").replace(r"\d", "").replace(r"\-", "")
    if any(sign in plain for sign in (".", "/", "[^", "\\")):
        return True
    # A range may have it between its ends, as in "[!-~]".
    return any(first <= "/" <= last for first, last in re.findall("(?=(.)-(.))", plain))


def register_converter(converter: type[Any], type_name: str) -> None:
    """Make ``<type_name:…>`` known in paths.

    Args:
        converter: A class with ``regex``, ``to_python`` and ``to_url``.
        type_name: Its name in a path.

    Raises:
        ImproperlyConfigured: The name is taken, or the class lacks one of the three.
    """
    known = _converters.get(type_name)
    if known is not None:
        wrapped = getattr(known, "_wrapped", known)
        if type(wrapped) is converter:
            return
        raise ImproperlyConfigured(f"A URL converter named {type_name!r} exists already. Choose another name.")
    missing = [name for name in ("regex", "to_python", "to_url") if not hasattr(converter, name)]
    if missing:
        raise ImproperlyConfigured(f"The URL converter {converter.__name__} lacks {', '.join(missing)}.")
    _converters[type_name] = _Adapted(converter())


def get_converter(type_name: str) -> Converter:
    """Return a converter by its name.

    Raises:
        KeyError: There is none.
    """
    return _converters[type_name]


def converter_names() -> list[str]:
    """Return the names of all converters."""
    return sorted(_converters)
