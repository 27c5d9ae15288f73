"""Exception handlers of a project: which function answers an error in the place of the usual answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from covet.concurrency import maybe_await
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.http.response import ProblemResponse, Response
from covet.loading import import_string
from covet.problems import Problem

__all__ = ["ExceptionHandler", "Handlers", "find_handler", "handled", "project_handlers"]

ExceptionHandler: TypeAlias = "Callable[[Request, Any], Response | Problem | Awaitable[Response | Problem]]"
Handlers: TypeAlias = "Mapping[type[BaseException], ExceptionHandler]"


def project_handlers() -> dict[type[BaseException], ExceptionHandler]:
    """Return ``EXCEPTION_HANDLERS`` with its dotted names imported.

    Raises:
        ImproperlyConfigured: A key is no exception, or a value cannot be called.
    """
    made: dict[type[BaseException], ExceptionHandler] = {}
    for kind, handler in settings.EXCEPTION_HANDLERS.items():
        found = import_string(kind) if isinstance(kind, str) else kind
        call = import_string(handler) if isinstance(handler, str) else handler
        if not (isinstance(found, type) and issubclass(found, Exception)) or not callable(call):
            raise ImproperlyConfigured(
                f"EXCEPTION_HANDLERS: {kind!r}: {handler!r} is no exception class and function. Write both as dotted names."
            )
        made[found] = call
    return made


def find_handler(handlers: Handlers, error: BaseException) -> ExceptionHandler | None:
    """Return the handler of the nearest class of an error, or None."""
    for kind in type(error).__mro__:
        found = handlers.get(kind)
        if found is not None:
            return found
    return None


async def handled(handler: ExceptionHandler, request: Request, error: BaseException) -> Response:
    """Return what a handler answers; a problem becomes a problem document with the request's id.

    Raises:
        TypeError: It returns neither a response nor a problem.
    """
    answer = await maybe_await(handler(request, error))
    if isinstance(answer, Problem):
        if request.request_id is not None:
            answer.extra = {**answer.extra, "request_id": request.request_id}
        return ProblemResponse(answer)
    if not isinstance(answer, Response):
        name = getattr(handler, "__qualname__", handler)
        raise TypeError(f"The exception handler {name} returned {answer!r:.80}; return a Response or a Problem.")
    if answer.must_render:
        await answer.render()
    return answer
