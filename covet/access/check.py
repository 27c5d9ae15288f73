"""Which permissions hold, and asking them: the one place that turns a no into 401 or 403."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

from covet.access.permissions import Action, Connection, Permission, Target, as_permission, says_yes
from covet.conf import settings
from covet.exceptions import ImproperlyConfigured, PermissionDenied
from covet.http.errors import Unauthorized
from covet.i18n.texts import gettext
from covet.loading import import_string

__all__ = ["allowed", "challenge", "check", "check_object", "effective", "policy"]

M = TypeVar("M", bound=type[Any])

_BASIC: Final = 'Basic realm="api"'
_SCHEMES: Final = {
    "basic": _BASIC,
    "bearer": "Bearer",
    "oauth2": "Bearer",
    "openIdConnect": "Bearer",
    "cookie": "Session",
}


def policy(*permissions: Any) -> Callable[[M], M]:
    """Give a model the permissions that hold where no endpoint, viewset or router says any: ``@policy(ModelPermissions)``."""
    made = tuple(as_permission(permission) for permission in permissions)

    def mark(model: M) -> M:
        model.__covet_policy__ = made  # a mark; nothing is registered
        return model

    return mark


def effective(permissions: Iterable[Any] | None = None, model: type[Any] | None = None) -> tuple[Permission, ...]:
    """Return the permissions that hold: those given, else the model's policy, else ``DEFAULT_PERMISSIONS``.

    Args:
        permissions: Classes, instances or dotted names; None says nothing, an empty list lets everybody in.
        model: The model that is asked for its policy.

    Raises:
        ImproperlyConfigured: One of them is no permission.
    """
    where = "permissions"
    if permissions is None:
        marked: tuple[Permission, ...] | None = getattr(model, "__covet_policy__", None)
        if marked is not None:
            return marked
        permissions, where = settings.DEFAULT_PERMISSIONS, "DEFAULT_PERMISSIONS"
    if isinstance(permissions, (str, type, Permission)):
        raise ImproperlyConfigured(
            f"{where} is a list: write {where}=[{getattr(permissions, '__name__', permissions)}]."
        )
    made = []
    for permission in permissions:
        try:
            made.append(as_permission(import_string(permission) if isinstance(permission, str) else permission))
        except (ImproperlyConfigured, TypeError) as error:
            raise ImproperlyConfigured(f"{where}: {error}") from error
    return tuple(made)


async def allowed(permissions: Sequence[Permission], connection: Connection, target: Target) -> bool:
    """Tell whether all of the permissions say yes."""
    for permission in permissions:
        if not await says_yes(permission.has_permission(connection, target)):
            return False
    return True


async def check(
    permissions: Iterable[Any] | None,
    connection: Connection,
    *,
    write: bool,
    model: type[Any] | None = None,
    obj: Any = None,
    action: Action | None = None,
    name: str = "",
) -> None:
    """Ask all permissions, about the object too when there is one.

    Args:
        permissions: As for ``effective``.
        connection: The request or WebSocket.
        write: Whether it changes anything.
        model: The model it is about.
        obj: The object it is about, loaded.
        action: What is done to the model.
        name: What is asked, for permissions that look closer.

    Raises:
        Unauthorized: No, and nobody is logged in.
        PermissionDenied: No, for the user who is.
    """
    target = Target(write, model, action, name)
    held = effective(permissions, model)
    for permission in held:
        if not await says_yes(permission.has_permission(connection, target)):
            await _refuse(permission, connection, target)
    if obj is not None:
        await check_object(held, connection, target, obj)


async def check_object(permissions: Sequence[Permission], connection: Connection, target: Target, obj: Any) -> None:
    """Ask the permissions about one object; see ``check``."""
    for permission in permissions:
        if not await says_yes(permission.has_object_permission(connection, target, obj)):
            await _refuse(permission, connection, target, obj)


async def _refuse(permission: Permission, connection: Connection, target: Target, obj: Any = None) -> None:
    # Where nobody can log in, a permission that asks for no user has said no. Whatever else is wrong with the user is an error.
    claim = connection.user if getattr(connection, "has_user", True) else None
    user = None if claim is None else await claim
    if user is not None and not user.is_authenticated:
        raise Unauthorized("Log in to do this.", headers={"WWW-Authenticate": challenge(user)})
    told = await permission._refusing(connection, target, obj)
    messages = list(dict.fromkeys(str(one.message) for one in told))
    # One text is translated where it is shown; several make one that no catalogue has.
    text = messages[0] if len(messages) == 1 else " ".join(map(gettext, messages))
    raise PermissionDenied(text, code=next((one.code for one in told if one.code), ""))


def challenge(user: Any) -> str:
    """Return the ``WWW-Authenticate`` of a 401.

    The middleware that sets an anonymous user may tell by its ``www_authenticate`` how to log in; else ``OPENAPI_SECURITY``
    does. A login form has no scheme; it is ``Session`` here, since a 401 must name one (RFC 9110, 11.6.1) and ``Basic`` would
    open the browser's own dialogue, so that it is not told where there is a cookie as well.
    """
    own = getattr(user, "www_authenticate", None)
    if own:
        return str(own)
    found = [_SCHEMES.get(_kind(scheme)) for scheme in settings.OPENAPI_SECURITY.values()]
    named = [scheme for scheme in dict.fromkeys(found) if scheme is not None]
    if "Session" in named:
        named = [scheme for scheme in named if scheme != _BASIC]
    return ", ".join(named) or "Session"


def _kind(scheme: Any) -> str:
    """Return what a scheme of OpenAPI is told by: the scheme of HTTP, the place of a key, or the type."""
    if not isinstance(scheme, dict):
        return ""
    http = scheme.get("scheme")
    return str(http).lower() if http else str(scheme.get("in") or scheme.get("type"))
