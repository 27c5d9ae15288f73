"""Reading: filters, look-ups, order, slices, one row, numbers, and what plain Python may do with a queryset."""

from __future__ import annotations

import asyncio
import datetime as dt
import pickle
import re
from decimal import Decimal
from typing import Any

import pytest

from covet.db.database import Database
from covet.db.models import Count, F, Q
from covet.db.observe import record_queries
from covet.exceptions import FieldError, QueryNotAwaited
from covet.http.foreign import explain
from tests._apps.blog.models import Article, Author, Comment, Tag

pytestmark = pytest.mark.usefixtures("blog")

NOON = dt.datetime(2026, 3, 14, 12, 0, tzinfo=dt.UTC)


async def _write() -> tuple[Author, Author]:
    ann = await Author.objects.create(name="Ann", email="ann@example.com", age=30)
    bob = await Author.objects.create(name="Bob", age=None)
    for number in range(4):
        await Article.objects.create(
            title=f"Title {number}",
            body="100% _sure_" if number == 1 else "plain",
            views=number * 10,
            rating=Decimal("1.50") + number if number else None,
            is_open=number % 2 == 0,
            day=dt.date(2020 + number, 5, number + 1),
            published_at=NOON + dt.timedelta(days=number * 40),
            author=ann if number < 3 else bob,
            editor=bob if number == 0 else None,
        )
    return ann, bob


async def _titles(queryset: Any) -> list[str]:
    return [title[-1] for title in await queryset.order_by("title").values_list("title", flat=True)]


LOOKUPS: list[tuple[dict[str, Any], str]] = [
    ({"title": "Title 1"}, "1"),
    ({"title__iexact": "tITLE 1"}, "1"),
    ({"title__contains": "le 2"}, "2"),
    ({"title__icontains": "LE 2"}, "2"),
    ({"title__startswith": "Title"}, "0123"),
    ({"title__istartswith": "title"}, "0123"),
    ({"title__endswith": "3"}, "3"),
    ({"title__iendswith": "E 3"}, "3"),
    ({"body__contains": "100%"}, "1"),
    ({"body__contains": "_sure"}, "1"),
    ({"body__contains": "%_"}, ""),
    ({"title__regex": r"^Title [12]$"}, "12"),
    ({"title__iregex": r"^TITLE [12]$"}, "12"),
    ({"views__in": [0, 30, 99]}, "03"),
    ({"views__in": []}, ""),
    ({"views__in": [10, None]}, "1"),
    ({"views__gt": 10}, "23"),
    ({"views__gte": 10}, "123"),
    ({"views__lt": 10}, "0"),
    ({"views__lte": 10}, "01"),
    ({"views__range": (10, 20)}, "12"),
    ({"rating": None}, "0"),
    ({"rating__isnull": False}, "123"),
    ({"rating": Decimal("2.5")}, "1"),
    ({"is_open": True}, "02"),
    ({"day": dt.date(2021, 5, 2)}, "1"),
    ({"day__year": 2021}, "1"),
    ({"day__year__gte": 2022}, "23"),
    ({"day__year__in": [2020, 2023]}, "03"),
    ({"day__month": 5}, "0123"),
    ({"day__day__lte": 2}, "01"),
    ({"published_at": NOON}, "0"),
    ({"published_at__date": dt.date(2026, 3, 14)}, "0"),
    ({"published_at__date__gt": dt.date(2026, 3, 14)}, "123"),
    ({"published_at__hour": 12}, "0123"),
    ({"published_at__year": 2026, "published_at__month": 3}, "0"),
    ({"author__name": "Ann"}, "012"),
    ({"author__name__startswith": "B"}, "3"),
    ({"author__age": None}, "3"),
    ({"editor": None}, "123"),
    ({"editor__isnull": False}, "0"),
    ({"editor__name": "Bob"}, "0"),
    ({"editor__name": None}, "123"),
    ({"pk__gt": 0, "views": 20}, "2"),
]


