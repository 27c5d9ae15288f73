"""What each kind of field promises beyond keeping its values: ranges, precision, refusals."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.errors import DataError, IntegrityError, NotNullViolation
from covet.exceptions import ValidationError
from tests.db.models.conftest import create_tables

with apps.isolate():

    class Base(models.Model):
        class Meta:
            abstract = True
            app_label = "kinds"

    class Number(Base):
        whole = models.IntegerField(default=0)
        small = models.SmallIntegerField(default=0)
        big = models.BigIntegerField(default=0)
        positive = models.PositiveIntegerField(default=0)
        price = models.DecimalField(max_digits=6, decimal_places=2, default=Decimal("0"))
        ratio = models.FloatField(default=0.0)

    class Word(Base):
        text = models.CharField(max_length=5, default="")
        maybe = models.CharField(max_length=5, null=True, blank=True)
        flag = models.BooleanField(null=True)
        code = models.UUIDField(default=uuid.uuid4)
        raw = models.BinaryField(default=b"")
        span = models.DurationField(null=True)
        address = models.GenericIPAddressField(null=True, blank=True)
        made: Any = models.CharField(max_length=9, default=lambda: "made")

    class Key(Base):
        name = models.CharField(max_length=9, primary_key=True)


@pytest.fixture
async def kinds(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, [Number, Word, Key])
    yield database


@pytest.mark.row("fields.integer")
async def test_integers_have_ranges_and_are_compared_with_fractions(kinds: Database) -> None:
    limits = {"small": 2**15 - 1, "whole": 2**31 - 1, "big": 2**63 - 1}
    top = await Number.objects.create(**limits)
    bottom = await Number.objects.create(**{name: -limit - 1 for name, limit in limits.items()})
    for name, limit in limits.items():
        assert await Number.objects.filter(**{name: limit}) == [top]
        assert await Number.objects.filter(**{f"{name}__lte": -limit - 1}) == [bottom]
        with pytest.raises(ValidationError) as caught:
            await Number(**{name: limit + 1}).full_clean()
        assert caught.value.error_dict is not None
        assert caught.value.error_dict[name][0].code == "max_value"
    with pytest.raises((IntegrityError, DataError)):
        await Number.objects.create(positive=-1)
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        await Number(positive=-1).full_clean()
    await Number.objects.all().delete()
    await Number.objects.bulk_create([Number(whole=n) for n in (2, 3, 4)])
    assert await Number.objects.filter(whole__gte=2.5).count() == 2
    assert await Number.objects.filter(whole__lt=3.5).count() == 2
    assert await Number.objects.filter(whole__gt=2.5).count() == 2
    assert await Number.objects.filter(whole__lte=Decimal("3.5")).count() == 2
    assert await Number.objects.filter(whole__lt=Decimal("2.5")).count() == 1


@pytest.mark.row("fields.float_decimal")
async def test_decimals_are_rounded_to_their_places_and_refused_beyond_their_digits(kinds: Database) -> None:
    row = await Number.objects.create(price=Decimal("12.345"), ratio=0.1)
    await row.refresh_from_db()
    assert (row.price, row.price.as_tuple().exponent, row.ratio) == (Decimal("12.34"), -2, 0.1)
    assert await Number.objects.filter(price=Decimal("12.34")).exists()
    assert await Number.objects.aggregate(total=models.Sum("price")) == {"total": Decimal("12.34")}
    for wrong, code in (("12345.67", "max_digits"), ("1.234", "max_decimal_places"), ("12345.6", "max_whole_digits")):
        with pytest.raises(ValidationError) as caught:
            await Number(price=Decimal(wrong)).full_clean()
        assert caught.value.error_dict is not None
        assert code in [error.code for error in caught.value.error_dict["price"]]
    for nothing in (Decimal("NaN"), Decimal("Infinity"), "many"):
        with pytest.raises(ValidationError):
            await Number(price=nothing).full_clean()  # type: ignore[arg-type]  # what a form may do
    with pytest.raises(ValidationError):
        await Number(ratio="many").full_clean()  # type: ignore[arg-type]  # as above


@pytest.mark.row("fields.null_blank", "fields.text", "fields.boolean")
async def test_null_is_of_the_database_and_blank_of_cleaning(kinds: Database) -> None:
    with pytest.raises(NotNullViolation):
        await Word.objects.create(text=None)
    row = await Word.objects.create(text="", maybe=None)
    await row.refresh_from_db()
    assert (row.text, row.maybe, row.flag) == ("", None, None)
    with pytest.raises(ValidationError) as caught:
        await row.full_clean()
    assert caught.value.error_dict is not None
    assert {name: [error.code for error in errors] for name, errors in caught.value.error_dict.items()} == {
        "text": ["blank"],
        "flag": ["blank"],
        "span": ["blank"],
    }
    with pytest.raises(ValidationError, match="at most 5 characters"):
        await Word(text="too long").full_clean(exclude=["flag", "raw", "span"])
    for given, kept in (("t", True), ("False", False), ("1", True), (0, False)):
        word = Word(text="a", flag=given)  # type: ignore[arg-type]  # what a form gives
        word.clean_fields(exclude=["raw", "span"])
        assert word.flag is kept
        await word.save()
        assert (await Word.objects.get(pk=word.pk)).flag is kept


@pytest.mark.row("fields.default", "fields.uuid", "fields.binary", "fields.duration", "fields.ip")
async def test_values_of_other_types_are_taken_and_given_back_as_one(kinds: Database) -> None:
    code = uuid.uuid4()
    row = await Word.objects.create(
        code=str(code), raw=bytearray(b"\x00\xff"), span=dt.timedelta(days=-1, microseconds=1), address="2001:DB8::0:1"
    )
    await row.refresh_from_db()
    assert (row.code, row.raw, row.made) == (code, b"\x00\xff", "made")
    assert (row.span, row.address) == (dt.timedelta(days=-1, microseconds=1), "2001:db8::1")
    assert await Word.objects.filter(code=code.hex).exists()
    assert await Word.objects.filter(code__in=[code, uuid.uuid4()]).exists()
    assert await Word.objects.filter(span__lt=dt.timedelta(0)).exists()
    assert await Word.objects.filter(raw=memoryview(b"\x00\xff")).exists()
    assert await Word.objects.filter(address="2001:db8:0::1").exists()
    # Each instance has a default of its own, and one that is given stays.
    assert Word().code != Word().code
    assert (Word().made, Word(made="x").made) == ("made", "x")
    for wrong in ({"code": "x"}, {"span": "soon"}, {"address": "1.2.3"}):
        with pytest.raises(ValidationError):
            Word(text="a", **wrong).clean_fields(exclude=["flag", "raw"])


@pytest.mark.row("fields.primary_key", "fields.auto")
async def test_a_key_is_unique_not_null_and_another_key_is_another_row(kinds: Database) -> None:
    row = await Key.objects.create(name="a")
    with pytest.raises(IntegrityError):
        await Key.objects.create(name="a")
    with pytest.raises(NotNullViolation):
        await Key.objects.create(name=None)
    row.name = "b"
    await row.save()
    assert await Key.objects.order_by("name").values_list("pk", flat=True) == ["a", "b"]
    assert not Key._meta.pk.null
    with pytest.raises(ValidationError, match="already exists"):
        await Key(name="a").full_clean()
    by_hand = await Number.objects.create(pk=500)
    following = await Number.objects.create()
    made = await Number.objects.bulk_create([Number(), Number(pk=900), Number()])
    assert by_hand.pk == 500
    assert len({following.pk, *[one.pk for one in made]}) == 4


@pytest.mark.row("connections.introspection")
async def test_a_database_tells_of_its_tables_columns_rules_and_sequences(kinds: Database) -> None:
    with apps.isolate():

        class Parent(Base):
            code = models.CharField(max_length=9, unique=True)

        class Child(Base):
            parent = models.ForeignKey(Parent, on_delete=models.CASCADE)
            size = models.IntegerField(db_default=3)

            class Meta(Base.Meta):
                constraints = [models.CheckConstraint(condition=models.Q(size__gt=1), name="kinds_size")]

    await create_tables(kinds, [Parent, Child])
    reader = kinds.introspection
    assert {"kinds_parent", "kinds_child", "kinds_number"} <= set(await reader.tables())
    columns = {column.name: column for column in await reader.columns("kinds_child")}
    assert list(columns) == ["id", "parent_id", "size"]
    assert columns["id"].primary_key
    assert columns["id"].identity
    assert not columns["size"].null
    assert "3" in str(columns["size"].default)
    code = {column.name: column for column in await reader.columns("kinds_parent")}["code"]
    assert code.length == 9
    rules = await reader.constraints("kinds_child")
    (key,) = [rule for rule in rules if rule.kind == "foreign_key"]
    assert (key.columns, key.to_table, key.to_columns) == (("parent_id",), "kinds_parent", ("id",))
    assert [rule.name for rule in rules if rule.kind == "check"] == ["kinds_size"]
    unique = [index for index in await reader.indexes("kinds_parent") if index.unique and not index.primary_key]
    assert [index.columns for index in unique] == [("code",)]
