"""Windows, slices and unions in subqueries about an outer row: MariaDB's derived tables cannot see that row."""

from __future__ import annotations

from typing import Any

import pytest

from covet.conf import override
from covet.db.errors import NotSupportedError
from covet.db.models import Count, Exists, F, OuterRef, Q, Subquery, Sum, Window
from covet.db.models.functions import RowNumber
from covet.db.models.lookups import In
from tests._apps.blog.models import Article, Author, Book, Comment

pytestmark = [pytest.mark.usefixtures("blog"), pytest.mark.row("expressions.subquery", "expressions.window")]


async def _write() -> None:
    """Ann has articles of 5, 9 and 7 views, the last one closed; Bob of 1 and 3; Cid none. Comments stand by the best."""
    ann = await Author.objects.create(name="Ann", age=5)
    bob = await Author.objects.create(name="Bob", age=3)
    await Author.objects.create(name="Cid", age=1)
    for author, title, views in ((ann, "a", 5), (ann, "b", 9), (ann, "c", 7), (bob, "d", 1), (bob, "e", 3)):
        article = await Article.objects.create(
            title=title, author=author, views=views, is_open=title != "c", editor=ann if title in "ad" else None
        )
        if title in "be":
            await Comment.objects.create(article=article, text=author.name, stars=views)


def placed(**conditions: Any) -> Any:
    """The articles, each with its place by views among those that fulfil the conditions."""
    return Article.objects.filter(**conditions).annotate(place=Window(RowNumber(), order_by="-views"))


async def by_name(queryset: Any, *names: str) -> list[Any]:
    found: list[Any] = await queryset.order_by("name").values_list("name", *names)
    return found


async def test_windows_are_computed_among_the_rows_of_the_outer_row() -> None:
    await _write()
    second = placed(author=OuterRef("pk")).filter(place=2)
    rows = Author.objects.annotate(x=Subquery(second.values("title")))
    assert await by_name(rows, "x") == [("Ann", "c"), ("Bob", "d"), ("Cid", None)]
    assert await by_name(Author.objects.filter(Exists(second))) == [("Ann",), ("Bob",)]
    assert await by_name(Author.objects.filter(~Exists(placed(author=OuterRef("pk")).filter(place=3)))) == [
        ("Bob",),
        ("Cid",),
    ]
    assert await by_name(Author.objects.filter(articles__in=second), "articles__title") == [("Ann", "c"), ("Bob", "d")]
    assert await by_name(Author.objects.filter(pk__in=placed().filter(place__gte=4).values("author"))) == [("Bob",)]
    # Conditions of its own, partitions of its own, and two ties.
    open_ones = placed(author=OuterRef("pk"), is_open=True).filter(place=2)
    rows = Author.objects.annotate(x=Subquery(open_ones.values("title")))
    assert await by_name(rows, "x") == [("Ann", "a"), ("Bob", "d"), ("Cid", None)]
    apart = Article.objects.filter(author=OuterRef("pk")).annotate(
        place=Window(RowNumber(), partition_by="is_open", order_by="-views"),
        total=Window(Sum("views"), partition_by="is_open"),
    )
    rows = Author.objects.annotate(x=Subquery(apart.filter(place=1, is_open=True).values("total")))
    assert await by_name(rows, "x") == [("Ann", 14), ("Bob", 4), ("Cid", None)]
    tied = placed(author=OuterRef("pk"), views=OuterRef("age")).filter(place=1)
    assert await by_name(Author.objects.filter(Exists(tied))) == [("Ann",), ("Bob",)]
    joined = placed(author__name=OuterRef("name")).filter(place=1)
    assert await by_name(Author.objects.annotate(x=Subquery(joined.values("title"))), "x") == [
        ("Ann", "b"),
        ("Bob", "e"),
        ("Cid", None),
    ]


async def test_what_is_selected_there_may_read_the_outer_row() -> None:
    await _write()
    first = placed(author=OuterRef("pk")).filter(place=1)
    rows = Author.objects.annotate(
        age_there=Subquery(first.annotate(o=OuterRef("age")).values("o")),
        total=Subquery(first.annotate(o=F("views") + OuterRef("age")).values("o")),
        said=Subquery(
            first.annotate(
                o=Exists(Comment.objects.filter(article=OuterRef("pk"), text=OuterRef(OuterRef("name"))))
            ).values("o")
        ),
    )
    assert await by_name(rows, "age_there", "total", "said") == [
        ("Ann", 5, 14, True),
        ("Bob", 3, 6, True),
        ("Cid", None, None, None),
    ]


