"""ASGI applications inside the project, and the project inside others."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from covet.exceptions import ImproperlyConfigured
from covet.http import JSONResponse, Request, Response
from covet.test.client import AsyncClient
from covet.test.live import serve
from covet.urls import mount, path, reverse
from covet.urls.part import UrlsPart
from tests.handlers.sites import Site


async def read_body(receive: Any) -> bytes:
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request"
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def legacy(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan here")
    if scope["type"] == "websocket":
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": f"{scope['root_path']} {scope['path']}"})
        await send({"type": "websocket.close", "code": 1000})
        return
    body = await read_body(receive)
    if scope["path"].endswith("/broken"):
        raise RuntimeError("the legacy secret")
    told = {
        "method": scope["method"],
        "root": scope["root_path"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "body": body.decode(),
    }
    headers = [(b"Content-Type", b"application/json"), (b"x-frame-options", b"SAMEORIGIN"), (b"set-cookie", b"a=1")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


class Framework:
    """As frameworks have it: an instance that is called."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.fails = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        await receive()
        if self.fails:
            await send({"type": "lifespan.startup.failed", "message": "no disk"})
            return
        self.log.append("started")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.log.append("stopped")
        await send({"type": "lifespan.shutdown.complete"})


async def home(request: Request) -> Response:
    return JSONResponse({"home": reverse("home"), "full": request.get_full_path(), "path": request.path})


ROUTES = [path("", home, name="home"), path("legacy/", legacy, name="legacy"), path("x/<int:pk>/", legacy)]


@pytest.mark.parametrize("address", ["/legacy/", "/legacy/a/b", "/legacy/%C3%A4/"])
async def test_an_application_serves_all_below_its_path(site: Site, address: str) -> None:
    client = await site(ROUTES)

    answer = await client.get(f"{address}?q=1")

    assert answer.status_code == 201
    assert answer.json() == {
        "method": "GET",
        "root": "/legacy",
        "path": address.replace("%C3%A4", "ä"),
        "query": "q=1",
        "body": "",
    }
    assert (await client.get("/")).json()["home"] == "/"
    assert (await client.get("/legacyx")).status_code == 404


@pytest.mark.parametrize("size", [10, 100_000, 5_000_000])
async def test_it_reads_the_body_whatever_its_size(site: Site, size: int) -> None:
    client = await site(ROUTES, MAX_BODY_SIZE=1_000_000)

    answer = await client.post("/legacy/in", content=b"x" * size)

    assert answer.status_code == 201
    assert len(answer.json()["body"]) == size


async def test_a_body_that_middleware_has_read_is_read_again(site: Site) -> None:
    client = await site(ROUTES, middleware=["tests.handlers.test_mounts.reads_the_body"])

    answer = await client.post("/legacy/in", content=b"once")

    assert answer.json()["body"] == "once"
    assert answer.headers["x-read"] == "4"


def reads_the_body(get_response: Any) -> Any:
    async def middleware(request: Request) -> Response:
        size = len(await request.body())
        response: Response = await get_response(request)
        response.headers["X-Read"] = str(size)
        response.set_cookie("b", "2")
        return response

    return middleware


async def test_headers_of_middleware_are_added_and_its_own_win(site: Site) -> None:
    client = await site(
        ROUTES,
        middleware=["covet.middleware.security.SecurityMiddleware", "tests.handlers.test_mounts.reads_the_body"],
    )

    answer = await client.get("/legacy/")

    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert dict(answer.cookies) == {"a": "1", "b": "2"}
    assert answer.headers.get_list("content-type") == ["application/json"]


async def test_csrf_is_its_own_affair(site: Site) -> None:
    client = await site(ROUTES, middleware=["covet.middleware.csrf.CsrfMiddleware"])
    client.cookies.set("sessionid", "abc")

    assert (await client.post("/legacy/in", data={"a": "1"})).status_code == 201


async def test_what_it_raises_is_a_500_that_tells_nothing(site: Site) -> None:
    client = await site(ROUTES)

    answer = await client.get("/legacy/broken")

    assert answer.status_code == 500
    assert "secret" not in answer.text


