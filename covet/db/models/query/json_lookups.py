"""Look-ups of JSON documents and of paths into them; what is not here is a text match on the text of the value.

Both sides of a comparison are documents, compared by value: ``1`` equals ``1.0``, the order of keys does not count, and
what has another type is neither greater nor less. A column beside one counts as the document that holds its value. Keys
that are looked for travel as values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from covet import json
from covet.db.models.query.operands import Build, Lookup, Operand, Right
from covet.db.sql import nodes as n
from covet.db.sql.dialect import RawJSON
from covet.db.sql.statements import Compound, Output, Select
from covet.exceptions import FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import inference
    from covet.db.models.expressions import scope as scopes
    from covet.db.models.expressions.scope import Resolved, Scope
    from covet.db.models.fields.base import Field
    from covet.db.sql.dialect import Dialect
else:
    inference = late_module(__name__, "covet.db.models.expressions.inference")
    scopes = late_module(__name__, "covet.db.models.expressions.scope", "scopes")

__all__ = ["JSON_LOOKUPS", "JSON_NULL", "as_document", "both_documents", "documents_of", "json_among", "listed_sides"]

_TEXT = n.ColumnType("text")
_TEXTS = n.ColumnType("custom", sql="text[]")
_JSON = n.ColumnType("json")
#: The word ``null`` of JSON.
JSON_NULL = n.Bound(RawJSON("null"), _JSON)
# What compares documents by their values; the others look for keys, or match texts.
_COMPARES = frozenset({"exact", "gt", "gte", "lt", "lte", "in", "range"})
_BY_VALUE = _COMPARES | {"contains", "contained_by"}
# Kinds of columns whose values JSON spells in more than one way, or in none.
_NO_DOCUMENT = frozenset({"datetime", "time", "interval", "binary"})


def _function(name: str) -> Lookup:
    def lookup(left: Operand, right: Right, build: Build) -> n.Node:
        return n.Func(name, (left.node, right.value()))

    return lookup


def _key_text(value: Any) -> str:
    return str(value)


def _keys(value: Any) -> list[str]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise ValueError(f"has_keys and has_any_keys take a list of keys, not {value!r}.")
    return [str(key) for key in value]


def _keys_json(value: Any) -> str:
    return json.dumps(_keys(value)).decode()


def _has_key(left: Operand, right: Right, build: Build) -> n.Node:
    key = n.Cast(right.node, _TEXT) if right.node is not None else right.mapped(_key_text, _TEXT)
    return n.Func("JSON_HAS_KEY", (left.node, key))


def _has_keys(name: str) -> Lookup:
    def lookup(left: Operand, right: Right, build: Build) -> n.Node:
        if right.node is not None:
            raise ValueError("has_keys and has_any_keys take a list of keys, not an expression.")
        change: Callable[[Any], Any] = _keys if build.vendor == "postgresql" else _keys_json
        return n.Func(name, (left.node, right.mapped(change, _TEXTS if build.vendor == "postgresql" else _TEXT)))

    return lookup


def as_document(node: n.Node, field: Field[Any] | None) -> n.Node:
    """Return a value as the document that holds it: a number, a truth value, or a text.

    Raises:
        FieldError: JSON has no one way to write such values.
    """
    type = None if field is None else field.column_type()
    if type is None or type.kind == "json":
        return node
    assert field is not None
    if type.kind in _NO_DOCUMENT:
        raise FieldError(
            f"A value in a JSON document cannot be compared with one of {field.get_internal_type()}, which JSON has no one "
            "form for. Compare texts, as in annotate(text=KT('data__key')).filter(text=…), with a Cast to what they spell."
        )
    if type.kind == "uuid":
        node = n.Func("UUID_TEXT", (node,), type=_TEXT)
    return n.Func("JSON_OF", (node,), type=_TEXT if type.kind == "uuid" else type)


def both_documents(left: Operand, right: Resolved, lookup: str) -> tuple[Operand, n.Node]:
    """Return both sides of a comparison with an expression as documents, where one of them is a document."""
    node, field = right
    if left.kind == "json":
        return left, as_document(node, field) if lookup in _BY_VALUE else node
    type = None if field is None else field.column_type()
    if type is None or type.kind != "json" or not left.kind or lookup not in _COMPARES:
        return left, node
    return Operand(as_document(left.node, left.field), inference.JSON), node


def listed_sides(left: Operand, items: Iterable[Any], scope: Scope) -> tuple[Operand, tuple[n.Node, ...]]:
    """Return the left-hand side as it is compared with a list of values and expressions, and their nodes."""
    nodes: list[n.Node] = []
    for item in items:
        if hasattr(item, "resolve") and hasattr(item, "shape"):
            before = left
            left, node = both_documents(left, item.resolve(scope), "in")
            if left is not before:
                nodes = [as_document(one, before.field) for one in nodes]
        else:
            node = scope.beside(scopes.Resolved(left.node, left.field))
        nodes.append(node)
    return left, tuple(nodes)


def documents_of(statement: Select | Compound, field: Field[Any] | None) -> Select | Compound:
    """Return a query of one column that gives its values as documents in normal form."""
    if isinstance(statement, Compound):
        return replace(statement, queries=tuple([documents_of(query, field) for query in statement.queries]))
    [output] = statement.outputs
    document = n.Func("JSON_CANONICAL", (as_document(output.expression, field),))
    return replace(statement, outputs=(Output(document, output.alias),))


def json_among(left: n.Node, values: n.Param | tuple[n.Node, ...], dialect: Dialect) -> n.Node:
    """Return whether a document equals one of several."""
    document = n.Func("JSON_CANONICAL", (left,))
    if isinstance(values, tuple):
        return n.In(document, tuple([n.Func("JSON_CANONICAL", (value,)) for value in values]))
    each = dialect.function(n.Func("JSON_CANONICAL", (n.Keyword("{}"),)), lambda node: "{}")
    return n.In(document, n.Param(values.slot, values.adapt, values.type, many=True, each=each))


JSON_LOOKUPS: dict[str, Lookup] = {
    "exact": _function("JSON_EQUAL"),
    "gt": _function("JSON_GT"),
    "gte": _function("JSON_GTE"),
    "lt": _function("JSON_LT"),
    "lte": _function("JSON_LTE"),
    "contains": _function("JSON_HOLDS"),
    "contained_by": _function("JSON_HELD_BY"),
    "has_key": _has_key,
    "has_keys": _has_keys("JSON_HAS_KEYS"),
    "has_any_keys": _has_keys("JSON_HAS_ANY_KEYS"),
}
