"""RSGI: granian's own interface, served from the same compiled handler as ASGI and the protocol class.

An answer that is there as a whole is one call into granian, with no queue and no events in between; what is streamed, and
WebSockets, go through a thin ASGI face over RSGI's calls. Files are sent by granian itself.

RSGI tells a WebSocket neither a subprotocol nor a close code, drops header values that are not ASCII, and cannot cut an
answer whose stream fails: only one with a ``Content-Length`` shows that it is not whole. The same holds for a chunked request
body that breaks off, which granian hands over as a whole one. Nor does it hold a stream back whose client does not read:
granian takes and keeps all of it. ``serve --server
granian`` therefore takes ASGI for a project that has WebSocket routes.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from urllib.parse import quote

from covet.accel import Waiting, first_step
from covet.handlers.application import Application, application_of
from covet.handlers.part import HandlersPart
from covet.http.background import running
from covet.http.headers import RawHeaders
from covet.http.request import Request
from covet.http.response import Response
from covet.http.status import BODILESS, STATUSES, no_status
from covet.types import ASGIApp, Message, Scope

__all__ = ["RsgiApplication"]

PATHSEND = "http.response.pathsend"
DISCARD_BYTES = 8 * 1024 * 1024
DISCARD_S = 2.0
DENIAL = "websocket.http.response"


class RsgiApplication:
    """A project, or any ASGI application round it, as an RSGI application.

    Args:
        app: What ``get_asgi_application()`` returned; any other ASGI application is served by way of ASGI alone.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.application = application_of(app)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        """Serve one request or WebSocket."""
        if scope.proto == "http":
            if self.application is None:
                exchange = _Exchange(scope, protocol, _raw_headers(scope))
                await self.app(exchange.scope(), exchange.receive, exchange.send)
            else:
                await self._http(self.application, scope, protocol)
        else:
            socket = _Socket(protocol)
            await self.app(_websocket_scope(scope), socket.receive, socket.send)

    async def _http(self, application: Application, scope: Any, protocol: Any) -> None:
        handler = application.apps.part(HandlersPart).handler
        headers = _raw_headers(scope)
        exchange = _Exchange(scope, protocol, headers)
        request = Request.from_parts(
            scope.method,
            scope.path,
            scope.query_string.encode("latin-1"),
            headers,
            b"",
            scope.scheme,
            _address(scope.client),
            _address(scope.server),
            "",
            handler,
            handler.policy,
        )
        request.http_version = _version(scope)
        request._receive = exchange.receive
        if not exchange.is_read:
            request._body = None
        # As for ASGI: whose client leaves is cancelled, found by one sweep for all.
        try:
            begun = first_step(handler.handle(request))
        except asyncio.CancelledError:
            await request.abandon()
            raise
        response = await application.disconnects.watched(request, begun) if isinstance(begun, Waiting) else begun
        if response is None:
            return
        if response.status not in STATUSES:
            response = await handler.errors(request, no_status(response.status))
        if response.is_streaming:
            try:
                await handler.stream(request, response, exchange.scope(), exchange.receive, exchange.send)
            except Exception:
                # Logged where it happened. The transport is let go, or the client would wait for more.
                exchange.close()
                await request.abandon()
                return
            except BaseException:
                await request.abandon()
                raise
        else:
            if not exchange.is_read and response.status != 408:
                try:
                    await exchange.discard()
                except BaseException:
                    await request.abandon()
                    raise
            answer(response, request.method, protocol)
        if request._cleanup:
            await request.close()
        if response.background is not None:
            running.start(response.background)


def answer(response: Response, method: str, protocol: Any) -> None:
    """Give a whole answer to the server."""
    headers = _texts(response.raw_headers)
    body = response.body
    if response.status in BODILESS:
        protocol.response_empty(response.status, headers)
    elif method == "HEAD":
        if not any(name == "content-length" for name, _ in headers):
            headers.append(("content-length", str(len(body))))
        protocol.response_empty(response.status, headers)
    elif body:
        protocol.response_bytes(response.status, headers, body)
    else:
        protocol.response_empty(response.status, headers)


def _texts(headers: RawHeaders) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def _raw_headers(scope: Any) -> RawHeaders:
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in scope.headers.items()]
    if scope.authority and not any(name == b"host" for name, _ in headers):
        # HTTP/2 has it beside the headers.
        headers.append((b"host", scope.authority.encode("latin-1", "replace")))
    return headers


def _has_body(headers: RawHeaders) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 ")) for name, value in headers
    )


