"""Streams with other statements between their rows; moments of time that are aware on every database."""

from __future__ import annotations

import asyncio
import datetime as dt
import warnings
from collections.abc import AsyncIterator
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet import timezone
from covet.db import transaction
from covet.db.database import Database
from covet.db.models import Count, F, Max, Min
from covet.db.models.functions import Now, TruncDay
from covet.db.observe import record_queries
from tests._apps.blog.models import Article, Author, Book, Comment, Tag

UTC = dt.UTC
KOLKATA = ZoneInfo("Asia/Kolkata")


@pytest.fixture
async def ann(blog: Database) -> AsyncIterator[Author]:
    author = await Author.objects.create(name="Ann")
    await Article.objects.bulk_create([Article(title=f"{n:02}", author=author, views=n) for n in range(25)])
    yield author


async def _stream_and_work(ann: Author) -> list[str]:
    """Read, write and load relations between the rows of a stream."""
    titles = []
    async for article in Article.objects.order_by("views").iterator(chunk_size=4):
        titles.append(article.title)
        assert await Article.objects.filter(views__lte=article.views).count() == article.views + 1
        article.body = "seen"
        await article.save(update_fields=["body"])
        await Comment.objects.create(article=article, text=article.title)
        assert (await article.author).name == "Ann"
        assert [comment.text async for comment in article.comments.iterator()] == [article.title]  # type: ignore[attr-defined]
    return titles


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside a block"])
async def test_other_statements_run_between_the_rows_of_a_stream(ann: Author, inside: bool) -> None:
    """On MariaDB inside a block as well, where a second statement must not be "commands out of sync"."""
    if inside:
        async with transaction.atomic():
            titles = await _stream_and_work(ann)
    else:
        titles = await _stream_and_work(ann)

    assert titles == [f"{n:02}" for n in range(25)]
    assert await Article.objects.filter(body="seen").count() == await Comment.objects.count() == 25


async def test_two_streams_of_one_block_run_side_by_side(ann: Author) -> None:
    async with transaction.atomic():
        second = Article.objects.order_by("-views").iterator(chunk_size=3)
        pairs = [
            (one.views, (await anext(second)).views)
            async for one in Article.objects.order_by("views").iterator(chunk_size=5)
        ]
    assert pairs == [(n, 24 - n) for n in range(25)]


async def test_a_savepoint_undone_between_the_rows_leaves_the_stream(ann: Author) -> None:
    seen = 0
    async with transaction.atomic():
        async for article in Article.objects.order_by("views").iterator(chunk_size=4):
            seen += 1
            if article.views % 5 == 0:
                with pytest.raises(LookupError):
                    async with transaction.atomic():
                        await article.delete()
                        raise LookupError
    assert seen == await Article.objects.count() == 25


@pytest.mark.row("contract.scope")
async def test_streams_of_several_tasks_hold_a_connection_each_and_give_it_back(ann: Author) -> None:
    async def read(many: int) -> int:
        seen = 0
        async for _ in Article.objects.iterator(chunk_size=2):
            seen += 1
            if seen == many:
                break
        return seen

    for _ in range(3):
        assert await asyncio.gather(*[read(n) for n in (1, 3, 25, 2, 25, 7)]) == [1, 3, 25, 2, 25, 7]
    assert await asyncio.gather(*[Article.objects.count() for _ in range(8)]) == [25] * 8


@pytest.mark.row("queries.iterator")
async def test_a_stream_caches_nothing_and_asks_once(ann: Author) -> None:
    queryset = Article.objects.order_by("views")
    with record_queries() as queries:
        assert len([row async for row in queryset.iterator(chunk_size=4)]) == 25
        assert len([row async for row in queryset.iterator(chunk_size=4)]) == 25
    assert len(queries) == 2
    with record_queries() as queries:
        rows = await queryset
        assert [row async for row in queryset] == rows
        assert len(queryset) == 25
    assert len(queries) == 1


moments = st.datetimes(
    dt.datetime(1001, 1, 1),
    dt.datetime(9990, 1, 1),
    timezones=st.sampled_from([UTC, KOLKATA, ZoneInfo("America/New_York")]),
)


@pytest.mark.row("fields.dates")
async def test_a_moment_is_the_same_moment_in_utc_whatever_its_zone(ann: Author) -> None:
    article = await Article.objects.first()
    assert article is not None
    loop = asyncio.get_running_loop()
    given_moments: list[dt.datetime] = []

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(moments)
    def collect(moment: dt.datetime) -> None:
        given_moments.append(moment)

    collect()
    assert loop.is_running()
    for moment in given_moments:
        article.published_at = moment
        await article.save(update_fields=["published_at"])
        found = await Article.objects.get(published_at=moment)
        # In Python a moment of an hour that comes twice equals none of another zone.
        assert found.published_at == moment.astimezone(dt.UTC)
        assert found.published_at is not None
        assert found.published_at.utcoffset() == dt.timedelta(0)
        assert found.published_at.microsecond == moment.microsecond
        (value,) = await Article.objects.filter(pk=article.pk).values_list("published_at", flat=True)
        assert value == moment.astimezone(dt.UTC)
        assert value.tzinfo is not None


