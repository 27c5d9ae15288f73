"""How MySQL and MariaDB may change a table: said by the migration, held by the server."""

from __future__ import annotations

import pytest

from covet.db import migrations, models
from covet.db.errors import NotSupportedError
from covet.db.migrations.errors import MigrationFailed
from covet.db.migrations.execute import Executor, migration_sql
from covet.db.migrations.limits import alter_hints_of
from covet.db.migrations.migration import Migration
from covet.db.migrations.safety import examine
from covet.db.migrations.statements import effect_of
from covet.db.migrations.write import migration_source
from covet.exceptions import ImproperlyConfigured

HINTED = {"mysql_algorithm": "INSTANT", "mysql_lock": "NONE"}


def history(make_loader, *operations, **attributes):
    item = migrations.CreateModel(
        "Item", [("id", models.BigAutoField(primary_key=True)), ("code", models.CharField(max_length=20))]
    )
    return make_loader(("blog.0001", [item]), ("blog.0002", list(operations), ["blog.0001"], attributes))


@pytest.mark.vendors("mysql")
async def test_a_change_that_keeps_the_promise_is_made(database, make_loader):
    index = models.Index(fields=["code"], name="by_code")
    loader = history(
        make_loader,
        migrations.AddIndex("item", index),
        migrations.RemoveIndex("item", "by_code"),
        mysql_algorithm="INPLACE",
        mysql_lock="NONE",
    )

    await Executor(database, loader).migrate()
    await Executor(database, loader).migrate([("blog", "0001")])

    assert await Executor(database, loader).applied() == {("blog", "0001")}


@pytest.mark.vendors("mysql")
async def test_a_change_that_needs_more_is_refused_and_leaves_nothing(database, make_loader):
    add = migrations.AddField("item", "views", models.IntegerField(null=True))
    widen = migrations.AlterField("item", "code", models.IntegerField())
    loader = history(make_loader, widen, **HINTED)
    await Executor(database, loader).migrate([("blog", "0001")])

    with pytest.raises(MigrationFailed) as caught:
        await Executor(database, loader).migrate()

    assert isinstance(caught.value.__cause__, NotSupportedError)
    assert "ALGORITHM=INSTANT" in str(caught.value.__cause__)
    columns = await database.introspection.columns("blog_item")
    assert [column.name for column in columns] == ["id", "code"]
    assert "varchar" in columns[1].type
    # The table that was to be changed is as before: another migration goes on from there.
    await Executor(database, history(make_loader, add, **HINTED)).migrate()
    assert [column.name for column in await database.introspection.columns("blog_item")] == ["id", "code", "views"]


async def test_the_printed_statements_carry_it_on_mysql_alone(database, make_loader):
    own = migrations.RunSQL("ALTER TABLE blog_item COMMENT 'x'", migrations.RunSQL.noop)
    add = migrations.AddField("item", "views", models.IntegerField(null=True))
    loader = history(make_loader, add, own, **HINTED)

    text = "\n".join(await migration_sql(database, loader, ("blog", "0002")))

    if database.vendor == "mysql":
        assert "ADD COLUMN `views` integer NULL, ALGORITHM=INSTANT, LOCK=NONE;" in text.replace(
            "int NULL", "integer NULL"
        )
        assert "COMMENT 'x';" in text
    else:
        assert "ALGORITHM" not in text
    state = loader.graph.nodes["blog", "0001"].mutate_state(loader.base_state())
    found = await examine(database, loader.graph.nodes["blog", "0002"], state)
    assert ("other changes of the table" in found[0].effects[0].blocks) == (database.vendor == "mysql")


@pytest.mark.parametrize(
    ("hints", "rewrites", "blocks"),
    [
        ("", True, "all writes"),
        (", ALGORITHM=NOCOPY", False, "all writes"),
        (", LOCK=NONE", True, "other changes of the table"),
        (", ALGORITHM=INSTANT, LOCK=NONE", False, "other changes of the table"),
    ],
    ids=["none", "nocopy", "lock", "both"],
)
def test_the_report_takes_a_promise_for_what_it_is(hints, rewrites, blocks):
    effect = effect_of(f"ALTER TABLE `blog_item` MODIFY COLUMN `code` text NOT NULL{hints};", "mysql")

    assert (effect.rewrites, effect.blocks) == (rewrites, blocks)
    assert bool(effect.code) == (blocks == "all writes")


def test_a_word_that_is_no_algorithm_is_told():
    migration = Migration("0002", "blog")
    migration.mysql_algorithm = "FAST"

    with pytest.raises(
        ImproperlyConfigured, match=r"blog\.0002: mysql_algorithm is 'FAST'; it is one of INSTANT, NOCOPY"
    ):
        alter_hints_of(migration)


def test_files_keep_it():
    migration = Migration("0002", "blog")
    migration.mysql_algorithm, migration.mysql_lock = "INPLACE", "SHARED"

    source = migration_source(migration)

    assert "    mysql_algorithm = 'INPLACE'\n" in source.replace('"', "'")
    assert "    mysql_lock = 'SHARED'\n" in source.replace('"', "'")
