"""Where GraphQL answers: ``/graphql``, and GraphiQL's own files below it. Found by ``autodiscover()``."""

from __future__ import annotations

from covet.graphql.pages import asset
from covet.graphql.view import GraphQLView
from covet.urls import path

__all__ = ["urlpatterns"]

_view = GraphQLView()

urlpatterns = [
    path("graphql", _view, name="graphql"),
    path("graphql/", _view),
    path("graphql/assets/<str:name>", asset, name="graphql-asset", methods=["GET"]),
]
