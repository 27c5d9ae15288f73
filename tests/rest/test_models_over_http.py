"""Models through an API, on three databases and both ways of a request."""

from typing import Annotated, Any

import pytest

from covet.db import connections
from covet.db.models import QuerySet
from covet.db.models.query import run
from covet.http.request import Request
from covet.rest import Filters, FilterSet, ModelSchema, Page, Router, Schema, permissions, write
from covet.shortcuts import get_object_or_404
from tests.rest.conftest import KNOWN
from tests.rest.library import Article, Author, Tag


class ArticleOut(ModelSchema, model=Article, fields=["id", "title", "author", "published_at"]): ...


class ArticleIn(ModelSchema, model=Article, fields=["title", "body", "author", "editor", "tags"]): ...


class AuthorOut(ModelSchema, model=Author, fields=["id", "name"]): ...


class AuthorIn(ModelSchema, model=Author, fields=["name", "email"]): ...


class Detail(ModelSchema, model=Article, fields=["id", "title", "tags"]):
    author: AuthorOut


def make_api() -> Router:
    api = Router()

    @api.get("/articles/", response=Page[ArticleOut])
    async def list_articles(
        request: Request,
        filters: Annotated[Filters, FilterSet(Article, filters=["author", "title__icontains"], ordering=["title"])],
    ) -> QuerySet[Article]:
        return filters.apply(Article.objects.all())

    @api.post("/articles/", status=201, response=ArticleOut)
    async def create_article(request: Request, data: ArticleIn) -> Article:
        return await write.create(Article, data)

    @api.get("/articles/<int:pk>", response=ArticleOut)
    async def read_article(request: Request, pk: int) -> Article:
        return await get_object_or_404(Article, pk=pk)

    @api.get("/details/", response=list[Detail])
    async def list_details(request: Request) -> QuerySet[Article]:
        return Article.objects.order_by("pk")

    @api.get("/details/<int:pk>", response=Detail)
    async def read_detail(request: Request, pk: int) -> Article:
        return await get_object_or_404(Article, pk=pk)

    @api.post("/authors/", status=201, response=AuthorOut, permissions=[permissions.AllowAny])
    async def create_author(data: AuthorIn) -> Author:
        return await Author.objects.create(**data.model_dump())

    @api.delete("/authors/<int:pk>", permissions=[permissions.AllowAny], model=Author)
    async def delete_author(pk: int) -> None:
        await Author.objects.filter(pk=pk).delete()

    return api


async def author(n: int = 1) -> Author:
    return await Author.objects.create(name=f"Ann {n}", email=f"ann{n}@example.org")


async def test_an_article_is_created_listed_and_read(library: Any) -> None:
    client = await library(make_api())
    ann = await author()

    created = await client.post("/api/articles/", json={"title": "Hi", "author": ann.pk}, headers=KNOWN)
    listed = await client.get("/api/articles/")
    read = await client.get(f"/api/articles/{created.json()['id']}")

    shown = {"id": created.json()["id"], "title": "Hi", "author": ann.pk, "published_at": None}
    assert created.status_code == 201, created.text
    assert created.json() == read.json() == shown
    assert listed.json() == {"items": [shown], "total": 1, "page": 1, "size": 50, "next": None, "previous": None}


