"""The first step of an awaitable, taken by hand; the twin of ``covet_rust/src/steps.rs``.

Who has to do something around whatever waits (note who is to be told that a client left, set a deadline) would do it for
every request, though most views and bodies are there without a wait. So these ask first::

    response = first_step(view(request))
    if type(response) is Waiting:
        response = await response
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Awaitable, Generator
from types import GeneratorType
from typing import Any, Generic, TypeVar, final

__all__ = ["Waiting", "first_step"]

Result = TypeVar("Result")


@final
class Waiting(Generic[Result]):
    """What is left of an awaitable whose first step is taken: awaiting it goes on, once."""

    __slots__ = ("_steps", "_waited")

    def __init__(self, steps: Generator[Any, Any, Result], waited: Any) -> None:
        self._steps = steps
        self._waited = waited

    def __await__(self) -> Generator[Any, Any, Result]:
        steps, waited = self._steps, self._waited
        while True:
            try:
                yield waited
            except BaseException as error:
                failure = error
            else:
                return (yield from steps)
            # What it waited for has failed, or its task is cancelled: once a wait has not, ``yield from`` tells it so. Told
            # outside of the ``except``, or what is raised later would have come "during the handling" of this.
            try:
                if not hasattr(steps, "throw"):
                    raise failure
                waited = steps.throw(failure)
            except StopIteration as ended:
                result: Result = ended.value
                return result
            finally:
                del failure


def first_step(awaitable: Awaitable[Result], /) -> Result | Waiting[Result]:
    """Take the first step of an awaitable: return its result, or a ``Waiting`` that is awaited for the rest.

    Raises:
        TypeError: ``await`` does not take it either.
    """
    try:
        steps = awaitable.__await__()
    except AttributeError as error:
        steps = _steps_of_generator(awaitable, error)
    try:
        waited = next(steps)
    except StopIteration as ended:
        result: Result = ended.value
        return result
    return Waiting(steps, waited)


def _steps_of_generator(awaitable: Any, error: AttributeError) -> Generator[Any, Any, Any]:
    """Return a generator that ``types.coroutine`` made awaitable, which has no ``__await__``; else raise what is wrong."""
    if isinstance(awaitable, GeneratorType) and awaitable.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE:
        return awaitable
    if hasattr(type(awaitable), "__await__"):
        raise error  # its own ``__await__`` failed
    name = type(awaitable).__name__
    raise TypeError(
        f"'{name}' object can't be awaited"
        if sys.version_info >= (3, 14)
        else f"object {name} can't be used in 'await' expression"
    ) from None
