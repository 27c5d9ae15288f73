"""What every expression is: a value that builds SQL, is told apart by its *shape*, and lists its run-time values.

Two calls, made by the query room, decide how an expression takes part in a statement:

``shape(values)``
    Runs on every execution. Appends the run-time values to ``values`` and returns the hashable rest: what the SQL text
    depends on. Two expressions of one shape have one SQL text.
``resolve(scope)``
    Runs only when that shape was not compiled yet. Returns the AST node and the field that says what it holds; each
    run-time value becomes the next ``scope.param(value)``. **The order of ``param`` calls is the order in which
    ``shape`` appends.**
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self

from typing_extensions import TypeVar

from covet.db.models.expressions.q import Q, hashable
from covet.db.sql import nodes
from covet.db.sql.dialect import RawJSON
from covet.exceptions import FieldError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import declared, inference
    from covet.db.models.expressions import own_sql as own
    from covet.db.models.expressions import scope as scopes
    from covet.db.models.fields.base import Field
else:
    declared = late_module(__name__, "covet.db.models.expressions.declared")
    own = late_module(__name__, "covet.db.models.expressions.own_sql", "own")
    inference = late_module(__name__, "covet.db.models.expressions.inference")
    scopes = late_module(__name__, "covet.db.models.expressions.scope", "scopes")

__all__ = [
    "Combinable",
    "CombinedExpression",
    "Expression",
    "ExpressionWrapper",
    "NegatedExpression",
    "OrderBy",
    "Value",
    "as_expression",
    "hashable",
    "import_path",
]

T = TypeVar("T", default=Any)
_WRITERS = ("as_sql", "as_postgresql", "as_mysql", "as_sqlite")


class Combinable:
    """The operators: ``F("a") + 1``, ``F("a").bitand(3)``, ``~F("flag")``, ``Exists(…) & Q(…)``."""

    def _combine(self, operator: str, other: Any, *, reversed: bool = False) -> CombinedExpression:
        right = as_expression(other)
        mine: Any = self
        return CombinedExpression(right, operator, mine) if reversed else CombinedExpression(mine, operator, right)

    def __neg__(self) -> CombinedExpression:
        return self._combine("*", -1)

    def __add__(self, other: Any) -> CombinedExpression:
        return self._combine("+", other)

    def __sub__(self, other: Any) -> CombinedExpression:
        return self._combine("-", other)

    def __mul__(self, other: Any) -> CombinedExpression:
        return self._combine("*", other)

    def __truediv__(self, other: Any) -> CombinedExpression:
        return self._combine("/", other)

    def __mod__(self, other: Any) -> CombinedExpression:
        return self._combine("%", other)

    def __pow__(self, other: Any) -> CombinedExpression:
        return self._combine("^", other)

    def __radd__(self, other: Any) -> CombinedExpression:
        return self._combine("+", other, reversed=True)

    def __rsub__(self, other: Any) -> CombinedExpression:
        return self._combine("-", other, reversed=True)

    def __rmul__(self, other: Any) -> CombinedExpression:
        return self._combine("*", other, reversed=True)

    def __rtruediv__(self, other: Any) -> CombinedExpression:
        return self._combine("/", other, reversed=True)

    def __rmod__(self, other: Any) -> CombinedExpression:
        return self._combine("%", other, reversed=True)

    def __rpow__(self, other: Any) -> CombinedExpression:
        return self._combine("^", other, reversed=True)

    def bitand(self, other: Any) -> CombinedExpression:
        """Return the bitwise AND."""
        return self._combine("&", other)

    def bitor(self, other: Any) -> CombinedExpression:
        """Return the bitwise OR."""
        return self._combine("|", other)

    def bitxor(self, other: Any) -> CombinedExpression:
        """Return the bitwise XOR."""
        return self._combine("#", other)

    def bitleftshift(self, other: Any) -> CombinedExpression:
        """Return this shifted to the left."""
        return self._combine("<<", other)

    def bitrightshift(self, other: Any) -> CombinedExpression:
        """Return this shifted to the right."""
        return self._combine(">>", other)

    def __and__(self, other: Any) -> Q:
        return Q(self) & Q.of(other)

    def __rand__(self, other: Any) -> Q:
        return Q.of(other) & Q(self)

    def __or__(self, other: Any) -> Q:
        return Q(self) | Q.of(other)

    def __ror__(self, other: Any) -> Q:
        return Q.of(other) | Q(self)

    def __xor__(self, other: Any) -> Q:
        return Q(self) ^ Q.of(other)

    def __invert__(self) -> NegatedExpression:
        mine: Any = self
        return NegatedExpression(mine)

    def asc(self, *, nulls_first: bool | None = None, nulls_last: bool | None = None) -> OrderBy:
        """Return this as an ascending item of ``order_by``."""
        return OrderBy(self, nulls_first=nulls_first, nulls_last=nulls_last)

    def desc(self, *, nulls_first: bool | None = None, nulls_last: bool | None = None) -> OrderBy:
        """Return this as a descending item of ``order_by``."""
        return OrderBy(self, descending=True, nulls_first=nulls_first, nulls_last=nulls_last)


class Expression(Combinable, Generic[T]):
    """The base of all expressions; subclasses list their parts in ``sources`` and build one node from them.

    Args:
        output_field: The field that says what the result holds, where it cannot be told from the parts.
    """

    # The constructor's arguments, for equality, ``deconstruct`` and ``repr``.
    _constructed: tuple[tuple[Any, ...], dict[str, Any]]
    #: Where migrations import the built-in classes from.
    public_module: ClassVar[str] = "covet.db.models"
    sources: tuple[Any, ...] = ()
    is_aggregate = False
    is_window = False
    filterable = True
    window_compatible = False
    #: The result is a truth value, so the expression may stand in ``filter()``.
    is_conditional = False
    #: Turns a result of the driver into Python, in place of the output field's own converter.
    convert: Callable[[Any], Any] | None = None
    if not TYPE_CHECKING:  # to which a field on a class is a descriptor
        #: What the result holds; a subclass may say it for all of its instances, as an attribute or a property.
        output_field = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a subclass that only writes SQL, by ``as_sql`` or ``as_postgresql`` and its kin, take part by that."""
        super().__init_subclass__(**options)
        if cls.resolve is Expression.resolve and any(hasattr(cls, name) for name in _WRITERS):
            own.take_part(cls, lists_parts=cls.get_source_expressions is not Expression.get_source_expressions)

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember the arguments: they are the identity of the expression."""
        self = super().__new__(cls)
        self._constructed = (args, kwargs)
        return self

    def __init__(self, output_field: Field[Any] | None = None) -> None:
        if output_field is not None:
            self.output_field: Field[Any] | None = output_field

    # ── what the query room calls

    def shape(self, values: list[Any]) -> Hashable:
        """Append the run-time values of all parts and return what the SQL text depends on."""
        return (self.__class__, self._output_key(), *[source.shape(values) for source in self.sources])

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the AST of this expression and what it holds; takes parameters in the order of ``shape``."""
        raise TypeError(
            f"{type(self).__name__} does not say how it becomes SQL: define as_sql(self, compiler, connection), which returns "
            "text with %s places and what stands in them."
        )

    # ── what others may ask

    @property
    def contains_aggregate(self) -> bool:
        """Whether an aggregate stands anywhere in this expression."""
        return self.is_aggregate or any(source.contains_aggregate for source in self.sources)

    @property
    def contains_over(self) -> bool:
        """Whether a window function stands anywhere in this expression."""
        return self.is_window or any(source.contains_over for source in self.sources)

    @property
    def conditional(self) -> bool:
        """Whether the expression may stand as a condition."""
        field = self.output_field
        return self.is_conditional or (field is not None and field.get_internal_type() == "BooleanField")

    @property
    def default_alias(self) -> str:
        """The name of the annotation when none is given."""
        raise TypeError(f"A complex expression needs a name: write name={self!r}.")

    def get_source_expressions(self) -> list[Any]:
        """Return the parts, in order."""
        return list(self.sources)

    def set_source_expressions(self, expressions: Sequence[Any]) -> None:
        """Replace the parts of a copy; see ``copy``."""
        self.sources = tuple(expressions)

    def copy(self) -> Self:
        """Return a shallow copy."""
        clone = object.__new__(self.__class__)
        clone.__dict__.update(self.__dict__)
        return clone

    def walk(self) -> Iterator[Any]:
        """Yield this expression and all its parts, outermost first."""
        yield self
        for source in self.sources:
            yield from source.walk()

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the import path and the arguments that make an equal expression; migrations write these."""
        return import_path(type(self)), self._constructed[0], dict(self._constructed[1])

    def _identity(self) -> Hashable:
        args, kwargs = self._constructed
        return (self.__class__, hashable(args), hashable(kwargs))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Expression):
            return NotImplemented
        return self is other or self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        args, kwargs = self._constructed
        inside = ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
        return f"{type(self).__name__}({inside})"

    def _output_key(self) -> Hashable:
        return None if self.output_field is None else self.output_field.signature()

    def _resolve_sources(self, scope: scopes.Scope) -> tuple[list[nodes.Node], Field[Any] | None]:
        """Return the nodes of the parts, and the result's field: the declared one, else the one that they share."""
        field = self.output_field
        if field is not None:
            return [each.node for each in declared.resolve_parts(self.sources, scope)], field
        resolved: list[scopes.Resolved] = [source.resolve(scope) for source in self.sources]
        return [each.node for each in resolved], self._infer([each.field for each in resolved])

    def _infer(self, fields: list[Field[Any] | None]) -> Field[Any] | None:
        """Return the field of the result from the fields of the parts; parts that nobody knows do not count."""
        found: Field[Any] | None = None
        for field in fields:
            if field is None:
                continue
            if found is None:
                found = field
            elif inference.family(found) != inference.family(field):
                raise FieldError(
                    f"{self!r} mixes {found.get_internal_type()} and {field.get_internal_type()}: "
                    f"say what the result holds with output_field=…"
                )
        return found


