"""Who may do what: permissions that REST, GraphQL and WebSocket ask alike, and what ``request.user`` promises."""

from covet.access.check import allowed, challenge, check, check_object, effective, policy
from covet.access.permissions import (
    AllowAny,
    Connection,
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
    "Connection",
    "Is",
    "IsAdminUser",
    "IsAuthenticated",
    "IsAuthenticatedOrReadOnly",
    "ModelPermissions",
    "ModelPermissionsOrReadOnly",
    "Permission",
    "Target",
    "allowed",
    "challenge",
    "check",
    "check_object",
    "effective",
    "policy",
]
