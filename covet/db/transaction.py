"""``atomic``: all of a block takes effect, or none; nested blocks are savepoints; ``on_commit`` runs what must wait.

A transaction belongs to its block. Statements of tasks started inside it join it and take turns; while one task is in a
nested block the others wait until that one has closed; after the block has ended they raise.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, overload

from covet.db.backends.session import Frame, place_of_caller
from covet.db.connections import DEFAULT_ALIAS, connections
from covet.db.database import Database
from covet.db.errors import TransactionManagementError

__all__ = ["Atomic", "CommitHook", "atomic", "get_rollback", "on_commit", "set_rollback"]

log = logging.getLogger("covet.db.transaction")

P = ParamSpec("P")
T = TypeVar("T")


class Atomic:
    """What ``atomic()`` returns: an async context manager, and a decorator for async functions.

    One object may be entered again and again, also by several tasks at once.
    """

    def __init__(self, using: str | Database | None, savepoint: bool, durable: bool) -> None:
        self._using = using
        self._savepoint = savepoint
        self._durable = durable
        self._entered: list[Frame] = []

    async def __aenter__(self) -> Atomic:
        database = _database(self._using)
        scope = database._scope
        parent = scope.get()
        place = place_of_caller(2)
        if parent is None:
            parent = database._pinned
        if parent is None:
            frame = await database.begin(place)
        else:
            if self._durable and not parent.is_base:
                raise TransactionManagementError(
                    f"atomic(durable=True) at {place} must be the outermost block, but stands in the one opened at "
                    f"{parent.place}.",
                    alias=database.alias,
                )
            frame = await parent.transaction.open_block(parent, place, savepoint=self._savepoint)
        frame.outside = scope.get()
        self._entered.append(frame)
        scope.set(frame)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        scope = _database(self._using)._scope
        # Several tasks may stand in the blocks of one object: the context knows which one is its own.
        found = scope.get()
        frame = found if found is not None and found in self._entered else self._entered[-1]
        self._entered.remove(frame)
        transaction = frame.transaction
        try:
            if error is not None:
                await transaction.abandon(frame, f"it was rolled back after {kind.__name__ if kind else 'an error'}")
                return
            if frame.ended:
                raise TransactionManagementError(
                    f"The atomic block opened at {frame.place} was ended from outside ({frame.ended}): what it did is undone.",
                    alias=transaction.alias,
                )
            if frame.broken:
                why = frame.broken
                await transaction.abandon(frame, f"it was rolled back: {why}")
                if why == _ASKED:
                    return
                raise TransactionManagementError(
                    f"The atomic block opened at {frame.place} was rolled back, though no error left it: {why}. Catch an "
                    "error outside of the block that it happened in.",
                    alias=transaction.alias,
                )
            try:
                if frame.parent is None:
                    await transaction.commit(frame)
                else:
                    await transaction.close_block(frame)
            except BaseException as failure:
                committed = isinstance(failure, asyncio.CancelledError) and frame.ended
                if not committed:
                    await transaction.abandon(frame, f"it was rolled back after {type(failure).__name__}")
                    raise
                # Committed while being cancelled: what waited for the commit still runs, then the cancellation goes on.
                scope.set(frame.outside)
                await _run_hooks(frame)
                raise
        finally:
            scope.set(frame.outside)
        if frame.parent is None or frame.is_emulated:
            await _run_hooks(frame)

    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Run an async function inside the block."""
        if not inspect.iscoroutinefunction(function):
            raise TypeError(
                f"@atomic decorates async functions; {getattr(function, '__qualname__', function)} is not one. "
                "Write `async def`, or `async with transaction.atomic():` round what awaits."
            )

        @functools.wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            async with Atomic(self._using, self._savepoint, self._durable):
                return await function(*args, **kwargs)

        return run