@pytest.mark.row(
    "queries.filter",
    "lookups.exact",
    "lookups.text",
    "lookups.itext",
    "lookups.in",
    "lookups.compare",
    "lookups.isnull",
)
async def test_lookups_find_the_rows() -> None:
    await _write()
    for lookups, expected in LOOKUPS:
        assert "".join(await _titles(Article.objects.filter(**lookups))) == expected, lookups
    once = Article.objects.filter(views__in=(number for number in [10, 20]))
    assert await _titles(once) == await _titles(once) == ["1", "2"]


@pytest.mark.row("lookups.relations")
async def test_objects_and_keys_stand_for_relations() -> None:
    ann, bob = await _write()
    assert await _titles(Article.objects.filter(author=ann)) == ["0", "1", "2"]
    assert await _titles(Article.objects.filter(author=ann.pk)) == ["0", "1", "2"]
    assert await _titles(Article.objects.filter(author__in=[bob, ann.pk])) == ["0", "1", "2", "3"]
    assert await _titles(Article.objects.filter(author_id=bob.pk)) == ["3"]
    article = await Article.objects.get(title="Title 3")
    assert [author.name for author in await Author.objects.filter(articles=article)] == ["Bob"]


@pytest.mark.row("lookups.relations", "queries.filter")
async def test_an_object_of_another_model_or_unsaved_is_refused() -> None:
    await _write()
    with pytest.raises(ValueError, match="takes Author objects, not Tag"):
        await Article.objects.filter(author=await Tag.objects.create(label="x"))
    with pytest.raises(ValueError, match="unsaved Author"):
        await Article.objects.filter(author=Author(name="new"))


@pytest.mark.row("lookups.q")
async def test_conditions_combine_with_or_not_and_xor() -> None:
    await _write()
    assert await _titles(Article.objects.filter(Q(views=0) | Q(views=30))) == ["0", "3"]
    assert await _titles(Article.objects.filter(~Q(views=0) & Q(is_open=True))) == ["2"]
    assert await _titles(Article.objects.filter(Q(views__gte=10) ^ Q(is_open=True))) == ["0", "1", "3"]
    assert await _titles(Article.objects.filter(Q(views=0) | Q(editor__name="nobody"))) == ["0"]
    assert await _titles(Article.objects.filter(Q(), ~Q())) == ["0", "1", "2", "3"]
    assert await _titles(Article.objects.filter(Q(views__in=[]) | Q(views=10))) == ["1"]
    assert await _titles(Article.objects.filter(views=0) | Article.objects.filter(views=10)) == ["0", "1"]
    assert await _titles(Article.objects.filter(is_open=True) & Article.objects.filter(views=20)) == ["2"]


@pytest.mark.row("compiler.nulls", "queries.filter")
async def test_exclude_keeps_rows_whose_value_is_null() -> None:
    await _write()
    assert await _titles(Article.objects.exclude(rating=Decimal("2.5"))) == ["0", "2", "3"]
    assert await _titles(Article.objects.exclude(editor__name="Bob")) == ["1", "2", "3"]
    assert await _titles(Article.objects.exclude(author__age=30)) == ["3"]
    assert await _titles(Article.objects.exclude(rating=None)) == ["1", "2", "3"]


@pytest.mark.row("expressions.f")
async def test_expressions_stand_on_both_sides() -> None:
    await _write()
    assert await _titles(Article.objects.filter(views__gt=F("pk") + 5)) == ["1", "2", "3"]
    assert await _titles(Article.objects.filter(author=F("editor"))) == []
    assert await _titles(Article.objects.filter(views__range=(F("views"), 15))) == ["0", "1"]
    assert await _titles(Article.objects.filter(title__contains=F("views"))) == ["0"]


