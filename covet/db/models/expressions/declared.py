"""Expressions that say what they give: what stands inside is not asked for its type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from covet.db.models.expressions.base import CombinedExpression, ExpressionWrapper, Value
from covet.db.models.expressions.inference import combined_field
from covet.db.models.expressions.scope import Resolved, Scope
from covet.exceptions import FieldError

__all__ = ["is_value", "resolve_parts"]


def is_value(expression: Any) -> bool:
    """Whether an expression is a plain value, wrapped or not: it makes no groups, since all rows have the same one."""
    while isinstance(expression, ExpressionWrapper):
        expression = expression.sources[0]
    return isinstance(expression, Value)


def resolve_parts(sources: Iterable[Any], scope: Scope) -> list[Resolved]:
    """Return the parts of an expression whose ``output_field`` is set; sums of several types are taken as they are."""
    return [_resolve(source, scope) for source in sources]


def _resolve(source: Any, scope: Scope) -> Resolved:
    if type(source) is not CombinedExpression or source.output_field is not None:
        return source.resolve(scope)  # type: ignore[no-any-return]  # expressions are untyped here
    left, right = resolve_parts(source.sources, scope)
    try:
        field = combined_field(source.operator, left.field, right.field, source)
    except FieldError:
        field = None
    return Resolved(source.node_of(left, right, field, scope.vendor), field)
