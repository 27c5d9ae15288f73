"""SQL of the project's own as instances, and what querysets tell about themselves."""

from __future__ import annotations

import asyncio
import datetime as dt
import pickle
from copy import deepcopy
from typing import Any

import pytest

from covet.db.database import Database
from covet.db.errors import NotSupportedError, ProgrammingError
from covet.db.models import Count, F, Prefetch, Q
from covet.db.models.query.raw import raw_statement
from covet.db.observe import record_queries
from covet.exceptions import FieldDoesNotExist, NotLoaded, QueryNotAwaited
from tests._apps.blog.models import Article, Author, Book, Comment, Tag

pytestmark = pytest.mark.usefixtures("blog")

ALL = "SELECT * FROM testblog_author ORDER BY name"


async def _authors() -> tuple[Author, Author]:
    return await Author.objects.create(name="Ann", age=30), await Author.objects.create(name="Bob", age=40)


@pytest.mark.row("queries.raw")
async def test_raw_sql_gives_instances_by_the_names_of_its_columns() -> None:
    ann, bob = await _authors()
    rows = Author.objects.raw(ALL)
    with record_queries() as log:
        assert await rows == [ann, bob] and await rows == [ann, bob]
    assert len(log) == 1
    assert rows[0].age == 30 and len(rows) == 2 and list(rows) == [ann, bob] and rows
    assert set(rows.columns) == {"id", "name", "email", "age"}
    assert [one.name async for one in Author.objects.raw(ALL)] == ["Ann", "Bob"]
    assert [one.name async for one in rows.iterator()] == ["Ann", "Bob"]
    assert rows.db == "default" and "SELECT" in repr(rows)


@pytest.mark.row("queries.raw")
async def test_other_columns_are_attributes_and_missing_ones_are_deferred() -> None:
    ann, _bob = await _authors()
    (row,) = await Author.objects.raw(
        "SELECT 7 AS seven, name, 1 AS one, id FROM testblog_author WHERE name = %s", ["Ann"]
    )
    assert (row.pk, row.name, row.seven, row.one) == (ann.pk, "Ann", 7, 1)  # type: ignore[attr-defined]
    with pytest.raises(NotLoaded):
        _ = row.age
    assert (await row).age == 30
    (row,) = await Author.objects.raw(
        "SELECT id, name AS other, age AS shown FROM testblog_author WHERE name = %(who)s AND %(who)s = name",
        {"who": "Bob"},
        translations={"other": "name", "shown": "years"},
    )
    assert row.name == "Bob" and row.years == 40  # type: ignore[attr-defined]
    with pytest.raises(FieldDoesNotExist, match="primary key"):
        await Author.objects.raw("SELECT name FROM testblog_author")
    with pytest.raises(FieldDoesNotExist, match="primary key"):
        await Author.objects.raw("SELECT name FROM testblog_author WHERE 1 = 0")
    empty = Author.objects.raw(
        "SELECT id, name AS other FROM testblog_author WHERE 1 = 0", translations={"other": "name"}
    )
    assert await empty == [] and empty.columns == ["id", "name"]


@pytest.mark.row("queries.raw")
async def test_values_of_every_type_come_back_as_fields_give_them(blog: Database) -> None:
    ann, _bob = await _authors()
    when = dt.datetime(2026, 3, 14, 15, 9, 26, tzinfo=dt.UTC)
    article = await Article.objects.create(title="T", author=ann, published_at=when, day=when.date(), is_open=True)
    await Comment.objects.create(article=article, text="c")
    rows = Article.objects.raw(
        "SELECT * FROM testblog_article WHERE published_at = %s AND day = %s", [when, when.date()]
    )
    (found,) = await rows.prefetch_related("comments", Prefetch("tags", Tag.objects.all()))
    assert found == article and found.published_at == when and found.is_open is True
    with record_queries() as log:
        assert [one.text for one in found.comments.all()] == ["c"] and list(found.tags.all()) == []  # type: ignore[attr-defined]
        assert (await found.author).name == "Ann"
    assert len(log) == 1


