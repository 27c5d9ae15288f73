"""``register_lookup``: look-ups and transforms for the length of a test."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, TypeVar, cast

__all__ = ["register_lookup"]

F = TypeVar("F", bound=Callable[..., Any])


class register_lookup:
    """Register look-ups and transforms inside a ``with`` block, or in the function, sync or async, that this decorates.

    What had one of the names before is there again afterwards.

    Args:
        owner: A class of field or of transform, or one field.
        lookups: The classes.
        lookup_name: The name, in place of the class's own.
    """

    def __init__(self, owner: Any, *lookups: Any, lookup_name: str | None = None) -> None:
        self._owner = owner
        self._lookups = lookups
        self._name = lookup_name
        self._stacks: list[ExitStack] = []

    def __enter__(self) -> None:
        owner = self._owner
        with ExitStack() as stack:
            for lookup in self._lookups:
                name = self._name or lookup.lookup_name
                before = owner.__dict__.get("class_lookups", {}).get(name)
                owner.register_lookup(lookup, name)
                if before is None:
                    stack.callback(owner.unregister_lookup, lookup, name)
                else:
                    stack.callback(owner.register_lookup, before, name)
            self._stacks.append(stack.pop_all())

    def __exit__(self, *raised: object) -> None:
        self._stacks.pop().close()

    def __call__(self, function: F) -> F:
        """Run the decorated function with the look-ups."""
        if inspect.iscoroutinefunction(function):
            call_async = cast("Callable[..., Awaitable[Any]]", function)

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await call_async(*args, **kwargs)

            return cast(F, run_async)

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return cast(F, run)
