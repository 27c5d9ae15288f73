"""``exclude()`` and ``~Q`` over relations to many rows whose keys have several columns: one row has all of the key."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.apps import apps
from covet.conf import override
from covet.db import models
from covet.db.database import Database
from covet.db.models import Q
from covet.db.observe import record_queries
from tests.db.models.conftest import create_tables

with apps.isolate():

    class Depot(models.Model):
        name = models.CharField(max_length=20)
        parcels: models.Related[Parcel]

        class Meta:
            app_label = "depots"

    class Item(models.Model):
        pk = models.CompositePrimaryKey("shop", "code")
        shop = models.IntegerField()
        code = models.CharField(max_length=20)
        name = models.CharField(max_length=20)

        class Meta:
            app_label = "depots"

    class Parcel(models.Model):
        """One of many of a depot: by its own key of two columns, and by what it holds."""

        pk = models.CompositePrimaryKey("depot_id", "number")
        depot = models.ForeignKey(Depot, models.CASCADE, related_name="parcels")
        number = models.IntegerField()
        shop = models.IntegerField(null=True)
        item_code = models.CharField(max_length=20, null=True)
        item: models.ForeignObject[Item | None] = models.ForeignObject(
            Item, models.CASCADE, ["shop", "item_code"], ["shop", "code"], null=True, related_name="parcels"
        )

        class Meta:
            app_label = "depots"


# Per depot: (number, shop, item code) of its parcels.
ROWS: dict[str, list[tuple[int, int | None, str | None]]] = {
    "empty": [],
    "apart": [(1, 1, "b"), (2, 2, "a")],  # has each part of (1, "a"), and never both
    "whole": [(1, 1, "a"), (3, 2, "b")],
    "nulls": [(2, None, "a"), (3, 1, None)],
    "lost": [(1, 7, "gone"), (2, 1, "a")],
}


@pytest.fixture
async def depots(database: Database) -> AsyncIterator[Database]:
    await create_tables(database, [Depot, Item, Parcel])
    for shop in (1, 2):
        for code in "ab":
            await Item.objects.create(shop=shop, code=code, name=f"{code}{shop}")
    for name, rows in ROWS.items():
        depot = await Depot.objects.create(name=name)
        for number, shop, code in rows:
            await Parcel.objects.create(depot=depot, number=number, shop=shop, item_code=code)
    yield database


async def found(condition: Q) -> set[str]:
    return {depot.name for depot in await Depot.objects.filter(condition)}


async def left(condition: Q) -> set[str]:
    return {depot.name for depot in await Depot.objects.exclude(condition)}


@pytest.mark.row("queries.filter", "fields.foreign_object")
@pytest.mark.parametrize("optimizer", [True, False])
async def test_no_row_has_the_key_is_not_no_row_has_a_part_of_it(depots: Database, optimizer: bool) -> None:
    ids = {depot.name: depot.pk for depot in await Depot.objects.all()}
    first = await Item.objects.get(pk=(1, "a"))

    with override(QUERY_OPTIMIZER=optimizer):
        # What Django answers: NOT EXISTS over one parcel that has the whole key.
        assert await left(Q(parcels__item=first)) == {"empty", "apart", "nulls"}
        assert await left(Q(parcels__item=(2, "b"))) == {"empty", "apart", "nulls", "lost"}
        assert await left(Q(parcels__item__in=[first, (2, "a")])) == {"empty", "nulls"}
        assert await left(Q(parcels__item__in=Item.objects.filter(code="a"))) == {"empty", "nulls"}
        assert await left(Q(parcels__pk=(ids["apart"], 2))) == set(ROWS) - {"apart"}
        assert await left(Q(parcels__pk=(ids["whole"], 2))) == set(ROWS)
        assert await left(Q(parcels__in=[(ids["whole"], 3), (ids["nulls"], 2)])) == {"empty", "apart", "lost"}
        assert await left(Q(parcels__pk__gt=(ids["whole"], 2))) == {"empty", "apart"}
        assert await left(Q(parcels__pk__in=Parcel.objects.filter(number=3))) == {"empty", "apart", "lost"}
        # Beside other conditions, each is about a row of its own.
        assert await left(Q(parcels__item=first, parcels__number=1)) == {"empty", "apart", "nulls"}
        assert await left(Q(parcels__item=first, name="lost")) == set(ROWS) - {"lost"}
        assert await left(Q(parcels__item=first) | Q(name="empty")) == {"apart", "nulls"}
        assert await found(~Q(parcels__item=first) & Q(parcels__number=1)) == {"apart"}
        assert await found(~(~Q(parcels__item=first))) == {"whole", "lost"}
        assert await left(~Q(parcels__item=first)) == {"whole", "lost"}


@pytest.mark.row("queries.filter", "fields.foreign_object")
@pytest.mark.parametrize("optimizer", [True, False])
async def test_a_row_that_is_missing_has_no_key(depots: Database, optimizer: bool) -> None:
    with override(QUERY_OPTIMIZER=optimizer):
        assert await found(Q(parcels__item=None)) == {"empty", "nulls"}
        assert await found(Q(parcels__item__isnull=True)) == {"empty", "nulls"}
        assert await left(Q(parcels__item=None)) == {"apart", "whole", "lost"}
        assert await left(Q(parcels__item__isnull=True)) == {"apart", "whole", "lost"}
        assert await left(Q(parcels__item__isnull=False)) == {"empty", "nulls"}
        assert await found(Q(parcels__pk=None)) == {"empty"}
        assert await left(Q(parcels__pk=None)) == set(ROWS) - {"empty"}
        assert await left(Q(parcels__pk__isnull=True)) == set(ROWS) - {"empty"}
        assert await left(Q(parcels__pk__isnull=False)) == {"empty"}
        assert await left(Q(parcels__item__in=[])) == set(ROWS)


async def test_one_exists_compares_all_columns(depots: Database) -> None:
    with record_queries() as queries:
        await Depot.objects.exclude(parcels__item=(1, "a"))

    (query,) = queries
    assert query.sql.count("EXISTS") == 1
    assert query.sql.count("JOIN") == 0


async def test_the_key_stays_whole_in_a_pickle_and_a_copy(depots: Database) -> None:
    condition = pickle.loads(pickle.dumps(Depot.objects.exclude(parcels__item=(1, "a")).query))

    rows = await Depot.objects.all()._chain(condition)
    assert {row.name for row in rows} == {"empty", "apart", "nulls"}


KEYS = st.tuples(st.sampled_from([1, 2]), st.sampled_from("ab"))
LEAVES = st.one_of(
    KEYS.map(lambda key: ("item", key)),
    st.lists(KEYS, max_size=3).map(lambda keys: ("item__in", keys)),
    st.booleans().map(lambda given: ("item__isnull", given)),
    st.integers(1, 3).map(lambda number: ("number", number)),
)


def fulfils(row: tuple[int, int | None, str | None], leaf: tuple[str, Any]) -> bool:
    name, value = leaf
    number, *key = row
    if name == "number":
        return number == value
    if name == "item__isnull":
        return (None in key) == value
    return tuple(key) in (value if name == "item__in" else [value])


def excluded(rows: list[tuple[int, int | None, str | None]], leaf: tuple[str, Any]) -> bool:
    if leaf == ("item__isnull", True) and not rows:
        return True
    return any(fulfils(row, leaf) for row in rows)


@pytest.mark.row("queries.filter")
async def test_excluding_agrees_with_its_meaning(depots: Database) -> None:
    asked: list[tuple[list[tuple[str, Any]], str]] = []

    @settings(max_examples=25, derandomize=True, database=None, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(LEAVES, min_size=1, max_size=3), st.sampled_from(["AND", "OR"]))
    def gather(leaves: list[tuple[str, Any]], connector: str) -> None:
        asked.append((leaves, connector))

    gather()

    for leaves, connector in asked:
        condition = Q.create([(f"parcels__{name}", value) for name, value in leaves], connector)
        together = all if connector == "AND" else any
        expected = {name for name, rows in ROWS.items() if not together(excluded(rows, leaf) for leaf in leaves)}
        assert await left(condition) == expected, condition
        with override(QUERY_OPTIMIZER=False):
            assert await left(condition) == expected, condition
