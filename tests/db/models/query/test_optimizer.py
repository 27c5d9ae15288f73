"""Each rewrite of the optimizer is seen in the SQL, refused where it could change the rows, and changes none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from covet.conf import override
from covet.db import models, transaction
from covet.db.database import Database
from covet.db.models import Count, F, FilteredRelation, OuterRef, Q, Sum, Value, Window
from covet.db.models.expressions import RawSQL
from covet.db.models.expressions.scope import Resolved
from covet.db.models.functions import Lower, Random, RowNumber
from covet.db.models.query.run import fetch_rows, sql_of
from covet.db.observe import record_queries
from covet.db.sql import nodes
from covet.exceptions import FieldError
from tests._apps.blog.models import Article, Author, Comment, Tag
from tests.db.models.conftest import create_tables
from tests.db.models.query.worlds import Leaf, Tree, World, examples, leaves, trees, worlds


def text(rows: Any) -> str:
    """Return the SQL of a queryset, without quotes."""
    from covet.db.connections import connections

    return plain(sql_of(rows.query, connections["default"])[0])


def plain(sql: str) -> str:
    return sql.replace('"', "").replace("`", "").replace("testblog_", "")


async def statement(awaitable: Any) -> str:
    """Return the one statement that something runs."""
    with record_queries() as queries:
        await awaitable
    (query,) = queries
    return plain(query.sql)


# ── what the SQL looks like


@pytest.mark.row("optimizer.rewrites")
async def test_a_join_to_one_row_is_used_again(blog: Database) -> None:
    rows = Article.objects.filter(editor__age=1).filter(editor__name="x").order_by("editor__age")

    assert text(rows).count("JOIN") == 1
    with override(QUERY_OPTIMIZER=False):
        assert text(rows).count("JOIN") == 2


@pytest.mark.row("optimizer.rewrites")
async def test_joins_to_many_rows_of_two_filters_stay_two(blog: Database) -> None:
    """Two calls may mean two related rows, so this is refused."""
    assert text(Article.objects.filter(tags__label="a").filter(tags__label="b")).count("JOIN") == 4


@pytest.mark.row("optimizer.rewrites")
async def test_left_turns_inner_where_a_missing_row_cannot_match(blog: Database) -> None:
    rows = Article.objects.filter(editor__age__gt=1)

    assert "INNER JOIN author" in text(rows)
    with override(QUERY_OPTIMIZER=False):
        assert "LEFT JOIN author" in text(rows)


@pytest.mark.row("optimizer.rewrites")
@pytest.mark.parametrize(
    "condition",
    [
        Q(editor__age__isnull=True),
        Q(editor__age=None),
        Q(editor__age=1) | Q(views=1),
        Q(editor__age=1) ^ Q(views=1),
        ~Q(editor__age=1),
    ],
)
async def test_left_stays_where_a_missing_row_may_match(blog: Database, condition: Q) -> None:
    assert "LEFT JOIN author" in text(Article.objects.filter(condition))


@pytest.mark.row("optimizer.rewrites")
@pytest.mark.parametrize(
    "condition",
    [
        Q(editor__isnull=False),
        ~Q(editor=None),
        Q(editor=1),
        Q(editor__in=[1, 2]),
        Q(editor_id__gt=0),
        Q(Q(editor__isnull=False), Q(views=1) | Q(views=2)),
    ],
)
async def test_left_turns_inner_where_the_key_is_there(blog: Database, condition: Q) -> None:
    """Whichever stands first: what joins the row, or the condition on the key."""
    after = Article.objects.filter(condition).select_related("editor__profile")
    before = Article.objects.order_by("editor__name").filter(condition)

    assert "INNER JOIN author" in text(after) and "LEFT JOIN profile" in text(after)
    assert "INNER JOIN author" in text(before)
    assert "JOIN" not in await statement(before.count())
    with override(QUERY_OPTIMIZER=False):
        assert "LEFT JOIN author" in text(after)


@pytest.mark.row("optimizer.rewrites")
@pytest.mark.parametrize(
    "condition",
    [
        Q(editor=None),
        Q(editor__isnull=True),
        Q(editor__isnull=False) | Q(views=1),
        ~Q(editor__isnull=False),
        ~Q(editor=1),
    ],
)
async def test_left_stays_where_the_key_may_be_missing(blog: Database, condition: Q) -> None:
    assert "LEFT JOIN author" in text(Article.objects.filter(condition).select_related("editor"))


@pytest.mark.row("optimizer.rewrites")
@pytest.mark.parametrize("condition", [~Q(editor__age=None), ~Q(editor__age__isnull=True)])
async def test_left_turns_inner_where_a_negation_needs_a_value_of_the_row(blog: Database, condition: Q) -> None:
    assert "INNER JOIN author" in text(Article.objects.filter(condition))
    assert "LEFT JOIN author" in text(Article.objects.filter(condition | Q(views=1)))


class Town(models.Model):
    name = models.CharField(max_length=20)

    class Meta:
        app_label = "testoptimizer"


class House(models.Model):
    town = models.ForeignKey(Town, on_delete=models.DO_NOTHING, null=True, db_constraint=False, related_name="+")
    street = models.ForeignKey(Town, on_delete=models.CASCADE, null=True, related_name="+")

    class Meta:
        app_label = "testoptimizer"


async def test_left_stays_where_a_key_need_not_refer_to_a_row(database: Database) -> None:
    await create_tables(database, [Town, House])
    town = await Town.objects.create(name="x")
    lost = await House.objects.create(town_id=town.pk + 1, street=town)
    rows = House.objects.filter(town__isnull=False)

    assert await rows.values_list("pk", "town__name") == [(lost.pk, None)]
    small = FilteredRelation("street", condition=Q(street__name="y"))
    rows = House.objects.annotate(small=small).filter(street__isnull=False)
    assert await rows.values_list("pk", "small__name") == [(lost.pk, None)]


class OrMissing:
    """A project's own look-up, which NULL fulfils."""

    lookup_name = "or_missing"

    def __init__(self, left: Any, right: Any) -> None:
        self.left, self.right = left, right

    def resolve(self, scope: Any) -> Resolved:
        left = self.left.resolve(scope).node
        same = nodes.Binary("=", left, self.right.resolve(scope).node)
        return Resolved(nodes.Or((nodes.IsNull(left), same)), None)


