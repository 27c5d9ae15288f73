"""Other servers: hypercorn by ASGI, granian by RSGI and by ASGI. What only a real one shows."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from covet.access import AllowAny
from covet.conf import override
from covet.handlers import disconnect
from covet.handlers.application import Application
from covet.handlers.rsgi import RsgiApplication
from covet.handlers.server import takes_rsgi
from covet.http import EventStream, FileResponse, JSONResponse, Request, Response
from covet.test.live import LiveServer
from covet.urls import path
from covet.websocket.part import RoutingPart
from tests.handlers import sites


async def echo(request: Request) -> Response:
    return JSONResponse({"body": (await request.body()).decode(), "q": request.query.get("q"), "path": request.path})


async def talk(ws: Any) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(message)


talk.permissions = [AllowAny]  # type: ignore[attr-defined]


class Views:
    def __init__(self) -> None:
        self.started, self.ended = asyncio.Event(), asyncio.Event()

    async def wait(self, request: Request) -> Response:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
        raise AssertionError

    async def events(self, request: Request) -> Response:
        async def all_of_them() -> AsyncIterator[str]:
            try:
                yield "first"
                await asyncio.Event().wait()
            finally:
                self.ended.set()

        return EventStream(all_of_them())


@contextlib.asynccontextmanager
async def hypercorn(application: Any) -> AsyncIterator[LiveServer]:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = Config()
    port = listener.getsockname()[1]
    # It takes the descriptor over, and closes it.
    config.bind = [f"fd://{listener.detach()}"]
    config.accesslog = config.errorlog = None
    config.graceful_timeout = 1
    stop = asyncio.Event()
    serving = asyncio.ensure_future(serve(application, config, shutdown_trigger=stop.wait))  # type: ignore[arg-type]
    try:
        yield LiveServer(port)
    finally:
        stop.set()
        await serving


@pytest.fixture(params=["hypercorn", "rsgi", "asgi"])
async def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A real server; ``views`` are its views."""
    monkeypatch.setattr(disconnect, "SWEEP_S", 0.02)
    views = Views()
    (tmp_path / "file.txt").write_bytes(b"0123456789" * 20_000)

    async def file(request: Request) -> Response:
        return FileResponse(tmp_path / "file.txt")

    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[], SHUTDOWN_GRACE_S=1.0):
        application = make(
            [
                path("echo", echo),
                path("version", version),
                path("wait", views.wait),
                path("events", views.events),
                path("file", file),
            ]
        )
        ways = {
            "hypercorn": lambda: hypercorn(application),
            "rsgi": lambda: sites.serve_granian(RsgiApplication(application)),
            "asgi": lambda: sites.serve_granian(application, interface="asginl"),
        }
        async with ways[request.param]() as live:
            live.views, live.way = views, request.param
            yield live


async def version(request: Request) -> Response:
    return Response(f"<{request.http_version}>")


def make(urlpatterns: list[Any]) -> Application:
    application = sites.make_application(urlpatterns)
    part = RoutingPart()
    part._patterns = [path("talk", talk)]
    application.apps._parts[RoutingPart] = part
    part.ready(application.apps)
    return application


async def test_requests_are_answered_whole(server: Any) -> None:
    async with sites.visitor(server) as client:
        large = "x" * 300_000
        answers = [await client.post("/echo?q=%C3%A4%20b", content=body) for body in ("", "small", large)]
        head = await client.head("/file")
        file = await client.get("/file")
        part = await client.get("/file", headers={"range": "bytes=5-14"})
        missing = await client.get("/nothing")

    assert [answer.json()["body"] for answer in answers] == ["", "small", large]
    assert {answer.json()["q"] for answer in answers} == {"ä b"}
    assert head.headers["content-length"] == "200000"
    assert file.content == b"0123456789" * 20_000
    assert (part.status_code, part.content) == (206, b"5678901234")
    assert missing.status_code == 404


async def test_a_request_tells_its_version(server: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /version HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n")
    async with asyncio.timeout(60):
        answer = await reader.read()
    writer.close()

    # granian's own ASGI says "1", which is not ours to mend.
    assert answer.endswith(b"<1>" if server.way == "asgi" else b"<1.0>")


async def test_a_client_that_leaves_cancels_its_view(server: Any) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
    async with asyncio.timeout(30):
        await server.views.started.wait()
        writer.close()
        await server.views.ended.wait()


async def test_a_client_that_leaves_ends_its_events(server: Any) -> None:
    async with asyncio.timeout(30):
        async with (
            sites.visitor(server) as client,
            client.stream("GET", "/events") as answer,
        ):
            assert await anext(answer.aiter_lines()) == "data: first"
        await server.views.ended.wait()


async def test_websockets_talk_and_are_refused(server: Any) -> None:
    async with asyncio.timeout(30):
        async with connect(f"{server.ws_url}/talk") as ws:
            await ws.send("hello")
            assert await ws.recv() == "hello"
            await ws.send(b"\x00\xff")
            assert await ws.recv() == b"\x00\xff"
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{server.ws_url}/nothing"):
                pass

    assert refused.value.response.status_code == 404


def test_granian_serves_by_rsgi_what_has_no_websockets() -> None:
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        plain = sites.make_application([path("echo", echo)])

        async def mounted(scope: Any, receive: Any, send: Any) -> None: ...

        assert takes_rsgi(plain)
        assert not takes_rsgi(make([]))
        assert not takes_rsgi(sites.make_application([path("old/", mounted)]))
        assert not takes_rsgi(mounted)


async def test_an_application_round_the_project_is_served_by_rsgi_too() -> None:
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        inner = sites.make_application([path("echo", echo)])

        async def outer(scope: Any, receive: Any, send: Any) -> None:
            async def marked(message: Any) -> None:
                if message["type"] == "http.response.start":
                    message["headers"] = [*message["headers"], (b"X-Outer", b"1")]
                await send(message)

            await inner(scope, receive, marked)

        async with (
            sites.serve_granian(RsgiApplication(outer)) as live,
            sites.visitor(live) as client,
        ):
            answer = await client.post("/echo", content=b"abc")
            head = await client.head("/echo")

    assert answer.json()["body"] == "abc"
    assert answer.headers["x-outer"] == head.headers["x-outer"] == "1"
