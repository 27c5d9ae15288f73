"""103 Early Hints: sent where the server can, and nothing changes where it cannot."""

from __future__ import annotations

import asyncio
from typing import Any

from covet.conf import override
from covet.http import JSONResponse, Request, Response
from covet.test.live import serve
from covet.urls import path
from tests.handlers.sites import Site, make_application

LINK = "</static/site.css>; rel=preload; as=style"


async def page(request: Request) -> Response:
    return JSONResponse(await request.send_early_hints(LINK, "</a.js>; rel=preload; as=script"))


async def test_the_protocol_class_writes_them_before_the_answer() -> None:
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        async with serve(make_application([path("", page)])) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()

    hints, _, rest = answer.partition(b"\r\n\r\n")
    assert hints.split(b"\r\n") == [
        b"HTTP/1.1 103 Early Hints",
        b"link: " + LINK.encode(),
        b"link: </a.js>; rel=preload; as=script",
    ]
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest.endswith(b"\r\n\r\ntrue")


async def test_asgi_servers_with_the_extension_get_the_message(site: Site) -> None:
    client = await site([path("", page)])
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    for extensions in ({"http.response.early_hint": {}}, {}):
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"testserver")]}
        await client.application({**scope, "extensions": extensions}, receive, send)

    assert [message["type"] for message in sent] == [
        "http.response.early_hint",
        "http.response.start",
        "http.response.body",
        "http.response.start",
        "http.response.body",
    ]
    assert sent[0]["links"][0] == LINK.encode()
    assert (sent[2]["body"], sent[4]["body"]) == (b"true", b"false")


async def test_an_answer_on_any_way_is_the_same(site: Site) -> None:
    client = await site([path("", page)])

    answer = await client.get("/")

    assert answer.json() is (client.way == "protocol")
    assert await Request.from_parts("GET", "/").send_early_hints(LINK) is False
