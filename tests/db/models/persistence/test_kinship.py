"""Rows of several tables and of proxies to the letter; what is assigned to a computed column; pickles of other versions."""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.errors import IntegrityError
from covet.db.models.table import table_of
from covet.db.observe import record_queries
from covet.exceptions import NON_FIELD_ERRORS, FieldError, ValidationError

with apps.isolate():

    class Root(models.Model):
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "family"

    class Left(Root):
        root_link = models.OneToOneField(Root, models.CASCADE, parent_link=True, primary_key=True)
        lefts = models.IntegerField(default=1)

        class Meta:
            app_label = "family"

    class Right(models.Model):
        right_id = models.BigAutoField(primary_key=True)
        rights = models.IntegerField(default=2)

        class Meta:
            app_label = "family"

    class Both(Left, Right):
        boths = models.IntegerField(default=3)

        class Meta:
            app_label = "family"

    class Other(Root):
        others = models.IntegerField(default=4)

        class Meta:
            app_label = "family"

    class Third(Root):
        third_link = models.OneToOneField(Root, models.CASCADE, parent_link=True, primary_key=True)
        thirds = models.IntegerField(default=3)

        class Meta:
            app_label = "family"

    class Diamond(Left, Third):
        carats = models.IntegerField(default=5)

        class Meta:
            app_label = "family"

    class Seen(Left):
        class Meta:
            app_label = "family"
            proxy = True

    class SeenAgain(Seen):
        class Meta:
            app_label = "family"
            proxy = True
            ordering = ["-lefts"]

    class Box(models.Model):
        width = models.IntegerField()
        area = models.GeneratedField(
            expression=models.F("width") * models.F("width"), output_field=models.IntegerField(), db_persist=True
        )

        class Meta:
            app_label = "family"


@pytest.fixture
async def family(database: Database) -> AsyncIterator[Database]:
    async with database.schema_editor() as editor:
        for model in (Root, Left, Right, Both, Other, Third, Diamond, Box):
            await editor.create_table(table_of(model))
    yield database


@pytest.mark.row("inheritance.tables")
async def test_keep_parents_removes_the_childs_row_alone(family: Database) -> None:
    row = await Left.objects.create(name="a")

    assert await row.delete(keep_parents=True) == (1, {"family.Left": 1})

    assert await Left.objects.count() == 0
    assert (await Root.objects.get()).name == "a"
    again = await Left.objects.create(name="b")
    assert await again.delete() == (2, {"family.Left": 1, "family.Root": 1})
    assert await Root.objects.values_list("name", flat=True) == ["a"]


@pytest.mark.row("inheritance.tables")
async def test_a_link_to_the_parent_has_the_name_that_it_was_given(family: Database) -> None:
    row = await Left.objects.create(name="a", lefts=5)

    assert Left._meta.pk.name == "root_link"
    assert row.root_link_id == row.pk == (await Root.objects.get(left__lefts=5)).pk
    assert (await Root.objects.select_related("left").get()).left == row


@pytest.mark.row("inheritance.tables", "inheritance.several")
async def test_a_child_of_two_parents_is_one_row_in_each_table(family: Database) -> None:
    row = await Both.objects.create(name="a", lefts=5, rights=6, boths=7)

    read = await Both.objects.get(name="a", lefts=5, rights=6)
    assert (read.pk, read.right_id, read.boths) == (row.pk, row.right_id, 7)
    read.name, read.rights = "b", 8
    await read.save()
    assert await Root.objects.values_list("name", flat=True) == ["b"]
    assert await Right.objects.values_list("rights", flat=True) == [8]
    total, by_model = await read.delete()
    assert (total, set(by_model)) == (4, {"family.Both", "family.Left", "family.Right", "family.Root"})
    assert await Right.objects.count() == 0


@pytest.mark.row("inheritance.tables", "inheritance.several")
async def test_parents_that_share_a_parent_share_its_row(family: Database) -> None:
    row = await Diamond.objects.create(name="a", lefts=5, thirds=6, carats=7)

    assert Diamond.check() == []
    assert await Root.objects.count() == 1
    read = await Diamond.objects.get(name="a", lefts=5, thirds=6)
    assert read == row
    read.name, read.thirds = "b", 8
    await read.save()
    assert await Third.objects.values_list("name", "thirds") == [("b", 8)]
    assert await Left.objects.values_list("name", "lefts") == [("b", 5)]
    assert (await read.delete())[0] == 4
    assert await Root.objects.count() == 0


