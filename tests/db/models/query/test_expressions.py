"""Look-ups as expressions, aggregates and windows in full."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import Any

import pytest

from covet.db.database import Database
from covet.db.errors import NotSupportedError
from covet.db.models import (
    KT,
    Aggregate,
    AnyValue,
    Avg,
    BitAnd,
    BitOr,
    BitXor,
    Case,
    CharField,
    Count,
    Exists,
    F,
    FloatField,
    IntegerField,
    Lookup,
    Max,
    Min,
    OuterRef,
    Q,
    RowRange,
    StdDev,
    StringAgg,
    Subquery,
    Sum,
    Value,
    ValueRange,
    Variance,
    When,
    Window,
    WindowFrameExclusion,
)
from covet.db.models import lookups as ops
from covet.db.models.functions import (
    Cast,
    Coalesce,
    CumeDist,
    DenseRank,
    FirstValue,
    Lag,
    LastValue,
    Lead,
    Lower,
    NthValue,
    Ntile,
    PercentRank,
    Rank,
    RowNumber,
)
from covet.db.observe import record_queries
from covet.exceptions import FieldError
from tests._apps.blog.models import Article, Author, Comment

pytestmark = pytest.mark.usefixtures("blog")


async def _write() -> tuple[Author, Author]:
    ann, bob = await Author.objects.create(name="Ann", age=30), await Author.objects.create(name="Bob", age=40)
    rows = [(ann, "a", 10, "1.5"), (ann, "b", 10, "2.5"), (ann, "c", 30, None), (bob, "d", 6, "4.0")]
    for author, title, views, rating in rows:
        article = await Article.objects.create(
            title=title, author=author, views=views, rating=None if rating is None else Decimal(rating)
        )
        await Comment.objects.create(article=article, text=title * 2, stars=views)
    return ann, bob


@pytest.mark.row("lookups.custom")
@pytest.mark.row("expressions.case")
async def test_lookups_are_expressions() -> None:
    await _write()
    rows = Article.objects.order_by("title")

    async def titles(condition: Any) -> str:
        return "".join(await rows.filter(condition).values_list("title", flat=True))

    assert await titles(ops.GreaterThan(F("views"), 6)) == "abc" == await titles(ops.GreaterThanOrEqual("views", 10))
    assert await titles(ops.LessThan("views", F("author__age"))) == "abd"
    assert await titles(ops.LessThanOrEqual("views", 6)) == "d" == await titles(ops.Exact("title", "d"))
    assert await titles(ops.IExact("title", "D")) == "d" == await titles(ops.IContains("title", "D"))
    assert await titles(ops.Contains("title", "a")) == "a" == await titles(ops.StartsWith("title", Value("a")))
    assert await titles(ops.IStartsWith("title", "A")) == "a" == await titles(ops.EndsWith("title", "a"))
    assert await titles(ops.IEndsWith("title", "A")) == "a" == await titles(ops.Regex("title", "^a$"))
    assert await titles(ops.IRegex("title", "^A$")) == "a"
    assert await titles(ops.In("views", [6, F("views") * 0 + 30])) == "cd"
    assert await titles(ops.In("author", Author.objects.filter(name="Bob"))) == "d"
    assert await titles(ops.Range("views", (6, 10))) == "abd"
    assert await titles(ops.IsNull("rating", True)) == "c" and await titles(ops.IsNull("rating", False)) == "abd"
    assert await titles(~ops.Exact("title", "a") & Q(views__lt=20)) == "bd"
    many = rows.annotate(many=ops.GreaterThan(F("views"), 9)).order_by("-many", "title")
    assert await many.values_list("title", "many") == [("a", True), ("b", True), ("c", True), ("d", False)]
    sized = rows.annotate(size=Case(When(ops.LessThan("views", 8), then=Value("small")), default=Value("big")))
    assert await sized.values_list("size", flat=True) == ["big", "big", "big", "small"]
    with pytest.raises(ValueError, match="two ends"):
        ops.Range("views", [1])
    with pytest.raises(ValueError, match="True or False"):
        ops.IsNull("views", "x")  # type: ignore[arg-type]


class NotEqual(Lookup):
    lookup_name = "ne"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left} <> {right}", [*left_params, *right_params]


class Silent(Lookup):
    lookup_name = "silent"


@pytest.mark.row("lookups.custom")
async def test_own_lookups_are_registered_and_taken_back() -> None:
    await _write()
    CharField.register_lookup(NotEqual)
    try:
        rows = Article.objects.order_by("title")
        assert await rows.filter(title__ne="a").values_list("title", flat=True) == ["b", "c", "d"]
        assert await rows.filter(title__ne="b").values_list("title", flat=True) == ["a", "c", "d"]
        assert await rows.filter(title__ne=F("title")) == []
        assert await rows.filter(author__name__ne="Ann").count() == 1
        assert await rows.filter(NotEqual(F("title"), Value("a"))).count() == 3
    finally:
        CharField.unregister_lookup(NotEqual)
    with pytest.raises(FieldError, match="ne"):
        Article.objects.filter(title__ne="a", body="x")

    class Backwards(NotEqual):
        def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
            text, params = super().as_sql(compiler, connection)
            return f"NOT ({text})", params

    CharField.register_lookup(Backwards)
    try:
        assert await Article.objects.filter(title__ne="a").values_list("title", flat=True) == ["a"]
    finally:
        CharField.unregister_lookup(Backwards)
    with pytest.raises(TypeError, match="define as_sql"):
        await Article.objects.filter(Silent(F("title"), "x"))


@pytest.mark.row("aggregates.basic")
async def test_aggregates_of_all_kinds(blog: Database) -> None:
    await _write()
    rows = Article.objects
    assert await rows.aggregate(n=Count("views", distinct=True), s=Sum("views"), a=Avg("views"), c=Count("*")) == {
        "n": 3,
        "s": 56,
        "a": 14.0,
        "c": 4,
    }
    found = await rows.aggregate(
        Max("views"), Min("views"), Sum("rating"), d=StdDev("views"), v=Variance("views", sample=True)
    )
    assert (found["views__max"], found["views__min"], found["rating__sum"]) == (30, 6, Decimal("8.00"))
    assert found["d"] == pytest.approx(9.3808315, abs=1e-3) and found["v"] == pytest.approx(117.333333)
    assert await rows.aggregate(x=Sum("views", filter=Q(title__lt="c")), y=Count("pk", filter=Q(views=10))) == {
        "x": 20,
        "y": 2,
    }
    none = rows.filter(views__gt=1000)
    assert await none.aggregate(s=Sum("views"), d=Sum("views", default=5), c=Count("pk")) == {"s": None, "d": 5, "c": 0}
    assert await rows.none().aggregate(s=Sum("views"), d=Sum("views", default=5), c=Count("pk")) == {
        "s": None,
        "d": 5,
        "c": 0,
    }
    assert await rows.filter(pk__in=[]).aggregate(d=Max("views", default=7)) == {"d": 7}
    assert float((await rows.aggregate(x=Sum("views") / Count("pk") + 1))["x"]) == 15
    for wrong in (lambda: Count("*", filter=Q(pk=1)), lambda: Count("*", distinct=True)):
        with pytest.raises(ValueError, match="count a field"):
            wrong()
    for broken in (
        lambda: Max("views", distinct=True),
        lambda: Count("pk", default=0),
        lambda: Sum(Sum("views")),
        lambda: Max("views", order_by="pk"),
        lambda: Sum("views", filter="x"),
    ):
        with pytest.raises(TypeError):
            broken()


@pytest.mark.row("queries.aggregate")
async def test_aggregates_over_slices_groups_and_distinct_rows(blog: Database) -> None:
    await _write()
    first = Article.objects.order_by("title")[:3]
    assert await first.aggregate(s=Sum("views"), few=Count("pk", filter=Q(views__lt=20))) == {"s": 50, "few": 2}
    assert await first.aggregate(x=Sum("views", filter=Q(views__gt=1000), default=9)) == {"x": 9}
    distinct = Article.objects.values("views").distinct()
    assert await distinct.aggregate(s=Sum("views"), big=Sum("views", filter=Q(views__gte=10))) == {"s": 46, "big": 40}
    grouped = Author.objects.annotate(n=Count("articles"), total=Sum("articles__views"))
    assert await grouped.aggregate(most=Max("n"), all=Sum("total"), few=Count("pk", filter=Q(n__lt=3))) == {
        "most": 3,
        "all": 56,
        "few": 1,
    }
    by = Article.objects.values("author").annotate(n=Count("pk"))
    assert await by.aggregate(a=Avg("n"), two=Count("n", filter=Q(n=3) | Q(n=1))) == {"a": 2.0, "two": 2}
    assert await grouped.filter(n__gt=1).count() == 1
    with pytest.raises(FieldError):
        await distinct.aggregate(x=Sum("author__age"))


@pytest.mark.row("aggregates.grouping")
async def test_groups_and_what_is_filtered_before_and_after(blog: Database) -> None:
    await _write()
    assert await Author.objects.annotate(Count("articles")).filter(articles__count__gt=1).values_list(
        "name", "articles__count"
    ) == [("Ann", 3)]
    before = Author.objects.filter(articles__views__gt=8).annotate(n=Count("articles")).order_by("pk")
    assert await before.values_list("name", "n") == [("Ann", 3)]
    after = Author.objects.annotate(n=Count("articles")).filter(articles__views__gt=20).order_by("pk")
    assert await after.values_list("name", flat=True) == ["Ann"]
    both = (
        Author.objects.annotate(n=Count("articles"), m=Max("articles__views")).filter(Q(n=1) | Q(m=30)).order_by("pk")
    )
    assert await both.values_list("name", flat=True) == ["Ann", "Bob"]
    mixed = Article.objects.values("author__name").annotate(n=Count("pk")).filter(Q(n__gte=3) | Q(author__name="Bob"))
    assert await mixed.order_by("author__name").values_list("author__name", "n") == [("Ann", 3), ("Bob", 1)]
    assert await Article.objects.values("views").annotate(n=Count("pk")).order_by("-n", "views").values_list(
        "views", "n"
    ) == [(10, 2), (6, 1), (30, 1)]
    twice = Author.objects.annotate(a=Count("articles", distinct=True), c=Count("articles__comments", distinct=True))
    assert await twice.order_by("pk").values_list("a", "c") == [(3, 3), (1, 1)]
    last = Comment.objects.filter(article__author=OuterRef("pk")).order_by("-stars").values("stars")[:1]
    tops = Author.objects.annotate(top=Subquery(last), any=Exists(last)).annotate(n=Count("articles")).order_by("pk")
    assert await tops.values_list("top", "any", "n") == [(30, True, 3), (6, True, 1)]
    with pytest.raises(FieldError, match="annotate"):
        await Author.objects.order_by(Count("articles").desc())
    by_size = Author.objects.annotate(n=Count("articles")).order_by(Count("articles").asc())
    assert await by_size.values_list("name", flat=True) == ["Bob", "Ann"]


@pytest.mark.row("queries.aggregate")
@pytest.mark.row("functions.coalesce")
async def test_what_stands_round_an_aggregate_of_no_rows_is_computed(blog: Database) -> None:
    await _write()
    for rows in (Article.objects.none(), Article.objects.filter(pk__in=[]), Article.objects.filter(views=6)[1:1]):
        found = await rows.aggregate(a=Coalesce(Sum("views"), 7), b=Count("pk") + 1, c=Sum("views") + 1, d=Count("pk"))
        assert found == {"a": 7, "b": 1, "c": None, "d": 0}
        assert await rows.aggregate(a=Coalesce(Max("title"), Value("-")), b=Sum("views", default=Value(2) + 1)) == {
            "a": "-",
            "b": 3,
        }
    groups = Article.objects.none().values("author").annotate(n=Count("pk"))
    assert await groups.aggregate(x=Coalesce(Max("n"), 7)) == {"x": 7}
    assert await Article.objects.none().distinct().aggregate(x=Coalesce(Sum("views"), 7)) == {"x": 7}
    assert await Article.objects.none().union(Article.objects.none()).aggregate(x=Count("pk") + 1) == {"x": 1}
    with record_queries() as log:
        assert await Article.objects.none().aggregate(x=Count("pk"), y=Sum("views", default=5)) == {"x": 0, "y": 5}
    assert len(log) == 0


@pytest.mark.row("aggregates.bits")
@pytest.mark.row("aggregates.string_agg")
@pytest.mark.row("aggregates.any_value")
async def test_texts_bits_and_any_value(blog: Database) -> None:
    await _write()
    rows = Author.objects.order_by("pk")
    joined = rows.annotate(x=StringAgg("articles__title", delimiter=Value(", "))).values_list("x", flat=True)
    assert [sorted(text.split(", ")) for text in await joined] == [["a", "b", "c"], ["d"]]
    once = rows.annotate(x=StringAgg("articles__views", ",", distinct=True)).values_list("x", flat=True)
    assert sorted((await once)[0].split(",")) == ["10", "30"]
    some = rows.annotate(x=StringAgg("articles__title", "-", filter=Q(articles__views__gt=8)))
    assert [len(text or "") for text in await some.values_list("x", flat=True)] == [5, 0]
    assert (await Author.objects.annotate(x=AnyValue("articles__views")).get(name="Bob")).x == 6  # type: ignore[attr-defined]
    assert await Article.objects.aggregate(x=AnyValue("title", filter=Q(views=30)), y=AnyValue("is_open")) == {
        "x": "c",
        "y": True,
    }
    bits = {"a": BitAnd("views"), "o": BitOr("views"), "x": BitXor("views")}
    assert await Article.objects.aggregate(**bits) == {"a": 10 & 30 & 6, "o": 10 | 30 | 6, "x": 30 ^ 6}
    assert await Article.objects.filter(pk__lt=0).aggregate(**bits) == {"a": None, "o": None, "x": None}


@pytest.mark.row("aggregates.string_agg")
@pytest.mark.vendors("postgresql", "mysql")
async def test_joined_texts_have_an_order(blog: Database) -> None:
    await _write()
    rows = Author.objects.annotate(x=StringAgg("articles__title", "", order_by="-articles__title")).order_by("pk")
    assert await rows.values_list("x", flat=True) == ["cba", "d"]


@pytest.mark.row("aggregates.string_agg")
@pytest.mark.vendors("postgresql", "mysql")
async def test_joined_texts_that_differ_have_an_order(blog: Database) -> None:
    await _write()
    await Article.objects.filter(title="b").update(title="a")
    rows = Article.objects.all()
    title, lower = F("title"), Lower("title")
    for value, order in [("title", "title"), ("title", title.asc()), (lower, lower), (lower, Lower(F("title")))]:
        assert await rows.aggregate(x=StringAgg(value, ";", distinct=True, order_by=order)) == {"x": "a;c;d"}
    some = StringAgg("title", ",", distinct=True, order_by="-title", filter=Q(views__gt=8), default=Value("none"))
    people = Author.objects.annotate(x=StringAgg("articles__title", distinct=True, order_by="-articles__title"))
    assert await rows.aggregate(x=some) == {"x": "c,a"}
    assert await people.order_by("pk").values_list("x", flat=True) == ["c,a", "d"]
    texts = Cast("views", CharField(max_length=9))
    assert await rows.aggregate(x=StringAgg(texts, distinct=True, order_by=texts)) == {"x": "10,30,6"}
    assert await rows.aggregate(x=StringAgg(Value("x"), "", order_by="pk")) == {"x": "xxxx"}


@pytest.mark.row("aggregates.string_agg")
@pytest.mark.vendors("sqlite")
@pytest.mark.parametrize("distinct", [False, True])
async def test_an_order_is_never_left_out(blog: Database, distinct: bool) -> None:
    """SQLite takes one from 3.44 on; before, there is none that could be given."""
    await _write()
    ordered = StringAgg("title", ",", distinct=distinct, order_by="-title")
    if sqlite3.sqlite_version_info < (3, 44):
        with pytest.raises(NotSupportedError, match=r"takes an order from 3\.44 on"):
            await Article.objects.aggregate(x=ordered)
    else:
        assert await Article.objects.aggregate(x=ordered) == {"x": "d,c,b,a"}


class Spread(Aggregate):
    """An aggregate by a template."""

    name = "Spread"
    function = "MAX"
    template = "(%(function)s(%(expressions)s) - MIN(%(expressions)s))"
    allow_distinct = True

    def __init__(self, expression: Any, **extra: Any) -> None:
        super().__init__(expression, output_field=IntegerField(), **extra)


class Total(Aggregate):
    name = "Total"
    function = "SUM"
    template = "%(function)s(%(distinct)s%(expressions)s)"
    allow_distinct = True
    result = FloatField()


@pytest.mark.row("aggregates.custom")
async def test_an_aggregate_may_have_a_template(blog: Database) -> None:
    await _write()
    found = await Article.objects.aggregate(
        a=Total("views"), b=Total("views", distinct=True), c=Total("views", filter=Q(views__lt=20), default=1)
    )
    assert {name: float(value) for name, value in found.items()} == {"a": 56, "b": 46, "c": 26}
    assert Author.objects.annotate(n=Total("articles__views")) is not None


@pytest.mark.row("expressions.window_functions")
@pytest.mark.row("expressions.window")
async def test_windows_in_full(blog: Database) -> None:
    await _write()

    async def values(expression: Any, **options: Any) -> list[Any]:
        options.setdefault("order_by", "title")
        rows = Article.objects.annotate(x=Window(expression, **options)).order_by("title")
        return await rows.values_list("x", flat=True)

    by_views = {"order_by": ["-views", "title"]}
    assert await values(RowNumber(), **by_views) == [2, 3, 1, 4]
    assert await values(Rank(), order_by="-views") == [2, 2, 1, 4]
    assert await values(DenseRank(), order_by=F("views").desc()) == [2, 2, 1, 3]
    assert await values(PercentRank(), order_by="-views") == pytest.approx([1 / 3, 1 / 3, 0, 1])
    assert await values(CumeDist(), order_by="-views") == pytest.approx([0.75, 0.75, 0.25, 1])
    assert await values(Ntile(2)) == [1, 1, 2, 2]
    assert await values(Lag("title")) == [None, "a", "b", "c"] and await values(Lead("views", 2)) == [30, 6, None, None]
    assert await values(FirstValue("title"), partition_by="author") == ["a", "a", "a", "d"]
    assert await values(LastValue("title"), frame=RowRange()) == ["d"] * 4
    assert await values(NthValue("title", 2), frame=RowRange()) == ["b"] * 4
    assert await values(Sum("views"), frame=RowRange(start=-1, end=0)) == [10, 20, 40, 36]
    assert await values(Sum("views"), frame=ValueRange(start=None, end=0)) == [10, 20, 50, 56]
    assert await values(Max("views"), partition_by=[F("author"), "is_open"]) == [10, 10, 30, 6]
    top = Article.objects.annotate(n=Window(RowNumber(), partition_by="author", order_by=["-views", "title"])).filter(
        n=1
    )
    assert await top.order_by("title").values_list("title", flat=True) == ["c", "d"] and await top.count() == 2
    assert await top.filter(views__gt=8).values_list("title", flat=True) == ["c"]
    for wrong in (
        lambda: Window(F("views")),
        lambda: RowRange(2, 1),
        lambda: RowRange(True),
        lambda: Ntile(0),
        lambda: Lag("x", 0),
    ):
        with pytest.raises(ValueError, match=r".+"):
            wrong()
    with pytest.raises(TypeError, match="WindowFrameExclusion"):
        RowRange(exclusion="TIES")  # type: ignore[arg-type]
    with pytest.raises(FieldError, match="window"):
        await Article.objects.update(views=Window(RowNumber()))


@pytest.mark.row("expressions.window")
async def test_frames_may_leave_rows_out(blog: Database) -> None:
    await _write()
    frame = RowRange(exclusion=WindowFrameExclusion.CURRENT_ROW)
    rows = Article.objects.annotate(x=Window(Sum("views"), order_by="title", frame=frame)).order_by("title")
    if blog.vendor != "mysql":
        assert await rows.values_list("x", flat=True) == [46, 46, 26, 50]
        return
    with pytest.raises(NotSupportedError, match="EXCLUDE"):
        await rows


@pytest.mark.row("expressions.window_functions")
async def test_neighbours_have_defaults_where_the_database_knows_them(blog: Database) -> None:
    await _write()
    for function, wanted in (
        (Lag("title", default="-"), ["-", "a", "b", "c"]),
        (Lead("views", default=0), [10, 30, 6, 0]),
    ):
        rows = Article.objects.annotate(x=Window(function, order_by="title")).order_by("title")
        if blog.vendor == "mysql" and blog.dialect.title == "MariaDB":
            with pytest.raises(NotSupportedError, match="Coalesce"):
                await rows
            continue
        assert await rows.values_list("x", flat=True) == wanted
    filled = Article.objects.annotate(x=Coalesce(Window(Lag("views"), order_by="title"), 0)).order_by("title")
    assert await filled.values_list("x", flat=True) == [0, 10, 10, 30]


@pytest.mark.row("lookups.kt")
async def test_kt_refuses_what_is_no_document() -> None:
    with pytest.raises(FieldError, match="no path into a JSON document"):
        await Article.objects.annotate(x=KT("author__name"))
