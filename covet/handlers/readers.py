"""Clients that ask and never read: what is kept for them is let go after ``RESPONSE_TIMEOUT_S`` without a byte taken.

A client that reads slowly is served as long as it reads at all. On the protocol class the connection itself shows what is
left unsent, and is cut. Any other server tells only that a piece of a stream does not get through; the stream is cancelled
then, and so is the connection where the server is a uvicorn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from covet.http.request import Request
from covet.http.response import Response

if TYPE_CHECKING:
    from covet.handlers.http import HttpHandler
    from covet.types import Message, Receive, Scope, Send

__all__ = ["Unread", "stream_to_reader"]

# Servers take about this much before they let a stream wait, so a larger piece may take as many times longer.
PIECE = 65536

logger = logging.getLogger("covet.server")


class Connection(Protocol):
    """What is looked at of a connection."""

    transport: asyncio.Transport
    pauses: int


class Unread:
    """How long each connection of a server has been waiting for its client to take a byte.

    Only connections with something unsent are kept, so one that is read costs a call per sweep.
    """

    def __init__(self) -> None:
        self._seen: dict[Connection, tuple[int, int, float]] = {}

    def waited(self, connection: Connection, now: float) -> float:
        """Return the seconds for which nothing has been taken of what waits to be sent.

        Args:
            connection: Asked about once per sweep. Its ``pauses`` count how often writing had to wait: without it, a
                stream that is filled up as fast as it is read would look as if nothing moved.
            now: The loop's time.
        """
        size = connection.transport.get_write_buffer_size()
        if not size:
            self._seen.pop(connection, None)
            return 0.0
        last = self._seen.get(connection)
        if last is not None and last[:2] == (size, connection.pauses):
            return now - last[2]
        self._seen[connection] = (size, connection.pauses, now)
        return 0.0

    def forget_others(self, connections: Sequence[Connection]) -> None:
        """Keep nothing of connections that are gone."""
        if self._seen:
            self._seen = {each: self._seen[each] for each in connections if each in self._seen}


async def stream_to_reader(
    handler: HttpHandler, request: Request, response: Response, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send a streamed answer by a server that tells no more than when it has taken a piece.

    Args:
        handler: Its policy has the time that a piece may take.
        request: The request.
        response: Its answer.
        scope: The server's scope.
        receive: The server's call.
        send: The server's call.
    """
    timeout_s, task = handler.policy.response_timeout_s, asyncio.current_task()
    if not timeout_s or task is None:
        await handler.stream(request, response, scope, receive, send)
        return
    loop = task.get_loop()
    is_stuck = False
    before = 0

    def give_up() -> None:
        nonlocal is_stuck
        is_stuck = True
        task.cancel()

    async def timed(message: Message) -> None:
        nonlocal before
        if is_stuck:
            # Last words, which would wait behind what is not taken.
            return
        size = len(message.get("body", b""))
        # Some servers wait with this piece for the one before it.
        timer = loop.call_later(timeout_s * (1 + max(size, before) // PIECE), give_up)
        before = size
        try:
            await send(message)
        finally:
            timer.cancel()

    try:
        await handler.stream(request, response, scope, receive, timed)
    except asyncio.CancelledError:
        if not is_stuck or task.uncancel():
            raise
        tell(request.client, timeout_s)
        # ASGI has no word for cutting a connection; uvicorn's closes only once all has been taken, which is never.
        abort = getattr(getattr(getattr(send, "__self__", None), "transport", None), "abort", None)
        if abort is not None:
            abort()
        await request.abandon()


def tell(client: tuple[str, int] | None, timeout_s: float) -> None:
    """Log that a client was given up."""
    logger.info(
        "%s took nothing of its answer for %g s and was given up",
        f"{client[0]}:{client[1]}" if client else "A client",
        timeout_s,
    )
