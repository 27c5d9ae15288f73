"""The app of users."""

from covet.apps import AppConfig
from covet.auth.part import AuthPart, create_permissions
from covet.db.models.signals import post_migrate

__all__ = ["AuthConfig"]


class AuthConfig(AppConfig):
    """Users, groups and permissions."""

    name = "covet.auth"
    label = "auth"
    verbose_name = "Users"
    default_auto_field = "covet.db.models.BigAutoField"
    parts = (AuthPart,)

    def ready(self) -> None:
        """Make the permissions of each model after every ``migrate``."""
        post_migrate.connect(create_permissions, dispatch_uid="covet.auth.create_permissions")
