"""Look-ups as expressions: ``GreaterThan(F("views"), 10)``, and ``Lookup``, the base of those of a project's own.

The built-in ones are written by the query room, as in ``filter(views__gt=10)``. One of a project's own writes text::

    @CharField.register_lookup
    class NotEqual(Lookup):
        lookup_name = "ne"

        def as_sql(self, compiler, connection):
            left, left_params = self.process_lhs(compiler, connection)
            right, right_params = self.process_rhs(compiler, connection)
            return f"{left} <> {right}", [*left_params, *right_params]
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any, ClassVar, Final

from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.functions import parse
from covet.db.models.expressions.inference import BOOLEAN
from covet.db.models.expressions.own_sql import Compiler, Place, own_sql, own_state, writes_sql
from covet.db.models.expressions.q import hashable
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.sql import nodes

__all__ = [
    "BuiltInLookup",
    "Contains",
    "EndsWith",
    "Exact",
    "GreaterThan",
    "GreaterThanOrEqual",
    "IContains",
    "IEndsWith",
    "IExact",
    "IRegex",
    "IStartsWith",
    "In",
    "IsNull",
    "LessThan",
    "LessThanOrEqual",
    "Lookup",
    "Range",
    "Regex",
    "StartsWith",
]

_SIDES: Final = ("lhs", "rhs")


class Lookup(Expression[Any]):
    """A condition with two sides.

    Args:
        lhs: The left-hand side; a text names a field.
        rhs: What it is compared with.

    Attributes:
        lookup_name: What it is called in names: ``filter(title__ne="x")``.
    """

    public_module = "covet.db.models.lookups"
    is_conditional = True
    lookup_name: str = ""
    #: Transforms of both sides; they are applied before a look-up sees its sides.
    bilateral_transforms: tuple[Any, ...] = ()

    def __init__(self, lhs: Any, rhs: Any) -> None:
        super().__init__()
        self.lhs = parse(lhs)
        self.rhs = rhs
        self.sources = (self.lhs, rhs) if _is_expression(rhs) else (self.lhs,)

    def shape(self, values: list[Any]) -> Hashable:
        """Return both sides; a value is part of the shape, since the look-up may write it any way it wants."""
        rhs = None if _is_expression(self.rhs) else hashable(self.rhs)
        if getattr(self.lhs, "is_transform", False):
            # as_sql() may compile what is transformed, self.lhs.lhs, whose values are constants of the statement then.
            inner: list[Any] = []
            rhs = (rhs, self.lhs.shape(inner), hashable(tuple(inner)))
        return (self.__class__, rhs, own_state(self, _SIDES), *[source.shape(values) for source in self.sources])

    def resolve(self, scope: Scope) -> Resolved:
        """Return what ``as_sql``, or ``as_postgresql`` and its kin, make of it."""
        return Resolved(own_sql(self, Compiler(scope, self.sources)), BOOLEAN)

    def get_prep_lookup(self) -> Any:
        """Return the value that is compared with, from ``self.rhs``; for overriding."""
        return self.rhs

    @classmethod
    def prepares(cls, lhs: Any) -> Callable[[Any], Any] | None:
        """Return what changes a value before it is compared with ``lhs``, where the class has something to say about it."""
        return None if cls.get_prep_lookup is Lookup.get_prep_lookup else partial(_prepared, cls, lhs)

    def rhs_is_direct_value(self) -> bool:
        """Whether the right-hand side is a value, and no expression."""
        return isinstance(self.rhs, Named) or not _is_expression(self.rhs)

    def process_lhs(self, compiler: Any, connection: Any, lhs: Any = None) -> tuple[str, list[Any]]:
        """Return the left-hand side as text with places, and what stands in them."""
        return compiler.compile(self.lhs if lhs is None else lhs)  # type: ignore[no-any-return]  # text and places

    def process_rhs(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the right-hand side as text with places, and what stands in them."""
        if _is_expression(self.rhs):
            text, params = compiler.compile(self.rhs)
            is_value = isinstance(self.rhs, Named)
            return text, [Place(param, type(self).__name__) for param in params] if is_value else params
        return "%s", [self.get_prep_lookup()]

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the condition as text with ``%s`` places, and what stands in them; for overriding."""
        raise TypeError(
            f"{type(self).__name__} does not say how it becomes SQL: define as_sql(self, compiler, connection)."
        )


class Named:
    """The value of a condition that was written by a name, ``filter(title__ne="x")``, as the right side of its look-up.

    Args:
        right: What the query room knows of it.
        many: The value is a list.
    """

    contains_aggregate = contains_over = conditional = False

    def __init__(self, right: Any, *, many: bool = False) -> None:
        self.right, self.many = right, many

    def shape(self, values: list[Any]) -> Hashable:
        """Return nothing: the name is the shape."""
        return None

    def resolve(self, scope: Scope) -> Resolved:
        """Return the value's place."""
        return Resolved(self.right.value(many=self.many), self.right.field)

    def __iter__(self) -> Any:
        raise TypeError(
            "The SQL of a look-up is made once for all values: what is compared with is no list yet. Change the value in "
            "get_prep_lookup(self), or write the look-up as an expression: filter(Between(F('title'), ('a', 'b')))."
        )


