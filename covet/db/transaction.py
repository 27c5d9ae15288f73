"""``atomic``: all of a block takes effect, or none; nested blocks are savepoints; ``on_commit`` runs what must wait.

A transaction belongs to its block. Statements of tasks started inside it join it and take turns; while one task is in a
nested block the others wait until that one has closed; after the block has ended they raise.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import random
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from covet.db.backends.access import Access, AccessBlock, Isolation
from covet.db.backends.blocks import ASKED, Atomic, captured, log
from covet.db.backends.manual import autocommit_off, autocommit_on, commit_by_hand, manual_of
from covet.db.backends.places import place_of_caller
from covet.db.backends.session import Frame
from covet.db.connections import DEFAULT_ALIAS, connections
from covet.db.database import Database
from covet.db.errors import DatabaseError, DeadlockDetected, SerializationFailure, TransactionManagementError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.backends import points
else:
    points = late_module(__name__, "covet.db.backends.points")

__all__ = [
    "Atomic",
    "CommitHook",
    "Isolation",
    "atomic",
    "clean_savepoints",
    "commit",
    "get_autocommit",
    "get_rollback",
    "mark_for_rollback_on_error",
    "non_atomic_requests",
    "on_commit",
    "retry",
    "rollback",
    "savepoint",
    "savepoint_commit",
    "savepoint_rollback",
    "set_autocommit",
    "set_rollback",
]

P = ParamSpec("P")
T = TypeVar("T")


@overload
def atomic(using: Callable[P, Coroutine[Any, Any, T]], /) -> Callable[P, Coroutine[Any, Any, T]]: ...
@overload
def atomic(
    using: str | Database | None = None,
    *,
    savepoint: bool = True,
    durable: bool = False,
    isolation: Isolation | None = None,
    read_only: bool = False,
    deferrable: bool = False,
) -> Atomic: ...
def atomic(
    using: Any = None,
    *,
    savepoint: bool = True,
    durable: bool = False,
    isolation: Isolation | None = None,
    read_only: bool = False,
    deferrable: bool = False,
) -> Any:
    """Return the block in which all database work takes effect together, or not at all.

    ``async with transaction.atomic():``, or ``@transaction.atomic`` before an async function. An error, or a cancellation,
    that leaves the block rolls it back.

    Args:
        using: The database's alias; ``"default"`` when left out.
        savepoint: A nested block is a savepoint, which can be rolled back alone. ``False`` makes it part of its outer block.
        durable: The block must be the outermost one; nested in another it raises.
        isolation: ``"read committed"``, ``"repeatable read"``, ``"serializable"`` or ``"read uncommitted"``, for this
            transaction alone. SQLite is always serializable.
        read_only: The database refuses statements that write.
        deferrable: With ``isolation="serializable"`` and ``read_only``, PostgreSQL waits for a snapshot that cannot fail.

    Raises:
        TransactionManagementError: ``durable``, ``isolation``, ``read_only`` or ``deferrable`` inside another block; or an
            error was caught in the block it broke.
        NotSupportedError: ``deferrable`` on another database than PostgreSQL.
        ValueError: There is no such isolation level.
    """
    if using is None:
        database = _default
    elif callable(using):
        return Atomic(_default, savepoint=savepoint, durable=durable)(using)
    else:
        database = functools.partial(_database, using)
    if isolation is None and not read_only and not deferrable:
        return Atomic(database, savepoint=savepoint, durable=durable)
    return AccessBlock(database, Access(isolation, read_only, deferrable))


def retry(
    attempts: int = 3,
    *,
    using: str | Database | None = None,
    isolation: Isolation | None = None,
    backoff_s: float = 0.02,
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, Coroutine[Any, Any, T]]]:
    """Return a decorator that runs an async function in a transaction of its own, again when that met a conflict.

    A conflict is a ``SerializationFailure`` or a ``DeadlockDetected``, be it of a task in a ``TaskGroup``: the database has undone
    all of it, and says that it may be tried again. ``on_commit`` functions of a failed attempt never run. What the function does
    outside the database happens once for each attempt.

    Args:
        attempts: How often it may run in all.
        using: The database's alias.
        isolation: As for ``atomic``.
        backoff_s: The longest wait before the second attempt; it doubles with each further one. How much of it is waited is
            left to chance, so that two that met do not meet again.

    Raises:
        TransactionManagementError: It was called inside another ``atomic`` block, which could not be begun again.
        ValueError: ``attempts`` is less than 1.
    """
    if attempts < 1:
        raise ValueError(f"retry(attempts={attempts}) would never run the function; it takes 1 or more.")

    def decorate(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
        if not inspect.iscoroutinefunction(function):
            raise TypeError(
                f"@retry decorates async functions; {getattr(function, '__qualname__', function)} is not one."
            )

        @functools.wraps(function)
        async def run(*args: P.args, **kwargs: P.kwargs) -> T:
            attempt = 1
            while True:
                try:
                    async with atomic(using, durable=True, isolation=isolation):
                        return await function(*args, **kwargs)
                except (SerializationFailure, DeadlockDetected, ExceptionGroup) as error:
                    if attempt >= attempts or not _is_conflict(error):
                        raise
                await asyncio.sleep(random.uniform(0, backoff_s * 2 ** (attempt - 1)))  # noqa: S311  # no secret
                attempt += 1

        return run

    return decorate


def _is_conflict(error: Exception) -> bool:
    """Whether an error, or a group of them, is a conflict, and nothing but what follows from it in the database."""
    if not isinstance(error, ExceptionGroup):
        return True
    others = error.split(DatabaseError)[1]
    return others is None and error.subgroup((SerializationFailure, DeadlockDetected)) is not None


class CommitHook:
    """What ``on_commit`` returns. Awaiting it does what is left to do at once; inside a transaction that is nothing."""

    __slots__ = ("_function", "_is_waiting", "_place", "_robust")

    def __init__(self, function: Callable[[], Any] | None, place: str = "", robust: bool = False) -> None:
        self._function = function
        self._place = place
        self._robust = robust
        self._is_waiting = function is not None

    def __await__(self) -> Generator[Any, None, None]:
        self._is_waiting = False
        function, self._function = self._function, None
        if function is None:
            return
        try:
            yield from function().__await__()
        except Exception:
            if not self._robust:
                raise
            log.exception("An on_commit function failed")

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
    function, and what a lambda gives that calls one, runs when the result is awaited.

    Args:
        function: Takes nothing; sync or async.
        using: The database's alias.
        robust: An error of the function is logged instead of raised, with or without a transaction, and the next ones run.
    """
    if not callable(function):
        raise TypeError("on_commit() takes a function; write on_commit(partial(fn, 1)) or on_commit(lambda: fn(1)).")
    database = _database(using)
    frame = database._scope.get()
    if frame is None and database.alias in captured:
        captured[database.alias].append((function, robust))
        return CommitHook(None)
    if frame is None:
        if _is_async(function):
            return CommitHook(function, place_of_caller(2), robust)
        try:
            left = function()
        except Exception:
            if not robust:
                raise
            log.exception("An on_commit function failed")
            return CommitHook(None)
        if not inspect.iscoroutine(left):
            return CommitHook(None)

        # A lambda that calls an async function shows only now that it is one itself.
        @functools.wraps(function)
        def rest() -> Coroutine[Any, Any, Any]:
            return left

        return CommitHook(rest, place_of_caller(2), robust)
    if frame.ended:
        raise TransactionManagementError(
            f"on_commit() at {place_of_caller(2)} came after the atomic block opened at {frame.place} had ended.",
            alias=database.alias,
        )
    frame.hooks.append((function, robust))
    return CommitHook(None)