@pytest.mark.row("queries.raw")
async def test_percent_signs_and_places_are_those_of_every_driver(blog: Database) -> None:
    await _authors()
    like = "SELECT * FROM testblog_author WHERE name LIKE 'A%%'"
    assert [one.name for one in await Author.objects.raw(like)] == ["Ann"]
    assert [one.name for one in await Author.objects.raw(f"{like} AND age = %s", [30])] == ["Ann"]
    hostile = "x' OR '1'='1"
    assert await Author.objects.raw("SELECT * FROM testblog_author WHERE name = %s", [hostile]) == []
    for sql, params, message in (
        ("SELECT 1 WHERE 1 = %s", [], "fewer values"),
        ("SELECT 1 WHERE 1 = %s", [1, 2], "1 places"),
        ("SELECT '5%' WHERE 1 = %s", [1], "written %%"),
        ("SELECT %(a)s", {"b": 1}, "no value"),
        ("SELECT %(a)s", [1], "dictionary"),
        ("SELECT %s", {"a": 1}, "dictionary"),
    ):
        with pytest.raises(ProgrammingError, match=message):
            await Author.objects.raw(sql, params)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a list"):
        Author.objects.raw(ALL, "text")
    with pytest.raises(TypeError, match="SQL as text"):
        Author.objects.raw(3)  # type: ignore[arg-type]
    text, args = raw_statement("a = %s AND b = '50%%'", [1], blog.dialect)
    assert args == [1] and text.replace("%%", "%").endswith("b = '50%'")


@pytest.mark.row("queries.raw")
async def test_a_raw_queryset_that_was_not_awaited_says_what_to_write() -> None:
    rows: Any = Author.objects.raw(ALL)
    for use in (list, len, bool, lambda one: one[0], lambda one: one.columns):
        with pytest.raises(QueryNotAwaited, match="await"):
            use(rows)
    assert rows.using("other")._db == "other" and rows.fetch_mode("x")._mode == "x"
    assert rows.prefetch_related("books").prefetch_related(None)._prefetch == ()


@pytest.mark.row("contract.concurrency")
async def test_tasks_that_await_one_queryset_run_one_statement() -> None:
    await _authors()
    rows = Author.objects.order_by("name").prefetch_related("books")
    with record_queries() as log:
        found = await asyncio.gather(*[_read(rows) for _ in range(20)])
    assert len(log) == 2 and all(one is found[0] for one in found)


async def _read(rows: Any) -> Any:
    return await rows


