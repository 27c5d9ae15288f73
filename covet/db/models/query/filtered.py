"""Joins of ``FilteredRelation``: what their names mean, and the condition that stands in their ``ON``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from msgspec import Struct
from msgspec.structs import replace

from covet.db.models.query.paths import Hop, Path, find, relation_hops, resolve_path
from covet.exceptions import FieldError

if TYPE_CHECKING:
    from covet.db.models.options import Options
    from covet.db.models.query.joins import Joins, Source
    from covet.db.models.query.plan import Annotation, Query
    from covet.db.sql import nodes as n

__all__ = ["FilteredLink", "check_condition", "filtered_path", "make_link", "refuse_deeper", "unbuilt"]

#: Builds the condition of a filtered relation for its join.
Condition = Callable[["Annotation", "Joins", "Source", "set[str] | None"], "n.Node"]
#: Finds the filtered relation that a name begins with, and what follows the name.
Find = Callable[[str], "tuple[FilteredLink | None, str]"]


class FilteredLink(Struct, frozen=True, eq=False):
    """The relation that a name stands for in one statement, as ``select_related`` sees relations.

    Attributes:
        name: The name.
        hops: Its joins. The last one is its own, so that no plain use of the relation is taken for it; those before it are
            the relation's.
        named: The joins by which the condition names the row.
        target: The options of the model they lead to.
        relation: The relation that is filtered.
    """

    name: str
    hops: tuple[Hop, ...]
    named: tuple[Hop, ...]
    target: Options
    relation: Any
    remote_field: Any = None
    one_to_one: bool = False
    auto_created: bool = False

    @property
    def cache_name(self) -> str:
        """Where an instance keeps the related row: under the name itself."""
        return self.name


def make_link(annotation: Annotation, meta: Options, find_link: Find, condition: Condition) -> FilteredLink:
    """Return the joins of a filtered relation.

    Args:
        annotation: The relation and its name.
        meta: The options of the query's model.
        find_link: Finds the relations that were filtered before: one may go on from another.
        condition: Builds what the joined rows must fulfil.
    """
    expression: Any = annotation.expression
    where = f"FilteredRelation('{expression.relation_name}')"
    start, rest = find_link(expression.relation_name)
    if start is not None and rest:
        hops, target, relation = relation_hops(start.target, rest, where)
        hops = (*start.hops, *hops)
    else:
        hops, target, relation = relation_hops(meta, expression.relation_name, where)
    *first, last = hops

    def own(joins: Joins, source: Source, used: set[str] | None) -> n.Node:
        return condition(annotation, joins, source, used)

    last = replace(last, null=True, condition=own if expression.condition.children else None, has_name=True)
    return FilteredLink(annotation.name, (*first, last), hops, target, relation)


def unbuilt(annotation: Annotation, joins: Joins, source: Source, used: set[str] | None) -> n.Node:
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


def check_condition(query: Query, annotation: Annotation) -> None:
    """Raise for a name in the condition that leads on from the filtered relation.

    Raises:
        ValueError: There is such a name.
    """
    expression: Any = annotation.expression
    named = query.link(annotation).named
    for name, _value in expression.condition.leaves():
        if query.named(name)[0] is not None:
            continue
        try:
            hops = query.path(name, "FilteredRelation").hops
        except FieldError:
            if query.model._meta.apps.models_ready:
                raise
            continue  # its model is still to be loaded; the first use of the query checks it
        if len(hops) > len(named) and hops[: len(named)] == named:
            refuse_deeper(annotation, hops[len(named)])


def refuse_deeper(annotation: Annotation, hop: Hop) -> NoReturn:
    """Raise for a condition that needs a further join: it would have to stand before the join that it hangs on."""
    raise ValueError(
        f"The condition of the FilteredRelation '{annotation.name}' may read the rows of that relation and of others, but no "
        f"relation further on from it ({hop.target.object_name}): filter that one, as in "
        f"FilteredRelation('{annotation.expression.relation_name}__{hop.name}', condition=…)."
    )
