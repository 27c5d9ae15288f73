"""What field an expression gives: the fields of bare Python values, and the arithmetic of fields."""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Callable
from typing import Any

from covet.db.models.fields.base import Field
from covet.db.models.fields.identity import UUIDField
from covet.db.models.fields.numbers import BigIntegerField, BooleanField, DecimalField, FloatField, IntegerField
from covet.db.models.fields.structured import BinaryField, JSONField
from covet.db.models.fields.temporal import DateField, DateTimeField, DurationField, TimeField
from covet.db.models.fields.text import CharField
from covet.exceptions import FieldError

__all__ = [
    "BIG_INTEGER",
    "BINARY",
    "BOOLEAN",
    "DATE",
    "DATETIME",
    "DECIMAL",
    "DURATION",
    "FLOAT",
    "INTEGER",
    "JSON",
    "REAL",
    "TEXT",
    "TIME",
    "UUID",
    "WHOLE",
    "combined_field",
    "family",
    "field_of",
]

# One instance of each for the whole process: their adapters and converters are cached on them.
BOOLEAN: Field[Any] = BooleanField()
INTEGER: Field[Any] = IntegerField()
BIG_INTEGER: Field[Any] = BigIntegerField()
FLOAT: Field[Any] = FloatField()
DECIMAL: Field[Any] = DecimalField()
TEXT: Field[Any] = CharField()
DATE: Field[Any] = DateField()
DATETIME: Field[Any] = DateTimeField()
TIME: Field[Any] = TimeField()
DURATION: Field[Any] = DurationField()
BINARY: Field[Any] = BinaryField()
UUID: Field[Any] = UUIDField()
JSON: Field[Any] = JSONField()


class _WholeNumber(BigIntegerField[int]):
    """Sums and counts: databases give a decimal for the sum of big integers."""

    @staticmethod
    def from_db_value(value: Any, expression: Any, connection: Any) -> Any:
        """Return an ``int``."""
        return value if value is None else int(value)

    def get_internal_type(self) -> str:
        return "BigIntegerField"


class _AnyFloat(FloatField[float]):
    """Averages and the like: databases give a decimal for those of integers."""

    @staticmethod
    def from_db_value(value: Any, expression: Any, connection: Any) -> Any:
        """Return a ``float``."""
        return value if value is None else float(value)

    def get_internal_type(self) -> str:
        return "FloatField"


WHOLE: Field[Any] = _WholeNumber()
REAL: Field[Any] = _AnyFloat()

# bool stands before int, and datetime before date: the first match counts.
_BY_TYPE: tuple[tuple[type, Field[Any]], ...] = (
    (bool, BOOLEAN),
    (str, TEXT),
    (int, INTEGER),
    (float, FLOAT),
    (decimal.Decimal, DECIMAL),
    (datetime.datetime, DATETIME),
    (datetime.date, DATE),
    (datetime.time, TIME),
    (datetime.timedelta, DURATION),
    (uuid.UUID, UUID),
    (bytes, BINARY),
    (bytearray, BINARY),
    (memoryview, BINARY),
)
_EXACT = dict(_BY_TYPE)

_FAMILIES = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "char": "text",
    "varchar": "text",
    "text": "text",
}


def field_of(value: Any) -> Field[Any] | None:
    """Return the field that holds a bare Python value, or ``None`` when its type does not say one."""
    found = _EXACT.get(value.__class__)
    if found is None:
        found = next((field for kind, field in _BY_TYPE if isinstance(value, kind)), None)
    if found is INTEGER and not -(2**31) <= value < 2**31:
        return BIG_INTEGER
    return found


def family(field: Field[Any]) -> str:
    """Return the kind of value that a field holds, so that ``CharField`` and ``TextField`` count as one."""
    column_type = field.column_type()
    if column_type is None:
        return field.get_internal_type()
    return _FAMILIES.get(column_type.kind, column_type.kind)


