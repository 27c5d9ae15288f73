"""SecurityMiddleware: checks the host, sends to https, and adds the headers that browsers protect their users by."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from covet.conf import settings
from covet.http.errors import DisallowedHost
from covet.http.headers import RawHeaders, raw_name, raw_value
from covet.http.hosts import is_allowed_host
from covet.http.request import Request
from covet.http.response import RedirectResponse, Response
from covet.middleware.base import GetResponse

__all__ = ["SecurityMiddleware"]

# Hosts that were found good; an attacker's invented ones are refused and never kept.
_MAX_KNOWN_HOSTS = 1000
_FRAMES = b"x-frame-options"


class SecurityMiddleware:
    """The first layer of a project: whatever answers below it, errors too, carries its headers."""

    # What answers for a host that is refused, so that outer layers see an answer; the chain gives it.
    on_error: Callable[[Request, Exception], Awaitable[Response]] | None = None

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.redirect = settings.SECURE_SSL_REDIRECT
        self.exempt = [re.compile(pattern) for pattern in settings.SECURE_REDIRECT_EXEMPT]
        self.known_hosts: set[bytes] = set()
        self.hsts = _hsts()
        headers: dict[str, str | None] = {
            "X-Content-Type-Options": "nosniff" if settings.SECURE_CONTENT_TYPE_NOSNIFF else None,
            "X-Frame-Options": settings.X_FRAME_OPTIONS.upper() or None,
            "Referrer-Policy": settings.SECURE_REFERRER_POLICY,
            "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
        }
        self.headers: RawHeaders = [(raw_name(name), raw_value(value)) for name, value in headers.items() if value]
        self.names = frozenset(name for name, _ in self.headers) | {_FRAMES}
        if self.hsts is not None:
            self.names |= {self.hsts[0]}

    async def __call__(self, request: Request) -> Response:
        """Check, answer, add headers."""
        try:
            for name, value in request.raw_headers:
                if name == b"host":
                    # Seen before, mostly; written out here because a call takes longer than the look.
                    if value not in self.known_hosts or request.policy.use_forwarded_host:
                        self.check_host(request)
                    break
            else:
                self.check_host(request)
            if self.redirect and not request.is_secure and not self._is_exempt(request.path):
                host = settings.SECURE_SSL_HOST or request.get_host()
                response: Response = RedirectResponse(
                    f"https://{host}{request.get_full_path()}", permanent=True, preserve_method=True
                )
            else:
                response = await self.get_response(request)
            raw = response.raw_headers
            names = self.names
            for name, _ in raw:
                if name in names:
                    self._add_missing(raw, request)
                    return response
            raw += self.headers
            if self.hsts is not None and request.is_secure:
                raw.append(self.hsts)
            return response
        except Exception as error:
            if self.on_error is None:
                raise
            return await self.on_error(request, error)

    def _add_missing(self, raw: RawHeaders, request: Request) -> None:
        """Add what a view has not set itself."""
        present = {name for name, _ in raw}
        raw.extend([pair for pair in self.headers if pair[0] not in present])
        if _FRAMES in present and (_FRAMES, b"") in raw:
            # The view has said "exempt" by an empty one.
            raw.remove((_FRAMES, b""))
        if self.hsts is not None and request.is_secure and self.hsts[0] not in present:
            raw.append(self.hsts)

    def check_host(self, request: Request) -> None:
        """Refuse a request for a host that ALLOWED_HOSTS does not list.

        Raises:
            DisallowedHost: Answered with 400.
        """
        if request.policy.use_forwarded_host:
            request.get_host()
            return
        for name, value in request.raw_headers:
            if name == b"host":
                if value in self.known_hosts:
                    return
                host = value.decode("latin-1")
                if not is_allowed_host(host, request.policy.allowed_hosts):
                    raise DisallowedHost(host)
                if len(self.known_hosts) < _MAX_KNOWN_HOSTS:
                    self.known_hosts.add(value)
                return
        request.get_host()

    def _is_exempt(self, path: str) -> bool:
        return any(pattern.search(path.lstrip("/")) for pattern in self.exempt)


def _hsts() -> tuple[bytes, bytes] | None:
    if not settings.SECURE_HSTS_SECONDS:
        return None
    value = f"max-age={settings.SECURE_HSTS_SECONDS}"
    if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS:
        value += "; includeSubDomains"
    if settings.SECURE_HSTS_PRELOAD:
        value += "; preload"
    return b"strict-transport-security", value.encode("ascii")