def _signed(side: scopes.Resolved) -> nodes.Node:
    """Return a number that may become negative: with one unsigned side MySQL refuses a result below zero, even in between."""
    kind = _type(side.field)
    return nodes.Cast(side.node, nodes.ColumnType("bigint")) if kind is not None and kind.unsigned else side.node


_DECIMAL = nodes.ColumnType("decimal")


class Value(Expression[T]):
    """A Python value as an expression; it always travels as a parameter.

    Args:
        value: Any value that a field can hold, or ``None``.
        output_field: What it is, where its Python type does not say it.
    """

    def __init__(self, value: T, output_field: Field[Any] | None = None) -> None:
        super().__init__(output_field)
        self.value = value

    def shape(self, values: list[Any]) -> Hashable:
        """Append the value; the text depends on its type alone, and for a whole number on the size that it needs."""
        value: Any = self.value
        if value is None:
            return (Value, None, self._output_key())
        values.append(value)
        is_wide = value.__class__ is int and not -(2**31) <= value < 2**31
        return (Value, "wide" if is_wide else value.__class__, self._output_key())

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return a parameter, or ``NULL``."""
        field = self.output_field if self.output_field is not None else inference.field_of(self.value)
        if self.value is None:
            if field is not None and inference.family(field) == "json":
                # As in Django: the word, where a bare None is NULL.
                return scopes.Resolved(nodes.Bound(RawJSON("null"), nodes.ColumnType("json")), field)
            return scopes.Resolved(nodes.Keyword("NULL"), field)
        node = scope.param(self.value, field)
        if scope.vendor == "sqlite" and field is not None and inference.family(field) == "decimal":
            # It travels as text, and where no column stands beside it a text is more than any number.
            node = nodes.Cast(node, _DECIMAL)
        return scopes.Resolved(node, field)

    @property
    def conditional(self) -> bool:
        """A boolean value may stand as a condition."""
        return isinstance(self.value, bool) or super().conditional


class CombinedExpression(Expression[Any]):
    """Two expressions and an operator between them."""

    public_module = "covet.db.models.expressions"

    def __init__(self, lhs: Any, operator: str, rhs: Any, output_field: Field[Any] | None = None) -> None:
        super().__init__(output_field)
        self.operator = operator
        self.sources = (lhs, rhs)

    def shape(self, values: list[Any]) -> Hashable:
        """Return operator and both sides."""
        lhs, rhs = self.sources
        left = lhs.shape(values)
        return (self.operator, left, rhs.shape(values), self._output_key())

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the two sides joined by the operator; dates and durations by the dialect's own functions."""
        left, right = (source.resolve(scope) for source in self.sources)
        field = self.output_field
        if field is None:
            field = inference.combined_field(self.operator, left.field, right.field, self)
        return scopes.Resolved(self.node_of(left, right, field, scope.vendor), field)

    def node_of(
        self, left: scopes.Resolved, right: scopes.Resolved, field: Field[Any] | None, vendor: str
    ) -> nodes.Node:
        """Return the two sides, resolved, joined by the operator."""
        operator = self.operator
        kinds = (_kind(left.field), _kind(right.field))
        if operator in "+-" and "interval" in kinds and not kinds[0] == kinds[1] == "interval":
            # Each database adds a duration to a moment in its own way.
            name = "ADD_INTERVAL" if operator == "+" else "SUB_INTERVAL"
            moment, span = (right.node, left.node) if kinds[0] == "interval" else (left.node, right.node)
            return nodes.Func(name, (moment, span), type=_type(field))
        if operator == "-" and kinds[0] in {"date", "time", "datetime"} and kinds[1] in {"date", "time", "datetime"}:
            # Two dates differ by a number of days on some databases, by a duration as moments on all; and MySQL takes a
            # text for a moment, which the value of a time is on its way.
            alike = {"date": nodes.ColumnType("datetime")}
            if vendor == "mysql":
                alike["time"] = nodes.ColumnType("time")
            left, right = (
                scopes.Resolved(nodes.Cast(side.node, alike[kind]), side.field) if kind in alike else side
                for side, kind in zip((left, right), kinds, strict=True)
            )
            return nodes.Func("TIMESTAMP_DIFF", (left.node, right.node), type=nodes.ColumnType("interval"))
        if operator == ">>" and vendor == "mysql":
            return nodes.Func("SHIFT_RIGHT", (left.node, right.node))
        if operator in "+-*%" and vendor == "mysql":
            return nodes.Binary(operator, _signed(left), _signed(right))
        return nodes.Binary(operator, left.node, right.node)

    def __repr__(self) -> str:
        return f"{self.sources[0]!r} {self.operator} {self.sources[1]!r}"