async def test_a_condition_about_a_window_stands_beside_a_subquery_of_its_own() -> None:
    await _write()
    commented = Exists(Comment.objects.filter(article=OuterRef("pk"), stars=3))
    rows = placed().filter(Q(place=1) | Q(commented))
    assert await rows.order_by("title").values_list("title", flat=True) == ["b", "e"]
    per_author = placed(author=OuterRef("pk")).filter(Q(place=3) | Q(commented))
    assert await by_name(Author.objects.annotate(x=Subquery(per_author.values("title"))), "x") == [
        ("Ann", "a"),
        ("Bob", "e"),
        ("Cid", None),
    ]


async def test_a_filter_on_windows_keeps_aggregates_that_are_not_selected() -> None:
    await _write()
    counted = Author.objects.alias(n=Count("articles")).annotate(
        place=Window(RowNumber(), order_by=[F("n").desc(), "name"])
    )
    assert await counted.filter(place__lte=2).order_by("-n", "name").values_list("name", "place") == [
        ("Ann", 1),
        ("Bob", 2),
    ]
    either = counted.filter(Q(place=1) | Q(n=0)).order_by("n")
    assert await either.values_list("name", flat=True) == ["Cid", "Ann"]
    assert await counted.filter(place__lte=F("n")).order_by("name").values_list("name", flat=True) == ["Ann", "Bob"]
    rows = Author.objects.annotate(place=Window(RowNumber(), order_by="name")).alias(n=Count("*")).filter(place__gt=1)
    assert await rows.order_by("-n", "name").values_list("name", flat=True) == ["Bob", "Cid"]


@pytest.mark.parametrize("optimizer", [True, False])
async def test_a_slice_of_the_rows_of_the_outer_row_stands_behind_in(optimizer: bool) -> None:
    await _write()
    best = Article.objects.filter(author=OuterRef("author")).order_by("-views")
    rows = Article.objects.order_by("title").values_list("title", flat=True)
    with override(QUERY_OPTIMIZER=optimizer):
        assert await rows.filter(pk__in=best[:1]) == ["b", "e"]
        assert await rows.filter(pk__in=best[:2].values("pk")) == ["b", "c", "d", "e"]
        assert await rows.filter(pk__in=best[1:2]) == ["c", "d"]
        assert await rows.filter(pk__in=best[1:]) == ["a", "c", "d"]
        assert await rows.exclude(pk__in=best[:1]) == ["a", "c", "d"]
        assert await rows.filter(In(F("pk"), best[:1].values("pk"))) == ["b", "e"]


async def test_a_union_may_be_about_the_outer_row() -> None:
    await _write()
    wrote = Article.objects.filter(author=OuterRef("pk")).values("title")
    edited = Article.objects.filter(editor=OuterRef("pk")).values("title")
    either = wrote.union(edited)
    assert await by_name(Author.objects.filter(Exists(either))) == [("Ann",), ("Bob",)]
    assert await by_name(Author.objects.filter(~Exists(either))) == [("Cid",)]
    last = Author.objects.annotate(x=Subquery(either.order_by("-title")[:1]))
    assert await by_name(last, "x") == [("Ann", "d"), ("Bob", "e"), ("Cid", None)]
    assert await by_name(Author.objects.annotate(x=Subquery(edited.difference(wrote))), "x") == [
        ("Ann", "d"),
        ("Bob", None),
        ("Cid", None),
    ]
    await Book.objects.create(name="d", owner=await Author.objects.get(name="Ann"))
    assert (
        await Book.objects.filter(
            name__in=Article.objects.filter(editor=OuterRef("owner")).values("title").union(wrote.filter(views=9))
        ).count()
        == 1
    )


