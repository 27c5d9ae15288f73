"""Dependencies that the whole application shares: made when one is first asked for, torn down when the server stops."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from covet.apps import apps
from covet.apps.registry import Apps
from covet.concurrency import is_async, to_thread

__all__ = ["Shared", "as_context", "enter", "is_generator", "shared_of", "shared_value"]


def is_generator(function: Any) -> bool:
    """Return whether a function yields."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def as_context(function: Any) -> Callable[..., Any]:
    """Return a function that yields once as a context manager."""
    if inspect.isasyncgenfunction(function):
        return asynccontextmanager(function)
    return contextmanager(function)


async def enter(stack: AsyncExitStack, manager: Any) -> Any:
    """Enter a dependency that yields; a sync one runs in a thread, before and after."""
    if hasattr(manager, "__aenter__"):
        return await stack.enter_async_context(manager)

    @asynccontextmanager
    async def in_thread() -> Any:
        value = await to_thread(manager.__enter__)
        try:
            yield value
        except BaseException as error:
            if not await to_thread(manager.__exit__, type(error), error, error.__traceback__):
                raise
        else:
            await to_thread(manager.__exit__, None, None, None)

    return await stack.enter_async_context(in_thread())


class Shared:
    """The values that one application shares, by the functions that made them."""

    def __init__(self) -> None:
        self._values: dict[Callable[..., Any], Any] = {}
        self._stack = AsyncExitStack()
        self._lock = asyncio.Lock()

    async def value(self, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Return what a function gives; it is called once, however many ask at the same time."""
        try:
            return self._values[function]
        except KeyError:
            pass
        async with self._lock:
            if function not in self._values:  # while this one waited, another may have made it
                self._values[function] = await self._make(function, arguments)
            return self._values[function]

    async def _make(self, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        if is_generator(function):
            return await enter(self._stack, as_context(function)(**arguments))
        if is_async(function):
            return await function(**arguments)
        if inspect.isclass(function):
            return function(**arguments)
        return await to_thread(function, **arguments)

    async def close(self) -> None:
        """Tear down what was made, the last one first."""
        self._values.clear()
        # One that somebody has waited for belongs to the loop of that moment; the next start may have another.
        self._lock = asyncio.Lock()
        stack, self._stack = self._stack, AsyncExitStack()
        await stack.aclose()


_shared: WeakKeyDictionary[Apps, Shared] = WeakKeyDictionary()


def shared_of(registry: Apps) -> Shared:
    """Return what an application shares."""
    found = _shared.get(registry)
    if found is None:
        found = _shared[registry] = Shared()
    return found


async def shared_value(function: Callable[..., Any], /, **arguments: Any) -> Any:
    """Return the value of a dependency that the application of the moment shares."""
    return await shared_of(apps.current()).value(function, arguments)
