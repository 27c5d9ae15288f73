"""Fields of ranges: whole numbers, decimals, dates and moments, with the look-ups of ranges."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

from typing_extensions import TypeVar, Unpack

from covet import checks, json
from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.functions import Func
from covet.db.models.expressions.inference import BOOLEAN
from covet.db.models.expressions.scope import Resolved
from covet.db.models.fields.base import Field, FieldOptions
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.db.models.fields.numbers import BigIntegerField, DecimalField, IntegerField
from covet.db.models.fields.temporal import DateField, DateTimeField
from covet.db.sql import nodes
from covet.db.sql.nodes import ColumnType
from covet.exceptions import ValidationError
from covet.postgres.conditions import OperatorLookup, is_expression
from covet.postgres.ranges import Range
from covet.postgres.vendor import POSTGRESQL, PostgresField

if TYPE_CHECKING:
    from covet.db.sql.dialect import Dialect

__all__ = [
    "BigIntegerRangeField",
    "DateRangeField",
    "DateTimeRangeField",
    "DecimalRangeField",
    "IntegerRangeField",
    "RangeField",
]

T = TypeVar("T", default=Any)


class RangeField(PostgresField, Field[T]):
    """The base of the fields of ranges; a pair of values may be given in the place of a ``Range``."""

    empty_strings_allowed = False
    default_error_messages = {
        "invalid": "Enter a range: two ends, or an object with lower, upper and bounds.",
        "bound_ordering": "The start of the range must not exceed its end.",
    }
    #: The type of the column, and the field of the ends.
    range_type: ClassVar[str] = ""
    base_field: Any  # a field; said so, it would be read as a column of this object's

    def column_type(self) -> ColumnType | None:
        """Return the type of ranges."""
        return ColumnType("postgresql", sql=self.range_type)

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Join the model; the field of the ends gets the same name and model, for its texts."""
        self.base_field = copy.copy(self.base_field)
        self.base_field.model = cls
        super().contribute_to_class(cls, name, private_only)

    def set_attributes_from_name(self, name: str) -> None:
        """Work out attribute, column and verbose name, here and in the field of the ends."""
        super().set_attributes_from_name(name)
        self.base_field.set_attributes_from_name(name)

    def bounds_of_pair(self) -> str:
        """Return the bounds of a range that was given as a pair."""
        return "[)"

    @property
    def plain_json(self) -> bool:
        """A range is none of JSON's values."""
        return False

    # ── how values travel

    def to_range(self, value: Any) -> Range[Any]:
        """Return a range of what may stand for one: a pair, or one value, which is the range of that value alone."""
        if isinstance(value, Range):
            return value
        if isinstance(value, (list, tuple)):
            if len(value) != 2:
                raise ValueError(f"A range has two ends, and {value!r} has {len(value)}.")
            return Range(value[0], value[1], self.bounds_of_pair())
        if hasattr(value, "isempty"):
            return _from_driver(value, None)  # type: ignore[return-value]  # no None goes in
        return Range(value, value, "[]")

    def get_prep_value(self, value: Any) -> Any:
        """Return the driver's range."""
        if value is None:
            return None
        from asyncpg import Range as DriverRange

        found = self.to_range(value)
        if found.isempty:
            return DriverRange(empty=True)
        adapt = self.base_field.adapter(POSTGRESQL) or _same
        lower = None if found.lower is None else adapt(self._end(found.lower))
        upper = None if found.upper is None else adapt(self._end(found.upper))
        return DriverRange(lower, upper, lower_inc=found.lower_inc, upper_inc=found.upper_inc)

    def _end(self, value: Any) -> Any:
        return value

    def _make_converter(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        convert = self.base_field.converter(dialect)
        return lambda value: _from_driver(value, convert)

    def to_python(self, value: Any) -> Any:
        """Return a ``Range``; texts are read as JSON, as fixtures write it."""
        if value is None or isinstance(value, Range):
            return value
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise self.error("invalid") from None
        if isinstance(value, (list, tuple)) and len(value) == 2:
            value = {"lower": value[0], "upper": value[1], "bounds": self.bounds_of_pair()}
        if not isinstance(value, dict) or not set(value) <= {"lower", "upper", "bounds", "empty"}:
            raise self.error("invalid")
        lower, upper = (self._read_end(value.get(name)) for name in ("lower", "upper"))
        if lower is not None and upper is not None and lower > upper:
            raise self.error("bound_ordering")
        try:
            return Range(lower, upper, value.get("bounds", "[)"), bool(value.get("empty")))
        except (TypeError, ValueError):
            raise self.error("invalid") from None

    def _read_end(self, value: Any) -> Any:
        return None if value is None else self.base_field.to_python(value)

    def value_to_string(self, instance: Any) -> str:
        """Return JSON with the ends as their field writes them."""
        value: Any = self.value_from_object(instance)
        if value is None:
            return ""
        return json.dumps(_as_object(self.to_range(value), self._written)).decode()

    def _written(self, end: Any) -> Any:
        base = copy.copy(self.base_field)
        return base.value_to_string(type("Holder", (), {base.attname: end})())

    def run_validators(self, value: Any) -> None:
        """Add: the validators of the ends' field, for both."""
        super().run_validators(value)
        for end in (value.lower, value.upper) if isinstance(value, Range) else ():
            if end is not None:
                self.base_field.run_validators(end)

    def validate(self, value: Any, instance: Any) -> None:
        """Add: it is a range."""
        super().validate(value, instance)
        if value is not None and not isinstance(value, Range):
            raise ValidationError(self.error_messages["invalid"], code="invalid")

    # ── steps into it

    def get_transform(self, name: str) -> Any:
        """Return the ends and what can be asked of them."""
        found = super().get_transform(name)
        if found is not None:
            return found
        if name in _ENDS:
            return _Asked(_ENDS[name], self.base_field)
        return _Asked(name.upper(), BOOLEAN) if name in _QUESTIONS else None

    def schema_annotation(self, annotate: Callable[[Any], Any]) -> Any:
        """Return the annotation in schemas: an object with the ends."""
        from covet.postgres.schema import range_annotation

        return range_annotation(annotate(self.base_field))

    def filter_annotation(self, lookups: Sequence[str], annotate: Callable[[Any], Any]) -> tuple[Any, bool] | None:
        """Return the annotation of a filter, and whether it takes several values; ``None`` where no filter can say it."""
        first = lookups[0] if lookups else ""
        if lookups == ["contains"]:
            return annotate(self.base_field), False
        if first in _QUESTIONS:
            return bool, False
        if first in _ENDS and lookups[-1] in {first, "exact", "gt", "gte", "lt", "lte"}:
            return annotate(self.base_field), False
        return None

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: a default that all rows would share is a Range, not a list."""
        found = super().check(**kwargs)
        if self.default is not NOT_PROVIDED and isinstance(self.default, (list, dict, set)):
            found.append(
                checks.Warning(
                    "The default of a range is one list that all instances share.",
                    hint="Write default=Range(lower, upper).",
                    obj=self,
                    id="postgres.E003",
                )
            )
        return found


class IntegerRangeField(RangeField[T]):
    """A range of integers of 32 bits."""

    description = "Range of integers"
    range_type = "int4range"

    @overload
    def __init__(
        self: IntegerRangeField[Range[int]],
        verbose_name: Any = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: IntegerRangeField[Range[int] | None],
        verbose_name: Any = None,
        *,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(self, verbose_name: Any = None, *, null: bool = False, **options: Unpack[FieldOptions]) -> None:
        super().__init__(verbose_name, null=null, **options)
        self.base_field = IntegerField()


class BigIntegerRangeField(RangeField[T]):
    """A range of integers of 64 bits."""

    description = "Range of big integers"
    range_type = "int8range"

    @overload
    def __init__(
        self: BigIntegerRangeField[Range[int]],
        verbose_name: Any = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: BigIntegerRangeField[Range[int] | None],
        verbose_name: Any = None,
        *,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(self, verbose_name: Any = None, *, null: bool = False, **options: Unpack[FieldOptions]) -> None:
        super().__init__(verbose_name, null=null, **options)
        self.base_field = BigIntegerField()


class DateRangeField(RangeField[T]):
    """A range of dates."""

    description = "Range of dates"
    range_type = "daterange"

    @overload
    def __init__(
        self: DateRangeField[Range[date]],
        verbose_name: Any = None,
        *,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: DateRangeField[Range[date] | None],
        verbose_name: Any = None,
        *,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(self, verbose_name: Any = None, *, null: bool = False, **options: Unpack[FieldOptions]) -> None:
        super().__init__(verbose_name, null=null, **options)
        self.base_field = DateField()


class _ContinuousRangeField(RangeField[T]):
    """A range between whose ends there is always something: how a pair's ends count is chosen by the field."""

    default_bounds: str

    def _set_bounds(self, default_bounds: str) -> None:
        if default_bounds not in {"[]", "[)", "(]", "()"}:
            raise ValueError(f"default_bounds is one of '[]', '[)', '(]' and '()', not {default_bounds!r}.")
        self.default_bounds = default_bounds

    def bounds_of_pair(self) -> str:
        """Return the field's own."""
        return self.default_bounds

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add the bounds."""
        name, path, args, kwargs = super().deconstruct()
        if self.default_bounds != "[)":
            kwargs["default_bounds"] = self.default_bounds
        return name, path, args, kwargs


class DecimalRangeField(_ContinuousRangeField[T]):
    """A range of decimals.

    Args:
        default_bounds: The bounds of a range that is given as a pair.
    """

    description = "Range of decimals"
    range_type = "numrange"

    @overload
    def __init__(
        self: DecimalRangeField[Range[Decimal]],
        verbose_name: Any = None,
        *,
        default_bounds: str = "[)",
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: DecimalRangeField[Range[Decimal] | None],
        verbose_name: Any = None,
        *,
        default_bounds: str = "[)",
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Any = None,
        *,
        default_bounds: str = "[)",
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(verbose_name, null=null, **options)
        self._set_bounds(default_bounds)
        self.base_field = DecimalField()


class DateTimeRangeField(_ContinuousRangeField[T]):
    """A range of moments.

    Args:
        default_bounds: The bounds of a range that is given as a pair.
    """

    description = "Range of moments"
    range_type = "tstzrange"

    @overload
    def __init__(
        self: DateTimeRangeField[Range[datetime]],
        verbose_name: Any = None,
        *,
        default_bounds: str = "[)",
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: DateTimeRangeField[Range[datetime] | None],
        verbose_name: Any = None,
        *,
        default_bounds: str = "[)",
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        verbose_name: Any = None,
        *,
        default_bounds: str = "[)",
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(verbose_name, null=null, **options)
        self._set_bounds(default_bounds)
        self.base_field = DateTimeField()

    def _end(self, value: Any) -> Any:
        # A date stands for its first moment, as it does in a DateTimeField.
        return self.base_field.to_python(value)


def _same(value: Any) -> Any:
    return value


def _from_driver(value: Any, convert: Callable[[Any], Any] | None) -> Range[Any] | None:
    if value is None:
        return None
    if value.isempty:
        return Range(empty=True)
    lower, upper = value.lower, value.upper
    if convert is not None:
        lower, upper = (None if end is None else convert(end) for end in (lower, upper))
    return Range(lower, upper, f"{'[' if value.lower_inc else '('}{']' if value.upper_inc else ')'}")


def _as_object(value: Range[Any], write: Callable[[Any], Any]) -> dict[str, Any]:
    if value.isempty:
        return {"empty": True}
    ends = [None if end is None else write(end) for end in (value.lower, value.upper)]
    return {"lower": ends[0], "upper": ends[1], "bounds": value.bounds}


_ENDS = {"startswith": "LOWER", "endswith": "UPPER"}
_QUESTIONS = frozenset({"isempty", "lower_inc", "lower_inf", "upper_inc", "upper_inf"})


class _Asked:
    """A function of a range that gives its end, or a truth about it."""

    is_transform = True

    def __init__(self, function: str, result: Field[Any]) -> None:
        self.function = function
        self.result = result

    def __call__(self, value: Any) -> Expression[Any]:
        return Func(value, function=self.function, output_field=self.result)


class RangeContains(OperatorLookup):
    """The range holds a value, or the whole of another range."""

    lookup_name = "contains"
    operator = "@>"

    def condition(self, left: Resolved, right: Resolved) -> nodes.Node:
        """Return the operator; a number beside a range of others is made one of those."""
        base = left.field.base_field.column_type() if isinstance(left.field, RangeField) else None
        kind = right.field.column_type() if right.field is not None else None
        if is_expression(self.rhs) and base is not None and kind is not None and kind.kind in _RANGE_OF:
            right = Resolved(nodes.Cast(right.node, base), right.field)
        return super().condition(left, right)


class RangeContainedBy(OperatorLookup):
    """The range lies inside another one."""

    lookup_name = "contained_by"
    operator = "<@"


class RangeOverlap(OperatorLookup):
    """Both ranges have a value in common."""

    lookup_name = "overlap"
    operator = "&&"


class FullyLessThan(OperatorLookup):
    """The range ends before the other one begins."""

    lookup_name = "fully_lt"
    operator = "<<"


class FullyGreaterThan(OperatorLookup):
    """The range begins after the other one has ended."""

    lookup_name = "fully_gt"
    operator = ">>"


class NotLessThan(OperatorLookup):
    """The range does not begin before the other one."""

    lookup_name = "not_lt"
    operator = "&>"


class NotGreaterThan(OperatorLookup):
    """The range does not end after the other one."""

    lookup_name = "not_gt"
    operator = "&<"


class AdjacentTo(OperatorLookup):
    """The one begins where the other ends."""

    lookup_name = "adjacent_to"
    operator = "-|-"


for _lookup in (
    RangeContains,
    RangeContainedBy,
    RangeOverlap,
    FullyLessThan,
    FullyGreaterThan,
    NotLessThan,
    NotGreaterThan,
    AdjacentTo,
):
    RangeField.register_lookup(_lookup)


class ContainedInRange(OperatorLookup):
    """A plain number, date or moment lies in a range: ``filter(day__contained_by=Range(first, last))``."""

    lookup_name = "contained_by"
    operator = "<@"

    @classmethod
    def value_field(cls, field: Field[Any] | None) -> Field[Any] | None:
        """Return the field of ranges of such values."""
        kind = field.column_type() if field is not None else None
        return None if kind is None else _RANGE_OF.get(kind.kind)

    def condition(self, left: Resolved, right: Resolved) -> nodes.Node:
        """Return the operator; a small integer is widened, since there is no range of such."""
        field = self.value_field(left.field)
        base = field.base_field.column_type() if isinstance(field, RangeField) else None
        node = left.node if base is None else nodes.Cast(left.node, base)
        return super().condition(Resolved(node, left.field), right)


_RANGE_OF: dict[str, Field[Any]] = {
    "smallint": IntegerRangeField(),
    "integer": IntegerRangeField(),
    "bigint": BigIntegerRangeField(),
    "decimal": DecimalRangeField(),
    "date": DateRangeField(),
    "datetime": DateTimeRangeField(),
}
for _field in (IntegerField, DecimalField, DateField, DateTimeField):
    _field.register_lookup(ContainedInRange)
