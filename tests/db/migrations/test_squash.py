"""Squashing, shortening and updating: fewer migrations that do the same, on new databases and on old ones."""

from __future__ import annotations

import json

import pytest

from covet.db import migrations, models
from covet.db.migrations.autodetect import next_number
from covet.db.migrations.errors import MigrationError
from covet.db.migrations.execute import Executor
from covet.db.migrations.squash import optimized, squash
from tests.db.migrations.test_processes import MODELS, Project


def create(name="Item", **fields):
    return migrations.CreateModel(name, [("id", models.BigAutoField(primary_key=True)), *fields.items()])


def history(*more):
    return (
        ("blog.0001_initial", [create(a=models.IntegerField(default=0))]),
        ("blog.0002_b", [migrations.AddField("item", "b", models.IntegerField(default=0))], ["blog.0001_initial"]),
        ("blog.0003_c", [migrations.RenameField("item", "b", "c")], ["blog.0002_b"]),
        *more,
    )


def squashed_history(make_loader, *more):
    made = squash(make_loader(*history(*more)), ("blog", "0003_c"))
    new = made.migration
    attributes = {"replaces": new.replaces, "initial": new.initial}
    dependencies = [".".join(key) for key in new.dependencies]
    return make_loader(*history(*more), (f"blog.{new.name}", new.operations, dependencies, attributes)), new


def test_a_squashed_migration_is_short_and_names_what_it_replaces(make_loader):
    made = squash(make_loader(*history()), ("blog", "0003_c"))

    assert made.migration.name == "0001_initial_squashed_0003_c"
    assert made.migration.replaces == [("blog", "0001_initial"), ("blog", "0002_b"), ("blog", "0003_c")]
    assert (made.before, [item.describe() for item in made.migration.operations]) == (3, ["Create model Item"])
    assert made.migration.initial and made.migration.dependencies == []


def test_the_number_after_a_squashed_migration_is_above_those_that_it_replaces(make_loader):
    loader, new = squashed_history(make_loader)
    alone = make_loader((f"blog.{new.name}", new.operations))
    short = make_loader(*history(), ("blog.0001_short", new.operations, [], {"replaces": new.replaces}))

    assert [next_number(one.graph, "blog") for one in (loader, alone, short)] == [4, 4, 4]


def test_a_start_and_a_name_may_be_given(make_loader):
    made = squash(make_loader(*history()), ("blog", "0003_c"), ("blog", "0002_b"), name="short", shorten=False)

    assert made.migration.name == "0002_short"
    assert made.migration.dependencies == [("blog", "0001_initial")]
    assert len(made.migration.operations) == 2
    with pytest.raises(MigrationError, match="one migration already"):
        squash(make_loader(*history()), ("blog", "0001_initial"))


def test_apps_that_need_the_middle_of_each_other_cannot_be_squashed(make_loader):
    loader = make_loader(
        *history(),
        ("shop.0001", [create("Order")], ["blog.0001_initial"]),
        ("blog.0004", [migrations.RunSQL("SELECT 1")], ["blog.0003_c", "shop.0001"]),
    )

    with pytest.raises(MigrationError, match="cannot be one: Migrations wait for each other"):
        squash(loader, ("blog", "0004"))
    assert ("blog", "0002_b") in loader.graph


def test_elidable_code_goes_and_other_code_stays(make_loader):
    loader = make_loader(
        *history(
            (
                "blog.0004",
                [migrations.RunSQL("SELECT 1", elidable=True), migrations.RunSQL("SELECT 2")],
                ["blog.0003_c"],
            )
        )
    )

    made = squash(loader, ("blog", "0004"))

    assert [item.describe() for item in made.migration.operations] == ["Create model Item", "Run SQL: SELECT 2"]


async def test_new_databases_use_the_squashed_one_and_old_ones_count_it_as_applied(database, make_loader):
    await Executor(database, make_loader(*history())).migrate()
    loader, new = squashed_history(make_loader)

    assert await Executor(database, loader).migrate() == []
    assert new.key in await Executor(database, loader).recorder.applied()

    steps = await Executor(database, loader).migrate([("blog", None)])
    assert [str(step.migration) for step in steps] == [f"blog.{new.name}"]
    steps = await Executor(database, loader).migrate()
    assert [str(step.migration) for step in steps] == [f"blog.{new.name}"]
    assert {column.name for column in await database.introspection.columns("blog_item")} == {"id", "a", "c"}


async def test_a_half_applied_history_goes_on_with_the_old_files(database, make_loader):
    await Executor(database, make_loader(*history())).migrate([("blog", "0002_b")])
    loader, new = squashed_history(make_loader)

    steps = await Executor(database, loader).migrate()

    assert [str(step.migration) for step in steps] == ["blog.0003_c"]
    assert await Executor(database, loader).migrate() == []
    assert new.key in await Executor(database, loader).recorder.applied()