class ExpressionWrapper(Expression[Any]):
    """An expression whose result is declared: ``ExpressionWrapper(F("a") / 2, output_field=FloatField())``."""

    def __init__(self, expression: Any, output_field: Field[Any]) -> None:
        super().__init__(output_field)
        self.sources = (as_expression(expression),)

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the inner expression under the declared field."""
        return scopes.Resolved(declared.resolve_parts(self.sources, scope)[0].node, self.output_field)


class NegatedExpression(Expression[Any]):
    """``NOT`` of a truth value: ``~F("is_active")``, ``~Exists(…)``."""

    public_module = "covet.db.models.expressions"
    is_conditional = True

    def __init__(self, expression: Any) -> None:
        super().__init__()
        self.sources = (expression,)

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the negated node."""
        return scopes.Resolved(nodes.Not(self.sources[0].resolve(scope).node), inference.BOOLEAN)

    def __invert__(self) -> Any:
        return self.sources[0]


class OrderBy(Expression[Any]):
    """One item of ``order_by``."""

    def __init__(
        self,
        expression: Any,
        *,
        descending: bool = False,
        nulls_first: bool | None = None,
        nulls_last: bool | None = None,
    ) -> None:
        super().__init__()
        if nulls_first and nulls_last:
            raise ValueError("nulls_first and nulls_last cannot both be asked for.")
        if nulls_first is False or nulls_last is False:
            raise ValueError("nulls_first and nulls_last are True or left out.")
        self.sources = (as_expression(expression),)
        self.descending = descending
        self.nulls = "first" if nulls_first else "last" if nulls_last else None

    def shape(self, values: list[Any]) -> Hashable:
        """Return the expression's shape and the direction."""
        return (OrderBy, self.descending, self.nulls, self.sources[0].shape(values))

    @property
    def expression(self) -> Any:
        """What is ordered."""
        return self.sources[0]

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the ordered expression alone; ``ordering`` adds the direction."""
        return self.sources[0].resolve(scope)  # type: ignore[no-any-return]

    def ordering(self, scope: scopes.Scope) -> nodes.Ordering:
        """Return the item of ``ORDER BY``."""
        return nodes.Ordering(self.resolve(scope).node, self.descending, self.nulls)

    def reversed(self) -> OrderBy:
        """Return the same item the other way round, nulls included."""
        return OrderBy(
            self.sources[0],
            descending=not self.descending,
            nulls_first=True if self.nulls == "last" else None,
            nulls_last=True if self.nulls == "first" else None,
        )


def import_path(cls: Any) -> str:
    """Return the public address of an expression's class: ``covet.db.models.F``."""
    module = cls.__module__
    if module.startswith("covet.db.models.functions."):
        module = "covet.db.models.functions"
    elif module.startswith("covet.db.models."):
        module = cls.public_module
    return f"{module}.{cls.__qualname__}"


def as_expression(value: Any) -> Any:
    """Return an expression: itself, or the value as a ``Value``."""
    return value if hasattr(value, "resolve") else Value(value)


def _type(field: Field[Any] | None) -> nodes.ColumnType | None:
    return None if field is None else field.column_type()


def _kind(field: Field[Any] | None) -> str:
    column_type = _type(field)
    return "" if column_type is None else column_type.kind