@pytest.mark.row("queries.filter", "compiler.joins")
async def test_conditions_over_many_rows_share_a_join_within_one_call_only() -> None:
    await _write()
    first, second = await Article.objects.order_by("title")[:2]
    await Comment.objects.bulk_create(
        [
            Comment(article=first, text="a", stars=1),
            Comment(article=first, text="b", stars=5),
            Comment(article=second, text="a", stars=5),
        ]
    )
    together = Article.objects.filter(comments__text="a", comments__stars=5)
    apart = Article.objects.filter(comments__text="a").filter(comments__stars=5)
    assert await _titles(together) == ["1"]
    assert await _titles(apart) == ["0", "1"]
    assert await _titles(Article.objects.filter(comments__isnull=True)) == ["2", "3"]
    assert await _titles(Article.objects.filter(comments__text__in=["a", "b"])) == ["0", "0", "1"]
    assert await _titles(Article.objects.filter(comments__text__in=["a", "b"]).distinct()) == ["0", "1"]


@pytest.mark.row("queries.filter")
async def test_exclude_over_many_rows_means_none_of_them() -> None:
    await _write()
    first, second = await Article.objects.order_by("title")[:2]
    await Comment.objects.bulk_create(
        [Comment(article=first, text="a"), Comment(article=first, text="b"), Comment(article=second, text="b")]
    )
    assert await _titles(Article.objects.exclude(comments__text="a")) == ["1", "2", "3"]
    assert await _titles(Article.objects.exclude(comments__isnull=True)) == ["0", "1"]
    assert await _titles(Article.objects.exclude(comments__isnull=False)) == ["2", "3"]
    assert await _titles(Article.objects.filter(~~Q(comments__text="a"))) == ["0"]
    assert sorted([author.name for author in await Author.objects.exclude(articles__comments__text="b")]) == ["Bob"]
    assert [author.name for author in await Author.objects.filter(~Q(articles__tags__label="x") | Q(name="?"))] == [
        "Ann",
        "Bob",
    ]


@pytest.mark.row("contract.nested", "lookups.in")
async def test_a_queryset_nests_as_a_subquery() -> None:
    await _write()
    bobs = Author.objects.filter(name__startswith="B")
    with record_queries() as queries:
        assert await _titles(Article.objects.filter(author__in=bobs)) == ["3"]
        assert await _titles(Article.objects.filter(author__in=bobs.values("pk"))) == ["3"]
        assert await _titles(Article.objects.filter(author__name__in=bobs.values_list("name"))) == ["3"]
        assert await _titles(Article.objects.filter(author=bobs[:1])) == ["3"]
        assert await _titles(Article.objects.exclude(author__in=bobs)) == ["0", "1", "2"]
        assert await _titles(Article.objects.filter(author__in=Author.objects.none())) == []
        assert await _titles(Article.objects.filter(author__in=Author.objects.order_by("name")[:1])) == ["0", "1", "2"]
    assert len(queries) == 6


@pytest.mark.row("queries.order_by", "meta.ordering", "expressions.order_by")
async def test_order_follows_names_directions_relations_and_expressions() -> None:
    await _write()

    async def titles(*items: Any) -> str:
        rows = await Article.objects.order_by(*items)
        return "".join(row.title[-1] for row in rows)

    assert await titles("-views") == "3210"
    assert await titles("author", "views") == "0123"
    assert await titles("-author", "views") == "3012"
    assert await titles("author__name", "-views") == "2103"
    assert await titles("-author_id", "title") == "3012"
    assert await titles(F("rating").asc(nulls_last=True)) == "1230"
    assert await titles(F("rating").desc(nulls_first=True)) == "0321"
    assert await titles(F("views") * -1) == "3210"
    assert sorted(await titles("?")) == ["0", "1", "2", "3"]
    reverse = await Article.objects.order_by("author", "views").reverse()
    assert "".join(row.title[-1] for row in reverse) == "3210"
    # The model's own order, and none.
    assert [author.name for author in await Author.objects.all().reverse()] == ["Bob", "Ann"]
    assert not Author.objects.order_by().ordered
    assert Author.objects.all().ordered
    assert Author.objects.order_by("name", "-pk").totally_ordered


