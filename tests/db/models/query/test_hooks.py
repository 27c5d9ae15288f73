"""Hooks of a model that queries call: ``from_db``, ``post_init``, and a ``save`` that is a plain function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models
from covet.db.database import Database
from covet.db.models.signals import post_init
from covet.db.observe import record_queries
from tests.db.models.conftest import create_tables

with apps.isolate():

    class Keeper(models.Model):
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "hooks"

        @classmethod
        def from_db(cls, db: str, field_names: Sequence[str], values: Sequence[Any], *, fetch_mode: Any = None) -> Any:
            instance = super().from_db(db, field_names, values, fetch_mode=fetch_mode)
            instance.read = dict(zip(field_names, values, strict=True))
            return instance

    class Animal(models.Model):
        name = models.CharField(max_length=20)
        keeper = models.ForeignKey(Keeper, on_delete=models.CASCADE, null=True)
        born = models.DateField(null=True)

        class Meta:
            app_label = "hooks"

        def save(self, **options: Any) -> Any:  # type: ignore[override]  # a hook may be sync or async
            self.name = self.name.title()
            return super().save(**options)

    class Forgetful(Keeper):
        """Says nothing to the ``save()`` that it overrides."""

        class Meta:
            app_label = "hooks"
            proxy = True

        async def save(self, **options: Any) -> None:  # type: ignore[override]  # as somebody might write it
            self.name = self.name.title()


@pytest.fixture
async def zoo(database: Database) -> Database:
    await create_tables(database, [Keeper, Animal])
    return database


@pytest.mark.row("models.state")
async def test_from_db_sees_every_row_that_is_read(zoo: Database) -> None:
    keeper = await Keeper.objects.create(name="Kim")
    await Animal.objects.create(name="lion", keeper=keeper)
    await Animal.objects.create(name="mole")
    found: Any = await Keeper.objects.get(pk=keeper.pk)
    assert found.read == {"id": keeper.pk, "name": "Kim"}
    (found,) = await Keeper.objects.annotate(n=models.Count("animal"))
    assert (found.read["name"], found.n) == ("Kim", 1)
    rows: Any = await Animal.objects.select_related("keeper").order_by("pk")
    assert rows[0].keeper.read["name"] == "Kim"
    assert rows[1].keeper is None
    with record_queries() as queries:
        for row in await Animal.objects.all():
            assert row.keeper is None or (await row.keeper).read  # type: ignore[union-attr]
    assert len(queries) == 2


async def test_create_returns_what_a_save_without_super_has_not_stored(zoo: Database) -> None:
    """As in Django, where such a save() may be on purpose."""
    made = await Forgetful.objects.create(name="kim")

    assert (made.name, made.pk) == ("Kim", None)
    assert await Keeper.objects.count() == 0


async def test_post_init_is_sent_for_rows_that_are_read(zoo: Database) -> None:
    keeper = await Keeper.objects.create(name="Kim")
    await Animal.objects.create(name="lion", keeper=keeper)
    seen: list[str] = []

    def note(sender: Any, instance: Any, **named: Any) -> None:
        seen.append(instance.name)

    post_init.connect(note, sender=Animal)
    try:
        await Animal.objects.get()
        await Animal.objects.all()
        await Animal.objects.values("name")
    finally:
        post_init.disconnect(note, sender=Animal)
    assert seen == ["Lion", "Lion"]


async def test_a_model_may_save_by_a_plain_function(zoo: Database) -> None:
    made = await Animal.objects.create(name="red panda")
    assert made.name == "Red Panda"
    found, _created = await Animal.objects.update_or_create(pk=made.pk, defaults={"name": "owl"})
    assert found.name == "Owl"
