"""Permissions: small objects that say yes or no, and combine by ``&``, ``|`` and ``~``.

A permission is asked about a *target* (what would be done, to which model) on a connection: a request or a WebSocket,
which both have ``user``. Before it is awaited, a user is only a claim, so permissions await it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

from msgspec import Struct

from covet.concurrency import maybe_await, unawaited
from covet.exceptions import ImproperlyConfigured
from covet.text import misspelt

if TYPE_CHECKING:
    from covet.db.models.base import Model

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
    "as_permission",
    "says_yes",
]

Action: TypeAlias = Literal["view", "add", "change", "delete"]


class Connection(Protocol):
    """What permissions see: a request or a WebSocket."""

    @property
    def user(self) -> Any:
        """The user; awaiting it gives the checked one."""


class Target(Struct, frozen=True):
    """What someone wants to do.

    Args:
        write: Whether it changes anything.
        model: The model it is about, if there is one.
        action: What is done to the model: ``"view"``, ``"add"``, ``"change"`` or ``"delete"``.
        name: What is asked, for a permission that looks closer: a viewset's action, a GraphQL field.
    """

    write: bool
    model: type[Model] | None = None
    action: Action | None = None
    name: str = ""

    @property
    def verb(self) -> Action:
        """The action, or what ``write`` makes of it where none is said."""
        return self.action or ("change" if self.write else "view")


class _Combinable(type):
    """Lets permission classes combine as their instances do: ``IsAuthenticated & ~IsAdminUser``."""

    def __and__(cls, other: Any) -> Permission:
        return _All(as_permission(cls), as_permission(other))

    def __or__(cls, other: Any) -> Permission:  # type: ignore[override]  # type's own makes a union for annotations
        return _Any(as_permission(cls), as_permission(other))

    def __invert__(cls) -> Permission:
        return _Not(as_permission(cls))


class Permission(metaclass=_Combinable):
    """The base of all permissions; override one or both methods. Classes and instances are taken alike."""

    message: ClassVar[str] = "You may not do this."
    """What someone is told who is known and may not; ``A & B`` tells it of the part that says no, ``A | B`` of each part."""

    code: ClassVar[str] = ""
    """The machine's name of the refusal: ``code`` of the problem document, where it is set."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        near = misspelt(cls, Permission)
        if near:
            # Else it would never be asked, and the permission let everybody in.
            raise ImproperlyConfigured(f"{cls.__name__}.{near[0]} is asked by nobody. Did you mean '{near[1]}'?")

    async def has_permission(self, connection: Connection, target: Target) -> bool:
        """Tell whether this may be done at all; asked before anything is read."""
        return True

    async def has_object_permission(self, connection: Connection, target: Target, obj: Any) -> bool:
        """Tell whether it may be done to this object; asked once it is read, and ``has_permission`` has said yes."""
        return True

    def allows_anyone(self, *, write: bool) -> bool:
        """Tell whether everybody passes, so that nobody need be asked; known at start-up, and what ``check`` lists."""
        return False

    def looks_at_objects(self) -> bool:
        """Tell whether the answer may differ from object to object."""
        return type(self).has_object_permission is not Permission.has_object_permission

    async def _refusing(self, connection: Connection, target: Target, obj: Any) -> Sequence[Permission]:
        """Return the permissions whose ``message`` tells why this one has said no, about the object if there is one."""
        return (self,)

    def __and__(self, other: Any) -> Permission:
        return _All(self, as_permission(other))

    def __or__(self, other: Any) -> Permission:
        return _Any(self, as_permission(other))

    def __invert__(self) -> Permission:
        return _Not(self)

    def __repr__(self) -> str:
        return type(self).__name__


def as_permission(permission: Any) -> Permission:
    """Return the permission itself, or an instance of the class that was given.

    Raises:
        TypeError: It is neither.
    """
    made = permission() if isinstance(permission, type) else permission
    if not isinstance(made, Permission):
        raise TypeError(f"{permission!r} is no permission. Derive it from covet.access.Permission.")
    return made


async def says_yes(answer: Any) -> bool:
    """Return the answer as a bool; what is asked may be a plain function as well.

    Raises:
        TypeError: It answered with something that must be awaited, which is true whatever it will say.
    """
    given = await maybe_await(answer)
    if given is True or given is False:
        return given
    called = unawaited(given)
    if called:
        asked = getattr(answer, "__qualname__", "The function that was asked")
        raise TypeError(f"{asked} returned what {called}() gives and did not await it. Write return await ….")
    return bool(given)


class AllowAny(Permission):
    """Everybody, known or not."""

    def allows_anyone(self, *, write: bool) -> bool:
        """Everybody passes."""
        return True


class IsAuthenticated(Permission):
    """Whoever is logged in."""

    async def has_permission(self, connection: Connection, target: Target) -> bool:
        """Ask the checked user."""
        return bool((await connection.user).is_authenticated)


class IsAuthenticatedOrReadOnly(Permission):
    """Everybody reads, whoever is logged in writes. The default."""

    async def has_permission(self, connection: Connection, target: Target) -> bool:
        """Ask the checked user for a write."""
        return not target.write or bool((await connection.user).is_authenticated)

    def allows_anyone(self, *, write: bool) -> bool:
        """Reads are for everybody."""
        return not write


class IsAdminUser(Permission):
    """Whoever is staff."""

    message = "This is for staff only."

    async def has_permission(self, connection: Connection, target: Target) -> bool:
        """Ask the checked user."""
        return bool(getattr(await connection.user, "is_staff", False))


