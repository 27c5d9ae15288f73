"""Dependencies that the whole application shares: made when one is first asked for, torn down when the server stops."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from functools import partial
from typing import Any, cast, get_origin
from weakref import WeakKeyDictionary

from covet.apps import apps
from covet.apps.registry import Apps
from covet.concurrency import is_async, to_thread
from covet.exceptions import ImproperlyConfigured

__all__ = ["Shared", "as_context", "check_entered", "enter", "is_generator", "shared_of", "shared_value", "yields"]


def is_generator(function: Any) -> bool:
    """Return whether a function yields."""
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def yields(function: Any) -> bool:
    """Return whether a dependency yields: a generator function, decorated or not, or an object whose ``__call__`` is one.

    ``contextmanager`` and ``asynccontextmanager`` are among the decorators: what they made is entered as it is.
    """
    if is_generator(function):
        return True
    called = _bare(function)
    if not (inspect.isroutine(called) or inspect.isclass(called)):
        called = getattr(called, "__call__", called)  # noqa: B004  the method itself is wanted
    return not is_async(called) and is_generator(inspect.unwrap(called))


def check_entered(function: Any, kind: Any, where: str) -> None:
    """Refuse an argument that wants the manager itself of what ``contextmanager`` made, since that is entered.

    Args:
        function: The dependency.
        kind: The argument's type.
        where: The argument, for messages.

    Raises:
        ImproperlyConfigured: It does.
    """
    if (get_origin(kind) or kind) not in (AbstractAsyncContextManager, AbstractContextManager):
        return
    if _makes_manager(function):
        given = getattr(function, "__qualname__", "function")
        raise ImproperlyConfigured(
            f"{where} wants a context manager, and Depends({given}) enters it and gives what it yields. Annotate it with that; "
            f"for the manager itself write Depends(lambda: {given}())."
        )


def as_context(function: Any) -> Callable[..., Any]:
    """Return a function that yields once as a context manager, or as what ``enter`` makes one of."""
    if inspect.isasyncgenfunction(function):
        return asynccontextmanager(function)
    if inspect.isgeneratorfunction(function):
        return contextmanager(function)
    if _makes_manager(function) or is_generator(getattr(_bare(function), "__call__", None)):  # noqa: B004
        return cast("Callable[..., Any]", function)
    # A decorated one gives a generator, or a manager: calling it tells. What decorates it may run it there and then.
    return partial(_Uncalled, function)


class _Uncalled:
    """A sync function that decorates one which yields: like each sync function it is called in a thread."""

    __slots__ = ("call",)

    def __init__(self, function: Any, /, *given: Any, **named: Any) -> None:
        self.call = partial(function, *given, **named)


def _makes_manager(function: Any) -> bool:
    """Return whether ``contextmanager`` or ``asynccontextmanager`` made a function."""
    # Whatever either makes has one code.
    made = contextmanager(cast("Any", yields)), asynccontextmanager(cast("Any", yields))
    return getattr(_bare(function), "__code__", None) in [one.__code__ for one in made]


async def enter(stack: AsyncExitStack, manager: Any) -> Any:
    """Enter a dependency that yields; a sync one runs in a thread, before and after.

    Raises:
        ImproperlyConfigured: It yields no value, or more than one.
    """
    if type(manager) is _Uncalled:
        manager = await to_thread(manager.call)
    if not hasattr(manager, "__aenter__"):
        if not (hasattr(manager, "__enter__") or inspect.isgenerator(manager) or inspect.isasyncgen(manager)):
            return manager  # what decorates the generator function has taken its values, and made this of them
        manager = _made(manager)
    try:
        value = await manager.__aenter__()
    except RuntimeError as error:
        if (told := _named(error, manager)) is None:
            raise
        raise told from error
    # What ``enter_async_context`` does, by a call less: that one goes to naming what does not end.
    stack.push_async_exit(_Entered(manager))
    return value


class _Entered(AbstractAsyncContextManager[Any, "bool | None"]):
    """A dependency that was entered."""

    __slots__ = ("_manager",)

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    async def __aexit__(self, *raised: Any) -> bool | None:
        try:
            left: bool | None = await self._manager.__aexit__(*raised)
        except RuntimeError as error:
            if (told := _named(error, self._manager)) is None:
                raise
            raise told from error
        return left


class _InThread:
    """A sync context manager that is entered and left in a thread."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self.gen = getattr(manager, "gen", None)

    async def __aenter__(self) -> Any:
        return await to_thread(self._manager.__enter__)

    async def __aexit__(self, *raised: Any) -> bool | None:
        return await to_thread(self._manager.__exit__, *raised)


def _made(made: Any) -> Any:
    """Return what a dependency gave when it was called as an async context manager."""
    if inspect.isasyncgen(made):
        return asynccontextmanager(lambda: made)()
    return _InThread(contextmanager(lambda: made)() if inspect.isgenerator(made) else made)


def _bare(function: Any) -> Any:
    """Return the function below what ``partial`` gave it."""
    while isinstance(function, partial):
        function = function.func
    return function


def _named(error: RuntimeError, manager: Any) -> ImproperlyConfigured | None:
    """Return what to raise for contextlib's own error, which says neither of which dependency it is nor what to do."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    generator = getattr(manager, "gen", None)
    if generator is None or trace is None or trace.tb_frame.f_code.co_filename != contextlib.__file__:
        return None
    code = generator.ag_code if inspect.isasyncgen(generator) else generator.gi_code
    which = f"The dependency {generator.__qualname__} ({code.co_filename}, line {code.co_firstlineno})"
    if trace.tb_frame.f_code.co_name in ("__enter__", "__aenter__"):
        return ImproperlyConfigured(
            f"{which} ended without a yield, so there is no value. Yield one on every way through it, or raise an error."
        )
    return ImproperlyConfigured(
        f"{which} yields more than once. Yield its value once: what follows the yield runs when the answer has been made. "
        "To give several values, yield a list; end an except block with raise or return, not with another yield."
    )


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
        if yields(function):
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
