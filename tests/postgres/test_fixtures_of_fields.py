"""Fixtures hold what only PostgreSQL has, and read it again."""

from __future__ import annotations

import datetime as dt
import io
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.fixtures import dump_rows, load_rows
from covet.db.fixtures.formats import FORMATS, Writer, read_records
from covet.db.models.table import table_of
from covet.postgres.fields import ArrayField, DateTimeRangeField, DecimalRangeField, HStoreField, Range
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


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.row("fixtures.round_trip", on="postgresql")
async def test_rows_come_back_from_a_file(pg: Database, kind: str) -> None:
    with apps.isolate() as registry:

        class Stock(models.Model):
            tags = ArrayField(models.CharField(max_length=9))
            board = ArrayField(ArrayField(models.IntegerField()), null=True)
            facts = ArrayField(models.JSONField(null=True), null=True)
            keys = ArrayField(models.UUIDField(), null=True)
            raw = ArrayField(models.BinaryField(), null=True)
            hours = DateTimeRangeField(null=True)
            price = DecimalRangeField(null=True)
            data = HStoreField(null=True)

            class Meta:
                app_label = "stock"

        async with pg.schema_editor() as editor:
            await editor.create_table(table_of(Stock))
        try:
            await Stock.objects.create(
                tags=["it's", '"x"', "{a,b}", ""],
                board=[[1, 2], [3, 4]],
                facts=[{"a": [1]}, None],
                keys=[uuid.UUID(int=7)],
                raw=[b"\x00\xff"],
                hours=Range(NOON, None),
                price=Range(Decimal("1.50"), Decimal("2"), "(]"),
                data={"a": None, "b": '"x"'},
            )
            await Stock.objects.create(tags=[], hours=Range(empty=True))
            names = [field.attname for field in Stock._meta.concrete_fields]
            before = await Stock.objects.order_by("pk").values_list(*names)
            stream = io.StringIO()
            writer = Writer(stream, kind, indent=2)
            async for record in dump_rows(Stock, pg.alias):
                writer.write(record)
            writer.close()
            await pg.truncate(["stock_stock"])
            stream.seek(0)
            records = list(enumerate(read_records(stream, kind, "x")))
            await load_rows(pg, registry, [(str(number), record) for number, record in records])
            assert await Stock.objects.order_by("pk").values_list(*names) == before
        finally:
            async with pg.schema_editor() as editor:
                await editor.drop_table("stock_stock")
