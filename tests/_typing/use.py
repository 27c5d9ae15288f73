"""What a user's models look like to mypy --strict and pyright.

A line marked ``# E`` must be an error in both checkers, one marked ``# E pyright`` in pyright alone; every other line
must be right in both (``test_typing.py`` holds this). It is never imported.
"""

from __future__ import annotations

import decimal
import enum
import uuid
from contextlib import aclosing
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeVar, assert_type, overload

import covet
import covet.contenttypes
import covet.graphql
import covet.management
import covet.rest
import covet.test
from covet.db import models
from covet.http import Request
from covet.postgres.fields import ArrayField, DateTimeRangeField, HStoreField, IntegerRangeField, Range, VectorField
from covet.rest import ModelViewSet
from covet.test.factories import Factory

T = TypeVar("T")


class Colour(enum.Enum):
    """Values of a column."""

    RED = "r"


class Kept(models.Model):
    """What the row holds is not what the code reads."""

    colour = models.EnumField(Colour)
    second_colour = models.EnumField(Colour, null=True)
    code = models.EncryptedField()
    note = models.EncryptedField(null=True)
    file = models.FilePathField(path="/srv")


def kept(it: Kept) -> None:
    """Members and texts."""
    assert_type(it.colour, Colour)
    assert_type(it.second_colour, Colour | None)
    assert_type(it.code, str)
    assert_type(it.note, str | None)
    assert_type(it.file, str)


class Status(models.TextChoices):
    DRAFT = "d", "Draft"
    PUBLISHED = "p", "Published"


class Author(models.Model):
    name = models.CharField(max_length=50)
    nick = models.CharField(max_length=50, null=True)
    articles: models.Related[Article]


class Tag(models.Model):
    label = models.CharField(max_length=9)


class ArticleQuerySet(models.QuerySet["Article", "Article"]):
    def published(self) -> ArticleQuerySet:
        return self.filter(status="p")


class DraftManager(models.Manager["Article"]):
    def fresh(self) -> models.QuerySet[Article, Article]:
        return self.filter(age=1)


class Article(models.Model):
    title = models.CharField("the title", max_length=200, help_text="What people see.")
    when = models.DateTimeField(null=True)
    views = models.IntegerField(default=0, db_index=True)
    status = models.CharField(max_length=1, choices=Status.choices, default=Status.DRAFT)
    author = models.ForeignKey(Author, on_delete=models.CASCADE)
    editor = models.ForeignKey(Author, on_delete=models.CASCADE, null=True)
    parent: models.ForeignKey[Article] = models.ForeignKey("blog.Article", on_delete=models.CASCADE)
    tags = models.ManyToManyField(Tag)
    author_id: int
    objects = ArticleQuerySet.as_manager()
    drafts = DraftManager()


class Everything(models.Model):
    """One field of each kind, with and without null."""

    key = models.UUIDField(primary_key=True, default=uuid.uuid4)
    big = models.BigIntegerField()
    small = models.SmallIntegerField(null=True)
    positive = models.PositiveIntegerField(default=0)
    ratio = models.FloatField()
    price = models.DecimalField(max_digits=8, decimal_places=2)
    discount = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    on = models.BooleanField(default=False)
    maybe = models.BooleanField(null=True)
    slug = models.SlugField()
    mail = models.EmailField(unique=True)
    link = models.URLField(blank=True)
    body = models.TextField(blank=True)
    note = models.TextField(null=True)
    day = models.DateField()
    changed = models.DateTimeField(auto_now=True)
    at = models.TimeField(null=True)
    lasts = models.DurationField()
    blob = models.BinaryField()
    data = models.JSONField(default=dict)
    ip = models.GenericIPAddressField(null=True)