@pytest.mark.row("inheritance.tables")
async def test_a_tuple_forces_the_insert_of_the_tables_that_it_names(family: Database) -> None:
    root = await Root.objects.create(name="a")

    with record_queries() as queries:
        await Left(root_link_id=root.pk, id=root.pk, name="b").save(force_insert=(Left,))
    assert [one.sql.split()[0] for one in queries if one.sql.split()[0] in {"INSERT", "UPDATE"}] == ["UPDATE", "INSERT"]
    assert await Root.objects.values_list("name", flat=True) == ["b"]
    with pytest.raises(IntegrityError):
        await Left(root_link_id=root.pk, id=root.pk, name="c").save(force_insert=(Root, Left))
    for wrong in (("Left",), (Right,), [Left]):
        with pytest.raises(TypeError):
            await Left(name="d").save(force_insert=wrong)


@pytest.mark.row("inheritance.proxy")
async def test_a_proxy_of_a_proxy_has_the_rows_of_the_model_below(family: Database) -> None:
    await SeenAgain.objects.create(name="a", lefts=1)
    await Left.objects.create(name="b", lefts=2)

    assert SeenAgain._meta.concrete_model is Left
    assert SeenAgain._meta.db_table == Left._meta.db_table
    found = await SeenAgain.objects.all()
    assert [(type(one), one.name) for one in found] == [(SeenAgain, "b"), (SeenAgain, "a")]
    assert found[1] == await Left.objects.get(name="a") == await Seen.objects.get(name="a")
    await found[1].delete()
    assert await Root.objects.values_list("name", flat=True) == ["b"]


@pytest.mark.row("fields.generated")
async def test_what_is_assigned_to_a_computed_column_is_never_written(family: Database) -> None:
    box = await Box.objects.create(width=3)
    box.area = 100
    box.width = 4
    await box.save()

    assert (await Box.objects.get()).area == 16


def test_a_pickle_of_another_version_warns() -> None:
    state = Root(name="a").__getstate__()
    assert pickle.loads(pickle.dumps(Root(pk=1, name="a"))).name == "a"
    other = Root.__new__(Root)

    with pytest.warns(RuntimeWarning, match=r"0\.0\.0"):
        other.__setstate__({**state, "_covet_version": "0.0.0"})
    assert other.name == "a"
    del state["_covet_version"]
    with pytest.warns(RuntimeWarning):
        Root.__new__(Root).__setstate__(state)


@pytest.mark.row("inheritance.tables")
async def test_a_childs_field_may_have_the_name_of_its_model(database: Database) -> None:
    """``place.stars`` leads to the child, and ``stars.stars`` is its number; the same of relations that are added later."""
    with apps.isolate():

        class Place(models.Model):
            name = models.CharField(max_length=20)

            class Meta:
                app_label = "family"

        class Stars(Place):
            stars = models.IntegerField()
            visits = models.IntegerField(default=7)

            class Meta:
                app_label = "family"

        class FewStars(Stars):
            class Meta:
                app_label = "family"

        class Visit(models.Model):
            place = models.ForeignKey(Place, models.CASCADE, related_name="visits")

            class Meta:
                app_label = "family"

    async with database.schema_editor() as editor:
        for model in (Place, Stars, FewStars, Visit):
            await editor.create_table(table_of(model))
    assert [*Place.check(), *Stars.check(), *FewStars.check(), *Visit.check()] == []

    few = await FewStars.objects.create(name="inn", stars=3)
    assert (few.stars, few.visits) == (3, 7)
    few.stars = few.visits = 2
    await few.save()
    place = await Place.objects.select_related("stars").get()
    await Visit.objects.create(place=place)
    assert (place.stars.stars, (await place.stars).visits, await place.visits.count()) == (2, 2, 1)
    assert (
        await Stars.objects.filter(stars=2, visits=2).count() == await Place.objects.filter(stars__stars=2).count() == 1
    )
    part = await FewStars.objects.defer("stars").get()
    assert part.get_deferred_fields() == {"stars"}
    await part.refresh_from_db(fields=["stars"])
    assert part.stars == 2


