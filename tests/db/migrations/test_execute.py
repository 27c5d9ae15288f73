"""Migrations on real databases: forwards, backwards, with their data, and what is left when one fails."""

from __future__ import annotations

import datetime as dt
import sqlite3
import uuid
import warnings
from contextlib import closing, nullcontext
from decimal import Decimal

import pytest

from covet import run_sync
from covet.db import migrations, models
from covet.db.errors import DatabaseError, IntegrityError
from covet.db.migrations.errors import InconsistentHistory, InvalidPlan, Irreversible, MigrationFailed, TablesDoNotFit
from covet.db.migrations.execute import Executor, migration_sql
from covet.db.migrations.left_calls import refuse_left_calls
from covet.db.migrations.recorder import Recorder


def fk(to, **options):
    return models.ForeignKey(to, on_delete=models.CASCADE, **options)


def key():
    return ("id", models.BigAutoField(primary_key=True))


def create_author():
    return migrations.CreateModel("Author", [key(), ("name", models.CharField(max_length=50))])


def create_item(**options):
    return migrations.CreateModel(
        "Item",
        [
            key(),
            ("title", models.CharField(max_length=50, unique=True)),
            ("views", models.PositiveIntegerField(default=0)),
            ("author", fk("blog.author", related_name="items")),
        ],
        options,
    )


async def tables(database):
    return sorted(name for name in await database.introspection.tables() if not name.startswith("covet_migration"))


async def columns(database, table):
    return {column.name for column in await database.introspection.columns(table)}


async def fill(apps, schema_editor):
    """Write two items."""
    author = await apps.get_model("blog", "Author").objects.using(schema_editor.alias).create(name="Ann")
    item = apps.get_model("blog", "Item")
    await item.objects.using(schema_editor.alias).create(title="one", views=1, author=author)
    await item.objects.using(schema_editor.alias).create(title="two", views=2, author=author)


async def values(database, loader, app_label, model, *names):
    """Rows of a historical model as tuples, in the order of the key."""
    cls = loader.state().apps.get_model(app_label, model)
    return [tuple(row) for row in await cls.objects.using(database.alias).order_by("pk").values_list(*names)]


async def test_a_history_runs_forwards_and_back_to_nothing(database, make_loader):
    loader = make_loader(
        ("blog.0001", [create_author(), create_item()]),
        (
            "blog.0002",
            [
                migrations.AddField("item", "body", models.TextField(default="")),
                migrations.AddField("item", "tags", models.ManyToManyField("blog.author", related_name="tagged")),
                migrations.AddIndex("item", models.Index(fields=["views"], name="by_views")),
                migrations.AddConstraint(
                    "item", models.CheckConstraint(condition=models.Q(views__lt=1000), name="few_views")
                ),
                migrations.AlterUniqueTogether("item", {("views", "author")}),
            ],
            ["blog.0001"],
        ),
    )
    executor = Executor(database, loader)

    steps = await executor.migrate()

    assert [str(step.migration) for step in steps] == ["blog.0001", "blog.0002"]
    assert await tables(database) == ["blog_author", "blog_item", "blog_item_tags"]
    assert await executor.applied() == {("blog", "0001"), ("blog", "0002")}
    assert await executor.migrate() == []

    back = await executor.migrate([("blog", None)])

    assert [str(step.migration) for step in back] == ["blog.0002", "blog.0001"]
    assert await tables(database) == []
    assert await executor.applied() == set()


async def test_going_back_to_one_undoes_what_follows_it(database, make_loader):
    loader = make_loader(
        ("blog.0001", [create_author()]),
        ("blog.0002", [migrations.AddField("author", "age", models.IntegerField(null=True))], ["blog.0001"]),
        ("shop.0001", [migrations.CreateModel("Order", [key(), ("buyer", fk("blog.author"))])], ["blog.0002"]),
    )
    executor = Executor(database, loader)
    await executor.migrate()

    await executor.migrate([("blog", "0001")])

    assert await tables(database) == ["blog_author"]
    assert await columns(database, "blog_author") == {"id", "name"}
    assert await executor.applied() == {("blog", "0001")}


async def test_functions_see_the_models_of_their_time(database, make_loader):
    seen = []

    def count(apps, schema_editor):
        model = apps.get_model("blog", "Item")

        async def body():
            seen.append((await model.objects.using(schema_editor.alias).count(), hasattr(model, "body")))

        run_sync(body())

    loader = make_loader(
        ("blog.0001", [create_author(), create_item()]),
        ("blog.0002", [migrations.RunPython(fill), migrations.RunPython(count)], ["blog.0001"]),
        ("blog.0003", [migrations.AddField("item", "body", models.TextField(default="empty"))], ["blog.0002"]),
    )

    await Executor(database, loader).migrate()

    assert seen == [(2, False)]
    assert await values(database, loader, "blog", "item", "title", "body") == [("one", "empty"), ("two", "empty")]


async def test_a_table_can_be_changed_after_its_rows_in_one_migration(database, make_loader):
    loader = make_loader(
        (
            "blog.0001",
            [
                create_author(),
                create_item(),
                migrations.RunPython(fill),
                migrations.AddField("item", "n", models.IntegerField(default=7)),
                migrations.AlterField("item", "views", models.BigIntegerField(default=0)),
            ],
        ),
    )

    await Executor(database, loader).migrate()

    assert await values(database, loader, "blog", "item", "views", "n") == [(1, 7), (2, 7)]