async def fields(it: Everything) -> None:
    assert_type(it.key, uuid.UUID)
    assert_type(it.big, int)
    assert_type(it.small, int | None)
    assert_type(it.positive, int)
    assert_type(it.ratio, float)
    assert_type(it.price, decimal.Decimal)
    assert_type(it.discount, decimal.Decimal | None)
    assert_type(it.on, bool)
    assert_type(it.maybe, bool | None)
    assert_type(it.slug, str)
    assert_type(it.mail, str)
    assert_type(it.link, str)
    assert_type(it.body, str)
    assert_type(it.note, str | None)
    assert_type(it.day, date)
    assert_type(it.changed, datetime)
    assert_type(it.at, time | None)
    assert_type(it.lasts, timedelta)
    assert_type(it.blob, bytes)
    assert_type(it.ip, str | None)
    it.price = 3  # E
    it.maybe = None
    it.on = None  # E
    it.big = models.F("big") * 2


async def main() -> None:
    a = await Author.objects.get(pk=1)
    assert_type(a, Author)
    assert_type(a.name, str)
    assert_type(a.nick, str | None)
    assert_type(await Author.objects.filter(name="x"), list[Author])
    async for x in Author.objects.filter(name="x").order_by("name"):
        assert_type(x, Author)
    assert_type(await Author.objects.filter().values("id"), list[dict[str, Any]])
    p = await Article.objects.published().filter(title="x").published().first()
    assert_type(p, Article | None)
    assert p is not None
    assert_type(p.when, datetime | None)
    assert_type(p.author, Author)
    assert_type(await p.author, Author)
    assert_type(p.editor, Author | None)
    assert_type(p.parent, Article)
    assert_type(p.author_id, int)
    assert_type(await a.articles.filter(x=1), list[Article])
    assert_type(await p.tags.all(), list[Tag])
    assert_type(await Article.drafts.fresh(), list[Article])
    assert_type(await p, Article)
    a.name = 3  # E
    a.name = None  # E
    a.nick = None
    p.views = models.F("views") + 1
    await p.tags.add(a)  # E
    await p.tags.add(1, await Tag.objects.get(), uuid.uuid4())
    await p.tags.set([1, 2])
    await p.tags.remove("x")
    await p.tags.set([1.5])  # E
    a.objects  # E
    Article.nonsense  # E pyright


async def instances() -> None:
    article = Article(title="Hi", author=1)
    await article.save(update_fields=["title"])
    assert_type(await article.delete(), tuple[int, dict[str, int]])
    assert_type(await article.fetch("author"), Article)
    assert_type(Article.unloaded(1), Article)
    await article.full_clean(exclude=["title"])
    await article.save("title")  # E
    try:
        await Article.objects.get(pk=1)
    except Article.DoesNotExist as error:
        print(error)
    except Article.MultipleObjectsReturned:
        raise
    assert_type(await Article.objects.create(title="x"), Article)
    assert_type(await Author.objects.count(), int)


class Chosen(models.Manager["Article"]):
    def chosen(self) -> models.QuerySet[Article, Article]:
        return self.filter(views__gt=1)


NAMES: list[str] = ["pk", "title"]


