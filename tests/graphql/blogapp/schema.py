from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import strawberry

from covet import graphql
from covet.access import AllowAny, IsAuthenticated
from covet.db.models import QuerySet
from covet.http.errors import Conflict
from covet.pubsub import channel
from covet.schema import ModelSchema

from .models import Article, Author, Profile, Tag


class ArticleIn(
    ModelSchema, model=Article, fields=["title", "body", "author", "tags", "status", "price", "published_at"]
): ...


class AuthorIn(ModelSchema, model=Author, fields=["name", "email"]): ...


@graphql.type(Author, fields=["id", "name", "articles", "profile"])
class AuthorType:
    """Somebody who writes."""

    @classmethod
    def get_queryset(cls, queryset: QuerySet[Author], info: graphql.Info) -> QuerySet[Author]:
        return queryset.exclude(name__startswith="secret")


@graphql.type(Profile, fields=["id", "bio", "author"])
class ProfileType: ...


@graphql.type(Tag, fields=["id", "name"])
class TagType:
    @classmethod
    async def get_queryset(cls, queryset: QuerySet[Tag], info: graphql.Info) -> QuerySet[Tag]:
        user = await info.context.user
        return queryset if user.is_authenticated else queryset.exclude(name__startswith="secret")


async def lengths(texts: list[str]) -> Sequence[int]:
    lengths_calls.append(list(texts))
    return [len(text) for text in texts]


lengths_calls: list[list[str]] = []


@graphql.type(
    Article,
    fields=[
        "id",
        "title",
        "author",
        "kind",
        "tags",
        "status",
        "published_at",
        "price",
        "reads",
        "took",
        "extra",
    ],
    enums=["status"],
)
class ArticleType:
    @graphql.field(needs=["body"])
    def excerpt(self, row: graphql.Parent[Article]) -> str:
        """How it begins."""
        return row.body[:5]

    @graphql.field(needs=["author__name"])
    def byline(self, row: graphql.Parent[Article]) -> str:
        return f"by {row.author.name}"

    @graphql.field()
    def greedy(self, row: graphql.Parent[Article]) -> str:
        return row.title + row.body

    @graphql.field(needs=["title"])
    async def length(self, row: graphql.Parent[Article], info: graphql.Info) -> int:
        return await info.context.loader(lengths).load(row.title)


@strawberry.type
class Stats:
    articles: int
    newest: ArticleType | None


class Query:
    article: ArticleType = graphql.node()
    maybe_article: ArticleType | None = graphql.node()
    articles: graphql.Connection[ArticleType] = graphql.connection(
        filters=["title", "title__icontains", "author", "author__name", "id__in", "kind__isnull", "reads__gte"],
        ordering=["published_at", "title", "reads"],
    )
    tag: TagType | None = graphql.node()
    authors: graphql.Connection[AuthorType] = graphql.connection(ordering=["name"], max_size=10)
    private: ArticleType = graphql.node(permissions=[IsAuthenticated])

    @graphql.field()
    async def stats(self) -> Stats:
        return Stats(
            articles=await Article.objects.count(),
            newest=await Article.objects.order_by("-pk").first(),  # type: ignore[arg-type]
        )

    @graphql.field()
    def all_articles(self) -> list[ArticleType]:
        return Article.objects.all()  # type: ignore[return-value]

    @graphql.field()
    async def listed(self) -> list[ArticleType]:
        return await Article.objects.all()  # type: ignore[return-value]

    @graphql.field()
    def boom(self) -> str:
        raise RuntimeError("a secret")

    @graphql.field()
    def taken(self) -> str:
        raise Conflict("somebody was faster")


class Mutation:
    create_article: ArticleType = graphql.create(ArticleIn)
    update_article: ArticleType = graphql.update(ArticleIn)
    delete_article: ArticleType = graphql.delete()
    create_author: AuthorType = graphql.create(AuthorIn, permissions=[AllowAny])

    @graphql.field()
    async def ping(self) -> str:
        return "pong"


class Subscription:
    @graphql.subscription(ArticleType)
    async def article_published(self) -> AsyncIterator[Article]:
        """Each article from now on."""
        async for event in channel("articles").listen():
            yield await Article.objects.get(pk=event["pk"])

    @graphql.subscription(int)
    async def count(self, to: int) -> AsyncIterator[int]:
        try:
            for number in range(to):
                yield number
        finally:
            ended.append(to)

    @graphql.subscription(int, permissions=[IsAuthenticated])
    async def secrets(self) -> AsyncIterator[int]:
        yield 42

    @graphql.subscription(int)
    async def breaks(self) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("a secret")


ended: list[int] = []
