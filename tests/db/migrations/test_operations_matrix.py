"""Each operation on each database, as migrate runs it and as sqlmigrate prints it: forwards and back to the same schema."""

from __future__ import annotations

import sqlite3

import pytest

from covet.db import migrations, models
from covet.db.migrations.execute import Executor, migration_sql
from tests.db.migrations.test_property import schema


def fk(to, **options):
    return models.ForeignKey(to, on_delete=models.CASCADE, **options)


def create(name, *fields, **options):
    return migrations.CreateModel(name, [("id", models.BigAutoField(primary_key=True)), *fields], options)


FIRST = [
    create("Author", ("name", models.CharField(max_length=20, unique=True))),
    create(
        "Item",
        ("title", models.CharField(max_length=20, db_index=True)),
        ("a", models.IntegerField(default=1)),
        ("b", models.PositiveIntegerField(null=True)),
        ("author", fk("blog.author", null=True)),
        ("fans", models.ManyToManyField("blog.author", related_name="+")),
        indexes=[models.Index(fields=["a", "-b"], name="by_a_b")],
        constraints=[
            models.CheckConstraint(condition=models.Q(a__gte=0), name="a_positive"),
            models.UniqueConstraint(fields=["a", "title"], name="one_title"),
        ],
        unique_together={("b", "author")},
    ),
]

OPERATIONS = {
    "create": create("Note", ("text", models.TextField()), ("item", fk("blog.item"))),
    "create_composite": migrations.CreateModel(
        "Seat",
        [
            ("pk", models.CompositePrimaryKey("row", "number")),
            ("row", models.CharField(max_length=2)),
            ("number", models.IntegerField()),
        ],
    ),
    "delete": migrations.DeleteModel("Item"),
    "rename_model": migrations.RenameModel("Author", "Writer"),
    "rename_model_with_many": migrations.RenameModel("Item", "Post"),
    "table": migrations.AlterModelTable("item", "things"),
    "table_comment": migrations.AlterModelTableComment("item", "what's 100% there"),
    "add_plain": migrations.AddField("item", "n", models.IntegerField(null=True)),
    "add_filled": migrations.AddField("item", "n", models.CharField(max_length=9, default="it's %s"), False),
    "add_db_default": migrations.AddField("item", "n", models.IntegerField(db_default=7)),
    "add_unique": migrations.AddField("item", "n", models.CharField(max_length=9, unique=True, null=True)),
    "add_reference": migrations.AddField("item", "n", fk("blog.item", null=True)),
    "add_one_to_one": migrations.AddField(
        "item", "n", models.OneToOneField("blog.author", on_delete=models.DB_CASCADE, null=True, related_name="+")
    ),
    "add_many": migrations.AddField("author", "n", models.ManyToManyField("self")),
    "add_generated": migrations.AddField(
        "item",
        "n",
        models.GeneratedField(expression=models.F("a") * 2, output_field=models.IntegerField(), db_persist=True),
    ),
    "remove": migrations.RemoveField("author", "name"),
    "remove_many": migrations.RemoveField("item", "fans"),
    "alter_type": migrations.AlterField("item", "a", models.BigIntegerField(default=1)),
    "alter_length": migrations.AlterField("item", "title", models.CharField(max_length=50, db_index=True)),
    "alter_index": migrations.AlterField("item", "title", models.CharField(max_length=20)),
    "alter_unique": migrations.AlterField("author", "name", models.CharField(max_length=20)),
    "alter_not_null": migrations.AlterField("item", "b", models.PositiveIntegerField(default=0)),
    "alter_default": migrations.AlterField("item", "a", models.IntegerField(db_default=3)),
    "alter_column": migrations.AlterField("item", "a", models.IntegerField(default=1, db_column="aa")),
    "alter_key": migrations.AlterField("author", "id", models.AutoField(primary_key=True)),
    "alter_on_delete": migrations.AlterField(
        "item", "author", models.ForeignKey("blog.author", on_delete=models.DB_SET_NULL, null=True)
    ),
    "alter_labels": migrations.AlterField("item", "a", models.IntegerField(default=1, verbose_name="A", help_text="x")),
    "rename_field": migrations.RenameField("item", "a", "z"),
    "rename_reference": migrations.RenameField("item", "author", "writer"),
    "unique_together": migrations.AlterUniqueTogether("item", {("a", "b")}),
    "order": migrations.AlterOrderWithRespectTo("item", "author"),
    "add_index": migrations.AddIndex("item", models.Index(fields=["b"], name="by_b")),
    "remove_index": migrations.RemoveIndex("item", "by_a_b"),
    "rename_index": migrations.RenameIndex("item", "other_name", old_name="by_a_b"),
    "add_check": migrations.AddConstraint(
        "item", models.CheckConstraint(condition=~models.Q(title="it's 5%"), name="not_five")
    ),
    "add_rule": migrations.AddConstraint("item", models.UniqueConstraint(fields=["b", "title"], name="one_b")),
    "remove_check": migrations.RemoveConstraint("item", "a_positive"),
    "remove_rule": migrations.RemoveConstraint("item", "one_title"),
    "alter_message": migrations.AlterConstraint(
        "item",
        "a_positive",
        models.CheckConstraint(condition=models.Q(a__gte=0), name="a_positive", violation_error_message="No!"),
    ),
    "options": migrations.AlterModelOptions("item", {"ordering": ["title"], "verbose_name": "thing"}),
    "managers": migrations.AlterModelManagers("item", [("objects", models.Manager())]),
    "sql": migrations.RunSQL("CREATE TABLE by_hand (n integer NOT NULL)", "DROP TABLE by_hand"),
    "apart": migrations.SeparateDatabaseAndState(
        [migrations.AddField("item", "n", models.IntegerField(null=True))],
        [migrations.AddField("item", "n", models.BigIntegerField(null=True))],
    ),
}


async def by_hand(database, statements):
    """Run what sqlmigrate prints as somebody would: as one script, on one connection."""
    script = "\n".join(statements)
    if database.vendor == "sqlite":
        with sqlite3.connect(database.config.name) as connection:
            connection.executescript(script)
        connection.close()
        return
    for statement in script_statements(script):
        await database.execute(statement)


def script_statements(script):
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [text for line in lines if (text := line.strip().rstrip(";")) and text not in {"BEGIN", "COMMIT"}]


@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_operation_its_sql_and_its_way_back(database, make_loader, name):
    operation = OPERATIONS[name]
    loader = make_loader(("blog.0001", FIRST), ("blog.0002", [operation], ["blog.0001"]))
    executor = Executor(database, loader)
    await executor.migrate([("blog", "0001")])
    before = await schema(database)

    await executor.migrate()
    after = await schema(database)
    assert operation.reversible
    await executor.migrate([("blog", "0001")])
    assert await schema(database) == before

    # The same by the SQL that is printed, both ways; and nothing is printed for what changes nothing.
    sql = await migration_sql(database, loader, ("blog", "0002"))
    await by_hand(database, sql)
    assert await schema(database) == after
    await by_hand(database, await migration_sql(database, loader, ("blog", "0002"), backwards=True))
    assert await schema(database) == before
    statements = [line for line in script_statements("\n".join(sql)) if not line.startswith("SET ")]
    # Introspection tells no comments of tables.
    assert bool(statements) == (before != after or (name == "table_comment" and database.vendor != "sqlite")), sql
