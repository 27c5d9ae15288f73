"""``union``, ``intersection`` and ``difference``: what their results may be ordered by, and what is selected for it."""

from __future__ import annotations

from typing import Any

import pytest

from covet.db.errors import NotSupportedError
from covet.db.models import Count, F, Sum
from covet.db.models.functions import Lower
from covet.db.observe import record_queries
from covet.exceptions import FieldError
from tests._apps.blog.models import Article, Author, Tag

pytestmark = [pytest.mark.usefixtures("blog"), pytest.mark.row("queries.union")]


async def _write() -> None:
    ann = await Author.objects.create(name="Ann", age=30)
    bob = await Author.objects.create(name="bob", age=20)
    await Author.objects.create(name="Cid", age=None)
    red = await Tag.objects.create(label="red")
    for author, title, views in ((ann, "one", 3), (bob, "two", 1), (ann, "three", 2), (bob, "four", 9)):
        article = await Article.objects.create(title=title, author=author, views=views)
        if views == 1:
            await article.tags.add(red)


def both() -> Any:
    return Article.objects.filter(views__lte=2).union(Article.objects.filter(title="one"))


async def test_values_are_ordered_by_what_is_not_among_them() -> None:
    await _write()
    assert await both().order_by("-views").values("title") == [{"title": "one"}, {"title": "three"}, {"title": "two"}]
    assert await both().order_by("views").values_list("title") == [("two",), ("three",), ("one",)]
    assert await both().order_by("author__name", "-views").values_list("title", flat=True) == ["one", "three", "two"]
    assert await both().order_by(F("views") * -1 + 5).values_list("title", flat=True) == ["one", "three", "two"]
    # Each expression has values of its own.
    two = both().order_by(F("views") % 2, F("views") * -1)
    assert await two.values_list("title", flat=True) == ["three", "one", "two"]
    assert await both().order_by(Lower("title").desc()).values_list("views", flat=True) == [1, 2, 3]
    assert await both().order_by("-views").reverse().values_list("title", flat=True) == ["two", "three", "one"]
    named = both().order_by("-views").values_list("title", "author__name", named=True)
    assert [(row.title, row.author__name) for row in await named] == [("one", "Ann"), ("three", "Ann"), ("two", "bob")]
    cut = both().order_by("-views").values_list("title", flat=True)[1:3]
    assert await cut == ["three", "two"]
    assert await cut.count() == 2
    streamed = both().order_by("-views").values_list("title", flat=True).iterator()
    assert [title async for title in streamed] == ["one", "three", "two"]
    assert await both().order_by("-views").values_list("title", flat=True).first() == "one"
    # Rows that differ in what they are ordered by alone are different rows, as they are in Django.
    assert await both().order_by("-views").values_list("author__name", flat=True) == ["Ann", "Ann", "bob"]
    assert sorted(await both().values_list("author__name", flat=True)) == ["Ann", "bob"]


async def test_a_column_is_named_by_any_of_its_names() -> None:
    await _write()
    few, one = Article.objects.filter(views__lte=2), Article.objects.filter(title="one")
    for names in (("pk", "title"), ("id", "title")):
        rows = few.values_list(*names).union(one.values_list(*names))
        assert [title for _pk, title in await rows.order_by("-id")] == ["three", "two", "one"]
        assert [title for _pk, title in await rows.order_by("-pk")] == ["three", "two", "one"]
    for names in (("author", "title"), ("author_id", "title")):
        rows = few.values_list(*names).union(one.values_list(*names))
        assert [title for _key, title in await rows.order_by("-author_id", "title")] == ["two", "one", "three"]


async def test_instances_are_ordered_by_related_rows_and_expressions() -> None:
    await _write()
    assert [row.title for row in await both().order_by("author__name", "views")] == ["three", "one", "two"]
    assert [row.title for row in await both().order_by(F("views") + 1)] == ["two", "three", "one"]
    assert [row.title for row in await both().order_by("author", "-views")] == ["one", "three", "two"]
    with record_queries() as log:
        rows = await both().order_by("-author__age", "-pk")
        assert [row.views for row in rows] == [2, 3, 1]
    assert len(log) == 1
    kept = Article.objects.filter(views__lte=3).difference(Article.objects.filter(title="one"))
    assert [row.title for row in await kept.order_by("author__name")] == ["three", "two"]
    same = Article.objects.filter(views__gte=2).intersection(Article.objects.filter(author__name="Ann"))
    assert [row.title for row in await same.order_by(Lower("title"))] == ["one", "three"]
    counted = Article.objects.annotate(n=Count("tags"))
    joined = counted.filter(views=1).union(counted.filter(views=9))
    assert [(row.title, row.n) for row in await joined.order_by("-n")] == [("two", 1), ("four", 0)]  # type: ignore[attr-defined]
    assert await joined.order_by("n").values_list("title", flat=True) == ["four", "two"]


