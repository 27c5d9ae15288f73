"""Adds an app to INSTALLED_APPS in the source of a settings module, where a person would write it."""

from __future__ import annotations

import ast

from msgspec import Struct

from covet.exceptions import CommandError

__all__ = ["CannotEdit", "add_app", "installed_apps"]

NAME = "INSTALLED_APPS"


class CannotEdit(CommandError):
    """INSTALLED_APPS is not written as a list that can be added to."""


class _Edit(Struct, frozen=True):
    """Text to put at an offset of the source, in bytes."""

    at: int
    text: str


def add_app(source: str, app: str) -> str:
    """Return the source with ``app`` at the end of INSTALLED_APPS; unchanged if it is there already.

    Comments, quotes, indentation and line endings of the list are kept.

    Raises:
        CannotEdit: There is no list to add to.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise CannotEdit(f"the settings module is no valid Python (line {error.lineno})") from error
    lists = [found for statement in tree.body for found in _lists(statement)]
    if not lists:
        raise CannotEdit(f"{NAME} is not written as a list")
    if any(isinstance(e, ast.Constant) and e.value == app for found in lists for e in found.elts):
        return source
    raw = source.encode()
    edit = _edit(raw, lists[-1], app)
    return (raw[: edit.at] + edit.text.encode() + raw[edit.at :]).decode()


def installed_apps(source: str) -> list[str]:
    """Return the entries of INSTALLED_APPS that are written as texts; none of a module that is no valid Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return []
    return [
        element.value
        for statement in tree.body
        for found in _lists(statement)
        for element in found.elts
        if isinstance(element, ast.Constant) and isinstance(element.value, str)
    ]


def _lists(statement: ast.stmt) -> list[ast.List | ast.Tuple]:
    """The list literals that a statement puts into INSTALLED_APPS: ``=``, ``: list[str] =``, ``+=``, ``a + [b]``."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, (ast.AnnAssign, ast.AugAssign)):
        targets = [statement.target]
    else:
        return []
    if statement.value is None or not any(isinstance(t, ast.Name) and t.id == NAME for t in targets):
        return []
    return _literals(statement.value)


def _literals(value: ast.expr) -> list[ast.List | ast.Tuple]:
    if isinstance(value, (ast.List, ast.Tuple)):
        return [value]
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        return [*_literals(value.left), *_literals(value.right)]
    return []


def _edit(raw: bytes, found: ast.List | ast.Tuple, app: str) -> _Edit:
    starts = _line_starts(raw)
    end = starts[(found.end_lineno or 1) - 1] + (found.end_col_offset or 0)
    closing = end - 1
    if raw[closing : closing + 1] not in (b"]", b")"):
        raise CannotEdit(f"{NAME} is a tuple without parentheses")
    newline = "\r\n" if b"\r\n" in raw else "\n"
    if not found.elts:
        return _Edit(closing, f'"{app}"' + ("," if isinstance(found, ast.Tuple) else ""))
    last = found.elts[-1]
    last_end = starts[(last.end_lineno or 1) - 1] + (last.end_col_offset or 0)
    quote = _quote(raw, starts, found)
    has_comma = _comma_after(raw, last_end, closing)
    if (last.end_lineno or 0) == found.end_lineno:
        # The bracket closes on the last entry's line: stay on it.
        if has_comma is not None:
            trailing = "," if isinstance(found, ast.Tuple) else ""
            return _Edit(has_comma, f" {quote}{app}{quote}{trailing}")
        return _Edit(last_end, f", {quote}{app}{quote}")
    first_on_line = starts[last.lineno - 1]
    line = raw[first_on_line : first_on_line + last.col_offset].decode()
    indent = line[: len(line) - len(line.lstrip())]
    entry = f"{indent}{quote}{app}{quote},{newline}"
    if has_comma is not None:
        # Behind the last entry's line, comment included, and before comments that follow on lines of their own.
        return _Edit(_line_end(raw, has_comma), entry)
    # Without a trailing comma the entry takes the comma in front, so that a comment behind the last one stays.
    return _Edit(last_end, f",{newline}{indent}{quote}{app}{quote}")


def _line_starts(raw: bytes) -> list[int]:
    starts = [0]
    for line in raw.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def _line_end(raw: bytes, at: int) -> int:
    end = raw.find(b"\n", at)
    return len(raw) if end == -1 else end + 1


def _comma_after(raw: bytes, at: int, limit: int) -> int | None:
    """The offset behind the comma that follows an entry, comments skipped; None if there is none."""
    while at < limit:
        char = raw[at : at + 1]
        if char == b",":
            return at + 1
        if char == b"#":
            at = _line_end(raw, at)
        else:
            at += 1
    return None


def _quote(raw: bytes, starts: list[int], found: ast.List | ast.Tuple) -> str:
    for element in found.elts:
        if isinstance(element, ast.Constant) and isinstance(element.value, str):
            at = starts[element.lineno - 1] + element.col_offset
            return "'" if raw[at : at + 1] == b"'" else '"'
    return '"'
