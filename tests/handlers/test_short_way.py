"""Whether a request is read at one go or by the parser, piece by piece: it is the same request, and has its own task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

import pytest

from covet.handlers import protocol
from covet.http import JSONResponse, Request, Response, StreamingResponse
from covet.urls import path
from tests.handlers.test_protocol import served, talk

visitor: ContextVar[str] = ContextVar("visitor", default="nobody")


async def told(request: Request, rest: str = "") -> Response:
    body = (await request.body()).decode()
    return JSONResponse(
        [request.method, request.path, request.raw_query.decode(), dict(request.headers), body, request.scheme]
    )


async def early(request: Request) -> Response:
    return Response("early")


async def secret(request: Request) -> Response:
    return Response("secret")


ROUTES = [path("told", told), path("told/<path:rest>", told), path("early", early), path("secret", secret)]
SECRET = b"GET /secret HTTP/1.1\r\nhost: x\r\n\r\n"
ENDS = b"GET /early HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


@pytest.fixture(params=["at one go", "by the parser"])
def read(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """How requests are read that are plain and whole."""
    way: str = request.param
    monkeypatch.setattr(protocol, "READS_PLAIN", way == "at one go" and protocol.READS_PLAIN)
    return way


async def answer_to(reader: asyncio.StreamReader) -> bytes:
    """Return the body of the next answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def test_a_request_is_the_same_in_one_piece_and_in_many(read: str) -> None:
    requests = [
        b"GET /told/a%20b/%C3%A9?x=1&y=?/ HTTP/1.1\r\nHost: x:80\r\nX-Two:  words  of it\r\n\r\n",
        b"POST /told HTTP/1.1\r\nhost: x\r\nContent-Length: 11\r\nconnection: Keep-Alive\r\n\r\nGET / HTTP/\r",
        b"DELETE /told HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n",
        b"PUT /told HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HEAD /told HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /told?a HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 9.9.9.9\r\n\r\n",
    ]
    answers = []
    async with served(ROUTES) as server:
        for size in (10_000, 7):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            for request in requests:
                for at in range(0, len(request), size):
                    writer.write(request[at : at + size])
                    await writer.drain()
                    await asyncio.sleep(0)
                if request.startswith(b"HEAD"):
                    answers.append((await reader.readuntil(b"\r\n\r\n")).partition(b"content-length")[2])
                else:
                    answers.append(await answer_to(reader))
            writer.close()

    assert len(answers) == 12
    assert answers[:6] == answers[6:]
    assert answers[0].startswith('["GET","/told/a b/é","x=1&y=?/",{"host":"x:80","x-two":"words  of it"'.encode())


async def test_a_body_that_nobody_read_is_never_taken_for_a_request(read: str) -> None:
    """The answer has gone before the body came, whose pieces look like requests, each in a packet of its own."""
    async with served(ROUTES) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        times = 3000
        writer.write(b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (len(SECRET) * times))
        assert await answer_to(reader) == b"early"
        for _ in range(20):
            writer.write(SECRET)
            await writer.drain()
            for _ in range(5):
                # Turns of the loop, in which the server reads it alone.
                await asyncio.sleep(0)
        writer.write(SECRET * (times - 20) + ENDS)
        rest = await reader.read()
        writer.close()

    assert b"secret" not in rest
    assert rest.count(b"HTTP/1.1 200") == 1
    assert rest.endswith(b"early")


@pytest.mark.parametrize(
    "broken",
    [
        b"GET /early HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 200 + b"\r\n",
        b"GET /early\x00 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["too many headers", "no request"],
)
async def test_nothing_is_answered_behind_what_was_refused(read: str, broken: bytes) -> None:
    async with served(ROUTES) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(broken)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(SECRET)
        rest = await reader.read()
        writer.close()

    assert head.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    assert b"secret" not in rest


async def test_requests_of_one_packet_are_answered_in_order(read: str) -> None:
    async def waits(request: Request) -> Response:
        await asyncio.sleep(0.01)
        return Response("waited")

    async with served([*ROUTES, path("waits", waits)]) as server:
        waiting = b"GET /waits HTTP/1.1\r\nhost: x\r\n\r\n"
        answer = await talk(server, SECRET + waiting + SECRET + ENDS)

    assert [body for body in (b"secret", b"waited", b"early") if body in answer] == [b"secret", b"waited", b"early"]
    assert answer.count(b"secret") == 2
    assert answer.index(b"secret") < answer.index(b"waited") < answer.rindex(b"secret") < answer.index(b"early")


async def test_each_request_of_a_connection_has_its_own_context_and_task(read: str) -> None:
    tasks = []

    async def comes(request: Request, name: str) -> Response:
        before = visitor.get()
        visitor.set(name)
        tasks.append(asyncio.current_task())
        if name == "waits":
            await asyncio.sleep(0)
            assert asyncio.current_task() is tasks[-1]
        async with asyncio.timeout(30):
            return Response(f"{before}, then {visitor.get()}")

    async with served([path("<str:name>", comes)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        answers = []
        for name in (b"ann", b"waits", b"bob", b"waits", b"eve"):
            writer.write(b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n" % name)
            answers.append(await answer_to(reader))
        writer.close()

    assert answers == [b"nobody, then %b" % name for name in (b"ann", b"waits", b"bob", b"waits", b"eve")]
    assert len({id(task) for task in tasks}) == 5


async def test_what_is_left_to_do_behind_a_stream_leaves_the_next_request_alone(read: str) -> None:
    """The client has the whole stream and asks again, while the request that it was for still waits for its end."""
    go = asyncio.Event()

    async def stream(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"all"

        class Ends(StreamingResponse):
            async def send(self, scope: Any, receive: Any, send: Any) -> None:
                await super().send(scope, receive, send)
                await go.wait()

        return Ends(pieces())

    async def waits(request: Request) -> Response:
        go.set()
        await asyncio.sleep(0.01)
        return Response("waited")

    async with served([path("stream", stream), path("waits", waits)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /stream HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"GET /waits HTTP/1.1\r\nhost: x\r\n\r\n")
        async with asyncio.timeout(30):
            assert await answer_to(reader) == b"waited"
        writer.close()


async def test_no_task_is_left_when_the_last_connection_has_gone(read: str) -> None:
    async with served(ROUTES) as server:
        before = asyncio.all_tasks()
        await talk(server, ENDS)
        async with asyncio.timeout(30):
            while asyncio.all_tasks() - before:
                await asyncio.sleep(0)
