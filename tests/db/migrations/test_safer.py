"""Migrations that would hurt a database in use, rewritten into ones that do not: the same end, by other steps."""

from __future__ import annotations

import ast
import importlib.util
import re
import uuid
from pathlib import Path

import pytest

from covet import timezone
from covet.db import migrations, models
from covet.db.migrations.execute import Executor
from covet.db.migrations.migration import Migration
from covet.db.migrations.safer import make_safe
from covet.db.migrations.safety import examine, examine_all, findings_of
from covet.db.migrations.write import write_migration
from covet.postgres.functions import RandomUUID
from covet.postgres.operations import BackfillBatches
from tests.db.migrations.test_processes import MODELS, Project
from tests.db.migrations.test_safety import base, fk


async def rewritten(database, make_loader, *operations):
    loader = make_loader(base())
    whole = Migration.build("0002_change", "blog", list(operations), [("blog", "0001")])
    plan = await make_safe(database, [whole], loader.state())
    return loader, whole, plan


async def schema(database):
    reader = database.introspection
    return {
        table: (
            [(c.name, c.type, c.null, c.default) for c in sorted(await reader.columns(table), key=lambda c: c.name)],
            sorted(((i.columns, i.unique, i.name) for i in await reader.indexes(table)), key=repr),
            sorted((c.kind, c.columns, c.name) for c in await reader.constraints(table) if c.kind != "not_null"),
        )
        for table in await reader.tables()
        if table.startswith("blog_")
    }


