"""A request's Python calls do not grow with the routes."""

from __future__ import annotations

from typing import Any

import pytest

from covet.conf import override
from covet.http import Request, Response
from covet.urls import path
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
