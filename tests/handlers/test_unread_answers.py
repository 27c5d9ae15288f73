"""Clients that ask and never read: their stream is cancelled and their connection cut; who reads slowly is served."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from covet.conf import override
from covet.handlers import protocol
from covet.handlers.protocol import CovetProtocol, _Sweeper
from covet.handlers.readers import Unread, stream_to_reader
from covet.handlers.rsgi import RsgiApplication
from covet.http import EventStream, FileResponse, Request, Response, StreamingResponse
from covet.test.live import LiveServer, serve
from covet.urls import path
from tests.handlers.sites import make_application, serve_granian

PIECE = b"x" * 65536
LARGE = 32 * 1024 * 1024


class Views:
    """Answers that are larger than what the systems between server and client hold."""

    def __init__(self, folder: Path) -> None:
        self.ended = asyncio.Event()
        self.file = folder / "large"
        with self.file.open("wb") as file:
            file.truncate(LARGE)

    async def endless(self, request: Request) -> Response:
        return StreamingResponse(self._pieces())

    async def events(self, request: Request) -> Response:
        return EventStream(self._pieces())

    async def whole(self, request: Request) -> Response:
        return Response(b"x" * LARGE)

    async def download(self, request: Request) -> Response:
        return FileResponse(self.file)

    async def _pieces(self) -> AsyncIterator[Any]:
        try:
            while True:
                yield PIECE.decode()
        finally:
            self.ended.set()

    def routes(self) -> list[Any]:
        return [
            path("endless", self.endless),
            path("events", self.events),
            path("whole", self.whole),
            path("download", self.download),
        ]


@contextlib.asynccontextmanager
async def served(views: Views, way: str, **settings: Any) -> AsyncIterator[LiveServer]:
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, MIDDLEWARE=[], INSTALLED_APPS=[], **settings):
        application = make_application(views.routes())
    if way == "rsgi":
        async with serve_granian(RsgiApplication(application)) as server:
            yield server
        return
    options = {} if way == "protocol" else {"protocol": way}
    async with serve(application, log_level="critical", **options) as server:
        yield server


@contextlib.asynccontextmanager
async def asked(server: LiveServer, target: str, *, head: bytes = b"") -> AsyncIterator[socket.socket]:
    """A client that has sent a request and reads nothing of its answer by itself."""
    with socket.socket() as client:
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, ("127.0.0.1", server.port))
        await loop.sock_sendall(client, b"GET /%b HTTP/1.1\r\nhost: x\r\n%b\r\n" % (target.encode(), head))
        yield client


async def read_to_the_end(client: socket.socket) -> int:
    """How many bytes come until the connection ends, by a reset or by its end."""
    loop, size = asyncio.get_running_loop(), 0
    with contextlib.suppress(ConnectionError):
        while piece := await loop.sock_recv(client, 1 << 20):
            size += len(piece)
    return size


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def paused(server: LiveServer) -> CovetProtocol:
    """The connection, once its client has been given more than it takes."""
    await until(lambda: any(each.flow.write_paused for each in connections(server)))
    (found,) = connections(server)
    return found


def connections(server: LiveServer) -> list[CovetProtocol]:
    """Those of this server: one that has ended may still hold what its client has not noticed."""
    every: list[Any] = [each for sweeper in _Sweeper.by_state.values() for each in sweeper.state.connections]
    return [each for each in every if each.server == ("127.0.0.1", server.port)]


@pytest.mark.parametrize("target", ["endless", "events"])
@pytest.mark.parametrize("way", ["protocol", "httptools", "h11"])
async def test_a_stream_that_nobody_reads_is_cancelled(
    way: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(protocol, "SWEEP_S", 0.05)
    caplog.set_level(logging.INFO, "covet.server")
    views = Views(tmp_path)
    async with served(views, way, RESPONSE_TIMEOUT_S=0.3) as server, asked(server, target) as client:
        async with asyncio.timeout(60):
            await views.ended.wait()
            await until(lambda: "took nothing of its answer for 0.3 s" in caplog.text)
        # Cut, not closed: what was not taken is thrown away.
        assert await read_to_the_end(client) < LARGE


async def test_a_file_that_nobody_reads_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SWEEP_S", 0.05)
    views = Views(tmp_path)

    def is_open() -> bool:
        found = set()
        for each in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a thread has closed it meanwhile
                found.add(str(each.readlink()))
        return str(views.file) in found

    async with served(views, "protocol", RESPONSE_TIMEOUT_S=0.5) as server, asked(server, "download"):
        await until(is_open)
        await until(lambda: not is_open())
        await until(lambda: not connections(server))


@pytest.mark.parametrize("head", [b"", b"connection: close\r\n"], ids=["kept", "closing"])
async def test_a_whole_answer_that_nobody_reads_is_thrown_away(
    head: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "SWEEP_S", 0.05)
    async with (
        served(Views(tmp_path), "protocol", RESPONSE_TIMEOUT_S=0.3) as server,
        asked(server, "whole", head=head) as client,
    ):
        await until(lambda: connections(server))
        await until(lambda: not connections(server))
        assert await read_to_the_end(client) < LARGE


async def test_who_reads_slowly_keeps_a_stream_and_who_stops_does_not(tmp_path: Path) -> None:
    loop, unread = asyncio.get_running_loop(), Unread()
    views = Views(tmp_path)
    async with served(views, "protocol") as server, asked(server, "endless") as client:
        connection = await paused(server)
        # The clock is the test's own.
        now = 0.0
        for _ in range(5):
            state = (connection.transport.get_write_buffer_size(), connection.pauses)
            connection.cut_unread(unread, now)
            connection.cut_unread(unread, now + 59)
            while (connection.transport.get_write_buffer_size(), connection.pauses) == state:
                await loop.sock_recv(client, 1 << 20)
            now += 61
            connection.cut_unread(unread, now)
            assert not connection.transport.is_closing()
        unread.forget_others([connection])
        await until(lambda: connection.flow.write_paused)
        connection.cut_unread(unread, now + 1)
        connection.cut_unread(unread, now + 61)
        assert connection.transport.is_closing()
        await views.ended.wait()
        assert await read_to_the_end(client) < LARGE


@pytest.mark.parametrize("way", ["protocol", "httptools", "rsgi"])
async def test_who_reads_on_gets_all_of_it(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "SWEEP_S", 0.05)
    views = Views(tmp_path)
    async with (
        served(views, way, RESPONSE_TIMEOUT_S=20.0) as server,
        asked(server, "download", head=b"connection: close\r\n") as client,
    ):
        assert await read_to_the_end(client) > LARGE


async def test_zero_waits_without_end(tmp_path: Path) -> None:
    views, unread = Views(tmp_path), Unread()
    async with served(views, "protocol", RESPONSE_TIMEOUT_S=0) as server, asked(server, "endless"):
        connection = await paused(server)
        connection.cut_unread(unread, 0.0)
        connection.cut_unread(unread, 1e6)
        assert not connection.transport.is_closing()


async def test_nothing_is_kept_of_connections_that_are_read_or_gone(tmp_path: Path) -> None:
    views, unread = Views(tmp_path), Unread()
    async with served(views, "protocol") as server, asked(server, "endless"):
        connection = await paused(server)
        unread.waited(connection, 0.0)
        assert unread.waited(connection, 5.0) == 5.0
        unread.forget_others([])
        assert unread.waited(connection, 9.0) == 0.0
        connection.transport.abort()
        assert unread.waited(connection, 19.0) == 0.0
        assert not unread._seen


async def test_a_small_piece_may_wait_for_the_large_one_before_it() -> None:
    """Some servers take a piece at once and let the next one wait until its client has read it."""

    async def view(request: Request) -> Response:
        return StreamingResponse([b"x" * (100 * 65536), b"y"])

    sent: list[int] = []

    async def send(message: Any) -> None:
        if message.get("body") == b"y":
            # The client reads the large piece, within the time that one of its size may take.
            await asyncio.sleep(0.2)
        sent.append(len(message.get("body", b"")))

    never = asyncio.Event()

    async def receive() -> Any:
        await never.wait()

    with override(ALLOWED_HOSTS=["*"], DATABASES={}, MIDDLEWARE=[], RESPONSE_TIMEOUT_S=0.1):
        application = make_application([path("", view)])
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"host", b"x")]}
        await asyncio.create_task(application(scope, receive, send))

    assert sent == [0, 100 * 65536, 1, 0]


def test_a_stream_that_is_filled_up_as_fast_as_it_is_read_is_read() -> None:
    """What is left unsent is as much at each look; that writing had to wait anew shows that some of it was taken."""
    kept = _Filled()
    unread = Unread()

    assert unread.waited(kept, 0.0) == 0.0
    assert unread.waited(kept, 5.0) == 5.0
    kept.pauses = 2
    assert unread.waited(kept, 6.0) == 0.0
    assert unread.waited(kept, 8.0) == 2.0


class _Filled:
    """A connection with the same number of bytes unsent each time; told apart from others, as a protocol is."""

    pauses = 1

    def __init__(self) -> None:
        self.transport: Any = self

    def get_write_buffer_size(self) -> int:
        return 65536


async def test_who_stops_a_stream_that_is_stuck_stops_its_task(caplog: pytest.LogCaptureFixture) -> None:
    """The stop of a server comes while the stream is being given up: it is not taken for the giving up."""
    went_on = []

    async def stream(request: Any, response: Any, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send({"type": "http.response.body", "body": b"x"})
        except asyncio.CancelledError:
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            raise

    async def serve_it() -> None:
        handler: Any = SimpleNamespace(policy=SimpleNamespace(response_timeout_s=0.001), stream=stream)
        request = Request.from_parts("GET", "/")
        await stream_to_reader(handler, request, Response(), {}, never, never)
        went_on.append(True)

    async def never(*message: Any) -> Any:
        await asyncio.Event().wait()

    task = asyncio.create_task(serve_it())
    await asyncio.wait([task])

    assert task.cancelled()
    assert not went_on


async def test_what_a_stuck_request_holds_is_given_back() -> None:
    """Its uploaded files are closed, and its connection is cut where that can be done."""
    done = []

    class Server:
        transport = SimpleNamespace(abort=lambda: done.append("cut"))

        async def send(self, message: Any) -> None:
            await asyncio.Event().wait()

    async def stream(request: Any, response: Any, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.body", "body": b"x"})

    async def abandon() -> None:
        done.append("given back")

    handler: Any = SimpleNamespace(policy=SimpleNamespace(response_timeout_s=0.001), stream=stream)
    request: Any = SimpleNamespace(client=None, abandon=abandon)
    server: Any = Server()

    await stream_to_reader(handler, request, Response(), {}, server.send, server.send)

    assert done == ["cut", "given back"]
