"""Walks and rewrites expression nodes without knowing their kinds: they are frozen structs of nodes and tuples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from covet.db.sql.nodes import Column, Node

__all__ = ["columns_of", "rename_columns", "rewrite", "walk"]

N = TypeVar("N", bound=Node)


def walk(node: Any) -> Iterator[Node]:
    """Give a node and all nodes inside it, from the outside in."""
    if isinstance(node, Node):
        yield node
    if isinstance(node, Struct):
        for name in node.__struct_fields__:
            yield from walk(getattr(node, name))
    elif isinstance(node, tuple):
        for item in node:
            yield from walk(item)


def rewrite(node: Any, change: Callable[[Node], Node]) -> Any:
    """Return a copy with ``change`` applied to every node, from the inside out; parts that stay are shared."""
    if isinstance(node, tuple):
        items = tuple(rewrite(item, change) for item in node)
        return node if all(new is old for new, old in zip(items, node, strict=True)) else items
    if not isinstance(node, Struct):
        return node
    changed = {}
    for name in node.__struct_fields__:
        old = getattr(node, name)
        new = rewrite(old, change)
        if new is not old:
            changed[name] = new
    made = replace(node, **changed) if changed else node
    return change(made) if isinstance(made, Node) else made


def rename_columns(node: Node, names: Mapping[str, str]) -> Node:
    """Return the expression with columns called by their new names."""

    def change(item: Node) -> Node:
        if isinstance(item, Column) and item.name in names:
            return Column(item.alias, names[item.name])
        return item

    return rewrite(node, change)  # type: ignore[no-any-return]  # a node stays a node


def columns_of(node: Node) -> frozenset[str]:
    """Return the names of the columns that an expression reads."""
    return frozenset(item.name for item in walk(node) if isinstance(item, Column))
