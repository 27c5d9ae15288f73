"""Security schemes: how clients prove who they are, in the words of OpenAPI.

Covet's own way is the session's cookie (with the CSRF token on writes). A project that reads tokens in a middleware of its
own says so by ``OPENAPI_SECURITY``: the functions here write the schemes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.middleware.csrf import header_name
from covet.text import suggest

__all__ = ["api_key", "basic", "bearer", "csrf_token", "oauth2", "openid", "requirements", "schemes", "session_cookie"]

_CSRF: Final = "covet.middleware.csrf.CsrfMiddleware"
_KINDS: Final = ("apiKey", "http", "oauth2", "openIdConnect", "mutualTLS")


def session_cookie() -> dict[str, Any]:
    """Return the scheme of the session's cookie."""
    return {
        "type": "apiKey",
        "in": "cookie",
        "name": settings.SESSION_COOKIE_NAME,
        "description": "The cookie that logging in sets.",
    }


def csrf_token() -> dict[str, Any]:
    """Return the scheme of the token that proves a write with a session to come from this site."""
    name = header_name()
    text = f"The value of the cookie '{settings.CSRF_COOKIE_NAME}'; needed by writes with a session."
    scheme = {"type": "apiKey", "in": "header", "name": name, "description": text}
    # For clients that are generated: which cookie to read.
    return {**scheme, "x-csrf-cookie": settings.CSRF_COOKIE_NAME}


def bearer(form: str = "JWT", description: str = "") -> dict[str, Any]:
    """Return the scheme of a token in ``Authorization: Bearer``.

    Args:
        form: What the token is.
        description: For the documentation.
    """
    return _told({"type": "http", "scheme": "bearer", "bearerFormat": form}, description)


def basic(description: str = "") -> dict[str, Any]:
    """Return the scheme of a name and a password in ``Authorization: Basic``."""
    return _told({"type": "http", "scheme": "basic"}, description)


def api_key(
    name: str = "X-API-Key", *, where: Literal["header", "query", "cookie"] = "header", description: str = ""
) -> dict[str, Any]:
    """Return the scheme of a key of its own.

    Args:
        name: The header, parameter or cookie.
        where: Which of these it is.
        description: For the documentation.
    """
    return _told({"type": "apiKey", "in": where, "name": name}, description)


def oauth2(
    *,
    authorization_url: str = "",
    token_url: str = "",
    refresh_url: str = "",
    scopes: Mapping[str, str] | None = None,
    description: str = "",
) -> dict[str, Any]:
    """Return the scheme of OAuth 2: the authorization code flow, or client credentials without an ``authorization_url``.

    Raises:
        ImproperlyConfigured: There is no ``token_url``.
    """
    if not token_url:
        raise ImproperlyConfigured("oauth2() needs the token_url, where clients get their tokens.")
    flow: dict[str, Any] = {"tokenUrl": token_url, "scopes": dict(scopes or {})}
    if refresh_url:
        flow["refreshUrl"] = refresh_url
    if not authorization_url:
        return _told({"type": "oauth2", "flows": {"clientCredentials": flow}}, description)
    flow = {"authorizationUrl": authorization_url, **flow}
    return _told({"type": "oauth2", "flows": {"authorizationCode": flow}}, description)


def openid(url: str, description: str = "") -> dict[str, Any]:
    """Return the scheme of OpenID Connect.

    Args:
        url: The address of the provider's ``openid-configuration``.
        description: For the documentation.
    """
    return _told({"type": "openIdConnect", "openIdConnectUrl": url}, description)


def _told(scheme: dict[str, Any], description: str) -> dict[str, Any]:
    return {**scheme, "description": description} if description else scheme


def uses_csrf() -> bool:
    """Return whether a write with a session needs a token."""
    return _CSRF in settings.MIDDLEWARE


def schemes() -> dict[str, dict[str, Any]]:
    """Return the schemes of the project: ``OPENAPI_SECURITY``, or the session's cookie.

    Raises:
        ImproperlyConfigured: One of them is no scheme.
    """
    given = settings.OPENAPI_SECURITY
    for name, scheme in given.items():
        if not isinstance(scheme, dict) or scheme.get("type") not in _KINDS:
            raise ImproperlyConfigured(
                f"OPENAPI_SECURITY[{name!r}] is no security scheme of OpenAPI. Write bearer(), api_key(…) or another one "
                "of covet.rest.openapi.security."
            )
    found: dict[str, dict[str, Any]] = dict(given) or {"session": session_cookie()}
    if uses_csrf() and any(_is_session(scheme) for scheme in found.values()):
        found["csrf"] = csrf_token()
    return found


def _is_session(scheme: Mapping[str, Any]) -> bool:
    return scheme.get("in") == "cookie" and scheme.get("name") == settings.SESSION_COOKIE_NAME


def requirements(
    asked: Sequence[str | Mapping[str, Sequence[str]]] | None, *, write: bool
) -> list[dict[str, list[str]]]:
    """Return what an operation asks for: one scheme of several, the session's on writes with the CSRF token.

    Args:
        asked: Names of schemes, of which one is enough; a mapping of several to their scopes asks for all of these. None for
            all that the project has.
        write: Whether the operation may change anything.

    Raises:
        ImproperlyConfigured: A name is unknown.
    """
    known = schemes()
    made: list[dict[str, list[str]]] = []
    for entry in [one for one in known if one != "csrf"] if asked is None else asked:
        one = {entry: []} if isinstance(entry, str) else {name: list(scopes) for name, scopes in entry.items()}
        for name in list(one):
            scheme = known.get(name)
            if scheme is None:
                near = suggest(name, known)
                hint = f"Did you mean {near!r}?" if near else f"Known are {', '.join(known)}."
                raise ImproperlyConfigured(f"security names {name!r}, which OPENAPI_SECURITY does not have. {hint}")
            if write and "csrf" in known and _is_session(scheme):
                one["csrf"] = []
        made.append(one)
    return made