async def test_nulls_stand_where_they_are_wanted() -> None:
    await _write()
    all_three = Author.objects.filter(age=None).union(Author.objects.filter(age__gt=1))
    for order, names in (
        (F("age").asc(nulls_first=True), ["Cid", "bob", "Ann"]),
        (F("age").asc(nulls_last=True), ["bob", "Ann", "Cid"]),
        (F("age").desc(nulls_first=True), ["Cid", "Ann", "bob"]),
        (F("age").desc(nulls_last=True), ["Ann", "bob", "Cid"]),
    ):
        assert [row.name for row in await all_three.order_by(order)] == names
        assert [row.name for row in await all_three.order_by(order).reverse()] == names[::-1]
        assert await all_three.order_by(order).values_list("name", flat=True) == names


async def test_a_slice_of_the_result_stands_in_another_query() -> None:
    await _write()
    first = both().order_by("-views").values("pk")[:1]
    with record_queries() as log:
        rows = await Article.objects.filter(views__in=both().order_by("-views").values("views"))
        assert len(rows) == 3
    assert len(log) == 1
    assert await first.count() == 1
    assert [row["pk"] for row in await first] == [(await Article.objects.get(title="one")).pk]


@pytest.mark.vendors("postgresql", "sqlite")
async def test_a_slice_that_is_ordered_by_more_than_it_selects_stands_in_another_query() -> None:
    await _write()
    titles = both().order_by("-views").values("title")[:2]
    rows = Article.objects.filter(title__in=titles).order_by("pk")
    assert await rows.values_list("title", flat=True) == ["one", "three"]
    assert await titles.aggregate(n=Count("title")) == {"n": 2}


async def test_members_that_name_their_columns_are_ordered_by_these_alone() -> None:
    await _write()
    named = Article.objects.values_list("title").union(Author.objects.values_list("name"))
    assert (await named.order_by("title"))[0] in {("Ann",), ("bob",), ("four",)}
    with pytest.raises(NotSupportedError, match="columns selected \\(title\\), not by 'views'"):
        await named.order_by("views")
    with pytest.raises(NotSupportedError, match="columns selected"):
        await named.order_by(Lower("title"))
    with pytest.raises(NotSupportedError, match="columns selected"):
        await both().order_by("?")


async def test_columns_are_chosen_of_those_that_the_members_named() -> None:
    """The members decide which rows there are, and in which order; what is chosen afterwards is read of these."""
    await _write()
    few = Article.objects.filter(views__lte=2).values_list("author__name", "title", "pk")
    one = Article.objects.filter(title="one").values_list("author__name", "title", "pk")
    named = few.union(one)
    first, second, third = await Article.objects.order_by("pk").values_list("pk", flat=True)[:3]

    assert await named.order_by("title").values_list("title", flat=True) == ["one", "three", "two"]
    assert await named.order_by("-pk").values_list("pk", flat=True) == [third, second, first]
    assert await named.order_by("pk").values("id")[1:] == [{"id": second}, {"id": third}]
    assert await named.order_by("-title").values_list("author__name", flat=True) == ["bob", "Ann", "Ann"]
    assert await named.order_by("pk").values_list("title", "author__name") == [
        ("one", "Ann"),
        ("two", "bob"),
        ("three", "Ann"),
    ]
    assert await named.order_by("pk").values("title", "pk").first() == {"title": "one", "pk": first}
    assert await named.order_by("pk").values()[:1] == [{"author__name": "Ann", "title": "one", "pk": first}]
    assert await named.order_by("pk").values_list()[:1] == [("Ann", "one", first)]
    assert await named.values_list("title", flat=True).count() == 3
    assert await Article.objects.filter(pk__in=named.values("pk")).count() == 3
    assert await Article.objects.filter(title__in=named.order_by("-pk").values("title")[:2]).count() == 2
    twice = (
        Article.objects.filter(views=1)
        .values_list("pk", "pk")
        .union(Article.objects.filter(views=9).values_list("pk", "pk"))
    )
    assert await twice.order_by("pk").values_list("pk", flat=True) == [second, first + 3]
    again = named.values_list("title").union(Author.objects.values_list("name"))
    assert sorted(await again.values_list("title", flat=True)) == ["Ann", "Cid", "bob", "one", "three", "two"]
    with pytest.raises(FieldError, match=r"values\('views'\) after union\(\).*select author__name, title, pk\."):
        await named.values("views")


async def test_members_of_members_have_two_columns_of_one_name() -> None:
    await _write()
    fields = ("author__name", "tags__label", "pk", "id")
    red = Article.objects.filter(tags__label="red").values_list(*fields)
    others = Article.objects.exclude(title="four").values_list(*fields).difference(red)

    found = await others.union(red).order_by("pk")

    assert [row[:2] for row in found] == [("Ann", None), ("bob", "red"), ("Ann", None)]
    assert [row[2] == row[3] for row in found] == [True, True, True]


async def test_the_result_is_aggregated_by_its_columns() -> None:
    await _write()
    assert await both().aggregate(n=Count("pk"), s=Sum("views")) == {"n": 3, "s": 6}
    assert await both().order_by("-views").values("views")[:2].aggregate(s=Sum("views")) == {"s": 5}
    assert await both().values("pk", "id", "views").aggregate(s=Sum("views")) == {"s": 6}
    again = both().union(Article.objects.filter(views=9))
    assert await again.aggregate(s=Sum("views")) == {"s": 15}
    with pytest.raises(FieldError, match="selected columns only"):
        await both().values("title").aggregate(s=Sum("views"))