@pytest.mark.row("inheritance.tables")
async def test_the_reverse_name_of_all_relations_is_also_that_of_the_link_to_a_parent(database: Database) -> None:
    """As in Django: who writes a model's `default_related_name` names the way from a parent's row to the child by it."""
    with apps.isolate():

        class Shop(models.Model):
            name = models.CharField(max_length=20)

            class Meta:
                app_label = "family"

        class Chain(models.Model):
            class Meta:
                app_label = "family"

        class Bakery(Shop):
            loaves = models.IntegerField()
            chain = models.ForeignKey(Chain, models.CASCADE)

            class Meta:
                app_label = "family"
                default_related_name = "%(class)s_of"

        class OldBakery(Bakery):
            class Meta:
                app_label = "family"

    async with database.schema_editor() as editor:
        for model in (Shop, Chain, Bakery, OldBakery):
            await editor.create_table(table_of(model))
    assert [*Shop.check(), *Bakery.check(), *OldBakery.check()] == []
    chain = await Chain.objects.create()
    await OldBakery.objects.create(name="a", loaves=3, chain=chain)
    await Shop.objects.create(name="b")

    shop: Any = await Shop.objects.select_related("bakery_of__oldbakery").get(name="a")
    assert shop.bakery_of.loaves == shop.bakery_of.oldbakery.loaves == 3
    found: Any = await Shop.objects.filter(bakery_of__loaves=3).values_list("bakery_of__chain", flat=True)
    assert found == [chain.pk]
    (bakery,) = await Bakery.objects.filter(chain__bakery_of__loaves=3)
    assert (bakery.shop_ptr_id, bakery.name) == (shop.pk, "a")
    assert not hasattr(Shop, "bakery")
    with pytest.raises(FieldError, match="bakery_of"):
        str(Shop.objects.filter(bakery__loaves=3).query)
    assert (await shop.delete())[0] == 3


@pytest.mark.row("inheritance.proxy", "models.full_clean", "constraints.check", "constraints.unique")
async def test_a_proxy_is_held_to_the_rules_of_its_model_and_of_the_parents(database: Database) -> None:
    """The columns in the conditions are the model's; also where a child with a table of its own has a proxy for a parent."""
    with apps.isolate():

        class Plot(models.Model):
            area = models.IntegerField(default=1)
            number = models.IntegerField(default=1)

            class Meta:
                app_label = "family"
                constraints = [
                    models.CheckConstraint(condition=models.Q(area__gt=0), name="area_positive"),
                    models.UniqueConstraint(models.F("number") * 2, name="number_twice"),
                ]

        class SoldPlot(Plot):
            class Meta:
                app_label = "family"
                proxy = True

        class Garden(SoldPlot):
            trees = models.IntegerField(default=0)

            class Meta:
                app_label = "family"
                constraints = [models.CheckConstraint(condition=models.Q(trees__gte=0), name="trees_positive")]

        class OldGarden(Garden):
            class Meta:
                app_label = "family"
                proxy = True

    async with database.schema_editor() as editor:
        for model in (Plot, Garden):
            await editor.create_table(table_of(model))
    await OldGarden.objects.create(area=3, number=1, trees=2)
    for kind in (Plot, SoldPlot, Garden, OldGarden):
        await (await kind.objects.get()).full_clean()
        with pytest.raises(ValidationError) as caught:
            await kind(area=0, number=1).full_clean()
        assert caught.value.message_dict == {
            NON_FIELD_ERRORS: ["Constraint “area_positive” is violated.", "Constraint “number_twice” is violated."]
        }
    for garden in (Garden, OldGarden):
        with pytest.raises(ValidationError, match="trees_positive"):
            await garden(number=2, trees=-1).full_clean()
        await garden(number=2, trees=1).full_clean()


