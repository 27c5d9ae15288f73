"""``EnumField``: a member of a Python enumeration, kept by its value in an ordinary column."""

from __future__ import annotations

import enum as python_enum
from collections.abc import Iterable
from functools import partialmethod
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, overload

from typing_extensions import TypeVar, Unpack

from covet import checks
from covet.db.models.fields.base import Field, FieldOptions, Text
from covet.db.sql.nodes import ColumnType

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = ["EnumField"]

T = TypeVar("T", default=Any)
E = TypeVar("E", bound=python_enum.Enum)
#: As migrations write an enumeration: its members' names and values.
Pairs: TypeAlias = Iterable[tuple[str, Any]]


class EnumField(Field[T]):
    """A member of a Python ``Enum``; the column holds its value, a text or a whole number.

    Args:
        enum: The enumeration, whose values are all texts or all whole numbers; migrations write names and values, so
            that they do not need the class.
        max_length: The length of the column of texts, by default that of the longest value.

    Raises:
        TypeError: ``enum`` is no enumeration, or its values are of other or mixed types.
    """

    empty_strings_allowed = False
    default_error_messages = {"invalid_choice": "Value %(value)r is not a valid choice."}
    description = "Member of an enumeration"
    plain_json = True  # of a member JSON has the value

    @overload
    def __init__(
        self: EnumField[E],
        enum: type[E],
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: EnumField[E | None],
        enum: type[E],
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: EnumField[Any],
        enum: Pairs,
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        enum: type[python_enum.Enum] | Pairs,
        verbose_name: Text = None,
        *,
        max_length: int | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        if "choices" in options:
            raise TypeError("The choices of an EnumField are the members of its enum: leave out 'choices'.")
        self.enum = _enumeration(enum)
        values = [member.value for member in self.enum]
        self._is_text = isinstance(values[0], str)
        self._max_length_given = max_length
        if self._is_text and max_length is None:
            max_length = max(1, *map(len, values))
        given = options.get("db_default")
        if isinstance(given, python_enum.Enum):
            options["db_default"] = given.value
        super().__init__(verbose_name, max_length=max_length, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return ``varchar`` for texts, and the smallest whole number that holds all values."""
        if self._is_text:
            return ColumnType("varchar", length=self.max_length)
        greatest = max(max(member.value, -member.value - 1) for member in self.enum)
        return ColumnType("smallint" if greatest < 2**15 else "integer" if greatest < 2**31 else "bigint")

    def to_python(self, value: Any) -> Any:
        """Return the member of a value, or of a member that has the same value.

        Raises:
            ValidationError: No member has it.
        """
        if value is None or value.__class__ is self.enum:
            return value
        raw = value.value if isinstance(value, python_enum.Enum) else value
        try:
            return self.enum(raw if self._is_text or not isinstance(raw, str) else int(raw))
        except ValueError:
            raise self.error("invalid_choice", value=raw) from None

    def get_prep_value(self, value: Any) -> Any:
        """Return the member's value.

        Raises:
            ValueError: It is not one of the enumeration's.
        """
        if value is None:
            return None
        raw = value.value if isinstance(value, python_enum.Enum) else value
        try:
            return self.enum(raw).value
        except ValueError:
            known = ", ".join(repr(member.value) for member in self.enum)
            raise ValueError(f"{self} holds members of {self.enum.__name__} ({known}), not {value!r}.") from None

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the member of a stored value.

        Raises:
            ValueError: The row holds one that the enumeration no longer has.
        """
        if value is None:
            return None
        try:
            return self.enum(value)
        except ValueError:
            raise ValueError(
                f"A row holds {value!r} in {self}, which {self.enum.__name__} has no member for. Update such rows before "
                "a member is taken away."
            ) from None

    def value_to_string(self, instance: Any) -> Any:
        """Return the member's value, as fixtures write it."""
        value = self.value_from_object(instance)
        return value.value if isinstance(value, python_enum.Enum) else value

    def get_choices(self, include_blank: bool = True, blank_choice: Any = (("", "---------"),)) -> list[Any]:
        """Return values and labels for an input."""
        pairs = [(member.value, _label(member)) for member in self.enum]
        return [*blank_choice, *pairs] if include_blank else pairs

    def schema_annotation(self, annotate: Any) -> Any:
        """Return the annotation in schemas: the enumeration."""
        return self.enum

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = False) -> None:
        """Add ``get_<name>_display()``, unless the class or a base has one."""
        super().contribute_to_class(cls, name, private_only)
        if getattr(cls, f"get_{name}_display", None) is None:
            setattr(cls, f"get_{name}_display", partialmethod(_display, field=self))

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Write the members by name and value, and a default by its value."""
        name, path, args, kwargs = super().deconstruct()
        kwargs["enum"] = [(member.name, member.value) for member in self.enum]
        kwargs.pop("max_length", None)
        if self._max_length_given is not None:
            kwargs["max_length"] = self._max_length_given
        if isinstance(kwargs.get("default"), python_enum.Enum):
            kwargs["default"] = kwargs["default"].value
        return name, path, args, kwargs

    def get_default(self) -> Any:
        """Return the default as a member."""
        value = super().get_default()
        known = self.has_default() and value is not None and value.__class__ is not self.enum
        return self.to_python(value) if known else value

    def clone(self) -> Any:
        """Return a fresh field with the same enumeration."""
        _name, _path, args, kwargs = self.deconstruct()
        kwargs["enum"] = self.enum
        return type(self)(*args, **kwargs)

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: the column is long enough for all values."""
        found = super().check(**kwargs)
        longest = max(len(member.value) for member in self.enum) if self._is_text else 0
        if self.max_length is not None and longest > self.max_length:
            found.append(
                self._error(
                    "E009",
                    f"'max_length' is {self.max_length}, and the longest value of the enum has {longest} characters.",
                )
            )
        return found


def _enumeration(given: Any) -> type[python_enum.Enum]:
    made: Any = given
    if not isinstance(given, type):
        functional: Any = python_enum.Enum  # with names that are known at run time alone
        made = functional("Values", list(given))
    if not issubclass(made, python_enum.Enum) or not len(made):
        raise TypeError(f"EnumField takes an enumeration with members (a subclass of enum.Enum), not {given!r}.")
    values = [member.value for member in made]
    for kind in (str, int):
        if all(isinstance(value, kind) and not isinstance(value, bool) for value in values):
            return cast("type[python_enum.Enum]", made)
    raise TypeError(f"The values of {made.__name__} must be all texts or all whole numbers, to be kept in one column.")


def _label(member: Any) -> str:
    label = getattr(member, "label", None)
    return str(label) if label is not None else member.name.replace("_", " ").capitalize()


def _display(instance: Any, field: Any) -> str:
    value = getattr(instance, field.attname)
    return "" if value is None else _label(field.to_python(value))
