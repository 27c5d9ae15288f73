"""What migrations do to a database in use: told before they run, and refused where asked for."""

from __future__ import annotations

import json

import pytest

from covet.conf import override
from covet.db import migrations, models
from covet.db.migrations.safety import examine, examine_all, findings_of
from covet.db.migrations.statements import effect_of
from covet.exceptions import ImproperlyConfigured
from tests.db.migrations.test_processes import MODELS, Project

SHOP = """
from covet.db import models

class Shelf(models.Model):
    items = models.ManyToManyField("blog.Item", through="shop.Place")

class Place(models.Model):
    shelf = models.ForeignKey(Shelf, on_delete=models.CASCADE)
    item = models.ForeignKey("blog.Item", on_delete=models.CASCADE)
"""


def noop(apps, schema_editor):
    pass


def base():
    return (
        "blog.0001",
        [
            migrations.CreateModel("Author", [("id", models.BigAutoField(primary_key=True))]),
            migrations.CreateModel(
                "Item",
                [
                    ("id", models.BigAutoField(primary_key=True)),
                    ("title", models.CharField(max_length=50)),
                    ("views", models.IntegerField(null=True)),
                ],
            ),
        ],
    )


async def codes(database, make_loader, *operations, **attributes):
    loader = make_loader(base(), ("blog.0002", list(operations), ["blog.0001"], attributes))
    found = findings_of(await examine_all(database, loader, [("blog", "0002")]))
    return {finding.code: finding for finding in found}


def fk():
    return models.ForeignKey("blog.author", on_delete=models.CASCADE, null=True, db_index=False)


CASES = [
    (
        migrations.AddIndex("item", models.Index(fields=["views"], name="i")),
        {"postgresql": "index-not-concurrent"},
    ),
    (
        migrations.AddConstraint("item", models.CheckConstraint(condition=models.Q(views__gt=0), name="c")),
        {"postgresql": "check-validates", "mysql": "check-validates"},
    ),
    (
        migrations.AddConstraint("item", models.UniqueConstraint(fields=["title"], name="u")),
        {"postgresql": "unique-builds-index"},
    ),
    (
        migrations.AddField("item", "author", fk()),
        {"postgresql": "foreign-key-validates", "mysql": "foreign-key-validates"},
    ),
    (
        migrations.AlterField("item", "views", models.IntegerField()),
        {"postgresql": "set-not-null", "mysql": "change-type"},
    ),
    (
        migrations.AlterField("item", "views", models.BigIntegerField(null=True)),
        {"postgresql": "change-type", "mysql": "change-type"},
    ),
    (migrations.AlterField("item", "title", models.CharField(max_length=90)), {"mysql": "change-type"}),
    (migrations.AddField("item", "note", models.TextField(null=True)), {}),
    (migrations.AddField("item", "n", models.IntegerField(db_default=0)), {}),
    (
        migrations.AddField("item", "n", models.IntegerField(default=0)),
        dict.fromkeys(("postgresql", "mysql", "sqlite"), "not-null"),
    ),
    (migrations.RemoveField("item", "views"), dict.fromkeys(("postgresql", "mysql", "sqlite"), "drop-column")),
    (
        migrations.RenameField("item", "views", "seen"),
        dict.fromkeys(("postgresql", "mysql", "sqlite"), "rename-column"),
    ),
    (migrations.DeleteModel("Item"), dict.fromkeys(("postgresql", "mysql", "sqlite"), "drop-table")),
    (migrations.RenameModel("Item", "Post"), dict.fromkeys(("postgresql", "mysql", "sqlite"), "rename-table")),
    (migrations.AlterModelOptions("item", {"ordering": ["id"]}), {}),
    (
        migrations.CreateModel(
            "New", [("id", models.BigAutoField(primary_key=True)), ("n", models.IntegerField(db_index=True))]
        ),
        {},
    ),
]


@pytest.mark.parametrize(("operation", "expected"), CASES, ids=lambda value: type(value).__name__)
async def test_what_hurts_is_an_error_with_a_way_around(database, make_loader, vendor, operation, expected):
    found = await codes(database, make_loader, operation)

    errors = {code for code, item in found.items() if item.is_error}
    if vendor == "mysql" and "not-null" in errors:
        # MariaDB adds such a column, fills it, and then makes it NOT NULL: a copy of the table.
        errors -= {"change-type", "update-all"}
    assert errors == ({expected[vendor]} if vendor in expected else set())
    assert all(item.safe for item in found.values())


async def test_tables_of_the_same_run_are_nobodys_yet(database, make_loader):
    loader = make_loader(
        base(), ("blog.0002", [migrations.AddIndex("item", models.Index(fields=["views"], name="i"))], ["blog.0001"])
    )

    examined = await examine_all(database, loader, list(loader.graph.nodes), one_run=True)

    assert findings_of(examined) == []
    assert not any(effect.matters for items in examined.values() for item in items for effect in item.effects)


