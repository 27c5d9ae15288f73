"""``Library``: what an app's ``jinja.py`` offers to all templates of the project."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, overload

from covet import concurrency
from covet.exceptions import ImproperlyConfigured

__all__ = ["Library"]

F = TypeVar("F", bound=Callable[..., Any])


class Library:
    """Filters, tests and functions for templates, sync or async.

    ```python
    # blog/jinja.py
    from covet.templates import Library

    register = Library()


    @register.filter
    def initials(name: str) -> str:
        return "".join(word[0] for word in name.split())
    ```

    Attributes:
        filters: By name: ``{{ name|initials }}``.
        tests: By name: ``{% if number is prime %}``.
        functions: By name: ``{{ newest(3) }}``.
        extensions: Jinja2 extensions.
    """

    def __init__(self) -> None:
        self.filters: dict[str, Callable[..., Any]] = {}
        self.tests: dict[str, Callable[..., Any]] = {}
        self.functions: dict[str, Callable[..., Any]] = {}
        self.extensions: list[Any] = []

    @overload
    def filter(self, function: F, *, name: str | None = None) -> F: ...
    @overload
    def filter(self, function: None = None, *, name: str | None = None) -> Callable[[F], F]: ...
    def filter(self, function: Any = None, *, name: str | None = None) -> Any:
        """Add a filter: ``@register.filter``, or ``@register.filter(name="short")``."""
        return self._add(self.filters, function, name)

    @overload
    def test(self, function: F, *, name: str | None = None) -> F: ...
    @overload
    def test(self, function: None = None, *, name: str | None = None) -> Callable[[F], F]: ...
    def test(self, function: Any = None, *, name: str | None = None) -> Any:
        """Add a test, for ``is``."""
        return self._add(self.tests, function, name)

    @overload
    def function(self, function: F, *, name: str | None = None) -> F: ...
    @overload
    def function(self, function: None = None, *, name: str | None = None) -> Callable[[F], F]: ...
    def function(self, function: Any = None, *, name: str | None = None) -> Any:
        """Add a function that every template can call."""
        return self._add(self.functions, function, name)

    def extension(self, extension: Any) -> Any:
        """Add a Jinja2 extension: its class, or its dotted path."""
        self.extensions.append(extension)
        return extension

    def _add(self, kept: dict[str, Callable[..., Any]], function: Any, name: str | None) -> Any:
        if function is None:
            return lambda found: self._add(kept, found, name)
        if not callable(function):
            raise ImproperlyConfigured(f"A Library takes functions, not {function!r}.")
        kept[name or function.__name__] = function
        return function


def for_plain(function: Callable[..., Any], must_wait: type[BaseException]) -> Callable[..., Any]:
    """Return a filter or test for templates that cannot wait: one that is async sends them to those that can."""
    if not concurrency.is_async(function):
        return function

    @functools.wraps(function)
    def wait(*args: Any, **kwargs: Any) -> Any:
        raise must_wait

    return wait


def for_waiting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter or test for templates that wait: one that is not async runs in a thread, since it may block."""
    if concurrency.is_async(function):
        return function

    @functools.wraps(function)
    async def in_thread(*args: Any, **kwargs: Any) -> Any:
        return await concurrency.to_thread(function, *args, **kwargs)

    return in_thread
