"""XML: an element for each member, ``<item>`` for each of a list, and ``type`` where a value is no text.

Read by expat with no document type at all, so there are no entities to expand and nothing outside to fetch.
"""

from __future__ import annotations

import re
from typing import Any, Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from covet.rest.formats.base import Format, FormatError

__all__ = ["XML"]

MAX_DEPTH: Final = 100
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
# What XML 1.0 has no way to write, not even as a reference.
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _write(value: Any) -> bytes:
    parts = ['<?xml version="1.0" encoding="utf-8"?>\n']
    _element(parts, "root", value)
    return "".join(parts).encode()


def _element(parts: list[str], name: str, value: Any) -> None:
    key = ""
    if not _NAME.fullmatch(name) or name.lower().startswith("xml"):
        name, key = "member", f" name={quoteattr(_writable(name))}"
    if isinstance(value, dict):
        parts.append(f'<{name}{key} type="object">')
        for inner, item in value.items():
            _element(parts, inner, item)
    elif isinstance(value, list):
        parts.append(f'<{name}{key} type="list">')
        for item in value:
            _element(parts, "item", item)
    elif value is None:
        parts.append(f'<{name}{key} type="null">')
    elif isinstance(value, bool):
        parts.append(f'<{name}{key} type="boolean">{"true" if value else "false"}')
    elif isinstance(value, (int, float)):
        parts.append(f'<{name}{key} type="number">{value!r}')
    else:
        # A bare carriage return would come back as a line feed.
        text = escape(_writable(str(value))).replace("\r", "&#13;")
        parts.append(f"<{name}{key}>{text}")
    parts.append(f"</{name}>")


def _writable(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", text)


# Python keeps each name of an encoding for ever that it was asked for in vain: it is asked for none but these.
_ENCODINGS: Final = frozenset({
    "utf-8", "utf-16", "us-ascii", "koi8-r",
    *[f"iso-8859-{number}" for number in range(1, 17) if number != 12],
    *[f"windows-{number}" for number in range(1250, 1259)],
})  # fmt: skip


class _Node:
    __slots__ = ("children", "kind", "name", "text")

    def __init__(self, name: str, kind: str | None) -> None:
        self.name = name
        self.kind = kind
        self.children: list[_Node] = []
        self.text: list[str] = []


class _Reader:
    """Builds nodes from expat's events."""

    def __init__(self) -> None:
        self.top = _Node("", None)
        self.open = [self.top]

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.open) > MAX_DEPTH:
            raise FormatError("The body nests too deeply.")
        node = _Node(attributes.get("name", name) if name == "member" else name, attributes.get("type"))
        self.open[-1].children.append(node)
        self.open.append(node)

    def end(self, name: str) -> None:
        self.open.pop()

    def data(self, text: str) -> None:
        self.open[-1].text.append(text)

    @staticmethod
    def declare(version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise FormatError("XML of this encoding is not read here: send UTF-8.")

    @staticmethod
    def refuse(*event: Any) -> None:
        raise FormatError("XML with a document type is not read here.")


def _read(raw: bytes) -> Any:
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.data
    parser.XmlDeclHandler = reader.declare
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(raw, True)
    except (expat.ExpatError, LookupError, UnicodeError) as error:
        raise FormatError(f"The body is not valid XML: {error}") from error
    return _value(reader.top.children[0])


def _value(node: _Node) -> Any:
    kind = node.kind
    text = "".join(node.text)
    children = node.children
    if kind is None and children:
        kind = "list" if all(child.name == "item" for child in children) else "object"
    if kind == "list":
        return [_value(child) for child in children]
    if kind == "object":
        return _object(children)
    if kind == "null":
        return None
    if kind == "boolean" and text.strip() in ("true", "false", "1", "0"):
        return text.strip() in ("true", "1")
    if kind == "number":
        return _number(text.strip())
    return text


def _object(children: list[_Node]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    repeated: set[str] = set()
    for child in children:
        value = _value(child)
        if child.name not in made:
            made[child.name] = value
        elif child.name in repeated:
            made[child.name].append(value)
        else:  # <tag>a</tag><tag>b</tag>: what stands twice is a list
            repeated.add(child.name)
            made[child.name] = [made[child.name], value]
    return made


def _number(text: str) -> Any:
    """Return a number, or the text where it is none: the schema says what is wrong with it."""
    if not re.fullmatch(r"-?\d{1,400}(\.\d+)?([eE][+-]?\d{1,3})?", text):
        return text
    return int(text) if text.lstrip("-").isdigit() else float(text)


XML: Final = Format("xml", ("application/xml", "text/xml"), _write, _read, is_loose=True)