@pytest.mark.row("contract.slices")
async def test_slices_are_limits_and_compose() -> None:
    await _write()
    ordered = Article.objects.order_by("views")
    assert [row.views for row in await ordered[1:3]] == [10, 20]
    assert [row.views for row in await ordered[:2]] == [0, 10]
    assert [row.views for row in await ordered[2:]] == [20, 30]
    assert [row.views for row in await ordered[1:][1:2]] == [20]
    assert [row.views for row in await ordered[::2]] == [0, 20]
    assert await ordered[3:1] == []
    assert (await ordered[2]).views == 20
    assert await ordered[1:3].count() == 2
    with pytest.raises(IndexError, match="no row 9"):
        await ordered[9]
    with pytest.raises(ValueError, match="Negative"):
        ordered[-1]
    with pytest.raises(TypeError, match=r"filter\(\) cannot follow a slice"):
        ordered[:2].filter(views=1)
    with pytest.raises(TypeError, match="slice"):
        ordered[:2].order_by("pk")


@pytest.mark.row("contract.not_awaited", "contract.repr")
async def test_an_unawaited_queryset_says_what_to_write() -> None:
    await _write()
    rows = Article.objects.order_by("pk")
    with pytest.raises(QueryNotAwaited, match="await queryset"):
        list(rows)
    with pytest.raises(QueryNotAwaited, match=r"count\(\)"):
        len(rows)
    with pytest.raises(QueryNotAwaited, match=r"exists\(\)"):
        bool(rows)
    with pytest.raises(QueryNotAwaited, match=r"contains"):
        "x" in rows  # noqa: B015 - the operator is what is tested
    with pytest.raises(QueryNotAwaited, match="pickle"):
        pickle.dumps(rows)
    assert repr(rows) == "<ArticleQuerySet Article (not evaluated)>"


async def _walk(rows: Any) -> None:
    async for _ in rows:
        pass


@pytest.mark.row("contract.not_awaited")
async def test_a_manager_that_is_taken_for_its_rows_says_what_to_write(blog: Any) -> None:
    ann = await Author.objects.create(name="Ann")
    managers: list[tuple[Any, str]] = [(Article.objects, "Article.objects"), (ann.articles, "author.articles")]

    for manager, name in managers:
        start = f"^{re.escape(name)} is a manager, which cannot be "
        one = re.escape(name)
        with pytest.raises(
            QueryNotAwaited, match=rf"{start}iterated\. Write 'for row in await {one}\.all\(\)' or 'async for"
        ):
            list(manager)
        with pytest.raises(QueryNotAwaited, match=rf"{start}iterated\. Write 'async for row in {one}\.all\(\)'\.$"):
            await _walk(manager)
        with pytest.raises(QueryNotAwaited, match=rf"{start}measured\. Write 'await {one}\.count\(\)', or 'len\(await"):
            len(manager)
        with pytest.raises(QueryNotAwaited, match=rf"{start}searched\. Write 'await {one}\.contains\(row\)'"):
            ann in manager  # noqa: B015 - the operator is what is tested
        with pytest.raises(QueryNotAwaited, match=rf"{start}indexed\. Write 'await {one}\.all\(\)\[3\]'"):
            manager[0]
        with pytest.raises(QueryNotAwaited, match=rf"{start}sliced\. Write 'await {one}\.all\(\)\[2:7\]'"):
            manager[:5]
        assert manager, "As in Django, a manager is always true: 'manager or Article.objects' chooses one."
        with pytest.raises(TypeError) as caught:
            await manager
        explain(caught.value)
        assert caught.value.__notes__ == [
            "A manager is not awaited by itself: write await Article.objects.all(), or another of its methods."
        ]


@pytest.mark.row("contract.index")
async def test_a_row_by_position_that_was_not_awaited_says_what_to_write(blog: Any) -> None:
    row: Any = Article.objects.order_by("pk")[3]
    with pytest.raises(QueryNotAwaited, match=r"Write '\(await queryset\[3\]\)\.title'"):
        row.title
    assert not hasattr(row, "__len__")


