"""FastAPI inside the project, and the project inside FastAPI: what each promises holds on both ways of a request."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, WebSocket
from fastapi import Request as FastRequest
from fastapi.responses import StreamingResponse as FastStream
from websockets.asyncio.client import connect

from covet.apps import lifecycle
from covet.apps.lifecycle import started
from covet.apps.part import AppPart
from covet.conf import override
from covet.http import EventStream, JSONResponse, Request, Response
from covet.test.live import LiveServer, serve
from covet.urls import path, reverse
from covet.websocket.part import RoutingPart
from tests.handlers.sites import make_application, visitor
from tests.handlers.test_servers import talk

COMMON = "covet.middleware.common.CommonMiddleware"


async def home(request: Request, pk: int = 0) -> Response:
    return JSONResponse(
        {
            "item": reverse("item", kwargs={"pk": 3}),
            "api": reverse("api"),
            "path": request.path,
            "full": request.build_absolute_uri().removeprefix(f"http://{request.get_host()}"),
            "body": (await request.body()).decode(),
        }
    )


async def events(request: Request) -> Response:
    async def each() -> AsyncIterator[int]:
        yield 1
        yield 2

    return EventStream(each())


def fast_app(log: list[str]) -> FastAPI:
    """An application with what FastAPI's users have: a lifespan with state, dependencies, a WebSocket, documents."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        log.append("opened")
        app.state.pool = "a pool"
        yield
        log.append("closed")

    app = FastAPI(lifespan=lifespan)

    async def who(request: FastRequest) -> str:
        return str(request.app.state.pool)

    @app.get("/items/{pk}", name="one")
    async def one(request: FastRequest, pk: int, pool: str = Depends(who)) -> dict[str, Any]:
        return {"pk": pk, "pool": pool, "url": request.url_for("one", pk=pk).path, "root": request.scope["root_path"]}

    @app.post("/items")
    async def make(item: dict[str, Any]) -> dict[str, Any]:
        return item

    @app.get("/stream")
    async def stream() -> FastStream:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"a" * 70_000
            yield b"b"

        return FastStream(pieces())

    @app.websocket("/talk")
    async def echo(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text(await ws.receive_text())
        await ws.close()

    return app


ROUTES: list[Any] = [path("", home, name="home"), path("items/<int:pk>/", home, name="item"), path("events", events)]


@contextlib.asynccontextmanager
async def served(app: Any, protocol: str) -> AsyncIterator[tuple[LiveServer, httpx.AsyncClient]]:
    options = {} if protocol == "covet" else {"protocol": protocol}
    async with (
        serve(app, lifespan="on", **options) as server,
        visitor(server) as client,
    ):
        yield server, client


@pytest.fixture(params=["covet", "httptools", "h11"])
def protocol(request: pytest.FixtureRequest) -> Any:
    """Which of uvicorn's HTTP classes is in use."""
    return request.param


async def test_fastapi_inside_the_project(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[COMMON]):
        application = make_application([path("api/", fast_app(log), name="api"), *ROUTES])
        monkeypatch.setattr(lifecycle, "apps", application.apps)
        async with served(application, protocol) as (server, client):
            assert log == ["opened"]
            one = await client.get("/api/items/3")
            made = await client.post("/api/items", json={"a": "x" * 200_000})
            wrong = await client.get("/api/items/x")
            missing = await client.get("/api/nothing")
            slash = await client.get("/api")
            stream = await client.get("/api/stream")
            schema = await client.get("/api/openapi.json")
            page = await client.get("/api/docs")
            ours = await client.get("/")
            async with connect(f"{server.ws_url}/api/talk") as ws:
                await ws.send("hello")
                assert await ws.recv() == "hello"
    assert log == ["opened", "closed"]

    assert one.json() == {"pk": 3, "pool": "a pool", "url": "/api/items/3", "root": "/api"}
    assert len(made.json()["a"]) == 200_000
    assert wrong.status_code == 422
    # Each answers for what lies below its own address.
    assert missing.json() == {"detail": "Not Found"}
    assert (slash.status_code, slash.headers["location"]) == (301, "/api/")
    assert stream.text == "a" * 70_000 + "b"
    assert schema.json()["servers"] == [{"url": "/api"}]
    assert "/api/openapi.json" in page.text
    assert (ours.json()["api"], ours.json()["item"]) == ("/api/", "/items/3/")


class Opened(AppPart):
    log: list[str] = []

    async def startup(self) -> None:
        self.log.append("opened")

    async def shutdown(self) -> None:
        self.log.append("closed")


async def test_the_project_inside_fastapi(protocol: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Opened, "log", [])
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[COMMON]):
        inner = make_application([*ROUTES, path("api/", fast_app([]), name="api")])
        for part in (Opened(), routing()):
            inner.apps._parts[type(part)] = part
        inner.apps.part(RoutingPart).ready(inner.apps)
        monkeypatch.setattr(lifecycle, "apps", inner.apps)

        @contextlib.asynccontextmanager
        async def lifespan(app: FastAPI) -> AsyncIterator[None]:
            async with started():
                yield

        outer = FastAPI(lifespan=lifespan)
        outer.mount("/covet", inner)

        @outer.get("/own")
        async def own() -> dict[str, str]:
            return {"is": "fast"}

        async with served(outer, protocol) as (server, client):
            assert Opened.log == ["opened"]
            answers = {
                address: await client.get(address)
                for address in (
                    "/own",
                    "/covet/",
                    "/covet/items/7",
                    "/covet/nothing",
                    "/covet/events",
                    "/covet/api/items/1",
                )
            }
            posted = await client.post("/covet/?a=b%20c", content="x" * 200_000)
            followed = await client.get("/covet/items/7", follow_redirects=True)
            async with connect(f"{server.ws_url}/covet/talk") as ws:
                await ws.send("hello")
                assert await ws.recv() == "hello"
    assert Opened.log == ["opened", "closed"]

    assert answers["/own"].json() == {"is": "fast"}
    assert answers["/covet/"].json() == {
        "item": "/covet/items/3/",
        "api": "/covet/api/",
        "path": "/",
        "full": "/covet/",
        "body": "",
    }
    assert (answers["/covet/items/7"].status_code, answers["/covet/items/7"].headers["location"]) == (
        301,
        "/covet/items/7/",
    )
    assert followed.json()["path"] == "/items/7/"
    assert answers["/covet/nothing"].headers["content-type"] == "application/problem+json"
    assert answers["/covet/events"].text == "data: 1\n\ndata: 2\n\n"
    # One in the other in the other, each root before the next.
    assert answers["/covet/api/items/1"].json()["url"] == "/covet/api/items/1"
    assert (posted.json()["full"], len(posted.json()["body"])) == ("/covet/?a=b%20c", 200_000)


def routing() -> RoutingPart:
    part = RoutingPart()
    part._patterns = [path("talk", talk)]
    return part
