"""``Subquery`` and ``Exists``: a queryset as part of another query."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.q import unread
from covet.db.sql import nodes
from covet.db.sql.statements import Compound, Select
from covet.exceptions import FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import inference
    from covet.db.models.expressions import scope as scopes
    from covet.db.models.fields.base import Field
else:
    inference = late_module(__name__, "covet.db.models.expressions.inference")
    scopes = late_module(__name__, "covet.db.models.expressions.scope", "scopes")

__all__ = ["Exists", "Subquery", "only_column"]


def only_column(statement: Select | Compound) -> Select | Compound:
    """Return the statement of a queryset that stands for one value a row.

    Raises:
        FieldError: It selects several columns.
    """
    first = statement
    while isinstance(first, Compound):
        first = first.queries[0]
    if len(first.outputs) != 1:
        raise FieldError(
            f"A queryset of {len(first.outputs)} columns stands where one value is read: name one of them, as in "
            "values('title')."
        )
    return statement


class Subquery(Expression[Any]):
    """The one value that a queryset selects: ``Subquery(newest.values("title")[:1])``.

    The queryset stays lazy; its ``OuterRef`` names look into the query around it.

    Nobody knows before it runs how many rows it has. Of several, PostgreSQL and MariaDB make an error, and SQLite takes one in
    silence, whatever their order. Cut it off by ``[:1]``, unless its conditions make it one row (``filter(pk=OuterRef("pk"))``),
    or ask for any of them by ``__in``.

    Args:
        queryset: A queryset of one column and at most one row.
        output_field: What the value is; by default what the column is.
    """

    def __init__(self, queryset: Any, output_field: Field[Any] | None = None) -> None:
        super().__init__(output_field)
        self.queryset = queryset.get_queryset() if hasattr(queryset, "get_queryset") else queryset

    def shape(self, values: list[Any]) -> Hashable:
        """Return the queryset's shape."""
        return (self.__class__, self._output_key(), self.queryset.shape(values))

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the query in brackets."""
        field = self.output_field
        if field is None:
            field = getattr(self.queryset, "output_field", None)
        find = getattr(scope, "output_field_of", None)
        if field is None and find is not None:
            field = find(self.queryset.query)
        return scopes.Resolved(nodes.Subquery(only_column(scope.query(self.queryset))), field)

    @property
    def contains_aggregate(self) -> bool:
        """Aggregates inside are the inner query's own."""
        return False

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: the queryset is a part of the query, and not asked."""
        args, kwargs = self._constructed
        given = tuple(unread(arg) for arg in args), {name: unread(value) for name, value in kwargs.items()}
        return {**self.__dict__, "queryset": unread(self.queryset), "_constructed": given}

    __copy__ = Expression.copy

    def _identity(self) -> Hashable:
        values: list[Any] = []
        return (self.__class__, self.shape(values), repr(values))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.queryset.model.__name__} queryset)"


class Exists(Subquery):
    """Whether a queryset has a row: ``filter(Exists(Comment.objects.filter(article=OuterRef("pk"))))``."""

    is_conditional = True

    def __init__(self, queryset: Any) -> None:
        super().__init__(queryset)

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return ``EXISTS (…)``."""
        return scopes.Resolved(nodes.Exists(scope.query(self.queryset)), inference.BOOLEAN)

    @property
    def conditional(self) -> bool:
        """It is a condition."""
        return True
