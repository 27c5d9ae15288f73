"""The order in which middleware belongs, and a check that names the pair that stands the wrong way round.

What a layer needs, and what must be cheap to refuse, stands further out: an answer of CORS needs no session, the CSRF token is
compared before anything is counted, a cached answer is given after requests are counted, and who asks is looked up last.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Any

from covet.checks.messages import CheckMessage, Error, Warning
from covet.conf import settings

__all__ = ["DEBUG_PANEL", "ORDER", "check_debug_panel", "check_order"]

DEBUG_PANEL = "covet.debug.middleware.DebugPanelMiddleware"

# Layers of one line may stand in either order. Names that no room has yet keep the slot of what will come.
ORDER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("CORS", ("covet.middleware.cors.CorsMiddleware",)),
    (
        "security headers",
        (
            "covet.middleware.security.SecurityMiddleware",
            "covet.middleware.csp.ContentSecurityPolicyMiddleware",
        ),
    ),
    ("sessions", ("covet.sessions.middleware.SessionMiddleware",)),
    ("CSRF", ("covet.middleware.csrf.CsrfMiddleware",)),
    ("rate limit", ("covet.rest.middleware.RateLimitMiddleware",)),
    (
        "cache",
        (
            "covet.cache.middleware.CacheMiddleware",
            "covet.cache.middleware.UpdateCacheMiddleware",
            "covet.cache.middleware.FetchFromCacheMiddleware",
        ),
    ),
    ("auth", ("covet.auth.middleware.AuthenticationMiddleware",)),
    ("audit", ("covet.audit.middleware.AuditMiddleware",)),
)
"""The slots, outermost first, each with the layers that belong in it."""

_SLOTS = {name: place for place, (_, names) in enumerate(ORDER) for name in names}


def check_order(middleware: Sequence[Any]) -> Iterator[CheckMessage]:
    """Report layers of ours that stand outside one that must be further out; other layers may stand anywhere.

    Args:
        middleware: ``MIDDLEWARE``, outermost first.
    """
    outermost: tuple[int, str] | None = None
    for name in middleware:
        slot = _SLOTS.get(name) if isinstance(name, str) else None
        if slot is None:
            continue
        if outermost is not None and slot < outermost[0]:
            yield Warning(
                f"MIDDLEWARE has {name} ({ORDER[slot][0]}) after {outermost[1]} ({ORDER[outermost[0]][0]}).",
                hint=f"Put it before: the order is {' → '.join(label for label, _ in ORDER)} → the project's own.",
                obj="settings",
                id="middleware.W001",
            )
        else:
            outermost = (slot, name)


def check_debug_panel(middleware: Sequence[Any]) -> Iterator[CheckMessage]:
    """Report a debug panel that somebody could see on a site that is deployed."""
    if DEBUG_PANEL not in middleware:
        return
    if settings.DEBUG and settings.INTERNAL_IPS:
        yield Error(
            "The debug panel is on: addresses of INTERNAL_IPS see statements, headers and settings.",
            hint="Set COVET_DEBUG=false.",
            obj="settings",
            id="middleware.E001",
        )
    wide = [text for text in settings.INTERNAL_IPS if _is_public(text)]
    if wide:
        yield Warning(
            f"INTERNAL_IPS lists addresses of the public network: {', '.join(wide)}.",
            hint="List addresses of developers only, such as '127.0.0.1'.",
            obj="settings",
            id="middleware.W002",
        )


def _is_public(text: str) -> bool:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return not network.is_private
