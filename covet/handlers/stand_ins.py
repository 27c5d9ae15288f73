"""What the protocol class puts in the place of parts of uvicorn's: a cycle, a place for trailers, the head of answers."""

from __future__ import annotations

from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from covet.handlers.application import Application, application_of

__all__ = ["Cycle", "Nowhere", "find_application", "server_head"]


def find_application(app: Any) -> tuple[Application | None, bool]:
    """Return Covet's application inside what uvicorn wraps, and whether proxies' headers are believed."""
    is_proxied = False
    if isinstance(app, ProxyHeadersMiddleware):
        app, is_proxied = app.app, True
    return application_of(app), is_proxied


class Cycle:
    """Stands where uvicorn keeps its cycle while the short way is at work, so that uvicorn queues what comes behind."""

    __slots__ = ("disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self) -> None:
        self.response_complete = True
        self.disconnected = False
        self.keep_alive = True
        self.message_event = _NoEvent


class _NoEvent:
    """An event that nobody waits for."""

    @staticmethod
    def set() -> None:
        """Do nothing."""


class Nowhere(list[tuple[bytes, bytes]]):
    """Takes trailers, and keeps none."""

    def append(self, pair: tuple[bytes, bytes], /) -> None:
        """Do nothing."""


class ServerHead:
    """The head that every answer of a server begins with (Date, Server), joined once a second."""

    __slots__ = ("joined", "source")

    def __init__(self) -> None:
        self.source: list[tuple[bytes, bytes]] | None = None
        self.joined = b""

    def join(self, source: list[tuple[bytes, bytes]]) -> bytes:
        """Return the bytes of these headers, and keep them."""
        self.source = source
        self.joined = b"".join(b"%b: %b\r\n" % pair for pair in source)
        return self.joined


server_head = ServerHead()
