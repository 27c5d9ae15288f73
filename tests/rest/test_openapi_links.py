"""Links of the document: what can be done with a row that an answer shows, by its key; followed, and compared."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from openapi_spec_validator import validate

from covet.http.request import Request
from covet.rest import ModelSchema, ModelViewSet, ReadOnlyModelViewSet, Router, action, permissions
from covet.rest.openapi import build_document, get_openapi
from covet.rest.openapi.breaking import breakages
from covet.urls import include, path
from covet.urls.resolver import Resolver
from tests.rest.library import Author, Draft, Tag


class AuthorNamed(ModelSchema, model=Author, fields=["name"]): ...


class Open(ModelViewSet):
    permissions = [permissions.AllowAny]


class Authors(Open, model=Author):
    @action(detail=True)
    async def again(self, request: Request, pk: int) -> Author:
        return await self.get_object(request, pk)  # type: ignore[no-any-return]


class Tags(Open, model=Tag):
    lookup_field = "name"
    bulk = True


class Keyless(Open, model=Author):
    schema = AuthorNamed


class Some(Open, model=Draft):
    serves = ["create", "read"]


class Read(ReadOnlyModelViewSet, model=Draft):
    permissions = [permissions.AllowAny]


def make_api(*, trailing_slash: bool = True) -> Router:
    api = Router(trailing_slash=trailing_slash)
    for prefix, viewset in (("authors", Authors), ("tags", Tags), ("keyless", Keyless), ("some", Some), ("read", Read)):
        api.register(prefix, viewset)
    return api


def document_of(*routers: Router) -> Any:
    return build_document(Resolver([path(f"{number}/", include(one)) for number, one in enumerate(routers)]).routes)


def links_of(document: Any, method: str, place: str, status: str) -> Any:
    return document["paths"][place][method]["responses"][status].get("links", {})


@pytest.mark.parametrize("slash", ["/", ""], ids=["slash", "no slash"])
def test_a_new_row_is_linked_to_what_can_be_done_with_it(slash: str) -> None:
    document = document_of(make_api(trailing_slash=bool(slash)))
    validate(document)
    by_key = {"pk": "$response.body#/id"}
    by_path = {"pk": "$request.path.pk"}

    assert links_of(document, "post", f"/0/authors{slash}", "201") == {
        "read": {"operationId": "authors_read", "parameters": by_key},
        "update": {"operationId": "authors_update", "parameters": by_key},
        "patch": {"operationId": "authors_patch", "parameters": by_key},
        "delete": {"operationId": "authors_delete", "parameters": by_key},
    }
    assert links_of(document, "get", f"/0/authors/{{pk}}{slash}", "200") == {
        "update": {"operationId": "authors_update", "parameters": by_path},
        "patch": {"operationId": "authors_patch", "parameters": by_path},
        "delete": {"operationId": "authors_delete", "parameters": by_path},
    }
    assert links_of(document, "post", f"/0/tags{slash}", "201")["read"]["parameters"] == {
        "name": "$response.body#/name"
    }
    assert list(links_of(document, "post", f"/0/some{slash}", "201")) == ["read"]
    for method, place, status in (
        ("post", f"/0/keyless{slash}", "201"),  # nobody sees the key in the answer
        ("get", f"/0/authors{slash}", "200"),
        ("get", f"/0/authors/{{pk}}/again{slash}", "200"),
        ("post", f"/0/tags/bulk{slash}", "201"),
        ("delete", f"/0/authors/{{pk}}{slash}", "204"),
        ("get", f"/0/read/{{pk}}{slash}", "200"),
    ):
        assert links_of(document, method, place, status) == {}, place


def test_of_a_router_that_is_mounted_twice_each_row_stays_where_it_was_made() -> None:
    api = make_api()
    document = document_of(api, api)
    validate(document)
    ids = {
        document["paths"][f"/{number}/authors/{{pk}}/"]["get"]["operationId"]: links_of(
            document, "post", f"/{number}/authors/", "201"
        )["read"]["operationId"]
        for number in range(2)
    }

    assert len(ids) == 2
    assert all(own == linked for own, linked in ids.items())


async def test_who_follows_a_link_gets_there(library: Any) -> None:
    client = await library(make_api())
    document = get_openapi()
    where = {
        operation["operationId"]: (method, place)
        for place, item in document["paths"].items()
        for method, operation in item.items()
    }
    made = (await client.post("/api/tags/", json={"name": "red"})).json()
    statuses = {}

    for name, link in links_of(document, "post", "/api/tags/", "201").items():
        method, place = where[link["operationId"]]
        (parameter, expression), *_ = link["parameters"].items()
        key = made[expression.removeprefix("$response.body#/")]
        answer = await client.request(
            method, place.replace(f"{{{parameter}}}", str(key)), json=None if method in ("get", "delete") else made
        )
        statuses[name] = answer.status_code

    assert statuses.keys() == {"read", "update", "patch", "delete"}
    assert (statuses["read"], statuses["delete"]) == (200, 204)
    assert 404 not in statuses.values()


def test_the_comparison_of_two_documents_names_links_that_are_gone() -> None:
    old = document_of(make_api())
    gone, elsewhere, otherwise, renamed = (copy.deepcopy(old) for _ in range(4))
    del links_of(gone, "post", "/0/authors/", "201")["read"]
    links_of(elsewhere, "post", "/0/authors/", "201")["read"]["operationId"] = "tags_read"
    links_of(otherwise, "post", "/0/authors/", "201")["read"]["parameters"]["pk"] = "$response.body#/name"
    for place in [one for one in renamed["paths"] if "{pk}" in one]:
        renamed["paths"][place.replace("{pk}", "{id}")] = renamed["paths"].pop(place)

    assert breakages(old, copy.deepcopy(old)) == []
    assert [str(one) for one in breakages(old, gone)] == ["POST /0/authors/: answer 201: the link read is gone."]
    assert [str(one) for one in breakages(old, elsewhere)] == [
        "POST /0/authors/: answer 201: the link read leads to GET /0/tags/{name}/, and led to GET /0/authors/{pk}/."
    ]
    assert [str(one) for one in breakages(old, otherwise)] == [
        "POST /0/authors/: answer 201: the link read takes its parameters from elsewhere now."
    ]
    assert not [one for one in breakages(old, renamed) if "link" in one.text]


def test_of_two_routes_at_one_address_links_lead_to_the_one_that_answers() -> None:
    """The other one is not in the document at all."""
    first, second = Router(), Router()
    first.register("authors", Authors)
    second.register("authors", Authors, basename="others")
    document: Any = build_document(Resolver([path("", include(first)), path("", include(second))]).routes)

    validate(document)
    links = document["paths"]["/authors/"]["post"]["responses"]["201"]["links"]
    known = {one["operationId"] for item in document["paths"].values() for one in item.values()}
    assert {link["operationId"] for link in links.values()} <= known
