"""A request's Python calls do not grow with the routes."""

from __future__ import annotations

from typing import Any

import pytest

from covet.conf import override
from covet.http import Request, Response
from covet.rest import Router, permissions
from covet.urls import include, path
from tests._perf.test_statement_calls import calls_of
from tests.handlers.sites import make_application


async def view(request: Request, **params: Any) -> Response:
    return Response(b"ok")


def routes(count: int) -> list[Any]:
    return [
        route
        for n in range(count)
        for route in (path(f"r{n}/", view), path(f"r{n}/<int:pk>/", view), path(f"r{n}/<int:pk>/x/<slug:s>/", view))
    ]


@pytest.mark.parametrize("address", ["/r3/", "/r3/7/", "/r3/7/x/a-b/", "/nothing/"])
async def test_500_routes_make_no_more_calls_than_5(address: str) -> None:
    counts = {}
    for count in (5, 500):
        with override(ALLOWED_HOSTS=["x"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
            handler = make_application(routes(count)).handler

            async def ask(handler: Any = handler) -> None:
                request = Request.from_parts("GET", address, app=handler, policy=handler.policy)
                await handler.handle(request)

            await ask()
            counts[count] = len(await calls_of(ask))

    assert counts[500] == counts[5]


async def test_what_routers_above_say_costs_a_request_nothing() -> None:
    """It is worked out with the URL patterns: an endpoint three routers deep answers as one of a router of its own."""

    async def answer(request: Request) -> dict[str, str]:
        return {"message": "Hello"}

    alone, deep = Router(permissions=[permissions.AllowAny], tags=["a"]), Router()
    alone.get("alone")(answer)
    deep.get("deep")(answer)
    above: Router = deep
    layers: list[dict[str, Any]] = [{}, {"tags": ["a"]}, {"permissions": [permissions.AllowAny]}]
    for said in layers:
        outer = Router(**said)
        outer.include("", above)
        above = outer
    with override(ALLOWED_HOSTS=["x"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        handler = make_application([path("", include(alone)), path("", include(above))]).handler

        async def ask(address: str) -> list[str]:
            async def once() -> None:
                request = Request.from_parts("GET", address, app=handler, policy=handler.policy)
                assert (await handler.handle(request)).status == 200

            await once()
            return await calls_of(once)

        assert await ask("/deep") == await ask("/alone")
