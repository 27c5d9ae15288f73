"""PATCH by JSON Patch and Merge Patch over HTTP, on three databases: what is changed, what is refused, what is told."""

from __future__ import annotations

import json
from typing import Any

from openapi_spec_validator import validate

from covet.http.request import Request
from covet.rest import JsonPatch, MergePatch, ModelSchema, ModelViewSet, Router, Schema, permissions
from covet.rest.openapi import get_openapi
from tests.rest.library import Article, Author, Book, Chapter, Draft, Tag, Thing

STEPS = {"Content-Type": "application/json-patch+json"}
MERGE = {"Content-Type": "application/merge-patch+json"}


class AuthorIn(ModelSchema, model=Author, fields=["name", "email"]): ...


class AuthorOut(ModelSchema, model=Author, fields=["id", "name"]):
    shown: str


class Authors(ModelViewSet, model=Author):
    permissions = [permissions.AllowAny]
    schema = AuthorOut
    input = AuthorIn


class Articles(ModelViewSet, model=Article):
    permissions = [permissions.AllowAny]


class Things(ModelViewSet, model=Thing):
    permissions = [permissions.AllowAny]
    formats = ["json", "msgpack", "xml"]


class Drafts(ModelViewSet, model=Draft):
    permissions = [permissions.AllowAny]


class StrictDrafts(Drafts):
    require_match = True


class Overtaken(ModelViewSet, model=Tag):
    """A row that somebody else changes whenever it is asked for."""

    permissions = [permissions.AllowAny]
    seen = 0

    async def get_object(self, request: Request, pk: Any) -> Any:
        type(self).seen += 1
        await Tag.objects.filter(pk=pk).update(name=f"changed {self.seen}")
        return await super().get_object(request, pk)


class NobodysTags(ModelViewSet, model=Tag):
    class Nobody(permissions.Permission):
        async def has_object_permission(self, connection: Any, target: Any, obj: Any) -> bool:
            return obj.name != "secret"

    permissions = [Nobody]


class ChapterIn(ModelSchema, model=Chapter, fields=["id", "title"]): ...


class BookIn(ModelSchema, model=Book, fields=["title"]):
    chapters: list[ChapterIn] = []


class Books(ModelViewSet, model=Book):
    permissions = [permissions.AllowAny]
    input = BookIn
    schema = BookIn


class Note(Schema):
    title: str
    tags: list[str] = []


def make_api() -> Router:
    api = Router(permissions=[permissions.AllowAny])
    api.register("authors", Authors)
    api.register("articles", Articles)
    api.register("things", Things)
    api.register("drafts", Drafts)
    api.register("strict", StrictDrafts)
    api.register("overtaken", Overtaken)
    api.register("nobodys", NobodysTags)
    api.register("books", Books)

    @api.patch("/stepped/")
    async def stepped(patch: JsonPatch) -> Note:
        return patch.apply(Note(title="a", tags=["x"]))

    @api.patch("/merged/")
    async def merged(patch: MergePatch) -> Note:
        return patch.apply(Note(title="a", tags=["x"]))

    @api.get("/merged/")
    async def read_merged() -> Note:
        return Note(title="a")

    return api


async def author(name: str = "Ann") -> Author:
    return await Author.objects.create(name=name, email=f"{name.lower()}@example.org")


