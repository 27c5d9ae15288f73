"""Changes to a source text by place, so that everything between them stays as it was written."""

from __future__ import annotations

import ast

from msgspec import Struct, field

__all__ = ["Edits", "Finding"]


class Finding(Struct, frozen=True):
    """Something that a person has to look at.

    Attributes:
        path: The file, from the app's folder.
        line: The line in the source as it was.
        text: What is there, and what to do.
    """

    path: str
    line: int
    text: str


class Edits(Struct):
    """The changes to one file.

    Args:
        path: What findings call the file.
        source: Its text.
    """

    path: str
    source: str
    findings: list[Finding] = field(default_factory=list)
    _changes: list[tuple[int, int, int, int, str]] = field(default_factory=list)
    _lines: list[int] = field(default_factory=list)
    _raw: bytes = b""

    def __post_init__(self) -> None:
        self._raw = self.source.encode()
        self._lines = [0]
        for line in self._raw.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Return where a node begins, in bytes."""
        return self._lines[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Return where a node ends, in bytes."""
        return self._lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)

    def text(self, start: int, end: int) -> str:
        """Return a piece of the source."""
        return self._raw[start:end].decode()

    def around(self, node: ast.stmt) -> tuple[str, str]:
        """Return what stands on a statement's lines before and after it."""
        begin, finish = self._lines[node.lineno - 1], self._lines[node.end_lineno or node.lineno]
        return self.text(begin, self.start(node)), self.text(self.end(node), finish)

    def replace(self, node: ast.expr | ast.stmt, text: str) -> None:
        """Put a text in the place of a node."""
        self._add(self.start(node), self.end(node), 1, text)

    def insert(self, place: int, text: str) -> None:
        """Put a text before what is at this place; what was inserted earlier at the same place stays before it."""
        self._add(place, place, 1, text)

    def close(self, place: int, text: str) -> None:
        """Put a text behind what ends at this place; what closes later stands before it, as brackets do."""
        self._add(place, place, 0, text)

    def note(self, node: ast.expr | ast.stmt, text: str) -> None:
        """Remember something for the person."""
        finding = Finding(self.path, node.lineno, text)
        if finding not in self.findings:
            self.findings.append(finding)

    def _add(self, start: int, end: int, rank: int, text: str) -> None:
        order = len(self._changes)
        self._changes.append((start, rank, order if rank else -order, end, text))

    def result(self) -> str:
        """Return the text with all changes made."""
        pieces: list[bytes] = []
        position = 0
        for start, _, _, end, text in sorted(self._changes):
            pieces += [self._raw[position:start], text.encode()]
            position = max(position, end)
        return b"".join([*pieces, self._raw[position:]]).decode()
