"""What a database really holds: its tables, columns, indexes and constraints, as values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from covet.db.database import Database

__all__ = ["ColumnInfo", "ConstraintInfo", "IndexInfo", "Introspection", "SequenceInfo"]


class ColumnInfo(Struct, frozen=True):
    """One column as the database describes it.

    Attributes:
        type: The type in the database's own words.
        default: The default as SQL text, or ``None``.
        identity: The database makes the value by itself.
        generated: The expression of a generated column, or ``None``.
    """

    name: str
    type: str
    null: bool
    default: str | None = None
    primary_key: bool = False
    identity: bool = False
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    collation: str | None = None
    generated: str | None = None
    comment: str = ""


class IndexInfo(Struct, frozen=True):
    """One index; ``None`` among the columns stands for an expression.

    Attributes:
        constraint: It was made for a primary key or a unique constraint.
        condition: What rows it covers, as SQL text, or ``None`` for all.
    """

    name: str
    columns: tuple[str | None, ...]
    unique: bool = False
    primary_key: bool = False
    constraint: bool = False
    method: str = ""
    condition: str | None = None
    descending: tuple[bool, ...] = ()


class ConstraintInfo(Struct, frozen=True):
    """One constraint; ``kind`` is ``primary``, ``unique``, ``foreign_key``, ``check`` or ``exclude``.

    A rule without a name of its own (SQLite has such) has an empty one.
    """

    name: str
    kind: str
    columns: tuple[str, ...]
    to_table: str | None = None
    to_columns: tuple[str, ...] = ()
    on_delete: str = ""
    deferrable: bool = False
    definition: str = ""


class SequenceInfo(Struct, frozen=True):
    """What numbers a column: the sequence's name (empty where it has none), table and column."""

    name: str
    table: str
    column: str


class Introspection(ABC):
    """Reads the schema; every method asks the database anew."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @abstractmethod
    async def tables(self) -> list[str]:
        """Return the names of the tables, sorted; views are not among them."""

    @abstractmethod
    async def views(self) -> list[str]:
        """Return the names of the views, sorted."""

    async def partitions(self) -> list[str]:
        """Return the names of the tables that are parts of another one, sorted; ``tables`` leaves them out."""
        return []

    @abstractmethod
    async def columns(self, table: str) -> list[ColumnInfo]:
        """Return the columns of a table, in order; empty when there is no such table."""

    @abstractmethod
    async def indexes(self, table: str) -> list[IndexInfo]:
        """Return the indexes of a table, those of constraints included."""

    @abstractmethod
    async def constraints(self, table: str) -> list[ConstraintInfo]:
        """Return the constraints of a table."""

    async def sequences(self, table: str) -> list[SequenceInfo]:
        """Return what numbers the automatic columns of a table."""
        return [SequenceInfo("", table, column.name) for column in await self.columns(table) if column.identity]

    async def primary_key(self, table: str) -> tuple[str, ...]:
        """Return the columns of the primary key."""
        for constraint in await self.constraints(table):
            if constraint.kind == "primary":
                return constraint.columns
        return ()

    # The same under Django's names

    async def table_names(self, include_views: bool = False) -> list[str]:
        """Return the names of the tables, and of the views where they are asked for, sorted."""
        return sorted([*await self.tables(), *(await self.views() if include_views else ())])

    async def get_table_description(self, table: str) -> list[ColumnInfo]:
        """Return the columns of a table, in order."""
        return await self.columns(table)

    async def get_sequences(self, table: str) -> list[dict[str, str]]:
        """Return what numbers the automatic columns of a table: ``name``, ``table`` and ``column``."""
        return [{"name": one.name, "table": one.table, "column": one.column} for one in await self.sequences(table)]

    async def get_primary_key_columns(self, table: str) -> list[str]:
        """Return the columns of the primary key."""
        return list(await self.primary_key(table))

    async def get_relations(self, table: str) -> dict[str, tuple[str, str]]:
        """Return, by column, the column and the table that a foreign key points at."""
        return {
            column: (target, constraint.to_table or "")
            for constraint in await self.constraints(table)
            if constraint.kind == "foreign_key"
            for column, target in zip(constraint.columns, constraint.to_columns, strict=False)
        }

    async def get_constraints(self, table: str) -> dict[str, dict[str, Any]]:
        """Return the constraints and indexes of a table by name.

        Each has ``columns``, ``primary_key``, ``unique``, ``foreign_key``, ``check``, ``index``, ``type`` and ``orders``.
        """
        found: dict[str, dict[str, Any]] = {}
        for constraint in await self.constraints(table):
            is_key = constraint.kind == "primary"
            target = (constraint.to_table, constraint.to_columns[0]) if constraint.to_columns else None
            found[constraint.name or f"__unnamed_{constraint.kind}_{len(found) + 1}__"] = {
                "columns": list(constraint.columns),
                "primary_key": is_key,
                "unique": is_key or constraint.kind == "unique",
                "foreign_key": target,
                "check": constraint.kind == "check",
                "index": False,
                "type": None,
                "orders": [],
            }
        for index in await self.indexes(table):
            entry = found.setdefault(
                index.name,
                {
                    "columns": [column for column in index.columns if column is not None],
                    "primary_key": index.primary_key,
                    "unique": index.unique,
                    "foreign_key": None,
                    "check": False,
                },
            )
            entry["index"] = True
            entry["type"] = index.method or None
            entry["orders"] = ["DESC" if down else "ASC" for down in index.descending or (False,) * len(index.columns)]
        return found
