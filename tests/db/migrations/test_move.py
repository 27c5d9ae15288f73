"""A model that goes into another app takes its table, its rows and all that refers to it along."""

from __future__ import annotations

import json

import pytest

from covet.db import migrations, models
from covet.db.migrations.errors import AnswerNeeded, MigrationError
from covet.db.migrations.execute import Executor
from covet.db.migrations.loader import Loader
from covet.db.migrations.loss import losses
from covet.db.migrations.questioner import Answers, parse_rename
from tests.db.migrations.test_processes import Project, answer
from tests.db.migrations.test_property import schema

RENAMES = [parse_rename("shop.Brand:catalog.Brand")]


def fk(to, **options):
    return models.ForeignKey(to, on_delete=models.CASCADE, **options)


def brand(make_model, app_label, **options):
    return make_model(
        f"{app_label}.Brand",
        {
            "name": models.CharField(max_length=20, unique=True),
            "parent": fk(f"{app_label}.brand", null=True, related_name="+"),
            "rank": models.PositiveIntegerField(default=1, db_index=True),
            "owners": models.ManyToManyField("shop.owner", related_name="owned"),
        },
        **options,
    )


def others(make_model, target):
    return [
        make_model("shop.Owner"),
        make_model("shop.Item", {"brand": fk(target), "seen": models.ManyToManyField(target, related_name="+")}),
    ]


def loader_of(*found):
    loader = Loader({})
    for migration in [migration for detected in found for group in detected.migrations.values() for migration in group]:
        loader.packages.setdefault(migration.app_label, migration.app_label)
        loader.migrated.setdefault(migration.app_label, None)
        loader.migrations[migration.key] = migration
    loader.build()
    return loader


@pytest.fixture
def both(make_model, make_project, compare):
    """The state before and after, the migrations that lead to the first and from there to the second."""
    old = make_project(brand(make_model, "shop"), *others(make_model, "shop.brand"))
    new = make_project(brand(make_model, "catalog"), *others(make_model, "catalog.brand"))
    first = compare(make_project(), old)
    second = compare(old, new, Answers(renames=RENAMES), loader_of(first).graph)
    return old, new, first, second


async def test_rows_and_references_go_along_and_the_way_back_is_there(database, both, make_project, compare):
    _, new, first, second = both
    loader = loader_of(first, second)
    executor = Executor(database, loader)
    await executor.migrate([("shop", first.migrations["shop"][-1].name)])
    before = await schema(database)
    apps = loader_of(first).state().apps
    Brand, Item, Owner = (apps.get_model("shop", name) for name in ("Brand", "Item", "Owner"))
    top = await Brand.objects.create(name="top")
    low = await Brand.objects.create(name="low", parent=top, rank=2)
    await low.owners.add(await Owner.objects.create())
    await (await Item.objects.create(brand=low)).seen.add(top)

    await executor.migrate()

    apps = loader.state().apps
    found = await apps.get_model("shop", "Item").objects.values_list("brand__name", "brand__parent__name", "seen__name")
    assert [tuple(row) for row in found] == [("low", "top", "top")]
    assert await apps.get_model("catalog", "Brand").objects.filter(owners__isnull=False).count() == 1
    assert not compare(loader.state(), new, graph=loader.graph)
    after = await schema(database)
    assert {"catalog_brand", "catalog_brand_owners"} <= after.keys()
    assert not {name for name in after if name.startswith("shop_brand")}

    await executor.migrate([("shop", first.migrations["shop"][-1].name), ("catalog", None)])

    assert await schema(database) == before
    rows = (
        await loader_of(first).state().apps.get_model("shop", "Item").objects.values_list("brand__name", "seen__name")
    )
    assert [tuple(row) for row in rows] == [("low", "top")]


