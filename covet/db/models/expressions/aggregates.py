"""Aggregates: ``Count``, ``Sum``, ``Avg`` and the like, with ``filter``, ``distinct``, ``default`` and ``order_by``."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from covet.db.models.expressions.base import Expression, OrderBy, Value, as_expression
from covet.db.models.expressions.declared import resolve_parts
from covet.db.models.expressions.functions import Func, parse
from covet.db.models.expressions.inference import DECIMAL, REAL, TEXT, WHOLE, family, field_of
from covet.db.models.expressions.own_sql import Compiler, own_sql, writes_sql
from covet.db.models.expressions.q import Q, check_depth
from covet.db.models.expressions.refs import F
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.fields.base import Field
from covet.db.sql import nodes
from covet.exceptions import FieldError

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = [
    "Aggregate",
    "AnyValue",
    "Avg",
    "BitAnd",
    "BitOr",
    "BitXor",
    "Count",
    "Max",
    "Min",
    "StdDev",
    "StringAgg",
    "Sum",
    "Variance",
]


class Aggregate(Func):
    """A function of all rows of a group.

    Args:
        expressions: The arguments; a text names a field.
        distinct: Take equal values once.
        filter: Only rows for which this ``Q`` or boolean expression holds.
        default: The result for no rows, in place of NULL.
        order_by: The order in which rows are taken, where the function cares; ``ordering`` is another name of it.
        output_field: What the result holds.
    """

    name: ClassVar[str] = ""
    is_aggregate = True
    window_compatible = True
    allow_distinct: ClassVar[bool] = False
    allow_order_by: ClassVar[bool] = False
    #: What the aggregate gives for no rows; only ``Count`` has something else than NULL.
    empty_result_set_value: ClassVar[Any] = None

    def __init__(
        self,
        *expressions: Any,
        distinct: bool = False,
        filter: Any = None,
        default: Any = None,
        order_by: Any = None,
        ordering: Any = None,
        output_field: Field[Any] | None = None,
        **extra: Any,
    ) -> None:
        name = type(self).__name__
        if ordering is not None and "%(ordering)s" in str(extra.get("template") or self.template):
            extra["ordering"] = ordering  # a text of the template's own
        elif ordering:
            if order_by is not None:
                raise TypeError(f"{name} takes order_by or ordering, which mean the same, and not both.")
            order_by = ordering
        if distinct and not self.allow_distinct:
            raise TypeError(f"{name} does not take distinct=True: it would change nothing, or mean nothing.")
        if order_by is not None and not self.allow_order_by:
            raise TypeError(f"{name} does not take order_by: its result does not depend on the order.")
        if default is not None and self.empty_result_set_value is not None:
            raise TypeError(f"{name} does not take a default: for no rows it is {self.empty_result_set_value}.")
        if filter is not None and not getattr(filter, "conditional", False):
            raise TypeError(f"filter must be a Q or a boolean expression, not {filter!r}.")
        super().__init__(*expressions, output_field=output_field, **extra)
        check_depth(self, name)
        for source in self.sources:
            if source.contains_aggregate:
                raise TypeError(f"{name} cannot take {source!r}: it is an aggregate itself.")
        self.distinct = distinct
        self.filter = None if filter is None else Q.of(filter)
        self.default = None if default is None else as_expression(default)
        if order_by is None:
            items: tuple[Any, ...] = ()
        elif isinstance(order_by, (list, tuple)):
            items = tuple(order_by)
        else:
            items = (order_by,)
        self.order_by = tuple(_order_item(item) for item in items)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the call, filter, order and default, in the order of ``resolve``."""
        return (
            super().shape(values),
            self.distinct,
            None if self.filter is None else self.filter.shape(values),
            *[item.shape(values) for item in self.order_by],
            None if self.default is None else self.default.shape(values),
        )

    def resolve(self, scope: Scope) -> Resolved:
        """Return the call; a default becomes ``COALESCE`` round it."""
        before, scope.aggregating = scope.aggregating, None if scope.in_window else self
        if self._has_own_sql:
            compiler = Compiler(scope, self.sources)
            compiler.where, compiler.order = self._where(scope), self._order(scope)
            node, field = own_sql(self, compiler), self._field_of(compiler)
        else:
            args, field = self._resolve_sources(scope)
            node = self._call(args, field, self._where(scope), self._order(scope), scope)
        scope.aggregating = before
        if self.default is not None:
            node = nodes.Func("COALESCE", (node, self._default(field).resolve(scope).node))
        return Resolved(node, field)

    def _default(self, field: Field[Any] | None) -> Any:
        """Return the default; a list or dict, whose type says nothing, as what the aggregate gives."""
        value = self.default
        if isinstance(value, Value) and value.output_field is None and field_of(value.value) is None:
            return Value(value.value, field) if value.value is not None else value
        return value

    @property
    def _has_own_sql(self) -> bool:
        return writes_sql(type(self), unless=Aggregate.as_sql)

    def as_sql(
        self,
        compiler: Any,
        connection: Any,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        **extra: Any,
    ) -> tuple[str, list[Any]]:
        """Return the call with its filter and order as text with ``%s`` places, and what stands in them; for overriding.

        The arguments are those of ``Func.as_sql``.
        """
        changed = self.copy()
        changed.function, changed.template = function or self.function, template or self.template
        changed.arg_joiner, changed.extra = arg_joiner or self.arg_joiner, {**self.extra, **extra}
        args = [compiler.resolved(source).node for source in self.sources]
        return "%s", [changed._call(args, self._field_of(compiler), compiler.where, compiler.order, compiler.scope)]

    def _where(self, scope: Scope) -> nodes.Node | None:
        return None if self.filter is None else scope.condition(self.filter)

    def _order(self, scope: Scope) -> tuple[nodes.Ordering, ...]:
        return tuple([one for item in self.order_by for one in scope.orderings(item)])

    def _call(
        self,
        args: list[nodes.Node],
        field: Field[Any] | None,
        where: nodes.Node | None,
        order: tuple[nodes.Ordering, ...],
        scope: Scope,
    ) -> nodes.Node:
        if self.template is not None:
            return self._templated(args, where, order, scope)
        return nodes.Func(
            self.function,
            tuple(args),
            distinct=self.distinct,
            filter=where,
            order_by=order,
            type=None if field is None else field.column_type(),
        )

    def _templated(
        self, args: list[nodes.Node], where: nodes.Node | None, order: tuple[nodes.Ordering, ...], scope: Scope
    ) -> nodes.Node:
        """Return the call by the template of a subclass, with distinct, order and filter in their places."""
        if where is not None and not scope.dialect.has_aggregate_filter and args:
            args = [nodes.Case((nodes.When(where, args[0]),)), *args[1:]]
            where = None
        texts = {
            **self.extra,
            "function": self.function,
            "distinct": "DISTINCT " if self.distinct else "",
            "expressions": self.arg_joiner.join("%s" for _ in args),
            "order_by": f" ORDER BY {', '.join('%s' for _ in order)}" if order else "",
        }
        text = str(self.template) % texts
        if where is None:
            return nodes.Raw(text, (*args, *order))
        return nodes.Raw(f"{text} FILTER (WHERE %s)", (*args, *order, where))

    @property
    def default_alias(self) -> str:
        """``"views__sum"`` for ``Sum("views")``."""
        if len(self.sources) == 1 and isinstance(self.sources[0], F) and isinstance(self.sources[0].name, str):
            return f"{self.sources[0].name}__{self.name.lower()}"
        raise TypeError(f"A complex aggregate needs a name: write name={self!r}.")


