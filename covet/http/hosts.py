"""Which host a request is for, and whether this server answers to that name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

__all__ = ["is_allowed_host", "split_host", "url_has_allowed_host_and_scheme"]

_HOST_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")


@lru_cache(maxsize=256)
def split_host(host: str) -> tuple[str, str]:
    """Return name and port of a ``Host`` header, lower case; empty texts when it is not one."""
    host = host.lower()
    name, port = host, ""
    if host.startswith("["):
        name, bracket, rest = host.partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return "", ""
        name, port = name + "]", rest[1:]
        if ":" not in name or not frozenset("0123456789abcdef:.").issuperset(name[1:-1]):
            return "", ""
    else:
        name, _, port = host.partition(":")
        if not name or not _HOST_CHARACTERS.issuperset(name):
            return "", ""
        name = name.rstrip(".")
    if port and not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65536):
        return "", ""
    return name, port


def url_has_allowed_host_and_scheme(
    url: str | None, allowed_hosts: Iterable[str], *, require_https: bool = False
) -> bool:
    """Return whether a browser may be sent to an address that a client has named: a path of this site, or one of these hosts.

    Args:
        url: The address.
        allowed_hosts: Names with their ports, such as ``{request.get_host()}``.
        require_https: Whether whole addresses must begin with ``https``; ``//host/`` does not, and may lead to ``http``.
    """
    text = (url or "").strip()
    if not text:
        return False
    # Browsers read a backslash as a slash, and leave control characters out.
    hosts = {host.lower() for host in allowed_hosts}
    return all(_leads_to(one, hosts, require_https=require_https) for one in (text, text.replace("\\", "/")))


def _leads_to(text: str, hosts: set[str], *, require_https: bool) -> bool:
    if text.startswith("///") or not text[0].isprintable() or any(ord(sign) < 32 for sign in text):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    if not parts.netloc and parts.scheme:
        # "http:///example.com" leads to that host in some browsers, "javascript:" runs.
        return False
    scheme = parts.scheme or ("http" if parts.netloc else "")
    schemes = ("https",) if require_https else ("http", "https")
    return (not parts.netloc or parts.netloc.lower() in hosts) and (not scheme or scheme in schemes)


def is_allowed_host(host: str, allowed: Iterable[str]) -> bool:
    """Return whether a ``Host`` header fits one of the names of ``ALLOWED_HOSTS``."""
    name, _ = split_host(host)
    if not name:
        return False
    for pattern in map(str.lower, allowed):
        if pattern in ("*", name):
            return True
        if pattern.startswith(".") and (name.endswith(pattern) or name == pattern[1:]):
            return True
    return False
