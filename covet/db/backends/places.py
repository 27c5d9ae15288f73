"""Where a statement or block was asked for: the line of the project's code that messages name."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from covet.db.backends import waits

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["is_own", "place_of_caller"]

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_COVET = os.path.dirname(os.path.dirname(_HERE)) + os.sep
# What only hands a call on is no place that anybody wants to read.
_INSIDE = (_HERE, _COVET + "concurrency.py", _COVET + "dispatch.py")
_ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep
_LIBRARY = os.path.dirname(os.__file__) + os.sep


def is_own(filename: str) -> bool:
    """Whether a file is covet's, an installed package's or Python's own: no place in a project."""
    return filename.startswith((_COVET, _LIBRARY, "<")) or f"{os.sep}site-packages{os.sep}" in filename


@lru_cache(1024)
def _kind(filename: str) -> str:
    """Return what a file is on the way to the project's code; kept, as each block of each transaction asks."""
    if filename.startswith(_ASYNCIO) and not filename.endswith("tasks.py"):
        return "loop"
    if filename.startswith(_INSIDE) or filename.endswith(("contextlib.py", "asyncio/tasks.py")):
        return "passed on"
    return "ours" if filename.startswith(_COVET) else "project"


def place_of_caller(depth: int = 1) -> str:
    """Return ``file:line`` of the nearest caller outside of ``covet``: what an error names as the place.

    Where only other rooms of ours are on the way, such as a middleware that loads a session, the nearest of them is named. Of a task that runs
    nothing but a call of ours, as ``gather(Article.objects.count())`` makes them, it is the line that waits for it, with the call, and the task's
    name where it was given one; the task alone where nobody waits yet.
    """
    frame = sys._getframe(depth)
    file = frame.f_code.co_filename
    # Each transaction asks, and mostly it is the project's own code that begins one.
    return f"{file}:{frame.f_lineno}" if _kind(file) == "project" else _place_behind(frame)


def _place_behind(frame: FrameType) -> str:
    found = frame
    ours: FrameType | None = None
    while frame is not None:
        found = frame
        kind = _kind(frame.f_code.co_filename)
        if kind == "project":
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if kind == "loop":
            if ours is None:
                return _task_place(found)
            break
        if kind == "ours":
            ours = ours or frame
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
    found = ours or found
    return f"{found.f_code.co_filename}:{found.f_lineno}"


def _task_place(frame: FrameType) -> str:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        return f"{frame.f_code.co_filename}:{frame.f_lineno}"
    coroutine: Any = task.get_coro()
    # What must not be taken for a yes, such as ``exists()``, has its coroutine inside.
    coroutine = getattr(coroutine, "_coroutine", coroutine)
    call = getattr(coroutine, "__qualname__", coroutine)
    name = f"task '{task.get_name()}' ({call})"
    place = _awaited_at(task)
    if place is None:
        return name
    # Tasks that nobody named are counted together, by the line.
    return f"{place} ({call})" if _numbered().fullmatch(task.get_name()) else f"{name}, awaited at {place}"


@cache
def _numbered() -> re.Pattern[str]:
    return re.compile(r"Task-\d+")


def _awaited_at(future: Any, depth: int = 8) -> str | None:
    """Return the line of the project that waits for a future, through ``gather()``, a ``TaskGroup`` and their like."""
    for waiter in (found for callback in waits.callbacks_of(future) for found in _waiters(callback)):
        place = _suspended_at(waiter.get_coro()) if isinstance(waiter, asyncio.Task) else None
        if place is None and depth:
            place = _awaited_at(waiter, depth - 1)
        if place is not None:
            return place
    return None


# What ``as_completed()`` gives since Python 3.13, with its queue inside; before, its callback had the queue itself.
_AS_COMPLETED: tuple[type[Any], ...] = tuple(filter(None, [getattr(asyncio.tasks, "_AsCompletedIterator", None)]))


def _waiters(callback: Any) -> Iterator[Any]:
    """Yield the futures and tasks that a callback of another one is for, whether they wait for it alone or not."""
    for one in waits.held_by(callback):
        if isinstance(one, asyncio.Future):
            yield one
        elif isinstance(one, asyncio.TaskGroup):
            yield getattr(one, "_parent_task", None)
        elif isinstance(one, asyncio.Queue):
            yield from getattr(one, "_getters", ())
        elif isinstance(one, _AS_COMPLETED):
            yield from getattr(getattr(one, "_done", None), "_getters", ())


def _suspended_at(link: Any) -> str | None:
    """Return the innermost line of the project at which a coroutine stands still."""
    place = None
    for _ in range(200):
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(link, f"{kind}_frame")), None)
        frame = None if kind is None else getattr(link, f"{kind}_frame")
        inner = None
        if frame is not None:
            inner = getattr(link, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
            if _kind(frame.f_code.co_filename) == "project":
                place = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                if inner is None:
                    break
        if inner is None:
            # What ``__await__`` gives, and what of ours goes on after a first step, does not tell what it goes through.
            held = [one for one in gc.get_referents(link) if not isinstance(one, type)]
            # The class is asked: what a function holds may do something when it is.
            inner = next((one for one in held if hasattr(type(one), "send") or hasattr(type(one), "ag_frame")), None)
        link = inner
        if link is None:
            break
    return place
