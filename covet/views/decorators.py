"""Decorators for views: which methods, how long a browser may keep an answer, what is hidden from error pages."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from covet.concurrency import is_async, maybe_await, to_thread
from covet.http.errors import MethodNotAllowed
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.csrf import csrf_exempt
from covet.middleware.skipping import without_middleware
from covet.urls.endpoint import decorated_by, marked
from covet.views.conditions import condition, etag, last_modified
from covet.views.layers import (
    conditional_page,
    csp_override,
    csp_report_only_override,
    csrf_protect,
    decorator_from_middleware,
    ensure_csrf_cookie,
    gzip_page,
    requires_csrf_token,
)
from covet.views.sensitive import SENSITIVE

__all__ = [
    "cache_control",
    "condition",
    "conditional_page",
    "csp_override",
    "csp_report_only_override",
    "csrf_exempt",
    "csrf_protect",
    "decorator_from_middleware",
    "ensure_csrf_cookie",
    "etag",
    "gzip_page",
    "last_modified",
    "method_decorator",
    "never_cache",
    "no_append_slash",
    "require_GET",
    "require_POST",
    "require_http_methods",
    "require_safe",
    "requires_csrf_token",
    "sensitive_post_parameters",
    "sensitive_variables",
    "vary_on_cookie",
    "vary_on_headers",
    "without_middleware",
    "xframe_options_deny",
    "xframe_options_exempt",
    "xframe_options_sameorigin",
]

F = TypeVar("F", bound=Callable[..., Any])


def _around(
    before: Callable[[Request], None] | None, after: Callable[[Response], None] | None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that looks at the request before a view, and changes the response after it."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        in_thread = not is_async(view)

        @functools.wraps(view)
        async def decorated(request: Request, *args: Any, **kwargs: Any) -> Any:
            if before is not None:
                before(request)
            if in_thread:
                response = await maybe_await(await to_thread(view, request, *args, **kwargs))
            else:
                response = await view(request, *args, **kwargs)
            if after is not None and isinstance(response, Response):
                after(response)
            return response

        return decorated_by(decorate, view, decorated)

    return decorate


def require_http_methods(methods: Iterable[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Answer other methods with 405; ``path(…, methods=[…])`` says the same in the URLs."""
    allowed = frozenset(method.upper() for method in methods)

    def check(request: Request) -> None:
        if request.method not in allowed:
            raise MethodNotAllowed(allowed)

    return _around(check, None)


require_GET = require_http_methods(["GET"])
require_POST = require_http_methods(["POST"])
require_safe = require_http_methods(["GET", "HEAD"])


def cache_control(**directives: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Set ``Cache-Control``: ``@cache_control(max_age=60, private=True)``."""
    parts = []
    for name, value in directives.items():
        if value is False or value is None:
            continue
        word = name.replace("_", "-")
        parts.append(word if value is True else f"{word}={value}")
    text = ", ".join(parts)

    def change(response: Response) -> None:
        response.headers["Cache-Control"] = text

    return _around(None, change)


def never_cache(view: Callable[..., Any]) -> Callable[..., Any]:
    """Forbid every cache to keep the answer."""
    return cache_control(max_age=0, no_cache=True, no_store=True, must_revalidate=True, private=True)(view)


def vary_on_headers(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Tell caches that the answer depends on these request headers."""
    return _around(None, lambda response: response.headers.add_vary(*names))


vary_on_cookie = vary_on_headers("Cookie")


def _frame_options(value: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def change(response: Response) -> None:
        response.headers.setdefault("X-Frame-Options", value)

    return _around(None, change)


xframe_options_deny = _frame_options("DENY")
xframe_options_sameorigin = _frame_options("SAMEORIGIN")


def xframe_options_exempt(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let other sites frame this page; SecurityMiddleware sends no ``X-Frame-Options`` for it."""

    def change(response: Response) -> None:
        # SecurityMiddleware takes an empty one away and adds none.
        response.headers["X-Frame-Options"] = ""

    return _around(None, change)(view)


def no_append_slash(view: F) -> F:
    """Answer 404 where the slash at the end of this view's address was forgotten, in place of a redirect."""
    return marked(view, should_append_slash=False)


def sensitive_post_parameters(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Hide fields of forms and JSON bodies of this view from the debug page; without names, all of them."""

    def mark(request: Request) -> None:
        request.state.sensitive_parameters = frozenset(names)

    return _around(mark, None)


def sensitive_variables(*names: str) -> Callable[[F], F]:
    """Hide local values of this function from the debug page and error reports; without names, all of them."""
    hidden = frozenset(names)

    def decorate(function: F) -> F:
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None:
            raise TypeError(f"sensitive_variables() is for functions, and {function!r} is none.")
        known = SENSITIVE.get(code, hidden)
        # One code may stand behind several functions, made anew each with other names: what one of them hides, all do.
        SENSITIVE[code] = hidden | known if hidden and known else frozenset()
        return function

    return decorate


def method_decorator(decorator: Any, name: str | None = None) -> Callable[[Any], Any]:
    """Use a decorator for views on a method of a class-based view, or on a class with the method's name."""

    def decorate(target: Any) -> Any:
        if isinstance(target, type):
            method = name or "dispatch"
            setattr(target, method, _on_method(decorator, getattr(target, method)))
            return target
        return _on_method(decorator, target)

    return decorate


def _on_method(decorator: Any, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def decorated(self: Any, *args: Any, **kwargs: Any) -> Any:
        if is_async(method):

            async def bound(*inner: Any, **options: Any) -> Any:
                return await method(self, *inner, **options)
        else:

            async def bound(*inner: Any, **options: Any) -> Any:
                return await maybe_await(await to_thread(method, self, *inner, **options))

        functools.update_wrapper(bound, method)
        return await maybe_await(decorator(bound)(*args, **kwargs))

    async def bare(*args: Any, **kwargs: Any) -> None:
        return None

    # What only marks a view (csrf_exempt, no_append_slash) must be seen without a call.
    marks = {name: value for name, value in vars(decorator(bare)).items() if name != "__wrapped__"}
    vars(decorated).update(marks)
    return decorated_by(decorator, method, decorated)
