"""What a column's values are in GraphQL: Python types that Strawberry knows, and the few scalars that it lacks."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any, Final, NewType

import strawberry
from graphql import GraphQLError
from strawberry.scalars import JSON, Base64
from strawberry.types.scalar import ScalarDefinition

from covet.json import dumps, loads

__all__ = ["SCALARS", "BigInt", "Duration", "Range", "column_annotation"]

BigInt = NewType("BigInt", int)
"""A whole number of up to 64 bits. GraphQL's ``Int`` has 32."""

Duration = NewType("Duration", datetime.timedelta)
"""A span of time, written as ISO 8601: ``P1DT2H``."""

Range = NewType("Range", object)
"""Two ends and whether they count: an object with ``lower``, ``upper``, ``bounds`` and ``empty``."""

_ANNOTATIONS: Final[dict[str, Any]] = {
    "smallint": int,
    "integer": int,
    "bigint": BigInt,
    "float": float,
    "decimal": decimal.Decimal,
    "boolean": bool,
    "char": str,
    "varchar": str,
    "text": str,
    "date": datetime.date,
    "time": datetime.time,
    "datetime": datetime.datetime,
    "interval": Duration,
    "uuid": uuid.UUID,
    "binary": Base64,
    "json": JSON,
    "inet": str,
}
_BIGGEST: Final = 2**63


def column_annotation(field: Any) -> Any:
    """Return the annotation of a model field's values, without regard to null.

    Keys, the model's own and those of other rows, are ``ID``: clients treat them as opaque.
    """
    if field.primary_key or field.is_relation:
        return strawberry.ID
    column = field.column_type()
    if column is not None and column.kind == "postgresql":
        return _postgresql_annotation(field)
    return _ANNOTATIONS.get(column.kind, JSON) if column is not None else JSON


def _postgresql_annotation(field: Any) -> Any:
    """Return the annotation of what only PostgreSQL has: lists of items or numbers, a range, the text of an enum."""
    if getattr(field, "range_type", ""):
        return Range
    if field.get_internal_type() == "EnumField":
        return str
    if field.get_internal_type() == "VectorField":
        return list[float]
    if field.get_internal_type() != "ArrayField":
        return JSON
    item = column_annotation(field.base_field)
    return list[item | None] if field.base_field.null else list[item]  # type: ignore[valid-type]  # at run time


def _range_ends(value: Any) -> Any:
    return loads(dumps(value))


def _range_given(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise GraphQLError(f"A Range is an object with lower, upper and bounds, not {value!r}.")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise GraphQLError(f"BigInt cannot represent {value!r}.")
    try:
        number = int(value)
    except ValueError:
        raise GraphQLError(f"BigInt cannot represent {value!r}.") from None
    if not -_BIGGEST <= number < _BIGGEST:
        raise GraphQLError(f"BigInt has 64 bits; {number} has more.")
    return number


def _duration(value: Any) -> datetime.timedelta:
    import msgspec

    try:
        return msgspec.convert(value, datetime.timedelta)
    except msgspec.ValidationError:
        raise GraphQLError(f"Duration is written like P1DT2H (ISO 8601), not {value!r}.") from None


def _duration_text(value: datetime.timedelta) -> str:
    text: str = loads(dumps(value))
    return text


SCALARS: Final[dict[object, ScalarDefinition]] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of up to 64 bits; a string of digits is taken as well.",
        serialize=int,
        parse_value=_whole,
    ),
    Duration: strawberry.scalar(
        name="Duration",
        description="A span of time as ISO 8601 writes it, such as P1DT2H.",
        serialize=_duration_text,
        parse_value=_duration,
    ),
    Range: strawberry.scalar(
        name="Range",
        description='Two ends and whether they count: {lower: 1, upper: 5, bounds: "[)"}, or {empty: true}.',
        serialize=_range_ends,
        parse_value=_range_given,
    ),
}
