"""Decorators of views on handlers: they change the answer of what returns a value, and are refused where they cannot be called."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import pytest

from covet.auth.decorators import login_required
from covet.exceptions import ImproperlyConfigured
from covet.http import JSONResponse, NotFound, Request
from covet.rest import Depends, Query, Router, ViewSet, action, permissions
from covet.urls import include, path
from covet.urls.endpoint import peeled
from covet.urls.resolver import Resolver
from covet.views.decorators import (
    cache_control,
    csp_override,
    csrf_exempt,
    csrf_protect,
    etag,
    gzip_page,
    method_decorator,
    never_cache,
    require_POST,
    vary_on_headers,
    without_middleware,
    xframe_options_deny,
)
from tests.handlers.sites import Site

api = Router(permissions=[permissions.AllowAny])


@api.get("/kept")
@cache_control(max_age=60)
async def kept() -> dict[str, int]:
    return {"a": 1}


@api.get("/with-request")
@never_cache
async def with_request(request: Request, q: Annotated[int, Query(ge=1)] = 1) -> dict[str, int]:
    return {"q": q}


@api.get("/sync/<int:pk>")
@vary_on_headers("X-Team")
@xframe_options_deny
def sync(pk: int) -> dict[str, int]:
    return {"pk": pk}


@api.get("/missing")
@cache_control(max_age=60)
async def missing() -> dict[str, int]:
    raise NotFound("There is none.")


@api.get("/given")
@cache_control(max_age=60)
async def given() -> JSONResponse:
    return JSONResponse({"a": 2}, status=203)


def tag(request: Request, pk: int) -> str:
    return f"v{pk}"


@api.get("/tagged/<int:pk>")
@etag(tag)
async def tagged(pk: int) -> dict[str, int]:
    return {"pk": pk}


@api.get("/packed")
@gzip_page
async def packed() -> dict[str, str]:
    return {"text": "bees " * 500}


@api.get("/policy")
@csp_override({"default-src": ["'none'"]})
async def policy() -> dict[str, int]:
    return {"a": 1}


@api.get("/lines")
@never_cache
async def lines() -> AsyncIterator[int]:
    yield 1


@api.get("/posted")
@require_POST
async def posted() -> dict[str, int]:
    return {"a": 1}


@api.post("/protected")
@csrf_protect
async def protected() -> dict[str, int]:
    return {"a": 1}


async def size() -> int:
    return 3


@api.get("/nothing")
@never_cache
async def nothing(size: Annotated[int, Depends(size)]) -> None: ...


class Parts(ViewSet):
    @action(detail=False)
    @cache_control(max_age=5)
    async def near(self, request: Request) -> dict[str, str]:
        return {"of": type(self).__name__}

    @action(detail=False)
    @method_decorator(cache_control(max_age=6))
    def far(self, n: int = 2) -> dict[str, int]:
        return {"n": n}


api.register("parts", Parts)


async def get(site: Site, address: str, **options: Any) -> Any:
    client = await site([path("", include(api))])
    return await client.get(address, **options)


@pytest.mark.parametrize(
    ("address", "body", "headers"),
    [
        ("/kept", {"a": 1}, {"cache-control": "max-age=60"}),
        (
            "/with-request?q=4",
            {"q": 4},
            {"cache-control": "max-age=0, no-cache, no-store, must-revalidate, private"},
        ),
        ("/sync/7", {"pk": 7}, {"vary": "X-Team", "x-frame-options": "DENY"}),
        ("/given", {"a": 2}, {"cache-control": "max-age=60"}),
        ("/tagged/7", {"pk": 7}, {"etag": '"v7"'}),
        ("/packed", {"text": "bees " * 500}, {"content-encoding": "gzip"}),
        ("/policy", {"a": 1}, {"content-security-policy": "default-src 'none'"}),
        ("/parts/near/", {"of": "Parts"}, {"cache-control": "max-age=5"}),
        ("/parts/far/?n=4", {"n": 4}, {"cache-control": "max-age=6"}),
    ],
)
async def test_a_decorator_changes_the_answer_of_a_handler_that_returns_a_value(
    site: Site, address: str, body: Any, headers: dict[str, str]
) -> None:
    answer = await get(site, address, headers={"Accept-Encoding": "gzip"})

    assert answer.json() == body
    assert {name: answer.headers.get(name) for name in headers} == headers


@pytest.mark.parametrize(("address", "status"), [("/missing", 404), ("/with-request?q=0", 422)])
async def test_errors_pass_decorators_by(site: Site, address: str, status: int) -> None:
    answer = await get(site, address)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert "cache-control" not in answer.headers


async def test_streams_and_empty_answers_are_decorated(site: Site) -> None:
    streamed = await get(site, "/lines")
    empty = await get(site, "/nothing")

    assert streamed.text == "1\n"
    assert empty.status_code == 204
    assert "no-store" in streamed.headers["cache-control"]
    assert "no-store" in empty.headers["cache-control"]


async def test_a_decorator_answers_before_the_handler(site: Site) -> None:
    known = await get(site, "/tagged/7", headers={"If-None-Match": '"v7"'})
    refused = await get(site, "/posted")
    changed = await get(site, "/tagged/7", headers={"If-Match": '"v8"'})

    assert known.status_code == 304
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert (changed.status_code, changed.json()["title"]) == (412, "Precondition Failed")


async def test_a_protected_handler_asks_for_the_token(site: Site) -> None:
    client = await site([path("", include(api))])

    free = await client.post("/protected")
    refused = await client.post("/protected", headers={"Cookie": "sessionid=mine"})

    assert (free.status_code, refused.status_code) == (200, 403)
    assert refused.json()["code"] == "csrf_failed"


async def test_a_viewset_is_decorated_by_the_name_of_a_method(site: Site) -> None:
    @method_decorator(cache_control(max_age=9), name="list")
    class Books(ViewSet):
        async def list(self, request: Request) -> dict[str, int]:
            return {"a": 1}

    books = Router(permissions=[permissions.AllowAny])
    books.register("books", Books)
    client = await site([path("", include(books))])

    answer = await client.get("/books/")

    assert (answer.json(), answer.headers["cache-control"]) == ({"a": 1}, "max-age=9")


async def test_decorators_answer_nobody_who_may_not_read(site: Site) -> None:
    asked = []

    def tag(request: Request) -> str:
        asked.append(request.path)
        return "one"

    closed = Router(permissions=[permissions.IsAuthenticated], throttles=["1/hour"])

    @closed.get("/x")
    @etag(tag)
    async def read() -> dict[str, int]:
        return {"a": 1}

    client = await site([path("", include(closed))], middleware=["tests.rest.conftest.UserFromHeader"])

    refused = await client.get("/x", headers={"if-none-match": '"one"'})
    late = await client.get("/x", headers={"if-none-match": '"one"'})

    assert ([refused.status_code, late.status_code], asked) == ([401, 429], [])


def by_request(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    async def wrapper(request: Request, *args: Any, **kwargs: Any) -> Any:
        return await function(request, *args, **kwargs)

    return wrapper


async def test_a_decorator_of_another_kind_is_refused_where_it_wants_what_the_handler_does_not_take(site: Site) -> None:
    wanting = Router()

    @wanting.get("/x")
    @by_request
    async def read() -> dict[str, int]:
        return {}

    with pytest.raises(
        ImproperlyConfigured, match=r"read is decorated by something that is called with 'request', and takes"
    ):
        Resolver([path("", include(wanting))])


async def test_a_decorator_of_another_kind_is_kept_where_the_handler_takes_all(site: Site) -> None:
    taking = Router(permissions=[permissions.AllowAny])

    @taking.get("/x")
    @by_request
    async def read(request: Request, q: int = 2) -> dict[str, int]:
        return {"q": q}

    client = await site([path("", include(taking))])

    assert (await client.get("/x?q=3")).json() == {"q": 3}


def test_what_is_peeled_is_what_remembers_itself() -> None:
    async def read(request: Request) -> None: ...

    below = never_cache(read)
    over = by_request(below)

    assert peeled(read) == (read, [])
    assert peeled(below)[0] is read
    assert peeled(over) == (over, [])
    assert peeled(csrf_exempt(below))[0] is read
    assert peeled(without_middleware("a.B")(login_required(below)))[0] is read
    assert len(peeled(login_required(below))[1]) == 2
