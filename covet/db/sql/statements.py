"""Whole statements as frozen values: what the builders hand to the compiler."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

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


class TableRef(Struct, frozen=True):
    """A table, or a query in brackets, under an alias."""

    name: str | Select | Compound
    alias: str | None = None


class Join(Struct, frozen=True):
    """``INNER`` or ``LEFT`` join of a table on a condition."""

    kind: str
    table: TableRef
    on: Node


class Output(Struct, frozen=True):
    """One expression of the select list, with its alias where a later part names it."""

    expression: Node
    alias: str | None = None


class Lock(Struct, frozen=True):
    """``FOR UPDATE`` and its variants."""

    no_key: bool = False
    skip_locked: bool = False
    nowait: bool = False
    of: tuple[str, ...] = ()


class CTE(Struct, frozen=True):
    """One named query of ``WITH``."""

    name: str
    query: Select | Compound
    recursive: bool = False


class Select(Struct, frozen=True):
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


class Compound(Struct, frozen=True):
    """``UNION``, ``UNION ALL``, ``INTERSECT`` or ``EXCEPT`` of queries."""

    op: str
    queries: tuple[Select | Compound, ...]
    order_by: tuple[Ordering, ...] = ()
    limit: Node | None = None
    offset: Node | None = None


class Conflict(Struct, frozen=True):
    """``ON CONFLICT``: ignore when ``update`` is empty, else update these columns from the row refused."""

    targets: tuple[str, ...] = ()
    update: tuple[str, ...] = ()


class Insert(Struct, frozen=True):
    """``INSERT INTO table (columns) VALUES rows``; no columns at all inserts the defaults."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Node, ...], ...]
    returning: tuple[str, ...] = ()
    conflict: Conflict | None = None


class BulkInsert(Struct, frozen=True):
    """One constant statement for any number of rows, where the dialect has it (``unnest`` on PostgreSQL).

    ``columns[i]`` takes the list of values of ``params[i]`` (``many=True`` with its type).
    """

    table: str
    columns: tuple[str, ...]
    params: tuple[Param, ...]
    returning: tuple[str, ...] = ()
    conflict: Conflict | None = None


class BulkUpdate(Struct, frozen=True):
    """Rows found by their keys, each given values of its own: one constant statement, like ``BulkInsert``.

    ``columns[i]`` and then ``keys[i]`` take the list of values of the ``params``, in order.
    """

    table: str
    columns: tuple[str, ...]
    keys: tuple[str, ...]
    params: tuple[Param, ...]


class Assignment(Struct, frozen=True):
    """``column = value`` in an ``UPDATE``."""

    column: str
    value: Node


class Update(Struct, frozen=True):
    """``UPDATE table SET … WHERE …``."""

    table: str
    assignments: tuple[Assignment, ...]
    where: Node | None = None
    returning: tuple[str, ...] = ()
    alias: str | None = None


class Delete(Struct, frozen=True):
    """``DELETE FROM table WHERE …``."""

    table: str
    where: Node | None = None
    returning: tuple[str, ...] = ()
    alias: str | None = None


Statement: TypeAlias = Select | Compound | Insert | BulkInsert | Update | BulkUpdate | Delete
