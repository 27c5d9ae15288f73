"""What a client should not get by asking for it: other rows, hidden fields, more than a page, two writes for one."""

from __future__ import annotations

import asyncio
import base64
import difflib
import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict

from covet.rest import CursorPage, Form, ModelSchema, ModelViewSet, Query, Router, Schema, permissions
from covet.rest.throttle import Throttle
from covet.urls import include
from covet.urls import path as route
from tests.rest.conftest import KNOWN
from tests.rest.library import Article, Author, Book, Draft, Tag

OPEN = [permissions.AllowAny]


class AuthorShown(ModelSchema, model=Author, fields=["id", "name"]): ...


class AuthorWhole(ModelSchema, model=Author, fields=["id", "name", "email"]): ...


class Authors(ModelViewSet, model=Author):
    permissions = OPEN
    schema = AuthorShown
    # An input that names the key, as one that is nested elsewhere does.
    input = AuthorWhole
    filters = ["name", "name__in", "name__regex"]
    search = ["$name"]
    ordering = ["name"]
    bulk = True


class NotTheirs(permissions.Permission):
    message = "It is not yours."

    async def has_object_permission(self, connection: Any, target: Any, obj: Any) -> bool:
        return not (target.write and obj.name.startswith("theirs"))


class Tags(ModelViewSet, model=Tag):
    permissions = [NotTheirs()]
    bulk = True


class TagIn(ModelSchema, model=Tag, fields=["id", "name"]): ...


class BookIn(ModelSchema, model=Book, fields=["title"]):
    tags: list[TagIn] = []


class BookOut(ModelSchema, model=Book, fields=["id", "title"]):
    tags: list[TagIn]


class Books(ModelViewSet, model=Book):
    permissions = OPEN
    schema = BookOut
    input = BookIn


class Articles(ModelViewSet, model=Article):
    permissions = OPEN
    filters = ["views", "views__gte", "published_at__year", "published_at__gte", "author", "tags", "title__in"]
    bulk = True


class Drafts(ModelViewSet, model=Draft):
    permissions = OPEN


class DraftWhole(ModelSchema, model=Draft, fields="__all__"): ...


class WholeDrafts(ModelViewSet, model=Draft):
    permissions = OPEN
    # One schema for what is shown and what is taken.
    schema = DraftWhole
    input = DraftWhole


class ManyAuthors(ModelViewSet, model=Author):
    permissions = OPEN
    schema = AuthorShown
    pagination = CursorPage


def make_api() -> Router:
    api = Router()
    api.register("authors", Authors)
    api.register("many", ManyAuthors)
    api.register("tags", Tags)
    api.register("books", Books)
    api.register("articles", Articles)
    api.register("drafts", Drafts)
    api.register("whole", WholeDrafts)
    return api


