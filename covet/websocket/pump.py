"""``pump(ws, channel)``: what the channel carries goes to the socket, what the socket says goes to the channel.

Memory stays bounded at every place. A socket that reads slowly makes ``send`` wait, so the channel's queue for it fills
and its overflow rule decides; one that takes nothing at all for ``send_timeout_s`` is closed with 1013. A broker that is
slow makes the socket's next message wait in the kernel, not here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from covet.concurrency import maybe_await
from covet.json import JSONDecodeError, dumps, loads
from covet.pubsub.base import MessageTooLarge, SlowReader
from covet.pubsub.channels import Channel
from covet.websocket.codes import (
    INVALID_PAYLOAD,
    SERVICE_RESTART,
    TOO_BIG,
    TRY_AGAIN_LATER,
    WebSocketDisconnect,
)

if TYPE_CHECKING:
    from covet.websocket.connection import WebSocket

__all__ = ["SKIP", "pump"]

SEND_TIMEOUT_S = 20.0
HEARTBEAT = '{"type":"heartbeat"}'


class _Skip:
    """What a hook returns for a message that goes no further."""

    def __repr__(self) -> str:
        return "SKIP"


SKIP = _Skip()
Hook: TypeAlias = Callable[[Any], Any]


async def pump(
    ws: WebSocket,
    channel: Channel,
    *,
    incoming: Hook | None = None,
    outgoing: Hook | None = None,
    heartbeat_s: float | None = None,
    send_timeout_s: float = SEND_TIMEOUT_S,
) -> None:
    """Join an accepted socket and a channel both ways, until the socket closes. Messages are JSON.

    Args:
        ws: The socket.
        channel: The channel; entered for the time of the pump if it is not yet.
        incoming: Called with each value from the client, sync or async; what it returns is published, ``SKIP``
            publishes nothing. Use it to check the message and to say who sent it.
        outgoing: The same for values on their way to the client.
        heartbeat_s: Send ``{"type": "heartbeat"}`` after so long a silence, for proxies that cut quiet connections
            although the server's ping frames pass. The server's own pings need no help from here.
        send_timeout_s: How long the client may take nothing at all.
    """
    async with contextlib.AsyncExitStack() as stack:
        if not channel.is_entered:
            await stack.enter_async_context(channel)
        tasks = [
            asyncio.create_task(_to_channel(ws, channel, incoming), name="covet pump in"),
            asyncio.create_task(_to_socket(ws, channel, outgoing, heartbeat_s, send_timeout_s), name="covet pump out"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            with contextlib.suppress(WebSocketDisconnect):
                task.result()


async def _to_channel(ws: WebSocket, channel: Channel, hook: Hook | None) -> None:
    async for data in ws:
        payload = data.encode() if isinstance(data, str) else data
        try:
            value = loads(payload)
        except (JSONDecodeError, UnicodeDecodeError):
            await ws.close(INVALID_PAYLOAD, "messages on this socket are JSON")
            return
        if hook is not None:
            value = await maybe_await(hook(value))
            if value is SKIP:
                continue
            payload = dumps(value)
        try:
            await channel.publish_bytes(payload)
        except MessageTooLarge as error:
            await ws.close(TOO_BIG, str(error))
            return


async def _to_socket(
    ws: WebSocket, channel: Channel, hook: Hook | None, heartbeat_s: float | None, send_timeout_s: float
) -> None:
    try:
        async for payload in _with_heartbeats(channel, heartbeat_s):
            if payload is None:
                text = HEARTBEAT
            elif hook is None:
                text = payload.decode()
            else:
                value = await maybe_await(hook(loads(payload)))
                if value is SKIP:
                    continue
                text = dumps(value).decode()
            try:
                async with asyncio.timeout(send_timeout_s):
                    await ws.send(text)
            except TimeoutError:
                await ws.close(TRY_AGAIN_LATER, "the client takes no messages")
                return
    except SlowReader as error:
        await ws.close(TRY_AGAIN_LATER, str(error))
    else:
        # The broker has closed: this process is going down, another may take over.
        await ws.close(SERVICE_RESTART, "the channel was closed")


async def _with_heartbeats(channel: Channel, heartbeat_s: float | None) -> AsyncIterator[bytes | None]:
    """Yield payloads, and None after each silence of ``heartbeat_s``."""
    while True:
        try:
            async with asyncio.timeout(heartbeat_s):
                payload = await channel.next_bytes()
        except TimeoutError:
            yield None
            continue
        if payload is None:
            return
        yield payload
