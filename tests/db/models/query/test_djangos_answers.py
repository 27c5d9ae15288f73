"""What Django 5.2 gives for the same rows, where ours once was another answer or none; on the three databases."""

from __future__ import annotations

import copy
import datetime as dt
import pickle
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from covet.db import models, transaction
from covet.db.database import Database
from covet.db.errors import IntegrityError, NotSupportedError
from covet.db.models import (
    Avg,
    Case,
    Count,
    Exists,
    F,
    Max,
    Min,
    OuterRef,
    Q,
    StdDev,
    Subquery,
    Sum,
    Value,
    Variance,
    When,
    Window,
)
from covet.db.models.functions import (
    Ceil,
    Coalesce,
    Concat,
    Extract,
    ExtractDay,
    JSONArray,
    JSONObject,
    Lag,
    Left,
    Lower,
    Power,
    Rank,
    Round,
    RowNumber,
    Sign,
    TruncMonth,
)
from covet.exceptions import FieldError, MultipleObjectsReturned
from tests._apps.blog.models import Article, Author, Comment, Tag
from tests._apps.tree.models import Group, Membership, Person
from tests.db.models.conftest import create_tables


class Sheet(models.Model):
    """A row of every kind of number, time and document."""

    whole = models.IntegerField()
    real = models.FloatField(null=True)
    money = models.DecimalField(max_digits=7, decimal_places=2, null=True)
    clock = models.TimeField(null=True)
    took = models.DurationField(null=True)
    day = models.DateField(null=True)
    moment = models.DateTimeField(null=True)
    data = models.JSONField(null=True)
    is_open = models.BooleanField(default=True)

    class Meta:
        app_label = "testsheets"


@pytest.fixture
async def sheets(database: Database) -> AsyncIterator[Database]:
    """Three rows: a negative one, a large one, and one that lacks most values."""
    await create_tables(database, [Sheet])
    await Sheet.objects.create(
        whole=-25,
        real=-0.25,
        money=Decimal("-3.50"),
        clock=dt.time(1, 30),
        took=dt.timedelta(hours=25),
        day=dt.date(2026, 3, 29),
        moment=dt.datetime(2026, 3, 29, 5, tzinfo=dt.UTC),
        data={"a": 1, "b": {"c": 2}},
    )
    await Sheet.objects.create(
        whole=14, real=14.5, money=Decimal("1.50"), clock=dt.time(23, 0, 0, 7), data=[1, 2], is_open=False
    )
    await Sheet.objects.create(whole=2**30, data={"b": 5})
    yield database


async def column(expression: Any) -> list[Any]:
    found: list[Any] = await Sheet.objects.annotate(x=expression).order_by("pk").values_list("x", flat=True)
    return found


@pytest.mark.row("functions.round")
async def test_a_negative_precision_rounds_before_the_point_and_whole_numbers_stay_whole(sheets: Database) -> None:
    for rounded in (await column(Round("whole", -1)), await column(Ceil("whole")), await column(Sign("whole"))):
        assert [type(one) for one in rounded] == [int, int, int]
    assert await column(Round("whole", -1)) == [-30, 10, 1073741820]
    assert (await column(Round("real", -1)))[:2] == [0.0, 10.0]
    assert (await column(Round("money", -1)))[:2] == [0, 0]
    assert await column(Round("whole")) == [-25, 14, 2**30]


@pytest.mark.vendors("sqlite")
@pytest.mark.row("functions.math")
async def test_a_root_of_a_negative_number_is_null_on_sqlite(sheets: Database) -> None:
    found = await column(Power("real", 0.5))
    assert found[0] is None and found[1] == pytest.approx(14.5**0.5)


@pytest.mark.row("expressions.f")
async def test_bits_of_negative_numbers_are_signed(sheets: Database) -> None:
    assert (await column(F("whole").bitand(255)))[:2] == [231, 14]
    assert (await column(F("whole").bitor(1)))[:2] == [-25, 15]
    assert (await column(F("whole").bitxor(5)))[:2] == [-25 ^ 5, 14 ^ 5]
    assert (await column(F("whole").bitleftshift(2)))[:2] == [-100, 56]
    assert await column(F("whole").bitrightshift(1)) == [-13, 7, 2**29]


