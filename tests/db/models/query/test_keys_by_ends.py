"""Keys that are one run of integers are asked for by their ends: the same rows, and nothing else is asked that way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import chain
from typing import Any

import pytest
from hypothesis import strategies as st

from covet.conf import override
from covet.db import models
from covet.db.database import Database
from covet.db.models.expressions.lookups import Range
from covet.db.models.query.among import fetch_among
from covet.db.models.relations.peers import load_reverse_one_of
from covet.db.observe import record_queries
from covet.test import register_lookup
from tests.db.models.conftest import create_tables
from tests.db.models.query.worlds import examples


class Keeper(models.Model):
    name = models.CharField(max_length=20)
    number = models.IntegerField(unique=True)
    room = models.IntegerField()

    class Meta:
        app_label = "testends"
        ordering = ["-name"]


class Badge(models.Model):
    """A reverse one-to-one."""

    keeper = models.OneToOneField(Keeper, on_delete=models.CASCADE, related_name="badge")

    class Meta:
        app_label = "testends"


class Chief(Keeper):
    """Its key is a relation to the row of its parent, where the unique number is as well."""

    class Meta:
        app_label = "testends"


class Negative(models.IntegerField[int]):
    """Stands the other way round in the database: a run of values is one there too, with its ends changed."""

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else -value

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else -value


class Mirror(models.Model):
    number = Negative(unique=True)

    class Meta:
        app_label = "testends"


class Animal(models.Model):
    keeper = models.ForeignKey(
        Keeper, on_delete=models.DO_NOTHING, null=True, db_constraint=False, related_name="animals"
    )
    by_number = models.ForeignKey(
        Keeper, on_delete=models.DO_NOTHING, null=True, db_constraint=False, to_field="number", related_name="+"
    )
    mirror = models.ForeignKey(
        Mirror, on_delete=models.DO_NOTHING, null=True, db_constraint=False, to_field="number", related_name="+"
    )
    chief = models.ForeignKey(
        Chief, on_delete=models.DO_NOTHING, null=True, db_constraint=False, to_field="number", related_name="+"
    )
    keeper_id: int | None
    by_number_id: int | None

    class Meta:
        app_label = "testends"


MODELS = [Keeper, Badge, Chief, Mirror, Animal]


@pytest.fixture
async def zoo(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, MODELS)
    await Keeper.objects.bulk_create([Keeper(pk=n, name=f"keeper {n}", number=100 + n, room=n) for n in range(1, 31)])
    yield database


async def _loaded(keys: list[int | None], name: str = "keeper") -> tuple[list[int | None], str]:
    """Return the key of what each of new rows refers to, and the statement that loaded them."""
    await Animal.objects.all().delete()
    attname = Animal._meta.get_field(name).attname
    await Animal.objects.bulk_create([Animal(**{attname: key}) for key in keys])
    rows = await Animal.objects.order_by("pk")
    with record_queries() as queries:
        found = []
        for row in rows:
            one = getattr(row, name)
            try:
                found.append(None if one is None else (await one).pk)
            except Keeper.DoesNotExist:
                found.append(-1)
    return found, queries[0].sql


def _by_ends(sql: str) -> bool:
    return ">=" in sql and "<=" in sql


@pytest.mark.row("optimizer.rewrites")
async def test_a_run_of_keys_is_asked_for_by_its_ends(zoo: Database) -> None:
    keys = [5, *range(4, 20), 5, None, 12]
    found, sql = await _loaded([*keys])
    assert _by_ends(sql)
    assert found == keys
    # Each row goes to whom it belongs to: their order, which a project set for lists, is of no use here.
    assert "ORDER BY" not in sql

    with override(QUERY_OPTIMIZER=False):
        found, sql = await _loaded([*keys])
    assert not _by_ends(sql)
    assert found == keys


@pytest.mark.row("optimizer.rewrites")
@pytest.mark.parametrize(
    "keys", [[*range(1, 15), 16], [*range(1, 10)], [1, *range(3, 12), 13, 2**31 - 1]], ids=["gap", "few", "far"]
)
async def test_other_keys_are_asked_for_one_by_one(zoo: Database, keys: list[int]) -> None:
    found, sql = await _loaded([*keys])
    assert not _by_ends(sql)
    assert found == [key if key <= 30 else -1 for key in keys]


async def test_a_run_may_lead_beyond_the_rows(zoo: Database) -> None:
    found, sql = await _loaded([*range(20, 45)])
    assert _by_ends(sql)
    assert found == [*range(20, 31), *[-1] * 14]


async def test_another_unique_column_is_a_key_as_well(zoo: Database) -> None:
    found, sql = await _loaded([*range(101, 120)], "by_number")
    assert _by_ends(sql)
    assert found == [*range(1, 20)]


async def test_a_one_to_one_from_the_other_side(zoo: Database) -> None:
    await Badge.objects.bulk_create([Badge(keeper_id=n) for n in range(1, 25)])
    keepers = await Keeper.objects.filter(pk__lte=24)
    with record_queries() as queries:
        assert [(await keeper.badge).keeper_id for keeper in keepers] == [keeper.pk for keeper in keepers]
    (query,) = queries
    assert _by_ends(query.sql)


async def test_values_that_a_project_changes_keep_their_own_question(zoo: Database) -> None:
    await Mirror.objects.bulk_create([Mirror(number=n) for n in range(1, 21)])
    found, sql = await _loaded([*range(1, 21)], "mirror")
    assert not _by_ends(sql)
    assert len(set(found)) == 20
    assert -1 not in found


async def test_a_column_of_the_parents_table_keeps_its_join_and_its_question(zoo: Database) -> None:
    for n in range(1, 13):
        await Chief.objects.create(pk=1000 + n, name=f"chief {n}", number=500 + n, room=n)
    found, sql = await _loaded([*range(501, 513)], "chief")
    assert "JOIN" in sql
    assert not _by_ends(sql)
    assert len(set(found)) == 12


async def test_a_look_up_of_the_projects_own_is_asked_for_what_it_is(zoo: Database) -> None:
    class Nothing(Range):
        """No row is in this range."""

        def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
            return "1 = 0", []

    with register_lookup(models.AutoField, Nothing, lookup_name="range"):
        found, sql = await _loaded([*range(1, 21)])
    assert not _by_ends(sql)
    assert found == [*range(1, 21)]


async def test_conditions_beside_the_keys_are_kept(zoo: Database) -> None:
    await _loaded([*range(1, 21)])
    some = Keeper.objects.filter(room__gt=10)
    with record_queries() as queries:
        rows = await Animal.objects.order_by("pk").prefetch_related(models.Prefetch("keeper", queryset=some))
    assert not _by_ends(queries[1].sql)
    assert [row.keeper.name for row in rows[10:]] == [f"keeper {n}" for n in range(11, 21)]


@pytest.mark.row("optimizer.same", on=("sqlite", "postgresql", "mysql"))
async def test_rows_are_the_same_with_the_rewrite_and_without(zoo: Database) -> None:
    async def check(keys: list[int]) -> None:
        answers = []
        for optimizes in (True, False):
            with override(QUERY_OPTIMIZER=optimizes):
                answers.append((await _loaded([*keys]))[0])
        assert answers[0] == answers[1]

    run = st.builds(lambda first, length: [*range(first, first + length)], st.integers(-5, 30), st.integers(0, 15))
    await examples(
        check, st.lists(run, min_size=1, max_size=3).map(lambda runs: [*chain(*runs)]).filter(bool), count=40
    )


async def test_a_column_of_many_rows_keeps_its_question(zoo: Database) -> None:
    with record_queries() as queries:
        found = await fetch_among(Keeper.objects.all(), "room__in", [*range(1, 21)], zoo)
    assert not _by_ends(queries[0].sql)
    assert len(found) == 20


async def test_a_row_that_stands_in_a_result_twice_makes_no_run_of_others(zoo: Database) -> None:
    await Badge.objects.bulk_create([Badge(keeper_id=n) for n in range(1, 25)])
    keepers = list(await Keeper.objects.filter(pk__in=[1, *range(3, 14)]).order_by("pk"))
    with record_queries() as queries:
        await load_reverse_one_of(Keeper.badge.related, [keepers[0], *keepers], None)
    assert len(queries) == 1
    assert not _by_ends(queries[0].sql)
    assert [keeper.badge.keeper_id for keeper in keepers] == [1, *range(3, 14)]


async def test_a_key_that_changes_while_its_row_is_loaded_leads_to_its_own_row(zoo: Database) -> None:
    await _loaded([*range(1, 13)])
    rows = await Animal.objects.order_by("pk")
    loading = asyncio.create_task(_await(rows[0].keeper))
    await asyncio.sleep(0)
    rows[5].keeper_id = 20
    await loading
    assert (await rows[5].keeper).pk == 20
    assert (await rows[6].keeper).pk == 7


async def _await(one: Any) -> Any:
    return await one
