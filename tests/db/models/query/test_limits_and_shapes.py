"""Lists of any length in a filter, and compiled statements that are bounded and never mixed up."""

from __future__ import annotations

import decimal
import sqlite3
from typing import Any

import pytest

from covet.conf import override
from covet.db.database import Database
from covet.db.errors import NotSupportedError
from covet.db.models import Q
from covet.db.observe import record_queries
from tests._apps.blog.models import Article, Author, Comment, Tag


async def test_a_list_longer_than_any_limit_filters_and_excludes(blog: Database) -> None:
    author = await Author.objects.create(name="a", age=7)
    await Article.objects.create(title="x", views=3, author=author, rating=decimal.Decimal("1.25"))
    many = range(0, 300_000)
    assert await Article.objects.filter(views__in=many).count() == 1
    assert await Article.objects.exclude(views__in=many).count() == 0
    assert await Article.objects.filter(views__in=range(10, 300_000)).exists() is False
    assert len(await Article.objects.filter(Q(title__in=[str(n) for n in range(2000)] + ["x"]))) == 1
    ratings = [decimal.Decimal(n) / 4 for n in range(2000)]
    assert await Article.objects.filter(rating__in=ratings).count() == 1
    assert await Article.objects.filter(author__age__in=many).update(views=4) == 1


@pytest.mark.vendors("sqlite")
async def test_sqlite_takes_as_many_values_as_its_library_says(blog: Database) -> None:
    await Tag.objects.count()
    connection = sqlite3.connect(":memory:")
    limit = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
    connection.close()

    assert blog.dialect.max_params == limit
    with pytest.raises(NotSupportedError, match="at most"):
        await Article.objects.filter(is_open__in=[True] * (limit + 1)).count()


@pytest.mark.row("compiler.cache")
async def test_a_flood_of_shapes_does_not_fill_the_memory(blog: Database) -> None:
    limit = blog.statements.limit
    first = Article.objects.filter(views__gt=1)
    await first.count()
    for number in range(limit + 10):
        blog.statements["flood", number] = None
    assert len(blog.statements) == limit
    with record_queries() as queries:
        assert await first.count() == 0
    assert len(queries) == 1
    assert len(blog.statements) == limit


async def test_limits_that_users_choose_share_one_text_in_the_end(blog: Database) -> None:
    rows = Article.objects.order_by("pk")
    with record_queries() as queries:
        for size in range(1, 60):
            await rows[:size]
    assert len({query.sql for query in queries}) <= 17


@pytest.mark.row("compiler.cache")
async def test_shapes_that_look_alike_are_never_mixed_up(blog: Database) -> None:
    author = await Author.objects.create(name="a", age=None)
    await Article.objects.create(title="x", views=1, author=author)
    asked: list[tuple[Any, int]] = [
        (Article.objects.filter(views=1), 1),
        (Article.objects.filter(views=True), 1),
        (Article.objects.filter(views=None), 0),
        (Article.objects.filter(views__in=[1]), 1),
        (Article.objects.filter(views__in=[]), 0),
        (Article.objects.exclude(views=1), 0),
        (Article.objects.filter(Q(views=1) | Q(views=2)), 1),
        (Article.objects.filter(Q(views=1) & Q(views=2)), 0),
        (Article.objects.filter(Q(views=1) ^ Q(views=1)), 0),
        (Article.objects.filter(editor__isnull=True), 1),
        (Article.objects.filter(editor__isnull=False), 0),
        (Article.objects.filter(views=1)[:0], 0),
        (Article.objects.filter(views=1)[:1], 1),
        (Article.objects.filter(views=1)[1:], 0),
        (Author.objects.filter(age=None), 1),
    ]
    for optimizes in (True, False, True):
        with override(QUERY_OPTIMIZER=optimizes):
            for rows, count in asked:
                assert await rows.all().count() == count
                assert len(await rows.all()) == count
                assert await rows.all().exists() is bool(count)


async def _get_has_limit(rows: Any, **names: Any) -> bool:
    with record_queries() as queries:
        await rows.get(**names)
    return "LIMIT" in queries[-1].sql


async def test_a_row_by_key_is_asked_for_without_a_limit(blog: Database) -> None:
    author = await Author.objects.create(name="a")
    row = await Article.objects.create(title="x", views=3, author=author)
    comments = [await Comment.objects.create(article=row, text=str(number)) for number in range(22)]

    assert not await _get_has_limit(Article.objects, pk=row.pk)
    assert not await _get_has_limit(Article.objects, id=row.pk, title="x", author=author.pk)
    assert not await _get_has_limit(Article.objects.filter(views=3), pk=row.pk)
    # These may find more rows than one, or many times the same.
    assert await _get_has_limit(Article.objects, title="x")
    assert await _get_has_limit(Article.objects, pk__gte=row.pk)
    assert await _get_has_limit(Article.objects.exclude(views=4), pk=row.pk)
    assert await _get_has_limit(Article.objects, pk=row.pk, comments__text="1")
    assert await _get_has_limit(Article.objects, pk=row.pk, comments=comments[0].pk)
    with pytest.raises(Article.MultipleObjectsReturned, match="more than 20"):
        await Article.objects.get(pk=row.pk, comments__pk__gt=0)
    with override(QUERY_OPTIMIZER=False):
        assert await _get_has_limit(Article.objects, pk=row.pk)


async def test_a_row_by_key_of_a_table_of_others_keeps_its_limit(
    blog: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether what a view calls a key is one."""
    author = await Author.objects.create(name="a")
    row = await Article.objects.create(title="x", author=author)
    monkeypatch.setattr(Article._meta, "managed", False)
    # Another shape than that of other tests, whose statement is kept.
    assert await _get_has_limit(Article.objects.filter(title="x", views=0), pk=row.pk)