def read_back(migration, folder):
    """The migration as its file says it."""
    path, _ = write_migration(migration, folder)
    spec = importlib.util.spec_from_file_location(f"safer_{migration.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Migration(migration.name, migration.app_label)


POSTGRESQL = {
    "a column that has to have a value": (
        migrations.AddField("item", "stars", models.IntegerField(default=3)),
        ["0002_add_item_stars", "0003_fill_item_stars", "0004_item_stars_not_null"],
    ),
    "one whose default is for existing rows only": (
        migrations.AddField("item", "stars", models.IntegerField(default=3), preserve_default=False),
        ["0002_add_item_stars", "0003_fill_item_stars", "0004_item_stars_not_null"],
    ),
    "a moment": (
        migrations.AddField("item", "made", models.DateTimeField(default=timezone.now)),
        ["0002_add_item_made", "0003_fill_item_made", "0004_item_made_not_null"],
    ),
    "a value of its own for each row": (
        migrations.AddField("item", "token", models.UUIDField(default=uuid.uuid4)),
        ["0002_add_item_token", "0003_fill_item_token", "0004_item_token_not_null"],
    ),
    "a list": (
        migrations.AddField("item", "extra", models.JSONField(default=list)),
        ["0002_add_item_extra", "0003_fill_item_extra", "0004_item_extra_not_null"],
    ),
    "one that is unique": (
        migrations.AddField("item", "token", models.UUIDField(default=uuid.uuid4, unique=True)),
        [
            "0002_add_item_token",
            "0003_fill_item_token",
            "0004_item_token_not_null",
            "0005_index_item_token",
            "0006_unique_item_token",
        ],
    ),
    "a text that is unique and may be missing": (
        migrations.AddField("item", "code", models.CharField(max_length=9, null=True, unique=True)),
        ["0002_add_item_code", "0003_index_item_code", "0004_unique_item_code"],
    ),
    "a value that the database makes": (
        migrations.AddField("item", "token", models.UUIDField(db_default=RandomUUID())),
        ["0002_add_item_token", "0003_fill_item_token", "0004_item_token_not_null"],
    ),
    "one that may be missing": (
        migrations.AddField("item", "token", models.UUIDField(db_default=RandomUUID(), null=True)),
        ["0002_add_item_token", "0003_fill_item_token"],
    ),
    "a foreign key": (
        migrations.AddField("item", "author", fk()),
        ["0002_add_item_author", "0003_validate_item_author"],
    ),
    "a column with an index": (
        migrations.AddField("item", "code", models.CharField(max_length=9, null=True, db_index=True)),
        ["0002_add_item_code", "0003_index_item_code"],
    ),
    "one that has to have a value too": (
        migrations.AddField("item", "stars", models.IntegerField(default=3, db_index=True)),
        ["0002_add_item_stars", "0003_index_item_stars", "0004_fill_item_stars", "0005_item_stars_not_null"],
    ),
    "a value where there was none": (
        migrations.AlterField("item", "views", models.IntegerField(default=0)),
        ["0002_fill_item_views", "0003_item_views_not_null"],
    ),
    "another type": (
        migrations.AlterField("item", "views", models.BigIntegerField(null=True)),
        ["0002_add_item_views_new", "0003_copy_item_views", "0004_swap_item_views"],
    ),
    "another type that has to have a value": (
        migrations.AlterField("item", "views", models.BigIntegerField(default=7)),
        [
            "0002_fill_item_views",
            "0003_add_item_views_new",
            "0004_copy_item_views",
            "0005_index_item_views_new",
            "0006_swap_item_views",
        ],
    ),
    "another type with a default of the database and an index": (
        migrations.AlterField(
            "item", "views", models.CharField(max_length=20, null=True, db_default="0", db_index=True)
        ),
        ["0002_add_item_views_new", "0003_copy_item_views", "0004_index_item_views_new", "0005_swap_item_views"],
    ),
    "another type that is unique": (
        migrations.AlterField("item", "views", models.BigIntegerField(null=True, unique=True)),
        ["0002_add_item_views_new", "0003_copy_item_views", "0004_index_item_views_new", "0005_swap_item_views"],
    ),
    "a field that becomes unique": (
        migrations.AlterField("item", "title", models.TextField(unique=True)),
        ["0002_change", "0003_index_item_title", "0004_unique_item_title"],
    ),
    "a field that gets an index": (
        migrations.AlterField("item", "title", models.CharField(max_length=50, db_index=True)),
        ["0002_change"],
    ),
    "a shorter text": (
        migrations.AlterField("item", "title", models.CharField(max_length=9)),
        ["0002_add_item_title_new", "0003_copy_item_title", "0004_index_item_title_new", "0005_swap_item_title"],
    ),
    "a positive number": (
        migrations.AlterField("item", "views", models.PositiveBigIntegerField(null=True)),
        ["0002_add_item_views_new", "0003_copy_item_views", "0004_index_item_views_new", "0005_swap_item_views"],
    ),
    "an index": (migrations.AddIndex("item", models.Index(fields=["views"], name="by_views")), ["0002_change"]),
    "a check": (
        migrations.AddConstraint("item", models.CheckConstraint(condition=models.Q(views__gt=0), name="some")),
        ["0002_add_some", "0003_validate_some"],
    ),
    "a unique rule": (
        migrations.AddConstraint("item", models.UniqueConstraint(fields=["title"], name="once")),
        ["0002_index_once", "0003_add_once"],
    ),
    "a unique rule for some": (
        migrations.AddConstraint(
            "item", models.UniqueConstraint(fields=["title"], name="once", condition=models.Q(views__gt=0))
        ),
        ["0002_change"],
    ),
}


@pytest.mark.vendors("postgresql")
@pytest.mark.parametrize(("operation", "names"), POSTGRESQL.values(), ids=POSTGRESQL.keys())
async def test_safe_steps_lead_to_the_same_schema_without_a_finding(database, make_loader, tmp_path, operation, names):
    loader, whole, plan = await rewritten(database, make_loader, operation)
    assert [migration.name for migration in plan.migrations] == names
    steps = [read_back(migration, tmp_path) for migration in plan.migrations]
    state = loader.state()
    for step in steps:
        assert [item for item in findings_of({0: await examine(database, step, state)}) if item.is_error] == []
        state = step.mutate_state(state)

    loader.migrations[whole.key] = whole
    loader.build()
    await Executor(database, loader).migrate()
    wanted = await schema(database)
    await Executor(database, loader).migrate([("blog", "0001")])
    start = await schema(database)
    await database.execute("INSERT INTO blog_item (title, views) VALUES ('a', 1)")
    del loader.migrations[whole.key]
    loader.migrations |= {step.key: step for step in steps}
    loader.build()
    await Executor(database, loader).migrate()

    assert await schema(database) == wanted
    await Executor(database, loader).migrate([("blog", "0001")])
    assert await schema(database) == start


@pytest.mark.vendors("postgresql")
@pytest.mark.parametrize("options", [{"default": uuid.uuid4}, {"db_default": RandomUUID()}], ids=["python", "database"])
async def test_rows_that_are_there_get_values_of_their_own(database, make_loader, options):
    field = models.UUIDField(**options, unique=True)
    loader, _, plan = await rewritten(database, make_loader, migrations.AddField("item", "token", field))
    await Executor(database, loader).migrate()
    await database.execute("INSERT INTO blog_item (title) SELECT 'a' || n FROM generate_series(1, 2500) n")
    loader.migrations |= {step.key: step for step in plan.migrations}
    loader.build()

    await Executor(database, loader).migrate()

    assert [tuple(row) for row in await database.fetch("SELECT count(DISTINCT token) FROM blog_item")] == [(2500,)]


def rules():
    """A table with everything that may hang on the column ``n``."""
    return migrations.CreateModel(
        "Ruled",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("n", models.PositiveIntegerField(db_index=True, db_default=4)),
            ("m", models.IntegerField(null=True)),
        ],
        {
            "indexes": [
                models.Index(fields=["-n", "m"], name="both"),
                models.Index(fields=["m"], name="part", condition=models.Q(n__gt=3)),
                models.Index(models.F("n") + 1, name="next"),
                models.Index(fields=["m"], name="other"),
            ],
            "constraints": [
                models.CheckConstraint(condition=models.Q(n__lt=models.F("m") + 1000), name="less"),
                models.UniqueConstraint(fields=["n", "m"], name="pair", deferrable=models.Deferrable.DEFERRED),
                models.UniqueConstraint(fields=["n"], name="some", condition=models.Q(m__gt=5), include=["m"]),
            ],
        },
    )


