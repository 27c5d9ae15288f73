"""Typed arguments of WebSocket handlers: from the path, the query, headers and cookies, and from dependencies that are torn down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Annotated, Any

import pytest

from covet.access import IsAuthenticated
from covet.apps import apps
from covet.conf import override
from covet.exceptions import ImproperlyConfigured
from covet.http import Forbidden, Request
from covet.rest import Cookie, Depends, Header, Query, Schema, override_dependencies
from covet.test import AsyncClient
from covet.test.websocket import WebSocketRejected
from covet.urls import path
from covet.websocket import WebSocket, permissions
from covet.websocket.part import RoutingPart
from tests.handlers.sites import make_application

told: list[str] = []


class Paging(Schema):
    size: int = 10
    tags: list[str] = []


async def token(ws: WebSocket, key: Annotated[str, Query()] = "") -> str:
    if key == "bad":
        raise Forbidden("This key is not known.")
    return f"{key}@{ws.path}"


async def session(of: Annotated[str, Depends(token)]) -> AsyncIterator[str]:
    told.append(f"open {of}")
    try:
        yield "session"
    except ValueError:
        told.append("failed")
        raise
    finally:
        told.append("closed")


def in_thread() -> Iterator[int]:
    yield 7


async def everything(
    ws: WebSocket,
    name: str,
    paging: Annotated[Paging, Query()],
    held: Annotated[str, Depends(session)],
    number: Annotated[int, Depends(in_thread)],
    x_trace: Annotated[str, Header()] = "none",
    theme: Annotated[str | None, Cookie()] = None,
    limit: int = 3,
) -> None:
    await ws.accept()
    await ws.send_json([name, paging.size, paging.tags, held, number, x_trace, theme, limit])
    told.append("said")


async def bare(ws, name, last: int = 5) -> None:
    await ws.accept()
    await ws.send_json([name, last])


async def failing(ws: WebSocket, held: Annotated[str, Depends(session)]) -> None:
    raise ValueError("boom")


@permissions(IsAuthenticated)
async def members(ws: WebSocket, held: Annotated[str, Depends(session)]) -> None:
    raise AssertionError("Nobody is logged in.")


class Nobody:
    is_authenticated = False

    def __await__(self) -> Any:
        yield from ()
        return self


class Unknown:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    async def __call__(self, request: Any) -> Any:
        return await self.get_response(request)

    async def process_websocket(self, ws: WebSocket) -> None:
        ws.user = Nobody()


@pytest.fixture
def serve() -> Iterator[Callable[..., AsyncClient]]:
    told.clear()
    settings = override(
        ALLOWED_HOSTS=["testserver"], INSTALLED_APPS=[], DATABASES={}, MIDDLEWARE=[f"{__name__}.Unknown"]
    )
    with settings:

        def make(handler: Any, route: str = "ws/<str:name>/", *installed: str) -> AsyncClient:
            named = installed or ("covet.websocket", "covet.rest")
            return AsyncClient(make_application([], installed=named, websocket_urlpatterns=[path(route, handler)]))

        yield make


async def test_arguments_come_from_the_handshake_and_dependencies_end_with_the_handler(serve: Any) -> None:
    async with serve(everything) as client:
        async with client.websocket(
            "/ws/bees/?size=2&tags=a&tags=b&key=k1&limit=9", headers={"X-Trace": "t1", "Cookie": "theme=dark"}
        ) as ws:
            assert await ws.receive_json() == ["bees", 2, ["a", "b"], "session", 7, "t1", "dark", 9]
        async with client.websocket("/ws/ants/") as ws:
            assert await ws.receive_json() == ["ants", 10, [], "session", 7, "none", None, 3]

    assert told == ["open k1@/ws/bees/", "said", "closed", "open @/ws/ants/", "said", "closed"]


async def test_arguments_without_types_stay_the_handlers_own_affair(serve: Any) -> None:
    async def looped(ws: WebSocket, name: str, number=4) -> None:
        await ws.accept()
        await ws.send_json([name, number])

    async with serve(bare) as client, client.websocket("/ws/bees/?last=6") as ws:
        assert await ws.receive_json() == ["bees", 6]
    async with serve(looped) as client, client.websocket("/ws/bees/?number=6") as ws:
        assert await ws.receive_json() == ["bees", 4]


async def test_what_a_partial_has_been_given_no_client_replaces(serve: Any) -> None:
    async def listing(ws: WebSocket, name: str, limit: int = 1, *, hidden: bool) -> None:
        await ws.accept()
        await ws.send_json([name, limit, hidden])

    for given, said in (({"limit": 3}, ["bees", 3, False]), ({}, ["bees", 4, False])):
        client = serve(partial(listing, hidden=False, **given))
        async with client, client.websocket("/ws/bees/?hidden=true&limit=4") as ws:
            assert await ws.receive_json() == said


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("?limit=many", 422, b'"parameter":"limit"'),
        ("?size=many", 422, b'"parameter":"size"'),
        ("?key=bad", 403, b"This key is not known."),
    ],
)
async def test_what_cannot_be_filled_refuses_the_handshake(serve: Any, query: str, status: int, words: bytes) -> None:
    async with serve(everything) as client:
        with pytest.raises(WebSocketRejected) as caught:
            async with client.websocket(f"/ws/bees/{query}"):
                pass

    assert caught.value.status == status
    assert words in caught.value.body
    assert told == []


async def test_permissions_are_asked_before_dependencies_are_called(serve: Any) -> None:
    async with serve(members, "ws/") as client:
        with pytest.raises(WebSocketRejected) as caught:
            async with client.websocket("/ws/"):
                pass

    assert (caught.value.status, told) == (401, [])


async def test_a_dependency_sees_what_the_handler_raises(serve: Any) -> None:
    async with serve(failing, "ws/") as client:
        with pytest.raises(WebSocketRejected) as caught:
            async with client.websocket("/ws/"):
                pass

    assert (caught.value.status, told) == (500, ["open @/ws/", "failed", "closed"])


async def test_dependencies_are_replaced_in_tests(serve: Any) -> None:
    async with serve(everything) as client:
        with override_dependencies({session: lambda: "mine"}):
            async with client.websocket("/ws/bees/") as ws:
                assert (await ws.receive_json())[3] == "mine"

    assert told == ["said"]


async def test_a_handler_that_is_not_async_is_told(serve: Any, caplog: Any) -> None:
    def sync(ws: WebSocket) -> None: ...

    async with serve(sync, "ws/") as client:
        with pytest.raises(WebSocketRejected):
            async with client.websocket("/ws/"):
                pass

    assert "sync is no coroutine function. Write async def." in caplog.text


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Request, "the argument 'other' is a Request, and a WebSocket has none. Take ws: WebSocket"),
        (Paging, "the argument 'other' would come from the body"),
    ],
)
def test_what_a_handshake_has_not_is_refused_at_the_start(serve: Any, annotation: Any, words: str) -> None:
    async def handler(ws: WebSocket, other: Any) -> None: ...

    handler.__annotations__["other"] = annotation
    with pytest.raises(ImproperlyConfigured, match=words):
        serve(handler, "ws/")


def test_without_rest_further_arguments_are_an_error_of_check(serve: Any) -> None:
    serve(everything, "ws/<str:name>/", "covet.websocket")
    part = apps.current().part(RoutingPart)

    (found,) = [message for message in part.check(apps.current()) if message.id == "websocket.E001"]

    assert "test_sockets.everything takes 'paging', 'held', 'number'" in found.msg
    assert "which its path 'ws/<str:name>/' does not give" in found.msg
    serve(everything)
    assert not [m for m in apps.current().part(RoutingPart).check(apps.current()) if m.id == "websocket.E001"]
