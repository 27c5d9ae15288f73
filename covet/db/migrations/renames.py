"""Renames a field inside the rules of a model: indexes, constraints, conditions and expressions."""

from __future__ import annotations

from typing import Any

__all__ = ["renamed_rule", "renamed_text"]

# Arguments of rules and expressions that hold field names; other texts (names, functions, messages) are left alone.
_NAME_ARGUMENTS = frozenset({"fields", "include", "expression", "expressions", "partition_by", "order_by"})


def renamed_text(text: str, old: str, new: str) -> str:
    """Return a field path (``"-title"``, ``"title__lower"``) with its first name changed from ``old`` to ``new``."""
    sign = text[:1] if text[:1] in {"-", "+"} else ""
    first, separator, rest = text[len(sign) :].partition("__")
    return f"{sign}{new}{separator}{rest}" if first == old else text


def renamed_rule(rule: Any, old: str, new: str) -> Any:
    """Return an index, constraint, ``Q`` or expression in which the field ``old`` is called ``new``.

    The same object comes back when it does not mention the field.
    """
    if not hasattr(rule, "deconstruct") or isinstance(rule, type):
        return rule
    path, args, kwargs = rule.deconstruct()[-3:]
    kind = path.rpartition(".")[2]
    if kind == "Value":
        return rule
    if kind == "Q":
        new_args = tuple(_condition(item, old, new) for item in args)
        new_kwargs = {renamed_text(key, old, new): _inner(value, old, new) for key, value in kwargs.items()}
    else:
        new_args = tuple(_named(item, old, new) for item in args)
        new_kwargs = {
            key: _named(value, old, new) if key in _NAME_ARGUMENTS else _inner(value, old, new)
            for key, value in kwargs.items()
        }
    if new_args == tuple(args) and new_kwargs == kwargs:
        return rule
    return type(rule)(*new_args, **new_kwargs)


def _condition(item: Any, old: str, new: str) -> Any:
    if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str):
        return renamed_text(item[0], old, new), _inner(item[1], old, new)
    return renamed_rule(item, old, new)


def _named(value: Any, old: str, new: str) -> Any:
    if isinstance(value, str):
        return renamed_text(value, old, new)
    if isinstance(value, (list, tuple)):
        return type(value)(_named(item, old, new) for item in value)
    return renamed_rule(value, old, new)


def _inner(value: Any, old: str, new: str) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_inner(item, old, new) for item in value)
    return renamed_rule(value, old, new)