class Count(Aggregate):
    """How many rows have a value; ``Count("*")`` counts them all."""

    name = "Count"
    function = "COUNT"
    allow_distinct = True
    empty_result_set_value = 0
    result = WHOLE

    def __init__(self, expression: Any, *, distinct: bool = False, filter: Any = None, **extra: Any) -> None:
        if expression == "*" and filter is not None:
            raise ValueError(
                "Count('*') takes no filter: count a field that is never NULL, such as Count('pk', filter=…)."
            )
        super().__init__(_STAR if expression == "*" else expression, distinct=distinct, filter=filter, **extra)
        if expression == "*" and distinct:
            raise ValueError("Count('*', distinct=True) means nothing: count a field.")

    def resolve(self, scope: Scope) -> Resolved:
        """Return the call; of a key of several parts the first is counted."""
        source: Any = self.sources[0]
        countable = getattr(scope, "countable", None) if Field.any_is_composite and source.__class__ is F else None
        if countable is not None:
            counted = countable(source.name)
            if counted != source.name:
                if self.distinct:
                    raise FieldError(
                        f"Count({source.name!r}, distinct=True) cannot count keys of several parts: count the rows of "
                        f"values({source.name!r}).distinct(), or one of the parts.",
                        name=source.name,
                    )
                return Count(F(counted), filter=self.filter).resolve(scope)
        return super().resolve(scope)


class _Star(Expression[Any]):
    """``*`` as the argument of ``Count``."""

    def shape(self, values: list[Any]) -> Hashable:
        return "*"

    def resolve(self, scope: Scope) -> Resolved:
        return Resolved(nodes.Star(), WHOLE)


_STAR = _Star()


