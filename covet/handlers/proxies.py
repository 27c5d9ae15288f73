"""Requests behind trusted proxies: the compiled step that only a project with TRUSTED_PROXIES has."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from covet.http.policy import RequestPolicy
from covet.http.request import Request
from covet.http.response import Response
from covet.middleware.base import GetResponse
from covet.types import Scope

if TYPE_CHECKING:
    from covet.http.proxies import TrustedProxies

__all__ = ["behind_proxies", "trusting"]


def trusting(call: GetResponse, proxies: TrustedProxies, policy: RequestPolicy) -> GetResponse:
    """Return a step that gives each request the client, scheme and host that trusted proxies tell, and ignores others."""
    # What was read here is not read again, and what a stranger says is not believed by any other setting.
    believed = replace(policy, use_forwarded_host=False, use_forwarded_port=False)
    refused = replace(believed, secure_proxy_header=None)

    def trusted(request: Request) -> Awaitable[Response]:
        client, scheme, headers, is_trusted = proxies.apply(request.client, request.scheme, request.raw_headers)
        request.client, request.scheme, request.raw_headers = client, scheme, headers
        request.policy = believed if is_trusted else refused
        return call(request)

    return trusted


def behind_proxies(scope: Scope, proxies: TrustedProxies) -> Scope:
    """Return the scope of a WebSocket as it is behind the proxies."""
    client, scheme, headers, _ = proxies.apply(scope.get("client"), scope.get("scheme", "ws"), scope["headers"])
    return {**scope, "client": client, "scheme": scheme, "headers": headers}