@pytest.mark.row("expressions.f")
async def test_a_time_of_day_is_taken_from_another_one_that_is_a_value(sheets: Database) -> None:
    assert (await column(F("clock") - Value(dt.time(1, 0))))[:2] == [
        dt.timedelta(minutes=30),
        dt.timedelta(hours=22, microseconds=7),
    ]
    assert (await column(Value(dt.time(2, 0)) - F("clock")))[0] == dt.timedelta(minutes=30)
    assert (await column(Coalesce("clock", Value(dt.time(0, 0))) - F("clock")))[:2] == [
        dt.timedelta(0),
        dt.timedelta(0),
    ]


@pytest.mark.row("expressions.f")
async def test_two_durations_are_added_and_subtracted_alone(sheets: Database) -> None:
    assert (await column(F("took") + F("took") - F("took")))[0] == (await column(F("took")))[0]
    for refused in (lambda: F("took") * F("took"), lambda: F("took") / F("took"), lambda: F("took") % F("took")):
        with pytest.raises(FieldError, match="takes a duration and a number"):
            await column(refused())


@pytest.mark.row("functions.extract", "functions.trunc")
async def test_what_a_duration_or_a_date_does_not_say_is_an_error(sheets: Database) -> None:
    if sheets.vendor == "postgresql":
        assert (await column(ExtractDay("took")))[0] == 1
    else:
        with pytest.raises(NotSupportedError, match="number of microseconds, of which day is no part"):
            await column(ExtractDay("took"))
    for part in ("year", "iso_year", "quarter", "month", "week", "week_day", "iso_week_day"):
        with pytest.raises(
            ValueError, match=f"A DurationField has no {part}. Its parts are: day, hour, minute, second"
        ):
            await column(Extract("took", part))
    with pytest.raises(ValueError, match="cannot be cut down to a DateTimeField"):
        await column(TruncMonth("day", output_field=models.DateTimeField()))
    assert (await column(TruncMonth("moment", output_field=models.DateField())))[0] == dt.date(2026, 3, 1)


@pytest.mark.row("aggregates.basic")
async def test_aggregates_give_what_their_argument_is(sheets: Database) -> None:
    found = await Sheet.objects.aggregate(s=StdDev("money"), v=Variance("money"), r=StdDev("real"), w=Variance("whole"))
    assert {name: type(value) for name, value in found.items()} == {"s": Decimal, "v": Decimal, "r": float, "w": float}
    assert round(found["v"], 4) == Decimal("6.25") and round(found["s"], 4) == Decimal("2.5")
    if sheets.vendor != "postgresql":
        assert await Sheet.objects.aggregate(n=Sum("is_open")) == {"n": 2}
    for wrong in (Avg("moment"), Sum("day"), StdDev("moment")):
        with pytest.raises(FieldError, match="takes numbers or durations"):
            await Sheet.objects.aggregate(x=wrong)


@pytest.mark.row("lookups.json_keys")
async def test_what_is_no_object_has_no_keys_in_a_negation_either(sheets: Database) -> None:
    await Sheet.objects.create(whole=4)
    places = {pk: place for place, pk in enumerate(await Sheet.objects.order_by("pk").values_list("pk", flat=True), 1)}

    for condition, left in [
        ({"data__b__has_key": "c"}, {2, 3, 4}),
        ({"data__b__has_keys": ["c"]}, {2, 3, 4}),
        ({"data__b__has_any_keys": ["c", "d"]}, {2, 3, 4}),
        ({"data__has_any_keys": ["a", "z"]}, {2, 3, 4}),
        ({"data__has_key": "b"}, {2, 4}),
    ]:
        for rows in (
            Sheet.objects.exclude(**condition),
            Sheet.objects.annotate(x=Case(When(~Q(**condition), then=1), default=0)).filter(x=1),
        ):
            assert {places[pk] for pk in await rows.values_list("pk", flat=True)} == left, condition


