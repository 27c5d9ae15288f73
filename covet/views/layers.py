"""Middleware for one view: a layer as a decorator, for projects that do not want it round all of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, cast

from covet.concurrency import is_async, maybe_await, to_thread
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.compression import CompressionMiddleware
from covet.middleware.conditional import ConditionalGetMiddleware
from covet.middleware.csp import policy_for
from covet.middleware.csrf import CsrfMiddleware, csrf_exempt, get_token
from covet.urls.endpoint import decorated_by

__all__ = [
    "conditional_page",
    "csp_override",
    "csp_report_only_override",
    "csrf_protect",
    "decorator_from_middleware",
    "ensure_csrf_cookie",
    "gzip_page",
    "requires_csrf_token",
]

View = Callable[..., Any]

# The arguments of the call that a layer, which is made once for its view, is about to answer.
_arguments: ContextVar[tuple[tuple[Any, ...], dict[str, Any]]] = ContextVar("covet_layer_arguments")


def decorator_from_middleware(
    factory: Callable[[Any], Any], *, asks_before: bool = True, before: Callable[[Request], Any] | None = None
) -> Callable[[View], View]:
    """Return a decorator that puts an async middleware round one view; ``process_view`` of it is asked first.

    A ``TemplateResponse`` is rendered before the layer sees it.

    Args:
        factory: The middleware.
        asks_before: Whether its ``process_view`` is asked.
        before: Called with the request at the start.
    """

    def decorate(view: View) -> View:
        in_thread = not is_async(view)

        async def answer(request: Request) -> Response:
            args, kwargs = _arguments.get()
            if in_thread:
                response = await maybe_await(await to_thread(view, request, *args, **kwargs))
            else:
                response = await view(request, *args, **kwargs)
            if getattr(response, "must_render", False):
                await response.render()
            return cast(Response, response)

        @functools.cache
        def layer() -> Any:
            # At the first request, since settings are not known where views are written.
            return factory(answer)

        @functools.wraps(view)
        async def layered(request: Request, *args: Any, **kwargs: Any) -> Any:
            if before is not None:
                before(request)
            middleware = layer()
            hook = getattr(middleware, "process_view", None) if asks_before else None
            if hook is not None:
                early = await hook(request, view, args, kwargs)
                if early is not None:
                    return early
            token = _arguments.set((args, kwargs))
            try:
                return await middleware(request)
            finally:
                _arguments.reset(token)

        return decorated_by(decorate, view, layered)

    return decorate


gzip_page = decorator_from_middleware(CompressionMiddleware)
"""Pack the answers of a view, by the encodings of ``COMPRESSION_ENCODINGS``."""

conditional_page = decorator_from_middleware(ConditionalGetMiddleware)
"""Give the answers of a view an ``ETag``, and 304 to who has them already."""

_protected = decorator_from_middleware(CsrfMiddleware)


def csrf_protect(view: View) -> View:
    """Check the CSRF token for one view, in a project without ``CsrfMiddleware``; with it, nothing is checked twice."""
    return csrf_exempt(_protected(view))


requires_csrf_token = decorator_from_middleware(CsrfMiddleware, asks_before=False)
"""Let a view show a CSRF token, and check none."""

ensure_csrf_cookie = decorator_from_middleware(CsrfMiddleware, asks_before=False, before=get_token)
"""Set the CSRF cookie with every answer of a view, for pages whose scripts send the token."""


def _policy(header: str, directives: Mapping[str, Any]) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        in_thread = not is_async(view)

        @functools.wraps(view)
        async def decorated(request: Request, *args: Any, **kwargs: Any) -> Any:
            if in_thread:
                response = await maybe_await(await to_thread(view, request, *args, **kwargs))
            else:
                response = await view(request, *args, **kwargs)
            # The nonce is known once the page is rendered; the middleware takes an empty policy away and adds none.
            if getattr(response, "must_render", False):
                response.add_post_render_callback(
                    lambda done: done.headers.update({header: policy_for(request, directives)})
                )
            elif isinstance(response, Response):
                response.headers[header] = policy_for(request, directives)
            return response

        return decorated_by(decorate, view, decorated)

    return decorate


def csp_override(directives: Mapping[str, Any]) -> Callable[[View], View]:
    """Send another ``Content-Security-Policy`` for a view than ``SECURE_CSP``; an empty one sends none."""
    return _policy("Content-Security-Policy", directives)


def csp_report_only_override(directives: Mapping[str, Any]) -> Callable[[View], View]:
    """Send another ``Content-Security-Policy-Report-Only`` for a view; an empty one sends none."""
    return _policy("Content-Security-Policy-Report-Only", directives)
