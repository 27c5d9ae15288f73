"""Rewrites of a statement that give the same rows with less work; ``QUERY_OPTIMIZER=False`` leaves them all out.

What is rewritten, where, and when a shape is refused:

* a join to one row that an earlier ``filter()`` made is used again (``joins``): always, since it is the same row;
* ``LEFT`` becomes ``INNER`` where a condition fails for rows without a partner (``joins``, ``build``): not for look-ups and
  transforms of a project's own, which may hold for NULL;
* a join that only leads to a key stops at the column that refers to it (``paths``);
* ``distinct()`` over filters on many related rows becomes ``EXISTS`` (``semi_joins``): only where nothing else reads the
  joined rows, and what is selected is no window, no random value and no raw SQL;
* ``count()`` and ``exists()`` leave out columns, order, joins and annotations that cannot change their answer;
* ``get()`` by key has no limit, which has nothing to cut off.

Pure: statements in, statements out. It runs once per shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from covet.db.models.query.joins import Joins, Source, join_condition
from covet.db.models.query.logic import all_of
from covet.db.sql import nodes as n
from covet.db.sql.statements import Compound, Output, Select, TableRef
from covet.db.sql.walk import walk

if TYPE_CHECKING:
    from covet.db.models.query.assemble import Assembler

__all__ = [
    "aliases_in",
    "is_steady",
    "lean_count",
    "lean_distinct",
    "lean_exists",
    "lean_slice",
    "prune",
    "semi_joins",
]

_ONE = n.Keyword("1")
#: Functions that give the same for the same row, however often a join repeats it.
_STEADY = frozenset({"LOWER", "UPPER", "LENGTH", "COALESCE", "CONCAT", "ABS", "NULLIF", "GREATEST", "LEAST", "TRIM"})


def aliases_in(nodes: Iterable[Any]) -> set[str]:
    """Return the aliases of the tables whose columns stand in nodes or statements, subqueries included."""
    return {part.alias for node in nodes for part in walk(node) if isinstance(part, (n.Column, n.Star)) and part.alias}


def has_raw(nodes: Iterable[Any]) -> bool:
    """Whether raw SQL stands in one of the nodes: it may name any table, and nobody can tell which."""
    return any(isinstance(part, n.Raw) for node in nodes for part in walk(node))


def is_steady(nodes: Iterable[Any]) -> bool:
    """Whether nodes give one value per row: no window, no random value, no raw SQL, no function nobody knows."""
    for node in nodes:
        for part in walk(node):
            if isinstance(part, n.Raw):
                return False
            if isinstance(part, n.Func) and (part.over is not None or not _is_known(part.name)):
                return False
    return True


def _is_known(name: str) -> bool:
    return name.upper() in _STEADY or name.startswith(("EXTRACT_", "TRUNC_"))


def _is_many(source: Source) -> bool:
    """Whether a source, or one that it hangs on, may have several rows for a row of the first table."""
    current: Source | None = source
    while current is not None and current.hop is not None:
        if current.hop.many:
            return True
        current = current.parent
    return False


def has_many(joins: Joins) -> bool:
    """Whether a join may repeat rows of the first table."""
    return any(map(_is_many, joins.sources))


def prune(joins: Joins, needed: set[str]) -> None:
    """Drop the joins that nothing names and that neither repeat nor remove rows."""
    kept: list[Source] = []
    alive: set[str] = set(needed)
    for source in reversed(joins.sources):
        if source.alias in alive or source.required or _may_change_rows(source):
            kept.append(source)
            alive |= _read_by(source)
    joins.sources[:] = reversed(kept)


def _read_by(source: Source) -> set[str]:
    """Return the aliases of the joins that a join stands on."""
    return {other.alias for other in (source.parent, *source.beside) if other is not None}


def _may_change_rows(source: Source) -> bool:
    hop = source.hop
    if hop is None or hop.many or hop.restrict is not None:
        return True
    if hop.null:
        return False
    # Without a constraint of the database there may be keys that refer to nothing.
    return hop.forward is None or not getattr(hop.forward, "db_constraint", False)


# ── EXISTS in place of a join


def semi_joins(where: n.Node | None, joins: Joins, elsewhere: set[str]) -> n.Node | None:
    """Return WHERE with ``EXISTS`` for each join to many rows that only filters; those joins are gone afterwards.

    Args:
        where: The condition.
        joins: The statement's joins.
        elsewhere: Aliases that something besides the condition reads.
    """
    roots = _roots(joins)
    if where is None or not roots:
        return where
    owner = _owners(joins, roots)
    beside = {other.alias for source in joins.sources for other in source.beside}
    excluded = {owner[alias] for alias in elsewhere | beside if alias in owner}
    groups: dict[Source, list[n.Node]] = {root: [] for root in roots}
    rest: list[n.Node] = []
    conjuncts = where.items if isinstance(where, n.And) else (where,)
    for node in conjuncts:
        touched = {owner[alias] for alias in aliases_in([node]) if alias in owner}
        if len(touched) == 1:
            groups[next(iter(touched))].append(node)
        else:
            excluded |= touched
            rest.append(node)
    # A row without a partner may match as well where the join is LEFT: that is no EXISTS.
    excluded |= {root for root in roots if root.may_be_missing}
    gone: set[str] = set()
    for root in roots:
        if root in excluded:
            rest += groups[root]
            continue
        inside = [source for source in joins.sources if owner.get(source.alias) is root]
        rest.append(_exists(root, inside, groups[root], joins))
        gone |= {source.alias for source in inside}
    if not gone:
        return where
    joins.sources[:] = [source for source in joins.sources if source.alias not in gone]
    return all_of(rest)


def _roots(joins: Joins) -> list[Source]:
    """Return the first joins to many rows on their way."""
    found = []
    for source in joins.sources:
        assert source.hop is not None and source.parent is not None
        if source.hop.many and not _is_many(source.parent):
            found.append(source)
    return found


def _owners(joins: Joins, roots: list[Source]) -> dict[str, Source]:
    owner = {root.alias: root for root in roots}
    for source in joins.sources:  # parents stand before their children
        if source.parent is not None and source.parent.alias in owner:
            owner.setdefault(source.alias, owner[source.parent.alias])
    return owner


def _exists(root: Source, inside: list[Source], conditions: list[n.Node], joins: Joins) -> n.Node:
    select = Select(
        (Output(_ONE),),
        TableRef(root.meta.db_table, root.alias),
        joins.nodes_of([source for source in inside if source is not root]),
        all_of([join_condition(root), *conditions]),
    )
    return n.Exists(select)


def lean_distinct(build: Assembler, select: Select, visible: int) -> Select:
    """Return a ``SELECT DISTINCT`` that filters by ``EXISTS``, and without DISTINCT where rows cannot repeat any more.

    Args:
        build: What made it.
        select: The statement.
        visible: How many of its outputs are the user's; the rest is there for the order.
    """
    if select.lock is not None or select.group_by or select.having is not None or has_raw([select.where]):
        return select
    if build.plan.extras.tables:
        return select  # crossed with tables of which nothing is known
    outside = [*[output.expression for output in select.outputs], *[item.operand for item in select.order_by]]
    if not is_steady(outside):
        return select
    where = semi_joins(select.where, build.joins, aliases_in(outside))
    select = replace(select, where=where, joins=build.joins.nodes())
    shown = {output.expression for output in select.outputs[:visible]}
    if has_many(build.joins) or not _keys(build) <= shown:
        return select
    return replace(select, distinct=False, outputs=select.outputs[:visible])


def _keys(build: Assembler) -> set[n.Node]:
    """Return the columns that tell the first table's rows apart."""
    if build.meta.pk is None:
        return {n.Keyword("NULL")}
    return {build.column(field) for field in build.meta.pk_fields}


