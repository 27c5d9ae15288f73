"""Which forms an endpoint has: those that it, its router or the project names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.loading import import_string
from covet.rest.formats.base import JSON, Format, Formats
from covet.text import suggest

__all__ = ["formats_of"]


def _known() -> dict[str, Format]:
    from covet.rest.formats.packed import MSGPACK
    from covet.rest.formats.page import HTML
    from covet.rest.formats.tables import CSV
    from covet.rest.formats.tree import XML
    from covet.rest.formats.yaml_text import YAML

    return {one.name: one for one in (JSON, MSGPACK, YAML, XML, CSV, HTML)}


def formats_of(given: Sequence[Any] | None) -> Formats:
    """Return the formats that hold: those given, else ``REST_FORMATS``.

    Args:
        given: Names, ``Format`` values, or dotted names of such.

    Raises:
        ImproperlyConfigured: One of them is none, or there is none at all.
        MissingDependency: One needs a library that is not installed.
    """
    wanted: Iterable[Any] = settings.REST_FORMATS if given is None else given
    where = "REST_FORMATS" if given is None else "formats"
    if tuple(wanted) == ("json",):
        return (JSON,)
    known = _known()
    made: list[Format] = []
    for one in wanted:
        found = one
        if isinstance(one, str):
            found = import_string(one) if "." in one else known.get(one)
        if not isinstance(found, Format):
            near = suggest(str(one), known)
            hint = f"Did you mean {near!r}?" if near else f"Known are {', '.join(known)}."
            raise ImproperlyConfigured(f"{where}: {one!r} is no format. {hint}")
        if found.check is not None:
            found.check()
        if found not in made:
            made.append(found)
    if not any(not one.page for one in made):
        raise ImproperlyConfigured(f"{where} names no format that a machine reads, such as 'json'.")
    return tuple(made)