async def test_a_body_does_not_name_the_row_that_is_changed(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    bob = await Author.objects.create(name="Bob", email="b@example.org")

    patched = await client.patch(f"/api/authors/{ann.pk}/", json={"id": bob.pk, "name": "Eve"})
    put = await client.put(f"/api/authors/{ann.pk}/", json={"id": bob.pk, "name": "Eve", "email": "e@example.org"})
    same = await client.patch(f"/api/authors/{ann.pk}/", json={"id": ann.pk, "name": "Anna"})

    assert [(one.status_code, one.json()["errors"][0]["pointer"]) for one in (patched, put)] == [(422, "/id")] * 2
    assert (same.status_code, same.json()) == (200, {"id": ann.pk, "name": "Anna"})
    assert [one.name async for one in Author.objects.order_by("pk")] == ["Anna", "Bob"]


async def test_shared_rows_are_attached_as_they_are(library: Any) -> None:
    client = await library(make_api())
    free = await Tag.objects.create(name="free")
    mine = (await client.post("/api/books/", json={"title": "a", "tags": [{"name": "mine"}]})).json()
    url = f"/api/books/{mine['id']}/"

    changed = await client.patch(url, json={"tags": [{"id": free.pk, "name": "stolen"}]})
    attached = await client.patch(url, json={"tags": [{"id": free.pk, "name": "free"}, mine["tags"][0]]})
    own = await client.patch(url, json={"tags": [{"id": free.pk, "name": "ours"}, {**mine["tags"][0], "name": "own"}]})

    assert changed.status_code == 422, changed.text
    assert changed.json()["errors"][0]["pointer"] == "/tags/0/name"
    assert (attached.status_code, own.status_code) == (200, 200), own.text
    assert sorted([one.name async for one in Tag.objects.all()]) == ["ours", "own"]


async def test_object_permissions_hold_for_many_at_once(library: Any) -> None:
    client = await library(make_api())
    mine, theirs = await Tag.objects.create(name="mine"), await Tag.objects.create(name="theirs")
    both = [{"id": mine.pk, "name": "a"}, {"id": theirs.pk, "name": "b"}]

    answers = [
        await client.put("/api/tags/bulk/", json=both, headers=KNOWN),
        await client.patch("/api/tags/bulk/", json=both, headers=KNOWN),
        await client.delete(f"/api/tags/bulk/?ids={mine.pk},{theirs.pk}", headers=KNOWN),
        await client.patch(f"/api/tags/{theirs.pk}/", json={"name": "c"}, headers=KNOWN),
        await client.delete(f"/api/tags/{theirs.pk}/", headers=KNOWN),
    ]

    assert [one.status_code for one in answers] == [403] * 5
    assert [one.name async for one in Tag.objects.order_by("pk")] == ["mine", "theirs"]


async def test_what_is_not_declared_cannot_be_asked_for(library: Any) -> None:
    client = await library(make_api())
    await Author.objects.create(name="Ann", email="a@example.org")

    for query in ("email=b@example.org", "email__startswith=b", "articles__title=x", "pk=99", "name__iexact=x"):
        answer = await client.get(f"/api/authors/?{query}")
        assert (answer.status_code, answer.json()["total"]) == (200, 1), query
    for query in (
        "ordering=email",
        "ordering=name,email",
        "ordering=?",
        "ordering=name__x",
        "ordering=--name",
        "ordering=1",
    ):
        assert (await client.get(f"/api/authors/?{query}")).status_code == 422, query
    for query in ("fields=email", "fields=name,email", "fields=__class__", "fields=name.x", "fields=pk", "fields="):
        assert (await client.get(f"/api/authors/?{query}")).status_code == 422, query


async def test_a_page_stays_within_its_limits(library: Any) -> None:
    client = await library(make_api())
    await Author.objects.create(name="Ann", email="a@example.org")

    for query in (
        *("size=0", "size=-1", "size=201", "size=1e3", "size=9999999999999999999", "size=abc", "size=%00"),
        *("page=0", "page=-1", "page=1.5", "page=abc", "page=2", "page=99999999999999999999999999", "page=NaN"),
    ):
        assert (await client.get(f"/api/authors/?{query}")).status_code in (404, 422), query


async def test_values_of_filters_beyond_the_database_are_no_fault_of_the_server(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    await Article.objects.create(title="a", author=ann)
    statuses = {}
    for path, name, value in (
        ("articles", "views", str(10**30)),
        ("articles", "views", "-" + str(10**30)),
        ("articles", "views__gte", str(2**63)),
        ("articles", "published_at__year", str(10**12)),
        ("articles", "published_at__year", "-5"),
        ("articles", "published_at__year", "0"),
        ("articles", "published_at__gte", "0001-01-01T00:00:00+14:00"),
        ("articles", "published_at__gte", "9999-12-31T23:59:59-14:00"),
        ("articles", "author", str(10**30)),
        ("articles", "tags", str(10**30)),
        ("articles", "title__in", "\x00"),
        ("authors", "name__regex", "("),
        ("authors", "name__regex", "\x00"),
        ("authors", "search", "("),
        ("authors", "search", "\x00 \ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
        ("authors", "name__in", ",".join(map(str, range(9_000)))),
        ("authors", "search", "a" * 201),
    ):
        client_answer = await client.request("GET", f"/api/{path}/", params={name: value})
        statuses[f"{name}={value[:12]}"] = client_answer.status_code
    assert set(statuses.values()) <= {200, 400, 404, 414, 422, 431}, statuses


def craft(values: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).rstrip(b"=").decode()


async def test_a_cursor_that_was_made_up_is_refused(library: Any) -> None:
    client = await library(make_api())
    for number in range(3):
        await Author.objects.create(name=f"a{number}", email=f"{number}@example.org")
    first = (await client.get("/api/many/?size=1")).json()
    text = first["next"].partition("cursor=")[2].partition("&")[0]
    mark, is_back, *values = json.loads(base64.urlsafe_b64decode(text + "=="))

    for made in (
        *("", "x", "%00", "a" * 3000, craft([]), craft([mark]), craft({"a": 1}), craft([mark, 1, *values])),  # type: ignore[arg-type]
        craft([mark + 1, is_back, *values]),
        craft([mark, is_back, None]),
        craft([mark, is_back, "1 OR 1=1"]),
        craft([mark, is_back, [1]]),
        craft([mark, is_back, *values, 1]),
    ):
        answer = await client.get("/api/many/", params={"cursor": made})
        assert answer.status_code == 422, (made, answer.text)
    # No row has such a key, and yet it is a place in the order.
    assert (await client.get("/api/many/", params={"cursor": craft([mark, is_back, 10**40])})).json()["items"] == []


async def test_a_patch_tells_null_from_nothing(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    article = await Article.objects.create(title="a", body="text", author=ann, editor=ann)
    url = f"/api/articles/{article.pk}/"

    nothing = await client.patch(url, json={})
    null = await client.patch(url, json={"editor": None, "published_at": None})
    wrong = await client.patch(url, json={"title": None, "views": None, "author": None, "tags": None})

    assert (nothing.status_code, null.status_code) == (200, 200)
    assert nothing.json()["editor"] == ann.pk
    assert null.json()["editor"] is None
    assert wrong.status_code == 422, wrong.text
    assert {one["pointer"] for one in wrong.json()["errors"]} == {"/title", "/views", "/author", "/tags"}
    kept = await Article.objects.get(pk=article.pk)
    assert (kept.title, kept.body, kept.author_id) == ("a", "text", ann.pk)


async def test_what_nobody_may_edit_is_left_out_of_a_write(library: Any) -> None:
    client = await library(make_api())

    made = await client.post("/api/authors/", json={"id": 77, "name": "Ann", "email": "a@example.org"})
    many = await client.post(
        "/api/authors/bulk/",
        json=[{"name": "A", "email": "b@example.org"}, {"id": 78, "name": "B", "email": "c@example.org"}],
    )
    draft = (
        await client.post(
            "/api/whole/", json={"slug": "a", "text": "b", "version": 7, "changed_at": "2001-01-01T00:00:00Z"}
        )
    ).json()
    again = await client.put(f"/api/whole/{draft['id']}/", json={**draft, "text": "c"})
    stale = await client.put(f"/api/whole/{draft['id']}/", json={**draft, "text": "d"})
    unsaid = await client.put(f"/api/whole/{draft['id']}/", json={"slug": "a", "text": "e"})

    assert (made.status_code, made.json()["errors"][0]["pointer"]) == (422, "/id")
    assert (many.status_code, many.json()["errors"][0]["pointer"]) == (422, "/1/id")
    assert await Author.objects.count() == 0
    assert draft["version"] != 7
    assert not draft["changed_at"].startswith("2001")
    assert (again.status_code, again.json()["text"]) == (200, "c")
    assert again.json()["version"] == draft["version"] + 1
    # The version that a client has read is no value to write, but says which state it means.
    assert (stale.status_code, unsaid.status_code) == (409, 200), unsaid.text


async def test_a_moment_beyond_the_calendar_is_told_with_its_place(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")

    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        answer = await client.post("/api/articles/", json={"title": "a", "author": ann.pk, "published_at": moment})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/published_at")


async def test_a_relation_is_named_twice_or_too_often(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    tag = await Tag.objects.create(name="t")

    twice = await client.post("/api/articles/", json={"title": "a", "author": ann.pk, "tags": [tag.pk, tag.pk]})
    huge = await client.post("/api/articles/", json={"title": "a", "author": ann.pk, "tags": [10**30]})

    assert twice.status_code in (201, 422), twice.text
    assert huge.status_code == 422


async def test_of_two_changes_meant_for_one_state_one_is_made(library: Any) -> None:
    client = await library(make_api())
    draft = await Draft.objects.create(slug="a", text="old")
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    for url, name in ((f"/api/drafts/{draft.pk}/", "text"), (f"/api/authors/{ann.pk}/", "name")):
        tag = (await client.get(url)).headers["etag"]

        answers = await asyncio.gather(
            *(client.patch(url, json={name: f"new{number}"}, headers={"If-Match": tag}) for number in range(4))
        )

        assert sorted(one.status_code for one in answers) == [200, 412, 412, 412], [one.text for one in answers]
        weak = (await client.get(url)).headers["etag"]
        assert (await client.patch(url, json={name: "x"}, headers={"If-Match": f"W/{weak}"})).status_code == 412


async def test_headers_that_anyone_can_write_count_for_nobody_else(site: Any) -> None:
    from covet.urls import include, path

    api = Router(permissions=OPEN, throttles=[Throttle("2/minute", by="ip")])

    @api.get("/limited")
    async def limited() -> str:
        return "a"

    client = await site([path("", include(api))])
    statuses = [
        (await client.get("/limited", headers={name: f"10.0.0.{number}"})).status_code
        for number, name in enumerate(("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP"))
    ]

    assert statuses == [200, 200, 429, 429, 429]


class Loose(Schema):
    title: str = ""


async def test_thousands_of_wrong_names_cost_no_more_than_a_hundred(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was meant by a name is looked for letter by letter: whoever sends many of them has not misspelt them."""
    api = Router(permissions=OPEN)

    @api.post("/body")
    async def body(data: Loose) -> None: ...

    @api.post("/form")
    async def form(data: Annotated[Strict, Form()]) -> None: ...

    @api.get("/query")
    async def query(data: Annotated[Strict, Query()]) -> None: ...

    class Shown(ModelSchema, model=Author, fields=["id", "name"]): ...

    @api.get("/fields", response=list[Shown], select_fields=True)
    async def fields() -> list[Author]:
        return []

    client = await site([route("api/", include(api))], enforce_csrf_checks=False)
    asked: list[str] = []
    monkeypatch.setattr(difflib, "get_close_matches", lambda name, *rest, **options: asked.append(name) or [])
    names = [f"titl{number}" for number in range(900)]

    answers = [
        await client.post("/api/body", json=dict.fromkeys(names, 1)),
        await client.post("/api/body", json={"a" * 100_000: 1}),
        await client.post("/api/form", data=dict.fromkeys(names, "1")),
        await client.get("/api/query", params=dict.fromkeys(names, "1")),
        await client.get("/api/fields", params={"fields": ",".join(["nmae"] * 150 + names[:100])}),
    ]

    assert [answer.status_code for answer in answers] == [422] * 5
    assert [len(answer.json()["errors"]) for answer in answers] == [100, 1, 100, 100, 100]
    assert [answer.json().get("more_errors") for answer in answers] == [True, None, True, True, True]
    assert len(asked) <= 404


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str = ""