@pytest.mark.row("contract.await", "contract.lazy")
async def test_an_awaited_queryset_keeps_its_rows_and_is_like_a_list() -> None:
    await _write()
    rows = Article.objects.order_by("views")
    with record_queries() as queries:
        first = await rows
        assert await rows is first
        assert [row async for row in rows] == first
        assert len(rows) == 4
        assert rows
        assert rows[0] is first[0]
        assert rows[1:3] == first[1:3]
        assert first[2] in rows
        assert await rows.count() == 4
        assert await rows.exists()
        assert await rows.first() is first[0]
        assert await rows[0] is first[0]
    assert len(queries) == 1
    assert "Title 0" in repr(rows)


@pytest.mark.row("contract.async_for")
async def test_async_for_reads_once_and_caches() -> None:
    await _write()
    rows = Article.objects.order_by("views")
    with record_queries() as queries:
        assert [row.views async for row in rows] == [0, 10, 20, 30]
        assert len(rows) == 4
    assert len(queries) == 1


@pytest.mark.row("queries.none", "compiler.empty")
async def test_none_runs_no_statement() -> None:
    with record_queries() as queries:
        empty = Article.objects.none()
        assert await empty == []
        assert list(empty) == []
        assert await empty.filter(views=1) == []
        assert await empty.count() == 0
        assert not await empty.exists()
        assert await empty.first() is None
        assert await empty.aggregate(n=Count("*")) == {"n": 0}
        assert await empty.update(views=1) == 0
    assert len(queries) == 0


@pytest.mark.row("queries.get")
async def test_get_tells_none_and_several_apart() -> None:
    await _write()
    assert (await Article.objects.get(title="Title 2")).views == 20
    with pytest.raises(Article.DoesNotExist, match="No Article"):
        await Article.objects.get(title="nothing")
    with pytest.raises(Article.MultipleObjectsReturned, match="matches 4 rows of Article"):
        await Article.objects.get()
    assert await Article.objects.filter(views__gt=5).values("views").get(title="Title 1") == {"views": 10}


@pytest.mark.row("queries.first", "queries.latest")
async def test_first_last_latest_and_earliest() -> None:
    await _write()
    rows = Article.objects.filter(views__gt=5)
    assert (await rows.order_by("-views").first()).views == 30  # type: ignore[union-attr]
    assert (await rows.order_by("-views").last()).views == 10  # type: ignore[union-attr]
    assert (await rows.first()).views == 10  # type: ignore[union-attr]
    assert (await rows.last()).views == 30  # type: ignore[union-attr]
    assert await rows.filter(views=1).first() is None
    assert (await rows.latest("published_at")).views == 30
    assert (await rows.earliest("published_at")).views == 10
    with pytest.raises(Article.DoesNotExist):
        await rows.filter(views=1).latest("views")
    with pytest.raises(ValueError, match="get_latest_by"):
        await rows.latest()


@pytest.mark.row("queries.count")
async def test_counting_and_containing() -> None:
    ann, bob = await _write()
    assert await Article.objects.count() == 4
    assert await Article.objects.filter(author=ann).count() == 3
    assert await Article.objects.filter(author=ann).exists()
    assert not await Article.objects.filter(views=1).exists()
    assert await Article.objects.values("author").distinct().count() == 2
    assert await Author.objects.filter(name="Ann").contains(ann)
    assert not await Author.objects.filter(name="Ann").contains(bob)
    with pytest.raises(ValueError, match="saved"):
        await Author.objects.contains(Author())
    with pytest.raises(TypeError, match="values"):
        await Author.objects.values("name").contains(ann)


@pytest.mark.row("queries.in_bulk")
async def test_in_bulk_gives_rows_by_key() -> None:
    ann, bob = await _write()
    assert await Author.objects.in_bulk([ann.pk, bob.pk, 999]) == {ann.pk: ann, bob.pk: bob}
    assert list(await Author.objects.in_bulk(["ann@example.com"], field_name="email")) == ["ann@example.com"]
    with record_queries() as queries:
        assert await Author.objects.in_bulk([]) == {}
    assert len(queries) == 0
    with pytest.raises(ValueError, match="not unique"):
        await Author.objects.in_bulk(["Ann"], field_name="name")