async def test_steps_change_the_row_that_they_were_done_to(library: Any) -> None:
    client = await library(make_api())
    ann = await author()
    tags = [await Tag.objects.create(name=name) for name in ("red", "blue")]
    article = await Article.objects.create(title="a", author=ann, views=3)
    await article.tags.set([tags[0]])

    answer = await client.patch(
        f"/api/articles/{article.pk}/",
        json=[
            {"op": "test", "path": "/views", "value": 3},
            {"op": "replace", "path": "/title", "value": "b"},
            {"op": "copy", "from": "/title", "path": "/body"},
            {"op": "add", "path": "/tags/-", "value": tags[1].pk},
            {"op": "remove", "path": "/tags/0"},
            {"op": "add", "path": "/editor", "value": ann.pk},
        ],
        headers=STEPS,
    )
    gone = await client.patch(f"/api/articles/{article.pk}/", json=[{"op": "remove", "path": "/editor"}], headers=STEPS)
    nothing = await client.patch(f"/api/articles/{article.pk}/", json=[], headers=STEPS)

    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert (shown["title"], shown["body"], shown["tags"], shown["editor"]) == ("b", "b", [tags[1].pk], ann.pk)
    assert (gone.json()["editor"], nothing.status_code) == (None, 200)
    assert (await client.get(f"/api/articles/{article.pk}/")).json() == nothing.json() == gone.json()


async def test_a_merge_patch_goes_into_the_members_of_a_document(library: Any) -> None:
    client = await library(make_api())
    thing = {"text": "t", "number": 1, "ratio": 1.5, "price": "1.00", "flag": True}
    data = {"a": {"b": 1, "c": 2}, "d": [1]}
    made = (await client.post("/api/things/", json={**thing, "data": data, "day": "2026-01-01"})).json()
    place = f"/api/things/{made['key']}/"

    merged = await client.patch(place, json={"data": {"a": {"b": None, "x": {"y": None}}}}, headers=MERGE)
    cleared = await client.patch(place, json={"day": None}, headers=MERGE)
    stepped = await client.patch(
        place,
        json=[{"op": "add", "path": "/data/d/0", "value": 0}, {"op": "remove", "path": "/data/a/c"}],
        headers=STEPS,
    )
    replaced = await client.patch(place, json={"data": {"a": 1}})

    assert merged.json()["data"] == {"a": {"c": 2, "x": {}}, "d": [1]}
    assert cleared.json() == {**merged.json(), "day": None}
    assert stepped.json()["data"] == {"a": {"x": {}}, "d": [0, 1]}
    assert replaced.json()["data"] == {"a": 1}


async def test_a_patch_writes_nothing_that_a_body_may_not(library: Any) -> None:
    client = await library(make_api())
    ann, bob = await author(), await author("Bob")
    place = f"/api/authors/{ann.pk}/"

    def step(path: str, value: Any, op: str = "replace") -> list[dict[str, Any]]:
        return [{"op": op, "path": path, "value": value}]

    computed = await client.patch(place, json=step("/shown", "x"), headers=STEPS)
    key = await client.patch(place, json=step("/id", bob.pk), headers=STEPS)
    merged_key = await client.patch(place, json={"id": bob.pk, "name": "x"}, headers=MERGE)
    whole = await client.patch(place, json=step("", {"id": bob.pk, "name": "x", "shown": ""}), headers=STEPS)
    unknown = await client.patch(place, json=step("/nam", "x", "add"), headers=STEPS)
    invalid = await client.patch(place, json=step("/name", None), headers=STEPS)
    removed = await client.patch(place, json=[{"op": "remove", "path": "/name"}], headers=STEPS)
    emptied = await client.patch(place, json=step("", {}), headers=STEPS)
    no_object = await client.patch(place, json=step("", 5), headers=STEPS)
    hidden = await client.patch(place, json=step("/email", "new@example.org", "add"), headers=STEPS)
    taken = await client.patch(place, json=step("/email", "bob@example.org", "add"), headers=STEPS)

    assert [(one.status_code, one.json()["errors"][0]["pointer"]) for one in (computed, key, whole)] == [
        (409, "/shown"),
        (409, "/id"),
        (409, "/id"),
    ]
    assert computed.json()["errors"][0]["code"] == "read_only"
    assert (merged_key.status_code, merged_key.json()["errors"][0]["pointer"]) == (422, "/id")
    assert unknown.json()["errors"][0]["detail"] == "There is no member 'nam'. Did you mean 'name'?"
    assert (invalid.status_code, invalid.json()["errors"][0]["pointer"]) == (422, "/name")
    assert [(one.status_code, one.json()["errors"][0]["code"]) for one in (removed, no_object, emptied)] == [
        (409, "required"),
        (409, "no_object"),
        (409, "read_only"),
    ]
    assert hidden.status_code == 200  # what is written and never shown has no state that is known
    assert (taken.status_code, taken.json()["errors"][0]["pointer"]) == (409, "/email")
    rows = {one.name: one.email async for one in Author.objects.all()}
    assert rows == {"Ann": "new@example.org", "Bob": "bob@example.org"}


