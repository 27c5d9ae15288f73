"""Keys that the project spells otherwise than the database gives them: texts of numbers and of UUIDs, texts of other case."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.db import models
from covet.db.database import Database
from covet.db.models.query.prefetch import prefetch_related_objects
from covet.db.observe import record_queries
from tests.db.models.conftest import create_tables


class Fruit(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "testkeysgiven"


class Eater(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    code = models.CharField(max_length=20, unique=True, null=True)
    name = models.CharField(max_length=20)
    likes: models.ManyToManyField[Any] = models.ManyToManyField(Fruit, related_name="eaters")

    class Meta:
        app_label = "testkeysgiven"


class Meal(models.Model):
    eater: models.ForeignKey[Any] = models.ForeignKey(Eater, models.CASCADE, null=True, related_name="meals")
    fruit: models.ForeignKey[Any] = models.ForeignKey(Fruit, models.CASCADE, null=True, related_name="meals")
    by_code: models.ForeignKey[Any] = models.ForeignKey(
        Eater, models.CASCADE, null=True, to_field="code", related_name="coded", db_constraint=False
    )

    class Meta:
        app_label = "testkeysgiven"
        ordering = ["pk"]


class Card(models.Model):
    eater: models.OneToOneField[Any] = models.OneToOneField(Eater, models.CASCADE, related_name="card")
    by_code: models.OneToOneField[Any] = models.OneToOneField(
        Eater, models.CASCADE, null=True, to_field="code", related_name="coded_card", db_constraint=False
    )

    class Meta:
        app_label = "testkeysgiven"


ANN, BOB = uuid.UUID(int=7), uuid.UUID(int=8)


@pytest.fixture
async def eaters(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, [Fruit, Eater, Eater.likes.through, Meal, Card])
    await Eater.objects.create(id=ANN, name="Ann", code="ANN")
    await Eater.objects.create(id=BOB, name="Bob")
    await Fruit.objects.create(pk=3, name="fig")
    yield database


@pytest.mark.row("relations.foreign_key", "relations.forward")
async def test_a_foreign_key_set_as_text_leads_to_its_row(eaters: Database) -> None:
    saved = await Meal.objects.create(eater_id=str(ANN), fruit_id="3")

    assert (await saved.eater).name == "Ann"
    # Once loaded it is there without await, and the key is as the database has it.
    assert (saved.eater.name, saved.eater_id) == ("Ann", ANN)
    held = Meal(fruit_id="3").fruit
    assert (await held).name == held.name == "fig"
    lost = Meal(eater_id=str(uuid.UUID(int=9)))
    with pytest.raises(Eater.DoesNotExist, match=r"Meal\.eater refers to the Eater with key '0{8}-.*9'"):
        await lost.eater


@pytest.mark.row("relations.foreign_key", "relations.fetch")
async def test_rows_of_one_key_in_two_spellings_are_prefetched_together(eaters: Database) -> None:
    rows = [Meal(eater_id=str(ANN)), Meal(eater_id=ANN), Meal(eater_id=str(BOB)), Meal(eater_id=str(uuid.UUID(int=9)))]
    with record_queries() as queries:
        await prefetch_related_objects(rows, "eater")
    assert len(queries) == 1
    assert [row.eater.name for row in rows[:3]] == ["Ann", "Ann", "Bob"]


@pytest.mark.row("relations.reverse", "relations.many_to_many", "relations.one_to_one", "relations.fetch")
async def test_instances_with_texts_for_keys_get_the_rows_that_refer_to_them(eaters: Database) -> None:
    await Meal.objects.bulk_create([Meal(eater_id=ANN), Meal(eater_id=BOB), Meal(eater_id=ANN)])
    card = await Card.objects.create(eater_id=ANN)
    await (await Eater.objects.get(pk=ANN)).likes.add(3)

    for keys in ([str(ANN), str(BOB)], [str(ANN), BOB], [str(ANN), str(BOB), ANN]):
        made = [Eater(id=key) for key in keys]
        with record_queries() as queries:
            await prefetch_related_objects(made, "meals", "likes", "card")
        assert len(queries) == 3
        for one in made:
            is_ann = str(one.id) == str(ANN)
            assert len(one.meals.all()) == (2 if is_ann else 1)
            assert [fruit.name for fruit in one.likes.all()] == (["fig"] if is_ann else [])
        assert (await made[0].card) == card and made[0].card.pk == card.pk
        with pytest.raises(Card.DoesNotExist):
            await made[1].card
    alone = Eater(id=str(ANN))
    await alone.fetch("meals", "likes", "card")
    assert (len(alone.meals.all()), len(alone.likes.all()), alone.card.pk) == (2, 1, card.pk)


@pytest.mark.row("relations.foreign_key", "relations.reverse", "relations.one_to_one")
async def test_a_database_that_takes_texts_for_the_same_says_whose_they_are(eaters: Database, vendor: str) -> None:
    """MariaDB's usual collations do not tell case apart: its joins and filters find the row, so awaiting it does too."""
    await Eater.objects.create(name="Cem", code="CEM")
    await Meal.objects.bulk_create([Meal(by_code_id="ann"), Meal(by_code_id="cem"), Meal(by_code_id="ANN")])
    await Card.objects.create(eater_id=ANN, by_code_id="ann")
    is_loose = vendor == "mysql"
    assert await Meal.objects.filter(by_code__name="Ann").count() == (2 if is_loose else 1)

    rows = await Meal.objects.all()
    found = [await row.by_code for row in rows] if is_loose else [await rows[2].by_code]
    assert [one.name for one in found] == (["Ann", "Cem", "Ann"] if is_loose else ["Ann"])
    if is_loose:
        assert (await (await Meal.objects.get(pk=rows[0].pk)).by_code).name == "Ann"
    else:
        with pytest.raises(Eater.DoesNotExist, match="'ann'"):
            await rows[0].by_code
    ann, cem = await Eater.objects.exclude(code=None).prefetch_related("coded", "coded_card").order_by("name")
    assert (len(ann.coded.all()), len(cem.coded.all())) == ((2, 1) if is_loose else (1, 0))
    for owner in (ann, await Eater.objects.get(pk=ANN)):
        if is_loose:
            assert (await owner.coded_card).by_code_id == "ann"
        else:
            with pytest.raises(Card.DoesNotExist):
                await owner.coded_card