async def shapes_of_rows() -> None:
    """What a refinement keeps of the row's type, and what it makes of it."""
    rows = Article.objects.filter(title="x")
    assert_type(await rows.annotate(n=models.Count("tags")).order_by("n"), list[Article])
    assert_type(await rows.alias(n=models.Count("tags")).exclude(n=0)[:5], list[Article])
    assert_type(await rows.select_related("author").prefetch_related("tags").only("title").first(), Article | None)
    assert_type(await rows.values("title", n=models.Count("tags")), list[dict[str, Any]])
    assert_type(await rows.values("title").annotate(n=models.Count("pk")).first(), dict[str, Any] | None)
    assert_type(await rows.values_list("pk", "title"), list[tuple[Any, Any]])
    assert_type(await rows.values_list("pk"), list[tuple[Any]])
    assert_type(await rows.values_list(*NAMES), list[tuple[Any, ...]])
    assert_type(await rows.values_list("title", flat=True), list[Any])
    assert_type(await rows.values_list(models.Value(1), flat=True), list[int])
    assert_type(await Article.objects.values_list("pk", models.F("title")).first(), tuple[Any, Any] | None)
    assert_type(await Article.objects.values_list(models.Value("x"), flat=True), list[str])
    for named in await Article.objects.values_list("pk", "title", named=True):
        named.title.upper()
    for pk, title in await rows.values_list("pk", "title"):
        print(pk, title)
    for pk, title, body in await rows.values_list("pk", "title"):  # E
        print(pk, title, body)
    async for pair in rows.values_list("pk", "title").iterator(chunk_size=10):
        assert_type(pair, tuple[Any, Any])
    assert_type(await rows.aggregate(n=models.Sum("views")), dict[str, Any])
    assert_type(await rows.get_or_create(title="x"), tuple[Article, bool])
    assert_type(await rows.update_or_create(title="x", defaults={"views": 1}), tuple[Article, bool])
    assert_type(await Article.objects.bulk_create([Article(title="x")]), list[Article])
    assert_type(await rows.update(views=models.F("views") + 1), int)
    assert_type(await rows.exists(), bool)
    assert_type(await rows.get(), Article)
    assert_type(rows | rows, ArticleQuerySet)
    assert_type(await rows.using("other").distinct(), list[Article])
    await rows.nonsense()  # E
    rows.values_list(1, flat="yes")  # E
    await rows.get_or_create("x")  # E


async def managers() -> None:
    """A manager of a queryset's methods, with methods of its own."""
    made = Chosen.from_queryset(ArticleQuerySet)
    assert_type(made().chosen(), models.QuerySet[Article, Article])
    assert_type(await made().filter(title="x"), list[Article])
    assert_type(await Article.objects.published(), list[Article])
    assert_type(await Article.objects.filter(title="x").published().published().last(), Article | None)
    Article.objects.unpublished()  # E


def articles() -> models.QuerySet[Article]:  # the row type defaults to the model
    return Article.objects.filter(title="x")


async def sql_of_the_project() -> None:
    raw = Article.objects.raw("SELECT * FROM article WHERE id = %s", [1])
    assert_type(await raw, list[Article])
    async for row in raw.prefetch_related("tags"):
        assert_type(row, Article)
    assert_type(await Article.objects.dates("day", "month"), list[date])
    assert_type(await Article.objects.filter(title="x").datetimes("at", "hour"), list[datetime])
    assert_type(await Article.objects.extra(where=["1 = 1"]), list[Article])
    assert_type(await Article.objects.cache(timeout=60, tags=["front"]), list[Article])
    assert_type(await Article.objects.filter(title="x").cache().first(), Article | None)
    assert_type(Article.objects.filter(title="x").query.sql_with_params(), tuple[str, tuple[Any, ...]])
    Article.objects.raw(3)  # E


async def postgresql_only() -> None:
    class Booking(models.Model):
        tags = ArrayField(models.CharField(max_length=5), size=3)
        board = ArrayField(ArrayField(models.IntegerField()), null=True)
        span = IntegerRangeField()
        hours = DateTimeRangeField(null=True, default_bounds="[]")
        data = HStoreField()
        embedding = VectorField(dimensions=3)
        other = VectorField("other", null=True)

    booking = await Booking.objects.get(pk=1)
    assert_type(booking.tags, list[str])
    assert_type(booking.board, list[list[int]] | None)
    assert_type(booking.span, Range[int])
    assert_type(booking.span.lower, int | None)
    assert_type(booking.hours, Range[datetime] | None)
    assert_type(booking.data, dict[str, str | None])
    assert_type(booking.embedding, list[float])
    assert_type(booking.other, list[float] | None)
    booking.tags = [1]  # E
    booking.span = (1, 2)  # E


class AuthorFactory(Factory[Author]):
    class Meta:
        model = Author