# ── count() and exists()


def lean_count(build: Assembler) -> Select | None:
    """Return ``SELECT COUNT(…)`` of just what decides the number of rows; ``None`` where the rows must be built for it."""
    plan, extras = build.plan, build.plan.extras
    grouped = extras.group_by is not None
    if (
        extras.combined is not None
        or extras.distinct_on
        or plan.is_sliced
        or build.may_qualify
        or build.meta.pk is None
    ):
        return None
    if extras.tables or (grouped and extras.group_by is not True):
        return None
    if extras.outputs is not None and (grouped or extras.distinct):
        return None
    where, having = build.conditions()
    if having is not None or build.qualify:
        return None
    columns = build.counted_columns()
    if grouped:
        # Aggregates are computed for the groups that are there; they make none.
        columns = [node for node in columns if node not in build.counted_aggregates]
    once = grouped or extras.distinct
    if once:
        if has_raw([where]) or not is_steady(columns):
            return None
        many = {source.alias for source in build.joins.sources if _is_many(source)}
        if aliases_in(columns) & many:
            return None
        _forget_unnamed(build.joins, aliases_in([where]))
        where = semi_joins(where, build.joins, set())
    prune(build.joins, aliases_in([where]))
    if not once or not has_many(build.joins):
        return build.select_of([Output(n.Func("COUNT", (n.Star(),)))], where)
    keys = list(_keys(build))
    if len(keys) > 1:
        return None
    return build.select_of([Output(n.Func("COUNT", tuple(keys), distinct=True))], where)


def _forget_unnamed(joins: Joins, needed: set[str]) -> None:
    """Drop LEFT joins that nothing names: where each row counts once it does not matter that they repeat rows."""
    kept: list[Source] = []
    alive = set(needed)
    for source in reversed(joins.sources):
        if source.alias in alive or not source.may_be_missing:
            kept.append(source)
            alive |= _read_by(source)
    joins.sources[:] = reversed(kept)


def lean_slice(build: Assembler, select: Select | Compound) -> Select | Compound:
    """Return the part of the rows that is counted: so many rows of a slice there are in any order.

    An order by many related rows repeats rows, so that one stays.
    """
    if not isinstance(select, Select) or select.lock is not None or has_many(build.joins):
        return select if not isinstance(select, Select) else replace(select, lock=None)
    prune(build.joins, aliases_in([select.where]))
    return replace(select, order_by=(), joins=build.joins.nodes(), lock=None)


def lean_exists(build: Assembler) -> Select | None:
    """Return ``SELECT 1`` of the bare conditions; ``None`` where groups, windows or an offset decide what is there."""
    plan, extras = build.plan, build.plan.extras
    if extras.combined is not None or build.may_qualify or plan.low or extras.tables:
        return None
    if extras.group_by is not None and not (extras.group_by is True or extras.group_by):
        return None  # one group, which is there without any row
    where, having = build.conditions()
    if having is not None or build.qualify:
        return None
    prune(build.joins, aliases_in([where]))
    return build.select_of([Output(_ONE)], where)