@pytest.mark.vendors("postgresql")
async def test_a_shadow_column_takes_the_place_while_others_write(database, make_loader, tmp_path):
    loader = make_loader(("blog.0001", [rules()]))
    final = models.PositiveBigIntegerField(db_index=True, db_default=5)
    whole = Migration.build("0002_wider", "blog", [migrations.AlterField("ruled", "n", final)], [("blog", "0001")])
    plan = await make_safe(database, [whole], loader.state())
    steps = [read_back(migration, tmp_path) for migration in plan.migrations]
    state = loader.state()
    for step in steps:
        assert [item.code for item in findings_of({0: await examine(database, step, state)}) if item.is_error] == []
        state = step.mutate_state(state)
    loader.migrations[whole.key] = whole
    loader.build()
    await Executor(database, loader).migrate()
    wanted = await schema(database)
    await Executor(database, loader).migrate([("blog", "0001")])
    start = await schema(database)
    await database.execute("INSERT INTO blog_ruled (n, m) SELECT k, k FROM generate_series(1, 2500) k")
    del loader.migrations[whole.key]
    loader.migrations |= {step.key: step for step in steps}
    loader.build()

    # After each step the former release goes on: it inserts, changes and reads the column by its name.
    for number, step in enumerate(steps, 3001):
        await Executor(database, loader).migrate([step.key])
        await database.execute(f"INSERT INTO blog_ruled (n, m) VALUES ({number}, {number})")
        await database.execute(f"UPDATE blog_ruled SET n = n + 900 WHERE m = {number - 3000}")
        assert (await database.fetch("SELECT count(*) FROM blog_ruled WHERE n - m = 900"))[0][0] == number - 3000

    assert await schema(database) == wanted
    rows = await database.fetch("SELECT count(*), sum(n - m) FROM blog_ruled")
    assert [tuple(row) for row in rows] == [(2500 + len(steps), 900 * len(steps))]
    await Executor(database, loader).migrate([("blog", "0001")])
    assert await schema(database) == start
    left = await database.fetch("SELECT count(*) FROM pg_proc WHERE proname LIKE 'covet%'")
    assert left[0][0] == 0


