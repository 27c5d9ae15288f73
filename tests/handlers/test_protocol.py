"""What only a real connection shows: pipelining, keep-alive, limits of the head, clients that leave."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.apps.draining import draining
from covet.conf import override
from covet.handlers import protocol
from covet.handlers.protocol import _with_path
from covet.http import FileResponse, JSONResponse, Request, Response, StreamingResponse
from covet.test.live import LiveServer, serve
from covet.urls import path
from tests.handlers.sites import make_application
from tests.handlers.test_unread_answers import connections


@contextlib.asynccontextmanager
async def served(
    urlpatterns: Sequence[Any], *, config: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[LiveServer]:
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, MIDDLEWARE=[], **settings):
        application = make_application(urlpatterns)
    async with serve(application, log_level="critical", **(config or {})) as server:
        yield server


async def talk(server: LiveServer, text: bytes, *, until_closed: bool = True) -> bytes:
    """Send the bytes and return all that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(text)
        async with asyncio.timeout(30):
            return await reader.read() if until_closed else await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


async def number(request: Request, number: int) -> Response:
    await asyncio.sleep(0 if number % 2 else 0.01)
    return Response(f"<{number}>")


async def echo(request: Request) -> Response:
    return Response(await request.body())


async def test_pipelined_requests_are_answered_in_order() -> None:
    requests = b"".join(b"GET /n/%d HTTP/1.1\r\nhost: x\r\n\r\n" % n for n in range(6))
    last = b"GET /n/6 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"

    async with served([path("n/<int:number>", number)]) as server:
        answer = await talk(server, requests + last)

    assert [part.split(b">")[0] for part in answer.split(b"\r\n\r\n<")[1:]] == [b"%d" % n for n in range(7)]
    assert answer.count(b"HTTP/1.1 200 OK") == 7


async def test_pipelined_bodies_go_to_their_own_requests() -> None:
    async with served([path("echo", echo)]) as server:
        answer = await talk(
            server,
            b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\none"
            b"POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
            b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\n\r\nthree",
        )

    assert [part for part in (b"one", b"two", b"three") if part in answer] == [b"one", b"two", b"three"]
    assert answer.index(b"one") < answer.index(b"two") < answer.index(b"three")


@pytest.mark.parametrize("value", [b"1", b"\xff"], ids=["plain", "parsed"])
async def test_a_connection_that_comes_while_the_server_drains_is_answered_once(value: bytes) -> None:
    async with served([path("n/<int:number>", number)]) as server:
        draining.begin()
        try:
            answer = await talk(server, b"GET /n/1 HTTP/1.1\r\nhost: x\r\nx: %b\r\n\r\n" % value)
        finally:
            draining.end()

    assert answer.startswith(b"HTTP/1.1 200 ") and b"\r\nconnection: close\r\n" in answer


@pytest.mark.parametrize("length", [0, 70000], ids=["small", "large"])
async def test_nothing_runs_behind_an_answer_that_closes(length: int) -> None:
    """RFC 9112, 9.6: who has said that it closes processes no further request of the connection."""
    seen: list[str] = []

    async def view(request: Request) -> Response:
        seen.append(request.path)
        return Response("ok", headers={"Connection": "close"})

    async with served([path("first", view), path("second", view, methods=["POST"])]) as server:
        answer = await talk(
            server,
            b"GET /first HTTP/1.1\r\nhost: x\r\n\r\n"
            b"POST /second HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % length + b"x" * min(length, 10),
        )

    assert seen == ["/first"]
    assert answer.count(b"HTTP/1.1 ") == 1


async def test_nothing_runs_behind_a_request_that_was_refused() -> None:
    seen: list[str] = []

    async def view(request: Request) -> Response:
        seen.append(request.path)
        return Response("ok")

    many = b"".join(b"x-%d: 1\r\n" % n for n in range(protocol.MAX_HEADERS + 1))
    async with served([path("first", view), path("second", view)]) as server:
        answer = await talk(
            server,
            b"GET /first HTTP/1.1\r\nhost: x\r\n%b\r\nGET /second HTTP/1.1\r\nhost: x\r\n\r\n" % many,
        )

    assert seen == []
    assert answer.startswith(b"HTTP/1.1 431 ") and answer.count(b"HTTP/1.1 ") == 1


