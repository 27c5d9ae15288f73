"""Awaiting what must not be cut off half-way: COMMIT, ROLLBACK, the closing of a cursor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

__all__ = ["SETTLE_S", "HeldWait", "uncancelled"]

T = TypeVar("T")

SETTLE_S = 5.0


class HeldWait:
    """What a task waits for in place of a future: a cancellation ends up here, and is raised when the future is done.

    It is all that asyncio asks of a future that is awaited. A second future between the two would cost every commit
    another turn of the loop.
    """

    __slots__ = ("_asyncio_future_blocking", "_tell", "add_done_callback", "get_loop", "is_cancelled")

    def __init__(self, future: asyncio.Future[Any], tell: Callable[[], None]) -> None:
        self.get_loop = future.get_loop
        self.add_done_callback = future.add_done_callback
        self._tell = tell
        self._asyncio_future_blocking = False
        self.is_cancelled = False

    def __await__(self) -> Generator[Any, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def cancel(self, msg: Any = None) -> bool:
        """Note the cancellation and tell of it; the future goes on."""
        self.is_cancelled = True
        self._tell()
        return False


async def uncancelled(awaitable: Awaitable[T], give_up: Callable[[], None], *, limit_s: float | None = None) -> T:
    """Await something that must not be cut off half-way (COMMIT, ROLLBACK); a cancellation is raised when it is done.

    A task of its own for each commit would cost more than the commit's own Python: so the coroutine is driven here, and
    none of the futures that it waits for is ever cancelled. For that reason it must not use ``asyncio.timeout``.

    Args:
        awaitable: What to await.
        give_up: Ends it by force (cuts the connection): a while after a cancellation, or after ``limit_s``.
        limit_s: How long it may take in any case.
    """
    steps = awaitable.__await__()
    cancelled: asyncio.CancelledError | None = None
    timer = None if limit_s is None else asyncio.get_running_loop().call_later(limit_s, give_up)

    def start_timer() -> None:
        nonlocal timer
        if timer is None:
            timer = asyncio.get_running_loop().call_later(SETTLE_S, give_up)

    try:
        while True:
            try:
                pending: Any = steps.send(None)
            except StopIteration as stop:
                if cancelled is not None:
                    raise cancelled from None
                return stop.value  # type: ignore[no-any-return]  # what the awaitable returns
            if pending is None:
                try:
                    await asyncio.sleep(0)
                except asyncio.CancelledError as error:
                    cancelled = error
                    start_timer()
                continue
            pending._asyncio_future_blocking = False
            wait = HeldWait(pending, start_timer)
            try:
                await wait
            except BaseException as error:
                # The future's own error reaches the awaitable by the next step.
                if wait.is_cancelled and isinstance(error, asyncio.CancelledError):
                    cancelled = error
    finally:
        if timer is not None:
            timer.cancel()
