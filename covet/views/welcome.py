"""The first page of a new project: shown with DEBUG at the root, as long as no route is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import covet
from covet.conf import settings
from covet.http.request import Request
from covet.http.response import Response
from covet.views.page import escape, page

if TYPE_CHECKING:
    from covet.urls.resolver import CompiledRoute

__all__ = ["open_routes", "welcome_page"]

_KNOWN = {
    "docs": ("API docs", "Every REST endpoint, ready to try."),
    "graphql": ("GraphQL", "GraphiQL over the schema of all apps."),
    "openapi.json": ("OpenAPI", "The description of the REST API, for tools."),
}


def open_routes(routes: Iterable[CompiledRoute]) -> Iterator[CompiledRoute]:
    """Give the project's own routes that a person can open as they are: with GET, and without a value in their path."""
    for route in routes:
        if (
            "<" not in route.pattern
            and not route.view_name.startswith("covet.")
            and route.pattern.strip("/") not in _KNOWN
            and not route.pattern.startswith("^")
            and (route.methods is None or "GET" in route.methods)
        ):
            yield route


def welcome_page(request: Request, routes: Sequence[CompiledRoute]) -> Response:
    """Return the page; it links what is there already."""
    found: dict[str, str] = {}
    for route in routes:
        key = route.pattern.strip("/")
        if key in _KNOWN:
            # Some stand there twice, with a slash and without.
            found.setdefault(key, route.pattern)
    links = [
        f'<li><a href="/{escape(pattern)}"><strong>{_KNOWN[key][0]}</strong>{_KNOWN[key][1]}</a></li>'
        for key, pattern in found.items()
    ]
    others = sorted({route.pattern for route in open_routes(routes)})[:12]
    links += [
        f'<li><a href="/{escape(pattern)}"><strong>/{escape(pattern)}</strong>A route of yours.</a></li>'
        for pattern in others
    ]
    shown = f'<h2>Already here</h2><ul class="links">{"".join(links)}</ul>' if links else ""
    module = settings.ROOT_URLCONF or "ROOT_URLCONF"
    body = (
        "<h1>Covet runs.</h1>"
        f'<p class="soft">Covet {escape(covet.__version__)} · settings {escape(settings.module_name or "configured in code")}</p>'
        f"{shown}"
        "<h2>Next</h2><ol>"
        "<li><code>python manage.py startapp blog</code> writes an app and adds it to INSTALLED_APPS.</li>"
        "<li><code>python manage.py makemigrations</code> and <code>migrate</code> make its tables.</li>"
        f'<li>A route for <code>""</code> in <code>{escape(str(module))}</code>, or in an app\'s <code>urls.py</code>, takes the place '
        "of this page.</li></ol>"
        '<p class="soft">You see this page because DEBUG is on and nothing answers to “/” yet.</p>'
    )
    return page("Covet runs", body)
