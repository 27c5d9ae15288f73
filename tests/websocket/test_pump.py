"""Socket and channel joined both ways: what passes, what ends it, and that memory stays bounded."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest
import websockets

from covet.pubsub import channel
from covet.pubsub.memory import MemoryBroker
from covet.test.websocket import WebSocketClosed, connect
from covet.types import ASGIApp, Receive, Scope, Send
from covet.websocket import WebSocket, pump
from covet.websocket.pump import SKIP


def room(broker: MemoryBroker, *, channel_options: dict[str, Any] | None = None, **options: Any) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        ws = WebSocket(scope, receive, send)
        await ws.accept()
        async with channel("room", presence="somebody", broker=broker, **(channel_options or {})) as ch:
            await pump(ws, ch, **options)
        await ws.close()

    return app


async def test_what_one_client_says_all_clients_hear() -> None:
    app = room(MemoryBroker())
    async with connect("/", app=app) as ann, connect("/", app=app) as bob:
        await until_present(app, 2)
        await ann.send_json({"text": "hello"})

        assert await ann.receive_json() == {"text": "hello"}
        assert await bob.receive_json() == {"text": "hello"}


async def until_present(app: ASGIApp, count: int) -> None:
    """Let the handlers run until so many are in the room."""
    broker: MemoryBroker = app.__closure__[0].cell_contents  # type: ignore[attr-defined]
    async with asyncio.timeout(30):
        while len(broker._present.get("room", {})) < count:
            await asyncio.sleep(0)


async def test_a_value_published_by_the_project_reaches_the_client() -> None:
    broker = MemoryBroker()
    app = room(broker)
    async with connect("/", app=app) as ws:
        await until_present(app, 1)
        await channel("room", broker=broker).publish({"pk": 1})

        assert await ws.receive_json() == {"pk": 1}


async def test_leaving_ends_the_pump_and_the_presence() -> None:
    broker = MemoryBroker()
    app = room(broker)
    async with connect("/", app=app) as ws:
        await until_present(app, 1)
        await ws.close()

    assert broker._present == {}
    assert broker._fan_out.topics == ()


async def test_hooks_change_messages_and_hold_them_back() -> None:
    async def incoming(value: Any) -> Any:
        return SKIP if value == "secret" else {"from": "ann", "text": value}

    def outgoing(value: Any) -> Any:
        return SKIP if value["text"] == "hidden" else value | {"seen": True}

    app = room(MemoryBroker(), incoming=incoming, outgoing=outgoing)
    async with connect("/", app=app) as ws:
        for text in ("secret", "hidden", "hello"):
            await ws.send_json(text)

        assert await ws.receive_json() == {"from": "ann", "text": "hello", "seen": True}


@pytest.mark.parametrize("text", ["{", "[" * 100_000], ids=["half", "deep"])
async def test_a_message_that_is_no_json_closes_with_1007(text: str) -> None:
    async with connect("/", app=room(MemoryBroker())) as ws:
        await ws.send(text)

        assert await ws.receive_close() == 1007


async def test_closing_the_broker_closes_the_socket_with_1012() -> None:
    broker = MemoryBroker()
    app = room(broker)
    async with connect("/", app=app) as ws:
        await until_present(app, 1)
        await broker.close()

        assert await ws.receive_close() == 1012


async def test_silence_is_broken_by_heartbeats_when_asked_for() -> None:
    async with connect("/", app=room(MemoryBroker(), heartbeat_s=0.01)) as ws:
        assert await ws.receive_json() == {"type": "heartbeat"}
        assert await ws.receive_json() == {"type": "heartbeat"}


async def test_a_failing_hook_ends_the_pump_with_its_error() -> None:
    def incoming(value: Any) -> Any:
        raise LookupError("no such room")

    with pytest.raises(LookupError, match="no such room"):
        async with connect("/", app=room(MemoryBroker(), incoming=incoming)) as ws:
            await ws.send_json(1)
            await ws.receive()


async def test_a_hook_that_gives_up_is_not_taken_for_a_client_that_reads_nothing() -> None:
    def outgoing(value: Any) -> Any:
        raise TimeoutError("the database does not answer")

    inner, raised = room(MemoryBroker(), outgoing=outgoing), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await inner(scope, receive, send)
        except TimeoutError as error:
            raised.append(str(error))

    async with connect("/", app=app) as ws:
        await ws.send_json(1)
        with pytest.raises(WebSocketClosed) as closed:
            await ws.receive()

    assert raised == ["the database does not answer"]
    assert closed.value.code != 1013


async def test_a_client_that_takes_nothing_is_closed_with_1013() -> None:
    broker = MemoryBroker()
    closed: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def stuck(message: Any) -> None:
            if message["type"] == "websocket.send":
                await asyncio.Event().wait()
            if message["type"] == "websocket.close":
                closed.append(message["code"])
            await send(message)

        ws = WebSocket(scope, receive, stuck)
        await ws.accept()
        async with channel("room", presence="x", broker=broker) as ch:
            await pump(ws, ch, send_timeout_s=0.05)

    async with connect("/", app=app) as ws:
        async with asyncio.timeout(30):
            while "room" not in broker._fan_out:
                await asyncio.sleep(0)
        await channel("room", broker=broker).publish("x")
        await ws.receive_close()

    assert closed == [1013]


async def test_a_slow_reader_is_closed_when_its_rule_says_so() -> None:
    broker = MemoryBroker()
    gate = asyncio.Event()

    async def outgoing(value: Any) -> Any:
        await gate.wait()
        return value

    app = room(broker, channel_options={"limit": 2, "overflow": "close"}, outgoing=outgoing)
    async with connect("/", app=app) as ws:
        await until_present(app, 1)
        for number in range(10):
            await channel("room", broker=broker).publish(number)
            await asyncio.sleep(0)
        gate.set()

        assert await ws.receive_close() == 1013


async def test_twenty_real_sockets_hear_each_message_once_and_in_order(serve: Any) -> None:
    broker = MemoryBroker()
    app = room(broker)
    async with serve(app) as (url, _), AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(websockets.connect(url, open_timeout=60)) for _ in range(20)]
        await until_present(app, 20)
        for number in range(10):
            await clients[number].send(str(number))
        async with asyncio.timeout(30):
            heard = [[await client.recv() for _ in range(10)] for client in clients]

    assert all(sorted(one) == [str(number) for number in range(10)] for one in heard)
    assert all(one == heard[0] for one in heard)


async def test_a_stopping_server_lets_clients_go_with_1012(serve: Any) -> None:
    app = room(MemoryBroker())
    async with serve(app) as (url, server):
        ws = await websockets.connect(url, open_timeout=60)
        await until_present(app, 1)
        server.should_exit = True
        async with asyncio.timeout(30):
            with pytest.raises(websockets.ConnectionClosed) as caught:
                await ws.recv()

    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1012
