"""Which forms an endpoint has: those that it, its router or the project names; and whether its answers may have them."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, get_origin

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import NotAcceptable
from covet.http.response import HTMLResponse, ProblemResponse, RedirectResponse, Response
from covet.loading import import_string, late_module
from covet.rest.formats.base import JSON, Format, Formats
from covet.text import suggest

if TYPE_CHECKING:
    from covet.http import negotiation
else:
    negotiation = late_module(__name__, "covet.http.negotiation")

__all__ = ["accept_json", "formats_of", "negotiates", "takes_variant"]

_OWN_KIND: Final = (HTMLResponse, ProblemResponse, RedirectResponse)


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


def negotiates(returns: Any) -> bool:
    """Return whether an answer may have one of several forms; a response of a kind of its own has not."""
    kind = get_origin(returns) or returns
    if not inspect.isclass(kind) or not issubclass(kind, Response):
        return True
    return not (kind is Response or kind.is_streaming or issubclass(kind, _OWN_KIND))


def accept_json(accept: bytes) -> None:
    """Refuse a request that takes no JSON, where JSON is all there is.

    Raises:
        NotAcceptable: It does not.
    """
    header = accept.decode("latin-1")
    if negotiation.best_match(header, ["application/json"]) is None and not takes_variant(header):
        raise NotAcceptable("This endpoint gives application/json only.")


def takes_variant(header: str) -> bool:
    """Whether a client names a kind of JSON, such as ``application/vnd.api.v2+json``, or is a browser, which shows it."""
    return "+json" in header or "text/html" in header