async def test_every_way_to_read_a_moment_gives_an_aware_one(ann: Author) -> None:
    noon = dt.datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)
    await Article.objects.update(published_at=noon)
    first = await Article.objects.order_by("pk").first()
    assert first is not None
    await first.refresh_from_db(fields=["published_at"])
    streamed = [row.published_at async for row in Article.objects.iterator()]
    totals = await Article.objects.aggregate(low=Min("published_at"), high=Max("published_at"))
    annotated = await Article.objects.annotate(same=F("published_at")).values_list("same", flat=True)
    over_relation = await Author.objects.annotate(last=Max("articles__published_at")).get()
    related = await Comment.objects.create(article=first, text="x")
    joined = await Comment.objects.select_related("article").get(pk=related.pk)

    found = [
        first.published_at,
        *streamed,
        *totals.values(),
        *annotated,
        over_relation.last,  # type: ignore[attr-defined]
        joined.article.published_at,
        *[row["published_at"] for row in await Article.objects.values("published_at")],
        *await Article.objects.values_list("published_at", flat=True).union(
            Article.objects.values_list("published_at", flat=True)
        ),
    ]
    assert all(value == noon and value.tzinfo is not None for value in found)
    book = await Book.objects.create(name="x")
    assert book.created.tzinfo is not None
    now = await Article.objects.annotate(now=Now()).values_list("now", flat=True)
    assert abs(now[0] - timezone.now()) < dt.timedelta(minutes=5)


@pytest.mark.row("lookups.date")
async def test_days_are_those_of_the_current_zone(ann: Author) -> None:
    """Half past eight in the evening in UTC is two o'clock of the next day in Kolkata."""
    late = dt.datetime(2024, 3, 1, 20, 30, tzinfo=UTC)
    await Article.objects.update(published_at=late)
    assert await Article.objects.filter(published_at__date=dt.date(2024, 3, 1), published_at__hour=20).count() == 25
    with timezone.override(KOLKATA):
        assert await Article.objects.filter(published_at__date=dt.date(2024, 3, 2), published_at__hour=2).count() == 25
        rows = await Article.objects.annotate(day_of=TruncDay("published_at")).values("day_of").annotate(n=Count("pk"))
        assert [(row["day_of"], row["n"]) for row in rows] == [(dt.datetime(2024, 3, 2, tzinfo=KOLKATA), 25)]
    async with transaction.atomic():
        assert await Article.objects.filter(published_at__year=2024, published_at__month=3).count() == 25


async def test_a_naive_moment_is_taken_in_the_current_zone_and_warned_of(ann: Author) -> None:
    naive = dt.datetime(2024, 3, 1, 12, 0)
    article = await Article.objects.first()
    assert article is not None
    article.published_at = naive
    with timezone.override(KOLKATA):
        with pytest.warns(RuntimeWarning, match="naive"):
            await article.save()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            assert await Article.objects.filter(published_at=naive).count() == 1
    await article.refresh_from_db()
    assert article.published_at == naive.replace(tzinfo=KOLKATA)


@pytest.mark.row("queries.iterator")
async def test_prefetches_and_streams_go_together(ann: Author) -> None:
    tag = await Tag.objects.create(label="red")
    article: Any
    async for article in Article.objects.iterator(chunk_size=10):
        await article.tags.add(tag)
    with record_queries() as queries:
        async for article in Article.objects.prefetch_related("tags").select_related("author").iterator(chunk_size=10):
            assert [one.label for one in article.tags.all()] == ["red"]
            assert article.author.name == "Ann"
    assert len(queries) == 4


@pytest.mark.vendors("sqlite")
async def test_moments_that_django_wrote_are_brought_into_one_form(blog: Database) -> None:
    moment = dt.datetime(2026, 3, 14, 15, 9, tzinfo=dt.UTC)
    author = await Author.objects.create(name="Ann")
    for title in ("ours", "theirs"):
        await Article.objects.create(title=title, author=author, published_at=moment)
    rows = Article.objects.filter(published_at=moment).order_by("title").values_list("title", flat=True)
    await blog.execute("UPDATE testblog_article SET published_at = '2026-03-14 15:09:00' WHERE title = 'theirs'")
    assert (await Article.objects.get(title="theirs")).published_at == moment
    assert await rows.all() == ["ours"]
    changed = await blog.execute(
        "UPDATE testblog_article SET published_at = published_at || '.000000' WHERE published_at NOT LIKE '%.%'"
    )
    assert changed == 1 and await rows.all() == ["ours", "theirs"]