def combined_field(
    operator: str, left: Field[Any] | None, right: Field[Any] | None, expression: object = None
) -> Field[Any] | None:
    """Return the field of ``left operator right``.

    Raises:
        FieldError: The two do not go together without ``output_field``.
    """
    if left is None or right is None:
        return left if right is None else right
    kinds = (family(left), family(right))
    if kinds[0] == kinds[1]:
        return _same(operator, kinds[0], left, right, expression)
    found = _MIXED.get((operator if operator in "+-*/" else "", *kinds)) or _MIXED.get(("", *kinds))
    if found is None:
        raise FieldError(
            f"{expression!r} mixes {left.get_internal_type()} and {right.get_internal_type()}: say what it gives with "
            f"ExpressionWrapper(…, output_field=…)."
        )
    return found(left, right)


def _same(operator: str, kind: str, left: Field[Any], right: Field[Any], expression: object) -> Field[Any]:
    if kind in _UNCOUNTED and not (operator == "-" and kind in _MOMENTS):
        hint = " Texts are joined by Concat(…)." if kind == "text" else ""
        raise FieldError(
            f"{expression!r} reckons with two values of {left.get_internal_type()}, which are no numbers.{hint}"
        )
    if kind == "interval" and operator not in {"+", "-"}:
        raise FieldError(
            f"{expression!r} reckons with two durations, which can be added and subtracted: '{operator}' takes a duration "
            "and a number."
        )
    if kind == "integer":
        if operator == "^":
            return WHOLE  # which databases compute as a float or a decimal
        wide = any(field.column_type().kind == "bigint" for field in (left, right))  # type: ignore[union-attr]
        return BIG_INTEGER if wide else INTEGER
    if kind in _MOMENTS:
        return DURATION
    if kind == "decimal":
        return DECIMAL
    return left


def _float(left: Field[Any], right: Field[Any]) -> Field[Any]:
    return FLOAT


def _decimal(left: Field[Any], right: Field[Any]) -> Field[Any]:
    return DECIMAL


def _datetime(left: Field[Any], right: Field[Any]) -> Field[Any]:
    return DATETIME


def _duration(left: Field[Any], right: Field[Any]) -> Field[Any]:
    return DURATION


def _time(left: Field[Any], right: Field[Any]) -> Field[Any]:
    return TIME


_MOMENTS = frozenset({"date", "time", "datetime"})
# What has no arithmetic: SQLite and MariaDB would make some number of it.
_UNCOUNTED = _MOMENTS | {"text", "uuid", "inet"}

# (operator or "" for any, left, right) → the field of the result.
_MIXED: dict[tuple[str, str, str], Callable[[Field[Any], Field[Any]], Field[Any]]] = {
    ("", "integer", "float"): _float,
    ("", "float", "integer"): _float,
    ("", "integer", "decimal"): _decimal,
    ("", "decimal", "integer"): _decimal,
    ("", "float", "decimal"): _float,
    ("", "decimal", "float"): _float,
    ("+", "date", "interval"): _datetime,
    ("-", "date", "interval"): _datetime,
    ("+", "interval", "date"): _datetime,
    ("+", "datetime", "interval"): _datetime,
    ("-", "datetime", "interval"): _datetime,
    ("+", "interval", "datetime"): _datetime,
    ("+", "time", "interval"): _time,
    ("-", "time", "interval"): _time,
    ("+", "interval", "time"): _time,
    ("*", "interval", "integer"): _duration,
    ("*", "integer", "interval"): _duration,
    ("*", "interval", "float"): _duration,
    ("*", "float", "interval"): _duration,
    ("/", "interval", "integer"): _duration,
    ("/", "interval", "float"): _duration,
    ("*", "interval", "decimal"): _duration,
    ("*", "decimal", "interval"): _duration,
    ("/", "interval", "decimal"): _duration,
    ("-", "datetime", "date"): _duration,
    ("-", "date", "datetime"): _duration,
}
