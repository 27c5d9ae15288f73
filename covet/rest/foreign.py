"""Words of other frameworks for what a router and its routes are told."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from covet.text import suggest

__all__ = ["unknown_option"]

_HERE: Final = {
    "auth": "who may is said by permissions=[…]",
    "default_response_class": "write formats=[…]",
    "methods": "each method has a decorator of its own: @api.get, @api.post",
    "permission_classes": "write permissions=[…]",
    "prefix": 'the path stands where the router is mounted: path("items/", include(api))',
    "response_class": "return a response of that class",
    "response_description": "write responses={200: …}",
    "response_model": "write response=…",
    "serializer_class": "write response=…",
    "status_code": "write status=…",
    "throttle_classes": "write throttles=[…]",
    "url_name": "write name=…",
    "url_path": "the path is the first argument",
}


def unknown_option(where: str, names: Iterable[str], known: Collection[str]) -> TypeError:
    """Return the error for options that are not there, with what to write instead where that is known."""
    name = next(iter(names))
    near = suggest(name, known)
    hint = _HERE.get(name) or (f"Did you mean '{near}'?" if near else f"There are: {', '.join(sorted(known))}.")
    return TypeError(f"{where} has no option '{name}': {hint}")