async def test_a_list_goes_from_rows_to_bytes_and_no_instance_is_made(
    library: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await library(make_api())
    ann = await author()
    await Article.objects.bulk_create([Article(title=f"T{n}", author=ann) for n in range(5)])
    hydrated: list[Any] = []
    hydrate = run.instances

    def count(root: Any, *args: Any, **options: Any) -> Any:
        hydrated.append(root)
        return hydrate(root, *args, **options)

    monkeypatch.setattr(run, "instances", count)
    response = await client.get("/api/articles/?size=3&ordering=-title")
    assert hydrated == []
    await client.get("/api/details/")
    assert hydrated  # what is counted counts: a nested schema needs instances

    assert [one["title"] for one in response.json()["items"]] == ["T4", "T3", "T2"]


async def test_pages_link_to_one_another_and_end(library: Any) -> None:
    client = await library(make_api())
    ann = await author()
    await Article.objects.bulk_create([Article(title=f"T{n}", author=ann) for n in range(5)])

    first = (await client.get("/api/articles/?size=2&title__icontains=t")).json()
    second = (await client.get(first["next"])).json()
    last = (await client.get(second["next"])).json()
    behind = await client.get("/api/articles/?page=4&size=2")
    wrong = await client.get("/api/articles/?page=0&size=1000")

    assert first["previous"] is None
    assert second["previous"] == "/api/articles/?size=2&title__icontains=t&page=1"
    assert [len(page["items"]) for page in (first, second, last)] == [2, 2, 1]
    assert last["next"] is None
    assert (last["total"], last["page"], last["size"]) == (5, 3, 2)
    assert behind.status_code == 404
    assert {one["parameter"] for one in wrong.json()["errors"]} == {"page", "size"}


async def test_a_list_is_filtered_by_declared_names_only(library: Any) -> None:
    client = await library(make_api())
    ann, bob = await author(1), await author(2)
    await Article.objects.bulk_create([Article(title="One", author=ann), Article(title="Two", author=bob)])

    by_author = (await client.get(f"/api/articles/?author={bob.pk}")).json()["items"]
    by_title = (await client.get("/api/articles/?title__icontains=ON")).json()["items"]
    undeclared = (await client.get("/api/articles/?body=x")).json()["total"]
    wrong = await client.get("/api/articles/?author=x&ordering=titel")

    assert [one["title"] for one in by_author] == ["Two"]
    assert [one["title"] for one in by_title] == ["One"]
    assert undeclared == 2
    assert wrong.status_code == 422
    told = {one["parameter"]: one["detail"] for one in wrong.json()["errors"]}
    assert "Did you mean 'title'?" in told["ordering"]
    assert "author" in told


async def test_an_unknown_foreign_key_is_422_with_its_pointer(library: Any) -> None:
    client = await library(make_api())
    ann = await author()

    one = await client.post("/api/articles/", json={"title": "Hi", "author": 999}, headers=KNOWN)
    other = await client.post("/api/articles/", json={"title": "Hi", "author": ann.pk, "editor": 998}, headers=KNOWN)

    assert one.status_code == other.status_code == 422, one.text
    assert [(e["pointer"], e["code"]) for e in one.json()["errors"]] == [("/author", "foreign_key")]
    assert [(e["pointer"], e["code"]) for e in other.json()["errors"]] == [("/editor", "foreign_key")]
    assert "999" in one.json()["errors"][0]["detail"]
    assert await Article.objects.count() == 0


async def test_an_unknown_many_to_many_key_is_422_and_nothing_is_left_behind(library: Any) -> None:
    client = await library(make_api())
    ann, tag = await author(), await Tag.objects.create(name="a")

    response = await client.post(
        "/api/articles/", json={"title": "Hi", "author": ann.pk, "tags": [tag.pk, 999]}, headers=KNOWN
    )

    assert response.status_code == 422, response.text
    assert [e["pointer"] for e in response.json()["errors"]] == ["/tags/1"]
    assert await Article.objects.count() == 0


async def test_many_to_many_keys_are_set_after_the_save(library: Any) -> None:
    client = await library(make_api())
    ann = await author()
    tags = [await Tag.objects.create(name=name) for name in "ab"]

    created = await client.post(
        "/api/articles/", json={"title": "Hi", "author": ann.pk, "tags": [one.pk for one in tags]}, headers=KNOWN
    )
    detail = await client.get(f"/api/details/{created.json()['id']}")
    details = await client.get("/api/details/")

    assert detail.json() == {
        "id": created.json()["id"],
        "title": "Hi",
        "tags": [one.pk for one in tags],
        "author": {"id": ann.pk, "name": "Ann 1"},
    }
    assert details.json() == [detail.json()]


async def test_a_taken_unique_value_is_409_with_its_pointer(library: Any) -> None:
    client = await library(make_api())
    await author()

    response = await client.post("/api/authors/", json={"name": "Ann", "email": "ann1@example.org"})

    assert response.status_code == 409, response.text
    assert [(e["pointer"], e["code"]) for e in response.json()["errors"]] == [("/email", "unique")]


async def test_the_models_rules_hold_for_what_comes_in(library: Any) -> None:
    client = await library(make_api())

    author = await client.post("/api/authors/", json={"name": "", "email": "nobody"})
    article = await client.post(
        "/api/articles/", json={"title": "x" * 21, "author": "y", "tags": ["z"], "titel": 1}, headers=KNOWN
    )

    assert {(e["pointer"], e["code"]) for e in author.json()["errors"]} == {("/name", "blank"), ("/email", "invalid")}
    assert {(e["pointer"], e["code"]) for e in article.json()["errors"]} == {
        ("/title", "string_too_long"),
        ("/author", "int_parsing"),
        ("/tags/0", "int_parsing"),
        ("/titel", "extra_forbidden"),
    }


async def test_writing_asks_for_a_user_and_reading_does_not(library: Any) -> None:
    client = await library(make_api())

    read = await client.get("/api/articles/")
    write_ = await client.post("/api/articles/", json={"nonsense": 1})

    assert read.status_code == 200
    assert write_.status_code == 401
    assert write_.headers["www-authenticate"] == "Session"
    assert write_.headers["content-type"] == "application/problem+json"


async def test_what_is_not_there_is_404_as_a_problem_for_browsers_too(library: Any) -> None:
    client = await library(make_api())

    response = await client.get("/api/articles/99", headers={"Accept": "text/html"})

    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_deleting_has_no_body(library: Any) -> None:
    client = await library(make_api())
    ann = await author()

    response = await client.delete(f"/api/authors/{ann.pk}")

    assert (response.status_code, response.content) == (204, b"")
    assert not await Author.objects.exists()


async def test_a_plain_schema_may_show_a_models_rows(library: Any) -> None:
    class Bare(Schema):
        id: int
        title: str

    api = Router()

    @api.get("/bare/", response=list[Bare])
    async def bare() -> QuerySet[Article]:
        return Article.objects.order_by("title")

    client = await library(api)
    ann = await author()
    await Article.objects.create(title="T", author=ann)

    assert [one["title"] for one in (await client.get("/api/bare/")).json()] == ["T"]


@pytest.mark.parametrize("number", [2**31, 2**63, 10**30])
async def test_a_number_beyond_the_database_is_no_fault_of_the_server(library: Any, number: int) -> None:
    client = await library(make_api())

    response = await client.get(f"/api/articles/{number}")

    assert response.status_code in (404, 422)


async def test_broken_rules_are_told_inside_a_tests_transaction_too(library: Any) -> None:
    """A project's own tests run in one transaction; a broken rule must neither hide nor spoil it."""
    client = await library(make_api())

    async with connections["default"].pinned():
        ann = await author()
        dangling = await client.post("/api/articles/", json={"title": "Hi", "author": 999}, headers=KNOWN)
        tags = await client.post("/api/articles/", json={"title": "Hi", "author": ann.pk, "tags": [998]}, headers=KNOWN)
        taken = await client.post("/api/authors/", json={"name": "Ann", "email": ann.email})
        fine = await client.post("/api/articles/", json={"title": "Hi", "author": ann.pk}, headers=KNOWN)

    assert (dangling.status_code, [e["pointer"] for e in dangling.json()["errors"]]) == (422, ["/author"])
    assert (tags.status_code, [e["pointer"] for e in tags.json()["errors"]]) == (422, ["/tags/0"])
    assert (taken.status_code, [e["pointer"] for e in taken.json()["errors"]]) == (409, ["/email"])
    assert fine.status_code == 201


async def test_a_null_character_is_no_fault_of_the_server(library: Any) -> None:
    client = await library(make_api())

    written = await client.post("/api/authors/", json={"name": "a\0b", "email": "a@example.org"})
    asked = await client.get("/api/articles/?title__icontains=%00")

    assert written.status_code == 422
    assert asked.status_code in (200, 422)
