"""Comparison and conversion: ``Cast``, ``Coalesce``, ``Greatest``, ``Least``, ``NullIf``, ``Collate``, JSON objects."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.base import Value
from covet.db.models.expressions.functions import Cast, Coalesce, Func
from covet.db.models.expressions.inference import JSON, TEXT, family
from covet.db.sql import nodes

if TYPE_CHECKING:
    from covet.db.models.expressions.scope import Scope
    from covet.db.models.fields.base import Field

__all__ = ["Cast", "Coalesce", "Collate", "Greatest", "JSONArray", "JSONObject", "Least", "NullIf"]


@cache
def _collation() -> re.Pattern[str]:
    return re.compile(r"[\w-]+(\.[\w-]+)?")


class Collate(Func):
    """A text under another collation.

    Args:
        expression: The text.
        collation: The collation by the database's own name for it.
    """

    function = "COLLATE"
    result = TEXT

    def __init__(self, expression: Any, collation: str) -> None:
        if not _collation().fullmatch(collation or ""):
            raise ValueError(f"{collation!r} is no name of a collation.")
        super().__init__(expression)
        self.collation = collation
        self.extra = {"collation": collation}

    def node(self, args: tuple[nodes.Node, ...], field: Field[Any] | None) -> nodes.Node:
        """Return ``x COLLATE name``."""
        return nodes.Collate(args[0], self.collation)


class _Extreme(Func):
    def __init__(self, *expressions: Any, output_field: Field[Any] | None = None) -> None:
        if len(expressions) < 2:
            raise ValueError(f"{type(self).__name__} takes at least two expressions.")
        super().__init__(*expressions, output_field=output_field)


class Greatest(_Extreme):
    """The greatest of the arguments. PostgreSQL leaves NULLs out; elsewhere one NULL makes the result NULL."""

    function = "GREATEST"


class Least(_Extreme):
    """The least of the arguments. PostgreSQL leaves NULLs out; elsewhere one NULL makes the result NULL."""

    function = "LEAST"


class NullIf(Func):
    """NULL if both arguments are equal, else the first."""

    function = "NULLIF"
    arity = 2

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        return fields[0]


class JSONObject(Func):
    """A JSON object of names and expressions: ``JSONObject(title="title", by="author__name")``."""

    function = "JSON_OBJECT"
    result = JSON

    def __init__(self, **fields: Any) -> None:
        pairs: list[Any] = []
        for name, expression in fields.items():
            pairs += [Value(name), expression]
        super().__init__(*pairs)

    def _resolve_sources(self, scope: Scope) -> tuple[list[nodes.Node], Field[Any] | None]:
        return _documents_inside(self, scope), self.output_field or JSON


class JSONArray(Func):
    """A JSON array of expressions."""

    function = "JSON_ARRAY"
    result = JSON

    def _resolve_sources(self, scope: Scope) -> tuple[list[nodes.Node], Field[Any] | None]:
        return _documents_inside(self, scope), self.output_field or JSON


def _documents_inside(call: Func, scope: Scope) -> list[nodes.Node]:
    """Return the arguments; on SQLite a document would be taken for the text that it is kept as."""
    parts = [source.resolve(scope) for source in call.sources]
    if scope.vendor != "sqlite":
        return [part.node for part in parts]
    return [
        nodes.Func("JSON", (part.node,)) if part.field is not None and family(part.field) == "json" else part.node
        for part in parts
    ]