async def test_rows_may_be_tied_by_any_condition() -> None:
    await _write()
    # Ann is 5, Bob 3, Cid 1; the views are 5, 9, 7 by Ann and 1, 3 by Bob.
    fewer = placed(views__lt=OuterRef("age"))
    rows = Author.objects.annotate(
        first=Subquery(fewer.filter(place=1).values("title")), second=Subquery(fewer.filter(place=2).values("title"))
    )
    assert await by_name(rows, "first", "second") == [("Ann", "e", "d"), ("Bob", "d", None), ("Cid", None, None)]
    either = placed().filter(Q(author=OuterRef("pk")) | Q(editor=OuterRef("pk")))
    rows = Author.objects.annotate(x=Subquery(either.filter(place=4).values("title")))
    assert await by_name(rows, "x") == [("Ann", "d"), ("Bob", None), ("Cid", None)]
    others = placed().exclude(author=OuterRef("pk")).filter(place=1)
    assert await by_name(Author.objects.annotate(x=Subquery(others.values("title"))), "x") == [
        ("Ann", "e"),
        ("Bob", "b"),
        ("Cid", "b"),
    ]
    # The window itself, what is selected, and the condition about it read the outer row.
    near = Article.objects.filter(author__age__gte=OuterRef("age")).annotate(
        place=Window(RowNumber(), order_by=[(F("views") - OuterRef("age")) * (F("views") - OuterRef("age")), "title"])
    )
    rows = Author.objects.annotate(
        x=Subquery(near.filter(place=1).values("title")),
        y=Subquery(near.filter(place=1).annotate(o=F("views") * OuterRef("age")).values("o")),
        z=Subquery(near.filter(place=OuterRef("age")).values("title")),
    )
    assert await by_name(rows, "x", "y", "z") == [("Ann", "a", 25, None), ("Bob", "e", 9, "d"), ("Cid", "d", 1, "d")]
    assert await by_name(Author.objects.filter(Exists(fewer.filter(place=2)))) == [("Ann",)]
    assert await by_name(Author.objects.filter(~Exists(fewer.filter(place=2)), age__gt=1)) == [("Bob",)]
    assert (
        await by_name(Author.objects.filter(articles__in=fewer.filter(place__gt=1)), "articles__title")
        == [("Bob", "d")] * 0
    )
    assert await Author.objects.filter(Exists(fewer.filter(place=2))).update(age=6) == 1
    # Two levels up, and a row that is joined.
    twice = placed(views__gt=OuterRef("views"), author__age__lte=OuterRef(OuterRef("age"))).filter(place=1)
    rows = Author.objects.annotate(
        x=Subquery(
            Article.objects.filter(author=OuterRef("pk"), title__in=["a", "d"]).values(
                y=Subquery(twice.values("title"))
            )
        )
    )
    assert await by_name(rows, "x") == [("Ann", "b"), ("Bob", "e"), ("Cid", None)]
    joined = placed(views__lt=OuterRef("author__age")).filter(place=1)
    found = Article.objects.annotate(x=Subquery(joined.values("title"))).order_by("title")
    assert await found.values_list("x", flat=True) == ["a", "a", "a", "d", "d"]


async def test_a_slice_tied_by_any_condition_stands_behind_in() -> None:
    await _write()
    rows = Article.objects.order_by("title").values_list("title", flat=True)
    more = Article.objects.filter(views__gt=OuterRef("views") - 3).order_by("views")
    assert await rows.filter(pk__in=more[:1]) == ["d"]
    assert await rows.filter(pk__in=more[1:2]) == ["a", "b", "c", "e"]
    assert await rows.exclude(pk__in=more[:1]) == ["a", "b", "c", "e"]


@pytest.mark.vendors("postgresql", "mysql")  # SQLite reads no outer column in the order of a query behind IN
async def test_the_order_of_a_slice_behind_in_may_read_the_outer_row() -> None:
    await _write()
    rows = Article.objects.order_by("title").values_list("title", flat=True)
    near = Article.objects.filter(author=OuterRef("author")).order_by(F("views") * OuterRef("views"), "pk")
    assert await rows.filter(pk__in=near[:1]) == ["a", "d"]


@pytest.mark.vendors("mysql")
async def test_what_has_no_row_around_it_is_refused_by_name() -> None:
    missing = placed(views__lt=OuterRef("editor__age")).filter(place=1)
    with pytest.raises(NotSupportedError, match=r"row that may be missing, .* the query of Article uses it otherwise"):
        await Article.objects.annotate(x=Subquery(missing.values("title")))
    slices = Article.objects.filter(views__lt=OuterRef("views")).order_by("views")
    distinct = Article.objects.filter(author=OuterRef("author")).values("editor").distinct()
    union = slices.values("pk").union(distinct)
    for queryset in (distinct[:1], union[:1]):
        with pytest.raises(NotSupportedError, match=r"slice behind IN .* distinct, grouped or combined"):
            await Article.objects.filter(pk__in=queryset)
