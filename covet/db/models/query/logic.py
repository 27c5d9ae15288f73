"""AND, OR, XOR and NOT of finished nodes, folded: what is always true or never true leaves no trace in the SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from covet.db.sql import nodes as n

__all__ = [
    "FALSE",
    "TRUE",
    "all_of",
    "any_of",
    "holds",
    "is_aggregate",
    "negate",
    "odd_of",
    "outside_windows",
    "plain_columns",
    "present_columns",
]

# How the names of functions over many rows begin.
_AGGREGATES = (
    *("ANY_VALUE", "ARRAY_AGG", "AVG", "BIT_", "BOOL_", "CORR", "COUNT", "COVAR_", "JSONB_AGG", "MAX", "MIN", "REGR_"),
    *("STDDEV_", "STRING_AGG", "SUM", "VAR_"),
)
_COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})
TRUE: n.Node = n.And(())
FALSE: n.Node = n.Or(())


def all_of(nodes: Sequence[n.Node]) -> n.Node | None:
    """Return the conjunction, flattened and folded; ``None`` when there is nothing to fulfil."""
    flat: list[n.Node] = []
    for node in nodes:
        flat += node.items if isinstance(node, n.And) else (node,)
    if FALSE in flat:
        return FALSE
    if not flat:
        return None
    return flat[0] if len(flat) == 1 else n.And(tuple(flat))


def any_of(nodes: Sequence[n.Node]) -> n.Node:
    """Return the disjunction, folded."""
    kept = [node for node in nodes if node != FALSE]
    if TRUE in kept:
        return TRUE
    if not kept:
        return FALSE
    return kept[0] if len(kept) == 1 else n.Or(tuple(kept))


def odd_of(nodes: Sequence[n.Node]) -> n.Node:
    """Return XOR as "an odd number of them holds", which every database can say."""
    if len(nodes) == 1:
        return nodes[0]
    cases = [n.Case((n.When(node, n.Keyword("1")),), n.Keyword("0")) for node in nodes]
    total: n.Node = cases[0]
    for case in cases[1:]:
        total = n.Binary("+", total, case)
    return n.Binary("=", n.Binary("%", total, n.Keyword("2")), n.Keyword("1"))


def negate(node: n.Node) -> n.Node:
    """Return the negation, folded."""
    if node == FALSE:
        return TRUE
    if node == TRUE:
        return FALSE
    return n.Not(node)


def present_columns(node: n.Node | None) -> Iterator[n.Column]:
    """Yield columns that are not NULL in any row for which a condition holds; there may be others."""
    for part in node.items if isinstance(node, n.And) else (node,):
        if isinstance(part, n.And):
            yield from present_columns(part)
            continue
        operand: n.Node | None = None
        if isinstance(part, n.Not) and isinstance(part.item, n.IsNull) and not part.item.negated:
            operand = part.item.operand
        elif isinstance(part, n.IsNull) and part.negated:
            operand = part.operand
        elif isinstance(part, n.In) or (isinstance(part, n.Binary) and part.op in _COMPARISONS):
            operand = part.left if isinstance(part, n.Binary) else part.operand
        if isinstance(operand, n.Column):
            yield operand


def is_aggregate(node: n.Func) -> bool:
    """Whether a function is computed over the rows of a group."""
    return node.name.startswith(_AGGREGATES)


def plain_columns(node: Any, aggregates: Collection[n.Node]) -> Iterator[n.Column]:
    """Yield the columns of a condition on groups that stand outside of aggregates and of queries of their own."""
    if isinstance(node, n.Column):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from plain_columns(item, aggregates)
    elif isinstance(node, n.Node) and node not in aggregates:
        if isinstance(node, n.Func) and is_aggregate(node):
            return
        for name in node.__struct_fields__:
            yield from plain_columns(getattr(node, name), aggregates)


def holds(node: n.Node, parts: Collection[n.Node]) -> bool:
    """Whether one of some parts stands inside a node."""
    return node in parts or any(holds(child, parts) for child in _children(node))


def outside_windows(node: n.Node, known: Collection[n.Node]) -> Iterator[n.Node]:
    """Yield what a group has to decide, so that a node can be computed of it.

    A window is computed over the groups, and cannot decide them itself: in its place stand the greatest parts that it reads
    which are no aggregates and not known. A node without a window is such a part.

    Args:
        node: What is selected or ordered by.
        known: What the groups know: what they are made by, and the aggregates over them.
    """
    if not _has_window(node):
        yield node
        return
    for child in _children(node):
        if _has_window(child):
            yield from outside_windows(child, known)
        else:
            yield from _undecided(child, known)


def _undecided(node: n.Node, known: Collection[n.Node]) -> Iterator[n.Node]:
    if node in known or (isinstance(node, n.Func) and is_aggregate(node)):
        return
    if not isinstance(node, (n.Ordering, n.WindowSpec)) and not holds(node, known) and not _has_aggregate(node):
        if next(plain_columns(node, ()), None) is not None or isinstance(node, (n.Subquery, n.Exists)):
            yield node
        return
    for child in _children(node):
        yield from _undecided(child, known)


def _has_window(node: n.Node) -> bool:
    return getattr(node, "over", None) is not None or any(_has_window(child) for child in _children(node))


def _has_aggregate(node: n.Node) -> bool:
    is_one = isinstance(node, n.Func) and is_aggregate(node)
    return is_one or any(_has_aggregate(child) for child in _children(node))


def _children(node: n.Node) -> Iterator[n.Node]:
    """Yield the nodes that a node is made of; not those of queries inside it."""
    for name in node.__struct_fields__:
        value = getattr(node, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, n.Node):
                yield one
