"""``FilteredRelation``: a relation under another name, of which only some rows count."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.q import Q, check_depth
from covet.db.sql import nodes
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import scope as scopes
else:
    scopes = late_module(__name__, "covet.db.models.expressions.scope", "scopes")

__all__ = ["FilteredRelation"]


class FilteredRelation:
    """A relation whose join has a condition of its own: rows without a partner stay.

    ``Author.objects.annotate(hits=FilteredRelation("articles", condition=Q(articles__views__gt=100)))``; the name is then
    used as any relation: ``.filter(hits__isnull=False)``, ``.annotate(n=Count("hits"))``.

    Args:
        relation_name: The relation, or a path of relations.
        condition: What joined rows must fulfil; its names begin at the model of the query.

    Raises:
        ValueError: There is no name, or the condition is no ``Q``.
    """

    contains_aggregate = False
    contains_over = False
    conditional = False
    output_field = None

    def __init__(self, relation_name: str, *, condition: Q | None = None) -> None:
        if not relation_name or not isinstance(relation_name, str):
            raise ValueError("FilteredRelation needs the name of a relation.")
        if condition is None:
            condition = Q()
        if not isinstance(condition, Q):
            raise ValueError(f"The condition of a FilteredRelation is a Q, not {condition!r}.")
        check_depth(condition, "FilteredRelation")
        for _name, value in condition.leaves():
            if hasattr(value, "get_queryset") or (hasattr(value, "query") and hasattr(value, "shape")):
                raise ValueError("The condition of a FilteredRelation takes no querysets: join them by filter().")
        self.relation_name = relation_name
        self.condition = condition

    @property
    def default_alias(self) -> str:
        """Raise: a relation under its own name would be no other one."""
        raise TypeError(f"A FilteredRelation needs a name: write name={self!r}.")

    def shape(self, values: list[Any]) -> Hashable:
        """Return the relation and the condition's shape."""
        return (FilteredRelation, self.relation_name, self.condition.shape(values))

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return NULL: it is no value; the builder joins it where it is named."""
        return scopes.Resolved(nodes.Keyword("NULL"), None)

    def walk(self) -> Iterator[Any]:
        """Yield this and the parts of the condition."""
        yield self
        yield from self.condition.walk()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FilteredRelation):
            return NotImplemented
        return self.relation_name == other.relation_name and self.condition == other.condition

    def __hash__(self) -> int:
        return hash((FilteredRelation, self.relation_name, self.condition))

    def __repr__(self) -> str:
        return f"FilteredRelation({self.relation_name!r}, condition={self.condition!r})"
