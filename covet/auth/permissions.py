"""What a user may do: every backend of ``AUTHENTICATION_BACKENDS`` is asked, the first that grants decides."""

from __future__ import annotations

from typing import Any

from covet.auth.backends import get_backends
from covet.exceptions import PermissionDenied

__all__ = ["has_module_perms", "has_perm", "permissions_of"]


async def has_perm(user: Any, perm: str, obj: Any = None) -> bool:
    """Tell whether one backend grants ``"app.codename"``; one that raises ``PermissionDenied`` ends the search."""
    for backend in get_backends():
        if not hasattr(backend, "has_perm"):
            continue
        try:
            if await backend.has_perm(user, perm, obj):
                return True
        except PermissionDenied:
            return False
    return False


async def has_module_perms(user: Any, app_label: str) -> bool:
    """Tell whether one backend grants any permission of the app."""
    for backend in get_backends():
        if not hasattr(backend, "has_module_perms"):
            continue
        try:
            if await backend.has_module_perms(user, app_label):
                return True
        except PermissionDenied:
            return False
    return False


async def permissions_of(user: Any, obj: Any, source: str) -> set[str]:
    """Return all that the backends grant; ``source`` is ``"user"``, ``"group"`` or ``"all"``."""
    granted: set[str] = set()
    for backend in get_backends():
        if hasattr(backend, "get_all_permissions"):
            method = {
                "user": backend.get_user_permissions,
                "group": backend.get_group_permissions,
                "all": backend.get_all_permissions,
            }[source]
            granted |= await method(user, obj)
    return granted
