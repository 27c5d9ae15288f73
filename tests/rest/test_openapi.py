"""The OpenAPI document says what the endpoints do, no more and no less."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Annotated, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from covet.db.models import QuerySet
from covet.http.files import UploadedFile
from covet.http.request import Request
from covet.rest import Filters, FilterSet, Form, Header, ModelSchema, Page, Query, Router, Schema, pages, permissions
from covet.rest.apps import RestConfig
from covet.rest.endpoint import READS
from covet.rest.openapi import build_document
from covet.rest.part import RestPart
from covet.urls import include, path
from covet.urls.part import UrlsPart
from covet.urls.resolver import Resolver
from tests.rest.library import Article, Author
from tests.rest.test_viewsets import AuthorViewSet


class AuthorOut(ModelSchema, model=Author, fields=["id", "name"]): ...


class ArticleOut(ModelSchema, model=Article, fields=["id", "title", "published_at", "views"]):
    author: AuthorOut


class ArticleIn(ModelSchema, model=Article, fields=["title", "body", "author"]): ...


class Tree(Schema):
    name: str
    children: list[Tree] = []


def make_api() -> Router:
    api = Router(tags=["blog"])

    @api.get("/articles/", response=Page[ArticleOut], permissions=[permissions.AllowAny])
    async def list_articles(
        request: Request,
        filters: Annotated[Filters, FilterSet(Article, filters=["author", "views__in"], ordering=["title"])],
        since: Annotated[datetime.date | None, Query(description="Not before.")] = None,
    ) -> QuerySet[Article]:
        """List the articles.

        The newest come first.

        Args:
            request: The request.
        """
        raise NotImplementedError

    @api.post("/articles/", status=201, response=ArticleOut, responses={202: None})
    async def create_article(request: Request, data: ArticleIn, x_key: Annotated[str, Header()]) -> Article:
        raise NotImplementedError

    @api.post("/photos/", tags=["photos"], deprecated=True)
    async def upload(photo: UploadedFile, title: Annotated[str, Form(max_length=5)] = "-") -> dict[str, int]:
        raise NotImplementedError

    @api.put("/trees/<uuid:key>")
    async def plant(key: Any, data: Tree) -> Tree:
        raise NotImplementedError

    plant.__annotations__["key"] = __import__("uuid").UUID

    @api.get("/hidden/", include_in_schema=False)
    async def hidden() -> None: ...

    api.register("authors", AuthorViewSet)
    return api


def document(*routers: Router) -> dict[str, Any]:
    return build_document(Resolver([path("api/", include(router)) for router in routers]).routes, title="T")


@pytest.fixture(scope="module")
def blog() -> dict[str, Any]:
    return document(make_api())


def test_the_document_is_valid_openapi(blog: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(json.loads(json.dumps(blog))).iter_errors()) == []
    assert blog["openapi"].startswith("3.1")


def test_building_it_twice_gives_the_same(blog: dict[str, Any]) -> None:
    assert json.dumps(document(make_api())) == json.dumps(blog)


def test_parameters_have_their_types_rules_and_defaults(blog: dict[str, Any]) -> None:
    listed = {one["name"]: one for one in blog["paths"]["/api/articles/"]["get"]["parameters"]}

    assert set(listed) == {"since", "author", "views__in", "ordering", "page", "size"}
    assert listed["since"]["description"] == "Not before."
    assert listed["author"]["schema"]["type"] == "integer"
    assert listed["views__in"]["explode"] is False
    assert listed["views__in"]["schema"]["items"]["type"] == "integer"
    assert listed["ordering"]["schema"]["items"]["enum"] == ["title", "-title"]
    assert listed["page"]["schema"] == {"type": "integer", "minimum": 1, "default": 1}
    assert listed["size"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    [header] = blog["paths"]["/api/articles/"]["post"]["parameters"]
    assert (header["name"], header["in"], header["required"]) == ("x-key", "header", True)
    [key] = blog["paths"]["/api/trees/{key}"]["put"]["parameters"]
    assert key["schema"] == {"type": "string", "format": "uuid"}


def test_schemas_come_from_the_model(blog: dict[str, Any]) -> None:
    schemas = blog["components"]["schemas"]
    taken = schemas["ArticleIn"]
    shown = schemas["ArticleOut"]

    assert taken["required"] == ["title", "author"]
    assert taken["properties"]["title"] == {"type": "string", "maxLength": 20, "minLength": 1}
    assert taken["properties"]["author"]["type"] == "integer"
    assert taken["additionalProperties"] is False
    assert set(shown["required"]) == {"id", "title", "published_at", "views", "author"}
    assert shown["properties"]["author"] == {"$ref": "#/components/schemas/AuthorOut"}
    assert shown["properties"]["published_at"]["anyOf"] == [
        {"type": "string", "format": "date-time"},
        {"type": "null"},
    ]
    assert schemas["AuthorOut"]["properties"]["name"]["description"] == "As on the cover."


def test_a_recursive_schema_refers_to_itself(blog: dict[str, Any]) -> None:
    names = [name for name in blog["components"]["schemas"] if name.startswith("Tree")]

    assert names
    for name in names:
        children = blog["components"]["schemas"][name]["properties"]["children"]
        assert children["items"] == {"$ref": f"#/components/schemas/{name}"}


def test_answers_and_problems_are_those_that_can_happen(blog: dict[str, Any]) -> None:
    listed = blog["paths"]["/api/articles/"]["get"]
    created = blog["paths"]["/api/articles/"]["post"]

    assert set(listed["responses"]) == {"200", "404", "406", "422"}
    assert set(created["responses"]) == {"201", "202", "400", "401", "403", "406", "409", "413", "415", "422"}
    assert "application/problem+json" in created["responses"]["422"]["content"]
    assert "security" not in listed
    assert created["security"] == [{"session": []}]


def test_texts_come_from_the_docstring(blog: dict[str, Any]) -> None:
    listed = blog["paths"]["/api/articles/"]["get"]

    assert listed["summary"] == "List the articles"
    assert listed["description"] == "The newest come first."
    assert blog["paths"]["/api/authors/"]["get"]["summary"] == "List authors"
    assert blog["paths"]["/api/photos/"]["post"]["deprecated"] is True


def test_a_form_with_files_is_multipart(blog: dict[str, Any]) -> None:
    content = blog["paths"]["/api/photos/"]["post"]["requestBody"]["content"]

    assert set(content) == {"multipart/form-data"}
    properties = content["multipart/form-data"]["schema"]["properties"]
    assert properties["photo"] == {"type": "string", "format": "binary"}
    assert properties["title"] == {"type": "string", "maxLength": 5, "default": "-"}


def test_a_viewset_has_all_its_operations(blog: dict[str, Any]) -> None:
    ids = {one["operationId"] for methods in blog["paths"].values() for one in methods.values()}

    assert {
        f"authors_{name}" for name in ("list", "create", "read", "update", "patch", "delete", "promote", "recent")
    } <= ids
    assert "/api/hidden/" not in blog["paths"]


def test_two_schemas_of_one_name_get_longer_names() -> None:
    class Outer:
        class AuthorOut(Schema):
            other: int

    api = Router()

    @api.get("/a")
    async def a() -> AuthorOut: ...  # type: ignore[empty-body]

    @api.get("/b")
    async def b() -> Any: ...

    b.__annotations__["return"] = Outer.AuthorOut

    names = set(document(api)["components"]["schemas"])

    assert len([name for name in names if name.endswith("AuthorOut")]) == 2


def duplicate(operation_id: str | None) -> Router:
    api = Router()

    @api.get("/one", operation_id=operation_id)
    async def same() -> None: ...

    @api.get("/two", operation_id=operation_id, name="same")
    async def other() -> None: ...

    return api


async def rest_site(site: Any, *routers: Router, **settings: Any) -> Any:
    from covet.rest.urls import urlpatterns

    patterns = [*urlpatterns, *[path("api/", include(router)) for router in routers]]
    return await site(patterns, installed=["covet.rest"], **settings)


async def checks(site: Any, *routers: Router, deploy: bool = False) -> list[Any]:
    client = await rest_site(site, *routers)
    part = client.application.apps.part(RestPart)
    return list(part.check_deploy(None) if deploy else part.check(None))


async def test_a_doubled_operation_id_is_found_by_check(site: Any) -> None:
    by_hand = await checks(site, duplicate("x"))

    assert [message.id for message in by_hand] == ["rest.E001"]


async def test_a_doubled_name_is_a_warning_and_the_document_stays_valid(site: Any) -> None:
    by_name = await checks(site, duplicate(None))

    assert [message.id for message in by_name] == ["rest.W001"]
    ids = [m["operationId"] for one in document(duplicate(None))["paths"].values() for m in one.values()]
    assert ids == ["same", "same_2"]


async def test_writes_that_anyone_may_do_are_listed_for_deployment(site: Any) -> None:
    api = Router()

    @api.post("/open", permissions=[permissions.AllowAny])
    async def open_() -> None: ...

    @api.post("/closed")
    async def closed() -> None: ...

    @api.get("/read")
    async def read() -> None: ...

    messages = await checks(site, api, deploy=True)

    assert [(message.id, message.obj) for message in messages] == [("rest.W002", "/api/open")]


async def test_the_document_is_served_with_its_hash(site: Any) -> None:
    client = await rest_site(site, make_api(), OPENAPI_TITLE="Blog")

    response = await client.get("/openapi.json")
    again = await client.get("/openapi.json", headers={"If-None-Match": response.headers["etag"]})

    assert response.json()["info"] == {"title": "Blog", "version": "1.0.0"}
    assert list(OpenAPIV31SpecValidator(response.json()).iter_errors()) == []
    assert again.status_code == 304
    assert again.headers["etag"] == response.headers["etag"]
    assert again.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"If-None-Match": "W/{}"}, 304),
        ({"If-None-Match": '"other", W/"more" , {}'}, 304),
        ([("If-None-Match", '"other"'), ("If-None-Match", "{}")], 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-None-Match": "x{}x"}, 200),
        ({"If-None-Match": 'W/"other {} more"'}, 200),
        ({"If-Match": "{}"}, 200),
        ({"If-Match": '"other"'}, 412),
    ],
)
async def test_the_tags_that_a_client_knows_are_compared_whole(site: Any, asked: Any, status: int) -> None:
    client = await rest_site(site, make_api())
    tag = (await client.get("/openapi.json")).headers["etag"]
    pairs = asked if isinstance(asked, list) else list(asked.items())

    again = await client.get("/openapi.json", headers=[(name, value.format(tag)) for name, value in pairs])

    assert again.status_code == status


@pytest.mark.parametrize(
    ("servers", "told"),
    [([], [{"url": "/shop"}]), (["https://api.example.com"], [{"url": "https://api.example.com"}])],
)
async def test_a_mounted_api_tells_below_which_address_its_paths_are(site: Any, servers: Any, told: Any) -> None:
    await rest_site(site, make_api(), OPENAPI_SERVERS=servers)

    mounted = await pages.openapi_json(Request.from_parts("GET", "/openapi.json", root_path="/shop"))
    bare = await pages.openapi_json(Request.from_parts("GET", "/openapi.json"))

    assert json.loads(mounted.body)["servers"] == told
    assert json.loads(bare.body).get("servers", []) == [{"url": url} for url in servers]
    assert mounted.headers["etag"] != bare.headers["etag"] or servers


async def test_pages_load_nothing_from_elsewhere(site: Any) -> None:
    client = await rest_site(site, make_api())

    for address in ("/docs", "/docs/redoc", "/docs/scalar", "/docs?version=1"):
        page = await client.get(address)
        assert page.status_code == 200
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "script-src 'self';" in page.headers["content-security-policy"]
        assert "http:" not in page.text
        assert "https:" not in page.text
        assert "<script>" not in page.text
        for source in (part.split('"')[0] for part in page.text.split('src="')[1:]):
            assert (await client.get(source)).status_code == 200


async def test_only_listed_files_are_sent(site: Any) -> None:
    client = await rest_site(site)

    assert (await client.get("/docs/assets/docs.css")).headers["content-type"].startswith("text/css")
    assert (await client.get("/docs/assets/pages.py")).status_code == 404


async def test_without_the_bundles_a_plain_page_says_so(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ASSETS", tmp_path)
    client = await rest_site(site, make_api())

    for address in ("/docs", "/docs/redoc", "/docs/scalar"):
        page = await client.get(address)

        assert "not part of this installation" in page.text
        assert "/api/articles/" in page.text
        assert "<script" not in page.text


def test_endpoints_are_compiled_anew_when_a_setting_changes_that_they_read() -> None:
    assert UrlsPart.reads >= READS


async def test_the_default_permissions_are_a_setting(site: Any) -> None:
    api = Router()

    @api.get("/")
    async def read() -> str:
        return "x"

    strict = ["covet.access.IsAuthenticated"]
    client = await rest_site(site, api, middleware=["tests.rest.conftest.UserFromHeader"], DEFAULT_PERMISSIONS=strict)

    assert (await client.get("/api/")).status_code == 401
    assert (await client.get("/api/", headers={"X-User": "-"})).status_code == 200


def test_the_config_brings_the_part() -> None:
    # By name, so that listing the apps imports neither pydantic nor models.
    assert RestConfig.parts == (f"{RestPart.__module__}.{RestPart.__qualname__}",)
