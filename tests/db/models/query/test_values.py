"""What a row is: values, tuples, annotations, groups and aggregates."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from covet import timezone
from covet.db.errors import NotSupportedError
from covet.db.models import Avg, Case, Count, Exists, F, Max, Min, OuterRef, Q, Subquery, Sum, Value, When, Window
from covet.db.models.functions import Lower, RowNumber
from covet.db.observe import record_queries
from covet.exceptions import FieldError
from tests._apps.blog.models import Article, Author, Comment, Tag

pytestmark = pytest.mark.usefixtures("blog")

NOON = dt.datetime(2026, 3, 14, 12, 0, tzinfo=dt.UTC)


async def _write() -> None:
    ann, bob = Author(name="Ann", age=30), Author(name="Bob", age=40)
    await ann.save()
    await bob.save()
    await Author.objects.create(name="Cid")
    rows = [(ann, 10, "1.5"), (ann, 20, "2.5"), (bob, 5, None)]
    for number, (author, views, rating) in enumerate(rows):
        article = await Article.objects.create(
            title=f"T{number}",
            author=author,
            views=views,
            rating=None if rating is None else Decimal(rating),
            published_at=NOON + dt.timedelta(days=number),
        )
        for stars in range(number):
            await Comment.objects.create(article=article, text="x", stars=stars + 1)


@pytest.mark.row("queries.values")
async def test_values_give_dictionaries() -> None:
    await _write()
    rows = Article.objects.order_by("pk")
    assert await rows.values("title", "author__name") == [
        {"title": "T0", "author__name": "Ann"},
        {"title": "T1", "author__name": "Ann"},
        {"title": "T2", "author__name": "Bob"},
    ]
    first = (await rows.values())[0]
    assert list(first) == [field.attname for field in Article._meta.concrete_fields]
    assert first["rating"] == Decimal("1.50")
    assert first["published_at"] == NOON
    assert first["is_open"] is True
    keys = await Author.objects.filter(name="Ann").values_list("pk", flat=True)
    assert (await rows.values("author"))[0] == {"author": keys[0]}
    assert (await rows.values("author_id"))[0] == {"author_id": keys[0]}
    assert (await rows.values("pk", low=Lower("title")))[0]["low"] == "t0"


@pytest.mark.row("queries.values")
async def test_values_list_gives_tuples_scalars_and_named_tuples() -> None:
    await _write()
    rows = Article.objects.order_by("pk")
    assert await rows.values_list("title", "views") == [("T0", 10), ("T1", 20), ("T2", 5)]
    assert await rows.values_list("published_at", "rating") == [
        (NOON, Decimal("1.50")),
        (NOON + dt.timedelta(days=1), Decimal("2.50")),
        (NOON + dt.timedelta(days=2), None),
    ]
    assert await rows.values_list("views", flat=True) == [10, 20, 5]
    assert await rows.values_list("rating", flat=True) == [Decimal("1.50"), Decimal("2.50"), None]
    named = (await rows.values_list("title", "views", named=True))[0]
    assert (named.title, named.views, tuple(named)) == ("T0", 10, ("T0", 10))
    assert (await rows.values_list("title", F("views") + 1))[0] == ("T0", 11)
    assert len((await rows.values_list())[0]) == len(Article._meta.concrete_fields)


@pytest.mark.row("queries.annotate")
async def test_annotations_are_attributes_and_names() -> None:
    await _write()
    rows = await Article.objects.annotate(double=F("views") * 2, n=Count("comments")).order_by("-double")
    assert [(row.title, row.double, row.n) for row in rows] == [("T1", 40, 1), ("T0", 20, 0), ("T2", 10, 2)]  # type: ignore[attr-defined]
    found = Article.objects.annotate(n=Count("comments")).filter(n__gt=0, views__gt=1)
    assert sorted([row.title for row in await found]) == ["T1", "T2"]
    assert await found.count() == 2
    hidden = await Article.objects.alias(n=Count("comments")).filter(n=2).get()
    assert hidden.title == "T2"
    assert not hasattr(hidden, "n")
    chained = Article.objects.annotate(a=F("views") + 1).annotate(b=F("a") * 2)
    assert [row.b for row in await chained.order_by("b")] == [12, 22, 42]  # type: ignore[attr-defined]


@pytest.mark.row("aggregates.grouping", "compiler.group_by")
async def test_values_before_an_aggregate_are_its_groups() -> None:
    await _write()
    rows = (
        await Article.objects.values("author__name")
        .annotate(n=Count("*"), last=Max("published_at"))
        .order_by("author__name")
    )
    assert rows == [
        {"author__name": "Ann", "n": 2, "last": NOON + dt.timedelta(days=1)},
        {"author__name": "Bob", "n": 1, "last": NOON + dt.timedelta(days=2)},
    ]
    big = Article.objects.values("author__name").annotate(n=Count("*")).filter(n__gt=1)
    assert await big == [{"author__name": "Ann", "n": 2}]
    assert await big.count() == 1
    assert await Article.objects.values("author").annotate(s=Sum("views")).values_list("s", flat=True).order_by(
        "s"
    ) == [5, 30]
    assert await Article.objects.filter(views__gt=5).values("author__name").annotate(n=Count("*")) == [
        {"author__name": "Ann", "n": 2}
    ]
    by_size = Article.objects.annotate(big=F("views") * 1).values("big").annotate(n=Count("pk")).order_by("-big")
    assert await by_size.values_list("big", "n") == [(20, 1), (10, 1), (5, 1)]


@pytest.mark.row("aggregates.basic", "compiler.joins")
async def test_an_aggregate_over_a_reverse_relation_keeps_rows_without_partners() -> None:
    await _write()
    rows = Author.objects.annotate(n=Count("articles"), views=Sum("articles__views")).order_by("name")
    assert [(row.name, row.n, row.views) for row in await rows] == [("Ann", 2, 30), ("Bob", 1, 5), ("Cid", 0, None)]  # type: ignore[attr-defined]
    only = Author.objects.annotate(n=Count("articles", filter=Q(articles__views__gt=10))).order_by("name")
    assert [row.n for row in await only] == [1, 0, 0]  # type: ignore[attr-defined]
    assert [
        row.name
        for row in await Author.objects.order_by(Count("articles").desc(), "name").annotate(n=Count("articles"))
    ] == ["Ann", "Bob", "Cid"]


@pytest.mark.row("queries.aggregate", "aggregates.basic")
async def test_aggregates_of_all_rows() -> None:
    await _write()
    found = await Article.objects.aggregate(
        Sum("views"), n=Count("*"), low=Min("views"), mean=Avg("views"), best=Max("rating")
    )
    assert found == {
        "views__sum": 35,
        "n": 3,
        "low": 5,
        "mean": pytest.approx(35 / 3, rel=1e-4),
        "best": Decimal("2.50"),
    }
    assert await Article.objects.filter(views__gt=99).aggregate(s=Sum("views"), n=Count("pk")) == {"s": None, "n": 0}
    assert await Article.objects.aggregate(n=Count("author", distinct=True)) == {"n": 2}
    assert await Article.objects.order_by("-views")[:2].aggregate(s=Sum("views")) == {"s": 30}
    assert await Article.objects.values("author").distinct().aggregate(n=Count("author")) == {"n": 2}
    per_author = Author.objects.annotate(n=Count("articles"))
    assert await per_author.aggregate(most=Max("n"), total=Sum("n")) == {"most": 2, "total": 3}
    with pytest.raises(TypeError, match="takes an aggregate"):
        await Article.objects.aggregate(n=F("views"))


@pytest.mark.row("expressions.case", "expressions.subquery")
async def test_conditional_expressions_and_subqueries() -> None:
    await _write()
    rows = Article.objects.annotate(
        size=Case(
            When(views__gte=20, then=Value("big")), When(author__name="Bob", then=Value("bob")), default=Value("small")
        )
    ).order_by("pk")
    assert [row.size for row in await rows] == ["small", "big", "bob"]  # type: ignore[attr-defined]
    newest = Article.objects.filter(author=OuterRef("pk")).order_by("-views").values("title")[:1]
    authors = Author.objects.annotate(top=Subquery(newest)).order_by("name")
    assert [row.top for row in await authors] == ["T1", "T2", None]  # type: ignore[attr-defined]
    busy = Author.objects.filter(Exists(Article.objects.filter(author=OuterRef("pk"), views__gt=8)))
    assert [row.name for row in await busy] == ["Ann"]
    idle = Author.objects.filter(~Exists(Article.objects.filter(author=OuterRef("pk"))))
    assert [row.name for row in await idle] == ["Cid"]
    flagged = Author.objects.annotate(busy=Exists(Article.objects.filter(author=OuterRef("pk")))).order_by("name")
    assert [row.busy for row in await flagged] == [True, True, False]  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="only stand inside another query"):
        await Article.objects.filter(author=OuterRef("pk"))


@pytest.mark.row("queries.distinct")
async def test_distinct_rows_can_be_ordered_by_what_is_not_selected() -> None:
    await _write()
    names = Article.objects.order_by("-author__age").values_list("author__name", flat=True).distinct()
    assert await names == ["Bob", "Ann"]
    rows = await Article.objects.filter(comments__stars__gt=0).distinct().order_by("-author__name")
    assert [row.title for row in rows] == ["T2", "T1"]


@pytest.mark.row("queries.annotate")
async def test_names_of_annotations_are_checked() -> None:
    with pytest.raises(ValueError, match="conflicts with a field"):
        Article.objects.annotate(title=F("views"))
    with pytest.raises(TypeError, match=r"alias|name"):
        Article.objects.annotate(F("views") + 1)
    with pytest.raises(TypeError, match="takes an expression"):
        Article.objects.annotate(x=1)
    with pytest.raises(FieldError, match="'veiws'"):
        await Article.objects.annotate(x=F("veiws") + 1)


@pytest.mark.row("queries.update")
async def test_updates_take_expressions_joins_and_objects() -> None:
    await _write()
    bob = await Author.objects.get(name="Bob")
    with record_queries() as queries:
        assert await Article.objects.filter(title="T0").update(views=F("views") + 1, editor=bob) == 1
        assert await Article.objects.filter(author__name="Ann").update(title="by Ann") == 2
        assert await Article.objects.filter(comments__stars__gte=1).update(views=0) == 2
    assert len(queries) == 3
    assert await Article.objects.order_by("pk").values_list("views", "title", "editor__name") == [
        (11, "by Ann", "Bob"),
        (0, "by Ann", None),
        (0, "T2", None),
    ]
    assert await Article.objects.update(editor=None) == 3
    latest = Subquery(Comment.objects.filter(article=OuterRef("pk")).order_by("-stars").values("stars")[:1])
    assert await Article.objects.filter(title="T2").update(views=latest) == 1
    assert (await Article.objects.get(title="T2")).views == 2
    with pytest.raises(FieldError, match="Did you mean 'views'"):
        await Article.objects.update(veiws=1)
    with pytest.raises(FieldError, match="joined"):
        await Article.objects.update(title=F("author__name"))
    with pytest.raises(TypeError, match="slice"):
        await Article.objects.all()[:1].update(views=1)


@pytest.mark.row("queries.explain")
async def test_explain_gives_the_plan() -> None:
    try:
        text = await Article.objects.filter(views=1).explain()
    except NotSupportedError:  # pragma: no cover - every database of ours has one
        pytest.fail("explain() is not supported")
    assert isinstance(text, str)
    assert text
    with pytest.raises(ValueError, match="format"):
        await Article.objects.all().explain(format="nonsense; DROP TABLE x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="option"):
        await Article.objects.all().explain(**{"analyze; DROP TABLE x": True})


async def test_many_to_many_names_cross_the_table_between() -> None:
    await _write()
    red, blue = await Tag.objects.create(label="red"), await Tag.objects.create(label="blue")
    first, second = await Article.objects.order_by("pk")[:2]
    await first.tags.add(red, blue)
    await second.tags.add(blue)
    with record_queries() as queries:
        rows: list[Any] = await Article.objects.filter(tags=blue).order_by("pk")
        await Article.objects.filter(tags__in=[red.pk]).values_list("tags", flat=True)
    assert [row.title for row in rows] == ["T0", "T1"]
    assert "testblog_tag" not in queries[0].sql.replace("testblog_article_tags", "")
    assert await Article.objects.filter(tags__label="red").values_list("title", "tags__label") == [("T0", "red")]
    assert await Tag.objects.values("label").annotate(n=Count("articles")).order_by("label").values_list(
        "label", "n"
    ) == [("blue", 2), ("red", 1)]


@pytest.mark.row("expressions.window")
async def test_filters_on_windows_filter_what_was_computed() -> None:
    await _write()
    place = Window(RowNumber(), partition_by=F("author"), order_by="-views")
    rows = Article.objects.annotate(place=place)
    assert [(row.title, row.place) for row in await rows.order_by("pk")] == [("T0", 2), ("T1", 1), ("T2", 1)]  # type: ignore[attr-defined]
    best = rows.filter(place=1)
    assert [row.title for row in await best.order_by("-views")] == ["T1", "T2"]
    assert await best.count() == 2
    assert await best.exists()
    assert await best.filter(views__lt=10).count() == 1
    assert (await best.order_by("views").first()).title == "T2"  # type: ignore[union-attr]
    assert await best.order_by("views").values_list("title", "author__name") == [("T2", "Bob"), ("T1", "Ann")]
    assert await best.aggregate(n=Count("*")) == {"n": 2}
    joined = await best.select_related("author").order_by("title")
    assert [row.author.name for row in joined] == ["Ann", "Bob"]
    assert [author.name for author in await Author.objects.filter(articles__in=rows.filter(place=2))] == ["Ann"]
    assert await best.update(views=0) == 2


@pytest.mark.row("functions.extract", "lookups.date_parts")
async def test_parts_of_moments_are_those_of_the_current_time_zone() -> None:
    await _write()
    for zone, hour, day in (("UTC", 12, 14), ("Asia/Tokyo", 21, 14), ("Pacific/Auckland", 1, 15)):
        with timezone.override(zone):
            first = Article.objects.filter(title="T0")
            assert await first.filter(published_at__hour=hour).count() == 1
            assert await first.filter(published_at__date=dt.date(2026, 3, day)).exists()
            assert await first.annotate(hour=F("published_at__hour")).values_list("hour", flat=True) == [hour]
            assert await first.values_list("published_at__day", flat=True) == [day]
            assert await first.filter(views__lt=F("published_at__hour") + 100).exists()
            assert await first.filter(Q(published_at__hour=hour) & ~Q(published_at__day=day + 1)).exists()
    by_hour = Article.objects.order_by("published_at__hour", "title").values_list("title", flat=True)
    assert await by_hour == ["T0", "T1", "T2"]
