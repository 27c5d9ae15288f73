"""What a WebSocket does on each implementation that uvicorn has, over plain ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import pytest
import uvicorn
import websockets
from uvicorn.config import WS_PROTOCOLS

from covet.types import Receive, Scope, Send
from covet.websocket import WebSocket, WebSocketDisconnect, WebSocketError

# uvicorn's word on the oldest of them, which is served as long as it has it.
pytestmark = pytest.mark.filterwarnings("ignore:The `websockets` implementation is deprecated")

LIMIT = 1000
PATIENCE_S = 60
IMPLEMENTATIONS = sorted(name for name, where in WS_PROTOCOLS.items() if where is not None and name != "auto")

ended: list[Any] = []


async def echo(ws: WebSocket) -> None:
    await ws.accept(subprotocol="b" if ws.subprotocols else None, headers={"Set-Cookie": "a=b"})
    async for message in ws:
        await ws.send(message)


async def refuse(ws: WebSocket) -> None:
    await ws.close()


async def deny(ws: WebSocket) -> None:
    await ws.deny(404, b"nothing here")


async def say_goodbye(ws: WebSocket) -> None:
    await ws.accept()
    await ws.close(4321, "é" * 100)


async def shout(ws: WebSocket) -> None:
    await ws.accept()
    while True:
        await ws.send("x" * 10_000)
        await asyncio.sleep(0)


async def choose_another(ws: WebSocket) -> None:
    try:
        await ws.accept(subprotocol="c")
    except WebSocketError as error:
        ended.append(str(error))
    await ws.accept()


HANDLERS = {f"/{one.__name__}": one for one in (echo, refuse, deny, say_goodbye, shout, choose_another)}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    ws = WebSocket(scope, receive, send, max_message_bytes=LIMIT)
    with suppress(WebSocketDisconnect):
        await HANDLERS[ws.path](ws)
    ended.append((ws.close_code, ws.close_reason))


Serve = Callable[..., AbstractAsyncContextManager[tuple[str, uvicorn.Server]]]


@pytest.fixture(params=IMPLEMENTATIONS)
async def served(request: Any, serve: Serve) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    ended.clear()
    async with serve(application, ws=request.param, http="h11") as found:
        yield found


async def last() -> Any:
    """Return how the handler ended, once it has."""
    async with asyncio.timeout(PATIENCE_S):
        while not ended:
            await asyncio.sleep(0.005)
    return ended[-1]


def connected(url: str, **options: Any) -> Any:
    return websockets.connect(url, open_timeout=PATIENCE_S, close_timeout=PATIENCE_S, **options)


async def test_messages_of_both_kinds_fragments_and_pings_are_answered(served: Any) -> None:
    async with connected(f"{served[0]}/echo", subprotocols=["a", "b"]) as ws:
        await ws.send("hé")
        await ws.send(b"\x00")
        await ws.send(["in ", "two"])
        heard = [await ws.recv() for _ in range(3)]
        async with asyncio.timeout(PATIENCE_S):
            await (await ws.ping())

    assert heard == ["hé", b"\x00", "in two"]
    assert ws.subprotocol == "b"
    assert ws.response.headers["set-cookie"] == "a=b"


@pytest.mark.parametrize(("path", "status", "body"), [("refuse", 403, b""), ("deny", 404, b"nothing here")])
async def test_a_refusal_is_an_answer(served: Any, path: str, status: int, body: bytes) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        async with connected(f"{served[0]}/{path}"):
            pass

    assert (caught.value.response.status_code, caught.value.response.body) == (status, body)


async def test_codes_and_reasons_go_both_ways(served: Any) -> None:
    async with connected(f"{served[0]}/say_goodbye") as ws:
        await ws.wait_closed()
    told = ws.close_code, ws.close_reason
    await last()
    ended.clear()
    async with connected(f"{served[0]}/echo") as ws:
        await ws.close(4005, "bye")

    own = await last()
    ended.clear()
    async with connected(f"{served[0]}/echo"):
        pass
    usual = await last()

    assert told == (4321, "é" * 61)
    assert own == (4005, "bye")
    assert usual == (1000, "")
    assert type(usual[0]) is int


async def test_a_message_over_the_limit_closes_with_1009(served: Any) -> None:
    async with connected(f"{served[0]}/echo") as ws:
        await ws.send("x" * LIMIT)
        assert len(await ws.recv()) == LIMIT
        await ws.send("x" * (LIMIT + 1))
        await ws.wait_closed()

    assert ws.close_code == 1009


async def test_a_client_that_vanishes_ends_the_handler(served: Any) -> None:
    ws = await connected(f"{served[0]}/shout")
    await ws.recv()
    ws.transport.abort()

    code, _ = await last()
    assert code in (1005, 1006)  # uvicorn's newer implementations tell a lost connection as a close without a code
    assert type(code) is int


async def test_a_server_that_stops_closes_with_1012(served: Any) -> None:
    url, server = served
    async with connected(f"{url}/echo") as ws:
        server.should_exit = True
        await ws.wait_closed()

    assert ws.close_code == 1012
    assert await last() == (1012, "")


async def test_a_subprotocol_that_the_client_does_not_offer_is_told(served: Any) -> None:
    async with connected(f"{served[0]}/choose_another", subprotocols=["a", "b"]) as ws:
        pass

    await last()
    assert ws.subprotocol is None
    assert ended[0] == (
        "accept(subprotocol='c'): the client offers 'a', 'b'. Choose one of ws.subprotocols, or leave it out."
    )
