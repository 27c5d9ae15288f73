"""Where a migration stands in its file, and what its comments call safe: ``# covet: safe(drop-column) nothing reads it``."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from covet.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from covet.db.migrations.migration import Migration

__all__ = ["SourceLines", "source_lines"]

_SAFE = re.compile(r"#\s*covet:\s*safe\(([^)]*)\)\s*(.*)")


class SourceLines(Struct, frozen=True):
    """What the file of a migration says beside its operations.

    Attributes:
        path: The file; ``None`` for a migration that was made in memory.
        operations: The first line of each operation, where the file lists them one by one.
        whole: Codes with reasons that hold for the whole migration.
        parts: The same by the place of an operation.
    """

    path: Path | None = None
    operations: tuple[int, ...] = ()
    whole: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    def line(self, index: int) -> int:
        """Return the line of an operation; 1 when it is not known."""
        return self.operations[index] if index < len(self.operations) else 1

    def allows(self, code: str, index: int) -> bool:
        """Whether a comment calls a finding of an operation safe."""
        return code in self.whole or code in self.parts.get(index, ())


def source_lines(migration: Migration) -> SourceLines:
    """Return where a migration stands, and what is said there.

    Raises:
        ImproperlyConfigured: A comment calls a code safe and does not say why.
    """
    module = sys.modules.get(type(migration).__module__)
    file = getattr(module, "__file__", None)
    if file is None or getattr(module, "Migration", None) is not type(migration) or not file.endswith(".py"):
        return SourceLines()
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        # Modules may live in an archive; what they do is examined all the same.
        return SourceLines()
    start, spans = _spans(text)
    if len(spans) != len(migration.operations):
        # They are put together at run time: a comment cannot be told to belong to one of them.
        spans = []
    whole: dict[str, str] = {}
    parts: dict[int, dict[str, str]] = {}
    for line, code, reason in _comments(text) if "covet:" in text else ():
        if not reason:
            raise ImproperlyConfigured(f"{path}:{line} calls '{code}' safe and does not say why.")
        index = _place(line, start, spans)
        (whole if index is None else parts.setdefault(index, {}))[code] = reason
    return SourceLines(path, tuple(first for first, _ in spans), whole, parts)


def _spans(text: str) -> tuple[int, list[tuple[int, int]]]:
    """Return the first line of the list of operations, and the first and last line of each operation in it."""
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.ClassDef) and statement.name == "Migration":
            for part in statement.body:
                target = part.targets[0] if isinstance(part, ast.Assign) else getattr(part, "target", None)
                value = getattr(part, "value", None)
                if (
                    isinstance(target, ast.Name)
                    and target.id == "operations"
                    and isinstance(value, (ast.List, ast.Tuple))
                ):
                    return value.lineno, [(item.lineno, item.end_lineno or item.lineno) for item in value.elts]
    return 0, []


def _comments(text: str) -> list[tuple[int, str, str]]:
    """Return the lines of comments with each code that they name, and why."""
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        match = _SAFE.search(token.string) if token.type == tokenize.COMMENT else None
        if match is not None:
            codes = [code.strip() for code in match[1].split(",")]
            found += [(token.start[0], code, match[2].strip()) for code in codes if code]
    return found


def _place(line: int, start: int, spans: list[tuple[int, int]]) -> int | None:
    """Return which operation a comment in the list belongs to: the one it stands in, else the next one below."""
    if line < start:
        return None
    return next((index for index, (_, last) in enumerate(spans) if line <= last), None)
