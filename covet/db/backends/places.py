"""Where a statement or block was asked for: the line of the project's code that messages name."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

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

    Where only other rooms of ours are on the way, such as a middleware that loads a session, the nearest of them is named. A task that runs nothing but a call of ours, as ``gather(Article.objects.count())`` makes them, is named instead.
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
    return f"task '{task.get_name()}' ({getattr(coroutine, '__qualname__', coroutine)})"
