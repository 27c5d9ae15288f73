"""A queryset and a schema straight from the database's rows to JSON bytes: no instance is made on the way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from covet.db.models.query.run import fetch_rows

if TYPE_CHECKING:
    from covet.db.models.query.queryset import QuerySet
    from covet.schema import Projection

__all__ = ["encode_queryset"]


async def encode_queryset(queryset: QuerySet[Any, Any], projection: Projection) -> bytes:
    """Return the rows of a queryset as a JSON array; one query, of exactly the schema's columns."""
    result = await fetch_rows(queryset, projection.names)
    return projection.encode_rows(result.rows, result.converters)
