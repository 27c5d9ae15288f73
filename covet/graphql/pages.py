"""GraphiQL from local files, and a plain page of our own where its assets are not in the installation.

Nothing is loaded from another host, and no script stands in the page itself, so the Content-Security-Policy can be
strict. The project's CSRF token travels in a data attribute that only our start script reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from covet.http.errors import NotFound
from covet.http.request import Request
from covet.http.response import HTMLResponse, Response
from covet.http.streaming import FileResponse
from covet.middleware.csrf import get_token, header_name
from covet.text import escape

__all__ = ["asset", "graphiql", "has_graphiql"]

_HERE: Final = Path(__file__).resolve().parent
# GraphiQL and React are put here when a wheel is built; the checkout holds our own few files only.
_ASSETS: Final = _HERE / "_assets"
_PAGE: Final = _HERE / "_page"
_GRAPHIQL: Final = ("react.production.min.js", "react-dom.production.min.js", "graphiql.min.js", "graphiql.min.css")
_FILES: Final = {
    **dict.fromkeys(_GRAPHIQL, _ASSETS),
    "start.js": _PAGE,
    "plain.js": _PAGE,
    "page.css": _PAGE,
}
# GraphiQL's editor writes style elements while it runs, and its fonts are data URLs in its style sheet.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PLAIN_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def has_graphiql() -> bool:
    """Tell whether GraphiQL's files are in this installation."""
    return all((_ASSETS / name).is_file() for name in _GRAPHIQL)


def graphiql(request: Request) -> Response:
    """Return the page with GraphiQL, or the plain one."""
    is_full = has_graphiql()
    base = request.root_path + request.path.rstrip("/")
    data = {
        "endpoint": request.root_path + request.path,
        "csrf-header": header_name(),
        "csrf-token": get_token(request),
    }
    attributes = " ".join(f'data-{name}="{escape(value)}"' for name, value in data.items())
    scripts = ("react.production.min.js", "react-dom.production.min.js", "graphiql.min.js") if is_full else ()
    head = [f'<link rel="stylesheet" href="{escape(base)}/assets/{name}">' for name in _styles(is_full)]
    tail = [f'<script src="{escape(base)}/assets/{name}"></script>' for name in scripts]
    start = "start.js" if is_full else "plain.js"
    tail.append(f'<script src="{escape(base)}/assets/{start}" id="start" {attributes}></script>')
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>GraphQL</title>{''.join(head)}</head>"
        f'<body class="{"full" if is_full else "plain"}">{_FULL_BODY if is_full else _PLAIN_BODY}{"".join(tail)}</body></html>'
    )
    return HTMLResponse(
        html,
        200,
        {
            "Content-Security-Policy": _POLICY if is_full else _PLAIN_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
        },
    )


def _styles(is_full: bool) -> tuple[str, ...]:
    return ("graphiql.min.css", "page.css") if is_full else ("page.css",)


_FULL_BODY: Final = (
    '<div id="graphiql"><p class="wait">Loading GraphiQL…</p></div><noscript>GraphiQL needs JavaScript.</noscript>'
)
_PLAIN_BODY: Final = (
    "<main><h1>GraphQL</h1>"
    '<p class="soft">GraphiQL is not part of this installation, so this is a plain page: write a query and run it.</p>'
    '<form id="form"><label for="query">Query</label>'
    '<textarea id="query" rows="12" spellcheck="false">{ __typename }</textarea>'
    '<label for="variables">Variables (JSON)</label><textarea id="variables" rows="4" spellcheck="false"></textarea>'
    '<button type="submit">Run</button> <kbd>Ctrl</kbd>+<kbd>Enter</kbd></form>'
    '<h2>Answer</h2><pre id="answer" tabindex="0" aria-live="polite"></pre></main>'
    "<noscript>This page needs JavaScript.</noscript>"
)


async def asset(request: Request, name: str) -> Response:
    """Return one of the page's files.

    Raises:
        NotFound: No such file is part of the page.
    """
    folder = _FILES.get(name)
    if folder is None:
        raise NotFound("This page has no file of that name.")
    return FileResponse(
        folder / name, headers={"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
    )