async def test_a_key_of_a_new_table_has_no_rows_to_check(database, make_loader, vendor):
    """Whichever operation the statement comes with: the table that it refers to is locked for a moment, and that is all."""
    author = migrations.CreateModel("Writer", [("id", models.BigAutoField(primary_key=True))])
    many = migrations.CreateModel(
        "Byline",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("writer", models.ForeignKey("blog.Writer", on_delete=models.CASCADE)),
            ("item", models.ForeignKey("blog.Item", on_delete=models.CASCADE)),
        ],
    )
    loader = make_loader(
        base(),
        (
            "blog.0002",
            [
                author,
                many,
                migrations.AddField("writer", "items", models.ManyToManyField("blog.Item", through="blog.Byline")),
            ],
            ["blog.0001"],
        ),
    )

    examined = await examine_all(database, loader, [("blog", "0002")])

    assert findings_of(examined) == []
    effects = [effect for item in examined["blog", "0002"] for effect in item.effects if effect.matters]
    assert not any(effect.is_long for effect in effects)
    assert {effect.table for effect in effects} == ({"blog_item"} if vendor != "sqlite" else set())


async def test_data_beside_schema_holds_locks_and_no_way_back_is_a_warning(database, make_loader, vendor):
    found = await codes(
        database,
        make_loader,
        migrations.AddField("item", "note", models.TextField(null=True)),
        migrations.RunPython(noop),
    )

    assert {code: item.is_error for code, item in found.items()} == {
        "data-with-schema": vendor == "postgresql",
        "irreversible": False,
    }
    assert set(await codes(database, make_loader, migrations.RunSQL("SELECT 1"))) == {"irreversible"}


async def test_data_beside_tables_that_nobody_uses_yet_holds_nobody_up(database, make_loader):
    create = migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))])
    fill = migrations.RunPython(noop, noop)

    assert await codes(database, make_loader, create, fill) == {}
    assert await codes(database, make_loader, fill, migrations.AlterModelOptions("item", {"ordering": ["id"]})) == {}


async def test_what_is_known_to_do_no_harm_is_said_with_the_reason(database, make_loader):
    drop = migrations.RemoveField("item", "views")

    assert await codes(database, make_loader, drop, safe={"drop-column": "nothing reads it since release 7"}) == {}
    with override(MIGRATION_LINT={"ignore": ["drop-column"]}):
        assert await codes(database, make_loader, drop) == {}
    with pytest.raises(ImproperlyConfigured, match="does not say why"):
        await codes(database, make_loader, drop, safe={"drop-column": " "})


@pytest.mark.parametrize(
    ("sql", "lock", "rewrites", "scans"),
    [
        ('CREATE INDEX "i" ON "t" ("a")', "SHARE", False, True),
        ('CREATE INDEX CONCURRENTLY "i" ON "t" ("a")', "SHARE UPDATE EXCLUSIVE", False, True),
        ('ALTER TABLE "t" ADD COLUMN "a" integer NULL', "ACCESS EXCLUSIVE", False, False),
        ('ALTER TABLE "t" ADD COLUMN "a" uuid DEFAULT (gen_random_uuid()) NOT NULL', "ACCESS EXCLUSIVE", True, False),
        (
            'ALTER TABLE "t" ADD COLUMN "a" timestamptz DEFAULT (STATEMENT_TIMESTAMP()) NOT NULL',
            "ACCESS EXCLUSIVE",
            False,
            False,
        ),
        ('ALTER TABLE "t" ADD CONSTRAINT "c" CHECK ("a" > 0) NOT VALID', "ACCESS EXCLUSIVE", False, False),
        ('ALTER TABLE "t" VALIDATE CONSTRAINT "c"', "SHARE UPDATE EXCLUSIVE", False, True),
        ('ALTER TABLE "t" ALTER COLUMN "a" TYPE bigint USING "a"::bigint', "ACCESS EXCLUSIVE", True, False),
        ('ALTER TABLE "t" ALTER COLUMN "a" TYPE varchar(90)', "ACCESS EXCLUSIVE", False, False),
        ("COMMENT ON TABLE \"t\" IS 'x'", "SHARE UPDATE EXCLUSIVE", False, False),
    ],
)
async def test_the_locks_are_those_that_postgresql_takes(sql, lock, rewrites, scans):
    effect = effect_of(sql, "postgresql")

    assert (effect.lock, effect.rewrites, effect.scans) == (lock, rewrites, scans)
    assert not lock or effect.table == "t"


