"""JSON look-ups on PostgreSQL: operators of ``jsonb``, which compare by type and use GIN indexes."""

from __future__ import annotations

from covet.db.sql.dialect import FunctionSpelling, Write
from covet.db.sql.nodes import Func, Node

__all__ = ["JSON_FUNCTIONS"]


def _document(node: Node, write: Write) -> str:
    return f"({write(node)})::jsonb"


def _infix(operator: str) -> FunctionSpelling:
    def spell(func: Func, write: Write) -> str:
        left, right = [_document(arg, write) for arg in func.args]
        return f"({left} {operator} {right})"

    return spell


def _ordered(operator: str) -> FunctionSpelling:
    def spell(func: Func, write: Write) -> str:
        left, right = [_document(arg, write) for arg in func.args]
        # jsonb has an order between types as well; a text is no greater than a number here, as on the others.
        return f"({left} {operator} {right} AND jsonb_typeof({left}) = jsonb_typeof({right}))"

    return spell


def _keys(operator: str) -> FunctionSpelling:
    def spell(func: Func, write: Write) -> str:
        document = _document(func.args[0], write)
        # The operators also find texts, and texts in lists; a look-up of keys means those of an object.
        return f"({document} {operator} {write(func.args[1])} AND jsonb_typeof({document}) = 'object')"

    return spell


def _object(func: Func, write: Write) -> str:
    # The names of an object are texts; a parameter alone would have no type.
    parts = [f"({write(arg)})::text" if place % 2 == 0 else write(arg) for place, arg in enumerate(func.args)]
    return f"JSONB_BUILD_OBJECT({', '.join(parts)})"


JSON_FUNCTIONS: dict[str, FunctionSpelling] = {
    "JSON_EQUAL": _infix("="),
    "JSON_GT": _ordered(">"),
    "JSON_GTE": _ordered(">="),
    "JSON_LT": _ordered("<"),
    "JSON_LTE": _ordered("<="),
    "JSON_HOLDS": _infix("@>"),
    "JSON_HELD_BY": _infix("<@"),
    "JSON_HAS_KEY": _keys("?"),
    "JSON_HAS_KEYS": _keys("?&"),
    "JSON_HAS_ANY_KEYS": _keys("?|"),
    "JSON_CANONICAL": lambda func, write: _document(func.args[0], write),
    "JSON_OF": lambda func, write: f"TO_JSONB({write(func.args[0])})",
    "JSON_ORDER": lambda func, write: write(func.args[0]),
    "JSON_OBJECT": _object,
    "JSON_ARRAY": lambda func, write: f"JSONB_BUILD_ARRAY({', '.join([write(arg) for arg in func.args])})",
}