async def test_a_patch_reaches_no_nested_row_of_another(library: Any) -> None:
    client = await library(make_api())
    mine, other = [await Book.objects.create(title=title) for title in ("mine", "other")]
    chapters = [await Chapter.objects.create(book=book, title=book.title) for book in (mine, other)]

    stolen = await client.patch(
        f"/api/books/{mine.pk}/",
        json=[{"op": "add", "path": "/chapters/-", "value": {"id": chapters[1].pk, "title": "stolen"}}],
        headers=STEPS,
    )
    changed = await client.patch(
        f"/api/books/{mine.pk}/",
        json=[{"op": "replace", "path": "/chapters/0/title", "value": "new"}],
        headers=STEPS,
    )

    assert (stolen.status_code, stolen.json()["errors"][0]["pointer"]) == (422, "/chapters/1/id")
    assert changed.json()["chapters"] == [{"id": chapters[0].pk, "title": "new"}]
    assert [one.title async for one in Chapter.objects.order_by("pk")] == ["new", "other"]


async def test_what_does_not_fit_the_state_is_a_conflict(library: Any) -> None:
    client = await library(make_api())
    ann = await author()
    place = f"/api/authors/{ann.pk}/"

    failed = await client.patch(
        place,
        json=[{"op": "replace", "path": "/name", "value": "x"}, {"op": "test", "path": "/id", "value": 0}],
        headers=STEPS,
    )
    nowhere = await client.patch(place, json=[{"op": "replace", "path": "/b", "value": 1}], headers=STEPS)
    no_row = await client.patch("/api/authors/0/", json=[{"op": "add", "path": "/name", "value": "x"}], headers=STEPS)

    assert (failed.status_code, failed.headers["content-type"]) == (409, "application/problem+json")
    assert failed.json()["errors"] == [
        {"detail": "Another value is at '/id'.", "pointer": "/1/value", "code": "test_failed"}
    ]
    assert (nowhere.status_code, nowhere.json()["errors"][0]["pointer"]) == (409, "/0/path")
    assert no_row.status_code == 404
    assert (await Author.objects.get()).name == "Ann"


async def test_what_is_no_patch_is_refused(library: Any) -> None:
    client = await library(make_api())
    ann = await author()
    place = f"/api/authors/{ann.pk}/"

    def sent(content: str, headers: dict[str, str] = STEPS) -> Any:
        return client.patch(place, content=content.encode(), headers=headers)

    twice = await sent('[{"op": "add", "path": "/name", "value": "x", "op": "remove"}]')  # RFC 6902, A.13
    broken = await sent("[")
    number = await sent('[{"op": "add", "path": "/name", "value": NaN}]')
    single = await sent('{"op": "add", "path": "/name", "value": "x"}')
    unknown = await sent('[{"op": "spam", "path": "/name"}]')
    relative = await sent('[{"op": "remove", "path": "name"}]')
    many = await sent(json.dumps([{"op": "test", "path": "/name", "value": "Ann"}] * 1001))
    deep = await sent('{"name": {"a":' + "[" * 100_000 + "]" * 100_000 + "}}", MERGE)
    text = await sent('"x"', MERGE)

    assert [one.status_code for one in (twice, broken, number, deep)] == [400, 400, 400, 400]
    assert [one.status_code for one in (single, unknown, relative, many, text)] == [422] * 5
    assert unknown.json()["errors"][0]["pointer"] == "/0"
    assert relative.json()["errors"][0]["pointer"] == "/0/path"
    assert (await Author.objects.get()).name == "Ann"


