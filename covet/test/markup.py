"""HTML compared by what it says: the order of attributes and classes, spaces and entities make no difference."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

__all__ = ["Element", "parse"]

_VOID = frozenset(
    ("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr")
)
# Here a missing value, an empty one and the name itself say the same.
_BOOLEAN = frozenset(
    (
        "allowfullscreen", "async", "autofocus", "autoplay", "checked", "controls", "default", "defer", "disabled",
        "formnovalidate", "hidden", "inert", "ismap", "itemscope", "loop", "multiple", "muted", "nomodule",
        "novalidate", "open", "playsinline", "readonly", "required", "reversed", "selected",
    )
)  # fmt: skip
_VERBATIM = frozenset(("pre", "textarea", "script", "style"))


class Element:
    """One element: equal to another of the same name, attributes and content.

    Attributes:
        name: Its tag; ``""`` for a piece of HTML as a whole.
        attributes: By name; classes are a sorted tuple.
        children: Elements, and texts between them.
    """

    __slots__ = ("attributes", "children", "name")

    def __init__(self, name: str, attributes: list[tuple[str, str | None]] | None = None) -> None:
        self.name = name
        self.attributes: dict[str, Any] = {}
        for key, value in attributes or ():
            if key == "class":
                self.attributes[key] = tuple(sorted(set((value or "").split())))
            else:
                self.attributes[key] = True if key in _BOOLEAN else value or ""
        self.children: list[Element | str] = []

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Element)
            and self.name == other.name
            and self.attributes == other.attributes
            and self.children == other.children
        )

    __hash__ = None  # type: ignore[assignment]  # it is changed while it is read

    def add(self, text: str) -> None:
        """Put text at the end of the content."""
        if self.children and isinstance(self.children[-1], str):
            text = self.children.pop() + text  # type: ignore[operator]  # the last one is a text
        self.children.append(text)

    def settle(self) -> None:
        """Make texts comparable: runs of spaces are one, and none stand at the ends."""
        if self.name not in _VERBATIM:
            texts = [" ".join(child.split()) if isinstance(child, str) else child for child in self.children]
            self.children = [child for child in texts if child != ""]

    def count(self, piece: Element) -> int:
        """Return how often the content of ``piece`` stands in here, one below another."""
        wanted = piece.children
        size = len(wanted)
        here = sum(self.children[at : at + size] == wanted for at in range(len(self.children) - size + 1))
        if size == 1 and isinstance(wanted[0], str):
            # A text alone may be a part of a longer one.
            here = sum(child.count(wanted[0]) for child in self.children if isinstance(child, str))
        return here + sum(child.count(piece) for child in self.children if isinstance(child, Element))

    def __str__(self) -> str:
        shown = "".join(
            f" {name}" if value is True else f' {name}="{" ".join(value) if isinstance(value, tuple) else value}"'
            for name, value in sorted(self.attributes.items())
        )
        inside = "\n".join(map(str, self.children))
        if not self.name:
            return inside
        if not self.children:
            return f"<{self.name}{shown}>"
        indented = "\n".join(f"  {line}" for line in inside.splitlines())
        return f"<{self.name}{shown}>\n{indented}\n</{self.name}>"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("")
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, attrs)
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        if tag in _VOID:
            return
        names = [element.name for element in self.open]
        if tag not in names[1:]:
            raise AssertionError(f"This is no HTML: </{tag}> closes what was not opened (line {self.getpos()[0]}).")
        while True:
            element = self.open.pop()
            element.settle()
            if element.name == tag:
                return

    def handle_data(self, data: str) -> None:
        self.open[-1].add(data)


def parse(text: str) -> Element:
    """Return HTML as a tree; elements that are never closed end with what they stand in.

    Raises:
        AssertionError: Something is closed that was not opened.
    """
    reader = _Reader()
    reader.feed(text)
    reader.close()
    for element in reversed(reader.open):
        element.settle()
    return reader.root
