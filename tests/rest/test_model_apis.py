"""Viewsets in full: schemas for each action, hooks, bulk writes, conditions, chosen fields."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic import field_validator

from covet.exceptions import ImproperlyConfigured
from covet.http.errors import Conflict
from covet.http.request import Request
from covet.rest import ModelSchema, ModelViewSet, Page, Router, Schema, action, permissions
from covet.rest.default_schemas import patch_schema
from covet.rest.openapi import get_openapi
from tests.rest.library import Article, Author, Draft, Tag

told: list[str] = []


class AuthorShort(ModelSchema, model=Author, fields=["id", "name"]): ...


class SignUp(ModelSchema, model=Author, fields=["name", "email"]):
    invite: str

    @field_validator("invite")
    @classmethod
    def known(cls, value: str) -> str:
        if value != "yes":
            raise ValueError("This is no invitation.")
        return value


class Authors(ModelViewSet, model=Author):
    permissions = [permissions.AllowAny]
    schemas = {"list": AuthorShort, "short": AuthorShort}
    input = SignUp
    bulk = True

    async def perform_create(self, request: Request, data: Any) -> Any:
        return await Author.objects.create(name=data.name, email=data.email)

    async def perform_update(self, request: Request, instance: Any, data: Any, *, partial: bool) -> Any:
        told.append(",".join(sorted(data.model_fields_set)))
        instance.name = data.name or instance.name
        await instance.save()
        return instance

    @action(detail=True)
    async def short(self, request: Request, pk: int) -> Author:
        return await self.get_object(request, pk)  # type: ignore[no-any-return]


class Tags(ModelViewSet, model=Tag):
    permissions = [permissions.AllowAny]
    bulk = True
    lookup_field = "name"


class Hooked(ModelViewSet, model=Tag):
    permissions = [permissions.AllowAny]
    bulk = True

    def before_create(self, request: Request, data: Any) -> None:
        told.append(f"before create {data.name}")

    async def after_create(self, request: Request, instance: Any) -> None:
        told.append(f"after create {instance.pk is not None}")
        if instance.name == "refused":
            raise Conflict("Not this one.")

    async def before_update(self, request: Request, instance: Any, data: Any) -> None:
        told.append(f"before update {instance.name} {data.name}")

    def after_update(self, request: Request, instance: Any) -> None:
        told.append(f"after update {instance.name}")

    def before_delete(self, request: Request, instance: Any) -> None:
        if instance.name == "kept":
            raise Conflict("It stays.")

    def after_delete(self, request: Request, instance: Any) -> None:
        told.append(f"after delete {instance.name}")


class Drafts(ModelViewSet, model=Draft):
    permissions = [permissions.AllowAny]


class StrictDrafts(ModelViewSet, model=Draft):
    permissions = [permissions.AllowAny]
    require_match = True
    formats = ["json", "xml"]


class ArticleOut(ModelSchema, model=Article, fields=["id", "title", "body"]):
    author: AuthorShort
    editor: AuthorShort | None


class Articles(ModelViewSet, model=Article):
    permissions = [permissions.AllowAny]
    schema = ArticleOut
    ordering = ["title"]


class Upper(Schema):
    name: str
    email: str

    @field_validator("name")
    @classmethod
    def shout(cls, value: str) -> str:
        return value.upper()


def make_api() -> Router:
    api = Router()
    api.register("authors", Authors)
    api.register("tags", Tags)
    api.register("hooked", Hooked)
    api.register("drafts", Drafts)
    api.register("strict", StrictDrafts)
    api.register("articles", Articles)

    @api.get("/upper", response=Page[Upper], select_fields=True, permissions=[permissions.AllowAny])
    async def upper() -> Any:
        return Author.objects.order_by("pk")

    return api


@pytest.fixture(autouse=True)
def _forget() -> None:
    told.clear()


async def test_each_action_has_its_own_schema(library: Any) -> None:
    client = await library(make_api())

    made = await client.post("/api/authors/", json={"name": "Ann", "email": "a@example.org", "invite": "yes"})
    wrong = await client.post("/api/authors/", json={"name": "Ann", "email": "b@example.org", "invite": "no"})
    listed = await client.get("/api/authors/")
    short = await client.get(f"/api/authors/{made.json()['id']}/short/")

    assert made.json()["email"] == "a@example.org"
    assert wrong.json()["errors"][0]["pointer"] == "/invite"
    assert listed.json()["items"] == [short.json()] == [{"id": made.json()["id"], "name": "Ann"}]


async def test_a_patch_takes_the_inputs_own_fields_and_checks_too(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")

    fine = await client.patch(f"/api/authors/{ann.pk}/", json={"name": "Bob"})
    more = await client.patch(f"/api/authors/{ann.pk}/", json={"invite": "yes"})
    wrong = await client.patch(f"/api/authors/{ann.pk}/", json={"invite": "no"})

    assert [one.status_code for one in (fine, more, wrong)] == [200, 200, 422]
    assert told == ["name", "invite"]


def test_a_patch_is_derived_from_any_schema_but_from_no_struct() -> None:
    patch = patch_schema(Upper, Author)

    assert patch.model_validate({}).model_fields_set == set()
    assert patch.__name__ == "UpperPatch"
    with pytest.raises(ImproperlyConfigured, match="patch_input of its own"):
        patch_schema(dict, Author)


async def test_a_row_is_looked_up_by_another_field(library: Any) -> None:
    client = await library(make_api())
    await Tag.objects.create(name="red")

    found = await client.get("/api/tags/red/")
    missing = await client.get("/api/tags/blue/")

    assert (found.json()["name"], missing.status_code) == ("red", 404)


async def test_hooks_run_round_each_write_and_undo_it_when_they_raise(library: Any) -> None:
    client = await library(make_api())

    made = (await client.post("/api/hooked/", json={"name": "a"})).json()
    refused = await client.post("/api/hooked/", json={"name": "refused"})
    await client.put(f"/api/hooked/{made['id']}/", json={"name": "b"})
    await client.delete(f"/api/hooked/{made['id']}/")
    kept = await Tag.objects.create(name="kept")
    stays = await client.delete(f"/api/hooked/{kept.pk}/")

    assert (refused.status_code, stays.status_code) == (409, 409)
    assert [tag.name async for tag in Tag.objects.all()] == ["kept"]
    assert told == [
        "before create a",
        "after create True",
        "before create refused",
        "after create True",
        "before update a b",
        "after update b",
        "after delete b",
    ]


@pytest.mark.parametrize("prefix", ["tags", "hooked"])
async def test_many_rows_are_created_changed_and_deleted_at_once(library: Any, prefix: str) -> None:
    client = await library(make_api())
    url = f"/api/{prefix}/bulk/"

    made = await client.post(url, json=[{"name": "a"}, {"name": "b"}, {"name": "c"}])
    a, b, c = [one["id"] for one in made.json()]
    patched = await client.patch(url, json=[{"id": c, "name": "C"}, {"id": a, "name": "A"}])
    put = await client.put(url, json=[{"id": b, "name": "B"}])
    gone = await client.request("DELETE", f"{url}?ids={a},{b}")

    assert (made.status_code, gone.status_code) == (201, 204)
    assert patched.json() == [{"id": c, "name": "C"}, {"id": a, "name": "A"}]
    assert put.json() == [{"id": b, "name": "B"}]
    assert [tag.name async for tag in Tag.objects.all()] == ["C"]


@pytest.mark.parametrize("prefix", ["tags", "hooked"])
async def test_a_bulk_write_is_all_or_nothing_and_names_the_item(library: Any, prefix: str) -> None:
    client = await library(make_api())
    url = f"/api/{prefix}/bulk/"
    tag = await Tag.objects.create(name="there")

    twice = await client.post(url, json=[{"name": "new"}, {"name": "there"}])
    wrong = await client.post(url, json=[{"name": "new"}, {"name": 1}, {}])
    unknown = await client.patch(url, json=[{"id": tag.pk, "name": "x"}, {"id": 9999, "name": "y"}])
    repeated = await client.patch(url, json=[{"id": tag.pk, "name": "x"}, {"id": tag.pk, "name": "y"}])
    keyless = await client.patch(url, json=[{"name": "x"}])
    gone = await client.request("DELETE", f"{url}?ids={tag.pk},9999")
    empty = await client.post(url, json=[])

    assert (twice.status_code, [one["pointer"] for one in twice.json()["errors"]]) == (409, ["/1/name"])
    assert [one["pointer"] for one in wrong.json()["errors"]] == ["/1/name", "/2/name"]
    assert [one["pointer"] for one in unknown.json()["errors"]] == ["/1/id"]
    assert [one["code"] for one in repeated.json()["errors"]] == ["repeated_item"]
    assert [one["pointer"] for one in keyless.json()["errors"]] == ["/0/id"]
    assert gone.json()["errors"][0]["parameter"] == "ids"
    assert empty.status_code == 422
    assert [one.name async for one in Tag.objects.all()] == ["there"]


async def test_a_bulk_write_has_a_limit(library: Any) -> None:
    client = await library(make_api(), BULK_LIMIT=1)

    answer = await client.post("/api/tags/bulk/", json=[{"name": "a"}, {"name": "b"}])

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "too_many")


async def test_who_has_an_answer_gets_304(library: Any) -> None:
    client = await library(make_api())
    await Draft.objects.create(slug="a")
    draft = await Draft.objects.get(slug="a")
    url = f"/api/drafts/{draft.pk}/"

    first = await client.get(url)
    known = await client.get(url, headers={"If-None-Match": first.headers["etag"]})
    by_date = await client.get(url, headers={"If-Modified-Since": first.headers["last-modified"]})
    listed = await client.get("/api/drafts/")
    same_list = await client.get("/api/drafts/", headers={"If-None-Match": listed.headers["etag"]})
    fewer = await client.get(f"{url}?fields=slug")

    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", first.headers["etag"])
    assert (by_date.status_code, same_list.status_code) == (304, 304)
    assert fewer.headers["etag"] != first.headers["etag"]
    assert fewer.json() == {"slug": "a"}


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_a_change_is_made_only_to_the_state_it_is_meant_for(library: Any, method: str) -> None:
    client = await library(make_api())
    draft = await Draft.objects.create(slug="a")
    url = f"/api/drafts/{draft.pk}/"
    tag = (await client.get(url)).headers["etag"]
    body = None if method == "DELETE" else {"slug": "b"}
    await client.patch(url, json={"text": "changed"})

    stale = await client.request(method, url, json=body, headers={"If-Match": tag})
    fresh = (await client.get(url)).headers["etag"]
    fine = await client.request(method, url, json=body, headers={"If-Match": f'"other", {fresh}'})

    assert (stale.status_code, stale.headers["content-type"]) == (412, "application/problem+json")
    assert fine.status_code == (204 if method == "DELETE" else 200)


async def test_a_change_may_be_bound_to_a_date(library: Any) -> None:
    client = await library(make_api())
    draft = await Draft.objects.create(slug="a")
    url = f"/api/drafts/{draft.pk}/"

    old = await client.patch(url, json={"text": "x"}, headers={"If-Unmodified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"})
    fine = await client.patch(url, json={"text": "x"}, headers={"If-Unmodified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"})

    assert (old.status_code, fine.status_code) == (412, 200)


async def test_a_viewset_may_want_a_condition_and_takes_the_tag_of_any_form(library: Any) -> None:
    client = await library(make_api())
    draft = await Draft.objects.create(slug="a")
    url = f"/api/strict/{draft.pk}/"

    without = await client.patch(url, json={"text": "x"})
    tag = (await client.get(url, headers={"Accept": "application/xml"})).headers["etag"]
    fine = await client.patch(url, json={"text": "x"}, headers={"If-Match": tag})

    assert (without.status_code, fine.status_code) == (428, 200)


async def test_a_version_that_went_on_meanwhile_is_409(library: Any) -> None:
    class Slow(Drafts, model=Draft):
        async def perform_update(self, request: Request, instance: Any, data: Any, *, partial: bool) -> Any:
            await Draft.objects.filter(pk=instance.pk).update(text="theirs")
            return await super().perform_update(request, instance, data, partial=partial)

    api = Router()
    api.register("drafts", Slow)
    client = await library(api)
    draft = await Draft.objects.create(slug="a")
    url = f"/api/drafts/{draft.pk}/"
    tag = (await client.get(url)).headers["etag"]

    plain = await client.patch(url, json={"text": "mine"})
    bound = await client.patch(url, json={"text": "mine"}, headers={"If-Match": tag})

    assert (plain.status_code, bound.status_code) == (409, 412)


async def test_the_client_chooses_fields_and_only_their_columns_are_read(
    library: Any,
) -> None:
    from covet.db.observe import record_queries

    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    await Article.objects.create(title="a", body="long", author=ann, editor=ann)

    with record_queries() as some:
        flat = await client.get("/api/articles/?fields=title,id")
    with record_queries() as more:
        deep = await client.get("/api/articles/?fields=title,author.name&size=1")

    assert flat.json()["items"][0].keys() == {"id", "title"}
    assert deep.json()["items"] == [{"title": "a", "author": {"name": "Ann"}}]
    if client.way != "asgi":
        return  # what a server's own tasks ask is not recorded here
    read = "".join(one.sql for one in some)
    assert "body" not in read
    assert "JOIN" not in read
    joined = next(one.sql for one in more if "JOIN" in one.sql)
    assert joined.count("JOIN") == 1
    assert "email" not in joined
    assert "body" not in joined


async def test_unknown_fields_are_named(library: Any) -> None:
    client = await library(make_api())

    answer = await client.get("/api/articles/?fields=titel,author.nam,title.x,")
    empty = await client.get("/api/articles/?fields=,")
    long = await client.get("/api/articles/?fields=" + "title," * 1000)

    assert [one["detail"] for one in answer.json()["errors"]] == [
        "There is no field 'titel'. Did you mean 'title'?",
        "There is no field 'author.nam'. Did you mean 'name'?",
        "There is no field 'title.x'. It has: none.",
    ]
    assert [one.status_code for one in (answer, empty, long)] == [422, 422, 422]
    assert answer.json()["errors"][0]["parameter"] == "fields"


async def test_a_schema_that_writes_itself_is_cut_after_it_has(library: Any) -> None:
    client = await library(make_api())
    await Author.objects.create(name="Ann", email="a@example.org")

    answer = await client.get("/api/upper?fields=name")

    assert answer.json()["items"] == [{"name": "ANN"}]
    assert answer.json()["total"] == 1


async def test_the_document_tells_of_all_of_it(library: Any) -> None:
    await library(make_api())

    document = get_openapi()
    validate(document)
    listed = document["paths"]["/api/articles/"]["get"]
    patched = document["paths"]["/api/drafts/{pk}/"]["patch"]
    bulk = document["paths"]["/api/tags/bulk/"]

    assert "fields" in [one["name"] for one in listed["parameters"]]
    assert "304" in listed["responses"]
    assert "ETag" in listed["responses"]["200"]["headers"]
    for path, methods in document["paths"].items():
        for method in {"post", "put", "patch", "delete"} & methods.keys():
            answers = methods[method]["responses"]
            assert not any("ETag" in one.get("headers", {}) for one in answers.values()), (method, path)
    assert "412" in patched["responses"]
    assert "idempotency-key" in [one["name"] for one in patched["parameters"]]
    assert set(bulk) == {"post", "put", "patch", "delete"}


async def test_answers_of_chosen_fields_are_those_that_the_document_tells(library: Any) -> None:
    client = await library(make_api())
    ann = await Author.objects.create(name="Ann", email="a@example.org")
    article = await Article.objects.create(title="a", author=ann)
    document = get_openapi()
    validate(document)
    paths = document["paths"]

    for path, queries in (
        ("/api/articles/", ["", "?fields=title", "?fields=author.name,id", "?fields=id&fields=title"]),
        ("/api/articles/{pk}/", ["", "?fields=author", "?fields=editor.name"]),
    ):
        operation = paths[path]["get"]
        shown = operation["responses"]["200"]["content"]["application/json"]["schema"]
        told = Draft202012Validator({**shown, "components": document["components"]})
        whole = Draft202012Validator({**shown["anyOf"][0], "components": document["components"]})
        for query in queries:
            answer = await client.get(path.format(pk=article.pk) + query)
            assert answer.status_code == 200, answer.text
            told.validate(answer.json())
            assert whole.is_valid(answer.json()) is (query == "")
    parameter = next(one for one in paths["/api/articles/"]["get"]["parameters"] if one["name"] == "fields")

    assert (parameter["style"], parameter["explode"]) == ("form", False)
    assert parameter["schema"]["items"]["enum"] == [
        *("id", "title", "body", "author", "editor"),
        *("author.id", "author.name", "editor.id", "editor.name"),
    ]
    for name in parameter["schema"]["items"]["enum"]:
        assert (await client.get(f"/api/articles/?fields={name}")).status_code == 200
    assert document["components"]["schemas"]["ArticleOutChosen"].get("required") is None


class Branch(Schema):
    name: str
    twigs: list[Branch] = []


class BranchChosen(Schema):
    """A schema of the project's that has the name already."""


async def test_a_schema_that_holds_itself_can_be_chosen_from(library: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.get("/branch", select_fields=True)
    async def branch() -> Branch:
        return Branch(name="a", twigs=[Branch(name="b")])

    @api.get("/other")
    async def other() -> BranchChosen:
        return BranchChosen()

    client = await library(api)
    document = get_openapi()
    validate(document)
    schemas = document["components"]["schemas"]
    parameter = document["paths"]["/api/branch"]["get"]["parameters"][0]

    assert (await client.get("/api/branch?fields=twigs.name")).json() == {"twigs": [{"name": "b"}]}
    assert "pattern" in parameter["schema"]["items"]
    assert schemas["BranchChosen2"]["properties"]["twigs"]["items"] == {"$ref": "#/components/schemas/BranchChosen2"}
    assert "required" in schemas["Branch"]
    assert "required" not in schemas["BranchChosen2"]
