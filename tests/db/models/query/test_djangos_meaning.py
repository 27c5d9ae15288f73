"""What the same queries gave in Django over the same rows, where ours once gave something else; on the three databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from covet.conf import override
from covet.db.database import Database
from covet.db.models import (
    Avg,
    BooleanField,
    Case,
    Count,
    DecimalField,
    ExpressionWrapper,
    F,
    FloatField,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
)
from covet.db.models.functions import Coalesce, Greatest, Mod, Round
from tests._apps.blog.models import MODELS, Article, Author, Comment, Tag
from tests.db.models.conftest import create_tables


@pytest.fixture
async def rows(database: Database) -> AsyncIterator[Database]:
    """Three articles with 3, 1 and 0 comments; two authors, of whom the later one comes first by name."""
    await create_tables(database, MODELS)
    zoe = await Author.objects.create(name="Zoe", age=30)
    ann = await Author.objects.create(name="Ann")
    rich = await Article.objects.create(title="rich", author=zoe, views=7, rating=Decimal("1.25"))
    poor = await Article.objects.create(title="poor", author=ann, views=2, rating=Decimal("10.00"))
    await Article.objects.create(title="bare", author=ann, views=4)
    for stars in (1, 3, 5):
        await Comment.objects.create(article=rich, text="r", stars=stars)
    await Comment.objects.create(article=poor, text="p", stars=1)
    tags = [await Tag.objects.create(label=label) for label in "ab"]
    await rich.tags.add(*tags)
    await poor.tags.add(tags[0])
    yield database


async def pairs(queryset: Any, *names: str) -> list[Any]:
    found: list[Any] = await queryset.order_by("pk").values_list(*names)
    return found


@pytest.mark.row("queries.annotate", "aggregates.grouping")
async def test_an_aggregate_counts_what_conditions_before_it_left_and_not_those_after(rows: Database) -> None:
    before = Article.objects.filter(comments__stars__gt=2).annotate(n=Count("comments"))
    after = Article.objects.annotate(n=Count("comments", distinct=True)).filter(comments__stars__gt=2)

    assert await pairs(before, "title", "n") == [("rich", 2)]
    assert await pairs(after, "title", "n") == [("rich", 3)]
    # Each comment once for each one that the filter found, as the join says.
    assert await pairs(Article.objects.annotate(n=Count("comments")).filter(comments__stars__gt=2), "n") == [(6,)]
    both = after.annotate(m=Count("comments", distinct=True))
    assert await pairs(both, "n", "m") == [(3, 2)]
    assert await after.count() == 1
    assert await pairs(Article.objects.annotate(n=Count("comments")).exclude(comments__stars=5), "title", "n") == [
        ("poor", 1),
        ("bare", 0),
    ]


@pytest.mark.row("queries.annotate")
async def test_values_after_an_aggregate_group_the_next_one_anew(rows: Database) -> None:
    counted = (
        Article.objects.annotate(n=Count("tags")).values("author__name").annotate(total=Count("pk", distinct=True))
    )

    assert await counted.order_by("author__name") == [
        {"author__name": "Ann", "total": 2},
        {"author__name": "Zoe", "total": 1},
    ]


@pytest.mark.row("queries.order_by")
async def test_selected_keys_are_ordered_by_themselves_and_rows_by_what_they_refer_to(rows: Database) -> None:
    first, second = (await Author.objects.order_by("pk").values_list("pk", flat=True))[:2]

    grouped = await Article.objects.values("author").annotate(n=Count("pk")).order_by("author")
    assert grouped == [{"author": first, "n": 1}, {"author": second, "n": 2}]
    assert [article.title for article in await Article.objects.order_by("author", "pk")] == ["poor", "bare", "rich"]
    assert await Article.objects.values("title").order_by("author", "pk") == [
        {"title": "poor"},
        {"title": "bare"},
        {"title": "rich"},
    ]


@pytest.mark.row("queries.filter")
@pytest.mark.parametrize("optimizer", [True, False])
async def test_a_negation_beside_a_condition_of_one_call_is_about_the_same_row(rows: Database, optimizer: bool) -> None:
    with override(QUERY_OPTIMIZER=optimizer):
        # A comment of three stars is none of five, whatever its neighbours are.
        same = Article.objects.filter(Q(comments__stars=3) & ~Q(comments__stars=5)).distinct()
        assert await pairs(same, "title") == [("rich",)]
        assert await pairs(Article.objects.filter(Q(comments__stars=3) & ~Q(comments__stars=3)), "title") == []
        apart = Article.objects.filter(comments__stars=3).filter(~Q(comments__stars=5))
        assert await pairs(apart, "title") == []
        assert await pairs(Article.objects.filter(~Q(comments__stars=5) & Q(comments__stars=3)), "title") == []
        deeper = Author.objects.filter(Q(articles__views__gt=1) & ~Q(articles__comments__stars=1)).distinct()
        assert await pairs(deeper, "name") == [("Ann",)]
        none = Article.objects.filter(Q(comments__stars=3) & ~Q(comments__isnull=True)).distinct()
        assert await pairs(none, "title") == [("rich",)]


@pytest.mark.row("aggregates.basic", "expressions.case")
async def test_a_negation_in_an_expression_is_about_the_row_that_is_joined(rows: Database) -> None:
    counted = Article.objects.annotate(n=Count("comments", filter=~Q(comments__stars=3)))
    assert await pairs(counted, "title", "n") == [("rich", 2), ("poor", 1), ("bare", 0)]
    summed = Article.objects.annotate(n=Sum(Case(When(~Q(comments__stars=1), then=1), default=0)))
    assert await pairs(summed, "title", "n") == [("rich", 2), ("poor", 0), ("bare", 1)]


@pytest.mark.row("queries.union")
async def test_combined_values_are_ordered_by_pk_where_that_is_selected(rows: Database) -> None:
    names = Article.objects.values_list("title", "pk").union(Author.objects.values_list("name", "pk"))

    found = await names.order_by("-pk", "title")
    assert [pk for _name, pk in found] == sorted([pk for _name, pk in found], reverse=True)
    assert len(found) == 5


@pytest.mark.row("aggregates.basic", "compiler.converters")
async def test_what_is_computed_of_decimals_keeps_its_digits_and_compares_as_a_number(rows: Database) -> None:
    await Article.objects.filter(title="bare").update(rating=Decimal("0.01"))

    average = (await Article.objects.aggregate(a=Avg("rating")))["a"]
    assert isinstance(average, Decimal)
    assert abs(average - Decimal("3.7533333")) < Decimal("0.00001")
    wide = Article.objects.annotate(x=Coalesce("rating", Value(Decimal("0"))))
    assert await pairs(wide.filter(x__gt=Decimal("1.2")), "title", "x") == [
        ("rich", Decimal("1.25")),
        ("poor", Decimal("10")),
    ]
    assert await wide.filter(x=Decimal("1.25")).count() == 1
    assert await wide.filter(x__in=[Decimal("1.25"), 10]).count() == 2
    assert await wide.filter(x__range=(Decimal("0.5"), Decimal("9"))).count() == 1
    assert await Article.objects.annotate(x=F("rating") + Decimal("1.5")).filter(x__lt=Decimal("2.80")).count() == 2
    summed = Author.objects.annotate(s=Sum("articles__rating")).filter(s__gt=Decimal("5"))
    assert await pairs(summed, "name", "s") == [("Ann", Decimal("10.01"))]
    chosen = Case(When(views__gt=3, then=Value(Decimal("10"))), default=Value(Decimal("9.5")))
    assert await Article.objects.annotate(x=chosen).order_by("x", "pk").values_list("title", flat=True) == [
        "poor",
        "rich",
        "bare",
    ]
    assert await Article.objects.annotate(x=chosen).filter(x__lt=Decimal("9.9")).count() == 1
    greatest = Article.objects.annotate(x=Greatest("rating", Value(Decimal("1.1"))))
    assert await pairs(greatest, "x") == [(Decimal("1.25"),), (Decimal("10"),), (Decimal("1.1"),)]
    half = ExpressionWrapper(F("views") * Decimal("0.5"), output_field=DecimalField(max_digits=6, decimal_places=2))
    assert await Article.objects.annotate(x=half).filter(x__gt=Decimal("1.5")).count() == 2


@pytest.mark.row("compiler.converters")
async def test_what_is_computed_is_of_the_kind_that_its_field_says(rows: Database) -> None:
    doubled = ExpressionWrapper(F("rating") * 2, output_field=FloatField())
    values = await Article.objects.annotate(x=doubled).order_by("pk").values_list("x", flat=True)
    assert values == [2.5, 20.0, None] and {type(value) for value in values} == {float, type(None)}
    comments = Comment.objects.filter(article=OuterRef("pk")).values("article").annotate(c=Count("pk")).values("c")
    total = (await Article.objects.annotate(n=Subquery(comments)).aggregate(s=Sum("n")))["s"]
    assert total == 4 and type(total) is int
    divided = await Article.objects.annotate(x=F("views") / 2).order_by("pk").values_list("x", flat=True)
    assert divided == [3, 1, 2] and {type(value) for value in divided} == {int}


@pytest.mark.row("functions.round")
async def test_floats_are_rounded_and_divided_with_rest(rows: Database) -> None:
    score = ExpressionWrapper(F("views") * 1.26, output_field=FloatField())
    found = await pairs(Article.objects.annotate(s=score).annotate(r=Round("s", 1), m=Mod("s", 2)), "r", "m")

    assert [type(value) for value in found[0]] == [float, float]
    assert [(round(r, 5), round(m, 5)) for r, m in found] == [(8.8, 0.82), (2.5, 0.52), (5.0, 1.04)]


@pytest.mark.row("expressions.case")
async def test_a_case_of_truths_is_a_condition(rows: Database) -> None:
    popular = Case(When(views__gt=5, then=Value(True)), When(title="bare", then=Q(views=4)), default=Value(False))

    assert await pairs(Article.objects.filter(popular), "title") == [("rich",), ("bare",)]
    assert await pairs(
        Article.objects.exclude(Case(When(views__gt=5, then=Value(True)), default=Value(False))), "title"
    ) == [
        ("poor",),
        ("bare",),
    ]
    with pytest.raises(TypeError, match="conditional"):
        Article.objects.filter(Case(When(views__gt=5, then=Value(1)), default=Value(0)))


@pytest.mark.row("expressions.value")
async def test_conditions_are_compared_as_values(rows: Database) -> None:
    many = ExpressionWrapper(Q(views__gt=5), output_field=BooleanField())
    assert await pairs(Article.objects.annotate(b=many).filter(b=True), "title") == [("rich",)]
    assert await pairs(Article.objects.annotate(b=many).filter(b=False), "title") == [("poor",), ("bare",)]
    unrated = ExpressionWrapper(Q(rating__isnull=True), output_field=BooleanField())
    assert await pairs(Article.objects.annotate(b=many, c=unrated).filter(b=F("c")), "title") == [("poor",)]
    assert await pairs(Article.objects.annotate(c=unrated).exclude(c=True), "title") == [("rich",), ("poor",)]
    among = ExpressionWrapper(~Q(title__in=["rich"]), output_field=BooleanField())
    assert await pairs(Article.objects.annotate(c=among).filter(c=True), "title") == [("poor",), ("bare",)]


async def test_a_value_makes_no_groups(rows: Database) -> None:
    ones = Article.objects.annotate(one=Value(1)).values("one").annotate(n=Count("*"))
    assert await ones == [{"one": 1, "n": 3}]
    # Without groups there is a row for no rows at all, which is what a subquery that counts relies on.
    assert await ones.filter(title="nothing").values_list("n", flat=True) == [0]
    counted = Subquery(
        Article.objects.filter(views__gt=OuterRef("age"))
        .order_by()
        .annotate(_=Value(1))
        .values("_")
        .annotate(n=Count("*"))
        .values("n")
    )
    people = Author.objects.annotate(n=counted).order_by("name").values_list("name", "n")
    assert await people == [("Ann", 0), ("Zoe", 0)]
    wrapped = ExpressionWrapper(Value(Decimal(1)), output_field=DecimalField(max_digits=3, decimal_places=1))
    assert await Article.objects.annotate(w=wrapped).values("w").annotate(n=Count("*")).values_list("n") == [(3,)]
    none = Article.objects.annotate(no=Value(None, output_field=FloatField())).values("no").annotate(n=Count("*"))
    assert await none == [{"no": None, "n": 3}]
    # Beside a name it changes nothing, and what is computed of a value groups.
    beside = Article.objects.annotate(one=Value(1)).values("one", "author__name").annotate(n=Count("*"))
    assert sorted(row["n"] for row in await beside) == sorted(
        row["n"] for row in await Article.objects.values("author__name").annotate(n=Count("*"))
    )
    computed = Article.objects.filter(title="nothing").annotate(c=Coalesce(Value(1), Value(2))).values("c")
    assert await computed.annotate(n=Count("*")) == []
    assert await ones.filter(n__gt=2).count() == 1
