"""Whether a wait for a nested block can end: whether one task waits for another, as far as asyncio can tell. And what cannot run at all.

Seen are ``await task``, ``gather``, ``wait``, ``shield``, ``wait_for`` and ``TaskGroup``, and a wait for the nested block of
another task, in whichever database; a wait through an Event or a Queue leaves no trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from covet.db.errors import TransactionError, TransactionManagementError

if TYPE_CHECKING:
    from covet.db.backends.session import Frame, Transaction

__all__ = ["LEFT", "blocked", "callbacks_of", "cannot_run", "held_by", "refuse_endless", "waits_for"]

LEFT = "the async generator that it stands in was left before its end"
"""Why a block has ended that was closed behind the back of the task that had opened it."""

blocked: dict[asyncio.Task[Any], Transaction] = {}
"""Tasks that wait until a nested block closes, and the transaction whose innermost block it is."""


def cannot_run(transaction: Transaction, frame: Frame, place: str, sql: str) -> TransactionManagementError:
    """Return why nothing can run in a block: it has ended, is to be rolled back, or belongs to another event loop."""
    if frame.ended == LEFT:
        text = (
            f"The atomic block opened at {frame.place} is rolled back: {LEFT}, as by break, and {place} ran a statement in it all the "
            "same. Read the generator to its end, or close it where you leave it: async with contextlib.aclosing(…) as rows."
        )
    elif frame.ended:
        text = (
            f"The atomic block opened at {frame.place} has ended ({frame.ended}), but {place} still runs "
            "a statement in it. Await the tasks that you start inside a block before the block ends."
        )
    elif frame.broken and frame.is_base:
        text = (
            f"Nothing more can run on the connection that a test has pinned: {frame.broken}. Give the test real commits, by "
            "@pytest.mark.db(transaction=True): then the statement has a connection of its own."
        )
    elif frame.broken:
        text = (
            f"Nothing more can run in the atomic block opened at {frame.place}: {frame.broken}. Let the block end, so "
            "that it rolls back, and catch an error outside of it; or put a statement that may fail into an atomic() "
            "block of its own."
        )
    else:
        text = (
            f"The atomic block opened at {frame.place} belongs to another event loop than the one in which {place} runs a statement. "
            "A connection works in the loop that opened it: await the coroutine in the block itself, or, from a thread, by run_sync() "
            "of covet.concurrency in place of asyncio.run()."
        )
    return TransactionManagementError(text, alias=transaction.alias, sql=sql)


def refuse_endless(transaction: Transaction, frame: Frame, place: str, sql: str, waited_s: float) -> None:
    """Raise when the nested block that is waited for can never close, because it waits for this task.

    Args:
        transaction: The transaction that the nested block is a part of.
        frame: The block that the context stands in.
        place: The code that waits.
        sql: Its statement, for messages.
        waited_s: For how long nothing has run in the nested block.
    """
    why = ""
    top, me = transaction.top, asyncio.current_task()
    if top is None:
        # It is being rolled back, and whoever waits is sent away at its end.
        return
    if top.owner is None or top.owner is me:
        why = "both run in the same task"
    elif top.owner.done():
        why = "the task that opened the block has finished without closing it"
    elif me is not None and waits_for(top.owner, me):
        why = "the task inside the block waits for this one"
    elif waited_s > transaction.pool.config.timeout_s:
        # Most often it waits for this task in a way that leaves no trace: an Event, a Queue, a lock.
        hint = "; in tests with real commits (transaction=True) they would not meet" if frame.is_base else ""
        why = (
            f"nothing has run in it for {waited_s:.0f} s, nor was it closed, and pool.timeout_s allows no more. Does it wait "
            f"for an event, a queue or a lock that this task would have to serve?{hint}"
        )
    if why:
        raise TransactionError(
            f"This wait cannot end: the code at {place} waits for the nested atomic block opened at {top.place} to close "
            f"({why}). Open the block inside the task that works in it, or await the other task before it.",
            alias=transaction.alias,
            sql=sql,
        )


def waits_for(waiter: asyncio.Task[Any], awaited: asyncio.Future[Any]) -> bool:
    """Return whether ``waiter`` cannot go on before ``awaited`` is done.

    The callbacks of a future lead to whoever waits for it: a task's own wake-up, or the future of a ``gather``.
    """
    seen: set[int] = set()
    todo: list[asyncio.Future[Any]] = [awaited]
    while todo:
        future = todo.pop()
        if id(future) in seen or future.done():
            continue
        seen.add(id(future))
        for task, transaction in blocked.items():
            if transaction.top is not None and transaction.top.owner is future:
                if task is waiter:
                    return True
                todo.append(task)
        for callback in callbacks_of(future):
            for found in _behind(callback):
                if found is waiter:
                    return True
                todo.append(found)
    return False


def callbacks_of(future: asyncio.Future[Any]) -> list[Any]:
    """Return what is called when a future is done."""
    return [entry[0] for entry in (getattr(future, "_callbacks", None) or ())]


def held_by(callback: Any) -> Iterator[Any]:
    """Give what a done-callback holds: its object, its arguments, and what stands in its closure."""
    yield getattr(callback, "__self__", None)
    yield from getattr(callback, "args", ()) or ()
    for cell in getattr(getattr(callback, "__wrapped__", callback), "__closure__", None) or ():
        yield _content(cell)


def _behind(callback: Any) -> Iterator[asyncio.Future[Any]]:
    """Give the futures and tasks that a done-callback will wake."""
    for held in held_by(callback):
        if isinstance(held, asyncio.Future):
            yield held
        elif isinstance(held, asyncio.TaskGroup):
            parent = getattr(held, "_parent_task", None)
            if parent is not None and getattr(held, "_exiting", False):
                yield parent


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
