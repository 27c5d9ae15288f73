"""The permissions of ``covet.access``, by the name under which REST users know them: ``permissions.AllowAny``."""

from typing import TYPE_CHECKING, Any

from covet.access import (
    AllowAny,
    Is,
    IsAdminUser,
    IsAuthenticated,
    IsAuthenticatedOrReadOnly,
    ModelPermissions,
    ModelPermissionsOrReadOnly,
    Permission,
    Target,
)

__all__ = [
    "AllowAny",
    "Is",
    "IsAdminUser",
    "IsAuthenticated",
    "IsAuthenticatedOrReadOnly",
    "ModelPermissions",
    "ModelPermissionsOrReadOnly",
    "Permission",
    "Target",
]


if not TYPE_CHECKING:  # a checker knows the names

    def __getattr__(name: str) -> Any:
        from covet.rest.foreign import absent_permission

        raise absent_permission(name)
