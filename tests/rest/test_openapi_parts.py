"""What a document tells beside paths and schemas: credentials, webhooks, callbacks, conditions, limits, parts of an API."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.http import HTMLResponse
from covet.http.files import UploadedFile
from covet.rest import (
    Body,
    Cookie,
    CursorPage,
    Deprecation,
    ModelViewSet,
    Path,
    Query,
    Router,
    Schema,
    Throttle,
    Versions,
    permissions,
)
from covet.rest.openapi import build_document, security
from covet.urls import include, path
from covet.urls.resolver import Resolver
from tests.rest.library import Author

SCHEMES = {
    "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
    "token": security.bearer(description="From /login."),
    "password": security.basic(),
    "key": security.api_key("X-Key"),
    "oauth": security.oauth2(
        authorization_url="https://id.example/a", token_url="https://id.example/t", refresh_url="https://id.example/r"
    ),
    "machine": security.oauth2(token_url="https://id.example/t", scopes={"read": "Read."}),
    "openid": security.openid("https://id.example/.well-known/openid-configuration"),
}
CSRF = "covet.middleware.csrf.CsrfMiddleware"


class Order(Schema):
    title: str
    callback_url: str = ""


class GuardedViewSet(ModelViewSet, model=Author):
    """Authors, changed by nobody who has not seen them.

    More of it.
    """

    tags = ["authors"]
    require_match = True
    bulk = True
    pagination = CursorPage
    throttles = [Throttle("10/minute", fail_open=False)]
    formats = ["json", "msgpack", "yaml", "xml", "csv", "html"]


def kitchen() -> Router:
    api, sent, below = Router(tags=["shop"]), Router(), Router()
    api.register("authors", GuardedViewSet)

    @sent.post("{$request.body#/callback_url}")
    async def paid(order: Order) -> None:
        """Sent once it is paid."""

    @api.post(
        "/orders",
        status=201,
        callbacks={"paid": sent},
        security=["token", "key"],
        idempotent=True,
        responses={202: {"description": "Later.", "headers": {"Location": {"schema": {"type": "string"}}}}},
        openapi_extra={"x-team": "sales", "tags": ["extra"], "responses": {"201": {"description": "Ordered."}}},
    )
    async def create_order(
        order: Annotated[Order, Body(examples=[{"title": "A book"}])],
        theme: Annotated[str, Cookie(description="Dark or light.")] = "",
    ) -> Order:
        return order

    @api.get("/orders/<path:name>", deprecated=Deprecation(since=datetime.date(2026, 1, 1)))
    async def read_order(
        name: Annotated[str, Path(description="Which.", examples=["a/b"])],
        size: Annotated[int, Query(deprecated=True, ge=1)] = 1,
    ) -> Order:
        raise NotImplementedError

    @api.post("/files", permissions=[permissions.AllowAny], security=[])
    async def upload(files: list[UploadedFile]) -> None: ...

    @below.webhook("order.paid", deprecated=True)
    async def order_paid(order: Order) -> None:
        """Sent once an order is paid."""

    @below.get("/below")
    async def in_below() -> None: ...

    api.include("/", below)
    return api


def build(*, security_schemes: dict[str, Any] = SCHEMES, **options: Any) -> dict[str, Any]:
    with override(OPENAPI_SECURITY=security_schemes, DATABASES={}, MIDDLEWARE=[CSRF]):
        return build_document(Resolver([path("api/", include(kitchen()))]).routes, title="T", **options)


@pytest.fixture(scope="module")
def document() -> Iterator[dict[str, Any]]:
    yield json.loads(json.dumps(build()))


def test_the_kitchen_sink_is_valid_openapi(document: dict[str, Any]) -> None:
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_credentials_are_those_of_the_project(document: dict[str, Any]) -> None:
    order = document["paths"]["/api/orders"]["post"]

    assert order["security"] == [{"token": []}, {"key": []}]
    created = document["paths"]["/api/authors/"]["post"]
    assert {"session": [], "csrf": []} in created["security"]
    assert {"oauth": []} in created["security"]
    assert document["paths"]["/api/files"]["post"]["security"] == []
    known = document["components"]["securitySchemes"]
    assert known["token"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "From /login.",
    }
    assert known["csrf"]["name"] == "X-CSRFToken"
    assert set(known["oauth"]["flows"]) == {"authorizationCode"}
    assert set(known["machine"]["flows"]) == {"clientCredentials"}
    assert "403" in document["paths"]["/api/files"]["post"]["responses"]


def test_several_credentials_and_scopes_are_asked_for_together() -> None:
    with override(OPENAPI_SECURITY=SCHEMES, DATABASES={}, MIDDLEWARE=[CSRF]):
        asked: Any = [{"oauth": ["read", "write"], "key": []}, "session"]

        assert security.requirements(asked, write=True) == [
            {"oauth": ["read", "write"], "key": []},
            {"session": [], "csrf": []},
        ]
        with pytest.raises(ImproperlyConfigured, match="security names 'aouth'"):
            security.requirements([{"aouth": ["read"]}], write=False)


def test_info_says_whom_to_ask() -> None:
    info = {"contact": {"name": "Ann", "email": "ann@example.org"}, "license": {"name": "MIT", "identifier": "MIT"}}
    with override(OPENAPI_INFO={**info, "termsOfService": "https://example.org/terms", "summary": "Books."}):
        made = build()

    assert list(OpenAPIV31SpecValidator(made).iter_errors()) == []
    assert made["info"] == {
        "title": "T",
        "version": "1.0.0",
        **info,
        "termsOfService": "https://example.org/terms",
        "summary": "Books.",
    }


def test_credentials_that_are_not_known_are_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match="no security scheme of OpenAPI"):
        build(security_schemes={"x": {"type": "magic"}})
    with pytest.raises(ImproperlyConfigured, match="security names 'token'"):
        build(security_schemes={"tokens": security.bearer()})
    with pytest.raises(ImproperlyConfigured, match="needs the token_url"):
        security.oauth2()


def test_webhooks_and_callbacks_tell_what_is_sent(document: dict[str, Any]) -> None:
    hook = document["webhooks"]["order.paid"]["post"]
    back = document["paths"]["/api/orders"]["post"]["callbacks"]["paid"]["{$request.body#/callback_url}"]["post"]

    for one in (hook, back):
        assert one["requestBody"]["content"]["application/json"]["schema"] == {
            "$ref": "#/components/schemas/Order-Input"
        }
        assert set(one["responses"]) == {"204"}
        assert "security" not in one  # whoever gets it asks for nothing that this project takes
    assert hook["operationId"] == "webhook_order_paid"
    assert hook["summary"] == "Sent once an order is paid"
    assert hook["deprecated"] is True


@pytest.mark.parametrize("callbacks", [Router(), [Router()], {"paid": len}])
def test_callbacks_are_routers_by_name(callbacks: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match=r"POST '/x': callbacks names routers: write callbacks="):
        Router().post("/x", callbacks=callbacks)(kitchen)


def test_a_set_of_statuses_stands_for_each_of_them() -> None:
    api = Router()

    @api.get("/x", response={200: Order, frozenset({404, 410}): None, ("500", 503): dict})
    async def read() -> Any: ...

    assert api.endpoints[0].responses == {200: Order, 404: None, 410: None, 500: dict, 503: dict}


def test_an_error_without_a_schema_is_a_problem_document() -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.get("/x", response={200: Order, 410: None}, responses={404: {"description": "None there."}, 302: None})
    async def read() -> Any: ...

    told = build_document(Resolver([path("", include(api))]).routes, title="T")
    answers = told["paths"]["/x"]["get"]["responses"]

    for status in ("404", "410"):
        assert list(answers[status]["content"]) == ["application/problem+json"]
    assert "content" not in answers["302"]


@pytest.mark.parametrize("key", ["2XX", 99, True, None])
def test_what_is_no_status_of_an_answer_is_refused(key: Any) -> None:
    with pytest.raises(
        ImproperlyConfigured, match=r"GET '/x': response: a status is a whole number from 100 to 599, not"
    ):
        Router().get("/x", response={key: Order})


def test_a_webhook_has_a_name() -> None:
    hook: Any = Router().webhook
    with pytest.raises(ImproperlyConfigured, match=r"A webhook has a name, .* write @api\.webhook"):
        hook(kitchen)


def test_what_is_said_besides_is_put_over(document: dict[str, Any]) -> None:
    order = document["paths"]["/api/orders"]["post"]

    assert order["x-team"] == "sales"
    assert order["tags"] == ["extra"]
    assert order["responses"]["201"]["description"] == "Ordered."
    assert "content" in order["responses"]["201"]
    assert order["responses"]["202"]["headers"]["Location"]
    assert order["requestBody"]["content"]["application/json"]["examples"] == {
        "example1": {"value": {"title": "A book"}}
    }


def test_parameters_of_every_place(document: dict[str, Any]) -> None:
    order = document["paths"]["/api/orders"]["post"]
    read = document["paths"]["/api/orders/{name}"]["get"]

    assert {(one["in"], one["name"]) for one in order["parameters"]} == {
        ("cookie", "theme"),
        ("header", "idempotency-key"),
    }
    name, size = read["parameters"]
    assert (name["description"], name["examples"]) == ("Which.", {"example1": {"value": "a/b"}})
    assert size["deprecated"] is True
    assert read["deprecated"] is True
    assert set(read["responses"]["200"]["headers"]) == {"Deprecation"}


def test_conditions_limits_and_forms_are_told(document: dict[str, Any]) -> None:
    changed = document["paths"]["/api/authors/{pk}/"]["patch"]
    listed = document["paths"]["/api/authors/"]["get"]

    match = next(one for one in changed["parameters"] if one["name"] == "If-Match")
    assert match["required"] is True
    assert {"412", "428", "429", "503", "409", "406"} <= set(changed["responses"])
    assert "Retry-After" in changed["responses"]["429"]["headers"]
    assert {"RateLimit", "RateLimit-Policy"} <= set(listed["responses"]["200"]["headers"])
    assert any(one["name"] == "If-None-Match" for one in listed["parameters"])
    assert "304" in listed["responses"]
    assert {"application/json", "application/msgpack", "application/yaml", "text/csv", "text/html"} <= set(
        listed["responses"]["200"]["content"]
    )
    assert "text/html" not in changed["requestBody"]["content"]
    assert "application/xml" in changed["requestBody"]["content"]


def test_tags_say_what_they_are(document: dict[str, Any]) -> None:
    tags = {one["name"]: one.get("description") for one in document["tags"]}

    assert "shop" in tags
    with override(
        OPENAPI_TAGS={"shop": "What is sold."}, OPENAPI_SERVERS=["https://a.example"], OPENAPI_DESCRIPTION="D"
    ):
        told = build()
    assert {"name": "shop", "description": "What is sold."} in told["tags"]
    assert told["servers"] == [{"url": "https://a.example"}]
    assert told["info"]["description"] == "D"


def test_a_viewset_of_a_tag_of_its_own_describes_it() -> None:
    api = Router()
    api.register("authors", GuardedViewSet)
    with override(DATABASES={}):
        told = build_document(Resolver([path("", include(api))]).routes)

    assert told["tags"] == [{"name": "authors", "description": "Authors, changed by nobody who has not seen them."}]


async def documented(site: Any, documents: dict[str, Any]) -> Any:
    from covet.rest.urls import urlpatterns

    patterns = [*urlpatterns, path("api/", include(kitchen())), path("v/", include(Versions({"1": Router()})))]
    return await site(
        patterns, installed=["covet.rest"], OPENAPI_DOCUMENTS=documents, OPENAPI_SECURITY=SCHEMES, OPENAPI_TITLE="All"
    )


async def test_parts_of_an_api_have_documents_of_their_own(site: Any) -> None:
    client = await documented(site, {"orders": {"title": "Orders", "prefix": "/api/orders"}, "none": {"tags": ["x"]}})

    orders = (await client.get("/openapi.json?document=orders")).json()
    nothing = (await client.get("/openapi.json?document=none")).json()
    missing = await client.get("/openapi.json?document=other")
    page = await client.get("/docs?document=orders")

    assert set(orders["paths"]) == {"/api/orders", "/api/orders/{name}"}
    assert orders["info"]["title"] == "Orders"
    assert (nothing["paths"], nothing["info"]["title"]) == ({}, "All")
    assert missing.status_code == 404
    assert "?document=orders, ?document=none" in missing.json()["detail"]
    assert "/openapi.json?document=orders" in page.text


async def test_a_part_with_an_unknown_option_is_refused(site: Any) -> None:
    client = await documented(site, {"orders": {"prefx": "/"}})

    assert (await client.get("/openapi.json?document=orders")).status_code == 500


class Message(Schema):
    message: str


def answers_of(**options: Any) -> dict[str, Any]:
    api = Router(permissions=[permissions.AllowAny])

    @api.get("/orders/<int:pk>", **options)
    async def read_order(pk: int) -> Order:
        raise NotImplementedError

    with override(DATABASES={}, MIDDLEWARE=[]):
        document = json.loads(json.dumps(build_document(Resolver([path("", include(api))]).routes, title="T")))
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    found: dict[str, Any] = document["paths"]["/orders/{pk}"]["get"]["responses"]
    return found


def test_an_answer_has_words_and_a_model() -> None:
    found = answers_of(responses={410: {"model": Message, "description": "It was deleted."}})

    assert found["410"]["description"] == "It was deleted."
    assert found["410"]["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/Message"}}}


def test_what_is_said_of_the_answer_itself_is_added_to_its_schema() -> None:
    found = answers_of(responses={200: {"description": "An order, or its picture.", "content": {"image/png": {}}}})

    assert found["200"]["description"] == "An order, or its picture."
    assert found["200"]["content"] == {
        "application/json": {"schema": {"$ref": "#/components/schemas/Order"}},
        "image/png": {},
    }


def test_an_error_that_is_only_described_is_a_problem_document() -> None:
    found = answers_of(responses={404: {"description": "There is no such order."}})

    assert found["404"]["description"] == "There is no such order."
    assert found["404"]["content"] == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_a_range_of_statuses_and_the_rest_have_keys_of_their_own() -> None:
    found = answers_of(responses={"5XX": {"description": "Broken."}, "default": Message})

    assert found["5XX"]["description"] == "Broken."
    assert found["default"]["description"] == "Any other answer."
    assert found["default"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Message"}


@pytest.mark.parametrize(
    ("responses", "message"),
    [
        ({"4xx": None}, "write a status such as 404, or one of '1XX'"),
        ({999: None}, "write a status such as 404"),
        ({404: {"desciption": "Gone."}}, "has no member 'desciption'. Did you mean 'description'?"),
        ({404: {"schema": Message}}, "It takes content, description, headers, links, model."),
    ],
)
def test_answers_that_no_document_could_tell_of_are_refused(responses: dict[Any, Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=re.escape(message)):
        answers_of(responses=responses)


@pytest.mark.parametrize("returns", [HTMLResponse, HTMLResponse | dict[str, str]])
def test_a_handler_that_makes_its_own_responses_and_has_no_schema_is_not_told_to_answer_nothing(returns: Any) -> None:
    api = Router(permissions=[permissions.AllowAny])

    async def page() -> Any:
        raise NotImplementedError

    page.__annotations__["return"] = returns
    api.get("/page", response=None)(page)
    with override(DATABASES={}, MIDDLEWARE=[]):
        document = build_document(Resolver([path("", include(api))]).routes, title="T")

    assert next(iter(document["paths"]["/page"]["get"]["responses"])) == "200"


def add_logo(document: dict[str, Any]) -> None:
    document["info"]["x-logo"] = {"url": "/logo.svg"}


def in_a_copy(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "externalDocs": {"url": "https://docs.example"}}


def test_functions_of_the_project_may_change_a_document() -> None:
    with override(OPENAPI_HOOKS=[f"{__name__}.add_logo", f"{__name__}.in_a_copy"]):
        document = build()

    assert document["info"]["x-logo"] == {"url": "/logo.svg"}
    assert document["externalDocs"] == {"url": "https://docs.example"}
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_a_function_that_is_not_there_is_named() -> None:
    with override(OPENAPI_HOOKS=["tests.rest.nothing.here"]), pytest.raises(ImproperlyConfigured, match="nothing"):
        build()


def test_a_webhook_keeps_the_answers_that_are_no_errors() -> None:
    api = Router(permissions=[permissions.AllowAny])

    @api.webhook("paid", responses={"4XX": None, "default": Message})
    async def paid(order: Order) -> None: ...

    @api.get("/x")
    async def some() -> str:
        raise NotImplementedError

    with override(DATABASES={}, MIDDLEWARE=[]):
        document = build_document(Resolver([path("", include(api))]).routes, title="T")

    assert list(document["webhooks"]["paid"]["post"]["responses"]) == ["204", "default"]
