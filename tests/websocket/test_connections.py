"""The WebSocket object, over the in-process client and over a real socket."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from covet.exceptions import ImproperlyConfigured
from covet.test.websocket import WebSocketClosed, WebSocketRejected, connect
from covet.types import ASGIApp, Message, Receive, Scope, Send
from covet.websocket import Consumer, WebSocket, WebSocketDisconnect, WebSocketError, connection
from covet.websocket.foreign import OF_SOCKETS
from covet.websocket.guard import is_origin_allowed

Handler = Callable[[WebSocket], Awaitable[None]]


def app_of(handler: Handler, **options: Any) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await handler(WebSocket(scope, receive, send, **options))

    return app


async def echo(ws: WebSocket) -> None:
    await ws.accept()
    async for message in ws:
        await ws.send(message)


async def test_text_and_binary_messages_come_back_as_they_went() -> None:
    async with connect("/", app=app_of(echo)) as ws:
        await ws.send("héllo")
        await ws.send(b"\x00\xff")

        assert await ws.receive() == "héllo"
        assert await ws.receive() == b"\x00\xff"


async def test_a_message_may_be_sent_and_awaited_by_its_kind() -> None:
    async def both(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send_text(await ws.receive_text())
        await ws.send_bytes(await ws.receive_bytes())

    async with connect("/", app=app_of(both)) as ws:
        await ws.send_text("text")
        await ws.send_bytes(b"data")

        assert await ws.receive_text() == "text"
        assert await ws.receive_bytes() == b"data"


async def test_what_never_comes_is_told_and_what_comes_late_is_waited_for() -> None:
    async def mute(ws: WebSocket) -> None:
        await ws.accept()
        async for _ in ws:
            pass

    async with connect("/", app=app_of(mute), timeout_s=0.05) as ws:
        with pytest.raises(TimeoutError, match=r"The WebSocket / sent nothing for 0\.05 s"):
            await ws.receive()
    # A machine with much to do takes seconds for what another one does at once.
    async with connect("/", app=app_of(mute)) as ws:
        assert ws._timeout_s >= 30


@pytest.mark.parametrize("kind", ["text", "bytes"])
async def test_a_message_of_the_other_kind_fails_a_test(kind: str) -> None:
    async with connect("/", app=app_of(echo)) as ws:
        await ws.send(b"data" if kind == "text" else "text")
        with pytest.raises(AssertionError, match="The server sent"):
            await getattr(ws, f"receive_{kind}")()


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_bytes_of_any_kind_are_a_binary_message(kind: Any) -> None:
    async def send(ws: WebSocket) -> None:
        await ws.accept()
        await ws.send(kind(b"data"))

    async with connect("/", app=app_of(send)) as ws:
        assert await ws.receive_bytes() == b"data"


async def test_what_is_neither_text_nor_bytes_is_not_sent() -> None:
    async def wrong(ws: WebSocket) -> None:
        await ws.accept()
        with pytest.raises(TypeError, match=r"not dict. Write await ws.send_json\(value\)"):
            await ws.send({"text": "hi"})  # type: ignore[arg-type]
        await ws.send("refused")

    async with connect("/", app=app_of(wrong)) as ws:
        assert await ws.receive() == "refused"


@pytest.mark.parametrize("name", sorted(OF_SOCKETS))
async def test_words_of_starlette_are_answered(name: str) -> None:
    async def look(ws: WebSocket) -> None:
        await ws.accept()
        with pytest.raises(AttributeError) as caught:
            getattr(ws, name)
        await ws.send(str(caught.value))

    async with connect("/", app=app_of(look)) as ws:
        assert await ws.receive() == f"A WebSocket has no attribute {name!r}. Write {OF_SOCKETS[name]}."


def test_words_of_channels_are_answered_unless_the_class_has_them() -> None:
    socket: Any = None
    own: Any = type("Chat", (Consumer,), {"groups": ["lobby"]})(socket)

    assert own.groups == ["lobby"]
    with pytest.raises(AttributeError, match=r"A consumer has no attribute 'accept'. Write await self.ws.accept\(\)"):
        own.accept


async def test_the_handshake_offers_what_a_request_offers() -> None:
    seen: dict[str, Any] = {}

    async def look(ws: WebSocket) -> None:
        seen.update(
            path=ws.path,
            query=ws.query.getlist("tag"),
            cookie=ws.cookies["sessionid"],
            header=ws.headers["X-Client"],
            subprotocols=ws.subprotocols,
            client=ws.client,
        )
        await ws.accept("chat.v2", {"X-Answer": "yes"})

    async with connect(
        "/ws/a%20b/?tag=1&tag=2",
        app=app_of(look),
        headers={"X-Client": "test"},
        cookies={"sessionid": "abc"},
        subprotocols=["chat.v1", "chat.v2"],
    ) as ws:
        assert ws.subprotocol == "chat.v2"
        assert ws.headers == [(b"x-answer", b"yes")]

    assert seen == {
        "path": "/ws/a b/",
        "query": ["1", "2"],
        "cookie": "abc",
        "header": "test",
        "subprotocols": ["chat.v1", "chat.v2"],
        "client": ("127.0.0.1", 50000),
    }


async def test_user_and_session_are_filled_from_outside_and_say_so_when_they_are_not() -> None:
    async def look(ws: WebSocket) -> None:
        with pytest.raises(ImproperlyConfigured, match="AuthenticationMiddleware"):
            _ = ws.user
        with pytest.raises(ImproperlyConfigured, match="SessionMiddleware"):
            _ = ws.session
        ws.user, ws.session = "ann", {"cart": 1}
        await ws.accept()
        await ws.send_json([ws.user, ws.session])

    async with connect("/", app=app_of(look)) as ws:
        assert await ws.receive_json() == ["ann", {"cart": 1}]


async def test_closing_tells_code_and_reason() -> None:
    async def refuse(ws: WebSocket) -> None:
        await ws.accept()
        await ws.close(4001, "r" * 200)
        await ws.close(4002, "a second close is nothing")

    async with connect("/", app=app_of(refuse)) as ws:
        with pytest.raises(WebSocketClosed) as caught:
            await ws.receive()

    assert (caught.value.code, caught.value.reason) == (4001, "r" * 123)


async def test_the_client_closing_ends_the_loop_and_leaves_its_code() -> None:
    ended: list[tuple[int | None, str]] = []

    async def listen(ws: WebSocket) -> None:
        await ws.accept()
        async for _ in ws:
            pass
        ended.append((ws.close_code, ws.close_reason))
        with pytest.raises(WebSocketDisconnect, match="4321"):
            await ws.send("too late")
        with pytest.raises(WebSocketDisconnect):
            await ws.receive()

    async with connect("/", app=app_of(listen)) as ws:
        await ws.close(4321, "bye")

    assert ended == [(4321, "bye")]


async def test_denying_answers_the_handshake_with_a_status() -> None:
    async def deny(ws: WebSocket) -> None:
        await ws.deny(401, b"log in first")

    with pytest.raises(WebSocketRejected) as caught:
        async with connect("/", app=app_of(deny)):
            pass

    assert (caught.value.status, caught.value.body) == (401, b"log in first")


async def test_using_a_socket_out_of_order_is_an_error_that_says_what_to_write() -> None:
    async def wrong(ws: WebSocket) -> None:
        with pytest.raises(WebSocketError, match="accept"):
            await ws.send("x")
        with pytest.raises(WebSocketError, match="accept"):
            await ws.receive()
        await ws.accept()
        with pytest.raises(WebSocketError, match="already"):
            await ws.accept()
        with pytest.raises(WebSocketError, match="close"):
            await ws.deny(403)

    async with connect("/", app=app_of(wrong)) as ws:
        await ws.close()


@pytest.mark.parametrize(
    ("method", "sent", "code"),
    [
        ("receive_json", "{not json", 1007),
        ("receive_json", "[" * 100_000, 1007),
        ("receive_json", b"\xff\xfe", 1007),
        ("receive_text", b"binary", 1003),
        ("receive_bytes", "text", 1003),
    ],
)
async def test_a_message_of_the_wrong_kind_closes_with_its_code(method: str, sent: str | bytes, code: int) -> None:
    async def read(ws: WebSocket) -> None:
        await ws.accept()
        with pytest.raises(WebSocketDisconnect):
            await getattr(ws, method)()

    async with connect("/", app=app_of(read)) as ws:
        await ws.send(sent)

        assert await ws.receive_close() == code


@pytest.mark.parametrize("message", ["x" * 11, "é" * 6, b"x" * 11])
async def test_a_message_over_the_limit_closes_with_1009(message: str | bytes) -> None:
    async def read(ws: WebSocket) -> None:
        await ws.accept()
        with pytest.raises(WebSocketDisconnect):
            await ws.receive()

    async with connect("/", app=app_of(read, max_message_bytes=10)) as ws:
        await ws.send(message)

        assert await ws.receive_close() == 1009


@given(message=st.text(max_size=30))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_limit_counts_bytes_and_not_characters(message: str) -> None:
    async def scenario() -> bool:
        closed = False

        async def read(ws: WebSocket) -> None:
            nonlocal closed
            await ws.accept()
            try:
                await ws.receive()
            except WebSocketDisconnect:
                closed = True

        async with connect("/", app=app_of(read, max_message_bytes=20)) as ws:
            await ws.send(message)
            await ws.close()
        return closed

    with asyncio.Runner() as runner:
        assert runner.run(scenario()) == (len(message.encode()) > 20)


async def test_a_real_socket_carries_messages_and_codes(serve: Any) -> None:
    async with serve(app_of(echo)) as (url, _), websockets.connect(url + "/x", open_timeout=60) as ws:
        await ws.send("hello")
        assert await ws.recv() == "hello"
        await ws.send(b"\x01")
        assert await ws.recv() == b"\x01"


async def test_a_real_server_answers_a_denied_handshake_with_its_status(serve: Any) -> None:
    async def deny(ws: WebSocket) -> None:
        await ws.deny(404, b"nothing here")

    async with serve(app_of(deny)) as (url, _):
        with pytest.raises(websockets.InvalidStatus) as caught:
            async with websockets.connect(url, open_timeout=60):
                pass

    assert caught.value.response.status_code == 404
    assert caught.value.response.body == b"nothing here"


@pytest.mark.parametrize("ws", ["websockets-sansio", "wsproto"])
@pytest.mark.parametrize("http", ["h11", "covet.handlers.protocol:CovetProtocol"])
async def test_a_denied_handshake_is_no_error_to_the_server(
    serve: Any, ws: str, http: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "DENIED_S", 60.0)  # a machine with much to do takes longer than a visitor may
    gc.collect()  # what other tests have left complains now, and not below
    caplog.clear()
    ended: list[str] = []

    async def deny(ws: WebSocket) -> None:
        await ws.deny(401, b"log in")
        ended.append(ws.path)

    async with serve(app_of(deny), ws=ws, http=http) as (url, _):
        logging.getLogger("uvicorn.error").addHandler(caplog.handler)
        try:
            for _ in range(3):
                with pytest.raises(websockets.InvalidStatus) as caught:
                    async with websockets.connect(url, open_timeout=60):
                        pass
                assert (caught.value.response.status_code, caught.value.response.body) == (401, b"log in")
            async with asyncio.timeout(60):
                while len(ended) < 3:
                    await asyncio.sleep(0.01)
        finally:
            logging.getLogger("uvicorn.error").removeHandler(caplog.handler)

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_denial_waits_for_the_end_of_its_connection_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tells of the end: the handler goes on after a while, and at once when it is cancelled."""
    monkeypatch.setattr(connection, "_is_surprised_by_denials", lambda receive: True)
    asked = asyncio.Event()
    messages: list[Message] = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}]

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "extensions": {"websocket.http.response": {}}}
    waiting = asyncio.create_task(WebSocket(scope, receive, send).deny(401))
    await asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    messages[:] = [{"type": "websocket.connect"}]
    monkeypatch.setattr(connection, "DENIED_S", 0.01)
    await WebSocket(scope, receive, send).deny(401)

    assert [message["type"][-5:] for message in sent] == ["start", ".body"] * 2


