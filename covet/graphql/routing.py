"""Where GraphQL subscriptions connect: wherever the project has mounted ``GraphQLView``, as a WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from covet.apps.registry import apps
from covet.graphql.subscriptions import serve
from covet.graphql.view import GraphQLView
from covet.urls import path, re_path
from covet.urls.flatten import FlatRoute
from covet.urls.part import UrlsPart
from covet.urls.patterns import Included

__all__ = ["websocket_urlpatterns"]


def _beside_http() -> Sequence[Any]:
    """Return a route for each place where GraphQL answers by HTTP: subscriptions are at the same address, of the same host."""
    flat = apps.current().part(UrlsPart).resolver.flat
    found = {(one.host, one.text): one for one in flat if isinstance(one.route.view, GraphQLView)}
    return [_socket(one) for one in found.values()]


def _socket(flat: FlatRoute) -> Any:
    # What an include makes of an expression is told by ``regex`` alone: the text is for people.
    route = path(flat.text, serve) if flat.regex is None else re_path(flat.regex, serve)
    if flat.host is None:
        return route
    return replace(flat.host, load=lambda: [route], app_name=None, namespace=None)


# Asked when the tree of WebSocket routes is compiled, which is behind that of HTTP.
websocket_urlpatterns = [path("", Included(_beside_http, None, None))]
