"""``ForeignObject`` on the three databases: a relation by several fields, mostly to a composite key."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.models import Count, F, Prefetch
from covet.db.models.functions import Coalesce
from covet.db.models.table import table_of
from covet.db.observe import record_queries
from covet.exceptions import FieldError, NotLoaded
from tests.db.models.conftest import create_tables

with apps.isolate():

    class Maker(models.Model):
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "stock"

    class Item(models.Model):
        pk = models.CompositePrimaryKey("shop", "code")
        shop = models.IntegerField()
        code = models.CharField(max_length=20)
        name = models.CharField(max_length=20)
        maker = models.ForeignKey(Maker, models.CASCADE, null=True)
        lines: models.Related[Line]

        class Meta:
            app_label = "stock"

    class Line(models.Model):
        shop = models.IntegerField(null=True)
        item_code = models.CharField(max_length=20, null=True)
        amount = models.IntegerField(default=1)
        item: models.ForeignObject[Item | None] = models.ForeignObject(
            Item, models.CASCADE, ["shop", "item_code"], ["shop", "code"], null=True, related_name="lines"
        )

        class Meta:
            app_label = "stock"

    class Label(models.Model):
        """By one field that is unique and no key; the rows that refer protect it."""

        code = models.CharField(max_length=20)
        shop = models.IntegerField()
        text = models.CharField(max_length=20)

        class Meta:
            app_label = "stock"
            constraints = [models.UniqueConstraint(fields=["shop", "code"], name="one_label")]

    class Sticker(models.Model):
        shop = models.IntegerField()
        code = models.CharField(max_length=20)
        label = models.ForeignObject(Label, models.PROTECT, from_fields=["shop", "code"], to_fields=["shop", "code"])

        class Meta:
            app_label = "stock"


MODELS = [Maker, Item, Line, Label, Sticker]


@pytest.fixture
async def stock(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, MODELS)
    maker = await Maker.objects.create(name="Acme")
    for shop in (1, 2):
        for code in "ab":
            item = await Item.objects.create(shop=shop, code=code, name=f"{code}{shop}", maker=maker)
            await Line.objects.create(item=item, amount=shop)
    await Line.objects.create(amount=9)
    await Line.objects.create(shop=7, item_code="lost", amount=8)
    yield database


def names(lines: list[Line]) -> list[str]:
    return [f"{line.item_code}{line.shop}" for line in lines]


@pytest.mark.row("fields.foreign_object")
async def test_it_has_no_column_and_keeps_its_fields(stock: Database) -> None:
    assert [column.name for column in table_of(Line).columns] == ["id", "shop", "item_code", "amount"]
    item = await Item.objects.get(pk=(1, "a"))

    line = Line(item=item)
    assert (line.shop, line.item_code) == (1, "a")
    assert line.item is item
    line.shop = 2
    assert line.item.pk == (2, "a")
    line.item = None
    assert (line.shop, line.item_code, line.item) == (None, None, None)
    with pytest.raises(ValueError, match=r"Line\.item must be an instance of Item"):
        line.item = Maker(name="x")
    new = Item(code="c", name="c3")
    line.item = new
    with pytest.raises(ValueError, match="refers to an unsaved Item"):
        await line.save()
    new.shop = 3
    await new.save()
    await line.save()
    assert (await Line.objects.get(pk=line.pk)).item_code == "c"
    field = Line._meta.get_field("item")
    assert not field.concrete and field.is_relation and field.many_to_one
    assert field.clone().deconstruct()[1:] == field.deconstruct()[1:]
    with pytest.raises(Label.DoesNotExist, match="has no label yet"):
        _ = Sticker().label


@pytest.mark.row("fields.foreign_object")
async def test_filters_go_across_and_take_objects_tuples_and_querysets(stock: Database) -> None:
    lines = Line.objects.order_by("pk")
    item = await Item.objects.get(shop=1, code="b")

    assert names(await lines.filter(item=item)) == ["b1"]
    assert names(await lines.filter(item=(2, "a"))) == ["a2"]
    assert names(await lines.filter(item__in=[item, (2, "b"), None])) == ["b1", "b2"]
    assert names(await lines.filter(item__in=Item.objects.filter(code="a"))) == ["a1", "a2"]
    assert await lines.filter(item__in=[]) == []
    assert names(await lines.filter(item__name="a2")) == ["a2"]
    assert names(await lines.filter(item__maker__name="Acme", item__shop=1)) == ["a1", "b1"]
    assert names(await lines.exclude(item=item)) == ["a1", "a2", "b2", "NoneNone", "lost7"]
    assert names(await lines.filter(item=None)) == ["NoneNone"]
    assert await lines.filter(item__isnull=False).count() == 5
    assert names(await lines.filter(item__name__isnull=True)) == ["NoneNone", "lost7"]
    assert await lines.get(item=item) == await lines.get(shop=1, item_code="b")
    assert [item.name for item in await Item.objects.filter(lines__amount=2).order_by("name")] == ["a2", "b2"]
    assert [item.name for item in await Item.objects.filter(lines=await lines.first())] == ["a1"]
    made = Item.objects.annotate(n=Count("lines")).order_by("name")
    assert await made.values_list("name", "n") == [("a1", 1), ("a2", 1), ("b1", 1), ("b2", 1)]
    assert await lines.filter(item__shop=F("shop"), item__isnull=False).count() == 4
    assert names(await lines.filter(item__isnull=False, amount__lt=3).order_by("-item__name")) == [
        "b2",
        "b1",
        "a2",
        "a1",
    ]
    with record_queries() as queries:
        await lines.filter(item=item)
    assert "JOIN" not in queries[0].sql


@pytest.mark.row("fields.foreign_object")
async def test_values_that_cannot_be_compared_are_refused_by_name(stock: Database) -> None:
    with pytest.raises(ValueError, match=r"tuple of its shop, code, not with 5"):
        Line.objects.filter(item=5)
    with pytest.raises(ValueError, match=r"tuple of its shop, code"):
        Line.objects.filter(item__in=[(1, 2, 3)])
    with pytest.raises(FieldError, match="'contains' cannot compare it"):
        Line.objects.filter(item__contains=(1, "a"))
    with pytest.raises(ValueError, match="True or False"):
        Line.objects.filter(item__isnull="x")
    with pytest.raises(ValueError, match="unsaved Item"):
        Line.objects.filter(item=Item(code="a"))
    with pytest.raises(ValueError, match="must be an instance of Item"):
        Line.objects.filter(item=Maker(pk=1))
    with pytest.raises(FieldError, match="several parts"):
        await Line.objects.annotate(x=Coalesce("item", models.Value(1)))


@pytest.mark.row("fields.foreign_object")
async def test_objects_are_loaded_by_join_by_prefetch_and_by_await(stock: Database) -> None:
    lines = Line.objects.filter(amount__lt=5).order_by("pk")

    with record_queries() as queries:
        assert [line.item.name for line in await lines.select_related("item__maker")] == ["a1", "b1", "a2", "b2"]
    assert len(queries) == 1
    with record_queries() as queries:
        assert [line.item.name for line in await lines.prefetch_related("item")] == ["a1", "b1", "a2", "b2"]
    assert len(queries) == 2
    with record_queries() as queries:
        found = list(await lines)[::2]
        with pytest.raises(NotLoaded, match="name"):
            _ = found[0].item.name
        assert [(await line.item).name for line in found] == ["a1", "a2"]
    assert len(queries) == 2
    with record_queries() as queries:
        found = await lines.all()
        rows = await asyncio.gather(*[line.item for line in found])
    assert [row.name for row in rows] == ["a1", "b1", "a2", "b2"]
    assert len(queries) == 2
    # A row that is not there, and none that is named.
    lost, none = await Line.objects.get(amount=8), await Line.objects.get(amount=9)
    assert none.item is None
    assert lost.item.pk == (7, "lost")
    with pytest.raises(Item.DoesNotExist, match=r"Line\.item refers to the Item with shop=7, code='lost'"):
        await lost.item
    (joined,) = await Line.objects.filter(amount=8).select_related("item")
    with pytest.raises(Item.DoesNotExist):
        await joined.item
    (narrow,) = await Line.objects.filter(amount=8).only("amount")
    with pytest.raises(NotLoaded):
        _ = narrow.item
    (strict,) = await Line.objects.filter(amount=8).fetch_mode(models.FETCH_RAISE)
    with pytest.raises(NotLoaded, match="select_related"):
        await strict.item
    one = await lines.first()
    assert one is not None
    await one.fetch("item")
    assert one.item.name == "a1"
    assert pickle.loads(pickle.dumps(one)).item.pk == (1, "a")
    chosen = await lines.prefetch_related(Prefetch("item", Item.objects.filter(code="a"), to_attr="a_item"))
    assert [getattr(line.a_item, "name", None) for line in chosen] == ["a1", None, "a2", None]
    await Item.objects.filter(pk=(1, "a")).update(name="new")
    await one.refresh_from_db()
    assert (await one.item).name == "new"


@pytest.mark.row("fields.foreign_object")
async def test_the_target_has_a_manager_of_the_rows(stock: Database) -> None:
    items = await Item.objects.order_by("name").prefetch_related("lines")
    assert [[line.amount for line in item.lines.all()] for item in items] == [[1], [2], [1], [2]]
    items = await Item.objects.order_by("name")
    with record_queries() as queries:
        assert [[line.amount for line in await item.lines.all()] for item in items] == [[1], [2], [1], [2]]
    assert len(queries) == 1
    sliced = Prefetch("lines", Line.objects.order_by("-amount")[:1], to_attr="last")
    assert [len(item.last) for item in await Item.objects.prefetch_related(sliced)] == [1, 1, 1, 1]

    a1, a2, *_ = items
    made = await a1.lines.create(amount=5)
    assert (made.shop, made.item_code) == (1, "a")
    assert await a1.lines.filter(amount=5).count() == 1
    assert (await a1.lines.get_or_create(amount=5))[1] is False
    assert (await a1.lines.update_or_create({"amount": 6}, amount=5))[0].amount == 6
    made = await Line.objects.get(pk=made.pk)
    await a2.lines.add(made)
    assert await a2.lines.count() == 2
    await a1.lines.bulk_create([Line(amount=3), Line(amount=4)])
    assert await a1.lines.count() == 3
    await a2.lines.remove(made)
    assert names([await Line.objects.get(pk=made.pk)]) == ["NoneNone"]
    with pytest.raises(Line.DoesNotExist, match="does not belong"):
        await a2.lines.remove(made)
    await a1.lines.set([made], bulk=False)
    assert await a1.lines.count() == 1
    await a1.lines.clear()
    assert await a1.lines.count() == 0
    with pytest.raises(ValueError, match="not saved"):
        Item().lines.all()


@pytest.mark.row("fields.foreign_object")
async def test_deleting_the_target_does_what_on_delete_says(stock: Database) -> None:
    item = await Item.objects.get(pk=(1, "a"))
    assert await item.delete() == (2, {"stock.Line": 1, "stock.Item": 1})
    assert await Item.objects.filter(shop=2).delete() == (4, {"stock.Line": 2, "stock.Item": 2})
    assert await Line.objects.filter(amount__lt=5).count() == 1

    label = await Label.objects.create(shop=1, code="x", text="t")
    sticker = await Sticker.objects.create(label=label)
    with pytest.raises(models.ProtectedError, match=r"Sticker\.label refers to them"):
        await label.delete()
    await sticker.delete()
    await label.delete()


async def test_deleting_the_target_can_set_the_fields(database: Database) -> None:
    with apps.isolate():

        class Place(models.Model):
            pk = models.CompositePrimaryKey("x", "y")
            x = models.IntegerField()
            y = models.IntegerField()

            class Meta:
                app_label = "stock"

        class Nulled(models.Model):
            x = models.IntegerField()
            y = models.IntegerField(null=True)
            place = models.ForeignObject(Place, models.SET_NULL, ["x", "y"], ["x", "y"], null=True)

            class Meta:
                app_label = "stock"

        class Defaulted(models.Model):
            x = models.IntegerField(default=0)
            y = models.IntegerField(default=0)
            place = models.ForeignObject(Place, models.SET_DEFAULT, ["x", "y"], ["x", "y"])

            class Meta:
                app_label = "stock"

        class Moved(models.Model):
            x = models.IntegerField()
            y = models.IntegerField()
            place = models.ForeignObject(Place, models.SET(lambda: (5, 5)), ["x", "y"], ["x", "y"])

            class Meta:
                app_label = "stock"

    await create_tables(database, [Place, Nulled, Defaulted, Moved])
    place = await Place.objects.create(x=1, y=2)
    for model in (Nulled, Defaulted, Moved):
        await model.objects.create(place=place)
        assert model.check() == []

    await place.delete()

    assert await Nulled.objects.values_list("x", "y") == [(1, None)]
    assert await Defaulted.objects.values_list("x", "y") == [(0, 0)]
    assert await Moved.objects.values_list("x", "y") == [(5, 5)]


def _ids(target: dict[str, Any] | None = None, **options: Any) -> set[str]:
    with apps.isolate():
        meta = type("Meta", (), {"app_label": "club"})
        base: dict[str, Any] = {"__module__": __name__, "Meta": meta}
        fields = {"a": models.IntegerField(), "b": models.IntegerField()}
        type("Target", (models.Model,), {**base, **fields, **(target or {})})
        given = {"from_fields": ["a", "b"], "to_fields": ["a", "b"], **options}
        own = given.pop("own", {})
        source: Any = type(
            "Source",
            (models.Model,),
            {
                **base,
                "a": models.IntegerField(),
                "b": models.IntegerField(),
                "far": models.ForeignObject("Target", given.pop("on_delete", models.CASCADE), **given),
                **own,
            },
        )
        return {str(one.id) for one in source.check()}


@pytest.mark.row("fields.foreign_object")
@pytest.mark.parametrize(
    ("target", "options", "expected"),
    [
        ({}, {}, {"fields.E310"}),
        ({}, {"from_fields": ["a"], "to_fields": ["a"]}, {"fields.E311"}),
        ({}, {"to_fields": ["a", "c"]}, {"fields.E312"}),
        ({}, {"from_fields": ["a", "c"]}, {"fields.E312"}),
        ({"a": models.IntegerField(unique=True)}, {}, set()),
        ({}, {"from_fields": ["a"], "to_fields": ["pk"]}, set()),
        ({"pk": models.CompositePrimaryKey("a", "b")}, {}, set()),
        ({"pk": models.CompositePrimaryKey("a", "b")}, {"on_delete": models.SET_NULL}, {"fields.E320"}),
        ({"pk": models.CompositePrimaryKey("a", "b")}, {"on_delete": models.SET_DEFAULT}, {"fields.E321"}),
        ({"pk": models.CompositePrimaryKey("a", "b"), "sources": models.TextField()}, {"related_name": "sources"},
         {"fields.E302", "fields.E303"}),
    ],
)  # fmt: skip
def test_the_checks_say_what_is_wrong(target: dict[str, Any], options: dict[str, Any], expected: set[str]) -> None:
    assert _ids(target, **options) == expected


def test_rules_of_the_table_cannot_name_it_nor_a_composite_key() -> None:
    with apps.isolate():

        class Ruled(models.Model):
            pk = models.CompositePrimaryKey("shop", "code")
            shop = models.IntegerField()
            code = models.CharField(max_length=20)
            # Item knows of it in the other tests too, whose deletions would look for its table.
            item = models.ForeignObject(Item, models.DO_NOTHING, ["shop", "code"], ["shop", "code"], related_name="+")

            class Meta:
                app_label = "stock"
                unique_together = [("item", "pk")]
                indexes = [models.Index(fields=["item"], name="by_item")]
                constraints = [models.UniqueConstraint(fields=["pk"], name="by_key")]

    assert {str(one.id) for one in Ruled.check()} == {"models.E048", "models.E049"}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((Item, models.CASCADE, ["a"], ["a", "b"]), "1 from_fields do not go with 2 to_fields"),
        ((Item, models.CASCADE, [], []), "lists of names"),
        ((Item, models.CASCADE, "a", "b"), "lists of names"),
        ((Item, models.DB_CASCADE, ["a"], ["a"]), "no constraint.*Use CASCADE"),
        ((Item, "cascade", ["a"], ["a"]), "takes models.CASCADE"),
        ((5, models.CASCADE, ["a"], ["a"]), "takes a model"),
    ],
    ids=["lengths", "empty", "texts", "database", "rule", "target"],
)
def test_wrong_arguments_are_refused_when_it_is_written(arguments: tuple[Any, ...], error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        models.ForeignObject(*arguments)


async def test_it_is_inherited(database: Database) -> None:
    with apps.isolate():

        class Located(models.Model):
            shop = models.IntegerField()
            code = models.CharField(max_length=20)
            # Item knows of it in the other tests too, whose deletions would look for its table.
            item = models.ForeignObject(Item, models.DO_NOTHING, ["shop", "code"], ["shop", "code"], related_name="+")

            class Meta:
                app_label = "stock"
                abstract = True

        class Shelf(Located):
            class Meta(Located.Meta):
                abstract = False

        class Deep(Shelf):
            class Meta:
                app_label = "stock"

    await create_tables(database, [Maker, Item, Shelf, Deep])
    item = await Item.objects.create(shop=1, code="a", name="a1")
    await Deep.objects.create(item=item)
    assert await Shelf.objects.filter(item__name="a1").count() == 1
    (deep,) = await Deep.objects.filter(item=item, item__name="a1").select_related("item")
    assert deep.item.name == "a1"
