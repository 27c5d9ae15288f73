"""A body is the same whether it is there already, comes later, or comes from a server with awaitables of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from covet.http.body import read_body
from covet.http.errors import ClientDisconnected, PayloadTooLarge, RequestTimeout
from covet.http.policy import RequestPolicy

POLICY = RequestPolicy(body_timeout_s=30)


def message(body: bytes, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def at_once(*messages: dict[str, Any]) -> Callable[[], Any]:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0)

    return receive


def later(*messages: dict[str, Any]) -> Callable[[], Any]:
    left = list(messages)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.set_result, None)
        await future
        return left.pop(0)

    return receive


def by_future(*messages: dict[str, Any]) -> Callable[[], Any]:
    left = list(messages)

    def receive() -> asyncio.Future[dict[str, Any]]:
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        future.set_result(left.pop(0))
        return future

    return receive


@pytest.mark.parametrize("way", [at_once, later, by_future])
async def test_a_body_is_read_whole(way: Any) -> None:
    assert await read_body(way(message(b"abc")), POLICY, limit=10) == b"abc"
    parts = way(message(b"a", more=True), message(b"", more=True), message(b"bc"))
    assert await read_body(parts, POLICY, limit=10) == b"abc"


@pytest.mark.parametrize("way", [at_once, later, by_future])
async def test_limits_and_departures_hold_on_each_way(way: Any) -> None:
    with pytest.raises(PayloadTooLarge):
        await read_body(way(message(b"abc")), POLICY, limit=2)
    with pytest.raises(PayloadTooLarge):
        await read_body(way(message(b"ab", more=True), message(b"c")), POLICY, limit=2)
    with pytest.raises(ClientDisconnected):
        await read_body(way({"type": "http.disconnect"}), POLICY, limit=2)
    with pytest.raises(ClientDisconnected):
        await read_body(way(message(b"a", more=True), {"type": "http.disconnect"}), POLICY, limit=2)


async def test_a_body_that_does_not_come_is_given_up_and_can_be_cancelled() -> None:
    ended: list[str] = []

    async def receive() -> dict[str, Any]:
        try:
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]
        finally:
            ended.append("left")

    with pytest.raises(RequestTimeout):
        await read_body(receive, RequestPolicy(body_timeout_s=0), limit=2)
    task = asyncio.ensure_future(read_body(receive, POLICY, limit=2))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended == ["left", "left"]
