"""GraphQL: types and fields of models for Strawberry, merged from every app's ``schema.py``.

``@graphql.type(Model, fields=[…])`` makes a type, ``node()`` and ``connection()`` find rows, ``create()``, ``update()``
and ``delete()`` write them, ``subscription()`` tells of what happens. Any ``@strawberry.type`` works beside them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strawberry import ID, Info, Parent

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

# Looked up late: every command imports the packages of the installed apps, and most need no Strawberry (a third of a
# second).
_HOMES = {
    "ID": "strawberry",
    "Info": "strawberry",
    "Parent": "strawberry",
    "Context": "covet.graphql.context",
    "Connection": "covet.graphql.fields",
    "Edge": "covet.graphql.fields",
    "PageInfo": "covet.graphql.fields",
    "connection": "covet.graphql.fields",
    "field": "covet.graphql.fields",
    "node": "covet.graphql.fields",
    "subscription": "covet.graphql.fields",
    "create": "covet.graphql.mutations",
    "delete": "covet.graphql.mutations",
    "update": "covet.graphql.mutations",
    "type": "covet.graphql.types",
}


if not TYPE_CHECKING:  # a checker knows the names, and tells a misspelt one

    def __getattr__(name: str) -> Any:
        """Return a public name from the module that holds it."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'covet.graphql' has no attribute {name!r}")
        import importlib

        from covet.exceptions import MissingDependency

        try:
            found = getattr(importlib.import_module(home), name)
        except ModuleNotFoundError as error:
            if error.name != "strawberry":
                raise
            raise MissingDependency("strawberry-graphql", extra="graphql", feature="covet.graphql") from error
        globals()[name] = found
        return found
