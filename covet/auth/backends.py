"""Authentication backends: who is this, and what may they do?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from covet.apps import apps
from covet.auth.user_model import get_user_model
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured
from covet.loading import import_string, late_module

if TYPE_CHECKING:
    from covet.auth import hashers
    from covet.auth.models import AbstractBaseUser
else:
    hashers = late_module(__name__, "covet.auth.hashers")

__all__ = ["BaseBackend", "ModelBackend", "get_backends", "load_backend"]


def load_backend(path: str) -> Any:
    """Return a backend by its dotted path."""
    return import_string(path)()


def get_backends() -> list[Any]:
    """Return the backends of ``AUTHENTICATION_BACKENDS``, in order.

    Raises:
        ImproperlyConfigured: The setting is empty.
    """
    backends = [load_backend(path) for path in settings.AUTHENTICATION_BACKENDS]
    if not backends:
        raise ImproperlyConfigured("AUTHENTICATION_BACKENDS is empty: list at least one backend.")
    return backends


class BaseBackend:
    """Grants nothing and knows nobody: the base of backends of your own."""

    async def authenticate(self, request: Any, **credentials: Any) -> Any:
        """Return the user whose credentials these are, or ``None``."""
        return None

    async def get_user(self, user_id: Any) -> Any:
        """Return the user with this key, or ``None``."""
        return None

    async def get_user_permissions(self, user: Any, obj: Any = None) -> set[str]:
        """Return what was granted to the user."""
        return set()

    async def get_group_permissions(self, user: Any, obj: Any = None) -> set[str]:
        """Return what was granted to the user's groups."""
        return set()

    async def get_all_permissions(self, user: Any, obj: Any = None) -> set[str]:
        """Return what the user may do, by own permissions and by those of groups."""
        return await self.get_user_permissions(user, obj) | await self.get_group_permissions(user, obj)

    async def has_perm(self, user: Any, perm: str, obj: Any = None) -> bool:
        """Tell whether the permission is among them."""
        return perm in await self.get_all_permissions(user, obj)

    async def has_module_perms(self, user: Any, app_label: str) -> bool:
        """Tell whether any permission of the app is among them."""
        return any(perm.partition(".")[0] == app_label for perm in await self.get_all_permissions(user))


class ModelBackend(BaseBackend):
    """Users and permissions in the database, by user name and password."""

    async def authenticate(
        self, request: Any, username: str | None = None, password: str | None = None, **credentials: Any
    ) -> Any:
        """Return the active user with this name and password."""
        model = get_user_model()
        if username is None:
            username = credentials.get(model.USERNAME_FIELD)
        if username is None or password is None:
            return None
        try:
            user = await model._default_manager.get_by_natural_key(username)
        except model.DoesNotExist:
            # Hash all the same: the time must not tell which names exist.
            await hashers.make_password(password)
            return None
        if await user.check_password(password) and self.user_can_authenticate(user):
            return user
        return None

    def user_can_authenticate(self, user: AbstractBaseUser) -> bool:
        """Tell whether the account is in use."""
        return bool(user.is_active)

    async def get_user(self, user_id: Any) -> Any:
        """Return the active user with this key, or ``None``."""
        user = await get_user_model()._default_manager.filter(pk=user_id).first()
        return user if user is not None and self.user_can_authenticate(user) else None

    async def get_user_permissions(self, user: Any, obj: Any = None) -> set[str]:
        """Return what was granted to the user, as ``app.codename``; everything for a superuser."""
        return await self._permissions(user, obj, "user")

    async def get_group_permissions(self, user: Any, obj: Any = None) -> set[str]:
        """Return what was granted to the user's groups; everything for a superuser."""
        return await self._permissions(user, obj, "group")

    async def has_perm(self, user: Any, perm: str, obj: Any = None) -> bool:
        """Tell whether an active user has the permission."""
        return bool(user.is_active) and await super().has_perm(user, perm, obj)

    async def has_module_perms(self, user: Any, app_label: str) -> bool:
        """Tell whether an active user has any permission of the app."""
        return bool(user.is_active) and await super().has_module_perms(user, app_label)

    async def _permissions(self, user: Any, obj: Any, source: str) -> set[str]:
        """Load what was granted; kept on the user, so that one request asks the database once a source."""
        if not user.is_active or user.is_anonymous or obj is not None:
            return set()
        kept: dict[str, set[str]] = user.__dict__.setdefault("_granted", {})
        if source not in kept:
            permissions = apps.get_model("auth.Permission").objects.order_by()
            if not user.is_superuser:
                groups = await user.groups.values_list("pk", flat=True) if source == "group" else []
                permissions = (
                    permissions.filter(group__in=groups) if source == "group" else permissions.filter(user=user.pk)
                )
            rows = await permissions.values_list("content_type__app_label", "codename")
            kept[source] = {f"{app_label}.{codename}" for app_label, codename in rows}
        return kept[source]
