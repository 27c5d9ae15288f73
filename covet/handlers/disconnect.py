"""Cancels the view of a client that has left, on plain ASGI, as the protocol class does when its connection is lost.

ASGI tells that a client left to whoever waits for the next message, so somebody would have to wait beside each view. Most
views are over before that pays: one sweep per second looks for requests that are older than it, and only these get a
watcher. A request whose body has not been read yet gets none until it has: the message is the view's own. A view that waits
for nothing at all is not even noted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from covet.http.request import Request

if TYPE_CHECKING:
    from covet.accel import Waiting
    from covet.http.response import Response
    from covet.types import Message, Receive

__all__ = ["Disconnects"]

SWEEP_S = 1.0

Task = asyncio.Task[Any]
Answered = TypeVar("Answered", "Response", "Response | bytes")


class Disconnects:
    """The requests that an application works for.

    Attributes:
        running: The request of each task whose view waits.
        loop: The loop on which the sweep runs; ``None`` while it does not.
        watchers: The watcher of each task that has one.
    """

    def __init__(self) -> None:
        self.running: dict[Task, Request] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self.watchers: dict[Task, asyncio.Task[None]] = {}
        self._left: set[Task] = set()
        self._seen: set[Task] = set()

    async def watched(self, request: Request, waiting: Waiting[Answered]) -> Answered | None:
        """Go on with a view whose first step is over.

        Args:
            request: What it answers.
            waiting: What is left of it.

        Returns:
            Its response, or the body of one; ``None`` if its client left meanwhile.
        """
        task = asyncio.current_task()
        if task is None:
            return await waiting
        self.running[task] = request
        loop = task.get_loop()
        if self.loop is not loop:
            self.start(loop)
        try:
            response = await waiting
        except asyncio.CancelledError:
            await request.abandon()
            if not self.has_left(task):
                raise
            return None
        finally:
            self.running.pop(task, None)
        if self.watchers and await self.stop(task):
            if not isinstance(response, bytes):
                await response.close()
            await request.abandon()
            return None
        return response

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sweep from now on, until a sweep finds nothing to do."""
        self.loop = loop
        self._seen = set()
        loop.call_later(SWEEP_S, self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.loop is not loop:
            return
        old = self._seen.intersection(self.running)
        self._seen = set(self.running)
        if not self._seen:
            self.loop = None
            return
        for task in old:
            request = self.running[task]
            if task not in self.watchers and can_watch(request):
                self.watchers[task] = loop.create_task(self._watch(task, request))
        loop.call_later(SWEEP_S, self._sweep, loop)

    async def _watch(self, task: Task, request: Request) -> None:
        receive = request._receive
        assert receive is not None
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            if request._body is None and request._form is None:
                # A request that announced no body: what came instead is the view's, should it ask.
                request._receive = _first(message, receive)
                if message.get("more_body", False):
                    return
        self._left.add(task)
        task.cancel()

    async def stop(self, task: Task) -> bool:
        """Stop the watcher of a task, whose view has ended; return whether the client has left."""
        watcher = self.watchers.pop(task, None)
        if watcher is not None:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)
        return self.has_left(task)

    def has_left(self, task: Task) -> bool:
        """Return whether the task was cancelled because its client left, and forget it."""
        watcher = self.watchers.pop(task, None)
        if watcher is not None:
            watcher.cancel()
        if task not in self._left:
            return False
        self._left.discard(task)
        task.uncancel()
        return True


def can_watch(request: Request) -> bool:
    """Return whether the next message of a request can only be that its client left."""
    if request._receive is None:
        return False
    if request._body is not None or request._form is not None:
        return True
    if request._streamed:
        return False
    return not any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 "))
        for name, value in request.raw_headers
    )


def _first(message: Message, receive: Receive) -> Receive:
    """Return a ``receive`` that gives a message back before it goes on."""
    pending = [message]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again
