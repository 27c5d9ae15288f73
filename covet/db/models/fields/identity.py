"""Keys: the automatic integers and ``UUIDField``."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Literal, overload

from typing_extensions import TypeVar, Unpack

from covet import checks
from covet.db.models.fields.base import Field, FieldOptions, Text
from covet.db.models.fields.numbers import BigIntegerField, IntegerField, SmallIntegerField
from covet.db.sql.nodes import ColumnType
from covet.exceptions import ImproperlyConfigured

__all__ = ["AutoField", "AutoFieldMixin", "BigAutoField", "SmallAutoField", "UUIDField"]

T = TypeVar("T", default=Any)


class AutoFieldMixin:
    """What marks a key that the database counts up."""

    is_auto: ClassVar[bool] = True


class AutoField(AutoFieldMixin, IntegerField[int]):
    """A 32-bit key that the database counts up."""

    description = "Integer"

    def __init__(self, verbose_name: Text = None, **options: Unpack[FieldOptions]) -> None:
        options["blank"] = True
        super().__init__(verbose_name, **options)

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Become the automatic key of the model; a model has one."""
        other = cls._meta.auto_field
        if other is not None and other.model is cls:
            raise ImproperlyConfigured(f"{cls._meta.label} has two automatic keys: {other.name} and {name}. Keep one.")
        super().contribute_to_class(cls, name, private_only)
        cls._meta.auto_field = self

    def rel_column_type(self) -> ColumnType | None:
        """Return the plain integer of the same size."""
        return ColumnType(self.kind)

    def validate(self, value: Any, instance: Any) -> None:
        """Accept anything: the database makes the value."""

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Leave out ``blank``, which is always set."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("blank", None)
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: it must be the primary key."""
        found = super().check(**kwargs)
        if not self.primary_key:
            found.append(
                self._error("E100", f"{type(self).__name__} must be the primary key.", "Add primary_key=True.")
            )
        return found


class BigAutoField(AutoField):
    """A 64-bit key that the database counts up; the default key of models."""

    description = "Big (8 byte) integer"
    kind = BigIntegerField.kind


class SmallAutoField(AutoField):
    """A 16-bit key that the database counts up."""

    description = "Small integer"
    kind = SmallIntegerField.kind


class UUIDField(Field[T]):
    """A UUID; native on PostgreSQL, 32 characters elsewhere."""

    empty_strings_allowed = False
    default_error_messages = {"invalid": "“%(value)s” is not a valid UUID."}
    description = "Universally unique identifier"

    @overload
    def __init__(
        self: UUIDField[uuid.UUID],
        verbose_name: Text = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: UUIDField[uuid.UUID | None],
        verbose_name: Text = None,
        *,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(self, verbose_name: Text = None, *, null: bool = False, **options: Unpack[FieldOptions]) -> None:
        super().__init__(verbose_name, max_length=32, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return the UUID type."""
        return ColumnType("uuid")

    def to_python(self, value: Any) -> Any:
        """Return a ``UUID`` from its text or number."""
        if value is None or value.__class__ is uuid.UUID:
            return value
        if isinstance(value, uuid.UUID):
            # asyncpg has a class of its own.
            return uuid.UUID(int=value.int)
        try:
            return uuid.UUID(int=value) if isinstance(value, int) else uuid.UUID(str(value))
        except (ValueError, AttributeError):
            raise self.error("invalid", value=value) from None

    def get_prep_value(self, value: Any) -> Any:
        """Return a ``UUID``."""
        if value.__class__ is uuid.UUID or value is None:
            return value
        return self.to_python(value)

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Leave out the length, which is always the same."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("max_length", None)
        return name, path, args, kwargs
