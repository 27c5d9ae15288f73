"""The app of users."""

from covet.apps import AppConfig
from covet.auth.part import AuthPart

__all__ = ["AuthConfig"]


class AuthConfig(AppConfig):
    """Users, groups and permissions."""

    name = "covet.auth"
    label = "auth"
    parts = (AuthPart,)
