"""Q: trees of conditions, as plain data that the query room walks.

A leaf is a pair of a look-up and its value, another ``Q``, or a conditional expression. ``shape`` tells trees apart
without their values, as for every expression.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from covet.db.models.expressions.leaves import leaf_shape
from covet.exceptions import FieldError
from covet.loading import import_string, late_module

if TYPE_CHECKING:
    from covet.db.models.expressions import inference
    from covet.db.models.expressions import scope as scopes
else:
    inference = late_module(__name__, "covet.db.models.expressions.inference")
    scopes = late_module(__name__, "covet.db.models.expressions.scope", "scopes")

__all__ = ["OneRow", "Q", "check_depth", "groups_rows", "hashable"]

# Each level costs several calls of Python, and databases have limits of their own not far beyond.
_MOST_LEVELS = 80


def groups_rows(expression: Any) -> bool:
    """Whether an expression is computed of groups: it holds an aggregate, or a window that is computed of one."""
    if getattr(expression, "contains_aggregate", False):
        return True
    parts: Any = getattr(expression, "sources", ())
    if getattr(expression, "is_window", False):
        function, *places = parts  # an aggregate over a window groups nothing, and what it is computed of may
        parts = (*function.sources, *places)
    return any(map(groups_rows, parts))


def check_depth(item: Any, where: str) -> None:
    """Raise for conditions and expressions that are nested too deep to be walked.

    Raises:
        FieldError: With the greatest depth that is allowed.
    """
    pending = [(item, 0)]
    while pending:
        part, depth = pending.pop()
        if depth > _MOST_LEVELS:
            raise FieldError(
                f"The conditions or expressions of {where}() are nested more than {_MOST_LEVELS} levels deep. "
                "Join them side by side: Q objects by & and |, many values by __in."
            )
        inside = (
            part.children if part.__class__ is Q else (*getattr(part, "sources", ()), getattr(part, "filter", None))
        )
        for child in inside:
            found = child[1] if child.__class__ is tuple else child
            if found.__class__ is Q or hasattr(found, "sources"):
                pending.append((found, depth + 1))


class Q:
    """One or more conditions: ``Q(views__gt=10) | ~Q(author__name="Ann")``.

    Args:
        args: Conditional expressions and other ``Q``s.
        _connector: How the conditions join: ``Q.AND``, ``Q.OR`` or ``Q.XOR``.
        _negated: The whole is negated.
        kwargs: Look-ups and their values.
    """

    AND: ClassVar[str] = "AND"
    OR: ClassVar[str] = "OR"
    XOR: ClassVar[str] = "XOR"
    conditional: ClassVar[bool] = True
    is_aggregate: ClassVar[bool] = False
    is_window: ClassVar[bool] = False

    __slots__ = ("_is_read", "children", "connector", "negated")

    def __init__(self, *args: Any, _connector: str | None = None, _negated: bool = False, **kwargs: Any) -> None:
        if _connector not in (None, "AND", "OR", "XOR"):
            raise ValueError(f"_connector is Q.AND, Q.OR or Q.XOR, not {_connector!r}.")
        for arg in args:
            # A pair of look-up and value is what deconstruct and other tools hand over.
            if not getattr(arg, "conditional", False) and not (isinstance(arg, tuple) and len(arg) == 2):
                raise TypeError(
                    f"{arg!r} is no condition. Conditions are look-ups (name=value), Q objects and boolean expressions."
                )
        self.children: tuple[Any, ...] = (*args, *kwargs.items())
        self.connector = _connector or "AND"
        self.negated = _negated

    @classmethod
    def create(cls, children: Iterable[Any] = (), connector: str | None = None, negated: bool = False) -> Q:
        """Build a tree from children that are known to be right."""
        self = cls.__new__(cls)
        self.children = tuple(children)
        self.connector = connector or "AND"
        self.negated = negated
        return self

    @classmethod
    def of(cls, value: Any) -> Q:
        """Return a ``Q`` as it is, and a conditional expression wrapped in one."""
        return value if isinstance(value, Q) else cls(value)

    def _join(self, other: Any, connector: str) -> Q:
        if not getattr(other, "conditional", False):
            raise TypeError(f"A Q combines with another Q or a boolean expression, not with {other!r}.")
        right = Q.of(other)
        if not self.children:
            return right.copy()
        if not right.children:
            return self.copy()
        children: list[Any] = []
        for side in (self, right):
            # Same connector and not negated: one flat level, so that ``a & b & c`` has one shape however it is bracketed.
            if not side.negated and (side.connector == connector or len(side.children) == 1):
                children += side.children
            else:
                children.append(side)
        return Q.create(children, connector)

    def __and__(self, other: Any) -> Q:
        return self._join(other, "AND")

    def __or__(self, other: Any) -> Q:
        return self._join(other, "OR")

    def __xor__(self, other: Any) -> Q:
        return self._join(other, "XOR")

    def __invert__(self) -> Q:
        if self.negated:
            return Q.create(self.children, self.connector)
        return Q.create(self.children, self.connector, negated=True)

    def __bool__(self) -> bool:
        return bool(self.children)

    def __len__(self) -> int:
        return len(self.children)

    def add(self, data: Any, conn_type: str) -> Any:
        """Add a condition to this tree itself: ``q.add(Q(age__gt=18), Q.OR)``, where ``q | …`` makes another one.

        Args:
            data: A ``Q``, a boolean expression, or a pair of look-up and value.
            conn_type: How it is connected: ``Q.AND``, ``Q.OR`` or ``Q.XOR``.

        Returns:
            ``data``, or this tree where the children of ``data`` became its own.

        Raises:
            TypeError: It is no condition, or an expression that holds this tree was read already.
        """
        if getattr(self, "_is_read", False):
            raise TypeError(f"{self!r} is part of an expression that was used in a queryset: combine it by & or |.")
        if conn_type not in ("AND", "OR", "XOR"):
            raise ValueError(f"conn_type is Q.AND, Q.OR or Q.XOR, not {conn_type!r}.")
        Q(data)  # or the error that says that it is no condition
        if self.connector != conn_type:
            self.children, self.connector = (self.copy(), data), conn_type
        elif isinstance(data, Q) and not data.negated and (data.connector == conn_type or len(data) == 1):
            self.children = (*self.children, *data.children)
            return self
        else:
            self.children = (*self.children, data)
        return data

    def copy(self) -> Q:
        """Return a tree of its own; children are shared, they never change."""
        return Q.create(self.children, self.connector, self.negated)

    def shape(self, values: list[Any]) -> Hashable:
        """Append the values of all leaves and return the rest: connector, negation, look-ups."""
        self._is_read = True
        parts: list[Hashable] = [self.connector, self.negated]
        for child in self.children:
            if child.__class__ is tuple:
                parts.append(leaf_shape(child[0], child[1], values))
            else:
                parts.append(child.shape(values))
        return tuple(parts)

    def resolve(self, scope: scopes.Scope) -> scopes.Resolved:
        """Return the condition's node as a boolean; the scope walks the tree (joins and negation are its business)."""
        return scopes.Resolved(scope.condition(self), inference.BOOLEAN)

    @property
    def contains_aggregate(self) -> bool:
        """Whether an aggregate stands anywhere in the tree."""
        return any(part.is_aggregate for part in self.walk() if part is not self)

    @property
    def contains_over(self) -> bool:
        """Whether a window function stands anywhere in the tree."""
        return any(part.is_window for part in self.walk() if part is not self)

    def walk(self) -> Iterator[Any]:
        """Yield this tree and every ``Q`` and expression in it."""
        yield self
        for child in self.children:
            part = child[1] if child.__class__ is tuple else child
            if hasattr(part, "walk"):
                yield from part.walk()

    async def check(self, against: Mapping[str, Any], using: str | None = None) -> bool:
        """Ask the database whether the condition holds for values that lie in no table.

        Args:
            against: Values or expressions by the names that the condition uses; no value is ``Value(None, IntegerField())``.
            using: The database's alias.

        Raises:
            FieldError: The condition names something else.
        """
        # The query room stands above this module.
        holds: bool = await import_string("covet.db.models.query.check.check")(self, against, using)
        return holds

    def flatten(self) -> Iterator[Any]:
        """Yield every ``Q``, expression and value in the tree."""
        yield self
        for child in self.children:
            part = child[1] if child.__class__ is tuple else child
            if hasattr(part, "flatten"):
                yield from part.flatten()
            elif hasattr(part, "walk"):
                yield from part.walk()
            else:
                yield part

    def leaves(self) -> Iterator[tuple[str, Any]]:
        """Yield every pair of look-up and value, at any depth."""
        for child in self.children:
            if child.__class__ is tuple:
                yield child
            elif isinstance(child, Q):
                yield from child.leaves()

    @property
    def referenced_base_fields(self) -> set[str]:
        """The names of the model's own fields that the conditions read."""
        names = {lookup.split("__", 1)[0] for lookup, _ in self.leaves()}
        for part in self.walk():
            name = getattr(part, "name", None)
            if isinstance(name, str) and not isinstance(part, Q):
                names.add(name.split("__", 1)[0])
        return names

    def deconstruct(self) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """Return the import path and arguments that make an equal tree; migrations write these."""
        children = self.children
        kwargs: dict[str, Any] = {}
        args: tuple[Any, ...] = children
        names = [child[0] for child in children if child.__class__ is tuple]
        if len(names) == len(children) == len(set(names)):
            args, kwargs = (), dict(children)
        if self.connector != "AND":
            kwargs["_connector"] = self.connector
        if self.negated:
            kwargs["_negated"] = True
        return "covet.db.models.Q", args, kwargs

    def _identity(self) -> Hashable:
        return (Q, self.connector, self.negated, hashable(self.children))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Q):
            return NotImplemented
        return self is other or self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        parts = [f"{c[0]}={c[1]!r}" if c.__class__ is tuple else repr(c) for c in self.children]
        joined = f" {self.connector} ".join(parts)
        return f"<Q: {'NOT ' if self.negated else ''}({joined})>"

    def __reduce__(self) -> tuple[Any, ...]:
        children = [(child[0], unread(child[1])) if child.__class__ is tuple else child for child in self.children]
        return Q.create, (children, self.connector, self.negated)

    def __copy__(self) -> Q:
        return Q.create(self.children, self.connector, self.negated)


