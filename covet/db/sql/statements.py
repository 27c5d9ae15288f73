"""Whole statements as frozen values: what the builders hand to the compiler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from covet.db.sql.nodes import Node, Ordering, Param

__all__ = [
    "CTE",
    "Assignment",
    "BulkInsert",
    "BulkUpdate",
    "Compound",
    "Conflict",
    "Delete",
    "Insert",
    "Join",
    "Lock",
    "Output",
    "Select",
    "Statement",
    "TableRef",
    "Update",
]


@dataclass(frozen=True, slots=True)
class TableRef:
    """A table, or a query in brackets, under an alias."""

    name: str | Select | Compound
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """``INNER`` or ``LEFT`` join of a table on a condition."""

    kind: str
    table: TableRef
    on: Node


@dataclass(frozen=True, slots=True)
class Output:
    """One expression of the select list, with its alias where a later part names it."""

    expression: Node
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """``FOR UPDATE`` and its variants."""

    no_key: bool = False
    skip_locked: bool = False
    nowait: bool = False
    of: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CTE:
    """One named query of ``WITH``."""

    name: str
    query: Select | Compound
    recursive: bool = False


@dataclass(frozen=True, slots=True)
class Select:
    """A ``SELECT``; ``limit`` and ``offset`` are nodes so that slices share one text."""

    outputs: tuple[Output, ...]
    source: TableRef | None = None
    joins: tuple[Join, ...] = ()
    where: Node | None = None
    group_by: tuple[Node, ...] = ()
    having: Node | None = None
    order_by: tuple[Ordering, ...] = ()
    limit: Node | None = None
    offset: Node | None = None
    distinct: bool = False
    distinct_on: tuple[Node, ...] = ()
    lock: Lock | None = None
    ctes: tuple[CTE, ...] = ()


@dataclass(frozen=True, slots=True)
class Compound:
    """``UNION``, ``UNION ALL``, ``INTERSECT`` or ``EXCEPT`` of queries."""

    op: str
    queries: tuple[Select | Compound, ...]
    order_by: tuple[Ordering, ...] = ()
    limit: Node | None = None
    offset: Node | None = None


@dataclass(frozen=True, slots=True)
class Conflict:
    """``ON CONFLICT``: ignore when ``update`` is empty, else update these columns from the row refused."""

    targets: tuple[str, ...] = ()
    update: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Insert:
    """``INSERT INTO table (columns) VALUES rows``; no columns at all inserts the defaults."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Node, ...], ...]
    returning: tuple[str, ...] = ()
    conflict: Conflict | None = None


@dataclass(frozen=True, slots=True)
class BulkInsert:
    """One constant statement for any number of rows, where the dialect has it (``unnest`` on PostgreSQL).

    ``columns[i]`` takes the list of values of ``params[i]`` (``many=True`` with its type).
    """

    table: str
    columns: tuple[str, ...]
    params: tuple[Param, ...]
    returning: tuple[str, ...] = ()
    conflict: Conflict | None = None


@dataclass(frozen=True, slots=True)
class BulkUpdate:
    """Rows found by their keys, each given values of its own: one constant statement, like ``BulkInsert``.

    ``columns[i]`` and then ``keys[i]`` take the list of values of the ``params``, in order.
    """

    table: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    params: tuple[Param, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """``column = value`` in an ``UPDATE``."""

    column: str
    value: Node


@dataclass(frozen=True, slots=True)
class Update:
    """``UPDATE table SET … WHERE …``."""

    table: str
    assignments: tuple[Assignment, ...]
    where: Node | None = None
    returning: tuple[str, ...] = ()
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """``DELETE FROM table WHERE …``."""

    table: str
    where: Node | None = None
    returning: tuple[str, ...] = ()
    alias: str | None = None


Statement: TypeAlias = Select | Compound | Insert | BulkInsert | Update | BulkUpdate | Delete