class ModelPermissions(Permission):
    """Whoever is logged in reads; who has the model's ``add``, ``change`` or ``delete`` permission writes."""

    view_needs_permission: ClassVar[bool] = False

    async def has_permission(self, connection: Connection, target: Target) -> bool:
        """Ask the checked user for ``label.action_model``."""
        user = await connection.user
        if not user.is_authenticated:
            return False
        if target.verb == "view" and not self.view_needs_permission:
            return True
        if target.model is None:
            raise TypeError(f"{self!r} needs a model: give the endpoint response=, or use another permission.")
        meta = target.model._meta
        granted = user.has_perm(f"{meta.app_label}.{target.verb}_{meta.model_name}")
        return bool(await maybe_await(granted))


class ModelPermissionsOrReadOnly(ModelPermissions):
    """Everybody reads; who has the model's ``add``, ``change`` or ``delete`` permission writes."""

    async def has_permission(self, connection: Connection, target: Target) -> bool:
        """Ask for writes only."""
        return not target.write or await super().has_permission(connection, target)

    def allows_anyone(self, *, write: bool) -> bool:
        """Reads are for everybody."""
        return not write


class Is(Permission):
    """Whoever passes a function of the checked user: ``Is(lambda user: user.is_superuser)``; sync or async."""

    def __init__(self, test: Callable[[Any], bool | Awaitable[bool]], message: str = "") -> None:
        self._test = test
        self._message = message

    @property
    def message(self) -> str:  # type: ignore[override]  # given per instance here
        """What someone is told who may not."""
        return self._message or Permission.message

    async def has_permission(self, connection: Connection, target: Target) -> bool:
        """Ask the function; someone who is not logged in never passes."""
        user = await connection.user
        return bool(user.is_authenticated) and await says_yes(self._test(user))


class _All(Permission):
    """Every part must say yes."""

    def __init__(self, *parts: Permission) -> None:
        self.parts = parts

    async def has_permission(self, connection: Connection, target: Target) -> bool:
        for part in self.parts:
            if not await says_yes(part.has_permission(connection, target)):
                return False
        return True

    async def has_object_permission(self, connection: Connection, target: Target, obj: Any) -> bool:
        for part in self.parts:
            if not await says_yes(part.has_object_permission(connection, target, obj)):
                return False
        return True

    async def _refusing(self, connection: Connection, target: Target, obj: Any) -> Sequence[Permission]:
        # Asked again, in the same order: a part may count on what the ones before it have made sure of.
        for part in self.parts if _is_told(self) else ():
            if not await says_yes(part.has_permission(connection, target)):
                return await part._refusing(connection, target, None)
            if obj is not None and not await says_yes(part.has_object_permission(connection, target, obj)):
                return await part._refusing(connection, target, obj)
        return (self,)

    def allows_anyone(self, *, write: bool) -> bool:
        return all(part.allows_anyone(write=write) for part in self.parts)

    def looks_at_objects(self) -> bool:
        return any(part.looks_at_objects() for part in self.parts)

    def __repr__(self) -> str:
        return f"({' & '.join(map(repr, self.parts))})"


class _Any(Permission):
    """One part must say yes; the one that lets a request in is the one that lets the object through."""

    def __init__(self, *parts: Permission) -> None:
        self.parts = parts

    async def has_permission(self, connection: Connection, target: Target) -> bool:
        for part in self.parts:
            if await says_yes(part.has_permission(connection, target)):
                return True
        return False

    async def has_object_permission(self, connection: Connection, target: Target, obj: Any) -> bool:
        for part in self.parts:
            if await says_yes(part.has_permission(connection, target)) and await says_yes(
                part.has_object_permission(connection, target, obj)
            ):
                return True
        return False

    async def _refusing(self, connection: Connection, target: Target, obj: Any) -> Sequence[Permission]:
        told: list[Permission] = []
        for part in self.parts if _is_told(self) else ():
            told += await part._refusing(connection, target, obj)
        return [one for one in told if _is_told(one)] or (self,)

    def allows_anyone(self, *, write: bool) -> bool:
        return any(part.allows_anyone(write=write) for part in self.parts)

    def looks_at_objects(self) -> bool:
        return any(part.looks_at_objects() for part in self.parts)

    def __repr__(self) -> str:
        return f"({' | '.join(map(repr, self.parts))})"


class _Not(Permission):
    """The part must say no."""

    def __init__(self, part: Permission) -> None:
        self.part = part

    async def has_permission(self, connection: Connection, target: Target) -> bool:
        # A part that looks at objects may still say no to this one.
        if self.part.looks_at_objects():
            return True
        return not await says_yes(self.part.has_permission(connection, target))

    async def has_object_permission(self, connection: Connection, target: Target, obj: Any) -> bool:
        return not (
            await says_yes(self.part.has_permission(connection, target))
            and await says_yes(self.part.has_object_permission(connection, target, obj))
        )

    def looks_at_objects(self) -> bool:
        return self.part.looks_at_objects()

    def __repr__(self) -> str:
        return f"~{self.part!r}"


def _is_told(permission: Permission) -> bool:
    """Whether a permission, or a part of it, has words of its own for its no."""
    if isinstance(permission, (_All, _Any)):
        return any(_is_told(part) for part in permission.parts)
    return bool(permission.code) or permission.message != Permission.message
