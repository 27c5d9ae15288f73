from __future__ import annotations

from collections.abc import AsyncIterator

from covet import graphql
from covet.pubsub import channel

from .models import Article, Author, Tag
from .views import ArticleIn


@graphql.type(Author, fields=["id", "name"])
class AuthorType: ...


@graphql.type(Tag, fields=["id", "name"])
class TagType: ...


@graphql.type(Article, fields=["id", "title", "author", "tags"])
class ArticleType:
    @graphql.field(needs=["body"])
    def excerpt(self, row: graphql.Parent[Article]) -> str:
        return row.body[:80]


class Query:
    article: ArticleType = graphql.node()
    articles: graphql.Connection[ArticleType] = graphql.connection(
        filters=["title", "author"], ordering=["published_at"]
    )


class Mutation:
    create_article: ArticleType = graphql.create(ArticleIn)


class Subscription:
    @graphql.subscription(ArticleType)
    async def article_published(self) -> AsyncIterator[Article]:
        async for event in channel("articles").listen():
            yield await Article.objects.get(pk=event["pk"])
