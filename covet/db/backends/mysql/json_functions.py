"""JSON look-ups on MySQL and MariaDB. MariaDB keeps JSON as text, so documents are compared in a normal form."""

from __future__ import annotations

from covet.db.errors import NotSupportedError
from covet.db.sql.dialect import FunctionSpelling, Write
from covet.db.sql.nodes import NUMBERS, Func, Node

__all__ = ["JSON_FUNCTIONS", "functions_of"]


def _canonical(text: str, *, is_mariadb: bool, version: tuple[int, ...]) -> str:
    """Return a document in the form in which equal documents are equal texts."""
    if not is_mariadb:
        return f"CAST({text} AS JSON)"
    return f"JSON_NORMALIZE({text})" if version >= (10, 7) else f"JSON_COMPACT({text})"


def _ordered(operator: str) -> FunctionSpelling:
    numbers = "('INTEGER', 'DOUBLE', 'DECIMAL', 'UNSIGNED INTEGER')"

    def spell(func: Func, write: Write) -> str:
        left, right = func.args

        def text(node: Node) -> str:
            return f"JSON_UNQUOTE({write(node)})"

        return (
            f"(CASE WHEN JSON_TYPE({write(right)}) IN {numbers} AND JSON_TYPE({write(left)}) IN {numbers} "
            f"THEN CAST({text(left)} AS DOUBLE) {operator} CAST({text(right)} AS DOUBLE) "
            f"WHEN JSON_TYPE({write(right)}) = JSON_TYPE({write(left)}) THEN {text(left)} {operator} {text(right)} "
            # Values of different kinds have no order; of a missing one nobody knows.
            f"WHEN JSON_TYPE({write(right)}) <> JSON_TYPE({write(left)}) THEN FALSE END)"
        )

    return spell


def _document(func: Func, write: Write) -> str:
    """Return a value as the text of the document that holds it."""
    text = write(func.args[0])
    kind = "" if func.type is None else func.type.kind
    if kind == "boolean":
        return f"ELT(({text}) + 1, 'false', 'true')"
    text = f"CAST({text} AS CHAR)"
    return text if kind in NUMBERS else f"JSON_QUOTE({text})"


def _has_any(func: Func, write: Write) -> str:
    return f"COALESCE(JSON_OVERLAPS(JSON_KEYS({write(func.args[0])}), {write(func.args[1])}), FALSE)"


def _no_overlaps(func: Func, write: Write) -> str:
    raise NotSupportedError("has_any_keys needs MariaDB 10.9 or later: join has_key conditions by |.")


def _without_default(name: str) -> FunctionSpelling:
    def spell(func: Func, write: Write) -> str:
        if len(func.args) > 2:
            raise NotSupportedError(f"MariaDB's {name} has no default: put Coalesce(…) round the window.")
        return f"{name}({', '.join([write(arg) for arg in func.args])})"

    return spell


JSON_FUNCTIONS: dict[str, FunctionSpelling] = {
    "JSON_GT": _ordered(">"),
    "JSON_GTE": _ordered(">="),
    "JSON_LT": _ordered("<"),
    "JSON_LTE": _ordered("<="),
    "JSON_HOLDS": lambda func, write: f"JSON_CONTAINS({write(func.args[0])}, {write(func.args[1])})",
    "JSON_HELD_BY": lambda func, write: f"JSON_CONTAINS({write(func.args[1])}, {write(func.args[0])})",
    # Keys are compared as values of a list, so that no key is ever part of a path. What is no object has none.
    "JSON_HAS_KEY": lambda func, write: (
        f"COALESCE(JSON_CONTAINS(JSON_KEYS({write(func.args[0])}), JSON_QUOTE({write(func.args[1])})), FALSE)"
    ),
    "JSON_HAS_KEYS": lambda func, write: (
        f"COALESCE(JSON_CONTAINS(JSON_KEYS({write(func.args[0])}), {write(func.args[1])}), FALSE)"
    ),
    "JSON_HAS_ANY_KEYS": _has_any,
    "JSON_OF": _document,
    "JSON_ORDER": lambda func, write: write(func.args[0]),
}


def functions_of(*, is_mariadb: bool, version: tuple[int, ...]) -> dict[str, FunctionSpelling]:
    """Return how this server spells what hangs on its version."""

    def form(text: str) -> str:
        return _canonical(text, is_mariadb=is_mariadb, version=version)

    found: dict[str, FunctionSpelling] = {
        "JSON_EQUAL": lambda func, write: f"({' = '.join([form(write(arg)) for arg in func.args])})",
        "JSON_CANONICAL": lambda func, write: form(write(func.args[0])),
    }
    if is_mariadb and version < (10, 9):
        found["JSON_HAS_ANY_KEYS"] = _no_overlaps
    if is_mariadb:
        found |= {"LAG": _without_default("LAG"), "LEAD": _without_default("LEAD")}
    return found
