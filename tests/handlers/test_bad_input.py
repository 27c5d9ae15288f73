"""What nobody should send: each gets its status, tells nothing, and the worker serves the next one.

By raw sockets, on the protocol class, on uvicorn's own httptools way, and on granian by RSGI.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from pydantic import BaseModel

from covet.access import AllowAny
from covet.conf import override
from covet.handlers.rsgi import RsgiApplication
from covet.http import JSONResponse, Request, Response, StreamingResponse
from covet.rest import Router
from covet.test.live import LiveServer, serve
from covet.urls import include, path
from tests.handlers import sites

SECRET = "the-inner-secret"


async def read_json(request: Request) -> Response:
    return JSONResponse(await request.json())


async def read_form(request: Request) -> Response:
    form = await request.form()
    return JSONResponse(sorted(form))


async def read_body(request: Request) -> Response:
    return Response(str(len(await request.body())))


async def ok(request: Request, rest: str = "") -> Response:
    request.query, request.cookies, request.get_host()
    return Response(b"ok")


async def fail(request: Request) -> Response:
    raise RuntimeError(SECRET)


async def fail_late(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError(SECRET)

    return StreamingResponse(pieces())


async def endless(request: Request) -> Response:
    async def pieces() -> AsyncIterator[bytes]:
        while True:
            yield b"more"
            await asyncio.sleep(0.001)

    return StreamingResponse(pieces())


ROUTES = [
    path("endless", endless),
    path("json", read_json),
    path("form", read_form),
    path("body", read_body),
    path("ok", ok),
    path("files/<path:rest>", ok),
    path("fail", fail),
    path("late", fail_late),
]
router = Router(permissions=[AllowAny])


class ByPydantic(BaseModel):
    a: float = 0.0
    more: Any = None


class ByMsgspec(msgspec.Struct):
    a: float = 0.0
    more: Any = None


@dataclass
class ByDataclass:
    a: float = 0.0
    more: Any = None


@router.post("/typed/pydantic")
async def by_pydantic(request: Request, data: ByPydantic) -> dict[str, float]:
    return {"a": data.a}


@router.post("/typed/msgspec")
async def by_msgspec(request: Request, data: ByMsgspec) -> dict[str, float]:
    return {"a": data.a}


@router.post("/typed/dataclass")
async def by_dataclass(request: Request, data: ByDataclass) -> dict[str, float]:
    return {"a": data.a}


ROUTES.append(path("", include(router)))
WAYS = ["protocol", "httptools", "rsgi"]


@pytest.fixture
def body_timeout_s() -> float:
    """How long a body may take to arrive; short only where that is what a test is about."""
    return 600.0


@pytest.fixture(params=WAYS)
async def server(request: pytest.FixtureRequest, body_timeout_s: float) -> AsyncIterator[Any]:
    """A real server with small limits; at the end it must still answer, and hold nothing of what was sent."""
    with override(
        ALLOWED_HOSTS=["good"],
        DATABASES={},
        INSTALLED_APPS=[],
        MIDDLEWARE=[],
        MAX_BODY_SIZE=200_000,
        DATA_UPLOAD_MAX_MEMORY_SIZE=150_000,
        MAX_FORM_FIELDS=50,
        MAX_FORM_PARTS=50,
        FILE_UPLOAD_MAX_MEMORY_SIZE=1000,
        BODY_TIMEOUT_S=body_timeout_s,
    ):
        application = sites.make_application(ROUTES)
        context = (
            sites.serve_granian(RsgiApplication(application))
            if request.param == "rsgi"
            else serve(
                application,
                log_level="critical",
                **({"protocol": "httptools"} if request.param == "httptools" else {}),
            )
        )
        async with context as live:
            live.way = request.param
            assert status(await ask(live, OK)) == 200
            before = held()
            yield live
            assert status(await ask(live, OK)) == 200
            async with asyncio.timeout(30):
                # Those that left, or never sent their body, are let go; their files and connections are closed.
                while application.disconnects.running or any(
                    now > then for now, then in zip(held(), before, strict=True)
                ):
                    await asyncio.sleep(0.01)


OK = b"GET /ok HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n"


def held() -> tuple[int, int]:
    """The open files and sockets, and the tasks of this process."""
    return len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())


async def ask(server: LiveServer, text: bytes, *, ends: bool = False) -> bytes:
    """Send bytes and return what comes until the server closes, or until the first answer is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    answer = b""
    try:
        writer.write(text)
        if ends:
            writer.write_eof()
        async with asyncio.timeout(30):
            while chunk := await reader.read(65536):
                answer += chunk
    except OSError:
        # Refused in the middle of what was still being sent.
        pass
    finally:
        writer.close()
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


def post(target: str, body: bytes, kind: str = "application/json", host: bytes = b"good") -> bytes:
    return b"POST %b HTTP/1.1\r\nhost: %b\r\nconnection: close\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (
        target.encode(),
        host,
        kind.encode(),
        len(body),
        body,
    )