@pytest.fixture
async def groups(tree: Database) -> dict[str, Any]:
    """Ann leads chess and is in go, which Bob leads."""
    people = {name: await Person.objects.create(name=name) for name in ("Ann", "Bob", "Cid")}
    groups = {name: await Group.objects.create(name=name) for name in ("chess", "go", "none")}
    for group, person, role in [
        ("chess", "Ann", "head"),
        ("chess", "Cid", "guest"),
        ("go", "Ann", "guest"),
        ("go", "Bob", "head"),
    ]:
        await Membership.objects.create(group=groups[group], person=people[person], role=role)
    return {**people, **groups}


async def names(queryset: Any) -> list[str]:
    found: list[str] = await queryset.order_by("name").values_list("name", flat=True)
    return found


@pytest.mark.row("relations.through", "compiler.joins")
async def test_the_row_between_and_the_row_behind_it_are_of_one_pair_in_one_call(groups: dict[str, Any]) -> None:
    both = Q(members__name="Ann", membership__role="head")

    assert await names(Group.objects.filter(both)) == ["chess"]
    assert await names(Group.objects.filter(membership__role="head", members=groups["Ann"])) == ["chess"]
    apart = Group.objects.filter(members__name="Ann").filter(membership__role="head")
    assert await names(apart) == ["chess", "go"]
    assert await names(Person.objects.filter(groups__name="go", memberships__role="head")) == ["Bob"]
    assert await Group.objects.filter(members__name="Ann").order_by("name").values_list("name", "membership__role") == [
        ("chess", "head"),
        ("go", "guest"),
    ]
    counted = Group.objects.annotate(n=Count("members", filter=Q(membership__role="head")), m=Count("membership"))
    assert await counted.order_by("name").values_list("name", "n", "m") == [
        ("chess", 1, 2),
        ("go", 1, 2),
        ("none", 0, 0),
    ]
    assert await Group.objects.filter(both).update(name="best") == 1


@pytest.mark.row("relations.through", "queries.get_or_create", "queries.update_or_create")
async def test_a_row_that_is_not_related_is_neither_found_nor_changed_from_the_instance(groups: dict[str, Any]) -> None:
    chess = groups["chess"]

    found, is_new = await chess.members.get_or_create(name="Bob", through_defaults={"role": "second"})
    assert is_new and found.pk != groups["Bob"].pk
    assert await Person.objects.filter(name="Bob").count() == 2
    assert await chess.members.get_or_create(name="Bob") == (found, False)
    changed, is_new = await chess.members.update_or_create(name="Cid", defaults={"name": "Cyd"})
    assert (changed.pk, is_new) == (groups["Cid"].pk, False)
    made, is_new = await groups["go"].members.update_or_create(name="Cyd", defaults={"name": "Dan"})
    assert is_new and await names(Person.objects.all()) == ["Ann", "Bob", "Bob", "Cyd", "Dan"]
    assert await Membership.objects.filter(person=made).values_list("group__name", "role") == [("go", "member")]
    with pytest.raises(MultipleObjectsReturned):
        await chess.members.get_or_create(name__gt="A")


@pytest.mark.row("queries.get_or_create")
async def test_a_unique_row_that_is_not_related_stands_in_the_way(blog: Database) -> None:
    article = await Article.objects.create(title="one", author=await Author.objects.create(name="Ann"))
    await Tag.objects.create(label="red")

    with pytest.raises(IntegrityError):
        await article.tags.get_or_create(label="red")
    assert await article.tags.count() == 0


@pytest.mark.row("queries.defer")
async def test_what_was_deferred_stays_deferred_when_only_names_it(blog: Database) -> None:
    await Article.objects.create(title="one", author=await Author.objects.create(name="Ann"))

    (row,) = await Article.objects.defer("body").only("title", "body")
    assert row.get_deferred_fields() >= {"body", "views"} and "title" not in row.get_deferred_fields()
    (row,) = await Article.objects.defer("body").only("title", "body").only("body")
    assert "body" not in row.get_deferred_fields() and "title" in row.get_deferred_fields()


@pytest.fixture
async def articles(blog: Database) -> Database:
    """Ann wrote two articles of 1 and 5 views, Bob one of 3; the first two have comments by stars."""
    ann, bob = [await Author.objects.create(name=name) for name in ("Ann", "Bob")]
    for title, author, views, stars in [("one", ann, 1, [5, 2]), ("two", bob, 3, [4]), ("three", ann, 5, [])]:
        article = await Article.objects.create(title=title, author=author, views=views)
        for number in stars:
            await Comment.objects.create(article=article, text="x", stars=number)
    return blog


