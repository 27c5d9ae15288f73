"""The app of the GraphQL room: installing it brings the ``schema`` module of every app to life."""

from __future__ import annotations

from covet.apps.config import AppConfig

__all__ = ["GraphQLConfig"]


class GraphQLConfig(AppConfig):
    """Brings ``GraphQLPart``, and ``RoutingPart`` for subscriptions."""

    name = "covet.graphql"
    label = "graphql"
    verbose_name = "GraphQL"
    parts = ("covet.websocket.part.RoutingPart", "covet.graphql.part.GraphQLPart")
