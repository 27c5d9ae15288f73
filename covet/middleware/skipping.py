"""Views that leave out layers of ``MIDDLEWARE``.

A project with such views has a chain for each set of layers that one of them leaves out, all folded at start-up. A request finds
its route first then, which tells the chain; a project without them knows nothing of it, and pays nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from covet import checks
from covet.exceptions import CovetError, ImproperlyConfigured
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse
from covet.text import suggest
from covet.urls.endpoint import marked
from covet.urls.resolver import CompiledRoute, Resolver

__all__ = ["by_route", "check_skipped", "choosing", "skipped_by", "without_middleware"]

V = TypeVar("V", bound=Callable[..., Any])

_MARK = "skipped_middleware"


def without_middleware(*layers: str) -> Callable[[V], V]:
    """Leave layers out for a view, a view class, an endpoint or a viewset: ``@without_middleware("covet.….SessionMiddleware")``.

    Their ``process_view`` and ``process_exception`` are left out as well. Layers that the project does not list are passed over,
    so that an app may name what some projects have; ``manage.py check`` tells of names that look misspelt.

    Args:
        layers: Names as they stand in ``MIDDLEWARE``.

    Raises:
        ImproperlyConfigured: No layer is named, or something that is no name.
    """
    if not layers or not all(isinstance(name, str) for name in layers):
        raise ImproperlyConfigured(
            "without_middleware() takes the names of layers as they stand in MIDDLEWARE: "
            '@without_middleware("covet.sessions.middleware.SessionMiddleware").'
        )

    def decorate(view: V) -> V:
        return marked(view, **{_MARK: skipped_by(view) | frozenset(layers)})

    return decorate


def skipped_by(view: Any) -> frozenset[str]:
    """Return the names of the layers that a view leaves out, those of its class or handler included."""
    handler = getattr(view, "handler", None)
    owner = getattr(handler, "__self__", None)
    found: frozenset[str] = frozenset()
    for one in (view, getattr(view, "view_class", None), handler, owner):
        if one is not None:
            found |= getattr(one, _MARK, frozenset())
    return found


def by_route(
    resolver: Resolver, middleware: Sequence[Any], fold_without: Callable[[frozenset[str]], GetResponse]
) -> Mapping[CompiledRoute, GetResponse]:
    """Return the chains of the routes that leave something out; empty for most projects.

    Args:
        resolver: The routes.
        middleware: ``MIDDLEWARE``.
        fold_without: Folds a chain without the layers of these names.
    """
    listed = frozenset(name for name in middleware if isinstance(name, str))
    chains: dict[frozenset[str], GetResponse] = {}
    found: dict[CompiledRoute, GetResponse] = {}
    for route in resolver.routes:
        skipped = skipped_by(route.view) & listed
        if skipped:
            if skipped not in chains:
                chains[skipped] = fold_without(skipped)
            found[route] = chains[skipped]
    return found


def choosing(resolver: Resolver, usual: GetResponse, chains: Mapping[CompiledRoute, GetResponse]) -> GetResponse:
    """Return what gives a request to the chain of its route."""

    def choose(request: Request) -> Awaitable[Response]:
        try:
            below = resolver.at(request.get_host())[0] if resolver.hosts else resolver
            # As ``resolve`` begins: a call less for most requests.
            routes = below.plain.get(request.method)
            route = None if routes is None else routes.get(request.path)
            if route is None:
                route = below.resolve(request.method, request.path)[0]
        except CovetError:
            # No route, or not this host: the usual chain answers that.
            return usual(request)
        return chains.get(route, usual)(request)

    return choose


def check_skipped(resolvers: Sequence[Resolver], middleware: Sequence[Any]) -> Iterator[checks.CheckMessage]:
    """Report names in ``without_middleware()`` that look like another layer's, and views where it is in vain.

    Args:
        resolvers: The routes: those of ROOT_URLCONF, then those of each other module.
        middleware: ``MIDDLEWARE``.
    """
    listed = [name for name in middleware if isinstance(name, str)]
    told: set[tuple[str, str]] = set()
    root, *others = resolvers
    addresses = {route.pattern for route in root.routes if skipped_by(route.view)}
    for route in [route for other in others for route in other.routes]:
        if not skipped_by(route.view).isdisjoint(listed) and route.pattern not in addresses:
            yield checks.Warning(
                f"The view {route.view_name} leaves out middleware, and all of it runs: URLCONFS names its module, and which module "
                "answers is known behind the layers alone.",
                hint="Take the decorator away, or let ROOT_URLCONF have the address.",
                obj=route.view_name,
                id="middleware.W004",
            )
    for route in [route for resolver in resolvers for route in resolver.routes]:
        for name in sorted(skipped_by(route.view).difference(listed)):
            near = suggest(name, listed)
            if near is None or (route.view_name, name) in told:
                continue
            told.add((route.view_name, name))
            yield checks.Warning(
                f"The view {route.view_name} leaves out the middleware {name!r}, which MIDDLEWARE does not list.",
                hint=f"Did you mean {near!r}?",
                obj=route.view_name,
                id="middleware.W003",
            )