@pytest.mark.row("queries.aggregate")
async def test_an_aggregate_names_those_before_it(articles: Database) -> None:
    found = await Article.objects.aggregate(
        total=Sum("views"), n=Count("pk"), mean=F("total") / F("n"), more=Coalesce(F("total"), 0) + Max("views")
    )
    assert found == {"total": 9, "n": 3, "mean": 3, "more": 14}
    groups = Article.objects.values("author").annotate(n=Count("pk"))
    assert await groups.aggregate(most=Max("n"), gap=F("most") - Min("n")) == {"most": 2, "gap": 1}
    # What an aggregate itself reads is a row's.
    assert await Article.objects.aggregate(views=Max("views"), all=Sum("views")) == {"views": 5, "all": 9}
    with pytest.raises(TypeError, match="holds none"):
        await Article.objects.aggregate(x=F("views") + 1)


@pytest.mark.row("queries.aggregate", "expressions.window")
async def test_aggregates_of_window_functions_and_of_aliases(articles: Database) -> None:
    windows = Article.objects.annotate(of_author=Window(Sum("views"), partition_by="author"))

    assert await windows.aggregate(m=Max("of_author"), n=Count("*")) == {"m": 6, "n": 3}
    assert await windows.annotate(more=F("of_author") + 1).filter(views__gt=1).aggregate(m=Max("more")) == {"m": 6}
    assert await windows.aggregate(views=Sum("views")) == {"views": 9}
    assert await Author.objects.alias(n=Count("articles")).aggregate(s=Sum("n")) == {"s": 3}


@pytest.mark.row("expressions.window")
async def test_windows_beside_aggregates_are_no_part_of_the_group(articles: Database) -> None:
    """The rows or names decide the groups, with the columns that the window reads, which is computed over the groups."""
    rows = Article.objects.annotate(n=Count("comments"), place=Window(RowNumber(), order_by="-views"))
    assert await rows.order_by("views").values_list("n", "place") == [(2, 3), (1, 2), (0, 1)]
    assert [(row.n, row.place) for row in await rows.filter(place__lte=2).order_by("views")] == [(1, 2), (0, 1)]  # type: ignore[attr-defined]
    assert await rows.filter(n__gt=0).aggregate(last=Max("place")) == {"last": 2}
    assert await rows.order_by("place").values_list(F("place") * 10 + F("n"), flat=True) == [10, 21, 32]

    names = Article.objects.values("author__name").annotate(s=Sum("views"))
    numbered = names.annotate(place=Window(RowNumber(), order_by="-author__name")).order_by("place")
    assert await numbered.values_list("author__name", "s", "place") == [("Bob", 3, 1), ("Ann", 6, 2)]
    initials = Article.objects.values(initial=Left("author__name", 1)).annotate(s=Sum("views"))
    shares = initials.annotate(of_all=Window(Sum("s")), place=Window(RowNumber(), order_by="initial"))
    assert await shares.order_by("initial").values_list("initial", "s", "of_all", "place") == [
        ("A", 6, 9, 1),
        ("B", 3, 9, 2),
    ]
    parted = names.annotate(most=Window(Max("s"), partition_by=Lower("author__name"))).order_by("author__name")
    assert await parted.values_list("author__name", "s", "most") == [("Ann", 6, 6), ("Bob", 3, 3)]


@pytest.mark.row("expressions.window")
async def test_a_window_over_aggregates_alone_groups_the_rows(articles: Database) -> None:
    """What a window is ordered, parted or computed by is an aggregate of groups, with none selected beside it as well."""
    names = Article.objects.values("author__name")
    place = Window(Rank(), order_by=Sum("views").desc())
    ranked = names.annotate(place=place).order_by("place")
    assert await ranked == [{"author__name": "Ann", "place": 1}, {"author__name": "Bob", "place": 2}]
    assert await ranked.annotate(tens=F("place") * 10).values_list("author__name", "tens") == [("Ann", 10), ("Bob", 20)]
    assert await ranked.filter(place__gt=1).values_list("author__name", flat=True) == ["Bob"]
    assert await names.annotate(next=place + 1).order_by("next").values_list("next", flat=True) == [2, 3]

    before = Window(Lag(Sum("views")), order_by="author__name")
    assert await names.annotate(x=before).order_by("author__name").values_list("author__name", "x") == [
        ("Ann", None),
        ("Bob", 6),
    ]
    parted = Window(RowNumber(), partition_by=Count("pk"), order_by="author__name")
    assert await names.annotate(x=parted).order_by("author__name").values_list("x", flat=True) == [1, 1]
    people = Author.objects.annotate(place=Window(Rank(), order_by=Count("articles").desc())).order_by("place", "name")
    assert [(one.name, one.place) for one in await people] == [("Ann", 1), ("Bob", 2)]  # type: ignore[attr-defined]


