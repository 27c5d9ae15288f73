"""Numbers: the integer family, ``FloatField``, ``DecimalField`` and ``BooleanField``."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

from typing_extensions import TypeVar, Unpack

from covet import checks, validators
from covet.concurrency import told
from covet.db.models.fields.base import Convert, Field, FieldOptions, Text
from covet.db.sql.dialect import AS_IS, Dialect
from covet.db.sql.nodes import ColumnType

__all__ = [
    "BigIntegerField",
    "BooleanField",
    "DecimalField",
    "FloatField",
    "IntegerField",
    "PositiveBigIntegerField",
    "PositiveIntegerField",
    "PositiveSmallIntegerField",
    "SmallIntegerField",
]

T = TypeVar("T", default=Any)

_RANGES = {
    "smallint": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}


class IntegerField(Field[T]):
    """An integer of 32 bits."""

    empty_strings_allowed = False
    default_error_messages = {"invalid": "“%(value)s” value must be an integer."}
    description = "Integer"
    kind: ClassVar[str] = "integer"
    unsigned: ClassVar[bool] = False

    @overload
    def __init__(
        self: IntegerField[int],
        verbose_name: Text = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: IntegerField[int | None],
        verbose_name: Text = None,
        *,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(self, verbose_name: Text = None, *, null: bool = False, **options: Unpack[FieldOptions]) -> None:
        super().__init__(verbose_name, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return the integer type of this size."""
        return ColumnType(self.kind, unsigned=self.unsigned)

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest value that every database takes."""
        low, high = _RANGES[self.kind]
        return (0 if self.unsigned else low), high

    @property
    def keeps_integers(self) -> bool:
        """Whether a whole number goes to the database as it is: unless a class of the project's own changes it."""
        own = type(self)
        methods = ("adapter", "get_prep_value", "get_db_prep_value", "get_db_prep_save", "_make_adapter")
        return all(getattr(own, name) is getattr(IntegerField, name) for name in methods)

    @cached_property
    def validators(self) -> list[Callable[[Any], Any]]:
        """The field's own validators, and the limits of the column where they are not narrower."""
        own = [*self.default_validators, *self._validators]
        low, high = self.limits
        if not any(isinstance(v, validators.MinValueValidator) and _limit(v) >= low for v in own):
            own.append(validators.MinValueValidator(low))
        if not any(isinstance(v, validators.MaxValueValidator) and _limit(v) <= high for v in own):
            own.append(validators.MaxValueValidator(high))
        return own

    def to_python(self, value: Any) -> Any:
        """Return an ``int``; texts of digits are read."""
        if value is None or value.__class__ is int:
            return value
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError):
            raise self.error("invalid", value=value) from None

    def get_prep_value(self, value: Any) -> Any:
        """Return an ``int``; ``ValueError`` or ``TypeError`` names the field."""
        if value.__class__ is int or value is None:
            return value
        try:
            return int(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise error.__class__(f"{_name(self)} expects a whole number, not {told(value)}.") from error

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: ``max_length`` means nothing here."""
        found = super().check(**kwargs)
        if self.max_length is not None:
            found.append(
                checks.Warning(
                    f"'max_length' is ignored by {type(self).__name__}.",
                    hint="Remove 'max_length'.",
                    obj=self,
                    id="fields.W122",
                )
            )
        return found


AS_IS[IntegerField.get_prep_value] = int


class BigIntegerField(IntegerField[T]):
    """An integer of 64 bits."""

    description = "Big (8 byte) integer"
    kind = "bigint"
    if TYPE_CHECKING:

        @overload
        def __init__(
            self: BigIntegerField[int],
            verbose_name: Text = None,
            *,
            null: Literal[False] = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: BigIntegerField[int | None],
            verbose_name: Text = None,
            *,
            null: Literal[True],
            **options: Unpack[FieldOptions],
        ) -> None: ...
        def __init__(
            self,
            verbose_name: Text = None,
            *,
            null: bool = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...


class SmallIntegerField(IntegerField[T]):
    """An integer of 16 bits."""

    description = "Small integer"
    kind = "smallint"
    if TYPE_CHECKING:

        @overload
        def __init__(
            self: SmallIntegerField[int],
            verbose_name: Text = None,
            *,
            null: Literal[False] = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: SmallIntegerField[int | None],
            verbose_name: Text = None,
            *,
            null: Literal[True],
            **options: Unpack[FieldOptions],
        ) -> None: ...
        def __init__(
            self,
            verbose_name: Text = None,
            *,
            null: bool = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...


class PositiveIntegerField(IntegerField[T]):
    """An integer of 32 bits that is not negative; the database checks it too."""

    description = "Positive integer"
    unsigned = True

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: PositiveIntegerField[int],
            verbose_name: Text = None,
            *,
            null: Literal[False] = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: PositiveIntegerField[int | None],
            verbose_name: Text = None,
            *,
            null: Literal[True],
            **options: Unpack[FieldOptions],
        ) -> None: ...
        def __init__(
            self,
            verbose_name: Text = None,
            *,
            null: bool = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...

    def rel_column_type(self) -> ColumnType | None:
        """Return the same type: MySQL's keys must agree in sign."""
        return self.column_type()


class PositiveBigIntegerField(PositiveIntegerField[T]):
    """An integer of 64 bits that is not negative."""

    description = "Positive big integer"
    kind = "bigint"
    if TYPE_CHECKING:

        @overload
        def __init__(
            self: PositiveBigIntegerField[int],
            verbose_name: Text = None,
            *,
            null: Literal[False] = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: PositiveBigIntegerField[int | None],
            verbose_name: Text = None,
            *,
            null: Literal[True],
            **options: Unpack[FieldOptions],
        ) -> None: ...
        def __init__(
            self,
            verbose_name: Text = None,
            *,
            null: bool = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...


class PositiveSmallIntegerField(PositiveIntegerField[T]):
    """An integer of 16 bits that is not negative."""

    description = "Positive small integer"
    kind = "smallint"
    if TYPE_CHECKING:

        @overload
        def __init__(
            self: PositiveSmallIntegerField[int],
            verbose_name: Text = None,
            *,
            null: Literal[False] = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...
        @overload
        def __init__(
            self: PositiveSmallIntegerField[int | None],
            verbose_name: Text = None,
            *,
            null: Literal[True],
            **options: Unpack[FieldOptions],
        ) -> None: ...
        def __init__(
            self,
            verbose_name: Text = None,
            *,
            null: bool = False,
            **options: Unpack[FieldOptions],
        ) -> None: ...


class FloatField(Field[T]):
    """A floating-point number of double precision."""

    empty_strings_allowed = False
    default_error_messages = {"invalid": "“%(value)s” value must be a float."}
    description = "Floating point number"

    @overload
    def __init__(
        self: FloatField[float],
        verbose_name: Text = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: FloatField[float | None],
        verbose_name: Text = None,
        *,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(self, verbose_name: Text = None, *, null: bool = False, **options: Unpack[FieldOptions]) -> None:
        super().__init__(verbose_name, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return the floating-point type."""
        return ColumnType("float")

    def to_python(self, value: Any) -> Any:
        """Return a ``float``."""
        if value is None or value.__class__ is float:
            return value
        try:
            return float(value)
        except (TypeError, ValueError):
            raise self.error("invalid", value=value) from None

    def get_prep_value(self, value: Any) -> Any:
        """Return a ``float``; ``ValueError`` or ``TypeError`` names the field."""
        if value.__class__ is float or value is None:
            return value
        try:
            return float(value)
        except (TypeError, ValueError) as error:
            raise error.__class__(f"{_name(self)} expects a number, not {told(value)}.") from error


AS_IS[FloatField.get_prep_value] = float


_NUMBERS = frozenset({decimal.Decimal, int, float, str})


class DecimalField(Field[T]):
    """An exact decimal number.

    Args:
        max_digits: The number of digits, both sides of the point together.
        decimal_places: The digits after the point; values are rounded to it when they are saved.
    """

    empty_strings_allowed = False
    default_error_messages = {"invalid": "“%(value)s” value must be a decimal number."}
    description = "Decimal number"

    @overload
    def __init__(
        self: DecimalField[decimal.Decimal],
        verbose_name: Text = None,
        *,
        max_digits: int | None = None,
        decimal_places: int | None = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: DecimalField[decimal.Decimal | None],
        verbose_name: Text = None,
        *,
        max_digits: int | None = None,
        decimal_places: int | None = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Text = None,
        *,
        max_digits: int | None = None,
        decimal_places: int | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(verbose_name, null=null, **options)
        self.max_digits = max_digits
        self.decimal_places = decimal_places

    def column_type(self) -> ColumnType | None:
        """Return the decimal type with its digits."""
        return ColumnType("decimal", precision=self.max_digits, scale=self.decimal_places)

    @cached_property
    def validators(self) -> list[Callable[[Any], Any]]:
        """The field's own validators, and one for the digits."""
        own = [*self.default_validators, *self._validators]
        if self.max_digits is not None and self.decimal_places is not None:
            own.append(validators.DecimalValidator(self.max_digits, self.decimal_places))
        return own

    @cached_property
    def context(self) -> decimal.Context:
        """The arithmetic of this field's digits."""
        return decimal.Context(prec=self.max_digits or 64)

    def to_python(self, value: Any) -> Any:
        """Return a ``Decimal``; not-a-number and infinity are refused."""
        if value is None:
            return None
        try:
            if isinstance(value, float):
                if math.isnan(value):
                    raise self.error("invalid", value=value)
                number = self.context.create_decimal_from_float(value)
            else:
                number = decimal.Decimal(value)
        except (decimal.InvalidOperation, TypeError, ValueError):
            raise self.error("invalid", value=value) from None
        if not number.is_finite():
            raise self.error("invalid", value=value)
        return number

    def comparer(self, dialect: Dialect) -> Convert | None:
        """Return one that does not round: 1.50 is greater than 1.499, and is not equal to 1.504."""
        if type(self).get_prep_value is not DecimalField.get_prep_value:
            return self.adapter(dialect)  # a subclass knows what its values are compared as
        adapt = dialect.adapter(ColumnType("decimal"))

        def compared(value: Any) -> Any:
            number = self.to_python(value)
            return number if number is None or adapt is None else adapt(number)

        return compared

    def get_prep_value(self, value: Any) -> Any:
        """Return a ``Decimal`` rounded to ``decimal_places``."""
        if value is None:
            return None
        number: decimal.Decimal = self.to_python(value)
        if self.decimal_places is None:
            return number
        try:
            return number.quantize(
                decimal.Decimal(1).scaleb(-self.decimal_places), context=decimal.Context(prec=self.max_digits or 64)
            )
        except decimal.InvalidOperation:
            raise ValueError(
                f"{_name(self)} holds {self.max_digits} digits, {self.decimal_places} of them after the point; "
                f"{value} has more."
            ) from None

    def canonical(self) -> Convert | None:
        """Return what rounds to ``decimal_places``, and knows no negative zero: ``4`` comes back as ``4.00``."""
        if self.decimal_places is None or not self._stores_as(DecimalField):
            return None

        def rounded(value: Any) -> Any:
            if value.__class__ not in _NUMBERS:
                return value
            try:
                number = self.get_prep_value(value)
            except ValueError:  # no number, or one of too many digits: saving it has failed, or will
                return value
            return number or number.copy_abs()

        return rounded

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add the digits."""
        name, path, args, kwargs = super().deconstruct()
        if self.max_digits is not None:
            kwargs["max_digits"] = self.max_digits
        if self.decimal_places is not None:
            kwargs["decimal_places"] = self.decimal_places
        return name, path, args, kwargs

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: both numbers of digits, or neither, and in range."""
        return [*super().check(**kwargs), *self._check_digits()]

    def _check_digits(self) -> Iterator[checks.CheckMessage]:
        digits, places = self.max_digits, self.decimal_places
        if (digits is None) != (places is None):
            missing = "max_digits" if digits is None else "decimal_places"
            yield self._error(
                "E132" if digits is None else "E130",
                f"DecimalField needs '{missing}' beside the other.",
                "Write for example DecimalField(max_digits=10, decimal_places=2).",
            )
            return
        if digits is None or places is None:
            return
        if not isinstance(places, int) or places < 0:
            yield self._error("E131", "'decimal_places' must be a whole number that is not negative.")
        elif not isinstance(digits, int) or digits <= 0:
            yield self._error("E133", "'max_digits' must be a positive whole number.")
        elif places > digits:
            yield self._error("E134", "'max_digits' must be at least 'decimal_places'.")


class BooleanField(Field[T]):
    """True or false; with ``null=True`` also unknown."""

    empty_strings_allowed = False
    default_error_messages = {
        "invalid": "“%(value)s” value must be either True or False.",
        "invalid_nullable": "“%(value)s” value must be either True, False, or None.",
    }
    description = "Boolean (Either True or False)"

    @overload
    def __init__(
        self: BooleanField[bool],
        verbose_name: Text = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: BooleanField[bool | None],
        verbose_name: Text = None,
        *,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(self, verbose_name: Text = None, *, null: bool = False, **options: Unpack[FieldOptions]) -> None:
        super().__init__(verbose_name, null=null, **options)

    def column_type(self) -> ColumnType | None:
        """Return the boolean type."""
        return ColumnType("boolean")

    def to_python(self, value: Any) -> Any:
        """Return a ``bool``; the usual spellings are read."""
        if value is True or value is False or value is None:
            return value
        if self.null and value in self.empty_values:
            return None
        if value in (1, "t", "True", "true", "1"):
            return True
        if value in (0, "f", "False", "false", "0"):
            return False
        raise self.error("invalid_nullable" if self.null else "invalid", value=value)

    def get_prep_value(self, value: Any) -> Any:
        """Return a ``bool``."""
        if value is True or value is False or value is None:
            return value
        return self.to_python(value)


AS_IS[BooleanField.get_prep_value] = bool


def _name(field: Field[Any]) -> str:
    name = getattr(field, "name", None)
    return f"Field '{name}'" if name else type(field).__name__


def _limit(validator: Any) -> Any:
    limit = validator.limit_value
    return limit() if callable(limit) else limit
