"""``EnumField``: a column of one of PostgreSQL's enum types, which ``CreateEnum`` makes."""

from __future__ import annotations

from typing import Any, Literal, overload

from typing_extensions import TypeVar, Unpack

from covet.db.models.choices import TextChoices
from covet.db.models.fields.base import Field, FieldOptions
from covet.db.sql.nodes import ColumnType
from covet.postgres.vendor import POSTGRESQL, PostgresField

__all__ = ["EnumField"]

T = TypeVar("T", default=Any)


class EnumField(PostgresField, Field[T]):
    """One of the values of an enum type of the database.

    Args:
        enum: The values, as a ``TextChoices`` class or pairs; they are the field's ``choices``.
        type_name: The type's name in the database.
    """

    empty_strings_allowed = False
    description = "Value of a database enum"

    @overload
    def __init__(
        self: EnumField[str],
        enum: Any,
        type_name: str,
        *,
        verbose_name: Any = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: EnumField[str | None],
        enum: Any,
        type_name: str,
        *,
        verbose_name: Any = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        enum: Any,
        type_name: str,
        *,
        verbose_name: Any = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        pairs = enum.choices if isinstance(enum, type) and issubclass(enum, TextChoices) else enum
        options["choices"] = pairs
        super().__init__(verbose_name, null=null, **options)
        self.type_name = type_name

    def column_type(self) -> ColumnType | None:
        """Return the enum type."""
        return ColumnType("postgresql", sql=POSTGRESQL.quote(self.type_name))

    def get_prep_value(self, value: Any) -> Any:
        """Return the value's text."""
        return None if value is None else str(value)

    def to_python(self, value: Any) -> Any:
        """Return the value's text."""
        return None if value is None else str(value)

    def schema_annotation(self, annotate: Any) -> Any:
        """Return the annotation in schemas: one of the values."""
        return Literal[tuple(value for value, _label in self.flatchoices)]

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Write the values and the type's name."""
        name, path, args, kwargs = super().deconstruct()
        kwargs["enum"] = kwargs.pop("choices", [])
        kwargs["type_name"] = self.type_name
        return name, path, args, kwargs
