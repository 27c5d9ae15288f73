"""CommonMiddleware: the slash at the end, the host with www, and user agents that are not served."""

from __future__ import annotations

import re

from covet.conf import settings
from covet.http.errors import DisallowedHost, Forbidden, HTTPException
from covet.http.request import Request
from covet.http.response import RedirectResponse, Response
from covet.middleware.base import GetResponse

__all__ = ["CommonMiddleware"]


class CommonMiddleware:
    """Redirects to the address that exists: with a slash (APPEND_SLASH), with www (PREPEND_WWW)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.append_slash = settings.APPEND_SLASH
        self.prepend_www = settings.PREPEND_WWW
        self.disallowed = [re.compile(pattern) for pattern in settings.DISALLOWED_USER_AGENTS]
        # Before the view it raises only for these; behind it all of it is looking at routes. A subclass may do more.
        self.raises_nothing = type(self) is CommonMiddleware and not self.disallowed and not self.prepend_www

    async def __call__(self, request: Request) -> Response:
        """Answer, or redirect."""
        if self.disallowed:
            agent = request.headers.get("user-agent", "")
            if any(pattern.search(agent) for pattern in self.disallowed):
                raise Forbidden("This user agent is not served here.")
        if self.prepend_www and not request.get_host().startswith("www."):
            scheme = "https" if request.is_secure else "http"
            return RedirectResponse(f"{scheme}://www.{request.get_host()}{request.get_full_path()}", permanent=True)
        response = await self.get_response(request)
        if response.status == 404 and self.append_slash and self._wants_slash(request):
            return self._redirect(request)
        return response

    def _wants_slash(self, request: Request) -> bool:
        """Return whether no route has this path, and one has it with a slash."""
        path = request.path
        if path.endswith("/") or request.route is not None or request.app is None:
            return False
        resolver = request.app.routes_of(request)
        if resolver.hosts:
            try:
                resolver, _ = resolver.at(request.get_host())
            except DisallowedHost:
                # A layer further in has answered before the host was looked at: its answer stays.
                return False
        if not resolver.has_path(path + "/"):
            return False
        try:
            route, _ = resolver.resolve(request.method, path + "/")
        except HTTPException:
            # Not by this method: the address with the slash says so.
            return True
        return bool(getattr(route.view, "should_append_slash", True))

    def _redirect(self, request: Request) -> Response:
        # A path that starts with "//" would name another host.
        path = "/" + request.get_full_path().lstrip("/")
        before, question, query = path.partition("?")
        # 308 keeps method and body: a POST stays a POST, where Django's 301 would lose its data.
        return RedirectResponse(
            f"{before}/{question}{query}", permanent=True, preserve_method=request.method not in ("GET", "HEAD")
        )
