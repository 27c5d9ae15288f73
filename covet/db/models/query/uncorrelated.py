"""Subqueries that read the query around them and must become derived tables, for a database whose derived tables cannot.

MariaDB sees no column of an outer query inside ``FROM (SELECT …)``. Where the subquery's rows are tied to the outer row by
equal columns (``author=OuterRef("pk")``), those can be compared outside the derived table: windows are then computed for
all the outer rows at once, each within the rows of one key, which ``PARTITION BY`` the key says.
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
from covet.db.sql.statements import Compound, Select
from covet.db.sql.walk import rewrite, walk

if TYPE_CHECKING:
    from covet.db.models.query.names import Names

__all__ = ["Apart", "part", "unsliced"]

_WHOLE = frozenset({"smallint", "integer", "bigint"})
_TEXTS = frozenset({"char", "varchar", "text"})


class Apart(Struct, frozen=True):
    """A subquery without what ties it to the query around it.

    Attributes:
        select: The subquery.
        ties: What ties its rows to the outer row.
        keys: Its own columns in those.
        outer: The aliases of the tables around it.
    """

    select: Select
    ties: tuple[n.Node, ...]
    keys: tuple[n.Node, ...]
    outer: frozenset[str]

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


def _around(build: Names | None) -> frozenset[str]:
    """Return the aliases of the tables of a builder and of those around it."""
    found: set[str] = set()
    while build is not None:
        found |= {source.alias for source in (build.joins.base, *build.joins.sources)}
        build = build._outer
    return frozenset(found)


def part(build: Names, select: Select, condition: n.Node) -> Apart | None:
    """Return a subquery apart from the query around it, or ``None`` if it may be a derived table as it is.

    Args:
        build: What made it.
        select: The subquery.
        condition: A condition about its windows.

    Raises:
        NotSupportedError: It is tied by more than equal columns.
    """
    outer = _around(build._outer)
    if build.dialect.has_outer_in_derived or outer.isdisjoint(aliases_in([select, condition])):
        return None
    apart = _parted(select, outer, build.aliases.metas)
    if apart is None or any(map(apart.reads_around, _windows((select.outputs, select.order_by, condition)))):
        raise NotSupportedError(
            f"A condition about a window function needs a derived table, and on {build.dialect.title} that reads no column of "
            f"an outer query. There OuterRef may only be compared by equality with a column of the same type, outside of OR "
            f'and NOT, as in filter(author=OuterRef("pk")): the query of {build.meta.object_name} uses it otherwise.'
        )
    return apart


def unsliced(build: Names, statement: Select | Compound) -> Select | Compound:
    """Return a nested statement as it may stand behind ``IN``: a slice that reads outer columns by its rows' numbers.

    Args:
        build: The builder of the query around it.
        statement: The nested statement.

    Raises:
        NotSupportedError: It is tied to the outer query by more than equal columns, or is a union.
    """
    outer = _around(build)
    sliced = statement.limit is not None or statement.offset is not None
    if build.dialect.has_outer_in_derived or not sliced or outer.isdisjoint(aliases_in([statement])):
        return statement
    apart = None
    if isinstance(statement, Select) and not statement.distinct:
        apart = _parted(statement, outer, build.aliases.metas)
    if apart is None:
        raise NotSupportedError(
            f"A slice behind IN needs a derived table, and on {build.dialect.title} that reads no column of an outer query. "
            'There OuterRef may only be compared by equality with a column of the same type, as in filter(author=OuterRef("pk")), '
            "and the slice may not be one of distinct or combined rows."
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
    for kinds in (_WHOLE, _TEXTS):
        if type.kind in kinds:
            return min(kinds), type.collation
    return type.kind, type.collation


def _windows(nodes: Any) -> Iterator[n.Node]:
    """Yield the window functions in nodes."""
    for node in walk(nodes):
        if isinstance(node, n.Func) and node.over is not None:
            yield node
