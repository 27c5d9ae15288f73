"""JSON look-ups on SQLite, in Python: equality and order by value, and keys that its paths cannot spell.

SQLite keeps JSON as text, and its paths have no way to write a key with a quotation mark in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

from covet.db.errors import NotSupportedError
from covet.db.sql.dialect import FunctionSpelling, Write
from covet.db.sql.nodes import NUMBERS, Func

__all__ = ["JSON_CALLS", "JSON_FUNCTIONS"]


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


def _load(text: Any) -> Any:
    return json.loads(text, parse_float=_number) if isinstance(text, str) else text


def _canonical(text: Any) -> str | None:
    return json.dumps(_load(text), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


_KINDS: dict[type, str] = {bool: "truth", int: "number", float: "number", str: "text"}


def _compare(left: Any, right: Any) -> int | None:
    """Return -1, 0 or 1 for two numbers, texts or truth values; values of different kinds have no order."""
    first, second = _load(left), _load(right)
    kinds = {_KINDS.get(type(value)) for value in (first, second)}
    if len(kinds) != 1 or kinds == {None}:
        return None
    return int(first > second) - int(first < second)


_ORDERS: dict[str, Callable[[int, int], bool]] = {">": gt, ">=": ge, "<": lt, "<=": le}


def _stands(left: Any, right: Any, operator: str) -> bool | None:
    """Return whether two values stand in an order; those of different kinds do not, and of a missing one nobody knows."""
    if left is None or right is None:
        return None
    found = _compare(left, right)
    return found is not None and _ORDERS[operator](found, 0)


def _at(document: Any, path: str) -> str | None:
    found = _load(document)
    for step in json.loads(path):
        try:
            found = found[step]
        except (KeyError, IndexError, TypeError):
            return None
    return json.dumps(found, ensure_ascii=False)


def _text(value: str) -> str | None:
    """Return a JSON value as text: a JSON text without its quotation marks, the rest as it is written."""
    found = json.loads(value)
    return found if found is None or isinstance(found, str) else value


def _ordered(value: str) -> Any:
    """Return what a JSON value is ordered by: numbers as numbers, texts as texts, the rest as it is written."""
    found = json.loads(value)
    if isinstance(found, bool):
        return value
    return found if found is None or isinstance(found, (str, int, float)) else value


def _document(value: Any, kind: str) -> str | None:
    """Return a value as the text of the document that holds it."""
    if value is None:
        return None
    if kind == "boolean":
        return "true" if value else "false"
    if kind in NUMBERS and isinstance(value, str):
        return value  # of more digits than a number of SQLite's
    return json.dumps(value, ensure_ascii=False)


def _has(document: Any, key: str) -> bool:
    found = _load(document)
    return isinstance(found, dict) and key in found


def _has_keys(document: Any, keys: str, every: int) -> bool:
    found = _load(document)
    if not isinstance(found, dict):
        return False
    return (all if every else any)(key in found for key in json.loads(keys))


#: What the dialect writes, by name and number of arguments.
JSON_CALLS: tuple[tuple[str, int, Callable[..., Any]], ...] = (
    ("COVET_JSON", 1, _canonical),
    ("COVET_JSON_COMPARE", 2, _compare),  # in constraints that were made before there was an order to ask for
    ("COVET_JSON_COMPARE", 3, _stands),
    ("COVET_JSON_AT", 2, _at),
    ("COVET_JSON_TEXT", 1, _text),
    ("COVET_JSON_ORDER", 1, _ordered),
    ("COVET_JSON_OF", 2, _document),
    ("COVET_JSON_HAS", 2, _has),
    ("COVET_JSON_HAS_KEYS", 3, _has_keys),
)


def _call(template: str) -> FunctionSpelling:
    return lambda func, write: template.format(*[write(arg) for arg in func.args])


def _of(func: Func, write: Write) -> str:
    return f"COVET_JSON_OF({write(func.args[0])}, '{'' if func.type is None else func.type.kind}')"


def _refused(name: str) -> FunctionSpelling:
    def spell(func: Func, write: Write) -> str:
        raise NotSupportedError(f"SQLite cannot look for JSON inside JSON ('{name}'): compare the keys one by one.")

    return spell


JSON_FUNCTIONS: dict[str, FunctionSpelling] = {
    "JSON_EQUAL": _call("(COVET_JSON({}) = COVET_JSON({}))"),
    "JSON_GT": _call("COVET_JSON_COMPARE({}, {}, '>')"),
    "JSON_GTE": _call("COVET_JSON_COMPARE({}, {}, '>=')"),
    "JSON_LT": _call("COVET_JSON_COMPARE({}, {}, '<')"),
    "JSON_LTE": _call("COVET_JSON_COMPARE({}, {}, '<=')"),
    "JSON_HOLDS": _refused("contains"),
    "JSON_HELD_BY": _refused("contained_by"),
    "JSON_HAS_KEY": _call("COVET_JSON_HAS({}, {})"),
    "JSON_HAS_KEYS": _call("COVET_JSON_HAS_KEYS({}, {}, 1)"),
    "JSON_HAS_ANY_KEYS": _call("COVET_JSON_HAS_KEYS({}, {}, 0)"),
    "JSON_CANONICAL": _call("COVET_JSON({})"),
    "JSON_OF": _of,
    "JSON_ORDER": _call("COVET_JSON_ORDER({})"),
}
