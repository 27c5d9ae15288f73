"""A view compiled to the one shape that the handler calls: ``async (request, params) -> response``.

What a view is (async, sync, an object with its own endpoint) is asked here, once, and never again per request.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from types import FunctionType
from typing import Any, TypeAlias, TypeVar

from covet.concurrency import is_async, maybe_await, to_thread
from covet.http.request import Request
from covet.http.response import Response

__all__ = [
    "Answer",
    "Endpoint",
    "OnError",
    "Write",
    "answering",
    "compile_endpoint",
    "decorated_by",
    "marked",
    "not_a_response",
    "peeled",
    "view_name",
]

V = TypeVar("V")

Endpoint: TypeAlias = Callable[[Request, dict[str, Any]], Awaitable[Any]]
OnError: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]
Decorator: TypeAlias = Callable[[Any], Any]
Answer: TypeAlias = Callable[[Request, dict[str, Any], OnError], Awaitable[Response]]
Write: TypeAlias = Callable[[Request, dict[str, Any], OnError, bool], Awaitable[Response | bytes]]


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


def answering(endpoint: Endpoint, view: Any) -> Answer:
    """Return ``async (request, params, on_error) -> response``: an endpoint that raises no ``Exception``.

    An endpoint that was written for its route may do that itself, in the same function; it says so by ``takes_on_error``.
    """
    if getattr(endpoint, "takes_on_error", False):
        own: Any = endpoint
        return own  # type: ignore[no-any-return]

    async def answer(request: Request, params: dict[str, Any], on_error: OnError) -> Response:
        try:
            response = await endpoint(request, params)
            if isinstance(response, Response):
                return await response.render() if response.must_render else response
            raise not_a_response(response, view)
        except Exception as error:
            return await on_error(request, error)

    return answer


def not_a_response(value: Any, view: Any) -> TypeError:
    """Return the error for a view that gave something else."""
    if value is None:
        return TypeError(f"The view {view_name(view)} returned None. Return a Response on every path through it.")
    if inspect.iscoroutine(value):
        value.close()  # so that Python need not warn of it, too
        return TypeError(
            f"The view {view_name(view)} returned what {value.__qualname__}() gives and did not await it. Write return await …."
        )
    return TypeError(
        f"The view {view_name(view)} returned {type(value).__name__} instead of a Response. "
        "Write JSONResponse(value), HTMLResponse(text) or Response(bytes)."
    )


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


def decorated_by(decorator: Decorator, view: Any, decorated: V) -> V:
    """Return a decorated view that remembers what stands round what, so that ``peeled`` can take it apart.

    A decorator changes the response of its view. A handler of ``covet.rest`` returns a value, of which the endpoint makes a
    response later: there the decorator is put round the endpoint, and the handler is called as it was written.
    """
    decorated.__covet_decorated__ = (decorator, view)  # type: ignore[attr-defined]  # a mark on the function
    return decorated


def peeled(handler: Callable[..., Any]) -> tuple[Callable[..., Any], list[Decorator]]:
    """Return a handler without the decorators that remember it, and these, the outermost first."""
    decorators: list[Decorator] = []
    owner = getattr(handler, "__self__", None)
    function: Any = handler if owner is None else getattr(handler, "__func__", handler)
    found = getattr(function, "__covet_decorated__", None)
    # functools.wraps copies marks: one of another decorator's function is none of its own.
    while found is not None and found[1] is getattr(function, "__wrapped__", None):
        decorators.append(found[0])
        function = found[1]
        found = getattr(function, "__covet_decorated__", None)
    if not decorators:
        return handler, decorators
    return (function if owner is None else function.__get__(owner)), decorators


def view_name(view: Any) -> str:
    """Return the dotted name of a view, for messages and ``manage.py routes``."""
    view = getattr(view, "view_class", view)
    module = getattr(view, "__module__", type(view).__module__)
    name = getattr(view, "__qualname__", None) or getattr(view, "__name__", None) or type(view).__qualname__
    return f"{module}.{name}"
