"""Children with tables of their own, proxies and abstract parents, with rows in all three databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.models.table import table_of
from covet.exceptions import NotLoaded, ValidationError

with apps.isolate():

    class Stamped(models.Model):
        note = models.CharField(max_length=20, blank=True)

        class Meta:
            abstract = True
            app_label = "kin"

    class Place(Stamped):
        name = models.CharField(max_length=20, unique=True)

        class Meta(Stamped.Meta):
            ordering = ["name"]

    class Bar(Place):
        drinks = models.IntegerField(default=0)

        class Meta:
            app_label = "kin"

    class Pub(Bar):
        beers = models.IntegerField(default=0)

        class Meta:
            app_label = "kin"

    class Loud(models.Manager["Place"]):
        def get_queryset(self) -> models.QuerySet[Place, Place]:
            return super().get_queryset().filter(note="loud")

    class LoudPlace(Place):
        objects = Loud()

        class Meta:
            app_label = "kin"
            proxy = True

        def shout(self) -> str:
            return self.name.upper()

    class Question(models.Model):
        text = models.CharField(max_length=20)

        class Meta:
            app_label = "kin"

    class Answer(models.Model):
        text = models.CharField(max_length=20)
        question = models.ForeignKey(Question, on_delete=models.CASCADE)

        class Meta:
            app_label = "kin"
            order_with_respect_to = "question"


MODELS = (Place, Bar, Pub, Question, Answer)


@pytest.fixture
async def tables(database: Database) -> AsyncIterator[Database]:
    async with database.schema_editor() as editor:
        for model in MODELS:
            await editor.create_table(table_of(model))
    yield database
    async with database.schema_editor() as editor:
        for model in reversed(MODELS):
            await editor.drop_table(model._meta.db_table)


@pytest.mark.row("inheritance.tables")
async def test_a_child_is_one_row_in_each_table(tables: Database) -> None:
    pub = await Pub.objects.create(name="Crown", note="old", drinks=3, beers=12)
    assert (await Place.objects.get()).pk == pub.pk
    assert (await Bar.objects.get(name="Crown")).drinks == 3
    found = await Pub.objects.get(note="old", drinks__gt=2, beers=12)
    assert (found.name, found.drinks, found.beers) == ("Crown", 3, 12)
    assert found == pub
    assert found != await Place.objects.get()
    found.name, found.beers = "Anchor", 13
    await found.save()
    assert (await Place.objects.get()).name == "Anchor"
    await found.refresh_from_db()
    assert found.beers == 13
    assert await found.delete() == (3, {"kin.Pub": 1, "kin.Bar": 1, "kin.Place": 1})
    assert await Place.objects.count() == 0


@pytest.mark.row("inheritance.tables")
async def test_a_parent_leads_to_its_child(tables: Database) -> None:
    bar = await Bar.objects.create(name="Crown", drinks=3)
    place = await Place.objects.get()
    assert (await place.bar) == bar  # type: ignore[attr-defined]
    await Place.objects.create(name="Park")
    park = await Place.objects.get(name="Park")
    with pytest.raises(Bar.DoesNotExist):
        await park.bar  # type: ignore[attr-defined]


async def test_unique_rules_of_the_parent_count_for_the_child(tables: Database) -> None:
    await Place.objects.create(name="Crown")
    with pytest.raises(ValidationError) as caught:
        await Bar(name="Crown").full_clean()
    assert caught.value.message_dict == {"name": ["Place with this Name already exists."]}
    bar = await Bar.objects.create(name="Anchor")
    await bar.full_clean()


async def test_an_unloaded_child_is_completed(tables: Database) -> None:
    bar = await Bar.objects.create(name="Crown", drinks=3)
    unloaded = Bar.unloaded(bar.pk, using="default")
    with pytest.raises(NotLoaded):
        unloaded.name
    assert await unloaded is unloaded
    assert (unloaded.name, unloaded.drinks) == ("Crown", 3)


@pytest.mark.row("inheritance.proxy")
async def test_proxies_see_the_rows_through_their_manager(tables: Database) -> None:
    await Place.objects.create(name="Park")
    await Place.objects.create(name="Club", note="loud")
    (club,) = await LoudPlace.objects.all()
    assert type(club) is LoudPlace
    assert club.shout() == "CLUB"  # type: ignore[attr-defined]
    assert club == await Place.objects.get(name="Club")
    club.note = "quiet"
    await club.save()
    assert await LoudPlace.objects.count() == 0


@pytest.mark.row("meta.order_with_respect_to")
async def test_rows_of_one_parent_have_an_order(tables: Database) -> None:
    question = await Question.objects.create(text="?")
    other = await Question.objects.create(text="!")
    one, two, three = [await Answer.objects.create(text=text, question=question) for text in "abc"]
    await Answer.objects.create(text="d", question=other)
    assert await question.get_answer_order() == [one.pk, two.pk, three.pk]  # type: ignore[attr-defined]
    await question.set_answer_order([three.pk, one.pk, two.pk])  # type: ignore[attr-defined]
    assert [answer.text for answer in await Answer.objects.filter(question=question)] == ["c", "a", "b"]
    await one.refresh_from_db()
    assert await one.get_next_in_order() == two
    assert await one.get_previous_in_order() == three
    with pytest.raises(Answer.DoesNotExist):
        await (await Answer.objects.get(pk=two.pk)).get_next_in_order()