@pytest.mark.row("queries.iterator", "contract.async_for")
async def test_iterator_streams_in_chunks_and_caches_nothing() -> None:
    await _write()
    rows = Article.objects.order_by("views")
    assert [row.views async for row in rows.iterator(chunk_size=3)] == [0, 10, 20, 30]
    assert [row async for row in rows.values_list("views", flat=True).iterator(chunk_size=1)] == [0, 10, 20, 30]
    assert rows._cache is None
    async for row in rows.iterator(chunk_size=1):
        assert row.views == 0
        break
    with pytest.raises(ValueError, match="positive"):
        [row async for row in rows.iterator(chunk_size=0)]


@pytest.mark.row("queries.defer", "models.deferred", "contract.not_loaded")
async def test_only_and_defer_leave_fields_for_await() -> None:
    await _write()
    row = (await Article.objects.only("title").order_by("views"))[1]
    assert set(row.get_deferred_fields()) == {
        "body",
        "views",
        "rating",
        "is_open",
        "day",
        "published_at",
        "author_id",
        "editor_id",
    }
    with record_queries() as queries:
        await row
        assert row.views == 10
        await row
    assert len(queries) == 1
    row = await Article.objects.defer("body", "author").order_by("views").first()  # type: ignore[assignment]
    assert row.get_deferred_fields() == {"body", "author_id"}
    joined = await Article.objects.select_related("author").only("title", "author__name").get(views=0)
    assert joined.author.name == "Ann"
    assert joined.author.get_deferred_fields() == {"email", "age"}
    assert not (await Article.objects.only("title").defer(None).first()).get_deferred_fields()  # type: ignore[union-attr]


@pytest.mark.row("models.deferred")
async def test_peers_of_a_deferred_row_are_completed_together() -> None:
    await _write()
    rows = await Article.objects.only("title")
    with record_queries() as queries:
        await asyncio.gather(*rows)
        assert sorted(row.views for row in rows) == [0, 10, 20, 30]
    assert len(queries) == 1


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (
            lambda: Article.objects.filter(autor__name="x"),
            r"Article has no field 'autor' \(in filter\(autor__name=…\)\)\. Did you mean 'author'\?",
        ),
        (lambda: Article.objects.filter(author__nam="x"), r"Author has no field 'nam'.*Did you mean 'name'\?"),
        (
            lambda: Article.objects.filter(title__contain="x"),
            r"Article\.title has no look-up 'contain'.*Did you mean 'contains'\?",
        ),
        (lambda: Article.objects.filter(views__year=1), r"Article\.views has no look-up 'year'"),
        (lambda: Article.objects.exclude(Q(titel="x") | Q(views=1)), r"'titel'.*Did you mean 'title'\?"),
        (
            lambda: Article.objects.order_by("veiws"),
            r"no field 'veiws' \(in order_by\('veiws'\)\)\. Did you mean 'views'\?",
        ),
        (lambda: Article.objects.values("titl"), r"no field 'titl'.*Did you mean 'title'\?"),
        (lambda: Article.objects.select_related("autor"), r"Did you mean 'author'\?"),
        (lambda: Article.objects.select_related("tags"), r"prefetch_related\('tags'\)"),
        (lambda: Article.objects.only("titel"), r"'titel'"),
        (lambda: Article.objects.filter(F("views") + F("nothing")), "nothing|conditional"),
    ],
)
@pytest.mark.row("lookups.unknown")
async def test_unknown_names_are_named_with_a_suggestion(build: Any, text: str) -> None:
    with pytest.raises((FieldError, TypeError), match=text):
        await build()