async def test_renames_keep_rows_relations_and_keys(database, make_loader):
    loader = make_loader(
        (
            "blog.0001",
            [
                create_author(),
                create_item(),
                migrations.AddField("item", "readers", models.ManyToManyField("blog.author", related_name="read")),
                migrations.AddField("item", "parent", fk("blog.item", null=True)),
            ],
        ),
        ("blog.0002", [migrations.RunPython(fill, migrations.RunPython.noop)], ["blog.0001"]),
        (
            "blog.0003",
            [
                migrations.RenameModel("Item", "Post"),
                migrations.RenameModel("Author", "Writer"),
                migrations.RenameField("post", "title", "headline"),
                migrations.RenameField("post", "author", "writer"),
                migrations.RenameField("post", "readers", "fans"),
            ],
            ["blog.0002"],
        ),
    )
    executor = Executor(database, loader)

    await executor.migrate([("blog", "0002")])
    state = loader.state([("blog", "0002")])
    item = await state.apps.get_model("blog", "Item").objects.using(database.alias).get(title="one")
    await item.readers.add(await item.author)
    await executor.migrate()

    assert await tables(database) == ["blog_post", "blog_post_fans", "blog_writer"]
    assert await columns(database, "blog_post") == {"id", "headline", "views", "writer_id", "parent_id"}
    assert await columns(database, "blog_post_fans") == {"id", "post_id", "writer_id"}
    assert await values(database, loader, "blog", "post", "headline", "writer__name", "fans__name") == [
        ("one", "Ann", "Ann"),
        ("two", "Ann", None),
    ]

    await executor.migrate([("blog", "0002")])

    rows = (
        await state.apps.get_model("blog", "Item")
        .objects.using(database.alias)
        .order_by("pk")
        .values_list("title", "readers__name")
    )
    assert [tuple(row) for row in rows] == [("one", "Ann"), ("two", None)]


async def test_a_rename_of_case_only_keeps_the_table(database, make_loader):
    loader = make_loader(
        ("blog.0001", [migrations.CreateModel("item", [key()])]),
        ("blog.0002", [migrations.RenameModel("item", "Item")], ["blog.0001"]),
    )

    await Executor(database, loader).migrate()

    assert await tables(database) == ["blog_item"]


async def test_a_wider_key_widens_the_columns_that_refer_to_it(database, make_loader):
    small = ("id", models.AutoField(primary_key=True))
    loader = make_loader(
        (
            "blog.0001",
            [
                migrations.CreateModel("Author", [small, ("name", models.CharField(max_length=50))]),
                migrations.CreateModel(
                    "Item",
                    [
                        key(),
                        ("title", models.CharField(max_length=9)),
                        ("views", models.IntegerField()),
                        ("author", fk("blog.author")),
                        ("fans", models.ManyToManyField("blog.author", related_name="+")),
                    ],
                ),
                migrations.RunPython(fill, migrations.RunPython.noop),
            ],
        ),
        ("blog.0002", [migrations.AlterField("author", "id", models.BigAutoField(primary_key=True))], ["blog.0001"]),
    )
    executor = Executor(database, loader)

    await executor.migrate()

    assert await values(database, loader, "blog", "item", "title", "author__name") == [("one", "Ann"), ("two", "Ann")]
    apps = loader.state().apps
    author = apps.get_model("blog", "Author")
    big = await author.objects.using(database.alias).create(id=2**40, name="Big")
    item = apps.get_model("blog", "Item")
    await item.objects.using(database.alias).create(title="big", views=0, author=big)
    assert (await author.objects.using(database.alias).create(name="next")).pk is not None
    with pytest.raises(IntegrityError):
        await item.objects.using(database.alias).create(title="lost", views=0, author_id=12345)


async def test_null_rows_get_the_one_off_default(database, make_loader):
    async def add(apps, schema_editor):
        await apps.get_model("blog", "Thing").objects.using(schema_editor.alias).create(n=None)

    loader = make_loader(
        (
            "blog.0001",
            [
                migrations.CreateModel("Thing", [key(), ("n", models.IntegerField(null=True))]),
                migrations.RunPython(add),
            ],
        ),
        (
            "blog.0002",
            [migrations.AlterField("thing", "n", models.IntegerField(default=5), preserve_default=False)],
            ["blog.0001"],
        ),
    )

    await Executor(database, loader).migrate()

    assert await values(database, loader, "blog", "thing", "n") == [(5,)]


async def test_a_failing_migration_names_the_operation_and_leaves_what_it_can(database, make_loader):
    def fail(apps, schema_editor):
        raise ValueError("no good")

    loader = make_loader(
        ("blog.0001", [create_author()]),
        ("blog.0002", [create_item(), migrations.RunPython(fail)], ["blog.0001"]),
    )
    executor = Executor(database, loader)

    with pytest.raises(
        MigrationFailed, match=r"blog\.0002 failed at 'Run Python function fail': ValueError: no good"
    ) as caught:
        await executor.migrate()

    assert await executor.applied() == {("blog", "0001")}
    if database.features.rolls_back_ddl:
        assert "Nothing of it was kept" in str(caught.value)
        assert await tables(database) == ["blog_author"]
    else:
        assert "this stays done: Create model Item" in str(caught.value)