async def test_conditions_and_versions_hold_for_patches(library: Any) -> None:
    client = await library(make_api())
    draft = await Draft.objects.create(slug="a", text="x")
    place = f"/api/drafts/{draft.pk}/"
    tag = (await client.get(place)).headers["etag"]
    steps = [{"op": "replace", "path": "/text", "value": "y"}]

    fine = await client.patch(place, json=steps, headers={**STEPS, "If-Match": tag})
    stale = await client.patch(place, json=steps, headers={**STEPS, "If-Match": tag})
    strict = await client.patch(f"/api/strict/{draft.pk}/", json=steps, headers=STEPS)
    version = await client.patch(place, json=[{"op": "test", "path": "/version", "value": 99}, *steps], headers=STEPS)

    assert [one.status_code for one in (fine, stale, strict, version)] == [200, 412, 428, 409]


async def test_a_row_that_changes_meanwhile_is_a_conflict(library: Any) -> None:
    client = await library(make_api())
    tag = await Tag.objects.create(name="a")

    answer = await client.patch(
        f"/api/overtaken/{tag.pk}/", json=[{"op": "replace", "path": "/name", "value": "mine"}], headers=STEPS
    )

    assert answer.status_code == 409
    assert "changed while" in answer.json()["detail"]
    assert (await Tag.objects.get()).name != "mine"


async def test_who_may_not_learns_nothing_of_the_row(library: Any) -> None:
    client = await library(make_api())
    tag = await Tag.objects.create(name="secret")

    answer = await client.patch(
        f"/api/nobodys/{tag.pk}/", json=[{"op": "test", "path": "/name", "value": "secret"}], headers=STEPS
    )

    assert answer.status_code in (401, 403)


async def test_answers_to_patches_have_any_form(library: Any) -> None:
    client = await library(make_api())
    thing = {"text": "t", "number": 1, "ratio": 1.5, "price": "1.00", "flag": True}
    made = (await client.post("/api/things/", json=thing)).json()

    answer = await client.patch(
        f"/api/things/{made['key']}/?fields=text",
        json=[{"op": "replace", "path": "/text", "value": "u"}],
        headers={**STEPS, "Accept": "application/xml"},
    )

    assert answer.status_code == 200
    assert "<text>u</text>" in answer.text


async def test_handlers_take_patches_as_they_are(library: Any) -> None:
    client = await library(make_api())

    stepped = await client.patch("/api/stepped/", json=[{"op": "add", "path": "/tags/0", "value": "w"}], headers=STEPS)
    merged = await client.patch("/api/merged/", json={"title": "b", "tags": None}, headers=MERGE)
    invalid = await client.patch("/api/stepped/", json=[{"op": "remove", "path": "/title"}], headers=STEPS)
    nowhere = await client.patch("/api/stepped/", json=[{"op": "remove", "path": "/tags/1"}], headers=STEPS)
    as_json = await client.patch("/api/stepped/", json=[])
    other = await client.patch("/api/merged/", json=[], headers=STEPS)

    assert stepped.json() == {"title": "a", "tags": ["w", "x"]}
    assert merged.json() == {"title": "b", "tags": []}
    assert (invalid.status_code, invalid.json()["errors"][0]["pointer"]) == (422, "/title")
    assert (nowhere.status_code, nowhere.json()["errors"][0]["pointer"]) == (409, "/0/path")
    assert (as_json.status_code, other.status_code) == (415, 415)
    assert as_json.headers["accept-patch"] == "application/json-patch+json"
    assert "not application/json." in as_json.json()["detail"]


