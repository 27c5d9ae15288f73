"""Python source as a small tree, and how it is laid out: as a formatter would, so that files never change by formatting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from msgspec import Struct, field

__all__ = ["Atom", "Group", "Source", "flat", "lay_out", "quoted"]

_WIDTH = 88


class Atom(Struct, frozen=True):
    """Source that is never broken: a literal or a name."""

    text: str


class Group(Struct, frozen=True):
    """Brackets with items: a call, a list, a mapping.

    Attributes:
        opening: What stands before the items, bracket included.
        items: Pairs of prefix (``"name="``, ``'"key": '`` or nothing) and source.
        closing: The closing bracket.
        broken: Whether each item stands on its own line although all would fit on one.
        lone_comma: Whether a single item is followed by a comma, as in a tuple.
    """

    opening: str
    items: Sequence[tuple[str, Source]] = field(default=())
    closing: str = ")"
    broken: bool = False
    lone_comma: bool = False


Source: TypeAlias = "Atom | Group"


def quoted(text: str | bytes) -> str:
    """Return a literal of text or bytes in double quotes, unless single ones need fewer backslashes."""
    literal = repr(text)
    prefix = "b" if isinstance(text, bytes) else ""
    literal = literal[len(prefix) :]
    if literal[0] == "'" and '"' not in literal:
        literal = f'"{literal[1:-1]}"'.replace("\\'", "'")
    return prefix + literal


def flat(source: Source) -> str:
    """Return the source on one line."""
    if isinstance(source, Atom):
        return source.text
    inside = ", ".join(prefix + flat(item) for prefix, item in source.items)
    return f"{source.opening}{inside}{',' if source.lone_comma and len(source.items) == 1 else ''}{source.closing}"


def lay_out(source: Source, indent: int = 0, *, before: int = 0, after: int = 0) -> str:
    """Return the source in lines of at most 88 characters where it can be broken.

    Args:
        source: What to lay out.
        indent: Columns that its lines are indented by.
        before: Columns already taken on its first line, without the indent.
        after: Columns needed behind its last line, such as a comma's.
    """
    if isinstance(source, Atom) or not source.items:
        return flat(source)
    one_line = flat(source)
    if not _must_break(source) and indent + before + len(one_line) + after <= _WIDTH:
        return one_line
    inner = indent + 4
    lines = [source.opening]
    for prefix, item in source.items:
        text = lay_out(item, inner, before=len(prefix), after=1)
        lines.append(f"{' ' * inner}{prefix}{text},")
    lines.append(f"{' ' * indent}{source.closing}")
    return "\n".join(lines)


def _must_break(source: Source) -> bool:
    return isinstance(source, Group) and (
        (source.broken and bool(source.items)) or any(_must_break(item) for _, item in source.items)
    )
