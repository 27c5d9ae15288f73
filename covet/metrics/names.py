"""Names that figures and spans go by: few, whatever clients send."""

from __future__ import annotations

__all__ = ["method_label"]

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def method_label(method: str) -> str:
    """Return the method, or ``_OTHER`` for what anyone may invent (as OpenTelemetry names it)."""
    return method if method in _METHODS else "_OTHER"
