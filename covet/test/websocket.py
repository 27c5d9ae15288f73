"""An in-process WebSocket client: the whole path from handshake to handler, without a port.

Example:
    async with connect("/ws/rooms/lobby/") as ws:
        await ws.send_json({"text": "hello"})
        assert await ws.receive_json() == {"text": "hello"}
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from covet.json import dumps, loads
from covet.types import ASGIApp, Message, Scope

__all__ = ["WebSocketClosed", "WebSocketRejected", "WebSocketSession", "connect"]

# What never comes ends a test either way; what comes late, on a machine with much to do, must not.
TIMEOUT_S = 30.0


class WebSocketRejected(AssertionError):
    """The handshake was refused.

    Args:
        status: The HTTP status of the answer; 403 when the handler closed without one, as servers do.
        code: The close code that was given.
        body: The body of the answer.
    """

    def __init__(self, status: int, code: int | None, body: bytes) -> None:
        super().__init__(f"The handshake was refused with {status} (close code {code}): {body[:200]!r}")
        self.status = status
        self.code = code
        self.body = body


class WebSocketClosed(AssertionError):
    """A message was waited for, and the server closed instead."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"The server closed the WebSocket with code {code}: {reason!r}")
        self.code = code
        self.reason = reason


class WebSocketSession:
    """The client's side of one connection."""

    def __init__(self, app: ASGIApp, scope: Scope, timeout_s: float) -> None:
        self.subprotocol: str | None = None
        self.headers: list[tuple[bytes, bytes]] = []
        self.close_code: int | None = None
        self.close_reason = ""
        self._app = app
        self._scope = scope
        self._timeout_s = timeout_s
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._to_client: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def send(self, data: str | bytes) -> None:
        """Send a text or a binary message."""
        kind = "text" if isinstance(data, str) else "bytes"
        await self._to_app.put({"type": "websocket.receive", kind: data})

    async def send_text(self, text: str) -> None:
        """Send a text message."""
        await self.send(text)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await self.send(data)

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""
        await self.send(dumps(value).decode())

    async def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            WebSocketClosed: The server has closed.
            TimeoutError: Nothing came in time.
        """
        message = await self._next()
        if message["type"] == "websocket.close":
            self._closed(message)
            raise WebSocketClosed(self.close_code or 1000, self.close_reason)
        text: str | None = message.get("text")
        return text if text is not None else bytes(message["bytes"])

    async def receive_text(self) -> str:
        """Return the next message, which must be text."""
        message = await self.receive()
        assert isinstance(message, str), f"The server sent bytes, not a text: {message!r}"
        return message

    async def receive_bytes(self) -> bytes:
        """Return the next message, which must be binary."""
        message = await self.receive()
        assert isinstance(message, bytes), f"The server sent a text, not bytes: {message!r}"
        return message

    async def receive_json(self) -> Any:
        """Return the next message, decoded."""
        return loads(await self.receive())

    async def receive_close(self) -> int:
        """Wait for the server to close, passing over messages, and return the code."""
        with contextlib.suppress(WebSocketClosed):
            while True:
                await self.receive()
        return self.close_code or 1000

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close from the client's side and wait for the handler to end."""
        if self._task is None:
            return
        task, self._task = self._task, None
        await self._to_app.put({"type": "websocket.disconnect", "code": code, "reason": reason})
        try:
            await asyncio.wait_for(task, self._timeout_s)
        except TimeoutError:
            raise AssertionError(
                f"The WebSocket handler of {self._scope['path']} went on after the client had closed."
            ) from None

    async def _open(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"covet test websocket {self._scope['path']}")
        await self._to_app.put({"type": "websocket.connect"})
        message = await self._next()
        if message["type"] == "websocket.accept":
            self.subprotocol = message.get("subprotocol")
            self.headers = list(message.get("headers") or ())
            return
        if message["type"] == "websocket.close":
            self._closed(message)
            await self.close()
            raise WebSocketRejected(403, self.close_code, b"")
        body = b""
        status: int = message["status"]
        more = True
        while more:
            part = await self._next()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        await self.close()
        raise WebSocketRejected(status, None, body)

    async def _run(self) -> None:
        await self._app(self._scope, self._to_app.get, self._to_client.put)

    async def _next(self) -> Message:
        """Return what the application sends next; raise what it raised if it ended instead."""
        getter = asyncio.create_task(self._to_client.get())
        waited: set[asyncio.Task[Any]] = {getter} if self._task is None else {getter, self._task}
        done, _ = await asyncio.wait(waited, timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if getter in done:
            return getter.result()
        getter.cancel()
        if self._task in done and self._task is not None:
            self._task.result()
            # The handler has returned: a server closes then.
            return {"type": "websocket.close", "code": 1006, "reason": "the handler returned without closing"}
        raise TimeoutError(f"The WebSocket {self._scope['path']} sent nothing for {self._timeout_s} s.")

    def _closed(self, message: Message) -> None:
        self.close_code = message.get("code", 1000)
        self.close_reason = message.get("reason") or ""


@asynccontextmanager
async def connect(
    url: str,
    *,
    app: ASGIApp | None = None,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    subprotocols: Sequence[str] = (),
    timeout_s: float = TIMEOUT_S,
) -> AsyncIterator[WebSocketSession]:
    """Open a WebSocket to the project's own application, or to ``app``.

    Args:
        url: A path with its query, or a whole ``ws://`` URL, whose host is sent as ``Host``.
        app: An ASGI application.
        headers: More headers of the handshake, such as ``Origin``.
        cookies: Cookies of the handshake, such as those of a logged-in client.
        subprotocols: What the client offers.
        timeout_s: How long any answer may take.

    Raises:
        WebSocketRejected: The handshake was refused.
    """
    if app is None:
        from covet.asgi import get_asgi_application

        app = get_asgi_application()
    session = WebSocketSession(app, _scope(url, headers or {}, cookies or {}, subprotocols), timeout_s)
    await session._open()
    try:
        yield session
    finally:
        await session.close()


def _scope(url: str, headers: Mapping[str, str], cookies: Mapping[str, str], subprotocols: Sequence[str]) -> Scope:
    parts = urlsplit(url)
    given = {"host": parts.netloc or "testserver", **{name.lower(): value for name, value in headers.items()}}
    if cookies:
        given["cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    if subprotocols:
        given["sec-websocket-protocol"] = ", ".join(subprotocols)
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": parts.scheme or "ws",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "subprotocols": list(subprotocols),
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