@pytest.mark.row("contract.cancellation")
async def test_a_reader_that_is_cancelled_leaves_the_rest_to_the_others() -> None:
    await _authors()
    rows = Author.objects.order_by("name")
    tasks = [asyncio.create_task(_read(rows)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert [len(await task) for task in tasks[1:]] == [2, 2]


async def test_tasks_that_await_a_wrong_queryset_all_hear_of_it() -> None:
    rows = Author.objects.raw("SELECT id, name FROM testblog_nothing")
    wrong = Author.objects.extra(where=["nothing = 1"])
    for queryset in (rows, wrong):
        results = await asyncio.gather(*[_read(queryset) for _ in range(3)], return_exceptions=True)
        assert all(isinstance(one, Exception) for one in results)


@pytest.mark.row("queries.pickle")
async def test_rows_and_queries_are_pickled_and_the_unread_is_refused() -> None:
    ann, bob = await _authors()
    rows = (
        Author.objects.filter(Q(age__gt=1) | Q(name="x"))
        .annotate(n=Count("books"), twice=F("age") * 2)
        .order_by("-name")
    )
    with pytest.raises(QueryNotAwaited, match="await queryset"):
        pickle.dumps(rows)
    await rows
    again = pickle.loads(pickle.dumps(rows))
    assert list(again) == [bob, ann] and again[0].twice == 80 and await again.filter(name="Ann") == [ann]
    other = Author.objects.all()
    other.query = pickle.loads(pickle.dumps(rows.query))
    assert await other == [bob, ann]
    values = Author.objects.values("name").order_by("name")
    assert list(pickle.loads(pickle.dumps(values.all()._chain(values.query) if not await values else values))) == [
        {"name": "Ann"},
        {"name": "Bob"},
    ]
    copied = deepcopy(Author.objects.order_by("name"))
    assert await copied == [ann, bob]


@pytest.mark.row("queries.properties")
async def test_a_queryset_tells_its_sql_its_order_and_its_database(blog: Database) -> None:
    rows = Author.objects.filter(name="O'Hara", age__in=[1, 2])
    sql, args = rows.query.sql_with_params()
    assert "O'Hara" not in sql and "O'Hara" in args and rows.db == "default"
    text = str(rows.query)
    assert "'O''Hara'" in text and "testblog_author" in text
    assert Author.objects.all().ordered and not Author.objects.order_by().ordered and Author.objects.none().ordered
    assert not Author.objects.values("age").annotate(n=Count("pk")).ordered
    assert Author.objects.order_by("name", "pk").totally_ordered and not Author.objects.order_by("name").totally_ordered
    assert Tag.objects.all().totally_ordered and Tag.objects.order_by(F("label").desc()).totally_ordered
    assert not Author.objects.order_by("email").totally_ordered and not Book.objects.all().totally_ordered
    assert Author.objects.none().totally_ordered
    assert not Author.objects.order_by("pk").union(Author.objects.all()).totally_ordered


@pytest.mark.row("queries.first")
async def test_first_takes_any_row_where_the_order_was_taken_away() -> None:
    ann, bob = await _authors()
    with record_queries() as log:
        assert await Author.objects.order_by().first() in (ann, bob)
        assert await Author.objects.order_by().last() in (ann, bob)
        assert await Book.objects.first() is None
    assert [("ORDER BY" in query.sql) for query in log] == [False, False, True]
    with pytest.raises(TypeError, match="order"):
        await Author.objects.values("age").annotate(n=Count("pk")).first()


@pytest.mark.row("queries.dates")
async def test_dates_and_moments_are_listed_once() -> None:
    ann, _bob = await _authors()
    noon = dt.datetime(2026, 3, 14, 12, 30, tzinfo=dt.UTC)
    for days in (0, 0, 1, 40):
        moment = noon + dt.timedelta(days=days)
        await Article.objects.create(title="T", author=ann, day=moment.date(), published_at=moment)
    await Article.objects.create(title="none", author=ann)
    rows = Article.objects
    assert await rows.dates("day", "year") == [dt.date(2026, 1, 1)]
    assert await rows.dates("day", "month", order="DESC") == [dt.date(2026, 4, 1), dt.date(2026, 3, 1)]
    assert await rows.dates("day", "week") == [dt.date(2026, 3, 9), dt.date(2026, 4, 20)]
    assert await rows.dates("day", "day") == [dt.date(2026, 3, 14), dt.date(2026, 3, 15), dt.date(2026, 4, 23)]
    assert await rows.dates("published_at", "year") == [dt.date(2026, 1, 1)]
    hours = await rows.datetimes("published_at", "hour")
    assert hours == [noon.replace(minute=0) + dt.timedelta(days=days) for days in (0, 1, 40)]
    assert await Author.objects.dates("articles__day", "year") == [dt.date(2026, 1, 1)]
    zone = dt.UTC
    assert len(await rows.datetimes("published_at", "day", tzinfo=zone)) == 3
    for wrong in (
        lambda: rows.dates("day", "hour"),
        lambda: rows.dates("day", "year; DROP"),
        lambda: rows.datetimes("published_at", "second') --"),
        lambda: rows.dates("day", "year", order="ASC; --"),
        lambda: rows.datetimes("day", "year"),
        lambda: rows.dates("title", "year"),
    ):
        with pytest.raises((ValueError, TypeError)):
            wrong()


@pytest.mark.row("queries.extra")
async def test_extra_adds_sql_for_ported_code(blog: Database) -> None:
    ann, bob = await _authors()
    await Book.objects.create(name="B", owner=bob)
    rows = Author.objects.extra(
        select={"older": "age + %s", "one": "1"},
        select_params=[5],
        where=["age > %s", "name LIKE 'A%%' OR age = %s"],
        params=[1, 40],
        order_by=["-older"],
    )
    assert [(row.name, row.older, row.one) for row in await rows] == [("Bob", 45, 1), ("Ann", 35, 1)]  # type: ignore[attr-defined]
    assert await rows.values_list("name", "older") == [("Bob", 45), ("Ann", 35)]
    crossed = Author.objects.extra(
        tables=["testblog_book"],
        where=["testblog_book.owner_id = testblog_author.id"],
        order_by=["-testblog_book.name"],
    )
    assert await crossed == [bob] and await crossed.count() == 1 and await crossed.exists()
    with pytest.raises(NotSupportedError, match="pk__in"):
        await crossed.update(age=41)
    keys = await crossed.values_list("pk", flat=True)
    assert await Author.objects.filter(pk__in=keys).update(age=41) == 1
    with pytest.raises(TypeError, match="slice"):
        Author.objects.all()[:1].extra(where=["1 = 1"])
    with pytest.raises(NotSupportedError):
        rows.union(Author.objects.all()).extra(where=["1 = 1"])
    with pytest.raises(ProgrammingError):
        Author.objects.extra(where=["age = %s"], params=[])
    with pytest.raises(ProgrammingError):
        Author.objects.extra(where=["age = %s"], params=[1, 2])
    assert ann.pk != bob.pk


@pytest.mark.row("queries.complex_filter")
async def test_complex_filter_takes_a_dictionary_or_conditions() -> None:
    ann, _bob = await _authors()
    assert await Author.objects.complex_filter({"name": "Ann"}) == [ann]
    assert await Author.objects.complex_filter(Q(age__lt=35)) == [ann]
