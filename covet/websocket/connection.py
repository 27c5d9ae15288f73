"""The WebSocket object that a handler gets: accept, receive, send and close, over the ASGI pair of callables.

It offers what ``Request`` offers of the handshake (headers, cookies, query, path_params, user, session), so that
authentication and permissions work on both alike.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from covet.exceptions import ImproperlyConfigured
from covet.http.cookies import parse_cookies
from covet.http.headers import Headers, raw_name, raw_value
from covet.http.query import QueryParams
from covet.http.request import State
from covet.json import JSONDecodeError, dumps, loads
from covet.types import Message, Receive, Scope, Send
from covet.websocket.codes import (
    ABNORMAL,
    INVALID_PAYLOAD,
    NORMAL,
    TOO_BIG,
    UNSUPPORTED_DATA,
    WebSocketDisconnect,
    WebSocketError,
)
from covet.websocket.foreign import OF_SOCKETS, answer
from covet.websocket.pump import pump

if TYPE_CHECKING:
    from covet.pubsub import Channel

__all__ = ["WebSocket"]

DEFAULT_MAX_MESSAGE_BYTES = 1024 * 1024
MAX_REASON_BYTES = 123
# So long uvicorn may take to close a connection whose handshake was refused: a peer that reads slowly is not waited for.
DENIED_S = 2.0


class _Phase(Enum):
    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"


class WebSocket:
    """One WebSocket connection.

    Iterating yields messages (``str`` for text frames, ``bytes`` for binary ones) until the peer closes.

    Args:
        scope: The ASGI scope, of type ``websocket``.
        receive: ASGI's receive.
        send: ASGI's send.
        max_message_bytes: A longer message closes the connection with 1009.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, max_message_bytes: int = DEFAULT_MAX_MESSAGE_BYTES
    ) -> None:
        self.scope = scope
        self.headers = Headers(list(scope["headers"]))
        self.path_params: dict[str, Any] = {}
        self.route: Any = None
        self.state = State()
        if scope.get("state"):
            self.state._outer = scope["state"]
        self.max_message_bytes = max_message_bytes
        self.close_code: int | None = None
        self.close_reason = ""
        self._receive = receive
        self._send = send
        self._phase = _Phase.CONNECTING
        self._connect_seen = False
        self._cookies: dict[str, str] | None = None
        self._query: QueryParams | None = None
        self._user: Any = _UNSET
        self._session: Any = _UNSET
        self._reader: asyncio.Task[Any] | None = None
        self._last_frame: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<WebSocket {self.path} {self._phase.value}>"

    # -- the handshake --------------------------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The path below the application's root, percent-decoded."""
        path: str = self.scope["path"]
        root: str = self.scope.get("root_path", "")
        end = len(root)
        # As of a request: "/app" is not the root of "/apple".
        if root and path.startswith(root) and path[end : end + 1] in ("", "/"):
            return path[end:] or "/"
        return path

    @property
    def scheme(self) -> str:
        """``ws`` or ``wss``."""
        return str(self.scope.get("scheme", "ws"))

    @property
    def client(self) -> tuple[str, int] | None:
        """The peer's address, when the server knows it."""
        client = self.scope.get("client")
        return None if client is None else (client[0], client[1])

    @property
    def cookies(self) -> dict[str, str]:
        """The handshake's cookies."""
        if self._cookies is None:
            self._cookies = parse_cookies("; ".join(self.headers.getlist("cookie")))
        return self._cookies

    @property
    def query(self) -> QueryParams:
        """The query string's parameters."""
        if self._query is None:
            self._query = QueryParams(self.scope.get("query_string", b""))
        return self._query

    @property
    def subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, in its order of preference."""
        return list(self.scope.get("subprotocols", ()))

    @property
    def user(self) -> Any:
        """Who is connected, as on a request: ``await ws.user`` is a User or an AnonymousUser, checked."""
        if self._user is _UNSET:
            raise ImproperlyConfigured(
                "ws.user is not set: add 'covet.auth.middleware.AuthenticationMiddleware' to MIDDLEWARE."
            )
        return self._user

    @user.setter
    def user(self, value: Any) -> None:
        self._user = value

    @property
    def has_user(self) -> bool:
        """Whether a user (or an anonymous one) was set."""
        return self._user is not _UNSET

    @property
    def session(self) -> Any:
        """The session, as on a request; what is changed in it is saved by ``await ws.session.save()``."""
        if self._session is _UNSET:
            raise ImproperlyConfigured(
                "ws.session is not set: add 'covet.sessions.middleware.SessionMiddleware' to MIDDLEWARE."
            )
        return self._session

    @session.setter
    def session(self, value: Any) -> None:
        self._session = value

    # -- opening and closing --------------------------------------------------------------------------------------

    @property
    def is_connecting(self) -> bool:
        """The handshake has been neither accepted nor refused."""
        return self._phase is _Phase.CONNECTING

    @property
    def is_open(self) -> bool:
        """Accepted, and not closed by either side."""
        return self._phase is _Phase.OPEN

    async def accept(
        self, subprotocol: str | None = None, headers: Mapping[str, str] | Iterable[tuple[str, str]] = ()
    ) -> None:
        """Complete the handshake.

        Args:
            subprotocol: The one chosen of ``subprotocols``.
            headers: Headers of the handshake's answer, such as a cookie.

        Raises:
            WebSocketDisconnect: The client has gone already.
            WebSocketError: It was accepted or closed before, or the client does not offer the subprotocol.
        """
        if self._phase is not _Phase.CONNECTING:
            raise WebSocketError(f"accept() was called on a WebSocket that is {self._phase.value} already.")
        if subprotocol is not None and subprotocol not in self.subprotocols:
            # RFC 6455, 4.2.2: a client must break the connection off, and of what a server does each has another idea.
            offered = ", ".join(map(repr, self.subprotocols)) or "none"
            raise WebSocketError(
                f"accept(subprotocol={subprotocol!r}): the client offers {offered}. Choose one of ws.subprotocols, or leave it out."
            )
        await self._see_connect()
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        raw = [(raw_name(name), raw_value(value)) for name, value in pairs]
        await self._emit({"type": "websocket.accept", "subprotocol": subprotocol, "headers": raw})
        self._phase = _Phase.OPEN

    async def deny(self, status: int, body: bytes = b"", media_type: str = "text/plain; charset=utf-8") -> None:
        """Refuse the handshake with an HTTP answer; servers without that extension answer 403."""
        if self._phase is not _Phase.CONNECTING:
            raise WebSocketError("deny() comes instead of accept(); close an accepted WebSocket with close(code).")
        await self._see_connect()
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
            await self.close(4000 + status)
            return
        self._end(4000 + status, "")
        headers = [(b"content-type", media_type.encode()), (b"content-length", str(len(body)).encode())]
        await self._emit({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self._emit({"type": "websocket.http.response.body", "body": body})
        if _is_surprised_by_denials(self._receive):
            await self._see_lost()

    async def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Close with a code; before ``accept()`` this refuses the handshake. Closing twice is nothing.

        Args:
            code: 1000, or 4000 to 4999 for codes of your own.
            reason: A text for the client, cut at 123 bytes.
        """
        if self._phase is _Phase.CLOSED:
            return
        with contextlib.suppress(WebSocketDisconnect):
            await self._see_connect()
        reason = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
        self._end(code, reason)
        reader = self._reader
        if reader is not None and reader is not asyncio.current_task() and _holds_frames_back(self._receive):
            self._last_frame = asyncio.get_running_loop().create_future()
            reader.cancel()
        try:
            with contextlib.suppress(WebSocketDisconnect):
                await self._emit({"type": "websocket.close", "code": code, "reason": reason})
        finally:
            if self._last_frame is not None:
                self._last_frame.set_result(None)

    # -- messages -------------------------------------------------------------------------------------------------

    async def receive(self) -> str | bytes:
        """Return the next message: text as ``str``, binary as ``bytes``.

        Raises:
            WebSocketDisconnect: Either side has closed.
        """
        if self._phase is _Phase.CONNECTING:
            raise WebSocketError("receive() was called before accept(); write `await ws.accept()` first.")
        if self._phase is _Phase.CLOSED:
            raise WebSocketDisconnect(self.close_code or NORMAL, self.close_reason)
        self._reader = asyncio.current_task()
        try:
            message = await self._receive()
        except asyncio.CancelledError:
            if self._last_frame is None or self._reader is None:
                raise
            # By close() in another task, which is only known once its frame is out: the end of the handler would cut it.
            self._reader.uncancel()
            await asyncio.shield(self._last_frame)
            raise WebSocketDisconnect(self.close_code or NORMAL, self.close_reason) from None
        finally:
            self._reader = None
        if message["type"] == "websocket.disconnect":
            raise self._gone(message)
        text: str | None = message.get("text")
        data: str | bytes = text if text is not None else message.get("bytes") or b""
        # A character has at most four bytes: only texts near the limit have to be measured.
        size = len(data)
        if size * 4 > self.max_message_bytes and isinstance(data, str):
            size = len(data.encode())
        if size > self.max_message_bytes:
            await self.close(TOO_BIG, f"a message may have {self.max_message_bytes} bytes")
            raise WebSocketDisconnect(TOO_BIG, self.close_reason)
        return data

    async def receive_text(self) -> str:
        """Return the next message, which must be text; a binary one closes the connection with 1003."""
        data = await self.receive()
        if isinstance(data, bytes):
            await self.close(UNSUPPORTED_DATA, "text messages only")
            raise WebSocketDisconnect(UNSUPPORTED_DATA, self.close_reason)
        return data

    async def receive_bytes(self) -> bytes:
        """Return the next message, which must be binary; a text closes the connection with 1003."""
        data = await self.receive()
        if isinstance(data, str):
            await self.close(UNSUPPORTED_DATA, "binary messages only")
            raise WebSocketDisconnect(UNSUPPORTED_DATA, self.close_reason)
        return data

    async def receive_json(self) -> Any:
        """Return the next message, decoded; one that is no JSON closes the connection with 1007."""
        data = await self.receive()
        try:
            return loads(data)
        except (JSONDecodeError, UnicodeDecodeError):
            await self.close(INVALID_PAYLOAD, "messages on this socket are JSON")
            raise WebSocketDisconnect(INVALID_PAYLOAD, self.close_reason) from None

    async def send(self, data: str | bytes) -> None:
        """Send a text or a binary message; waits while the peer is slow to read.

        Raises:
            WebSocketDisconnect: Either side has closed.
            TypeError: It is neither.
        """
        if self._phase is _Phase.CONNECTING:
            raise WebSocketError("send() was called before accept(); write `await ws.accept()` first.")
        if self._phase is _Phase.CLOSED:
            raise WebSocketDisconnect(self.close_code or NORMAL, self.close_reason)
        if isinstance(data, str):
            await self._emit({"type": "websocket.send", "text": data})
        elif isinstance(data, (bytes, bytearray, memoryview)):
            await self._emit({"type": "websocket.send", "bytes": bytes(data)})
        else:
            raise TypeError(
                f"send() takes a text or bytes, not {type(data).__name__}. Write await ws.send_json(value)."
            )

    async def send_text(self, text: str) -> None:
        """Send a text message, as ``send`` does."""
        await self.send(text)

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message, as ``send`` does."""
        await self.send(data)

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""
        await self.send(dumps(value).decode())

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        try:
            while True:
                yield await self.receive()
        except WebSocketDisconnect:
            return

    async def pump(self, channel: Channel, **options: Any) -> None:
        """Join this socket and a channel both ways; see ``covet.websocket.pump``."""
        await pump(self, channel, **options)

    # -- inside ---------------------------------------------------------------------------------------------------

    async def _see_connect(self) -> None:
        if self._connect_seen:
            return
        self._connect_seen = True
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise self._gone(message)

    async def _see_lost(self) -> None:
        """Wait until the connection is closed, of which uvicorn tells once when it answered and once when it is so."""
        left = 2
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DENIED_S):
                while left:
                    left -= (await self._receive())["type"] == "websocket.disconnect"

    async def _emit(self, message: Message) -> None:
        try:
            await self._send(message)
        except OSError as error:
            # ASGI 2.4: a server raises OSError when the peer has gone.
            self._end(ABNORMAL, "")
            raise WebSocketDisconnect(ABNORMAL, "the peer has gone") from error

    def _gone(self, message: Message) -> WebSocketDisconnect:
        # An enum of the server's, at times; its name would stand in texts and logs.
        self._end(int(message.get("code") or NORMAL), message.get("reason") or "")
        assert self.close_code is not None
        return WebSocketDisconnect(self.close_code, self.close_reason)

    def _end(self, code: int, reason: str) -> None:
        self._phase = _Phase.CLOSED
        if self.close_code is None:
            self.close_code = code
            self.close_reason = reason


answer(WebSocket, OF_SOCKETS, "A WebSocket")


def _holds_frames_back(receive: Receive) -> bool:
    """Return whether a server sends no close frame while somebody waits for a message: granian does not."""
    return type(getattr(receive, "__self__", None)).__module__.startswith("granian")


def _is_surprised_by_denials(receive: Receive) -> bool:
    """Return whether a server logs an error when its application returns before a refused connection is closed: uvicorn does."""
    return type(getattr(receive, "__self__", None)).__module__ == "uvicorn.protocols.websockets.websockets_sansio_impl"


class _Unset:
    """Nothing was set; None would be an answer."""


_UNSET = _Unset()
