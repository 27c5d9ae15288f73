"""Whole numbers that no row can hold, in look-ups: they find what Python would find, and no driver complains."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.db import models
from covet.db.database import Database
from covet.db.models import Case, Count, F, Q, Sum, Value, When
from covet.db.models.lookups import GreaterThan, In
from tests._apps.blog.models import Article, Author
from tests.db.models.conftest import create_tables


class Amount(models.Model):
    """A column of each size."""

    small = models.SmallIntegerField(null=True)
    middle = models.IntegerField(null=True)
    big = models.BigIntegerField(null=True)
    count = models.PositiveIntegerField(null=True)
    parent: models.ForeignKey[Amount | None] = models.ForeignKey("self", models.CASCADE, null=True)

    class Meta:
        app_label = "testbeyond"


_FIELDS = ("small", "middle", "big", "count", "parent_id")
_HELD = {
    "small": (-(2**15), -1, 0, 7, 2**15 - 1),
    "middle": (-(2**31), -1, 0, 7, 2**31 - 1),
    "big": (-(2**63), -1, 0, 7, 2**63 - 1),
    "count": (0, 0, 1, 7, 2**31 - 1),
    "parent_id": (None, 1, 1, 2, 3),
}
_EDGES = [sign * 2**bits + step for bits in (15, 31, 63, 64) for sign in (-1, 1) for step in (-1, 0, 1)]
_numbers = st.sampled_from([*_EDGES, 0, 1, 7, 10**30, -(10**30), 10**400, -(10**400)])
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "exact": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


@pytest.fixture
async def amounts(database: Database) -> AsyncIterator[list[dict[str, Any]]]:
    await create_tables(database, [Amount])
    rows = [{"id": n + 1, **{name: _HELD[name][n] for name in _FIELDS}} for n in range(5)]
    rows.append({"id": 6, **dict.fromkeys(_FIELDS)})
    await Amount.objects.bulk_create([Amount(**row) for row in rows])
    yield rows


def _leaf(name: str, lookup: str, numbers: list[int]) -> tuple[Q, Callable[[Any], bool]]:
    if lookup == "in":
        return Q(**{f"{name}__in": numbers}), lambda row: row[name] in numbers
    if lookup == "range":
        low, high = numbers[0], numbers[-1]
        return Q(**{f"{name}__range": (low, high)}), lambda row: row[name] is not None and low <= row[name] <= high
    compare = _OPERATORS[lookup]
    return Q(**{f"{name}__{lookup}": numbers[0]}), lambda row: row[name] is not None and compare(row[name], numbers[0])


_leaves = st.builds(
    _leaf,
    st.sampled_from(("id", *_FIELDS)),
    st.sampled_from((*_OPERATORS, "in", "range")),
    st.lists(_numbers, min_size=1, max_size=3),
)


def _both(parts: list[tuple[Q, Callable[[Any], bool]]], how: str) -> tuple[Q, Callable[[Any], bool]]:
    first, second = parts
    if how == "and":
        return first[0] & second[0], lambda row: first[1](row) and second[1](row)
    if how == "or":
        return first[0] | second[0], lambda row: first[1](row) or second[1](row)
    return first[0] & ~second[0], lambda row: first[1](row) and not second[1](row)


_trees = st.builds(_both, st.lists(_leaves, min_size=2, max_size=2), st.sampled_from(("and", "or", "not"))) | _leaves


@pytest.mark.row("lookups.exact", "lookups.compare", "lookups.in")
async def test_numbers_beyond_a_column_find_what_python_finds(amounts: list[dict[str, Any]]) -> None:
    asked: list[tuple[Q, Callable[[Any], bool]]] = []

    @settings(max_examples=60, derandomize=True, database=None, suppress_health_check=list(HealthCheck), deadline=None)
    @given(_trees)
    def gather(tree: tuple[Q, Callable[[Any], bool]]) -> None:
        asked.append(tree)

    gather()

    for condition, holds in asked:
        found = await Amount.objects.filter(condition).order_by("pk").values_list("pk", flat=True)
        assert found == [row["id"] for row in amounts if holds(row)], condition
        assert await Amount.objects.exclude(condition).count() == sum(not holds(row) for row in amounts), condition


@pytest.mark.row("queries.get")
async def test_get_of_a_key_beyond_the_column_is_no_row(blog: Database) -> None:
    await Author.objects.create(name="Ann")

    for key in (2**63, -(2**63) - 1, 10**30, str(2**63)):
        with pytest.raises(Author.DoesNotExist):
            await Author.objects.get(pk=key)
        with pytest.raises(Author.DoesNotExist):
            await Author.objects.get(Q(pk=key), name="Ann")
        assert await Author.objects.filter(pk=key).exists() is False
        assert await Author.objects.filter(pk=key).count() == 0
        assert await Author.objects.filter(pk=key).update(name="Eve") == 0
        assert (await Author.objects.filter(pk=key).delete())[0] == 0
        assert await Author.objects.in_bulk([key]) == {}
    assert await Author.objects.filter(pk__lt=2**64).update(age=3) == 1
    assert await Author.objects.values_list("name", "age") == [("Ann", 3)]


async def test_keys_beyond_the_column_in_relations_are_no_rows(blog: Database) -> None:
    ann = await Author.objects.create(name="Ann")
    article = await Article.objects.create(title="One", author=ann)

    assert await Article.objects.filter(author=2**70) == []
    assert await Article.objects.filter(author__in=[ann, Author(pk=2**70)]) == [article]
    assert await Article.objects.exclude(author_id__in=[2**70, 2**80]).count() == 1
    assert await Author.objects.filter(articles__views__lt=2**70) == [ann]
    assert await Author.objects.exclude(articles__views=2**70) == [ann]
    assert await Author.objects.exclude(articles__views__gt=-(2**70)) == []


async def test_what_is_computed_is_compared_as_wide_as_it_may_be(amounts: list[dict[str, Any]]) -> None:
    wide = Amount.objects.annotate(n=Count("pk"), total=Sum("middle"))

    assert await wide.filter(n__lt=5_000_000_000).count() == 6
    assert await wide.filter(n__gt=2**70).count() == 0
    assert await wide.filter(total__lt=5_000_000_000).count() == 5
    assert await wide.exclude(total__lt=2**70).count() == 1
    small = Amount.objects.filter(middle__lt=100).annotate(next=F("middle") + 1)
    assert await small.filter(next__in=[8, 2**40, 2**80]).count() == 1


async def test_numbers_beyond_a_column_stand_in_conditions_of_expressions(amounts: list[dict[str, Any]]) -> None:
    assert await Amount.objects.filter(GreaterThan(F("small"), -(2**40))).count() == 5
    assert await Amount.objects.filter(In(F("small"), [7, 2**40])).count() == 1
    kinds = Amount.objects.annotate(kind=Case(When(small__gt=2**40, then=Value("a")), default=Value("b")))
    assert set(await kinds.values_list("kind", flat=True)) == {"b"}
    assert await Amount.objects.aggregate(n=Count("pk", filter=Q(count__lt=2**40))) == {"n": 5}


async def test_many_patterns_of_values_beyond_are_right_too(amounts: list[dict[str, Any]]) -> None:
    for mask in range(32):
        values = [2**70 if mask >> bit & 1 else -(2**70) for bit in range(5)]
        condition = Q()
        for name, value in zip(_FIELDS, values, strict=True):
            condition &= Q(**{f"{name}__lt": value})
        assert await Amount.objects.filter(condition).count() == (4 if mask == 31 else 0)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), "one"])
async def test_what_is_no_whole_number_is_an_error_that_names_the_field(
    amounts: list[dict[str, Any]], value: Any
) -> None:
    with pytest.raises((ValueError, OverflowError), match="Field 'small' expects a whole number"):
        await Amount.objects.filter(small=value)


@pytest.mark.row("lookups.year")
async def test_years_beyond_the_calendar_find_what_python_finds(blog: Database) -> None:
    ann = await Author.objects.create(name="Ann")
    days = {"first": dt.date(1000, 1, 1), "now": dt.date(2024, 5, 6), "last": dt.date.max, "none": None}
    for title, day in days.items():
        moment = None if day is None or day.year != 2024 else dt.datetime(2024, 5, 6, tzinfo=dt.UTC)
        await Article.objects.create(title=title, author=ann, day=day, published_at=moment)

    for year in (-5, 0, 1, 1000, 2024, 9999, 10_000, 10**30):
        for lookup, compare in _OPERATORS.items():
            name = f"year__{lookup}" if lookup != "exact" else "year"
            found = set(await Article.objects.filter(**{f"day__{name}": year}).values_list("title", flat=True))
            assert found == {title for title, day in days.items() if day and compare(day.year, year)}, (name, year)
            moments = await Article.objects.filter(**{f"published_at__{name}": year}).count()
            assert moments == int(compare(2024, year)), (name, year)
    assert await Article.objects.exclude(day__year=10_000).count() == 4
    with pytest.raises(ValueError, match="x"):
        await Article.objects.filter(day__year="x")


@pytest.mark.row("lookups.exact", "lookups.compare")
async def test_a_decimal_is_compared_as_it_is_given(blog: Database) -> None:
    """The column has two places: what is looked for may have more of them, and more digits than fit, and finds what Python would."""
    author = await Author.objects.create(name="Ann")
    ratings = [Decimal("1.50"), Decimal("1.51"), Decimal("-3.25"), Decimal("999.99")]
    for rating in ratings:
        await Article.objects.create(title=str(rating), author=author, rating=rating)
    asked = ("1.5", "1.499", "1.504", "1.505", "1.5100001", "-3.2500001", "999.994", "123456", "-1e9", "0.000000001")
    for value in map(Decimal, asked):
        for name, holds in _OPERATORS.items():
            wanted = sorted(rating for rating in ratings if holds(rating, value))
            found = Article.objects.filter(**{f"rating__{name}": value}).order_by("rating")
            assert await found.values_list("rating", flat=True) == wanted, (name, value)
            assert await Article.objects.exclude(**{f"rating__{name}": value}).count() == 4 - len(wanted)
            assert await Article.objects.aggregate(n=Count("pk", filter=Q(**{f"rating__{name}": value}))) == {
                "n": len(wanted)
            }
    many = [Decimal("1.504"), Decimal("1.51"), Decimal("1e12")]
    assert await Article.objects.filter(rating__in=many).values_list("title", flat=True) == ["1.51"]
    between = Article.objects.filter(rating__range=(Decimal("1.499"), Decimal("1.509")))
    assert await between.values_list("title", flat=True) == ["1.50"]
    assert (
        await Article.objects.filter(rating=1.5).count() == 1
        and await Article.objects.filter(rating="1.51").count() == 1
    )
    assert await Article.objects.filter(GreaterThan(F("rating"), Decimal("1.504"))).count() == 2
    twice = Article.objects.annotate(x=F("rating") * 2).filter(x__gt=Decimal("3.0001"), x__lt=Decimal("3.0201"))
    assert await twice.values_list("title", flat=True) == ["1.51"]
    case = Case(When(rating__lt=Decimal("1.5001"), then=Value("low")), default=Value("high"))
    assert await Article.objects.annotate(x=case).order_by("rating").values_list("x", flat=True) == [
        "low",
        "low",
        "high",
        "high",
    ]
    # What is written is still rounded, and still has to fit.
    await Article.objects.filter(rating=Decimal("1.5")).update(rating=Decimal("1.234"))
    assert await Article.objects.filter(rating=Decimal("1.23")).count() == 1
    with pytest.raises(ValueError, match="holds 5 digits"):
        await Article.objects.update(rating=Decimal("123456"))


@pytest.mark.row("expressions.value")
async def test_a_small_value_does_not_decide_what_a_large_one_may_be(blog: Database) -> None:
    """Statements are kept by their shape, to which the size of a whole number belongs."""
    await Author.objects.create(name="Ann", age=0)
    for number in (1, 2**40, -(2**40), 2**31, -(2**31), 2**31 - 1):
        rows = Author.objects.annotate(
            x=Value(number), sum=F("age") + Value(number), case=Case(When(age=0, then=Value(number)))
        )
        assert await rows.values_list("x", "sum", "case").get() == (number, number, number)
        assert await Author.objects.filter(age=4).aggregate(s=Sum("age", default=number)) == {"s": number}