class OneRow(Q):
    """Conditions that one related row fulfils together: what ``lines__pk=(1, 2)`` becomes, which names two columns.

    Only a negation tells it from other conditions: "no row has this key" is not "no row has this part of it".

    Attributes:
        name: The name that leads to the row.
        absent: It holds where there is no row, as well.
    """

    __slots__ = ("absent", "name")
    absent: bool
    name: str

    @classmethod
    def about(cls, condition: Q, name: str, *, absent: bool = False) -> OneRow:
        """Return the condition as one about the row that ``name`` leads to."""
        self = cls.create((condition,))
        assert isinstance(self, OneRow)
        self.name, self.absent = name, absent
        return self

    def copy(self) -> Q:
        """Return itself: it never changes."""
        return self

    def __invert__(self) -> Q:
        return Q.create((self,), negated=True)

    def shape(self, values: list[Any]) -> Hashable:
        """Return the shape of the conditions, and that they belong together."""
        return (OneRow, self.name, self.absent, super().shape(values))

    def __reduce__(self) -> tuple[Any, ...]:
        return _one_row, (self.children[0], self.name, self.absent)


def _one_row(condition: Q, name: str, absent: bool) -> OneRow:
    return OneRow.about(condition, name, absent=absent)


def unread(value: Any) -> Any:
    """Return a value as it is pickled inside a query: a queryset, or a manager's, is a question and brings no rows."""
    if isinstance(value, type):
        return value
    if hasattr(value, "get_queryset"):
        value = value.get_queryset()
    return value.unread() if hasattr(value, "unread") else value


def hashable(value: Any) -> Hashable:
    """Return a hashable stand-in for any value: containers by their items, the rest by itself or its ``repr``."""
    if isinstance(value, Mapping):
        return ("{}", tuple((key, hashable(item)) for key, item in value.items()))
    if isinstance(value, (str, bytes, int, float, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta)):
        # 1, True and 1.0 are equal to Python and differ in SQL.
        return (value.__class__, value)
    if isinstance(value, (list, tuple)):
        return (value.__class__, tuple(hashable(item) for item in value))
    if isinstance(value, (set, frozenset)):
        return frozenset(hashable(item) for item in value)
    if hasattr(value, "signature") and hasattr(value, "column_type"):
        return ("field", value.signature())
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value  # type: ignore[no-any-return]
