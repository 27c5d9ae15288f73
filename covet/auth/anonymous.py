"""Nobody in particular: what ``request.user`` is without credentials."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from covet.concurrency import verdict

__all__ = ["AnonymousUser"]


class AnonymousUser:
    """A visitor who has not said who they are; awaiting it gives itself, as a loaded user does."""

    pk = None
    id = None
    username = ""
    is_staff = False
    is_active = False
    is_superuser = False
    is_authenticated = False
    is_anonymous = True
    # That of the connection: whoever asks gives another answer to a cookie that says more.
    _session: Any = None

    def __await__(self) -> Generator[Any, Any, AnonymousUser]:
        if self._session is not None:
            self._session.accessed = True
        return self
        yield  # makes this a generator function; never reached

    def __eq__(self, other: object) -> bool:
        return isinstance(other, self.__class__)

    def __hash__(self) -> int:
        return 1

    def __str__(self) -> str:
        return "AnonymousUser"

    def get_username(self) -> str:
        """Return the empty name."""
        return self.username

    async def get_all_permissions(self, obj: Any = None) -> set[str]:
        """Return what the backends grant to everybody."""
        from covet.auth.permissions import permissions_of

        return await permissions_of(self, obj, "all")

    @verdict
    async def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Ask the backends; the bundled one grants an anonymous user nothing."""
        from covet.auth.permissions import has_perm

        return await has_perm(self, perm, obj)

    @verdict
    async def has_perms(self, perms: Any, obj: Any = None) -> bool:
        """Tell whether all of the permissions are granted."""
        return all([await self.has_perm(perm, obj) for perm in perms])

    @verdict
    async def has_module_perms(self, app_label: str) -> bool:
        """Tell whether any permission of the app is granted."""
        from covet.auth.permissions import has_module_perms

        return await has_module_perms(self, app_label)
