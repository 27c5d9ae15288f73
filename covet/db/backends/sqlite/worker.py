"""The thread of a SQLite connection: it takes one statement after the other, and hands their answers over together.

An answer that wakes the event loop by itself costs two changes of thread under the GIL, more than many a small statement. So
while others wait in the queue an answer is held back for a moment, and the loop is woken once for several.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from aiosqlite.core import _STOP_RUNNING_SENTINEL, set_exception, set_result

from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.backends import direct
else:
    # With ``covet.accel``, whose native half a command that only looks at the settings of a database does without.
    direct = late_module(__name__, "covet.db.backends.direct")


__all__ = ["Job", "Worker", "close_cursors", "execute_many", "roll_back"]

# How long an answer may be held back while the thread is at the next statements.
_HELD_S = 0.0003


class Job:
    """A statement that others may queue behind; called in the thread of its lead.

    Attributes:
        lead: The connection that it runs on; another one when it was moved.
        is_left: Its task has gone and has counted it out, though it may still be in the queue.
    """

    __slots__ = ("args", "function", "future", "is_left", "lead", "sql")

    def __init__(self, lead: Any, future: direct.Prompt, function: Any, sql: str, args: Sequence[Any]) -> None:
        self.lead = lead
        self.future = future
        self.function = function
        self.sql = sql
        self.args = args
        self.is_left = False

    def __call__(self) -> Any:
        """Run it, unless it was cancelled."""
        lead = self.lead
        lead.started = perf_counter()
        # First this, then the question: so a cancellation is seen either here or there.
        lead.running = self
        try:
            return None if self.future.cancelled() else self.function(lead.raw, self.sql, self.args)
        finally:
            lead.running = None


class Worker:
    """What the thread of an aiosqlite connection runs, in place of aiosqlite's own loop.

    Args:
        queue: Pairs of a future, or ``None``, and what to call for it.
        loop: The event loop in which the answers are waited for.
    """

    __slots__ = ("_done", "_is_told", "_loop", "_queue", "_wakes")

    def __init__(self, queue: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._queue = queue
        self._loop = loop
        # asyncio's own way to wake a loop from another thread costs two reads of a socket, the second of which fails, and a handle:
        # twice as much. Loops of another kind, and systems without it, are woken in the usual way.
        self._wakes: int | None = None
        if isinstance(loop, asyncio.SelectorEventLoop) and hasattr(os, "eventfd"):
            self._wakes = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            loop.add_reader(self._wakes, self.hand_over, self._wakes)
        # Those that are answered, each with result and error: the thread appends, the loop takes.
        self._done: deque[tuple[direct.Prompt, Any, BaseException | None]] = deque()
        self._is_told = False

    def run(self) -> None:
        """Run what comes, until it is aiosqlite's word to stop."""
        get, is_empty, done = self._queue.get, self._queue.empty, self._done
        since: float | None = None
        while True:
            future, function = get()
            result = error = None
            try:
                result = function()
            except BaseException as found:
                error = found
            if future.__class__ is not direct.Prompt:
                # aiosqlite's own: the connection is opened or closed.
                is_end = result is _STOP_RUNNING_SENTINEL
                if is_end:
                    # First this: who hears that the connection is closed, and closes the loop, leaves nothing open.
                    self._end()
                self._answer(future, result, error)
                if is_end:
                    return
                del future, function, result, error
                continue
            done.append((future, result, error))
            may_wait = function.__class__ is Job
            # Before the loop hears of it: nobody's rows live on by this thread.
            del future, function, result, error
            if may_wait and not is_empty():
                now = perf_counter()
                since = since or now
                if now - since < _HELD_S:
                    continue
            since = None
            self._tell()

    def _answer(self, future: Any, result: Any, error: BaseException | None) -> None:
        if future is None:
            return
        try:
            if error is None:
                future.get_loop().call_soon_threadsafe(set_result, future, result)
            else:
                future.get_loop().call_soon_threadsafe(set_exception, future, error)
        except RuntimeError:
            # The loop is closed, and who waited in it is gone.
            return

    def _tell(self) -> None:
        if self._is_told:
            return
        self._is_told = True
        wakes = self._wakes
        try:
            if wakes is None:
                self._loop.call_soon_threadsafe(self.hand_over)
            elif self._loop.is_closed():
                self._done.clear()
            else:
                os.eventfd_write(wakes, 1)
        except RuntimeError:
            # The loop is closed, and who waited in it is gone.
            self._done.clear()

    def _end(self) -> None:
        """The thread is at its end, and wakes nobody any more: let the loop close what it is woken by, if it is still there."""
        wakes = self._wakes
        if wakes is None:
            return
        try:
            self._loop.call_soon_threadsafe(self._close, wakes)
        except RuntimeError:
            os.close(wakes)

    def _close(self, wakes: int) -> None:
        self._wakes = None
        self._loop.remove_reader(wakes)
        os.close(wakes)
        # What was answered before, and told by what is closed now.
        self.hand_over()

    def hand_over(self, wakes: int | None = None) -> None:
        """Give the answers to those who wait for them; in the event loop.

        Args:
            wakes: What has woken the loop for it.
        """
        if wakes is not None:
            try:
                os.eventfd_read(wakes)
            except BlockingIOError:
                # A loop that was run inside this one, as notebooks do, has been here already.
                return
        # First this: an answer that comes now is taken here or told anew.
        self._is_told = False
        done = self._done
        try:
            while done:
                future, result, error = done.popleft()
                if future.done():
                    # Cancelled.
                    continue
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)
        finally:
            if done:
                # What waited ends the process, maybe; the others get their answer all the same.
                self._tell()


def execute_many(raw: sqlite3.Connection, sql: str, args_list: Sequence[Sequence[Any]]) -> int:
    """Return how many rows a statement changed by all lists of values; in the connection's thread, as those below."""
    if raw.in_transaction:
        return max(raw.executemany(sql, args_list).rowcount, 0)
    raw.execute("BEGIN IMMEDIATE")
    try:
        changed = raw.executemany(sql, args_list).rowcount
    except BaseException:
        if raw.in_transaction:
            raw.execute("ROLLBACK")
        raise
    raw.execute("COMMIT")
    return max(changed, 0)


def close_cursors(raw: sqlite3.Connection, cursors: Sequence[sqlite3.Cursor]) -> None:
    """Let go of rows that are being read: an interrupted connection does nothing more before, and a closed one keeps its locks."""
    for cursor in cursors:
        cursor.close()


def roll_back(raw: sqlite3.Connection, cursors: Sequence[sqlite3.Cursor]) -> None:
    """Roll back, if SQLite has not done it by itself."""
    close_cursors(raw, cursors)
    if raw.in_transaction:
        raw.execute("ROLLBACK")
