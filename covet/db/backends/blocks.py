"""The ``atomic`` block itself: enters and leaves frames of a transaction. ``covet.db.transaction`` is its public face."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

from covet.db.backends.places import place_of_caller
from covet.db.backends.session import ASKED, Frame
from covet.db.backends.waits import LEFT
from covet.db.errors import TransactionManagementError
from covet.db.freshness import freshness

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["ASKED", "Atomic", "captured", "run_hooks"]

log = logging.getLogger("covet.db.transaction")

P = ParamSpec("P")
T = TypeVar("T")


class Atomic:
    """What ``atomic()`` returns: an async context manager, and a decorator for async functions.

    One object may be entered again and again, also by several tasks at once.

    Args:
        database: Finds the database when the block is entered.
        savepoint: A nested block is a savepoint.
        durable: The block must be the outermost one.
        before: Statements for the connection, before the transaction begins; they mark it for closing.
    """

    def __init__(
        self,
        database: Callable[[], Database],
        *,
        savepoint: bool = True,
        durable: bool = False,
        before: Sequence[str] = (),
    ) -> None:
        self._database = database
        self._savepoint = savepoint
        self._durable = durable
        self._before = before
        # It writes nothing: on SQLite it can do without the one connection that may.
        self._only_reads = False
        self._entered: list[Frame] = []

    if not TYPE_CHECKING:  # a checker finds it by itself

        def __enter__(self) -> NoReturn:
            raise TypeError("A transaction is entered by 'async with transaction.atomic():', not by 'with'.")

        def __exit__(self, *found: object) -> None: ...

    async def __aenter__(self) -> Atomic:
        database = self._database()
        scope = database._scope
        outside = scope.get()
        parent = outside or database._pinned
        place = place_of_caller(2)
        if parent is None:
            frame = await database.begin(place, self._before, self._only_reads)
        else:
            if self._durable and not parent.is_base:
                raise TransactionManagementError(
                    f"atomic(durable=True) at {place} must be the outermost block, but stands in the one opened at "
                    f"{parent.place}.",
                    alias=database.alias,
                )
            frame = await parent.transaction.open_block(parent, place, savepoint=self._savepoint)
            frame.outside = outside
        self._entered.append(frame)
        scope.set(frame)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        entered = self._entered
        frame = entered.pop() if len(entered) == 1 else self._own_frame()
        transaction = frame.transaction
        try:
            if error is not None:
                is_left = kind is GeneratorExit and asyncio.current_task() is not frame.owner
                await transaction.abandon(
                    frame, LEFT if is_left else f"it was rolled back after {type(error).__name__}"
                )
                return
            if frame.ended or frame.broken or transaction._written:
                if not await self._finish(frame):
                    return
            elif frame.parent is None:
                await transaction.commit(frame)
            else:
                await transaction.close_block(frame)
        except BaseException as failure:
            if not frame.is_committed:
                await transaction.abandon(frame, f"it was rolled back after {type(failure).__name__}")
            elif isinstance(failure, asyncio.CancelledError) and (frame.parent is None or frame.is_emulated):
                # Committed while being cancelled: what waited for the commit still runs, then the cancellation goes on.
                transaction.database._scope.set(frame.outside)
                await run_hooks(frame)
            raise
        finally:
            transaction.database._scope.set(frame.outside)
        if frame.hooks and (frame.parent is None or frame.is_emulated):
            await run_hooks(frame)

    def _own_frame(self) -> Frame:
        """Return the frame that the calling code leaves: of those who stand in this object, the context knows its own."""
        found = self._database()._scope.get()
        frame = found if found is not None and found in self._entered else self._entered[-1]
        self._entered.remove(frame)
        return frame

    async def _finish(self, frame: Frame) -> bool:
        """End a block that no error left, but that cannot just be closed; return whether what it did stands."""
        transaction = frame.transaction
        if frame.ended:
            raise TransactionManagementError(
                f"The atomic block opened at {frame.place} was ended from outside ({frame.ended}): what it did is undone.",
                alias=transaction.alias,
            )
        if frame.broken:
            why = frame.broken
            await transaction.abandon(frame, f"it was rolled back: {why}")
            if why == ASKED:
                return False
            raise TransactionManagementError(
                f"The atomic block opened at {frame.place} was rolled back, though no error left it: {why}. Catch an error "
                "outside of the block that it happened in.",
                alias=transaction.alias,
            )
        if frame.parent is None or frame.is_emulated:
            await freshness.around(None, transaction.take_written(), lambda: _close(frame))
        else:
            await _close(frame)
        return True

    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Run an async function inside the block."""
        if not inspect.iscoroutinefunction(function):
            raise TypeError(
                f"@atomic decorates async functions; {getattr(function, '__qualname__', function)} is not one. "
                "Write `async def`, or `async with transaction.atomic():` round what awaits."
            )

        @functools.wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            async with Atomic(self._database, savepoint=self._savepoint, durable=self._durable, before=self._before):
                return await function(*args, **kwargs)

        return run


def _close(frame: Frame) -> Awaitable[None]:
    return frame.transaction.commit(frame) if frame.parent is None else frame.transaction.close_block(frame)


#: Aliases whose ``on_commit`` functions are put into a list in place of being run: for tests.
captured: dict[str, list[tuple[Any, bool]]] = {}


async def run_hooks(frame: Frame) -> None:
    """Run what waited for the commit, in order; an error stops it unless the hook was registered as robust."""
    hooks, frame.hooks = frame.hooks, []
    caught = captured.get(frame.transaction.alias)
    if caught is not None:
        caught += hooks
        return
    for function, robust in hooks:
        try:
            result = function()
            if inspect.isawaitable(result):
                await result
        except Exception:
            if not robust:
                raise
            log.exception("An on_commit function failed")