@pytest.mark.row("meta.order_with_respect_to", "inheritance.proxy", "inheritance.tables")
async def test_rows_of_proxies_and_children_have_places_among_the_others(database: Database) -> None:
    """Behind all rows of the same parent: those that the default manager hides, and those of no parent, count as well."""
    with apps.isolate():

        class Shown(models.Manager[models.Model]):
            def get_queryset(self) -> models.QuerySet[models.Model]:
                return super().get_queryset().exclude(text="hidden")

        class Chapter(models.Model):
            text = models.CharField(max_length=20)
            part = models.ForeignKey(Root, models.CASCADE, null=True, related_name="+")
            objects = Shown()

            class Meta:
                app_label = "family"
                order_with_respect_to = "part"

        class Draft(Chapter):
            class Meta:
                app_label = "family"
                proxy = True

        class Poem(Draft):
            verses = models.IntegerField(default=1)

            class Meta:
                app_label = "family"

        class LongPoem(Poem):
            class Meta:
                app_label = "family"
                proxy = True

    async with database.schema_editor() as editor:
        for model in (Root, Chapter, Poem):
            await editor.create_table(table_of(model))
    root = await Root.objects.create(name="book")
    rows = [await kind.objects.create(part=root, text=kind.__name__) for kind in (Chapter, Draft, Poem, LongPoem)]
    rows.append(await Draft.objects.create(part=root, text="hidden"))
    rows += await Draft.objects.bulk_create([Draft(part=root, text="a"), Draft(text="b"), Draft(text="c")])
    rows += [await Chapter.objects.create(part=root), await Poem.objects.create()]
    rows += await Chapter.objects.bulk_create([Chapter(part=root), Chapter()])
    assert [row._order for row in rows] == [0, 1, 2, 3, 4, 5, 0, 1, 6, 2, 7, 3]

    draft, poem = await Draft.objects.get(pk=rows[1].pk), await LongPoem.objects.get(pk=rows[3].pk)
    assert type(await draft.get_next_in_order()) is Draft and (await draft.get_next_in_order()).pk == rows[2].pk
    assert await poem.get_previous_in_order() == await Chapter.objects.get(pk=rows[2].pk)
    # The hidden row is none of the default manager's.
    assert await poem.get_next_in_order() == await Chapter.objects.get(pk=rows[5].pk)
    with pytest.raises(Draft.DoesNotExist, match="no previous Draft"):
        await (await Draft.objects.get(pk=rows[0].pk)).get_previous_in_order()


@pytest.mark.row("inheritance.proxy", "inheritance.tables", "queries.bulk_create", "queries.update_or_create")
async def test_proxies_are_inserted_together_and_set_what_sets_itself(database: Database) -> None:
    with apps.isolate():

        class Letter(models.Model):
            code = models.CharField(max_length=20, unique=True)
            text = models.CharField(max_length=20)
            written = models.DateTimeField(auto_now=True)
            pages = models.IntegerField(db_default=2)

            class Meta:
                app_label = "family"

        class Parcel(Letter):
            class Meta:
                app_label = "family"
                proxy = True

        class Telegram(Parcel):
            words = models.IntegerField(default=1)

            class Meta:
                app_label = "family"

    async with database.schema_editor() as editor:
        for model in (Letter, Telegram):
            await editor.create_table(table_of(model))
    made = await Parcel.objects.bulk_create(
        [Parcel(code="a", text="A"), Parcel(pk=70, code="b", text="B"), Parcel(code="c", text="C", pages=5)]
    )
    assert [type(row) for row in made] == [Parcel] * 3 and made[1].pk == 70
    assert {row.pk for row in made} == set(await Letter.objects.values_list("pk", flat=True))
    assert await Letter.objects.order_by("code").values_list("text", "pages") == [("A", 2), ("B", 2), ("C", 5)]
    again = [Parcel(code="a", text="new"), Parcel(code="d", text="D")]
    keys = {} if database.vendor == "mysql" else {"unique_fields": ["code"]}
    await Parcel.objects.bulk_create(again, update_conflicts=True, update_fields=["text"], **keys)
    await Parcel.objects.bulk_create([Parcel(code="a", text="newer")], ignore_conflicts=True)
    assert await Letter.objects.order_by("code").values_list("text", flat=True) == ["new", "B", "C", "D"]

    await Telegram.objects.create(code="t", text="T")
    for kind, code in ((Parcel, "a"), (Telegram, "t")):
        await Letter.objects.update(written=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
        _, created = await kind.objects.update_or_create(code=code, defaults={"text": "last"})
        row = await Letter.objects.get(code=code)
        assert (created, row.text, row.written.year > 2020) == (False, "last", True)


@pytest.mark.row("inheritance.proxy", "fields.composite_key")
async def test_a_proxy_of_a_model_with_a_composite_key_names_a_taken_key_once(database: Database) -> None:
    with apps.isolate():

        class Cell(models.Model):
            pk = models.CompositePrimaryKey("row", "column")
            row = models.IntegerField()
            column = models.IntegerField()

            class Meta:
                app_label = "family"

        class Free(Cell):
            class Meta:
                app_label = "family"
                proxy = True

    async with database.schema_editor() as editor:
        await editor.create_table(table_of(Cell))
    made = await Free.objects.bulk_create([Free(row=1, column=2), Free(pk=(1, 3))])
    assert (
        [row.pk for row in made] == await Cell.objects.order_by("pk").values_list("pk", flat=True) == [(1, 2), (1, 3)]
    )
    with pytest.raises(ValidationError) as caught:
        await Free(row=1, column=2).full_clean()
    assert caught.value.message_dict == {NON_FIELD_ERRORS: ["Cell with this Row and Column already exists."]}
