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

__all__ = ["SCALARS", "BigInt", "Duration", "column_annotation"]

BigInt = NewType("BigInt", int)
"""A whole number of up to 64 bits. GraphQL's ``Int`` has 32."""

Duration = NewType("Duration", datetime.timedelta)
"""A span of time, written as ISO 8601: ``P1DT2H``."""

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
    return _ANNOTATIONS.get(column.kind, JSON) if column is not None else JSON


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
}
