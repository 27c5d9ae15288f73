"""The pages of errors in development: the project's own frames first, values with secrets masked, statements that ran."""

from __future__ import annotations

import platform
from functools import partial
from typing import Any

import covet
from covet.concurrency import to_thread
from covet.conf import settings
from covet.http.request import Request
from covet.http.response import Response
from covet.loading import import_string
from covet.problems import Problem
from covet.text import pluralize, suggest
from covet.views.debug_filter import SafeExceptionReporterFilter
from covet.views.debug_frames import ExceptionView, FrameView, mask_text, read_exception, safe_repr
from covet.views.page import escape, page

__all__ = ["ExceptionReporter", "SafeExceptionReporterFilter", "debug_page", "not_found_page"]


async def debug_page(request: Request, error: BaseException) -> Response:
    """Return the page that shows an exception, with status 500; made by the class that the request or the settings name."""
    reporter = getattr(request, "exception_reporter_class", None) or import_string(settings.DEFAULT_EXCEPTION_REPORTER)
    response: Response = await reporter(request, error).get_response()
    return response


class ExceptionReporter:
    """Makes the page of an exception; a class of your own derives from it, and DEFAULT_EXCEPTION_REPORTER names it.

    Args:
        request: The request that failed.
        error: The exception.

    Attributes:
        filter: What decides which values are shown.
    """

    def __init__(self, request: Request, error: BaseException) -> None:
        self.request = request
        self.error = error
        made = getattr(request, "exception_reporter_filter", None)
        self.filter: SafeExceptionReporterFilter = (
            import_string(settings.DEFAULT_EXCEPTION_REPORTER_FILTER)() if made is None else made
        )

    async def get_traceback_data(self) -> list[ExceptionView]:
        """Return the exception and those that led to it, the newest first."""
        shown = partial(self.filter.get_traceback_frame_variables, self.request)
        return await to_thread(read_exception, self.error, shown)

    async def get_traceback_text(self) -> str:
        """Return the exception as text, for logs and messages."""
        lines = [f"{self.request.method} {self.request.path}"]
        for view in await self.get_traceback_data():
            lines.append(f"{view.link + ' ' if view.link else ''}{view.kind}: {view.text}")
            for frame in view.frames:
                lines.append(f'  File "{frame.path}", line {frame.line}, in {frame.function}')
                lines.extend(f"    {name} = {text}" for name, text in frame.values)
        return "\n".join(lines) + "\n"

    async def get_response(self) -> Response:
        """Return the page."""
        request = self.request
        chain = await self.get_traceback_data()
        newest = chain[0]
        parts = [
            f'<p class="soft">{escape(request.method)} {escape(request.path)}</p>',
            f'<h1 class="bad">{escape(newest.kind)}</h1><p>{escape(newest.text)}</p>',
        ]
        for view in chain:
            parts.append(_exception(view, is_first=view is newest))
        parts.append(_queries(request.queries))
        parts.append(_request(request, self.filter))
        parts.append(
            f'<p class="soft">Covet {escape(covet.__version__)}, Python {escape(platform.python_version())}. You see this '
            "page because DEBUG is on; without it visitors get a plain one.</p>"
        )
        return page(f"{newest.kind} at {request.path}", "".join(parts), status=500)


def _exception(view: ExceptionView, *, is_first: bool) -> str:
    own = [frame for frame in reversed(view.frames) if frame.is_app]
    others = [frame for frame in reversed(view.frames) if not frame.is_app]
    parts = []
    if not is_first:
        parts.append(f"<h2>{escape(view.link)} {escape(view.kind)}</h2><p>{escape(view.text)}</p>")
    if own:
        parts.append("<h2>Your code, the last call first</h2>" if is_first else "")
        parts.extend(_frame(frame, is_open=is_first and place == 0) for place, frame in enumerate(own))
    if others:
        inside = "".join(_frame(frame, is_open=not own and place == 0) for place, frame in enumerate(others))
        is_open = "" if own or not is_first else " open"
        parts.append(
            f"<details{is_open}><summary>{pluralize(len(others), 'frame')} of libraries</summary>{inside}</details>"
        )
    return "".join(parts)


