"""What differs between two definitions of a table: what is equal by value stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from covet.db.sql.ddl import CheckDef, ColumnDef, ForeignKeyDef, IndexDef, TableDef, UniqueDef
from covet.db.sql.ddl_compiler import primary_key_of
from covet.db.sql.nodes import Node
from covet.db.sql.walk import rename_columns

__all__ = ["Changes", "compare", "with_names"]


class Changes(Struct, frozen=True):
    """What differs between two definitions of a table, in the names of the new one.

    Attributes:
        renamed: Columns by old and new name.
        removed: Columns that go.
        added: Columns that come.
        altered: Columns that change: before and after.
        key_changes: The primary key is another one.
    """

    renamed: dict[str, str]
    removed: tuple[ColumnDef, ...]
    added: tuple[ColumnDef, ...]
    altered: tuple[tuple[ColumnDef, ColumnDef], ...]
    key_changes: bool
    old_keys: tuple[ForeignKeyDef, ...]
    new_keys: tuple[ForeignKeyDef, ...]
    old_uniques: tuple[UniqueDef, ...]
    new_uniques: tuple[UniqueDef, ...]
    old_checks: tuple[CheckDef, ...]
    new_checks: tuple[CheckDef, ...]
    old_indexes: tuple[IndexDef, ...]
    new_indexes: tuple[IndexDef, ...]


def compare(old: TableDef, new: TableDef, renamed: Mapping[str, str]) -> Changes:
    """Return what must be done to make the old table the new one."""
    moved = with_names(old, new.name, renamed)
    before = {column.name: column for column in moved.columns}
    after = {column.name: column for column in new.columns}
    altered = tuple(
        (before[name], column) for name, column in after.items() if name in before and _differ(before[name], column)
    )

    def gone(items: Sequence[Any], others: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(item for item in items if item not in others)

    return Changes(
        renamed={a: b for a, b in renamed.items() if a != b},
        removed=tuple(column for name, column in before.items() if name not in after),
        added=tuple(column for name, column in after.items() if name not in before),
        altered=altered,
        key_changes=primary_key_of(moved) != primary_key_of(new),
        old_keys=gone(moved.foreign_keys, new.foreign_keys),
        new_keys=gone(new.foreign_keys, moved.foreign_keys),
        old_uniques=gone(moved.uniques, new.uniques),
        new_uniques=gone(new.uniques, moved.uniques),
        old_checks=gone(moved.checks, new.checks),
        new_checks=gone(new.checks, moved.checks),
        old_indexes=gone(moved.indexes, new.indexes),
        new_indexes=gone(new.indexes, moved.indexes),
    )


def _differ(old: ColumnDef, new: ColumnDef) -> bool:
    return replace(old, backfill=None, primary_key=False) != replace(new, backfill=None, primary_key=False)


def with_names(table: TableDef, name: str, renamed: Mapping[str, str]) -> TableDef:
    """Return a definition as it reads once its columns have their new names: databases follow a rename by themselves."""

    def new(column: str) -> str:
        return renamed.get(column, column)

    def names(columns: Sequence[str]) -> tuple[str, ...]:
        return tuple(new(column) for column in columns)

    def node(item: Node | None) -> Node | None:
        return None if item is None else _renamed_node(item, renamed)

    def parts(rule: UniqueDef | IndexDef) -> Any:
        return tuple(
            replace(part, column=None if part.column is None else new(part.column), expression=node(part.expression))
            for part in rule.parts
        )

    def rule(item: Any) -> Any:
        return replace(item, parts=parts(item), condition=node(item.condition), include=names(item.include))

    keys = tuple(
        replace(
            key,
            columns=names(key.columns),
            to_table=name if key.to_table == table.name else key.to_table,
            to_columns=names(key.to_columns) if key.to_table == table.name else key.to_columns,
        )
        for key in table.foreign_keys
    )
    columns = tuple(
        replace(
            column,
            name=new(column.name),
            generated=None
            if column.generated is None
            else replace(column.generated, expression=_renamed_node(column.generated.expression, renamed)),
        )
        for column in table.columns
    )
    return replace(
        table,
        name=name,
        columns=columns,
        primary_key=names(table.primary_key),
        foreign_keys=keys,
        uniques=tuple(rule(item) for item in table.uniques),
        checks=tuple(replace(check, condition=_renamed_node(check.condition, renamed)) for check in table.checks),
        indexes=tuple(rule(item) for item in table.indexes),
    )


def _renamed_node(node: Node, renamed: Mapping[str, str]) -> Node:
    return rename_columns(node, renamed) if renamed else node
