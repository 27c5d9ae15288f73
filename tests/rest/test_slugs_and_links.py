"""Relations named by a unique field or by an address, both ways, on three databases."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from covet.conf import override
from covet.db.models import QuerySet
from covet.db.observe import record_queries
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.rest import Link, ModelSchema, ModelViewSet, Page, Router, SelfLink, Slug, permissions, write
from covet.rest.default_schemas import default_input
from covet.rest.openapi import build_document
from covet.rest.related import resolve_related
from covet.urls import include, path
from covet.urls.addresses import script_prefix
from covet.urls.resolver import Resolver
from tests.rest.library import Article, Author, Tag, written


class ArticleOut(ModelSchema, model=Article, fields=["id", "title"]):
    url: Annotated[str, SelfLink("articles-detail")]
    author: Annotated[str, Slug("email")]
    editor: Annotated[str | None, Link("authors-detail")] = None
    tags: Annotated[list[str], Slug("name")] = []


class LinkedArticle(ModelSchema, model=Article, fields=["title"]):
    author: Annotated[str, Link("authors-detail")]
    tags: Annotated[list[str], Link("tags-detail", field="name", argument="name")] = []


class AuthorOut(ModelSchema, model=Author, fields=["name", "email"]):
    url: Annotated[str, SelfLink("authors-detail")]


class TagOut(ModelSchema, model=Tag, fields=["name"]):
    url: Annotated[str, SelfLink("tags-detail", field="name", argument="name")]


class Narrow(ModelSchema, model=Article, fields=["title"]):
    author: Annotated[str, Slug("email", queryset=lambda: Author.objects.filter(name="Ann"))]


class Ambiguous(ModelSchema, model=Article, fields=["title"]):
    author: Annotated[str, Slug("name")]


class OpenViewSet(ModelViewSet):
    permissions = [permissions.AllowAny]


class ArticleViewSet(OpenViewSet, model=Article):
    schema = ArticleOut
    bulk = True


class LinkedViewSet(OpenViewSet, model=Article):
    schema = LinkedArticle


class AuthorViewSet(OpenViewSet, model=Author):
    schema = AuthorOut


class TagViewSet(OpenViewSet, model=Tag):
    schema = TagOut
    lookup_field = "name"


def make_api() -> Router:
    api = Router(permissions=[permissions.AllowAny])
    api.register("articles", ArticleViewSet)
    api.register("linked", LinkedViewSet)
    api.register("authors", AuthorViewSet)
    api.register("tags", TagViewSet)

    @api.post("/by-hand/", status=201, response=ArticleOut)
    async def by_hand(request: Request, data: ArticleOut) -> Article:
        return await write.create(Article, data)

    @api.get("/counted/", response=Page[ArticleOut])
    async def counted(request: Request) -> QuerySet[Article]:
        return Article.objects.order_by("id")

    return api


async def fill() -> tuple[Author, Author]:
    ann = await Author.objects.create(name="Ann", email="ann@example.org")
    bob = await Author.objects.create(name="Bob", email="bob@example.org")
    for name in ("red", "green", "blue"):
        await Tag.objects.create(name=name)
    return ann, bob


async def test_relations_are_taken_and_shown_by_slugs_and_links(library: Any) -> None:
    client = await library(make_api())
    ann, bob = await fill()
    body = {
        "title": "Bees",
        "author": "ann@example.org",
        "editor": f"https://elsewhere.example/api/authors/{bob.pk}/",
        "tags": ["red", "blue"],
    }

    made = await client.post("/api/articles/", json=body)
    assert made.status_code == 201, made.text
    article = made.json()
    shown = (await client.get(article["url"])).json()
    listed = (await client.get("/api/articles/")).json()["items"]
    linked = (await client.get(f"/api/linked/{article['id']}/")).json()

    assert article == {
        "id": article["id"],
        "title": "Bees",
        "url": f"/api/articles/{article['id']}/",
        "author": "ann@example.org",
        "editor": f"/api/authors/{bob.pk}/",
        "tags": ["red", "blue"],
    }
    assert {**shown, "tags": sorted(shown["tags"])} == {**article, "tags": ["blue", "red"]}
    assert [{**one, "tags": sorted(one["tags"])} for one in listed] == [{**article, "tags": ["blue", "red"]}]
    assert linked["author"] == f"/api/authors/{ann.pk}/"
    assert sorted(linked["tags"]) == ["/api/tags/blue/", "/api/tags/red/"]
    assert (await client.get(linked["author"])).json()["url"] == linked["author"]


async def test_what_was_read_can_be_sent_back_and_parts_of_it_changed(library: Any) -> None:
    client = await library(make_api())
    ann, _ = await fill()
    made = (await client.post("/api/articles/", json={"title": "Bees", "author": "ann@example.org"})).json()

    again = await client.post(
        "/api/by-hand/", json={"url": made["url"], "title": "Again", "author": made["author"], "tags": ["green"]}
    )
    patched = await client.patch(made["url"], json={"author": "bob@example.org", "tags": ["red"]})
    cleared = await client.patch(made["url"], json={"editor": None, "tags": []})
    replaced = await client.put(
        f"/api/linked/{made['id']}/",
        json={"title": "New", "author": f"/api/authors/{ann.pk}/", "tags": ["/api/tags/green/"]},
    )

    assert again.status_code == 201, again.text
    assert again.json()["url"] == f"/api/articles/{again.json()['id']}/"
    assert again.json()["tags"] == ["green"]
    assert (patched.json()["author"], patched.json()["tags"]) == ("bob@example.org", ["red"])
    assert (cleared.json()["author"], cleared.json()["tags"]) == ("bob@example.org", [])
    assert replaced.json() == {"title": "New", "author": f"/api/authors/{ann.pk}/", "tags": ["/api/tags/green/"]}


async def test_what_is_not_there_is_told_with_its_place(library: Any) -> None:
    client = await library(make_api())
    ann, _ = await fill()

    slug = await client.post(
        "/api/articles/", json={"title": "x", "author": "nobody@example.org", "tags": ["red", "pink", "gold"]}
    )
    wrong = [
        await client.post("/api/linked/", json={"title": "x", "author": address})
        for address in (
            "/api/authors/999/",
            f"/api/articles/{ann.pk}/",
            "nonsense",
            "",
            f"/api/authors/{ann.pk}",
            "//[",
        )
    ]
    bulk = await client.post(
        "/api/articles/bulk/",
        json=[
            {"title": "a", "author": "ann@example.org"},
            {"title": "b", "author": "c"},
            {"title": "c", "author": "d"},
        ],
    )
    kinds = await client.post("/api/articles/", json={"title": "x", "author": 5, "tags": "red"})
    null = await client.post("/api/articles/", json={"title": "x", "author": None})

    assert slug.status_code == 422
    assert [(error["pointer"], error["code"]) for error in slug.json()["errors"]] == [
        ("/author", "unknown_related"),
        ("/tags/1", "unknown_related"),
        ("/tags/2", "unknown_related"),
    ]
    assert "'nobody@example.org'" in slug.json()["errors"][0]["detail"]
    for answer in wrong:
        assert answer.status_code == 422, answer.text
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/author"]
    assert [error["pointer"] for error in bulk.json()["errors"]] == ["/1/author", "/2/author"]
    assert [error["pointer"] for error in kinds.json()["errors"]] == ["/author", "/tags"]
    assert [error["pointer"] for error in null.json()["errors"]] == ["/author"]
    assert await Article.objects.count() == 0


async def test_a_list_of_slugs_is_looked_up_by_one_statement(library: Any) -> None:
    await library(make_api())
    await fill()
    items = [
        ArticleOut.model_validate({"title": str(number), "author": email, "tags": ["red", "blue"]})
        for number, email in enumerate(["ann@example.org", "bob@example.org"] * 5)
    ]

    with record_queries() as queries:
        await resolve_related(Article, items, [(index,) for index in range(len(items))])
    with record_queries() as none:
        await resolve_related(Article, items)

    assert len(queries) == 2
    assert not none
    assert [item.author.name for item in items[:2]] == ["Ann", "Bob"]


async def test_lists_read_what_they_show_with_the_rows(library: Any) -> None:
    client = await library(make_api())
    _, bob = await fill()
    for number in range(6):
        await write.create(
            Article,
            ArticleOut.model_validate(
                {
                    "title": f"{number}",
                    "author": "ann@example.org",
                    "editor": f"/api/authors/{bob.pk}/",
                    "tags": ["red"],
                }
            ),
        )
    from covet.rest.render import plan_response

    plan = plan_response(list[ArticleOut], None, "here")
    with record_queries() as queries:
        body = await plan.render(None, Article.objects.order_by("id"), None)  # type: ignore[misc]

    # The rows with their authors, and the tags of all.
    assert len(queries) == 2, [one.sql for one in queries]
    assert body.count(b"ann@example.org") == 6
    page = (await client.get("/api/counted/?size=4")).json()
    assert [item["tags"] for item in page["items"]] == [["red"]] * 4


async def test_rows_that_may_not_be_named_are_not_there(library: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.post("/narrow/", response=Narrow)
    async def narrow(request: Request, data: Narrow) -> Article:
        return await write.create(Article, data)

    @api.post("/ambiguous/", response=Ambiguous)
    async def ambiguous(request: Request, data: Ambiguous) -> Article:
        return await write.create(Article, data)

    client = await library(api)
    await fill()
    await Author.objects.create(name="Bob", email="bob2@example.org")

    assert (await client.post("/api/narrow/", json={"title": "x", "author": "ann@example.org"})).status_code == 200
    refused = await client.post("/api/narrow/", json={"title": "x", "author": "bob@example.org"})
    assert refused.json()["errors"][0]["code"] == "unknown_related"
    twice = await client.post("/api/ambiguous/", json={"title": "x", "author": "Bob"})
    assert twice.json()["errors"][0]["code"] == "ambiguous"


def test_a_slug_stays_the_name_in_bodies_beside_the_column_that_is_shown() -> None:
    class Both(ModelSchema, model=Article, fields=["id", "title", "author_id"]):
        author: Annotated[str, Slug("email")]

    assert {"author", "author_id"} & written(default_input(Article, Both)) == {"author"}


def test_a_marker_on_what_is_no_relation_is_refused() -> None:
    class Wrong(ModelSchema, model=Article, fields=["title"]):
        body: Annotated[str, Slug("name")]

    with pytest.raises(ImproperlyConfigured, match="no relation 'body'"):
        _run(resolve_related(Article, [Wrong(title="x", body="y")]))


def _run(coroutine: Any) -> None:
    try:
        coroutine.send(None)
    except StopIteration:
        return


def test_the_document_tells_texts_and_addresses() -> None:
    with override(DATABASES={}, MIDDLEWARE=[]):
        document = build_document(Resolver([path("api/", include(make_api()))]).routes, title="T")
    schemas = document["components"]["schemas"]
    shown, item = schemas["ArticleOut-Output"], schemas["ArticleInputItem"]
    linked, tag = schemas["LinkedArticle"], schemas["TagOut"]
    address = {"type": "string", "format": "uri-reference", "readOnly": True}

    assert shown["properties"]["author"]["type"] == "string"
    assert address.items() <= shown["properties"]["url"].items()
    assert shown["properties"]["tags"]["items"] == {"type": "string"}
    assert set(shown["required"]) == {"id", "title", "url", "author", "editor", "tags"}
    assert set(item["required"]) == {"id", "title", "author"}
    assert address.items() <= item["properties"]["url"].items()
    assert linked["properties"]["author"]["format"] == "uri-reference"
    assert linked["properties"]["tags"]["items"]["format"] == "uri-reference"
    assert address.items() <= tag["properties"]["url"].items()


class ByText(ModelSchema, model=Article, fields=["title"]):
    author: Annotated[str, Link("author-by-text")]


class ByTextViewSet(OpenViewSet, model=Article):
    schema = ByText
    input = ByText


async def test_what_names_a_row_is_read_as_its_field_has_it(library: Any) -> None:
    """A route may take any text where a number stands."""
    api = Router(permissions=[permissions.AllowAny])
    api.register("articles", ByTextViewSet)

    @api.get("people/<key>", name="author-by-text")
    async def person(key: str) -> str:
        return key

    client = await library(api)
    ann = await Author.objects.create(name="Ann", email="ann@x.y")

    made = await client.post("/api/articles/", json={"title": "A", "author": f"/api/people/{ann.pk}"})
    wrong = await client.post("/api/articles/", json={"title": "B", "author": "/api/people/nobody"})

    assert made.status_code == 201, made.text
    assert made.json() == {"title": "A", "author": f"/api/people/{ann.pk}"}
    assert wrong.status_code == 422
    assert [(one["pointer"], one["code"]) for one in wrong.json()["errors"]] == [("/author", "unknown_related")]


async def test_addresses_are_those_below_a_mount_point(library: Any) -> None:
    """Another application may have mounted this one: what it gives as an address it takes as one."""
    await library(make_api())
    marker = Link("authors-detail")
    mounted = script_prefix.set("/shop")
    try:
        address = marker.address(5)

        assert address == "/shop/api/authors/5/"
        assert marker.sought(address) == 5
        assert marker.sought("/api/authors/5/") is None
    finally:
        script_prefix.reset(mounted)


async def test_keys_may_be_held_to_the_rows_that_a_client_may_name(library: Any) -> None:
    """As REST framework's ``PrimaryKeyRelatedField`` does: a bare key is any row's, this one of those that are given."""

    class Held(ModelSchema, model=Article, fields=["title"]):
        author: Annotated[int, Slug("pk", queryset=lambda: Author.objects.filter(name="ours"))]
        editor: Annotated[int | None, Slug("pk")] = None

    class HeldArticles(ModelViewSet, model=Article):
        permissions = [permissions.AllowAny]
        input = Held

    api = Router()
    api.register("held", HeldArticles)
    client = await library(api)
    ours, theirs = [await Author.objects.create(name=name, email=f"{name}@example.org") for name in ("ours", "theirs")]

    kept = await client.post("/api/held/", json={"title": "a", "author": ours.pk, "editor": theirs.pk})
    refused = await client.post("/api/held/", json={"title": "b", "author": theirs.pk, "editor": 999})
    moved = await client.patch(f"/api/held/{kept.json()['id']}/", json={"author": theirs.pk})

    assert (kept.status_code, kept.json()["author"], kept.json()["editor"]) == (201, ours.pk, theirs.pk)
    assert refused.status_code == moved.status_code == 422
    assert [one["pointer"] for one in refused.json()["errors"]] == ["/author", "/editor"]
    assert moved.json()["errors"][0]["detail"] == f"There is no author {theirs.pk}."