def _is_async(function: Callable[..., Any]) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def get_rollback(using: str | Database | None = None) -> bool:
    """Return whether the innermost block will be rolled back when it ends."""
    return bool(_block(using, "get_rollback").broken)


def set_rollback(rollback: bool, using: str | Database | None = None) -> None:
    """Make the innermost block roll back when it ends, without an error; or take that back.

    Raises:
        TransactionManagementError: Outside of ``atomic``.
    """
    frame = _block(using, "set_rollback")
    if rollback:
        frame.broken = ASKED
    elif frame.broken == ASKED:
        frame.broken = ""


@contextmanager
def mark_for_rollback_on_error(using: str | Database | None = None) -> Iterator[None]:
    """Let an error that leaves this ``with`` block make the ``atomic`` block around it roll back, even if it is caught there.

    It costs less than a savepoint, for work that cannot be undone alone. Outside of ``atomic`` it does nothing.
    """
    try:
        yield
    except BaseException as error:
        database = _database(using)
        frame = database._scope.get()
        if frame is not None and not frame.ended and database.in_atomic_block:
            frame.broken = frame.broken or f"an error left mark_for_rollback_on_error() ({type(error).__name__})"
        raise


# Savepoints by hand


async def savepoint(using: str | Database | None = None) -> str:
    """Set a savepoint in the innermost block and return its name.

    Raises:
        TransactionManagementError: Outside of a transaction.
    """
    frame = _frame(using, "savepoint")
    return await points.set_point(frame)


