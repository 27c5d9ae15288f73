"""The pages of errors in production: the project's own ``404.html`` and the like, or a plain one."""

from __future__ import annotations

from covet.http.request import Request
from covet.http.response import HTMLResponse, Response
from covet.problems import Problem, phrase
from covet.templates.engine import TemplateDoesNotExist, render_to_string
from covet.views.page import escape, page

__all__ = ["error_page", "plain_page"]

_WORDS = {
    400: "Your browser sent something that this site does not understand.",
    403: "You may not see this page.",
    404: "There is nothing at this address.",
    405: "This address cannot be used like that.",
    413: "What you sent is too large.",
    500: "Something went wrong here. It is not your fault, and it has been noted.",
    503: "This site is not available just now. Please come back a little later.",
}


async def error_page(request: Request, problem: Problem) -> Response:
    """Return the page for an error: the template ``<status>.html`` if the project has one.

    The template gets ``status``, ``title``, ``detail`` and ``request_id``, and no context processors, which might be what
    is broken.
    """
    context = {
        "status": problem.status,
        "title": str(problem.title) or phrase(problem.status),
        "detail": str(problem.detail) if problem.status < 500 else "",
        "request_id": request.request_id or "",
    }
    try:
        html = await render_to_string(f"{problem.status}.html", context)
    except TemplateDoesNotExist:
        return plain_page(problem, request.request_id)
    return HTMLResponse(html, problem.status)


def plain_page(problem: Problem, request_id: str | None = None, *, said: str = "") -> HTMLResponse:
    """Return the page for an error where the project has no template for it; with what it ``said``, in development."""
    title = str(problem.title) or phrase(problem.status)
    words = said or _WORDS.get(problem.status) or str(problem.detail) or "This did not work."
    body = f'<p class="soft">{problem.status}</p><h1>{escape(title)}</h1><p>{escape(words)}</p>'
    if request_id:
        body += f'<p class="soft">If you write to us about it, please name this: <code>{escape(request_id)}</code></p>'
    return page(title, body, status=problem.status)
