"""The two answers. They name parts and no reasons, which stand in the log ``covet.health``: anyone may ask."""

from __future__ import annotations

from covet.apps.draining import draining
from covet.apps.registry import apps
from covet.health.probes import probe_all
from covet.http.request import Request
from covet.http.response import JSONResponse, Response

__all__ = ["healthz", "readyz"]

_HEADERS = {"Cache-Control": "no-store"}


async def healthz(request: Request) -> Response:
    """Answer 200 as long as the process serves: asks nothing, so a database that is down restarts nobody."""
    return JSONResponse({"status": "ok"}, headers=_HEADERS)


async def readyz(request: Request) -> Response:
    """Answer 200 when every part can work, 503 when one cannot or the server is about to stop."""
    if draining.is_draining:
        return JSONResponse({"status": "draining"}, 503, headers=_HEADERS)
    report = await probe_all(apps.current())
    return JSONResponse(
        {
            "status": "ok" if report.is_ready else "unavailable",
            "parts": {name: "ok" if works else "unavailable" for name, works in report.parts.items()},
        },
        200 if report.is_ready else 503,
        headers=_HEADERS,
    )