async def test_a_squashed_migration_may_be_squashed_again(database, make_loader):
    more = ("blog.0004", [migrations.AddField("item", "d", models.IntegerField(default=0))], ["blog.0003_c"])
    loader, first = squashed_history(make_loader, more)
    again = squash(loader, ("blog", "0004")).migration
    assert again.replaces[-2:] == [first.key, ("blog", "0004")] and again.name == "0001_initial_squashed_0004"
    both = make_loader(
        *history(more),
        (f"blog.{first.name}", first.operations, [], {"replaces": first.replaces, "initial": True}),
        (f"blog.{again.name}", again.operations, [], {"replaces": again.replaces, "initial": True}),
    )

    steps = await Executor(database, both).migrate()

    assert [str(step.migration) for step in steps] == [f"blog.{again.name}"]
    assert await Executor(database, both).migrate() == []


async def test_pruning_forgets_what_has_no_file(database, make_loader):
    await Executor(database, make_loader(*history())).migrate()
    loader, new = squashed_history(make_loader)
    await Executor(database, loader).migrate()
    alone = make_loader((f"blog.{new.name}", new.operations, [], {"replaces": new.replaces, "initial": True}))
    with pytest.raises(MigrationError, match="still stands for"):
        await Executor(database, alone).prune("blog")
    final = make_loader((f"blog.{new.name}", new.operations, [], {"initial": True}))

    gone = await Executor(database, final).prune("blog")

    assert sorted(gone) == [("blog", "0001_initial"), ("blog", "0002_b"), ("blog", "0003_c")]
    assert await Executor(database, final).applied() == {new.key}
    assert await Executor(database, final).migrate() == []


def test_one_migration_is_shortened_where_it_can_be(make_loader):
    long = [create(), migrations.AddField("item", "a", models.IntegerField(default=0))]
    loader = make_loader(("blog.0001", long), ("blog.0002", [migrations.RunSQL("SELECT 1")], ["blog.0001"]))

    short = optimized(loader.graph.nodes["blog", "0001"])

    assert short is not None and len(short.operations) == 1
    assert optimized(loader.graph.nodes["blog", "0002"]) is None


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}")


async def test_the_life_of_a_squashed_migration(project):
    folder = project.folder / "blog" / "migrations"
    await project.run("makemigrations")
    project.models(MODELS + "    a = models.IntegerField(default=0)\n")
    await project.run("makemigrations")
    await project.run("migrate")

    code, out, err = await project.run("squashmigrations", "blog", "0002", "--no-header")
    assert code == 0, err
    assert "blog/migrations/0001_initial_squashed_0002_item_a.py" in out and "2 operations became 1." in out
    assert (await project.run("makemigrations", "--check"))[0] == 0
    code, out, _ = await project.run("migrate")
    assert (code, out) == (0, "No migrations to apply.\n")

    for name in ("0001_initial", "0002_item_a"):
        (folder / f"{name}.py").unlink()
    code, _, err = await project.run("migrate", "blog", "--prune")
    assert code == 1 and "still stands for" in err
    file = folder / "0001_initial_squashed_0002_item_a.py"
    source = file.read_text()
    start = source.index("    replaces = [")
    file.write_text(source[:start] + source[source.index("    dependencies") :])
    code, out, _ = await project.run("migrate", "blog", "--prune", "--json")
    assert code == 0 and sorted(json.loads(out)) == [["blog", "0001_initial"], ["blog", "0002_item_a"]]
    assert (await project.run("migrate", "--check"))[0] == 0
    assert (await project.run("migrate", "--prune"))[0] == 2


async def test_a_squashed_migration_runs_the_functions_of_the_old_files_until_they_are_copied(project, tmp_path):
    folder = project.folder / "blog" / "migrations"
    await project.run("makemigrations")
    (folder / "0002_fill.py").write_text(
        "from covet.db import migrations\n\n\n"
        "async def fill(apps, schema_editor):\n"
        '    await apps.get_model("blog", "Item").objects.using(schema_editor.alias).create()\n\n\n'
        "class Migration(migrations.Migration):\n"
        '    dependencies = [("blog", "0001_initial")]\n'
        "    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]\n"
    )

    code, out, err = await project.run("squashmigrations", "blog", "0002")

    assert code == 0, err
    assert "Before you delete blog.migrations.0002_fill, copy the functions into the new file" in out + err
    source = (folder / "0001_initial_squashed_0002_fill.py").read_text()
    assert "#   blog.migrations.0002_fill\n\n\nclass Migration" in source
    assert 'code=importlib.import_module("blog.migrations.0002_fill").fill,' in source
    code, _, err = await project.run("migrate")
    assert code == 0, err
    assert (await project.run("makemigrations", "--check"))[0] == 0
    code, out, err = await project.run("shell", "-c", "print('rows:', await Item.objects.count())")
    assert "rows: 1" in out, err