async def test_the_schema_is_that_of_a_model_made_there(database, both, make_project, compare):
    _, new, first, second = both
    await Executor(database, loader_of(first, second)).migrate()
    moved = await schema(database)
    async with database.schema_editor(atomic=False) as editor:
        for table in ("shop_item_seen", "shop_item", "catalog_brand_owners", "catalog_brand", "shop_owner"):
            await editor.drop_table(table)
    await database.execute("DELETE FROM covet_migrations")

    await Executor(database, loader_of(compare(make_project(), new))).migrate()

    assert moved == await schema(database)


def renamed_on_the_way(make_model, make_project):
    old = make_project(brand(make_model, "shop"), *others(make_model, "shop.brand"))
    label = brand(make_model, "catalog")
    fields = {**label.fields, "parent": fk("catalog.label", null=True, related_name="+")}
    new = make_project(make_model("catalog.Label", fields), *others(make_model, "catalog.label"))
    return old, new


async def test_it_may_get_another_name_on_the_way(database, make_model, make_project, compare):
    old, new = renamed_on_the_way(make_model, make_project)
    first = compare(make_project(), old)
    answers = Answers(renames=[parse_rename("shop.Brand:catalog.Label")])
    second = compare(old, new, answers, loader_of(first).graph)
    loader = loader_of(first, second)
    executor = Executor(database, loader)
    await executor.migrate([("shop", first.migrations["shop"][-1].name)])
    before = await schema(database)
    apps = loader_of(first).state().apps
    Brand, Item, Owner = (apps.get_model("shop", name) for name in ("Brand", "Item", "Owner"))
    top = await Brand.objects.create(name="top")
    await top.owners.add(await Owner.objects.create())
    await (await Item.objects.create(brand=top)).seen.add(top)

    await executor.migrate()

    apps = loader.state().apps
    assert await apps.get_model("catalog", "Label").objects.filter(owners__isnull=False).count() == 1
    found = await apps.get_model("shop", "Item").objects.values_list("brand__name", "seen__name")
    assert [tuple(row) for row in found] == [("top", "top")]
    assert not compare(loader.state(), new, graph=loader.graph)
    moved = await schema(database)
    assert losses(old, [one for group in second.migrations.values() for one in group]) == []

    await executor.migrate([("shop", first.migrations["shop"][-1].name), ("catalog", None)])
    assert await schema(database) == before

    # The end is what a model made there is.
    await executor.migrate([("shop", None)])
    await Executor(database, loader_of(compare(make_project(), new))).migrate()
    assert moved == await schema(database)


def test_another_name_and_another_app_are_no_guess(make_model, make_project, compare, describe):
    old, new = renamed_on_the_way(make_model, make_project)
    graph = loader_of(compare(make_project(), old)).graph

    assert "Delete model Brand" in str(describe(compare(old, new, graph=graph)))
    taken = make_project(*old.models.values(), make_model("shop.Label"))
    left = make_project(*new.models.values(), make_model("shop.Label"))
    with pytest.raises(MigrationError, match="shop has a label of its own; move it under its own name first"):
        compare(taken, left, Answers(renames=[parse_rename("shop.Brand:catalog.Label")]), graph)


def test_it_is_asked_and_loses_nothing(both, make_project, compare, describe):
    old, new, first, second = both
    graph = loader_of(first).graph

    with pytest.raises(AnswerNeeded, match=r"Say --rename shop\.Brand:catalog\.Brand, or --no-rename") as caught:
        compare(old, new, graph=graph)
    assert caught.value.exit_code == 3
    assert losses(old, [one for group in second.migrations.values() for one in group]) == []
    assert [len(second.migrations[label]) for label in ("catalog", "shop")] == [2, 1]
    removed = describe(compare(old, new, Answers(nothing_renamed=True), graph))
    assert "Delete model Brand" in str(removed)


