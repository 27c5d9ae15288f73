"""A transaction as it is shared: one connection, the open ``atomic`` blocks on it, and whose turn it is.

A transaction belongs to its block, not to a task. A context (a task, or code in it) holds the ``Frame`` of the innermost
block it stands in; tasks started inside a block inherit it. Statements queue, one at a time, first come first served. While
a nested block is open, contexts of the outer one wait until it has closed; once a block has ended, whatever still
holds it gets an error. ``waits`` finds the waits that cannot end, ``points`` sets savepoints by hand, ``pinned`` is for tests.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Sequence
from threading import get_ident
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct

from covet.db.backends.driver import Connection, Driver, Rows, drop_stream
from covet.db.backends.places import place_of_caller
from covet.db.backends.uncancelled import SETTLE_S, uncancelled
from covet.db.backends.waits import LEFT, blocked, cannot_run, refuse_endless
from covet.db.errors import (
    ConnectionLost,
    DatabaseError,
    DeadlockDetected,
    IntegrityError,
)

if TYPE_CHECKING:
    from covet.db.backends.pool import Pool
    from covet.db.database import Database

__all__ = ["ASKED", "Frame", "Transaction"]

T = TypeVar("T")

# A task may come to wait for another after that one began to wait for it: look again from time to time.
_LOOK_AGAIN_S = 0.1
ASKED = "set_rollback(True) was called"
_COMMITTED = "it was committed"
_RELEASED = "its savepoint was released"


class Frame(Struct, eq=False):
    """One open ``atomic`` block.

    Attributes:
        transaction: The transaction that it is a part of.
        parent: The block around it; ``None`` for the outermost, and for the base of a pinned connection.
        savepoint: The savepoint's name; empty for the outermost block and for ``savepoint=False``.
        place: Where it was opened.
        owner: The task that opened it and will close it.
        ended: Why it is over; empty while it is open.
        broken: Why nothing but a rollback is possible; empty while all is well.
        hooks: What runs after the outermost commit.
        is_base: It stands for a pinned connection outside any block.
        is_emulated: It is the outermost block of the code under test, and plays a whole transaction.
        points: The savepoints that were set by hand, the oldest first, each with how many hooks there were.
        outside: What the context held before it was entered.
    """

    transaction: Transaction
    parent: Frame | None
    savepoint: str
    place: str
    owner: asyncio.Task[Any] | None
    ended: str = ""
    broken: str = ""
    hooks: list[Any] = []
    is_base: bool = False
    is_emulated: bool = False
    points: list[tuple[str, int]] | None = None
    outside: Frame | None = None

    @property
    def is_committed(self) -> bool:
        """Whether it ended well."""
        return self.ended in (_COMMITTED, _RELEASED)


class Transaction:
    """One transaction of the database, shared by its blocks and tasks.

    Args:
        connection: The connection that it holds.
        pool: Where the connection goes back to.
        database: The database.

    Attributes:
        is_manual: Its context commits by hand.
        top: The innermost open block; ``None`` once the transaction is over.
        busy: A statement, or the opening or closing of a block, is under way.
        savepoints: How many it has set; each has a name of its own.
    """

    is_manual = False
    # Few transactions have one: it stands on the class until one does.
    savepoints = 0

    def __init__(self, connection: Connection, pool: Pool, database: Database) -> None:
        self.connection = connection
        connection.holder = self
        self.pool = pool
        self.database = database
        self.top: Frame | None = None
        self.busy = False
        # Both are made by the first who needs them.
        self._queue: deque[tuple[asyncio.Future[None], Frame, bool]] | None = None
        self._written: set[str] | None = None

    @property
    def driver(self) -> Driver:
        """What explains errors."""
        return self.database.driver

    @property
    def alias(self) -> str:
        """The database, for messages."""
        return self.database.alias

    @property
    def written(self) -> set[str]:
        """The tables that its statements have written; filled only while results of queries are cached."""
        if self._written is None:
            self._written = set()
        return self._written

    def take_written(self) -> set[str]:
        """Return the tables that were written, and begin anew."""
        written, self._written = self.written, None
        return written

    # Turns

    def _may_run(self, frame: Frame, nests: bool) -> bool:
        return self.top is frame or (frame.is_base and not nests)

    async def take_turn(self, frame: Frame, sql: str = "", *, nests: bool = False) -> None:
        """Wait until this context may use the connection.

        Args:
            frame: The block that the context stands in.
            sql: The statement, for messages.
            nests: It opens a block; only the base of a pinned connection makes a difference of it.

        Raises:
            TransactionManagementError: The block has ended, or only a rollback is possible in it.
            TransactionError: The wait cannot end.
        """
        self.check(frame, sql)
        if not self.busy and self._may_run(frame, nests):
            self.busy = True
            return
        await self._wait_for_turn(frame, sql, nests)
        try:
            self.check(frame, sql)
        except BaseException:
            self.end_turn()
            raise

    def check(self, frame: Frame, sql: str) -> None:
        """Raise if nothing can run in a block: it has ended, is to be rolled back, or belongs to another event loop."""
        if frame.ended or frame.broken or self.pool.here._thread_id != get_ident():
            if frame.ended == LEFT:
                # Who has left the generator still stands in its block, and nothing else would ever lead it out.
                self.database._scope.set(frame.outside)
            raise cannot_run(self, frame, place_of_caller(3), sql)

    async def _wait_for_turn(self, frame: Frame, sql: str, nests: bool) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (future, frame, nests)
        if self._queue is None:
            self._queue = deque()
        queue = self._queue
        queue.append(entry)
        place = ""
        waited_s = 0.0
        waited_for = self.top
        me = asyncio.current_task()
        try:
            while not future.done():
                if self._may_run(frame, nests):
                    blocked.pop(me, None)  # type: ignore[arg-type]  # there is always a task; no key is None
                else:
                    place = place or place_of_caller(3)
                    if self.busy or self.top is not waited_for:
                        # It works: however long that takes, it is no wait for ever.
                        waited_for, waited_s = self.top, 0.0
                    refuse_endless(self, frame, place, sql, waited_s)
                    if me is not None:
                        blocked[me] = self
                await asyncio.wait((future,), timeout=_LOOK_AGAIN_S)
                waited_s += _LOOK_AGAIN_S
            future.result()
        except BaseException:
            if future.done() and not future.cancelled():
                self.end_turn()
            else:
                queue.remove(entry)
            raise
        finally:
            blocked.pop(me, None)  # type: ignore[arg-type]  # as above

    def end_turn(self) -> None:
        """Let the next one run."""
        self.busy = False
        if self._queue:
            self.wake()

    def wake(self) -> None:
        """Give the turn to the first in the queue who may run now, and send away those whose block has ended."""
        if self.busy or self._queue is None:
            return
        for entry in self._queue:
            future, frame, nests = entry
            if future.done():
                continue
            if frame.ended or frame.broken or self._may_run(frame, nests):
                self._queue.remove(entry)
                self.busy = True
                future.set_result(None)
                return

    # Statements

    async def run(self, frame: Frame, method: str, sql: str, args: Sequence[Any]) -> Any:
        """Run a statement by the connection's ``fetch``, ``execute``, ``insert`` or ``execute_many``."""
        if sql not in self.database.traceless:
            self.database.look_for_traces(self.connection, sql)
        # A block that has ended is no longer the innermost one.
        if self.top is not frame or self.busy or frame.broken or self.pool.here._thread_id != get_ident():
            await self.take_turn(frame, sql)
        else:
            # An open block that nobody else works in: the same as take_turn, without a coroutine of its own.
            self.busy = True
        try:
            result = await getattr(self.connection, method)(sql, args)
            if frame.ended:
                # Meanwhile its block was rolled back: what it did is undone with the rest.
                self.check(frame, sql)
            return result
        except BaseException as error:
            found = await self.explained(frame, error, sql)
            if found is error:
                raise
            raise found from error
        finally:
            self.busy = False
            if self._queue:
                self.wake()

    async def explained(self, frame: Frame, error: BaseException, sql: str) -> BaseException:
        """Note what a statement's failure means for the block, and return what to raise, with all that is known of it."""
        found = self.failed(frame, error, sql)
        if isinstance(found, DatabaseError):
            found.alias = found.alias or self.alias
            found.sql = found.sql or sql
        if isinstance(found, IntegrityError) and not self.connection.is_closed:
            await self.driver.complete(found, self.connection)
        return found

    def failed(self, frame: Frame, error: BaseException, sql: str) -> BaseException:
        """Note what a failure means for the block, and return what to raise."""
        if isinstance(error, DatabaseError):
            return error
        if not isinstance(error, Exception) or isinstance(error, TimeoutError):
            self._break(frame, f"its statement was stopped half-way ({type(error).__name__})")
        found, features = self.driver.translate(error, sql), self.driver.features
        if isinstance(found, ConnectionLost):
            self.connection.terminate()
        if self.connection.is_closed:
            self._break(frame, "its connection was lost", everything=True)
        elif isinstance(found, DeadlockDetected) and not features.error_breaks_transaction:
            # InnoDB has undone all of it, and does not say so: further statements would commit one by one.
            self._break(frame, "it was the victim of a deadlock, and is rolled back", everything=True)
        elif not frame.is_base and (features.error_breaks_transaction or not self.connection.in_transaction):
            told = (found.message if isinstance(found, DatabaseError) else str(error)).partition("\n")[0]
            self._break(frame, f"an earlier statement failed ({told.rstrip('.')})")
        return found or error

    def _break(self, frame: Frame, why: str, *, everything: bool = False) -> None:
        """Mark the block: only its rollback can help. Without a savepoint of its own, the block around it as well."""
        current: Frame | None = frame
        while current is not None:
            current.broken = current.broken or why
            if (current.savepoint or current.is_base) and not everything and self.connection.in_transaction:
                return
            current = current.parent

    def whole(self, awaitable: Awaitable[T], limit_s: float | None = None) -> Awaitable[T]:
        """Return what runs the awaitable to its end, unless the server does not answer."""
        return uncancelled(awaitable, self.connection.terminate, limit_s=limit_s)

    async def stream(self, frame: Frame, sql: str, args: Sequence[Any], chunk_size: int) -> AsyncIterator[Rows]:
        """Give the rows of a statement in chunks; other statements of the block may run between two chunks."""
        self.check(frame, sql)
        self.database.look_for_traces(self.connection, sql)
        chunks: Any = self.connection.stream(sql, args, chunk_size)
        try:
            while True:
                await self.take_turn(frame, sql)
                try:
                    chunk = await anext(chunks)
                except StopAsyncIteration:
                    return
                except BaseException as error:
                    found = self.failed(frame, error, sql)
                    if found is error:
                        raise
                    raise found from error
                finally:
                    self.end_turn()
                yield chunk
        finally:
            # The event loop closes a loop that was left, and does so late: the transaction may be over, or end as this waits.
            if self.top is not None:
                await self.wait_until_idle()
                try:
                    if self.top is not None:
                        await self.whole(chunks.aclose(), SETTLE_S)
                finally:
                    self.end_turn()
            if self.top is None:
                await drop_stream(chunks)

    # Blocks

    async def open_block(self, parent: Frame, place: str, *, savepoint: bool) -> Frame:
        """Open a nested block: a savepoint, or only a frame that shares its parent's."""
        await self.take_turn(parent, nests=True)
        name = ""
        try:
            if savepoint or parent.is_base:
                self.savepoints += 1
                name = f"covet_{self.savepoints}"
                if parent.is_base:
                    await self.connection.defer_constraints(True)
                await self.connection.savepoint(name)
        except BaseException as error:
            found = self.failed(parent, error, f"SAVEPOINT {name}")
            if found is error:
                raise
            raise found from error
        else:
            if parent.ended:
                # Meanwhile an error has left the block around: what would run in this one belonged to no transaction.
                self.check(parent, f"SAVEPOINT {name}")
            frame = Frame(self, parent, name, place, asyncio.current_task(), is_emulated=parent.is_base)
            self.top = frame
            return frame
        finally:
            self.end_turn()

    async def close_block(self, frame: Frame) -> None:
        """End a nested block well: forget its savepoint, and hand its hooks to the block around it."""
        parent = frame.parent
        assert parent is not None
        await self.take_turn(frame, f"RELEASE SAVEPOINT {frame.savepoint}")
        try:
            if frame.savepoint:
                if frame.is_emulated:
                    await self.whole(self.connection.check_as_commit())
                await self.whole(self.connection.release(frame.savepoint))
        except BaseException as error:
            found = self.failed(frame, error, f"RELEASE SAVEPOINT {frame.savepoint}")
            if found is error:
                raise
            raise found from error
        else:
            if frame.ended:
                # An error has left the block around, and this one was undone with it.
                self.check(frame, f"RELEASE SAVEPOINT {frame.savepoint}")
            self.top = parent
            frame.ended = _COMMITTED if frame.is_emulated else _RELEASED
            if not frame.is_emulated:
                parent.hooks += frame.hooks
        finally:
            self.end_turn()

    async def abandon(self, frame: Frame, why: str) -> None:
        """End a block badly: it and the blocks inside it are over at once, and what they did is undone."""
        if frame.ended:
            return
        inner = self.top
        while inner is not None and not frame.ended:
            inner.ended = why
            inner = inner.parent
        parent = self.top = frame.parent
        if parent is None:
            await self.whole(self._roll_back_all(bool(frame.broken)))
            return
        if not frame.savepoint:
            self._break(parent, f"a block inside it that has no savepoint failed ({why})")
            self.wake()
            return
        if not self.connection.is_closed:
            await self.whole(self._roll_back_to(frame, parent))
        self.wake()

    async def wait_until_idle(self) -> None:
        """Wait for the statement that another task still has on the wire, before all who queue."""
        if not self.busy:
            self.busy = True
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (future, Frame(self, None, "", "", None, ended="rollback"), False)
        if self._queue is None:
            self._queue = deque()
        self._queue.appendleft(entry)
        try:
            await future
        except BaseException:
            if not future.cancelled():
                # Served and cancelled in the same turn of the loop: the next one gets it.
                self.end_turn()
            elif entry in self._queue:
                # It has left by itself where the transaction ended in that turn.
                self._queue.remove(entry)
            raise

    async def _roll_back_to(self, frame: Frame, parent: Frame) -> None:
        await self.wait_until_idle()
        limit = asyncio.get_running_loop().call_later(SETTLE_S, self.connection.terminate)
        try:
            if frame.broken:
                await self.connection.settle()
            await self.connection.rollback_to(frame.savepoint)
            if frame.is_emulated:
                await self.connection.defer_constraints(False)
        except Exception as error:
            # The savepoint is gone (a deadlock, an interrupted SQLite write, a lost connection): so is everything.
            why = str(self.driver.translate(error, "ROLLBACK TO SAVEPOINT") or error).partition("\n")[0]
            self._break(parent, f"its savepoint could not be rolled back ({why})", everything=True)
        finally:
            limit.cancel()
            self.busy = False

    async def _roll_back_all(self, broken: bool) -> None:
        """Roll the whole transaction back and give the connection away; one that does not answer is closed."""
        connection = self.connection
        await self.wait_until_idle()
        limit = asyncio.get_running_loop().call_later(SETTLE_S, connection.terminate)
        try:
            if not connection.is_closed:
                if broken:
                    await connection.settle()
                await connection.rollback()
        except Exception:
            connection.terminate()
        finally:
            limit.cancel()
            self._give_back()
            self.wake_all()

    def _give_back(self) -> None:
        if self.connection.is_closed:
            self.pool.release_after(self.connection, TimeoutError())
        else:
            self.pool.release(self.connection)

    async def commit(self, frame: Frame) -> None:
        """Commit the outermost block and give the connection back."""
        if self.top is not frame or self.busy or frame.broken:
            await self.take_turn(frame, "COMMIT")
        else:
            self.busy = True
        try:
            await self.connection.commit_uncancelled()
        except asyncio.CancelledError:
            # The commit went through; only the caller is to stop.
            self._committed(frame)
            raise
        except BaseException as error:
            self.busy = False
            found = self.failed(frame, error, "COMMIT")
            if found is error:
                raise
            raise found from error
        self._committed(frame)

    def _committed(self, frame: Frame) -> None:
        frame.ended = _COMMITTED
        self.top = None
        self.busy = False
        # The server has answered just now; should the connection be lost since, the pool finds out as of any other.
        self.pool.release(self.connection)
        if self._queue:
            self.wake_all()

    def wake_all(self) -> None:
        """Nothing runs here any more: everybody who still waits gets the error that says so."""
        self.busy = False
        while self._queue:
            future, _, _ = self._queue.popleft()
            if not future.done():
                future.set_result(None)