@pytest.mark.vendors("postgresql")
@pytest.mark.parametrize(
    "field",
    [models.SmallIntegerField(primary_key=True), models.UUIDField(primary_key=True)],
    ids=["smaller", "another"],
)
async def test_a_key_has_no_shadow(database, make_loader, field):
    _, whole, plan = await rewritten(database, make_loader, migrations.AlterField("item", "id", field))

    assert [migration.operations for migration in plan.migrations] == [whole.operations]


@pytest.mark.vendors("postgresql")
@pytest.mark.parametrize(
    ("old", "new", "is_error"),
    [
        (models.CharField(max_length=9), models.CharField(max_length=20), False),
        (models.CharField(max_length=20), models.CharField(max_length=9), True),
        (models.CharField(max_length=9), models.TextField(), False),
        (models.TextField(), models.CharField(max_length=9), True),
        (
            models.DecimalField(max_digits=5, decimal_places=2),
            models.DecimalField(max_digits=9, decimal_places=2),
            False,
        ),
        (
            models.DecimalField(max_digits=5, decimal_places=2),
            models.DecimalField(max_digits=9, decimal_places=3),
            True,
        ),
        (models.IntegerField(), models.BigIntegerField(), True),
    ],
    ids=["longer", "shorter", "no limit", "a limit", "more digits", "more decimals", "wider"],
)
async def test_the_old_type_says_whether_the_table_is_written_anew(database, make_loader, old, new, is_error):
    loader = make_loader(
        ("blog.0001", [migrations.CreateModel("A", [("id", models.BigAutoField(primary_key=True)), ("x", old)])]),
        ("blog.0002", [migrations.AlterField("a", "x", new)], ["blog.0001"]),
    )
    found = findings_of(await examine_all(database, loader, [("blog", "0002")]))
    assert [item.code for item in found if item.is_error] == (["change-type"] if is_error else [])

    # PostgreSQL says so itself: a table that is written anew has another file.
    await Executor(database, loader).migrate([("blog", "0001")])
    await database.execute("INSERT INTO blog_a (x) VALUES ('1')")
    before = await database.fetch("SELECT pg_relation_filenode('blog_a')")
    await Executor(database, loader).migrate()
    after = await database.fetch("SELECT pg_relation_filenode('blog_a')")
    assert (tuple(before[0]) != tuple(after[0])) is is_error


async def test_functions_are_called_for_each_row_beside_expressions(database, make_loader):
    fill = BackfillBatches("item", {"title": lambda: uuid.uuid4().hex, "views": models.F("id") * 2}, batch_size=2)
    fill.condition = models.Q(views=None)
    loader = make_loader(base(), ("blog.0002", [fill], ["blog.0001"], {"atomic": False}))
    await Executor(database, loader).migrate([("blog", "0001")])
    for _ in range(5):
        await database.execute("INSERT INTO blog_item (title) VALUES ('a')")

    await Executor(database, loader).migrate()

    rows = await database.fetch("SELECT count(DISTINCT title), min(views - id * 2), max(views - id * 2) FROM blog_item")
    assert [tuple(row) for row in rows] == [(5, 0, 0)]


