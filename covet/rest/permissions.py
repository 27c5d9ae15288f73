"""The permissions of ``covet.access``, by the name under which REST users know them: ``permissions.AllowAny``."""

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
