"""What ``on_delete`` may be: rules for the rows whose target is deleted, carried out by ``deletion.Collector``.

A rule is an async function ``(collector, field, objs, using)``; ``objs`` are the referring rows, already read. Those that
begin with ``DB_`` leave the work to the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

from covet.concurrency import maybe_await
from covet.db.errors import IntegrityError

__all__ = [
    "CASCADE",
    "DB_CASCADE",
    "DB_SET_DEFAULT",
    "DB_SET_NULL",
    "DO_NOTHING",
    "PROTECT",
    "RESTRICT",
    "SET",
    "SET_DEFAULT",
    "SET_NULL",
    "ProtectedError",
    "RestrictedError",
]


class ProtectedError(IntegrityError):
    """Rows cannot be deleted because others refer to them by a relation with ``PROTECT``.

    Args:
        message: What is in the way.
        protected_objects: The rows that refer.
    """

    def __init__(self, message: str, protected_objects: Iterable[Any]) -> None:
        super().__init__(message)
        self.protected_objects = set(protected_objects)


class RestrictedError(IntegrityError):
    """Rows cannot be deleted because others, which stay, refer to them by a relation with ``RESTRICT``.

    Args:
        message: What is in the way.
        restricted_objects: The rows that refer.
    """

    def __init__(self, message: str, restricted_objects: Iterable[Any]) -> None:
        super().__init__(message)
        self.restricted_objects = set(restricted_objects)


class Collecting(Protocol):
    """What a rule may ask of the collector.

    ``defers`` says whether the database checks foreign keys at the end of a transaction only.
    """

    defers: bool

    async def collect(
        self, objs: Any, *, source: Any = None, nullable: bool = False, fail_on_restricted: bool = True
    ) -> None:
        """Delete these rows too, and what their relations say."""

    def add_field_update(self, field: Any, value: Any, objs: list[Any]) -> None:
        """Set a field of these rows."""

    def add_restricted(self, field: Any, objs: list[Any]) -> None:
        """Refuse unless these rows are deleted anyway."""


async def CASCADE(collector: Collecting, field: Any, objs: list[Any], using: str) -> None:  # Django's name
    """Delete the rows too."""
    if field.null and field.concrete and not collector.defers:
        # The database refuses at once to delete what a row refers to; rows in a circle are let go first.
        collector.add_field_update(field, None, objs)
    await collector.collect(objs, source=field.remote_field.model, nullable=field.null, fail_on_restricted=False)


async def PROTECT(collector: Collecting, field: Any, objs: list[Any], using: str) -> None:  # as above
    """Refuse the deletion."""
    raise ProtectedError(
        f"{field.remote_field.model._meta.object_name} rows cannot be deleted: {field.model._meta.object_name}."
        f"{field.name} refers to them and is PROTECT.",
        objs,
    )


async def RESTRICT(collector: Collecting, field: Any, objs: list[Any], using: str) -> None:  # as above
    """Refuse the deletion, unless the rows are deleted by another relation anyway."""
    collector.add_restricted(field, objs)


async def SET_NULL(collector: Collecting, field: Any, objs: list[Any], using: str) -> None:  # as above
    """Let the rows refer to nothing."""
    collector.add_field_update(field, None, objs)


async def SET_DEFAULT(collector: Collecting, field: Any, objs: list[Any], using: str) -> None:  # as above
    """Let the rows refer to the field's default."""
    collector.add_field_update(field, field.get_default(), objs)


async def DO_NOTHING(collector: Collecting, field: Any, objs: list[Any], using: str) -> None:  # as above
    """Leave the rows; the database may refuse."""


async def DB_CASCADE(collector: Collecting, field: Any, objs: list[Any], using: str) -> None:  # as above
    """Let the database delete the rows; no signals are sent for them, and they are not counted."""


async def DB_SET_NULL(collector: Collecting, field: Any, objs: list[Any], using: str) -> None:  # as above
    """Let the database set the key to NULL."""


async def DB_SET_DEFAULT(collector: Collecting, field: Any, objs: list[Any], using: str) -> None:  # as above
    """Let the database set the key to the column's default."""


class SET:
    """``SET(value)``: let the rows refer to this; a function, sync or async, is called when something is deleted.

    Args:
        value: A key, an instance, or a function that returns one.
    """

    def __init__(self, value: Any | Callable[[], Any] | Callable[[], Awaitable[Any]]) -> None:
        self.value = value

    async def __call__(self, collector: Collecting, field: Any, objs: list[Any], using: str) -> None:
        """Set the field of the rows."""
        value = await maybe_await(self.value()) if callable(self.value) else self.value
        collector.add_field_update(field, field.key_of(value) if hasattr(value, "_meta") else value, objs)

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return what migrations write."""
        return "covet.db.models.SET", (self.value,), {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SET) and self.value == other.value

    def __hash__(self) -> int:
        return hash((SET, repr(self.value)))


#: Rules that need no rows read: the database does all, or nothing is done.
PASSIVE = frozenset({DO_NOTHING, DB_CASCADE, DB_SET_NULL, DB_SET_DEFAULT})
for _rule in (CASCADE, PROTECT, RESTRICT, SET_NULL, SET_DEFAULT, DO_NOTHING, DB_CASCADE, DB_SET_NULL, DB_SET_DEFAULT):
    # Migrations name a function by its module: this is the address that users import from.
    _rule.__module__ = "covet.db.models.deletion"
