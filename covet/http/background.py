"""Work after the answer.

``Response(…, background=send_mail)``, ``request.run_after(send_mail, order)``, or ``tasks: BackgroundTasks`` in a typed handler.
It starts when the answer has been handed to the server, so that no client waits for it, and runs in this process. A server
that stops waits for it within SHUTDOWN_GRACE_S; what must survive a crash belongs into a queue.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from covet.concurrency import is_async, maybe_await, to_thread
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.http import visitor
else:
    visitor = late_module(__name__, "covet.http.visitor")

__all__ = ["BackgroundTask", "BackgroundTasks", "running", "task_of"]

logger = logging.getLogger("covet.background")


class BackgroundTask:
    """A function and its arguments, called after the answer; a plain function runs in a thread.

    It runs in the language and the time zone that hold where the task is made, such as in the view.

    Args:
        function: Sync or async.
        args: Its arguments.
        kwargs: Its arguments by name.
    """

    __slots__ = ("args", "function", "kwargs", "visitor")

    def __init__(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        if not callable(function):
            raise TypeError(f"A background task is a function and its arguments, not {function!r}.")
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.visitor = visitor.Visitor()

    async def __call__(self) -> None:
        """Call the function."""
        with self.visitor.speaking():
            if is_async(self.function):
                await self.function(*self.args, **self.kwargs)
            else:
                await maybe_await(await to_thread(self.function, *self.args, **self.kwargs))

    def __repr__(self) -> str:
        return f"BackgroundTask({getattr(self.function, '__qualname__', self.function)!s})"


class BackgroundTasks:
    """Several of them, called one after another; one that fails does not keep the next from running."""

    __slots__ = ("tasks",)

    def __init__(self, tasks: Sequence[Callable[[], Any]] = ()) -> None:
        self.tasks: list[Callable[[], Any]] = [task_of(task) for task in tasks]

    def add(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        """Append a function and its arguments."""
        self.tasks.append(BackgroundTask(function, *args, **kwargs))

    # What Starlette and FastAPI call it.
    add_task = add

    async def __call__(self) -> None:
        """Call all of them."""
        for task in self.tasks:
            await _logged(task)


def task_of(task: Callable[[], Any]) -> Callable[[], Any]:
    """Return a function that was given bare as a task, so that it runs for the visitor for whom it was given."""
    return task if isinstance(task, (BackgroundTask, BackgroundTasks)) else BackgroundTask(task)


async def _logged(task: Callable[[], Any]) -> None:
    try:
        await task_of(task)()
    except Exception:
        # The answer has gone: a log is the only place left to tell it.
        logger.exception("The background task %r failed", task)


class Running:
    """The background tasks of this process that have not ended."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, task: Callable[[], Any]) -> None:
        """Start a task, in the context of the request; what it raises is logged."""
        started = asyncio.get_running_loop().create_task(_logged(task))
        # A loop holds its tasks weakly.
        self._tasks.add(started)
        started.add_done_callback(self._tasks.discard)

    async def drain(self, grace_s: float | None = None) -> None:
        """Wait for all tasks of this loop, those included that they start; cancel what is left after the grace time."""
        loop = asyncio.get_running_loop()
        end = None if grace_s is None else loop.time() + grace_s
        while mine := [task for task in self._tasks if task.get_loop() is loop and task is not asyncio.current_task()]:
            left = None if end is None else end - loop.time()
            if left is not None and left <= 0:
                logger.error("%d background tasks did not end within %.0f s and are cancelled", len(mine), grace_s)
                for task in mine:
                    task.cancel()
                await asyncio.gather(*mine, return_exceptions=True)
                return
            await asyncio.wait(mine, timeout=left)


running = Running()
