"""The live server: it ends at once where nobody is left, and not before what is under way has been answered."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from covet.test.live import serve


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"whole"})


async def ask(url: str) -> str:
    async with httpx.AsyncClient(timeout=60, verify=False) as client:
        return (await client.get(url)).text


async def test_it_ends_without_the_waits_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests are shorter than the tenths of a second that uvicorn sleeps: no time is measured, but what is waited for."""
    slept: list[float] = []
    sleep = asyncio.sleep

    async def noted(delay: float, *result: Any) -> Any:
        slept.append(delay)
        return await sleep(delay, *result)

    monkeypatch.setattr(asyncio, "sleep", noted)
    for protocol in ("covet.handlers.protocol:CovetProtocol", "httptools"):
        async with serve(answer, protocol=protocol) as server:
            assert await ask(server.url) == "whole"

    assert slept and max(slept) <= 0.001


@pytest.mark.parametrize("protocol", ["covet.handlers.protocol:CovetProtocol", "httptools"])
async def test_it_waits_for_an_answer_that_is_under_way(protocol: str) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await go_on.wait()
        await answer(scope, receive, send)

    async with serve(slow, protocol=protocol) as server:
        asking = asyncio.create_task(ask(server.url))
        await begun.wait()
        # The server is told to end first.
        asyncio.get_running_loop().call_later(0.1, go_on.set)

    assert asking.done() or go_on.is_set()
    assert await asking == "whole"


async def test_a_connection_that_is_kept_open_does_not_keep_it() -> None:
    async with httpx.AsyncClient(timeout=60, verify=False) as client:
        async with serve(answer) as server:
            assert (await client.get(server.url)).text == "whole"
        with pytest.raises(httpx.TransportError):
            await client.get(server.url)


async def test_its_lifespan_is_closed_where_it_has_one() -> None:
    said: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "lifespan"
        for _ in range(2):
            said.append((await receive())["type"])
            await send({"type": f"{said[-1]}.complete"})

    async with serve(application, lifespan="on"):
        assert said == ["lifespan.startup"]

    assert said == ["lifespan.startup", "lifespan.shutdown"]
