"""Where GraphQL subscriptions connect: wherever the project has mounted ``GraphQLView``, as a WebSocket."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from covet.apps.registry import apps
from covet.graphql.subscriptions import serve
from covet.graphql.view import GraphQLView
from covet.urls import path, re_path
from covet.urls.part import UrlsPart
from covet.urls.patterns import Included

__all__ = ["websocket_urlpatterns"]


def _beside_http() -> Sequence[Any]:
    """Return a route for each path where GraphQL answers by HTTP: subscriptions are at the same address."""
    routes = apps.current().part(UrlsPart).resolver.routes
    paths = dict.fromkeys(one.pattern for one in routes if isinstance(one.view, GraphQLView))
    return [(re_path if text.startswith("^") else path)(text, serve) for text in paths]


# Asked when the tree of WebSocket routes is compiled, which is behind that of HTTP.
websocket_urlpatterns = [path("", Included(_beside_http, None, None))]
