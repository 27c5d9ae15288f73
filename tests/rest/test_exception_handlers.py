"""Errors answered by the router, the app and the project; kinds of problems as addresses; the request's id."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http.errors import HTTPException
from covet.http.request import Request
from covet.http.response import JSONResponse, Response
from covet.problems import KINDS, Problem
from covet.rest import Router, Schema, permissions
from covet.urls import include, path
from tests.rest.library import Tag

ROOT = Path(__file__).resolve().parents[2]
OPEN: Any = [permissions.AllowAny]


class OutOfStock(Exception):
    pass


class SoldOut(OutOfStock):
    pass


class Body(Schema):
    name: str


def make_api() -> Router:
    outer = Router(permissions=OPEN)
    inner = Router(permissions=OPEN)
    outer.include("inner/", inner)

    @outer.exception_handler(OutOfStock)
    async def out_of_stock(request: Request, error: OutOfStock) -> Problem:
        return Problem(409, detail=f"outer: {error}", type="#out-of-stock")

    @inner.exception_handler(SoldOut)
    def sold_out(request: Request, error: SoldOut) -> Response:
        return JSONResponse({"inner": str(error)}, 410)

    @inner.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        return JSONResponse({"told": error.status}, error.status)

    @outer.get("/fails")
    async def fails() -> Body:
        raise SoldOut("none left")

    @inner.get("/fails")
    async def inner_fails() -> Body:
        raise SoldOut("none left")

    @inner.get("/less")
    async def less() -> Body:
        raise OutOfStock("few left")

    @inner.post("/checked")
    async def checked(data: Body) -> Body:
        return data

    @outer.get("/other")
    async def other() -> Body:
        raise KeyError("project")

    @outer.post("/checked")
    async def outer_checked(data: Body) -> Body:
        return data

    return outer


async def plain_view(request: Request) -> Response:
    raise KeyError("view")


async def on_key_error(request: Request, error: KeyError) -> Problem:
    return Problem(418, detail=f"project: {error.args[0]}")


def on_nothing(request: Request, error: Exception) -> Any:
    return None


async def test_the_nearest_router_and_class_answers(site: Any) -> None:
    client = await site([path("", include(make_api()))])

    outer = await client.get("/fails")
    inner = await client.get("/inner/fails")
    less = await client.get("/inner/less")
    wrong = await client.post("/inner/checked", json={})

    assert (outer.status_code, outer.json()["detail"]) == (409, "outer: none left")
    assert outer.headers["content-type"] == "application/problem+json"
    assert (inner.status_code, inner.json()) == (410, {"inner": "none left"})
    assert less.json()["detail"] == "outer: few left"
    assert (wrong.status_code, wrong.json()) == (422, {"told": 422})


async def test_the_project_answers_endpoints_and_views(site: Any) -> None:
    client = await site(
        [path("", include(make_api())), path("view", plain_view)],
        EXCEPTION_HANDLERS={"builtins.KeyError": "tests.rest.test_exception_handlers.on_key_error"},
    )

    endpoint = await client.get("/other")
    view = await client.get("/view")

    assert (endpoint.status_code, endpoint.json()["detail"]) == (418, "project: project")
    assert (view.status_code, view.json()["detail"]) == (418, "project: view")


async def test_a_handler_that_answers_nothing_is_a_fault(site: Any) -> None:
    client = await site(
        [path("", include(make_api())), path("view", plain_view)], EXCEPTION_HANDLERS={KeyError: on_nothing}
    )

    assert (await client.get("/view")).status_code == 500
    assert (await client.get("/other")).status_code == 500


async def test_wrong_handlers_are_named(site: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="EXCEPTION_HANDLERS"):
        await site([path("", include(make_api()))], EXCEPTION_HANDLERS={"builtins.int": on_nothing})


async def test_kinds_of_problems_are_addresses_once_the_project_says_where(site: Any) -> None:
    client = await site([path("", include(make_api()))], PROBLEM_TYPE_BASE="https://docs.example.org/problems")

    told = await client.get("/fails")
    invalid = await client.post("/checked", json={})
    missing = await client.get("/nowhere")

    assert told.json()["type"] == "https://docs.example.org/problems#out-of-stock"
    assert invalid.json()["type"] == "https://docs.example.org/problems#invalid-values"
    assert missing.json()["type"] == "about:blank"


async def test_every_problem_has_the_requests_id(site: Any) -> None:
    client = await site([path("", include(make_api()))], middleware=["covet.middleware.request_id.RequestIdMiddleware"])

    answers = [
        await client.get("/nowhere"),
        await client.post("/fails", json={}),
        await client.post("/checked", json={}),
        await client.post("/checked", content=b"x", headers={"Content-Type": "image/png"}),
        await client.get("/other"),
        await client.get("/fails"),
    ]

    assert [one.status_code for one in answers] == [404, 405, 422, 415, 500, 409]
    for one in answers:
        assert one.headers["content-type"] == "application/problem+json"
        assert one.json()["request_id"]


async def test_a_broken_rule_has_a_kind(library: Any) -> None:
    api = Router(permissions=OPEN)

    @api.post("/tags", model=Tag)
    async def make(data: Body) -> Body:
        await Tag.objects.create(name=data.name)
        return data

    client = await library(api, PROBLEM_TYPE_BASE="/problems")
    await client.post("/api/tags", json={"name": "a"})

    again = await client.post("/api/tags", json={"name": "a"})

    assert (again.status_code, again.json()["type"]) == (409, "/problems#unique")


async def test_the_kinds_of_problems_have_a_page_and_are_all_on_it(site: Any) -> None:
    client = await site([path("", include("covet.rest.urls"))], installed=["covet.rest"])
    used = {
        kind for file in (ROOT / "covet").rglob("*.py") for kind in re.findall(r'type="#([a-z-]+)"', file.read_text())
    }
    reference = (ROOT / "docs" / "reference" / "problems.md").read_text()

    page = await client.get("/docs/problems")

    assert used == set(KINDS)
    for kind in used:
        assert f'id="{kind}"' in page.text
        assert f"## {kind}" in reference


async def test_each_type_is_an_address_where_it_is_explained(site: Any) -> None:
    patterns = [path("", include(make_api())), path("", include("covet.rest.urls"))]
    client = await site(patterns, installed=["covet.rest"], PROBLEM_TYPE_BASE="/docs/problems")

    told = (await client.post("/checked", json={})).json()["type"]
    page = await client.get(told)

    assert told == "/docs/problems#invalid-values"
    assert page.status_code == 200
    assert f'id="{told.partition("#")[2]}"' in page.text


async def test_a_document_is_one_of_rfc_7807_too(site: Any) -> None:
    client = await site([path("", include(make_api()))], middleware=["covet.middleware.request_id.RequestIdMiddleware"])

    for answer in (
        await client.get("/nowhere", headers={"Accept": "application/problem+json"}),
        await client.post("/checked", json={}, headers={"Accept": "application/problem+json, application/json;q=0.5"}),
    ):
        document = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert document["status"] == answer.status_code
        known = {"type": str, "title": str, "status": int, "detail": str, "instance": str}
        assert {"type", "title", "status"} <= document.keys()
        assert all(isinstance(document[name], kind) for name, kind in known.items() if name in document)
        # Beyond these an extension's name has three letters or more, of an identifier (RFC 7807, 3.2).
        assert all(re.fullmatch(r"[A-Za-z]\w{2,}", name) for name in document.keys() - known.keys())


async def test_an_app_answers_the_exceptions_of_its_endpoints(site: Any) -> None:
    from tests.rest.shelf.views import api

    client = await site([path("", include(api))], installed=["tests.rest.shelf"])

    answer = await client.get("/book")

    assert (answer.status_code, answer.json()["detail"]) == (404, "shelf: a book")
