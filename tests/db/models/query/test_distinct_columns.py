"""A handler's ``distinct()`` tells rows apart, and not the columns that the answer shows of them."""

from __future__ import annotations

from typing import Any

from covet.db.database import Database
from covet.db.models import Count, F, Q
from covet.db.models.query.run import fetch_rows
from covet.db.observe import record_queries
from tests._apps.blog.models import Article, Author, Tag


async def shown(rows: Any, *names: str) -> list[tuple[Any, ...]]:
    found = await fetch_rows(rows, names)
    assert len(found.fields) == len(found.converters) == len(names)
    return [tuple(row) for row in found.rows]


async def two_of_a_name() -> None:
    """Two authors called Ann, each with two articles that bear both tags."""
    tags = [await Tag.objects.create(label=label) for label in ("red", "blue")]
    for age in (30, 20):
        author = await Author.objects.create(name="Ann", age=age)
        for number in range(2):
            article = await Article.objects.create(title=f"{age} {number}", views=number, author=author)
            await article.tags.add(*tags)


async def test_rows_that_look_alike_stay_two(blog: Database) -> None:
    await two_of_a_name()
    rows = Author.objects.filter(articles__tags__label__in=["red", "blue"]).distinct()
    assert await shown(rows, "name") == [("Ann",), ("Ann",)]
    assert await shown(rows.order_by("age"), "name") == [("Ann",), ("Ann",)]
    assert await shown(rows.order_by("age"), "name", "age") == [("Ann", 20), ("Ann", 30)]
    assert await shown(rows.order_by("articles__title"), "name") == [("Ann",)] * 4
    assert await shown(rows.order_by("age")[:1], "age") == [(20,)]


async def test_annotations_tell_rows_apart_as_they_do_for_instances(blog: Database) -> None:
    await two_of_a_name()
    labelled = Author.objects.annotate(title=F("articles__title")).order_by("title").distinct()
    assert await shown(labelled, "name") == [("Ann",)] * len(await labelled) == [("Ann",)] * 4
    counted = Author.objects.filter(Q(age__gt=1)).annotate(n=Count("articles")).distinct().order_by("pk")
    assert await shown(counted, "name", "n") == [("Ann", 2), ("Ann", 2)]


async def test_values_and_queries_without_distinct_read_no_more(blog: Database) -> None:
    await two_of_a_name()
    assert [row["name"] for row in await Author.objects.values("name").distinct()] == ["Ann"]
    with record_queries() as queries:
        assert await shown(Author.objects.order_by("age"), "name") == [("Ann",), ("Ann",)]
    assert "id" not in queries[0].sql.split("FROM")[0]
