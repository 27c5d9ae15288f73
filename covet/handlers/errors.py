"""Any exception to a response: a page for people, a problem document for machines; logged once, here.

What the client gets is decided by its ``Accept`` header alone, so both kinds of reader see the same status.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from covet.concurrency import is_async, maybe_await, to_thread
from covet.exceptions import SuspiciousOperation
from covet.http.errors import ClientDisconnected, HTTPException
from covet.http.exception_handlers import Handlers, find_handler, handled
from covet.http.foreign import explain
from covet.http.request import Request
from covet.http.response import ProblemResponse, Response
from covet.loading import late_module
from covet.problems import Problem, problem_for
from covet.signals import got_request_exception
from covet.urls.error_views import ErrorViews, arguments

if TYPE_CHECKING:
    from covet.views import defaults
else:
    defaults = late_module(__name__, "covet.views.defaults")

__all__ = ["ErrorResponder"]

logger = logging.getLogger("covet.request")
security_logger = logging.getLogger("covet.security")

Report: TypeAlias = Callable[[Request, Exception], None]
Page: TypeAlias = Callable[[Request, Problem], Awaitable[Response]]


class ErrorResponder:
    """Turns exceptions into responses.

    Args:
        debug: Show code, values and statements to people, and the exception's text to machines.
        page: Makes the page for people in production; ``None`` for the templates by status, or a plain one.
        handlers: The project's own answers, by exception.
        views: The project's own pages for people, by status; with ``debug`` ours tell more.
        sender: Who ``got_request_exception`` comes from.
    """

    def __init__(
        self,
        *,
        debug: bool = False,
        page: Page | None = None,
        handlers: Handlers | None = None,
        sender: type | None = None,
        views: ErrorViews | None = None,
    ) -> None:
        self.debug = debug
        self.page = page
        self.sender = sender
        self.views: ErrorViews = {} if views is None else views
        self.handlers: Handlers = {} if handlers is None else handlers

    async def __call__(self, request: Request, error: Exception) -> Response:
        """Return the response for an exception; logs it, and never raises."""
        if self.handlers:
            own = await self._own(request, error)
            if own is not None:
                return own
        problem = self._problem(error)
        request.discard_background()
        if isinstance(error, ClientDisconnected):
            # Nobody reads this answer; the status only shows in logs.
            return Response(b"", 400)
        self._log(request, error, problem)
        if problem.status >= 500 and not isinstance(error, HTTPException):
            sink = request.extension("covet.exceptions")
            if sink is not None:
                sink.append(error)
            await got_request_exception.send_robust(self.sender, request=request, exception=error)
        if request.request_id is not None:
            problem.extra = {**problem.extra, "request_id": request.request_id}
        if not request.accepts_html:
            response: Response = ProblemResponse(problem)
        else:
            response = await self._page(request, error, problem)
        for name, value in problem.headers.items():
            response.headers[name] = value
        return response

    def _problem(self, error: Exception) -> Problem:
        """Return what is told of an exception; a plain 500 of one that cannot say it itself."""
        try:
            explain(error)
            return problem_for(error, self.debug)
        except Exception:
            logger.exception("What %s says could not be made", type(error).__name__)
            return Problem(500, detail="The server could not answer this request.")

    async def _own(self, request: Request, error: Exception) -> Response | None:
        """Return what the project's handler answers, if it has one for this."""
        handler = find_handler(self.handlers, error)
        if handler is None or isinstance(error, ClientDisconnected):
            return None
        request.discard_background()
        try:
            return await handled(handler, request, error)
        except Exception:
            # The first error is answered as usual; this one is a fault of the handler's.
            logger.exception("The exception handler for %s failed", type(error).__name__)
            return None

    async def _page(self, request: Request, error: Exception, problem: Problem) -> Response:
        try:
            if self.debug and problem.status >= 500 and not isinstance(error, HTTPException):
                from covet.views.debug import debug_page  # a page that production never shows

                return await debug_page(request, error)
            if self.debug and isinstance(error, SuspiciousOperation):
                return defaults.plain_page(problem, request.request_id, said=str(error))
            if self.debug and problem.status == 404:
                from covet.views.debug import not_found_page

                return not_found_page(request, problem)
            view = self.views.get(problem.status)
            if view is not None:
                return await _own_page(view, request, error, problem.status)
            return await (self.page or defaults.error_page)(request, problem)
        except Exception:
            # A broken error template must not take the answer with it.
            logger.exception("The error page for %s could not be made", request.path)
            return ProblemResponse(problem)

    def _log(self, request: Request, error: Exception, problem: Problem) -> None:
        if problem.status >= 500:
            level = logging.WARNING if isinstance(error, HTTPException) else logging.ERROR
            logger.log(
                level,
                "%s %s answered with %d",
                request.method,
                request.path,
                problem.status,
                exc_info=error,
                extra={"status": problem.status},
            )
        elif isinstance(error, SuspiciousOperation):
            security_logger.warning("%s %s refused: %s", request.method, request.path, error)
        elif logger.isEnabledFor(logging.DEBUG):
            # One line for each 404 of a crawler is what peers spend much of their time on.
            logger.debug("%s %s answered with %d: %s", request.method, request.path, problem.status, problem.detail)


async def _own_page(view: Callable[..., Any], request: Request, error: Exception, status: int) -> Response:
    given = arguments(status, request, error)
    answer = await maybe_await(view(*given) if is_async(view) else await to_thread(view, *given))
    if not isinstance(answer, Response):
        raise TypeError(f"The view of handler{status} returned {type(answer).__name__} instead of a Response.")
    if answer.must_render:
        await answer.render()
    return answer
