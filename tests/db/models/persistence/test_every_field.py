"""Every kind of column goes in and out unchanged: saved alone, in bulk, updated in bulk, and compared."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from tests.db.models.conftest import create_tables

with apps.isolate():

    class Everything(models.Model):
        id = models.UUIDField(primary_key=True, default=uuid.uuid4)
        text = models.TextField()
        small = models.SmallIntegerField(null=True)
        big = models.BigIntegerField(null=True)
        real = models.FloatField(null=True)
        price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
        flag = models.BooleanField(null=True)
        day = models.DateField(null=True)
        at = models.TimeField(null=True)
        moment = models.DateTimeField(null=True)
        span = models.DurationField(null=True)
        data = models.BinaryField(null=True)
        document = models.JSONField(null=True)
        address = models.GenericIPAddressField(null=True)

        class Meta:
            app_label = "everything"

    class Holder(models.Model):
        thing = models.ForeignKey(Everything, on_delete=models.CASCADE, related_name="holders")

        class Meta:
            app_label = "everything"


VALUES: dict[str, Any] = {
    "text": "grüße 🦊 'quoted' \\ %s",
    "small": -7,
    "big": 2**62,
    "real": 1.25,
    "price": Decimal("-1234.50"),
    "flag": True,
    "day": dt.date(2026, 2, 28),
    "at": dt.time(23, 59, 58, 123456),
    "moment": dt.datetime(2026, 3, 29, 1, 30, 0, 654321, tzinfo=dt.UTC),
    "span": dt.timedelta(days=-3, seconds=5, microseconds=7),
    "data": b"\x00\xff'\\",
    "document": {"a": [1, "ü", None, True], "b": {"c": 1.5}},
    "address": "2001:db8::1",
}
EMPTY: dict[str, Any] = {**dict.fromkeys(VALUES), "text": ""}


@pytest.fixture
async def everything(database: Database) -> Database:
    await create_tables(database, [Everything, Holder])
    return database


def _read(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in VALUES}


@pytest.mark.row(
    "fields.auto",
    "fields.integer",
    "fields.float_decimal",
    "fields.boolean",
    "fields.text",
    "fields.uuid",
    "fields.dates",
    "fields.duration",
    "fields.binary",
    "fields.json",
    "fields.ip",
    "compiler.converters",
)
async def test_values_survive_every_way_in_and_out(everything: Database) -> None:
    full = await Everything.objects.create(**VALUES)
    empty = await Everything.objects.create(**EMPTY)
    assert isinstance(full.pk, uuid.UUID)
    assert _read(await Everything.objects.get(pk=full.pk)) == VALUES
    assert _read(await Everything.objects.get(pk=empty.pk)) == EMPTY
    assert {name: type(value) for name, value in _read(await Everything.objects.get(pk=full.pk)).items()} == {
        name: type(value) for name, value in VALUES.items()
    }
    made = await Everything.objects.bulk_create([Everything(**VALUES), Everything(**EMPTY)])
    assert [_read(row) for row in [await Everything.objects.get(pk=row.pk) for row in made]] == [VALUES, EMPTY]
    for row, values in zip(made, (EMPTY, VALUES), strict=True):
        for name, value in values.items():
            setattr(row, name, value)
    assert await Everything.objects.bulk_update(made, list(VALUES)) == 2
    assert [_read(row) for row in [await Everything.objects.get(pk=row.pk) for row in made]] == [EMPTY, VALUES]
    assert await Everything.objects.filter(pk=empty.pk).update(**VALUES) == 1
    assert await Everything.objects.filter(pk=empty.pk).values(*VALUES).get() == VALUES


@pytest.mark.row("lookups.exact", "lookups.compare")
async def test_values_compare_as_what_they_are(everything: Database) -> None:
    await Everything.objects.create(**VALUES)
    await Everything.objects.create(**EMPTY)
    for name, value in VALUES.items():
        if name in {"document", "data"}:
            continue
        assert await Everything.objects.filter(**{name: value}).count() == 1, name
        assert await Everything.objects.filter(**{f"{name}__in": [value]}).count() == 1, name
        if name != "text":
            assert await Everything.objects.filter(**{name: None}).count() == 1, name
        assert await Everything.objects.exclude(**{name: value}).count() == 1, name
    for name in ("small", "big", "real", "price", "day", "at", "moment", "span"):
        assert await Everything.objects.filter(**{f"{name}__gte": VALUES[name]}).count() == 1, name
        assert await Everything.objects.filter(**{f"{name}__gt": VALUES[name]}).count() == 0, name
        assert await Everything.objects.filter(**{f"{name}__range": (VALUES[name], VALUES[name])}).count() == 1, name
        assert await Everything.objects.aggregate(top=models.Max(name)) == {"top": VALUES[name]}, name


@pytest.mark.row("fields.primary_key", "relations.foreign_key")
async def test_keys_that_are_no_numbers_work_in_relations(everything: Database) -> None:
    things = await Everything.objects.bulk_create([Everything(text=str(number)) for number in range(3)])
    await Holder.objects.bulk_create([Holder(thing=thing) for thing in things])
    holders = await Holder.objects.all()
    assert sorted([(await holder.thing).text for holder in holders]) == ["0", "1", "2"]
    assert await Holder.objects.filter(thing__in=things[:2]).count() == 2
    assert await Holder.objects.filter(thing=str(things[0].pk)).count() == 1
    (thing,) = await Everything.objects.filter(text="1").prefetch_related("holders")
    assert len(thing.holders.all()) == 1  # type: ignore[attr-defined]
    assert await Everything.objects.filter(text="2").delete() == (
        2,
        {"everything.Holder": 1, "everything.Everything": 1},
    )


@pytest.mark.row("fields.ip")
@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("::FFFF:0102:0304", "::ffff:1.2.3.4"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("10.0.0.7", "10.0.0.7"),
    ],
)
async def test_an_address_has_one_spelling_on_all_databases(everything: Database, given: str, read: str) -> None:
    row = await Everything.objects.create(text="", address=given)
    await row.refresh_from_db()
    assert row.address == read
    assert await Everything.objects.values_list("address", flat=True).get(address=given) == read
    assert await Everything.objects.filter(address=read).count() == 1
