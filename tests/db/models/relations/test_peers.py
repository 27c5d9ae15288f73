"""``await article.author``: what is loaded, for whom, by how many statements; and what an unloaded instance says."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import weakref
from typing import Any

import pytest

from covet.db import models
from covet.db.database import Database
from covet.db.models.query.results import one_loader
from covet.db.observe import record_queries
from covet.exceptions import NotLoaded
from tests._apps.blog.models import Article, Author, Profile, Tag

pytestmark = pytest.mark.usefixtures("blog")


async def _write(articles: int = 100, authors: int = 10) -> list[Author]:
    made = await Author.objects.bulk_create([Author(name=f"author {n:02}") for n in range(authors)])
    if made[0].pk is None:  # pragma: no cover - databases without RETURNING
        made = list(await Author.objects.order_by("pk"))
    await Article.objects.bulk_create(
        [Article(title=f"title {n:03}", author=made[n % authors], views=n) for n in range(articles)]
    )
    return made


@pytest.mark.row("relations.batches")
async def test_a_loop_over_a_hundred_rows_costs_one_more_statement() -> None:
    await _write()
    with record_queries() as queries:
        for article in await Article.objects.all():
            author = await article.author
            assert author.name == f"author {article.views % 10:02}"
    assert len(queries) == 2


@pytest.mark.row("relations.batches")
async def test_peers_survive_list_slices_and_comprehensions() -> None:
    await _write()
    with record_queries() as queries:
        some = [article for article in list(await Article.objects.order_by("pk"))[::2] if article.views > 10]
        for article in some:
            await article.author
    assert len(queries) == 2
    # Only what is still alive was loaded for.
    assert len({article.author.pk for article in some}) == 5


@pytest.mark.row("relations.batches")
async def test_gather_over_a_hundred_rows_makes_one_statement() -> None:
    await _write()
    rows = await Article.objects.all()
    with record_queries() as queries:
        authors = await asyncio.gather(*[article.author for article in rows])
    assert len(queries) == 1
    assert [author.pk for author in authors] == [article.author_id for article in rows]
    assert all(author.name.startswith("author") for author in authors)


@pytest.mark.row("relations.forward", "contract.not_loaded")
async def test_an_unloaded_relation_knows_its_key_and_names_the_line_to_write() -> None:
    made = await _write(articles=1)
    article = await Article.objects.get()
    with record_queries() as queries:
        author = article.author
        assert isinstance(author, Author)
        assert author.pk == made[0].pk
        assert author == made[0]
        assert hash(author) == hash(made[0])
        assert bool(author)
        with pytest.raises(NotLoaded, match=r"await article\.author") as caught:
            author.name
        assert 'select_related("author")' in str(caught.value)
        assert not isinstance(caught.value, AttributeError)
        assert "pk=" in repr(author)
    assert len(queries) == 0
    assert await author is author
    assert author.name == "author 00"
    assert article.author is author
    with record_queries() as queries:
        assert (await article.author) is author
    assert len(queries) == 0


@pytest.mark.row("relations.forward")
async def test_a_null_relation_is_none_and_a_missing_one_raises() -> None:
    await _write(articles=1)
    article = await Article.objects.get()
    assert article.editor is None
    with pytest.raises(Author.DoesNotExist, match="has no author yet"):
        Article(title="x").author


async def test_peers_reach_over_several_levels() -> None:
    made = await _write(articles=20, authors=4)
    for author in made:
        await Profile.objects.create(author=author, bio=f"bio of {author.name}")
    with record_queries() as queries:
        for article in await Article.objects.all():
            profile = await (await article.author).profile
            assert profile.bio == f"bio of {article.author.name}"
    assert len(queries) == 3


@pytest.mark.row("relations.one_to_one")
async def test_a_reverse_one_to_one_is_awaited_and_raises_when_missing() -> None:
    made = await _write(articles=0, authors=2)
    await Profile.objects.create(author=made[0], bio="hello")
    rows = await Author.objects.order_by("pk")
    with record_queries() as queries:
        assert (await rows[0].profile).bio == "hello"
        assert (await rows[0].profile).author is rows[0]
        with pytest.raises(Profile.DoesNotExist, match="has no profile"):
            await rows[1].profile
    assert len(queries) == 1
    joined = await Author.objects.select_related("profile").order_by("pk")
    with record_queries() as queries:
        assert joined[0].profile.bio == "hello"
        assert joined[0].profile.author is joined[0]
        with pytest.raises(Profile.DoesNotExist):
            await joined[1].profile
    assert len(queries) == 0


@pytest.mark.row("relations.batches")
async def test_gather_over_reverse_one_to_ones_makes_one_statement() -> None:
    """A row that is not loaded has no key yet, and ``gather`` hashes what it awaits."""
    for author in await _write(articles=0, authors=10):
        await Profile.objects.create(author=author, bio=author.name)
    rows = await Author.objects.all()
    with record_queries() as queries:
        profiles = await asyncio.gather(*[author.profile for author in list(rows)[::2]])
    assert len(queries) == 1
    assert [profile.bio for profile in profiles] == [author.name for author in list(rows)[::2]]
    other = (await Author.objects.all())[0].profile
    assert repr(other) in {"<Profile: not loaded>", "<Profile: Profile object (None)>"}
    with pytest.raises(NotLoaded, match=r"'bio' is unknown\. Write `await author\.profile` first"):
        other.bio


async def test_peers_survive_however_rows_were_read() -> None:
    """By a stream (chunk by chunk), in_bulk, a union, annotations, a many-to-many set, ``async for``, ``select_related``."""
    await _write(articles=12, authors=4)
    tag = await Tag.objects.create(label="red")
    await tag.articles.add(*await Article.objects.all())  # type: ignore[attr-defined]
    half = Article.objects.filter(views__lt=6)

    async def stream() -> list[Article]:
        return [article async for article in Article.objects.iterator(chunk_size=100)]

    async def each() -> list[Article]:
        return [article async for article in Article.objects.all()]

    async def in_bulk() -> list[Article]:
        return list((await Article.objects.in_bulk()).values())

    async def through_tag() -> list[Article]:
        return [article async for article in tag.articles.all()]  # type: ignore[attr-defined]

    async def awaited(queryset: Any) -> list[Article]:
        return list(await queryset)

    reads = [
        stream(), each(), in_bulk(), through_tag(),
        awaited(half.union(Article.objects.filter(views__gte=6))),
        awaited(Article.objects.annotate(n=models.Count("tags"))),
        awaited(Article.objects.select_related("editor").order_by("-pk")[:10]),
        awaited(Article.objects.prefetch_related("tags")),
    ]  # fmt: skip
    for read in reads:
        rows = await read
        with record_queries() as queries:
            for row in {row.pk: row for row in rows}.values():
                assert (await row.author).name == f"author {row.views % 4:02}"
        assert len(queries) == 1, read


@pytest.mark.row("models.fetch_modes", "queries.fetch_mode")
async def test_fetch_modes_choose_one_all_or_none() -> None:
    await _write(articles=5, authors=5)
    one = await Article.objects.fetch_mode(models.FETCH_ONE)
    with record_queries() as queries:
        for article in one:
            await article.author
    assert len(queries) == 5
    never = await Article.objects.fetch_mode(models.FETCH_RAISE)
    with pytest.raises(NotLoaded, match="FETCH_RAISE"):
        await never[0].author
    deferred = await Article.objects.fetch_mode(models.FETCH_RAISE).only("title")
    with pytest.raises(NotLoaded, match="FETCH_RAISE"):
        await deferred[0]
    # What was joined or prefetched is there all the same.
    joined = await Article.objects.fetch_mode(models.FETCH_RAISE).select_related("author")
    assert (await joined[0].author).name


@pytest.mark.row("relations.foreign_key")
async def test_assigning_the_key_drops_the_object() -> None:
    made = await _write(articles=1)
    article = await Article.objects.select_related("author").get()
    assert article.author.name == "author 00"
    article.author_id = made[1].pk
    assert article.author.pk == made[1].pk
    assert (await article.author).name == "author 01"
    article.author_id = None  # type: ignore[assignment]  # what a form may do
    assert article.author is None
    article.author = made[2]
    assert article.author_id == made[2].pk


@pytest.mark.row("relations.foreign_key")
async def test_assigning_an_object_needs_no_query_and_takes_its_key() -> None:
    made = await _write(articles=1)
    with record_queries() as queries:
        article = Article(title="new", author=Author.unloaded(made[3].pk))
        assert article.author_id == made[3].pk
        await article.save()
    assert len(queries) == 1
    assert (await article.author).name == "author 03"
    with pytest.raises(ValueError, match="must be an instance of Author"):
        article.author = Tag(label="x")  # type: ignore[assignment]


@pytest.mark.row("relations.unsaved")
async def test_an_object_saved_after_it_was_assigned_gives_its_key() -> None:
    author = Author(name="late")
    article = Article(title="x", author=author)
    assert article.author is author
    with pytest.raises(ValueError, match="unsaved Author"):
        await article.save()
    await author.save()
    await article.save()
    assert article.author_id == author.pk
    assert article.author is author
    with pytest.raises(ValueError, match="unsaved Author"):
        await Article.objects.bulk_create([Article(title="y", author=Author(name="never"))])


async def test_an_instance_that_is_not_saved_cannot_be_awaited() -> None:
    with pytest.raises(NotLoaded, match=r"await author\.save\(\)"):
        await Author(name="x")


async def test_a_row_that_is_gone_raises() -> None:
    await _write(articles=0)
    with pytest.raises(Author.DoesNotExist):
        await Author.unloaded(999_999)


@pytest.mark.row("relations.fetch")
async def test_fetch_loads_relations_and_fields_by_name() -> None:
    made = await _write(articles=1)
    article = await Article.objects.only("title").get()
    await article.fetch("views", "author", "tags")
    assert article.views == 0
    assert article.author.name == made[0].name
    assert list(article.tags.all()) == []


async def test_a_result_is_freed_when_nobody_holds_it() -> None:
    await _write(articles=3)
    rows = await Article.objects.all()
    await rows[0].author
    watched = [weakref.ref(row) for row in rows]
    gc.disable()
    try:
        del rows
        assert [ref() for ref in watched] == [None, None, None]
    finally:
        gc.enable()


@pytest.mark.row("models.pickle")
async def test_instances_with_relations_can_be_copied_and_pickled() -> None:
    await _write(articles=2)
    article = (await Article.objects.select_related("author"))[0]
    again = pickle.loads(pickle.dumps(article))
    assert (again.title, again.author.name) == (article.title, article.author.name)
    twin = copy.copy(article)
    assert twin == article
    twin.pk = None
    await twin.save()
    assert await Article.objects.count() == 3


async def test_a_cancelled_load_lets_the_others_finish() -> None:
    await _write(articles=10)
    rows = await Article.objects.all()

    async def read(article: Article) -> str:
        return (await article.author).name

    tasks = [asyncio.ensure_future(read(article)) for article in rows]
    await asyncio.sleep(0)
    tasks[0].cancel()
    results: list[Any] = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(result, str) for result in results[1:])


async def test_one_task_loads_at_a_time_and_nothing_is_kept_of_their_waiting() -> None:
    await _write(articles=2)
    batch = (rows := await Article.objects.all())[0]._row_state.peers
    order: list[str] = []

    async def load(name: str) -> None:
        async with one_loader(rows[0]._row_state, "author"):
            order.append(f"{name} loads")
            await asyncio.sleep(0)
            order.append(f"{name} is done")

    tasks = {name: asyncio.ensure_future(load(name)) for name in "abcdef"}
    await asyncio.sleep(0)
    assert order == ["a loads"]
    tasks["a"].cancel()
    tasks["c"].cancel()
    await asyncio.wait([tasks["b"]])
    tasks["g"] = asyncio.ensure_future(load("g"))
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert [name for name, task in tasks.items() if task.cancelled()] == ["a", "c"]
    assert order == ["a loads", *[f"{name} {does}" for name in "bdefg" for does in ("loads", "is done")]]
    assert batch.locks == {}


@pytest.mark.row("contract.scope")
async def test_relations_are_loaded_inside_the_open_transaction(blog: Database) -> None:
    from covet.db import transaction

    await _write(articles=3)
    async with transaction.atomic():
        await Author.objects.update(name="changed")
        rows = await Article.objects.all()
        assert {(await article.author).name for article in rows} == {"changed"}
        transaction.set_rollback(True)
    assert "changed" not in await Author.objects.values_list("name", flat=True)