async def savepoint_commit(sid: str, using: str | Database | None = None) -> None:
    """Forget a savepoint of the innermost block; what was done since stays part of the block."""
    frame = _frame(using, "savepoint_commit")
    await points.release_point(frame, sid)


async def savepoint_rollback(sid: str, using: str | Database | None = None) -> None:
    """Undo what the innermost block did since a savepoint, which may be used again.

    ``on_commit`` functions given since are dropped. A block that a failed statement has broken can go on.
    """
    frame = _frame(using, "savepoint_rollback")
    await points.roll_back_to_point(frame, sid)


def clean_savepoints(using: str | Database | None = None) -> None:
    """Forget the savepoints that were set by hand in the innermost block; their names are of no use any more."""
    _frame(using, "clean_savepoints").points = None


# Transactions by hand


def get_autocommit(using: str | Database | None = None) -> bool:
    """Return whether each statement commits by itself: not inside ``atomic``, nor after ``set_autocommit(False)``."""
    frame = _database(using)._frame()
    return frame is None or bool(frame.ended)


async def set_autocommit(autocommit: bool, using: str | Database | None = None) -> None:
    """Turn autocommit off for the calling context, or on again.

    While it is off, the statements of this context and of the tasks started in it run on one connection of the pool, in a
    transaction that begins with the first of them and lasts until ``await commit()`` or ``await rollback()``. ``atomic`` is then
    a savepoint. Turning it on gives the connection back.

    Raises:
        TransactionManagementError: Inside ``atomic``; or on again with work that is neither committed nor rolled back.
    """
    database = _database(using)
    found = manual_of(database)
    if autocommit and found is not None:
        await autocommit_on(database, *found)
    elif not autocommit and found is None:
        await autocommit_off(database, place_of_caller(2))


async def commit(using: str | Database | None = None) -> None:
    """Commit what was done since ``set_autocommit(False)`` or the last commit, and run what ``on_commit`` was given.

    With autocommit on there is nothing to commit, and nothing happens.

    Raises:
        TransactionManagementError: Inside ``atomic``.
    """
    found = manual_of(_database(using))
    if found is not None:
        await commit_by_hand(*found)


async def rollback(using: str | Database | None = None) -> None:
    """Undo what was done since ``set_autocommit(False)`` or the last commit. With autocommit on nothing happens.

    Raises:
        TransactionManagementError: Inside ``atomic``.
    """
    found = manual_of(_database(using))
    if found is not None:
        await found[0].roll_back_work(found[1])


# Views


def non_atomic_requests(using: Any = None) -> Any:
    """Keep a view out of ``ATOMIC_REQUESTS``: ``@non_atomic_requests``, or ``@non_atomic_requests(using="archive")``.

    Args:
        using: The alias whose transaction the view does without; ``"default"`` when left out.
    """

    def mark(view: Any, alias: str = DEFAULT_ALIAS) -> Any:
        view.non_atomic_requests = frozenset({*getattr(view, "non_atomic_requests", ()), alias})
        return view

    if callable(using):
        return mark(using)
    return lambda view: mark(view, using or DEFAULT_ALIAS)


def _block(using: str | Database | None, what: str) -> Frame:
    database = _database(using)
    if not database.in_atomic_block:
        raise TransactionManagementError(
            f"{what}() at {place_of_caller(3)} needs an open atomic block.", alias=database.alias
        )
    return _frame(database, what)


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


def _default() -> Database:
    return connections[DEFAULT_ALIAS]
