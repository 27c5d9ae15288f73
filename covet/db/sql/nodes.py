"""Expression nodes: SQL as frozen values that know no model, no dialect and no driver.

A node holds no run-time value: a ``Param`` names a *slot* in the values that come with each execution, so one compiled
text serves every query of the same shape. ``Bound`` is for constants that belong to the shape itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from covet.db.sql.statements import Compound, Select

__all__ = [
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


@dataclass(frozen=True, slots=True)
class ColumnType:
    """What a column stores, said once for all databases; ``Dialect.type_sql`` spells it.

    Kinds: ``smallint integer bigint float decimal boolean char varchar text date time datetime interval uuid binary
    json inet custom postgresql``. ``unsigned`` marks the positive integers. ``sql`` is the literal type of a ``custom``
    kind, and of a ``postgresql`` one, which other databases refuse.
    """

    kind: str
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    unsigned: bool = False
    collation: str | None = None
    sql: str | None = None


@dataclass(frozen=True, slots=True)
class Limits:
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


class Node:
    """The root of all expression nodes."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Column(Node):
    """``alias.name``; without an alias, the bare quoted name."""

    alias: str | None
    name: str


@dataclass(frozen=True, slots=True)
class Param(Node):
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


@dataclass(frozen=True, slots=True)
class Bound(Node):
    """A constant of the shape, still sent as a bound parameter."""

    value: Any
    type: ColumnType | None = None


@dataclass(frozen=True, slots=True)
class Keyword(Node):
    """A bare SQL word: ``NULL``, ``TRUE``, ``DEFAULT``, ``CURRENT_TIMESTAMP``; never user input."""

    word: str


@dataclass(frozen=True, slots=True)
class Star(Node):
    """``*`` or ``alias.*``."""

    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Raw(Node):
    """SQL text written by the project's own code; each ``%s`` takes the next of ``args``."""

    sql: str
    args: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Row(Node):
    """``(a, b, …)``: a tuple of expressions."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary(Node):
    """A prefix operator: ``-x``, ``~x``."""

    op: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary(Node):
    """An infix operator: ``= <> < <= > >= + - * / % ^ & | # << >> ||``; arithmetic is bracketed by the compiler."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class And(Node):
    """All of; empty means true."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Any of; empty means false."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    """``NOT (…)``."""

    item: Node


@dataclass(frozen=True, slots=True)
class IsNull(Node):
    """``x IS NULL``, or ``IS NOT NULL`` when ``negated``."""

    operand: Node
    negated: bool = False


@dataclass(frozen=True, slots=True)
class In(Node):
    """``x IN (…)`` over a tuple of nodes, one ``Param(many=True)``, or a subquery."""

    operand: Node
    values: tuple[Node, ...] | Param | Select | Compound
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Match(Node):
    """A text match whose spelling differs by database.

    ``kind``: ``like`` (case-sensitive) ``ilike`` ``iexact`` ``regex`` ``iregex``. ``pattern`` is already escaped with a
    backslash where it came from a plain text; ``iexact`` takes the plain text itself, unescaped.
    """

    kind: str
    operand: Node
    pattern: Node


@dataclass(frozen=True, slots=True)
class Exists(Node):
    """``EXISTS (SELECT …)``."""

    query: Select | Compound
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Subquery(Node):
    """A query as a scalar expression."""

    query: Select | Compound


@dataclass(frozen=True, slots=True)
class Cast(Node):
    """``CAST(x AS type)``."""

    operand: Node
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Collate(Node):
    """``x COLLATE name``."""

    operand: Node
    collation: str


@dataclass(frozen=True, slots=True)
class When(Node):
    """One branch of a ``Case``."""

    condition: Node
    result: Node


@dataclass(frozen=True, slots=True)
class Case(Node):
    """``CASE WHEN … THEN … ELSE … END``."""

    whens: tuple[When, ...]
    default: Node | None = None


@dataclass(frozen=True, slots=True)
class Ordering(Node):
    """One item of ``ORDER BY``; ``nulls`` is ``"first"``, ``"last"`` or ``None`` for the database's own order."""

    operand: Node
    descending: bool = False
    nulls: str | None = None


@dataclass(frozen=True, slots=True)
class WindowSpec(Node):
    """What stands in ``OVER (…)``; ``frame`` is the finished frame clause of the expression layer."""

    partition_by: tuple[Node, ...] = ()
    order_by: tuple[Ordering, ...] = ()
    frame: str | None = None


@dataclass(frozen=True, slots=True)
class Func(Node):
    """A function call by its logical name; ``Dialect.function`` may spell it another way on its database."""

    name: str
    args: tuple[Node, ...] = ()
    distinct: bool = False
    filter: Node | None = None
    order_by: tuple[Ordering, ...] = ()
    over: WindowSpec | None = None
    type: ColumnType | None = None


@dataclass(frozen=True, slots=True)
class JSONPath(Node):
    """The value at a path of a JSON document, as JSON or, with ``as_text``, as text; keys and indexes are constants."""

    operand: Node
    path: tuple[str | int, ...]
    as_text: bool = False
