"""``request.urlconf``: the URL module that a middleware chooses for a request, among those that URLCONFS names."""

from __future__ import annotations

from collections.abc import Mapping

from covet.exceptions import ImproperlyConfigured
from covet.handlers.errors import ErrorResponder
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse
from covet.text import suggest
from covet.urls.reverse import current_urlconf

__all__ = ["by_urlconf"]


def by_urlconf(step: GetResponse, others: Mapping[str, GetResponse], errors: ErrorResponder) -> GetResponse:
    """Return the step that finds a view among the routes that the request has been given.

    Args:
        step: That of ROOT_URLCONF.
        others: That of each other URL module, by name.
        errors: Answers for a module that there is not.
    """

    async def choose(request: Request) -> Response:
        name = request.__dict__.get("urlconf")
        if name is None:
            return await step(request)
        chosen = others.get(name)
        if chosen is None:
            near = suggest(str(name), others)
            hint = f"Did you mean {near!r}?" if near else "Name it there: routes are compiled when the project starts."
            error = ImproperlyConfigured(f"request.urlconf is {name!r}, which URLCONFS does not name. {hint}")
            return await errors(request, error)
        before = current_urlconf.set(name)
        try:
            return await chosen(request)
        finally:
            current_urlconf.reset(before)

    return choose
