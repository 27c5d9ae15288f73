"""A transaction by hand: autocommit is off for a context, whose statements run on one connection until it is on again.

BEGIN goes out with the first statement after a commit, as other databases' drivers do it; so nothing is locked in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from covet.db.backends.blocks import run_hooks
from covet.db.backends.places import place_of_caller
from covet.db.backends.session import Frame, Transaction
from covet.db.errors import TransactionManagementError
from covet.db.freshness import freshness

if TYPE_CHECKING:
    from covet.db.backends.driver import Rows
    from covet.db.database import Database

__all__ = ["ManualTransaction", "autocommit_off", "autocommit_on", "commit_by_hand", "manual_of"]

log = logging.getLogger("covet.db.transaction")


class ManualTransaction(Transaction):
    """The connection of a context whose autocommit is off, and the transaction that may be open on it."""

    is_manual = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._has_begun = False

    @property
    def has_begun(self) -> bool:
        """Whether something ran since the last commit or rollback."""
        return self._has_begun

    async def take_turn(self, frame: Frame, sql: str = "", *, nests: bool = False) -> None:
        """Wait until this context may use the connection, and begin the transaction if none is open."""
        await super().take_turn(frame, sql, nests=nests)
        if self._has_begun:
            return
        self._has_begun = True
        try:
            await self.connection.begin()
        except BaseException as error:
            found = self.failed(frame, error, "BEGIN")
            self.end_turn()
            if found is error:
                raise
            raise found from error

    async def run(self, frame: Frame, method: str, sql: str, args: Sequence[Any]) -> Any:
        """Run a statement, in a transaction."""
        if not self._has_begun:
            await self.take_turn(frame, sql)
            self.end_turn()
        return await super().run(frame, method, sql, args)

    async def stream(self, frame: Frame, sql: str, args: Sequence[Any], chunk_size: int) -> AsyncIterator[Rows]:
        """Give the rows of a statement in chunks, in a transaction."""
        if not self._has_begun:
            await self.take_turn(frame, sql)
            self.end_turn()
        async with aclosing(super().stream(frame, sql, args, chunk_size)) as chunks:  # type: ignore[type-var]  # it is a generator
            async for chunk in chunks:
                yield chunk

    async def commit_work(self, frame: Frame) -> None:
        """Commit what was done since the last time; the connection stays."""
        if not self._has_begun:
            return
        await super().take_turn(frame, "COMMIT")
        try:
            await self.connection.commit_uncancelled()
        except asyncio.CancelledError:
            # The commit went through; only the caller is to stop.
            self._has_begun = False
            raise
        except BaseException as error:
            found = self.failed(frame, error, "COMMIT")
            if found is error:
                raise
            raise found from error
        else:
            self._has_begun = False
        finally:
            self.end_turn()

    async def roll_back_work(self, frame: Frame) -> None:
        """Undo what was done since the last time; the connection stays, and is as good as new."""
        frame.hooks.clear()
        self._written = None
        if not self._has_begun:
            return
        await self.wait_until_idle()
        try:
            if not self.connection.is_closed:
                if frame.broken:
                    await self.whole(self.connection.settle())
                await self.whole(self.connection.rollback())
                frame.broken = ""
        finally:
            # With the connection the transaction is gone as well.
            self._has_begun = not self.connection.is_closed and self.connection.in_transaction
            self.end_turn()

    def give_back(self, frame: Frame, why: str) -> None:
        """Let the connection go; whatever of the context still runs statements gets an error."""
        frame.ended = why
        self.top = None
        self._give_back()
        self.wake_all()


def manual_of(database: Database) -> tuple[ManualTransaction, Frame] | None:
    """Return the transaction by hand that the calling code works in, and its frame.

    Raises:
        TransactionManagementError: It stands in an ``atomic`` block.
    """
    frame = database._frame()
    if frame is None or frame.ended:
        return None
    transaction = frame.transaction
    if isinstance(transaction, ManualTransaction) and frame.parent is None:
        return transaction, frame
    where = "the connection that a test has pinned" if frame.is_base else f"the atomic block opened at {frame.place}"
    raise TransactionManagementError(
        f"{place_of_caller(3)} works by hand inside {where}. A block commits or rolls back by itself, when it ends.",
        alias=database.alias,
    )


async def autocommit_off(database: Database, place: str) -> None:
    """Give the calling context a connection of its own, on which nothing is committed by itself."""
    await database.open()
    pool = database.writer_pool
    connection = await pool.acquire()
    transaction = ManualTransaction(connection, pool, database)
    frame = transaction.top = Frame(transaction, None, "", place, asyncio.current_task())
    database._scope.set(frame)
    if frame.owner is not None:
        frame.owner.add_done_callback(_left_open(transaction, frame))


def _left_open(transaction: ManualTransaction, frame: Frame) -> Callable[[asyncio.Task[Any]], None]:
    """Return what gives the connection back when the task has ended without doing so."""

    def end(task: asyncio.Task[Any]) -> None:
        if frame.ended or transaction.pool.loop.is_closed():
            return
        log.warning(
            "The task that called set_autocommit(False) at %s has ended without set_autocommit(True): what it did since its "
            "last commit is rolled back.",
            frame.place,
        )
        # The pool rolls back what it gets back dirty.
        transaction.connection.is_dirty = True
        transaction.give_back(frame, "its task has ended")

    return end


async def autocommit_on(database: Database, transaction: ManualTransaction, frame: Frame) -> None:
    """Give the connection back: statements of the context commit by themselves again."""
    if transaction.has_begun:
        raise TransactionManagementError(
            f"set_autocommit(True) at {place_of_caller(3)} comes while work is neither committed nor rolled back. Await "
            "transaction.commit() or transaction.rollback() first.",
            alias=database.alias,
        )
    transaction.give_back(frame, "autocommit is on again")
    database._scope.set(None)


async def commit_by_hand(transaction: ManualTransaction, frame: Frame) -> None:
    """Commit, tell the cache of results, and run what waited for the commit."""

    def commit() -> Awaitable[None]:
        return transaction.commit_work(frame)

    if written := transaction.take_written():
        await freshness.around(None, written, commit)
    else:
        await commit()
    await run_hooks(frame)
