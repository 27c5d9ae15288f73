"""CsrfMiddleware: an unsafe request that carries a session cookie must prove that it comes from this site.

Only such requests can be forged by another site, so only they are checked: never one without a session cookie, and
never one with a token in its ``Authorization`` header, which no form and no other site's script can send without being asked
first (a CORS preflight); a password that browsers add by themselves (``Basic`` and the like) is no token. The proof is the ``Origin`` (or ``Referer``) header, and a token that stands in a cookie and again in
a header or a form field.
"""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from covet.conf import settings
from covet.http.errors import Forbidden
from covet.http.hosts import split_host
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import SAFE, GetResponse
from covet.urls.endpoint import marked

__all__ = ["CsrfMiddleware", "csrf_exempt", "get_token", "header_name", "rotate_token"]

FORM_FIELD = "csrfmiddlewaretoken"
# A browser that knows a password for the site adds these by itself, whoever made it send the request.
_SENT_BY_BROWSERS = frozenset({b"basic", b"digest", b"negotiate", b"ntlm"})
_SECRET_BYTES = 20

logger = logging.getLogger("covet.security.csrf")

V = TypeVar("V", bound=Callable[..., Any])


class _Csrf:
    """What is known about the token of one request."""

    __slots__ = ("must_set", "secret")

    def __init__(self, secret: bytes | None) -> None:
        self.secret = secret
        self.must_set = False


def csrf_exempt(view: V) -> V:
    """Mark a view as one that takes unsafe requests from anywhere; it must check who asks by other means."""
    return marked(view, csrf_exempt=True)


def get_token(request: Request) -> str:
    """Return the token for a form or a script of this page; its cookie is set with the answer."""
    csrf = _state(request)
    if csrf.secret is None:
        csrf.secret = secrets.token_bytes(_SECRET_BYTES)
        csrf.must_set = True
    # Masked anew each time, so that compression cannot be used to guess it (BREACH).
    mask = secrets.token_bytes(_SECRET_BYTES)
    return (mask + _xor(mask, csrf.secret)).hex()


def header_name() -> str:
    """Return the name of the header that carries the token, where ``CSRF_HEADER_NAME`` says it as WSGI does too: ``HTTP_X_…``."""
    return settings.CSRF_HEADER_NAME.removeprefix("HTTP_").replace("_", "-")


def rotate_token(request: Request) -> None:
    """Make a new secret; done at log-in, so that a token from before is worth nothing."""
    csrf = _state(request)
    csrf.secret = secrets.token_bytes(_SECRET_BYTES)
    csrf.must_set = True


def _state(request: Request) -> _Csrf:
    state: _Csrf | None = request.state.__dict__.get("csrf")
    if state is None:
        state = _Csrf(_unmask(request.cookies.get(settings.CSRF_COOKIE_NAME, "")))
        request.state.csrf = state
    return state


def _xor(first: bytes, second: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(first, second, strict=True))


def _unmask(token: str) -> bytes | None:
    if len(token) != 4 * _SECRET_BYTES or not token.isascii():
        return None
    try:
        raw = bytes.fromhex(token)
    except ValueError:
        return None
    return _xor(raw[:_SECRET_BYTES], raw[_SECRET_BYTES:])


