"""The list that a query gives is what its rows know each other by: what happens to them when the list goes or changes."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest

from covet.db.models.query.results import Result
from covet.db.observe import record_queries
from tests._apps.blog.models import MODELS, Article, Author
from tests.db.models.conftest import create_tables

if TYPE_CHECKING:
    from covet.db.database import Database


@pytest.fixture
async def articles(database: Database) -> AsyncIterator[Any]:
    await create_tables(database, MODELS)
    authors = [await Author.objects.create(name=f"a{n}") for n in range(6)]
    await Article.objects.bulk_create([Article(title=f"t{n}", author=authors[n], editor=authors[0]) for n in range(6)])
    yield Article.objects.order_by("pk")


async def _statements(rows: Any, name: str = "author") -> int:
    with record_queries() as queries:
        for row in rows:
            await getattr(row, name)
    return len(queries)


async def _author_of(row: Any) -> Any:
    return await row.author


async def test_rows_that_outlive_their_list_still_know_each_other(articles: Any) -> None:
    kept = [row for row in await articles.all() if row.pk % 2]
    gc.collect()
    assert await _statements(kept) == 1


async def test_joined_rows_that_outlive_everything_else_still_know_each_other(articles: Any) -> None:
    authors = [row.author for row in await articles.select_related("author")]
    gc.collect()
    profiles = authors[0]._row_state.peers.alive()
    assert {id(one) for one in profiles} == {id(one) for one in authors}


async def test_rows_that_died_are_not_kept_by_those_that_live(articles: Any) -> None:
    first = (await articles.all())[0]
    gc.collect()
    assert first._row_state.peers.alive() == [first]


async def test_a_list_that_was_changed_by_hand_is_no_trouble(articles: Any) -> None:
    rows = await articles.all()
    foreign = await Article.objects.get(pk=rows[3].pk)
    rows[2:] = [foreign, "text", 5, *rows[3:]]
    first = rows[0]
    assert await _statements([first, rows[1]]) == 1
    assert foreign not in [row for row in first._row_state.peers.alive() if row is foreign]
    rows.clear()
    assert (await first.editor).name == "a0"


async def test_what_a_row_needs_that_left_its_list_is_loaded_for_the_others_too(articles: Any) -> None:
    rows = await articles.all()
    left = rows.pop(2)
    assert (await left.author).name == "a2"
    assert await _statements(rows) == 0


async def test_a_list_may_change_while_something_is_loaded_for_its_rows(articles: Any) -> None:
    rows = await articles.all()
    first = asyncio.create_task(_author_of(rows[0]))
    await asyncio.sleep(0)
    gone = rows.pop()
    rows.append("text")
    assert (await first).name == "a0"
    assert gone.author.name == "a5"


async def test_only_rows_that_lack_a_relation_are_loaded_with_the_first(articles: Any) -> None:
    rows = await articles.all()
    await rows[1].fetch("author")
    own, rows[1].author = await rows[1].author, (other := await Author.objects.create(name="other"))
    rows[3].title = "changed"
    rows[4].author_id = own.pk
    assert await _statements(rows) == 1
    assert [row.author.name for row in rows] == ["a0", "other", "a2", "a3", "a1", "a5"]
    assert rows[1].author is other


async def test_a_list_with_other_things_in_it_may_go(articles: Any) -> None:
    rows = await articles.all()
    kept = rows[:2]
    rows += ["text", 5, None]
    del rows
    gc.collect()
    assert await _statements(kept) == 1


async def test_copies_and_pickles_of_the_list_are_plain_lists(articles: Any) -> None:
    rows = await articles.all()
    assert type(rows) is Result
    for other in (copy.copy(rows), copy.deepcopy(rows), pickle.loads(pickle.dumps(rows)), rows[:]):
        assert type(other) is list
        assert [row.pk for row in other] == [row.pk for row in rows]


async def test_limits_from_outside_make_a_bounded_number_of_texts(articles: Any, database: Database) -> None:
    expected = [row.pk for row in await articles.all()]
    before = len(database.statements)
    texts = set()
    for size in [*range(1, 60), 3, 40]:
        with record_queries() as queries:
            rows = await articles[:size]
        texts.add(queries[0].sql)
        assert [row.pk for row in rows] == expected[:size]
        assert [row["pk"] for row in await articles.values("pk")[1:size]] == expected[1:size]
    assert len(texts) <= 17
    assert len(database.statements) - before <= 4


async def test_of_the_rows_of_a_list_that_goes_only_those_are_referred_to_that_live_on(articles: Any) -> None:
    rows = await articles.all()
    batch, first, last = rows[0]._row_state.peers, rows[0], rows[-1]
    del rows
    assert [one() for one in batch.refs] == [first, last]


async def test_the_last_row_of_a_list_that_goes_is_not_referred_to_when_it_lives_on_alone(articles: Any) -> None:
    rows = await articles.all()
    batch = rows[0]._row_state.peers
    for row in rows:
        await row.author
    del rows
    assert batch.refs == []
    assert (await row.editor).name == "a0"


async def test_of_a_list_that_goes_a_row_in_its_midst_is_referred_to(articles: Any) -> None:
    rows = await articles.all()
    batch, second = rows[0]._row_state.peers, rows[1]
    del rows
    assert [one() for one in batch.refs] == [second]


async def test_what_was_loaded_for_rows_lives_on_with_them_or_by_itself(articles: Any) -> None:
    rows = await articles.all()
    authors = [await row.author for row in rows]
    batch = authors[0]._row_state.peers
    assert {id(one) for one in batch.alive()} >= {id(one) for one in authors}
    # The first one was there before the others were read; the list has its twin.
    assert len(batch.refs) == 1
    kept = [authors[1], authors[2]]
    del authors
    assert {one.pk for one in kept} < {one.pk for one in batch.alive()}
    del rows
    gc.collect()
    assert batch.alive() == kept
    assert kept[0]._row_state.peers is batch


async def test_what_was_loaded_for_a_row_that_lives_on_lives_too(articles: Any) -> None:
    rows = await articles.all()
    for row in rows:
        await row.author
    kept = rows[1]
    del rows, row
    gc.collect()
    assert kept.author.name == "a1"
    assert kept.author._row_state.peers.alive() == [kept.author]
