"""Threads beside the event loop: ``to_thread`` for what blocks, ``run_sync`` for the way back.

Sync code that runs in a thread of ours calls ``run_sync(coro)`` to wait for a coroutine on the loop it came from, with
the request's context. Threads come from bounded pools, one for each depth of thread → loop → thread: a thread that
waits in ``run_sync`` can never starve the thread it waits for.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

__all__ = [
    "THREADS",
    "Verdict",
    "hands_over",
    "is_async",
    "maybe_await",
    "run_sync",
    "serving_loop",
    "signature",
    "to_thread",
    "told",
    "unawaited",
    "verdict",
]

P = ParamSpec("P")
T = TypeVar("T")
Called = TypeVar("Called", bound=Callable[..., Any])

THREADS = min(32, (os.cpu_count() or 1) + 4)
"""How many threads a pool has at most."""

_loop: contextvars.ContextVar[asyncio.AbstractEventLoop | None] = contextvars.ContextVar("covet_loop", default=None)
_depth: contextvars.ContextVar[int] = contextvars.ContextVar("covet_thread_depth", default=0)


class _Pools:
    """The thread pools of this process, by depth, made when they are first used; a forked child makes its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_depth: dict[int, ThreadPoolExecutor] = {}
        self.serving: asyncio.AbstractEventLoop | None = None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget)

    def at(self, depth: int) -> ThreadPoolExecutor:
        pool = self._by_depth.get(depth)
        if pool is None:
            with self._lock:
                pool = self._by_depth.setdefault(
                    depth, ThreadPoolExecutor(THREADS, thread_name_prefix=f"covet-{depth}")
                )
        return pool

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._by_depth = {}
        self.serving = None


_pools = _Pools()


async def to_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call ``function`` in a thread of the pool and return its result.

    The thread sees a copy of the caller's context, and ``run_sync`` inside it finds the way back to this loop.
    """
    loop = asyncio.get_running_loop()
    depth = _depth.get()
    context = contextvars.copy_context()
    context.run(_loop.set, loop)
    context.run(_depth.set, depth + 1)
    return await loop.run_in_executor(_pools.at(depth), lambda: context.run(function, *args, **kwargs))


def run_sync(awaitable: Awaitable[T]) -> T:
    """Run a coroutine, a queryset or anything else that is awaited on the event loop that serves; return its result.

    Called from sync code in a thread. What is awaited runs with a copy of this thread's context, so it joins the request's transaction, language and user.

    Raises:
        RuntimeError: Called on the loop's own thread (write ``await`` there), or no loop is running.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        called = unawaited(awaitable)
        what = type(awaitable).__name__ if called is None else f"{called}(…)"
        raise RuntimeError(
            f"run_sync({what}) was called on the event loop's own thread, where it would wait for itself. "
            f"Write `await {what}` in an async function instead."
        )
    loop = _loop.get() or _pools.serving
    if loop is None or loop.is_closed() or not loop.is_running():
        unawaited(awaitable)  # ended, so that Python does not warn of it as well
        raise RuntimeError(
            "run_sync() found no running event loop. Call it from a sync view, command, receiver or template function; "
            "in a script write covet.run(coroutine), in a test that is not async ask for the fixture db; fixtures are async."
        )
    coroutine = awaitable if isinstance(awaitable, Coroutine) else _awaited(awaitable)
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result()


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


class serving_loop:
    """Make the running loop the one that ``run_sync`` uses in threads that were not started by ``to_thread``."""

    def __enter__(self) -> None:
        self._before = _pools.serving
        _pools.serving = asyncio.get_running_loop()

    def __exit__(self, *_: object) -> None:
        _pools.serving = self._before


async def maybe_await(value: Awaitable[T] | T) -> T:
    """Return the value; an awaitable is awaited first. For hooks that may be sync or async.

    Only coroutines and futures count: a model instance is awaitable and still a value here.
    """
    if inspect.iscoroutine(value) or asyncio.isfuture(value) or value.__class__ is Verdict:
        return cast(T, await value)
    return cast(T, value)


class Verdict(Coroutine[Any, Any, bool]):
    """A yes or no that is still to be awaited, and cannot be taken for a yes before.

    A coroutine is true: ``if user.has_perm(…)`` without ``await`` would let everybody in.
    """

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, bool]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, bool]:
        return self._coroutine.__await__()

    def __bool__(self) -> bool:
        self._coroutine.close()  # so that Python need not warn of it, too
        raise TypeError(f"{self.asked}() was not awaited, so there is no answer yet. Write await before the call.")

    @property
    def asked(self) -> str:
        """The name of the function that was called."""
        return str(getattr(self._coroutine, "__name__", self._coroutine))

    def send(self, value: Any, /) -> Any:
        """Go on, as a task does."""
        return self._coroutine.send(value)

    def throw(self, kind: Any, value: Any = None, traceback: TracebackType | None = None, /) -> Any:
        """Raise an error where the coroutine waits."""
        # With one argument, as the others are deprecated: a class alone is raised as Python does it.
        return self._coroutine.throw(kind if value is None else value)

    def close(self) -> None:
        """End it."""
        self._coroutine.close()


def verdict(function: Callable[P, Coroutine[Any, Any, bool]]) -> Callable[P, Coroutine[Any, Any, bool]]:
    """Let an async function that answers yes or no give a ``Verdict``; for what guards something."""

    @wraps(function)
    def ask(*args: P.args, **kwargs: P.kwargs) -> Verdict:
        return Verdict(function(*args, **kwargs))

    return ask


def unawaited(value: Any) -> str | None:
    """Return the name of the async function whose answer this is, before it was awaited, and end it; None for all else."""
    if not (inspect.iscoroutine(value) or isinstance(value, Verdict)):
        return None
    value.close()  # so that Python need not warn of it, too
    return value.asked if isinstance(value, Verdict) else value.__qualname__


def told(value: Any) -> str:
    """Return what an error says of a value: its ``repr``, or of a call that nobody awaited (and is ended) what to write."""
    called = unawaited(value)
    return repr(value) if called is None else f"the coroutine of {called}(): write 'await' before the call"


def is_async(function: Any) -> bool:
    """Tell whether calling ``function`` gives a coroutine: async functions, partials and objects with async ``__call__``."""
    while hasattr(function, "func") and not inspect.isfunction(function) and not inspect.ismethod(function):
        function = function.func
    return _gives_coroutine(function) or (
        not inspect.isclass(function) and _gives_coroutine(getattr(function, "__call__", None))  # noqa: B004
    )


def signature(function: Callable[..., Any], *, follow_wrapped: bool = True) -> inspect.Signature:
    """Return what a function takes, whatever its annotations name.

    From Python 3.14 on an annotation is read when somebody asks for it, and one that names what only type checkers import
    would be a NameError for those who ask for the arguments alone.
    """
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.signature(function, follow_wrapped=follow_wrapped, annotation_format=Format.FORWARDREF)
    return inspect.signature(function, follow_wrapped=follow_wrapped)


def hands_over(function: Called) -> Called:
    """Mark a function that is not async and returns the coroutine of another: as good as async, and a coroutine less."""
    function.hands_over = True  # type: ignore[attr-defined]  # a mark on the function
    return function


def _gives_coroutine(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or getattr(function, "hands_over", False) is True