async def test_left_stays_for_a_look_up_that_may_hold_for_null(blog: Database) -> None:
    author = await Author.objects.create(name="a")
    alone = await Article.objects.create(title="x", author=author)
    models.IntegerField.register_lookup(OrMissing)
    try:
        assert [row.pk for row in await Article.objects.filter(editor__age__or_missing=5)] == [alone.pk]
        assert await Article.objects.filter(comments__stars__or_missing=5).count() == 1
    finally:
        models.IntegerField.unregister_lookup(OrMissing)


@pytest.mark.row("optimizer.rewrites")
async def test_a_join_that_only_leads_to_a_key_is_trimmed(blog: Database) -> None:
    for rows in (
        Article.objects.filter(author__id=1),
        Article.objects.order_by("author__pk"),
        Article.objects.values("author__id"),
        Article.objects.annotate(key=F("author__id")),
    ):
        assert "JOIN" not in text(rows)
        with override(QUERY_OPTIMIZER=False):
            assert "JOIN author" in text(rows)
    assert "JOIN tag " not in text(Article.objects.filter(tags__id=1))


@pytest.mark.row("optimizer.rewrites")
async def test_distinct_over_many_rows_becomes_exists(blog: Database) -> None:
    rows = (
        Article.objects.filter(tags__label="x", tags__id__gt=0).filter(comments__stars=1).order_by("title").distinct()
    )

    sql = text(rows)

    assert sql.count("EXISTS (SELECT 1 FROM") == 2
    assert "DISTINCT" not in sql
    with override(QUERY_OPTIMIZER=False):
        assert "DISTINCT" in text(rows) and "EXISTS" not in text(rows)


async def test_distinct_values_keep_their_distinct(blog: Database) -> None:
    sql = text(Article.objects.filter(tags__label="x").values("title").distinct())

    assert "EXISTS" in sql and "SELECT DISTINCT" in sql


