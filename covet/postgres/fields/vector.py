"""``VectorField``: so many numbers as one value, to be found by nearness; needs the extension ``vector`` (pgvector)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, Literal, overload

import msgspec
from typing_extensions import TypeVar, Unpack

from covet import checks, json, validators
from covet.db.models.fields.base import Field, FieldOptions
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.db.models.fields.numbers import FloatField
from covet.db.sql import nodes
from covet.db.sql.nodes import ColumnType
from covet.exceptions import ValidationError
from covet.postgres.vendor import PostgresField

if TYPE_CHECKING:
    from covet.db.sql.dialect import Dialect

__all__ = ["VECTOR", "VectorField"]

T = TypeVar("T", default=Any)

# The largest number of four bytes, which is what pgvector keeps of each.
_LARGEST: Final = 3.4028234663852886e38
_SMALLEST_NORMAL: Final = 1.1754943508222875e-38
_MOST_DIMENSIONS: Final = 16_000
_SINGLE: Final = struct.Struct("<f")
# The database's text is a JSON list as well; ``1`` in it is a float.
_decode: Callable[[str], list[float]] = msgspec.json.Decoder(list[float]).decode

#: What one of the numbers is in schemas.
_ITEM: Field[Any] = FloatField(
    validators=[validators.MinValueValidator(-_LARGEST), validators.MaxValueValidator(_LARGEST)]
)


class _LeastDimensions(validators.MinLengthValidator):
    message = "The vector has %(show_value)d dimensions; it must have %(limit_value)d."


class _MostDimensions(validators.MaxLengthValidator):
    message = "The vector has %(show_value)d dimensions; it must have %(limit_value)d."


class VectorField(PostgresField, Field[T]):
    """A vector: a list of floats. Tuples and arrays, NumPy's among them, are taken as well.

    pgvector keeps four bytes of each number, some seven digits. A vector of other dimensions, or one that holds what is no
    finite number, is a ``ValidationError`` before anything is sent.

    Args:
        verbose_name: What people call it.
        dimensions: How many numbers it has; ``None`` takes vectors of any length, and none of the indexes.
        null: Whether the column may be NULL.
        options: What all fields take.
    """

    empty_strings_allowed = False
    description = "Vector"
    default_error_messages = {
        "invalid": "Enter a list of numbers.",
        "not_a_number": "Item %(nth)d of the vector is no number.",
        "not_finite": "Item %(nth)d of the vector is not finite, or larger than a number of four bytes.",
        "dimensions": "The vector has %(found)d dimensions; it must have %(dimensions)d.",
    }

    @overload
    def __init__(
        self: VectorField[list[float]],
        verbose_name: Any = None,
        *,
        dimensions: int | None = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: VectorField[list[float] | None],
        verbose_name: Any = None,
        *,
        dimensions: int | None = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Any = None,
        *,
        dimensions: int | None = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(verbose_name, null=null, **options)
        self.dimensions = dimensions

    def column_type(self) -> ColumnType | None:
        """Return ``vector(3)``."""
        return ColumnType("postgresql", sql="vector" if self.dimensions is None else f"vector({self.dimensions})")

    @cached_property
    def validators(self) -> list[Callable[[Any], Any]]:
        """The field's own validators, and those for the dimensions."""
        own = [*self.default_validators, *self._validators]
        if self.dimensions is None:
            return own
        return [*own, _LeastDimensions(self.dimensions), _MostDimensions(self.dimensions)]

    # ── how values travel

    def get_prep_value(self, value: Any) -> Any:
        """Return the database's own text.

        Raises:
            ValidationError: It is no list of finite numbers, or has other dimensions.
        """
        if value is None:
            return None
        try:
            numbers = self._numbers(value)
            if self.dimensions is not None and len(numbers) != self.dimensions:
                raise self.error("dimensions", found=len(numbers), dimensions=self.dimensions)
            if not numbers:
                raise self.error("invalid")
        except ValidationError as error:
            # Nobody else says which field it is, where no form and no full_clean() has looked before.
            raise ValidationError({self.name: error}) if hasattr(self, "name") else error from None
        return f"[{','.join(map(repr, numbers))}]"

    def _make_converter(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        return lambda value: None if value is None else _decode(value)

    def canonical(self) -> Callable[[Any], Any] | None:
        """Return what rounds each number to the four bytes that are kept."""
        return _rounded if self._stores_as(VectorField) else None

    def among(self, left: nodes.Node, values: nodes.Param) -> nodes.Node:
        """Return ``IN``: each vector travels as a text."""
        texts = nodes.Param(values.slot, values.adapt, many=True)
        return nodes.Raw("(%s IN (SELECT covet_item::vector FROM UNNEST(%s::text[]) AS covet_item))", (left, texts))

    def to_python(self, value: Any) -> Any:
        """Return a list of floats; a text is read as JSON, as fixtures write it."""
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise self.error("invalid") from None
        return None if value is None else self._numbers(value)

    def _numbers(self, value: Any) -> list[float]:
        # NumPy's arrays and their kin have Python's own numbers at hand.
        value = value.tolist() if hasattr(value, "tolist") else value
        if isinstance(value, (str, bytes, bytearray, Mapping, Set)) or not (
            hasattr(value, "__iter__") and hasattr(value, "__len__")
        ):
            raise self.error("invalid")
        return [self._number(item, place) for place, item in enumerate(value, 1)]

    def _number(self, item: Any, place: int) -> float:
        if item.__class__ is not float:
            if isinstance(item, bool) or not isinstance(item, (Real, Decimal)):
                raise self.error("not_a_number", nth=place)
            try:
                item = float(item)
            except (OverflowError, ValueError):
                raise self.error("not_finite", nth=place) from None
        if not -_LARGEST <= item <= _LARGEST:
            raise self.error("not_finite", nth=place)
        return item  # type: ignore[no-any-return]  # a float, by now

    def value_to_string(self, instance: Any) -> str:
        """Return JSON."""
        value = self.value_from_object(instance)
        return "" if value is None else json.dumps(self._numbers(value)).decode()

    # ── being written down and checked

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add the dimensions."""
        name, path, args, kwargs = super().deconstruct()
        if self.dimensions is not None:
            kwargs["dimensions"] = self.dimensions
        return name, path, args, kwargs

    def schema_annotation(self, annotate: Callable[[Any], Any]) -> Any:
        """Return the annotation in schemas: a list of what ``annotate`` says of a number."""
        inner = annotate(_ITEM)
        return list[inner]  # type: ignore[valid-type]  # at run time

    def filter_annotation(self, lookups: Sequence[str], annotate: Callable[[Any], Any]) -> None:
        """Return ``None``: no parameter of a request can say it."""
        return

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: the dimensions are a number that pgvector takes, and a default is no list that all rows share."""
        return [*super().check(**kwargs), *self._check_own()]

    def _check_own(self) -> Iterator[checks.CheckMessage]:
        found = self.dimensions
        if found is not None and (
            isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= _MOST_DIMENSIONS
        ):
            yield checks.Error(
                f"'dimensions' must be a number from 1 to {_MOST_DIMENSIONS}, or None for vectors of any length.",
                obj=self,
                id="postgres.E008",
            )
        if self.default is not NOT_PROVIDED and self.default is not None and not callable(self.default):
            yield checks.Warning(
                "The default of a VectorField is one list that all instances share.",
                hint="Give a function instead, such as default=start, where start() returns the list.",
                obj=self,
                id="postgres.E003",
            )


VECTOR: Field[Any] = VectorField()


def _rounded(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        return value
    try:
        return [_single(item) for item in value]
    except (TypeError, ValueError, OverflowError, struct.error):  # no vector: saving it has failed, or will
        return value


def _single(number: Any) -> float:
    """Return a number as PostgreSQL writes one of four bytes: with as few digits as tell it from its neighbours."""
    (kept,) = _SINGLE.unpack(_SINGLE.pack(number))
    # Six digits of a normal number are always kept.
    for digits in range(6 if abs(kept) >= _SMALLEST_NORMAL else 1, 9):
        short = float(f"{kept:.{digits}g}")
        if _SINGLE.unpack(_SINGLE.pack(short))[0] == kept:
            return short
    return float(f"{kept:.9g}")
