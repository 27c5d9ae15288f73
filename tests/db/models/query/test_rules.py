"""The smaller promises of querysets, each to the letter: what is built, what is refused, and by which error."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect
import uuid
from decimal import Decimal
from typing import Any

import pytest

from covet.db import transaction
from covet.db.database import Database
from covet.db.errors import DatabaseError, IntegrityError, NotSupportedError, TransactionManagementError
from covet.db.models import (
    FETCH_ONE,
    FETCH_RAISE,
    Case,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    IntegerField,
    Manager,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    RawSQL,
    Subquery,
    Sum,
    Value,
    When,
    prefetch_related_objects,
)
from covet.db.models.lookups import In
from covet.db.observe import record_queries
from covet.exceptions import FieldError, NotLoaded
from covet.http.errors import NotFound
from covet.paginator import EmptyPage, PageNotAnInteger, Paginator, UnorderedObjectListWarning
from covet.shortcuts import get_list_or_404, get_object_or_404
from tests._apps.blog.models import Article, Author, Book, Comment, Profile, Tag

pytestmark = pytest.mark.usefixtures("blog")

NOON = dt.datetime(2026, 3, 14, 12, 30, 15, tzinfo=dt.UTC)


async def _write() -> tuple[Author, Author]:
    ann, bob = await Author.objects.create(name="Ann", age=30), await Author.objects.create(name="Bob", age=40)
    for author, title, views in ((ann, "a", 10), (ann, "B", 20), (bob, "c_d", 30)):
        await Article.objects.create(
            title=title, author=author, views=views, day=NOON.date(), published_at=NOON, rating=Decimal("1.5")
        )
    await Profile.objects.create(author=ann, bio="x")
    return ann, bob


async def titles(*args: Any, **lookups: Any) -> str:
    rows = Article.objects.filter(*args, **lookups).order_by("pk")
    return "|".join(await rows.values_list("title", flat=True))


@pytest.mark.row("contract.lazy")
@pytest.mark.row("contract.repr")
@pytest.mark.row("queries.generic_types")
async def test_builders_leave_the_old_queryset_alone(blog: Database) -> None:
    with record_queries() as log:
        base = Article.objects.all()
        built = (
            base.filter(views=1).exclude(views=2).order_by("-pk").distinct().annotate(n=Count("tags")).only("title")[:3]
        )
        assert base.query is not built.query and "not evaluated" in repr(built) and repr(Author.objects.none())
        assert QuerySet[Article] is not None and Manager[Article] is not None
        assert base.filter() is not base
    assert len(log) == 0


@pytest.mark.row("lookups.in")
@pytest.mark.row("lookups.compare")
@pytest.mark.row("lookups.isnull")
@pytest.mark.row("lookups.itext")
@pytest.mark.row("lookups.regex")
@pytest.mark.row("lookups.text")
async def test_lookups_mean_what_they_say(blog: Database) -> None:
    ann, bob = await _write()
    assert await titles(views__in=[10, None, 30]) == "a|c_d" and await titles(views__in={20}) == "B"
    assert await titles(views__in=(number for number in (10, 20))) == "a|B"
    with record_queries() as log:
        assert await titles(views__in=[]) == "" and await titles(views__in=[None]) == ""
    assert len(log) == 0
    assert await titles(author__in=Author.objects.filter(age=40)) == "c_d" == await titles(author__in=[bob])
    assert await titles(author__in=Author.objects.order_by("-age")[:1]) == "c_d"
    assert await titles(author__name__in=Author.objects.values("name")) == "a|B|c_d"
    assert await titles(views__gt=10, views__lt=30) == "B" and await titles(views__gte=10, views__lte=20) == "a|B"
    assert await titles(views__range=(20, F("author__age"))) == "B|c_d"
    assert await titles(editor__isnull=True) == "a|B|c_d" and await titles(editor__isnull=False) == ""
    assert await titles(author__profile__isnull=True) == "c_d"
    assert (
        await titles(title__icontains="A")
        == "a"
        == await titles(title__istartswith="A")
        == await titles(title__iendswith="A")
    )
    assert await titles(title__contains="_") == "c_d" and await titles(title__contains="%") == ""
    assert await titles(title__contains="\\") == "" and await titles(title__endswith="_d") == "c_d"
    assert await titles(title__regex=r"^[a-c]$") == "a" and await titles(title__iregex=r"^[A-C]$") == "a|B"
    assert await titles(title__icontains=F("title")) == "a|B|c_d" and await titles(title__iexact="b") == "B"
    assert await titles(author__name__startswith="A", author__age__gt=1) == "a|B"
    for lookups, message in (
        ({"views__isnull": 1}, "True or False"),
        ({"views__range": (1,)}, "two ends"),
        ({"views__gt": None}, "None cannot"),
        ({"views__in": 3}, "a list"),
    ):
        with pytest.raises(ValueError, match=message):
            await titles(**lookups)
    with pytest.raises(ValueError, match="unsaved"):
        await titles(author=Author(name="new"))
    assert ann.pk != bob.pk


@pytest.mark.row("lookups.year")
@pytest.mark.row("lookups.date_parts")
async def test_parts_of_dates_are_compared(blog: Database) -> None:
    await _write()
    with record_queries() as log:
        assert await Article.objects.filter(published_at__year=2026, day__year__gte=2026).count() == 3
    assert "EXTRACT" not in log[0].sql.upper()
    assert await Article.objects.filter(published_at__year__lt=2026).count() == 0
    assert await Article.objects.filter(published_at__year__in=[2025, 2026], day__iso_year=2026).count() == 3
    for name, value in {
        "month": 3, "day": 14, "week": 11, "week_day": 7, "iso_week_day": 6, "quarter": 1, "hour": 12, "minute": 30, "second": 15,
    }.items():  # fmt: skip
        assert await Article.objects.filter(**{f"published_at__{name}": value}).count() == 3, name
        assert await Article.objects.filter(**{f"published_at__{name}__gt": value}).count() == 0, name
        assert await Article.objects.filter(**{f"published_at__{name}__in": [value]}).count() == 3, name
    assert (
        await Article.objects.filter(published_at__date=NOON.date(), published_at__time__gte=dt.time(12)).count() == 3
    )
    assert await Article.objects.filter(published_at__date__month=3).count() == 3


@pytest.mark.row("queries.combine")
async def test_querysets_combine(blog: Database) -> None:
    await _write()
    small, first = Article.objects.filter(views__lt=25), Article.objects.filter(author__name="Ann", views__gt=15)
    either = (small | Article.objects.filter(author__name="Bob")).order_by("pk")
    assert [one.title for one in await either] == ["a", "B", "c_d"]
    assert [one.title for one in await (small & first)] == ["B"] and [one.title for one in await (small ^ first)] == [
        "a"
    ]
    assert await (small & Article.objects.none()) == [] and len(await (small | Article.objects.none())) == 2
    for wrong in (
        lambda: small | Author.objects.all(),
        lambda: small[:1] | first,
        lambda: small & 3,
        lambda: small.distinct() | first,
    ):
        with pytest.raises(TypeError):
            wrong()


@pytest.mark.row("queries.union")
async def test_what_may_follow_a_union(blog: Database) -> None:
    await _write()
    both = Article.objects.filter(views=10).union(Article.objects.filter(views__gt=10), Article.objects.none())
    assert [one.title for one in await both.order_by("-views")] == ["c_d", "B", "a"] and await both.count() == 3
    assert await both.values_list("title", flat=True).order_by("title")[1:] in (["a", "c_d"], ["B", "c_d"])
    assert await both.exists() and len(await both.order_by("views")[:2]) == 2
    twice = Article.objects.values_list("author__name", flat=True).union(
        Author.objects.values_list("name", flat=True), all=True
    )
    assert len(await twice) == 5
    kept = Article.objects.values_list("views", flat=True)
    assert await kept.intersection(kept.filter(views=10)) == [10]
    assert sorted(await kept.difference(kept.filter(views=10))) == [20, 30]
    nested = kept.filter(views=10).union(kept.filter(views=20).union(kept.filter(views=30)))
    assert sorted(await nested) == [10, 20, 30]
    for name in ("filter", "exclude", "annotate", "distinct", "select_related", "only"):
        with pytest.raises(NotSupportedError, match=name):
            getattr(both, name)(*() if name in ("filter", "exclude", "annotate", "distinct") else ("author",))
    with pytest.raises(NotSupportedError):
        await both.get(pk=1)
    with pytest.raises(NotSupportedError):
        await both.update(views=1)
    with pytest.raises(NotSupportedError):
        await both.delete()
    assert [one.title for one in await both.order_by("-author__name", "-views")] == ["c_d", "B", "a"]
    assert [one.title for one in await both.order_by("author__name", "views")] == ["a", "B", "c_d"]
    with pytest.raises(NotSupportedError, match="not by 'author__age'"):
        await twice.order_by("author__age")


@pytest.mark.row("queries.select_for_update")
async def test_locks_and_their_options(blog: Database) -> None:
    ann, _bob = await _write()
    with pytest.raises(ValueError, match="not both"):
        Author.objects.select_for_update(nowait=True, skip_locked=True)
    locks = blog.dialect.has_select_for_update
    if locks:
        with pytest.raises(TransactionManagementError, match="atomic"):
            await Author.objects.select_for_update()
    async with transaction.atomic():
        assert await Author.objects.select_for_update().get(pk=ann.pk) == ann
        assert await Author.objects.select_for_update(skip_locked=True).count() == 2
        assert len(await Author.objects.select_for_update(nowait=True)) == 2
    if blog.vendor == "postgresql":
        async with transaction.atomic():
            rows = Article.objects.select_related("author").select_for_update(of=("self", "author"), no_key=True)
            with record_queries() as log:
                assert len(await rows) == 3
            assert "FOR NO KEY UPDATE OF" in log[0].sql
        # A joined row that may be missing cannot be locked: what to write instead is told.
        joined = Article.objects.select_related("editor")
        async with transaction.atomic():
            with pytest.raises(NotSupportedError, match=r"select_for_update\(of=\('self',\)\)"):
                async with transaction.atomic():
                    await joined.select_for_update()
            assert len(await joined.select_for_update(of=("self",))) == 3
    if blog.vendor == "mysql":
        async with transaction.atomic():
            with pytest.raises(NotSupportedError, match="NO KEY"):
                await Author.objects.select_for_update(no_key=True)
    if locks:
        with pytest.raises(FieldError, match="of="):
            async with transaction.atomic():
                await Article.objects.select_for_update(of=("title",))


@pytest.mark.row("queries.distinct_fields")
@pytest.mark.vendors("postgresql")
async def test_distinct_by_fields(blog: Database) -> None:
    await _write()
    rows = Article.objects.order_by("author_id", "-views").distinct("author")
    assert await rows.values_list("title", flat=True) == ["B", "c_d"] and await rows.count() == 2
    with pytest.raises(TypeError, match="distinct"):
        await rows.update(views=1)
    with pytest.raises(TypeError, match="distinct"):
        await rows.delete()


@pytest.mark.vendors("sqlite", "mysql")
async def test_distinct_by_fields_is_refused_elsewhere(blog: Database) -> None:
    with pytest.raises(NotSupportedError, match="distinct"):
        await Article.objects.distinct("author")


@pytest.mark.row("queries.get_or_create")
@pytest.mark.row("queries.create")
async def test_get_or_create_to_the_letter(blog: Database) -> None:
    calls: list[int] = []

    def age() -> int:
        calls.append(1)
        return 50

    cid, created = await Author.objects.get_or_create(name="Cid", defaults={"age": age})
    assert created and cid.age == 50 and len(calls) == 1
    again, created = await Author.objects.get_or_create(name__iexact="CID", defaults={"name": "x", "age": age})
    assert again == cid and not created and len(calls) == 1
    made, created = await Author.objects.get_or_create(name__iexact="dan", defaults={"name": "Dan"})
    assert created and made.name == "Dan"
    found, created = await Author.objects.filter(age=50).get_or_create(name="Cid")
    assert found == cid and not created
    with pytest.raises(FieldError):
        await Author.objects.get_or_create(name="Eve", defaults={"nothing": 1})
    await Author.objects.create(name="Two")
    await Author.objects.create(name="Two")
    with pytest.raises(Author.MultipleObjectsReturned):
        await Author.objects.get_or_create(name="Two")
    await Author.objects.create(name="E", email="e@e.org")
    with pytest.raises(IntegrityError):
        await Author.objects.get_or_create(name="F", defaults={"email": "e@e.org"})
    results = await asyncio.gather(*[Tag.objects.get_or_create(label="same") for _ in range(6)])
    assert sum(created for _tag, created in results) == 1 and await Tag.objects.count() == 1
    with pytest.raises((TypeError, FieldError)):
        await Author.objects.create(nothing=1)


@pytest.mark.row("queries.update_or_create")
async def test_update_or_create_to_the_letter(blog: Database) -> None:
    with record_queries() as log:
        book, created = await Book.objects.update_or_create(name="B", defaults={"name": "B"}, create_defaults={})
    assert created and book.name == "B"
    if blog.dialect.has_select_for_update:
        assert any("FOR UPDATE" in query.sql for query in log)
    before = book.changed
    with record_queries() as log:
        again, created = await Book.objects.update_or_create(name="B", defaults={"name": lambda: "C"})
    assert not created and again.name == "C" and again.changed > before
    (update,) = [query.sql for query in log if query.sql.startswith("UPDATE")]
    assert "changed" in update and "owner" not in update
    made, created = await Author.objects.update_or_create(
        name="New", defaults={"age": 1}, create_defaults={"name": "New", "age": 2}
    )
    assert created and made.age == 2
    made, created = await Author.objects.update_or_create(name="Other", defaults={"age": 1}, create_defaults={})
    assert created and made.age is None
    with pytest.raises(FieldError):
        await Author.objects.update_or_create(name="New", create_defaults={"nothing": 1}, age=77)


@pytest.mark.row("queries.bulk_create")
async def test_bulk_create_to_the_letter(blog: Database) -> None:
    with record_queries() as log:
        assert await Tag.objects.bulk_create([]) == []
    assert len(log) == 0
    tags = await Tag.objects.bulk_create([Tag(label=str(number)) for number in range(5)], batch_size=2)
    if blog.vendor != "mysql" or blog.dialect.has_returning:
        assert all(tag.pk is not None for tag in tags)
    kept = await Tag.objects.bulk_create([Tag(label="1"), Tag(label="new")], ignore_conflicts=True)
    assert len(kept) == 2 and await Tag.objects.count() == 6
    options: dict[str, Any] = {} if blog.vendor == "mysql" else {"unique_fields": ["label"]}
    await Author.objects.bulk_create([Author(name="A", email="a@a.org", age=1)])
    options = {} if blog.vendor == "mysql" else {"unique_fields": ["email"]}
    await Author.objects.bulk_create(
        [Author(name="B", email="a@a.org", age=9)], update_conflicts=True, update_fields=["age"], **options
    )
    assert await Author.objects.values_list("name", "age") == [("A", 9)]
    for wrong in (
        {"batch_size": -1},
        {"ignore_conflicts": True, "update_conflicts": True},
        {"update_conflicts": True},
        {"update_conflicts": True, "update_fields": ["id"], "unique_fields": ["email"]},
        {
            "update_conflicts": True,
            "update_fields": ["age"],
            "unique_fields": [] if blog.vendor != "mysql" else ["email"],
        },
    ):
        with pytest.raises(ValueError, match=r".+"):
            await Author.objects.bulk_create([Author(name="x")], **wrong)
    with pytest.raises(TypeError, match="got"):
        await Author.objects.bulk_create([Tag(label="x")])  # type: ignore[list-item]
    for objs, fields in (([], []), ([Author(name="x")], ["name"]), ([], ["id"]), ([], ["articles"])):
        with pytest.raises((ValueError, Exception)):
            await Author.objects.bulk_update(objs, fields)
    author = await Author.objects.get()
    author.age = F("age") + 1  # type: ignore[assignment]
    assert await Author.objects.bulk_update([author], ["age"]) == 1 and (await Author.objects.get()).age == 10


@pytest.mark.row("queries.in_bulk")
@pytest.mark.row("queries.latest")
async def test_in_bulk_and_the_extremes(blog: Database) -> None:
    ann, bob = await _write()
    assert await Author.objects.in_bulk([ann.pk, 10**6]) == {ann.pk: ann} and len(await Author.objects.in_bulk()) == 2
    with record_queries() as log:
        assert await Author.objects.in_bulk([]) == {}
    assert len(log) == 0
    tag = await Tag.objects.create(label="t")
    assert await Tag.objects.in_bulk(["t"], field_name="label") == {"t": tag}
    assert await Tag.objects.values("pk", "label").in_bulk(["t"], field_name="label") == {
        "t": {"pk": tag.pk, "label": "t"}
    }
    with pytest.raises(ValueError, match="unique"):
        await Author.objects.in_bulk(["x"], field_name="name")
    with pytest.raises(TypeError, match="slice"):
        await Author.objects.all()[:1].in_bulk()
    assert await Author.objects.latest("age") == bob and await Author.objects.earliest("-name", "age") == bob
    with pytest.raises(ValueError, match="get_latest_by"):
        await Author.objects.latest()
    with pytest.raises(TypeError, match="slice"):
        await Author.objects.all()[:1].latest("age")
    with pytest.raises(Author.DoesNotExist):
        await Author.objects.none().earliest("age")


@pytest.mark.row("queries.count")
@pytest.mark.row("queries.delete")
@pytest.mark.row("queries.update")
async def test_contains_update_and_delete_refuse_what_they_must(blog: Database) -> None:
    ann, bob = await _write()
    rows = Author.objects.filter(age__gt=35)
    assert (
        await rows.contains(bob)
        and not await rows.contains(ann)
        and not await rows.contains(await Article.objects.first())
    )
    with pytest.raises(TypeError):
        await rows.values("name").contains(bob)
    with pytest.raises(TypeError):
        await rows.contains("bob")
    with pytest.raises(ValueError, match="saved"):
        await rows.contains(Author(name="x"))
    assert await Author.objects.filter(articles__views__gt=5).distinct().update(age=F("age") + 1) == 2
    assert await Article.objects.filter(author__name="Ann").update(views=F("views") * 2, rating=None) == 2
    for wrong in (
        lambda: Author.objects.all()[:1].update(age=1),
        lambda: Author.objects.update(nothing=1),
        lambda: Article.objects.update(views=F("author__age")),
        lambda: Article.objects.update(views=Count("tags")),
        lambda: Author.objects.all()[:1].delete(),
        lambda: Author.objects.values("name").delete(),
    ):
        with pytest.raises((TypeError, FieldError)):
            await wrong()
    assert await Author.objects.update() == 0
    count, by_model = await Article.objects.filter(views__gt=30).delete()
    assert count == 1 and by_model == {"testblog.Article": 1}


@pytest.mark.row("queries.select_related")
@pytest.mark.row("queries.prefetch_objects")
@pytest.mark.row("queries.fetch_mode")
@pytest.mark.row("contract.not_loaded")
async def test_relations_are_joined_prefetched_or_refused(blog: Database) -> None:
    ann, _bob = await _write()
    with record_queries() as log:
        rows = await Article.objects.select_related("author__profile", "editor").order_by("pk")
        assert rows[0].author.profile.bio == "x" and rows[0].editor is None  # type: ignore[attr-defined]
    assert len(log) == 1 and "INNER JOIN" in log[0].sql and log[0].sql.count("LEFT JOIN") == 2
    with pytest.raises(FieldError, match="select_related"):
        await Article.objects.select_related("tags")
    with pytest.raises(TypeError, match="names"):
        Article.objects.select_related()
    with pytest.raises(TypeError, match="values"):
        Article.objects.values("pk").select_related("author")
    authors = await Author.objects.order_by("pk")
    await prefetch_related_objects(authors, Prefetch("articles", Article.objects.order_by("-views"), to_attr="top"))
    assert [one.title for one in authors[0].top] == ["B", "a"]  # type: ignore[attr-defined]
    (row,) = await Article.objects.fetch_mode(FETCH_RAISE).filter(views=10)
    with pytest.raises(NotLoaded):
        await row.author
    (row,) = await Article.objects.fetch_mode(FETCH_ONE).filter(views=10)
    with pytest.raises(NotLoaded):
        _ = row.author.name
    assert (await row.author).name == "Ann" == ann.name


@pytest.mark.row("expressions.raw_sql", "lookups.in")
async def test_raw_sql_behind_in_is_all_of_its_rows(blog: Database) -> None:
    ann, bob = await _write()
    rows = RawSQL("SELECT id FROM testblog_article WHERE views >= %s", [20])
    assert await titles(pk__in=rows) == "B|c_d"
    assert await titles(In(F("pk"), rows)) == "B|c_d" == await titles(~Q(pk__in=RawSQL("%s", [await _key("a")])))
    assert await Article.objects.exclude(pk__in=rows).values_list("title", flat=True) == ["a"]
    assert await Author.objects.filter(articles__in=rows).order_by("pk") == [ann, bob]
    assert await Author.objects.exclude(articles__in=rows) == []
    assert await titles(views__in=RawSQL("10, %s", [30])) == "a|c_d"
    assert await titles(In(F("author"), Subquery(Author.objects.order_by("pk").values("pk")))) == "a|B|c_d"


async def _key(title: str) -> Any:
    return (await Article.objects.get(title=title)).pk


@pytest.mark.row("lookups.exact", "expressions.subquery")
async def test_a_queryset_that_a_value_equals_is_one_row(blog: Database) -> None:
    """Where it has several, SQLite would take the first in silence."""
    _, bob = await _write()
    people = Author.objects.order_by("-age")
    assert await titles(author=people[:1]) == "c_d" == await titles(author__name=people.values("name")[:1])
    assert await titles(author=people[1:2]) == "a|B" and await titles(author=people.none()) == ""
    for rows in (people, people[:2], people[1:], people.filter(pk=bob.pk)):
        for refused in (Article.objects.filter(author=rows), Article.objects.exclude(author__name=rows.values("name"))):
            with pytest.raises(ValueError, match=r"cut it off, as in queryset\[:1\], or ask for any of them by 'in'"):
                await refused


@pytest.mark.row("expressions.subquery")
async def test_a_subquery_of_several_rows_is_left_to_the_database(blog: Database) -> None:
    """Its conditions may make it one row, which only running it tells; what the docs say of each database is so."""
    await _write()
    several = Subquery(Author.objects.order_by("-age").values("pk"))

    if blog.vendor == "sqlite":
        assert await titles(author=several) in {"a|B", "c_d"}
    else:
        with pytest.raises(DatabaseError, match=r"(?i)more than (one|1) row"):
            await titles(author=several)
    assert await titles(author=Subquery(Author.objects.filter(pk=OuterRef("author")).values("pk"))) == "a|B|c_d"


@pytest.mark.row("expressions.raw_sql")
@pytest.mark.row("expressions.order_by")
@pytest.mark.row("expressions.f")
@pytest.mark.row("expressions.subquery")
@pytest.mark.row("expressions.value")
@pytest.mark.row("expressions.case")
async def test_expressions_to_the_letter(blog: Database) -> None:
    await _write()
    raw = Article.objects.annotate(x=RawSQL("views + %s", [5], output_field=IntegerField())).order_by("x")
    assert await raw.values_list("x", flat=True) == [15, 25, 35]
    assert await Article.objects.filter(RawSQL("views > %s", [15])).count() == 2
    await Author.objects.create(name="Old")
    for first in (True, False):
        order = F("age").asc(nulls_first=True) if first else F("age").desc(nulls_last=True)
        names = await Author.objects.order_by(order).values_list("name", flat=True)
        assert names == (["Old", "Ann", "Bob"] if first else ["Bob", "Ann", "Old"])
        assert await Author.objects.order_by(order).reverse().values_list("name", flat=True) == names[::-1]
    with pytest.raises(ValueError, match="both"):
        F("age").asc(nulls_first=True, nulls_last=True)
    math = Article.objects.filter(views=20).annotate(
        a=F("views") % 7, b=F("views").bitand(6), c=F("views").bitor(3), d=F("views").bitxor(1), e=-F("views"),
        g=F("views").bitleftshift(1), h=F("views").bitrightshift(1), i=2 ** F("views") - 1, open=~F("is_open"),
    )  # fmt: skip
    (found,) = await math.values("a", "b", "c", "d", "e", "g", "h", "open")
    assert found == {"a": 6, "b": 4, "c": 23, "d": 21, "e": -20, "g": 40, "h": 10, "open": False}
    with pytest.raises(FieldError, match="output_field"):
        await Article.objects.annotate(x=F("title") + F("views"))
    assert await Article.objects.annotate(x=ExpressionWrapper(F("views") * 2, IntegerField())).filter(x=40).count() == 1
    newest = Article.objects.filter(author=OuterRef("pk")).order_by("-views").values("title")[:1]
    rows = Author.objects.annotate(top=Subquery(newest)).order_by("pk")
    assert await rows.values_list("top", flat=True) == ["B", "c_d", None]
    assert await rows.filter(~Exists(Article.objects.filter(author=OuterRef("pk")))).count() == 1
    assert await rows.annotate(none=Exists(Article.objects.none())).values_list("none", flat=True) == [False] * 3
    deep = Comment.objects.filter(article__author=OuterRef(OuterRef("pk")))
    assert await rows.filter(Exists(Article.objects.filter(Exists(deep)))).count() == 0
    with pytest.raises(ValueError, match="OuterRef"):
        await newest
    sized = Case(When(views__lt=15, then=Value("s")), When(Q(views=20), then=F("title")), default=Value("l"))
    assert await Article.objects.annotate(x=sized).order_by("pk").values_list("x", flat=True) == ["s", "B", "l"]
    total = Sum(Case(When(views__gt=15, then=1), default=0, output_field=IntegerField()))
    assert (await Article.objects.aggregate(n=total))["n"] == 2
    with pytest.raises(TypeError, match="condition"):
        When(then=Value(1))
    with pytest.raises(ValueError, match="empty"):
        When(Q(), then=Value(1))


@pytest.mark.row("compiler.joins")
@pytest.mark.row("compiler.group_by")
@pytest.mark.row("compiler.empty")
async def test_joins_groups_and_empty_results(blog: Database) -> None:
    await _write()
    sql = str(Article.objects.filter(author__name="Ann", author__age=30).order_by("author__name").query)
    assert sql.count("JOIN") == 1 and "INNER JOIN" in sql
    assert "LEFT" in str(Article.objects.filter(Q(editor__name="x") | Q(views=1)).query)
    assert "INNER" in str(Article.objects.filter(editor__name="x").query)
    assert "JOIN" not in str(Article.objects.filter(author__pk=1, author_id=2, editor__isnull=True).query)
    assert await Article.objects.exclude(editor__name="x").count() == 3
    assert str(Author.objects.annotate(n=Count("articles")).query).count("GROUP BY") == 1
    with record_queries() as log:
        assert await Article.objects.filter(pk__in=[]) == [] and await Article.objects.filter(pk__in=[]).count() == 0
    assert len(log) <= 1
    assert await Article.objects.filter(Q(pk__in=[]) | Q(views=10)).count() == 1
    assert await Article.objects.exclude(pk__in=[]).count() == 3


@pytest.mark.row("lookups.special")
async def test_uuids_and_addresses_as_text(blog: Database) -> None:
    await _write()
    assert await Article.objects.filter(rating__icontains="1.5").count() == 3
    assert await Article.objects.filter(rating=Decimal("1.50")).count() == 3
    assert uuid.uuid4().version == 4


@pytest.mark.row("contract.forgotten_await")
async def test_a_forgotten_await_is_told() -> None:
    with pytest.warns(RuntimeWarning, match=r"'Author\.objects\.get' was never awaited") as caught:
        _forget()
    assert caught[0].filename == __file__


def _forget() -> None:
    coroutine = Author.objects.get(pk=1)
    del coroutine


async def test_a_manager_gives_the_methods_that_its_queryset_has_now(
    blog: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = await Author.objects.create(name="x")
    assert inspect.iscoroutinefunction(Author.objects.get)
    assert await Author.objects.get(pk=author.pk) == author

    async def instead(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self.model, args, kwargs

    with monkeypatch.context() as patched:
        patched.setattr(type(Author.objects.all()), "get", instead)
        assert await Author.objects.get(1, pk=2) == (Author, (1,), {"pk": 2})
    with monkeypatch.context() as patched:
        patched.setattr(Author.objects, "get", lambda **names: names)
        assert Author.objects.get(pk=3) == {"pk": 3}
    assert await Author.objects.get(pk=author.pk) == author
    other = Author.objects.db_manager("other")
    assert other.all()._db == "other" and other.get.__self__ is not Author.objects.get.__self__


@pytest.mark.row("queries.paginator")
async def test_pages_of_querysets(blog: Database) -> None:
    await _write()
    pages: Paginator[Any] = Paginator(Article.objects.order_by("pk"), 2, error_messages={"no_results": "no such page"})
    with record_queries() as log:
        page = await pages.page("2")
        assert [row.title async for row in page] == ["c_d"] and [row.title for row in page] == ["c_d"]
        assert await pages.num_pages() == 2 and list(await pages.page_range()) == [1, 2] and not page.has_next
    assert len(log) == 2
    assert await pages.get_elided_page_range(1) == [1, 2]
    assert (await pages.get_page("x")).number == 1 and (await pages.get_page(99)).number == 2
    with pytest.raises(EmptyPage, match="no such page"):
        await pages.page(3)
    with pytest.raises(PageNotAnInteger):
        await pages.page("x")
    with pytest.raises(EmptyPage):
        await pages.page(0)
    with pytest.warns(UnorderedObjectListWarning, match="order"):
        Paginator(Article.objects.all(), 2)


@pytest.mark.row("queries.shortcuts")
async def test_objects_and_lists_or_not_found(blog: Database) -> None:
    ann, _bob = await _write()
    assert await get_object_or_404(Author, name="Ann") == ann == await get_object_or_404(Author.objects, pk=ann.pk)
    assert await get_object_or_404(Author.objects.filter(age=30), Q(name="Ann")) == ann
    assert await get_list_or_404(Author, age=30) == [ann]
    with pytest.raises(NotFound, match="author"):
        await get_object_or_404(Author, name="nobody")
    with pytest.raises(NotFound):
        await get_list_or_404(Author.objects.all(), name="nobody")
    with pytest.raises(Author.MultipleObjectsReturned):
        await get_object_or_404(Author)
    with pytest.raises(ValueError, match="a model, a manager or a queryset"):
        await get_object_or_404("authors", name="x")  # type: ignore[call-overload]


@pytest.mark.row("lookups.q")
async def test_a_condition_is_checked_against_values(blog: Database) -> None:
    values = {"age": 30, "name": "Ann", "unknown": Value(None, IntegerField()), "double": Value(60)}
    assert await Q(age__gt=20, name__istartswith="a").check(values)
    assert not await (Q(age__gt=40) | Q(name="Bob")).check(values)
    assert await (~Q(age=31) & Q(double=F("age") * 2)).check(values)
    assert await Q(unknown__gt=5).check(values) and not await Q(unknown__isnull=False).check(values)
    assert await Q(age__in=[1, 30]).check(values) and await Q().check(values)
    with pytest.raises(FieldError, match="agee"):
        await Q(agee=1).check(values)


@pytest.mark.row("queries.annotate")
async def test_an_annotation_may_build_on_the_one_that_it_replaces(blog: Database) -> None:
    await _write()
    rows = Article.objects.annotate(x=F("views")).annotate(x=F("x") + 1).annotate(x=F("x") * 2, y=F("x"))
    assert await rows.order_by("pk").values_list("x", "y") == [(22, 22), (42, 42), (62, 62)]
    with pytest.raises(FieldError, match="no field 'z'"):
        await Article.objects.annotate(z=F("z") + 1)


@pytest.mark.row("lookups.text")
async def test_a_pattern_that_is_null_matches_nothing_and_is_excluded_by_nothing(blog: Database) -> None:
    ann = await Author.objects.create(name="Ann")
    bob = await Author.objects.create(name="bob@x.org", email="bob@x.org")
    for lookup in ("contains", "startswith", "iendswith"):
        assert await Author.objects.filter(**{f"name__{lookup}": F("email")}) == [bob]
        assert await Author.objects.exclude(**{f"name__{lookup}": F("email")}) == [ann]


@pytest.mark.row("queries.filter")
async def test_excluding_by_a_column_keeps_rows_where_that_column_is_null(blog: Database) -> None:
    young, old = await Author.objects.create(name="young", age=3), await Author.objects.create(name="old", age=60)
    unknown = await Author.objects.create(name="unknown")
    made = [
        await Article.objects.create(title=f"{author.name} by {editor and editor.name}", author=author, editor=editor)
        for author in (young, old)
        for editor in (None, young, old, unknown)
    ]

    async def kept(queryset: Any) -> set[str]:
        return set(await queryset.values_list("title", flat=True))

    every = {article.title for article in made}
    assert await kept(Article.objects.filter(author__age=F("editor__age"))) == {"young by young", "old by old"}
    assert await kept(Article.objects.exclude(author__age=F("editor__age"))) == every - {"young by young", "old by old"}
    assert await kept(Article.objects.exclude(author__age__lt=F("editor__age"))) == every - {"young by old"}
    assert await kept(Article.objects.filter(~Q(author=F("editor")))) == every - {"young by young", "old by old"}
    aged = Article.objects.annotate(aged=F("author__age") + 0)
    assert await kept(aged.exclude(aged=F("editor__age"))) == every - {"young by young", "old by old"}


@pytest.mark.row("aggregates.grouping")
async def test_conditions_on_groups_and_on_rows_may_be_alternatives(blog: Database) -> None:
    ann, bob = await Author.objects.create(name="Ann", age=30), await Author.objects.create(name="Bob")
    tags = [await Tag.objects.create(label=label) for label in "pq"]
    for number, author in enumerate((ann, bob, bob)):
        article = await Article.objects.create(title=f"t{number}", author=author, views=number)
        await article.tags.set(tags[:number])
    counted = Article.objects.annotate(n=Count("tags")).order_by("title")

    assert await counted.filter(Q(n=2) | Q(views=0)).values_list("title", flat=True) == ["t0", "t2"]
    assert await counted.filter(Q(n=2) | Q(author__name="Ann")).values_list("title", flat=True) == ["t0", "t2"]
    assert await counted.exclude(Q(n=2) | Q(author__age__gt=20)).values_list("title", flat=True) == ["t1"]
    assert await counted.filter(Q(n__gt=F("views")) | Q(title__startswith="t1")).count() == 1
    by_author = Article.objects.values("author__name").annotate(n=Count("pk")).order_by("author__name")
    assert await by_author.filter(Q(n=2) | Q(author__age=30)).values_list("author__name", "n") == [
        ("Ann", 1),
        ("Bob", 2),
    ]
