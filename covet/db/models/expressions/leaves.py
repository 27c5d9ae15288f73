"""The shape of one condition ``name=value``: what its SQL depends on, told apart from the value itself.

Shapes that the builder reads back: a bare name is a scalar; else ``(name, kind, …)``. The values are appended in the
order in which the builder takes its parameters, so this module and ``query.build`` must agree, and nothing else need.
"""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Hashable, Iterable
from typing import Any

__all__ = [
    "EMPTY",
    "EXPRESSION",
    "ITEMS",
    "MANY",
    "NULL",
    "OBJECT",
    "OBJECTS",
    "QUERY",
    "RANGE",
    "SCALARS",
    "TRUTH",
    "holds_expression",
    "leaf_shape",
    "list_shape",
]

#: Values of these classes are plain: they never change the SQL. (``bool`` may stand for ``isnull``, so it is not here.)
SCALARS = frozenset({int, str, float, bytes, decimal.Decimal, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID})
_ITEM_SCALARS = SCALARS | {bool}

NULL = "null"
TRUTH = "truth"
MANY = "many"
EMPTY = "empty"
ITEMS = "items"
RANGE = "range"
OBJECT = "object"
OBJECTS = "objects"
EXPRESSION = "expression"
QUERY = "query"


def leaf_shape(name: str, value: Any, values: list[Any]) -> Hashable:
    """Append the run-time values of ``name=value`` and return its shape.

    Raises:
        ValueError: ``isnull`` with something else than ``True`` or ``False``, ``range`` without two ends.
    """
    if value.__class__ in SCALARS:
        values.append(value)
        return name
    if value is None:
        return (name, NULL)
    lookup = name.rpartition("__")[2]
    if lookup == "isnull":
        if not isinstance(value, bool):
            raise ValueError(f"{name} takes True or False, not {value!r}.")
        return (name, TRUTH, value)
    if hasattr(value, "get_queryset"):
        value = value.get_queryset()
    if hasattr(value, "query") and hasattr(value, "shape"):
        return (name, QUERY, value.shape(values))
    if hasattr(value, "resolve") and hasattr(value, "shape"):
        return (name, EXPRESSION, value.shape(values))
    if hasattr(value, "_meta"):
        values.append(value)
        return (name, OBJECT, value.__class__)
    if lookup == "in" and isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)):
        return _in_shape(name, value, values)
    if lookup == "range":
        return _range_shape(name, value, values)
    if holds_expression(value):
        return (name, EXPRESSION, list_shape(value, values))
    values.append(value)
    return name


def holds_expression(value: Any) -> bool:
    """Whether a value is a list or tuple with an expression in it, or in a list of its own."""
    return (value.__class__ is list or value.__class__ is tuple) and any(
        (hasattr(item, "resolve") and hasattr(item, "shape")) or holds_expression(item) for item in value
    )


def list_shape(items: Iterable[Any], values: list[Any]) -> Hashable:
    """Append the run-time values of a list with expressions in it, and return its shape."""
    return tuple(list_shape(item, values) if holds_expression(item) else _item_shape(item, values) for item in items)


def _in_shape(name: str, value: Iterable[Any], values: list[Any]) -> Hashable:
    items = list(value)
    classes = set(map(type, items))
    if type(None) in classes:
        # No row equals NULL, so a None among the values matches nothing.
        items = [item for item in items if item is not None]
        classes.discard(type(None))
    if not items:
        return (name, EMPTY)
    if classes <= _ITEM_SCALARS:
        values.append(items)
        return (name, MANY)
    if any(hasattr(cls, "resolve") and hasattr(cls, "shape") for cls in classes):
        return (name, ITEMS, tuple(_item_shape(item, values) for item in items))
    values.append(items)
    if any(hasattr(cls, "_meta") for cls in classes):
        return (name, OBJECTS)
    return (name, MANY)


def _range_shape(name: str, value: Any, values: list[Any]) -> Hashable:
    ends = tuple(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else ()
    if len(ends) != 2:
        raise ValueError(f"{name} takes the two ends of the range, not {value!r}.")
    return (name, RANGE, tuple(_item_shape(item, values) for item in ends))


def _item_shape(item: Any, values: list[Any]) -> Hashable:
    if hasattr(item, "resolve") and hasattr(item, "shape"):
        return item.shape(values)  # type: ignore[no-any-return]
    values.append(item)
    return None