class BuiltInLookup(Lookup):
    """A look-up that the query room knows by its name. A subclass may have a name of its own, and change one side or both."""

    #: What the query room calls it, whatever a subclass is called.
    built_in: ClassVar[str] = ""

    def __init_subclass__(cls, **options: Any) -> None:
        """Remember the name of a built-in look-up, and whether a subclass of it writes SQL."""
        super().__init_subclass__(**options)
        if cls.__module__ == __name__:
            cls.built_in = cls.lookup_name

    def shape(self, values: list[Any]) -> Hashable:
        """Return both sides, and what a subclass has besides; a value travels as a parameter."""
        left, own = self.lhs.shape(values), own_state(self, _SIDES)
        if _is_expression(self.rhs):
            return (self.__class__, own, left, self.rhs.shape(values))
        values.append(self.get_prep_lookup())
        return (self.__class__, own, left, None)

    def resolve(self, scope: Scope) -> Resolved:
        """Return the comparison."""
        if _changes_sql(type(self)):
            return Resolved(own_sql(self, _Sides(scope, self)), BOOLEAN)
        left = self.lhs.resolve(scope)
        if isinstance(self.rhs, Named):
            return Resolved(scope.compare_named(left, self.built_in, self.rhs.right), BOOLEAN)
        right = self.rhs.resolve(scope) if _is_expression(self.rhs) else None
        return Resolved(scope.compare(left, self.built_in, right), BOOLEAN)

    def process_rhs(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the right-hand side as text with places, and what stands in them; of a look-up of patterns the pattern."""
        return "%s", [Place(compiler.right_node(), type(self).__name__)]

    def get_rhs_op(self, connection: Any, rhs: str) -> str:
        """Return the operator with the right-hand side, ``"= UPPER(%s)"``; for overriding, where one is not enough."""
        raise TypeError(f"{type(self).__name__} has no operator of its own.")

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the condition as text with ``%s`` places, and what stands in them; for overriding."""
        cls = type(self)
        left, params = self.process_lhs(compiler, connection)
        if cls.get_rhs_op is not BuiltInLookup.get_rhs_op:
            right, more = self.process_rhs(compiler, connection)
            return f"{left} {self.get_rhs_op(connection, right)}", [*params, *more]
        given = None
        if cls.process_rhs is not BuiltInLookup.process_rhs:
            given = _raw(*self.process_rhs(compiler, connection))
        return "%s", [compiler.compare(_raw(left, params), given)]


class _Sides(Compiler):
    """The compiler of a subclass of a built-in look-up, which may ask for the comparison itself."""

    def __init__(self, scope: Scope, lookup: Any) -> None:
        named = isinstance(lookup.rhs, Named)
        super().__init__(scope, [lookup.lhs, *([lookup.rhs] if _is_expression(lookup.rhs) and not named else [])])
        self._name = lookup.built_in
        self._field = self.resolved(lookup.lhs).field
        if named:
            self._right = lookup.rhs.right
        else:
            given = self.resolved(lookup.rhs) if _is_expression(lookup.rhs) else None
            self._right = scope.side(self.resolved(lookup.lhs), given)

    def right_node(self) -> nodes.Node:
        """Return the right side as the built-in look-up has it: a value, or a pattern."""
        if self._name not in nodes.PATTERNS:
            return self._right.value()  # type: ignore[no-any-return]  # a node
        _, before, after = nodes.PATTERNS[self._name]
        return self._right.pattern(before, after, self.connection)  # type: ignore[no-any-return]  # a node

    def compare(self, left: nodes.Node, right: nodes.Node | None) -> nodes.Node:
        """Return the built-in comparison of two sides; without ``right`` with what was given."""
        side = self._right
        if right is not None:
            # What process_rhs() changes is the pattern, as in Django: it gets no wildcards a second time.
            side = self.scope.side(Resolved(left, self._field), Resolved(right, self._field), is_pattern=True)
        return self.scope.compare_named(Resolved(left, self._field), self._name, side)


def _changes_sql(cls: Any) -> bool:
    """Whether a subclass of a built-in look-up changes more than its value."""
    return (
        cls.process_lhs is not Lookup.process_lhs
        or cls.process_rhs is not BuiltInLookup.process_rhs
        or cls.get_rhs_op is not BuiltInLookup.get_rhs_op
        or writes_sql(cls, unless=BuiltInLookup.as_sql)
    )


def _prepared(cls: Any, lhs: Any, value: Any) -> Any:
    """Return a value as a class of look-up prepares it."""
    lookup = object.__new__(cls)
    lookup.lhs, lookup.rhs = lhs, value
    return lookup.get_prep_lookup()


def _raw(text: str, params: list[Any]) -> nodes.Node:
    args = tuple([param.node if isinstance(param, Place) else param for param in params])
    args = tuple([arg if isinstance(arg, nodes.Node) else nodes.Bound(arg) for arg in args])
    return args[0] if text == "%s" and len(args) == 1 else nodes.Raw(text, args)


class _Listed(BuiltInLookup):
    """A look-up whose right-hand side is a list: each item is a value or an expression."""

    def __init__(self, lhs: Any, rhs: Any) -> None:
        super().__init__(lhs, rhs if _is_expression(rhs) or hasattr(rhs, "query") else list(rhs))
        self.items = () if not isinstance(self.rhs, list) else tuple(self.rhs)

    def shape(self, values: list[Any]) -> Hashable:
        left = self.lhs.shape(values)
        if not isinstance(self.rhs, list):
            return (self.__class__, left, self.rhs.shape(values))
        shapes: list[Hashable] = []
        for item in self.items:
            if _is_expression(item):
                shapes.append(item.shape(values))
            else:
                values.append(item)
                shapes.append(None)
        return (self.__class__, left, tuple(shapes))

    def resolve(self, scope: Scope) -> Resolved:
        left = self.lhs.resolve(scope)
        right = self.items if isinstance(self.rhs, list) else self.rhs
        return Resolved(scope.compare_list(left, self.built_in, right), BOOLEAN)


class Exact(BuiltInLookup):
    """Equality."""

    lookup_name = "exact"


class IExact(BuiltInLookup):
    """Equality of texts, whatever the case of their letters."""

    lookup_name = "iexact"


class GreaterThan(BuiltInLookup):
    """``>``."""

    lookup_name = "gt"


class GreaterThanOrEqual(BuiltInLookup):
    """``>=``."""

    lookup_name = "gte"


class LessThan(BuiltInLookup):
    """``<``."""

    lookup_name = "lt"


class LessThanOrEqual(BuiltInLookup):
    """``<=``."""

    lookup_name = "lte"


class Contains(BuiltInLookup):
    """The text holds another one."""

    lookup_name = "contains"


class IContains(BuiltInLookup):
    """The text holds another one, whatever the case of their letters."""

    lookup_name = "icontains"


class StartsWith(BuiltInLookup):
    """The text begins with another one."""

    lookup_name = "startswith"


class IStartsWith(BuiltInLookup):
    """The text begins with another one, whatever the case of their letters."""

    lookup_name = "istartswith"


class EndsWith(BuiltInLookup):
    """The text ends with another one."""

    lookup_name = "endswith"


class IEndsWith(BuiltInLookup):
    """The text ends with another one, whatever the case of their letters."""

    lookup_name = "iendswith"


class Regex(BuiltInLookup):
    """The text matches a regular expression of the database."""

    lookup_name = "regex"


class IRegex(BuiltInLookup):
    """The text matches a regular expression, whatever the case of its letters."""

    lookup_name = "iregex"


class In(_Listed):
    """The value is one of a list, or of a queryset."""

    lookup_name = "in"


class Range(_Listed):
    """The value lies between two ends, which count."""

    lookup_name = "range"

    def __init__(self, lhs: Any, rhs: Any) -> None:
        super().__init__(lhs, rhs)
        if len(self.items) != 2:
            raise ValueError(f"Range takes the two ends of the range, not {rhs!r}.")


class IsNull(BuiltInLookup):
    """The value is NULL, or with ``False`` is not."""

    lookup_name = "isnull"

    def __init__(self, lhs: Any, rhs: bool) -> None:
        if not isinstance(rhs, bool):
            raise ValueError(f"IsNull takes True or False, not {rhs!r}.")
        super().__init__(lhs, rhs)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the value and the sign."""
        return (IsNull, self.rhs, self.lhs.shape(values))

    def resolve(self, scope: Scope) -> Resolved:
        """Return ``IS NULL`` or ``IS NOT NULL``."""
        return Resolved(nodes.IsNull(self.lhs.resolve(scope).node, negated=not self.rhs), BOOLEAN)


def _is_expression(value: Any) -> bool:
    return hasattr(value, "resolve") and hasattr(value, "shape")
