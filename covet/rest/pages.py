"""``/openapi.json``, and three pages that show it: Swagger UI, ReDoc and Scalar, from files of the wheel, under a strict policy.

Where the build could not get those files, a plain page of our own lists the operations and says so.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from covet.apps import apps
from covet.conf import settings
from covet.http.errors import NotFound, PreconditionFailed
from covet.http.request import Request
from covet.http.response import HTMLResponse, JSONResponse, Response
from covet.loading import late_module
from covet.middleware.csrf import get_token, header_name
from covet.problems import KINDS
from covet.rest.part import RestPart
from covet.text import escape

if TYPE_CHECKING:
    from covet.http import conditional, streaming
    from covet.urls import addresses
else:
    addresses = late_module(__name__, "covet.urls.addresses")
    conditional = late_module(__name__, "covet.http.conditional")
    streaming = late_module(__name__, "covet.http.streaming")

__all__ = ["asset", "docs", "openapi_json", "redoc", "scalar"]

ASSETS: Final = Path(__file__).resolve().parent / "_assets"
OURS: Final = Path(__file__).resolve().parent / "browser"
_KINDS: Final = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
_FILES: Final = {
    "swagger-ui-bundle.js": ASSETS,
    "swagger-ui.css": ASSETS,
    "redoc.standalone.js": ASSETS,
    "scalar.standalone.js": ASSETS,
    "docs.js": OURS,
    "redoc.js": OURS,
    "scalar.js": OURS,
    "docs.css": OURS,
    "browse.js": OURS,
    "browse.css": OURS,
}
# Nothing from elsewhere, nothing inline; the pages' own scripts set styles by the DOM, which the policy lets them.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'{styles}; img-src 'self' data:; font-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


async def openapi_json(request: Request) -> Response:
    """Send the document, or by ``?document=`` or ``?version=`` that of a part of the API.

    It is the same bytes until the project changes, with their hash as ``ETag``.

    Raises:
        NotFound: There is no such document.
        PreconditionFailed: An ``If-Match`` names another one.
    """
    part = apps.current().part(RestPart)
    try:
        body = part.document_bytes(request.query.get("document"), request.query.get("version"), request.root_path)
    except KeyError as error:
        known = [f"?document={name}" for name in settings.OPENAPI_DOCUMENTS]
        known += [f"?version={name}" for name in part.versions()]
        told = f" There are: {', '.join(known)}." if known else ""
        raise NotFound(f"There is no document {error.args[0]!r}.{told}") from error
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    asked = conditional.evaluate(request, tag)
    if asked == 412:
        raise PreconditionFailed("This is another document than the one that the request is meant for.")
    response = JSONResponse.of_bytes(body)
    response.headers["ETag"] = tag
    response.headers["Cache-Control"] = "no-cache"
    return response if asked is None else conditional.not_modified(response)


async def docs(request: Request) -> Response:
    """Show the API by Swagger UI."""
    if not (ASSETS / "swagger-ui-bundle.js").is_file():
        return _plain_page()
    # "Try it out" of someone who is logged in needs the token; its cookie goes with this page.
    get_token(request)
    head = f'<link rel="stylesheet" href="{_url("swagger-ui.css")}"><link rel="stylesheet" href="{_url("docs.css")}">'
    scripts = f'<script src="{_url("swagger-ui-bundle.js")}"></script><script src="{_url("docs.js")}"{_data(request)}></script>'
    return _page(head, f'<div id="docs"></div>{scripts}')


async def redoc(request: Request) -> Response:
    """Show the API by ReDoc, for reading."""
    if not (ASSETS / "redoc.standalone.js").is_file():
        return _plain_page()
    head = f'<link rel="stylesheet" href="{_url("docs.css")}">'
    scripts = f'<script src="{_url("redoc.standalone.js")}"></script><script src="{_url("redoc.js")}"{_data(request)}></script>'
    # ReDoc's styled-components write a style element.
    return _page(head, f'<div id="docs"></div>{scripts}', styles=" 'unsafe-inline'")


async def scalar(request: Request) -> Response:
    """Show the API by Scalar, for reading and trying."""
    if not (ASSETS / "scalar.standalone.js").is_file():
        return _plain_page()
    get_token(request)
    scripts = (
        f'<script src="{_url("scalar.standalone.js")}"></script>'
        f'<script src="{_url("scalar.js")}"{_data(request)}></script>'
    )
    # It writes its style sheets into style elements; ours would stand in their way.
    return _page("", f'<div id="docs"></div>{scripts}', styles=" 'unsafe-inline'")


async def problems(request: Request) -> Response:
    """Tell what the types of problem documents mean; ``PROBLEM_TYPE_BASE`` may be this page's address."""
    listed = "".join(
        f'<section id="{escape(name)}"><h2><code>{escape(name)}</code> <small>{status}</small></h2><p>{escape(text)}</p></section>'
        for name, (status, text) in KINDS.items()
    )
    head = f'<link rel="stylesheet" href="{_url("docs.css")}">'
    return _page(head, f"<main><h1>Problems</h1>{listed}</main>")


async def asset(request: Request, name: str) -> Response:
    """Send a script or style sheet of these pages; only those that are listed.

    Raises:
        NotFound: There is no such file.
    """
    folder = _FILES.get(name)
    if folder is None or not (folder / name).is_file():
        raise NotFound("There is no such file.")
    headers = {"Cache-Control": "public, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return streaming.FileResponse(folder / name, media_type=_KINDS[Path(name).suffix], headers=headers)


def _url(name: str) -> str:
    return escape(addresses.reverse("openapi-asset", kwargs={"name": name}))


def _data(request: Request) -> str:
    """What the pages' scripts need to know, as attributes: an inline script would need a weaker policy."""
    asked = {name: request.query[name] for name in ("document", "version") if name in request.query}
    values = {
        "url": addresses.reverse("openapi", query=asked),
        "csrf-cookie": settings.CSRF_COOKIE_NAME,
        "csrf-header": header_name(),
    }
    return "".join(f' data-{name}="{escape(str(value))}"' for name, value in values.items())


def _page(head: str, body: str, *, styles: str = "") -> Response:
    title = escape(_document()["info"]["title"])
    text = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{title}</title>{head}</head><body>{body}</body></html>"
    )
    return HTMLResponse(text, headers={"Content-Security-Policy": _POLICY.format(styles=styles)})


def _document() -> dict[str, Any]:
    return apps.current().part(RestPart).document()


def _plain_page() -> Response:
    """List the operations, without a script."""
    document = _document()
    rows = []
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            mark = " <small>deprecated</small>" if described.get("deprecated") else ""
            rows.append(
                f"<tr><th scope=row><code>{method.upper()}</code></th><td><code>{escape(path)}</code></td>"
                f"<td>{escape(described['summary'])}{mark}</td></tr>"
            )
    listed = "".join(rows) or "<tr><td>No endpoint yet.</td></tr>"
    body = (
        f"<main><h1>{escape(document['info']['title'])} <small>{escape(document['info']['version'])}</small></h1>"
        "<p class=note>This is the plain page: Swagger UI, ReDoc and Scalar are not part of this installation, because npm was "
        "not at hand when it was built. Run <code>python scripts/fetch_assets.py</code> in a checkout, or install the "
        f'wheel.</p><p>The whole document: <a href="{escape(addresses.reverse("openapi"))}">openapi.json</a></p>'
        f"<table>{listed}</table></main>"
    )
    return _page(f'<link rel="stylesheet" href="{_url("docs.css")}">', body)
