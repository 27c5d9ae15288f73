"""``await article.tags.all()`` in a loop: one statement for all rows, and never older rows than a query would give."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from covet.apps import apps
from covet.db import connections, models, transaction
from covet.db.freshness import freshness
from covet.db.models.relations import ahead
from covet.db.observe import record_queries
from tests._apps.blog.models import Article, Author, Profile, Tag
from tests.db.models.conftest import create_tables

if TYPE_CHECKING:
    from covet.db.database import Database

pytestmark = pytest.mark.usefixtures("blog")

Read = Callable[[Any], Awaitable[list[Any]]]


@pytest.fixture
async def authors(blog: Database) -> list[Author]:
    """Ten authors; number n has n articles, the last of them with tags ``t0`` to ``t<n>``."""
    tags = [await Tag.objects.create(label=f"t{n}") for n in range(10)]
    made = [await Author.objects.create(name=f"a{n}") for n in range(10)]
    for n, author in enumerate(made):
        for number in range(n):
            article = await Article.objects.create(title=f"{n}.{number}", author=author, views=n)
        if n:
            await article.tags.add(*tags[:n])
    return list(await Author.objects.all())


async def _loop(rows: Any, read: Read) -> tuple[list[list[str]], int]:
    """Return what a loop reads of each row, and by how many statements."""
    with record_queries() as queries:
        found = [[str(getattr(one, "title", one)) for one in await read(row)] for row in rows]
    return found, len(queries)


@pytest.mark.row("relations.batches")
@pytest.mark.parametrize("how", ["await", "async for"])
async def test_a_loop_over_reverse_relations_costs_one_statement_more(authors: list[Author], how: str) -> None:
    async def read(author: Author) -> list[Any]:
        if how == "await":
            return await author.articles.all()
        return [one async for one in author.articles.all()]

    found, count = await _loop(authors, read)
    assert [sorted(titles) for titles in found] == [[f"{n}.{number}" for number in range(n)] for n in range(10)]
    assert count == 1


@pytest.mark.row("relations.batches")
async def test_a_loop_over_many_to_many_relations_costs_one_statement_more_on_both_sides(authors: list[Author]) -> None:
    articles = await Article.objects.order_by("pk")
    expected = [[tag.label for tag in await Tag.objects.filter(articles=one)] for one in articles]
    found, count = await _loop(articles, lambda article: article.tags.all())
    assert found == expected
    assert count == 1
    tags = await Tag.objects.all()
    back = [sorted([one.title for one in await Article.objects.filter(tags=tag)]) for tag in tags]
    found, count = await _loop(tags, lambda tag: tag.articles.all())
    assert [sorted(titles) for titles in found] == back
    assert count == 1


@pytest.mark.row("relations.batches")
async def test_slices_of_the_list_and_gather_make_one_statement(authors: list[Author]) -> None:
    some = list(await Author.objects.all())[::2]
    gc.collect()
    with record_queries() as queries:
        found = await asyncio.gather(*[author.articles.all() for author in some])
    assert len(queries) == 1
    # Only for those that are still alive.
    assert {value for value in queries[0].args if isinstance(value, int)} <= {author.pk for author in some}
    assert [len(rows) for rows in found] == [0, 2, 4, 6, 8]
    assert all(one.author is author for author, rows in zip(some, found, strict=True) for one in rows)
    with record_queries() as queries:
        articles = list(await Article.objects.all())[1::2]
        await asyncio.gather(*[article.tags.all() for article in articles])
    assert len(queries) == 2


@pytest.mark.row("relations.batches")
async def test_nested_loops_cost_one_statement_a_level(authors: list[Author]) -> None:
    labels = set()
    with record_queries() as queries:
        for author in await Author.objects.all():
            for article in await author.articles.all():
                assert await article.author is author
                labels |= {tag.label for tag in await article.tags.all()}
    assert len(queries) == 3
    assert labels == {f"t{n}" for n in range(9)}


async def test_one_row_alone_and_refinements_ask_for_themselves(authors: list[Author]) -> None:
    alone = await Author.objects.get(name="a3")
    with record_queries() as queries:
        assert len(await alone.articles.all()) == 3
        assert len(await alone.articles.all()) == 3
    assert len(queries) == 2
    refinements: list[Read] = [
        lambda author: author.articles.filter(views__gte=0),
        lambda author: author.articles.order_by("title"),
        lambda author: author.articles.all()[:2],
        lambda author: author.articles.select_related("editor"),
    ]
    for read in refinements:
        _found, count = await _loop(await Author.objects.filter(name__in=["a3", "a4"]), read)
        assert count == 2
    rows = await Author.objects.order_by("name")
    with record_queries() as queries:
        assert [await author.articles.count() for author in rows] == list(range(10))
    assert len(queries) == 10


async def test_fetch_mode_one_asks_for_each_row(authors: list[Author]) -> None:
    for mode, expected in ((models.FETCH_ONE, 10), (models.FETCH_RAISE, 10), (models.FETCH_PEERS, 1)):
        rows = await Author.objects.fetch_mode(mode)
        _found, count = await _loop(rows, lambda author: author.articles.all())
        assert count == expected


async def test_rows_prefetched_stay_as_they_are(authors: list[Author]) -> None:
    rows = await Author.objects.prefetch_related("articles")
    found, count = await _loop(rows, lambda author: author.articles.all())
    assert (len(found[4]), count) == (4, 0)
    # One that was not prefetched asks for those alone that were not either.
    rows[3].articles._forget()
    rows[5].articles._forget()
    with record_queries() as queries:
        assert len(await rows[3].articles.all()) == 3
        assert len(await rows[5].articles.all()) == 5
    assert len(queries) == 1


async def test_who_asks_again_sees_the_database_as_it_is_now(authors: list[Author]) -> None:
    found, count = await _loop(authors, lambda author: author.articles.all())
    assert count == 1
    await Article.objects.filter(author=authors[4]).delete()
    again, count = await _loop(authors, lambda author: author.articles.all())
    assert count == 1
    assert (len(found[4]), len(again[4])) == (4, 0)
    # The lists are the caller's own.
    assert len(again[5]) == 5


@pytest.mark.parametrize("way", ["create", "manager", "update", "raw", "through", "in a block"])
async def test_a_write_of_this_process_ends_what_was_read_ahead(authors: list[Author], way: str) -> None:
    articles = list(await Article.objects.filter(views__gte=8).order_by("pk"))
    database = connections["default"]
    await articles[0].tags.all()
    last = articles[-1]
    before = len(await Tag.objects.filter(articles=last))
    expected = before
    match way:
        case "create":
            await last.tags.create(label="new")
            expected += 1
        case "manager":
            await last.tags.remove(await Tag.objects.get(label="t0"))
            expected -= 1
        case "update":
            await Tag.objects.filter(label="t0").update(label="changed")
        case "raw":
            table = database.dialect.quote(Article.tags.through._meta.db_table)
            await database.execute(f"DELETE FROM {table}")
            expected = 0
        case "through":
            await Article.tags.through.objects.filter(article=last).delete()
            expected = 0
        case _:
            async with transaction.atomic():
                await last.tags.clear()
            expected = 0
    labels = {tag.label for tag in await last.tags.all()}
    assert len(labels) == expected
    assert ("changed" in labels) is (way == "update")


async def test_counting_writes_ends_when_nobody_waits_any_more(
    authors: list[Author], monkeypatch: pytest.MonkeyPatch
) -> None:
    freshness._settings_changed(
        frozenset({"QUERY_CACHE"}), begins=False
    )  # as it is in a process that has cached nothing
    assert not freshness.active
    clock = freshness.clock
    await authors[1].articles.all()
    assert freshness.active
    await Tag.objects.create(label="soon")
    assert freshness.active
    monkeypatch.setattr(freshness, "_until", 0.0)

    await Tag.objects.create(label="late")

    assert not freshness.active
    # Who waited all the same is told nothing old.
    assert not freshness.unchanged_since(clock, ("any",))
    assert [article.title for article in await authors[2].articles.order_by("title")] == ["2.0", "2.1"]
    assert sorted([article.title for article in await authors[2].articles.all()]) == ["2.0", "2.1"]


async def test_writes_of_other_tables_end_nothing(authors: list[Author]) -> None:
    with record_queries() as queries:
        for author in authors:
            await author.articles.all()
            await Profile.objects.create(author=author, bio="x")
    assert len([query for query in queries if query.sql.startswith("SELECT")]) == 1


async def test_a_loop_that_writes_what_it_reads_reads_one_by_one(authors: list[Author]) -> None:
    titles = []
    with record_queries() as queries:
        for author in authors:
            for article in await author.articles.all():
                titles.append(article.title)
                article.views += 1
                await article.save(update_fields=["views"])
    assert len(titles) == 45
    # The first was read for all; what it gave for the others was too old as soon as they asked.
    reads = [query for query in queries if query.sql.startswith("SELECT")]
    assert len(reads) <= 10
    assert sum("IN (" in query.sql or "ANY" in query.sql for query in reads) == 1


async def test_rows_read_ahead_are_not_given_in_another_transaction_or_after_a_lock(authors: list[Author]) -> None:
    first, second, third = list(await Author.objects.filter(name__in=["a1", "a2", "a3"]))
    with record_queries() as queries:
        await first.articles.all()
        async with transaction.atomic():
            assert len(await second.articles.all()) == 2
        assert len(await third.articles.all()) == 3
    assert len([query for query in queries if "articles" in query.sql or "article" in query.sql]) == 3
    async with transaction.atomic():
        first, second = list(await Author.objects.filter(name__in=["a1", "a2"]))
        with record_queries() as queries:
            await first.articles.all()
            await Author.objects.select_for_update().get(pk=second.pk)
            await second.articles.all()
        assert len(queries) == 3


async def test_rows_read_ahead_wait_for_a_few_seconds_only(
    authors: list[Author], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "AHEAD_S", -1.0)
    _found, count = await _loop(authors, lambda author: author.articles.all())
    # What was read for the others at first was too old for the second, and nothing is read ahead since.
    assert count == 10


async def test_managers_with_conditions_of_their_own_are_batched_through_them(authors: list[Author]) -> None:
    with record_queries() as queries:
        for author in await Author.objects.all():
            for article in await author.articles(manager="objects").all():
                assert article.author_id == author.pk
    assert len(queries) == 2


async def test_what_was_read_ahead_keeps_nobody_alive(authors: list[Author]) -> None:
    rows = list(await Author.objects.all())
    tags = await Article.objects.all()
    await rows[0].articles.all()
    await tags[0].tags.all()
    watched = [weakref.ref(row) for row in (*rows, *tags)]
    gc.collect()
    gc.disable()
    try:
        del rows, tags
        assert [ref() for ref in watched if ref() is not None] == []
    finally:
        gc.enable()


async def test_a_reader_that_is_cancelled_lets_the_others_read(authors: list[Author]) -> None:
    tasks = [asyncio.ensure_future(_rows(author)) for author in authors]
    await asyncio.sleep(0)
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == list(range(1, 10))


async def _rows(author: Author) -> int:
    return len(await author.articles.all())


@pytest.mark.row("contract.scope")
async def test_tasks_in_a_savepoint_and_outside_of_it_do_not_wait_for_each_other(authors: list[Author]) -> None:
    """One holds the savepoint for which the other's statement waits; so it must not wait for the other's loading."""
    async with transaction.atomic():
        rows = list(await Author.objects.all())
        articles = list(await Article.objects.all())
        entered, started = asyncio.Event(), asyncio.Event()

        async def inside() -> int:
            async with transaction.atomic():
                entered.set()
                await started.wait()
                await articles[-1].author
                return len(await rows[-1].articles.all())

        async def outside() -> int:
            await entered.wait()
            loads = asyncio.gather(articles[0].author, rows[1].articles.all())
            await asyncio.sleep(0)
            started.set()
            return len((await loads)[1])

        async with asyncio.timeout(60):
            assert await asyncio.gather(inside(), outside()) == [9, 1]


async def test_peers_of_another_database_are_left_alone(authors: list[Author]) -> None:
    rows = list(await Author.objects.filter(name__in=["a1", "a2"]))
    rows[1]._state.db = "elsewhere"
    with record_queries() as queries:
        assert len(await rows[0].articles.all()) == 1
    assert rows[1].pk not in queries[0].args


async def test_keys_that_only_the_database_takes_for_the_same_are_left_to_it(database: Database) -> None:
    """MariaDB compares texts without case: a row may refer to "a" as "A"."""
    with apps.isolate():

        class Town(models.Model):
            code = models.CharField(max_length=5, primary_key=True)

            class Meta:
                app_label = "loose"

        class House(models.Model):
            town = models.ForeignKey(Town, on_delete=models.CASCADE, related_name="houses", db_constraint=False)

            class Meta:
                app_label = "loose"

    await create_tables(database, [Town, House])
    for code in ("a", "b"):
        await Town.objects.create(code=code)
    for code in ("a", "A", "b"):
        await House.objects.create(town_id=code)
    found: list[int] = []
    for town in await Town.objects.order_by("code"):
        houses: Any = town
        found.append(len(await houses.houses.all()))
    assert found == ([2, 1] if database.vendor == "mysql" else [1, 1])