def _forgets(apps, schema_editor):
    apps.get_model("blog", "Author").objects.create(name="Ann")


async def _forgets_one(apps, schema_editor):
    authors = apps.get_model("blog", "Author").objects
    authors.filter(name="Ann").update(name="Bob")
    await authors.count()


async def _uses_what_it_did_not_await(apps, schema_editor):
    apps.get_model("blog", "Author").objects.get(name="Ann").delete()


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (_forgets, r"_forgets\(\) did not await Author.objects.create\(\) \(test_execute.py, line \d+\)"),
        (_forgets_one, r"_forgets_one\(\) did not await \w+\.update\(\)"),
        (
            _uses_what_it_did_not_await,
            r"did not await Author.objects.get\(\).*AttributeError: 'coroutine' object has no",
        ),
    ],
)
async def test_calls_without_await_fail_the_migration(database, make_loader, function, told):
    """They have done nothing; recorded as applied, the migration would never be run again."""
    loader = make_loader(
        ("blog.0001", [create_author()]),
        ("blog.0002", [migrations.RunPython(function)], ["blog.0001"]),
    )
    executor = Executor(database, loader)

    with pytest.raises(MigrationFailed, match=told):
        await executor.migrate()

    assert await executor.applied() == {("blog", "0001")}


def test_warnings_are_shown_as_before_after_a_function(monkeypatch):
    """Where filters belong to a context, ``catch_warnings`` puts nothing else back."""
    with warnings.catch_warnings():
        shown = warnings.showwarning
        monkeypatch.setattr(warnings, "catch_warnings", nullcontext)
        with refuse_left_calls("fill"):
            assert warnings.showwarning is not shown
        assert warnings.showwarning is shown


async def test_warnings_of_a_function_stay_warnings(database, make_loader):
    def warn(apps, schema_editor):
        warnings.warn("old", RuntimeWarning, stacklevel=1)

    loader = make_loader(("blog.0001", [create_author(), migrations.RunPython(warn)]))

    with pytest.warns(RuntimeWarning, match="old"):
        await Executor(database, loader).migrate()


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        (
            migrations.AlterField("author", "name", models.CharField(max_length=50, unique=True)),
            "Rows of '(blog_)?author' (have equal values of 'name'|are equal by this rule): change them first",
        ),
        (
            migrations.AddConstraint("author", models.CheckConstraint(condition=models.Q(name="Bob"), name="is_bob")),
            "Rows of '(blog_)?author' do not meet 'is_bob': change them first",
        ),
        (
            migrations.AlterField("author", "nick", models.CharField(max_length=50)),
            "Rows of '(blog_)?author' have no value of 'nick': change them first|Data truncated",
        ),
    ],
)
async def test_rows_that_do_not_fit_are_told_with_their_table(database, make_loader, operation, told):
    nick = migrations.AddField("author", "nick", models.CharField(max_length=50, null=True))

    async def two(apps, schema_editor):
        for _ in range(2):
            await apps.get_model("blog", "Author").objects.create(name="Ann")

    loader = make_loader(
        ("blog.0001", [create_author(), nick]),
        ("blog.0002", [migrations.RunPython(two)], ["blog.0001"]),
        ("blog.0003", [operation], ["blog.0002"]),
    )

    with pytest.raises(MigrationFailed, match=told) as caught:
        await Executor(database, loader).migrate()

    assert "covet_new_" not in str(caught.value)


async def test_texts_that_are_no_numbers_are_in_the_way_of_a_number(database, make_loader):
    """On every database, so that none is left in a column of numbers; those that are numbers are converted."""

    def named(*names):
        async def fill(apps, schema_editor):
            for name in names:
                await apps.get_model("blog", "Author").objects.create(name=name)

        return migrations.RunPython(fill, migrations.RunPython.noop)

    def history(*names):
        return make_loader(
            ("blog.0001", [create_author(), named(*names)]),
            ("blog.0002", [migrations.AlterField("author", "name", models.IntegerField())], ["blog.0001"]),
        )

    with pytest.raises(MigrationFailed, match=r"blog\.0002 failed at 'Alter field name on author'"):
        await Executor(database, history("12", "twelve")).migrate()

    loader = history("12", "-3")
    await Executor(database, loader).migrate([("blog", None)])
    await Executor(database, loader).migrate()
    assert await values(database, loader, "blog", "author", "name") == [(12,), (-3,)]


DIGITS = "e052a64a990c47ef803c051fd51c4d18"