async def rows_one_by_one_and_by_key() -> None:
    """What gives one row, a stream of them or a mapping, and what goes on being a queryset of the same rows."""
    rows = Article.objects.filter(title="x")
    assert_type(await rows[0], Article)
    assert_type(await rows[:2].reverse(), list[Article])
    assert_type(await rows.latest("when"), Article)
    assert_type(await rows.in_bulk([1]), dict[Any, Article])
    assert_type(await Article.objects.in_bulk(field_name="title"), dict[Any, Article])
    async for row in rows.iterator(chunk_size=10):
        assert_type(row, Article)
    async for pair in rows.values_list("pk", "title").iterator():
        assert_type(pair, tuple[Any, Any])
    async with aclosing(Article.objects.iterator()) as articles:
        async for row in articles:
            assert_type(row, Article)
    assert_type(await rows.union(rows).order_by("title"), list[Article])
    assert_type(await rows.values("title").union(rows.values("title")), list[dict[str, Any]])
    assert_type(await rows.contains(await rows.get()), bool)
    assert_type(await rows.explain(), str)
    assert_type(await rows.annotate(x=models.FilteredRelation("tags")).values("x__label"), list[dict[str, Any]])
    assert_type(await rows.values_list("pk", flat=True).in_bulk(), dict[Any, Any])


async def rows_made_for_tests() -> None:
    """Factories give rows of the model that they are written for."""
    assert_type(await AuthorFactory(name="Ann"), Author)
    assert_type(await AuthorFactory.create(), Author)
    assert_type(await AuthorFactory.create_batch(2), list[Author])
    assert_type(AuthorFactory.build(), Author)


class Articles(ModelViewSet):
    model = Article

    def get_queryset(self, request: Request) -> models.QuerySet[Article]:
        return super().get_queryset(request).filter(title="x")


class OwnArticles(ModelViewSet):
    model = Article

    async def get_queryset(self, request: Request) -> models.QuerySet[Article]:
        return super().get_queryset(request).filter(author=await request.user)


class Hours(models.IntegerField[T]):
    """A field of a project's own: what the row holds as a number is a duration in code."""

    if TYPE_CHECKING:

        @overload
        def __init__(self: Hours[timedelta], *, null: Literal[False] = False, **options: Any) -> None: ...
        @overload
        def __init__(self: Hours[timedelta | None], *, null: Literal[True], **options: Any) -> None: ...
        def __init__(self, *, null: bool = False, **options: Any) -> None: ...

    def from_db_value(self, value: int | None, expression: object, connection: object) -> timedelta | None:
        return None if value is None else timedelta(hours=value)

    def get_prep_value(self, value: Any) -> Any:
        return value // timedelta(hours=1) if isinstance(value, timedelta) else value


class Task(models.Model):
    spent = Hours(default=timedelta)
    estimate = Hours(null=True)


def own_fields(task: Task) -> None:
    assert_type(task.spent, timedelta)
    assert_type(task.estimate, timedelta | None)
    task.estimate = None
    task.spent = None  # E
    task.spent = 3  # E


class OpenManager(models.Manager["Article"]):
    """A manager that narrows, whose rows go on by the queryset's own methods."""

    def get_queryset(self) -> ArticleQuerySet:
        return ArticleQuerySet(self.model, using=self._db).filter(age=1)


async def own_managers(manager: OpenManager) -> None:
    assert_type(manager.get_queryset().published(), ArticleQuerySet)
    assert_type(await manager.get_queryset().published().order_by("title")[:3], list[Article])
    assert_type(await Article.objects.published()[0], Article)


def misspelt() -> None:
    """Packages that load their names late are as strict as any other."""
    print(covet.setup, covet.contenttypes.ContentType, covet.graphql.node, covet.management.command)
    print(covet.rest.Router, covet.test.RequestFactory)
    print(covet.setupp)  # E
    print(covet.contenttypes.ContentTypes)  # E
    print(covet.graphql.nodes)  # E
    print(covet.management.comand)  # E
    print(covet.rest.Routter)  # E
    print(covet.test.RequestFactoryy)  # E
