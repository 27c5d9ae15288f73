"""Filters on window functions: SQL computes windows after WHERE, so the query becomes a derived table that is filtered.

``Article.objects.annotate(place=Window(RowNumber(), …)).filter(place__lte=3)`` is ``SELECT … FROM (SELECT …, ROW_NUMBER()
OVER (…)) AS qualify WHERE …``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from covet.db.sql import nodes as n
from covet.db.sql.statements import Output, Select, TableRef

if TYPE_CHECKING:
    from covet.db.models.query.assemble import OutColumn

__all__ = ["qualified", "rewritten"]

_ALIAS = "qualify"


def qualified(select: Select, columns: Sequence[OutColumn], condition: n.Node) -> tuple[Select, tuple[OutColumn, ...]]:
    """Return the query filtered by a condition over its windows, and its columns seen from outside."""
    names: dict[n.Node, str] = {}

    def outside(node: n.Node) -> n.Node:
        name = names.setdefault(node, f"c{len(names)}")
        return n.Column(_ALIAS, name)

    def change(node: Any) -> Any:
        if node in names or isinstance(node, n.Column) or (isinstance(node, n.Func) and node.over is not None):
            return outside(node)
        return node

    outputs = tuple([Output(outside(output.expression)) for output in select.outputs])
    where = rewritten(condition, change)
    order = rewritten(select.order_by, change)
    inner = replace(
        select,
        outputs=tuple([Output(node, name) for node, name in names.items()]),
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
    seen = tuple([replace(column, node=output.expression) for column, output in zip(columns, outputs, strict=False)])
    return outer, seen


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