MULTIPART = "multipart/form-data; boundary=b"


UPLOAD = b'--b\r\ncontent-disposition: form-data; name="f"; filename="a"\r\n\r\n%b\r\n' % (b"x" * 3000)


def part(name: bytes, body: bytes = b"x") -> bytes:
    return b'--b\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name, body)


@pytest.mark.parametrize(
    ("request_text", "expected"),
    [
        pytest.param(post("/json", b"[" * 100_000), 400, id="deep json"),
        pytest.param(post("/json", b"[" * 50_000 + b"]" * 50_000), 400, id="deep whole json"),
        pytest.param(post("/json", b"NaN"), 400, id="nan"),
        pytest.param(post("/json", b'{"a": Infinity}'), 400, id="infinity"),
        pytest.param(post("/json", b'{"a": 1e999}'), 400, id="beyond a float"),
        pytest.param(post("/json", b'{"a": "\xff\xfe"}'), 400, id="json not utf-8"),
        pytest.param(post("/json", b""), 400, id="empty json"),
        pytest.param(post("/json", b"9" * 100_000), 400, id="a huge number"),
        pytest.param(post("/json", b'{"a": 1, "a": 2}'), 400, id="duplicate keys"),
        pytest.param(post("/json", b'"' + b"x" * 160_000 + b'"'), 413, id="more json than memory takes"),
        pytest.param(post("/body", b"x" * 250_000), 413, id="a large body"),
        pytest.param(post("/form", b"&".join([b"a=1"] * 60), "application/x-www-form-urlencoded"), 400, id="fields"),
        pytest.param(post("/form", b"a=%ff%zz%&b", "application/x-www-form-urlencoded"), 200, id="bad percents"),
        pytest.param(post("/form", part(b"a") * 60 + b"--b--\r\n", MULTIPART), 400, id="many parts"),
        pytest.param(post("/form", part(b"a" * 20_000) + b"--b--\r\n", MULTIPART), 400, id="a huge part name"),
        pytest.param(post("/form", part(b"a"), MULTIPART), 400, id="a form that breaks off"),
        pytest.param(post("/form", part(b"a") + b"--b--\r\n", "multipart/form-data"), 400, id="no boundary"),
        pytest.param(post("/form", part(b"a"), "multipart/form-data; boundary=" + "b" * 300), 400, id="long boundary"),
        pytest.param(post("/form", b"--b\r\nx\r\n\r\n", MULTIPART), 400, id="a part without a header"),
        pytest.param(
            b"GET /ok?%s HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n" % (b"a=%FF%C0%AF&b=%"), 200, id="query"
        ),
        pytest.param(b"GET /%C0%AE%C0%AE/%FF HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n", 404, id="path"),
        pytest.param(b"GET /../../etc/passwd HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n", 404, id="dots"),
        pytest.param(b"GET /ok%00 HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n", 404, id="nul in the path"),
        pytest.param(b"GET /ok HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n\r\n", 400, id="a host that is not ours"),
        pytest.param(
            b"GET /ok HTTP/1.1\r\nhost: good@evil\r\nconnection: close\r\n\r\n", 400, id="a host that is none"
        ),
        pytest.param(b"GET /fail HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n", 500, id="a view that fails"),
        pytest.param(
            b"GET /ok HTTP/1.1\r\nhost: good\r\nconnection: close\r\ncookie: %b\r\n\r\n"
            % (b'a="\x80; =;;;a=b=c; \xff'),
            200,
            id="cookies",
        ),
    ],
)
async def test_each_gets_its_status(server: Any, request_text: bytes, expected: int) -> None:
    answer = await ask(server, request_text)

    assert status(answer) == expected
    assert SECRET.encode() not in answer
    assert b"Traceback" not in answer


TYPED = {
    "deep": (b"[" * 100_000, {400, 422}),
    "deep and whole": (b'{"more": ' + b"[" * 50_000 + b"]" * 50_000 + b"}", {400, 422}),
    "NaN": (b'{"a": NaN}', {400, 422}),
    "infinity": (b'{"a": -Infinity}', {400, 422}),
    "beyond a float": (b'{"a": 1e999}', {200, 400, 422}),
    "duplicate keys": (b'{"a": 1, "a": 2}', {400, 422}),
    "not UTF-8": (b'{"more": "\xff\xfe"}', {400, 422}),
    "half a surrogate": (b'{"more": "\\ud800"}', {200, 400, 422}),
    "a huge number": (b'{"more": ' + b"9" * 100_000 + b"}", {400, 422}),
    "no JSON": (b"{", {400, 422}),
    "nothing": (b"", {400, 422}),
    "another type": (b'{"a": "x"}', {422}),
    # Words in a text are words.
    "a text that says NaN": (b'{"more": "NaN and Infinity"}', {200}),
    "more than memory takes": (b'{"more": "' + b"x" * 160_000 + b'"}', {413}),
}