@pytest.mark.parametrize(
    ("field", "good", "bad", "found"),
    [
        (models.DateField(), "2024-02-29", "2023-02-29", dt.date(2024, 2, 29)),
        (models.DateField(), "2024-02-29", "some day", dt.date(2024, 2, 29)),
        (
            models.DateTimeField(),
            "2024-02-29 12:30:01.5",
            "2024-02-29 25:00:00",
            dt.datetime(2024, 2, 29, 12, 30, 1, 500000, dt.UTC),
        ),
        (models.TimeField(), "12:30", "12:61", dt.time(12, 30)),
        (models.UUIDField(), DIGITS.upper(), "no uuid", uuid.UUID(DIGITS)),
        (models.UUIDField(), str(uuid.UUID(DIGITS)), "1", uuid.UUID(DIGITS)),
        (models.DecimalField(max_digits=6, decimal_places=2), "12.5", "12,5", Decimal("12.50")),
        (models.IntegerField(), "12", "much", 12),
        (models.JSONField(), '{"a": [1]}', "{a}", {"a": [1]}),
    ],
    ids=lambda value: value.get_internal_type() if isinstance(value, models.Field) else None,
)
async def test_texts_that_spell_no_such_value_are_in_the_way_of_another_type(
    database, make_loader, field, good, bad, found
):
    """On every database, and before anything changes; those that do are found afterwards by what they spell."""

    def history(*names):
        async def fill(apps, schema_editor):
            for name in names:
                await apps.get_model("blog", "Author").objects.create(name=name)

        return make_loader(
            ("blog.0001", [create_author(), migrations.RunPython(fill, migrations.RunPython.noop)]),
            ("blog.0002", [migrations.AlterField("author", "name", field)], ["blog.0001"]),
        )

    with pytest.raises(MigrationFailed, match=r"blog\.0002 failed at 'Alter field name on author'") as caught:
        await Executor(database, history(good, bad)).migrate()
    if database.vendor == "sqlite":
        assert "1 rows of 'blog_author' hold texts in 'name' that are no " in str(caught.value)
    kept = [row[0] for row in await database.fetch("SELECT name FROM blog_author ORDER BY id")]
    assert kept == [good, bad]

    loader = history(good)
    await Executor(database, loader).migrate([("blog", None)])
    await Executor(database, loader).migrate()
    assert await values(database, loader, "blog", "author", "name") == [(found,)]
    author = loader.state().apps.get_model("blog", "author")
    assert await author.objects.using(database.alias).filter(name=found).count() == 1


@pytest.mark.vendors("sqlite")
@pytest.mark.parametrize(
    ("field", "bad", "told"),
    [
        (models.IntegerField(), "1.5", "no whole numbers"),
        (models.FloatField(), "x", "no numbers"),
        (models.DurationField(), "1 day", "no durations"),
        (models.JSONField(), "{", "no JSON documents"),
        (models.DateTimeField(), "yesterday", "no dates with a time"),
    ],
    ids=lambda value: value.get_internal_type() if isinstance(value, models.Field) else None,
)
async def test_sqlite_says_what_texts_are_not(database, make_loader, field, bad, told):
    async def fill(apps, schema_editor):
        await apps.get_model("blog", "Author").objects.create(name=bad)

    loader = make_loader(
        ("blog.0001", [create_author(), migrations.RunPython(fill)]),
        ("blog.0002", [migrations.AlterField("author", "name", field)], ["blog.0001"]),
    )
    with pytest.raises(MigrationFailed, match=f"1 rows of 'blog_author' hold texts in 'name' that are {told}"):
        await Executor(database, loader).migrate()


@pytest.mark.vendors("sqlite")
async def test_moments_with_a_zone_become_those_of_utc_when_texts_become_moments(database, make_loader):
    async def fill(apps, schema_editor):
        for name in ("2024-01-01T12:00:00+02:00", "2024-01-01", ""):
            await apps.get_model("blog", "Author").objects.create(name=name)

    async def empty(apps, schema_editor):
        await apps.get_model("blog", "Author").objects.filter(name="").update(name=None)

    loader = make_loader(
        ("blog.0001", [create_author(), migrations.RunPython(fill)]),
        (
            "blog.0002",
            [migrations.AlterField("author", "name", models.CharField(max_length=50, null=True))],
            ["blog.0001"],
        ),
        ("blog.0003", [migrations.RunPython(empty)], ["blog.0002"]),
        ("blog.0004", [migrations.AlterField("author", "name", models.DateTimeField(null=True))], ["blog.0003"]),
    )
    await Executor(database, loader).migrate()
    assert [row[0] for row in await database.fetch("SELECT name FROM blog_author ORDER BY id")] == [
        "2024-01-01 10:00:00.000000",
        "2024-01-01 00:00:00.000000",
        None,
    ]


async def test_a_new_column_without_null_and_default_says_what_it_needs(database, make_loader):
    async def one(apps, schema_editor):
        await apps.get_model("blog", "Author").objects.create(name="Ann")

    loader = make_loader(
        ("blog.0001", [create_author(), migrations.RunPython(one)]),
        ("blog.0002", [migrations.AddField("author", "age", models.IntegerField())], ["blog.0001"]),
    )
    executor = Executor(database, loader)

    if database.vendor == "mysql":  # it fills numbers with 0
        await executor.migrate()
        assert await values(database, loader, "blog", "author", "age") == [(0,)]
        return
    with pytest.raises(
        MigrationFailed, match="Rows of 'blog_author' have no value of the new field 'age': give it a default"
    ):
        await executor.migrate()


async def test_an_irreversible_migration_changes_nothing(database, make_loader):
    loader = make_loader(
        ("blog.0001", [create_author()]),
        ("blog.0002", [create_item(), migrations.RunPython(fill)], ["blog.0001"]),
    )
    executor = Executor(database, loader)
    await executor.migrate()

    with pytest.raises(Irreversible, match=r"blog\.0002 cannot be undone.*reverse_code"):
        await executor.migrate([("blog", "0001")])

    assert await executor.applied() == {("blog", "0001"), ("blog", "0002")}


async def test_faked_migrations_are_only_recorded(database, make_loader):
    loader = make_loader(("blog.0001", [create_author()]))
    executor = Executor(database, loader)

    await executor.migrate(fake=True)

    assert await tables(database) == []
    assert await executor.applied() == {("blog", "0001")}
    await executor.migrate([("blog", None)], fake=True)
    assert await executor.applied() == set()