async def test_sending_to_a_client_that_vanished_raises_disconnect(serve: Any) -> None:
    outcome: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def shout(ws: WebSocket) -> None:
        await ws.accept()
        try:
            while True:
                await ws.send("x" * 10_000)
                await asyncio.sleep(0)
        except BaseException as error:
            outcome.set_result(error)

    async with serve(app_of(shout)) as (url, _):
        ws = await websockets.connect(url, open_timeout=60)
        await ws.recv()
        ws.transport.abort()
        async with asyncio.timeout(30):
            error = await outcome

    assert isinstance(error, WebSocketDisconnect)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://site.test", True),
        ("http://site.test:80", True),
        ("https://site.test", False),
        ("http://site.test:8000", False),
        ("http://evil.test", False),
        ("http://site.test.evil.test", False),
        ("https://app.trusted.test", True),
        ("https://deep.app.trusted.test", True),
        ("https://trusted.test", True),
        ("https://trusted.test:8443", False),
        ("https://eviltrusted.test", False),
        ("http://app.trusted.test", False),
        ("https://partner.test:8443", True),
        ("https://partner.test", False),
        ("null", False),
        ("", False),
        ("javascript:alert(1)", False),
        ("https://[trusted.test", False),
    ],
)
def test_only_this_host_and_trusted_origins_may_open_a_socket(origin: str | None, allowed: bool) -> None:
    trusted = ["https://*.trusted.test", "https://partner.test:8443"]

    assert is_origin_allowed(origin, "site.test", "ws", trusted) is allowed


@pytest.mark.parametrize(
    ("root", "path", "below"),
    [
        ("", "/chat", "/chat"),
        ("/app", "/app/chat", "/chat"),
        ("/app", "/chat", "/chat"),
        ("/app", "/apple/chat", "/apple/chat"),
        ("/app", "/app", "/"),
    ],
)
def test_the_path_of_a_socket_begins_below_its_root(root: str, path: str, below: str) -> None:
    async def nothing(*_: Any) -> Any: ...

    assert (
        WebSocket({"type": "websocket", "path": path, "root_path": root, "headers": []}, nothing, nothing).path == below
    )
