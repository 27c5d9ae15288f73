"""ContentSecurityPolicyMiddleware: sends SECURE_CSP, with a nonce for the page's own scripts and styles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse, MiddlewareNotUsed

__all__ = ["NONCE", "ContentSecurityPolicyMiddleware", "build_policy", "policy_for"]

NONCE: Final = "<nonce>"
"""Stands in SECURE_CSP where the nonce of the request belongs: ``{"script-src": ["'self'", NONCE]}``."""


def build_policy(directives: Mapping[str, Any]) -> str:
    """Return the text of a policy; a directive's value is a list, a text, or ``True`` for one without a value.

    Raises:
        ImproperlyConfigured: A value would end the directive.
    """
    parts = []
    for name, value in directives.items():
        if value is False or value is None:
            continue
        values = [] if value is True else [value] if isinstance(value, str) else list(value)
        text = " ".join([name, *values])
        if ";" in text or "," in text or not text.isprintable():
            raise ImproperlyConfigured(
                f"The directive {name!r} of SECURE_CSP cannot hold ';', ',' or line ends: {values!r}."
            )
        parts.append(text)
    return "; ".join(parts)


class ContentSecurityPolicyMiddleware:
    """Adds the policy to each answer that has none of its own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.policies = [
            (name, build_policy(directives))
            for name, directives in (
                ("Content-Security-Policy", settings.SECURE_CSP),
                ("Content-Security-Policy-Report-Only", settings.SECURE_CSP_REPORT_ONLY),
            )
            if directives
        ]
        if not self.policies:
            raise MiddlewareNotUsed("SECURE_CSP is empty")

    async def __call__(self, request: Request) -> Response:
        """Answer, then add the policy."""
        response = await self.get_response(request)
        headers = response.headers
        for name, policy in self.policies:
            given = headers.get(name)
            if given is None:
                headers[name] = _filled(request, policy)
            elif not given:
                # The view has asked for none, by an empty one.
                del headers[name]
        return response


def policy_for(request: Request, directives: Mapping[str, Any]) -> str:
    """Return the text of a policy for the answer to a request, with its nonce."""
    return _filled(request, build_policy(directives))


def _filled(request: Request, policy: str) -> str:
    if NONCE not in policy:
        return policy
    # A page that never asked for the nonce has nothing that it would allow.
    return _without_lone_none(
        policy.replace(NONCE, f"'nonce-{request.csp_nonce}'" if request.has_csp_nonce else "'none'")
    )


def _without_lone_none(policy: str) -> str:
    """Return the policy with ``'none'`` taken out of directives that allow something else: it may only stand alone."""
    parts = []
    for directive in policy.split("; "):
        words = directive.split(" ")
        if len(words) > 2 and "'none'" in words:
            words = [word for word in words if word != "'none'"]
        parts.append(" ".join(words))
    return "; ".join(parts)
