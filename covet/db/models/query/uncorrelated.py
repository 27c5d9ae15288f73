"""Subqueries that read the query around them and must become derived tables, for a database whose derived tables cannot.

MariaDB sees no column of an outer query inside ``FROM (SELECT …)``. Where the subquery's rows are tied to the outer row by
equal columns (``author=OuterRef("pk")``), those can be compared outside the derived table: windows are then computed for
all the outer rows at once, each within the rows of one key, which ``PARTITION BY`` the key says. Where anything else ties
them, the outer tables are joined once more inside the derived table, whose rows then belong to one outer row each, by its key.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from covet.db.errors import NotSupportedError
from covet.db.models.query.logic import all_of
from covet.db.models.query.optimize import aliases_in
from covet.db.models.query.qualify import qualified
from covet.db.sql import nodes as n
from covet.db.sql.statements import Compound, Join, Select, TableRef
from covet.db.sql.walk import rewrite, walk

if TYPE_CHECKING:
    from covet.db.models.query.joins import Source
    from covet.db.models.query.names import Names

__all__ = ["Apart", "part", "unsliced"]

_WHOLE = frozenset({"smallint", "integer", "bigint"})


class Apart(Struct, frozen=True):
    """A subquery without what ties it to the query around it.

    Attributes:
        select: The subquery.
        ties: What ties its rows to the outer row.
        keys: Its own columns in those.
        outer: The aliases of the tables around it.
        copies: Those of them that the subquery joins once more, and the aliases that they have there.
    """

    select: Select
    ties: tuple[n.Node, ...]
    keys: tuple[n.Node, ...]
    outer: frozenset[str]
    copies: dict[str, str] = {}

    def inside(self, node: Any) -> Any:
        """Return a node with the tables around read by their copies, where there are some."""
        return _renamed(node, self.copies)

    def reads_around(self, node: n.Node) -> bool:
        """Whether a node reads a table around the subquery."""
        return not self.outer.isdisjoint(aliases_in([node]))

    def within(self, node: Any) -> Any:
        """Return a node whose windows see the rows of one key each."""

        def change(item: n.Node) -> n.Node:
            if isinstance(item, n.Func) and item.over is not None:
                return replace(item, over=replace(item.over, partition_by=(*item.over.partition_by, *self.keys)))
            return item

        return rewrite(node, change)


def _around(build: Names | None) -> dict[str, Source]:
    """Return the tables of a builder and of those around it, by their aliases."""
    found: dict[str, Source] = {}
    while build is not None:
        found |= {source.alias: source for source in (build.joins.base, *build.joins.sources)}
        build = build._outer
    return found


def part(build: Names, select: Select, condition: n.Node) -> Apart | None:
    """Return a subquery apart from the query around it, or ``None`` if it may be a derived table as it is.

    Args:
        build: What made it.
        select: The subquery.
        condition: A condition about its windows.

    Raises:
        NotSupportedError: It is tied by more than equal columns to rows of which one may be missing.
    """
    around = _around(build._outer)
    outer = frozenset(around)
    if build.dialect.has_outer_in_derived or outer.isdisjoint(aliases_in([select, condition])):
        return None
    apart = _parted(select, outer, build.aliases.metas)
    if apart is None or any(map(apart.reads_around, _windows((select.outputs, select.order_by, condition)))):
        apart = _copied(build, select, around, condition)
    if apart is None:
        raise NotSupportedError(
            f"A condition about a window function needs a derived table, and on {build.dialect.title} that reads no column of "
            f"an outer query. There what OuterRef names of a row that may be missing, or beside groups, may only be compared by "
            f'equality with a column of the same type, outside of OR and NOT, as in filter(author=OuterRef("pk")): '
            f"the query of {build.meta.object_name} uses it otherwise."
        )
    return apart


def unsliced(build: Names, statement: Select | Compound) -> Select | Compound:
    """Return a nested statement as it may stand behind ``IN``: a slice that reads outer columns by its rows' numbers.

    Args:
        build: The builder of the query around it.
        statement: The nested statement.

    Raises:
        NotSupportedError: It has distinct, grouped or combined rows.
    """
    around = _around(build)
    outer = frozenset(around)
    sliced = statement.limit is not None or statement.offset is not None
    if build.dialect.has_outer_in_derived or not sliced or outer.isdisjoint(aliases_in([statement])):
        return statement
    apart = None
    if isinstance(statement, Select) and not statement.distinct:
        apart = _parted(statement, outer, build.aliases.metas)
        if apart is None or apart.reads_around(n.Row(tuple(item.operand for item in statement.order_by))):
            apart = _copied(build, statement, around)
    if apart is None:
        raise NotSupportedError(
            f"A slice behind IN needs a derived table, and on {build.dialect.title} that reads no column of an outer query. "
            "There it may not be one of distinct, grouped or combined rows, and may name a row that may be missing only where "
            'it is compared by equality with a column of the same type, as in filter(author=OuterRef("editor__name")).'
        )
    select = apart.select
    place = n.Func("ROW_NUMBER", over=n.WindowSpec(order_by=select.order_by))
    bounds: list[n.Node] = []
    last = select.limit
    if select.offset is not None:
        bounds.append(n.Binary(">", place, select.offset))
        last = None if last is None else n.Binary("+", last, select.offset)
    if last is not None:
        bounds.append(n.Binary("<=", place, last))
    condition = all_of(bounds)
    assert condition is not None
    return qualified(replace(select, order_by=(), limit=None, offset=None), (), condition, apart)[0]


def _parted(select: Select, outer: frozenset[str], metas: dict[str, Any]) -> Apart | None:
    """Return the subquery apart from the ``outer`` tables, or ``None`` if equal columns are not all that ties it."""
    if select.group_by or select.having is not None or select.distinct_on or aliases_in(select.joins) & outer:
        return None
    kept: list[n.Node] = []
    ties: list[n.Node] = []
    keys: list[n.Node] = []
    where = select.where
    for node in where.items if isinstance(where, n.And) else () if where is None else (where,):
        read = aliases_in([node])
        if not read & outer:
            kept.append(node)
            continue
        if not read <= outer:
            key = _key(node, outer, metas)
            if key is None:
                return None
            keys.append(key)
        ties.append(node)
    return Apart(replace(select, where=all_of(kept)), tuple(ties), tuple(dict.fromkeys(keys)), outer)


def _copied(build: Names, select: Select, around: dict[str, Source], condition: n.Node | None = None) -> Apart | None:
    """Return the subquery with the tables around it that it reads joined to it, or ``None`` if that is not the same.

    A row that may be missing has no key to be told by, and the groups of a subquery are not those of each outer row.
    """
    if select.group_by or select.having is not None or select.distinct_on:
        return None
    copies: dict[str, str] = {}
    joins: list[Join] = []
    ties: list[n.Node] = []
    keys: list[n.Node] = []
    for alias in sorted(aliases_in([select, condition]) & around.keys()):
        source = around[alias]
        if source.may_be_missing or source.meta.pk is None:
            return None
        table = source.meta.db_table
        copies[alias] = build.aliases.take(table)
        joins.append(Join("INNER", TableRef(table, copies[alias]), n.And(())))
        for field in source.meta.pk_fields:
            key = n.Column(copies[alias], field.column)
            keys.append(key)
            ties.append(n.Binary("=", key, n.Column(alias, field.column)))
    inside: Select = _renamed(select, copies)
    return Apart(replace(inside, joins=(*joins, *inside.joins)), tuple(ties), tuple(keys), frozenset(around), copies)


def _renamed(node: Any, aliases: dict[str, str]) -> Any:
    """Return nodes or a statement with tables called by other aliases."""

    def change(item: n.Node) -> n.Node:
        if isinstance(item, n.Column | n.Star) and item.alias in aliases:
            return replace(item, alias=aliases[item.alias])
        return item

    return rewrite(node, change) if aliases else node


def _key(node: n.Node, outer: frozenset[str], metas: dict[str, Any]) -> n.Column | None:
    """Return the subquery's column in an equality with a column from outside; ``None`` for any other condition."""
    if not (isinstance(node, n.Binary) and node.op == "="):
        return None
    left, right = node.left, node.right
    if not (isinstance(left, n.Column) and isinstance(right, n.Column)):
        return None
    # Rows of one key must be those that are equal to it, and columns of two types may be equal in other ways.
    kinds = _kind(left, metas), _kind(right, metas)
    if None in kinds or kinds[0] != kinds[1]:
        return None
    return right if left.alias in outer else left


def _kind(column: n.Column, metas: dict[str, Any]) -> tuple[str, str | None] | None:
    meta = metas.get(column.alias or "")
    field = next((one for one in meta.concrete_fields if one.column == column.name), None) if meta is not None else None
    type = None if field is None else field.column_type()
    if type is None:
        return None
    for kinds in (_WHOLE, n.TEXT_KINDS):
        if type.kind in kinds:
            return min(kinds), type.collation
    return type.kind, type.collation


def _windows(nodes: Any) -> Iterator[n.Node]:
    """Yield the window functions in nodes."""
    for node in walk(nodes):
        if isinstance(node, n.Func) and node.over is not None:
            yield node
