"""What one kind of database has and others have not: indexes for LIKE, the longest unique text; and places in bulk."""

from __future__ import annotations

import pytest

from covet.apps import apps
from covet.conf import override
from covet.db import models
from covet.db.database import Database
from covet.db.models.table import table_of
from covet.db.models.vendor_checks import check_vendors
from covet.db.observe import record_queries

with apps.isolate() as registry:

    class Word(models.Model):
        slug = models.SlugField()
        name = models.CharField(max_length=50, unique=True)
        plain = models.CharField(max_length=50)
        number = models.IntegerField(db_index=True)

        class Meta:
            app_label = "words"

    class Question(models.Model):
        text = models.CharField(max_length=20)

        class Meta:
            app_label = "words"

    class Answer(models.Model):
        text = models.CharField(max_length=20)
        question = models.ForeignKey(Question, on_delete=models.CASCADE)

        class Meta:
            app_label = "words"
            order_with_respect_to = "question"


async def test_indexed_texts_have_a_second_index_for_patterns_on_postgresql(database: Database) -> None:
    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Word))

    found = [index for index in await database.introspection.indexes("words_word") if index.name.endswith("_like")]

    expected = [("name",), ("slug",)] if database.vendor == "postgresql" else []
    assert sorted(index.columns for index in found) == expected
    if expected:
        await database.execute("SET enable_seqscan = off")
        plan = "\n".join(
            str(row[0]) for row in await database.fetch("EXPLAIN SELECT id FROM words_word WHERE name LIKE 'a%'")
        )
        assert "_like" in plan


async def test_the_second_index_goes_with_the_first(database: Database) -> None:
    before = table_of(Word)
    with apps.isolate():

        class Plain(models.Model):
            slug = models.SlugField(db_index=False)
            name = models.IntegerField(unique=True)
            plain = models.CharField(max_length=50)
            number = models.IntegerField(db_index=True)

            class Meta:
                app_label = "words"
                db_table = "words_word"

    async with database.schema_editor() as editor:
        await editor.create_table(before)
    async with database.schema_editor() as editor:
        await editor.alter_table(before, table_of(Plain), {})

    assert not [one for one in await database.introspection.indexes("words_word") if one.name.endswith("_like")]


async def test_rows_of_a_bulk_insert_come_last_in_the_order(database: Database) -> None:
    async with database.schema_editor() as editor:
        for model in (Question, Answer):
            await editor.create_table(table_of(model))
    one, two = await Question.objects.create(text="1"), await Question.objects.create(text="2")
    first = await Answer.objects.create(text="a", question=one)

    with record_queries() as queries:
        await Answer.objects.bulk_create(
            [
                Answer(text=text, question=question)
                for text, question in (("b", one), ("x", two), ("c", one), ("y", two))
            ]
        )

    assert len([query for query in queries if "MAX" in query.sql]) == 1
    assert [row.text for row in await Answer.objects.filter(question=one)] == ["a", "b", "c"]
    assert [row._order for row in await Answer.objects.filter(question=two)] == [0, 1]
    assert (await first.get_next_in_order()).text == "b"
    keys = await one.get_answer_order()
    await one.set_answer_order(keys[::-1])
    assert [row.text for row in await Answer.objects.filter(question=one)] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("field", "id"),
    [
        (models.CharField(max_length=255, unique=True), None),
        (models.CharField(max_length=256, unique=True), "mysql.W003"),
        (models.CharField(max_length=769, unique=True), "mysql.E001"),
        (models.TextField(unique=True), "mysql.E001"),
        (models.CharField(max_length=2000), None),
    ],
)
def test_long_unique_texts_are_named_where_there_is_mysql(field: models.Field[str], id: str | None) -> None:
    with apps.isolate() as isolated:
        type(
            "Long",
            (models.Model,),
            {"__module__": __name__, "text": field, "Meta": type("Meta", (), {"app_label": "w"})},
        )

        with override(DATABASES={"default": "sqlite://:memory:"}):
            assert list(check_vendors(isolated)) == []
        with override(DATABASES={"default": "mysql://u:p@localhost/x"}):
            assert [error.id for error in check_vendors(isolated)] == ([id] if id else [])


def test_what_a_database_leaves_out_is_said() -> None:
    with apps.isolate() as isolated:

        class Rich(models.Model):
            text = models.CharField(max_length=9, db_comment="what it says")
            other = models.ForeignKey("Rich", on_delete=models.DB_SET_DEFAULT, db_default=1)

            class Meta:
                app_label = "w"
                db_table_comment = "rich"
                constraints = (
                    models.UniqueConstraint(fields=["text"], name="some", condition=models.Q(text="a")),
                    models.UniqueConstraint(fields=["other"], name="nulls", nulls_distinct=False),
                    models.UniqueConstraint(fields=["text"], name="late", deferrable=models.Deferrable.DEFERRED),
                    models.CheckConstraint(condition=models.Q(text="a"), name="check"),
                )
                indexes = (models.Index(fields=["text"], name="covering", include=["other"]),)

        def ids(url: str) -> list[str]:
            with override(DATABASES={"default": url}):
                return sorted(str(error.id) for error in check_vendors(isolated))

        assert ids("postgres://u:p@localhost/x") == []
        assert ids("mysql://u:p@localhost/x") == [
            "fields.E324",
            "models.W036",
            "models.W038",
            "models.W040",
            "models.W047",
        ]
        assert ids("sqlite://:memory:") == ["fields.W163", "models.W038", "models.W040", "models.W046", "models.W047"]


def test_relations_that_cannot_work_are_named() -> None:
    with apps.isolate():

        class Target(models.Model):
            code = models.CharField(max_length=9)
            name = models.CharField(max_length=9, unique=True)

            class Meta:
                app_label = "w"

        class Holder(models.Model):
            code = models.ForeignKey(Target, models.CASCADE, to_field="code", related_name="+")
            fine = models.ForeignKey(Target, models.CASCADE, to_field="name", related_name="+")
            null = models.ForeignKey(Target, models.DB_SET_NULL, related_name="+")
            default = models.ForeignKey(Target, models.DB_SET_DEFAULT, related_name="+")
            cascade = models.ForeignKey(Target, models.DB_CASCADE, related_name="+")

            class Meta:
                app_label = "w"

        class Below(models.Model):
            holder = models.ForeignKey(Holder, models.CASCADE)

            class Meta:
                app_label = "w"

        class Child(Target):
            owner = models.ForeignKey(Holder, models.DB_CASCADE)
            many: models.ManyToManyField[Target] = models.ManyToManyField(Target, null=True, related_name="+")

            class Meta:
                app_label = "w"

        errors = [*Holder.check(), *Child.check(), *Below.check()]
        found = {(error.id, error.obj.name if isinstance(error.obj, models.Field) else "") for error in errors}

    assert found == {
        ("fields.E311", "code"),
        ("fields.E320", "null"),
        ("fields.E322", "default"),
        ("fields.E323", "cascade"),
        ("fields.E323", "owner"),  # Holder refers to the parent's part of the row
        ("models.E050", ""),
        ("fields.W340", "many"),
    }