@pytest.mark.row("expressions.window", "queries.aggregate")
async def test_a_filter_on_a_window_leaves_the_other_values_as_they_are(sheets: Database) -> None:
    """Amounts are no floats with a tail, and sums of whole numbers are whole, with the filter as without."""
    await Sheet.objects.all().delete()
    await Sheet.objects.bulk_create([Sheet(whole=3, money=Decimal(money)) for money in ("0.10", "0.20", "4.35")])
    place = Window(RowNumber(), order_by="whole")
    groups = Sheet.objects.values("whole").annotate(
        amount=Sum(F("money") * F("whole")), count=Sum("whole"), mean=Avg("whole"), place=place
    )
    plain, filtered = await groups.get(), await groups.filter(place=1).get()
    assert filtered == plain == {"whole": 3, "amount": Decimal("13.95"), "count": 9, "mean": 3.0, "place": 1}
    assert [type(value) for value in filtered.values()] == [int, Decimal, int, float, int]
    [row] = await Sheet.objects.annotate(triple=F("money") * 3, place=Window(RowNumber(), order_by="money")).filter(
        place=1
    )
    assert (row.triple, row.money) == (Decimal("0.3"), Decimal("0.10"))  # type: ignore[attr-defined]


@pytest.mark.row("queries.update", "expressions.window")
async def test_update_refuses_window_functions_behind_a_name(articles: Database) -> None:
    numbered = Article.objects.annotate(place=Window(RowNumber(), order_by="pk"))
    for query in (numbered, Article.objects.annotate(place=Sum("views"))):
        with pytest.raises(FieldError, match="aggregate or window function"):
            await query.update(views=F("place"))


@pytest.mark.row("queries.union")
async def test_values_of_a_union_of_unions(articles: Database) -> None:
    def titled(*titles: str) -> Any:
        return Article.objects.filter(title__in=titles)

    nested = titled("one").union(titled("two")).union(titled("two"), all=True).order_by("title")
    assert await nested.values_list("title", flat=True) == ["one", "two", "two"]
    assert [row.title for row in await nested] == ["one", "two", "two"]
    left = titled("one").union(titled("two", "three")).difference(titled("two")).order_by("title")
    assert await left.values("title", "views") == [{"title": "one", "views": 1}, {"title": "three", "views": 5}]


@pytest.mark.row("expressions.subquery", "queries.order_by")
async def test_a_query_two_levels_deep_is_ordered_by(articles: Database) -> None:
    stars = Comment.objects.filter(article=OuterRef("pk"), article__author=OuterRef(OuterRef("pk")))
    rated = Article.objects.filter(author=OuterRef("pk")).annotate(
        n=Subquery(stars.order_by("-stars").values("stars")[:1])
    )
    best = Subquery(rated.filter(n__isnull=False).order_by("-n", "pk").values("n")[:1])
    assert await Author.objects.annotate(x=best).order_by("name").values_list("name", "x") == [("Ann", 5), ("Bob", 4)]

    seen = Article.objects.annotate(has=Exists(Comment.objects.filter(article=OuterRef("pk"))))
    assert await seen.order_by("has", "title").values_list("title", flat=True) == ["three", "one", "two"]
    assert await seen.order_by("-has", "title")[:2].aggregate(n=Sum("views")) == {"n": 4}


