"""A pool of connections: a list, last in, first out, so that the warm connection is used again.

A statement costs ``kept.pop()`` and ``release``. A connection is reset only when it is *dirty* (something changed the
session), rolled back when it is in a transaction, and settled when its statement was cancelled. No clock is read for a
statement: a timer moves connections that were not used since its last tick aside; those are pinged before they are used
again, and closed after ``max_idle_s``.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import _get_running_loop
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from threading import get_ident
from typing import TYPE_CHECKING, Any

from covet.conf import settings
from covet.db.backends.driver import Connection
from covet.db.errors import InterfaceError, PoolTimeout
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.conf.service_url import PoolConfig
    from covet.db.backends import holders
else:
    holders = late_module(__name__, "covet.db.backends.holders")

__all__ = ["Pool"]

log = logging.getLogger("covet.db.backends")

# How long a connection may take to stop a cancelled statement, to roll back, to be reset or to say good-bye.
_SETTLE_S = 5.0
_TICK_S = 15.0
# Many may give up at once, and look at every task for it: what one has found holds for the others.
_KNOWN_S = 1.0


class _Whereabouts:
    """Tells of a loop that does not itself in which thread it runs, by the name that asyncio's own do it by."""

    __slots__ = ("_loop",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @property
    def _thread_id(self) -> int | None:
        return get_ident() if _get_running_loop() is self._loop else None


class Pool:
    """The connections of one database (on SQLite: its readers, or its one writer).

    Args:
        connect: Opens a connection.
        config: The limits.
        alias: The database, for messages.
        max_size: Instead of the config's.
        min_size: Instead of the config's.
        keeps_forever: The data lives in the connection: never close it.
        busy: What to say and to do when no connection becomes free, in place of the usual words.
        introduce: Tells who listens of a connection whose session is new again.

    Attributes:
        here: ``here._thread_id == get_ident()`` is whether the pool's loop runs in this very thread, as ``loop is
            get_running_loop()`` is: up to Python 3.11 that asks the system for the number of the process each time.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        config: PoolConfig,
        *,
        alias: str,
        max_size: int | None = None,
        min_size: int | None = None,
        keeps_forever: bool = False,
        busy: str = "",
        introduce: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> None:
        self._connect = connect
        self._introduce = introduce
        self.config = config
        self.alias = alias
        self.max_size = config.max_size if max_size is None else max_size
        self.min_size = config.min_size if min_size is None else min_size
        self.keeps_forever = keeps_forever
        self._busy = busy or (
            f"all {self.max_size} are in use. Close what holds them (a transaction that waits for something else?)"
        )
        self.kept: list[Connection] = []
        self._parked: deque[Connection] = deque()
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()
        self._all: set[Connection] = set()
        self._opening = 0
        self._tick = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._closed = False
        self._holders: tuple[float, str] = (float("-inf"), "")
        self.loop = asyncio.get_running_loop()
        tells = getattr(self.loop, "_thread_id", None) == get_ident()
        self.here: Any = self.loop if tells else _Whereabouts(self.loop)

    @property
    def size(self) -> int:
        """How many connections are open or being opened."""
        return len(self._all) + self._opening

    @property
    def in_use(self) -> int:
        """How many connections are lent out."""
        return len(self._all) - len(self.kept) - len(self._parked)

    @property
    def has_room(self) -> bool:
        """Whether another connection may be opened."""
        return self.size < self.max_size

    @property
    def waiting(self) -> Collection[object]:
        """Those who wait for a connection, at any time that it is looked at."""
        return self._waiting

    async def acquire(self) -> Connection:
        """Return a connection that is nobody else's; waits its turn when all are in use.

        Raises:
            PoolTimeout: None became free in ``pool.timeout_s``.
            ConnectionFailed: A new one could not be opened.
        """
        if self.kept and not self._closed:
            return self.kept.pop()
        if not self._parked and self.size >= self.max_size and not self._closed:
            # All are lent: a plain timer is a third of what asyncio.timeout costs, and a busy server comes here often.
            timer = self.loop.call_later(self.config.timeout_s, self._give_up, waiter := self.loop.create_future())
            try:
                found = await self._wait(waiter)
            finally:
                timer.cancel()
            if found is not None:
                return found
        try:
            async with asyncio.timeout(self.config.timeout_s) as limit:
                return await self._acquire()
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._timeout() from None

    async def _acquire(self) -> Connection:
        if self._closed:
            raise self._closed_error()
        while self._parked:
            connection = self._parked.pop()
            if await self._is_alive(connection):
                return connection
        if self.size < self.max_size:
            return await self._open()
        return await self._wait(self.loop.create_future()) or await self._open()

    def _give_up(self, waiter: asyncio.Future[Connection | None]) -> None:
        if not waiter.done():
            waiter.set_exception(self._timeout())

    async def _wait(self, waiter: asyncio.Future[Connection | None]) -> Connection | None:
        """Queue for the next connection that comes back; ``None`` is leave to open one, at once."""
        self._waiting.append(waiter)
        try:
            connection_or_leave = await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # Served and cancelled in the same turn of the loop: the next one gets it.
                self._pass_on(waiter.result())
            elif waiter in self._waiting:
                self._waiting.remove(waiter)
            raise
        if connection_or_leave is None:
            self._opening -= 1
        return connection_or_leave

    async def _open(self) -> Connection:
        self._opening += 1
        try:
            connection = await self._connect()
        except BaseException:
            self._opening -= 1
            self._let_open()
            raise
        self._opening -= 1
        if self._closed:
            connection.terminate()
            raise self._closed_error()
        connection.opened_at = self.loop.time()
        self._all.add(connection)
        if self._timer is None:
            self._timer = self.loop.call_later(self._interval(), self._sweep)
        return connection

    def release(self, connection: Connection) -> None:
        """Take a connection back after a statement that ended by itself."""
        if self._waiting or connection.is_dirty or self._closed:
            self._release_slowly(connection)
            return
        connection.tick = self._tick
        self.kept.append(connection)

    def _release_slowly(self, connection: Connection) -> None:
        if connection.is_closed:
            self._drop(connection)
        elif connection.is_dirty or self._closed:
            self.later(self._clean(connection))
        else:
            self._hand_over(connection)

    def release_after(self, connection: Connection, error: BaseException) -> None:
        """Take a connection back after a failure: at once when it is sound, else once that is confirmed."""
        if connection.is_closed:
            self._drop(connection)
            self.later(connection.kill())
        elif isinstance(error, Exception) and not isinstance(error, TimeoutError) and not connection.in_transaction:
            self.release(connection)
        else:
            connection.is_dirty = True
            self.later(self._clean(connection, settle=True))

    def drop_closed(self) -> None:
        """Forget kept connections that have died: after a restart of the server that is all of them."""
        dead = [connection for connection in self.kept if connection.is_closed]
        if dead:
            self.kept[:] = [connection for connection in self.kept if not connection.is_closed]
            for connection in dead:
                self._drop(connection)

    async def _clean(self, connection: Connection, *, settle: bool = False) -> None:
        """Bring a connection back to a known state, or close it."""
        age = self.loop.time() - connection.opened_at
        leaves = connection.must_close or self._closed or age > self.config.max_lifetime_s
        if leaves and not self.keeps_forever:
            await self._close_one(connection)
            return
        try:
            async with asyncio.timeout(_SETTLE_S):
                if settle:
                    await connection.settle()
                await connection.rollback()
                await connection.reset()
                if self._introduce is not None and not connection.is_closed:
                    await self._introduce(connection)
        except Exception:
            connection.terminate()
        except BaseException:
            connection.terminate()
            self._drop(connection)
            raise
        if connection.is_closed:
            self._drop(connection)
            return
        connection.is_dirty = connection.must_close = False
        if self._closed:
            await self._close_one(connection)
            return
        self._hand_over(connection)

    def _hand_over(self, connection: Connection) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.tick = self._tick
        self.kept.append(connection)

    def _pass_on(self, connection: Connection | None) -> None:
        if connection is not None:
            self.release(connection)
        else:
            self._opening -= 1
            self._let_open()

    def _drop(self, connection: Connection) -> None:
        if connection.is_closed:
            # The other end has: our half of the socket is open until it is told.
            connection.terminate()
        self._all.discard(connection)
        if self._closed and not self.in_use:
            self._idle.set()
        self._let_open()

    def _let_open(self) -> None:
        """A place became free: the first in the queue may open a connection of its own."""
        while self._waiting and self.size < self.max_size:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self._opening += 1
                waiter.set_result(None)

    async def _is_alive(self, connection: Connection) -> bool:
        """Ping a connection that was idle for long; one that does not answer is dropped."""
        if connection.is_closed:
            self._drop(connection)
            return False
        try:
            async with asyncio.timeout(_SETTLE_S):
                await connection.ping()
        except Exception:
            connection.terminate()
            self._drop(connection)
            return False
        except BaseException:
            connection.terminate()
            self._drop(connection)
            raise
        return True

    def later(self, work: Any) -> asyncio.Task[None]:
        """Run a coroutine in a task of its own; closing waits for it."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _interval(self) -> float:
        return max(0.05, min(_TICK_S, self.config.max_idle_s / 2, self.config.max_lifetime_s / 2))

    def _sweep(self) -> None:
        """Move connections that nobody used since the last tick aside, and close those that are too old."""
        self._timer = None
        if self._closed:
            return
        now = self.loop.time()
        fresh: list[Connection] = []
        for connection in self.kept:
            if connection.tick == self._tick or self.keeps_forever:
                fresh.append(connection)
            else:
                connection.idle_since = now
                self._parked.append(connection)
        # In place: the list is in the hands of Database.fetch.
        self.kept[:] = fresh
        self._tick += 1
        spare = len(self._all) - self.min_size
        for connection in [*self._parked]:
            idle = now - connection.idle_since > self.config.max_idle_s
            old = now - connection.opened_at > self.config.max_lifetime_s
            if old or (idle and spare > 0):
                # It stays among all of them until it has said good-bye.
                spare -= 1
                self._parked.remove(connection)
                self.later(self._close_one(connection))
        for connection in self._all:
            if now - connection.opened_at > self.config.max_lifetime_s and not self.keeps_forever:
                connection.is_dirty = connection.must_close = True
        if self._all:
            self._timer = self.loop.call_later(self._interval(), self._sweep)

    async def _close_one(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(_SETTLE_S):
                await connection.close()
        except Exception:
            connection.terminate()
        except BaseException:
            connection.terminate()
            raise
        finally:
            self._drop(connection)

    async def fill(self) -> None:
        """Open connections until there are ``min_size``, and one at least."""
        opened = []
        try:
            while self.size < max(1, min(self.min_size, self.max_size)):
                opened.append(await self._open())
        finally:
            for connection in opened:
                self.release(connection)

    def abandon(self) -> None:
        """Cut the connections of an event loop that is closed; most sockets cannot even be told any more."""
        for connection in self._all:
            # What a driver raises where its loop is closed is not for whoever opens the next pool: nothing depends on it.
            try:
                connection.terminate()
            except Exception:
                log.debug("A connection of a closed event loop was let go without being cut", exc_info=True)

    async def close(self, grace_s: float) -> None:
        """Close all connections: idle ones at once, lent ones when they come back, in ``grace_s`` at most."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(self._closed_error())
        self._waiting.clear()
        idle = [*self.kept, *self._parked]
        self.kept.clear()
        self._parked.clear()
        try:
            async with asyncio.timeout(grace_s):
                await asyncio.gather(*[self._close_one(connection) for connection in idle])
                await self._end_tasks()
                if self._all:
                    self._idle.clear()
                    await self._idle.wait()
                await self._end_tasks()
        except TimeoutError:
            pass
        finally:
            for connection in [*self._all]:
                connection.terminate()
            self._all.clear()

    async def _end_tasks(self) -> None:
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
            # They leave the set in a turn of the loop, and from Python 3.12 on ``gather`` takes none where all have ended.
            await asyncio.sleep(0)

    def _timeout(self) -> PoolTimeout:
        names = "pool.timeout_s" if self.max_size != self.config.max_size else "pool.max_size or pool.timeout_s"
        held = f" Held now by: {holders}." if settings.DEBUG and (holders := self._find_holders()) else ""
        return PoolTimeout(
            f"No connection became free in {self.config.timeout_s:g} s: {self._busy}, or raise {names} in "
            f"DATABASES['{self.alias}'].{held}",
            alias=self.alias,
        )

    def _find_holders(self) -> str:
        at, found = self._holders
        if self.loop.time() - at > _KNOWN_S:
            idle = {*map(id, self.kept), *map(id, self._parked)}
            found = holders.holders_of([connection for connection in self._all if id(connection) not in idle])
            self._holders = self.loop.time(), found
        return found

    def _closed_error(self) -> InterfaceError:
        return InterfaceError("The database is closed, or closing.", alias=self.alias)