def test_a_table_that_keeps_its_name_is_not_touched(make_model, make_project, compare):
    old = make_project(make_model("shop.Brand", {"n": models.IntegerField()}))
    new = make_project(make_model("catalog.Brand", {"n": models.IntegerField()}, db_table="shop_brand"))
    first = compare(make_project(), old)
    found = compare(old, new, Answers(renames=RENAMES), loader_of(first).graph)
    operations = [item for group in found.migrations.values() for one in group for item in one.operations]
    assert operations and all(isinstance(item, migrations.SeparateDatabaseAndState) for item in operations)
    assert not any(item.database_operations for item in operations)


@pytest.mark.parametrize(
    ("rename", "message"),
    [
        ("shop.Brand:catalog.Label", "'catalog' has no such new model"),
        ("shop.Brnd:catalog.Brnd", "'shop.brnd' is not in the migrations"),
        (
            "shop.Kid:catalog.Kid",
            "shop.kid cannot be moved to catalog by migrations: it inherits .* copy the rows with RunPython",
        ),
    ],
)
def test_a_move_that_does_not_fit_is_refused(make_model, make_project, compare, rename, message):
    link = fk("shop.base", parent_link=True, primary_key=True)
    old = make_project(
        make_model("shop.Base"),
        make_model("shop.Brand"),
        make_model("shop.Kid", {"base_ptr": link}, bases=("shop.base",)),
    )
    new = make_project(make_model("shop.Base"), make_model("catalog.Brand"), make_model("catalog.Kid"))
    with pytest.raises(MigrationError, match=message) as caught:
        compare(old, new, Answers(renames=[parse_rename(rename)], nothing_renamed=True))
    assert caught.value.exit_code == 2
    with pytest.raises(MigrationError, match="is not understood"):
        parse_rename("shop.Brand.name:catalog.name")


MODELS = "from covet.db import models\n\n\nclass Brand(models.Model):\n    name = models.CharField(max_length=9)\n"


async def test_the_command_and_the_content_type(vendor, scratch, tmp_path):
    project = Project(tmp_path, await scratch(vendor))
    settings = tmp_path / "site_settings.py"
    settings.write_text(settings.read_text().replace('["blog"]', '["covet.contenttypes", "blog", "catalog"]'))
    for name in ("catalog", "catalog/migrations"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    (tmp_path / "catalog" / "models.py").write_text("")
    project.models(MODELS)
    await project.run("makemigrations")
    await project.run("migrate")
    before = json.loads((await project.run("dumpdata", "contenttypes"))[1])
    project.models("")
    (tmp_path / "catalog" / "models.py").write_text(MODELS)

    code, _, err = await project.run("makemigrations")
    assert code == 3 and "Did the model blog.Brand move to catalog.Brand?" in err
    code, shown = await answer(project, ["", "n"], "makemigrations")
    # The answer of an empty line is no, and then the data is what is asked about.
    assert (
        code == 3 and "Did the model blog.Brand move to catalog.Brand? [y/N]" in shown and "Data would be lost" in shown
    )
    code, shown = await answer(project, ["y"], "makemigrations", "--dry-run")
    assert code == 0 and "catalog/migrations/0002_" in shown, shown
    code, out, err = await project.run("makemigrations", "--rename", "blog.Brand:catalog.Brand")
    assert code == 0 and "blog/migrations/0002_delete_brand.py" in out, (out, err)
    code, _, err = await project.run("migrate")
    assert code == 0, err
    assert (await project.run("makemigrations", "--check"))[0] == 0
    (row,) = [row for row in json.loads((await project.run("dumpdata", "contenttypes"))[1]) if "brand" in str(row)]
    assert row["fields"]["app_label"] == "catalog" and row["pk"] in [one["pk"] for one in before]

    code, _, err = await project.run("migrate", "catalog", "zero")
    assert code == 0, err
    found = json.loads((await project.run("dumpdata", "contenttypes"))[1])
    (back,) = [one for one in found if one["fields"]["model"] == "brand"]
    assert back["fields"]["app_label"] == "blog" and back["pk"] == row["pk"]
