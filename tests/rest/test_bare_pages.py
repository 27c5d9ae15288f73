"""Pages that are bare lists: the total and the neighbours are told in headers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from covet.conf import override
from covet.db.models import QuerySet
from covet.http.request import Request
from covet.rest import ListPage, ModelSchema, ModelViewSet, Router, permissions
from covet.rest.openapi import build_document
from covet.rest.openapi.typescript import typescript_client
from covet.urls import include, path
from covet.urls.resolver import Resolver
from tests.rest.library import Article, Author


class Name(ModelSchema, model=Author, fields=["name"]): ...


class Whole(ModelSchema, model=Article, fields=["title"]):
    author: Name


class AuthorViewSet(ModelViewSet, model=Author):
    permissions = [permissions.AllowAny]
    pagination = ListPage
    schema = Name


def make_api() -> Router:
    api = Router()

    @api.get("/articles/", response=ListPage[Whole], select_fields=True, formats=["json", "csv"])
    async def articles(request: Request) -> QuerySet[Article]:
        return Article.objects.order_by("title")

    @api.get("/numbers/", response=ListPage[int])
    async def numbers() -> list[int]:
        return list(range(7))

    @api.get("/by-hand/", response=ListPage[Name])
    async def by_hand() -> ListPage[Name]:
        return ListPage[Name](items=[Name(name="Ann")])

    api.register("authors", AuthorViewSet)
    return api


async def fill() -> None:
    author = await Author.objects.create(name="Ann", email="a@example.org")
    await Article.objects.bulk_create([Article(title=f"{number}", author=author) for number in range(7)])


async def test_a_page_is_a_list_and_its_headers_tell_the_rest(library: Any) -> None:
    client = await library(make_api())
    await fill()

    first = await client.get("/api/articles/?size=3")
    last = await client.get("/api/articles/?size=3&page=3")
    numbers = await client.get("/api/numbers/?size=5&page=2")
    chosen = await client.get("/api/articles/?size=1&fields=author.name")
    table = await client.get("/api/articles/?size=2&format=csv")
    authors = await client.get("/api/authors/")

    assert first.json() == [{"title": f"{number}", "author": {"name": "Ann"}} for number in range(3)]
    assert first.headers["x-total-count"] == "7"
    assert set(first.links) == {"first", "next", "last"}
    assert (await client.get(first.links["next"]["url"])).json()[0]["title"] == "3"
    assert (len(last.json()), set(last.links)) == (1, {"first", "prev", "last"})
    assert (numbers.json(), numbers.headers["x-total-count"]) == ([5, 6], "7")
    assert (chosen.json(), chosen.headers["x-total-count"]) == ([{"author": {"name": "Ann"}}], "7")
    assert (table.text.splitlines(), table.headers["x-total-count"]) == (["title,author.name", "0,Ann", "1,Ann"], "7")
    assert (authors.json(), authors.headers["x-total-count"]) == ([{"name": "Ann"}], "1")
    assert (await client.get("/api/articles/?size=3&page=4")).status_code == 404
    assert (await client.get("/api/by-hand/")).json() == [{"name": "Ann"}]


async def test_an_empty_list_is_one(library: Any) -> None:
    client = await library(make_api())

    answer = await client.get("/api/articles/")

    assert (answer.json(), answer.headers["x-total-count"]) == ([], "0")


@pytest.fixture
def document() -> dict[str, Any]:
    with override(DATABASES={}, MIDDLEWARE=[]):
        made = build_document(Resolver([path("api/", include(make_api()))]).routes, title="T")
    found: dict[str, Any] = json.loads(json.dumps(made))
    return found


def test_the_document_tells_lists_and_headers(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    answer = document["paths"]["/api/numbers/"]["get"]["responses"]["200"]
    schema = answer["content"]["application/json"]["schema"]
    named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    assert (named["type"], named["items"]) == ("array", {"type": "integer"})
    assert {"Link", "X-Total-Count"} <= set(answer["headers"])
    assert "404" in document["paths"]["/api/authors/"]["get"]["responses"]


def test_the_typescript_client_knows_them_as_lists(document: dict[str, Any]) -> None:
    source = typescript_client(document)

    assert "export type ListPageInt = number[];" in source
    assert "export type ListPageName = Name[];" in source
    assert "Promise<ListPageWholeChosen>" in source