@pytest.mark.parametrize("kind", ["pydantic", "msgspec", "dataclass"])
async def test_typed_bodies_get_their_status_too(server: Any, kind: str) -> None:
    for name, (body, expected) in TYPED.items():
        answer = await ask(server, post(f"/typed/{kind}", body))

        assert status(answer) in expected, (name, answer[:200])
        assert b"Traceback" not in answer
        if status(answer) != 200:
            assert b"application/problem+json" in answer, name
    assert status(await ask(server, post(f"/typed/{kind}", b"{}", "text/plain"))) == 415
    assert status(await ask(server, post(f"/typed/{kind}", b'{"a": 1.5}'))) == 200


@pytest.mark.parametrize("kind", ["head", "body", "chunk", "upload", "large upload", "stream"])
async def test_a_client_that_leaves_early_harms_nobody(server: Any, kind: str) -> None:
    text = {
        "head": b"POST /body HTTP/1.1\r\nhost: go",
        "body": b"POST /body HTTP/1.1\r\nhost: good\r\ncontent-length: 100000\r\n\r\nabc",
        "chunk": b"POST /body HTTP/1.1\r\nhost: good\r\ntransfer-encoding: chunked\r\n\r\nff\r\nabc",
        # On disk by then: a file that nobody closes would be one more at the end.
        "upload": post("/form", UPLOAD, MULTIPART)[:-10],
        "large upload": post("/form", UPLOAD * 50, MULTIPART)[:-10],
        "stream": b"GET /endless HTTP/1.1\r\nhost: good\r\n\r\n",
    }[kind]
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(text)
        await writer.drain()
        if kind == "stream":
            await reader.readuntil(b"more")
        writer.transport.abort()


@pytest.mark.parametrize("body_timeout_s", [0.3])
@pytest.mark.parametrize("framing", [b"content-length: 100", b"content-length: 100000", b"transfer-encoding: chunked"])
async def test_a_body_that_comes_drop_by_drop_is_408(
    server: Any, framing: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("covet.handlers.protocol.SWEEP_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /body HTTP/1.1\r\nhost: good\r\n%b\r\n\r\n" % framing)
    answering = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
    drop = b"1\r\nx\r\n" if b"chunked" in framing else b"x"
    async with asyncio.timeout(30):
        while not answering.done():
            # Each drop comes well within the time that the whole body has.
            writer.write(drop)
            await asyncio.wait([answering], timeout=0.02)
    writer.close()

    assert status(await answering) == 408


async def test_a_head_that_comes_drop_by_drop_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    # Our own deadline: uvicorn and granian have none for heads.
    monkeypatch.setattr("covet.handlers.protocol.SWEEP_S", 0.02)
    monkeypatch.setattr("covet.handlers.protocol.HEAD_TIMEOUT_S", 0.1)
    with override(ALLOWED_HOSTS=["good"], DATABASES={}, INSTALLED_APPS=[], MIDDLEWARE=[]):
        async with serve(sites.make_application(ROUTES), log_level="critical") as live:
            reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
            writer.write(b"GET /ok HTTP/1.1\r\nhost: good\r\n")
            answering = asyncio.ensure_future(reader.readuntil(b"\r\n\r\n"))
            async with asyncio.timeout(30):
                while not answering.done():
                    writer.write(b"x: y\r\n")
                    await asyncio.wait([answering], timeout=0.01)
            writer.close()

    assert status(await answering) == 408


@pytest.mark.parametrize("body_timeout_s", [0.3])
@pytest.mark.parametrize("length", [100, 100_000])
async def test_a_body_that_never_comes_is_408(server: Any, length: int) -> None:
    if server.way == "protocol" and length == 100:
        from covet.handlers import protocol

        protocol.SWEEP_S, before = 0.05, protocol.SWEEP_S
        try:
            answer = await ask(server, b"POST /body HTTP/1.1\r\nhost: good\r\ncontent-length: 100\r\n\r\nabc")
        finally:
            protocol.SWEEP_S = before
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /body HTTP/1.1\r\nhost: good\r\ncontent-length: %d\r\n\r\nabc" % length)
        async with asyncio.timeout(30):
            answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()

    assert status(answer) == 408


async def test_a_stream_that_fails_after_its_head_cuts_the_connection(server: Any) -> None:
    answer = await ask(server, b"GET /late HTTP/1.1\r\nhost: good\r\nconnection: close\r\n\r\n")

    assert status(answer) == 200
    assert SECRET.encode() not in answer
    # The end of a chunked answer is missing, so that the client knows; RSGI has no way to leave it out.
    assert answer.endswith(b"0\r\n\r\n") is (server.way == "rsgi")
