"""Filters on window functions: SQL computes windows after WHERE, so the query becomes a derived table that is filtered.

``Article.objects.annotate(place=Window(RowNumber(), …)).filter(place__lte=3)`` is ``SELECT … FROM (SELECT …, ROW_NUMBER()
OVER (…)) AS qualify WHERE …``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from covet.db.models.query.logic import all_of, is_aggregate
from covet.db.sql import nodes as n
from covet.db.sql.statements import Compound, Output, Select, TableRef

if TYPE_CHECKING:
    from covet.db.models.query.assemble import OutColumn
    from covet.db.models.query.uncorrelated import Apart

__all__ = ["qualified", "rewritten"]

_ALIAS = "qualify"


def qualified(
    select: Select, columns: Sequence[OutColumn], condition: n.Node, apart: Apart | None = None
) -> tuple[Select, tuple[OutColumn, ...]]:
    """Return the query filtered by a condition over its windows, and its columns seen from outside.

    Args:
        select: The query; with ``apart`` without what ties it to the query around it.
        columns: Its columns.
        condition: The condition.
        apart: How it is tied to the query around it, where a derived table cannot be.
    """
    names: dict[n.Node, str] = {}
    if apart is not None:
        condition = apart.inside(condition)
    assert select.source is not None
    computed = set(_computed((select.outputs, select.order_by, condition)))
    own = {select.source.alias, *[join.table.alias for join in select.joins]}

    def outside(node: n.Node) -> n.Node:
        name = names.setdefault(node, f"c{len(names)}")
        return n.Column(_ALIAS, name)

    def change(node: Any) -> Any:
        is_own = isinstance(node, n.Column) and node.alias in own  # and not of a query around this one, or inside it
        if is_own or node in names or node in computed:
            return outside(node)
        return node

    def selected(node: n.Node) -> n.Node:
        # What reads the query around is computed where that can be read.
        reads_around = apart is not None and apart.reads_around(node)
        return rewritten(node, change) if reads_around else outside(node)

    outputs = tuple([Output(selected(output.expression)) for output in select.outputs])
    where = rewritten(condition if apart is None else all_of([condition, *apart.ties]), change)
    order = rewritten(select.order_by, change)
    within = apart.within if apart is not None else _as_is
    inner = replace(
        select,
        outputs=tuple([Output(within(node), name) for node, name in names.items()]),
        order_by=(),
        limit=None,
        offset=None,
        distinct=False,
        lock=None,
    )
    outer = Select(
        outputs,
        TableRef(inner, _ALIAS),
        where=where,
        order_by=order,
        limit=select.limit,
        offset=select.offset,
        distinct=select.distinct,
    )
    # What was computed inside still has to be read as that: a sum of whole numbers may come as a decimal.
    seen = [
        replace(column, node=output.expression, is_computed=not isinstance(column.node, n.Column))
        for column, output in zip(columns, outputs, strict=False)
    ]
    return outer, tuple(seen)


def _computed(node: Any) -> Iterator[n.Node]:
    """Yield the windows and aggregates of a query, and not those of the queries inside it."""
    if isinstance(node, tuple):
        for item in node:
            yield from _computed(item)
    elif isinstance(node, n.Func) and (node.over is not None or is_aggregate(node)):
        yield node
    elif isinstance(node, Struct) and not isinstance(node, (Select, Compound)):
        for name in node.__struct_fields__:
            yield from _computed(getattr(node, name))


def _as_is(node: n.Node) -> n.Node:
    return node


def rewritten(node: Any, change: Callable[[Any], Any]) -> Any:
    """Return a tree in which ``change`` has replaced what it returns something else for; outermost first."""
    if isinstance(node, tuple):
        return tuple([rewritten(item, change) for item in node])
    if not isinstance(node, Struct):
        return node
    if isinstance(node, n.Node):
        changed = change(node)
        if changed is not node:
            return changed
    parts = {name: getattr(node, name) for name in node.__struct_fields__}
    new = {name: rewritten(value, change) for name, value in parts.items()}
    if all(new[name] is parts[name] for name in parts):
        return node
    return replace(node, **new)
