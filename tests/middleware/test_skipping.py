"""Layers that views leave out: for these routes alone, folded at start-up."""

from __future__ import annotations

from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.handlers.part import HandlersPart
from covet.http import Request, Response
from covet.middleware.skipping import skipped_by
from covet.rest import Router
from covet.rest.resources import ViewSet
from covet.urls import host, include, path
from covet.views import View
from covet.views.decorators import without_middleware
from tests.handlers.sites import Site


def layer(name: str) -> Any:
    class Marks:
        def __init__(self, get_response: Any) -> None:
            self.get_response = get_response

        async def __call__(self, request: Request) -> Response:
            response: Response = await self.get_response(request)
            response.headers["x-layers"] = f"{name} {response.headers.get('x-layers', '')}".strip()
            return response

        async def process_view(self, request: Request, view: Any, args: Any, kwargs: Any) -> None:
            request.state.hooks = [*getattr(request.state, "seen", []), name]
            request.state.seen = request.state.hooks

    return Marks


Outer, Inner = layer("outer"), layer("inner")
OUTER, INNER = f"{__name__}.Outer", f"{__name__}.Inner"


async def usual(request: Request) -> Response:
    return Response(" ".join(request.state.hooks))


@without_middleware(INNER)
async def lean(request: Request) -> Response:
    return Response(" ".join(request.state.hooks))


@without_middleware(INNER)
@without_middleware(OUTER, "elsewhere.NotListed")
async def bare(request: Request) -> Response:
    return Response("none")


@without_middleware(OUTER)
class Page(View):
    async def get(self, request: Request) -> Response:
        return Response(" ".join(request.state.hooks))


api = Router(permissions=[])


@api.get("endpoint")
@without_middleware(INNER)
async def endpoint(request: Request) -> dict[str, Any]:
    return {"hooks": request.state.hooks}


@without_middleware(OUTER)
class Shelf(ViewSet):
    permissions = []

    async def list(self, request: Request) -> dict[str, Any]:
        return {"hooks": request.state.hooks}


api.register("shelf", Shelf, basename="shelf")

ROUTES = [
    path("usual", usual),
    path("lean", lean),
    path("bare", bare),
    path("page", Page.as_view()),
    path("api/", include(api)),
]


@pytest.mark.parametrize(
    ("address", "layers"),
    [
        ("/usual", "outer inner"),
        ("/lean", "outer"),
        ("/bare", ""),
        ("/page", "inner"),
        ("/api/endpoint", "outer"),
        ("/api/shelf/", "inner"),
        ("/nothing", "outer inner"),
    ],
)
async def test_a_route_runs_the_layers_that_it_does_not_leave_out(site: Site, address: str, layers: str) -> None:
    client = await site(ROUTES, middleware=[OUTER, INNER])
    answer = await client.get(address)
    assert answer.status_code == (404 if address == "/nothing" else 200)
    assert answer.headers.get("x-layers", "") == layers
    if answer.headers["content-type"].startswith("text/plain") and layers:
        assert answer.text == layers


async def test_another_method_of_the_address_is_told_by_all_layers(site: Site) -> None:
    client = await site(ROUTES, middleware=[OUTER, INNER])
    answer = await client.post("/api/endpoint")
    assert answer.status_code == 405 and answer.headers["x-layers"] == "outer inner"


async def test_routes_of_a_host_leave_out_theirs(site: Site) -> None:
    routes = [host("lean.testserver", [path("", lean)]), path("", usual)]
    client = await site(routes, middleware=[OUTER, INNER], ALLOWED_HOSTS=[".testserver", "127.0.0.1"])
    assert (await client.get("/", headers={"Host": "lean.testserver"})).headers["x-layers"] == "outer"
    assert (await client.get("/", headers={"Host": "testserver"})).headers["x-layers"] == "outer inner"
    assert (await client.get("/", headers={"Host": "evil.example"})).headers["x-layers"] == "outer inner"


async def test_without_such_views_nothing_chooses(site: Site) -> None:
    client = await site([path("usual", usual)], middleware=[OUTER])
    assert "choose" not in client.application.handler.handle.__qualname__
    other = await site(ROUTES, middleware=["tests.middleware.test_skipping.third"])
    assert "choose" not in other.application.handler.handle.__qualname__


def third(get_response: Any) -> Any:
    async def run(request: Request) -> Response:
        return await get_response(request)

    return run


async def test_a_name_that_looks_misspelt_is_told_once(site: Site) -> None:
    @without_middleware(OUTER + "s", "elsewhere.NotListed")
    async def view(request: Request) -> Response:
        return Response("")

    client = await site([path("a", view), path("b", view)], middleware=[OUTER])
    part = client.application.apps.part(HandlersPart)
    (found,) = part.check(client.application.apps)
    assert found.id == "middleware.W003" and f"Did you mean '{OUTER}'?" in str(found.hint)


@pytest.mark.parametrize("layers", [(), (Outer,)], ids=["none", "class"])
def test_what_names_no_layer_is_refused(layers: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="as they stand in MIDDLEWARE"):
        without_middleware(*layers)
    assert skipped_by(usual) == frozenset()
