"""``ForeignObject`` in migrations: part of the state, and no part of a table."""

from __future__ import annotations

from typing import Any

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.migrations.model_state import ModelState
from covet.db.migrations.operations import CreateModel, RenameField
from covet.db.migrations.state import ProjectState


def item() -> Any:
    return models.ForeignObject("shop.Item", models.CASCADE, ["shop", "item_code"], ["shop", "code"])


def states(make_model: Any, make_project: Any) -> tuple[ProjectState, ProjectState]:
    pair = {"shop": models.IntegerField(), "code": models.CharField(max_length=9)}
    key = models.CompositePrimaryKey("shop", "code")
    target = make_model("shop.Item", {"pk": key, **pair})
    fields = {"shop": models.IntegerField(), "item_code": models.CharField(max_length=9)}
    without = make_project(target, make_model("shop.Line", fields))
    return without, make_project(target, make_model("shop.Line", {**fields, "item": item()}))


def test_makemigrations_adds_and_removes_it(make_model, make_project, compare, describe, after):
    without, with_it = states(make_model, make_project)

    assert describe(compare(without, with_it)) == {"shop": [["Add field item to line"]]}
    assert describe(compare(with_it, without)) == {"shop": [["Remove field item from line"]]}
    assert not compare(with_it, with_it)
    made = compare(make_project(), with_it)
    assert not compare(after(make_project(), made), with_it)


def test_a_renamed_field_is_renamed_in_it(make_model, make_project):
    _without, state = states(make_model, make_project)

    RenameField("Line", "item_code", "number").state_forwards("shop", state)
    RenameField("Item", "shop", "store").state_forwards("shop", state)

    field = state.model("shop", "Line").field("item")
    assert (field.from_fields, field.to_fields) == (("shop", "number"), ("store", "code"))


def test_a_model_class_has_it_in_its_state():
    with apps.isolate():

        class Line(models.Model):
            shop = models.IntegerField()
            item_code = models.CharField(max_length=9)
            item = item()

            class Meta:
                app_label = "shop"

    assert list(ModelState.from_model(Line).fields) == ["id", "shop", "item_code", "item"]


async def test_no_column_is_made_and_historical_models_follow_it(make_model, make_project, compare, database: Database):
    without, with_it = states(make_model, make_project)
    state = ProjectState()
    (first,) = compare(state, without).migrations["shop"]
    (second,) = compare(without, with_it).migrations["shop"]

    for operations in (first.operations, second.operations):
        for operation in operations:
            new = state.clone()
            operation.state_forwards("shop", new)
            async with database.schema_editor() as editor:
                await operation.run("shop", editor, state, new)
            state = new

    assert isinstance(first.operations[0], CreateModel)
    Item, Line = state.apps.get_model("shop", "Item"), state.apps.get_model("shop", "Line")
    target = await Item.objects.create(shop=1, code="a")
    await Line.objects.create(item=target)
    assert await Line.objects.filter(item__code="a").count() == 1
    (line,) = await Line.objects.select_related("item")
    assert line.item == target
    before = without.clone()
    async with database.schema_editor() as editor:
        await second.operations[0].run("shop", editor, state, before, backwards=True)
    assert await before.apps.get_model("shop", "Line").objects.filter(item_code="a").count() == 1