async def test_a_first_migration_is_faked_when_its_tables_are_there(database, make_loader):
    await Executor(database, make_loader(("blog.0001", [create_author()]))).migrate()
    await database.execute("DELETE FROM covet_migrations")
    loader = make_loader(("blog.0001", [create_author()]), ("shop.0001", [migrations.CreateModel("Order", [key()])]))

    await Executor(database, loader).migrate(fake_initial=True)

    assert await tables(database) == ["blog_author", "shop_order"]


@pytest.mark.parametrize("missing", ["column", "table"])
async def test_tables_that_fit_in_part_are_not_faked(database, make_loader, missing):
    """What is missing is named, and nothing is recorded, as if to be found by the first query."""
    made = [migrations.CreateModel("Author", [key()])]
    if missing == "table":
        made = [create_author()]
    await Executor(database, make_loader(("blog.0001", made))).migrate()
    await database.execute("DELETE FROM covet_migrations")
    tag = migrations.CreateModel("Tag", [key(), ("authors", models.ManyToManyField("blog.Author"))])
    operations = [create_author()] if missing == "column" else [create_author(), tag]
    executor = Executor(database, make_loader(("blog.0001", operations)))

    with pytest.raises(TablesDoNotFit) as caught:
        await executor.migrate(fake_initial=True)

    text = (
        "but not blog_author.name."
        if missing == "column"
        else "but not the table blog_tag, the table blog_tag_authors."
    )
    assert text in str(caught.value) and "cannot record blog.0001" in str(caught.value)
    assert await executor.recorder.applied() == {}
    assert await tables(database) == ["blog_author"]


async def test_models_of_other_databases_are_not_looked_for(database, make_loader):
    from covet.conf import override

    class Routes:
        def allow_migrate(self, alias, app_label, model_name=None, **hints):
            return model_name != "tag"

    operations = [create_author(), migrations.CreateModel("Tag", [key()])]
    with override(DATABASE_ROUTERS=[Routes()]):
        await Executor(database, make_loader(("blog.0001", operations))).migrate()
        await database.execute("DELETE FROM covet_migrations")
        executor = Executor(database, make_loader(("blog.0001", operations)))
        await executor.migrate(fake_initial=True)

    assert list(await executor.recorder.applied()) == [("blog", "0001")]
    assert await tables(database) == ["blog_author"]


async def test_sql_runs_forwards_and_back(database, make_loader):
    quote = database.dialect.quote
    insert = f"INSERT INTO {quote('blog_author')} (name) VALUES (%s)"
    loader = make_loader(
        ("blog.0001", [create_author()]),
        (
            "blog.0002",
            [
                migrations.RunSQL(
                    [(insert, ["100%; done"]), f"INSERT INTO {quote('blog_author')} (name) VALUES ('a;b'); SELECT 1"],
                    f"DELETE FROM {quote('blog_author')}",
                )
            ],
            ["blog.0001"],
        ),
    )
    executor = Executor(database, loader)

    await executor.migrate()
    assert await values(database, loader, "blog", "author", "name") == [("100%; done",), ("a;b",)]
    await executor.migrate([("blog", "0001")])
    assert await values(database, loader, "blog", "author", "name") == []


async def test_state_and_database_can_be_changed_apart(database, make_loader):
    """The way from a plain many-to-many field to one with a through model, which keeps the rows."""
    through = migrations.CreateModel(
        "Membership",
        [key(), ("club", fk("blog.club")), ("author", fk("blog.author"))],
        {"db_table": "blog_club_members"},
    )
    loader = make_loader(
        (
            "blog.0001",
            [
                create_author(),
                migrations.CreateModel("Club", [key(), ("members", models.ManyToManyField("blog.author"))]),
            ],
        ),
        (
            "blog.0002",
            [
                migrations.SeparateDatabaseAndState(
                    state_operations=[
                        migrations.RemoveField("club", "members"),
                        through,
                        migrations.AddField(
                            "club", "members", models.ManyToManyField("blog.author", through="blog.membership")
                        ),
                    ]
                ),
                migrations.AddField("membership", "since", models.IntegerField(default=1)),
            ],
            ["blog.0001"],
        ),
    )
    executor = Executor(database, loader)

    await executor.migrate()

    assert await columns(database, "blog_club_members") == {"id", "club_id", "author_id", "since"}
    await executor.migrate([("blog", "0001")])
    assert await columns(database, "blog_club_members") == {"id", "club_id", "author_id"}


async def test_children_have_their_own_tables(database, make_loader):
    link = models.OneToOneField(
        "blog.author", on_delete=models.CASCADE, parent_link=True, primary_key=True, auto_created=True
    )
    loader = make_loader(
        (
            "blog.0001",
            [
                create_author(),
                migrations.CreateModel(
                    "Poet", [("author_ptr", link), ("style", models.CharField(max_length=5))], bases=("blog.author",)
                ),
            ],
        ),
        ("blog.0002", [migrations.AddField("author", "age", models.IntegerField(default=1))], ["blog.0001"]),
        ("blog.0003", [migrations.DeleteModel("Poet")], ["blog.0002"]),
    )
    executor = Executor(database, loader)

    await executor.migrate([("blog", "0002")])
    poet = loader.state([("blog", "0002")]).apps.get_model("blog", "Poet")
    await poet.objects.using(database.alias).create(name="Bea", age=3, style="free")
    assert [row.name for row in await poet.objects.using(database.alias)] == ["Bea"]
    await executor.migrate()
    assert await tables(database) == ["blog_author"]
    await executor.migrate([("blog", "0002")])
    assert await tables(database) == ["blog_author", "blog_poet"]