async def test_a_step_that_has_nothing_to_undo_is_no_function_of_the_file(project):
    folder = project.folder / "blog" / "migrations"
    await project.run("makemigrations")
    (folder / "0002_nothing.py").write_text(
        "from covet.db import migrations\n\n\n"
        "class Migration(migrations.Migration):\n"
        '    dependencies = [("blog", "0001_initial")]\n'
        "    operations = [migrations.RunPython(migrations.RunPython.noop, migrations.RunPython.noop)]\n"
    )
    project.models(MODELS + "    a = models.IntegerField(default=0)\n")

    code, _, err = await project.run("makemigrations", "--update")

    assert code == 0, err


async def test_update_puts_changes_into_the_latest_file(project):
    folder = project.folder / "blog" / "migrations"
    await project.run("makemigrations")
    await project.run("migrate")
    project.models(MODELS + "    a = models.IntegerField(default=0)\n")
    code, _, err = await project.run("makemigrations", "--update")
    assert code == 1 and "blog.0001_initial is applied to database 'default'" in err
    await project.run("makemigrations")
    project.models(MODELS + "    b = models.IntegerField(default=0)\n")

    code, _, err = await project.run("makemigrations", "--update", "--no-rename")

    assert code == 0, err
    assert sorted(path.name for path in folder.glob("0*.py")) == ["0001_initial.py", "0002_item_b.py"]
    assert (await project.run("makemigrations", "--check"))[0] == 0
    assert (await project.run("migrate"))[0] == 0


async def test_a_file_is_shortened_in_place(project):
    folder = project.folder / "blog" / "migrations"
    (folder / "0001_initial.py").write_text(
        "from covet.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n    initial = True\n"
        "    operations = [\n"
        "        migrations.CreateModel('Item', [('id', models.BigAutoField(primary_key=True))]),\n"
        "        migrations.AddField('item', 'title', models.CharField(max_length=200)),\n    ]\n"
    )

    assert (await project.run("optimizemigration", "blog", "0001", "--check"))[0] == 1
    code, out, _ = await project.run("optimizemigration", "blog", "0001")

    assert code == 0 and "2 operations become 1." in out
    assert "AddField" not in (folder / "0001_initial.py").read_text()
    code, out, _ = await project.run("optimizemigration", "blog", "0001", "--check")
    assert code == 0 and out.startswith("Nothing to join")


@pytest.mark.parametrize(
    "arguments",
    [("optimizemigration", "blog", "0001"), ("makemigrations", "--update"), ("squashmigrations", "blog", "0002")],
    ids=lambda value: value[0],
)
async def test_what_a_file_says_of_its_limits_and_of_findings_stays(project, arguments):
    folder = project.folder / "blog" / "migrations"
    source = (
        "from covet.db import migrations, models\n\n\nclass Migration(migrations.Migration):\n    initial = True\n"
        "    lock_timeout_s = 2\n    statement_timeout_s = None\n    mysql_lock = 'NONE'\n    safe = {'wide-index': 'asked for'}\n"
        "    operations = [\n"
        "        migrations.CreateModel('Item', [('id', models.BigAutoField(primary_key=True))]),\n"
        "        # covet: safe(not-null) a new table\n"
        "        migrations.AddField('item', 'title', models.CharField(max_length=200)),\n    ]\n"
    )
    (folder / "0001_initial.py").write_text(source)
    if arguments[0] == "makemigrations":
        project.models(MODELS + "    b = models.IntegerField(default=0)\n")
    elif arguments[0] == "squashmigrations":
        second = source.replace("    initial = True\n", "    dependencies = [('blog', '0001_initial')]\n")
        second = second[: second.index("        migrations.CreateModel")] + (
            "        migrations.AddField('item', 'n', models.IntegerField(null=True)),\n    ]\n"
        )
        (folder / "0002_item_n.py").write_text(second)

    code, _, err = await project.run(*arguments)

    assert code == 0, err
    text = min(folder.glob("0001*.py"), key=lambda path: "squashed" not in path.name).read_text()
    for line in (
        "    lock_timeout_s = 2\n",
        "    statement_timeout_s = None\n",
        "    mysql_lock = 'NONE'\n",
        "    safe = {'wide-index': 'asked for', 'not-null': 'a new table'}\n".replace("'", '"'),
    ):
        assert line in text, text