async def test_what_goes_is_forgotten_first_and_dropped_by_a_later_file(database, make_loader, tmp_path):
    loader, _, plan = await rewritten(
        database, make_loader, migrations.RemoveField("item", "title"), migrations.DeleteModel("Author")
    )
    assert [migration.name for migration in plan.migrations] == ["0002_forget_item_title", "0003_forget_author"]
    assert [migration.name for migration in plan.later] == ["0004_drop_item_title", "0004_drop_author"]
    steps = [read_back(migration, tmp_path) for migration in plan.migrations]
    state = loader.state()
    for step in steps:
        found = findings_of({0: await examine(database, step, state)})
        # Making a column NULL is a copy of the table on MySQL, whose tools are another matter.
        assert {item.code for item in found if item.is_error} <= (
            {"change-type"} if database.vendor == "mysql" else set()
        )
        state = step.mutate_state(state)
    loader.migrations |= {step.key: step for step in steps}
    loader.build()
    await Executor(database, loader).migrate()

    # The former release still writes the column, the new one does not know it.
    await database.execute("INSERT INTO blog_item (title) VALUES ('old')")
    await database.execute("INSERT INTO blog_item (views) VALUES (1)")
    assert "blog_author" in await schema(database)

    later = read_back(plan.later[0], tmp_path)
    later.dependencies = [steps[-1].key]
    loader.migrations[later.key] = later
    last = read_back(plan.later[1], tmp_path)
    last.dependencies = [later.key]
    loader.migrations[last.key] = last
    loader.build()
    await Executor(database, loader).migrate()

    after = await schema(database)
    assert list(after) == ["blog_item"]
    assert [column[0] for column in after["blog_item"][0]] == ["id", "views"]
    # Rows without a title cannot go back to where it was needed.
    await database.execute("DELETE FROM blog_item")
    await Executor(database, loader).migrate([("blog", "0001")])
    assert "blog_author" in await schema(database)


async def test_what_is_renamed_keeps_its_name_in_the_database(database, make_loader):
    loader, _, plan = await rewritten(
        database, make_loader, migrations.RenameField("item", "views", "seen"), migrations.RenameModel("Item", "Post")
    )
    (migration,) = plan.migrations
    assert plan.notes == [
        "Give blog.item.seen db_column='views': the column keeps its name.",
        "Give the Meta of blog.Post db_table = 'blog_item': the table keeps its name.",
    ]
    assert findings_of({0: await examine(database, migration, loader.state())}) == []
    await Executor(database, loader).migrate()
    before = await schema(database)
    loader.migrations[migration.key] = migration
    loader.build()

    await Executor(database, loader).migrate()

    assert await schema(database) == before
    post = loader.state().apps.get_model("blog", "Post")
    await post.objects.create(title="a", seen=3)
    assert await post.objects.filter(seen=3).count() == 1


@pytest.mark.vendors("postgresql")
async def test_what_comes_behind_a_rename_is_about_the_column_that_keeps_its_name(database, make_loader):
    loader, _, plan = await rewritten(
        database,
        make_loader,
        migrations.RenameField("item", "views", "seen"),
        migrations.AlterField("item", "seen", models.BigIntegerField(default=0)),
        migrations.AddConstraint("item", models.UniqueConstraint(fields=["seen"], name="seen_once")),
        migrations.RenameField("item", "title", "name"),
        migrations.AlterField("item", "name", models.CharField(max_length=50, db_index=True)),
        migrations.RenameModel("Item", "Post"),
        migrations.AlterField("post", "seen", models.BigIntegerField(default=1)),
        migrations.AddIndex("post", models.Index(fields=["name", "seen"], name="both")),
    )
    await Executor(database, loader).migrate()
    await database.execute("INSERT INTO blog_item (title, views) VALUES ('a', 7)")
    before = await schema(database)
    for migration in plan.migrations:
        loader.migrations[migration.key] = migration
    loader.build()

    await Executor(database, loader).migrate()

    columns = {column.name: column.type for column in await database.introspection.columns("blog_item")}
    assert (columns["views"], columns["title"]) == ("bigint", "character varying(50)")
    post = loader.state().apps.get_model("blog", "Post")
    row = await post.objects.get(seen=7)
    assert (row.name, post._meta.get_field("seen").default) == ("a", 1)
    found = {index.name: index.columns for index in await database.introspection.indexes("blog_item")}
    assert (found["seen_once"], found["both"]) == (("views",), ("title", "views"))
    assert ("title",) in found.values()
    assert findings_of({0: await examine(database, plan.migrations[0], make_loader(base()).state())}) == []

    await Executor(database, loader).migrate([("blog", "0001")])
    assert await schema(database) == before