REFUSED: dict[str, Callable[[], Any]] = {
    "a selected column of the many": lambda: Article.objects.filter(tags__label="x").values("pk", "tags__label"),
    "an order by the many": lambda: Article.objects.filter(tags__label="x").order_by("tags__label"),
    "an annotation over the many": lambda: Article.objects.filter(tags__label="x").annotate(l=F("tags__label")),
    "OR with a row without partners": lambda: Article.objects.filter(Q(tags__label="x") | Q(views=1)),
    "a window": lambda: Article.objects.filter(tags__label="x").annotate(n=Window(RowNumber(), order_by="views")),
    "a random order": lambda: Article.objects.filter(tags__label="x").order_by("?"),
    "a random value": lambda: Article.objects.filter(tags__label="x").annotate(r=Random()),
    "raw SQL": lambda: Article.objects.filter(tags__label="x").annotate(r=RawSQL("1 + %s", [1])),
    "groups": lambda: Article.objects.filter(tags__label="x").annotate(n=Count("comments")),
    "one condition over two relations": lambda: Article.objects.filter(tags__id=F("comments__stars")),
}


@pytest.mark.row("optimizer.rewrites")
@pytest.mark.parametrize("name", REFUSED)
async def test_exists_is_refused_where_rows_could_change(blog: Database, name: str) -> None:
    assert "EXISTS" not in text(REFUSED[name]().distinct())


@pytest.mark.vendors("sqlite", "postgresql")
async def test_distinct_under_a_lock_is_left_alone(blog: Database) -> None:
    assert "EXISTS" not in text(Article.objects.filter(tags__label="x").select_for_update().distinct())


@pytest.mark.row("optimizer.rewrites")
@pytest.mark.row("queries.count")
async def test_count_reads_nothing_that_it_does_not_need(blog: Database) -> None:
    rows = (
        Article.objects.select_related("author", "editor")
        .annotate(n=Count("comments"), low=Lower("author__name"))
        .order_by("author__name")
    )

    assert await statement(rows.count()) == "SELECT COUNT(*) FROM article"
    assert await statement(rows.distinct().count()) == "SELECT COUNT(*) FROM article"
    sql = await statement(Article.objects.filter(tags__label="x").distinct().count())
    assert sql.startswith("SELECT COUNT(*) FROM article WHERE EXISTS")
    sql = await statement(Article.objects.filter(Q(tags__label="x") | Q(views=1)).distinct().count())
    assert sql.startswith("SELECT COUNT(DISTINCT article.id) FROM article LEFT JOIN")
    sql = await statement(Article.objects.order_by("author__name").filter(views=1)[:5].count())
    assert "JOIN" not in sql and "ORDER BY" not in sql
    with override(QUERY_OPTIMIZER=False):
        assert "JOIN" in await statement(rows.count())


async def test_count_keeps_what_decides_the_number_of_rows(blog: Database) -> None:
    assert "JOIN article_tags" in await statement(Article.objects.annotate(label=F("tags__label")).count())
    assert "HAVING" in await statement(Article.objects.annotate(n=Count("tags")).filter(n__gt=1).count())
    assert "GROUP BY" in await statement(Article.objects.values("title").annotate(n=Count("pk")).count())
    assert "ORDER BY" in await statement(Article.objects.order_by("tags__label")[:3].count())


@pytest.mark.row("optimizer.rewrites")
async def test_exists_reads_nothing_that_it_does_not_need(blog: Database) -> None:
    rows = Article.objects.select_related("author").annotate(n=Count("comments")).order_by("author__name").distinct()

    assert await statement(rows.exists()) == "SELECT 1 FROM article LIMIT 1"
    assert "HAVING" in await statement(rows.filter(n__gt=1).exists())
    assert "OFFSET" in await statement(rows[2:].exists())


@pytest.mark.row("optimizer.rewrites")
@pytest.mark.row("compiler.cache")
async def test_the_compiled_statement_knows_the_switch(blog: Database) -> None:
    rows = Article.objects.filter(author__id=1)
    seen = []
    for optimizes in (True, False, True):
        with override(QUERY_OPTIMIZER=optimizes):
            seen += ["JOIN" in await statement(ask) for ask in (rows.all(), rows.count(), rows.exists())]
            seen.append("JOIN" in await statement(rows.aggregate(n=Sum("views"))))

    assert seen == [False] * 4 + [True] * 4 + [False] * 4


