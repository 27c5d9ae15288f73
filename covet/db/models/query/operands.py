"""The two sides of one condition: what a look-up function gets."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct

from covet.db.errors import UnfitValue
from covet.db.sql import nodes as n
from covet.db.sql.dialect import Dialect, escape_like

if TYPE_CHECKING:
    from covet.db.models.fields.base import Field

__all__ = ["Build", "Convert", "Lookup", "Operand", "Right", "chained", "registered"]

Convert: TypeAlias = Callable[[Any], Any]

_DECIMAL = n.ColumnType("decimal")
_TEXT = n.ColumnType("text")
_INTEGERS = frozenset({"smallint", "integer", "bigint"})


class Operand(Struct, frozen=True):
    """The left-hand side: its SQL, the field that it holds, and the kind of its column."""

    node: n.Node
    field: Field[Any] | None
    part: str = ""  # the date part that was taken, for bounds instead of functions
    source: Operand | None = None  # what it was taken of
    bilateral: tuple[Any, ...] = ()  # transforms that the other side takes as well
    made: Any = None  # the transform of a project that made it, which may have look-ups of its own
    is_own: bool = False  # a transform of a project stands somewhere in it

    @property
    def type(self) -> n.ColumnType | None:
        """What the database holds there."""
        return None if self.field is None else self.field.column_type()

    @property
    def kind(self) -> str:
        """The kind of ``type``, or nothing."""
        found = self.type
        return "" if found is None else found.kind

    def may_hold_for_null(self, lookup: str) -> bool:
        """Whether a transform or the look-up is a class of its own: nobody knows what it makes of NULL."""
        return self.is_own or self.get_lookup(lookup) is not None

    def side(self, build: Build) -> Any:
        """Return it as an expression, for what a project's look-ups and transforms find on their left."""
        return build.wrap(self.node, self.field) if self.made is None else self.made

    def get_lookup(self, name: str) -> Any:
        """Return the look-up of that name that was registered for this, or ``None``."""
        return registered(self.made, self.field, "get_lookup", name)

    def get_transform(self, name: str) -> Any:
        """Return the transform of that name that was registered for this, or ``None``."""
        return registered(self.made, self.field, "get_transform", name)


class Right:
    """The right-hand side of one condition.

    Args:
        slots: The slots of its run-time values, in order.
        node: The node of an expression, in place of a value.
        dialect: The database's dialect.
        field: The field of the left-hand side, whose adapter the values take.
        unwrap: Takes the key out of an object that was given as the value.
        beside: What the value is compared with, where the comparison is of that very thing.
    """

    __slots__ = ("beside", "dialect", "field", "is_pattern", "node", "slots", "unwrap")

    def __init__(
        self,
        slots: tuple[int, ...],
        node: n.Node | None,
        dialect: Dialect,
        field: Field[Any] | None,
        unwrap: Convert | None = None,
        beside: n.Node | None = None,
        *,
        is_pattern: bool = False,
    ) -> None:
        self.slots = slots
        self.beside = beside
        self.node = node
        self.dialect = dialect
        self.field = field
        self.unwrap = unwrap
        self.is_pattern = is_pattern

    def value(self, *, many: bool = False, first: Convert | None = None) -> n.Node:
        """Return the value as the column takes it, ``first`` changed by a function, or the expression."""
        if self.node is not None:
            return self.node
        field = self.field
        if field is None:
            return n.Param(self.slots[0], self.unwrap if first is None else first, None, many=many)
        adapt = field.comparer(self.dialect)
        if first is not None:
            adapt = chained(first, adapt)
        if self.unwrap is not None:
            adapt = chained(self.unwrap, adapt)
        type = field.column_type()
        if type is not None and type.kind == "decimal":
            type = _DECIMAL  # of any number of digits
        limits = None
        computed = self.beside is not None and not isinstance(self.beside, n.Column)
        if computed and type is not None and type.kind == "decimal" and self.dialect.vendor == "sqlite":
            # Only beside a column does SQLite take a text for the number that it spells.
            adapt = chained(adapt, _number) if adapt is not None else _number
        if type is not None and type.kind in _INTEGERS and self.beside is not None:
            if not isinstance(self.beside, n.Column) and type.kind != "bigint":
                # What is computed (a count, a sum, a part of a date) may be wider than the field that describes it.
                type = n.ColumnType("bigint")
            limits = n.Limits(*self.dialect.integer_limits(type.kind), field.keeps_integers)
        return n.Param(self.slots[0], adapt, type, many=many, limits=limits)

    def mapped(self, change: Convert, type: n.ColumnType | None) -> n.Node:
        """Return the value changed by a function of the look-up's own."""
        return n.Param(self.slots[0], change if self.unwrap is None else chained(self.unwrap, change), type)

    def pattern(self, before: str, after: str, dialect: Dialect) -> n.Node:
        """Return a ``LIKE`` pattern round the value, in which the value's own signs mean themselves."""
        if self.node is None:
            return self.mapped(_Pattern(before, after), _TEXT)
        if self.is_pattern:
            return self.node
        escaped: n.Node = n.Cast(self.node, _TEXT)
        for sign in ("\\", "%", "_"):
            escaped = n.Func("REPLACE", (escaped, n.Bound(sign), n.Bound("\\" + sign)), type=_TEXT)
        # Not CONCAT, for which NULL is an empty text: a pattern that is NULL matches nothing.
        pattern: n.Node = n.Binary("||", n.Bound(before, _TEXT), escaped) if before else escaped
        return n.Binary("||", pattern, n.Bound(after, _TEXT)) if after else pattern


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, (str, Decimal)) else value


class _Pattern:
    """Escapes a text and puts the wildcards round it."""

    __slots__ = ("after", "before")

    def __init__(self, before: str, after: str) -> None:
        self.before, self.after = before, after

    def __call__(self, value: Any) -> str:
        text = str(value)
        if "\x00" in text:
            # PostgreSQL knows no such text, and SQLite would read the pattern up to there alone.
            raise UnfitValue(f"A text that is looked for cannot hold a NUL character: {text[:40]!r}.")
        return f"{self.before}{escape_like(text)}{self.after}"


def registered(made: Any, field: Field[Any] | None, way: str, name: str) -> Any:
    """Return what the transform that made something, or else its field, has under a name; ``way`` is the method to ask."""
    own = None if made is None else getattr(made, way, None)
    found = None if own is None else own(name)
    return found if found is not None or field is None else getattr(field, way)(name)


def chained(first: Convert, second: Convert | None) -> Convert:
    """Return one conversion after another, where there is another."""
    if second is None:
        return first
    return lambda value: second(first(value))


Build: TypeAlias = Any  # query.build.Builder, which stands above this module
Lookup: TypeAlias = Callable[[Operand, Right, Build], n.Node]