class CsrfMiddleware:
    """Refuses unsafe requests with a session cookie that cannot prove where they come from, with 403."""

    # It refuses before the view, where what is raised is answered; round the view it only adds a cookie.
    raises_nothing = True

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.session_cookie = f"{settings.SESSION_COOKIE_NAME}=".encode("latin-1")
        self.header = header_name().lower()
        self.trusted = [_trusted(origin) for origin in settings.CSRF_TRUSTED_ORIGINS]

    async def __call__(self, request: Request) -> Response:
        """Answer, and set the cookie if this request asked for a token."""
        response = await self.get_response(request)
        if request._state is not None:
            csrf: _Csrf | None = request.state.__dict__.get("csrf")
            if csrf is not None and csrf.must_set:
                self._set_cookie(request, response)
        return response

    def _set_cookie(self, request: Request, response: Response) -> None:
        # Once, where both the view and the project have this layer.
        _state(request).must_set = False
        response.set_cookie(
            settings.CSRF_COOKIE_NAME,
            get_token(request),
            max_age=settings.CSRF_COOKIE_AGE,
            domain=settings.CSRF_COOKIE_DOMAIN,
            path=settings.CSRF_COOKIE_PATH,
            secure=settings.CSRF_COOKIE_SECURE or request.is_secure,
            httponly=settings.CSRF_COOKIE_HTTPONLY,
            samesite=settings.CSRF_COOKIE_SAMESITE,  # type: ignore[arg-type]  # build_cookie checks the text
        )
        response.headers.add_vary("Cookie")

    async def process_view(self, request: Request, view: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Check the request, once it is known which view it is for.

        Raises:
            Forbidden: It cannot prove where it comes from.
        """
        if request.method in SAFE or not self._is_forgeable(request):
            return
        if getattr(view, "csrf_exempt", False) or request.extension("covet.csrf_exempt"):
            return
        reason = self._wrong_origin(request) or await self._wrong_token(request)
        if reason:
            logger.warning("%s %s refused: %s", request.method, request.path, reason)
            raise Forbidden(f"CSRF check failed: {reason}", type="about:blank", extra={"code": "csrf_failed"})

    process_view.unsafe_only = True  # type: ignore[attr-defined]

    def _is_forgeable(self, request: Request) -> bool:
        carries = False
        for name, value in request.raw_headers:
            if name == b"cookie" and self.session_cookie in value:
                carries = True
            elif name == b"authorization" and value.partition(b" ")[0].lower() not in _SENT_BY_BROWSERS:
                return False
        return carries and settings.SESSION_COOKIE_NAME in request.cookies

    def _wrong_origin(self, request: Request) -> str:
        origin = request.headers.get("origin")
        scheme = "https" if request.is_secure else "http"
        if origin is not None:
            if origin.lower() == f"{scheme}://{request.host}".lower() or self._is_trusted(origin):
                return ""
            return "the Origin header names another site. If it is yours, add it to CSRF_TRUSTED_ORIGINS."
        if scheme != "https":
            return ""
        # Without Origin, https promises a Referer that no one on the way could have taken out.
        referer = request.headers.get("referer")
        if not referer:
            return "there is neither an Origin nor a Referer header."
        try:
            parts = urlsplit(referer)
        except ValueError:
            return "the Referer header is no address."
        if parts.scheme == "https" and (
            parts.netloc.lower() == request.host.lower() or self._is_trusted(f"https://{parts.netloc}")
        ):
            return ""
        return "the Referer header names another site."

    def _is_trusted(self, origin: str) -> bool:
        scheme, _, host = origin.partition("://")
        name, port = split_host(host)
        for trusted_scheme, trusted_name, trusted_port in self.trusted:
            if scheme != trusted_scheme or port != trusted_port:
                continue
            # As in Django, *.example.com is example.com too.
            if name == trusted_name.removeprefix("*.") or (
                trusted_name.startswith("*.") and name.endswith(trusted_name[1:])
            ):
                return True
        return False

    async def _wrong_token(self, request: Request) -> str:
        secret = _state(request).secret
        if secret is None:
            return "there is no CSRF cookie. Load a page that shows the form first."
        given = request.headers.get(self.header, "")
        if not given and request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            form = await request.form()
            field = form.get(FORM_FIELD, "")
            given = field if isinstance(field, str) else ""
        if not given:
            return f"there is no token. Send it in the header {header_name()} or the field {FORM_FIELD}."
        sent = _unmask(given)
        if sent is None or not hmac.compare_digest(sent, secret):
            return "the token is not the one of the cookie. Load the page anew."
        return ""


def _trusted(origin: str) -> tuple[str, str, str]:
    scheme, _, host = origin.partition("://")
    wildcard = host.startswith("*.")
    name, port = split_host(host[2:] if wildcard else host)
    return scheme, f"*.{name}" if wildcard else name, port
