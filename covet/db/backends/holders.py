"""Who holds the connections of a pool that has none left: looked up when somebody has waited in vain, and at no cost before.

A transaction and a stream leave their mark on their connection. A single statement does not, since that would cost each
one something: its task is found by what the suspended coroutines have in their hands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from covet.db.backends.driver import Connection
from covet.db.backends.places import is_own

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["Streaming", "holders_of"]

_MOST_NAMED = 10
# Coroutines await one another this deep at most; a cycle of hand-made awaitables ends here too.
_MOST_DEEP = 200


class Streaming(NamedTuple):
    """What a stream of rows leaves on its connection.

    Attributes:
        task: Who began to read.
        place: Where.
    """

    task: asyncio.Task[Any] | None
    place: str


def holders_of(lent: Collection[Connection]) -> str:
    """Return who holds these connections, as words for a message; empty when nobody can be named."""
    suspended = {task: [*_frames(task)] for task in asyncio.all_tasks()}
    statements = {
        id(value): task
        for task, frames in suspended.items()
        for frame in frames
        for value in frame.f_locals.values()
        if isinstance(value, Connection)
    }
    found = [words for connection in lent if (words := _holder(connection, statements.get(id(connection)), suspended))]
    named = found[:_MOST_NAMED]
    if len(found) > _MOST_NAMED:
        named.append(f"{len(found) - _MOST_NAMED} more")
    return "; ".join(named)


def _holder(
    connection: Connection,
    statement: asyncio.Task[Any] | None,
    suspended: dict[asyncio.Task[Any], list[FrameType]],
) -> str:
    holder: Any = connection.holder
    if isinstance(holder, Streaming):
        return f"{_name(holder.task)} streams rows at {holder.place}{_now(holder.task, suspended)}"
    block = getattr(holder, "top", None)
    if block is not None and holder.connection is connection:
        while block.parent is not None:
            block = block.parent
        return f"{_name(block.owner)} in the atomic block opened at {block.place}{_now(block.owner, suspended)}"
    if statement is not None:
        return f"{_name(statement)} runs a statement{_now(statement, suspended)}"
    return ""


def _name(task: asyncio.Task[Any] | None) -> str:
    return "code outside of any task" if task is None else f"task '{task.get_name()}'"


def _now(task: asyncio.Task[Any] | None, suspended: dict[asyncio.Task[Any], list[FrameType]]) -> str:
    """Return the line of the project's code that a task waits in."""
    if task is not None and task.done():
        return ", and has ended"
    for frame in reversed(suspended.get(task, ()) if task is not None else ()):
        if not is_own(frame.f_code.co_filename):
            return f", now at {frame.f_code.co_filename}:{frame.f_lineno}"
    return ""


def _frames(task: asyncio.Task[Any]) -> Iterator[FrameType]:
    """Yield the frames of a suspended task, the outermost first."""
    awaited: Any = task.get_coro()
    for _ in range(_MOST_DEEP):
        frame = next((found for name in _FRAMES if (found := getattr(awaited, name, None)) is not None), None)
        if frame is not None:
            yield frame
        awaited = next((found for name in _AWAITED if (found := getattr(awaited, name, None)) is not None), None)
        if awaited is None:
            return


_FRAMES = ("cr_frame", "ag_frame", "gi_frame")
_AWAITED = ("cr_await", "ag_await", "gi_yieldfrom")
