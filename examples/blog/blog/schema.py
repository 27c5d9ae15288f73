"""The blog's part of the GraphQL schema."""

from __future__ import annotations

from collections.abc import AsyncIterator

from covet import graphql
from covet.pubsub import channel

from .models import Article, Author, Tag
from .views import ArticleIn


@graphql.type(Author, fields=["id", "name", "articles"])
class AuthorType:
    """Somebody who writes."""


@graphql.type(Tag, fields=["id", "name"])
class TagType:
    """A word that articles share."""


@graphql.type(Article, fields=["id", "title", "author", "tags", "published_at", "views"])
class ArticleType:
    """One article of the blog."""

    @graphql.field(needs=["body"])
    def excerpt(self, row: graphql.Parent[Article]) -> str:
        """Return how the article begins."""
        return row.body[:80]


class Query:
    """What can be asked."""

    article: ArticleType = graphql.node()
    articles: graphql.Connection[ArticleType] = graphql.connection(
        filters=["title", "author"], ordering=["published_at"]
    )
    author: AuthorType = graphql.node()
    authors: graphql.Connection[AuthorType] = graphql.connection(ordering=["name"])


class Mutation:
    """What can be changed."""

    create_article: ArticleType = graphql.create(ArticleIn)


class Subscription:
    """What can be listened to."""

    @graphql.subscription(ArticleType)
    async def article_published(self) -> AsyncIterator[Article]:
        """Tell each article that is written from now on."""
        async for event in channel("articles").listen():
            yield await Article.objects.get(pk=event["pk"])
