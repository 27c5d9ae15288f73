"""request_started, request_finished and got_request_exception on every way of a request; what they cost when nobody listens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from covet.conf import override
from covet.dispatch import Signal
from covet.handlers.http import HttpHandler
from covet.http import JSONResponse, NotFound, Request, Response, StreamingResponse
from covet.signals import got_request_exception, request_finished, request_started
from covet.urls import path
from tests._perf.test_statement_calls import calls_of
from tests.handlers.sites import Site, make_application

Log = list[tuple[Any, ...]]


@pytest.fixture
def connected() -> Iterator[Callable[[Signal, Callable[..., Any]], None]]:
    """Connect receivers that the end of the test disconnects."""
    done: list[tuple[Signal, Callable[..., Any]]] = []

    def connect(signal: Signal, receiver: Callable[..., Any]) -> None:
        signal.connect(receiver, weak=False)
        done.append((signal, receiver))

    yield connect
    for signal, receiver in done:
        signal.disconnect(receiver)


async def until(condition: Callable[[], object]) -> None:
    """Over a real server an answer may be here before what follows it has been done."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.001)


async def ok(request: Request) -> Response:
    if request.method == "POST":
        await request.form()
    return Response(b"ok")


async def missing(request: Request) -> Response:
    raise NotFound("There is none.")


async def fail(request: Request) -> Response:
    raise LookupError("secret")


async def stream(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        if "fail" in request.query:
            raise LookupError("late")
        yield b"b"

    return StreamingResponse(pieces())


ROUTES = [path("ok", ok), path("missing", missing), path("fail", fail), path("stream", stream)]


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("GET", "/ok", 200),
        ("POST", "/ok", 200),
        ("HEAD", "/ok", 200),
        ("GET", "/missing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/fail", 500),
        ("GET", "/stream", 200),
    ],
)
async def test_each_request_is_started_and_finished_once(
    site: Site, connected: Any, method: str, address: str, status: int
) -> None:
    log: Log = []

    async def started(sender: Any, request: Request, scope: Any, **_: Any) -> None:
        log.append(("started", sender, request.path, scope["path"]))

    def finished(sender: Any, request: Request, **_: Any) -> None:
        log.append(("finished", sender, request.path))

    client = await site(ROUTES)
    # After the start: from the first receiver on, each request is told.
    connected(request_started, started)
    connected(request_finished, finished)

    sent = {"files": {"a": b"1"}} if method == "POST" else {}
    answer = await client.request(method, address, **sent)
    await until(lambda: len(log) == 2)

    assert answer.status_code == status
    assert log == [("started", HttpHandler, address, address), ("finished", HttpHandler, address)]


async def test_a_client_that_leaves_has_finished_too(connected: Any) -> None:
    from covet.test.live import serve

    log: Log = []
    waiting = asyncio.Event()

    async def wait(request: Request) -> Response:
        await request.form()
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    def finished(sender: Any, request: Request, **_: Any) -> None:
        log.append(("finished", request.path))

    connected(request_finished, finished)
    with override(ALLOWED_HOSTS=["*"], DATABASES={}, MIDDLEWARE=[], INSTALLED_APPS=[]):
        async with serve(make_application([path("wait", wait)]), log_level="critical") as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n")
            await waiting.wait()
            writer.close()
            await until(lambda: log)

    assert log == [("finished", "/wait")]


async def test_what_nobody_caught_is_told_with_its_request(site: Site, connected: Any) -> None:
    log: Log = []

    async def got(sender: Any, request: Request, exception: Exception, **_: Any) -> None:
        log.append((sender, request.path, repr(exception)))

    connected(got_request_exception, got)
    client = await site(ROUTES)

    for address in ("/ok", "/missing", "/nothing", "/fail"):
        await client.get(address)
    with contextlib.suppress(Exception):
        await client.get("/stream?fail")
    await until(lambda: len(log) == 2)

    assert log == [
        (HttpHandler, "/fail", "LookupError('secret')"),
        (HttpHandler, "/stream", "LookupError('late')"),
    ]


async def test_a_receiver_that_fails_before_the_view_is_a_500_and_one_behind_it_harms_nobody(
    site: Site, connected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(sender: Any, **_: Any) -> None:
        raise RuntimeError("no receiver")

    client = await site(ROUTES)
    connected(request_finished, broken)
    connected(got_request_exception, broken)
    assert (await client.get("/ok")).text == "ok"
    assert (await client.get("/fail")).status_code == 500
    await until(lambda: caplog.text.count("RuntimeError: no receiver") >= 3)

    connected(request_started, broken)
    answer = await client.get("/ok")

    assert answer.status_code == 500
    assert "no receiver" not in answer.text


async def test_signals_without_receivers_cost_no_call(connected: Any) -> None:
    def receiver(sender: Any, **_: Any) -> None: ...

    async def json(request: Request) -> Response:
        return JSONResponse({})

    with override(ALLOWED_HOSTS=["x"], DATABASES={}, MIDDLEWARE=[], INSTALLED_APPS=[]):
        handler = make_application([path("", json)]).handler

        async def ask() -> None:
            request = Request.from_parts("GET", "/", raw_headers=[(b"host", b"x")], app=handler, policy=handler.policy)
            await handler.handle(request)

        await ask()
        before = await calls_of(ask)
        connected(request_started, receiver)
        listened_to = await calls_of(ask)
        request_started.disconnect(receiver)
        after = await calls_of(ask)

    assert after == before
    assert not [call for call in before if "told" in call or "send" in call]
    assert len(listened_to) > len(before)
