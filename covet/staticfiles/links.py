"""Addresses of static files."""

from __future__ import annotations

from urllib.parse import quote

from covet.conf import settings
from covet.exceptions import CovetError
from covet.staticfiles import manifest
from covet.text import suggest
from covet.urls.addresses import script_prefix

__all__ = ["MissingStaticFile", "static"]


class MissingStaticFile(CovetError):
    """A template or view names a static file that collectstatic has not found."""


def static(path: str) -> str:
    """Return the address of a static file: ``static("blog/style.css")`` is ``/static/blog/style.css``.

    A ``STATIC_URL`` without a slash in front, ``"static/"``, is taken to lie below the ``root_path`` of the request.
    In production, once ``collectstatic`` has run, it is the address of the name made of the file's content.

    Raises:
        MissingStaticFile: ``collectstatic`` has run and found no such file, and STATIC_MANIFEST_STRICT is on.
    """
    base = settings.STATIC_URL
    if not base.startswith("/") and "://" not in base:  # Django's rule: below wherever the site is mounted
        base = f"{script_prefix.get()}/{base}"
    name = path.lstrip("/")
    found = manifest.current()
    if found is not None and not name.endswith("/"):
        bare, hash_mark, fragment = name.partition("#")
        bare, question, query = bare.partition("?")
        stored = found.paths.get(bare)
        if stored is None and not settings.STATIC_MANIFEST_STRICT:
            stored = bare
        if stored is None:
            near = suggest(bare, found.paths)
            hint = f" Did you mean {near!r}?" if near else " Run collectstatic if it is new."
            raise MissingStaticFile(f"There is no static file {bare!r}.{hint}")
        name = stored
        tail = f"{question}{query}{hash_mark}{fragment}"
    else:
        tail = ""
    return (base if base.endswith("/") else base + "/") + quote(name, safe="/~!$&'()*+,;=:@") + tail
