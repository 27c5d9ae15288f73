"""A client that leaves, on plain ASGI: its view is cancelled, and nothing is told as an error."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Coroutine, Generator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from covet.accel import Waiting, first_step
from covet.conf import override
from covet.handlers import disconnect
from covet.handlers.rsgi import RsgiApplication
from covet.http import Request, Response, StreamingResponse
from covet.test.live import serve
from covet.urls import path
from tests.handlers.sites import make_application


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disconnect, "SWEEP_S", 0.02)
    # What another test has left complains when it is collected, which is not to happen while this one listens.
    gc.collect()


class Views:
    def __init__(self) -> None:
        self.started, self.cancelled, self.go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(self, request: Request) -> Response:
        if request.method == "POST":
            await request.body()
        self.started.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return Response(await request.body() or b"nothing")


@pytest.mark.parametrize("protocol", ["httptools", "h11"])
@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab"]
)
async def test_a_client_that_leaves_cancels_its_view(
    protocol: str, head: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    views = Views()
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        application = make_application([path("", views.wait)])
        async with serve(application, protocol=protocol) as server, asyncio.timeout(30):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(head)
            await views.started.wait()
            writer.close()
            await views.cancelled.wait()
            while application.disconnects.running:
                await asyncio.sleep(0)

    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert not application.disconnects.watchers


async def test_a_view_that_takes_long_is_answered_and_may_read_its_body_late() -> None:
    views = Views()
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        application = make_application([path("", views.wait)])
        async with serve(application, protocol="httptools") as server, asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            for method, sent, expected in ((b"GET", b"", b"nothing"), (b"PUT", b"abc", b"abc")):
                views.go.clear()
                views.started.clear()
                writer.write(b"%b / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (method, len(sent), sent))
                await views.started.wait()
                # A body that the view has not read is the view's: there is a watcher for the first request alone.
                while method == b"GET" and not application.disconnects.watchers:
                    await asyncio.sleep(0.001)
                views.go.set()
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(len(expected)) == expected
            writer.close()

    assert not application.disconnects.watchers


async def test_a_slow_view_may_stream_what_it_found() -> None:
    go = asyncio.Event()

    async def view(request: Request) -> Response:
        await go.wait()
        return StreamingResponse([b"a", b"b"])

    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        application = make_application([path("", view)])
        async with serve(application, protocol="httptools") as server, asyncio.timeout(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            while not application.disconnects.watchers:
                await asyncio.sleep(0.001)
            go.set()
            answer = await reader.read()
            writer.close()

    assert answer.endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


async def test_a_cancellation_by_the_server_itself_goes_on() -> None:
    views = Views()
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        application = make_application([path("", views.wait)])

        async def nothing(*_: Any) -> Any:
            await asyncio.Event().wait()

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"x")]}
        task = asyncio.create_task(application(scope, nothing, nothing))
        await views.started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not application.disconnects.running


def waiting_for(first: asyncio.Future[str]) -> tuple[Callable[[], Coroutine[Any, Any, None]], list[Any], list[str]]:
    """Return what serves a view that waits for ``first`` and then once more, what is sent, and what the view has seen."""
    sent: list[Any] = []
    seen: list[str] = []

    async def view(request: Request) -> Response:
        try:
            try:
                seen.append(await first)
            except ValueError as error:
                seen.append(str(error))
            await asyncio.sleep(0)
            return Response(",".join(seen))
        finally:
            seen.append("over")

    async def receive() -> Any:
        raise AssertionError("nobody asked for a body")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"x")]}
    application = make_application([path("", view)])
    return lambda: application(scope, receive, send), sent, seen


async def test_what_a_view_waits_for_first_gives_it_a_value_or_an_error() -> None:
    for result in ("value", ValueError("failed")):
        first: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
            serve_one, sent, seen = waiting_for(first)
            task = asyncio.create_task(serve_one())
            await asyncio.sleep(0)
            if isinstance(result, str):
                first.set_result(result)
            else:
                first.set_exception(result)
            await task

        assert sent[1]["body"] == str(result).encode()
        assert seen == [str(result), "over"]


async def test_a_view_that_ends_by_the_error_of_its_first_wait_is_answered() -> None:
    first: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def view(request: Request) -> Response:
        try:
            return Response(await first)
        except ValueError as error:
            return Response(str(error))

    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError("nobody asked for a body")

    async def send(message: Any) -> None:
        sent.append(message)

    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        application = make_application([path("", view)])
        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"x")]}
        task = asyncio.create_task(application(scope, receive, send))
        await asyncio.sleep(0)
        first.set_exception(ValueError("failed"))
        await task

    assert sent[1]["body"] == b"failed"
    assert not application.disconnects.running


def test_a_server_that_drops_its_call_ends_the_view() -> None:
    """As a loop does that is closed while a request waits."""

    class Never:
        def __await__(self) -> Generator[None, None, str]:
            yield
            return ""

    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        serve_one, sent, seen = waiting_for(cast(Any, Never()))

        async def start() -> Coroutine[Any, Any, None]:
            dropped = serve_one()
            dropped.send(None)
            return dropped

        dropped = asyncio.run(start())
        assert seen == []
        dropped.close()

    assert seen == ["over"]
    assert sent == []


async def test_a_body_that_announces_no_length_is_left_to_the_view_that_streams_it() -> None:
    """As over HTTP/2: nothing but the reading tells that there is one."""

    async def receive() -> Any:
        return {"type": "http.request", "body": b"piece", "more_body": True}

    request = Request({"type": "http", "method": "PUT", "path": "/", "headers": [], "query_string": b""}, receive)
    assert disconnect.can_watch(request)

    pieces = request.stream()
    assert await anext(aiter(pieces)) == b"piece"

    assert not disconnect.can_watch(request)


async def test_a_request_whose_unwanted_body_is_awaited_is_over_when_it_is_cancelled() -> None:
    """granian has the answer only once the body has come; what the request holds is let go in any case."""
    waits, over = asyncio.Event(), asyncio.Event()

    async def end(request: Request) -> None:
        over.set()

    async def view(request: Request) -> Response:
        request.call_at_close(end)
        return Response("no, thank you")

    class Body:
        """The face of granian's protocol, whose client sends nothing."""

        def __aiter__(self) -> Body:
            return self

        async def __anext__(self) -> bytes:
            waits.set()
            await asyncio.Event().wait()
            raise StopAsyncIteration

    with override(ALLOWED_HOSTS=["*"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        application = make_application([path("", view)])
        scope = SimpleNamespace(
            proto="http", method="POST", path="/", query_string="", scheme="http", http_version="1.1", authority=None,
            client="127.0.0.1:1", server="127.0.0.1:2", headers={"host": "x", "content-length": "5"},
        )  # fmt: skip
        task = asyncio.create_task(RsgiApplication(application).__rsgi__(scope, Body()))
        await waits.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert over.is_set()


async def test_a_view_that_begins_with_waits_that_fail_goes_on_as_any_other() -> None:
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []})

    async def view() -> Response:
        for _ in range(5):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
        await asyncio.sleep(0)
        raise ValueError("an error of its own")

    waiting = first_step(view())
    assert type(waiting) is Waiting
    with pytest.raises(ValueError, match="of its own") as caught:
        await disconnect.Disconnects().watched(request, waiting)

    assert [entry.name for entry in caught.traceback].count("__await__") <= 1
    assert caught.value.__context__ is None


async def test_a_view_may_answer_when_what_it_waits_for_fails() -> None:
    request = Request({"type": "http", "method": "GET", "path": "/", "headers": []})

    async def view() -> Response:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return Response("too late")
        raise AssertionError

    waiting = first_step(view())
    assert type(waiting) is Waiting
    response = await disconnect.Disconnects().watched(request, waiting)
    assert response is not None
    assert response.body == b"too late"
