"""The pages of errors in development: the project's own frames first, values with secrets masked, statements that ran."""

from __future__ import annotations

import platform
from typing import Any

import covet
from covet.concurrency import to_thread
from covet.conf.errors import MASK, is_secret
from covet.http.request import Request
from covet.http.response import Response
from covet.problems import Problem
from covet.text import pluralize, suggest
from covet.views.debug_frames import ExceptionView, FrameView, mask_text, read_exception, safe_repr
from covet.views.page import escape, page

__all__ = ["debug_page", "not_found_page"]

_HIDDEN_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization", "x-csrftoken"})


async def debug_page(request: Request, error: BaseException) -> Response:
    """Return the page that shows an exception, with status 500."""
    chain = await to_thread(read_exception, error)
    newest = chain[0]
    parts = [
        f'<p class="soft">{escape(request.method)} {escape(request.path)}</p>',
        f'<h1 class="bad">{escape(newest.kind)}</h1><p>{escape(newest.text)}</p>',
    ]
    for view in chain:
        parts.append(_exception(view, is_first=view is newest))
    parts.append(_queries(request.queries))
    parts.append(_request(request))
    parts.append(
        f'<p class="soft">Covet {escape(covet.__version__)}, Python {escape(platform.python_version())}. You see this page '
        "because DEBUG is on; without it visitors get a plain one.</p>"
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


def _request(request: Request) -> str:
    headers = "".join(
        f"<tr><th>{escape(name)}</th><td>"
        f"{escape(MASK if name in _HIDDEN_HEADERS or is_secret(name) else value)}</td></tr>"
        for name, value in request.headers.multi_items()
    )
    query = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(MASK if is_secret(name) else value)}</td></tr>"
        for name, value in _query(request)
    )
    sent = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in _sent(request))
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


def _sent(request: Request) -> list[tuple[str, str]]:
    """Return what the view has read of a form or a JSON object, with its secrets masked."""
    if request.form_read is not None:
        pairs: list[tuple[str, Any]] = request.form_read.multi_items()
    elif isinstance(request.json_read, dict):
        pairs = list(request.json_read.items())
    else:
        return []
    hidden: frozenset[str] | None = None
    if request._state is not None:
        hidden = request.state.__dict__.get("sensitive_parameters")
    return [
        (name, MASK if is_secret(name) or hidden == frozenset() or name in (hidden or ()) else _shown(value))
        for name, value in pairs[:200]
    ]


def _shown(value: Any) -> str:
    return mask_text(value if isinstance(value, str) else safe_repr(value))


def _query(request: Request) -> list[tuple[str, str]]:
    try:
        return request.query.multi_items()
    except Exception:
        # The query string itself may be what is wrong.
        return []


def not_found_page(request: Request, problem: Problem) -> Response:
    """Return the page for 404 in development: the routes that there are, and the nearest one."""
    routes = request.app.resolver.routes if request.app is not None else []
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
