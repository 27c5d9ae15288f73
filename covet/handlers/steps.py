"""Runs a coroutine up to its first wait at once, and the rest of it, if there is any, in a task.

Most small views wait for nothing. A task for each of them would cost as much as all the rest of the request: the task, its
name, a handle, and a turn of the loop. Since CPython 3.12 ``asyncio.Task(…, eager_start=True)`` avoids the turn. Before it,
and for less, this does: the first step is run by hand while a spare task stands as the current one, so that
``asyncio.current_task()``, ``asyncio.timeout()`` and task groups find what they always find. A coroutine that ends in its
first step leaves the spare to the next one; one that waits goes on in it, and the next one gets a task of its own.

No two coroutines can tell that they had the same task: it is given away unless nobody kept a reference to it, gave it a
callback or a name, or cancelled it. Each coroutine has its own copy of the context, for all of its steps.
"""

from __future__ import annotations

import asyncio
import sys
import weakref
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine
from contextvars import Context, copy_context
from typing import Any, cast

__all__ = ["Steps"]

_NOTHING: Any = object()


class _Rest(Coroutine[Any, Any, None]):
    """What a task runs: nothing at first, and it waits; then the rest of a coroutine that was begun by hand.

    A coroutine of its own kind, since one that is written with ``async def`` cannot take a cancellation before its first
    step.
    """

    __slots__ = ("context", "loop", "parked", "steps", "waited")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.parked: asyncio.Future[None] | None = None
        self.steps: Coroutine[Any, Any, None] | None = None
        self.context: Context = _NOTHING
        self.waited: Any = _NOTHING

    def take(self, steps: Coroutine[Any, Any, None], context: Context, waited: Any) -> None:
        """Go on with a coroutine that waits for ``waited``."""
        self.steps, self.context, self.waited = steps, context, waited
        if self.parked is not None and not self.parked.done():
            self.parked.set_result(None)

    def send(self, value: Any) -> Any:
        """Take a step."""
        if self.steps is None:
            self.parked = self.loop.create_future()
            # What ``await`` does to a future: it tells the task that this is one to wait for.
            self.parked._asyncio_future_blocking = True
            return self.parked
        if self.waited is not _NOTHING:
            waited, self.waited = self.waited, _NOTHING
            return waited
        return self.context.run(self.steps.send, value)

    def throw(self, error: Any, value: Any = None, traceback: Any = None, /) -> Any:
        """Take a step by an error; a cancellation may come before the task has begun to wait."""
        if self.steps is None:
            raise error
        if self.waited is not _NOTHING:
            waited, self.waited = self.waited, _NOTHING
            if isinstance(error, asyncio.CancelledError) and asyncio.isfuture(waited) and waited.cancel(*error.args):
                # As a task does it: what it waits for is cancelled, and tells the coroutine so.
                return waited
        return self.context.run(self.steps.throw, error)

    def close(self) -> None:
        """End the coroutine."""
        if self.steps is not None:
            self.steps.close()

    def __await__(self) -> Any:
        raise TypeError("The rest of a coroutine is run by its task alone.")


class Steps:
    """Starts coroutines on one loop.

    Args:
        loop: The loop that is running.
    """

    __slots__ = ("loop", "name", "rest", "spare", "weak")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.spare: asyncio.Task[None] | None = None
        self.rest: _Rest = _NOTHING
        self.name = ""
        self.weak = 0

    def start(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Run a coroutine to its first wait.

        Returns:
            The task that goes on with it; ``None`` if it has ended.
        """
        spare = self.spare
        if spare is None or spare.cancelling():
            spare = self._make()
            if spare is None:
                return self.loop.create_task(coroutine)
        # Of the attribute both times: from CPython 3.14 on a local name may count as a reference in one place and not in another.
        kept = sys.getrefcount(self.spare)
        context = copy_context()
        _enter_task(self.loop, spare)
        try:
            # What ends without a value ends without a StopIteration here, which takes longer to make than to return.
            waited = context.run(next, coroutine.__await__(), _NOTHING)
        except BaseException as error:
            # The task ends by it, as it would have: logged, or raised through the loop. The frame of this call holds the
            # task, which would keep itself alive by it, and nothing be logged.
            self._give(_fail(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next)), context)
            return None
        finally:
            _leave_task(self.loop, spare)
        if waited is not _NOTHING:
            self._give(coroutine, context, waited)
            return spare
        if (
            sys.getrefcount(self.spare) != kept
            or weakref.getweakrefcount(spare) != self.weak
            or cast(Any, spare)._callbacks
            or spare.cancelling()
            or spare.get_name() is not self.name
        ):
            self._give(_end(), context)
        return None

    def _give(self, coroutine: Coroutine[Any, Any, None], context: Context, waited: Any = _NOTHING) -> None:
        """Give the spare task away."""
        self.spare = None
        self.rest.take(coroutine, context, waited)

    def _make(self) -> asyncio.Task[None] | None:
        """Make a spare task; there is none where tasks are made in another way, or another one is at work."""
        loop = self.loop
        if loop.get_task_factory() is not None or asyncio.current_task(loop) is not None:
            return None
        self.rest = _Rest(loop)
        self.spare = asyncio.Task(self.rest, loop=loop)
        self.name = self.spare.get_name()
        # That of ``asyncio.all_tasks()``, where it keeps tasks in this way.
        self.weak = weakref.getweakrefcount(self.spare)
        return self.spare

    def close(self) -> None:
        """Let the spare task go; the next coroutine gets a new one."""
        if self.spare is not None:
            self.spare.cancel()
            self.spare = None


async def _end() -> None:
    """Let a task end."""


async def _fail(error: BaseException) -> None:
    """Let a task fail."""
    try:
        raise error
    finally:
        del error
