"""Serves static files straight from the apps' folders, in development."""

from __future__ import annotations

from covet.apps import apps
from covet.concurrency import to_thread
from covet.conf import settings
from covet.http.errors import NotFound
from covet.http.request import Request
from covet.http.response import Response
from covet.http.streaming import FileResponse
from covet.staticfiles.finders import StaticFilesPart

__all__ = ["serve"]


async def serve(request: Request, path: str) -> Response:
    """Return a static file, with ranges and a check for changes.

    Raises:
        NotFound: There is none of that path.
    """
    if not settings.DEBUG:
        raise NotFound("Static files are served by the server in front of this one.")
    found = await to_thread(apps.current().part(StaticFilesPart).find, path)
    if found is None:
        raise NotFound(f"There is no static file {path!r}.")
    # Files change under a developer's hands: the browser asks each time and mostly gets a 304.
    return FileResponse(found, headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
