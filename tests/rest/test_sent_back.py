"""What was read may be sent back: what nobody writes is left aside, and the key says which row is meant."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import ConfigDict, Field, PlainSerializer, computed_field, field_serializer
from pydantic.alias_generators import to_camel

from covet.db import models
from covet.rest import ModelSchema, ModelViewSet, Router, permissions
from covet.rest.default_schemas import default_input, patch_schema
from tests.rest.library import Article, Author, Draft, Scan, Tag, Trailer


class AuthorShort(ModelSchema, model=Author, fields=["id", "name"]): ...


class ArticleOut(ModelSchema, model=Article, fields=["id", "title", "views", "tags"]):
    editor: AuthorShort | None = None
    shout: str = ""
    seen: Annotated[int, PlainSerializer(str)] = 0

    @computed_field
    def length(self) -> int:
        return len(self.title)


class DraftOut(ModelSchema, model=Draft, fields="__all__"):
    model_config = ConfigDict(alias_generator=to_camel)


class Open(ModelViewSet):
    permissions = [permissions.AllowAny]
    bulk = True


class Articles(Open, model=Article): ...


class ShownArticles(Open, model=Article):
    schema = ArticleOut


class Drafts(Open, model=Draft): ...


class CamelDrafts(Open, model=Draft):
    schema = DraftOut


class Scans(Open, model=Scan): ...


class Trailers(Open, model=Trailer): ...


def api() -> Router:
    router = Router()
    for name, viewset in {
        "articles": Articles,
        "shown": ShownArticles,
        "drafts": Drafts,
        "camel": CamelDrafts,
        "scans": Scans,
        "trailers": Trailers,
    }.items():
        router.register(name, viewset)
    return router


async def article(**values: Any) -> Article:
    ann = await Author.objects.create(name="Ann", email="ann@example.org")
    made = await Article.objects.create(title="Bees", author=ann, editor=ann, **values)
    await made.tags.set([await Tag.objects.create(name="honey")])
    return made


async def test_what_was_read_is_put_back(library: Any) -> None:
    client = await library(api())
    row = await article(views=3)
    address = f"/api/articles/{row.pk}/"
    read = (await client.get(address)).json()

    put = await client.put(address, json={**read, "title": "Wasps"})
    patched = await client.patch(address, json={**put.json(), "views": 5})
    listed = await client.put("/api/articles/bulk/", json=[{**patched.json(), "title": "Flies"}])
    each = await client.patch("/api/articles/bulk/", json=[{**patched.json(), "title": "Ants"}])

    assert (put.status_code, put.json()) == (200, {**read, "title": "Wasps"}), put.text
    assert (patched.status_code, patched.json()) == (200, {**read, "title": "Wasps", "views": 5}), patched.text
    assert (listed.status_code, listed.json()) == (200, [{**patched.json(), "title": "Flies"}]), listed.text
    assert (each.status_code, each.json()) == (200, [{**patched.json(), "title": "Ants"}]), each.text


async def test_what_answers_show_besides_is_left_aside(library: Any) -> None:
    client = await library(api())
    row = await article()
    address = f"/api/shown/{row.pk}/"
    author = row.author_id

    put = await client.put(
        address,
        json={
            "id": row.pk,
            "title": "Wasps",
            "author": author,
            "views": 1,
            "tags": [],
            "editor": {"id": 10**9, "name": ["no", "name"]},
            "shout": 5,
            "seen": {},
            "length": "long",
        },
    )
    patched = await client.patch(address, json={"length": 99, "editor": None})

    assert put.status_code == patched.status_code == 200, put.text + patched.text
    assert put.json() == {**patched.json(), "title": "Wasps", "length": 5}
    again = await Article.objects.get(pk=row.pk)
    assert (again.title, again.editor_id, again.author_id) == ("Wasps", author, author)


@pytest.mark.parametrize("method", ["put", "patch"])
async def test_the_key_of_another_row_is_named(library: Any, method: str) -> None:
    client = await library(api())
    row = await article()
    address = f"/api/articles/{row.pk}/"
    read = (await client.get(address)).json()

    other = await getattr(client, method)(address, json={**read, "id": row.pk + 1, "title": "Wasps"})
    word = await getattr(client, method)(address, json={**read, "id": "x"})
    null = await getattr(client, method)(address, json={**read, "id": None, "views": 7})

    [error] = other.json()["errors"]
    assert (other.status_code, error["pointer"], error["code"]) == (422, "/id", "key_change")
    assert (word.status_code, [one["pointer"] for one in word.json()["errors"]]) == (422, ["/id"])
    assert (null.status_code, null.json()) == (200, {**read, "views": 7})
    assert (await Article.objects.get()).title == "Bees"


async def test_a_new_row_is_given_no_key(library: Any) -> None:
    client = await library(api())
    row = await article()
    read = (await client.get(f"/api/articles/{row.pk}/")).json()

    kept = await client.post("/api/articles/", json=read)
    many = await client.post("/api/articles/bulk/", json=[{**read, "id": None}, read])
    made = await client.post("/api/articles/", json={**read, "id": None})

    for answer, pointer in ((kept, "/id"), (many, "/1/id")):
        [error] = answer.json()["errors"]
        assert (answer.status_code, error["pointer"], error["code"]) == (422, pointer, "read_only")
    assert made.status_code == 201
    assert (await Article.objects.count(), made.json()["id"] != row.pk) == (2, True)


async def test_a_put_is_the_whole_row_and_a_patch_is_not(library: Any) -> None:
    client = await library(api())
    row = await article(views=3, body="All of them.")
    address = f"/api/articles/{row.pk}/"
    read = (await client.get(address)).json()

    patched = await client.patch(address, json={"title": "Wasps"})
    put = await client.put(address, json={"title": "Wasps", "author": row.author_id})
    shown = await client.put(f"/api/shown/{row.pk}/", json={"title": "Ants", "author": row.author_id, "views": 1})

    assert patched.json() == {**read, "title": "Wasps"}
    assert put.json() == {**read, "title": "Wasps", "body": "", "views": 0, "editor": None, "tags": []}
    assert (shown.json()["title"], shown.json()["views"]) == ("Ants", 1)


async def test_what_is_unknown_is_an_error_still(library: Any) -> None:
    client = await library(api())
    row = await article()

    answer = await client.patch(f"/api/articles/{row.pk}/", json={"identity": 5, "zzz": 1})

    told = {one["pointer"]: one for one in answer.json()["errors"]}
    assert answer.status_code == 422
    assert {one["code"] for one in told.values()} == {"extra_forbidden"} and set(told) == {"/identity", "/zzz"}
    assert told["/zzz"]["detail"] == (
        "Unknown field 'zzz'. It takes: title, body, author, editor, published_at, views, tags."
    )


async def test_an_input_of_ones_own_without_the_key_says_to_leave_it_out(library: Any) -> None:
    class ArticleIn(ModelSchema, model=Article, fields=["title", "author"]):
        d: int = 0

    class Written(Open, model=Article):
        input = ArticleIn

    router = Router()
    router.register("written", Written)
    client = await library(router)
    row = await article()

    answer = await client.put(f"/api/written/{row.pk}/", json={"id": row.pk, "title": "Wasps", "author": row.author_id})

    [error] = answer.json()["errors"]
    assert (answer.status_code, error["pointer"], error["code"]) == (422, "/id", "extra_forbidden")
    assert error["detail"] == "Unknown field 'id'. The key is not written here: leave it out."


async def test_a_version_that_was_read_says_which_state_is_meant(library: Any) -> None:
    client = await library(api())
    made = (await client.post("/api/drafts/", json={"slug": "a", "version": 7})).json()
    address = f"/api/drafts/{made['id']}/"

    first = await client.put(address, json={**made, "text": "one"})
    stale = await client.put(address, json={**made, "text": "two"})
    without = await client.patch(address, json={"text": "three", "version": None})

    assert made["version"] == 1
    assert (first.status_code, first.json()["version"]) == (200, 2), first.text
    assert stale.status_code == 409, stale.text
    assert (without.status_code, without.json()["version"]) == (200, 3), without.text


async def test_names_are_those_of_the_answers(library: Any) -> None:
    client = await library(api())
    made = await client.post("/api/camel/", json={"slug": "a", "changedAt": "no moment"})
    address = f"/api/camel/{made.json()['id']}/"

    put = await client.put(address, json={**made.json(), "text": "one"})

    assert made.status_code == 201, made.text
    assert (put.status_code, put.json()["text"]) == (200, "one"), put.text


async def test_addresses_of_files_and_links_to_parents_are_left_aside(library: Any) -> None:
    client = await library(api())
    scan = await Scan.objects.create(title="Page", page="pages/a.txt")
    trailer = (await client.post("/api/trailers/", json={"plate": "B-1", "load": 900})).json()
    other = (await client.post("/api/trailers/", json={"plate": "B-2", "load": 900})).json()

    read = (await client.get(f"/api/scans/{scan.pk}/")).json()
    put = await client.put(f"/api/scans/{scan.pk}/", json={**read, "title": "Leaf", "page": "/etc/passwd"})
    back = await client.put(f"/api/trailers/{trailer['id']}/", json={**trailer, "plate": "B-3"})
    taken = await client.post("/api/trailers/", json={"plate": "B-4", "load": 1, "lorry_ptr": other["lorry_ptr"]})

    assert (put.status_code, put.json()) == (200, {**read, "title": "Leaf"}), put.text
    assert (back.status_code, back.json()) == (200, {**trailer, "plate": "B-3"}), back.text
    assert (taken.status_code, taken.json()["errors"][0]["pointer"]) == (422, "/lorry_ptr"), taken.text


async def test_a_patch_of_steps_says_what_is_read_only(library: Any) -> None:
    client = await library(api())
    row = await article()
    headers = {"Content-Type": "application/json-patch+json"}

    steps = [{"op": "replace", "path": "/id", "value": row.pk + 1}]
    answer = await client.patch(f"/api/articles/{row.pk}/", json=steps, headers=headers)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "read_only")


def test_a_field_that_is_spelled_by_its_schema_is_of_any_type() -> None:
    class Spelled(ModelSchema, model=Article, fields=["id", "title"]):
        count: int = 0

        @field_serializer("count")
        def words(self, value: int) -> str:
            return f"{value} words"

    made = default_input(Article, Spelled).model_json_schema()

    assert made["properties"]["count"] == {"readOnly": True, "title": "Count"}
    assert made["properties"]["id"]["type"] == "integer" and made["properties"]["id"]["readOnly"] is True
    assert made["required"] == ["title", "author"]


def test_a_body_has_the_names_of_answers_and_nothing_that_these_leave_out() -> None:
    class CamelOut(ModelSchema, model=Article, fields=["id", "title", "author", "published_at"]):
        model_config = ConfigDict(alias_generator=to_camel)

        hidden: str = Field("", exclude=True)

    made = default_input(Article, CamelOut)
    day = "2026-01-01T00:00:00Z"

    assert "hidden" not in made.model_fields
    for name in ("publishedAt", "published_at"):
        read: Any = made.model_validate({"title": "Bees", "author": 1, name: day})
        assert read.model_dump(mode="json")["published_at"] == day


def test_a_relation_that_is_only_shown_may_come_later() -> None:
    class Parcel(models.Model):
        name = models.CharField(max_length=10)
        sender: Any = models.ForeignKey("library.NotThereYet", on_delete=models.CASCADE, editable=False)

        class Meta:
            app_label = "library"

    class ParcelOut(ModelSchema, model=Parcel, fields=["id", "name", "sender"]): ...

    assert {"id", "sender"} <= set(default_input(Parcel, ParcelOut).model_fields)


def test_a_key_that_nobody_edits_is_not_chosen_by_a_client() -> None:
    made = patch_schema(default_input(Draft), Draft)

    assert made.model_validate({"id": 5, "changed_at": 5}).model_dump(exclude_unset=True) == {}