async def test_an_index_is_renamed_and_named_back(database, make_loader):
    async def names():
        return {index.name for index in await database.introspection.indexes("blog_author")}

    loader = make_loader(
        ("blog.0001", [create_author(), migrations.AddIndex("author", models.Index(fields=["name"], name="old_idx"))]),
        ("blog.0002", [migrations.RenameIndex("author", "new_idx", old_name="old_idx")], ["blog.0001"]),
    )
    executor = Executor(database, loader)

    await executor.migrate()
    assert "new_idx" in await names() and "old_idx" not in await names()
    await executor.migrate([("blog", "0001")])
    assert "old_idx" in await names() and "new_idx" not in await names()


async def test_a_history_that_does_not_fit_is_refused(database, make_loader):
    loader = make_loader(("blog.0001", [create_author()]), ("blog.0002", [create_item()], ["blog.0001"]))
    executor = Executor(database, loader)
    await executor.recorder.ensure_table()
    await executor.recorder.record(("blog", "0002"))

    with pytest.raises(InconsistentHistory, match=r"blog\.0002 is applied, but blog\.0001"):
        await executor.migrate()


async def test_a_plan_that_goes_both_ways_is_refused(database, make_loader):
    loader = make_loader(
        ("a.0001", [migrations.CreateModel("X", [key()])]), ("b.0001", [migrations.CreateModel("Y", [key()])])
    )
    executor = Executor(database, loader)
    await executor.migrate([("a", "0001")])

    with pytest.raises(InvalidPlan):
        executor.plan(await executor.applied(), [("a", None), ("b", "0001")])


async def test_a_squashed_migration_stands_for_those_it_replaces(database, make_loader):
    first = ("blog.0001", [create_author()])
    second = ("blog.0002", [migrations.AddField("author", "age", models.IntegerField(null=True))], ["blog.0001"])
    squashed = (
        "blog.0001_squashed",
        [
            migrations.CreateModel(
                "Author", [key(), ("name", models.CharField(max_length=50)), ("age", models.IntegerField(null=True))]
            )
        ],
        [],
        {"replaces": [("blog", "0001"), ("blog", "0002")]},
    )
    await Executor(database, make_loader(first, second)).migrate()

    executor = Executor(database, make_loader(first, second, squashed))
    steps = await executor.migrate()

    assert steps == []
    assert ("blog", "0001_squashed") in await executor.recorder.applied()


async def test_the_sql_of_a_migration_needs_no_tables_and_runs_nothing(database, make_loader):
    loader = make_loader(
        ("blog.0001", [create_author()]),
        ("blog.0002", [create_item(), migrations.RunPython(fill, migrations.RunPython.noop)], ["blog.0001"]),
    )

    forwards = "\n".join(await migration_sql(database, loader, ("blog", "0002")))
    backwards = "\n".join(await migration_sql(database, loader, ("blog", "0002"), backwards=True))

    assert "-- Create model Item" in forwards and "CREATE TABLE" in forwards
    assert "FOREIGN KEY" in forwards or "REFERENCES" in forwards
    assert "Python code" in forwards
    assert "DROP TABLE" in backwards
    assert await tables(database) == []


