"""The app of the GraphQL room: installing it brings the ``schema`` module of every app to life."""

from __future__ import annotations

import importlib.util

from covet.apps.config import AppConfig
from covet.exceptions import MissingDependency

__all__ = ["GraphQLConfig"]


if importlib.util.find_spec("strawberry") is None:
    raise MissingDependency("strawberry-graphql", extra="graphql", feature="The app covet.graphql")


class GraphQLConfig(AppConfig):
    """Brings ``GraphQLPart``, and ``RoutingPart`` for subscriptions."""

    name = "covet.graphql"
    label = "graphql"
    verbose_name = "GraphQL"
    parts = ("covet.websocket.part.RoutingPart", "covet.graphql.part.GraphQLPart")
