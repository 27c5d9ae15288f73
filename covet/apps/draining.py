"""Draining: the time between "stop" and the last answer. Readiness is off, what is endless ends, the rest is finished.

One value for the process, as a process serves one site. The server begins it (``covet.handlers.server``, or the end of
the ASGI lifespan); ``/readyz`` and streams look at it.
"""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["Draining", "draining"]


class Draining:
    """Whether the server stops, and who wants to know.

    Attributes:
        is_draining: New work should go elsewhere.
        is_managed: A server of ours begins it in time; else the signals have to be listened to.
        streams: The tasks that send answers which are made while they are sent.
    """

    def __init__(self) -> None:
        self.is_draining = False
        self.is_managed = False
        self.streams: set[asyncio.Task[Any]] = set()
        self._waiting: set[asyncio.Future[None]] = set()

    def begin(self) -> None:
        """Start to drain: whoever waits is woken. Call it on the loop that serves."""
        self.is_draining = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def end(self) -> None:
        """Stop draining, as at the start of a server."""
        self.is_draining = False

    def join(self) -> asyncio.Future[None]:
        """Return a future that is done once the server drains; give it back to ``leave()``."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.is_draining:
            future.set_result(None)
        self._waiting.add(future)
        return future

    def leave(self, future: asyncio.Future[None]) -> None:
        """Forget a future of ``join()``."""
        self._waiting.discard(future)
        future.cancel()


draining = Draining()
