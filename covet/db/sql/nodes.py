"""Expression nodes: SQL as frozen values that know no model, no dialect and no driver.

A node holds no run-time value: a ``Param`` names a *slot* in the values that come with each execution, so one compiled
text serves every query of the same shape. ``Bound`` is for constants that belong to the shape itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from msgspec import Struct

if TYPE_CHECKING:
    from covet.db.sql.statements import Compound, Select

__all__ = [
    "NUMBERS",
    "PATTERNS",
    "TEXT_KINDS",
    "And",
    "Binary",
    "Bound",
    "Case",
    "Cast",
    "Collate",
    "Column",
    "ColumnType",
    "Exists",
    "Func",
    "In",
    "IsNull",
    "JSONPath",
    "Keyword",
    "Limits",
    "Match",
    "Node",
    "Not",
    "Or",
    "Ordering",
    "Param",
    "Raw",
    "Row",
    "Star",
    "Subquery",
    "Unary",
    "When",
    "WindowSpec",
]

Adapt: TypeAlias = Callable[[Any], Any]


class ColumnType(Struct, frozen=True):
    """What a column stores, said once for all databases; ``Dialect.type_sql`` spells it.

    Kinds: ``smallint integer bigint float decimal boolean char varchar text date time datetime interval uuid binary
    json inet custom postgresql``. ``unsigned`` marks the positive integers. ``sql`` is the literal type of a ``custom``
    kind, and of a ``postgresql`` one, which other databases refuse. ``spell`` is what a field of a project has to say:
    it returns the literal type for a dialect.
    """

    kind: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    unsigned: bool = False
    collation: str | None = None
    sql: str | None = None
    spell: Callable[[Any], str] | None = None


TEXT_KINDS: Final = frozenset({"char", "varchar", "text"})
"""The kinds of ``ColumnType`` that hold texts."""
NUMBERS: Final = frozenset({"smallint", "integer", "bigint", "float", "decimal"})
"""The kinds that hold numbers."""


class Limits(Struct, frozen=True):
    """The least and the greatest whole number that a database takes beside a column.

    Attributes:
        low: The least.
        high: The greatest.
        as_is: A whole number between them is what the adapter would return for it, so that it need not be called.
        before: It is the value before it is adapted that has to be between them.
    """

    low: int
    high: int
    as_is: bool = False
    before: bool = False


class Node(Struct, frozen=True):
    """The root of all expression nodes."""


class Column(Node, frozen=True):
    """``alias.name``; without an alias, the bare quoted name."""

    alias: str | None
    name: str


class Param(Node, frozen=True):
    """A value that comes with the execution, at ``slot`` of its values.

    ``adapt`` turns the value into what the driver takes; without it the dialect's own adapter for ``type`` does.
    ``many`` marks a sequence of values, which ``In`` spells by the dialect's way. ``type`` also gives the cast that a
    database needs where it cannot infer the type. ``each`` is what is written round every value of a list, with ``{}``
    for its place, on databases that spell lists out. ``limits`` are those of what the value is compared with.
    """

    slot: int
    adapt: Adapt | None = None
    type: ColumnType | None = None
    many: bool = False
    each: str | None = None
    limits: Limits | None = None


class Bound(Node, frozen=True):
    """A constant of the shape, still sent as a bound parameter."""

    value: Any
    type: ColumnType | None = None


class Keyword(Node, frozen=True):
    """A bare SQL word: ``NULL``, ``TRUE``, ``DEFAULT``, ``CURRENT_TIMESTAMP``; never user input."""

    word: str


class Star(Node, frozen=True):
    """``*`` or ``alias.*``."""

    alias: str | None = None


class Raw(Node, frozen=True):
    """SQL text written by the project's own code; each ``%s`` takes the next of ``args``."""

    sql: str
    args: tuple[Node, ...] = ()


class Row(Node, frozen=True):
    """``(a, b, …)``: a tuple of expressions."""

    items: tuple[Node, ...]


class Unary(Node, frozen=True):
    """A prefix operator: ``-x``, ``~x``."""

    op: str
    operand: Node


class Binary(Node, frozen=True):
    """An infix operator: ``= <> < <= > >= + - * / % ^ & | # << >> ||``; arithmetic is bracketed by the compiler."""

    op: str
    left: Node
    right: Node


class And(Node, frozen=True):
    """All of; empty means true."""

    items: tuple[Node, ...]


class Or(Node, frozen=True):
    """Any of; empty means false."""

    items: tuple[Node, ...]


class Not(Node, frozen=True):
    """``NOT (…)``."""

    item: Node


class IsNull(Node, frozen=True):
    """``x IS NULL``, or ``IS NOT NULL`` when ``negated``."""

    operand: Node
    negated: bool = False


class In(Node, frozen=True):
    """``x IN (…)`` over a tuple of nodes, one ``Param(many=True)``, a subquery, or raw SQL with its own brackets."""

    operand: Node
    values: tuple[Node, ...] | Param | Raw | Select | Compound
    negated: bool = False


class Match(Node, frozen=True):
    """A text match whose spelling differs by database.

    ``kind``: ``like`` (case-sensitive) ``ilike`` ``iexact`` ``regex`` ``iregex``. ``pattern`` is already escaped with a
    backslash where it came from a plain text; ``iexact`` takes the plain text itself, unescaped.
    """

    kind: str
    operand: Node
    pattern: Node


# What a look-up by a part of a text is: the kind of its match, and what stands before and after the text.
PATTERNS: Final = {
    "contains": ("like", "%", "%"),
    "icontains": ("ilike", "%", "%"),
    "startswith": ("like", "", "%"),
    "istartswith": ("ilike", "", "%"),
    "endswith": ("like", "%", ""),
    "iendswith": ("ilike", "%", ""),
}


class Exists(Node, frozen=True):
    """``EXISTS (SELECT …)``."""

    query: Select | Compound
    negated: bool = False


class Subquery(Node, frozen=True):
    """A query as a scalar expression."""

    query: Select | Compound


class Cast(Node, frozen=True):
    """``CAST(x AS type)``."""

    operand: Node
    type: ColumnType


class Collate(Node, frozen=True):
    """``x COLLATE name``."""

    operand: Node
    collation: str


class When(Node, frozen=True):
    """One branch of a ``Case``."""

    condition: Node
    result: Node


class Case(Node, frozen=True):
    """``CASE WHEN … THEN … ELSE … END``."""

    whens: tuple[When, ...]
    default: Node | None = None


class Ordering(Node, frozen=True):
    """One item of ``ORDER BY``; ``nulls`` is ``"first"``, ``"last"`` or ``None`` for the database's own order."""

    operand: Node
    descending: bool = False
    nulls: str | None = None


class WindowSpec(Node, frozen=True):
    """What stands in ``OVER (…)``; ``frame`` is the finished frame clause of the expression layer."""

    partition_by: tuple[Node, ...] = ()
    order_by: tuple[Ordering, ...] = ()
    frame: str | None = None


class Func(Node, frozen=True):
    """A function call by its logical name; ``Dialect.function`` may spell it another way on its database."""

    name: str
    args: tuple[Node, ...] = ()
    distinct: bool = False
    filter: Node | None = None
    order_by: tuple[Ordering, ...] = ()
    over: WindowSpec | None = None
    type: ColumnType | None = None


class JSONPath(Node, frozen=True):
    """The value at a path of a JSON document, as JSON or, with ``as_text``, as text; keys and indexes are constants."""

    operand: Node
    path: tuple[str | int, ...]
    as_text: bool = False
