"""``ArraySubquery``: all values that a queryset selects, as one array."""

from __future__ import annotations

from typing import Any

from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.expressions.subqueries import Subquery
from covet.db.sql import nodes
from covet.postgres.fields.array import ArrayField
from covet.postgres.vendor import require_postgresql

__all__ = ["ArraySubquery"]


class ArraySubquery(Subquery):
    """The values of a queryset of one column as an array; an empty one for no rows.

    Args:
        queryset: A queryset of one column.
        output_field: What the array is; by default an ``ArrayField`` of what the column is.
    """

    public_module = "covet.postgres.expressions"

    def resolve(self, scope: Scope) -> Resolved:
        """Return ``ARRAY(SELECT …)``."""
        require_postgresql(scope.dialect, "ArraySubquery")
        field = self.output_field
        if field is None:
            base = getattr(self.queryset, "output_field", None)
            field = None if base is None else ArrayField(base)
        return Resolved(nodes.Raw("ARRAY%s", (nodes.Subquery(scope.query(self.queryset, ordered=True)),)), field)

    def _identity(self) -> Any:
        return (ArraySubquery, super()._identity())
