"""Names of stored files: relative paths with forward slashes that never leave the folder they are kept in."""

from __future__ import annotations

import posixpath
import re
import secrets
from functools import cache
from typing import Final

from covet.exceptions import SuspiciousOperation

__all__ = ["SuspiciousFileOperation", "available", "check_name", "kind_of", "valid_name"]


@cache
def _unwanted() -> re.Pattern[str]:
    return re.compile(r"[^-\w.]")


_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_NOT_A_NAME = frozenset({"", ".", ".."})


@cache
def _devices() -> re.Pattern[str]:
    # Windows opens devices by these names, whatever folder and extension stand round them.
    return re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE)


class SuspiciousFileOperation(SuspiciousOperation):
    """A name leads out of the storage's folder, or is none."""


def valid_name(name: str) -> str:
    """Return the last part of a name, with spaces as underscores and without signs that mean something to a system.

    Raises:
        SuspiciousFileOperation: Nothing is left of it.
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1].strip().replace(" ", "_")
    cleaned = _unwanted().sub("", last)
    if cleaned in _NOT_A_NAME or not cleaned.strip("."):
        raise SuspiciousFileOperation("A file needs a name: nothing is left of this one without its special signs.")
    return f"_{cleaned}" if _devices().fullmatch(cleaned) else cleaned


def check_name(name: str, *, allow_folders: bool = True) -> str:
    """Return a relative path with forward slashes.

    Raises:
        SuspiciousFileOperation: It is absolute, has ``..`` or a null character in it, or names no file.
    """
    path = str(name).replace("\\", "/")
    parts = path.split("/")
    if parts[-1] in _NOT_A_NAME:
        raise SuspiciousFileOperation("A file needs a name, and this one is empty or a folder's.")
    if path.startswith("/") or ".." in parts or "\0" in path or re.match(r"[A-Za-z]:", path):
        raise SuspiciousFileOperation("The name of a file leads out of its storage: it must be relative, without '..'.")
    if not allow_folders and len(parts) > 1:
        raise SuspiciousFileOperation("The name of a file has folders in it, and must have none here.")
    return posixpath.normpath(path)


def available(name: str, max_length: int | None, attempt: int) -> str:
    """Return a name to try: the name itself first, then with a random part; cut to ``max_length``.

    Raises:
        SuspiciousFileOperation: No name is short enough.
    """
    folder, file = posixpath.split(name)
    stem, extension = posixpath.splitext(file)
    tail = "" if attempt == 0 else "_" + "".join(secrets.choice(_ALPHABET) for _ in range(7))
    if max_length is not None:
        room = max_length - len(tail) - len(extension) - (len(folder) + 1 if folder else 0)
        if room < 1:
            raise SuspiciousFileOperation(
                f"No name of at most {max_length} characters can be made for this file. Give the field a greater "
                "max_length, or a shorter upload_to."
            )
        stem = stem[:room]
    return posixpath.join(folder, f"{stem}{tail}{extension}")


# What sites are made of, and what Python knows by the machine alone: by ``/etc/mime.types``, which containers seldom have, or by
# the registry of Windows, where a script may be ``text/plain``, which no browser runs.
_KINDS: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".m4a": "audio/mp4",
    ".map": "application/json",
    ".md": "text/markdown",
    ".mjs": "text/javascript",
    ".avif": "image/avif",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


def kind_of(name: str) -> tuple[str | None, str | None]:
    """Return the media type of a file by its name, and how it is packed; the same on every machine for what sites are made of."""
    import mimetypes  # a table that only files need

    known = _KINDS.get(posixpath.splitext(name)[1].lower())
    return (known, None) if known is not None else mimetypes.guess_type(name)
