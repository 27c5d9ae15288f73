"""Serves static files, in development from the apps' folders, else from STATIC_ROOT; and uploads in development."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from covet.apps import apps
from covet.concurrency import to_thread
from covet.conf import settings
from covet.http.errors import NotFound
from covet.http.negotiation import accepted_encodings
from covet.http.request import Request
from covet.http.response import Response
from covet.loading import late_module
from covet.staticfiles import manifest
from covet.staticfiles.finders import StaticFilesPart, inside

if TYPE_CHECKING:
    from covet.http import streaming
else:
    streaming = late_module(__name__, "covet.http.streaming")

__all__ = ["serve", "serve_media"]

# The best first; each lies beside the file under this ending.
_PACKED = {"zstd": ".zst", "br": ".br", "gzip": ".gz"}
_NOSNIFF = {"X-Content-Type-Options": "nosniff"}


async def serve(request: Request, path: str) -> Response:
    """Return a static file, with ranges and a check for changes.

    With DEBUG the file comes from the folder it is written in. Else it comes from STATIC_ROOT, as ``collectstatic`` has
    left it: packed as the client takes it, and to be kept for good where its name is made of its content.

    Raises:
        NotFound: There is none of that path.
    """
    if not settings.DEBUG:
        return await _serve_collected(request, path)
    found = await to_thread(apps.current().part(StaticFilesPart).find, path)
    if found is None:
        raise NotFound(f"There is no static file {path!r}.")
    # Files change under a developer's hands: the browser asks each time and mostly gets a 304.
    return streaming.FileResponse(found, headers={"Cache-Control": "no-cache", **_NOSNIFF})


async def serve_media(request: Request, path: str) -> Response:
    """Return an uploaded file of MEDIA_ROOT, in development: without DEBUG there is none, as uploads are not ours to trust.

    Raises:
        NotFound: There is none of that path, or DEBUG is off.
    """
    root = settings.MEDIA_ROOT
    found = None if root is None or not settings.DEBUG else await to_thread(_uploaded, Path(root), path)
    if found is None:
        raise NotFound(f"There is no uploaded file {path!r}.")
    return streaming.FileResponse(found, headers={"Cache-Control": "no-cache", **_NOSNIFF})


def _uploaded(root: Path, path: str) -> Path | None:
    found = inside(root, path)
    return found if found is not None and found.is_file() else None


async def _serve_collected(request: Request, path: str) -> Response:
    root = settings.STATIC_ROOT
    if root is None or path == manifest.MANIFEST:
        raise NotFound("There are no static files here.")
    taken = accepted_encodings(request.headers.combined("accept-encoding", ""), tuple(_PACKED))
    endings = tuple((name, _PACKED[name]) for name in taken)
    found, encoding = await to_thread(_choose, Path(root), path, endings)
    if found is None:
        raise NotFound(f"There is no static file {path!r}.")
    keep = f"public, max-age={settings.STATIC_MAX_AGE}"
    if _is_stored(str(root), path):
        keep = "public, max-age=31536000, immutable"
    response = streaming.FileResponse(
        found, media_type=streaming.guess_media_type(path), headers={"Cache-Control": keep, **_NOSNIFF}
    )
    response.headers.add_vary("Accept-Encoding")
    if encoding:
        response.headers["Content-Encoding"] = encoding
    return response


def _choose(root: Path, path: str, endings: tuple[tuple[str, str], ...]) -> tuple[Path | None, str]:
    """Return the file to send and its encoding; packed copies are never asked for by themselves. Reads the disk."""
    plain = inside(root, path) or _linked(root, path)
    if plain is None or not plain.is_file():
        return None, ""
    for name, ending in endings:
        packed = inside(root, path + ending)
        if packed is not None and packed.is_file():
            return packed, name
    return plain, ""


def _linked(root: Path, path: str) -> Path | None:
    """Return the file that ``collectstatic --link`` has made a link to: it must be the very one that is found by that path."""
    if ".." in path.split("/") or not (root / path.lstrip("/")).is_symlink():
        return None
    registry = apps.current()
    found = registry.part(StaticFilesPart).find(path) if registry.has_part(StaticFilesPart) else None
    target = (root / path.lstrip("/")).resolve()
    return target if found is not None and found.resolve() == target else None


@lru_cache(maxsize=4096)
def _is_stored(root: str, path: str) -> bool:
    """Whether a path is a name made of the file's content; kept by the folder too: another one has another manifest."""
    found = manifest.current()
    return found is not None and path in found.stored
