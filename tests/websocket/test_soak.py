"""Many sockets in one room: every message reaches every socket once, and nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack

import pytest

from covet.pubsub import channel
from covet.pubsub.memory import MemoryBroker
from covet.test.websocket import connect
from covet.types import Receive, Scope, Send
from covet.websocket import WebSocket, pump


@pytest.mark.soak
async def test_five_thousand_sockets_hear_everything_and_leave_nothing() -> None:
    sockets, messages = 5000, 20
    broker = MemoryBroker()

    async def room(scope: Scope, receive: Receive, send: Send) -> None:
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        async with channel("room", presence="somebody", broker=broker, limit=messages) as ch:
            await pump(ws, ch)

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect("/", app=room, timeout_s=120)) for _ in range(sockets)]
        async with asyncio.timeout(120):
            while len(broker._present.get("room", {})) < sockets:
                await asyncio.sleep(0.01)
        for number in range(messages):
            await clients[number].send_json(number)
        for client in clients:
            heard = [await client.receive_json() for _ in range(messages)]
            assert sorted(heard) == list(range(messages))
    gc.collect()

    assert broker._present == {}
    assert broker._fan_out.topics == ()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("covet pump")]
