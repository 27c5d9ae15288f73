"""The routes compiled to a tree of segments: finding one costs the same however many there are.

Every route that might match is weighed by its place in the list, so the answer is the one that trying them one after
another would give. Whole literal paths are one dict look-up; what a tree cannot hold (regular expressions, converters
that span segments in the middle of a path) hangs on the node where its literal segments end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from msgspec import Struct, field

from covet.urls.converters import Converter
from covet.urls.flatten import FlatRoute
from covet.urls.patterns import Piece

__all__ = ["Found", "Leaf", "Node", "build_tree"]

_NEVER = 1 << 60


class Leaf(Struct, eq=False):
    """The routes of one shape of path, in order; each names the values in its own way."""

    index: int
    routes: list[FlatRoute] = field(default_factory=list)


# A path that matches: its leaf, and the parameters: values in order, or by name where an expression found them.
Found = tuple[Leaf, Sequence[Any] | dict[str, Any]]


class Tail(Struct, eq=False):
    """What takes the whole rest of a path from a node on: a ``<path:…>``, or an expression."""

    leaf: Leaf
    regex: re.Pattern[str]
    converters: tuple[Converter, ...]

    def match(self, rest: str) -> Sequence[Any] | dict[str, Any] | None:
        found = self.regex.fullmatch(rest)
        if found is None:
            return None
        try:
            return [c.to_python(text) for c, text in zip(self.converters, found.groups(), strict=True)]
        except ValueError:
            return None


class RegexTail(Tail, eq=False):
    """An expression of ``re_path``: groups by name; as in Django it ends where it ends unless it has a ``$``."""

    by_name: dict[str, Converter]

    def match(self, rest: str) -> Sequence[Any] | dict[str, Any] | None:
        found = self.regex.match(rest)
        if found is None:
            return None
        values: dict[str, Any] = {name: text for name, text in found.groupdict().items() if text is not None}
        try:
            for name, converter in self.by_name.items():
                values[name] = converter.to_python(values[name])
        except ValueError:
            return None
        return values


class Node(Struct, eq=False):
    """One place in the tree."""

    literals: dict[str, Node] = field(default_factory=dict)
    dynamic: list[tuple[Callable[[str], Any], Node]] = field(default_factory=list)
    mixed: list[tuple[re.Pattern[str], tuple[Converter, ...], Node]] = field(default_factory=list)
    tails: list[Tail] = field(default_factory=list)
    leaf: Leaf | None = None
    first: int = _NEVER
    by_shape: dict[Any, Node] = field(default_factory=dict)
    # Whether only literal segments go on from here; or the one converter that does.
    is_plain: bool = False
    only: tuple[Callable[[str], Any], Node] | None = None

    def walk(self, segments: list[str]) -> Found | None:
        """Return what ``find`` would, without recursion as long as there is one way only."""
        node: Node | None = self
        values: list[Any] = []
        for place, segment in enumerate(segments):
            assert node is not None
            if node.is_plain:
                node = node.literals.get(segment)
                if node is None:
                    return None
            elif node.only is not None:
                parse, node = node.only
                try:
                    values.append(parse(segment))
                except ValueError:
                    return None
            else:
                found = node.find(segments, place, _NEVER)
                if found is None or not values or isinstance(found[1], dict):
                    return found
                return found[0], [*values, *found[1]]
        assert node is not None
        return None if node.leaf is None else (node.leaf, values)

    def find(self, segments: list[str], place: int, best: int) -> Found | None:
        """Return the leaf of the lowest index below ``best``, with its values in order."""
        found: Found | None = None
        if place == len(segments):
            leaf = self.leaf
            if leaf is not None and leaf.index < best:
                found, best = (leaf, ()), leaf.index
        else:
            segment = segments[place]
            child = self.literals.get(segment)
            if child is not None and child.first < best:
                found = child.find(segments, place + 1, best)
                if found is not None:
                    best = found[0].index
            for parse, child in self.dynamic:
                if child.first >= best:
                    continue
                try:
                    value = parse(segment)
                except ValueError:
                    continue
                below = child.find(segments, place + 1, best)
                if below is not None:
                    found, best = (below[0], [value, *below[1]]), below[0].index
            for pattern, converters, child in self.mixed:
                if child.first >= best:
                    continue
                match = pattern.fullmatch(segment)
                if match is None:
                    continue
                try:
                    values = [c.to_python(t) for c, t in zip(converters, match.groups(), strict=True)]
                except ValueError:
                    continue
                below = child.find(segments, place + 1, best)
                if below is not None:
                    found, best = (below[0], [*values, *below[1]]), below[0].index
        if self.tails and place < len(segments):
            rest = "/".join(segments[place:])
            for tail in self.tails:
                if tail.leaf.index < best:
                    taken = tail.match(rest)
                    if taken is not None:
                        found, best = (tail.leaf, taken), tail.leaf.index
        return found

    def find_all(self, segments: list[str], place: int) -> list[Found]:
        """Return every leaf that has this path, the first first; asked only when a method was not found."""
        found: list[Found] = []
        if place == len(segments):
            if self.leaf is not None:
                found.append((self.leaf, ()))
            return found
        segment = segments[place]
        below: list[tuple[Node, tuple[Any, ...]]] = []
        if segment in self.literals:
            below.append((self.literals[segment], ()))
        for parse, child in self.dynamic:
            with suppress(ValueError):
                below.append((child, (parse(segment),)))
        for pattern, converters, child in self.mixed:
            match = pattern.fullmatch(segment)
            if match is not None:
                with suppress(ValueError):
                    pairs = zip(converters, match.groups(), strict=True)
                    below.append((child, tuple(converter.to_python(text) for converter, text in pairs)))
        for child, values in below:
            # An expression has its values by name; its includes up to its node are literal.
            found.extend(
                (leaf, more if isinstance(more, dict) else (*values, *more))
                for leaf, more in child.find_all(segments, place + 1)
            )
        for tail in self.tails:
            taken = tail.match("/".join(segments[place:]))
            if taken is not None:
                found.append((tail.leaf, taken))
        return sorted(found, key=lambda pair: pair[0].index)


def build_tree(routes: Sequence[FlatRoute]) -> tuple[Node, dict[str, Leaf]]:
    """Return the tree, and the dict of whole literal paths that no earlier route could take."""
    root = Node()
    literals: dict[str, Leaf] = {}
    for flat in routes:
        if flat.regex is not None:
            _add_regex(root, flat)
            continue
        node = root
        node.first = min(node.first, flat.index)
        segments = split_segments(flat.pieces)
        for place, segment in enumerate(segments):
            if any(piece.converter is not None and piece.converter.spans_segments for piece in segment):
                _add_tail(node, flat, _join_segments(segments[place:]))
                break
            node = _child(node, segment)
            node.first = min(node.first, flat.index)
        else:
            if node.leaf is None:
                node.leaf = Leaf(flat.index)
            node.leaf.routes.append(flat)
            if all(piece.converter is None for piece in flat.pieces):
                literals["".join(piece.text for piece in flat.pieces)] = node.leaf
    _finish(root)
    direct = {}
    for text, leaf in literals.items():
        found = root.find(text.split("/"), 0, _NEVER)
        if found is not None and found[0] is leaf:
            direct[text] = leaf
    return root, direct


def _finish(root: Node) -> None:
    """Mark the nodes from which there is one way only."""
    pending = [root]
    while pending:
        node = pending.pop()
        if not node.mixed and not node.tails:
            node.is_plain = not node.dynamic
            if len(node.dynamic) == 1 and not node.literals:
                node.only = node.dynamic[0]
        pending.extend(node.literals.values())
        pending.extend(child for _, child in node.dynamic)
        pending.extend(child for _, _, child in node.mixed)


def split_segments(pieces: Sequence[Piece]) -> list[tuple[Piece, ...]]:
    """Return the pieces cut at slashes; an empty segment is an empty tuple."""
    segments: list[list[Piece]] = [[]]
    for piece in pieces:
        if piece.converter is not None:
            segments[-1].append(piece)
            continue
        first, *others = piece.text.split("/")
        if first:
            segments[-1].append(Piece(first))
        segments.extend([Piece(text)] if text else [] for text in others)
    return [tuple(segment) for segment in segments]


def _join_segments(segments: Sequence[tuple[Piece, ...]]) -> tuple[Piece, ...]:
    joined: list[Piece] = []
    for place, segment in enumerate(segments):
        if place:
            joined.append(Piece("/"))
        joined.extend(segment)
    return tuple(joined)


def _child(node: Node, segment: tuple[Piece, ...]) -> Node:
    if all(piece.converter is None for piece in segment):
        text = "".join(piece.text for piece in segment)
        return node.literals.setdefault(text, Node())
    if len(segment) == 1 and segment[0].converter is not None:
        converter = segment[0].converter
        shape: Any = id(converter)
        if shape not in node.by_shape:
            node.by_shape[shape] = Node()
            node.dynamic.append((converter.parse, node.by_shape[shape]))
        return node.by_shape[shape]
    shape = tuple((piece.text, id(piece.converter)) for piece in segment)
    if shape not in node.by_shape:
        node.by_shape[shape] = Node()
        converters = tuple(piece.converter for piece in segment if piece.converter is not None)
        node.mixed.append((_compile(segment), converters, node.by_shape[shape]))
    return node.by_shape[shape]


def _compile(pieces: Sequence[Piece]) -> re.Pattern[str]:
    """Return the expression of pieces, one group for each parameter whatever groups its converter has inside."""
    parts = []
    for piece in pieces:
        if piece.converter is None:
            parts.append(re.escape(piece.text))
        else:
            parts.append("(" + _without_groups(piece.converter.regex) + ")")
    return re.compile("".join(parts), re.DOTALL)


def _without_groups(regex: str) -> str:
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", regex)


def _add_tail(node: Node, flat: FlatRoute, pieces: tuple[Piece, ...]) -> None:
    regex = _compile(pieces)
    converters = tuple(piece.converter for piece in pieces if piece.converter is not None)
    for tail in node.tails:
        # Routes of one shape and different methods stand together.
        if tail.regex.pattern == regex.pattern and tail.converters == converters:
            tail.leaf.routes.append(flat)
            return
    leaf = Leaf(flat.index, [flat])
    node.tails.append(Tail(leaf, regex, converters))
    node.first = min(node.first, flat.index)


def _add_regex(root: Node, flat: FlatRoute) -> None:
    """Hang an expression on the deepest node that the literal prefix of its includes names."""
    assert flat.regex is not None
    node, rest = root, flat.regex.removeprefix("^")
    node.first = min(node.first, flat.index)
    for text in _literal_lead(flat, rest):
        node = node.literals.setdefault(text, Node())
        node.first = min(node.first, flat.index)
        rest = rest[len(re.escape(text)) + 1 :]
    by_name = {piece.name: piece.converter for piece in flat.pieces if piece.converter is not None}
    # A path() below an include that is an expression ends with the path.
    regex = re.compile(rest if flat.route.is_regex else f"(?:{rest})\\Z", re.DOTALL)
    node.tails.append(RegexTail(Leaf(flat.index, [flat]), regex, (), by_name))


def _literal_lead(flat: FlatRoute, rest: str) -> list[str]:
    """Return the whole literal segments that the expression starts with."""
    first = flat.pieces[0] if flat.pieces else None
    if first is None or first.converter is not None or "/" not in first.text:
        return []
    lead = first.text.rsplit("/", 1)[0].split("/")
    return lead if rest.startswith("".join(re.escape(text) + "/" for text in lead)) else []
