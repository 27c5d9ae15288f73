"""One reader for many tasks: reads outside of transactions queue on the same connection of SQLite.

A connection of one's own for each read means another thread for each, and under the GIL the changes from thread to thread cost
more than the reads. So reads follow each other on the *lead*, which belongs to nobody while nothing runs. When a statement
keeps it for long, what waits behind it moves to another connection, which is the lead from then on.

A cancelled read that has not begun is left out; one that runs is interrupted. Should the interruption meet its successor, whose
turn has just come, that one is run again: it only reads.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from itertools import repeat
from queue import Empty
from time import perf_counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

from covet.db.backends.direct import Gate, Prompt
from covet.db.backends.sqlite.driver import SQLiteConnection, run_execute, run_fetch, run_insert, run_made
from covet.db.backends.sqlite.worker import Job
from covet.db.errors import DatabaseError

if TYPE_CHECKING:
    from covet.db.backends.pool import Pool

__all__ = ["SharedReader"]

_LONG_S = 0.005
_INTERRUPTED = "SQLITE_INTERRUPT"
_TRIES = 5


class _Lead:
    """A connection that jobs queue on."""

    __slots__ = ("connection", "hand_over", "jobs", "put", "raw", "running", "seen", "started", "thread", "timer")

    def __init__(self, connection: SQLiteConnection) -> None:
        self.connection = connection
        self.thread = connection.thread
        self.put = connection.thread._tx.put_nowait
        self.raw = connection.thread._conn
        self.hand_over = connection.worker.hand_over
        self.jobs = 0
        self.timer: asyncio.TimerHandle | None = None
        # Written by the connection's thread.
        self.running: Job | None = None
        self.started = 0.0
        # What ran when it was looked at last.
        self.seen: Job | None = None


class SharedReader:
    """Stands in for the pool of readers, and for a connection of it, where statements only read.

    Args:
        pool: The readers; the lead is one of them.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.loop = pool.loop
        self.here = pool.here
        self._gate = Gate(pool.loop)
        self._lead: _Lead | None = None
        # Done when the task that looks for a lead has one, or has failed.
        self._found: asyncio.Future[None] | None = None
        self._found_error: Exception | None = None
        self._moves: set[asyncio.Task[None]] = set()
        self._last: _Lead | None = None
        self._waiting = pool.waiting
        # The face of a pool: there is always a connection, and it is this. Every read passes here, so no Python is spent on it.
        self.kept = SimpleNamespace(pop=repeat(self).__next__)
        # The face of a connection.
        self.fetch = self.begin_fetch = partial(self._run, run_fetch)
        self.execute = partial(self._run, run_execute)
        self.insert = partial(self._run, run_insert)
        #: Makes results of the rows where they are read; its arguments are those of ``run_made``.
        self.fetch_made = partial(self._run, run_made)

    async def acquire(self) -> Self:
        """Return the connection that all share."""
        return self

    def release(self, connection: Self) -> None:
        """Nothing: a job leaves by itself."""

    def release_after(self, connection: Self, error: BaseException) -> None:
        """Nothing: a job leaves by itself."""

    async def forget_changed(self, error: BaseException) -> bool:
        """Nothing: SQLite prepares its statements anew by itself."""
        return False

    @property
    def is_closed(self) -> bool:
        """Never: a lead that has died is replaced."""
        return False

    def terminate(self) -> None:
        """Nothing: a lead that has died is dropped by the pool."""

    async def _run(self, function: Callable[..., Any], sql: str, args: Sequence[Any]) -> Any:
        interruptions = 0
        gate = self._gate
        while True:
            lead = self._lead
            if lead is not None and (self._waiting or not lead.thread._running):
                # Who waits for a reader of its own comes first: the lead goes back when what it has is done.
                lead = self._lead = None
            while lead is None:
                if self._pool.kept:
                    connection: Any = self._pool.kept.pop()
                    lead = self._last
                    if lead is None or lead.connection is not connection:
                        lead = self._last = _Lead(connection)
                    self._lead = lead
                else:
                    await self._find_lead()
                    lead = self._lead
            future = Prompt(gate)
            job = Job(lead, future, function, sql, args)
            lead.jobs += 1
            lead.put((future, job))
            if lead.jobs > 1 and lead.timer is None:
                lead.timer = self._pool.loop.call_later(_LONG_S, self._look, lead)
            try:
                return await future
            except asyncio.CancelledError:
                if job.lead.running is job:
                    job.lead.raw.interrupt()
                raise
            except sqlite3.OperationalError as error:
                interruptions += 1
                was_ours = getattr(error, "sqlite_errorname", "") != _INTERRUPTED or job.lead.connection.is_closed
                if was_ours or interruptions > _TRIES:
                    raise
            finally:
                job.is_left = True
                used: _Lead = job.lead
                used.jobs -= 1
                if not used.jobs:
                    if self._lead is used:
                        self._lead = None
                    if used.running is None and used.thread._running:
                        self._pool.release(used.connection)
                    else:
                        # Cancelled, and not over yet: the pool waits for it.
                        self._pool.release_after(used.connection, asyncio.CancelledError())

    async def _find_lead(self) -> None:
        """Take a connection of the pool for the lead; one task does it, and the others wait for that one."""
        if self._found is not None:
            await asyncio.wait((self._found,))
            if not self._found_error:
                return
            raise self._found_error
        self._found = found = self._pool.loop.create_future()
        self._found_error = None
        try:
            connection: Any = await self._pool.acquire()
        except Exception as error:
            self._found_error = error
            raise
        finally:
            self._found = None
            found.set_result(None)
        self._lead = self._last = _Lead(connection)

    def _leave(self, lead: _Lead) -> None:
        lead.jobs -= 1
        if not lead.jobs:
            if self._lead is lead:
                self._lead = None
            self._pool.release(lead.connection)

    # Long statements

    def _look(self, lead: _Lead) -> None:
        """See whether a statement keeps a connection from others, be it that they wait for it or for their answers."""
        lead.timer = None
        running = lead.running
        # Seen twice: a thread that waited once for the GIL, or for a processor, is not at a long statement.
        is_long = running is not None and running is lead.seen and perf_counter() - lead.started >= _LONG_S
        lead.seen = running
        lead.hand_over()
        if lead.jobs < 2:
            return
        pool = self._pool
        if is_long and self._lead is lead and (pool.kept or pool.has_room):
            task = pool.loop.create_task(self._move(lead))
            self._moves.add(task)
            task.add_done_callback(self._moves.discard)
        else:
            lead.timer = pool.loop.call_later(_LONG_S, self._look, lead)

    async def _move(self, lead: _Lead) -> None:
        """Give what waits on a lead to another connection."""
        try:
            connection: Any = await self._pool.acquire()
        except DatabaseError:
            # None to be had: they wait on.
            return
        found = _Lead(connection)
        found.jobs = 1
        if self._lead is lead:
            self._lead = found
        queue = lead.connection.thread._tx
        kept = []
        while True:
            try:
                item = queue.get_nowait()
            except Empty:
                break
            job = item[1]
            if isinstance(job, Job):
                if (
                    job.is_left
                ):  # cancelled, and counted out: it would be counted twice here, and keep ``found`` for ever
                    continue
                job.lead = found
                lead.jobs -= 1
                found.jobs += 1
                found.put(item)
            else:
                kept.append(item)
        for item in kept:
            queue.put_nowait(item)
        # Answered while this waited for a connection; now that its queue is empty, the thread holds no more of them. What waits
        # goes on where no task runs.
        self._pool.loop.call_soon(lead.hand_over)
        for one in (lead, found):
            if one.jobs > 1 and one.timer is None:
                one.timer = self._pool.loop.call_later(_LONG_S, self._look, one)
        self._leave(found)
