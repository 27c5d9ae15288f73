"""HTML: an endpoint's answer as a page for people, with its other forms, its neighbours and a form to send with.

One page of ours, its script and style from this site: the policy allows nothing inline and nothing from elsewhere.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from covet import json
from covet.conf import settings
from covet.exceptions import CovetError
from covet.http.errors import HTTPException
from covet.http.request import Request
from covet.http.response import HTMLResponse, Response
from covet.middleware.csrf import get_token, header_name
from covet.problems import phrase
from covet.rest.formats.base import Format, Formats
from covet.rest.formats.drafts import draft
from covet.text import escape
from covet.urls.addresses import reverse

if TYPE_CHECKING:
    from covet.rest.endpoint import Compiled

__all__ = ["HTML", "browse"]

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_TOKEN: Final = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)')
_LINK: Final = re.compile(r'"(?:https?://[^\s"\\<>]+|/(?!/)[^\s"\\<>]*)"')
_SHOWN_HEADERS: Final = (
    "content-type",
    "allow",
    "etag",
    "last-modified",
    "location",
    "link",
    "retry-after",
    "ratelimit",
)
_MAX_SHOWN: Final = 512 * 1024


def _never(value: Any) -> bytes:
    raise AssertionError("A page is made by browse().")


HTML: Final = Format("html", ("text/html",), _never, page=True)


def browse(compiled: Compiled, formats: Formats, request: Request, response: Response) -> Response:
    """Return the page that shows an answer; what is no JSON (a file, a page of the handler's own) stays as it is."""
    kind = response.headers.get("content-type", "")
    if response.body and "json" not in kind:
        return response
    page = HTMLResponse(_page(compiled, formats, request, response), 200 if response.status == 204 else response.status)
    for name, value in response.headers.multi_items():
        if name.lower() not in ("content-type", "content-length"):
            page.headers.add(name, value)
    page.headers["Content-Security-Policy"] = _POLICY
    page.headers["X-Content-Type-Options"] = "nosniff"
    page.background = response.background
    return page


def _page(compiled: Compiled, formats: Formats, request: Request, response: Response) -> str:
    endpoint = compiled.endpoint
    title = (endpoint.summary or endpoint.name or compiled.path).replace("_", " ").replace("-", " ")
    title = title[:1].upper() + title[1:]
    description = endpoint.description if endpoint.description is not None else inspect.getdoc(endpoint.handler) or ""
    style, form = _assets(request, response)
    head = f'<link rel="stylesheet" href="{style}">' if style else ""
    address = request.get_full_path()
    status = f"HTTP {response.status} {phrase(response.status)}"
    shown = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>"
        for name, value in response.headers.multi_items()
        if name.lower() in _SHOWN_HEADERS
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{escape(title)}</title>{head}</head><body><main>'
        f"<h1>{escape(title)}</h1>{_paragraphs(description)}{_trail(request)}"
        f"<p><code><strong>{escape(request.method)}</strong> {escape(address)}</code></p>"
        f"<p class=formats>As {_forms(formats, request)}</p>"
        f"<section aria-label=Answer><h2>{escape(status)}</h2><dl>{shown}</dl>"
        f"<pre tabindex=0><code>{_pretty(response.body)}</code></pre></section>{form}</main></body></html>"
    )


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n") if part.strip())


def _trail(request: Request) -> str:
    """Return the addresses above this one, as links where something is there."""
    parts = [part for part in request.path.split("/") if part]
    resolver = getattr(request.app, "resolver", None)
    links, path = [], ""
    for part in parts:
        path += f"/{part}"
        there = [one for one in (f"{path}/", path) if resolver is not None and _allows(resolver, "GET", one)]
        href = escape(quote(request.root_path + there[0])) if there else ""
        links.append(f'<a href="{href}">{escape(part)}</a>' if there else escape(part))
    return f"<nav aria-label=Path>/ {' / '.join(links)}</nav>"


def _forms(formats: Formats, request: Request) -> str:
    links = []
    for one in formats:
        query = request.query.replace(format=one.name).urlencode()
        href = escape(f"{quote(request.root_path + request.path)}?{query}")
        links.append(f"<strong>{one.name}</strong>" if one.page else f'<a href="{href}">{one.name}</a>')
    return " · ".join(links)


def _pretty(body: bytes) -> str:
    """Return JSON laid out, with its addresses as links and its parts marked."""
    if not body:
        return ""
    text = json.dumps(json.loads(body), indent=2).decode()
    is_cut = len(text) > _MAX_SHOWN
    text = text[:_MAX_SHOWN]
    parts, last = [], 0
    for found in _TOKEN.finditer(text):
        parts.append(escape(text[last : found.start()]))
        last = found.end()
        string, colon, word, _ = found.groups()
        if string and colon:
            parts.append(f"<span class=key>{escape(string)}</span>{colon}")
        elif string and _LINK.fullmatch(string):
            href = escape(string[1:-1])
            parts.append(f'"<a href="{href}" rel=noreferrer>{escape(string[1:-1])}</a>"')
        else:
            name = "text" if string else "word" if word else "number"
            parts.append(f"<span class={name}>{escape(found.group())}</span>")
    parts.append(escape(text[last:]))
    return "".join(parts) + ("\n…" if is_cut else "")


def _allows(resolver: Any, method: str, path: str) -> bool:
    try:
        resolver.resolve(method, path)
    except HTTPException:
        return False
    return True


def _option(resolver: Any, method: str, path: str, shown: Any) -> str:
    """Return a method to choose, with the body that the form then begins with."""
    compiled = getattr(resolver.resolve(method, path)[0].endpoint, "compiled", None)
    body = draft(compiled, shown) if compiled is not None else None
    text = "" if body is None else json.dumps(body, indent=2).decode()
    return f'<option data-body="{escape(text)}">{method}</option>'


def _assets(request: Request, response: Response) -> tuple[str, str]:
    """Return the style's address and the form; both empty where the documentation's addresses are not mounted."""
    try:
        style = reverse("openapi-asset", kwargs={"name": "browse.css"})
        script = reverse("openapi-asset", kwargs={"name": "browse.js"})
    except CovetError:
        return "", ""
    # A form that a signed-in person sends needs the token; its cookie goes with this page.
    get_token(request)
    resolver = getattr(request.app, "resolver", None)
    known = ("POST", "PUT", "PATCH", "DELETE")
    methods = [name for name in known if resolver is not None and _allows(resolver, name, request.path)]
    if not methods:
        return escape(style), ""
    is_shown = request.method == "GET" and response.status == 200 and response.body
    shown = json.loads(response.body) if is_shown else None
    options = "".join(_option(resolver, name, request.path, shown) for name in methods)
    data = f'data-csrf-cookie="{escape(settings.CSRF_COOKIE_NAME)}" data-csrf-header="{escape(header_name())}"'
    form = (
        f"<section aria-label=Send><h2>Try it</h2><form id=send hidden {data}>"
        f"<label>Method <select name=method>{options}</select></label>"
        "<label>Body (JSON) <textarea name=body rows=8 spellcheck=false></textarea></label>"
        "<button>Send</button><output name=answer><pre tabindex=0></pre></output></form>"
        "<noscript><p>Sending a request needs JavaScript here.</p></noscript></section>"
        f'<script src="{escape(script)}" defer></script>'
    )
    return escape(style), form
