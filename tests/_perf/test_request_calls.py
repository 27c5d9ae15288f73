"""A small request on plain ASGI makes these Python calls and no other: each costs a hundredth of a bare request."""

from __future__ import annotations

from typing import Any

from covet.conf import override
from covet.http import Request
from covet.rest import Router, permissions
from covet.urls import include, path
from tests._perf.test_statement_calls import calls_of
from tests.handlers.sites import make_application

api = Router(permissions=[permissions.AllowAny])


@api.get("/small")
async def small(request: Request) -> dict[str, str]:
    return {"message": "Hello"}


async def test_a_small_answer_makes_few_calls() -> None:
    with override(ALLOWED_HOSTS=["x"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        application = make_application([path("", include(api))])
        sent: list[Any] = []

        async def receive() -> Any:
            raise AssertionError("nobody asked for a body")

        async def send(message: Any) -> None:
            sent.append(message)

        async def ask() -> None:
            scope = {"type": "http", "method": "GET", "path": "/small", "headers": [(b"host", b"x")]}
            await application(scope, receive, send)

        await ask()
        calls = await calls_of(ask)

    assert [message["type"] for message in sent[:2]] == ["http.response.start", "http.response.body"]
    # The endpoint's own function stands in no file: it was written for it.
    assert calls == [
        "__call__",
        "from_scope",
        "answer",
        "of_bytes",
    ]
