"""``ArrayField``: a list of values of one field, its look-ups and the steps into it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from typing_extensions import TypeVar, Unpack

from covet import checks, json
from covet.db.backends.postgresql.texts import value_text
from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.functions import Transform
from covet.db.models.expressions.inference import INTEGER
from covet.db.models.expressions.leaves import holds_expression, list_shape
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.expressions.subqueries import Subquery
from covet.db.models.fields.base import Field, FieldOptions
from covet.db.models.fields.markers import NOT_PROVIDED
from covet.db.models.query.json_lookups import as_document
from covet.db.sql import nodes
from covet.db.sql.nodes import ColumnType
from covet.exceptions import ValidationError
from covet.postgres.conditions import OperatorLookup, is_expression
from covet.postgres.validators import ArrayMaxLengthValidator
from covet.postgres.vendor import POSTGRESQL, PostgresField, require_postgresql

if TYPE_CHECKING:
    from covet.db.sql.dialect import Dialect

__all__ = ["ArrayField", "ArrayLength", "ArraySubquery"]

T = TypeVar("T", default=Any)
E = TypeVar("E")


class ArrayField(PostgresField, Field[T]):
    """A list of values, each of them as ``base_field`` has it; arrays of arrays hold rows of one length.

    A ``None`` among the items is SQL ``NULL``, with a ``JSONField`` as the base as well.

    Args:
        base_field: The field of the items; no relation.
        size: The greatest number of items, checked by ``full_clean``. PostgreSQL itself does not hold arrays to it.
    """

    empty_strings_allowed = False
    description = "Array of %(base_field)s"
    default_error_messages = {
        "item_invalid": "Item %(nth)s of the list is not valid: ",
        "nested_array_mismatch": "Nested arrays must have the same length.",
        "not_a_list": "Enter a list of values.",
    }

    @overload
    def __init__(
        self: ArrayField[list[E]],
        base_field: Field[E],
        size: int | None = None,
        *,
        verbose_name: Any = None,
        null: Literal[False] = False,
        **options: Unpack[FieldOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: ArrayField[list[E] | None],
        base_field: Field[E],
        size: int | None = None,
        *,
        verbose_name: Any = None,
        null: Literal[True],
        **options: Unpack[FieldOptions],
    ) -> None: ...
    def __init__(
        self,
        base_field: Field[Any],
        size: int | None = None,
        *,
        verbose_name: Any = None,
        null: bool = False,
        **options: Unpack[FieldOptions],
    ) -> None:
        super().__init__(verbose_name, null=null, **options)
        self.base_field = base_field
        self.size = size

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Join the model; the base field gets the same name and model, for its texts."""
        self.base_field = copy.copy(self.base_field)
        self.base_field.model = cls
        super().contribute_to_class(cls, name, private_only)

    def set_attributes_from_name(self, name: str) -> None:
        """Work out attribute, column and verbose name, here and in the base field."""
        super().set_attributes_from_name(name)
        self.base_field.set_attributes_from_name(name)

    def column_type(self) -> ColumnType | None:
        """Return the array type of the base field's."""
        base = self.base_field.column_type()
        if base is None:
            return None
        plain = ColumnType(base.kind, base.length, base.precision, base.scale, sql=base.sql)
        size = "" if self.size is None else str(self.size)
        return ColumnType("postgresql", sql=f"{POSTGRESQL.type_sql(plain)}[{size}]", collation=base.collation)

    @cached_property
    def validators(self) -> list[Callable[[Any], Any]]:
        """The field's own validators, and one for the size."""
        own = [*self.default_validators, *self._validators]
        return own if self.size is None else [*own, ArrayMaxLengthValidator(self.size)]

    @property
    def plain_json(self) -> bool:
        """Whether the items are values of JSON."""
        return bool(getattr(self.base_field, "plain_json", True))

    # ── how values travel

    def get_prep_value(self, value: Any) -> Any:
        """Return a list of what the driver takes for each item.

        Raises:
            TypeError: The value is no list.
        """
        if value is None:
            return None
        if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__"):
            raise TypeError(f"{getattr(self, 'name', 'ArrayField')} expects a list, not {value!r}.")
        if holds_expression(value):
            raise TypeError(
                f"{getattr(self, 'name', 'ArrayField')} takes a list of values here, with no expression in it: {value!r}. Of several "
                "lists write a condition for each: Q(…) | Q(…)."
            )
        adapt = self.base_field.adapter(POSTGRESQL)
        return list(value) if adapt is None else [None if item is None else adapt(item) for item in value]

    def _make_converter(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        convert = self.base_field.converter(dialect)
        if convert is None:
            return None
        return lambda value: None if value is None else [None if item is None else convert(item) for item in value]

    def among(self, left: nodes.Node, values: nodes.Param) -> nodes.Node:
        """Return ``IN`` over arrays: each travels as a text, for an array of arrays of several lengths there is not."""
        adapt = values.adapt
        kind = _type_of(self)
        texts = nodes.Param(values.slot, lambda item: value_text(item if adapt is None else adapt(item)), many=True)
        items = f"SELECT covet_item::{kind} FROM UNNEST(%s::text[]) AS covet_item"  # noqa: S608  # a type's own name
        return nodes.Raw(f"(%s IN ({items}))", (left, texts))

    def listed(self, items: Sequence[Any]) -> Expression[Any]:
        """Return a list with expressions in it as an expression."""
        return _Listed(items, self)

    def to_python(self, value: Any) -> Any:
        """Return a list of the base field's values; a text is read as JSON, as fixtures write it."""
        if value is None:
            return None
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                raise self.error("not_a_list") from None
        if not isinstance(value, (list, tuple, set, frozenset)):
            raise self.error("not_a_list")
        found = []
        for position, item in enumerate(value):
            try:
                found.append(None if item is None else self.base_field.to_python(item))
            except ValidationError as error:
                raise self._item_error(position, error) from error
        return found

    def value_to_string(self, instance: Any) -> str:
        """Return JSON: each item as the base field writes it."""
        values = self.value_from_object(instance)
        if values is None:
            return ""
        base = copy.copy(self.base_field)
        written = []
        for item in cast("list[Any]", values):
            holder = type("Holder", (), {base.attname: item})()
            written.append(None if item is None else base.value_to_string(holder))
        return json.dumps(written).decode()

    # ── validation

    def validate(self, value: Any, instance: Any) -> None:
        """Add: what the base field says of each item, and that nested arrays have one length."""
        super().validate(value, instance)
        if value is None:
            return
        for position, item in enumerate(value):
            if item is None and not self.base_field.null and not isinstance(self.base_field, ArrayField):
                raise self._item_error(position, self.base_field.error("null"))
            try:
                self.base_field.validate(item, instance)
            except ValidationError as error:
                raise self._item_error(position, error) from error
        if isinstance(self.base_field, ArrayField) and len({len(item) if item else 0 for item in value}) > 1:
            raise self.error("nested_array_mismatch")

    def run_validators(self, value: Any) -> None:
        """Add: the base field's validators, for each item."""
        super().run_validators(value)
        for position, item in enumerate(value or ()):
            try:
                self.base_field.run_validators(item)
            except ValidationError as error:
                raise self._item_error(position, error) from error

    def _item_error(self, position: int, error: ValidationError) -> ValidationError:
        prefix = str(self.error_messages["item_invalid"]) % {"nth": position + 1}
        messages = " ".join(str(message) for message in error.messages)
        return ValidationError(f"{prefix}{messages}", code="item_invalid", params=None)

    # ── steps into it

    def get_transform(self, name: str) -> Any:
        """Return ``len``, a place such as ``"0"``, a slice such as ``"0_2"``, or what was registered."""
        found = super().get_transform(name)
        if found is not None:
            return found
        first, _, second = name.partition("_")
        if first.isdecimal() and not second and name == first:
            return _Place(int(first), self)
        if first.isdecimal() and second.isdecimal():
            return _Slice(int(first), int(second), self)
        return None

    # ── being written down and checked

    def deconstruct(self) -> tuple[str | None, str, list[Any], dict[str, Any]]:
        """Add the base field and the size."""
        name, path, args, kwargs = super().deconstruct()
        kwargs["base_field"] = self.base_field.clone()
        if self.size is not None:
            kwargs["size"] = self.size
        return name, path, args, kwargs

    def signature(self) -> Any:
        """Return what two fields share when they hold and convert values alike."""
        found = self.__dict__.get("_signature")
        if found is None:
            found = (ArrayField, self.base_field.signature(), self.size, self.null)
            self.__dict__["_signature"] = found
        return found

    def schema_annotation(self, annotate: Callable[[Any], Any]) -> Any:
        """Return the annotation in schemas: a list of what ``annotate`` says of the base field."""
        inner = annotate(self.base_field)
        return list[inner | None] if self.base_field.null else list[inner]  # type: ignore[valid-type]  # at run time

    def filter_annotation(self, lookups: Sequence[str], annotate: Callable[[Any], Any]) -> tuple[Any, bool] | None:
        """Return the annotation of a filter, and whether it takes several values; ``None`` where no filter can say it."""
        if not lookups or lookups[-1] in {"exact", "contains", "contained_by", "overlap"}:
            inner = annotate(self.base_field)
            return list[inner], True  # type: ignore[valid-type]  # at run time
        if lookups[0] == "len":
            return (list[int], True) if lookups[-1] in {"in", "range"} else (int, False)
        if self.get_transform(lookups[0]) is not None and len(lookups) == 1 and "_" not in lookups[0]:
            return annotate(self.base_field), False
        return None

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        """Add: the base field is sound and no relation, the default is a function, the size a number."""
        return [*super().check(**kwargs), *self._check_base(**kwargs), *self._check_own()]

    def _check_base(self, **kwargs: Any) -> Iterator[checks.CheckMessage]:
        base = self.base_field
        if base.is_relation or base.column_type() is None:
            yield checks.Error(
                "The base field of an array cannot be a relation.",
                hint="Hold the keys in an array of integers, or use a ManyToManyField.",
                obj=self,
                id="postgres.E002",
            )
            return
        found = base.check(**kwargs)
        errors = [message for message in found if message.is_serious()]
        warnings = [message for message in found if not message.is_serious()]
        for messages, kind, id in (
            (errors, checks.Error, "postgres.E001"),
            (warnings, checks.Warning, "postgres.E004"),
        ):
            if messages:
                told = "; ".join(f"{message.msg} ({message.id})" for message in messages)
                what = "errors" if kind is checks.Error else "warnings"
                yield kind(f"The base field of an array has {what}: {told}", obj=self, id=id)

    def _check_own(self) -> Iterator[checks.CheckMessage]:
        if self.default is not NOT_PROVIDED and self.default is not None and not callable(self.default):
            yield checks.Warning(
                "The default of an ArrayField is one list that all instances share.",
                hint="Give a function instead: default=list.",
                obj=self,
                id="postgres.E003",
            )
        if self.size is not None and (not isinstance(self.size, int) or self.size < 1):
            yield checks.Error("'size' must be a positive number.", obj=self, id="postgres.E005")


class _Step(Expression[Any]):
    """An item or a part of an array."""

    def __init__(self, array: Any, text: str, field: Field[Any]) -> None:
        super().__init__(field)
        self.text = text
        self.sources = (array,)

    def shape(self, values: list[Any]) -> Hashable:
        return (_Step, self.text, self._output_key(), self.sources[0].shape(values))

    def resolve(self, scope: Scope) -> Resolved:
        inner = self.sources[0].resolve(scope)
        return Resolved(nodes.Raw(self.text, (inner.node,)), self.output_field)


class _Place:
    """The step to one item; places count from 0, PostgreSQL's own from 1."""

    is_transform = True

    def __init__(self, index: int, field: ArrayField[Any]) -> None:
        self.index = index
        self.result = field.base_field

    def __call__(self, array: Any) -> Expression[Any]:
        place = self.index + 1
        if isinstance(self.result, ArrayField) and not isinstance(self.result.base_field, ArrayField):
            # One subscript of a table gives NULL: the row is taken out as a slice and made flat.
            return _Step(array, f"(ARRAY(SELECT UNNEST((%s)[{place}:{place}])))", self.result)
        return _Step(array, f"((%s)[{place}])", self.result)


class _Slice:
    """The step to a part: from the first place up to, and without, the second."""

    is_transform = True

    def __init__(self, start: int, end: int, field: ArrayField[Any]) -> None:
        self.start, self.end = start, end
        self.result = field

    def __call__(self, array: Any) -> Expression[Any]:
        return _Step(array, f"((%s)[{self.start + 1}:{self.end}])", self.result)


class _Listed(Expression[Any]):
    """An array of values and expressions, in the order given."""

    def __init__(self, items: Sequence[Any], field: ArrayField[Any]) -> None:
        super().__init__(field)
        base = field.base_field
        self.items = [
            _Listed(item, base) if holds_expression(item) and isinstance(base, ArrayField) else item for item in items
        ]
        self.sources = tuple(item for item in self.items if is_expression(item))

    def shape(self, values: list[Any]) -> Hashable:
        return (_Listed, self._output_key(), list_shape(self.items, values))

    def resolve(self, scope: Scope) -> Resolved:
        field = cast("ArrayField[Any]", self.output_field)
        require_postgresql(scope.dialect, "A list with expressions in it")
        parts = tuple(self._item(item, field.base_field, scope) for item in self.items)
        places = ", ".join(["%s"] * len(parts))
        return Resolved(nodes.Raw(f"ARRAY[{places}]::{_type_of(field)}", parts), field)

    @staticmethod
    def _item(item: Any, base: Field[Any], scope: Scope) -> nodes.Node:
        if not is_expression(item):
            return scope.param(item, base)
        found: Resolved = item.resolve(scope)
        column_type = base.column_type()
        is_document = column_type is not None and column_type.kind == "json"
        return as_document(*found) if is_document else found.node


def _type_of(field: ArrayField[Any]) -> str:
    """Return the type as a cast takes it."""
    return POSTGRESQL.cast_type(cast(ColumnType, field.column_type()))


class ArraySubquery(Subquery):
    """The values of a queryset of one column as an array; an empty one for no rows.

    Args:
        queryset: A queryset of one column.
        output_field: What the array is; by default an ``ArrayField`` of what the column is.
    """

    public_module = "covet.postgres.expressions"

    def resolve(self, scope: Scope) -> Resolved:
        """Return ``ARRAY(SELECT …)``."""
        require_postgresql(scope.dialect, "ArraySubquery")
        field = self.output_field
        if field is None:
            base = getattr(self.queryset, "output_field", None)
            find = getattr(scope, "output_field_of", None)
            if base is None and find is not None:
                base = find(self.queryset.query)
            field = None if base is None else ArrayField(base)
        return Resolved(nodes.Raw("ARRAY%s", (nodes.Subquery(scope.query(self.queryset, ordered=True)),)), field)

    def _identity(self) -> Any:
        return (ArraySubquery, super()._identity())


class _OfArrays(OperatorLookup):
    """A look-up whose right side is an array; a queryset stands for the array of its rows."""

    @classmethod
    def from_query(cls, queryset: Any) -> Any:
        """Return the array of what a queryset selects."""
        return ArraySubquery(queryset)

    def condition(self, left: Resolved, right: Resolved) -> nodes.Node:
        """Return the operator between both sides: PostgreSQL has it for two arrays of one type alone."""
        node = right.node
        if isinstance(node, nodes.Subquery) and right.field is not None and not isinstance(right.field, ArrayField):
            node = nodes.Raw("ARRAY%s", (node,))
        if isinstance(left.field, ArrayField) and not isinstance(node, nodes.Param):
            node = nodes.Raw(f"(%s)::{_type_of(left.field)}", (node,))
        return super().condition(left, Resolved(node, right.field))


class ArrayContains(_OfArrays):
    """Every one of the items is in the array."""

    lookup_name = "contains"
    operator = "@>"


class ArrayContainedBy(_OfArrays):
    """The array has no item that is not among these."""

    lookup_name = "contained_by"
    operator = "<@"


class ArrayOverlap(_OfArrays):
    """One of the items at least is in the array."""

    lookup_name = "overlap"
    operator = "&&"


class ArrayLength(Transform):
    """How many items an array has; 0 for an empty one."""

    public_module = "covet.postgres.fields"
    lookup_name = "len"
    result = INTEGER

    def node(self, args: tuple[nodes.Node, ...], field: Field[Any] | None) -> nodes.Node:
        """Return the length of the first dimension: PostgreSQL says NULL for an empty array."""
        length = nodes.Func("COALESCE", (nodes.Func("ARRAY_LENGTH", (args[0], nodes.Keyword("1"))), nodes.Keyword("0")))
        return nodes.Case((nodes.When(nodes.IsNull(args[0], negated=True), length),))


for _lookup in (ArrayContains, ArrayContainedBy, ArrayOverlap, ArrayLength):
    ArrayField.register_lookup(_lookup)