def _address(text: str) -> Any:
    """Return ``127.0.0.1:80`` as a pair."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        return None
    return host.strip("[]"), int(port)


def _http_scope(scope: Any, headers: RawHeaders) -> Scope:
    return {
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": _version(scope),
        "path": scope.path,
        "raw_path": quote(scope.path).encode("ascii"),
        "root_path": "",
        "query_string": scope.query_string.encode("latin-1"),
        "headers": headers,
        "client": _address(scope.client),
        "server": _address(scope.server),
        "state": {},
    }


def _version(scope: Any) -> str:
    """Return the version as ASGI says it; granian leaves a nought out."""
    version: str = scope.http_version
    return "1.0" if version == "1" else version


def _websocket_scope(scope: Any) -> Scope:
    headers = _raw_headers(scope)
    offered = ",".join(value.decode("latin-1") for name, value in headers if name == b"sec-websocket-protocol")
    return {
        **_http_scope(scope, headers),
        "type": "websocket",
        "scheme": "wss" if scope.scheme in ("https", "wss") else "ws",
        "subprotocols": [part.strip() for part in offered.split(",") if part.strip()],
        "extensions": {DENIAL: {}},
    }


class _Exchange:
    """One HTTP request of RSGI with the face of ASGI."""

    def __init__(self, scope: Any, protocol: Any, headers: RawHeaders) -> None:
        self._scope = scope
        self._protocol = protocol
        self._headers = headers
        self._chunks: Any = None
        self.is_read = not _has_body(headers)
        self._head: tuple[int, list[tuple[str, str]]] = (500, [])
        self._transport: Any = None
        self._said_read = False
        self._size = 0
        self._promised = next(
            (int(value) for name, value in headers if name == b"content-length" and value.isdigit()), None
        )

    def scope(self) -> Scope:
        """Return the ASGI scope."""
        return {
            **_http_scope(self._scope, self._headers),
            "type": "http",
            "method": self._scope.method,
            "scheme": self._scope.scheme,
            "extensions": {PATHSEND: {}},
        }

    async def receive(self) -> Message:
        """Give the body as it comes, then wait until the client leaves."""
        if not self.is_read:
            if self._chunks is None:
                self._chunks = aiter(self._protocol)
            try:
                chunk = bytes(await anext(self._chunks))
                self._size += len(chunk)
                return {"type": "http.request", "body": chunk, "more_body": True}
            except StopAsyncIteration:
                self.is_read = True
                if self._promised is not None and self._size < self._promised:
                    # granian ends a body that breaks off as if it were whole.
                    self._said_read = True
                    return {"type": "http.disconnect"}
            except Exception:
                # granian's: the body broke off.
                self.is_read = self._said_read = True
                return {"type": "http.disconnect"}
        if not self._said_read:
            self._said_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._protocol.client_disconnect()
        return {"type": "http.disconnect"}

    async def discard(self) -> None:
        """Read what is left of a body that nobody wanted: granian would cut the connection, and the answer with it."""
        size = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DISCARD_S):
                while not self.is_read and size < DISCARD_BYTES:
                    size += len((await self.receive()).get("body", b""))

    def close(self) -> None:
        """End the answer where it is."""
        self._transport = None

    async def send(self, message: Message) -> None:
        """Take a message of ASGI."""
        kind = message["type"]
        if kind == "http.response.start":
            self._head = (
                message["status"],
                _texts([(bytes(n).lower(), bytes(v)) for n, v in message.get("headers", ())]),
            )
        elif kind == PATHSEND:
            self._protocol.response_file(*self._head, message["path"])
        elif kind == "http.response.body":
            await self._body(bytes(message.get("body", b"")), more=message.get("more_body", False))

    async def _body(self, body: bytes, *, more: bool) -> None:
        if self._transport is None and not more:
            if body and self._scope.method != "HEAD" and self._head[0] not in BODILESS:
                self._protocol.response_bytes(*self._head, body)
            else:
                self._protocol.response_empty(*self._head)
            return
        if self._transport is None:
            self._transport = self._protocol.response_stream(*self._head)
        if body:
            await self._transport.send_bytes(body)


class _Socket:
    """One WebSocket of RSGI with the face of ASGI."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self._transport: Any = None
        self._has_begun = False

    async def receive(self) -> Message:
        """Give the handshake, then what the client sends, then its end."""
        if not self._has_begun:
            self._has_begun = True
            return {"type": "websocket.connect"}
        if self._transport is None:
            return {"type": "websocket.disconnect", "code": 1006}
        message = await self._transport.receive()
        if message.kind == 0:
            return {"type": "websocket.disconnect", "code": 1005}
        if message.kind == 1:
            return {"type": "websocket.receive", "bytes": bytes(message.data), "text": None}
        return {"type": "websocket.receive", "text": message.data, "bytes": None}

    async def send(self, message: Message) -> None:
        """Take a message of ASGI."""
        kind = message["type"]
        if kind == "websocket.accept":
            self._transport = await self._protocol.accept()
        elif kind == "websocket.send":
            if message.get("text") is not None:
                await self._transport.send_str(message["text"])
            else:
                await self._transport.send_bytes(message["bytes"])
        elif kind == f"{DENIAL}.start":
            # Its status alone: RSGI takes no body.
            self._protocol.close(message["status"])
        elif kind == "websocket.close":
            # Before the handshake this is its refusal, with a status; afterwards RSGI takes no code.
            self._protocol.close(403 if self._transport is None else None)
            self._transport = None
