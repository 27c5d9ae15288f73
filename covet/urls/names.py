"""Names to paths: the table behind ``reverse()``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import Struct, field

from covet.conf import settings
from covet.exceptions import CovetError
from covet.http.hosts import split_host
from covet.loading import late_module
from covet.text import suggest
from covet.urls.converters import Converter
from covet.urls.flatten import FlatRoute
from covet.urls.patterns import Piece

if TYPE_CHECKING:
    from covet.i18n import language
else:
    language = late_module(__name__, "covet.i18n.language")

__all__ = ["NameTable", "NoReverseMatch"]

_SAFE = "/~:@!$&'()*+,;="


class NoReverseMatch(CovetError, LookupError):
    """No route has that name, or none of that name takes these arguments."""


class Template(Struct, frozen=True):
    """A path with places for its parameters."""

    pieces: tuple[Piece, ...]
    names: tuple[str, ...]
    defaults: Mapping[str, Any]
    text: str
    host: tuple[Piece, ...] = ()
    language: str | None = None

    def fill(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
        """Return the path for these arguments, or ``None`` when they do not fit."""
        if args:
            # Those of the host come first, as they do in the address.
            if len(args) != len(self.names):
                return None
            values: Mapping[str, Any] = dict(zip(self.names, args, strict=True))
        else:
            values = kwargs
            wanted = set(self.names)
            extra = set(values) - wanted
            if wanted - set(values) or any(self.defaults.get(name, _MISSING) != values[name] for name in extra):
                return None
        text = _fill(self.pieces, values)
        if text is None:
            return None
        path = "/" + quote(text, safe=_SAFE)
        # "//x" would send a browser to another host.
        path = "/%2F" + path[2:] if path.startswith("//") else path
        if not self.host:
            return path
        name = _fill(self.host, values)
        if name is None or split_host(name) == ("", ""):
            return None
        return f"//{name}{path}"


def _fill(pieces: Sequence[Piece], values: Mapping[str, Any]) -> str | None:
    """Return the pieces with these values, or ``None`` when one does not fit."""
    parts = []
    for piece in pieces:
        if piece.converter is None:
            parts.append(piece.text)
            continue
        try:
            text = piece.converter.to_url(values[piece.name])
        except ValueError:
            return None
        if re.fullmatch(piece.converter.regex, text, re.DOTALL) is None:
            return None
        parts.append(text)
    return "".join(parts)


_MISSING = object()


class NameTable(Struct):
    """Templates by full name, and which instances an app name has."""

    templates: dict[str, list[Template]] = field(default_factory=dict)
    by_view: dict[int, list[Template]] = field(default_factory=dict)
    instances: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    has_languages: bool = False

    @classmethod
    def build(cls, routes: Iterable[FlatRoute]) -> NameTable:
        """Return the table of these routes."""
        table = cls()
        for flat in routes:
            template = _template(flat)
            if template is None:
                continue
            table.has_languages = table.has_languages or template.language is not None
            if flat.full_name is not None:
                table.templates.setdefault(flat.full_name, []).append(template)
            table.by_view.setdefault(id(flat.route.view), []).append(template)
            for depth, (app_name, namespace) in enumerate(zip(flat.app_names, flat.namespaces, strict=False)):
                above = ":".join(flat.namespaces[:depth])
                known = table.instances.setdefault((above, app_name), [])
                if namespace not in known:
                    known.append(namespace)
        return table

    def reverse(self, name: Any, args: Sequence[Any], kwargs: Mapping[str, Any], current_app: str | None = None) -> str:
        """Return the path of a named route, or of a view.

        Raises:
            NoReverseMatch: There is no such name, or the arguments do not fit.
        """
        if isinstance(name, str):
            full = self._resolve_namespaces(name, current_app)
            templates = self.templates.get(full, ())
        else:
            templates = self.by_view.get(id(name), ())
        # The last one wins, as in Django, so that a project may name an app's route anew.
        for template in reversed(self._of_language(templates)):
            path = template.fill(args, kwargs)
            if path is not None:
                return path
        if not templates:
            near = self._nearest(name) if isinstance(name, str) else None
            hint = f" Did you mean {near!r}?" if near else " `manage.py routes` lists the names."
            raise NoReverseMatch(f"There is no route named {name!r}.{hint}")
        given = ", ".join([*(repr(value) for value in args), *(f"{key}={value!r}" for key, value in kwargs.items())])
        tried = ", ".join(repr(template.text) for template in templates)
        raise NoReverseMatch(f"The route {name!r} does not fit the arguments ({given}). Tried: {tried}.")

    def _nearest(self, name: str) -> str | None:
        """Return the name that was meant: the same one of a namespace that was left out, if it is one alone, or one like it."""
        of_spaces = [one for one in self.templates if one.rpartition(":")[2] == name]
        return of_spaces[0] if len(of_spaces) == 1 else suggest(name, list(self.templates))

    def parameters(self, name: str) -> list[tuple[str, ...]]:
        """Return what parameters the routes of that name have, each way once; nothing where there is no such route."""
        return list(dict.fromkeys(one.names for one in self.templates.get(self._resolve_namespaces(name, None), ())))

    def _of_language(self, templates: Sequence[Template]) -> Sequence[Template]:
        """Return those of the current language, or of the site's where it is none of ``LANGUAGES``; and those of no language."""
        if not self.has_languages:
            return templates
        current = language.get_language()
        found = [one for one in templates if one.language in (None, current)]
        if templates and not found:
            found = [one for one in templates if one.language == settings.LANGUAGE_CODE.lower()]
        return found

    def _resolve_namespaces(self, name: str, current_app: str | None) -> str:
        *namespaces, last = name.split(":")
        current = current_app.split(":") if current_app else []
        path: list[str] = []
        for depth, wanted in enumerate(namespaces):
            known = self.instances.get((":".join(path), wanted), [])
            here = current[depth] if depth < len(current) else None
            if here in known:
                path.append(here)
            elif not known or wanted in known:
                path.append(wanted)
            else:
                path.append(known[-1])
            if here != path[-1]:
                current = []
        return ":".join((*path, last))


