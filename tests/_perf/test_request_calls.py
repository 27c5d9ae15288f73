"""A small request on plain ASGI makes these Python calls and no other: each costs a hundredth of a bare request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from covet.conf import override
from covet.http import Request
from covet.rest import Router, Schema, permissions
from covet.urls import include
from covet.urls import path as route
from tests._calls import profiled
from tests._perf.test_statement_calls import calls_of
from tests.handlers.sites import make_application

api = Router(permissions=[permissions.AllowAny])


@api.get("/small")
async def small(request: Request) -> dict[str, str]:
    return {"message": "Hello"}


class Item(Schema):
    name: str
    count: int


@api.post("/items")
async def create(request: Request, data: Item) -> Item:
    return data


@api.get("/items")
async def items(request: Request) -> list[Item]:
    return [Item(name="a", count=1), Item(name="b", count=2)]


async def test_a_small_answer_makes_few_calls() -> None:
    calls, sent = await _calls_of_request("GET", path="/small")

    assert sent == b'{"message":"Hello"}'
    # The endpoint's own function stands in no file: it was written for it.
    assert calls == ["serve"]


async def test_a_small_answer_asks_for_neither_loop_nor_task() -> None:
    """Up to CPython 3.11 that is a system call, in the middle of what else is only Python."""
    asked: list[str] = []

    def look(_: Any, event: str, function: Any) -> None:
        if event == "c_call":
            asked.append(function.__name__)

    async def count(ask: Callable[[], Awaitable[None]]) -> list[str]:
        asked.clear()
        with profiled(look):
            await ask()
        return asked

    called, _ = await _calls_of_request("GET", path="/small", count=count)

    assert "encode" in called  # the answer was made
    assert not {"get_running_loop", "_get_running_loop", "current_task"}.intersection(called)


async def test_a_typed_body_and_its_answer_make_few_calls() -> None:
    body = b'{"name":"INSIDE","count":1}'
    calls, sent = await _calls_of_request("POST", (b"content-length", b"%d" % len(body)), body=body)

    assert sent == body
    assert calls == [
        "serve",
        "answer",
        "body",
        "check_length",
        "read_body",
        "_checked",
        "check_json",
    ]


async def test_a_list_of_a_schema_is_written_without_a_call_of_its_own() -> None:
    calls, sent = await _calls_of_request("GET")

    assert sent == b'[{"name":"a","count":1},{"name":"b","count":2}]'
    assert calls == ["serve"]


async def _calls_of_request(
    method: str,
    *headers: tuple[bytes, bytes],
    path: str = "/items",
    body: bytes = b"",
    count: Callable[[Callable[[], Awaitable[None]]], Awaitable[list[str]]] = calls_of,
) -> tuple[list[str], bytes]:
    """Return the calls of a request in files, and its answer's body."""
    with override(ALLOWED_HOSTS=["x"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        application = make_application([route("", include(api))]).serve
        sent: list[Any] = []

        async def receive() -> Any:
            assert body, "nobody asked for a body"
            return {"type": "http.request", "body": body}

        async def send(message: Any) -> None:
            sent.append(message)

        async def ask() -> None:
            scope = {
                "type": "http",
                "method": method,
                "path": path,
                "headers": [(b"host", b"x"), (b"content-type", b"application/json"), *headers],
            }
            await application(scope, receive, send)

        await ask()
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        calls = await count(ask)
        return calls, sent[-1]["body"]
