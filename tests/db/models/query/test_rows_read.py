"""Which of many related rows ``values()`` and annotations read: those joined when they were written, not those of later filters."""

from __future__ import annotations

from typing import Any

import pytest

from covet.conf import override
from covet.db.models import Case, Count, F, Prefetch, Sum, Value, When
from covet.db.models.functions import Upper
from covet.db.observe import record_queries
from covet.exceptions import FieldError
from tests._apps.blog.models import Article, Author, Tag

pytestmark = [pytest.mark.usefixtures("blog"), pytest.mark.row("queries.values")]


@pytest.fixture(params=[True, False], ids=["optimizer", "plain"], autouse=True)
async def optimizer(request: pytest.FixtureRequest, blog: Any) -> Any:
    """Run each test with the optimizer and without."""
    with override(QUERY_OPTIMIZER=request.param):
        yield


async def _write() -> None:
    ann, bob = await Author.objects.create(name="Ann"), await Author.objects.create(name="Bob")
    red, blue = await Tag.objects.create(label="red"), await Tag.objects.create(label="blue")
    for author, title, views, tags in ((ann, "one", 1, [red]), (ann, "two", 2, [red, blue]), (bob, "three", 3, [])):
        article = await Article.objects.create(title=title, author=author, views=views)
        await article.tags.add(*tags)


async def test_values_before_a_filter_read_all_rows_and_after_it_the_rows_of_the_filter() -> None:
    await _write()
    labels = Article.objects.order_by("pk", "tags__label")
    before = labels.values_list("title", "tags__label").filter(tags__label="blue")
    assert await before == [("two", "blue"), ("two", "red")]
    assert await labels.filter(tags__label="blue").values_list("title", "tags__label") == [("two", "blue")]
    assert await before.count() == 2 and await before.distinct().count() == 2
    assert await before.exists() is True
    again = before.values_list("title", "tags__label")
    assert set(await again) == {("two", "blue")}  # named anew, and the last filter's row is meant
    ones = Author.objects.filter(articles__title="two").values_list("articles__views").filter(articles__title="one")
    assert await ones == [(2,)]


async def test_annotations_before_a_filter_read_all_rows_and_after_it_the_rows_of_the_filter() -> None:
    await _write()
    before = Article.objects.annotate(x=Upper("tags__label")).filter(tags__label="blue")
    assert sorted(await before.values_list("x", flat=True)) == ["BLUE", "RED"]
    after = Article.objects.filter(tags__label="blue").annotate(x=Upper("tags__label"))
    assert await after.values_list("x", flat=True) == ["BLUE"]
    cased = Case(When(tags__label="red", then=Value(1)), default=Value(0))
    assert sorted(await Article.objects.annotate(x=cased).filter(tags__label="blue").values_list("x", flat=True)) == [
        0,
        1,
    ]
    assert await Article.objects.annotate(x=F("tags__label")).filter(x="red", tags__label="blue").values_list("x") == [
        ("red",)
    ]
    between = (
        Author.objects.annotate(a=F("articles__title")).filter(articles__title="two").annotate(b=F("articles__title"))
    )
    assert sorted(await between.values_list("a", "b")) == [("one", "two"), ("two", "two")]


async def test_what_is_named_joins_its_rows_whether_it_is_selected_or_not() -> None:
    await _write()
    assert await Article.objects.alias(x=F("tags__label")).count() == 4
    assert len(await Article.objects.alias(x=F("tags__label"))) == 4
    assert len(await Article.objects.annotate(x=F("tags__label")).values_list("pk")) == 4
    assert len(await Article.objects.values_list("tags__label").values_list("pk")) == 4
    assert await Article.objects.annotate(x=F("tags__label")).aggregate(s=Sum("views")) == {"s": 8}
    assert await Article.objects.alias(x=F("tags__label")).filter(views__gt=1).count() == 3
    # An aggregate is one value for a row, and what leads to one row joins no more than one.
    assert await Article.objects.alias(n=Count("tags"), name=F("author__name")).count() == 3


async def test_groups_are_those_of_the_values_that_were_named_before() -> None:
    await _write()
    grouped = Article.objects.values("tags__label").annotate(n=Count("pk")).filter(tags__label="blue")
    rows = await grouped.order_by("tags__label")
    assert rows == [{"tags__label": "blue", "n": 1}, {"tags__label": "red", "n": 1}]
    rows = await Article.objects.filter(tags__label="blue").values("tags__label").annotate(n=Count("pk"))
    assert rows == [{"tags__label": "blue", "n": 1}]
    assert await grouped.count() == 2


async def test_prefetched_rows_are_those_of_their_owners() -> None:
    await _write()
    labels = Tag.objects.annotate(title=F("articles__title"), n=Count("articles")).order_by("label", "title")
    rows = await Article.objects.order_by("pk").prefetch_related(Prefetch("tags", labels, to_attr="found"))
    found: list[Any] = [[(one.label, one.title, one.n) for one in row.found] for row in rows]  # type: ignore[attr-defined]
    two = [("blue", "two", 1), ("red", "one", 1), ("red", "two", 1)]
    assert found == [two[1:], two, []]
    narrow = Tag.objects.filter(articles__title="two").order_by("label")
    rows = await Article.objects.order_by("pk").prefetch_related(Prefetch("tags", narrow, to_attr="found"))
    assert [[one.label for one in row.found] for row in rows] == [["red"], ["blue", "red"], []]  # type: ignore[attr-defined]


async def test_a_subquery_of_values_narrowed_later_keeps_all_that_it_read() -> None:
    await _write()
    both = Article.objects.values("tags__label").filter(tags__label="blue")
    assert sorted(await Tag.objects.filter(label__in=both).values_list("label", flat=True)) == ["blue", "red"]
    with record_queries() as log:
        assert await Article.objects.values("author__name").filter(author__name="Bob") == [{"author__name": "Bob"}]
    assert log[0].sql.count("JOIN") == 1  # one row, so the same row


async def test_a_slice_may_be_annotated_and_an_alias_is_not_read() -> None:
    await _write()
    first = Article.objects.order_by("pk")[:2]
    assert [(row.title, row.n) for row in await first.annotate(n=Count("tags"))] == [("one", 1), ("two", 2)]  # type: ignore[attr-defined]
    assert [row.twice for row in await first.alias(x=F("views")).annotate(twice=F("x") * 2)] == [2, 4]  # type: ignore[attr-defined]
    assert [row.author.name for row in await first.select_related("author").only("title", "author__name")] == [
        "Ann",
        "Ann",
    ]
    assert [row.title for row in await first.defer("body")] == ["one", "two"]
    hidden = Article.objects.alias(n=Count("tags")).filter(n=2)
    assert await hidden.values_list("title", flat=True) == ["two"]
    for names in (("title", "n"), ("n__gt",)):
        with pytest.raises(FieldError, match="'n' is an alias"):
            hidden.values(*names)
    assert await hidden.annotate(n=F("n")).values_list("title", "n") == [("two", 2)]


async def test_a_reversed_queryset_stays_so_in_another_order() -> None:
    await _write()
    assert await Article.objects.reverse().order_by("views").values_list("views", flat=True) == [3, 2, 1]
    assert await Article.objects.reverse().reverse().order_by("views").values_list("views", flat=True) == [1, 2, 3]
    last = await Article.objects.reverse().first()
    assert last is not None and last.title == "three"
    assert (await Article.objects.reverse().latest("views")).views == 1
    assert (await Article.objects.reverse().earliest("views")).views == 3
