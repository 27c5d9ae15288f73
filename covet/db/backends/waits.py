"""Whether one task waits for another, as far as asyncio can tell.

Seen are ``await task``, ``gather``, ``wait``, ``shield``, ``wait_for`` and ``TaskGroup``, and a wait for the nested block of
another task, in whichever database; a wait through an Event or a Queue leaves no trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

__all__ = ["blocked", "waits_for"]

blocked: dict[asyncio.Task[Any], Any] = {}
"""Tasks that wait until a nested block closes, and the transaction whose innermost block it is."""


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
        for callback in _callbacks(future):
            for found in _behind(callback):
                if found is waiter:
                    return True
                todo.append(found)
    return False


def _callbacks(future: asyncio.Future[Any]) -> list[Any]:
    return [entry[0] for entry in (getattr(future, "_callbacks", None) or ())]


def _behind(callback: Any) -> Iterator[asyncio.Future[Any]]:
    """Give the futures and tasks that a done-callback will wake."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Future):
        yield owner
    elif isinstance(owner, asyncio.TaskGroup):
        parent = getattr(owner, "_parent_task", None)
        if parent is not None and getattr(owner, "_exiting", False):
            yield parent
    for value in getattr(callback, "args", ()) or ():
        if isinstance(value, asyncio.Future):
            yield value
    for cell in getattr(getattr(callback, "__wrapped__", callback), "__closure__", None) or ():
        value = _content(cell)
        if isinstance(value, asyncio.Future):
            yield value


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