@pytest.mark.row("functions.concat", "functions.json")
async def test_numbers_and_documents_inside_texts_and_documents(sheets: Database) -> None:
    text = Concat("whole", Value("-"), "clock", output_field=models.CharField())
    assert (await column(text))[0].startswith("-25-01:30:00")
    assert (await column(JSONObject(inner="data", n="whole")))[0] == {"inner": {"a": 1, "b": {"c": 2}}, "n": -25}
    assert (await column(JSONArray("data", F("data__a"), JSONObject(x="data"))))[1:] == [
        [[1, 2], None, {"x": [1, 2]}],
        [{"b": 5}, None, {"x": {"b": 5}}],
    ]


@pytest.mark.row("queries.pickle")
async def test_a_query_is_pickled_with_the_querysets_in_it(articles: Database) -> None:
    authors = Author.objects.filter(name="Ann")
    loud = Exists(Comment.objects.filter(article=OuterRef("pk"), stars__gt=4))

    for rows in (
        Article.objects.filter(loud),
        Article.objects.filter(Q(author__in=authors) & Q(views=1)),
        Article.objects.annotate(n=Subquery(Comment.objects.filter(article=OuterRef("pk")).values("stars")[:1])).filter(
            n=5
        ),
        Article.objects.filter(copy.copy(loud)),
        Article.objects.filter(copy.deepcopy(Q(loud)), copy.copy(Q(author__in=authors))),
    ):
        again = Article.objects.all()
        again.query = pickle.loads(pickle.dumps(rows.query))
        assert [row.title for row in await again] == ["one"]
    again = Article.objects.all()
    again.query = pickle.loads(pickle.dumps(Article.objects.values("title").query))
    with pytest.raises(TypeError, match=r"Article\.objects\.values\(\)"):
        await again


@pytest.mark.vendors("postgresql")
@pytest.mark.row("queries.select_for_update", on="postgresql")
async def test_a_lock_of_rows_that_are_not_read_is_a_named_error(articles: Database) -> None:
    async with transaction.atomic():
        with pytest.raises(FieldError, match=r"name 'author' in select_related\(\)"):
            await Article.objects.select_for_update(of=("author",))
        assert len(await Article.objects.select_related("author").select_for_update(of=("author",))) == 3


async def test_a_name_in_an_expression_is_read_like_the_name(sheets: Database) -> None:
    rows = Sheet.objects.order_by("pk")
    assert await rows.values_list(F("whole"), flat=True) == [-25, 14, 2**30]
    assert await rows.values_list(F("whole"), F("is_open")) == [(-25, True), (14, False), (2**30, True)]
    assert (await rows.values_list("pk", F("whole"), named=True))[0].whole == -25
    assert await rows.alias(x=F("whole")).values_list(F("x"), flat=True) == [-25, 14, 2**30]


async def test_distinct_values_are_taken_from_a_slice_in_the_order_of_another_column(sheets: Database) -> None:
    least = Sheet.objects.values("whole").distinct().order_by("-pk")
    rows = Sheet.objects.order_by("pk").values_list("whole", flat=True)
    assert await rows.filter(whole__in=least[:2]) == [14, 2**30]
    assert await rows.filter(whole=least[2:3]) == [-25]
    assert await rows.annotate(x=Subquery(least[1:2])).values_list("x", flat=True) == [14, 14, 14]


async def test_documents_of_another_kind_are_not_greater_and_their_rows_are_excluded_from_nothing(
    database: Database,
) -> None:
    await create_tables(database, [Sheet])
    for number, data in enumerate([{"k": 1}, {"k": 2}, {"k": None}, {"k": "1"}, {"k": True}, {"k": [2]}, {}, None], 1):
        await Sheet.objects.create(pk=number, whole=number, data=data)
    rows = Sheet.objects.order_by("pk").values_list("pk", flat=True)
    assert await rows.filter(data__k__gt=1) == [2]
    assert await rows.filter(data__k__lte=1) == [1]
    for lookups in ({"data__k__gt": 1}, {"data__k__gte": 2}, {"data__k__range": (2, 3)}):
        assert await rows.exclude(**lookups) == [1, 3, 4, 5, 6, 8]
    assert await rows.exclude(data__k__lt=2) == [2, 3, 4, 5, 6, 8]
    assert await rows.exclude(data__k__gte="1") == [1, 2, 3, 5, 6, 8]
