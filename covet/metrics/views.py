"""``/metrics``: the figures, for who may see them."""

from __future__ import annotations

import ipaddress
import secrets

from covet.concurrency import to_thread
from covet.conf import settings
from covet.http.errors import NotFound
from covet.http.request import Request
from covet.http.response import Response
from covet.metrics.figures import CONTENT_TYPE, text

__all__ = ["metrics"]


async def metrics(request: Request) -> Response:
    """Return the figures.

    Raises:
        NotFound: The client neither has ``METRICS_TOKEN`` nor an address of ``METRICS_ALLOWED_CLIENTS``; 404 and not 403,
            since a stranger need not know.
    """
    if not (_has_token(request) or _is_allowed(request)):
        raise NotFound
    return Response(await to_thread(text), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _has_token(request: Request) -> bool:
    token = settings.METRICS_TOKEN
    if not token:
        return False
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(given.encode(), token.encode())


def _is_allowed(request: Request) -> bool:
    if request.client is None:
        return False
    try:
        address = ipaddress.ip_address(request.client[0])
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(network, strict=False) for network in settings.METRICS_ALLOWED_CLIENTS)
