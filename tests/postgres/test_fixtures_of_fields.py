"""Fixtures hold what only PostgreSQL has, and read it again."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from covet.postgres.fields import Range
from tests.postgres.models import Booking, Post, Thing

if TYPE_CHECKING:
    from covet.db.database import Database

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


@pytest.mark.row("fixtures.round_trip", on="postgresql")
async def test_values_are_written_and_read_as_texts(pg: Database) -> None:
    rows: list[Any] = [
        await Post.objects.create(
            title="a", tags=["x", "it's"], board=[[1], [2]], scores=[1, None], facts=[{"a": [1]}, None], moments=[NOON]
        ),
        await Booking.objects.create(
            span=Range(1, 5),
            price=Range(Decimal("1.5"), None),
            days=Range(dt.date(2024, 1, 1), dt.date(2024, 1, 2)),
            hours=Range(empty=True),
        ),
        await Thing.objects.create(data={"a": None, "b": '"x"'}),
    ]
    for row in rows:
        for field in row._meta.local_concrete_fields:
            value = getattr(row, field.attname)
            if value is None or field.get_internal_type() == "BigAutoField":
                continue
            assert field.to_python(field.value_to_string(row)) == value, field