async def test_wrong_uses_are_refused() -> None:
    with pytest.raises(ValueError, match="None cannot be the value of 'gt'"):
        await Article.objects.filter(views__gt=None)
    with pytest.raises(ValueError, match="takes True or False"):
        await Article.objects.filter(rating__isnull=2.5)
    with pytest.raises(ValueError, match="two ends"):
        Article.objects.filter(views__range=(1,))
    with pytest.raises(TypeError, match="takes Q objects"):
        Article.objects.filter("views")
    with pytest.raises(TypeError, match="both"):
        Article.objects.values_list("views", flat=True, named=True)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="one field"):
        Article.objects.values_list("views", "title", flat=True)


@pytest.mark.row("compiler.injection")
async def test_hostile_names_never_become_sql(blog: Database) -> None:
    for name in ('x"; DROP TABLE testblog_author; --', "a b", "x\x00y", "a'b", "n--", "é;"):
        with pytest.raises((FieldError, ValueError, TypeError)):
            await Article.objects.annotate(**{name: F("views")})
        with pytest.raises((FieldError, ValueError, TypeError)):
            await Article.objects.order_by(name)
        with pytest.raises((FieldError, ValueError, TypeError)):
            await Article.objects.filter(**{name: 1})
        with pytest.raises((FieldError, ValueError, TypeError)):
            await Article.objects.filter(Q(**{"_connector": f"OR 1=1 {name}"}))
    assert await Author.objects.count() == 0


@pytest.mark.row("compiler.cache")
async def test_one_shape_has_one_statement_whatever_the_values(blog: Database) -> None:
    await _write()
    before = len(blog.statements)
    for number in range(5):
        await Article.objects.filter(views__gt=number, title__startswith=str(number)).order_by("-views")
        await Article.objects.order_by("pk")[number : number + 2]
        await Article.objects.filter(views__in=list(range(number + 1)))
    # Three shapes, and the slice that begins at 0.
    assert len(blog.statements) - before == 4


@pytest.mark.row("queries.union")
async def test_unions_intersections_and_differences() -> None:
    await _write()
    low, high = Article.objects.filter(views__lte=10), Article.objects.filter(views__gte=10)
    both = low.union(high).order_by("-views")
    assert [row.views for row in await both] == [30, 20, 10, 0]
    assert await low.union(high, all=True).count() == 5
    assert [row.views for row in await low.union(high).order_by("views")[1:3]] == [10, 20]
    assert [row.views for row in await low.intersection(high)] == [10]
    assert [row.views for row in await high.difference(low).order_by("views")] == [20, 30]
    names = Author.objects.values_list("name").union(Article.objects.values_list("title"))
    assert len(await names) == 6
    assert await low.union(Article.objects.none()).count() == 2


@pytest.mark.row("connections.handler")
async def test_using_an_unknown_database_says_so() -> None:
    from covet.exceptions import ImproperlyConfigured

    with pytest.raises(ImproperlyConfigured, match="no database 'elsewhere'"):
        await Article.objects.using("elsewhere")


@pytest.mark.row("managers.basic")
async def test_custom_querysets_keep_their_methods() -> None:
    await _write()
    assert await _titles(Article.objects.popular().filter(is_open=True).popular()) == ["2"]


@pytest.mark.row("contract.cancellation")
async def test_a_cancelled_read_leaves_the_database_usable(blog: Database) -> None:
    await _write()
    task = asyncio.ensure_future(Article.objects.filter(views__gte=0)._fetch())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await Article.objects.count() == 4


@pytest.mark.row("compiler.limits", "lookups.in")
async def test_lists_may_be_longer_than_the_database_has_places_for_values() -> None:
    await _write()
    keys = await Article.objects.order_by("pk").values_list("pk", flat=True)
    many = [*keys, *range(1_000_000, 1_040_000)]
    assert await Article.objects.filter(pk__in=many).count() == 4
    assert await Article.objects.exclude(pk__in=many).count() == 0
    assert len(await Article.objects.in_bulk(many)) == 4


@pytest.mark.row("contract.concurrency")
async def test_the_same_queryset_may_be_awaited_twice_at_once() -> None:
    await _write()
    rows = Article.objects.order_by("views")
    first, second = await asyncio.gather(rows, rows)
    assert [row.views for row in first] == [row.views for row in second] == [0, 10, 20, 30]