@pytest.mark.vendors("postgresql")
@pytest.mark.parametrize(
    ("sql", "mode"),
    [
        ("CREATE INDEX i ON t (a)", "ShareLock"),
        ("ALTER TABLE t ADD COLUMN b integer NULL", "AccessExclusiveLock"),
        ("ALTER TABLE t ADD CONSTRAINT c CHECK (a > 0) NOT VALID", "AccessExclusiveLock"),
        ("ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u (id)", "ShareRowExclusiveLock"),
        ("UPDATE t SET a = 1", "RowExclusiveLock"),
        ("COMMENT ON TABLE t IS 'x'", "ShareUpdateExclusiveLock"),
        ("COMMENT ON COLUMN t.a IS 'x'", "ShareUpdateExclusiveLock"),
    ],
)
async def test_postgresql_itself_says_so(database, vendor, sql, mode):
    from covet.db import transaction

    await database.execute("CREATE TABLE u (id integer PRIMARY KEY); CREATE TABLE t (a integer)")
    async with transaction.atomic():
        await database.execute(sql)
        rows = await database.fetch(
            "SELECT mode FROM pg_locks WHERE relation = 't'::regclass AND pid = pg_backend_pid() AND mode <> 'AccessShareLock'"
        )

    ours = "".join(word.capitalize() for word in effect_of(sql, "postgresql").lock.split()) + "Lock"
    assert ours == mode and mode in {row[0] for row in rows}


async def test_a_rebuild_of_sqlite_is_called_one(make_loader, make_project, tmp_path):
    from covet.conf.service_url import parse_database
    from covet.db.database import Database

    database = Database("default", parse_database(f"sqlite:///{tmp_path / 'x.sqlite3'}"))
    loader = make_loader(
        base(), ("blog.0002", [migrations.AlterField("item", "views", models.IntegerField())], ["blog.0001"])
    )
    state = loader.state([("blog", "0001")])

    (item,) = await examine(database, loader.graph.nodes["blog", "0002"], state)

    assert any(effect.rewrites and effect.table == "blog_item" for effect in item.effects)


@pytest.fixture
async def project(scratch, tmp_path):
    made = Project(tmp_path, await scratch("postgresql"))
    made.models(MODELS)
    await made.run("makemigrations")
    await made.run("migrate")
    made.models(MODELS.replace("max_length=200", "max_length=200, db_index=True"))
    return made


async def test_a_first_release_is_nobodys_yet(scratch, tmp_path):
    """Not a word, though one app's tables refer to those of another that are made in the same run."""
    made = Project(tmp_path, await scratch("postgresql"))
    (tmp_path / "shop" / "migrations").mkdir(parents=True)
    for name in ("shop/__init__.py", "shop/migrations/__init__.py"):
        (tmp_path / name).write_text("")
    (tmp_path / "shop" / "models.py").write_text(SHOP)
    with (tmp_path / "site_settings.py").open("a") as file:
        file.write('\nINSTALLED_APPS += ["shop"]\n')

    code, _, err = await made.run("makemigrations")

    assert code == 0 and "On a database in use" not in err


async def test_it_is_printed_reported_and_enforced(project):
    code, _, err = await project.run("makemigrations")
    assert code == 0
    assert "SHARE on blog_item: blocks all writes; reads the whole table" in err and "CREATE INDEX CONCURRENTLY" in err

    code, out, _ = await project.run("migrate", "--plan")
    assert code == 0 and "error index-not-concurrent" in out
    code, out, _ = await project.run("migrate", "--plan", "--json")
    (step,) = json.loads(out)
    assert step["statements"][0]["lock"] == "SHARE" and step["findings"][0]["level"] == "error"

    code, out, _ = await project.run("migrate", "--lint")
    assert code == 1 and "2 migrations, " in out
    code, out, _ = await project.run("migrate", "--lint", "blog", "0002", "--json")
    assert code == 1 and {item["code"] for item in json.loads(out)} == {"index-not-concurrent"}

    code, out, err = await project.run("migrate", "--safe")
    assert code == 1 and "nothing was applied" in err and "Applying" not in out
    code, out, err = await project.run("check", "--deploy")
    assert code == 1 and "migrations.E003" in out + err and "index-not-concurrent" in out + err

    (file,) = (project.folder / "blog" / "migrations").glob("0002*.py")
    file.write_text(
        file.read_text().replace(
            "    operations", '    safe = {"index-not-concurrent": "a small table"}\n\n    operations'
        )
    )
    assert (await project.run("migrate", "--lint"))[0] == 0
    assert "migrations.E003" not in "".join((await project.run("check", "--deploy"))[1:])
    code, out, _ = await project.run("migrate", "--safe")
    assert code == 0 and "Applying blog.0002" in out