async def test_websockets_below_the_path_are_its_own(site: Site) -> None:
    from websockets.asyncio.client import connect

    client = await site(ROUTES)
    async with (
        serve(client.application, log_level="critical") as server,
        connect(f"{server.ws_url}/legacy/talk") as ws,
    ):
        assert await ws.recv() == "/legacy /legacy/talk"


async def test_its_lifespan_runs_with_the_project(site: Site) -> None:
    framework = Framework()
    client = await site([path("a/", framework), path("b/", framework), path("c/", legacy)])
    part = client.application.apps.part(UrlsPart)

    await part.startup()
    assert framework.log == ["started"]
    await part.shutdown()

    assert framework.log == ["started", "stopped"]


async def test_one_that_cannot_start_stops_the_start(site: Site) -> None:
    framework = Framework()
    framework.fails = True
    client = await site([path("a/", framework)])

    with pytest.raises(ImproperlyConfigured, match="no disk"):
        await client.application.apps.part(UrlsPart).startup()
    await client.application.apps.part(UrlsPart).shutdown()


@pytest.mark.parametrize("answers", [True, False], ids=["goes on after its answer", "does not answer"])
async def test_one_that_does_not_stop_does_not_keep_the_process(
    site: Site, answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mount, "LAST_WORDS_S", 0.01)
    ended: list[str] = []

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        try:
            await receive()
            if answers:
                await send({"type": "lifespan.shutdown.complete"})
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    client = await site([path("a/", endless)], SHUTDOWN_GRACE_S=0.01)
    part = client.application.apps.part(UrlsPart)

    await part.startup()
    await part.shutdown()

    assert ended == ["cancelled"]


def test_a_mount_takes_no_methods() -> None:
    with pytest.raises(ImproperlyConfigured, match="methods"):
        path("legacy/", legacy, methods=["GET"])


async def test_the_project_is_mounted_in_another_application(site: Site) -> None:
    client = await site([*ROUTES, path("covetous", home)], middleware=["covet.middleware.common.CommonMiddleware"])
    inner = client.application

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"].startswith("/covet")
        await inner({**scope, "root_path": "/covet"}, receive, send)

    async with AsyncClient(outer) as outside:
        answer = await outside.get("/covet/?a=1")
        nested = await outside.get("/covet/legacy/x")
        slash = await outside.get("/covet/legacy")
        # A path that merely begins with the same letters is not below the root.
        other = await outside.get("/covetous")

    assert answer.json() == {"home": "/covet/", "full": "/covet/?a=1", "path": "/"}
    assert nested.json()["root"] == "/covet/legacy"
    assert slash.headers["location"] == "/covet/legacy/"
    assert other.json()["path"] == "/covetous"


class Pooled:
    """An application whose lifespan makes something that its requests share."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.serve(scope, receive, send)

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["pool"] = "open"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        told = json.dumps(scope["state"])
        scope["state"]["pool"] = "taken"
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.send", "text": told})
            await send({"type": "websocket.close", "code": 1000})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": told.encode()})


async def test_its_requests_get_the_state_of_its_lifespan(site: Site) -> None:
    pooled = Pooled()
    client = await site([path("a/", pooled), path("b/", pooled), path("c/", pooled.serve), path("d/", pooled.serve)])
    part = client.application.apps.part(UrlsPart)

    await part.startup()
    try:
        answers = [(await client.get(address)).json() for address in ("/a/x", "/a/x", "/b/x", "/c/x", "/d/x")]
        async with AsyncClient(client.application) as inside, inside.websocket("/a/x") as ws:
            answers.append(json.loads(await ws.receive_text()))
    finally:
        await part.shutdown()

    assert answers == [{"pool": "open"}] * 6


async def test_the_state_of_an_outer_application_is_read_and_not_taken_for_ours(site: Site) -> None:
    async def look(request: Request) -> Response:
        request.state.mine = 1
        told = [request.state.db, request.state.mine, request.version, hasattr(request.state, "other")]
        return JSONResponse([*told, sorted(request.scope["state"])])

    client = await site([path("look", look)])
    inner = client.application

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        await inner({**scope, "state": {"db": "pool", "version": "theirs"}}, receive, send)

    async with AsyncClient(outer) as outside:
        answer = await outside.get("/look")

    assert answer.json() == ["pool", 1, None, False, ["db", "version"]]
