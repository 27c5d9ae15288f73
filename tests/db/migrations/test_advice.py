"""What is said about operations beside their locks: today's models, unknown SQL, wide indexes, many locks in one transaction."""

from __future__ import annotations

import pytest

from covet.conf import override
from covet.db import migrations, models
from covet.db.migrations.safety import examine_all, findings_of
from tests.db.migrations.test_safety import base, codes

ALL = ("postgresql", "mysql", "sqlite")


class Today(models.Model):
    class Meta:
        app_label = "advice"


async def uses_today(apps, schema_editor):
    await Today.objects.acount()


async def uses_then(apps, schema_editor):
    await apps.get_model("blog", "Item").objects.count()


async def test_functions_that_use_models_of_today_are_errors(database, make_loader):
    found = await codes(database, make_loader, migrations.RunPython(uses_today, uses_then))
    assert found["real-model"].is_error and "uses Today" in found["real-model"].message
    assert found["real-model"].safe == ('Ask for the model of that time: Today = apps.get_model("app_label", "Today")',)
    assert await codes(database, make_loader, migrations.RunPython(uses_then, uses_then)) == {}


@pytest.mark.parametrize(
    ("sql", "known"),
    [
        ("VACUUM FULL", False),
        ("CLUSTER blog_item USING i", False),
        ("INSERT INTO blog_item (views) VALUES (1)", True),
        ("ALTER TABLE blog_item ADD COLUMN n integer", True),
        ("-- nothing but\nSELECT 1; CREATE TYPE mood AS ENUM ('a;b')", True),
    ],
)
async def test_sql_whose_locks_nobody_knows_is_a_warning(database, make_loader, sql, known):
    found = await codes(database, make_loader, migrations.RunSQL(sql, migrations.RunSQL.noop))
    assert ("raw-sql" not in found) == known
    assert not any(item.is_error for item in found.values())


async def test_an_index_of_many_columns_is_a_warning(database, make_loader):
    names = ["title", "views", "id"]
    found = await codes(
        database, make_loader, migrations.AddIndex("item", models.Index(fields=[*names, "-id"], name="i"))
    )
    assert not found["wide-index"].is_error
    found = await codes(database, make_loader, migrations.AddIndex("item", models.Index(fields=names, name="i")))
    assert "wide-index" not in found


def indexed():
    return migrations.CreateModel(
        "Indexed",
        [("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField())],
        options={"indexes": [models.Index(fields=["n"], name="by_n")]},
    )


@pytest.mark.vendors("postgresql")
async def test_an_index_is_dropped_concurrently_unless_its_table_is_new(database, make_loader):
    loader = make_loader(
        ("blog.0001", [indexed()]), ("blog.0002", [migrations.RemoveIndex("indexed", "by_n")], ["blog.0001"])
    )
    (found,) = findings_of(await examine_all(database, loader, [("blog", "0002")]))
    assert (found.code, found.is_error) == ("drop-index-not-concurrent", False)
    assert "RemoveIndexConcurrently" in found.safe[0]
    assert findings_of(await examine_all(database, loader, list(loader.graph.nodes), one_run=True)) == []


@pytest.mark.vendors("postgresql")
async def test_many_tables_locked_by_one_transaction_are_a_warning(database, make_loader):
    names = ["a", "b", "c"]
    create = [migrations.CreateModel(name, [("id", models.BigAutoField(primary_key=True))]) for name in names]
    adds = [migrations.AddField(name, "n", models.IntegerField(null=True)) for name in names]
    loader = make_loader(("blog.0001", create), ("blog.0002", adds, ["blog.0001"]))
    (found,) = findings_of(await examine_all(database, loader, [("blog", "0002")]))
    assert found.code == "many-locks" and "blog_a, blog_b, blog_c" in found.message
    loader.migrations["blog", "0002"].atomic = False
    assert findings_of(await examine_all(database, loader, [("blog", "0002")])) == []


async def test_a_cascade_that_the_database_does_alone_is_a_warning(database, make_loader):
    def key(on_delete):
        return models.ForeignKey("blog.author", on_delete=on_delete, null=True)

    loader = make_loader(
        base(),
        ("blog.0002", [migrations.AddField("item", "author", key(models.CASCADE))], ["blog.0001"]),
        ("blog.0003", [migrations.AlterField("item", "author", key(models.DB_CASCADE))], ["blog.0002"]),
    )
    found = {item.code: item for item in findings_of(await examine_all(database, loader, [("blog", "0003")]))}
    assert not found["db-cascade"].is_error


@pytest.mark.vendors("postgresql")
async def test_where_the_large_tables_are_named_the_others_are_only_worth_a_look(database, make_loader):
    index = migrations.AddIndex("item", models.Index(fields=["views"], name="i"))
    for tables, is_error in (([], False), (["blog_item"], True)):
        with override(MIGRATION_LINT={"large_tables": tables}):
            found = await codes(database, make_loader, index)
        assert found["index-not-concurrent"].is_error == is_error
