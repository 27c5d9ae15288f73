"""Generated columns, JSON, database defaults and rules over expressions, on all three databases."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.errors import CheckViolation, UniqueViolation
from covet.db.models import functions as fn
from covet.db.models.table import table_of
from covet.exceptions import NON_FIELD_ERRORS, FieldError, ValidationError
from covet.test import assert_queries


class Complex(json.JSONEncoder):
    def default(self, value: Any) -> Any:
        return {"re": value.real, "im": value.imag} if isinstance(value, complex) else super().default(value)


class Plain(json.JSONDecoder):
    def __init__(self, **options: Any) -> None:
        super().__init__(object_hook=self.hook, **options)

    @staticmethod
    def hook(value: dict[str, Any]) -> Any:
        return complex(value["re"], value["im"]) if set(value) == {"re", "im"} else value


with apps.isolate():

    class Line(models.Model):
        count = models.IntegerField()
        price = models.IntegerField()
        total = models.GeneratedField(
            expression=models.F("count") * models.F("price"), output_field=models.IntegerField(), db_persist=True
        )

        class Meta:
            app_label = "rules"

    class Note(models.Model):
        data = models.JSONField(null=True, default=None)
        number = models.JSONField(encoder=Complex, decoder=Plain, default=lambda: 1 + 2j)
        word = models.CharField(max_length=9, db_default="new")
        day = models.DateField(db_default=dt.date(2024, 1, 2))
        on = models.BooleanField(db_default=True)

        class Meta:
            app_label = "rules"

    class Tag(models.Model):
        name = models.CharField(max_length=20)
        other = models.CharField(max_length=20, blank=True)

        class Meta:
            app_label = "rules"
            constraints = [
                models.CheckConstraint(condition=~models.Q(name__contains="%"), name="rules_no_percent"),
                models.CheckConstraint(condition=models.Q(name__in=["a", "b", "A", "B", "long"]), name="rules_known"),
                models.CheckConstraint(
                    condition=models.Q(other="") | models.Q(other__gt=models.F("name")), name="rules_order"
                ),
            ]

    class Folder(models.Model):
        name = models.CharField(max_length=20)
        gone = models.BooleanField(default=False)

        class Meta:
            app_label = "rules"
            constraints = [
                models.UniqueConstraint(fn.Lower("name"), name="rules_lower"),
                models.UniqueConstraint(
                    fields=["name"],
                    condition=models.Q(gone=False),
                    name="rules_alive",
                    violation_error_message="Alive.",
                ),
            ]


MODELS = (Line, Note, Tag)


@pytest.fixture
async def tables(database: Database) -> AsyncIterator[Database]:
    async with database.schema_editor() as editor:
        for model in MODELS:
            await editor.create_table(table_of(model))
    yield database
    async with database.schema_editor() as editor:
        for model in MODELS:
            await editor.drop_table(model._meta.db_table)


@pytest.mark.row("fields.generated")
async def test_a_generated_column_is_read_back(tables: Database) -> None:
    line = await Line.objects.create(count=3, price=5)
    await line.refresh_from_db()
    assert line.total == 15
    line.price = 6
    await line.save()
    assert (await Line.objects.get(total=18)).pk == line.pk


@pytest.mark.row("fields.generated")
async def test_a_generated_column_that_is_to_be_written_is_told_of(tables: Database) -> None:
    """By name, before the database is asked, with the columns to write in its place; `save()` alone wrote nothing in silence."""
    line = await Line.objects.create(count=3, price=5)
    told = r"^Line\.total is computed by the database, and {} cannot write it; write what it is computed from: count, price\.$"
    unique = ["id"] if tables.dialect.has_conflict_target else None

    with assert_queries(0):
        for value in (7, models.F("count")):
            with pytest.raises(FieldError, match=told.format(r"update\(total=…\)")) as caught:
                await Line.objects.filter(pk=line.pk).update(total=value)
            assert (caught.value.model, caught.value.name) == (Line, "total")
        with pytest.raises(ValueError, match=told.format(r"bulk_update\(\)")):
            await Line.objects.bulk_update([line], ["price", "total"])
        with pytest.raises(ValueError, match=told.format(r"save\(update_fields=…\)")):
            await line.save(update_fields=["price", "total"])
        with pytest.raises(ValueError, match=told.format(r"bulk_create\(update_fields=…\)")):
            await Line.objects.bulk_create(
                [line], update_conflicts=True, update_fields=["price", "total"], unique_fields=unique
            )


@pytest.mark.row("fields.generated")
async def test_an_update_or_create_leaves_a_generated_column_to_the_database(tables: Database) -> None:
    """Whether the row is there or not."""
    for count in (3, 4):
        _, created = await Line.objects.update_or_create(price=5, defaults={"count": count, "total": 1})
        assert created is (count == 3)
        assert (await Line.objects.values_list("total", flat=True)) == [5 * count]


@pytest.mark.row("fields.generated")
async def test_a_row_of_which_fields_were_left_out_is_saved_with_what_the_database_computes(tables: Database) -> None:
    await Line.objects.create(count=3, price=5)
    line = await Line.objects.only("total", "price").get()
    line.price = 6

    await line.save()

    assert await Line.objects.values_list("count", "price", "total") == [(3, 6, 18)]


@pytest.mark.row("fields.generated")
async def test_a_generated_column_that_reads_no_other_is_to_be_left_out(tables: Database) -> None:
    with apps.isolate():

        class Answer(models.Model):
            answer = models.GeneratedField(
                expression=models.Value(42), output_field=models.IntegerField(), db_persist=True
            )

            class Meta:
                app_label = "rules"

    with pytest.raises(
        FieldError, match=r"Answer\.answer is computed by the database, .* cannot write it; leave it out\.$"
    ):
        await Answer.objects.update(answer=1)


@pytest.mark.row("fields.json")
async def test_json_of_all_shapes(tables: Database) -> None:
    for value in ({"a": [1, 2.5, None, True]}, [], {}, "text", 0, False, None, "null", 'quo"te', "ä"):
        note = await Note.objects.create(data=value)
        found = await Note.objects.get(pk=note.pk)
        assert found.data == value
        assert type(found.data) is type(value)
        assert found.number == 1 + 2j


@pytest.mark.row("fields.json")
async def test_what_json_has_no_word_for_is_not_kept_as_null(tables: Database) -> None:
    """Answers may turn NaN into ``null``, as JavaScript does; a row would have lost the number without a word."""
    for lost in (math.nan, [1, None, math.inf], {"a": {"b": (-math.inf,)}}, {uuid.UUID(int=1): {None, math.nan}}):
        with pytest.raises(ValueError, match="NaN and infinities cannot be kept as JSON"):
            await Note.objects.create(data=lost)
        with pytest.raises(ValidationError) as caught:
            await Note(data=lost).full_clean()
        assert caught.value.message_dict["data"] == ["Value must be valid JSON."]
    kept = await Note.objects.create(data=[None, "null", dt.date(2024, 1, 2), {1: None}, "x null"])
    assert (await Note.objects.get()).data == [None, "null", "2024-01-02", {"1": None}, "x null"]
    kept.data = [math.nan]
    with pytest.raises(ValueError, match="NaN"):
        await kept.save()
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        await Note.objects.create(data=object())


@pytest.mark.row("lookups.json_null", "fields.json")
async def test_json_null_is_a_value_and_none_is_no_value(tables: Database) -> None:
    nothing = await Note.objects.create(data=None)
    null = await Note.objects.create(data=models.JSONNull())
    assert await Note.objects.filter(data__isnull=True) == [nothing]
    assert await Note.objects.filter(data__isnull=False) == [null]
    assert (await Note.objects.get(pk=null.pk)).data is None


@pytest.mark.row("fields.db_default")
async def test_defaults_of_the_database_come_back_after_the_save(tables: Database) -> None:
    note = Note()
    await note.save()
    if "word" in note.get_deferred_fields():
        await note.refresh_from_db()
    assert (note.word, note.day, note.on) == ("new", dt.date(2024, 1, 2), True)
    given = await Note.objects.create(word="mine", on=False)
    assert (await Note.objects.get(pk=given.pk)).word == "mine"
    assert (await Note.objects.get(pk=given.pk)).on is False


@pytest.mark.parametrize(
    ("name", "other", "right"),
    [("a", "", True), ("a", "b", True), ("b", "a", False), ("x", "", False), ("100%", "", False)],
)
@pytest.mark.row("constraints.check")
async def test_checks_hold_in_the_table_and_before(tables: Database, name: str, other: str, right: bool) -> None:
    tag = Tag(name=name, other=other)
    if right:
        await tag.full_clean()
        await tag.save()
        return
    with pytest.raises(ValidationError) as caught:
        await tag.full_clean()
    assert "Constraint “rules_" in str(caught.value)
    with pytest.raises(CheckViolation):
        await tag.save()


@pytest.mark.vendors("sqlite", "postgresql")  # MariaDB has neither indexes of expressions nor partial ones
@pytest.mark.row("constraints.unique")
async def test_unique_expressions_and_conditions(database: Database) -> None:
    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Folder))
    try:
        await Folder.objects.create(name="One")
        with pytest.raises(ValidationError) as caught:
            await Folder(name="ONE").full_clean()
        assert caught.value.message_dict == {NON_FIELD_ERRORS: ["Constraint “rules_lower” is violated."]}
        with pytest.raises(UniqueViolation):
            await Folder.objects.create(name="ONE")
        with pytest.raises(ValidationError, match=r"Alive\."):
            await Folder(name="One").validate_constraints()
        with pytest.raises(ValidationError) as caught:
            await Folder(name="One", gone=True).validate_constraints()
        assert "Alive" not in str(caught.value)
        await (await Folder.objects.get()).full_clean()
    finally:
        async with database.schema_editor() as editor:
            await editor.drop_table(Folder._meta.db_table)


async def test_joined_texts_may_be_generated(database: Database) -> None:
    with apps.isolate():

        class Person(models.Model):
            first = models.CharField(max_length=20, null=True)
            last = models.CharField(max_length=20)
            whole = models.GeneratedField(
                expression=fn.Concat("first", models.Value(" "), "last"),
                output_field=models.CharField(max_length=50),
                db_persist=True,
            )

            class Meta:
                app_label = "people"

    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Person))
    await Person.objects.create(first="Ann", last="Lee")
    await Person.objects.create(last="Bo")
    assert await Person.objects.order_by("pk").values_list("whole", flat=True) == ["Ann Lee", " Bo"]