async def test_a_lock_needs_inner_joins_with_or_without(blog: Database) -> None:
    author = await Author.objects.create(name="a", age=1)
    await Article.objects.create(title="x", author=author, editor=author)
    for optimizes in (True, False):
        with override(QUERY_OPTIMIZER=optimizes):
            async with transaction.atomic():
                assert len(await Article.objects.filter(editor__age=1).select_for_update()) == 1


@pytest.mark.row("queries.select_for_update")
@pytest.mark.parametrize("condition", [~Q(editor=None), Q(editor__isnull=False), Q(editor__gt=0)])
async def test_rows_joined_by_a_key_that_is_there_are_locked(blog: Database, condition: Q) -> None:
    """Django's way to lock rows of a relation that may be NULL: leave out those without one."""
    author = await Author.objects.create(name="a", age=1)
    article = await Article.objects.create(title="x", author=author, editor=author)
    await Article.objects.create(title="y", author=author)
    await Comment.objects.create(article=article, text="hm")
    for optimizes in (True, False):
        with override(QUERY_OPTIMIZER=optimizes):
            async with transaction.atomic():
                (found,) = await Article.objects.filter(condition).select_related("editor").select_for_update()
                assert found.editor.name == "a"
                comments = Comment.objects.select_related("article__editor").exclude(article__editor=None)
                (comment,) = await comments.select_for_update()
                assert comment.article.editor.name == "a"


@pytest.mark.row("queries.select_for_update", on="postgresql")
@pytest.mark.vendors("postgresql")
async def test_a_lock_of_a_relation_of_a_relation_is_on_its_rows(blog: Database) -> None:
    author = await Author.objects.create(name="a")
    article = await Article.objects.create(title="x", author=author)
    await Comment.objects.create(article=article, text="hm")
    rows = Comment.objects.select_related("article__author")

    async with transaction.atomic():
        sql = await statement(rows.select_for_update(of=("article__author",)))
        assert sql.endswith("FOR UPDATE OF author")
        sql = await statement(rows.select_for_update(of=("self", "article")))
        assert sql.endswith("FOR UPDATE OF comment, article")
        with pytest.raises(FieldError, match=r"name 'article__author' in select_related\(\)"):
            await Comment.objects.select_related("article").select_for_update(of=("article__author",))
        with pytest.raises(FieldError, match="names relations"):
            await rows.select_for_update(of=("article__title",))


# ── the same rows with it and without

Shape = Callable[[Any, Leaf | Tree, Leaf | Tree], Any]
_two = st.tuples(trees(), trees())
_in_order = ("title", "pk")

SHAPES: dict[str, Shape] = {
    "duplicate joins": lambda rows, one, two: (
        rows.filter(one.q())
        .filter(two.q())
        .order_by("editor__name", "author__name", "pk")
        .values_list("pk", "editor__age", "author__profile__bio")
    ),
    "LEFT to INNER": lambda rows, one, two: (
        rows.filter(one.q(), two.q()).select_related("editor__profile").order_by("pk").values_list("pk", "editor__name")
    ),
    "LEFT to INNER by the key": lambda rows, one, two: (
        rows.filter(one.q(), editor__isnull=False)
        .exclude(two.q())
        .order_by("editor__name", "editor__profile__bio", "pk")
    ),
    "trimmed keys": lambda rows, one, two: rows.filter(one.q() & two.q()).values_list(
        "pk", "author__id", "editor__pk", "tags__id"
    ),
    "EXISTS": lambda rows, one, two: rows.filter(one.q()).filter(two.q()).distinct().order_by(*_in_order)[:4],
    "EXISTS of values": lambda rows, one, two: rows.filter(one.q()).exclude(two.q()).values_list("title").distinct(),
    "EXISTS with an annotation": lambda rows, one, two: (
        rows.filter(one.q(), two.q())
        .annotate(low=Lower("editor__name"))
        .order_by("low", "pk")
        .distinct()
        .values_list("pk", "low")
    ),
    "EXISTS in a subquery": lambda rows, one, two: rows.filter(
        pk__in=Article.objects.filter(one.q()).filter(two.q()).distinct().values("pk")
    ),
    "IN of long lists": lambda rows, one, two: (
        rows.filter(one.q(), views__in=list(range(-50, 3000)))
        .exclude(editor__age__in=list(range(1000, 4000)))
        .filter(two.q())
        .values_list("pk", "views")
    ),
    "groups": lambda rows, one, two: (
        rows.filter(one.q(), two.q())
        .annotate(n=Count("comments"), views_of=Sum("author__articles__views"))
        .values_list("pk", "n", "views_of")
    ),
    "values between filters": lambda rows, one, two: (
        rows.filter(one.q()).values_list("pk", "tags__label", "comments__stars").filter(two.q())
    ),
    "annotations between filters": lambda rows, one, two: (
        rows.annotate(a=F("tags__label"))
        .filter(one.q())
        .annotate(b=F("tags__label"), n=Count("comments"))
        .filter(two.q())
    ).values_list("pk", "a", "b", "n"),
    "filtered relations": lambda rows, one, two: (
        rows.annotate(some=FilteredRelation("comments", condition=Q(comments__stars__gte=2)))
        .filter(one.q(), Q(some__isnull=True) | Q(some__stars=3))
        .exclude(two.q() & Q(some__stars=2))
        .values_list("pk", "some__stars", "comments__stars")
    ),
    "EXISTS of filtered relations": lambda rows, one, two: (
        rows.alias(some=FilteredRelation("tags", condition=~Q(tags__label="a")))
        .alias(by=FilteredRelation("editor", condition=Q(editor__age__gt=1)))
        .filter(one.q(), some__isnull=False)
        .exclude(two.q(), by__age=None)
        .distinct()
    ),
}