@pytest.mark.vendors("sqlite")  # the others change tables in place
@pytest.mark.parametrize("atomic", [True, False])
async def test_the_printed_sql_rebuilds_a_table_and_keeps_what_refers_to_it(database, make_loader, atomic):
    """On a connection on which foreign keys hold: dropping the table would delete the rows that cascade from it."""
    alter = migrations.AlterField("author", "name", models.CharField(max_length=50, null=True))
    loader = make_loader(("blog.0001", [create_author(), create_item()]), ("blog.0002", [alter], ["blog.0001"]))
    loader.migrations["blog", "0002"].atomic = atomic
    await Executor(database, loader).migrate([("blog", "0001")])
    await database.execute("INSERT INTO blog_author (name) VALUES ('a')")
    await database.execute("INSERT INTO blog_item (title, views, author_id) VALUES ('t', 1, 1)")

    for backwards in (False, True):
        lines = await migration_sql(database, loader, ("blog", "0002"), backwards=backwards)
        script = "\n".join(lines)
        assert "DROP TABLE" in script
        with closing(sqlite3.connect(database.config.name, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.executescript(script)
            assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
            assert connection.execute("SELECT count(*) FROM blog_item").fetchone() == (1,)


@pytest.mark.vendors("sqlite", "postgresql")  # DDL commits by itself here
async def test_the_row_of_a_migration_is_written_in_its_transaction(database, make_loader):
    """A row that cannot be written takes its migration back with it."""
    loader = make_loader(("blog.0001", [create_author()]))
    executor = Executor(database, loader)
    await executor.recorder.ensure_table()
    drop = migrations.RunSQL(f"DROP TABLE {database.dialect.quote('covet_migrations')}")
    loader.migrations["blog", "0001"].operations.append(drop)

    with pytest.raises(Exception, match="covet_migrations"):
        await executor.migrate()

    assert await tables(database) == []
    assert await executor.recorder.has_table()


async def test_rows_are_put_in_order_among_those_of_their_parent(database, make_loader):
    loader = make_loader(
        ("blog.0001", [create_author(), create_item(), migrations.RunPython(fill, migrations.RunPython.noop)]),
        ("blog.0002", [migrations.AlterOrderWithRespectTo("item", "author")], ["blog.0001"]),
    )
    executor = Executor(database, loader)

    await executor.migrate()
    assert await values(database, loader, "blog", "item", "title", "_order") == [("one", 0), ("two", 0)]
    await executor.migrate([("blog", "0001")])
    assert "_order" not in await columns(database, "blog_item")


async def test_routers_say_which_tables_belong_into_a_database(database, make_loader):
    from covet.conf import override

    class NoShop:
        def allow_migrate(self, alias, app_label, model_name=None, **hints):
            return app_label != "shop"

    ran = []

    async def note(apps, schema_editor):
        ran.append("shop")

    loader = make_loader(
        ("blog.0001", [create_author()]),
        ("shop.0001", [migrations.CreateModel("Order", [key()]), migrations.RunPython(note)]),
    )
    with override(DATABASE_ROUTERS=[NoShop()]):
        await Executor(database, loader).migrate()

    assert await tables(database) == ["blog_author"]
    assert ran == []


async def test_a_new_foreign_key_follows_a_table_that_is_renamed_in_the_same_migration(database, make_loader):
    loader = make_loader(
        ("blog.0001", [create_author()]),
        ("blog.0002", [create_item(), migrations.AlterModelTable("author", "people")], ["blog.0001"]),
    )
    executor = Executor(database, loader)

    await executor.migrate()

    (found,) = [c for c in await database.introspection.constraints("blog_item") if c.kind == "foreign_key"]
    assert found.to_table == "people"
    await executor.migrate([("blog", "0001")])
    assert await tables(database) == ["blog_author"]


async def test_three_levels_of_inheritance_are_renamed_and_deleted_and_come_back(database, make_loader):
    def child(name, parent):
        link = models.OneToOneField(
            f"blog.{parent}", on_delete=models.CASCADE, parent_link=True, primary_key=True, auto_created=True
        )
        fields = [(f"{parent}_ptr", link), (f"of_{name.lower()}", models.CharField(max_length=9, default="x"))]
        return migrations.CreateModel(name, fields, bases=(f"blog.{parent}",))

    async def write(apps, schema_editor):
        await apps.get_model("blog", "Sonnet").objects.using(schema_editor.alias).create(name="Ann", of_sonnet="s")

    loader = make_loader(
        ("blog.0001", [create_author(), child("Poet", "author"), child("Sonnet", "poet")]),
        ("blog.0002", [migrations.RunPython(write, migrations.RunPython.noop)], ["blog.0001"]),
        (
            "blog.0003",
            [migrations.RenameModel("Author", "Person"), migrations.RenameModel("Poet", "Bard")],
            ["blog.0002"],
        ),
        (
            "blog.0004",
            [
                migrations.AlterField("person", "id", models.AutoField(primary_key=True)),
                migrations.DeleteModel("Sonnet"),
            ],
            ["blog.0003"],
        ),
    )
    executor = Executor(database, loader)

    await executor.migrate([("blog", "0003")])
    sonnet = loader.state([("blog", "0003")]).apps.get_model("blog", "Sonnet")
    rows = await sonnet.objects.using(database.alias).values_list("name", "of_poet", "of_sonnet")
    assert [tuple(row) for row in rows] == [("Ann", "x", "s")]
    await executor.migrate()
    assert await tables(database) == ["blog_bard", "blog_person"]
    await executor.migrate([("blog", "0002")])
    assert await tables(database) == ["blog_author", "blog_poet", "blog_sonnet"]
    poet = loader.state([("blog", "0002")]).apps.get_model("blog", "Poet")
    assert [row.name for row in await poet.objects.using(database.alias)] == ["Ann"]


async def test_truth_becomes_a_number_and_comes_back(database, make_loader):
    create = migrations.CreateModel(
        "Lamp", [("id", models.BigAutoField(primary_key=True)), ("on", models.BooleanField(default=True))]
    )
    steps = [models.BigIntegerField(default=1), models.DecimalField(max_digits=5, decimal_places=2, default=1)]
    steps.append(models.BooleanField(default=True))
    loader = make_loader(
        ("home.0001", [create]),
        *(
            (f"home.000{number}", [migrations.AlterField("lamp", "on", field)], [f"home.000{number - 1}"])
            for number, field in enumerate(steps, 2)
        ),
    )
    executor = Executor(database, loader)
    await executor.migrate([("home", "0001")])
    Lamp = loader.state([("home", "0001")]).apps.get_model("home", "Lamp")
    await Lamp.objects.bulk_create([Lamp(on=True), Lamp(on=False)])
    await executor.migrate()
    assert [lamp.on for lamp in await Lamp.objects.order_by("pk")] == [True, False]
    await executor.migrate([("home", "0001")])
    assert [lamp.on for lamp in await Lamp.objects.order_by("pk")] == [True, False]


async def test_index_together_of_older_files_becomes_an_index(database, make_loader, make_model, compare):
    fields = [("id", models.BigAutoField(primary_key=True)), ("a", models.IntegerField()), ("b", models.IntegerField())]
    loader = make_loader(
        ("blog.0001", [migrations.CreateModel("Item", fields, {"index_together": [("a", "b")]})]),
        ("blog.0002", [migrations.AlterIndexTogether("item", {("b", "a")})], ["blog.0001"]),
        ("blog.0003", [migrations.RenameIndex("item", new_name="b_then_a", old_fields=("b", "a"))], ["blog.0002"]),
        ("blog.0004", [migrations.AlterIndexTogether("item", None)], ["blog.0003"]),
    )

    async def indexed():
        found = await database.introspection.indexes("blog_item")
        return {index.name: index.columns for index in found if not index.primary_key}

    executor = Executor(database, loader)
    await executor.migrate([("blog", "0001")])
    ((first, columns),) = (await indexed()).items()
    assert first.startswith("blog_item_a_") and columns == ("a", "b")
    await executor.migrate([("blog", "0002")])
    assert list((await indexed()).values()) == [("b", "a")]
    await executor.migrate()
    assert await indexed() == {"b_then_a": ("b", "a")}

    meta = {"indexes": [models.Index(fields=["b", "a"], name="b_then_a")]}
    item = make_model("blog.Item", dict(fields), **meta)
    state = loader.state()
    assert not compare(state, type(state)({item.key: item}))
    await executor.migrate([("blog", "0001")])
    assert await indexed() == {first: ("a", "b")}
    assert loader.migrations["blog", "0002"].operations[0].describe() == "Alter index_together for item (1 index)"


async def test_a_positive_number_stays_positive_when_its_field_is_altered(database, make_loader):
    create = migrations.CreateModel(
        "Stock", [("id", models.BigAutoField(primary_key=True)), ("amount", models.PositiveIntegerField())]
    )
    fields = [
        models.PositiveIntegerField(default=3),
        models.PositiveIntegerField(null=True),
        models.PositiveBigIntegerField(),
    ]
    loader = make_loader(
        ("shop.0001", [create]),
        *(
            (f"shop.000{number}", [migrations.AlterField("stock", "amount", field)], [f"shop.000{number - 1}"])
            for number, field in enumerate(fields, 2)
        ),
    )
    for number in (1, 2, 3, 4, 3, 2, 1):
        await Executor(database, loader).migrate([("shop", f"000{number}")])
        Stock = loader.state([("shop", f"000{number}")]).apps.get_model("shop", "Stock")
        assert (await Stock.objects.create(amount=1)).amount == 1
        with pytest.raises(DatabaseError):
            await database.execute("INSERT INTO shop_stock (amount) VALUES (-1)")


async def test_percent_signs_in_defaults_survive_every_rebuild(database, make_loader):
    fields = [
        ("id", models.BigAutoField(primary_key=True)),
        ("rate", models.CharField(max_length=20, db_default="5%s %% %")),
    ]
    loader = make_loader(
        ("shop.0001", [migrations.CreateModel("Price", fields)]),
        (
            "shop.0002",
            [
                migrations.AlterField("price", "rate", models.CharField(max_length=40, db_default="5%s %% %")),
                migrations.AddField("price", "unit", models.CharField(max_length=9, default="%d'%s")),
            ],
            ["shop.0001"],
        ),
    )
    await Executor(database, loader).migrate([("shop", "0001")])
    await loader.state([("shop", "0001")]).apps.get_model("shop", "Price").objects.create()
    await Executor(database, loader).migrate()
    Price = loader.state().apps.get_model("shop", "Price")
    await Price.objects.create()
    assert [(row.rate, row.unit) for row in await Price.objects.order_by("pk")] == [("5%s %% %", "%d'%s")] * 2


@pytest.mark.vendors("postgresql", "sqlite")  # tables have no transactions on MariaDB; there the journal knows
async def test_the_row_is_deleted_in_the_transaction_of_the_way_back(database, make_loader):
    """A row that cannot be deleted takes the whole way back with it."""
    drop = migrations.RunSQL(migrations.RunSQL.noop, f"DROP TABLE {database.dialect.quote('covet_migrations')}")
    loader = make_loader(("blog.0001", [drop, create_author()]))
    executor = Executor(database, loader)
    await executor.migrate()

    with pytest.raises(DatabaseError, match="covet_migrations"):
        await executor.migrate([("blog", None)])

    assert await tables(database) == ["blog_author"]
    assert list(await Recorder(database).applied()) == [("blog", "0001")]


async def test_numbers_of_deleted_rows_are_not_given_again_after_a_rebuild(database, make_loader):
    loader = make_loader(
        ("blog.0001", [create_author()]),
        ("blog.0002", [migrations.AlterField("author", "name", models.CharField(max_length=70))], ["blog.0001"]),
        ("blog.0003", [migrations.AlterField("author", "name", models.TextField())], ["blog.0002"]),
    )
    executor = Executor(database, loader)
    await executor.migrate([("blog", "0001")])
    author = loader.state([("blog", "0001")]).apps.get_model("blog", "Author").objects.using(database.alias)
    made = [(await author.create(name=name)).pk for name in "abc"]
    await author.filter(pk=made[-1]).delete()

    await executor.migrate()

    after = loader.state().apps.get_model("blog", "Author").objects.using(database.alias)
    assert (await after.create(name="d")).pk > made[-1]
