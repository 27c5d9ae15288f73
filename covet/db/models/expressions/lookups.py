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

from collections.abc import Hashable
from typing import Any

from covet.db.models.expressions.base import Expression
from covet.db.models.expressions.functions import parse
from covet.db.models.expressions.inference import BOOLEAN
from covet.db.models.expressions.own_sql import own_sql
from covet.db.models.expressions.q import hashable
from covet.db.models.expressions.scope import Resolved, Scope
from covet.db.models.expressions.subqueries import only_column
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

    def __init__(self, lhs: Any, rhs: Any) -> None:
        super().__init__()
        self.lhs = parse(lhs)
        self.rhs = rhs
        self.sources = (self.lhs, rhs) if _is_expression(rhs) else (self.lhs,)

    def shape(self, values: list[Any]) -> Hashable:
        """Return both sides; a value is part of the shape, since the look-up may write it any way it wants."""
        rhs = None if _is_expression(self.rhs) else hashable(self.rhs)
        return (self.__class__, rhs, *[source.shape(values) for source in self.sources])

    def resolve(self, scope: Scope) -> Resolved:
        """Return what ``as_sql``, or ``as_postgresql`` and its kin, make of it."""
        return Resolved(own_sql(self, scope), BOOLEAN)  # type: ignore[arg-type]  # a look-up always has a method

    def process_lhs(self, compiler: Any, connection: Any, lhs: Any = None) -> tuple[str, list[Any]]:
        """Return the left-hand side as text with places, and what stands in them."""
        return compiler.compile(self.lhs if lhs is None else lhs)  # type: ignore[no-any-return]  # text and places

    def process_rhs(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the right-hand side as text with places, and what stands in them."""
        if _is_expression(self.rhs):
            return compiler.compile(self.rhs)  # type: ignore[no-any-return]  # text and places
        return "%s", [self.rhs]

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the condition as text with ``%s`` places, and what stands in them; for overriding."""
        raise TypeError(
            f"{type(self).__name__} does not say how it becomes SQL: define as_sql(self, compiler, connection)."
        )


class BuiltInLookup(Lookup):
    """A look-up that the query room knows by its name."""

    def shape(self, values: list[Any]) -> Hashable:
        """Return both sides; a value travels as a parameter."""
        left = self.lhs.shape(values)
        if _is_expression(self.rhs):
            return (self.__class__, left, self.rhs.shape(values))
        values.append(self.rhs)
        return (self.__class__, left, None)

    def resolve(self, scope: Scope) -> Resolved:
        """Return the comparison."""
        left = self.lhs.resolve(scope)
        right = self.rhs.resolve(scope) if _is_expression(self.rhs) else None
        return Resolved(scope.compare(left, self.lookup_name, right), BOOLEAN)


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
        if isinstance(self.rhs, list):
            listed = [item.resolve(scope).node if _is_expression(item) else scope.beside(left) for item in self.items]
            return Resolved(scope.compare_list(left, self.lookup_name, listed), BOOLEAN)
        if _is_expression(self.rhs):
            return Resolved(scope.compare_list(left, self.lookup_name, [self.rhs.resolve(scope).node]), BOOLEAN)
        return Resolved(scope.compare_list(left, self.lookup_name, only_column(scope.query(self.rhs))), BOOLEAN)


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
