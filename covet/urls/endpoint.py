"""A view compiled to the one shape that the handler calls: ``async (request, params) -> response``.

What a view is (async, sync, an object with its own endpoint) is asked here, once, and never again per request.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from types import FunctionType
from typing import Any, TypeAlias, TypeVar

from covet.concurrency import is_async, maybe_await, to_thread
from covet.http.request import Request

__all__ = ["Endpoint", "compile_endpoint", "marked", "view_name"]

V = TypeVar("V")

Endpoint: TypeAlias = Callable[[Request, dict[str, Any]], Awaitable[Any]]


def compile_endpoint(view: Any) -> Endpoint:
    """Return the endpoint of a view; a sync view runs in a thread, with the request's context."""
    own = getattr(view, "covet_endpoint", None)
    if own is not None:
        endpoint: Endpoint = own
        return endpoint
    if is_async(view):

        def call(request: Request, params: dict[str, Any]) -> Any:
            # Not async: hands over the view's own coroutine, so this costs a call and no coroutine.
            return view(request, **params)

        return call

    async def call_in_thread(request: Request, params: dict[str, Any]) -> Any:
        answer = await to_thread(view, request, **params)
        # A plain function may still hand over a coroutine (functools.partial of one, a decorator that is not async).
        return await maybe_await(answer)

    return call_in_thread


def marked(view: V, **marks: Any) -> V:
    """Return a view with marks that layers look for.

    A function is copied, which costs nothing at a call, so that the same view in another route has none of the marks:
    ``path("hook/", csrf_exempt(receive))`` leaves ``path("form/", receive)`` as it is. Anything else is marked itself.
    """
    target: Any = view
    if isinstance(view, FunctionType):
        target = FunctionType(view.__code__, view.__globals__, view.__name__, view.__defaults__, view.__closure__)
        target.__kwdefaults__ = view.__kwdefaults__
        functools.update_wrapper(target, view)
        # Not a wrapper: what looks for the function inside would find the one without the marks.
        del target.__wrapped__
        if hasattr(view, "__wrapped__"):
            target.__wrapped__ = view.__wrapped__
    for name, value in marks.items():
        setattr(target, name, value)
    return target  # type: ignore[no-any-return]


def view_name(view: Any) -> str:
    """Return the dotted name of a view, for messages and ``manage.py routes``."""
    view = getattr(view, "view_class", view)
    module = getattr(view, "__module__", type(view).__module__)
    name = getattr(view, "__qualname__", None) or getattr(view, "__name__", None) or type(view).__qualname__
    return f"{module}.{name}"
