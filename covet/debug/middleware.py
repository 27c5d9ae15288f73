"""DebugPanelMiddleware: a panel on HTML pages and a history of requests, in development, for INTERNAL_IPS only.

With ``DEBUG`` off, or without ``INTERNAL_IPS``, it is left out of the chain: a request makes not one call for it.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from typing import TYPE_CHECKING, Any

from covet import timezone
from covet.apps import apps
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.http.errors import NotFound
from covet.http.request import Request
from covet.http.response import Response
from covet.loading import late_module
from covet.middleware.base import GetResponse, MiddlewareNotUsed

if TYPE_CHECKING:
    from covet.db import observe
else:
    observe = late_module(__name__, "covet.db.observe")

__all__ = ["ADDRESS", "DebugPanelMiddleware"]

ADDRESS = "/__debug__/"
"""Where the pages are, below the site's root."""


class DebugPanelMiddleware:
    """Notes what each request of an internal address did, shows it on its page, and keeps the last ones.

    Put it first; but after ``CompressionMiddleware``, since nothing can be put into a page that is packed.

    Raises:
        MiddlewareNotUsed: ``DEBUG`` is off, or ``INTERNAL_IPS`` is empty.
        ImproperlyConfigured: ``INTERNAL_IPS`` has something that is neither an address nor a network.
    """

    def __init__(self, get_response: GetResponse) -> None:
        if not settings.DEBUG:
            raise MiddlewareNotUsed("DEBUG is off")
        if not settings.INTERNAL_IPS:
            raise MiddlewareNotUsed("INTERNAL_IPS is empty")
        # Late: what is not used is not imported.
        from covet.debug.requests import history_of

        self.get_response = get_response
        self.networks = [_network(text) for text in settings.INTERNAL_IPS]
        self.history = history_of(apps.current())

    async def __call__(self, request: Request) -> Response:
        """Answer, and note what that took."""
        if not self.is_internal(request):
            return await self.get_response(request)
        if request.path.startswith(ADDRESS):
            return await self.show(request)
        return await self.watch(request)

    def is_internal(self, request: Request) -> bool:
        """Whether the client is one of ``INTERNAL_IPS``."""
        if request.client is None:
            return False
        try:
            address = ipaddress.ip_address(request.client[0])
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.networks)

    async def watch(self, request: Request) -> Response:
        """Answer a request of the site, and keep what it did."""
        from covet.debug.requests import SeenRequest
        from covet.templates.environment import rendered

        seen = SeenRequest(secrets.token_hex(8), request.method, request.get_full_path(), timezone.now())
        # Inside a test client's request the list is the client's.
        outer = rendered.get()
        templates: list[tuple[str, dict[str, Any]]] = [] if outer is None else outer
        token = rendered.set(templates)
        started, worked = time.perf_counter(), time.thread_time()
        try:
            with observe.record_queries() as queries, observe.observe_cache(seen.cache_calls.append):
                response = await self.get_response(request)
        finally:
            rendered.reset(token)
        seen.duration_s, seen.cpu_s = time.perf_counter() - started, time.thread_time() - worked
        seen.status = response.status
        seen.take_queries(queries)
        seen.templates = [(name, tuple(sorted(values))) for name, values in templates]
        if request.route is not None:
            seen.route, seen.view = request.route.pattern, request.route.view_name
        seen.request_headers = request.headers.multi_items()
        seen.response_headers = _texts(response)
        self.history.add(seen)
        self._mark(request, response, seen)
        return response

    def _mark(self, request: Request, response: Response, seen: Any) -> None:
        """Tell of the request's page in a header, and on the page itself where the answer is one."""
        from covet.debug.panel import insert, panel

        base = request.root_path + ADDRESS
        response.headers["X-Debug-Request"] = f"{base}{seen.key}"
        response.headers.add("Server-Timing", f"total;dur={seen.duration_s * 1e3:.1f}, db;dur={seen.query_s * 1e3:.1f}")
        is_page = response.headers.get("content-type", "").startswith("text/html")
        if response.is_streaming or not is_page or "content-encoding" in response.headers:
            return
        nonce = request.csp_nonce if request.has_csp_nonce else _let_in(response, secrets.token_urlsafe(16))
        body = insert(response.body, panel(seen, base, nonce))
        if body is not None:
            response.body = body
            if "content-length" in response.headers:
                response.headers["Content-Length"] = str(len(body))
            # A browser must not show what an earlier request did.
            response.headers["Cache-Control"] = "no-store"

    async def show(self, request: Request) -> Response:
        """Return one of the pages of this room.

        Raises:
            DisallowedHost: The host is none of this site's; a stranger's page could else read what is shown here.
            NotFound: There is no such page, or the request is kept no more.
        """
        from covet.debug import pages
        from covet.debug.panel import STYLE
        from covet.debug.requests import statements_of

        request.get_host()
        base = request.root_path + ADDRESS
        key, _, rest = request.path.removeprefix(ADDRESS).strip("/").partition("/")
        if not key:
            return pages.history_page(self.history, base)
        if key == "panel.css":
            return Response(STYLE, media_type="text/css; charset=utf-8", headers={"Cache-Control": "no-cache"})
        if key == "settings":
            return pages.settings_page(base)
        seen = self.history.find(key)
        if seen is None:
            raise NotFound("This request is kept no more: the last 50 are, until the process ends.")
        if not rest:
            return pages.request_page(seen, base)
        word, _, number = rest.partition("/")
        if word == "plan" and number.isdecimal() and int(number) < len(seen.queries):
            return await pages.plan_page(seen, statements_of(seen)[int(number)], base)
        raise NotFound("There is no such page of this request.")


def _let_in(response: Response, nonce: str) -> str:
    """Let a policy that names no nonce load the panel's style sheet, and nothing else; return what the sheet must bear."""
    bears = ""
    for header in ("Content-Security-Policy", "Content-Security-Policy-Report-Only"):
        policy = response.headers.get(header)
        if policy:
            response.headers[header] = _with_style(policy, f"'nonce-{nonce}'")
            bears = nonce
    return bears


def _with_style(policy: str, source: str) -> str:
    directives = {name.lower(): rest for name, _, rest in (part.strip().partition(" ") for part in policy.split(";"))}
    for name in ("style-src-elem", "style-src", "default-src"):
        if name not in directives:
            continue
        sources = directives[name].split()
        # A nonce would turn 'unsafe-inline' off; where that stands, the page lets in what it likes.
        if "'unsafe-inline'" in sources:
            return policy
        kept = " ".join([one for one in sources if one.lower() != "'none'"] + [source])
        # What falls back on default-src gets a directive of its own, so that nothing else is opened.
        directives["style-src" if name == "default-src" else name] = kept
        return "; ".join(f"{name} {rest}".strip() for name, rest in directives.items() if name)
    return policy


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"INTERNAL_IPS: {text!r} is no address. Write one such as '127.0.0.1', or a network such as '10.0.0.0/8'."
        ) from error


def _texts(response: Response) -> list[tuple[str, str]]:
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.raw_headers]
