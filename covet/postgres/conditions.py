"""``OperatorLookup``: a look-up that is an operator of PostgreSQL between its two sides."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, ClassVar

from covet.db.models.expressions.inference import BOOLEAN
from covet.db.models.expressions.lookups import Lookup
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.expressions.subqueries import Subquery
from covet.db.sql import nodes
from covet.postgres.vendor import require_postgresql

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = ["OperatorLookup", "is_expression"]


def is_expression(value: Any) -> bool:
    """Whether a value becomes SQL by itself."""
    return hasattr(value, "resolve") and hasattr(value, "shape")


class OperatorLookup(Lookup):
    """``left operator right``; the right side is a parameter, or an expression.

    Attributes:
        operator: The operator as ``nodes.Raw`` takes it: a percent sign is doubled.
    """

    operator: ClassVar[str] = ""

    @classmethod
    def value_field(cls, field: Field[Any] | None) -> Field[Any] | None:
        """Return the field that adapts a value compared with a column of ``field``."""
        return field

    @classmethod
    def from_query(cls, queryset: Any) -> Any:
        """Return what a queryset on the right side stands for."""
        return Subquery(queryset)

    def shape(self, values: list[Any]) -> Hashable:
        """Return both sides; a value travels as a parameter."""
        left = self.lhs.shape(values)
        if is_expression(self.rhs):
            return (self.__class__, left, self.rhs.shape(values))
        values.append(self.rhs)
        return (self.__class__, left, None)

    def resolve(self, scope: Scope) -> Resolved:
        """Return the condition."""
        require_postgresql(scope.dialect, f"The look-up '{self.lookup_name}' ({type(self).__name__})")
        left = self.lhs.resolve(scope)
        if is_expression(self.rhs):
            right = self.rhs.resolve(scope)
        else:
            field = self.value_field(left.field)
            right = Resolved(scope.param(self.rhs, field), field)
        return Resolved(self.condition(left, right), BOOLEAN)

    def condition(self, left: Resolved, right: Resolved) -> nodes.Node:
        """Return the operator between both sides."""
        return nodes.Raw(f"(%s {self.operator} %s)", (left.node, right.node))
