"""Limits on a document, looked at before it is validated: depth, aliases, directives; tokens while it is parsed.

The walk visits every fragment once and remembers its depth, so a document made to explode costs no more than its length.
"""

from __future__ import annotations

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)
from msgspec import Struct

__all__ = ["Limits", "over_limits"]


class Limits(Struct, frozen=True):
    """What a document may have at most; introspection fields are not counted for depth."""

    depth: int = 12
    aliases: int = 30
    tokens: int = 5000
    directives: int = 50


class _Count(Struct):
    aliases: int = 0
    directives: int = 0


def over_limits(document: DocumentNode, limits: Limits) -> list[GraphQLError]:
    """Return an error for each limit that the document exceeds; empty when it keeps them all."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    depths: dict[str, int] = {}
    count = _Count()
    deepest = 0
    for name in fragments:
        _fragment_depth(name, fragments, depths, count)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            count.directives += len(node.directives or ())
            deepest = max(deepest, _depth(node.selection_set, fragments, depths, count))
    found = (
        ("levels deep", deepest, limits.depth, "QUERY_TOO_DEEP"),
        ("aliases", count.aliases, limits.aliases, "TOO_MANY_ALIASES"),
        ("directives", count.directives, limits.directives, "TOO_MANY_DIRECTIVES"),
    )
    return [
        GraphQLError(f"The query has {value} {what}; at most {limit} are allowed.", extensions={"code": code})
        if what != "levels deep"
        else GraphQLError(f"The query is {value} levels deep; at most {limit} are allowed.", extensions={"code": code})
        for what, value, limit, code in found
        if value > limit
    ]


def _depth(
    selected: SelectionSetNode | None,
    fragments: dict[str, FragmentDefinitionNode],
    depths: dict[str, int],
    count: _Count,
) -> int:
    deepest = 0
    for node in selected.selections if selected is not None else ():
        count.directives += len(node.directives or ())
        if isinstance(node, FieldNode):
            count.aliases += node.alias is not None
            if node.name.value in ("__schema", "__type"):
                continue
            below = 1 + _depth(node.selection_set, fragments, depths, count)
        elif isinstance(node, InlineFragmentNode):
            below = _depth(node.selection_set, fragments, depths, count)
        elif isinstance(node, FragmentSpreadNode):
            below = _fragment_depth(node.name.value, fragments, depths, count)
        else:
            below = 0
        deepest = max(deepest, below)
    return deepest


def _fragment_depth(
    name: str, fragments: dict[str, FragmentDefinitionNode], depths: dict[str, int], count: _Count
) -> int:
    known = depths.get(name)
    if known is not None:
        return known
    depths[name] = 0  # what a fragment that holds itself finds; validation refuses the cycle
    fragment = fragments.get(name)
    if fragment is not None:
        depths[name] = _depth(fragment.selection_set, fragments, depths, count)
    return depths[name]
