from __future__ import annotations

from covet.db.models import QuerySet
from covet.http import Request, Response
from covet.rest import ModelSchema, ModelViewSet, Page, Router, action, permissions
from covet.shortcuts import get_object_or_404, render

from .models import Article, Author


async def home(request: Request) -> Response:
    return await render(request, "blog/home.html", {"articles": Article.objects.all()[:10]})


class ArticleOut(ModelSchema, model=Article, fields=["id", "title", "author", "published_at"]): ...


class ArticleIn(ModelSchema, model=Article, fields=["title", "body", "author"]): ...


class AuthorOut(ModelSchema, model=Author, fields=["id", "name"]): ...


api = Router(tags=["blog"])


@api.get("/articles/", response=Page[ArticleOut], permissions=[permissions.AllowAny])
async def list_articles(request: Request, q: str | None = None) -> QuerySet[Article]:
    articles = Article.objects.all()
    return articles.filter(title__icontains=q) if q else articles


@api.post("/articles/", status=201, response=ArticleOut)
async def create_article(request: Request, data: ArticleIn) -> Article:
    return await Article.objects.create(**data.model_dump())


@api.get("/articles/<int:pk>", response=ArticleOut)
async def read_article(request: Request, pk: int) -> Article:
    return await get_object_or_404(Article, pk=pk)


class AuthorViewSet(ModelViewSet, model=Author):
    permissions = [permissions.ModelPermissions]
    filters = ["name", "email__icontains"]
    search = ["name"]
    ordering = ["name"]

    @action(detail=True, methods=["post"], response=AuthorOut)
    async def promote(self, request: Request, pk: int) -> Author:
        author = await get_object_or_404(Author, pk=pk)
        author.name = author.name.upper()
        await author.save(update_fields=["name"])
        return author


api.register("authors", AuthorViewSet)
