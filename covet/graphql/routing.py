"""Where GraphQL subscriptions connect: the same address, as a WebSocket."""

from __future__ import annotations

from covet.graphql.subscriptions import serve
from covet.urls import path

__all__ = ["websocket_urlpatterns"]

websocket_urlpatterns = [path("graphql", serve), path("graphql/", serve)]
