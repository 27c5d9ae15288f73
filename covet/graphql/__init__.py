"""GraphQL: types and fields of models for Strawberry, merged from every app's ``schema.py``.

``@graphql.type(Model, fields=[…])`` makes a type, ``node()`` and ``connection()`` find rows, ``create()``, ``update()``
and ``delete()`` write them, ``subscription()`` tells of what happens. Any ``@strawberry.type`` works beside them.
"""

from covet.exceptions import MissingDependency

try:
    from strawberry import ID, Info, Parent
except ImportError as error:
    raise MissingDependency("strawberry-graphql", extra="graphql", feature="covet.graphql") from error

from covet.graphql.context import Context
from covet.graphql.fields import Connection, Edge, PageInfo, connection, field, node, subscription
from covet.graphql.mutations import create, delete, update
from covet.graphql.types import type

__all__ = [
    "ID",
    "Connection",
    "Context",
    "Edge",
    "Info",
    "PageInfo",
    "Parent",
    "connection",
    "create",
    "delete",
    "field",
    "node",
    "subscription",
    "type",
    "update",
]
