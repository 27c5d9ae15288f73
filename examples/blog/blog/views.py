"""The blog's pages and its REST API."""

from __future__ import annotations

from typing import Annotated

from covet.db.models import F, QuerySet
from covet.http import Request, Response
from covet.pubsub import channel
from covet.rest import ModelSchema, ModelViewSet, Page, Query, Router, action, permissions
from covet.shortcuts import get_object_or_404, render

from .models import Article, Author, Tag


async def home(request: Request) -> Response:
    """Show the ten latest articles."""
    articles = Article.objects.select_related("author").filter(published_at__isnull=False)[:10]
    return await render(request, "blog/home.html", {"articles": articles})


async def article(request: Request, pk: int) -> Response:
    """Show one article and count the view."""
    found = await get_object_or_404(Article.objects.select_related("author").prefetch_related("tags"), pk=pk)
    await Article.objects.filter(pk=pk).update(views=F("views") + 1)
    return await render(request, "blog/article.html", {"article": found})


class ArticleOut(ModelSchema, model=Article, fields=["id", "title", "author", "published_at", "views"]):
    """An article in lists and answers."""


class ArticleIn(ModelSchema, model=Article, fields=["title", "body", "author", "published_at"]):
    """What a new article needs."""


api = Router(tags=["blog"])


@api.get("/articles/", response=Page[ArticleOut], permissions=[permissions.AllowAny])
async def list_articles(
    request: Request, q: Annotated[str | None, Query(description="A part of the title")] = None
) -> QuerySet[Article]:
    """List articles, newest first."""
    articles = Article.objects.all()
    return articles.filter(title__icontains=q) if q else articles


@api.post("/articles/", status=201, response=ArticleOut)
async def create_article(request: Request, data: ArticleIn) -> Article:
    """Write an article and tell whoever listens."""
    created = await Article.objects.create(**data.model_dump())
    await channel("articles").publish({"pk": created.pk})
    return created


@api.get("/articles/<int:pk>", response=ArticleOut)
async def read_article(request: Request, pk: int) -> Article:
    """Read one article."""
    return await get_object_or_404(Article, pk=pk)


class AuthorViewSet(ModelViewSet, model=Author):
    """Authors: list, create, read, update, patch and delete."""

    permissions = [permissions.ModelPermissions]
    filters = ["name", "email__icontains"]
    search = ["name"]
    ordering = ["name"]

    @action(detail=True, methods=["get"], response=Page[ArticleOut])
    async def articles(self, request: Request, pk: int) -> QuerySet[Article]:
        """List the articles of one author."""
        return Article.objects.filter(author=pk)


class TagViewSet(ModelViewSet, model=Tag):
    """Tags: list, create, read, update, patch and delete."""

    search = ["name"]


api.register("authors", AuthorViewSet)
api.register("tags", TagViewSet)
