"""The transaction of a test: all that the code under test does stands on one connection, and is undone at the end.

Outside of any block each statement succeeds or fails by itself, as it would without a transaction; an outermost ``atomic``
block is a savepoint that plays a whole transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from covet.db.backends.session import Frame, Transaction
from covet.db.backends.uncancelled import SETTLE_S

__all__ = ["PinnedTransaction", "pin"]


class PinnedTransaction(Transaction):
    """The transaction of a pinned connection; its base frame stands for the code outside of any block."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        # The savepoint that a failed SELECT goes back to lies before something that was done since.
        self._pin_is_stale = True

    async def run(self, frame: Frame, method: str, sql: str, args: Sequence[Any]) -> Any:
        """Run a statement; one outside of any block is undone alone if it fails."""
        if not frame.is_base:
            return await super().run(frame, method, sql, args)
        self.database.look_for_traces(self.connection, sql)
        await self.take_turn(frame, sql)
        try:
            return await self._run_alone(frame, method, sql, args)
        except BaseException as error:
            found = await self.explained(frame, error, sql)
            if found is error:
                raise
            raise found from error
        finally:
            self.end_turn()

    async def _run_alone(self, frame: Frame, method: str, sql: str, args: Sequence[Any]) -> Any:
        connection = self.connection
        writes = sql.lstrip("( \n\t")[:6].upper() != "SELECT"
        if not (self.driver.features.error_breaks_transaction or (writes and self.driver.vendor == "sqlite")):
            return await getattr(connection, method)(sql, args)
        try:
            if self._pin_is_stale or writes:
                await connection.execute("SAVEPOINT covet_pin", ())
                # What an open block does from here on, it does behind the savepoint.
                self._pin_is_stale = self.top is not frame
            result = await getattr(connection, method)(sql, args)
            violation = await connection.check_foreign_keys() if writes else None
            if violation is not None:
                raise violation
        except BaseException as error:
            if not connection.is_closed:
                await self.whole(self._undo(error), SETTLE_S)
            raise
        if writes:
            await connection.execute("RELEASE SAVEPOINT covet_pin", ())
            self._pin_is_stale = True
        return result

    async def _undo(self, error: BaseException) -> None:
        if not isinstance(error, Exception):
            await self.connection.settle()
        await self.connection.execute("ROLLBACK TO SAVEPOINT covet_pin", ())

    async def open_block(self, parent: Frame, place: str, *, savepoint: bool) -> Frame:
        """Open a nested block; where its parent is no block, it plays a transaction."""
        frame = await super().open_block(parent, place, savepoint=savepoint)
        self._pin_is_stale = True
        return frame


def pin(frame: Frame) -> None:
    """Make the transaction of an outermost block that of a test, and the block its base."""
    begun = frame.transaction
    frame.transaction = PinnedTransaction(begun.connection, begun.pool, begun.database)
    frame.transaction.top = frame
    frame.is_base = True
