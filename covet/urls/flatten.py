"""Includes and autodiscover resolved: the nested patterns as one list, in the order in which they are tried."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from covet.exceptions import ImproperlyConfigured
from covet.urls.patterns import Autodiscover, HostPatterns, Include, LocalePatterns, Piece, Route, parse_path

__all__ = ["FlatRoute", "flatten"]

_MAX_DEPTH = 64


class FlatRoute(Struct, frozen=True, eq=False):
    """A route with everything that its includes add.

    Attributes:
        index: Its place in the order of trying.
        route: The route as written.
        text: The whole pattern, for people.
        pieces: The pieces of the whole path; a regular expression is one piece of ``regex``.
        regex: The expression of the whole path, when any part of it is written as one.
        kwargs: Further arguments, the includes' first.
        namespaces: The instance namespaces it lies in.
        app_names: The app names of those.
        host: The host that it belongs to; ``None`` is any.
        language: The language that its address begins with, or stands for; ``None`` outside of ``i18n_patterns()``.
    """

    index: int
    route: Route
    text: str
    pieces: tuple[Piece, ...]
    regex: str | None
    kwargs: Mapping[str, Any]
    namespaces: tuple[str, ...]
    app_names: tuple[str, ...]
    host: HostPatterns | None = None
    language: str | None = None

    @property
    def full_name(self) -> str | None:
        """The name by which ``reverse()`` finds it."""
        return ":".join((*self.namespaces, self.route.name)) if self.route.name else None


class _Above(Struct, frozen=True):
    """What the includes above a pattern have said."""

    text: str = ""
    pieces: tuple[Piece, ...] = ()
    regex: str | None = None
    kwargs: Mapping[str, Any] | None = None
    namespaces: tuple[str, ...] = ()
    app_names: tuple[str, ...] = ()
    host: HostPatterns | None = None
    language: str | None = None


def flatten(patterns: Iterable[Any], discover: Callable[[], Sequence[Any]] = list) -> list[FlatRoute]:
    """Return all routes below the patterns.

    Args:
        patterns: What ``urlpatterns`` holds.
        discover: Gives the patterns that ``autodiscover()`` stands for.

    Raises:
        ImproperlyConfigured: An entry is no pattern, or includes include themselves.
    """
    flat: list[FlatRoute] = []
    _walk(patterns, _Above(), discover, flat, 0)
    return flat


def _walk(
    patterns: Iterable[Any], above: _Above, discover: Callable[[], Sequence[Any]], flat: list[FlatRoute], depth: int
) -> None:
    if depth > _MAX_DEPTH:
        raise ImproperlyConfigured(f"The URL patterns below {above.text!r} include themselves.")
    for pattern in patterns:
        if isinstance(pattern, Autodiscover):
            _walk(discover(), above, discover, flat, depth + 1)
        elif isinstance(pattern, Include):
            pieces, regex = _join(above, pattern.prefix, is_regex=pattern.is_regex)
            below = _Above(
                above.text + pattern.prefix,
                pieces,
                regex,
                {**(above.kwargs or {}), **pattern.kwargs},
                above.namespaces + ((pattern.namespace,) if pattern.namespace else ()),
                above.app_names + ((pattern.app_name,) if pattern.namespace and pattern.app_name else ()),
                above.host,
                above.language,
            )
            _walk(pattern.load(), below, discover, flat, depth + 1)
        elif isinstance(pattern, Route):
            pieces, regex = _join(above, pattern.pattern, is_regex=pattern.is_regex)
            _check_names(pieces, above.text + pattern.pattern)
            flat.append(
                FlatRoute(
                    len(flat),
                    pattern,
                    above.text + pattern.pattern,
                    pieces,
                    regex,
                    {**(above.kwargs or {}), **pattern.kwargs},
                    above.namespaces,
                    above.app_names,
                    above.host,
                    above.language,
                )
            )
        elif isinstance(pattern, HostPatterns):
            if above.text or above.host is not None:
                raise ImproperlyConfigured(
                    f"host({pattern.text!r}) stands in the root urlpatterns, not below a path or a host."
                )
            inside = _Above(
                namespaces=(pattern.namespace,) if pattern.namespace else (),
                app_names=(pattern.app_name,) if pattern.namespace and pattern.app_name else (),
                host=pattern,
            )
            _walk(pattern.load(), inside, discover, flat, depth + 1)
        elif isinstance(pattern, LocalePatterns):
            if above.text or above.language is not None:
                raise ImproperlyConfigured("i18n_patterns() stands in the root urlpatterns, not below a path.")
            for language, prefix in pattern.prefixes():
                below = replace(above, text=prefix, pieces=parse_path(prefix), language=language)
                _walk(pattern.patterns, below, discover, flat, depth + 1)
        else:
            raise ImproperlyConfigured(
                f"urlpatterns holds {pattern!r}. Each entry is a path(…), re_path(…), host(…), i18n_patterns(…) or autodiscover()."
            )


def _join(above: _Above, pattern: str, *, is_regex: bool) -> tuple[tuple[Piece, ...], str | None]:
    """Return pieces and expression of the pattern below what is above it; one expression makes the whole one."""
    pieces = above.pieces
    if not is_regex:
        pieces = _merge((*above.pieces, *parse_path(pattern)))
    if above.regex is None and not is_regex:
        return pieces, None
    start = above.regex if above.regex is not None else regex_of(above.pieces)
    if is_regex:
        # Inside an include an expression starts where the prefix ends, with or without ^.
        return pieces, start + pattern.removeprefix("^")
    return pieces, start + regex_of(parse_path(pattern))


def _merge(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    merged: list[Piece] = []
    for piece in pieces:
        if merged and piece.converter is None and merged[-1].converter is None:
            merged[-1] = Piece(merged[-1].text + piece.text)
        else:
            merged.append(piece)
    return tuple(merged)


def _check_names(pieces: Sequence[Piece], text: str) -> None:
    names = [piece.name for piece in pieces if piece.converter is not None]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ImproperlyConfigured(f"The path {text!r} uses the name {twice!r} twice, once of them in an include.")


def regex_of(pieces: Sequence[Piece]) -> str:
    """Return the pieces as a regular expression with named groups."""
    parts = []
    for piece in pieces:
        if piece.converter is None:
            parts.append(re.escape(piece.text))
        else:
            parts.append(f"(?P<{piece.name}>{piece.converter.regex})")
    return "".join(parts)
