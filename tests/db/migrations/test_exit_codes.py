"""What stops a migration is one clear line and an exit code, through manage.py and on each database; and what is listed."""

from __future__ import annotations

import re

import pytest

from tests._forking import run_async
from tests.db.migrations.test_processes import EVERYTHING, MODELS, Project

MANAGE = "from covet.management import main\n\nmain()\n"

IRREVERSIBLE = """
from covet.db import migrations, models


async def fill(apps, schema_editor):
    await apps.get_model("blog", "Item").objects.using(schema_editor.alias).create(title="x")


class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [migrations.AddField("item", "n", models.IntegerField(default=1)), migrations.RunPython(fill)]
"""

EARLIER = """
from covet.db import migrations


class Migration(migrations.Migration):
    dependencies = []
    operations = []
"""


class Site(Project):
    """A project that is run by its manage.py, as people do."""

    def __init__(self, folder, url):
        super().__init__(folder, url)
        (folder / "manage.py").write_text(MANAGE)

    async def run(self, *arguments, **environment):
        return await run_async("manage.py", *arguments, cwd=self.folder, env={**self.environment, **environment})

    def migration(self, name, source):
        (self.folder / "blog" / "migrations" / f"{name}.py").write_text(source)


@pytest.fixture
async def site(vendor, scratch, tmp_path):
    return Site(tmp_path, await scratch(vendor))


def one_line(err):
    return err.startswith("Error: ") and len(err.splitlines()) == 1 and "Traceback" not in err


async def test_a_migration_without_a_way_back_is_one_clear_line_and_stays(site):
    await site.run("makemigrations")
    site.migration("0002_fill", IRREVERSIBLE)
    assert (await site.run("migrate"))[0] == 0

    code, out, err = await site.run("migrate", "blog", "zero")

    assert (code, out) == (1, "") and one_line(err), err
    assert "blog.0002_fill cannot be undone" in err and "reverse_code" in err
    code, out, _ = await site.run("showmigrations")
    assert (code, out) == (0, "blog\n [X] 0001_initial\n [X] 0002_fill\n")


async def test_a_history_that_does_not_fit_is_one_clear_line(site):
    await site.run("makemigrations")
    assert (await site.run("migrate"))[0] == 0
    site.migration("0000_earlier", EARLIER)
    initial = site.folder / "blog" / "migrations" / "0001_initial.py"
    initial.write_text(initial.read_text().replace("dependencies = []", 'dependencies = [("blog", "0000_earlier")]'))

    for command in ("migrate", "makemigrations"):
        code, out, err = await site.run(command)

        assert (code, out) == (1, "") and one_line(err), err
        assert "blog.0001_initial is applied, but blog.0000_earlier" in err


async def test_a_statement_that_the_database_refuses_names_its_operation(site):
    await site.run("makemigrations")
    bad = IRREVERSIBLE.replace("migrations.RunPython(fill)", "migrations.RunSQL('SELECT nothing FROM nowhere')")
    site.migration("0002_bad", bad)

    code, out, err = await site.run("migrate")

    assert code == 1 and "Applying blog.0001_initial… OK" in out
    assert err.startswith("Error: ") and "blog.0002_bad failed at 'Run" in err and "nowhere" in err
    assert "Traceback" not in err


DOWN = {
    "sqlite": "sqlite:////nowhere/at/all/db.sqlite3",
    "postgresql": "postgres://nobody:hunter2@127.0.0.1:1/nothing",
    "mysql": "mysql://nobody:hunter2@127.0.0.1:1/nothing",
}


async def test_a_database_that_is_down_is_one_clear_line_of_each_command(vendor, tmp_path):
    site = Site(tmp_path, DOWN[vendor])

    # What needs no database works all the same.
    code, _, err = await site.run("makemigrations")
    assert code == 0
    assert ("Note: database 'default' cannot be asked" in err) == (vendor != "sqlite") and "hunter2" not in err
    code, out, err = await site.run("sqlmigrate", "blog", "0001")
    assert (code, err) == (0, "") and "CREATE TABLE" in out
    for arguments in (
        ["migrate"],
        ["migrate", "--plan"],
        ["migrate", "--check"],
        ["showmigrations"],
        ["inspectdb"],
        ["dumpdata"],
        ["sqlflush"],
        ["flush", "--noinput"],
    ):
        code, out, err = await site.run(*arguments)
        assert (code, out) == (1, ""), (arguments, out, err)
        assert one_line(err) and "hunter2" not in err, (arguments, err)


async def test_sqlmigrate_tells_both_ways_on_an_empty_database(site):
    await site.run("makemigrations")
    site.models(MODELS + "    n = models.PositiveIntegerField(default=1, db_index=True)\n")
    await site.run("makemigrations", "--name", "n")

    for arguments in ((), ("--backwards",)):
        code, out, err = await site.run("sqlmigrate", "blog", "0002", *arguments)
        assert (code, err) == (0, "") and "-- Add field n to item" in out and "blog_item" in out, (out, err)
    _, out, _ = await site.run("showmigrations")
    assert out == "blog\n [ ] 0001_initial\n [ ] 0002_n\n"


@pytest.mark.parametrize("vendor", ["sqlite"])  # the files are the same for all
async def test_files_are_the_same_whatever_the_order_of_sets(vendor, scratch, tmp_path):
    url = await scratch(vendor)
    written = []
    for seed in ("1", "2", "77"):
        folder = tmp_path / seed
        folder.mkdir()
        site = Site(folder, url)
        site.models(EVERYTHING)
        assert (await site.run("makemigrations", PYTHONHASHSEED=seed))[0] == 0
        site.models(EVERYTHING.replace("max_length=20", "max_length=30").replace('"few"', '"fewer"'))
        code, _, err = await site.run("makemigrations", PYTHONHASHSEED=seed)
        assert code == 0, err
        written.append([file.read_text() for file in sorted((folder / "blog" / "migrations").glob("0*.py"))])

    assert len(written[0]) == 2 and written[0] == written[1] == written[2]


async def test_what_is_applied_is_listed_with_its_time_and_what_it_needs(site):
    await site.run("makemigrations")
    site.migration("0002_fill", IRREVERSIBLE)
    assert (await site.run("migrate", "blog", "0001"))[0] == 0

    _, out, _ = await site.run("showmigrations", "--verbose")
    assert re.fullmatch(
        r"blog\n \[X\] 0001_initial \(applied \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\)\n \[ \] 0002_fill\n", out
    ), out
    _, out, _ = await site.run("showmigrations", "--plan", "--verbose", "blog")
    assert out == "[X] blog.0001_initial\n[ ] blog.0002_fill … (blog.0001_initial)\n"


async def test_migrations_are_written_where_no_driver_is_installed(tmp_path):
    """A machine that only writes migrations needs no driver: the files are made and listed, and a note tells what was not looked at."""
    site = Site(tmp_path, "postgres://nobody@127.0.0.1:1/nothing")
    (tmp_path / "asyncpg.py").write_text("raise ImportError('not installed')")

    # A hash seed makes it an interpreter of its own, which has not loaded the driver yet.
    code, out, err = await site.run("makemigrations", PYTHONHASHSEED="1")

    assert code == 0, err
    assert "blog/migrations/0001_initial.py" in out
    assert "Note: database 'default' cannot be asked" in err and "pip install 'covet[postgres]'" in err