NUMBERS: dict[str, Callable[[Any], Any]] = {
    "count": lambda rows: rows.count(),
    "distinct count": lambda rows: rows.distinct().count(),
    "slice": lambda rows: rows.order_by("title")[1:3].count(),
    "slice of distinct": lambda rows: rows.order_by("pk").distinct()[1:3].count(),
    "joined": lambda rows: rows.select_related("author", "editor").order_by("editor__name").count(),
    "annotated": lambda rows: rows.annotate(label=F("tags__label"), n=Value(1)).count(),
    "annotated and distinct": lambda rows: rows.annotate(low=Lower("editor__name")).distinct().count(),
    "annotated by many and distinct": lambda rows: rows.annotate(label=F("tags__label")).distinct().count(),
    "aliased": lambda rows: rows.alias(label=F("tags__label")).count(),
    "grouped": lambda rows: rows.annotate(n=Count("comments"), low=Lower("author__name")).count(),
    "grouped and filtered": lambda rows: rows.annotate(n=Count("comments"), m=Count("tags")).filter(n__gt=1).count(),
    "grouped by values": lambda rows: rows.values("title").annotate(n=Count("pk")).count(),
    "values": lambda rows: rows.values("title", "tags__label").count(),
    "distinct values": lambda rows: rows.values("title").distinct().count(),
    "exists": lambda rows: rows.exists(),
    "exists of distinct": lambda rows: rows.distinct().exists(),
    "exists of a slice": lambda rows: rows.order_by("title")[1:].exists(),
    "exists of groups": lambda rows: rows.annotate(n=Count("comments")).exists(),
    "exists of filtered groups": lambda rows: rows.annotate(n=Count("comments")).filter(n__gt=1).exists(),
    "exists of annotated": lambda rows: rows.annotate(label=F("tags__label"))[1:].exists(),
}


async def _both_ways(databases: tuple[Database, ...], run: Callable[[str], Any]) -> None:
    """Ask each database with the optimizer and without it; all answers are one."""
    answers = {}
    for database in databases:
        for optimizes in (True, False):
            with override(QUERY_OPTIMIZER=optimizes):
                answers[database.vendor, optimizes] = await run(database.alias)
    assert len({repr(answer) for answer in answers.values()}) == 1, answers


@pytest.mark.row("optimizer.same", on=("sqlite", "postgresql", "mysql"))
@pytest.mark.parametrize("name", SHAPES)
async def test_rows_are_the_same_with_the_rewrite_and_without(three: tuple[Database, ...], name: str) -> None:
    async def check(world: World, pairs: list[tuple[Leaf | Tree, Leaf | Tree]]) -> None:
        for database in three:
            await world.fill(database)
        for one, two in pairs:

            async def read(alias: str, one: Any = one, two: Any = two) -> list[Any]:
                found = await SHAPES[name](Article.objects.using(alias), one, two)
                return sorted(map(repr, (row if isinstance(row, tuple) else row.pk for row in found)))

            await _both_ways(three, read)

    await examples(check, worlds(), st.lists(_two, min_size=3, max_size=6), count=5)