@pytest.mark.row("relations.reverse")
async def test_an_instance_without_a_value_in_the_field_that_is_referred_to_has_no_rows(eaters: Database) -> None:
    bob = await Eater.objects.get(pk=BOB)
    await Meal.objects.create(by_code=None)
    with record_queries() as queries:
        assert (
            await bob.coded.all() == [] and await bob.coded.count() == 0 and not await bob.coded.filter(pk=1).exists()
        )
    assert len(queries) == 0
    for write in (lambda: bob.coded.create(), lambda: bob.coded.add(Meal()), lambda: bob.coded.clear()):
        with pytest.raises(
            ValueError, match=r"has no value in the field by which rows of 'coded' refer to it.*eater\.save"
        ):
            await write()
    with pytest.raises(ValueError, match="is not saved"):
        await Eater(id=None).coded.all()


@pytest.mark.row("relations.reverse")
async def test_set_looks_at_each_row_once(eaters: Database) -> None:
    """However many there are: what is compared is keys, by their hashes."""
    ann = await Eater.objects.get(pk=ANN)
    rows = await Meal.objects.bulk_create([Meal(eater=ann) for _ in range(30)])
    compared: list[Any] = []
    equal = Meal.__eq__

    def count(self: Any, other: object) -> bool:
        compared.append(self)
        return equal(self, other)

    Meal.__eq__ = count  # type: ignore[method-assign]
    try:
        await ann.meals.set(rows[10:])
        await ann.meals.set([*rows[:5], rows[20]])
    finally:
        del Meal.__eq__
    assert compared == []
    assert {one.pk for one in await ann.meals.all()} == {one.pk for one in [*rows[:5], rows[20]]}
    with pytest.raises(TypeError, match="meals takes Meal objects"):
        await ann.meals.set([rows[0].pk])


@pytest.mark.row("relations.foreign_key", "relations.forward")
async def test_keys_that_lead_nowhere_are_spelled_once_each(eaters: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not all of them anew for each."""
    lost = [f"lost{number}" for number in range(40)]
    meals = await Meal.objects.bulk_create([Meal(by_code_id=code) for code in ("ANN", *lost)])
    await Card.objects.create(eater_id=ANN, by_code_id="ANN")
    code = Eater._meta.get_field("code")
    spelled: list[Any] = []
    monkeypatch.setattr(code, "to_python", lambda value: spelled.append(value) or value)

    await prefetch_related_objects(meals, "by_code")
    assert meals[0].by_code.name == "Ann"
    assert len(spelled) <= 2 * (len(lost) + 1)
    spelled.clear()
    some = [*[Eater(id=uuid.uuid4(), code=text) for text in lost], Eater(id=ANN, code="ANN"), Eater(id=BOB, code=None)]
    await prefetch_related_objects(some, "coded_card")
    assert some[-2].coded_card.eater_id == ANN
    assert len(spelled) <= 2 * len(some)
