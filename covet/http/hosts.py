"""Which host a request is for, and whether this server answers to that name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

__all__ = ["is_allowed_host", "split_host"]

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
        if not frozenset("0123456789abcdef:.").issuperset(name[1:-1]):
            return "", ""
    else:
        name, _, port = host.partition(":")
        if not name or not _HOST_CHARACTERS.issuperset(name):
            return "", ""
        name = name.rstrip(".")
    if port and not (port.isascii() and port.isdigit()):
        return "", ""
    return name, port


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
