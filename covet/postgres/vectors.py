"""How near two vectors are: distances for ``order_by``, ``annotate`` and ``filter``; needs the extension ``vector`` (pgvector)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

from covet.db.models.expressions.base import Expression, Value
from covet.db.models.expressions.functions import parse
from covet.db.models.expressions.inference import REAL
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.fields.base import Field
from covet.db.sql import nodes
from covet.postgres.conditions import is_expression
from covet.postgres.fields.vector import VECTOR, VectorField
from covet.postgres.vendor import require_postgresql

__all__ = ["CosineDistance", "L1Distance", "L2Distance", "MaxInnerProduct"]


class _Distance(Expression[float]):
    """An operator between two vectors, by which an index finds the nearest.

    Args:
        expression: A vector; a text names a field.
        vector: The other one: a list, a tuple or an array of numbers; a text names a field, as ``F`` does.
        output_field: What the result holds; a float, if not told otherwise.
    """

    public_module = "covet.postgres.vectors"
    operator: ClassVar[str] = ""

    def __init__(self, expression: Any, vector: Any, *, output_field: Field[Any] | None = None) -> None:
        super().__init__(output_field or REAL)
        self.sources = (_source(expression), _source(vector))

    def shape(self, values: list[Any]) -> Hashable:
        """Return both vectors; a value travels as a parameter."""
        first, second = self.sources
        left = first.shape(values)
        return (self.__class__, left, second.shape(values), self._output_key())

    def resolve(self, scope: Scope) -> Resolved:
        """Return the distance."""
        require_postgresql(scope.dialect, type(self).__name__)
        first, second = self.sources
        left = _resolved(first, scope, VECTOR)
        # A value is held to the dimensions of the column that it is compared with.
        right = _resolved(second, scope, left.field if isinstance(left.field, VectorField) else VECTOR)
        return Resolved(nodes.Raw(f"(%s {self.operator} %s)", (left.node, right.node)), self.output_field)


def _source(value: Any) -> Any:
    return parse(value) if isinstance(value, str) or is_expression(value) else Value(value)


def _resolved(source: Any, scope: Scope, field: Field[Any]) -> Resolved:
    if isinstance(source, Value) and source.output_field is None and source.value is not None:
        return Resolved(scope.param(source.value, field), field)
    return source.resolve(scope)  # type: ignore[no-any-return]


class L2Distance(_Distance):
    """The straight way between two vectors: ``order_by(L2Distance("embedding", [3, 1, 2]))``."""

    operator = "<->"


class MaxInnerProduct(_Distance):
    """The inner product, negated: the greatest product comes first."""

    operator = "<#>"


class CosineDistance(_Distance):
    """1 less the cosine of the angle between two vectors, whatever their lengths: from 0 to 2."""

    operator = "<=>"


class L1Distance(_Distance):
    """The sum of the differences of each dimension; needs pgvector 0.7."""

    operator = "<+>"
