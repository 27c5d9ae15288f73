"""Results of SQLite are made in the thread that read their rows, unless a project's own code has a part in it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from covet.apps import apps
from covet.db import models, transaction
from covet.db.database import Database
from covet.db.errors import DatabaseError
from covet.db.freshness import freshness
from covet.db.models.signals import post_init
from covet.db.observe import record_queries
from tests.db.models.conftest import create_tables

pytestmark = pytest.mark.vendors("sqlite")

threads: list[str] = []


class Named(models.CharField):
    """Notes where its values are made."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        threads.append(threading.current_thread().name)
        return value


class Watched:
    """A descriptor that notes where it is set."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else instance.__dict__.get("note")

    def __set__(self, instance: Any, value: Any) -> None:
        threads.append(threading.current_thread().name)
        instance.__dict__["note"] = value


class Noted(models.CharField):
    """A field with that descriptor."""

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, name, Watched())


with apps.isolate():

    class Tree(models.Model):
        name = models.CharField(max_length=20)
        planted = models.DateTimeField(null=True)
        is_old = models.BooleanField(default=False)

        class Meta:
            app_label = "apart"

    class Bush(models.Model):
        name = Named(max_length=20)

        class Meta:
            app_label = "apart"

    class Herb(models.Model):
        note = Noted(max_length=20)

        class Meta:
            app_label = "apart"


@pytest.fixture
async def garden(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """The tables with their rows; gives the names of the threads that results are made in."""
    # What earlier tests of this process have kept would have the database look at its writes.
    monkeypatch.setattr(freshness, "active", False)
    await create_tables(database, [Tree, Bush, Herb])
    await Tree.objects.bulk_create([Tree(name=f"tree {n}", is_old=n % 2 == 0) for n in range(50)])
    await Bush.objects.create(name="box")
    await Herb.objects.create(note="thyme")
    threads.clear()
    yield threads


def made_in(queryset: Any, database: Database) -> list[str]:
    """Let the plan of a queryset note where it makes its results."""
    from covet.db.models.query import run

    plan = run.rows_plan(queryset.query, queryset._manner.kind, database)
    make, seen = plan.make, []

    def noting(rows: Any, alias: str, mode: Any) -> Any:
        seen.append(threading.current_thread().name)
        return make(rows, alias, mode)

    plan.make = noting
    return seen


async def test_instances_and_values_are_made_where_they_are_read(database: Database, garden: list[str]) -> None:
    here = threading.current_thread().name
    for queryset in (Tree.objects.order_by("pk"), Tree.objects.order_by("pk").values("name", "is_old")):
        expected = await queryset.all()
        seen = made_in(queryset, database)
        found = await queryset.all()
        assert len(seen) == 1
        assert seen[0] != here
        assert found == expected
        assert len(found) == 50
    empty = Tree.objects.filter(name="none")
    assert await empty.all() == []
    assert await empty.all() == []


async def test_a_transaction_and_a_listener_get_the_same_rows(database: Database, garden: list[str]) -> None:
    queryset = Tree.objects.order_by("pk")
    expected = [row.name for row in await queryset.all()]
    async with transaction.atomic():
        assert [row.name for row in await queryset.all()] == expected
    with record_queries() as queries:
        assert [row.name for row in await queryset.all()] == expected
    assert len(queries) == 1


async def test_code_of_a_project_runs_in_the_event_loop(database: Database, garden: list[str]) -> None:
    here = threading.current_thread().name
    for _ in range(3):
        await Bush.objects.all()
        await Bush.objects.values_list("name", flat=True)
        await Herb.objects.all()
    assert set(garden) == {here}
    assert len(garden) == 9

    def note(sender: Any, instance: Any, **named: Any) -> None:
        garden.append(threading.current_thread().name)

    await Tree.objects.all()
    garden.clear()
    post_init.connect(note, sender=Tree)
    try:
        await Tree.objects.all()
    finally:
        post_init.disconnect(note, sender=Tree)
    assert garden == [here] * 50


async def test_a_value_that_cannot_be_made_is_an_error_of_its_own(database: Database, garden: list[str]) -> None:
    queryset = Tree.objects.order_by("pk")
    await queryset.all()
    await queryset.all()
    await database.execute("UPDATE apart_tree SET planted = 'soon' WHERE name = 'tree 7'")
    found = await asyncio.gather(*[queryset.all()._fetch() for _ in range(3)], return_exceptions=True)
    assert [type(error) for error in found] == [ValueError] * 3
    assert not any(isinstance(error, DatabaseError) for error in found)
    await database.execute("UPDATE apart_tree SET planted = NULL")
    assert len(await queryset.all()) == 50


async def test_a_refused_statement_is_an_error_of_the_database(database: Database, garden: list[str]) -> None:
    queryset = Tree.objects.filter(name__regex=r"^tree \d$")
    assert len(await queryset.all()) == 10
    assert len(await queryset.all()) == 10
    await database.execute("ALTER TABLE apart_tree RENAME TO apart_wood")
    with pytest.raises(DatabaseError) as caught:
        await queryset.all()
    assert "apart_tree" in str(caught.value)
    assert caught.value.sql


async def test_rows_die_with_their_list(database: Database, garden: list[str]) -> None:
    import weakref

    queryset = Tree.objects.order_by("pk")
    await queryset.all()
    rows = await queryset.all()
    last = weakref.ref(rows[-1])
    kept = weakref.ref(rows)
    del rows
    await asyncio.sleep(0)
    assert kept() is None
    assert last() is None
