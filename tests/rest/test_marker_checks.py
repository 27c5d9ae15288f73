"""``manage.py check`` names the slugs and links that nothing answers to, before a request does."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from covet.checks.messages import CheckMessage
from covet.rest import Link, ModelSchema, ModelViewSet, Page, Router, Schema, SelfLink, Slug, permissions
from covet.rest.found import compiled_endpoints
from covet.rest.marker_checks import check_markers
from covet.rest.part import RestPart
from covet.urls import include, path
from covet.urls.resolver import Resolver
from tests.rest.library import Article, Author


class AuthorViewSet(ModelViewSet, model=Author):
    permissions = [permissions.AllowAny]


def found_in(schema: Any, *, as_input: bool = False) -> list[CheckMessage]:
    api = Router(permissions=[permissions.AllowAny])
    api.register("authors", AuthorViewSet)

    @api.get("years/<int:year>/<slug:slug>", name="by-year")
    async def by_year(year: int, slug: str) -> str:
        return slug

    if as_input:

        async def make(data: Any) -> str:
            return ""

        make.__annotations__["data"] = schema
        api.post("articles/")(make)

    else:

        @api.get("articles/", response=Page[schema])
        async def rows() -> Any:
            return Article.objects.all()

    resolver = Resolver([path("api/", include(api))])
    return list(check_markers([one for _, one in compiled_endpoints(resolver.routes)], resolver.names))


def told(found: list[CheckMessage]) -> list[tuple[Any, ...]]:
    return [(one.id, one.msg, one.hint) for one in found]


class WrongSlug(ModelSchema, model=Article, fields=["title"]):
    author: Annotated[str, Slug("mail")]


class WrongSlugs(ModelSchema, model=Article, fields=["title"]):
    tags: Annotated[list[str], Slug("slug")] = []


class NoRelation(ModelSchema, model=Article, fields=["title"]):
    body: Annotated[str, Slug("name")]


class WrongRoute(ModelSchema, model=Article, fields=["title"]):
    editor: Annotated[str | None, Link("author-detail")] = None


class WrongArgument(ModelSchema, model=Article, fields=["title"]):
    author: Annotated[str, Link("authors-detail", argument="id")]


class TwoParameters(ModelSchema, model=Article, fields=["title"]):
    author: Annotated[str, Link("by-year")]


class WrongSelf(ModelSchema, model=Article, fields=["title"]):
    url: Annotated[str, SelfLink("authors-detail", field="slug")]


class Inner(Schema):
    """Of no model of its own: the relation that holds it says whose rows it shows."""

    name: str
    articles: Annotated[list[str], Slug("titel")] = []


class Outer(ModelSchema, model=Article, fields=["title"]):
    author: Inner


NO_FIELD = "rest.E003"
NO_ROUTE = "rest.E004"


@pytest.mark.parametrize("as_input", [False, True])
@pytest.mark.parametrize(
    ("schema", "id", "message", "hint"),
    [
        (WrongSlug, NO_FIELD, "WrongSlug.author is a Slug by 'mail', and library.Author has no field of that name.", "Did you mean 'email'?"),
        (WrongSlugs, NO_FIELD, "WrongSlugs.tags is a Slug by 'slug', and library.Tag has no field of that name.", "library.Tag has: id, name."),
        (NoRelation, NO_FIELD, "NoRelation.body is a Slug, and library.Article.body is no relation.", "Relations of library.Article are: author, editor, tags."),
        (WrongRoute, NO_ROUTE, "WrongRoute.editor is a Link to the route 'author-detail', and there is none of that name.", "Did you mean 'authors-detail'?"),
        (WrongArgument, NO_ROUTE, "WrongArgument.author is a Link to the route 'authors-detail', which takes pk, and is given 'id'.", "A link fills a route of one parameter; argument= is its name."),
        (TwoParameters, NO_ROUTE, "TwoParameters.author is a Link to the route 'by-year', which takes year, slug, and is given one value.", "A link fills a route of one parameter; argument= is its name."),
        (WrongSelf, NO_FIELD, "WrongSelf.url is a SelfLink by 'slug', and library.Article has no field of that name.", "library.Article has: id, title, body, author, editor, published_at, views."),
        (Outer, NO_FIELD, "Inner.articles is a Slug by 'titel', and library.Article has no field of that name.", "Did you mean 'title'?"),
    ],
)  # fmt: skip
def test_a_marker_that_names_nothing_is_an_error(schema: Any, as_input: bool, id: str, message: str, hint: str) -> None:
    assert told(found_in(schema, as_input=as_input)) == [(id, message, hint)]


class Right(ModelSchema, model=Article, fields=["id", "title"]):
    url: Annotated[str, SelfLink("authors-detail")]
    author: Annotated[str, Slug("email")]
    editor: Annotated[str | None, Link("authors-detail", argument="pk")] = None
    tags: Annotated[list[str], Slug("pk")] = []


class AuthorOut(ModelSchema, model=Author, fields=["name"]):
    articles: Annotated[list[str], Slug("title")] = []


class Nested(ModelSchema, model=Article, fields=["title"]):
    author: AuthorOut
    editor: AuthorOut | None = None


class Elsewhere(Schema):
    """Nobody says of which rows it tells."""

    author: Annotated[str, Slug("mail")] = ""
    parts: list[Right] = []


@pytest.mark.parametrize("schema", [Right, AuthorOut, Nested, list[Right], Elsewhere])
def test_what_is_there_is_no_finding(schema: Any) -> None:
    assert found_in(schema, as_input=True) == []


class AuthorLinked(ModelSchema, model=Author, fields=["name"]):
    url: Annotated[str, SelfLink("nowhere")]


async def test_the_command_asks_the_endpoints_of_the_project(site: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])
    api.register("authors", AuthorViewSet)

    class ArticleViewSet(ModelViewSet, model=Article):
        schema = WrongSlug
        expandable = {"editor": AuthorLinked}

    api.register("articles", ArticleViewSet)
    client = await site([path("api/", include(api))], installed=["covet.rest"])
    found = list(client.application.apps.part(RestPart).check(None))

    assert sorted(one.id for one in found) == [NO_FIELD, NO_ROUTE]
