"""Models for tables that are there: made again from them, the tables are the same."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from covet.apps import apps
from covet.conf.service_url import parse_database
from covet.db import connections, models
from covet.db.database import Database
from covet.db.migrations.inspect import models_source, read_tables
from covet.db.migrations.state import ProjectState
from covet.db.models.functions import Now
from covet.db.models.table import table_of
from tests.db.migrations.test_processes import EVERYTHING, Project
from tests.db.migrations.test_property import wipe


def everything():
    """Models with all kinds of fields and rules, in the registry of the moment."""

    class Author(models.Model):
        name = models.CharField(max_length=20, unique=True)
        code = models.SmallIntegerField(unique=True)

        class Meta:
            app_label = "shelf"

    class Item(models.Model):
        count = models.PositiveIntegerField(default=0)
        small = models.PositiveSmallIntegerField()
        big = models.BigIntegerField(null=True)
        price = models.DecimalField(max_digits=8, decimal_places=2, db_default=1)
        data = models.JSONField()
        token = models.UUIDField()
        made = models.DateTimeField(db_default=Now())
        day = models.DateField(null=True)
        clock = models.TimeField()
        done = models.BooleanField(db_default=True)
        title = models.CharField(max_length=50, db_default="it's %s")
        body = models.TextField()
        raw = models.BinaryField()
        address = models.GenericIPAddressField(null=True)
        weight = models.FloatField(db_column="Weight In-kg")
        keyword = models.IntegerField(db_column="class")
        author = models.ForeignKey(Author, on_delete=models.DB_CASCADE)
        editor = models.ForeignKey(Author, on_delete=models.DO_NOTHING, null=True, related_name="edited")
        by_code = models.ForeignKey(
            Author, on_delete=models.DO_NOTHING, to_field="code", related_name="+", db_index=False
        )
        parent = models.ForeignKey("self", on_delete=models.DB_SET_NULL, null=True)

        class Meta:
            app_label = "shelf"
            constraints = (
                models.UniqueConstraint(fields=["count", "small"], name="one_each"),
                models.CheckConstraint(condition=models.Q(weight__gt=0), name="heavy"),
            )
            indexes = (models.Index(fields=["title", "-count"], name="by_title"),)

    class Extra(models.Model):
        item = models.OneToOneField(Item, on_delete=models.DO_NOTHING, primary_key=True)

        class Meta:
            app_label = "shelf"

    return [Author, Item, Extra]


async def described(database, table):
    """What the database says of a table, without the names that fields give their own rules."""
    reader = database.introspection
    rules = {
        (
            rule.kind,
            rule.columns,
            rule.to_table,
            rule.to_columns,
            rule.on_delete,
            rule.definition.replace("(", "").replace(")", ""),
        )
        for rule in await reader.constraints(table)
    }
    indexes = {replace(index, name="") for index in await reader.indexes(table)}
    columns = await reader.columns(table)
    # A decimal of SQLite does not say how many digits it has, and its default stands there with those of the field.
    return [replace(item, default=None) if item.type == "decimal" else item for item in columns], rules, indexes


async def make(database, classes):
    async with database.schema_editor() as editor:
        for cls in classes:
            await editor.create_table(table_of(cls))


def run(source):
    """Execute the source of models in an empty registry; return its models and their state."""
    names = {"__name__": "shelf.models"}
    # Models look for their app by the module that they are in; here a label says it.
    source = source.replace("    class Meta:\n", "    class Meta:\n        app_label = 'shelf'\n")
    with apps.isolate() as registry:
        exec(compile(source, "models.py", "exec"), names)  # what inspectdb printed
        found = [value for value in names.values() if isinstance(value, type) and issubclass(value, models.Model)]
        assert [message for model in found for message in model.check() if message.level >= 40] == []
        return SimpleNamespace(
            models=found, state=ProjectState.from_apps(registry), tables=[table_of(cls) for cls in found]
        )


async def test_tables_made_again_from_their_models_are_the_same(database, vendor):
    with apps.isolate():
        await make(database, everything())
    names = ["shelf_author", "shelf_item", "shelf_extra"]
    before = {name: await described(database, name) for name in names}
    tables, missing = await read_tables(database)
    assert missing == [] and sorted(table.name for table in tables) == sorted(names)

    source = models_source(tables, vendor, managed=True)

    made = run(source)
    async with database.schema_editor(atomic=False) as editor:
        for name in ("shelf_extra", "shelf_item", "shelf_author"):
            await editor.drop_table(name)
    async with database.schema_editor() as editor:
        for table in sorted(made.tables, key=lambda table: names.index(table.name)):
            await editor.create_table(table)
    for name in names:
        after = await described(database, name)
        assert after == before[name], source
    again, _ = await read_tables(database)
    assert models_source(again, vendor, managed=True).replace("1.00000)", "1.00)") == source


async def test_what_is_printed_says_what_the_table_says(database, vendor):
    with apps.isolate():
        await make(database, everything())
    tables, _ = await read_tables(database, ["shelf_item"])

    source = models_source(tables, vendor)

    assert ast.parse(source)
    assert "        managed = False\n" in source and '        db_table = "shelf_item"\n' in source
    assert '    class_field = models.IntegerField(db_column="class")' in source
    assert '    weight_in_kg = models.FloatField(db_column="Weight In-kg")' in source
    assert "    # The table that it refers to was not inspected." in source
    assert '    parent = models.ForeignKey("self", on_delete=models.DB_SET_NULL, blank=True, null=True)' in source


async def test_rows_can_be_read_through_the_models(database, vendor):
    await database.execute(
        "CREATE TABLE places (id integer NOT NULL PRIMARY KEY, name varchar(10) NOT NULL, type integer NULL)"
    )
    await database.execute("INSERT INTO places VALUES (1, 'here', NULL)")
    tables, _ = await read_tables(database)
    (place,) = run(models_source(tables, vendor)).models

    assert await place.objects.values_list("id", "name", "type").get() == (1, "here", None)


async def test_views_come_when_asked_for(database, vendor):
    await database.execute("CREATE TABLE places (id integer NOT NULL PRIMARY KEY, name varchar(10) NOT NULL)")
    await database.execute("CREATE VIEW named AS SELECT id, name FROM places")

    assert [table.name for table in (await read_tables(database))[0]] == ["places"]
    tables, _ = await read_tables(database, include_views=True)
    source = models_source(tables, vendor, managed=True)

    assert "class Named(models.Model):" in source and source.count("managed = False") == 1
    assert (await read_tables(database, ["nope"]))[1] == ["nope"]


@pytest.mark.vendors("postgresql")
async def test_partitions_and_materialised_views_come_when_asked_for(database, vendor):
    await database.execute("CREATE TABLE logged (id integer NOT NULL, made date NOT NULL) PARTITION BY RANGE (made)")
    await database.execute(
        "CREATE TABLE logged_2026 PARTITION OF logged FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
    )
    await database.execute("CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM logged")

    assert [table.name for table in (await read_tables(database))[0]] == ["logged"]
    found, _ = await read_tables(database, include_partitions=True, include_views=True)
    assert [(table.name, table.is_view) for table in found] == [
        ("logged", False),
        ("logged_2026", False),
        ("counted", True),
    ]
    compile(models_source(found, vendor), "models.py", "exec")
    assert [table.name for table in (await read_tables(database, ["logged_2026"]))[0]] == ["logged_2026"]


@pytest.mark.vendors("postgresql")
async def test_types_that_no_field_has_are_guesses_that_say_so(database, vendor):
    await database.execute("CREATE TABLE odd (id bigint PRIMARY KEY, tags int[] NOT NULL, a point, code char(3))")

    source = models_source((await read_tables(database))[0], vendor)

    assert "    tags = ArrayField(models.IntegerField())" in source
    assert "    # A guess: the type is character(3).\n    code = models.CharField(max_length=3, " in source
    run(source)


async def test_the_command(vendor, scratch, tmp_path):
    project = Project(tmp_path, await scratch(vendor))
    await project.run("makemigrations")
    await project.run("migrate")

    code, out, err = await project.run("inspectdb")

    assert (code, err) == (0, "")
    assert "class BlogItem(models.Model):\n    id = models.BigAutoField(primary_key=True)\n" in out
    assert "    title = models.CharField(max_length=200)\n" in out
    code, _, err = await project.run("inspectdb", "blog_itme")
    assert code == 1 and "Did you mean 'blog_item'?" in err
    # Put into another app, the tables are theirs: a first migration that is faked, and nothing else to do.
    other = tmp_path / "legacy"
    (other / "migrations").mkdir(parents=True)
    for file in (other / "__init__.py", other / "migrations" / "__init__.py"):
        file.write_text("")
    (other / "models.py").write_text((await project.run("inspectdb", "--managed"))[1])
    (tmp_path / "blog" / "models.py").write_text("")
    for file in (tmp_path / "blog" / "migrations").glob("0*.py"):
        file.unlink()
    settings_file = tmp_path / "site_settings.py"
    settings_file.write_text(settings_file.read_text().replace('["blog"]', '["legacy"]'))
    assert (await project.run("makemigrations"))[0] == 0
    code, out, err = await project.run("migrate", "--fake-initial")
    assert code == 0 and "FAKED" in out, err
    assert (await project.run("makemigrations", "--check"))[0] == 0


async def test_a_key_of_several_columns(database, vendor):
    await database.execute(
        "CREATE TABLE seat (place varchar(2) NOT NULL, number integer NOT NULL, guest varchar(20) NOT NULL, "
        "PRIMARY KEY (place, number))"
    )
    source = models_source((await read_tables(database))[0], vendor, managed=True)

    assert '    pk = models.CompositePrimaryKey("place", "number")\n' in source
    (table,) = run(source).tables
    assert table.primary_key == ("place", "number")


async def test_a_project_lives_on_in_the_models_that_were_written_for_its_tables(vendor, scratch, tmp_path):
    """All kinds of fields and rules: nothing is left to migrate, and a new database gets the same tables."""
    url = await scratch(vendor)
    project = Project(tmp_path, url)
    project.models(EVERYTHING)
    assert (await project.run("makemigrations"))[0] == 0
    assert (await project.run("migrate"))[0] == 0
    before = await tables_of(url)
    legacy = tmp_path / "legacy"
    (legacy / "migrations").mkdir(parents=True)
    for file in (legacy / "__init__.py", legacy / "migrations" / "__init__.py"):
        file.write_text("")

    (legacy / "models.py").write_text((await project.run("inspectdb", "--managed"))[1])
    settings_file = tmp_path / "site_settings.py"
    settings_file.write_text(settings_file.read_text().replace('["blog"]', '["legacy"]'))
    code, _, err = await project.run("makemigrations")
    assert code == 0, err
    code, out, err = await project.run("migrate", "--fake-initial")
    assert code == 0 and "FAKED" in out, err
    assert (await project.run("makemigrations", "--check"))[0] == 0
    opened = Database("default", parse_database(url))
    with connections.using({"default": opened}):
        await wipe(opened)
        await opened.close()
    code, _, err = await project.run("migrate")

    assert code == 0, err
    assert await tables_of(url) == before


async def tables_of(url):
    """All tables of a database as they are described, with the parentheses of expressions left out."""
    opened = Database("default", parse_database(url))
    with connections.using({"default": opened}):
        found = {}
        for name in await opened.introspection.tables():
            if not name.startswith("covet_"):
                columns, rules, indexes = await described(opened, name)
                columns = [
                    replace(item, generated=item.generated and item.generated.replace("(", "").replace(")", ""))
                    for item in columns
                ]
                found[name] = columns, rules, indexes
        await opened.close()
    return found