def _frame(frame: FrameView, *, is_open: bool) -> str:
    source = "\n".join(
        f'<span class="hit">{number:>5}  {escape(text)}</span>'
        if number == frame.line
        else f"{number:>5}  {escape(text)}"
        for number, text in frame.lines
    )
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in frame.values)
    values = f"<details><summary>Local values</summary><table>{rows}</table></details>" if rows else ""
    return (
        f"<details{' open' if is_open else ''}><summary><code>{escape(frame.function)}</code> "
        f'<span class="soft mono">{escape(frame.path)}:{frame.line}</span></summary>'
        f"<pre>{source}</pre>{values}</details>"
    )


def _queries(queries: list[Any] | None) -> str:
    if queries is None:
        return ""
    total = sum(record.duration_s for record in queries) * 1000
    rows = "".join(
        f"<tr><th>{escape(record.alias)} · {record.duration_s * 1000:.1f} ms</th>"
        f"<td>{escape(record.sql)}\n{escape(mask_text(safe_repr(tuple(record.args))))}{_plan(record.plan)}</td></tr>"
        for record in queries[:200]
    )
    if not queries:
        return "<h2>Statements</h2><p>None ran before the error.</p>"
    more = f"<p>… and {len(queries) - 200} more.</p>" if len(queries) > 200 else ""
    return f"<details><summary>{pluralize(len(queries), 'statement')}, {total:.1f} ms</summary><table>{rows}</table>{more}</details>"


def _plan(plan: str) -> str:
    return f"<details><summary>Slow: its plan</summary><pre>{escape(plan)}</pre></details>" if plan else ""


def _request(request: Request, shown: SafeExceptionReporterFilter) -> str:
    headers, query, sent = (
        "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in pairs)
        for pairs in (shown.get_headers(request), shown.get_query(request), shown.get_post_parameters(request))
    )
    route = request.route
    view = (
        f"<p>Route <code>{escape(route.pattern) or '(the root)'}</code>, view <code>{escape(route.view_name)}</code></p>"
        if route
        else ""
    )
    return (
        f"<details><summary>Request</summary>{view}"
        + (f"<h2>Query</h2><table>{query}</table>" if query else "")
        + (f"<h2>Body</h2><table>{sent}</table>" if sent else "")
        + f"<h2>Headers</h2><table>{headers}</table></details>"
    )


def not_found_page(request: Request, problem: Problem) -> Response:
    """Return the page for 404 in development: the routes that there are, and the nearest one."""
    routes = request.app.routes_of(request).routes if request.app is not None else []
    if request.path == "/" and request.route is None:
        from covet.views.welcome import welcome_page

        return welcome_page(request, routes)
    parts = [
        f'<p class="soft">{escape(request.method)}</p><h1>Nothing at {escape(request.path)}</h1>',
        f"<p>{escape(str(problem.detail))}</p>",
    ]
    if request.route is not None:
        parts.append(f"<p>The view <code>{escape(request.route.view_name)}</code> said so.</p>")
    near = suggest(request.path.lstrip("/"), [route.pattern for route in routes])
    if near and request.route is None:
        parts.append(f"<p>Did you mean <code>/{escape(near)}</code>?</p>")
    if routes:
        rows = "".join(
            f"<tr><th>/{escape(route.pattern)}</th><td>{escape(', '.join(sorted(route.methods or ())) or 'any method')}\n"
            f"{escape(route.name or '')}</td></tr>"
            for route in routes[:500]
        )
        parts.append(f"<h2>The routes of this project</h2><table>{rows}</table>")
    parts.append('<p class="soft">You see this page because DEBUG is on.</p>')
    return page(f"404 {request.path}", "".join(parts), status=404)