@pytest.mark.row("optimizer.same", on=("sqlite", "postgresql", "mysql"))
async def test_numbers_are_the_same_with_the_rewrites_and_without(three: tuple[Database, ...]) -> None:
    async def check(world: World, conditions: list[Leaf | Tree]) -> None:
        for database in three:
            await world.fill(database)
        for condition in conditions:
            for name, number in NUMBERS.items():

                async def read(alias: str, condition: Any = condition, name: str = name, number: Any = number) -> Any:
                    return name, await number(Article.objects.using(alias).filter(condition.q()))

                await _both_ways(three, read)

    await examples(check, worlds(), st.lists(leaves() | trees(), min_size=1, max_size=3), count=6)


@pytest.mark.row("optimizer.same", on=("sqlite", "postgresql", "mysql"))
async def test_the_columns_that_somebody_needs_hold_what_whole_rows_hold(three: tuple[Database, ...]) -> None:
    """What a serialiser or a GraphQL selection asks for: those columns alone, in that order."""
    names = [field.attname for field in Article._meta.concrete_fields]

    async def check(world: World, condition: Leaf | Tree, chosen: list[str]) -> None:
        for database in three:
            await world.fill(database)

        async def read(alias: str) -> list[Any]:
            rows = Article.objects.using(alias).filter(condition.q()).distinct().order_by("pk")
            with record_queries() as queries:
                found = await fetch_rows(rows, chosen)
            # None where the conditions hold for nothing.
            assert all(name in query.sql for query in queries for name in chosen)
            read_alone = [
                [
                    value if convert is None or value is None else convert(value)
                    for value, convert in zip(row, found.converters, strict=True)
                ]
                for row in found.rows
            ]
            assert read_alone == [[getattr(one, name) for name in chosen] for one in await rows]
            return read_alone

        await _both_ways(three, read)

    await examples(
        check, worlds(), trees(), st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True), count=8
    )


@pytest.mark.soak
@pytest.mark.parametrize("name", SHAPES)
async def test_rows_stay_the_same_for_a_long_time(three: tuple[Database, ...], name: str) -> None:
    async def check(world: World, one: Leaf | Tree, two: Leaf | Tree) -> None:
        for database in three:
            await world.fill(database)

        async def read(alias: str) -> list[Any]:
            found = await SHAPES[name](Article.objects.using(alias), one, two)
            return sorted(map(repr, (row if isinstance(row, tuple) else row.pk for row in found)))

        await _both_ways(three, read)

    await examples(check, worlds(), trees(), trees(), count=150, seeded=False)


@pytest.mark.row("optimizer.same", on=("sqlite", "postgresql", "mysql"))
async def test_correlated_subqueries_keep_their_meaning(three: tuple[Database, ...]) -> None:
    async def check(world: World, condition: Leaf | Tree) -> None:
        for database in three:
            await world.fill(database)

        async def read(alias: str) -> list[Any]:
            inner = Article.objects.filter(condition.q(), author=OuterRef("pk")).distinct()
            people = Author.objects.using(alias).filter(models.Exists(inner))
            return [sorted([one.pk for one in await people]), await people.count()]

        await _both_ways(three, read)

    await examples(check, worlds(), trees(), count=12)


async def test_related_rows_of_a_distinct_query_are_loaded(blog: Database) -> None:
    author = await Author.objects.create(name="a")
    article = await Article.objects.create(title="x", author=author)
    for number in range(2):
        await article.tags.add(await Tag.objects.create(label=str(number)))
        await Comment.objects.create(article=article, text="hm")

    rows = Article.objects.filter(tags__id__gt=0, comments__stars=0).select_related("author").distinct()
    (found,) = await rows.prefetch_related("tags")

    assert (found.author.name, len(found.tags.all())) == ("a", 2)
    assert (await rows.aggregate(n=Count("pk"), most=models.Max("views"))) == {"n": 1, "most": 0}