async def test_what_has_no_safe_way_stays_with_its_finding_and_the_rest_keeps_its_order(database, make_loader):
    operations = [
        migrations.AddField("item", "note", models.TextField(null=True)),
        migrations.AlterField("author", "id", models.IntegerField(primary_key=True)),
        migrations.RemoveField("item", "title"),
        migrations.AddField("item", "last", models.TextField(null=True)),
    ]
    _, whole, plan = await rewritten(database, make_loader, *operations)

    assert [migration.name for migration in plan.migrations] == [
        "0002_change",
        "0003_forget_item_title",
        "0004_change",
    ]
    assert plan.migrations[0].operations == operations[:2]
    assert plan.migrations[2].operations == operations[3:]
    assert plan.migrations[2].dependencies == [("blog", "0003_forget_item_title")]
    assert whole.operations == operations


async def test_tables_that_the_same_files_make_are_left_alone(database, make_loader):
    create = migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))])
    add = migrations.AddField("new", "n", models.IntegerField(default=1))
    _, whole, plan = await rewritten(database, make_loader, create, add)

    (migration,) = plan.migrations
    assert (migration.name, migration.operations) == (whole.name, [create, add])


async def test_makemigrations_writes_the_steps_and_the_file_for_later(tmp_path):
    project = Project(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}")
    await project.run("makemigrations")
    await project.run("migrate")
    project.models(MODELS.replace("title = models.CharField(max_length=200)", "n = models.IntegerField(null=True)"))

    code, out, err = await project.run("makemigrations", "--safe", "--no-rename")

    assert code == 0, err
    assert "blog/migrations/0002_forget_item_title.py\n" in out
    assert (
        "blog/migrations/0004_drop_item_title.py.later (take '.later' off its name in the release after this one)"
        in out
    )
    assert {path.name for path in Path(tmp_path, "blog", "migrations").glob("0*")} == {
        "0001_initial.py",
        "0002_forget_item_title.py",
        "0003_remove_item_title_item_n.py",
        "0004_drop_item_title.py.later",
    }
    code, out, err = await project.run("migrate", "--safe")
    assert code == 0, err
    code, out, err = await project.run("makemigrations", "--check")
    assert code == 0, (out, err)
    later = tmp_path / "blog" / "migrations" / "0004_drop_item_title.py.later"
    later.rename(later.with_suffix(""))
    code, out, err = await project.run("migrate")
    assert code == 0 and "0004_drop_item_title… OK" in out, err


PRINTED = {
    "an index": migrations.AddIndex("item", models.Index(fields=["views"], name="by_views")),
    "a check": migrations.AddConstraint("item", models.CheckConstraint(condition=models.Q(views__gt=0), name="some")),
    "a unique rule": migrations.AddConstraint("item", models.UniqueConstraint(fields=["title"], name="once")),
    "a foreign key": migrations.AddField("item", "author", fk()),
    "no NULL": migrations.AlterField("item", "views", models.IntegerField()),
}


@pytest.mark.vendors("postgresql")
@pytest.mark.parametrize("operation", PRINTED.values(), ids=PRINTED.keys())
async def test_the_statements_that_the_report_prints_do_the_same(database, make_loader, operation):
    """What stands behind each arrow of ``migrate --lint`` is typed in, in place of the statement that it is about."""
    loader = make_loader(base(), ("blog.0002", [operation], ["blog.0001"]))
    await Executor(database, loader).migrate()
    wanted = await schema(database)
    await Executor(database, loader).migrate([("blog", "0001")])
    (item,) = (await examine_all(database, loader, [("blog", "0002")]))["blog", "0002"]
    assert any(effect.code for effect in item.effects)

    for effect in item.effects:
        printed = [
            found[0] for step in effect.safe for found in re.finditer(r"(?<=RunSQL\()(['\"]).*?(?<!\\)\1(?=\))", step)
        ]
        # The last step of NOT NULL is the operation itself: the check that stands there saves the reading of the rows.
        own = [effect.sql] if effect.code in {"", "set-not-null"} else []
        statements = [ast.literal_eval(text) for text in printed]
        for sql in [*statements[:2], *own, *statements[2:]] if effect.code == "set-not-null" else [*statements, *own]:
            await database.execute(sql)

    assert await schema(database) == wanted
