"""References between static files: ``url(…)`` and ``@import`` in CSS, modules and source maps in JavaScript.

A file that is stored under a name made of its content must be referred to by that name; what it refers to is named first.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from urllib.parse import unquote, urldefrag, urlsplit

__all__ = ["is_rewritten", "rewrite"]

_CSS = re.compile(
    r"""(?P<comment>/\*(?!\#\s*sourceMappingURL).*?\*/)"""
    r"""|(?P<url>url\(\s*(?P<quote>["']?)(?P<in_url>.*?)(?P=quote)\s*\))"""
    r"""|(?P<import>@import\s+(?P<mark>["'])(?P<in_import>.*?)(?P=mark))"""
    r"""|(?P<map>/\*\#\s*sourceMappingURL=(?P<in_map>\S+?)\s*\*/)""",
    re.DOTALL | re.IGNORECASE,
)
# Only references that say where they lie ("./x.js", "../x.js", "/static/x.js"): a bare name is a package.
_JS = re.compile(
    r"""(?P<comment>/\*.*?\*/)"""
    r"""|(?P<from>\b(?:from|import)\s*\(?\s*(?P<quote>["'])(?P<in_from>\.{0,2}/[^"'\n]*?)(?P=quote))"""
    r"""|(?P<map>^//\#\s*sourceMappingURL=(?P<in_map>\S+)\s*$)""",
    re.DOTALL | re.MULTILINE,
)
_PATTERNS = {".css": _CSS, ".js": _JS, ".mjs": _JS}


def is_rewritten(path: str) -> bool:
    """Whether files of this name may refer to others."""
    return posixpath.splitext(path)[1].lower() in _PATTERNS


def rewrite(path: str, text: str, base_url: str, name_of: Callable[[str], str | None]) -> str:
    """Return the text with its references replaced.

    Args:
        path: The file's own path below STATIC_ROOT.
        text: What it holds.
        base_url: ``STATIC_URL``.
        name_of: Gives the stored name of a path; ``None`` for what is not there.
    """

    def replace(found: re.Match[str]) -> str:
        for group in ("in_url", "in_import", "in_from", "in_map"):
            reference = found.groupdict().get(group)
            if reference is None:
                continue
            new = _renamed(path, reference, base_url, name_of)
            if new is None:
                return found[0]
            start, end = found.span(group)
            return found[0][: start - found.start()] + new + found[0][end - found.start() :]
        return found[0]

    return _PATTERNS[posixpath.splitext(path)[1].lower()].sub(replace, text)


def _renamed(path: str, reference: str, base_url: str, name_of: Callable[[str], str | None]) -> str | None:
    """Return the reference to the stored file; ``None`` where it leads elsewhere, or to nothing."""
    plain, fragment = urldefrag(reference.strip())
    parts = urlsplit(plain)
    if not plain or parts.scheme or (parts.netloc and not plain.startswith(base_url)):
        return None
    bare = plain.partition("?")[0]
    if bare.startswith(base_url):
        target = bare.removeprefix(base_url)
    elif bare.startswith("/"):
        return None
    else:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), bare))
    stored = name_of(unquote(target))
    if stored is None:
        return None
    # The old reference but for the file's name: relative ones stay relative.
    new = posixpath.join(posixpath.dirname(bare), posixpath.basename(stored))
    if plain != bare:
        new += plain[len(bare) :]
    return f"{new}#{fragment}" if fragment else new
