"""Values inside JSON documents as expressions: ``KT("data__owner__name")``, ``KeyTransform("name", "data")``.

Keys and places are part of the SQL's shape; the dialects write them as quoted literals, never as they are.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import cache
from typing import Any

from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.functions import parse
from covet.db.models.expressions.inference import JSON, TEXT
from covet.db.models.expressions.refs import F
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.sql import nodes
from covet.exceptions import FieldError

__all__ = ["KT", "KeyTextTransform", "KeyTransform", "json_step"]


@cache
def _place() -> re.Pattern[str]:
    # A number is a place in a list. One that no list can reach is a key.
    return re.compile(r"-?[0-9]{1,9}\Z")


def json_step(node: nodes.Node, key: str | int) -> nodes.JSONPath:
    """Return the value under a key, or at a place, of a document or of a value inside one.

    Raises:
        FieldError: The key holds a NUL character, which no database can compare.
    """
    if isinstance(key, str):
        if "\x00" in key:
            raise FieldError(f"A key of a JSON document cannot hold a NUL character: {key!r}.", name=key)
        if _place().match(key):
            key = int(key)
    if isinstance(node, nodes.JSONPath) and not node.as_text:
        return nodes.JSONPath(node.operand, (*node.path, key), False)
    return nodes.JSONPath(node, (key,), False)


class KeyTransform(Expression[Any]):
    """The JSON value under a key of a document: ``KeyTransform("name", KeyTransform("owner", "data"))``.

    Args:
        key: The key; a number is a place in a list.
        expression: The document; a text names a field.
    """

    public_module = "covet.db.models.expressions"

    def __init__(self, key: str | int, expression: Any) -> None:
        super().__init__()
        self.key = str(key)
        self.sources = (parse(expression),)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the key and the document's shape."""
        return (self.__class__, self.key, self.sources[0].shape(values))

    def resolve(self, scope: Scope) -> Resolved:
        """Return the path."""
        inner = self.sources[0].resolve(scope)
        return Resolved(json_step(inner.node, self.key), inner.field or JSON)


class KeyTextTransform(KeyTransform):
    """The same as text: a JSON text without its quotation marks."""

    def resolve(self, scope: Scope) -> Resolved:
        """Return the path, as text."""
        path = json_step(self.sources[0].resolve(scope).node, self.key)
        return Resolved(nodes.JSONPath(path.operand, path.path, True), TEXT)


class KT(F):
    """The text at a path of a document, for annotating, grouping and ordering: ``KT("data__owner__name")``."""

    public_module = "covet.db.models.expressions"

    def __init__(self, name: str) -> None:
        if "__" not in name:
            raise ValueError(f"KT takes a path into a JSON document, such as KT('{name}__key').")
        super().__init__(name)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the path."""
        return (KT, self.name)

    def resolve(self, scope: Scope) -> Resolved:
        """Return the value at the path, as text."""
        found = scope.ref(self.name).node
        if not isinstance(found, nodes.JSONPath):
            raise FieldError(f"KT('{self.name}') is no path into a JSON document.", name=self.name)
        return Resolved(nodes.JSONPath(found.operand, found.path, True), TEXT)
