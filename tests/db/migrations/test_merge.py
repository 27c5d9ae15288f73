"""Branches of a history are joined only when it does not matter which of them runs first."""

from __future__ import annotations

import pytest

from covet.db import migrations, models
from covet.db.migrations.merge import branches_of, collisions, unread
from tests.db.migrations.test_processes import MODELS, Project


def key(to="blog.author"):
    return models.ForeignKey(to, on_delete=models.CASCADE, null=True)


def number(**options):
    return models.IntegerField(null=True, **options)


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
                    ("views", number()),
                ],
            ),
        ],
    )


def index(*fields, name):
    return migrations.AddIndex("item", models.Index(fields=fields, name=name))


def noop(apps, schema_editor):
    pass


APART = {
    "fields of two models": (migrations.AddField("item", "a", number()), migrations.AddField("author", "a", number())),
    "two fields of a model": (migrations.AddField("item", "a", number()), migrations.AddField("item", "b", number())),
    "two new models": (
        migrations.CreateModel("A", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel("B", [("id", models.BigAutoField(primary_key=True)), ("item", key("blog.item"))]),
    ),
    "a field and an index of another": (migrations.RemoveField("item", "title"), index("views", name="v")),
    "two indexes": (index("views", name="v"), index("title", name="t")),
    "a new reference and another field there": (
        migrations.AddField("item", "author", key()),
        migrations.AddField("author", "name", number()),
    ),
    "the same statement about nothing of ours": (
        migrations.RunSQL("SELECT 1"),
        migrations.AddField("item", "a", number()),
    ),
    "a field renamed and another altered": (
        migrations.RenameField("item", "views", "seen"),
        migrations.AlterField("item", "title", models.CharField(max_length=60)),
    ),
}
TOUCHING = {
    "the same new field": (migrations.AddField("item", "a", number()), migrations.AddField("item", "a", number())),
    "a field altered twice": (
        migrations.AlterField("item", "views", models.BigIntegerField(null=True)),
        migrations.AlterField("item", "views", models.SmallIntegerField(null=True)),
    ),
    "a field renamed and altered": (
        migrations.RenameField("item", "views", "seen"),
        migrations.AlterField("item", "views", models.BigIntegerField(null=True)),
    ),
    "a field that goes and its index": (migrations.RemoveField("item", "views"), index("views", name="v")),
    "a model that goes and a field of it": (
        migrations.DeleteModel("Item"),
        migrations.AddField("item", "a", number()),
    ),
    "a model that goes and a reference to it": (
        migrations.DeleteModel("Author"),
        migrations.AddField("item", "author", key()),
    ),
    "a model renamed and a field of it": (
        migrations.RenameModel("Item", "Post"),
        migrations.AddField("item", "a", number()),
    ),
    "options set twice": (
        migrations.AlterModelOptions("item", {"ordering": ["id"]}),
        migrations.AlterModelOptions("item", {"ordering": ["views"]}),
    ),
    "unique together set twice": (
        migrations.AlterUniqueTogether("item", {("title", "views")}),
        migrations.AlterUniqueTogether("item", {("views", "title")}),
    ),
    "the same name for two rules": (index("views", name="x"), index("title", name="x")),
    "the same new model": (
        migrations.CreateModel("A", [("id", models.BigAutoField(primary_key=True))]),
        migrations.CreateModel("A", [("id", models.BigAutoField(primary_key=True)), ("n", number())]),
    ),
}


def branched(make_loader, one, other):
    return make_loader(base(), ("blog.0002_a", [one], ["blog.0001"]), ("blog.0002_b", [other], ["blog.0001"]))


@pytest.mark.parametrize(("one", "other"), APART.values(), ids=APART.keys())
def test_what_does_not_touch_may_be_joined(make_loader, one, other):
    assert collisions(branched(make_loader, one, other), "blog", ["0002_a", "0002_b"]) == []


@pytest.mark.parametrize(("one", "other"), TOUCHING.values(), ids=TOUCHING.keys())
def test_what_touches_is_listed(make_loader, one, other):
    assert collisions(branched(make_loader, one, other), "blog", ["0002_a", "0002_b"]) == [
        f"blog.0002_a: {one.describe()} — blog.0002_b: {other.describe()}"
    ]


def test_only_the_operations_that_touch_are_listed(make_loader):
    loader = make_loader(
        base(),
        ("blog.0002_a", [migrations.AddField("item", "a", number()), index("views", name="v")], ["blog.0001"]),
        ("blog.0002_b", [migrations.AddField("item", "b", number())], ["blog.0001"]),
        ("blog.0003_b", [migrations.RemoveField("item", "views")], ["blog.0002_b"]),
    )

    (line,) = collisions(loader, "blog", ["0002_a", "0003_b"])

    assert line == "blog.0002_a: Create index v on item (views) — blog.0003_b: Remove field views from item"


def test_what_two_of_three_branches_share_is_no_collision(make_loader):
    loader = make_loader(
        base(),
        ("blog.0002", [migrations.AddField("item", "a", number())], ["blog.0001"]),
        ("blog.0003_a", [migrations.AddField("item", "b", number())], ["blog.0002"]),
        ("blog.0003_b", [migrations.AddField("item", "c", number())], ["blog.0002"]),
        ("blog.0002_c", [migrations.RunPython(noop)], ["blog.0001"]),
    )
    leaves = ["0002_c", "0003_a", "0003_b"]

    assert collisions(loader, "blog", leaves) == []
    branches = branches_of(loader, "blog", leaves)
    assert branches["0003_a"] == [("blog", "0002"), ("blog", "0003_a")]
    assert unread(loader, branches["0002_c"]) == ["blog.0002_c: Run Python function noop"]


FILE = """
from covet.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("blog", "0001_initial")]
    operations = [migrations.AlterField("item", "title", models.CharField(max_length={length}))]
"""


async def test_the_command_refuses_with_the_way_out_and_writes_nothing(tmp_path):
    project = Project(tmp_path, f"sqlite:///{tmp_path / 'db.sqlite3'}")
    project.models(MODELS)
    await project.run("makemigrations")
    folder = project.folder / "blog" / "migrations"
    (folder / "0002_longer.py").write_text(FILE.format(length=300))
    (folder / "0002_shorter.py").write_text(FILE.format(length=100))

    code, _, err = await project.run("makemigrations", "--merge")

    assert code == 1 and "Alter field title on item — blog.0002_shorter: Alter field title on item" in err
    assert "name the other's latest migration in its dependencies" in err and "Traceback" not in err
    assert len(list(folder.glob("0*.py"))) == 3
    # The way out works.
    (folder / "0002_shorter.py").write_text(FILE.format(length=200).replace("0001_initial", "0002_longer"))
    assert (await project.run("makemigrations", "--check"))[0] == 0
    assert (await project.run("migrate"))[0] == 0
