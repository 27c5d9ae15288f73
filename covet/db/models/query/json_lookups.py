"""Look-ups of JSON documents and of paths into them; what is not here is a text match on the text of the value.

Both sides of a comparison are documents, compared by value: ``1`` equals ``1.0``, the order of keys does not count, and
what has another type is neither greater nor less. Keys that are looked for travel as values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from covet import json
from covet.db.models.query.operands import Build, Lookup, Operand, Right
from covet.db.sql import nodes as n
from covet.db.sql.dialect import RawJSON

if TYPE_CHECKING:
    from covet.db.sql.dialect import Dialect

__all__ = ["JSON_LOOKUPS", "JSON_NULL", "json_among"]

_TEXT = n.ColumnType("text")
_TEXTS = n.ColumnType("custom", sql="text[]")
_JSON = n.ColumnType("json")
#: The word ``null`` of JSON.
JSON_NULL = n.Bound(RawJSON("null"), _JSON)


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