async def test_clients_learn_which_patches_there_are(library: Any) -> None:
    client = await library(make_api())
    thing = await Thing.objects.create(text="t", number=1, ratio=1, price=1, flag=True)
    kinds = "application/json, application/msgpack, application/xml, application/merge-patch+json, application/json-patch+json"

    options = await client.options(f"/api/things/{thing.pk}/")
    not_allowed = await client.post(f"/api/things/{thing.pk}/", json={})
    unread = await client.patch(f"/api/things/{thing.pk}/", content=b"x", headers={"Content-Type": "text/plain"})
    without = await client.options("/api/things/")

    assert (options.status_code, options.headers["accept-patch"]) == (204, kinds)
    assert (not_allowed.status_code, not_allowed.headers["accept-patch"]) == (405, kinds)
    assert (unread.status_code, unread.headers["accept-patch"]) == (415, kinds)
    assert "accept-patch" not in without.headers


async def test_the_document_tells_of_patches(library: Any) -> None:
    await library(make_api())
    document = get_openapi()
    validate(document)
    patched = document["paths"]["/api/authors/{pk}/"]["patch"]
    content = patched["requestBody"]["content"]
    schemas = document["components"]["schemas"]

    assert list(content) == ["application/json", "application/merge-patch+json", "application/json-patch+json"]
    assert content["application/merge-patch+json"] == content["application/json"]
    assert content["application/json-patch+json"] == {"schema": {"$ref": "#/components/schemas/JsonPatch"}}
    assert schemas["JsonPatch"]["items"]["discriminator"]["propertyName"] == "op"
    assert schemas["MoveOperation"]["required"] == ["path", "op", "from"]
    assert "Accept-Patch" in patched["responses"]["415"]["headers"]
    assert list(document["paths"]["/api/stepped/"]["patch"]["requestBody"]["content"]) == [
        "application/json-patch+json"
    ]
    assert list(document["paths"]["/api/authors/{pk}/"]["put"]["requestBody"]["content"]) == ["application/json"]


async def test_many_rows_are_changed_by_no_patch_document(library: Any) -> None:
    class Tags(ModelViewSet, model=Tag):
        permissions = [permissions.AllowAny]
        bulk = True

    class EachTags(Tags):
        bulk = "each"

    class FormedTags(Tags):
        formats = ["json", "csv"]

    api = Router()
    for name, viewset in (("tags", Tags), ("each", EachTags), ("formed", FormedTags)):
        api.register(name, viewset)
    client = await library(api)
    tag = await Tag.objects.create(name="red")
    body = json.dumps([{"id": tag.pk, "name": "blue"}])

    for name in ("tags", "each", "formed"):
        reads = "application/json, text/csv" if name == "formed" else "application/json"
        for form in (STEPS, MERGE):
            answer = await client.patch(f"/api/{name}/bulk/", content=body, headers=form)
            assert answer.status_code == 415, answer.text
            assert answer.headers["accept-patch"] == reads
            assert answer.json()["detail"] == f"This endpoint reads {reads}, not {form['Content-Type']}."
        told = await client.options(f"/api/{name}/bulk/")
        assert told.headers["accept-patch"] == reads
    assert (await Tag.objects.get()).name == "red"
    kept = await client.patch("/api/tags/bulk/", content=body, headers={"Content-Type": "application/vnd.tags+json"})
    assert (kept.status_code, kept.json()[0]["name"]) == (200, "blue")


async def test_many_rows_are_changed_by_a_table(library: Any) -> None:
    class Tags(ModelViewSet, model=Tag):
        permissions = [permissions.AllowAny]
        bulk = True
        formats = ["json", "csv"]

    api = Router()
    api.register("tags", Tags)
    client = await library(api)
    one, two = [await Tag.objects.create(name=name) for name in ("red", "blue")]

    answer = await client.patch(
        "/api/tags/bulk/",
        content=f"id,name\r\n{one.pk},green\r\n{two.pk},black\r\n",
        headers={"Content-Type": "text/csv"},
    )

    assert answer.status_code == 200, answer.text
    assert [tag.name async for tag in Tag.objects.order_by("pk")] == ["green", "black"]
