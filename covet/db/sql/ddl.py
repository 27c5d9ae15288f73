"""Tables, columns, keys and indexes as frozen values: what models describe and schema editors build."""

from __future__ import annotations

from msgspec import Struct

from covet.db.sql.nodes import ColumnType, Node

__all__ = ["CheckDef", "ColumnDef", "ForeignKeyDef", "GeneratedDef", "IndexDef", "IndexPart", "TableDef", "UniqueDef"]


class GeneratedDef(Struct, frozen=True):
    """A column that the database computes; stored, or virtual."""

    expression: Node
    stored: bool


class ColumnDef(Struct, frozen=True):
    """One column. ``identity`` marks the automatic keys; ``default`` is the database's own default, as a node.

    ``backfill`` is the value that existing rows get when the column is added or made NOT NULL; it is no part of the
    schema (Python defaults never stay in the database).
    """

    name: str
    type: ColumnType
    null: bool = False
    primary_key: bool = False
    identity: bool = False
    unique: bool = False
    default: Node | None = None
    generated: GeneratedDef | None = None
    check: str | None = None
    comment: str = ""
    backfill: Node | None = None


class ForeignKeyDef(Struct, frozen=True):
    """A foreign key; deferred to the commit where the database can."""

    name: str
    columns: tuple[str, ...]
    to_table: str
    to_columns: tuple[str, ...]
    on_delete: str = ""
    deferrable: bool = True


class IndexPart(Struct, frozen=True):
    """A column by name, or an expression, in an index or unique rule."""

    column: str | None = None
    expression: Node | None = None
    descending: bool = False
    opclass: str = ""
    #: ``"first"`` or ``"last"``, where it is said; databases without a choice have NULL as their smallest value.
    nulls: str = ""


class UniqueDef(Struct, frozen=True):
    """A unique rule; with a condition, expressions, includes or opclasses it becomes a unique index.

    With ``operators``, one for each part, it is PostgreSQL's exclusion constraint, by an index of the kind ``method``.
    """

    name: str
    parts: tuple[IndexPart, ...]
    condition: Node | None = None
    include: tuple[str, ...] = ()
    deferrable: str = ""
    nulls_distinct: bool | None = None
    operators: tuple[str, ...] = ()
    method: str = ""


class CheckDef(Struct, frozen=True):
    """A check constraint."""

    name: str
    condition: Node


class IndexDef(Struct, frozen=True):
    """An index of a table; with a ``vendor`` only that kind of database has it. ``parameters`` are ``WITH (…)``'s."""

    name: str
    parts: tuple[IndexPart, ...]
    condition: Node | None = None
    include: tuple[str, ...] = ()
    method: str = ""
    vendor: str = ""
    parameters: tuple[str, ...] = ()


class TableDef(Struct, frozen=True):
    """A whole table: what ``create_table`` makes, and both sides of ``alter_table``."""

    name: str
    columns: tuple[ColumnDef, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKeyDef, ...] = ()
    uniques: tuple[UniqueDef, ...] = ()
    checks: tuple[CheckDef, ...] = ()
    indexes: tuple[IndexDef, ...] = ()
    comment: str = ""

    def column(self, name: str) -> ColumnDef:
        """Return the column of that name; ``KeyError`` when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
