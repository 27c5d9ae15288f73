"""Joins of ``FilteredRelation``: what their names mean, and the condition that stands in their ``ON``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from covet.db.models.query.paths import Hop, Path, find, relation_hops, resolve_path
from covet.db.sql import nodes as n

if TYPE_CHECKING:
    from covet.db.models.options import Options
    from covet.db.models.query.joins import Source
    from covet.db.models.query.plan import Annotation

__all__ = ["FilteredLink", "filtered_path", "make_link", "refuse_deeper", "unbuilt"]

#: Builds the condition of a filtered relation for the alias of its join.
Condition = Callable[["Annotation", str], n.Node]


@dataclass(frozen=True, slots=True, eq=False)
class FilteredLink:
    """The relation that a name stands for in one statement, as ``select_related`` sees relations.

    Attributes:
        name: The name.
        hops: Its joins; all uses of the name share them.
        target: The options of the model they lead to.
        relation: The relation that is filtered.
    """

    name: str
    hops: tuple[Hop, ...]
    target: Options
    relation: Any
    remote_field: Any = None
    one_to_one: bool = False
    auto_created: bool = False

    @property
    def cache_name(self) -> str:
        """Where an instance keeps the related row: under the name itself."""
        return self.name


def make_link(annotation: Annotation, meta: Options, condition: Condition) -> FilteredLink:
    """Return the joins of a filtered relation; ``condition`` builds what its rows must fulfil, by the join's alias."""
    expression: Any = annotation.expression
    hops, target, relation = relation_hops(
        meta, expression.relation_name, f"FilteredRelation('{expression.relation_name}')"
    )
    *first, last = [replace(hop, shared=True) for hop in hops]
    own = last.restrict

    def restrict(here: str, there: str) -> n.Node:
        node = condition(annotation, there)
        return node if own is None else n.And((own(here, there), node))

    is_filtered = bool(expression.condition.children)
    last = replace(last, null=True, restrict=restrict if is_filtered else own)
    return FilteredLink(annotation.name, (*first, last), target, relation)


def unbuilt(annotation: Annotation, alias: str) -> n.Node:
    """Stand in for the condition where a relation is only looked at."""
    raise AssertionError("This relation was looked at, and not joined.")


def filtered_path(link: FilteredLink, rest: str, where: str) -> Path:
    """Return where a name leads that begins with a filtered relation; ``rest`` is what follows the name."""
    head = rest.partition("__")[0]
    if rest and find(link.target, head) is not None:
        inner = resolve_path(link.target, rest, where)
        return replace(inner, hops=(*link.hops, *inner.hops), names=(link.name, *inner.names), untrimmed=None)
    key: Any = link.target.pk
    names = tuple(rest.split("__")) if rest else ()
    return Path(link.hops, key, names, link.target, link.relation, (link.name,))


def refuse_deeper(annotation: Annotation, before: list[Source], after: list[Source]) -> None:
    """Raise if a condition needed further joins: they would have to stand before the join that they hang on."""
    if len(after) != len(before):
        names = ", ".join(source.meta.object_name for source in after[len(before) :])
        raise ValueError(
            f"The condition of the FilteredRelation '{annotation.name}' may read the rows of that relation, and no relation "
            f"further on ({names})."
        )