async def test_a_refusal_is_not_sent_in_front_of_the_answer_of_an_earlier_request() -> None:
    """A client would take it for the answer to what it asked first."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        begun.set()
        await go_on.wait()
        return Response("ok")

    many = b"".join(b"x-%d: 1\r\n" % n for n in range(protocol.MAX_HEADERS + 1))
    async with served([path("slow", slow)]) as server:
        answer = await talk(
            server, b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\nGET /slow HTTP/1.1\r\nhost: x\r\n%b\r\n" % many
        )

    assert begun.is_set()
    assert answer == b""


async def test_a_request_behind_a_stream_waits_for_its_end() -> None:
    async def stream(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in (b"first", b"second"):
                yield piece
                await asyncio.sleep(0.01)

        return StreamingResponse(pieces())

    async with served([path("s", stream), path("n/<int:number>", number)]) as server:
        answer = await talk(
            server,
            b"GET /s HTTP/1.1\r\nhost: x\r\n\r\nGET /n/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )

    assert answer.index(b"first") < answer.index(b"second") < answer.index(b"<1>")


async def test_a_body_that_comes_byte_by_byte_is_whole() -> None:
    async with served([path("echo", echo)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for byte in b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nabcdefghi":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(9)
        writer.close()

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"abcdefghi"


async def test_expect_100_continue_is_answered_before_the_body() -> None:
    async with served([path("echo", echo)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        interim = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"ok")
        await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(2)
        writer.close()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert body == b"ok"


async def test_http_1_0_gets_its_answer_and_a_close() -> None:
    async with served([path("n/<int:number>", number)]) as server:
        answer = await talk(server, b"GET /n/1 HTTP/1.0\r\n\r\n")

    assert answer.endswith(b"<1>")
    assert b"connection: close" in answer


async def test_what_is_no_http_is_400() -> None:
    async with served([]) as server:
        answer = await talk(server, b"\x16\x03\x01 nonsense\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /n/1 HTTP/1.1\r\nhost: x\r\nx-long: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET /n/1 HTTP/1.1\r\nhost: x\r\n" + b"".join(b"x-%d: 1\r\n" % n for n in range(200)) + b"\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /n/1 HTTP/1.1\r\nhost: x\r\nx-endless: " + b"a" * 200_000,
    ],
    ids=["long header", "many headers", "long target", "endless header"],
)
async def test_a_head_over_the_limits_is_431(head: bytes) -> None:
    async with served([path("n/<int:number>", number)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head)
        status = await reader.readline()
        writer.close()

    assert status.startswith(b"HTTP/1.1 431 ")


async def test_an_idle_connection_is_closed_after_the_keep_alive_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SWEEP_S", 0.02)

    async with served([path("n/<int:number>", number)], config={"timeout_keep_alive": 0}) as server:
        answer = await talk(server, b"GET /n/1 HTTP/1.1\r\nhost: x\r\n\r\n")

    assert answer.endswith(b"<1>")


async def test_a_head_that_does_not_arrive_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SWEEP_S", 0.02)
    monkeypatch.setattr(protocol, "HEAD_TIMEOUT_S", 0.05)

    async with served([]) as server:
        answer = await talk(server, b"GET / HTTP/1.1\r\nhost:")

    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_small_body_that_does_not_arrive_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SWEEP_S", 0.02)

    async with served([path("echo", echo)], BODY_TIMEOUT_S=0.05) as server:
        small = await talk(server, b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab")
        large = await talk(server, b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 500000\r\n\r\nab")

    assert small.startswith(b"HTTP/1.1 408 ")
    assert large.startswith(b"HTTP/1.1 408 ")


async def test_a_client_that_leaves_cancels_its_view() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def wait(request: Request) -> Response:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return Response()

    async with served([path("wait", wait)]) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await started.wait()
        writer.close()
        async with asyncio.timeout(30):
            await cancelled.wait()


async def test_a_client_that_leaves_closes_the_stream_it_read() -> None:
    closed = asyncio.Event()

    async def endless(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"x" * 1000
                    await asyncio.sleep(0.001)
            finally:
                closed.set()

        return StreamingResponse(pieces())

    async with served([path("s", endless)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /s HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readexactly(2000)
        writer.close()
        async with asyncio.timeout(30):
            await closed.wait()


async def test_shutdown_waits_for_the_answer_of_a_running_view() -> None:
    started, go = asyncio.Event(), asyncio.Event()

    async def wait(request: Request) -> Response:
        started.set()
        await go.wait()
        return Response("done")

    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(served([path("wait", wait)], config={"timeout_graceful_shutdown": 60}))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
        await started.wait()
        (connection,) = connections(server)
        closing = asyncio.create_task(stack.aclose())
        async with asyncio.timeout(30):
            while not connection.is_last:
                await asyncio.sleep(0.001)
        go.set()
        answer = await reader.read()
        await closing
        writer.close()

    assert answer.endswith(b"done")
    assert b"connection: close" in answer


async def test_a_large_answer_waits_for_a_slow_reader() -> None:
    async def large(request: Request) -> Response:
        return Response(b"z" * 8_000_000)

    async with served([path("large", large)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        size = 0
        while piece := await reader.read(100_000):
            size += len(piece)
        writer.close()

    assert size == 8_000_000


async def address(request: Request) -> Response:
    return Response(f"<{request.get_full_path()}>")


@pytest.mark.parametrize(
    ("target", "full"),
    [
        (b"http://x", b"</>"),
        (b"http://x?a=/b://c", b"</?a=/b://c>"),
        (b"http://x/?a=http://y", b"</?a=http://y>"),
        (b"/?a=http://y", b"</?a=http://y>"),
    ],
)
async def test_a_target_without_a_path_is_the_root(target: bytes, full: bytes) -> None:
    async with served([path("", address)]) as server:
        answer = await talk(server, b"GET " + target + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

    assert answer.endswith(full)


@given(
    scheme=st.sampled_from([b"http", b"https", b"h"]),
    authority=st.sampled_from([b"x", b"x:80", b"a@x", b"[::1]:80", b""]),
    rest=st.lists(st.sampled_from([b"/", b"?", b"://", b"http://y", b"a", b"="]), max_size=6).map(b"".join),
    mark=st.sampled_from([b"", b"/", b"?", b"#"]),
)
def test_what_stands_behind_the_authority_stays_and_begins_with_a_slash(
    scheme: bytes, authority: bytes, rest: bytes, mark: bytes
) -> None:
    origin, behind = scheme + b"://" + authority, mark + rest if mark else b""

    full = _with_path(origin + behind)

    assert full == origin + (behind if behind.startswith(b"/") else b"/" + behind)
    assert urlsplit(full).path.startswith(b"/")
    assert _with_path(full) == full
    # A target that is a path is left alone, whatever its query holds.
    assert _with_path(b"/" + origin + behind) == b"/" + origin + behind
    assert _with_path(b"/" + behind) == b"/" + behind


async def test_a_target_that_is_no_address_is_400() -> None:
    async with served([path("", address)]) as server:
        answer = await talk(server, b"GET http://x:99999/ HTTP/1.1\r\nhost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_the_absolute_form_of_a_target_is_understood() -> None:
    async with served([path("n/<int:number>", number)]) as server:
        answer = await talk(server, b"GET http://x/n/3 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

    assert answer.endswith(b"<3>")


async def test_forwarded_headers_are_believed_as_uvicorn_is_told() -> None:
    async def who(request: Request) -> Response:
        return JSONResponse([request.scheme, request.client[0] if request.client else ""])

    async with served([path("who", who)], config={"proxy_headers": True}) as server:
        answer = await talk(
            server,
            b"GET /who HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 9.9.9.9\r\nx-forwarded-proto: https\r\nconnection: close\r\n\r\n",
        )

    assert answer.endswith(b'["https","9.9.9.9"]')


async def test_limit_concurrency_is_kept() -> None:
    async with served([path("n/<int:number>", number)], config={"limit_concurrency": 1}) as server:
        answer = await talk(server, b"GET /n/1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        large = await talk(server, b"POST /n/1 HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert large.startswith(b"HTTP/1.1 503 ")


async def test_what_the_server_itself_refuses_is_a_problem_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any request is there to be handled: 400, 408, 431, 503."""
    monkeypatch.setattr("covet.handlers.protocol.HEAD_TIMEOUT_S", 0.01)
    routes = [path("n/<int:number>", number)]
    async with served(routes) as server:
        answers = {
            400: await talk(server, b"what is this?\r\n\r\n"),
            408: await talk(server, b"GET / HTTP/1.1\r\nhost"),
            431: await talk(server, b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 200 + b"\r\n"),
        }
    async with served(routes, config={"limit_concurrency": 1}) as server:
        answers[503] = await talk(server, b"GET /n/1 HTTP/1.1\r\nhost: x\r\n\r\n")

    for status, answer in answers.items():
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"content-type: application/problem+json" in head.lower()
        assert json.loads(body)["status"] == status


async def test_a_stranger_application_is_served_by_uvicorn_alone() -> None:
    async def stranger(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"hi"})

    async with serve(stranger, log_level="critical") as server:
        answer = await talk(server, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

    assert answer.endswith(b"hi")


async def test_a_missing_file_is_404_even_though_it_was_to_be_streamed() -> None:
    async def file(request: Request) -> Response:
        return FileResponse("/nowhere/at/all.txt")

    async with served([path("file", file)]) as server:
        answer = await talk(server, b"GET /file HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 404 ")


async def test_a_stream_that_fails_half_way_cuts_the_connection() -> None:
    async def broken(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"some"
            raise RuntimeError("no more")

        return StreamingResponse(pieces())

    async with served([path("s", broken)]) as server:
        answer = await talk(server, b"GET /s HTTP/1.1\r\nhost: x\r\n\r\n")

    assert b"some" in answer
    assert not answer.endswith(b"0\r\n\r\n")