def _template(flat: FlatRoute) -> Template | None:
    pieces: tuple[Piece, ...] | None = flat.pieces
    if flat.regex is not None:
        pieces = _pieces_of_regex(flat.regex)
    if pieces is None:
        return None
    host = flat.host.pieces if flat.host is not None else ()
    names = tuple(piece.name for piece in (*host, *pieces) if piece.converter is not None)
    return Template(pieces, names, flat.kwargs, flat.text, host, flat.language)


class _Group(Converter):
    """A named group of an expression."""

    def __init__(self, regex: str) -> None:
        self.regex = regex  # type: ignore[misc]  # per instance here


def _pieces_of_regex(source: str) -> tuple[Piece, ...] | None:
    """Return an expression of literal text and named groups as pieces; ``None`` when it says more than one path."""
    pieces: list[Piece] = []
    literal, place = "", 0
    text = source.removeprefix("^").removesuffix("$").removesuffix(r"\Z")
    while place < len(text):
        char = text[place]
        if text.startswith("(?P<", place):
            end = _group_end(text, place)
            name, _, regex = text[place + 4 : end].partition(">")
            if end + 1 < len(text) and text[end + 1] in "?*+{":
                return None
            if literal:
                pieces.append(Piece(literal))
                literal = ""
            pieces.append(Piece(name=name, converter=_Group(regex)))
            place = end + 1
        elif char == "\\" and place + 1 < len(text) and not text[place + 1].isalnum():
            literal += text[place + 1]
            place += 2
        elif char in "^$":
            place += 1
        elif char in "\\.[](){}*+?|":
            return None
        else:
            literal += char
            place += 1
    if literal:
        pieces.append(Piece(literal))
    return tuple(pieces)


def _group_end(text: str, start: int) -> int:
    depth, place, in_class = 0, start, False
    while place < len(text):
        char = text[place]
        if char == "\\":
            place += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return place
        place += 1
    return place
