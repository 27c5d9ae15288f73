"""``request.urlconf``: the URL module that a middleware chooses for a request, among those that URLCONFS names.

Layers run before it is known which module answers. So a view of ROOT_URLCONF that leaves layers out must not open the way past
them to another module's view at the same address.
"""

from __future__ import annotations

from collections.abc import Mapping

from covet.exceptions import CovetError, ImproperlyConfigured
from covet.handlers.errors import ErrorResponder
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse
from covet.middleware.skipping import skipped_by
from covet.text import join_words, suggest
from covet.urls.addresses import current_urlconf
from covet.urls.resolver import Resolver

__all__ = ["by_urlconf"]


def by_urlconf(
    step: GetResponse,
    others: Mapping[str, tuple[Resolver, GetResponse]],
    errors: ErrorResponder,
    left_out: frozenset[str] = frozenset(),
) -> GetResponse:
    """Return the step that finds a view among the routes that the request has been given.

    Args:
        step: That of ROOT_URLCONF.
        others: The routes of each module that may be chosen, and its step, by name.
        errors: Answers for a module that there is not.
        left_out: The layers that did not run for this request.
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
        resolver, answer = chosen
        told = request.extension("covet.urlconf")
        if told is not None:
            told.append(name)  # for a test's client, which looks the route up once more
        missing = left_out and _missing(left_out, resolver, request)
        if missing:
            error = ImproperlyConfigured(
                f"{request.path} was asked for without {join_words(sorted(missing))}, as its view in ROOT_URLCONF has it, and "
                f"request.urlconf has chosen {name!r}, whose view does not leave that out. Give the two different addresses."
            )
            return await errors(request, error)
        before = current_urlconf.set(name)
        try:
            return await answer(request)
        finally:
            current_urlconf.reset(before)

    return choose


def _missing(left_out: frozenset[str], resolver: Resolver, request: Request) -> frozenset[str]:
    """Return the layers that did not run and that the view of these routes has."""
    try:
        below = resolver.at(request.get_host())[0] if resolver.hosts else resolver
        route, _ = below.resolve(request.method, request.path)
    except CovetError:
        return frozenset()  # there is no view to be reached
    return left_out - skipped_by(route.view)