class _OfNumbers(Aggregate):
    """An aggregate that reckons with numbers."""

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        field = super()._infer(fields)
        kind = "" if field is None else family(field)
        if kind in {"date", "datetime"}:
            # Some databases make a number of its digits.
            raise FieldError(f"{self!r} takes numbers or durations, and this is a {field.get_internal_type()}.")  # type: ignore[union-attr]
        return self._of(kind, field)

    def _of(self, kind: str, field: Field[Any] | None) -> Field[Any] | None:
        """Return what the result is for an argument of a kind; numbers with a point, as most give, or decimals."""
        return DECIMAL if kind == "decimal" else REAL


class Sum(_OfNumbers):
    """The sum; of truth values it is how many are true, where the database adds those."""

    name = "Sum"
    function = "SUM"
    allow_distinct = True

    def _of(self, kind: str, field: Field[Any] | None) -> Field[Any] | None:
        return WHOLE if kind in {"integer", "boolean"} else field


class Avg(_OfNumbers):
    """The mean; of integers it is a float."""

    name = "Avg"
    function = "AVG"
    allow_distinct = True

    def _of(self, kind: str, field: Field[Any] | None) -> Field[Any] | None:
        return REAL if kind in {"integer", "float", "boolean"} else field


class Min(Aggregate):
    """The least value."""

    name = "Min"
    function = "MIN"


class Max(Aggregate):
    """The greatest value."""

    name = "Max"
    function = "MAX"


class StdDev(_OfNumbers):
    """The standard deviation; of a sample with ``sample=True``."""

    name = "StdDev"

    def __init__(self, expression: Any, *, sample: bool = False, **extra: Any) -> None:
        self.function = "STDDEV_SAMP" if sample else "STDDEV_POP"
        super().__init__(expression, **extra)


class Variance(_OfNumbers):
    """The variance; of a sample with ``sample=True``."""

    name = "Variance"

    def __init__(self, expression: Any, *, sample: bool = False, **extra: Any) -> None:
        self.function = "VAR_SAMP" if sample else "VAR_POP"
        super().__init__(expression, **extra)


class _Constant(Expression[Any]):
    """A text that is part of the shape: MySQL takes no parameter for a separator, and SQLite only one beside DISTINCT."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def shape(self, values: list[Any]) -> Hashable:
        return (_Constant, self.text)

    def resolve(self, scope: Scope) -> Resolved:
        return Resolved(nodes.Bound(self.text, nodes.ColumnType("text")), TEXT)


def _is_text(field: Field[Any] | None) -> bool:
    kind = None if field is None else field.column_type()
    return kind is not None and kind.kind in {"char", "varchar", "text"}


class StringAgg(Aggregate):
    """The values as one text, with a delimiter between them."""

    name = "StringAgg"
    function = "STRING_AGG"
    allow_distinct = True
    allow_order_by = True
    result = TEXT

    def __init__(self, expression: Any, delimiter: Any = ",", **extra: Any) -> None:
        if isinstance(delimiter, Value):
            delimiter = delimiter.value
        super().__init__(expression, _Constant(delimiter) if isinstance(delimiter, str) else delimiter, **extra)

    def _resolve_sources(self, scope: Scope) -> tuple[list[nodes.Node], Field[Any] | None]:
        """Return the nodes of the parts; PostgreSQL joins texts alone, so what is none becomes one.

        A text stays as it is: beside DISTINCT an order by the value must be the same to the letter.
        """
        value, *rest = resolve_parts(self.sources, scope)
        node = value.node
        if scope.vendor == "postgresql" and (isinstance(node, (nodes.Param, nodes.Bound)) or not _is_text(value.field)):
            node = nodes.Cast(node, nodes.ColumnType("text"))
        return [node, *[each.node for each in rest]], self.output_field or self.result

    @property
    def default_alias(self) -> str:
        """``"name__stringagg"``; the delimiter does not count."""
        source = self.sources[0]
        if isinstance(source, F) and isinstance(source.name, str):
            return f"{source.name}__stringagg"
        raise TypeError(f"A complex aggregate needs a name: write name={self!r}.")


class AnyValue(Aggregate):
    """Any one value of the group."""

    name = "AnyValue"
    function = "ANY_VALUE"


class BitAnd(Aggregate):
    """The bits that all values have."""

    name = "BitAnd"
    function = "BIT_AND"


class BitOr(Aggregate):
    """The bits that any of the values has."""

    name = "BitOr"
    function = "BIT_OR"


class BitXor(Aggregate):
    """The bits that an odd number of the values has."""

    name = "BitXor"
    function = "BIT_XOR"


def _order_item(item: Any) -> OrderBy:
    if isinstance(item, OrderBy):
        return item
    if isinstance(item, str):
        return F(item[1:]).desc() if item.startswith("-") else F(item).asc()
    return OrderBy(parse(item))


def order_items(value: str | Sequence[Any] | Any) -> tuple[OrderBy, ...]:
    """Return the items of an ``order_by`` option: one, or a list; ``"-name"`` is descending."""
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return tuple(_order_item(item) for item in value)
    return (_order_item(value),)
