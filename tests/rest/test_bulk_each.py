"""Many rows by one request, each on its own: 207, and of each item its status, its row or what is wrong with it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from covet.exceptions import ImproperlyConfigured
from covet.http.errors import Conflict
from covet.http.request import Request
from covet.rest import ModelSchema, ModelViewSet, Router, permissions
from covet.rest.openapi import get_openapi
from covet.rest.openapi.typescript import typescript_client
from tests.rest.conftest import KNOWN
from tests.rest.library import Article, Author, Tag


class NotTheirs(permissions.Permission):
    async def has_object_permission(self, connection: Any, target: Any, obj: Any) -> bool:
        return not (target.write and obj.name == "theirs")


class Tags(ModelViewSet, model=Tag):
    permissions = [permissions.IsAuthenticatedOrReadOnly & NotTheirs()]
    bulk = "each"

    def before_create(self, request: Request, data: Any) -> None:
        if data.name == "refused":
            raise Conflict("Not this one.")


class AuthorShort(ModelSchema, model=Author, fields=["id", "name"]): ...


class ArticleOut(ModelSchema, model=Article, fields=["id", "title"]):
    author: AuthorShort


class Articles(ModelViewSet, model=Article):
    permissions = [permissions.AllowAny]
    schema = ArticleOut
    bulk = "each"


def make_api() -> Router:
    api = Router()
    api.register("tags", Tags)
    api.register("articles", Articles)
    return api


def told(answer: Any) -> list[tuple[Any, ...]]:
    assert answer.status_code == 207, answer.text
    return [
        (one["status"], *(one["item"] or {}).values())
        if one["problem"] is None
        else (one["status"], *(error["pointer"] for error in one["problem"].get("errors", [])))
        for one in answer.json()
    ]


@pytest.mark.parametrize("atomic", [False, True], ids=["alone", "in one transaction"])
async def test_what_fits_is_written_and_each_says_how_it_went(library: Any, atomic: bool) -> None:
    client = await library(make_api(), atomic_requests=atomic)
    there = await Tag.objects.create(name="there")
    theirs = await Tag.objects.create(name="theirs")
    url = "/api/tags/bulk/"

    made = await client.post(
        url,
        json=[{"name": "a"}, {"name": "there"}, {"name": 1}, {}, {"name": "refused"}, {"naem": "b"}, {"name": "b"}],
        headers=KNOWN,
    )
    a, b = made.json()[0]["item"]["id"], made.json()[6]["item"]["id"]
    patched = await client.patch(
        url,
        json=[
            {"id": a, "name": "A"},
            {"id": 9999, "name": "x"},
            {"id": theirs.pk, "name": "x"},
            {"id": b, "name": "A"},
        ],
        headers=KNOWN,
    )
    put = await client.put(url, json=[{"id": b, "name": "B"}, {"id": b}], headers=KNOWN)
    gone = await client.delete(f"{url}?ids={a},{theirs.pk},9999,{b}", headers=KNOWN)

    assert told(made) == [
        (201, a, "a"),
        (409, "/1/name"),
        (422, "/2/name"),
        (422, "/3/name"),
        (409,),
        (422, "/5/name", "/5/naem"),
        (201, b, "b"),
    ]
    assert made.json()[1]["problem"]["status"] == 409
    assert told(patched) == [(200, a, "A"), (404,), (403,), (409, "/3/name")]
    assert told(put) == [(200, b, "B"), (422, "/1/name")]
    assert told(gone) == [(204,), (403,), (404,), (204,)]
    assert [tag.name async for tag in Tag.objects.order_by("pk")] == [there.name, theirs.name]


async def test_what_holds_for_the_whole_is_refused_as_a_whole(library: Any) -> None:
    client = await library(make_api(), BULK_LIMIT=1)
    url = "/api/tags/bulk/"

    nobody = await client.post(url, json=[{"name": "a"}])
    many = await client.post(url, json=[{"name": "a"}, {"name": "b"}], headers=KNOWN)
    none = await client.post(url, json=[], headers=KNOWN)
    broken = await client.post(url, content=b"[{", headers={**KNOWN, "Content-Type": "application/json"})

    assert [one.status_code for one in (nobody, many, none, broken)] == [401, 422, 422, 400]


async def test_rows_are_shown_by_the_viewsets_schema(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")

    answer = await client.post(
        "/api/articles/bulk/", json=[{"title": "a", "author": ann.pk}, {"title": "b", "author": 9999}]
    )

    first, second = answer.json()
    assert first["item"]["author"] == {"id": ann.pk, "name": "Ann"}
    assert (second["status"], second["problem"]["errors"][0]["pointer"]) == (422, "/1/author")
    assert await Article.objects.count() == 1


async def test_the_document_tells_of_each_item(library: Any) -> None:
    client = await library(make_api())
    document = get_openapi()
    validate(document)
    operation = document["paths"]["/api/tags/bulk/"]["post"]
    shown = operation["responses"]["207"]["content"]["application/json"]["schema"]
    answer = await client.post("/api/tags/bulk/", json=[{"name": "a"}, {"name": "a"}], headers=KNOWN)

    Draft202012Validator({**shown, "components": document["components"]}).validate(answer.json())

    assert shown["items"]["$ref"].endswith("ItemResult_Tag_")
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body["items"] == {"$ref": "#/components/schemas/TagInput"}
    assert "207" in document["paths"]["/api/tags/bulk/"]["delete"]["responses"]
    assert "problem: Problem | null;" in typescript_client(document)


def test_items_are_read_by_schemas() -> None:
    class In(msgspec.Struct):
        name: str

    class Structs(ModelViewSet, model=Tag):
        input = In
        patch_input = In
        bulk = "each"

    with pytest.raises(ImproperlyConfigured, match="must be a Schema"):
        Structs.endpoints("tags", "tags")
