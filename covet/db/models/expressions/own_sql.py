"""SQL that an expression of a project writes itself: ``as_sql`` and its kin for one database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable
from typing import TYPE_CHECKING, Any

from covet.db.models.expressions.q import hashable
from covet.db.models.expressions.scope import Resolved
from covet.db.sql import nodes

if TYPE_CHECKING:
    from covet.db.models.expressions.scope import Scope

__all__ = ["VENDORS", "Compiler", "Parts", "Place", "own_shape", "own_sql", "own_state", "take_part", "writes_sql"]

#: The databases for which an expression may have a method of its own, ``as_postgresql`` and so on.
VENDORS = ("postgresql", "mysql", "sqlite")


def writes_sql(cls: type, *, unless: Callable[..., Any] | None = None) -> bool:
    """Whether a class has a method that writes SQL; ``unless`` is the one that the built-in classes share."""
    return getattr(cls, "as_sql", unless) is not unless or any(hasattr(cls, f"as_{vendor}") for vendor in VENDORS)


def own_shape(expression: Any, values: list[Any]) -> Hashable:
    """Return the shape of an expression that writes its own SQL: nobody knows what it makes of its arguments."""
    return (
        expression.__class__,
        hashable(expression._constructed),
        own_state(expression),
        *[source.shape(values) for source in expression.sources],
    )


def own_state(expression: Any, but: Collection[str] = ()) -> Hashable:
    """Return what a method that writes SQL may look at: the attributes, which a copy may have changed; ``but`` some."""
    return tuple(
        [
            (name, hashable(value))
            for name, value in vars(expression).items()
            if name not in {"_constructed", "sources"} and name not in but
        ]
    )


def own_sql(expression: Any, compiler: Compiler) -> nodes.Node:
    """Return what the expression's own method makes of it on this database.

    The method returns text with ``%s`` places and what stands in them: results of ``compiler.compile``, or constants.
    """
    method = getattr(expression, f"as_{compiler.vendor}", None)
    if method is None:
        method = expression.as_sql
    sql, params = method(compiler, compiler.connection)
    args = tuple([_node(param) for param in params])
    return args[0] if sql == "%s" and len(args) == 1 else nodes.Raw(sql, args)


def take_part(cls: type, *, lists_parts: bool) -> None:
    """Give an expression's class that has nothing else than such a method the rest that a query asks for."""
    ways = {"shape": own_shape, "resolve": _resolved, "sources": Parts(lists_parts)}
    for name, way in ways.items():
        if name not in cls.__dict__:
            setattr(cls, name, way)


def _resolved(expression: Any, scope: Scope) -> Resolved:
    return Resolved(own_sql(expression, Compiler(scope, expression.sources)), expression.output_field)


def _node(param: Any) -> nodes.Node:
    if isinstance(param, Place):
        return param.node
    return param if isinstance(param, nodes.Node) else nodes.Bound(param)


class Compiler:
    """What a method that writes SQL compiles the parts of its expression with.

    The parts take their run-time values when this is made, in the order of their shapes; the method may then use them in any
    order, none of them, or one twice.

    Args:
        scope: The scope of the query.
        parts: The expression's parts, in the order of its shape.

    Attributes:
        vendor: The database's kind.
        connection: The dialect of the database, which is what methods get as their connection.
        where: The node of an aggregate's filter.
        order: The items of an aggregate's order.
    """

    def __init__(self, scope: Scope, parts: Iterable[Any]) -> None:
        self.scope = scope
        self.vendor = scope.vendor
        self.connection = scope.dialect
        self.where: nodes.Node | None = None
        self.order: tuple[nodes.Ordering, ...] = ()
        self._parts: list[tuple[Any, Resolved]] = [(part, part.resolve(scope)) for part in parts]

    def resolved(self, expression: Any) -> Resolved:
        """Return what a part became; an expression that the method made itself is resolved with its values as constants."""
        for part, resolved in self._parts:
            if part is expression:
                return resolved
        return self.scope.constant(expression)

    def compile(self, expression: Any) -> tuple[str, list[Any]]:
        """Return a place for a part, and the part's node."""
        return "%s", [self.resolved(expression).node]

    def quote_name_unless_alias(self, name: str) -> str:
        """Return a name in the database's quotes."""
        return self.connection.quote(name)  # type: ignore[no-any-return]  # a text


class Place:
    """What stands in the place of a value that a look-up is compared with: SQL is made before any value is known."""

    __slots__ = ("lookup", "node")

    def __init__(self, node: nodes.Node, lookup: str) -> None:
        self.node, self.lookup = node, lookup

    def _unknown(self, *_args: Any) -> Any:
        raise TypeError(
            f"{self.lookup} writes its SQL once for all values, so the value is not known there: pass on what process_rhs() "
            "returns, and change the value itself in get_prep_lookup(self), where self.rhs is the value."
        )

    __str__ = __format__ = __getattr__ = __iter__ = __getitem__ = __add__ = __radd__ = __len__ = __mod__ = _unknown

    def __repr__(self) -> str:
        return f"<the value of {self.lookup}>"


class Parts:
    """The parts of an expression of a project that does not list them: what it keeps in its attributes.

    One that overrides ``get_source_expressions`` lists them there.
    """

    def __init__(self, listed: bool) -> None:
        self.listed = listed

    def __get__(self, instance: Any, owner: type) -> tuple[Any, ...]:
        """Return the parts of an instance; a class has none."""
        if instance is None:
            return ()
        if self.listed:
            return tuple([part for part in instance.get_source_expressions() if part is not None])
        found: list[Any] = []
        for name, value in vars(instance).items():
            if name != "_constructed":
                found += value if isinstance(value, (list, tuple)) else [value]
        return tuple([part for part in found if hasattr(part, "resolve") and hasattr(part, "shape")])
