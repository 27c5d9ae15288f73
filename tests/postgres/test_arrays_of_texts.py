"""Arrays of what asyncpg knows as texts only: each item comes back, the empty one too, where asyncpg's own list ends the process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from covet.apps.registry import apps
from covet.db import models
from covet.db.database import Database
from covet.db.errors import DataError
from covet.postgres.aggregates import ArrayAgg
from covet.postgres.fields import ArrayField, HStoreField
from tests.db.models.conftest import create_tables


@pytest.fixture
async def types(pg: Database) -> AsyncIterator[Database]:
    """The database with types of an extension and of a project."""
    await pg.execute("CREATE EXTENSION IF NOT EXISTS citext")
    await pg.execute("CREATE EXTENSION IF NOT EXISTS ltree")
    await pg.execute("CREATE DOMAIN mail AS citext")
    await pg.execute("CREATE DOMAIN plain AS text")
    await pg.execute("CREATE TYPE mood AS ENUM ('', 'fine')")
    await pg.execute("CREATE TYPE pair AS (x integer, y integer)")
    await pg.execute("CREATE DOMAIN one AS citext[]")
    await pg.execute("CREATE DOMAIN other AS citext[]")
    yield pg
    await pg.execute("DROP TYPE mood, pair")
    await pg.execute("DROP DOMAIN one, other")
    await pg.execute("DROP DOMAIN mail")
    await pg.execute("DROP DOMAIN plain")


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("ARRAY['', 'a'::citext, '']", ["", "a", ""]),
        ("ARRAY[['', NULL], ['NULL'::citext, 'null']]", [["", None], ["NULL", "null"]]),
        ("ARRAY[]::citext[]", []),
        ("'[0:1]={a,\"\"}'::citext[]", ["a", ""]),
        ("ARRAY[''::mail]", [""]),
        ("ARRAY[''::plain, 'x']", ["", "x"]),
        ("ARRAY[''::mood, 'fine']", ["", "fine"]),
        ("ARRAY[''::hstore, 'a=>\"\"']", ["", '"a"=>""']),
        ("ARRAY[''::ltree, 'a.b']", ["", "a.b"]),
        ("ARRAY[''::tsvector, 'a b']", ["", "'a' 'b'"]),
        ("ARRAY[''::tsquery]", [""]),
        ("NULL::citext[]", None),
    ],
)
async def test_each_item_is_read(types: Database, sql: str, found: Any) -> None:
    for _ in range(2):
        assert [list(row) for row in await types.fetch(f"SELECT {sql}")] == [[found]]
    assert [list(row) async for part in types.stream(f"SELECT {sql}") for row in part] == [[found]]


async def test_two_new_types_in_one_statement_are_both_read(types: Database) -> None:
    """The second is met while the first, and what was known before, has to be asked for anew."""
    await types.fetch("SELECT ARRAY[''::mood]")
    for _ in range(2):
        (row,) = await types.fetch(
            "SELECT ARRAY[''::mood], ARRAY[''::ltree], ARRAY[''::citext], ARRAY[int4range(1, 2)]::text"
        )
        assert list(row)[:3] == [[""], [""], [""]]


async def test_arrays_that_asyncpg_reads_well_stay_its_own(types: Database) -> None:
    pairs = "ARRAY[ROW(1, 2)::pair, NULL], ARRAY[circle '((1,2),3)'], ARRAY[box '((1,1),(2,2))']"
    (row,) = await types.fetch(f"SELECT {pairs}")
    assert [list(row[0][0]), row[0][1]] == [[1, 2], None]
    assert row[1][0].radius == 3 and row[2][0].high.x == 2


async def test_domains_of_such_arrays_do_not_push_each_other_out(types: Database) -> None:
    await types.fetch("SELECT $1::one", ([""],))
    (row,) = await types.fetch("SELECT $1::one, $2::other", ([""], ["", "a"]))
    assert list(row) == [[""], ["", "a"]]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=5))
@example(["", "a,b", '"', "\\", "{}", "NULL", " ", "\n", "\u2028", None, "é😀"])
async def test_what_is_written_is_read(types: Database, values: list[str | None]) -> None:
    (row,) = await types.fetch("SELECT $1::citext[], $1::citext[]::text[]", (values,))
    assert list(row) == [values, values]


@pytest.mark.parametrize(
    ("value", "why"),
    [("{a}", "got type 'str'"), ([1], "expected str, got int"), ([["a"], [b"x"]], "got bytes")],
)
async def test_what_is_no_list_of_texts_is_refused(types: Database, value: Any, why: str) -> None:
    with pytest.raises(DataError, match=why):
        await types.fetch("SELECT $1::citext[]", (value,))


@pytest.mark.row("postgres.array", on="postgresql")
async def test_empty_mappings_in_an_array_come_back(pg: Database) -> None:
    with apps.isolate():

        class Shelf(models.Model):
            notes = ArrayField(HStoreField())
            more = ArrayField(ArrayField(HStoreField()), null=True)

            class Meta:
                app_label = "pgarraysoftexts"

    await create_tables(pg, [Shelf])
    notes = [{}, {"a": ""}, {'"': None}, {}]
    made = await Shelf.objects.create(notes=notes, more=[[{}], [{"b": "c"}]])
    await Shelf.objects.bulk_create([Shelf(notes=[{}]), Shelf(notes=[])])

    await made.refresh_from_db()
    assert (made.notes, made.more) == (notes, [[{}], [{"b": "c"}]])
    assert await Shelf.objects.order_by("pk").values_list("notes", flat=True) == [notes, [{}], []]
    assert await Shelf.objects.filter(notes=[{}]).aggregate(all=ArrayAgg("notes")) == {"all": [[{}]]}