@overload
def atomic(using: Callable[P, Coroutine[Any, Any, T]], /) -> Callable[P, Coroutine[Any, Any, T]]: ...
@overload
def atomic(using: str | Database | None = None, *, savepoint: bool = True, durable: bool = False) -> Atomic: ...
def atomic(using: Any = None, *, savepoint: bool = True, durable: bool = False) -> Any:
    """Return the block in which all database work takes effect together, or not at all.

    ``async with transaction.atomic():``, or ``@transaction.atomic`` before an async function. An error, or a cancellation,
    that leaves the block rolls it back.

    Args:
        using: The database's alias; ``"default"`` when left out.
        savepoint: A nested block is a savepoint, which can be rolled back alone. ``False`` makes it part of its outer block.
        durable: The block must be the outermost one; nested in another it raises.

    Raises:
        TransactionManagementError: ``durable`` inside another block; or an error was caught in the block it broke.
    """
    if callable(using):
        return Atomic(None, savepoint, durable)(using)
    return Atomic(using, savepoint, durable)


class CommitHook:
    """What ``on_commit`` returns. Awaiting it does what is left to do at once; inside a transaction that is nothing."""

    __slots__ = ("_function", "_is_waiting", "_place")

    def __init__(self, function: Callable[[], Any] | None, place: str = "") -> None:
        self._function = function
        self._place = place
        self._is_waiting = function is not None

    def __await__(self) -> Generator[Any, None, None]:
        self._is_waiting = False
        function, self._function = self._function, None
        if function is not None:
            yield from function().__await__()

    def __del__(self) -> None:
        if self._is_waiting:
            name = getattr(self._function, "__qualname__", repr(self._function))
            warnings.warn(
                f"on_commit({name}) at {self._place} was called outside a transaction and never awaited, so {name} did not "
                "run. Write `await transaction.on_commit(…)`.",
                RuntimeWarning,
                stacklevel=2,
            )


def on_commit(
    function: Callable[[], Awaitable[Any] | Any], using: str | Database | None = None, *, robust: bool = False
) -> CommitHook:
    """Run a function once the transaction is committed; without one, at once.

    Inside a transaction it runs after the outermost commit, in order, before ``atomic`` returns; if the block it was given
    in is rolled back, it never runs. ``await transaction.on_commit(fn)`` is always right: outside a transaction an async
    function runs when the result is awaited.

    Args:
        function: Takes nothing; sync or async.
        using: The database's alias.
        robust: An error of the function is logged instead of raised, and the next ones run.
    """
    if not callable(function):
        raise TypeError("on_commit() takes a function; write on_commit(partial(fn, 1)) or on_commit(lambda: fn(1)).")
    database = _database(using)
    frame = database._scope.get()
    if frame is None:
        if _is_async(function):
            return CommitHook(function, place_of_caller(2))
        function()
        return CommitHook(None)
    if frame.ended:
        raise TransactionManagementError(
            f"on_commit() at {place_of_caller(2)} came after the atomic block opened at {frame.place} had ended.",
            alias=database.alias,
        )
    frame.hooks.append((function, robust))
    return CommitHook(None)


async def _run_hooks(frame: Frame) -> None:
    hooks, frame.hooks = frame.hooks, []
    for function, robust in hooks:
        try:
            result = function()
            if inspect.isawaitable(result):
                await result
        except Exception:
            if not robust:
                raise
            log.exception("An on_commit function failed")


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


_ASKED = "set_rollback(True) was called"


def get_rollback(using: str | Database | None = None) -> bool:
    """Return whether the innermost block will be rolled back when it ends."""
    return bool(_frame(using, "get_rollback").broken)


def set_rollback(rollback: bool, using: str | Database | None = None) -> None:
    """Make the innermost block roll back when it ends, without an error; or take that back.

    Raises:
        TransactionManagementError: Outside of ``atomic``.
    """
    frame = _frame(using, "set_rollback")
    if rollback:
        frame.broken = frame.broken or _ASKED
    elif frame.broken == _ASKED:
        frame.broken = ""


def _frame(using: str | Database | None, what: str) -> Frame:
    database = _database(using)
    frame = database._scope.get()
    if frame is None or frame.ended:
        raise TransactionManagementError(
            f"{what}() at {place_of_caller(3)} needs an open atomic block.", alias=database.alias
        )
    return frame


def _database(using: str | Database | None) -> Database:
    return using if isinstance(using, Database) else connections[using or DEFAULT_ALIAS]
